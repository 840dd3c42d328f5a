"""How alike films of different patients are, with the threshold and the pairs that were found."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from cxrdash.charts.canvas import axis, note, nothing, sheet, still
from cxrdash.charts.theme import Look, number, plain

THRESHOLD = "#E69F00"
FOUND = "#D55E00"


def likeness_histogram(
    frame: pd.DataFrame, look: Look, *, title: str, threshold: float, found: tuple[float, ...] = ()
) -> go.Figure:
    """Return a histogram of pairs of different patients (logarithmic), a line at the threshold, the pairs found.

    ``frame`` has ``low``, ``high`` and ``pairs`` of one measure; ``found`` are the values of verified pairs.
    """
    if frame.empty:
        return nothing(look, "No pairs to compare in this cohort")
    figure = sheet(look, 330 if look.presentation else 270)
    figure.add_trace(
        go.Bar(
            x=((frame["low"] + frame["high"]) / 2).tolist(),
            width=(frame["high"] - frame["low"]).tolist(),
            y=frame["pairs"].tolist(),
            name="pairs of different patients, a sample",
            marker={"color": look.accent},
            hovertext=[
                f"<b>{low:g} to {high:g}</b><br>{number(n)} pairs"
                for low, high, n in zip(frame["low"], frame["high"], frame["pairs"], strict=True)
            ],
            hoverinfo="text",
            **still(),
        )
    )
    if found:
        figure.add_trace(_found(found, look))
    figure.add_vline(x=threshold, line={"color": THRESHOLD, "width": 2, "dash": "dash"})
    top = 10 ** (len(str(int(frame["pairs"].max()))) + 0.2)
    low, high = min(float(frame["low"].min()), threshold, *found), max(float(frame["high"].max()), threshold, *found)
    words = f"threshold {threshold:g}" if threshold == round(threshold) else f"threshold {threshold:.2f}"
    side = "left" if threshold < (low + high) / 2 else "right"  # so that the words stay inside the figure
    note(figure, look, words, x=threshold, xref="x", y=1, xanchor=side, yanchor="bottom", colour=THRESHOLD)
    steps = (1,) if frame["pairs"].max() >= 20 else (1, 2, 5)  # a single power of ten would be no scale
    ticks = [step * 10**power for power in range(9) for step in steps if step * 10**power <= top]
    figure.update_yaxes(
        **axis(look, "Pairs, logarithmic", type="log", tickvals=ticks, ticktext=[number(tick) for tick in ticks])
    )
    room = 0.03 * (high - low)
    figure.update_xaxes(**axis(look, plain(title), nticks=10, range=[low - room, high + 3 * room]))
    figure.update_layout(bargap=0.05, showlegend=bool(found))
    if found:  # the legend above the words at the threshold
        figure.update_layout(legend={"y": 1.12, "yanchor": "bottom"}, margin={"t": 3 * look.size})
    return figure


def _found(values: tuple[float, ...], look: Look) -> go.Scatter:
    return go.Scatter(
        x=list(values),
        y=[1.3] * len(values),
        mode="markers",
        name="pairs listed here",
        marker={"symbol": "diamond", "size": 11, "color": FOUND, "line": {"color": look.text, "width": 1}},
        hovertext=[f"{value:.3g}" for value in values],
        hoverinfo="text",
        **still(),
    )
