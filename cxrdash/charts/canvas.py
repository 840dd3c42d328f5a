"""What charts share: the empty sheet, its axes, rows of findings, and doors.

Rows and columns sit at whole numbers with their names as tick texts. Names are never positions: two
findings may wrap to the same text, and Plotly reads ``1`` or ``2020-01-01`` as a number or a date.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from cxrdash.charts.theme import CLEAR, FONT, NO_IMAGES, Look, wrapped

LONG_ROWS = 60
"""Beyond this many rows type and pitch shrink, so that a chart of 190 findings stays on three screens."""
NAME_WIDTH = 36
"""Characters of a name before it goes on to the next line."""


def sheet(look: Look, height: int) -> go.Figure:
    """Return an empty figure in this look: explicit colours, transparent grounds, no template."""
    figure = go.Figure()
    figure.update_layout(
        template="none",
        height=height,
        autosize=True,
        paper_bgcolor=CLEAR,
        plot_bgcolor=CLEAR,
        font={"family": FONT, "size": look.size, "color": look.text},
        margin={"l": 8, "r": 24, "t": 34 if look.presentation else 28, "b": 8, "pad": 4},
        showlegend=False,
        legend={
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1,
            "yanchor": "bottom",
            "traceorder": "normal",
            "itemclick": False,
            "itemdoubleclick": False,
            "bgcolor": CLEAR,
            "font": {"size": look.size, "color": look.text},
        },
        hoverlabel={
            "bgcolor": "#2B3038" if look.dark else "#FFFFFF",
            "bordercolor": look.line,
            "font": {"family": FONT, "size": look.size, "color": look.text},
            "align": "left",
            "namelength": -1,
        },
        hovermode="closest",
        clickmode="event+select",
        dragmode=False,
        modebar={"bgcolor": CLEAR, "color": look.muted, "activecolor": look.text},
        bargap=0.25,
        separators=".,",
    )
    return figure


def nothing(look: Look, sentence: str = NO_IMAGES) -> go.Figure:
    """Return a figure that says there is nothing to draw, in one calm sentence."""
    figure = sheet(look, 160)
    figure.update_xaxes(visible=False, range=[0, 1], fixedrange=True)
    figure.update_yaxes(visible=False, range=[0, 1], fixedrange=True)
    note(figure, look, sentence, x=0.5, y=0.5, xanchor="center", yanchor="middle", size=look.size + 3)
    return figure


def note(figure: go.Figure, look: Look, text: str, **place: Any) -> None:
    """Write ``text`` (already safe) on the figure; ``place`` holds x, y, anchors, colour and size."""
    colour = place.pop("colour", look.muted)
    size = place.pop("size", look.size)
    defaults: dict[str, Any] = {"xref": "paper", "yref": "paper", "showarrow": False, "align": "left"}
    figure.add_annotation(text=text, font={"size": size, "color": colour}, **(defaults | place))


def axis(look: Look, title: str = "", **more: Any) -> dict[str, Any]:
    """Return the settings of a measured axis: thin grid, muted ticks, its title when there is one."""
    base = {
        "title": {"text": title, "font": {"size": look.size, "color": look.muted}, "standoff": 8},
        "tickfont": {"size": look.small, "color": look.muted},
        "gridcolor": look.grid,
        "gridwidth": 1,
        "showgrid": True,
        "zeroline": False,
        "showline": False,
        "automargin": True,
        "fixedrange": True,
        "ticks": "",
        "ticklabeloverflow": "allow",
        "layer": "below traces",
    }
    return base | more


def count_axis(look: Look, title: str, highest: float, **more: Any) -> dict[str, Any]:
    """Return an axis of counts: from zero, thousands separated, with room for a label at the end."""
    top = max(float(highest), 1.0) * more.pop("room", 1.0)
    base = {"range": [0, top], "tickformat": ",d", "rangemode": "tozero", "nticks": 8}
    return axis(look, title, **(base | more))


def share_axis(look: Look, title: str, highest: float = 1.0, **more: Any) -> dict[str, Any]:
    """Return an axis of proportions from zero, written in percent."""
    top = highest if highest > 0 else 1.0
    digits = ".0%" if top >= 0.08 else ".1%"
    base = {"range": [0, top], "tickformat": digits, "rangemode": "tozero", "nticks": 9}
    return axis(look, title, **(base | more))


def name_axis(look: Look, names: Sequence[object], **more: Any) -> dict[str, Any]:
    """Return an axis that lists names from the top (or left), at 0, 1, 2..., wrapped and never cut."""
    last = len(names) - 1
    long = len(names) > LONG_ROWS
    width, lines = more.pop("wrap", (2 * NAME_WIDTH, 1) if long else (NAME_WIDTH, 4))
    base = {
        "tickmode": "array",
        "tickvals": list(range(len(names))),
        "ticktext": [wrapped(name, width, lines) for name in names],
        "tickfont": {"size": name_size(look, names), "color": look.text},
        "range": [last + 0.5, -0.5],
        "showgrid": False,
    }
    return axis(look, "", **(base | more))


def name_size(look: Look, names: Sequence[object]) -> int:
    """Return the type size at which the names fit their pitch."""
    return look.size if len(names) <= LONG_ROWS else min(look.size, row_pitch(look, names) - 3)


def row_pitch(look: Look, names: Sequence[object]) -> int:
    """Return the height of one row in pixels: that of the name with most lines."""
    if len(names) > LONG_ROWS:
        return 18 if look.presentation else 14
    lines = max((wrapped(name, NAME_WIDTH).count("<br>") + 1 for name in names), default=1)
    return max(34 if look.presentation else 25, round(lines * look.size * 1.3) + 6)


def rows_height(look: Look, names: Sequence[object], chrome: int = 96, *, lowest: int = 190, times: float = 1.0) -> int:
    """Return the height of a chart of these rows in pixels, with ``chrome`` for its axis and legend.

    ``times`` makes room for rows that hold several marks one below the other.
    """
    extra = chrome + 34 if look.presentation else chrome
    return max(lowest, round(len(names) * row_pitch(look, names) * times) + extra)


def right_texts(figure: go.Figure, look: Look, texts: Sequence[str]) -> None:
    """Write one text per row at the right edge, as an axis, so that its margin fits the longest."""
    figure.add_trace(go.Scatter(x=[None], y=[None], yaxis="y2", hoverinfo="skip", showlegend=False))
    figure.update_layout(
        yaxis2=name_axis(
            look,
            texts,
            ticktext=list(texts),
            tickfont={"size": min(look.small, name_size(look, texts)), "color": look.muted},
            overlaying="y",
            side="right",
            ticklabelstandoff=8,
        )
    )


def doors(frame: pd.DataFrame, *fallback: str) -> list[list[Any]]:
    """Return ``customdata`` per row: the door first, else the values of the ``fallback`` columns.

    The tokens are handed to the page unchanged; no hover text ever shows them.
    """
    if "door" in frame.columns:
        return [[door] for door in frame["door"].tolist()]
    return [list(values) for values in frame[list(fallback)].astype(str).itertuples(index=False)]


def still(ink: str | None = None) -> dict[str, Any]:
    """Return the settings by which a click changes no mark and no text, where Plotly would fade the rest.

    Both keys are needed: with a text colour for the unselected alone plotly.js 4.1 fails on the click.
    """
    look: dict[str, Any] = {"marker": {"opacity": 1}} | ({"textfont": {"color": ink}} if ink else {})
    return {"selected": look, "unselected": look}


def doorway(size: int = 9) -> dict[str, Any]:
    """Return the settings that make the points of a line doors: a line alone cannot be clicked."""
    unseen = {"marker": {"opacity": 0}}
    marker = {"size": size, "opacity": 0, "color": CLEAR}
    return {"mode": "lines+markers", "marker": marker, "selected": unseen, "unselected": unseen}


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows as dictionaries by column name."""
    return [dict(zip(frame.columns, row, strict=True)) for row in frame.itertuples(index=False, name=None)]


def seen(values: pd.Series) -> list[Any]:
    """Return the distinct values in the order in which they appear."""
    return list(dict.fromkeys(values.tolist()))


def add_bands(figure: go.Figure, look: Look, rows: int, yref: str = "y") -> None:
    """Shade every other row lightly, so that the eye keeps to its row."""
    for row in range(0, rows, 2):
        figure.add_shape(
            type="rect",
            x0=0,
            x1=1,
            xref="paper",
            y0=row - 0.5,
            y1=row + 0.5,
            yref=yref,
            layer="below",
            line={"width": 0},
            fillcolor=look.grid,
            opacity=0.45,
        )


def highest(*columns: pd.Series) -> float:
    """Return the greatest number in these columns, 0 where there is none."""
    tops = [float(column.max()) for column in columns if column.notna().any()]
    return max(tops, default=0.0)
