"""Datasets side by side: rates in shared labels, who is in them, and how far apart they are.

A dataset keeps its colour and symbol in all of these. A hollow symbol is a rate of another definition.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from cxrdash.charts.canvas import (
    add_bands,
    doors,
    highest,
    name_axis,
    nothing,
    records,
    row_pitch,
    rows_height,
    seen,
    share_axis,
    sheet,
    still,
)
from cxrdash.charts.cells import Cells, add_cells, colour_at
from cxrdash.charts.theme import SERIES_SYMBOLS, Look, contrast, interval, number, percent, plain

NOT_COMPARABLE = "No label is shared by these datasets in this cohort"
FAR = ((0.0, "#F2F4F8"), (0.5, "#8FA3DC"), (1.0, "#2B3C8C"))
LONGEST_HOVER = 90
FAR_DARK = ((0.0, "#1D2330"), (0.5, "#4A5FA8"), (1.0, "#AEBBFA"))


def dataset_dots(
    frame: pd.DataFrame, look: Look, datasets: Sequence[str], *, title: str = "Share of images", before: str = ""
) -> go.Figure:
    """Return one row per shared label with a dot and interval per dataset, hollow unless the relation is =.

    ``frame`` has ``shared``, ``dataset``, ``findings``, ``relation``, ``rate``, ``low``, ``high``,
    ``positive`` and ``of``; labels keep their order. ``datasets`` fixes colours and symbols. ``before``
    names a column with another rate of the same units, drawn as a faint tick.
    """
    if frame.empty:
        return nothing(look, NOT_COMPARABLE)
    labels = seen(frame["shared"])
    place = {label: row for row, label in enumerate(labels)}
    times = max(1.0, 0.24 * len(datasets) + 0.35)
    figure = sheet(look, rows_height(look, labels, times=times))
    for position, dataset in enumerate(datasets):
        part = frame[frame["dataset"] == dataset]
        if len(part):
            at = [place[label] + _offset(position, len(datasets)) for label in part["shared"]]
            _add_dataset(figure, part, look, position, at)
            if before:
                _add_before(figure, part, look, position, at, before)
    add_bands(figure, look, len(labels))
    figure.update_layout(showlegend=True)
    figure.update_yaxes(**name_axis(look, labels))
    columns = [frame["rate"], frame["high"], *([frame[before]] if before else [])]
    figure.update_xaxes(**share_axis(look, plain(title), min(1.0, highest(*columns) * 1.06)))
    return figure


def _offset(position: int, of: int) -> float:
    return (position - (of - 1) / 2) * min(0.8 / of, 0.24)


def _symbol(position: int) -> str:
    return SERIES_SYMBOLS[position % len(SERIES_SYMBOLS)]


def _add_dataset(figure: go.Figure, part: pd.DataFrame, look: Look, position: int, at: list[float]) -> None:
    colour = look.series(position)
    ends = zip(part["low"].astype("float64"), part["high"].astype("float64"), strict=True)
    figure.add_trace(
        go.Scatter(
            x=[value for pair in ends for value in (*pair, None)],
            y=[value for row in at for value in (row, row, None)],
            mode="lines",
            line={"color": colour, "width": 5 if look.presentation else 3},
            opacity=0.5,
            hoverinfo="skip",
            showlegend=False,
        )
    )
    hollow = (part["relation"] != "=").tolist()
    figure.add_trace(
        go.Scatter(
            x=part["rate"].astype("float64").tolist(),
            y=at,
            mode="markers",
            name=plain(part["dataset"].iloc[0]),
            marker={
                "color": [look.ground if open_ else colour for open_ in hollow],
                "symbol": _symbol(position),
                "size": 14 if look.presentation else 10,
                "line": {"color": [colour if open_ else look.ground for open_ in hollow], "width": 2},
            },
            customdata=doors(part, "dataset", "shared"),
            hovertext=[_rate_hover(row) for row in records(part)],
            hoverinfo="text",
            showlegend=False,
            cliponaxis=False,
            **still(),
        )
    )
    _add_key(figure, look, position, part["dataset"].iloc[0])


def _add_key(figure: go.Figure, look: Look, position: int, dataset: object) -> None:
    """A legend entry of its own, filled whatever the first point is."""
    marker = {"color": look.series(position), "symbol": _symbol(position), "size": 14 if look.presentation else 10}
    figure.add_trace(
        go.Scatter(x=[None], y=[None], mode="markers", name=plain(dataset), marker=marker, hoverinfo="skip")
    )


def _add_before(figure: go.Figure, part: pd.DataFrame, look: Look, position: int, at: list[float], column: str) -> None:
    figure.add_trace(
        go.Scatter(
            x=part[column].astype("float64").tolist(),
            y=at,
            mode="markers",
            marker={
                "symbol": "line-ns-open", "size": 12, "color": look.series(position),
                "line": {"width": 2, "color": look.series(position)},
            },
            opacity=0.75,
            hoverinfo="skip",
            showlegend=False,
            **still(),
        )
    )  # fmt: skip


RELATIONS = {
    "=": "same meaning",
    "⊂": "narrower than the shared label",
    "⊃": "broader than the shared label",
    "~": "related, another definition",
}


def _rate_hover(row: dict[str, Any]) -> str:
    own = str(row["findings"])
    shown = plain(own) if len(own) < LONGEST_HOVER else f"{own.count(' or ') + 1} findings"
    lines = [
        f"<b>{plain(row['shared'])}, {plain(row['dataset'])}</b>",
        f"{percent(row['rate'])} ({interval(row['low'], row['high'])})",
        f"{number(row['positive'])} of {number(row['of'])}",
        f"{shown}: {RELATIONS[row['relation']]}",
    ]
    return "<br>".join(lines)


def attribute_bars(frame: pd.DataFrame, look: Look, datasets: Sequence[str], *, unit: str = "images") -> go.Figure:
    """Return, for each level of each attribute, a bar per dataset with its share of images.

    ``frame`` has ``attribute`` (a heading), ``level``, ``dataset``, ``images``, ``of`` and
    ``share_of_images``; attributes and levels keep their order.
    """
    if frame.empty:
        return nothing(look)
    height = max(row_pitch(look, seen(frame["level"])), (16 if look.presentation else 12) * len(datasets) + 6)
    names, places, rows = _headed(frame, min(1.0, 1.3 * row_pitch(look, ["A"]) / height))
    figure = sheet(look, round((places[-1] + 1) * height + (100 if look.presentation else 84)))
    for position, dataset in enumerate(datasets):
        part = frame[frame["dataset"] == dataset]
        if len(part):
            _add_shares(figure, part, look, position, rows, unit)
    figure.update_layout(barmode="group", bargap=0.16, bargroupgap=0.04, showlegend=True)
    figure.update_yaxes(**name_axis(look, names, tickvals=places, range=[places[-1] + 0.5, places[0] - 0.5]))
    widest = highest(frame["share_of_images"]) * 1.18  # with room for the number at its end
    figure.update_xaxes(**share_axis(look, f"Share of {plain(unit)}", widest))
    return figure


Rows = dict[tuple[str, str], float]


def _headed(frame: pd.DataFrame, heading: float) -> tuple[list[str], list[float], Rows]:
    """Return names, their places, and the place of every level; a heading is ``heading`` of a row high."""
    names: list[str] = []
    places: list[float] = []
    rows: Rows = {}
    at = 0.0
    for attribute in seen(frame["attribute"]):
        names.append(f"{attribute}:")
        places.append(at)
        for level in seen(frame.loc[frame["attribute"] == attribute, "level"]):
            at += 1 if names[-1] != f"{attribute}:" else (1 + heading) / 2
            rows[str(attribute), str(level)] = at
            names.append(str(level))
            places.append(at)
        at += (1 + heading) / 2
    return names, places, rows


def _add_shares(figure: go.Figure, part: pd.DataFrame, look: Look, position: int, place: Rows, unit: str) -> None:
    shares = part["share_of_images"].astype("float64")
    rows = records(part)
    figure.add_trace(
        go.Bar(
            orientation="h",
            x=shares.tolist(),
            y=[place[str(row["attribute"]), str(row["level"])] for row in rows],
            name=plain(part["dataset"].iloc[0]),
            marker={"color": look.series(position), "line": {"width": 0}},
            text=[percent(share) if share > 0 else "" for share in shares],
            textposition="outside",
            constraintext="none",
            textfont={"size": look.small, "color": look.muted},
            customdata=doors(part, "dataset", "level"),
            hovertext=[
                f"<b>{plain(row['attribute'])} {plain(row['level'])}, {plain(row['dataset'])}</b><br>"
                f"{number(row['images'])} of {number(row['of'])} {plain(unit)} ({percent(row['share_of_images'])})"
                for row in rows
            ],
            hoverinfo="text",
            showlegend=True,
            cliponaxis=False,
            **still(look.muted),
        )
    )


def distance_matrix(frame: pd.DataFrame, look: Look, datasets: Sequence[str], *, full: float = 1.0) -> go.Figure:
    """Return a square of datasets by datasets with one distance in each cell, darker where they are far apart.

    ``frame`` has ``dataset_a``, ``dataset_b``, ``value``, ``low`` and ``high``; each pair stands once and is
    drawn on both sides. ``full`` is the distance at which the colour is strongest.
    ``door_a`` and ``door_b`` open the images of either side: a cell those of its row.
    """
    if frame.empty:
        return nothing(look, "No two datasets in this cohort")
    place = {name: at for at, name in enumerate(datasets)}
    scale = FAR_DARK if look.dark else FAR
    cells = Cells()
    for row in records(frame):
        value = row["value"]
        known = not pd.isna(value)
        colour = colour_at(scale, abs(value) / full) if known else scale[0][1]
        ink = contrast(colour, look)
        for one, other, sign in (("dataset_a", "dataset_b", 1), ("dataset_b", "dataset_a", -1)):
            shown = sign * value if row.get("signed") else value
            hover = f"<b>{plain(row[one])} and {plain(row[other])}</b><br>{_signed(shown)}, 95% {_range(row, sign)}"
            text = (_signed(shown) if known else "–", ink)
            door = row.get("door_a" if sign > 0 else "door_b", "")
            cells.add((place[row[other]], place[row[one]]), colour, text, hover, [door] if door else [])
    figure = sheet(look, rows_height(look, list(datasets), 70, lowest=140, times=1.25))
    add_cells(figure, cells, look)
    last = len(datasets) - 0.5
    figure.update_yaxes(**name_axis(look, list(datasets)))
    figure.update_xaxes(**name_axis(look, list(datasets), range=[-0.5, last], side="top"))
    return figure


def _signed(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:.2f}".replace("-", "−")


def _range(row: dict[str, Any], sign: int) -> str:
    ends = (row["low"], row["high"]) if sign > 0 or not row.get("signed") else (-row["high"], -row["low"])
    return f"{_signed(ends[0])} to {_signed(ends[1])}"
