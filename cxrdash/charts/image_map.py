"""Films on a map: those with a finding among the others."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from cxrdash.charts.canvas import nothing, sheet
from cxrdash.charts.theme import STATE_COLOURS, Look, number, plain

HEIGHT = 560
FEW = 2_000  # up to here points are drawn without WebGL, which not every browser has


def map_points(points: pd.DataFrame, look: Look, *, finding: str) -> go.Figure:
    """Return films at ``x`` and ``y``, those with ``positive`` on top; a region drawn by hand chooses films.

    Each point carries its row's number.
    """
    if points.empty:
        return nothing(look, "No image of this cohort has a place on the map")
    figure = sheet(look, HEIGHT)
    kind = go.Scatter if len(points) <= FEW else go.Scattergl
    size = 7 if look.presentation else 5
    for name, rows, colour, opacity in (
        ("others", points[~points["positive"]], look.muted, 0.35),
        (plain(finding), points[points["positive"]], STATE_COLOURS["positive"], 0.75),
    ):
        figure.add_trace(
            kind(
                x=rows["x"].tolist(),
                y=rows["y"].tolist(),
                mode="markers",
                name=f"{name} ({number(len(rows))})",
                marker={"color": colour, "opacity": opacity, "size": size},
                customdata=[[row] for row in rows.index.tolist()],
                hoverinfo="none",  # "skip" would take the clicks along
            )
        )
    hidden: dict[str, Any] = {"visible": False, "fixedrange": True}
    figure.update_xaxes(**hidden)
    figure.update_yaxes(**hidden, scaleanchor="x")
    figure.update_layout(showlegend=True, dragmode="lasso", margin={"l": 8, "r": 8})
    return figure
