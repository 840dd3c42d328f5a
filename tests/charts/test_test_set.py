"""Tiers, subgroups and widths."""

from __future__ import annotations

import pandas as pd
import pytest

from cxrdash.charts import Look, subgroup_grid, tier_bars


def test_the_tier_is_said_by_colour_sign_and_word(tables) -> None:
    bars, words = tier_bars(tables.tiers(), Look()).data
    assert bars.marker.color[0] == "#EBC05A"
    assert list(words.text) == [" 48  ◑ low", " 0  ✕ blocked"]


def test_the_lines_of_the_tiers_are_drawn_and_labelled(tables) -> None:
    figure = tier_bars(tables.tiers(), Look())
    assert [shape.x0 for shape in figure.layout.shapes] == [10, 30, 50, 100]
    labels = [note.text for note in figure.layout.annotations]
    assert [label for label in labels if label != "<b>test</b>"] == ["10", "30", "<b>50</b>", "100"]


def test_the_log_axis_of_patients_says_so(tables) -> None:
    axis = tier_bars(tables.tiers(), Look()).layout.xaxis
    assert axis.type == "log" and axis.title.text == "Positive patients (log scale)"


@pytest.mark.parametrize("spelling", ["very_low", "very low", "Very low"])
def test_a_tier_is_one_tier_however_it_is_spelt(tables, spelling) -> None:
    frame = tables.tiers("Edema").assign(tier=spelling, positive_patients=20)
    assert tier_bars(frame, Look()).data[1].text[0] == " 20  ◔ very low"


def test_several_parts_stand_side_by_side_on_one_scale(tables) -> None:
    frame = pd.concat([tables.tiers().assign(split=part) for part in ("train", "test")])
    layout = tier_bars(frame, Look()).layout
    assert layout.xaxis.range == layout.xaxis2.range
    assert layout.xaxis.domain[1] <= layout.xaxis2.domain[0]


def test_a_cell_shows_its_number_and_an_empty_one_says_none(tables) -> None:
    figure = subgroup_grid(tables.tiers().assign(subgroup="women, AP"), Look())
    cells = {(t.base[i], t.y[i]): t.text[i] for t in figure.data if t.type == "bar" for i in range(len(t.y))}
    assert cells == {(-0.48, 0): "48 ◑", (-0.48, 1): "none"}


def test_a_cell_is_a_door_to_its_finding_and_subgroup(tables) -> None:
    figure = subgroup_grid(tables.tiers("Edema").assign(subgroup="women"), Look())
    assert [list(door) for door in figure.data[0].customdata] == [["Edema", "women"]]


def test_a_missing_combination_stays_open_rather_than_zero(tables) -> None:
    a, b = (
        tables.tiers("Edema").assign(subgroup="women"),
        tables.tiers("Edema").assign(subgroup="men", finding="Mass"),
    )
    bars = [t for t in subgroup_grid(pd.concat([a, b]), Look()).data if t.type == "bar"]
    assert sum(len(t.y) for t in bars) == 2
