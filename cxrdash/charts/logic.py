"""Labels against themselves: the tree of findings, rules that labels break, labels that repeat each other."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from cxrdash.charts.canvas import (
    axis,
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
from cxrdash.charts.theme import STATE_COLOURS, Look, contrast, faded, number, percent, plain, wrapped

PARENT_STATES = {
    "parent_positive": "positive",
    "parent_uncertain": "uncertain",
    "parent_negative": "negative",
    "parent_blank": "blank",
    "not_assessed": "not_assessed",
}
NAMES = 0.3
"""Share of the width that the tree of names takes."""
NAME_CHARACTERS = 38
"""Characters of a root's name before it goes on to the next line; a child has three less for each level."""
VERDICTS = ("contradiction", "doubtful", "incomplete", "note")
MARKS = {
    "contradiction": "✕ contradiction",
    "doubtful": "? doubtful",
    "incomplete": "… incomplete",
    "note": "· to know",
}


def hierarchy_tree(frame: pd.DataFrame, look: Look, *, unit: str = "images") -> go.Figure:
    """Return the tree of findings, each child with the states of its parent where the child is positive.

    ``frame`` has one row per child, each after its parent: ``finding``, ``parent``, ``level`` (1 below a
    root), ``positive`` and counts ``parent_positive``, ``parent_uncertain``, ``parent_negative``,
    ``parent_blank``, ``not_assessed``. Each segment's ``customdata`` is the row's door (or finding and
    parent) followed by the parent's state.
    """
    if frame.empty:
        return nothing(look, "No finding has a parent in this cohort")
    rows = _with_roots(records(frame))
    names = [row["name"] for row in rows]
    lines = max(wrapped(row["name"], NAME_CHARACTERS - 3 * row["level"]).count("<br>") + 1 for row in rows)
    figure = sheet(look, rows_height(look, names, times=max(1.0, 0.75 * lines)))
    at = [place for place, row in enumerate(rows) if row["level"]]
    for column, state in PARENT_STATES.items():
        if frame[column].sum() > 0:
            _add_parent_state(figure, frame, look, (column, state), at)
    _add_names(figure, look, rows)
    figure.update_layout(
        barmode="stack", bargap=0.24, showlegend=True, uniformtext={"minsize": max(9, look.small - 2), "mode": "hide"}
    )
    figure.update_layout(legend={"title": {"text": "Parent is "}, "x": NAMES})
    figure.update_yaxes(**name_axis(look, names, showticklabels=False))
    right_texts(figure, look, [_tree_text(row) for row in rows])
    title = f"Share of {plain(unit)} positive for the child; at the right: positive, and parent denied"
    figure.update_xaxes(**share_axis(look, title, domain=[NAMES, 1]))
    return figure


