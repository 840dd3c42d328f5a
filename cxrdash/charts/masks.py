"""Masks: what a quality threshold keeps, and the heart's width against its label."""

from __future__ import annotations

from math import floor

import pandas as pd
import plotly.graph_objects as go

from cxrdash.charts.canvas import (
    add_bands,
    axis,
    count_axis,
    doors,
    name_axis,
    note,
    nothing,
    records,
    right_texts,
    rows_height,
    seen,
    sheet,
    still,
)
from cxrdash.charts.intervals import Series, add_dots
from cxrdash.charts.theme import STATE_COLOURS, Look, number, percent, plain

STATE_WORDS = {"positive": "labelled positive", "uncertain": "labelled uncertain", "negative": "labelled negative",
               "blank": "not mentioned", "not_assessed": "not assessed"}  # fmt: skip
PITCH = 46
"""Height of one distribution in pixels, where several stand below each other."""


def kept_dots(frame: pd.DataFrame, look: Look, *, threshold: float) -> go.Figure:
    """Return the share of images kept per finding, for those with it and for the others.

    ``frame`` has ``finding``, ``level`` (the two groups), ``rate`` with ``low`` and ``high``, ``positive``
    (images kept) of ``of``, and ``door``. The axis need not begin at 0: nothing here has a length.
    """
    if frame.empty:
        return nothing(look)
    findings, levels = seen(frame["finding"]), seen(frame["level"])
    figure = sheet(look, rows_height(look, findings))
    row = {finding: at for at, finding in enumerate(findings)}
    for position, level in enumerate(levels):
        part = frame[frame["level"] == level]
        rows = [float(row[finding]) for finding in part["finding"]]
        add_dots(figure, part, look, Series(position, len(levels), str(level)), rows)
    add_bands(figure, look, len(findings))
    lowest = frame[["low", "rate"]].astype("float64").min().min()
    start = floor(10 * min(float(lowest), 0.9)) / 10 if lowest == lowest else 0.0
    figure.update_layout(showlegend=True)
    figure.update_yaxes(**name_axis(look, findings))
    title = f"Share of images kept with a quality index of {threshold:.2f} or more"
    figure.update_xaxes(**axis(look, title, range=[start - 0.005, 1.005], tickformat=".0%", nticks=7))
    first = frame[frame["level"] == levels[0]].set_index("finding")
    right_texts(
        figure,
        look,
        [f"{number(first['positive'][f])} of {number(first['of'][f])}" if f in first.index else "" for f in findings],
    )
    return figure


def quality_steps(frame: pd.DataFrame, look: Look, *, threshold: float) -> go.Figure:
    """Return how many images have which quality index, with a line at the threshold.

    ``frame`` has ``low``, ``high``, ``images`` and ``door``, one row per step.
    """
    if frame.empty:
        return nothing(look)
    figure = sheet(look, 300 if look.presentation else 220)
    below = frame["high"] <= threshold + 1e-9
    figure.add_trace(
        go.Bar(
            x=((frame["low"] + frame["high"]) / 2).tolist(),
            y=frame["images"].tolist(),
            width=(frame["high"] - frame["low"]).tolist(),
            marker={"color": [look.series(1) if low else look.accent for low in below],
                    "line": {"width": 1, "color": look.ground}},
            customdata=doors(frame, "low", "high"),
            hovertext=[
                f"<b>quality {row['low']:.2f} to {row['high']:.2f}</b><br>{number(row['images'])} images"
                for row in records(frame)
            ],
            hoverinfo="text",
            **still(),
        )
    )  # fmt: skip
    _line(figure, look, threshold, f"threshold {threshold:.2f}")
    figure.update_layout(bargap=0)
    top = float(frame["images"].max())
    figure.update_yaxes(**count_axis(look, "Images", top, room=1.15))
    edge = min(float(frame["low"].min()), threshold) - 0.01
    title = "Quality index of the image's worst mask (RCA mean)"
    figure.update_xaxes(**axis(look, title, range=[edge, 1.0], tickformat=".2f", nticks=10))
    return figure


