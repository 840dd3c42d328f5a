"""Grids of clickable cells: a heat map whose every cell is a door and says its number where it fits.

Plotly's heat map sends no click, and a marker cannot grow with a cell. Cells are therefore bars one
unit wide and one high, which cover their place at any size of the window. Past `MOST_BARS` a picture
with transparent markers on top is many times faster, at the price of numbers inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go

from cxrdash.charts.canvas import still
from cxrdash.charts.theme import Look

MOST_BARS = 3600
PAGE_WIDTH = 1000
"""Width of a page's main column in pixels, from which the size of a marker is taken."""


@dataclass
class Cells:
    """Cells of one kind: places (column, row), colours, texts and doors, all of one length."""

    columns: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    colours: list[Any] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    inks: list[str] = field(default_factory=list)
    hovers: list[str] = field(default_factory=list)
    doors: list[list[Any]] = field(default_factory=list)

    def add(self, place: tuple[int, int], colour: Any, text: tuple[str, str], hover: str, door: list[Any]) -> None:
        """Add one cell at (column, row) with its text and the ink it is written in."""
        self.columns.append(place[0])
        self.rows.append(place[1])
        self.colours.append(colour)
        self.texts.append(text[0])
        self.inks.append(text[1])
        self.hovers.append(hover)
        self.doors.append(door)

    def joined(self, other: Cells) -> Cells:
        """Return the cells of both."""
        return Cells(*(getattr(self, part.name) + getattr(other, part.name) for part in fields(self)))

    def with_ink(self, ink: str) -> Cells:
        """Return the cells written in ``ink``."""
        kept = [place for place, own in enumerate(self.inks) if own == ink]
        return Cells(*([getattr(self, part.name)[place] for place in kept] for part in fields(self)))


def add_cells(figure: go.Figure, cells: Cells, look: Look, **marker: Any) -> None:
    """Draw cells as bars; ``marker`` adds a colour scale, a pattern or a line.

    Cells of one ink share a trace: only so does Plotly keep that ink when another cell is clicked.
    """
    for ink in dict.fromkeys(cells.inks):
        _add_bars(figure, cells.with_ink(ink), look, ink, marker)
        if "showscale" in marker:
            marker = marker | {"showscale": False}
    figure.update_layout(barmode="overlay", uniformtext={"minsize": max(8, look.small - 3), "mode": "hide"})


def _add_bars(figure: go.Figure, cells: Cells, look: Look, ink: str, marker: dict[str, Any]) -> None:
    figure.add_trace(
        go.Bar(
            orientation="h",
            base=[column - 0.48 for column in cells.columns],
            x=[0.96] * len(cells.columns),
            y=cells.rows,
            width=0.92,
            # One colour stays one value: beside a list of them Plotly ignores the colour of a hatching.
            marker={"color": _one_or_all(cells.colours), "line": {"width": 0}} | marker,
            text=cells.texts,
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            insidetextfont={"size": look.small, "color": ink},
            customdata=cells.doors,
            hovertext=cells.hovers,
            hoverinfo="text",
            showlegend=False,
            **still(ink),
        )
    )


def _one_or_all(colours: list[Any]) -> Any:
    single = len(set(colours)) == 1 and isinstance(colours[0], str)
    return colours[0] if single else colours


def add_picture(figure: go.Figure, cells: Cells, doorways: Cells, side: int, scale: dict[str, Any]) -> None:
    """Draw a square of ``side`` by ``side`` cells as one picture, with ``doorways`` as markers on top.

    ``cells`` are painted by value; ``doorways`` may hold more cells than are painted.
    """
    grid: list[list[float | None]] = [[None] * side for _ in range(side)]
    for column, row, value in zip(cells.columns, cells.rows, cells.colours, strict=True):
        grid[row][column] = value
    limits = {"zmin": scale["cmin"], "zmax": scale["cmax"], "colorscale": scale["colorscale"]}
    figure.add_trace(go.Heatmap(z=grid, hoverinfo="skip", colorbar=scale["colorbar"], **limits))
    figure.add_trace(
        go.Scatter(
            x=doorways.columns,
            y=doorways.rows,
            mode="markers",
            marker={"symbol": "square", "size": max(6, PAGE_WIDTH // side), "opacity": 0},
            customdata=doorways.doors,
            hovertext=doorways.hovers,
            hoverinfo="text",
            showlegend=False,
            selected={"marker": {"opacity": 0}},
            unselected={"marker": {"opacity": 0}},
        )
    )


def colour_at(scale: Sequence[tuple[float, str]], place: float) -> str:
    """Return the colour (``#RRGGBB``) of a scale at ``place`` in 0 to 1, as Plotly mixes it."""
    place = min(max(place, 0.0), 1.0)
    for (start, first), (end, second) in pairwise(scale):
        if place <= end:
            mix = (place - start) / (end - start)
            pairs = ((int(first[i : i + 2], 16), int(second[i : i + 2], 16)) for i in (1, 3, 5))
            return "#" + "".join(f"{round(a + (b - a) * mix):02X}" for a, b in pairs)
    return scale[-1][1]
