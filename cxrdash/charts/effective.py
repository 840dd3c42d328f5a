"""What the images are worth for each finding, and how many patients stand behind them."""

from __future__ import annotations

from math import log10
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from cxrdash.charts.canvas import axis, doors, name_axis, note, nothing, records, right_texts, rows_height, sheet, still
from cxrdash.charts.theme import Look, number, people, plain

STEPS = (1, 2, 5)


def effective_ranges(frame: pd.DataFrame, look: Look, *, unit: str = "images") -> go.Figure:
    """Return a bar per finding from what it would be worth if repeats added nothing to all units as independent.

    ``frame`` has ``finding``, ``if_repeats_added_nothing``, ``effective_n`` (the dot) with ``effective_low`` and
    ``effective_high`` (the thick bar; NaN leaves it out and the dot hollow), ``of``, ``images`` and ``patients``,
    in the order drawn.
    """
    rows = frame[frame["effective_n"].notna()]
    if rows.empty:
        return nothing(look)
    figure = sheet(look, rows_height(look, rows["finding"].tolist(), 120))
    at = list(range(len(rows)))
    floor, whole = rows["if_repeats_added_nothing"], rows["of"]
    _add_lines(figure, (floor, whole, at), look.line, 2 if look.presentation else 1.5)
    for ends in (floor, whole):
        tick = {"symbol": "line-ns", "size": 12, "line": {"color": look.muted, "width": 2}}
        figure.add_trace(go.Scatter(x=ends, y=at, mode="markers", marker=tick, hoverinfo="skip", showlegend=False))
    _add_lines(figure, (rows["effective_low"], rows["effective_high"], at), look.accent, 8 if look.presentation else 6)
    known = rows["effective_low"].notna().tolist()
    figure.add_trace(
        go.Scatter(
            x=rows["effective_n"], y=at, mode="markers", customdata=doors(rows, "finding"), cliponaxis=False,
            marker={
                "size": 15 if look.presentation else 11,
                "color": [look.text if one else look.ground for one in known],
                "line": {"color": [look.ground if one else look.text for one in known], "width": 2},
            },
            hovertext=_worth(rows, unit), hoverinfo="text", showlegend=False, **still(),
        )
    )  # fmt: skip
    _end_notes(figure, look, rows, unit)
    figure.update_yaxes(**name_axis(look, rows["finding"].tolist(), showgrid=True))
    title = f"{plain(unit).capitalize()} of different patients that would tell as much (log scale)"
    lowest = rows[["if_repeats_added_nothing", "effective_n", "effective_low"]].min().min()
    figure.update_xaxes(**_log_axis(look, title, lowest, float(whole.max())))
    right_texts(figure, look, [f"{number(r['images'])} positive, {people(r['patients'])}" for r in records(rows)])
    return figure


def _add_lines(figure: go.Figure, ends: tuple[pd.Series, pd.Series, list[int]], colour: str, width: float) -> None:
    low, high, at = ends
    x = [value for pair in zip(low.tolist(), high.tolist(), strict=True) for value in (*pair, None)]
    y = [value for row in at for value in (row, row, None)]
    line = {"color": colour, "width": width}
    figure.add_trace(go.Scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip", showlegend=False))


def _worth(rows: pd.DataFrame, unit: str) -> list[str]:
    texts = []
    for row in records(rows):
        low, high = row["effective_low"], row["effective_high"]
        interval = "no interval: few patients decide" if pd.isna(low) else f"95% interval {number(low)}–{number(high)}"
        texts.append(
            f"<b>{plain(row['finding'])}</b><br>{number(row['of'])} {plain(unit)} tell as much as "
            f"{number(row['effective_n'])} of different patients<br>{interval}<br>"
            f"{number(row['if_repeats_added_nothing'])} if repeats added nothing"
        )
    return texts


def _end_notes(figure: go.Figure, look: Look, rows: pd.DataFrame, unit: str) -> None:
    """Name both ends above the first bar, where they are the same for all."""
    for column, words, side in (
        ("if_repeats_added_nothing", "if repeats added nothing", "left"),
        ("of", f"if all {plain(unit)} were independent", "right"),
    ):
        values = rows[column].round(3).unique()
        if len(values) == 1:
            place = {"x": log10(values[0]), "xref": "x", "y": 1, "yanchor": "bottom", "xanchor": side}
            note(figure, look, f"<b>{number(values[0])}</b> {words}", size=look.small, **place)


def _log_axis(look: Look, title: str, low: float, high: float) -> dict[str, Any]:
    low, high = max(float(low), 0.8), max(float(high), 1.0)
    ticks = [step * 10**power for power in range(12) for step in STEPS if low * 0.8 <= step * 10**power <= high * 1.2]
    if len(ticks) > 9:
        ticks = [tick for tick in ticks if log10(tick) == int(log10(tick))]
    span = {"range": [log10(low) - 0.05, log10(high) + 0.05]}
    texts = {"tickvals": ticks, "ticktext": [number(tick) for tick in ticks]}
    return axis(look, title, type="log", **span, **texts)


def images_and_patients(frame: pd.DataFrame, look: Look, *, unit: str = "images") -> go.Figure:
    """Return per finding the positive patients and positive units as two dots on a log axis, joined by a line.

    ``frame`` has ``finding``, ``images`` and ``patients``, in the order drawn. A finding without a positive
    has no dots and says so.
    """
    if frame.empty:
        return nothing(look)
    figure = sheet(look, rows_height(look, frame["finding"].tolist(), 110))
    at = list(range(len(frame)))
    patients, images = (frame[name].astype("float64").where(frame[name] > 0) for name in ("patients", "images"))
    _add_lines(figure, (patients, images, at), look.line, 2)
    for position, (values, name) in enumerate(((patients, "patients"), (images, plain(unit)))):
        figure.add_trace(
            go.Scatter(
                x=values.tolist(), y=at, mode="markers", name=f"positive {name}", customdata=doors(frame, "finding"),
                marker={
                    "size": 15 if look.presentation else 11, "symbol": ("diamond", "circle")[position],
                    "color": (look.text, look.accent)[position], "line": {"color": look.ground, "width": 1},
                },
                hovertext=[
                    f"<b>{plain(r['finding'])}</b><br>{number(r['images'])} {plain(unit)} of {people(r['patients'])}"
                    for r in records(frame)
                ],
                hoverinfo="text", cliponaxis=False, showlegend=True, **still(),
            )
        )  # fmt: skip
    texts = [
        f"{number(r['images'])} in {number(r['patients'])}: {r['images'] / r['patients']:.1f} each"
        if r["patients"]
        else "none"
        for r in records(frame)
    ]
    figure.update_layout(showlegend=True)
    figure.update_yaxes(**name_axis(look, frame["finding"].tolist(), showgrid=True))
    figure.update_xaxes(**_log_axis(look, "Positives (log scale)", patients.min(), images.max()))
    right_texts(figure, look, texts)
    return figure
