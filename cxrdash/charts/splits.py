"""How alike the parts of a split are: one row per attribute, one mark per split."""

from __future__ import annotations

from collections.abc import Sequence

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
    rows_height,
    seen,
    sheet,
    still,
)
from cxrdash.charts.theme import SERIES_SYMBOLS, Look, number, plain

LINE = 0.1


def balance_dots(frame: pd.DataFrame, look: Look, splits: Sequence[str]) -> go.Figure:
    """Return a dot per attribute and split at its largest standardised difference, with the line at 0.1.

    ``frame`` has ``attribute``, ``split``, ``difference`` (0 or more), ``part``, ``against`` and ``noise``;
    ``splits`` fixes colours and symbols, the split in question last.
    """
    known = frame[frame["difference"].notna()]
    if known.empty:
        return nothing(look, "No attribute varies in this cohort")
    names = seen(frame["attribute"])
    place = {name: row for row, name in enumerate(names)}
    figure = sheet(look, rows_height(look, names, 84))
    for position, split in enumerate(splits):
        part = known[known["split"] == split]
        figure.add_trace(
            go.Scatter(
                x=part["difference"].tolist(),
                y=[place[name] for name in part["attribute"]],
                mode="markers",
                name=plain(split),
                marker={
                    "color": look.series(position),
                    "symbol": SERIES_SYMBOLS[position % len(SERIES_SYMBOLS)],
                    "size": 14 if look.presentation else 10,
                    "line": {"color": look.ground, "width": 1},
                },
                customdata=doors(part, "attribute"),
                hovertext=[_hover(row) for row in records(part)],
                hoverinfo="text",
                cliponaxis=False,
                **still(),
            )
        )
    top = max(highest(known["difference"]) * 1.08, LINE * 1.6)
    figure.add_shape(
        type="line", x0=LINE, x1=LINE, y0=0, y1=1, yref="paper", line={"color": look.muted, "width": 1, "dash": "dash"}
    )
    note(figure, look, "0.1", x=LINE, y=1, xref="x", yref="paper", yanchor="bottom", size=look.small)
    add_bands(figure, look, len(names))
    figure.update_layout(showlegend=len(splits) > 1)
    figure.update_yaxes(**name_axis(look, names))
    figure.update_xaxes(**axis(look, "Largest standardised difference between parts", range=[0, top], nticks=8))
    return figure


def _hover(row: dict[str, object]) -> str:
    sizes = f"{number(float(str(row['images'])))} and {number(float(str(row['images_against'])))} images"
    return (
        f"<b>{plain(row['attribute'])}</b>, {plain(row['split'])}<br>"
        f"{plain(row['part'])} against {plain(row['against'])}: {float(str(row['difference'])):.3f}<br>"
        f"{sizes}; chance alone reaches {float(str(row['noise'])):.3f}"
    )
