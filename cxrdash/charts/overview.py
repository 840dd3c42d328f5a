"""The small charts of the overview: shares of a column's levels, and ages."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from cxrdash.charts.canvas import (
    axis,
    count_axis,
    doors,
    highest,
    name_axis,
    nothing,
    right_texts,
    row_pitch,
    sheet,
    still,
)
from cxrdash.charts.theme import Look, number, percent, plain


def share_bars(frame: pd.DataFrame, look: Look, *, unit: str = "images") -> go.Figure:
    """Return one bar per level of a column (view, sex, part), numbers at the right.

    ``frame`` has ``level``, ``images``, ``share`` (0 to 1) and ``door``.
    """
    if frame.empty:
        return nothing(look)
    levels = frame["level"].tolist()
    figure = sheet(look, max(84, len(levels) * row_pitch(look, levels) + 24))
    figure.add_trace(
        go.Bar(
            orientation="h",
            x=frame["share"].astype("float64").tolist(),
            y=list(range(len(frame))),
            marker={"color": look.accent, "line": {"width": 0}},
            customdata=doors(frame, "level"),
            hovertext=[
                f"<b>{plain(level)}</b><br>{number(n)} {plain(unit)} ({percent(share)})"
                for level, n, share in zip(frame["level"], frame["images"], frame["share"], strict=True)
            ],
            hoverinfo="text",
            **still(),
        )
    )
    top = highest(frame["share"]) or 1.0
    figure.update_xaxes(**axis(look, "", range=[0, top], showticklabels=False, showgrid=False))
    figure.update_yaxes(**name_axis(look, levels))
    pairs = zip(frame["images"], frame["share"], strict=True)
    right_texts(figure, look, [f"{number(n)}  ({percent(share)})" for n, share in pairs])
    figure.update_layout(bargap=0.35, margin_t=6)
    return figure


def age_histogram(frame: pd.DataFrame, look: Look, *, unit: str = "images") -> go.Figure:
    """Return bars of ``images`` per ``age_band`` (text such as ``40-49``), in the order given."""
    if frame.empty:
        return nothing(look)
    figure = sheet(look, 300 if look.presentation else 210)
    step = 1 if len(frame) <= 8 else 2
    bands = [plain(band) for band in frame["age_band"]]
    figure.add_trace(
        go.Bar(
            x=list(range(len(frame))),
            y=frame["images"].tolist(),
            marker={"color": look.accent, "line": {"width": 0}},
            customdata=doors(frame, "age_band"),
            hovertext=[
                f"<b>{band} years</b><br>{number(n)} {plain(unit)}"
                for band, n in zip(bands, frame["images"], strict=True)
            ],
            hoverinfo="text",
            **still(),
        )
    )
    figure.update_layout(bargap=0.08, margin_t=8)
    figure.update_xaxes(
        **axis(
            look,
            "Age in years",
            showgrid=False,
            tickmode="array",
            tickvals=list(range(len(frame))),
            ticktext=[band if place % step == 0 else "" for place, band in enumerate(bands)],
            tickangle=0,
        )
    )
    figure.update_yaxes(**count_axis(look, plain(unit).capitalize(), highest(frame["images"]), room=1.04, nticks=4))
    return figure
