"""Charts of films: every mark is a door, rare films stay visible, and text of files stays text."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cxrdash.charts import Look, census_bars, measure_histogram, suspect_bars

HOSTILE = "<a href='http://evil.example'>click</a>"


def suspects() -> pd.DataFrame:
    return pd.DataFrame({
        "check": ["inverted", "lateral"], "title": ["Greys exchanged", HOSTILE], "images": [6, 0], "of": [1_000, 0],
        "rate": [0.006, np.nan], "low": [0.002, np.nan], "high": [0.013, np.nan],
        "alarms": pd.array([2, None], dtype="Int64"), "alarms_of": [208, 0], "alarm_rate": [2 / 208, np.nan],
        "door": ["open inverted", "open lateral"],
    })  # fmt: skip


def census() -> pd.DataFrame:
    return pd.DataFrame({
        "attribute": ["Mode", "Mode", "Size"], "level": ["L", HOSTILE, "1024 × 1024"], "images": [90, 10, 100],
        "of": [100, 100, 100], "door": ["a", "b", "c"],
    })  # fmt: skip


def bins() -> pd.DataFrame:
    return pd.DataFrame({
        "films": ["frontal"] * 3 + ["lateral"], "from_value": [0.0, 0.1, 0.5, 0.5], "below_value": [0.1, 0.5, 1, 1],
        "images": [2, 0, 500, 30], "suspect": list("abcd"), "door": list("abcd"),
    })  # fmt: skip


def test_each_check_has_its_bar_its_counts_and_its_false_alarms() -> None:
    figure = suspect_bars(suspects(), Look())
    bars, alarms = figure.data[0], figure.data[1]
    assert list(bars.customdata) == [["open inverted"], ["open lateral"]]
    assert alarms.x[0] == pytest.approx(2 / 208)
    assert list(figure.layout.yaxis2.ticktext) == ["6 of 1,000", "not judged"]
    assert "6 of 1,000 films, 0.6% (0.2–1.3%)" in bars.hovertext[0]
    assert HOSTILE not in figure.to_json()


def test_segments_of_an_attribute_add_up_and_are_doors() -> None:
    figure = census_bars(census(), Look())
    assert sum(trace.x[list(trace.y).index(0)] for trace in figure.data if 0 in (trace.y or ())) == 1
    assert {door[0] for trace in figure.data for door in trace.customdata or ()} == {"a", "b", "c"}
    assert HOSTILE not in figure.to_json()


def test_a_bar_too_low_to_be_seen_is_marked_with_its_number() -> None:
    figure = measure_histogram(bins(), Look(), title="Likeness", thresholds=(0.2,))
    (rare,) = (trace for trace in figure.data if trace.type == "scatter")
    assert list(rare.text) == ["2", "0"] and rare.customdata[0] == ["a"]
    assert figure.layout.shapes[0].x0 == 0.2


def test_a_logarithmic_axis_says_so_and_has_room_for_zero() -> None:
    figure = measure_histogram(bins(), Look(), title="Sharpness", logarithmic=True)
    assert figure.layout.xaxis.title.text == "Sharpness, logarithmic"
    assert all(x > 0 for trace in figure.data for x in trace.x)


@pytest.mark.parametrize(("draw", "table"), [(suspect_bars, suspects()), (census_bars, census())])
def test_nothing_to_draw_is_a_calm_sentence(draw, table) -> None:
    assert len(draw(table.head(0), Look()).data) == 0
    assert "this cohort" in draw(table.head(0), Look()).layout.annotations[0].text


def test_an_empty_histogram_is_a_calm_sentence() -> None:
    figure = measure_histogram(bins().head(0), Look(dark=True), title="Likeness")
    assert figure.layout.annotations[0].text == "No film with this measure in this cohort"
