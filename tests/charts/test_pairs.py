"""The matrix of pairs and the exact combinations."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from cxrdash.charts import Look, combination_chart, pair_matrix
from cxrdash.charts.cells import colour_at
from cxrdash.charts.scales import scale_for


def cells(figure) -> dict:
    """Return text, door, colour and hatching of each (column, row)."""
    found = {}
    for trace in figure.data:
        for i in range(len(trace.y)):
            colour = trace.marker.color
            colour = colour if isinstance(colour, str) else colour[i]
            place = (round(trace.base[i] + trace.x[i] / 2), int(trace.y[i]))
            found[place] = (trace.text[i], trace.customdata[i][0], colour, trace.marker.pattern.shape)
    return found


def test_every_cell_is_a_door_with_the_given_finding_as_its_column(tables) -> None:
    figure = pair_matrix(tables.pairs(), Look())
    assert len(cells(figure)) == 9
    assert cells(figure)[(0, 1)][:2] == ("40.0%", "Edema AND Mass")
    assert "column" in figure.layout.xaxis.title.text and "row" in figure.layout.yaxis.title.text


def test_cells_cover_the_square_without_overlap(tables) -> None:
    for trace in pair_matrix(tables.pairs(), Look()).data:
        assert set(trace.x) == {0.96} and 0.9 <= trace.width < 1


def test_rare_pairs_are_hatched_and_the_diagonal_is_unfilled(tables) -> None:
    found = cells(pair_matrix(tables.pairs(), Look()))
    assert found[(0, 2)][3] == "/" and found[(0, 1)][3] is None
    assert found[(0, 0)][2] == "rgba(0,0,0,0)"


def test_nine_pairs_are_few_and_ten_are_enough(tables) -> None:
    frame = tables.pairs("Edema", "Mass")
    nine = cells(pair_matrix(frame.assign(both=9), Look()))
    ten = cells(pair_matrix(frame.assign(both=10), Look()))
    assert nine[(0, 1)][3] == "/" and ten[(0, 1)][3] is None


def test_an_undefined_value_is_not_coloured(tables) -> None:
    found = cells(pair_matrix(tables.pairs("Edema", "Mass").assign(value=float("nan")), Look(), measure="phi"))
    assert found[(1, 0)][3] == "/"


def test_the_order_given_is_the_order_of_both_axes(tables) -> None:
    order = ["Hernia", "Mass", "Edema"]
    layout = pair_matrix(tables.pairs(), Look(), order=order).layout
    assert list(layout.xaxis.ticktext) == list(layout.yaxis.ticktext) == order


def test_only_a_directed_measure_names_its_axes(tables) -> None:
    layout = pair_matrix(tables.pairs(), Look(), measure="jaccard").layout
    assert layout.xaxis.title.text == "" and layout.yaxis.title.text == ""


@pytest.mark.parametrize("measure", ["lift", "odds_ratio"])
def test_twice_and_half_as_often_are_equally_far_from_chance(measure) -> None:
    scale = scale_for(measure, pd.Series([0.5, 4.0]), Look())
    assert scale.position(1) == 0 and scale.position(2) == -scale.position(0.5) == 1
    assert scale.low == -scale.high == -2
    assert "(log scale)" in scale.title


def test_infinite_and_zero_ratios_lie_at_the_ends() -> None:
    scale = scale_for("odds_ratio", pd.Series([2.0, math.inf, 0.0]), Look())
    assert (scale.position(math.inf), scale.position(0)) == (scale.high, scale.low)


def test_phi_is_centred_at_zero_and_counts_start_there() -> None:
    phi = scale_for("phi", pd.Series([-0.1, 0.4]), Look())
    assert (phi.low, phi.high) == (-0.4, 0.4)
    count = scale_for("count", pd.Series([20, 400]), Look())
    assert (count.low, count.high) == (0, 400)


def test_the_ticks_of_a_ratio_are_ratios() -> None:
    bar = scale_for("lift", pd.Series([4.0]), Look()).bar_marker(Look())["colorbar"]
    assert list(bar["ticktext"]) == ["1/4", "1/2", "1", "2", "4"]


@pytest.mark.parametrize("dark", [True, False])
def test_the_number_reads_on_every_colour_of_the_scale(dark) -> None:
    look = Look(dark=dark)
    scale = scale_for("conditional", pd.Series([1.0]), look)
    assert scale.ink(0.0, look) != scale.ink(1.0, look)


def test_colours_between_two_stops_are_mixed() -> None:
    scale = ((0.0, "#000000"), (1.0, "#FF8040"))
    assert [colour_at(scale, place) for place in (-1, 0.5, 2)] == ["#000000", "#804020", "#FF8040"]


def test_many_findings_become_a_picture_whose_cells_are_still_doors(tables) -> None:
    names = [f"Finding {i}" for i in range(61)]
    heat, doors = pair_matrix(tables.pairs(*names), Look()).data
    assert heat.type == "heatmap" and len(heat.z) == 61
    assert doors.marker.opacity == 0 and len(doors.customdata) == 61 * 61
    assert doors.customdata[1][0] == f"Finding {doors.x[1]} AND Finding {doors.y[1]}"


def test_a_combination_is_a_bar_above_its_dots(tables) -> None:
    figure = combination_chart(tables.combinations(), Look(), ["Edema", "Mass"])
    bars, links, dots = figure.data
    assert list(bars.y) == [60, 30, 10] and list(bars.text) == ["60", "30", "10"]
    assert [list(door) for door in bars.customdata] == [["none"], ["one"], ["two"]]
    assert [(x, y) for x, y in zip(links.x, links.y, strict=True) if x is not None] == [(2, 0), (2, 1)]
    full = [(x, y) for x, y, c in zip(dots.x, dots.y, dots.marker.color, strict=True) if c == Look().accent]
    assert full == [(1, 0), (2, 0), (2, 1)]
    assert figure.layout.yaxis.range[0] == 0


def test_no_finding_at_all_is_called_so(tables) -> None:
    bars = combination_chart(tables.combinations(), Look(), ["Edema", "Mass"]).data[0]
    assert bars.hovertext[0] == "<b>none of these findings</b><br>60 images (60.0%)"