def _with_roots(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows with one more for each root, before its first child."""
    found: list[dict[str, Any]] = []
    for row in rows:
        if row["level"] == 1 and row["parent"] not in [item["name"] for item in found if not item["level"]]:
            found.append({"name": row["parent"], "level": 0})
        found.append(row | {"name": row["finding"]})
    return found


def _tree_text(row: dict[str, Any]) -> str:
    if not row["level"]:
        return ""
    positive, denied = row["positive"], row["parent_negative"]
    return f"{number(positive)}, {number(denied)} denied ({percent(denied / positive if positive else None)})"


def _add_names(figure: go.Figure, look: Look, rows: list[dict[str, Any]]) -> None:
    """Write the names as a tree: indented, each child joined to its parent by an elbow."""
    step = 0.022
    reached: dict[int, float] = {}  # how far down the line below the latest finding of a level has come
    for place, row in enumerate(rows):
        level = int(row["level"])
        weight = "<b>{}</b>" if not level else "{}"
        text = weight.format(wrapped(row["name"], NAME_CHARACTERS - 3 * level))
        colour = look.text
        note(figure, look, text, x=level * step, y=place, yref="y", xanchor="left", yanchor="middle", colour=colour)
        if level:
            x = (level - 1) * step + 0.008
            corner = {"xref": "paper", "yref": "y", "line": {"color": look.line, "width": 1}, "type": "line"}
            figure.add_shape(x0=x, x1=x, y0=reached.get(level - 1, place), y1=place, **corner)
            figure.add_shape(x0=x, x1=x + 0.011, y0=place, y1=place, **corner)
            reached[level - 1] = place
        reached[level] = place + 0.36


def _add_parent_state(
    figure: go.Figure, frame: pd.DataFrame, look: Look, names: tuple[str, str], places: list[int]
) -> None:
    column, state = names
    counts = frame[column].astype("float64")
    shares = counts / frame["positive"].astype("float64").where(lambda n: n > 0)
    colour = faded(STATE_COLOURS[state], 0.4) if state == "blank" else STATE_COLOURS[state]
    word = state.replace("_", " ")
    ink = contrast(colour, look)
    carried = [[*door, state] for door in doors(frame, "finding", "parent")]
    hatch = {"shape": "/" if state == "uncertain" else "", "fillmode": "overlay", "fgcolor": "#6B4A00", "size": 6}
    figure.add_trace(
        go.Bar(
            orientation="h",
            x=shares.tolist(),
            y=places,
            name=word,
            marker={
                "color": colour,
                "line": {"color": look.line, "width": 1 if state == "not_assessed" else 0},
                "pattern": hatch | {"fgopacity": 0.6, "solidity": 0.18},
            },
            text=[percent(share) for share in shares],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            insidetextfont={"size": look.small, "color": ink},
            customdata=carried,
            hovertext=[
                f"<b>{plain(row['finding'])} positive, {plain(row['parent'])} {word}</b><br>"
                f"{number(n)} of {number(row['positive'])} ({percent(share)})"
                for row, n, share in zip(records(frame), counts, shares, strict=True)
            ],
            hoverinfo="text",
            **still(ink),
        )
    )


def rule_bars(frame: pd.DataFrame, look: Look, *, unit: str = "units") -> go.Figure:
    """Return one bar per rule: the share of units that break it, by how serious that is.

    ``frame`` has ``rule``, ``verdict`` (contradiction, doubtful, incomplete or note), ``count``, ``of``,
    ``share`` and ``door``, in the order drawn.
    """
    if frame.empty:
        return nothing(look, "No rule is broken in this cohort")
    names = frame["rule"].tolist()
    figure = sheet(look, rows_height(look, names, 84))
    for verdict in VERDICTS:
        part = frame["verdict"] == verdict
        if part.any():
            _add_rules(figure, frame[part], look, verdict, [at for at, own in enumerate(part) if own])
    figure.update_layout(showlegend=True, barmode="overlay", bargap=0.5)
    figure.update_yaxes(**name_axis(look, names))
    right_texts(figure, look, [_of(row) for row in records(frame)])
    title = f"Share of the {plain(unit)} to which the rule applies"
    figure.update_xaxes(**share_axis(look, title, min(1.0, highest(frame["share"]) * 1.05)))
    return figure


def _of(row: dict[str, Any]) -> str:
    return f"{number(row['count'])} of {number(row['of'])} ({percent(row['share'])})"


def _add_rules(figure: go.Figure, frame: pd.DataFrame, look: Look, verdict: str, places: list[int]) -> None:
    place = VERDICTS.index(verdict)
    colour = (
        look.text
        if place == 0
        else look.series(place - 1)
        if place < 2
        else faded(STATE_COLOURS["blank"], 0.7 if place == 2 else 0.3)
    )
    hatch = {"shape": "/" if verdict == "incomplete" else "", "fgcolor": look.muted, "size": 7, "solidity": 0.15}
    figure.add_trace(
        go.Bar(
            orientation="h",
            x=frame["share"].fillna(0.0).tolist(),
            y=places,
            name=MARKS[verdict],
            marker={"color": colour, "line": {"width": 0}, "pattern": hatch | {"fillmode": "overlay"}},
            customdata=doors(frame, "rule"),
            hovertext=[f"<b>{plain(row['rule'])}</b><br>{verdict}: {_of(row)}" for row in records(frame)],
            hoverinfo="text",
            **still(),
        )
    )


def redundancy_bars(frame: pd.DataFrame, look: Look) -> go.Figure:
    """Return one bar per pair: the adjusted mutual information, with phi and Jaccard at the right.

    ``frame`` has ``finding_a``, ``finding_b``, ``ami``, ``phi``, ``jaccard`` and ``door``, in the order drawn.
    """
    if frame.empty:
        return nothing(look, "No pair of findings in this cohort")
    names = [f"{a} and {b}" for a, b in zip(frame["finding_a"], frame["finding_b"], strict=True)]
    figure = sheet(look, rows_height(look, names, 84))
    values = frame["ami"].astype("float64").clip(lower=0)
    figure.add_trace(
        go.Bar(
            orientation="h",
            x=values.fillna(0.0).tolist(),
            y=list(range(len(frame))),
            marker={"color": look.accent, "line": {"width": 0}},
            customdata=doors(frame, "finding_a", "finding_b"),
            hovertext=[
                f"<b>{plain(name)}</b><br>{number(row['both'])} with both<br>adjusted {row['ami']:.4f}, "
                f"normalised {row['nmi']:.4f}"
                for name, row in zip(names, records(frame), strict=True)
            ],
            hoverinfo="text",
            **still(),
        )
    )
    figure.update_layout(bargap=0.35)
    figure.update_yaxes(**name_axis(look, names))
    texts = [f"{row['ami']:.3f}; phi {row['phi']:.2f}; Jaccard {row['jaccard']:.2f}" for row in records(frame)]
    right_texts(figure, look, texts)
    title = "Adjusted mutual information (0 by chance, 1 the same label)"
    figure.update_xaxes(**axis(look, title, range=[0, max(0.05, highest(values) * 1.05)], rangemode="tozero", nticks=8))
    return figure
