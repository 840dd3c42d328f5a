"""Colour scales of the pair matrix: what a value looks like, and which ink reads on it."""

from __future__ import annotations

from dataclasses import dataclass
from math import log2
from typing import Any

import pandas as pd

from cxrdash.charts.cells import colour_at
from cxrdash.charts.theme import Look, contrast, number, plain

Stops = tuple[tuple[float, str], ...]

SEQUENTIAL: Stops = ((0.0, "#F1F5F9"), (0.35, "#A9CCE3"), (0.7, "#3F88BF"), (1.0, "#0B3C6F"))
SEQUENTIAL_DARK: Stops = ((0.0, "#17212C"), (0.35, "#1D4A70"), (0.7, "#3C8BC4"), (1.0, "#BFE3FF"))
DIVERGING: Stops = (
    (0.0, "#1F5F99"),
    (0.25, "#8DBADB"),
    (0.5, "#F5F5F3"),
    (0.75, "#EBA57F"),
    (1.0, "#A8431A"),
)
DIVERGING_DARK: Stops = (
    (0.0, "#86C5F4"), (0.25, "#2F6A99"), (0.5, "#20252B"), (0.75, "#A8542C"), (1.0, "#FFB48F"),
)  # fmt: skip

MOST_DOUBLINGS = 5.0
"""Ratios beyond 32 times, or a thirty-second, share the colour at the end of the scale."""

TITLES = {
    "count": "{unit} with both",
    "conditional": "share of the column's {unit}",
    "jaccard": "Jaccard: both ÷ either",
    "lift": "lift: times as often as by chance (log scale)",
    "odds_ratio": "odds ratio (log scale)",
    "phi": "phi: correlation, −1 to 1",
    "nmi": "normalised mutual information, 0 to 1",
}
RATIOS = ("lift", "odds_ratio")


@dataclass(frozen=True)
class Scale:
    """A measure's colour scale between ``low`` and ``high`` (doublings for ratios)."""

    measure: str
    title: str
    stops: Stops
    low: float
    high: float

    def position(self, value: float) -> float:
        """Return where ``value`` lies on the scale: itself, or its doublings for a ratio."""
        if self.measure not in RATIOS:
            return value
        return log2(value) if 0 < value < float("inf") else (self.low if value <= 0 else self.high)

    def ink(self, value: float, look: Look) -> str:
        """Return the text colour that reads on the cell of this value."""
        width = self.high - self.low
        return contrast(colour_at(self.stops, (self.position(value) - self.low) / width), look)

    def bar_marker(self, look: Look) -> dict[str, Any]:
        """Return the marker settings that paint this scale and its colour bar."""
        ticks = self._ticks()
        bar: dict[str, Any] = {
            "title": {"text": self.title, "side": "right", "font": {"size": look.small, "color": look.muted}},
            "tickfont": {"size": look.small, "color": look.muted},
            "thickness": 12,
            "outlinewidth": 0,
            "ticks": "",
            "len": 1,
            "x": 1.01,
        }
        bar |= {"tickvals": [t for t, _ in ticks], "ticktext": [t for _, t in ticks]} if ticks else {"nticks": 6}
        if self.measure == "conditional":
            bar["tickformat"] = ".0%"
        elif self.measure == "count":
            bar["tickformat"] = ",d"
        return {
            "colorscale": [list(stop) for stop in self.stops],
            "cmin": self.low,
            "cmax": self.high,
            "showscale": True,
            "colorbar": bar,
        }

    def _ticks(self) -> list[tuple[float, str]]:
        if self.measure not in RATIOS:
            return []
        step = 1 if self.high < 5 else 2
        last = int(self.high) // step * step
        places = range(-last, last + 1, step)
        return [(float(p), number(2**p) if p >= 0 else f"1/{number(2**-p)}") for p in places]


def scale_for(measure: str, values: pd.Series, look: Look, unit: str = "images") -> Scale:
    """Return the scale of ``measure`` over ``values``, the coloured cells only.

    Counts and shares run from zero; phi is centred at 0; lift and odds ratio are centred at 1 and equal
    steps are equal ratios.
    """
    title = TITLES.get(measure, "{measure}").format(unit=unit, measure=plain(measure))
    if measure in RATIOS:
        finite = values[(values > 0) & (values < float("inf"))]
        reach = max((abs(log2(value)) for value in finite), default=1.0)
        limit = min(max(reach, 1.0), MOST_DOUBLINGS)
        return Scale(measure, title, DIVERGING_DARK if look.dark else DIVERGING, -limit, limit)
    top = float(values.abs().max()) if len(values) else 0.0
    if measure == "phi":
        limit = top or 1.0
        return Scale(measure, title, DIVERGING_DARK if look.dark else DIVERGING, -limit, limit)
    return Scale(measure, title, SEQUENTIAL_DARK if look.dark else SEQUENTIAL, 0.0, top or 1.0)
