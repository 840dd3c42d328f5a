"""Second opinions and readers: what the bars, dots and cells say."""

from __future__ import annotations

import pandas as pd
import pytest

from cxrdash.charts import Look, agreement_dots, opinion_bars, reader_heat, support_bars


def test_the_four_cells_share_out_positives_and_leave_the_rest_to_its_own_panel(tables) -> None:
    figure = opinion_bars(tables.opinions("Pneumothorax"), Look(), first="NIH", second="Google")
    both, first, second, neither = figure.data
    assert [trace.name for trace in figure.data] == ["both", "only NIH", "only Google", "neither"]
    assert [trace.x[0] for trace in (both, first, second)] == pytest.approx([0.25, 0.25, 0.5])
    assert (neither.xaxis, neither.x[0], neither.text[0].strip()) == ("x2", 0.6, "60 of 100")
    assert both.text[0] == "10 (25%)"


def test_each_cell_carries_its_own_door(tables) -> None:
    frame = tables.opinions("Mass").assign(door_both="B", door_only_first="F", door_only_second="S", door_neither="N")
    figure = opinion_bars(frame, Look(), first="one", second="two")
    assert [list(trace.customdata[0]) for trace in figure.data] == [["B"], ["F"], ["S"], ["N"]]


def test_a_finding_nobody_calls_positive_has_no_bar(tables) -> None:
    frame = tables.opinions("Mass").assign(both=0, only_first=0, only_second=0, neither=100)
    figure = opinion_bars(frame, Look(), first="one", second="two")
    assert all(pd.isna(trace.x[0]) and trace.text[0] == "" for trace in figure.data[:3])


@pytest.mark.parametrize(("readers", "names"), [
    (2, ["1 reader alone", "all 2 readers"]),
    (3, ["1 reader alone", "2 of 3 readers", "all 3 readers"]),
    (5, ["1 reader alone", "2 of 5 readers", "3 of 5 readers", "more than 3 readers"]),
])  # fmt: skip
def test_support_names_how_many_of_how_many(tables, readers: int, names: list[str]) -> None:
    figure = support_bars(tables.support("Mass"), Look(), readers=readers)
    assert [trace.name for trace in figure.data if trace.type == "bar"] == names
    assert len({trace.marker.color for trace in figure.data if trace.type == "bar"}) >= 2


def test_kappa_below_zero_stays_on_the_sheet(tables) -> None:
    frame = tables.agreed("ILD").assign(kappa=-0.05, kappa_low=-0.2, kappa_high=0.1)
    assert agreement_dots(frame, Look()).layout.xaxis.range[0] < -0.2


def test_an_undefined_kappa_leaves_a_gap_and_a_dash(tables) -> None:
    frame = tables.agreed("Mass").assign(kappa=float("nan"), kappa_low=float("nan"), kappa_high=float("nan"))
    figure = agreement_dots(frame, Look())
    assert list(figure.layout.yaxis2.ticktext) == ["kappa –"]


def test_cells_of_few_images_are_grey_and_ratios_are_against_the_others(tables) -> None:
    frame = tables.read("Mass", "Edema").assign(images=[100, 5], shared=[100, 5])
    shares, ratios = reader_heat(frame, Look()), reader_heat(frame, Look(), against_peers=True)
    assert [list(trace.text) for trace in shares.data] == [["30%"], ["30%"]]
    assert [list(trace.text) for trace in ratios.data] == [["1.5"], ["1.5"]]
    assert shares.data[1].marker.color == "#ECEEF0"
    assert "the others 20.0%" in shares.data[0].hovertext[0]
