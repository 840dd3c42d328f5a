"""What a test can show: interval widths by measure, two subgroups, and what wrong labels leave of a measurement."""

from __future__ import annotations

from math import floor
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from cxrdash.charts.canvas import (
    doors,
    highest,
    name_axis,
    nothing,
    records,
    right_texts,
    rows_height,
    share_axis,
    sheet,
    still,
)
from cxrdash.charts.intervals import Series, add_dots
from cxrdash.charts.theme import SERIES_SYMBOLS, Look, interval, number, people, percent, plain


def measure_widths(frame: pd.DataFrame, look: Look, *, measure: str = "sensitivity") -> go.Figure:
    """Return the interval a test of this size would give each finding, if the measure were as assumed.

    ``frame`` has ``finding``, ``assumed``, ``low``, ``high`` (0 to 1, NaN where it cannot be tested) and ``cases``,
    in the order drawn. The AUC is written as a number, all else in percent.
    """
    if frame.empty:
        return nothing(look)
    figure = sheet(look, rows_height(look, frame["finding"].tolist(), 92))
    add_dots(figure, frame, look, Series(0, 1, "", centre="assumed"), list(range(len(frame))))
    lowest = float(frame["low"].min()) if frame["low"].notna().any() else 0.5
    ends: dict[str, Any] = {"range": [min(0.5, floor(lowest * 10) / 10), 1.0]}
    if measure == "AUC":
        ends["tickformat"] = ".1f"
    figure.update_yaxes(**name_axis(look, frame["finding"].tolist(), showgrid=True))
    figure.update_xaxes(**(share_axis(look, f"95% interval of the measured {plain(measure)}") | ends))
    right_texts(figure, look, [_width_text(row, measure) for row in records(frame)])
    return figure


def _width_text(row: dict[str, Any], measure: str) -> str:
    if pd.isna(row["low"]):
        return "cannot be tested"
    ends = f"{row['low']:.2f}–{row['high']:.2f}" if measure == "AUC" else interval(row["low"], row["high"])
    return f"{ends}, {people(row['cases'])}"


def drop_bars(frame: pd.DataFrame, look: Look) -> go.Figure:
    """Return per finding the smallest drop between two subgroups that a test would usually find.

    ``frame`` has ``finding``, ``level_a``, ``level_b``, ``patients_a``, ``patients_b``, ``detectable_drop`` (0 to 1,
    NaN where none is found), ``drop`` (the one asked for, a line) and ``power`` to find it, in the order drawn.
    Bars that reach beyond the line are hollow: the drop asked for would usually be missed.
    """
    if frame.empty:
        return nothing(look)
    asked = float(frame["drop"].iloc[0])
    found = (frame["detectable_drop"] <= asked).tolist()
    figure = sheet(look, rows_height(look, frame["finding"].tolist(), 92))
    figure.add_trace(
        go.Bar(
            orientation="h", x=frame["detectable_drop"].tolist(), y=list(range(len(frame))),
            marker={
                "color": [look.accent if one else look.grid for one in found],
                "line": {"color": look.accent, "width": 1},
            },
            customdata=doors(frame, "finding"), hovertext=[_drop_hover(row) for row in records(frame)],
            hoverinfo="text", showlegend=False, **still(),
        )
    )  # fmt: skip
    top = max(highest(frame["detectable_drop"]), asked) * 1.08
    stroke = {"color": look.text, "width": 2}
    figure.add_shape(type="line", x0=asked, x1=asked, y0=0, y1=1, yref="paper", line=stroke)
    figure.add_annotation(
        text=f"<b>{100 * asked:g} points</b>", x=asked, y=1, yref="paper", yanchor="bottom", showarrow=False,
        font={"size": look.small, "color": look.text},
    )  # fmt: skip
    figure.update_layout(bargap=0.35)
    figure.update_yaxes(**name_axis(look, frame["finding"].tolist()))
    title = "Smallest drop found 80 times of 100, in points"
    figure.update_xaxes(**share_axis(look, title, top, tickformat=".0%"))
    right_texts(figure, look, [_drop_text(row) for row in records(frame)])
    return figure


