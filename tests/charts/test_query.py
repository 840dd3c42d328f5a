"""Any table finds its chart: names as bars, ordered numbers as a line, others as points, or none."""

from __future__ import annotations

import pandas as pd
import pytest

from cxrdash.charts.query import KINDS, axes_for, kind_for, result_chart
from cxrdash.charts.theme import Look

COUNTS = pd.DataFrame({"view": ["PA", "AP", "PA"], "sex": ["F", "F", None], "images": [3, 2, 1]})
AGES = pd.DataFrame({"age": [float(age) for age in range(30)] + [None], "images": range(31)})


def test_axes_are_a_name_and_a_number_or_two_numbers() -> None:
    assert axes_for(COUNTS) == ("view", "images")
    assert axes_for(AGES) == ("age", "images")
    assert axes_for(COUNTS[["view", "sex"]]) is None
    assert axes_for(COUNTS[["images"]]) is None


@pytest.mark.parametrize(("table", "x", "y", "kind"), [
    (COUNTS, "view", "images", "bars"),
    (COUNTS, "images", "view", None),
    (AGES, "age", "images", "line"),
    (AGES.iloc[::-1], "age", "images", "points"),
    (AGES.head(5), "age", "images", "bars"),
    (AGES.head(0), "age", "images", None),
])  # fmt: skip
def test_the_kind_follows_the_columns(table: pd.DataFrame, x: str, y: str, kind: str | None) -> None:
    assert kind_for(table, x, y) == kind


def test_bars_of_one_name_are_told_apart_by_the_other_names() -> None:
    figure = result_chart(COUNTS, "view", "images", kind="bars", look=Look())
    assert list(figure.layout.yaxis.ticktext) == ["PA · F", "AP · F", "PA · NULL"]
    assert list(figure.data[0].x) == [3.0, 2.0, 1.0]


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_names_stay_text(kind: str) -> None:
    name = "<img src=x onerror=alert(1)>"
    table = pd.DataFrame({name: [name, "b"], "n": [1, 2]})
    drawn = result_chart(table, name, "n", kind=kind, look=Look()).to_json()  # type: ignore[arg-type]
    assert "<img" not in drawn and "\\u003cimg" not in drawn


def test_an_empty_result_is_said() -> None:
    figure = result_chart(COUNTS.head(0), "view", "images", kind="bars", look=Look(dark=True))
    assert "no rows" in figure.layout.annotations[0].text
