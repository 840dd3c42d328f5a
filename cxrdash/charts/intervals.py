"""Dots with intervals, one row per finding and one series per thing compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go

from cxrdash.charts.canvas import doors, records, still
from cxrdash.charts.theme import SERIES_SYMBOLS, Look, interval, number, percent, plain


@dataclass(frozen=True)
class Series:
    """How one series of dots is drawn: its place among ``of`` series, name, and the columns read."""

    position: int
    of: int
    name: str
    centre: str = "rate"
    apart: bool = True

    @property
    def offset(self) -> float:
        """Return how far below its row's middle this series sits, in rows."""
        if not self.apart or self.of < 2:
            return 0.0
        return (self.position - (self.of - 1) / 2) * min(0.8 / self.of, 0.22)


def add_dots(figure: go.Figure, frame: pd.DataFrame, look: Look, series: Series, rows: Sequence[float]) -> None:
    """Draw one series: a line from ``low`` to ``high`` and a dot at the centre; NaN leaves a gap."""
    at = [row + series.offset for row in rows]
    colour = look.series(series.position)
    centre = frame[series.centre].astype("float64").where(frame["low"].notna())
    thick = 5 if look.presentation else 3
    figure.add_trace(
        go.Scatter(
            x=_broken(frame["low"], frame["high"]),
            y=[value for row in at for value in (row, row, None)],
            mode="lines",
            line={"color": colour, "width": thick if series.apart else 1.5},
            opacity=0.55,
            hoverinfo="skip",
            showlegend=False,
        )
    )
    figure.add_trace(
        go.Scatter(
            x=centre.tolist(),
            y=at,
            mode="markers",
            name=plain(series.name),
            marker={
                "color": colour,
                "symbol": SERIES_SYMBOLS[series.position % len(SERIES_SYMBOLS)],
                "size": 14 if look.presentation else 9,
                "line": {"color": look.ground, "width": 1},
            },
            customdata=doors(frame, *[c for c in ("finding", "policy", "level") if c in frame.columns]),
            hovertext=_hovers(frame, series),
            hoverinfo="text",
            showlegend=series.of > 1,
            cliponaxis=False,
            **still(),
        )
    )


def _broken(low: pd.Series, high: pd.Series) -> list[float | None]:
    """Return the two ends of each interval, separated by gaps so that rows are not joined."""
    ends = zip(low.astype("float64").tolist(), high.astype("float64").tolist(), strict=True)
    return [value for pair in ends for value in (*pair, None)]


def _hovers(frame: pd.DataFrame, series: Series) -> list[str]:
    texts = []
    for row in records(frame):
        title = plain(row["finding"]) + (f", {plain(series.name)}" if series.name else "")
        lines = [f"<b>{title}</b>", f"{percent(row[series.centre])} ({interval(row['low'], row['high'])})"]
        if "of" in row:
            lines.append(
                f"{number(row['positive'])} of {number(row['of'])}" if "positive" in row else f"of {number(row['of'])}"
            )
        texts.append("<br>".join(lines))
    return texts
