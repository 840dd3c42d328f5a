"""A chart of any table: bars of a number by name, or one number over another."""

from __future__ import annotations

from typing import Any, Literal, get_args

import pandas as pd
import plotly.graph_objects as go

from cxrdash.charts.canvas import axis, highest, name_axis, nothing, right_texts, rows_height, sheet
from cxrdash.charts.theme import Look, number, plain

Kind = Literal["bars", "line", "points"]
KINDS: tuple[Kind, ...] = get_args(Kind)
MOST_BARS = 40
MOST_POINTS = 20_000


def kind_for(table: pd.DataFrame, x: str, y: str) -> Kind | None:
    """Return how ``y`` by ``x`` is best drawn; None where ``y`` holds no numbers or there are no rows."""
    if table.empty or not _numeric(table[y]) or table[y].isna().all():
        return None
    if not _numeric(table[x]) or (len(table) <= MOST_BARS // 2 and table[x].is_unique):
        return "bars"
    across = table[x].dropna()
    return "line" if across.is_monotonic_increasing and across.is_unique else "points"


def axes_for(table: pd.DataFrame) -> tuple[str, str] | None:
    """Return the columns to draw first: a name (else a number) across, the next number up; None for none."""
    numbers = [name for name in table.columns if _numeric(table[name])]
    names = [name for name in table.columns if not _numeric(table[name])]
    if names and numbers:
        return str(names[0]), str(numbers[0])
    return (str(numbers[0]), str(numbers[1])) if len(numbers) > 1 else None


def _numeric(values: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def result_chart(table: pd.DataFrame, x: str, y: str, *, kind: Kind, look: Look) -> go.Figure:
    """Draw the column ``y`` by ``x``: the first 40 rows as bars, or up to 20,000 as a line or points."""
    if table.empty:
        return nothing(look, "The query gave no rows")
    return (
        _bars(table.head(MOST_BARS), x, y, look) if kind == "bars" else _over(table.head(MOST_POINTS), x, y, kind, look)
    )


def _bars(table: pd.DataFrame, x: str, y: str, look: Look) -> go.Figure:
    names = _row_names(table, x)
    values = table[y].astype("float64")
    figure = sheet(look, rows_height(look, names, 70, lowest=140))
    said = ["NULL" if pd.isna(value) else _said(value) for value in values]
    figure.add_trace(
        go.Bar(
            x=values.tolist(),
            y=list(range(len(names))),
            orientation="h",
            marker={"color": look.accent},
            hovertext=[f"{plain(name)}: {text}" for name, text in zip(names, said, strict=True)],
            hoverinfo="text",
        )
    )
    lowest = min(0.0, float(values.min())) if values.notna().any() else 0.0
    figure.update_layout(
        xaxis=axis(look, plain(y), range=[lowest, max(highest(values), 0.0) or 1.0], nticks=8),
        yaxis=name_axis(look, names),
        margin={"t": 8},
    )
    right_texts(figure, look, said)
    return figure


def _row_names(table: pd.DataFrame, x: str) -> list[str]:
    """The values of ``x``; where they repeat, with those of the other columns of names that tell them apart."""
    columns = [x]
    if not table[x].is_unique:
        columns += [name for name in table.columns if name != x and not _numeric(table[name])]
    rows = table[columns].itertuples(index=False)
    return [" · ".join("NULL" if pd.isna(value) else str(value) for value in row) for row in rows]


def _over(table: pd.DataFrame, x: str, y: str, kind: Kind, look: Look) -> go.Figure:
    figure = sheet(look, 380)
    marks: dict[str, Any] = {"mode": "lines", "line": {"color": look.accent, "width": 2}}
    if kind == "points":
        marks = {"mode": "markers", "marker": {"color": look.accent, "size": 5, "opacity": 0.6}}
    across = table[x] if _numeric(table[x]) else table[x].astype(str).map(plain)
    figure.add_trace(go.Scatter(x=across.tolist(), y=table[y].astype("float64").tolist(), name=plain(y), **marks))
    kind_of_axis = {} if _numeric(table[x]) else {"type": "category"}
    figure.update_layout(
        xaxis=axis(look, plain(x), **kind_of_axis), yaxis=axis(look, plain(y), rangemode="tozero"), margin={"t": 8}
    )
    return figure


def _said(value: float) -> str:
    return number(value) if float(value).is_integer() else f"{value:,.4g}"
