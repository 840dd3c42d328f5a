"""Labels against a second opinion, and readers against each other."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from cxrdash.charts.canvas import (
    add_bands,
    axis,
    doors,
    name_axis,
    note,
    nothing,
    records,
    right_texts,
    rows_height,
    seen,
    share_axis,
    sheet,
    still,
)
from cxrdash.charts.cells import Cells, add_cells
from cxrdash.charts.scales import DIVERGING, DIVERGING_DARK, MOST_DOUBLINGS, SEQUENTIAL, SEQUENTIAL_DARK, Scale
from cxrdash.charts.theme import STATE_COLOURS, Look, contrast, faded, interval, number, percent, plain

MAIN, REST = (0.0, 0.76), (0.8, 1.0)
"""Places of the two panels of `opinion_bars`: positive somewhere, and positive nowhere."""
CELLS = ("both", "only_first", "only_second", "neither")
FEW = 30
"""Cells of fewer images than this are greyed: their rates are noise."""


def opinion_bars(frame: pd.DataFrame, look: Look, *, first: str, second: str) -> go.Figure:
    """Return the four cells of each finding: who calls it positive, and beside it the images that nobody does.

    ``frame`` has ``finding`` (the row's name), counts ``both``, ``only_first``, ``only_second``,
    ``neither`` and ``of``, and one door per cell in ``door_both`` and so on. ``first`` and ``second`` name
    the two sets. The left bars share out the images positive in either set, the right ones all images.
    """
    if frame.empty:
        return nothing(look)
    names = frame["finding"].tolist()
    figure = sheet(look, rows_height(look, names, 112))
    colours = dict(zip(CELLS, _cell_colours(look), strict=True))
    words = {"both": "both", "only_first": f"only {first}", "only_second": f"only {second}", "neither": "neither"}
    either = frame["both"] + frame["only_first"] + frame["only_second"]
    for cell in CELLS:
        whole = frame["of"] if cell == "neither" else either
        _add_cell(figure, frame, look, (cell, plain(words[cell]), colours[cell]), whole)
    figure.update_layout(
        barmode="stack", showlegend=True, bargap=0.22, uniformtext={"minsize": max(9, look.small - 2), "mode": "hide"},
        xaxis=share_axis(look, "Share of the images positive in either set") | {"domain": list(MAIN)},
        xaxis2=share_axis(look, "Neither, of all compared") | {"domain": list(REST), "anchor": "y", "nticks": 3},
    )  # fmt: skip
    figure.update_yaxes(**name_axis(look, names))
    # Nobody's images are a bar of any length, so their number may run over its end.
    rest = [f" {number(n)} of {number(of)}" for n, of in zip(frame["neither"], frame["of"], strict=True)]
    figure.data[-1].update(text=rest, insidetextanchor="start", constraintext="none")
    return figure


def _cell_colours(look: Look) -> tuple[str, ...]:
    return STATE_COLOURS["positive"], look.series(0), look.series(1), faded("#9AA0A6", 0.45)


def _add_cell(figure: go.Figure, frame: pd.DataFrame, look: Look, cell: tuple[str, str, str], whole: pd.Series) -> None:
    name, word, colour = cell
    counts = frame[name].astype("float64")
    shares = counts / whole.astype("float64").where(lambda n: n > 0)
    column = f"door_{name}"
    ink = contrast(colour, look)
    carried = [[door] for door in frame[column]] if column in frame.columns else doors(frame, "finding")
    figure.add_trace(
        go.Bar(
            orientation="h",
            x=shares.tolist(),
            y=list(range(len(frame))),
            xaxis="x2" if name == "neither" else "x",
            name=word,
            marker={"color": colour, "line": {"width": 1, "color": look.ground}},
            text=[f"{number(n)} ({100 * s:.0f}%)" if s == s else "" for n, s in zip(counts, shares, strict=True)],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            insidetextfont={"size": look.small, "color": ink},
            customdata=carried,
            hovertext=[
                f"<b>{plain(f)}: {word}</b><br>{number(n)} of {number(of)} images ({percent(s)})"
                for f, n, of, s in zip(frame["finding"], counts, whole, shares, strict=True)
            ],
            hoverinfo="text",
            **still(ink),
        )
    )


def support_bars(frame: pd.DataFrame, look: Look, *, readers: int) -> go.Figure:
    """Return per finding how many readers support a positive image, from one alone to all of them.

    ``frame`` has ``finding``, ``positive`` (images positive for any reader), counts ``by_1``, ``by_2``,
    ``by_3``, ``by_more`` and a door for each in ``door_by_1`` and so on. ``readers`` read every image.
    """
    if frame.empty:
        return nothing(look)
    names = frame["finding"].tolist()
    figure = sheet(look, rows_height(look, names))
    supports = [f"by_{n}" for n in range(1, min(readers, 3) + 1)] + (["by_more"] if readers > 3 else [])
    for place, support in enumerate(supports):
        word = "more than 3 readers" if support == "by_more" else _of_readers(int(support[3:]), readers)
        colour = _ramp(look, place, len(supports))
        _add_cell(figure, frame, look, (support, word, colour), frame["positive"])
    figure.update_layout(
        barmode="stack", showlegend=True, bargap=0.22, uniformtext={"minsize": max(9, look.small - 2), "mode": "hide"}
    )
    figure.update_yaxes(**name_axis(look, names))
    right_texts(figure, look, [f"{number(n)} images" for n in frame["positive"]])
    figure.update_xaxes(**share_axis(look, "Share of the images that any reader calls positive"))
    return figure


def _of_readers(n: int, readers: int) -> str:
    if n == readers:
        return f"all {readers} readers"
    return "1 reader alone" if n == 1 else f"{n} of {readers} readers"


def _ramp(look: Look, place: int, steps: int) -> str:
    """From pale (one reader's word alone) to full colour (everybody's)."""
    stops = ("#5E3A2A", "#A85A2A", "#E8793A", "#FFB48F") if look.dark else ("#F6D5C2", "#EBA57F", "#D55E00", "#8F3F00")
    return stops[0] if place == 0 else stops[2] if place == steps - 1 else stops[1]


def agreement_dots(frame: pd.DataFrame, look: Look) -> go.Figure:
    """Return raw agreement, AC1, kappa (with its interval) and positive agreement side by side per finding.

    ``frame`` has ``finding``, ``agreement``, ``ac1``, ``kappa``, ``kappa_low``, ``kappa_high``,
    ``positive_agreement``, ``images``, ``readers`` and ``door``, and may have ``alpha``. All are 1 for perfect
    agreement.
    """
    if frame.empty:
        return nothing(look)
    names = frame["finding"].tolist()
    figure = sheet(look, rows_height(look, names, times=1.15))
    _add_kappa_lines(figure, frame, look)
    for position, (column, title) in enumerate(MEASURES.items()):
        if column not in frame:
            continue
        _add_measure(figure, frame, look, (position, column, title))
    add_bands(figure, look, len(names))
    low = min([0.0, *frame["kappa_low"].dropna().tolist(), *frame["kappa"].dropna().tolist()])
    figure.update_layout(showlegend=True)
    figure.update_yaxes(**name_axis(look, names))
    figure.update_xaxes(**axis(look, "1 is perfect; kappa and AC1 are 0 at chance", range=[low - 0.04, 1.02], nticks=8))
    right_texts(figure, look, [f"kappa {_two(k)}" for k in frame["kappa"]])
    return figure


MEASURES = {
    "kappa": "kappa", "positive_agreement": "positive agreement", "ac1": "AC1", "agreement": "raw agreement",
    "alpha": "Krippendorff's alpha",
}  # fmt: skip
SYMBOLS = ("circle", "diamond", "square-open", "triangle-up-open", "x-thin-open")


def _add_kappa_lines(figure: go.Figure, frame: pd.DataFrame, look: Look) -> None:
    ends = zip(frame["kappa_low"].astype("float64"), frame["kappa_high"].astype("float64"), strict=True)
    figure.add_trace(
        go.Scatter(
            x=[value for pair in ends for value in (*pair, None)],
            y=[value for row in range(len(frame)) for value in (row, row, None)],
            mode="lines",
            line={"color": look.series(0), "width": 5 if look.presentation else 3},
            opacity=0.5,
            hoverinfo="skip",
            showlegend=False,
        )
    )


def _add_measure(figure: go.Figure, frame: pd.DataFrame, look: Look, measure: tuple[int, str, str]) -> None:
    position, column, title = measure
    values = frame[column].astype("float64")
    hovers = []
    for row, value in zip(records(frame), values, strict=True):
        ends = f" ({_two(row['kappa_low'])} to {_two(row['kappa_high'])})" if column == "kappa" else ""
        of = f"{number(row['images'])} images, {number(row['readers'])} readers each"
        hovers.append(f"<b>{plain(row['finding'])}: {title}</b><br>{_two(value)}{ends}<br>{of}")
    size = 14 if look.presentation else 9
    figure.add_trace(
        go.Scatter(
            x=values.tolist(),
            y=list(range(len(frame))),
            mode="markers",
            name=title,
            marker={"color": look.series(position), "symbol": SYMBOLS[position], "size": size, "line": {"width": 1}},
            customdata=doors(frame, "finding"),
            hovertext=hovers,
            hoverinfo="text",
            cliponaxis=False,
            **still(),
        )
    )


def _two(value: float) -> str:
    return f"{value:.2f}".replace("-", "−") if isfinite(value) else "–"


def reader_heat(frame: pd.DataFrame, look: Look, *, against_peers: bool = False) -> go.Figure:
    """Return what each reader (column) reports of each finding (row).

    ``frame`` has ``reader``, ``finding``, ``images``, ``positive``, ``rate``, ``low``, ``high``, ``shared``,
    ``shared_rate``, ``peers_rate`` and ``door``; findings and readers keep their order. Cells show the
    rate, or with ``against_peers`` how many times as often as the other readers of the same images.
    Cells of few images are greyed.
    """
    if frame.empty:
        return nothing(look)
    readers, findings = seen(frame["reader"]), seen(frame["finding"])
    values = _ratios(frame) if against_peers else frame["rate"].astype("float64")
    enough = (frame["shared"] if against_peers else frame["images"]) >= FEW
    scale = _heat_scale(values[enough], look, against_peers)
    figure = sheet(look, rows_height(look, findings, 150, lowest=260))
    filled, few = Cells(), Cells()
    for row, value, counts, door in zip(records(frame), values, enough, doors(frame, "reader", "finding"), strict=True):
        at = (readers.index(row["reader"]), findings.index(row["finding"]))
        text, hover = _heat_texts(row, value, against_peers)
        if counts and isfinite(value):
            filled.add(at, scale.position(value), (text, scale.ink(value, look)), hover, door)
        else:
            few.add(at, "#262B32" if look.dark else "#ECEEF0", (text, look.muted), hover, door)
    if filled.rows:
        add_cells(figure, filled, look, **scale.bar_marker(look))
    if few.rows:
        add_cells(figure, few, look)
    _heat_axes(figure, look, readers, findings)
    key = {"x": 0, "y": 0, "xanchor": "left", "yanchor": "top", "yshift": -8, "size": look.small}
    note(figure, look, f"grey: fewer than {FEW} images", **key)
    figure.update_layout(margin={"t": 8, "b": 36 if look.presentation else 28})
    return figure


def _ratios(frame: pd.DataFrame) -> pd.Series:
    own, others = frame["shared_rate"].astype("float64"), frame["peers_rate"].astype("float64")
    return own / others.where(others > 0)


def _heat_scale(values: pd.Series, look: Look, against_peers: bool) -> Scale:
    finite = values[(values < float("inf"))].dropna()
    if not against_peers:
        top = max(float(finite.max()), 0.01) if len(finite) else 1.0
        return Scale("rate", "share positive", SEQUENTIAL_DARK if look.dark else SEQUENTIAL, 0.0, top)
    ratios = Scale("lift", "", DIVERGING, -MOST_DOUBLINGS, MOST_DOUBLINGS)
    reach = max((abs(ratios.position(value)) for value in finite if value > 0), default=1.0)
    limit = min(max(reach, 1.0), 3.0)
    title = "times as often as the others (log scale)"
    return Scale("lift", title, DIVERGING_DARK if look.dark else DIVERGING, -limit, limit)


def _heat_texts(row: dict[str, Any], value: float, against_peers: bool) -> tuple[str, str]:
    rate = f"{percent(row['rate'])} ({interval(row['low'], row['high'])})"
    lines = [
        f"<b>{plain(row['reader'])}: {plain(row['finding'])}</b>",
        f"{rate}, {number(row['positive'])} of {number(row['images'])} images",
    ]
    if row["shared"]:
        own, others = percent(row["shared_rate"]), percent(row["peers_rate"])
        lines.append(f"on {number(row['shared'])} images read by others too: {own}, the others {others}")
    text = f"{value:.1f}" if against_peers else f"{100 * value:.0f}%" if value >= 0.095 else f"{100 * value:.1f}%"
    return (text if isfinite(value) else ""), "<br>".join(lines)


def _heat_axes(figure: go.Figure, look: Look, readers: Sequence[object], findings: Sequence[object]) -> None:
    upright = sum(len(str(name)) for name in readers) * look.size * 0.6 < 800
    x = name_axis(look, readers, wrap=(24, 3), range=[-0.5, len(readers) - 0.5], side="top")
    figure.update_xaxes(**(x | {"tickangle": 0 if upright else -40}))
    figure.update_yaxes(**name_axis(look, findings))
