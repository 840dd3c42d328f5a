"""What films are made of, which look wrong, and how a measure spreads."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from cxrdash.charts.canvas import (
    add_bands,
    axis,
    count_axis,
    doors,
    highest,
    name_axis,
    nothing,
    right_texts,
    rows_height,
    seen,
    share_axis,
    sheet,
    still,
)
from cxrdash.charts.theme import Look, contrast, faded, interval, number, percent, plain, wrapped

MOST_SEGMENTS = 6  # of one bar; what is rarer is one grey segment
GREY = "#9AA0A6"
RARE = 0.02  # of the highest bar of a histogram: lower ones are marked by a point and their number
FILMS = ("frontal", "lateral", "unknown", "other")


def suspect_bars(frame: pd.DataFrame, look: Look) -> go.Figure:
    """Return one bar per check: the share of films it suspects with its interval, and a mark at its false alarms.

    ``frame`` has ``title``, ``images``, ``of``, ``rate``, ``low``, ``high``, ``alarms``, ``alarms_of``,
    ``alarm_rate`` and a ``door``.
    """
    if frame.empty:
        return nothing(look)
    names = frame["title"].tolist()
    figure = sheet(look, rows_height(look, names, 92))
    add_bands(figure, look, len(names))
    figure.add_trace(_suspected(frame, look))
    figure.add_trace(_alarms(frame, look))
    figure.update_yaxes(**name_axis(look, names))
    room = min(1.0, max(0.01, 1.15 * highest(frame["high"], frame["alarm_rate"])))
    figure.update_xaxes(**share_axis(look, "Share of the films that could be judged", room))
    right_texts(figure, look, [_counts(*row) for row in zip(frame["images"], frame["of"], strict=True)])
    figure.update_layout(showlegend=True, bargap=0.35)
    return figure


def _suspected(frame: pd.DataFrame, look: Look) -> go.Bar:
    rate = frame["rate"].astype("float64")
    rows = zip(frame["title"], frame["images"], frame["of"], rate, frame["low"], frame["high"], strict=True)
    return go.Bar(
        orientation="h",
        x=rate.tolist(),
        y=list(range(len(frame))),
        name="suspected, with 95% interval",
        marker={"color": look.accent},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": (frame["high"] - rate).tolist(),
            "arrayminus": (rate - frame["low"]).tolist(),
            "color": look.text,
            "thickness": 1.5,
            "width": 3,
        },
        customdata=doors(frame, "check"),
        hovertext=[
            f"<b>{plain(title)}</b><br>{number(n)} of {number(of)} films, {percent(r)} ({interval(low, high)})"
            for title, n, of, r, low, high in rows
        ],
        hoverinfo="text",
        **still(),
    )


def _alarms(frame: pd.DataFrame, look: Look) -> go.Scatter:
    tried = zip(frame["title"], frame["alarms"], frame["alarms_of"], frame["alarm_rate"], strict=True)
    return go.Scatter(
        x=frame["alarm_rate"].astype("float64").tolist(),
        y=list(range(len(frame))),
        mode="markers",
        name="false alarms on sound films",
        marker={
            "symbol": "line-ns",
            "size": 22 if look.presentation else 15,
            "line": {"color": "#E69F00", "width": 3},
        },
        customdata=doors(frame, "check"),
        hovertext=[
            f"<b>{plain(title)}</b><br>{number(n)} of {number(of)} sound films were suspected ({percent(rate)})"
            for title, n, of, rate in tried
        ],
        hoverinfo="text",
        cliponaxis=False,
        **still(),
    )


def _counts(images: int, of: int) -> str:
    return f"{number(images)} of {number(of)}" if of else "not judged"


def census_bars(frame: pd.DataFrame, look: Look) -> go.Figure:
    """Return one bar per attribute, shared out among its levels, the most frequent first; what is rare is grey.

    ``frame`` has ``attribute`` (as written), ``level``, ``images``, ``of`` and a ``door`` (empty where a
    segment stands for several levels).
    """
    if frame.empty:
        return nothing(look)
    names = seen(frame["attribute"])
    figure = sheet(look, rows_height(look, names, 64, lowest=150))
    place = {name: at for at, name in enumerate(names)}
    ranks = frame.groupby("attribute", sort=False).cumcount()
    for rank in range(int(ranks.max()) + 1):
        figure.add_trace(_segments(frame[ranks == rank], look, place, rank))
    figure.update_layout(barmode="stack", bargap=0.25, uniformtext={"minsize": max(9, look.small - 2), "mode": "hide"})
    figure.update_yaxes(**name_axis(look, names))
    figure.update_xaxes(**share_axis(look, "Share of the films for which it is known"))
    known = frame.groupby("attribute", sort=False)["of"].first()
    right_texts(figure, look, [f"{number(known[name])} films" for name in names])
    return figure


def _segments(part: pd.DataFrame, look: Look, place: dict[object, int], rank: int) -> go.Bar:
    colour = _rank_colour(look, rank)
    share = part["images"] / part["of"]
    ink = contrast(colour, look) if colour.startswith("#") else look.text
    return go.Bar(
        orientation="h",
        x=share.tolist(),
        y=[place[name] for name in part["attribute"]],
        marker={"color": colour, "line": {"width": 1, "color": look.ground}},
        text=[_inside(level, s, look) for level, s in zip(part["level"], share, strict=True)],
        textposition="inside",
        insidetextanchor="middle",
        constraintext="none",
        textangle=0,
        insidetextfont={"size": look.small, "color": ink},
        customdata=doors(part, "attribute", "level"),
        hovertext=[
            f"<b>{plain(name)}: {plain(level)}</b><br>{number(n)} of {number(of)} ({percent(n / of)})"
            for name, level, n, of in zip(part["attribute"], part["level"], part["images"], part["of"], strict=True)
        ],
        hoverinfo="text",
        **still(ink),
    )


def _inside(level: str, share: float, look: Look) -> str:
    """The text of a segment, where the segment is wide enough for it."""
    text = f"{wrapped(level, 28, 1)} {percent(share)}"
    return text if len(text) <= share * (70 if look.presentation else 110) else ""


def _rank_colour(look: Look, rank: int) -> str:
    return look.series(rank) if rank < MOST_SEGMENTS else faded(GREY, 0.5)


def measure_histogram(
    frame: pd.DataFrame, look: Look, *, title: str, logarithmic: bool = False, thresholds: tuple[float, ...] = ()
) -> go.Figure:
    """Return a histogram of one measure, stacked by the kind of film, with lines at thresholds.

    ``frame`` has ``films``, ``from_value``, ``below_value``, ``images`` and a ``door`` per row. With
    ``logarithmic`` the axis is in equal ratios and says so.
    """
    if frame.empty:
        return nothing(look, "No film with this measure in this cohort")
    figure = sheet(look, 380 if look.presentation else 330)
    kinds = [kind for kind in FILMS if kind in set(frame["films"])]
    for at, kind in enumerate(kinds):
        figure.add_trace(_bins(frame[frame["films"] == kind], look, (at, kind), logarithmic))
    rules = {name: "sum" if name == "images" else "first" for name in frame.columns if name != "from_value"}
    totals = frame.groupby("from_value", as_index=False).agg(rules)
    top = float(totals["images"].max())
    figure.add_trace(_rare(totals[totals["images"] < RARE * top], look, logarithmic))
    figure.update_yaxes(**count_axis(look, "Films", top, room=1.05))
    kind_of_axis: dict[str, Any] = {"nticks": 12}
    if logarithmic:
        ticks = [digit * 10.0**power for power in range(-4, 5) for digit in (1, 2, 5)]
        kind_of_axis = {"type": "log", "tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]}
    words = f"{title}, logarithmic" if logarithmic else title
    figure.update_xaxes(**axis(look, plain(words), **kind_of_axis))
    for threshold in thresholds:
        figure.add_vline(x=threshold, line={"color": "#E69F00", "width": 2, "dash": "dash"})
    figure.update_layout(barmode="stack", bargap=0.04, showlegend=len(kinds) > 1)
    return figure


def _rare(part: pd.DataFrame, look: Look, logarithmic: bool) -> go.Scatter:
    """A point and its number over bars too low to be seen: these films are why one looks."""
    low, high = _ends(part, logarithmic)
    return go.Scatter(
        x=((low + high) / 2).tolist(),
        y=part["images"].tolist(),
        mode="markers+text",
        marker={"color": look.text, "size": 6},
        text=[number(n) for n in part["images"]],
        textposition="top center",
        textfont={"size": look.small, "color": look.text},
        customdata=doors(part, "from_value"),
        hovertext=[
            f"<b>{a:.3g} to {b:.3g}</b><br>{number(n)} films" for a, b, n in zip(low, high, part["images"], strict=True)
        ],
        hoverinfo="text",
        showlegend=False,
        cliponaxis=False,
        **still(look.text),
    )


def _ends(part: pd.DataFrame, logarithmic: bool) -> tuple[pd.Series, pd.Series]:
    """The ends of bins as drawn: a logarithmic axis has no zero."""
    low, high = part["from_value"].astype("float64"), part["below_value"].astype("float64")
    return (low.where(low > 0, high / 2), high) if logarithmic else (low, high)


def _bins(part: pd.DataFrame, look: Look, kind: tuple[int, str], logarithmic: bool) -> go.Bar:
    at, name = kind
    low, high = _ends(part, logarithmic)
    return go.Bar(
        x=((low + high) / 2).tolist(),
        width=(high - low).tolist(),
        y=part["images"].tolist(),
        name=plain(name),
        marker={"color": look.series(at)},
        customdata=doors(part, "suspect"),
        hovertext=[
            f"<b>{a:.3g} to {b:.3g}</b><br>{number(n)} {plain(name)} films"
            for a, b, n in zip(low, high, part["images"], strict=True)
        ],
        hoverinfo="text",
        **still(),
    )
