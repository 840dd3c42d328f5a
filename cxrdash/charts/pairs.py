"""Which findings travel together: the matrix of pairs, and exact combinations over a dot matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from cxrdash.charts.canvas import (
    add_bands,
    axis,
    count_axis,
    doors,
    highest,
    name_axis,
    note,
    nothing,
    records,
    rows_height,
    seen,
    sheet,
    still,
)
from cxrdash.charts.cells import MOST_BARS, Cells, add_cells, add_picture
from cxrdash.charts.scales import Scale, scale_for
from cxrdash.charts.theme import Look, number, percent, plain

FEW = 10
"""Pairs seen on fewer images than this are greyed: their ratios are noise."""


MATRIX_WIDTH = 800
"""Width in pixels that a page leaves for the columns, from which the direction of their names follows."""


CROWDED = 30
"""Beyond so many findings names stand upright and small, so that the matrix stays on a screen or two."""


def pair_matrix(
    frame: pd.DataFrame,
    look: Look,
    *,
    measure: str = "conditional",
    order: Sequence[str] | None = None,
    unit: str = "images",
) -> go.Figure:
    """Return a square heat map; the column is ``finding_a`` (the given one), the row ``finding_b``.

    ``frame`` has ``finding_a``, ``finding_b``, ``value``, ``text`` (what the cell says), ``both`` (images
    with both) and ``door``. ``measure`` is count, conditional, lift, jaccard, phi or odds_ratio and sets
    scale and axis titles; ``order`` sets the findings' order. Pairs seen fewer than `FEW` times are
    greyed, the diagonal is muted, numbers disappear where they do not fit.
    """
    if frame.empty:
        return nothing(look)
    names = list(order) if order is not None else seen(pd.concat([frame["finding_a"], frame["finding_b"]]))
    scale = scale_for(measure, _scaled_values(frame), look, plain(unit))
    kinds = _sorted_cells(frame, look, names, scale, unit)
    figure = sheet(look, _matrix_height(look, names))
    few = f"fewer than {FEW} {plain(unit)} with both"
    if not _as_picture(names):
        hatch = {"shape": "/", "fgcolor": "#3B424B" if look.dark else "#D3D7DC", "size": 8, "solidity": 0.12}
        add_cells(figure, kinds["coloured"], look, **scale.bar_marker(look))
        add_cells(figure, kinds["few"], look, pattern=hatch | {"fillmode": "overlay", "fgopacity": 1})
        add_cells(figure, kinds["diagonal"], look, line={"color": look.grid, "width": 1})
        key = f"hatched: {few}; diagonal: all {plain(unit)} with the finding"
    else:
        doorways = kinds["coloured"].joined(kinds["few"]).joined(kinds["diagonal"])
        add_picture(figure, kinds["coloured"], doorways, len(names), scale.bar_marker(look))
        key = f"left open: {few}, and the diagonal"
    _matrix_axes(figure, look, names, measure)
    note(figure, look, key, x=0, y=0, xanchor="left", yanchor="top", yshift=-8, size=look.small)
    figure.update_layout(margin={"t": 8, "b": 36 if look.presentation else 28})
    return figure


def _matrix_height(look: Look, names: list[Any]) -> int:
    if _as_picture(names):
        return len(names) * 10 + 220
    if len(names) > CROWDED:
        return len(names) * (20 if look.presentation else 16) + 260
    return rows_height(look, names, 150, lowest=300)


def _as_picture(names: list[Any]) -> bool:
    return len(names) ** 2 > MOST_BARS


def _scaled_values(frame: pd.DataFrame) -> pd.Series:
    scaled = (frame["finding_a"] != frame["finding_b"]) & (frame["both"] >= FEW)
    return frame.loc[scaled, "value"].astype("float64").dropna()


def _sorted_cells(frame: pd.DataFrame, look: Look, names: list[Any], scale: Scale, unit: str) -> dict[str, Cells]:
    place = {name: position for position, name in enumerate(names)}
    kinds = {"coloured": Cells(), "few": Cells(), "diagonal": Cells()}
    grey = "#262B32" if look.dark else "#ECEEF0"
    for row, door in zip(records(frame), doors(frame, "finding_a", "finding_b"), strict=True):
        a, b = row["finding_a"], row["finding_b"]
        if a not in place or b not in place:
            continue
        at, text, hover = (place[a], place[b]), plain(row["text"]), _hover(row, scale, unit)
        if a == b:
            kinds["diagonal"].add(at, "rgba(0,0,0,0)", (text, look.muted), hover, door)
        elif row["both"] < FEW or pd.isna(row["value"]):
            kinds["few"].add(at, grey, (text, look.muted), hover, door)
        else:
            value = float(row["value"])
            kinds["coloured"].add(at, scale.position(value), (text, scale.ink(value, look)), hover, door)
    return kinds


def _hover(row: dict[str, Any], scale: Scale, unit: str) -> str:
    a, b = plain(row["finding_a"]), plain(row["finding_b"])
    both = f"{number(row['both'])} {plain(unit)}"
    if row["finding_a"] == row["finding_b"]:
        return f"<b>{a}</b><br>{both}"
    few = f"<br>fewer than {FEW}: not coloured" if row["both"] < FEW else ""
    meaning = f"share of {a} that also has {b}" if scale.measure == "conditional" else scale.title
    return f"<b>{a} and {b}</b><br>{meaning}: {plain(row['text'])}<br>{both} with both{few}"


def _matrix_axes(figure: go.Figure, look: Look, names: list[Any], measure: str) -> None:
    n = len(names)
    room = MATRIX_WIDTH / n
    longest_word = max(len(word) for name in names for word in str(name).split() or [""])
    upright = longest_word * look.size * 0.6 <= room
    given = measure == "conditional"
    size = 8 if _as_picture(names) else look.size if n <= CROWDED else max(9, look.size - 4)
    shared = {"showgrid": False, "tickfont": {"size": size, "color": look.text}}
    titled = {"font": {"size": look.size, "color": look.muted}, "standoff": 6}
    x = name_axis(
        look,
        names,
        wrap=(max(4, int(room / look.size / 0.6)), 3) if upright else (44, 1),
        range=[-0.5, n - 0.5],
        side="top",
        tickangle=0 if upright else -90 if n > CROWDED else -40,
        **shared,
    )
    # Where names stand closer than their own height only every second or third is written.
    step = 1 if upright else max(1, round(10 / room))
    x["ticktext"] = [text if place % step == 0 else "" for place, text in enumerate(x["ticktext"])]
    figure.update_xaxes(**(x | {"title": {"text": "Given this finding (column)" if given else "", **titled}}))
    y = name_axis(look, names, **shared)
    figure.update_yaxes(**(y | {"title": {"text": "also this finding (row)" if given else "", **titled}}))


def combination_chart(frame: pd.DataFrame, look: Look, names: Sequence[str], *, unit: str = "images") -> go.Figure:
    """Return bars of exact combinations above a dot matrix that says which findings each one holds.

    ``frame`` has ``combination`` (text), ``findings`` (list), ``count``, ``share`` and ``door``, in the order
    drawn; ``names`` are the rows of the matrix. A combination of no finding has an empty column.
    """
    if frame.empty:
        return nothing(look)
    pitch = 28 if look.presentation else 20
    figure = sheet(look, len(names) * pitch + (340 if look.presentation else 260))
    columns = list(range(len(frame)))
    _add_combination_bars(figure, frame, look, columns, unit)
    _add_dot_matrix(figure, frame, look, list(names))
    add_bands(figure, look, len(names), "y2")
    matrix = len(names) * pitch / (figure.layout.height - 40)
    figure.update_layout(
        bargap=0.3,
        xaxis=axis(
            look,
            "",
            range=[-0.6, max(len(frame), 6) - 0.4],
            showgrid=False,
            showticklabels=False,
            anchor="y2",
        ),
        yaxis=count_axis(look, plain(unit).capitalize(), highest(frame["count"]), room=1.45)
        | {"domain": [matrix + 0.03, 1], "nticks": 5},
        yaxis2=name_axis(look, list(names), wrap=(44, 1)) | {"domain": [0, matrix], "anchor": "x"},
    )
    return figure


def _add_combination_bars(figure: go.Figure, frame: pd.DataFrame, look: Look, columns: list[int], unit: str) -> None:
    crowded = len(columns) > (14 if look.presentation else 22)
    figure.add_trace(
        go.Bar(
            x=columns,
            y=frame["count"].tolist(),
            marker={"color": look.accent, "line": {"width": 0}},
            text=[number(n) for n in frame["count"]],
            textposition="outside",
            textangle=-90 if crowded else 0,
            textfont={"size": look.small, "color": look.text},
            cliponaxis=False,
            constraintext="none",
            customdata=doors(frame, "combination"),
            hovertext=[
                f"<b>{plain(c) or 'none of these findings'}</b><br>{number(n)} {plain(unit)} ({percent(s)})"
                for c, n, s in zip(frame["combination"], frame["count"], frame["share"], strict=True)
            ],
            hoverinfo="text",
            **still(look.text),
        )
    )


def _add_dot_matrix(figure: go.Figure, frame: pd.DataFrame, look: Look, names: list[str]) -> None:
    place = {name: row for row, name in enumerate(names)}
    held = [sorted(place[name] for name in findings if name in place) for findings in frame["findings"]]
    links = [value for column, rows in enumerate(held) for value in (_ends(column, rows))]
    figure.add_trace(
        go.Scatter(
            x=[x for x, _ in links],
            y=[y for _, y in links],
            yaxis="y2",
            mode="lines",
            hoverinfo="skip",
            line={"color": look.accent, "width": 3},
            showlegend=False,
        )
    )
    tokens = doors(frame, "combination")
    dots = [(c, r, r in rows) for c, rows in enumerate(held) for r in range(len(names))]
    figure.add_trace(
        go.Scatter(
            x=[c for c, _, _ in dots],
            y=[r for _, r, _ in dots],
            yaxis="y2",
            mode="markers",
            marker={
                "color": [look.accent if on else look.grid for _, _, on in dots],
                "size": 12 if look.presentation else 9,
            },
            customdata=[tokens[c] for c, _, _ in dots],
            hovertext=[plain(frame["combination"].iloc[c]) or "none of these findings" for c, _, _ in dots],
            hoverinfo="text",
            **still(),
        )
    )


def _ends(column: int, rows: list[int]) -> list[tuple[int | None, int | None]]:
    return [(column, rows[0]), (column, rows[-1]), (None, None)] if len(rows) > 1 else []