def ratio_steps(frame: pd.DataFrame, look: Look, *, zones: tuple[float, float]) -> go.Figure:
    """Return one distribution of the cardiothoracic ratio per state of the label, on one axis.

    ``frame`` has ``state``, ``low``, ``high``, ``images`` and ``door``; bars are shares of the state's images.
    Between the two ``zones`` nothing is decided.
    """
    if frame.empty:
        return nothing(look)
    states = seen(frame["state"])
    pitch = 2 * PITCH if look.presentation else max(PITCH, 290 // len(states))
    figure = sheet(look, len(states) * pitch + 90)
    for place, state in enumerate(states):
        _add_state(figure, frame[frame["state"] == state], look, state, _panel(place, len(states)))
    low, high = min(float(frame["low"].min()) - 0.07, 0.33), max(float(frame["high"].max()), 0.65)
    title = "Cardiothoracic ratio: width of the heart over that of both lungs"
    figure.update_layout(
        bargap=0,
        xaxis=axis(
            look,
            title,
            range=[low, high],
            tickformat=".2f",
            nticks=12,
            anchor=f"y{len(states)}" if len(states) > 1 else "y",
        ),
    )
    figure.add_shape(
        type="rect", x0=zones[0], x1=zones[1], y0=0, y1=1, yref="paper", layer="below", line={"width": 0},
        fillcolor=look.grid,
    )  # fmt: skip
    for at, word, anchor in (
        (zones[0], "small", "right"),
        (sum(zones) / 2, "undecided", "center"),
        (zones[1], "large", "left"),
    ):
        note(figure, look, word, x=at, xref="x", y=1, yanchor="bottom", xanchor=anchor, size=look.small)
    return figure


def _panel(place: int, panels: int) -> tuple[str, tuple[float, float]]:
    """Return the axis of a panel and its share of the height, the first at the top."""
    height = 1 / panels
    top = 1 - place * height
    return ("y" if place == 0 else f"y{place + 1}"), (max(top - height * 0.9, 0.0), top)


def _add_state(
    figure: go.Figure, frame: pd.DataFrame, look: Look, state: str, panel: tuple[str, tuple[float, float]]
) -> None:
    name, domain = panel
    total = int(frame["images"].sum())
    shares = frame["images"] / max(total, 1)
    colour = STATE_COLOURS.get(state, look.accent)
    figure.add_trace(
        go.Bar(
            x=((frame["low"] + frame["high"]) / 2).tolist(),
            y=shares.tolist(),
            width=(frame["high"] - frame["low"]).tolist(),
            yaxis=name,
            marker={
                "color": look.grid if state == "not_assessed" else colour,
                "line": {"width": 1, "color": look.ground},
            },
            customdata=doors(frame, "state", "low"),
            hovertext=[
                f"<b>{plain(STATE_WORDS.get(state, state))}: ratio {row['low']:.3f} to {row['high']:.3f}</b><br>"
                f"{number(row['images'])} of {number(total)} images ({percent(row['images'] / max(total, 1))})"
                for row in records(frame)
            ],
            hoverinfo="text",
            **still(),
        )
    )
    figure.update_layout(
        {f"yaxis{name[1:]}": axis(look, range=[0, max(float(shares.max()), 0.05) * 1.1], showticklabels=False,
                                  showgrid=False, domain=list(domain))}
    )  # fmt: skip
    words = f"<b>{plain(STATE_WORDS.get(state, state))}</b><br>{number(total)} images"
    note(figure, look, words, x=0, xanchor="left", y=domain[1], yanchor="top", colour=look.text)


def _line(figure: go.Figure, look: Look, at: float, word: str) -> None:
    figure.add_shape(
        type="line", x0=at, x1=at, y0=0, y1=1, yref="paper", line={"color": look.text, "width": 1.5, "dash": "dot"}
    )
    note(figure, look, word, x=at, xref="x", y=1, yanchor="bottom", xanchor="center", size=look.small)
