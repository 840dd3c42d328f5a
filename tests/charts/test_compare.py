"""Datasets side by side: one colour and symbol each, hollow where labels do not mean the same."""

from __future__ import annotations

import pandas as pd

from cxrdash.charts import Look, attribute_bars, dataset_dots, distance_matrix
from tests.charts.conftest import apart, attributes, compared

LOOK = Look()
BOTH = ["nih", "demo"]


def dots(figure, name: str):
    """The trace of points of a dataset (not its entry in the legend)."""
    return next(t for t in figure.data if t.name == name and t.customdata is not None)


def test_a_rate_of_another_definition_is_hollow_in_the_dataset_s_own_colour() -> None:
    figure = dataset_dots(compared(), LOOK, BOTH)
    full, hollow = dots(figure, "nih").marker, dots(figure, "demo").marker
    assert set(full.color) == {LOOK.series(0)} and set(full.line.color) == {LOOK.ground}
    assert set(hollow.color) == {LOOK.ground} and set(hollow.line.color) == {LOOK.series(1)}


def test_the_legend_shows_every_dataset_filled() -> None:
    figure = dataset_dots(compared(), LOOK, BOTH)
    shown = [t for t in figure.data if t.showlegend is not False]
    assert [(t.name, t.marker.color, t.marker.symbol) for t in shown] == [
        ("nih", LOOK.series(0), "circle"), ("demo", LOOK.series(1), "diamond"),
    ]  # fmt: skip


def test_a_dataset_keeps_its_colour_where_another_is_missing() -> None:
    frame = compared()
    alone = dataset_dots(frame[frame["dataset"] == "demo"], LOOK, BOTH)
    assert dots(alone, "demo").marker.symbol == "diamond"


def test_dots_of_one_label_lie_on_one_row_without_hiding_each_other() -> None:
    figure = dataset_dots(compared("Edema"), LOOK, BOTH)
    first, second = (dots(figure, name).y[0] for name in BOTH)
    assert first < 0 < second and abs(first) < 0.5
    assert list(figure.layout.yaxis.ticktext) == ["Edema"]


def test_a_door_belongs_to_its_dataset() -> None:
    figure = dataset_dots(compared("Edema"), LOOK, BOTH)
    assert [list(dots(figure, name).customdata) for name in BOTH] == [[["into nih"]], [["into demo"]]]


def test_the_hover_says_whose_labels_they_are_and_how_they_relate() -> None:
    text = dots(dataset_dots(compared("Lung Lesion"), LOOK, BOTH), "demo").hovertext[0]
    assert "Lung Lesion, demo" in text and "30.0% (20.0–40.0%)" in text and "30 of 100" in text
    assert "Nodule or Mass: narrower than the shared label" in text


def test_a_long_list_of_findings_is_counted_in_the_hover() -> None:
    frame = compared("Support Devices").assign(findings=" or ".join(f"tube number {n}" for n in range(20)))
    assert "20 findings: " in dots(dataset_dots(frame, LOOK, BOTH), "nih").hovertext[0]


def test_the_rate_before_standardising_is_a_tick_without_a_door() -> None:
    figure = dataset_dots(compared("Edema").assign(crude=0.6), LOOK, BOTH, before="crude")
    ticks = [t for t in figure.data if t.mode == "markers" and t.marker.symbol == "line-ns-open"]
    assert [tuple(t.x) for t in ticks] == [(0.6,), (0.6,)]
    assert all(t.customdata is None for t in ticks)
    assert figure.layout.xaxis.range[1] >= 0.6


def test_every_level_stands_under_its_heading() -> None:
    figure = attribute_bars(attributes(), LOOK, BOTH)
    assert list(figure.layout.yaxis.ticktext) == ["Sex:", "F", "M", "View:", "F", "M"]
    places = dict(zip(range(6), figure.layout.yaxis.tickvals, strict=True))
    for trace in figure.data:
        assert list(trace.y) == [places[1], places[2], places[4], places[5]]
        assert list(trace.text) == ["50.0%"] * 4
    assert sorted(places.values()) == list(places.values())


def test_a_level_that_a_dataset_lacks_has_no_number_on_it() -> None:
    frame = attributes().assign(share_of_images=[0.0, 0.5] * 4)
    figure = attribute_bars(frame, LOOK, BOTH)
    assert set(figure.data[0].text) == {""} and set(figure.data[1].text) == {"50.0%"}


def test_a_distance_stands_on_both_sides_and_turns_its_sign() -> None:
    figure = distance_matrix(apart(), LOOK, BOTH)
    cells = {
        (round(base + 0.48), row): text
        for trace in figure.data
        for base, row, text in zip(trace.base, trace.y, trace.text, strict=True)
    }
    assert cells == {(1, 0): "−0.50", (0, 1): "0.50"}
    hovers = [text for t in figure.data for text in t.hovertext]
    assert any("−0.70 to −0.30" in text for text in hovers) and any("0.30 to 0.70" in text for text in hovers)


def test_an_undefined_distance_is_a_dash() -> None:
    figure = distance_matrix(apart().assign(value=float("nan"), low=float("nan"), high=float("nan")), LOOK, BOTH)
    assert {text for t in figure.data for text in t.text} == {"–"}


def test_no_shared_label_is_said() -> None:
    (note,) = dataset_dots(pd.DataFrame({"shared": []}), LOOK, BOTH).layout.annotations
    assert note.text == "No label is shared by these datasets in this cohort"