def _drop_text(row: dict[str, Any]) -> str:
    groups = f"{number(row['patients_a'])} and {people(row['patients_b'])}"
    if not row["patients_a"] or not row["patients_b"]:
        return f"{groups}: not comparable"
    found = row["detectable_drop"]
    return f"{groups}: any drop is missed" if pd.isna(found) else f"{groups}: {100 * found:.0f} points"


def _drop_hover(row: dict[str, Any]) -> str:
    groups = f"{plain(row['level_a'])} {number(row['patients_a'])}, {plain(row['level_b'])} {number(row['patients_b'])}"
    return (
        f"<b>{plain(row['finding'])}</b><br>positive patients: {groups}<br>a drop of {100 * row['drop']:g} points is "
        f"found with a chance of {percent(row['power'])}"
    )


def noise_ranges(frame: pd.DataFrame, look: Look) -> go.Figure:
    """Return per finding what a sensitivity is measured at where labels are wrong, and what truth that leaves.

    ``frame`` has ``finding``, ``perfect_sensitivity`` (a tick: the best any model is measured at),
    ``measured_sensitivity`` with its sampling interval ``low``, ``high``, and ``honest_low``, ``honest_high`` (the
    wide bar), in the order drawn; a finding without positives has NaN ends and says so.
    """
    if frame.empty:
        return nothing(look)
    figure = sheet(look, rows_height(look, frame["finding"].tolist(), 122))
    at = list(range(len(frame)))
    wide = 14 if look.presentation else 10
    _add_span(figure, frame, ("honest_low", "honest_high"), look.line, wide, "true sensitivities it leaves possible")
    _add_span(figure, frame, ("low", "high"), look.accent, wide - 6, "95% interval by sampling alone")
    for position, (column, name) in enumerate(
        (("measured_sensitivity", "measured"), ("perfect_sensitivity", "a perfect model would be measured here"))
    ):
        figure.add_trace(
            go.Scatter(
                x=frame[column].where(frame["low"].notna()).tolist(), y=at, mode="markers", name=name,
                marker=_mark(look, position), customdata=doors(frame, "finding"), hoverinfo="text",
                hovertext=[_noise_hover(row) for row in records(frame)], cliponaxis=False, showlegend=True, **still(),
            )
        )  # fmt: skip
    lowest = float(frame["honest_low"].min()) if frame["honest_low"].notna().any() else 0.0
    figure.update_layout(showlegend=True)
    figure.update_yaxes(**name_axis(look, frame["finding"].tolist()))
    ends = {"range": [min(0.5, floor(lowest * 10) / 10), 1.005]}
    figure.update_xaxes(**(share_axis(look, "Sensitivity") | ends))
    right_texts(figure, look, [_noise_text(row) for row in records(frame)])
    return figure


def _mark(look: Look, position: int) -> dict[str, Any]:
    if position == 0:
        return {"size": 12 if look.presentation else 9, "color": look.text, "symbol": SERIES_SYMBOLS[0]}
    return {"size": 14, "symbol": "line-ns", "line": {"color": look.text, "width": 2}}


def _add_span(
    figure: go.Figure, frame: pd.DataFrame, ends: tuple[str, str], colour: str, width: float, name: str
) -> None:
    pairs = zip(frame[ends[0]].tolist(), frame[ends[1]].tolist(), strict=True)
    figure.add_trace(
        go.Scatter(
            x=[value for pair in pairs for value in (*pair, None)],
            y=[value for row in range(len(frame)) for value in (row, row, None)],
            mode="lines", line={"color": colour, "width": width}, name=name, hoverinfo="skip", showlegend=True,
        )
    )  # fmt: skip


def _noise_text(row: dict[str, Any]) -> str:
    if pd.isna(row["low"]):
        return "cannot be tested"
    return f"measured {percent(row['measured_sensitivity'])}; truth {interval(row['honest_low'], row['honest_high'])}"


def _noise_hover(row: dict[str, Any]) -> str:
    return (
        f"<b>{plain(row['finding'])}</b><br>{percent(row['wrong'])} of the label's positives wrong "
        f"({plain(row['wrong_source'])})<br>{percent(row['missed'])} of its negatives missed "
        f"({plain(row['missed_source'])})<br>a perfect model is measured at {percent(row['perfect_sensitivity'])}"
    )
