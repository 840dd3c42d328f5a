"""Charts of masks and boxes: where a mark stands, and that each panel is its own film."""

from __future__ import annotations

import pandas as pd
import pytest

from cxrdash.charts import Look, heat_maps, kept_dots, overlap_bars, quality_steps, ratio_steps


def test_each_panel_shows_shares_of_its_own_boxes_with_the_first_row_on_top() -> None:
    cells = pd.DataFrame(
        {"finding": ["Mass", "Edema", "Edema"], "x": [0, 3, 2], "y": [1, 0, 0], "boxes": [1, 4, 2], "of": [2, 4, 4],
         "title": "", "door": ["a", "b", "c"]}
    )  # fmt: skip
    figure = heat_maps(cells, Look(), cells=4)
    first, second = (trace for trace in figure.data if trace.type == "heatmap")
    assert first.z[1][0] == 0.5 and second.z[0][3] == 1 and second.z[0][2] == 0.5
    assert figure.layout.yaxis.range == figure.layout.yaxis2.range == (3.5, -0.5)
    doors = [list(data) for trace in figure.data if trace.type == "scatter" for data in trace.customdata]
    assert doors == [["a"], ["b"], ["c"]]


@pytest.mark.parametrize("findings", [1, 4, 13, 22])
def test_panels_neither_overlap_nor_leave_the_drawing(findings: int) -> None:
    row = {"x": 0, "y": 0, "boxes": 1, "of": 1, "title": "1 box", "door": "a"}
    layout = heat_maps(pd.DataFrame([{"finding": f"F{n}", **row} for n in range(findings)]), Look(), cells=4).layout
    places = [layout[f"{axis}axis{n or ''}"].domain for axis in "xy" for n in (0, *range(2, findings + 1))]
    assert all(-1e-9 <= low < high <= 1 + 1e-9 for low, high in places)
    panels = list(zip(places[:findings], places[findings:], strict=True))
    for at, (x, y) in enumerate(panels):
        for other_x, other_y in panels[at + 1 :]:
            assert x[1] <= other_x[0] or other_x[1] <= x[0] or y[1] <= other_y[0] or other_y[1] <= y[0]


def test_the_threshold_stands_where_it_is_and_parts_the_bars() -> None:
    bins = pd.DataFrame({"low": [0.6, 0.8], "high": [0.62, 0.82], "images": [1, 9], "door": ["a", "b"]})
    figure = quality_steps(bins, Look(), threshold=0.7)
    assert [shape.x0 for shape in figure.layout.shapes] == [0.7]
    assert len(set(figure.data[0].marker.color)) == 2


def test_states_are_compared_as_shares_of_their_own_images() -> None:
    bins = pd.DataFrame(
        {"state": ["positive", "negative", "negative"], "low": [0.5, 0.4, 0.5], "high": [0.525, 0.425, 0.525],
         "images": [3, 1, 3], "door": ["a", "b", "c"]}
    )  # fmt: skip
    positive, negative = ratio_steps(bins, Look(), zones=(0.45, 0.55)).data
    assert list(positive.y) == [1] and list(negative.y) == [0.25, 0.75]


def test_kept_and_total_stand_beside_each_finding(drawn) -> None:
    row = {"finding": "Edema", "level": "with", "rate": 0.9, "low": 0.8, "high": 0.95, "positive": 9, "of": 10}
    figure = kept_dots(pd.DataFrame([{**row, "door": "a"}]), Look(), threshold=0.7)
    assert "9 of 10" in drawn(figure)


def test_a_finding_without_a_pair_says_so(drawn) -> None:
    row = {"finding": "Mass", "comparisons": 2, "at_half": 0, "looser": 0, "unmatched": 2, "median_iou": float("nan")}
    assert "no pair" in drawn(overlap_bars(pd.DataFrame([{**row, "door": "a"}]), Look()))
