"""What a loading recipe does: images left after each rule, labels changed per finding, recipes side by side."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from cxrdash.charts.canvas import (
    count_axis,
    doors,
    highest,
    name_axis,
    nothing,
    records,
    right_texts,
    rows_height,
    sheet,
    still,
)
from cxrdash.charts.theme import CLEAR, STATE_COLOURS, Look, contrast, faded, number, percent, plain

BECAME = {
    "changed_to_positive": "positive",
    "changed_to_uncertain": "uncertain",
    "changed_to_negative": "negative",
    "changed_to_missing": "blank",
}
WORDS = {"blank": "missing"}


def recipe_waterfall(frame: pd.DataFrame, look: Look) -> go.Figure:
    """Return one bar per rule: the images left, and behind them those that the rule has just taken away.

    ``frame`` has ``rule``, ``images``, ``images_lost``, ``patients``, ``labels_changed``, ``applied``,
    ``door`` (the images left) and ``door_lost``, '' where no link can choose them; one row per step in order.
    """
    if frame.empty:
        return nothing(look)
    names = frame["rule"].tolist()
    figure = sheet(look, rows_height(look, names, 84))
    _add_step(figure, frame, look, kept=True)
    if frame["images_lost"].sum() > 0:
        _add_step(figure, frame, look, kept=False)
    figure.update_layout(barmode="stack", bargap=0.45, showlegend=True)
    figure.update_yaxes(**name_axis(look, names))
    right_texts(figure, look, [_step_text(row) for row in records(frame)])
    figure.update_xaxes(**count_axis(look, "Images", highest(frame["images"] + frame["images_lost"]), room=1.02))
    return figure


def _step_text(row: dict[str, Any]) -> str:
    if not row["applied"]:
        return "not reproduced"
    patients = f", {number(row['patients'])} patients" if row["patients"] else ""
    changed = f"; {number(row['labels_changed'])} labels changed" if row["labels_changed"] else ""
    return f"{number(row['images'])} images{patients}{changed}"


def _add_step(figure: go.Figure, frame: pd.DataFrame, look: Look, *, kept: bool) -> None:
    counts = frame["images" if kept else "images_lost"]
    word = "left" if kept else "lost by this rule"
    carried = doors(frame, "rule") if kept or "door_lost" not in frame else [[door] for door in frame["door_lost"]]
    figure.add_trace(
        go.Bar(
            orientation="h",
            x=counts.tolist(),
            y=list(range(len(frame))),
            name=word,
            marker={
                "color": look.accent if kept else CLEAR,
                "line": {"color": look.line, "width": 0 if kept else 1},
                "pattern": {"shape": "" if kept else "/", "fgcolor": look.muted, "size": 8, "solidity": 0.12},
            },
            customdata=carried,
            hovertext=[
                f"<b>{plain(rule)}</b><br>{number(n)} images {word}"
                for rule, n in zip(frame["rule"], counts, strict=True)
            ],
            hoverinfo="text",
            **still(),
        )
    )


def label_changes(frame: pd.DataFrame, look: Look) -> go.Figure:
    """Return stacked bars of the labels changed per finding, by what they became, in the order given.

    ``frame`` has ``finding``, ``changed_to_positive``, ``changed_to_uncertain``, ``changed_to_negative``,
    ``changed_to_missing``, ``positive_before``, ``positive_after``, ``of`` and ``door`` ('' for none).
    """
    if frame.empty:
        return nothing(look, "No label is changed in this cohort")
    names = frame["finding"].tolist()
    figure = sheet(look, rows_height(look, names))
    for column, state in BECAME.items():
        if frame[column].sum() > 0:
            _add_became(figure, frame, look, column, state)
    figure.update_layout(
        barmode="stack", bargap=0.24, showlegend=True, uniformtext={"minsize": max(9, look.small - 2), "mode": "hide"}
    )
    figure.update_layout(legend={"title": {"text": "Became "}})
    figure.update_yaxes(**name_axis(look, names))
    changed = frame[list(BECAME)].sum(axis=1)
    texts = [
        f"{number(n)} of {number(row['of'])} ({percent(n / row['of'] if row['of'] else None)})"
        for n, row in zip(changed, records(frame), strict=True)
    ]
    right_texts(figure, look, texts)
    figure.update_xaxes(**count_axis(look, "Images whose label changed", highest(changed)))
    return figure


def _add_became(figure: go.Figure, frame: pd.DataFrame, look: Look, column: str, state: str) -> None:
    colour = faded(STATE_COLOURS[state], 0.4) if state == "blank" else STATE_COLOURS[state]
    word, ink = WORDS.get(state, state), contrast(colour, look)
    hatch = {"shape": "/" if state == "uncertain" else "", "fillmode": "overlay", "fgcolor": "#6B4A00", "size": 6}
    figure.add_trace(
        go.Bar(
            orientation="h",
            x=frame[column].tolist(),
            y=list(range(len(frame))),
            name=word,
            marker={"color": colour, "line": {"width": 0}, "pattern": hatch | {"fgopacity": 0.6, "solidity": 0.18}},
            text=[number(n) if n else "" for n in frame[column]],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            insidetextfont={"size": look.small, "color": ink},
            customdata=doors(frame, "finding"),
            hovertext=[
                f"<b>{plain(finding)}: became {word}</b><br>{number(n)} images"
                for finding, n in zip(frame["finding"], frame[column], strict=True)
            ],
            hoverinfo="text",
            **still(ink),
        )
    )
