"""A figure is drawn once for the same table and options."""

from __future__ import annotations

from itertools import count

import pandas as pd
import plotly.graph_objects as go
import pytest

from cxrdash import charts
from cxrdash.charts import Look, memory
from cxrdash.charts.patients import lorenz_chart

NUMBERS = count()
CURVE = pd.DataFrame({"share_of_patients": [0.0, 0.5, 1.0], "share_of_images": [0.0, 0.2, 1.0], "unit": "image"})


def counting() -> tuple[list[object], object]:
    drawn: list[object] = []

    def chart(table: pd.DataFrame, *, look: object = None, shown: object = None) -> go.Figure:
        drawn.append(look)
        return go.Figure(go.Scatter(y=table["y"]))

    chart.__qualname__ = f"chart_{next(NUMBERS)}"  # the tests share one memory
    return drawn, memory.remembered(chart)


def test_equal_tables_give_the_figure_drawn_before() -> None:
    drawn, chart = counting()
    first, again = (chart(pd.DataFrame({"y": [1, 2]}), look=Look()) for _ in range(2))  # type: ignore[operator]
    assert first is again and len(drawn) == 1


@pytest.mark.parametrize("other", [pd.DataFrame({"y": [1, 3]}), pd.DataFrame({"y": [1.0, 2.0]})])
def test_another_table_or_look_is_drawn_anew(other: pd.DataFrame) -> None:
    drawn, chart = counting()
    table = pd.DataFrame({"y": [1, 2]})
    for shown, look in ((table, Look()), (other, Look()), (table, Look(dark=True))):
        assert list(chart(shown, look=look).data[0].y) == list(shown["y"])  # type: ignore[operator]
    assert len(drawn) == 3


def test_an_option_that_cannot_be_written_down_is_drawn_each_time() -> None:
    drawn, chart = counting()
    for _ in range(2):
        chart(CURVE.rename(columns={"share_of_images": "y"}), shown=lambda: None)  # type: ignore[operator]
    assert len(drawn) == 2


def test_only_the_last_figures_are_kept() -> None:
    drawn, chart = counting()
    for value in range(memory.MOST_FIGURES + 1):
        chart(pd.DataFrame({"y": [value]}))  # type: ignore[operator]
    chart(pd.DataFrame({"y": [0]}))  # type: ignore[operator]
    assert len(drawn) == memory.MOST_FIGURES + 2


def test_the_charts_of_the_package_are_the_remembered_ones() -> None:
    figure = charts.lorenz_chart(CURVE, Look())
    assert figure is charts.lorenz_chart(CURVE.copy(), Look())
    assert figure.to_json() == lorenz_chart(CURVE, Look()).to_json()
