"""How often the label is wrong: by reader with doubtful counted both ways, and by stratum."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from cxrdash.charts.canvas import (
    add_bands,
    doors,
    highest,
    name_axis,
    note,
    nothing,
    records,
    right_texts,
    rows_height,
    share_axis,
    sheet,
    still,
)
from cxrdash.charts.theme import VERDICT_COLOURS, VERDICT_GLYPHS, Look, interval, number, percent, plain

BARS = ("wrong", "doubtful", "unsure", "correct")
NOT_SURE_ENOUGH = "No verdicts in this cohort"


def verdict_bars(frame: pd.DataFrame, look: Look) -> go.Figure:
    """Return how each reader judged: one bar of verdicts per reader, wrong first, with the error rate's interval.

    ``frame`` has ``reader``, ``judged``, ``correct``, ``doubtful``, ``wrong``, ``unsure``, ``unreadable`` and
    ``rate``, ``low``, ``high``, ``rate_doubtful``, ``high_doubtful``; a row without a rate shows counts only.
    """
    if frame.empty:
        return nothing(look, NOT_SURE_ENOUGH)
    names = frame["reader"].tolist()
    figure = sheet(look, rows_height(look, names, 118, lowest=210, times=1.7))
    parts = frame.assign(unsure=frame["unsure"] + frame["unreadable"])
    for verdict in BARS:
        _add_part(figure, parts, look, verdict)
    _add_interval(figure, frame, look)
    figure.update_layout(barmode="stack", showlegend=True, margin_t=52)
    rows = [len(names) - 0.5, -0.8]  # room for the interval above the first bar
    figure.update_yaxes(**name_axis(look, names, range=rows))
    figure.update_xaxes(**share_axis(look, "Share of the images judged"))
    right_texts(figure, look, [_told(row) for row in records(frame)])
    figure.update_layout(yaxis2_range=rows)
    return figure


def _add_part(figure: go.Figure, parts: pd.DataFrame, look: Look, verdict: str) -> None:
    counts = parts[verdict]
    word = "unsure or unreadable" if verdict == "unsure" else verdict
    sign = VERDICT_GLYPHS[verdict]
    carried = parts.assign(door=parts[f"door_{verdict}"]) if f"door_{verdict}" in parts else parts
    texts = [f"{sign} {number(n)}" if n / max(total, 1) > 0.04 else "" for n, total in _with_total(parts, counts)]
    hovers = [
        f"<b>{plain(name)}</b><br>{word}: {number(n)} of {number(total)}"
        for name, (n, total) in zip(parts["reader"], _with_total(parts, counts), strict=True)
    ]
    figure.add_trace(
        go.Bar(
            orientation="h", name=f"{sign} {word}", y=list(range(len(parts))),
            x=[n / max(total, 1) for n, total in _with_total(parts, counts)],
            marker={"color": VERDICT_COLOURS[verdict], "line": {"color": look.ground, "width": 1}},
            text=texts, textposition="inside", insidetextanchor="middle",
            textfont={"color": "#FFFFFF" if verdict in ("wrong", "correct") else "#111111", "size": look.size},
            hovertext=hovers, hoverinfo="text", customdata=doors(carried, "reader"), **still(),
        )
    )  # fmt: skip


def _with_total(parts: pd.DataFrame, counts: pd.Series) -> list[tuple[int, int]]:
    return list(zip(counts.astype("int64").tolist(), parts["judged"].astype("int64").tolist(), strict=True))


def _add_interval(figure: go.Figure, frame: pd.DataFrame, look: Look) -> None:
    """The interval of the rate of wrong, above each bar."""
    known = [(row, record) for row, record in enumerate(records(frame)) if record["low"] == record["low"]]
    if not known:
        return
    figure.add_trace(
        go.Scatter(
            x=[record["rate"] for _, record in known], y=[row - 0.46 for row, _ in known], mode="markers",
            name="wrong, with 95% interval",
            marker={"color": VERDICT_COLOURS["wrong"], "size": 10, "symbol": "diamond",
                    "line": {"color": look.text, "width": 1}},
            error_x={"type": "data", "symmetric": False, "color": look.text, "thickness": 2, "width": 6,
                     "array": [record["high"] - record["rate"] for _, record in known],
                     "arrayminus": [record["rate"] - record["low"] for _, record in known]},
            hovertext=[_told(record) for _, record in known], hoverinfo="text", **still(),
        )
    )  # fmt: skip


def _told(row: dict[str, Any]) -> str:
    if row["rate"] != row["rate"]:
        return f"{number(row['judged'])} judged, no rate"
    ends = interval(row["low"], row["high"])
    return f"{percent(row['rate'])} ({ends})<br>with doubtful {percent(row['rate_doubtful'])}"


def error_strata(frame: pd.DataFrame, look: Look) -> go.Figure:
    """Return the error rate of each level of each attribute with its interval; levels that stand out are filled.

    ``frame`` has ``attribute``, ``level``, ``wrong``, ``judged``, ``rate``, ``low``, ``high``, ``others_rate``, ``q``.
    """
    if frame.empty:
        return nothing(look, NOT_SURE_ENOUGH)
    rows = records(frame)
    names = [level_name(row["attribute"], row["level"]) for row in rows]
    figure = sheet(look, rows_height(look, names, 100))
    add_bands(figure, look, len(names))
    striking = [row["q"] < 0.05 for row in rows]
    colours = [VERDICT_COLOURS["wrong"] if sure else look.ground for sure in striking]
    figure.add_trace(
        go.Scatter(
            x=[row["rate"] for row in rows], y=list(range(len(rows))), mode="markers",
            marker={"size": 11, "color": colours, "line": {"color": VERDICT_COLOURS["wrong"], "width": 2}},
            error_x={"type": "data", "symmetric": False, "color": look.text, "thickness": 1.5, "width": 0,
                     "array": [row["high"] - row["rate"] for row in rows],
                     "arrayminus": [row["rate"] - row["low"] for row in rows]},
            hovertext=[_level_told(row) for row in rows], hoverinfo="text",
            customdata=doors(frame, "attribute", "level"), **still(),
        )
    )  # fmt: skip
    figure.update_yaxes(**name_axis(look, names))
    figure.update_xaxes(**share_axis(look, "Share wrong of the images judged", min(1.0, highest(frame["high"]) * 1.05)))
    right_texts(figure, look, [f"{number(row['wrong'])} of {number(row['judged'])}" for row in rows])
    note(figure, look, "filled: differs from the other images (q below 0.05)", x=0, y=1, yanchor="bottom")
    return figure


def level_name(attribute: str, level: str) -> str:
    """Return a level as people say it: 'part train', 'age 18-39', 'later image'."""
    words = {"split": "part", "age_band": "age", "follow_up": "", "label_method": "labels by", "study_year": "year"}
    return f"{words.get(attribute, attribute)} {level}".strip()


def _level_told(row: dict[str, Any]) -> str:
    return (
        f"<b>{plain(level_name(row['attribute'], row['level']))}</b><br>"
        f"{number(row['wrong'])} of {number(row['judged'])} wrong, "
        f"{percent(row['rate'])} ({interval(row['low'], row['high'])})<br>the others {percent(row['others_rate'])}, "
        f"q = {row['q']:.3f}"
    )
