"""Boxes: where on the film each finding is boxed, and how far several readers' boxes agree."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from cxrdash.charts.canvas import (
    axis,
    doors,
    name_axis,
    note,
    nothing,
    records,
    right_texts,
    rows_height,
    seen,
    share_axis,
    sheet,
    still,
)
from cxrdash.charts.scales import SEQUENTIAL, SEQUENTIAL_DARK
from cxrdash.charts.theme import Look, contrast, number, percent, plain, wrapped

ACROSS = 5
"""Panels side by side; fewer findings stand in fewer, larger panels."""
MARKER = 30


def heat_maps(frame: pd.DataFrame, look: Look, *, cells: int, across: int = ACROSS) -> go.Figure:
    """Return one small film per finding, coloured by the share of its boxes that reach into each cell.

    ``frame`` has ``finding``, ``title`` (the line below the name), ``x``, ``y``, ``boxes``, ``of`` and ``door``,
    a row per cell with a box. The patient's right is on the left, as on the film.
    """
    if frame.empty:
        return nothing(look)
    findings = seen(frame["finding"])
    across = min(across, len(findings))
    down = -(-len(findings) // across)
    head = 58 if look.presentation else 44
    side = 1130 // across if across > 2 else 380
    figure = sheet(look, down * (min(side, 250) + head) + 20)
    figure.update_layout(margin={"l": 4, "r": 4, "t": head, "b": 4})
    for place, finding in enumerate(findings):
        _add_map(figure, frame[frame["finding"] == finding], look, place, (across, down, cells), head)
    return figure


def _add_map(
    figure: go.Figure, frame: pd.DataFrame, look: Look, place: int, grid: tuple[int, int, int], head: int
) -> None:
    across, down, cells = grid
    row, column = divmod(place, across)
    suffix = "" if place == 0 else str(place + 1)
    gap = head / max(figure.layout.height - head - 4, 1)  # of the titles, as a share of the drawing
    height = (1 - (down - 1) * gap) / down
    top = 1 - row * (height + gap)
    domain = [column / across + 0.006, (column + 1) / across - 0.006]
    shares: list[list[float | None]] = [[0.0] * cells for _ in range(cells)]
    for cell in records(frame):
        shares[cell["y"]][cell["x"]] = cell["boxes"] / cell["of"]
    most = max(float((frame["boxes"] / frame["of"]).max()), 1e-9)
    scale = [list(stop) for stop in (SEQUENTIAL_DARK if look.dark else SEQUENTIAL)]
    axes: dict[str, Any] = {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}"}
    figure.add_trace(
        go.Heatmap(
            z=shares, zmin=0, zmax=most, colorscale=scale, showscale=False, hoverinfo="skip", xgap=1, ygap=1, **axes
        )
    )
    figure.add_trace(
        go.Scatter(
            x=frame["x"].tolist(),
            y=frame["y"].tolist(),
            mode="markers",
            marker={"symbol": "square", "size": max(8, MARKER * 12 // cells - 2 * across), "opacity": 0},
            customdata=doors(frame, "finding", "x", "y"),
            hovertext=[
                f"<b>{plain(cell['finding'])}</b><br>{number(cell['boxes'])} of {number(cell['of'])} boxes reach in "
                f"({percent(cell['boxes'] / cell['of'])})"
                for cell in records(frame)
            ],
            hoverinfo="text",
            selected={"marker": {"opacity": 0}},
            unselected={"marker": {"opacity": 0}},
            **axes,
        )
    )
    _place_map(figure, look, suffix, (domain, [top - height, top]), cells)
    title = f"<b>{wrapped(frame['finding'].iloc[0], 30, 4)}</b><br>{plain(frame['title'].iloc[0])}"
    note(figure, look, title, x=sum(domain) / 2, xanchor="center", y=top, yanchor="bottom", align="center",
         colour=look.text, size=look.small)  # fmt: skip


def _place_map(
    figure: go.Figure, look: Look, suffix: str, domains: tuple[list[float], list[float]], cells: int
) -> None:
    """Give one map its own square axes, without ticks, in its part of the sheet."""
    across, down = domains
    plain_axis = axis(look, showgrid=False, showticklabels=False, automargin=True)
    figure.update_layout(
        {
            f"xaxis{suffix}": plain_axis | {"domain": across, "anchor": f"y{suffix}", "range": [-0.5, cells - 0.5]},
            f"yaxis{suffix}": plain_axis | {"domain": down, "anchor": f"x{suffix}",
                                            "range": [cells - 0.5, -0.5], "scaleanchor": f"x{suffix}",
                                            "constrain": "domain", "constraintoward": "top"},
        }
    )  # fmt: skip
    figure.update_layout({f"xaxis{suffix}": {"constrain": "domain"}})


PARTS = (
    ("at_half", "overlap of half or more"),
    ("looser", "overlap below half"),
    ("unmatched", "no box of the other reader"),
)


def overlap_bars(frame: pd.DataFrame, look: Look) -> go.Figure:
    """Return per finding how often a box meets one of another reader, and how well they lie on each other.

    ``frame`` has ``finding``, ``comparisons``, its parts ``at_half``, ``looser`` and ``unmatched``,
    ``median_iou`` and ``door``.
    """
    if frame.empty:
        return nothing(look)
    findings = frame["finding"].tolist()
    figure = sheet(look, rows_height(look, findings, 112))
    colours = (look.series(2), look.series(3), "#9AA0A6")
    for (column, word), colour in zip(PARTS, colours, strict=True):
        shares = frame[column] / frame["comparisons"].where(frame["comparisons"] > 0)
        ink = contrast(colour, look)
        figure.add_trace(
            go.Bar(
                orientation="h",
                x=shares.tolist(),
                y=list(range(len(frame))),
                name=word,
                marker={"color": colour, "line": {"width": 1, "color": look.ground}},
                text=[
                    f"{number(n)} ({100 * s:.0f}%)" if s == s else ""
                    for n, s in zip(frame[column], shares, strict=True)
                ],
                textposition="inside",
                insidetextanchor="middle",
                textangle=0,
                insidetextfont={"size": look.small, "color": ink},
                customdata=doors(frame, "finding"),
                hovertext=[
                    f"<b>{plain(row['finding'])}: {word}</b><br>{number(row[column])} of "
                    f"{number(row['comparisons'])} comparisons"
                    for row in records(frame)
                ],
                hoverinfo="text",
                **still(ink),
            )
        )
    figure.update_layout(
        barmode="stack", showlegend=True, bargap=0.22, uniformtext={"minsize": max(9, look.small - 2), "mode": "hide"}
    )
    figure.update_yaxes(**name_axis(look, findings))
    medians = [f"median {iou:.2f}" if iou == iou else "no pair" for iou in frame["median_iou"]]
    right_texts(figure, look, medians)
    figure.update_xaxes(**share_axis(look, "Share of boxes looked for among another reader's boxes of the finding"))
    return figure
