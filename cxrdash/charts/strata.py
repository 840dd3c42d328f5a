"""Strata inside a label: how far positives and the other images differ, and what metadata alone can guess."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from cxrdash.charts.canvas import (
    add_bands,
    axis,
    doors,
    highest,
    name_axis,
    note,
    nothing,
    records,
    right_texts,
    rows_height,
    sheet,
    still,
)
from cxrdash.charts.theme import Look, number, percent, plain

ALERT, NOTE = 0.5, 0.2
VERDICT_SYMBOLS = {"alert": "diamond", "note": "circle", "": "circle-open"}


def strata_dots(frame: pd.DataFrame, look: Look) -> go.Figure:
    """Return the standardised difference of each stratum with its interval; right: share in positives and others.

    ``frame`` has ``name``, ``smd``, ``smd_low``, ``smd_high``, ``share_in_positive``, ``share_in_other``,
    ``images``, ``positive``, ``images_other``, ``other`` and ``verdict``; rows keep their order. Alerts are
    diamonds, strata without a verdict hollow.
    """
    known = frame[frame["smd"].notna()]
    if known.empty:
        return nothing(look, "No strata to compare in this cohort")
    names = known["name"].tolist()
    figure = sheet(look, rows_height(look, names, 78))
    at = list(range(len(names)))
    colours = [look.series(1) if verdict else look.muted for verdict in known["verdict"]]
    for row, low, high, colour in zip(at, known["smd_low"], known["smd_high"], colours, strict=True):
        ends = {"x": [low, high], "y": [row, row], "line": {"color": colour, "width": 5 if look.presentation else 3}}
        figure.add_trace(go.Scatter(mode="lines", opacity=0.5, hoverinfo="skip", showlegend=False, **ends))
    figure.add_trace(
        go.Scatter(
            x=known["smd"].tolist(),
            y=at,
            mode="markers",
            marker={
                "color": colours,
                "symbol": [VERDICT_SYMBOLS[verdict] for verdict in known["verdict"]],
                "size": 14 if look.presentation else 10,
                "line": {"color": colours, "width": 2},
            },
            customdata=doors(known, "name"),
            hovertext=[_hover(row) for row in records(known)],
            hoverinfo="text",
            cliponaxis=False,
            **still(),
        )
    )
    _lines(figure, look)
    far = max(highest(known["smd_high"].abs(), known["smd_low"].abs(), known["smd"].abs()) * 1.05, ALERT * 1.2)
    add_bands(figure, look, len(names))
    figure.update_yaxes(**name_axis(look, names))
    title = "Standardised difference: less often in positives – more often"
    figure.update_xaxes(**axis(look, title, range=[-min(far, 3), min(far, 3)], nticks=9))
    right_texts(
        figure,
        look,
        [
            f"{percent(positive)} | {percent(other)}"
            for positive, other in zip(known["share_in_positive"], known["share_in_other"], strict=True)
        ],
    )
    figure.update_layout(showlegend=False)
    return figure


def _lines(figure: go.Figure, look: Look) -> None:
    for x, dash in ((0.0, "solid"), (ALERT, "dash"), (-ALERT, "dash")):
        line = {"color": look.line, "width": 1, "dash": dash}
        figure.add_shape(type="line", x0=x, x1=x, y0=0, y1=1, yref="paper", line=line)
    note(figure, look, "positives | others", x=1, y=1, xanchor="left", yanchor="bottom", xshift=6, size=look.small)


def _hover(row: dict[str, object]) -> str:
    def count(name: str) -> str:
        return number(float(str(row[name])))

    return (
        f"<b>{plain(row['name'])}</b><br>{count('images')} of {count('positive')} positive images<br>"
        f"{count('images_other')} of {count('other')} others<br>standardised difference {float(str(row['smd'])):.2f}"
    )


def probe_dots(frame: pd.DataFrame, look: Look) -> go.Figure:
    """Return the area under the ROC curve of each finding with its interval, and the line of guessing at 0.5.

    ``frame`` has ``finding``, ``auc``, ``low``, ``high``, ``positive`` and ``of``; rows keep their order.
    """
    known = frame[frame["auc"].notna()]
    if known.empty:
        return nothing(look, "No finding with enough positives in this cohort")
    names = known["finding"].tolist()
    at = list(range(len(names)))
    figure = sheet(look, rows_height(look, names, 78))
    colour = look.series(0)
    for row, low, high in zip(at, known["low"], known["high"], strict=True):
        ends = {"x": [low, high], "y": [row, row], "line": {"color": colour, "width": 5 if look.presentation else 3}}
        figure.add_trace(go.Scatter(mode="lines", opacity=0.5, hoverinfo="skip", showlegend=False, **ends))
    figure.add_trace(
        go.Scatter(
            x=known["auc"].tolist(),
            y=at,
            mode="markers",
            marker={"color": colour, "size": 14 if look.presentation else 10},
            customdata=doors(known, "finding"),
            hovertext=[
                f"<b>{plain(row['finding'])}</b><br>area {row['auc']:.3f} ({row['low']:.3f}–{row['high']:.3f})<br>"
                f"{number(row['positive'])} of {number(row['of'])} images positive"
                for row in records(known)
            ],
            hoverinfo="text",
            cliponaxis=False,
            **still(),
        )
    )
    line = {"color": look.line, "width": 1}
    figure.add_shape(type="line", x0=0.5, x1=0.5, y0=0, y1=1, yref="paper", line=line)
    add_bands(figure, look, len(names))
    figure.update_yaxes(**name_axis(look, names))
    low = min(0.45, float(known["low"].min()) - 0.02)
    title = "Area under the ROC curve of a model that never sees the film (0.5 is guessing)"
    figure.update_xaxes(**axis(look, title, range=[max(low, 0.0), 1.0], nticks=9))
    right_texts(figure, look, [f"{value:.2f}" for value in known["auc"]])
    figure.update_layout(showlegend=False)
    return figure
