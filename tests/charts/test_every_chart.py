"""Promises that hold for every chart."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import plotly.graph_objects as go
import pytest

from cxrdash import charts
from cxrdash.charts import Look

HOSTILE = "<a href='http://evil.example'>click</a><b>bold</b> & %{x}"
LONG = "Endotracheal tube, nasogastric tube and central venous catheter after bypass surgery"


def test_an_empty_table_is_one_calm_sentence(case) -> None:
    figure = case.draw(case.table().head(0), Look())
    assert len(figure.data) == 0
    (sentence,) = (note.text for note in figure.layout.annotations)
    assert sentence.startswith("No ") and sentence.endswith("in this cohort")


@pytest.mark.parametrize("look", [Look(), Look(dark=True), Look(presentation=True)])
def test_a_figure_brings_its_own_colours_and_leaves_the_ground_to_the_page(case, look) -> None:
    figure = case.draw(case.table(), look)
    assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor == "rgba(0,0,0,0)"
    assert figure.layout.font.color == look.text
    assert figure.layout.font.size == look.size
    assert figure.layout.height >= 80


def test_one_row_is_enough(case) -> None:
    figure = case.draw(case.table().head(1), Look())
    assert len(figure.data) > 0


def test_a_hostile_name_is_text_and_never_a_link(named_case, drawn) -> None:
    texts = drawn(named_case.draw(named_case.table(HOSTILE, "Edema"), Look()))
    assert not [text for text in texts if "<a" in text or "<b>bold" in text]
    assert any("&lt;a href" in text for text in texts)


def test_no_hover_template_could_read_markup_back_from_the_data(named_case) -> None:
    figure = named_case.draw(named_case.table(HOSTILE, "Edema"), Look())
    assert not [trace for trace in figure.data if trace.hovertemplate or trace.texttemplate]


def test_no_word_of_a_long_name_is_lost(named_case, drawn) -> None:
    texts = drawn(named_case.draw(named_case.table(LONG, "Edema"), Look()))
    assert any(LONG in text.replace("<br>", " ") for text in texts)


def test_names_that_look_like_numbers_or_dates_stay_names(named_case, drawn) -> None:
    figure = named_case.draw(named_case.table("2020-01-01", "1"), Look())
    assert any("2020-01-01" in text for text in drawn(figure))
    assert not [t for t in figure.data for v in (t.x, t.y) if v is not None and "2020-01-01" in list(v)]


def test_a_figure_becomes_json_and_is_the_same_each_time(case) -> None:
    first, second = (case.draw(case.table(), Look()).to_json() for _ in range(2))
    assert json.loads(first) and first == second


def test_every_axis_makes_room_for_its_own_names(case) -> None:
    layout = case.draw(case.table(), Look()).to_plotly_json()["layout"]
    axes = [value for key, value in layout.items() if key.startswith(("xaxis", "yaxis"))]
    assert axes and all(axis["automargin"] for axis in axes)


@pytest.mark.parametrize("count", [35, 70])
@pytest.mark.parametrize("draw", [charts.state_bars, charts.rate_intervals])
def test_each_of_many_findings_keeps_its_row(draw, count, tables) -> None:
    names = [f"Finding {i}" for i in range(count)]
    frame = tables.states(*names).merge(tables.rates(*names)[["finding", "rate", "low", "high"]])
    figure = draw(frame, Look())
    assert list(figure.layout.yaxis.ticktext) == names
    assert figure.layout.height >= 14 * count


def test_charts_import_neither_streamlit_nor_statistics_nor_plotly_express() -> None:
    allowed = {"cxrdash.charts", "cxrdash.labels", "cxrdash.errors", "plotly.graph_objects", "pandas"}
    for path in Path(charts.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                if name.split(".")[0] in ("plotly", "streamlit", "cxrdash", "scipy", "sklearn", "duckdb"):
                    assert any(name.startswith(root) for root in allowed), (path.name, name)


def test_doors_pass_through_untouched(tables) -> None:
    token = {"finding": HOSTILE, "state": "positive"}
    frame = tables.rates("Edema").assign(door=[token])
    (dots,) = (trace for trace in charts.rate_intervals(frame, Look()).data if trace.customdata is not None)
    assert isinstance(dots, go.Scatter) and list(dots.customdata) == [[token]]


def test_a_click_fades_nothing_and_cannot_fail_on_half_a_setting(case) -> None:
    for trace in case.draw(case.table(), Look()).data:
        given = trace.to_plotly_json()
        assert given.get("selected") == given.get("unselected")
