"""Odds ratios of pairs of findings as a forest."""

from __future__ import annotations

from math import log10
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from cxrdash.charts.canvas import axis, doors, name_axis, nothing, records, right_texts, rows_height, sheet, still
from cxrdash.charts.theme import Look, number, plain


def odds_forest(frame: pd.DataFrame, look: Look, *, unit: str = "images") -> go.Figure:
    """Return odds ratios of pairs with their intervals on a log axis, 1 marked; grey where not told apart from it.

    ``frame`` has ``finding_a``, ``finding_b``, ``odds_ratio``, ``odds_low``, ``odds_high``, ``both``, ``expected`` and
    ``verdict`` ('' is grey), in the order drawn.
    """
    if frame.empty:
        return nothing(look)
    names = [f"{a} and {b}" for a, b in zip(frame["finding_a"], frame["finding_b"], strict=True)]
    figure = sheet(look, rows_height(look, names, 100))
    colours = [look.accent if verdict else look.muted for verdict in frame["verdict"]]
    for row, (record, colour) in enumerate(zip(records(frame), colours, strict=True)):
        figure.add_trace(
            go.Scatter(
                x=[record["odds_low"], record["odds_high"]], y=[row, row], mode="lines", hoverinfo="skip",
                line={"color": colour, "width": 5 if look.presentation else 3}, opacity=0.6, showlegend=False,
            )
        )  # fmt: skip
    figure.add_trace(
        go.Scatter(
            x=frame["odds_ratio"].tolist(), y=list(range(len(frame))), mode="markers",
            marker={
                "size": 14 if look.presentation else 10, "color": colours,
                "symbol": ["circle" if verdict else "circle-open" for verdict in frame["verdict"]],
            },
            customdata=doors(frame, "finding_a", "finding_b"), hoverinfo="text", cliponaxis=False, showlegend=False,
            hovertext=[_odds_hover(record, unit) for record in records(frame)], **still(),
        )
    )  # fmt: skip
    figure.add_shape(type="line", x0=1, x1=1, y0=0, y1=1, yref="paper", line={"color": look.text, "width": 1.5})
    figure.update_yaxes(**name_axis(look, names, showgrid=True))
    figure.update_xaxes(**_ratio_axis(look, frame))
    right_texts(figure, look, [_expected(record) for record in records(frame)])
    return figure


def _expected(record: dict[str, Any]) -> str:
    digits = 0 if record["expected"] >= 10 else 1
    return f"{number(record['both'])}, expected {record['expected']:,.{digits}f}"


def _odds_hover(record: dict[str, Any], unit: str) -> str:
    low, high = record["odds_low"], record["odds_high"]
    told = "" if record["verdict"] else "<br>not told apart from independence"
    return (
        f"<b>{plain(record['finding_a'])} and {plain(record['finding_b'])}</b><br>odds ratio "
        f"{record['odds_ratio']:.3g} ({low:.3g}–{high:.3g})<br>{_expected(record)} {plain(unit)} with both{told}"
    )


RATIO_TICKS = (0.001, 0.01, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 1000, 10_000)


def _ratio_axis(look: Look, frame: pd.DataFrame) -> dict[str, Any]:
    low = min(float(frame["odds_low"].clip(lower=1e-4).min()), 0.9)
    high = max(float(frame["odds_high"].clip(upper=1e5).max()), 1.1)
    ticks = [tick for tick in RATIO_TICKS if low * 0.7 <= tick <= high * 1.4]
    texts = [f"1/{number(1 / tick)}" if tick < 1 else number(tick) for tick in ticks]
    span = [log10(low) - 0.08, log10(high) + 0.08]
    return axis(look, "Odds ratio (log scale)", type="log", range=span, tickvals=ticks, ticktext=texts)
