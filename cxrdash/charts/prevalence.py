"""How common each finding is: states, rates with intervals, policies and levels side by side."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from cxrdash.charts.canvas import (
    add_bands,
    count_axis,
    doors,
    highest,
    name_axis,
    nothing,
    records,
    right_texts,
    rows_height,
    seen,
    share_axis,
    sheet,
    still,
)
from cxrdash.charts.intervals import Series, add_dots
from cxrdash.charts.theme import STATE_COLOURS, Look, contrast, faded, interval, number, percent, plain

HATCH = {"uncertain": "/"}
SAID = ("positive", "uncertain", "negative")


def state_bars(frame: pd.DataFrame, look: Look, *, share: bool = True, unit: str = "images") -> go.Figure:
    """Return stacked bars of the states of each finding, in the order given; uncertain is hatched.

    ``frame`` has ``finding``, counts ``positive``, ``uncertain``, ``negative``, ``blank`` (and
    ``not_assessed`` where some images lack the label), and ``of``. Each segment's ``customdata`` is the
    row's door followed by the state.
    """
    if frame.empty:
        return nothing(look)
    figure = sheet(look, rows_height(look, frame["finding"].tolist()))
    for state in STATE_COLOURS:
        if state in frame.columns and frame[state].fillna(0).sum() > 0:
            _add_state(figure, frame, look, state, share)
    figure.update_layout(
        barmode="stack",
        showlegend=True,
        bargap=0.22,
        uniformtext={"minsize": max(9, look.small - 2), "mode": "hide"},
    )
    figure.update_yaxes(**name_axis(look, frame["finding"].tolist()))
    pairs = zip(frame["positive"], frame["of"], strict=True)
    ends = [f"{number(p)} of {number(n)} ({percent(p / n if n else None)})" for p, n in pairs]
    right_texts(figure, look, ends)
    title = f"{plain(unit).capitalize()}; at the right: positive of all"
    if share:
        figure.update_xaxes(**share_axis(look, f"Share of {title[0].lower()}{title[1:]}"))
    else:
        figure.update_xaxes(**count_axis(look, title, highest(frame["of"])))
    return figure


def _add_state(figure: go.Figure, frame: pd.DataFrame, look: Look, state: str, share: bool) -> None:
    counts = frame[state].astype("float64")
    shares = counts / frame["of"].astype("float64").where(lambda n: n > 0)
    # What a report does not mention recedes behind what it says.
    colour = faded(STATE_COLOURS[state], 0.4) if state == "blank" else STATE_COLOURS[state]
    word = state.replace("_", " ")
    texts = [percent(s) if share else number(n) for s, n in zip(shares, counts, strict=True)]
    figure.add_trace(
        go.Bar(
            orientation="h",
            x=(shares if share else counts).tolist(),
            y=list(range(len(frame))),
            name=word,
            marker={
                "color": colour,
                "line": {"color": look.line, "width": 1 if state == "not_assessed" else 0},
                "pattern": {
                    "shape": HATCH.get(state, ""),
                    "fillmode": "overlay",
                    "fgcolor": "#6B4A00",
                    "fgopacity": 0.6,
                    "size": 6,
                    "solidity": 0.18,
                },
            },
            text=texts if state in SAID else None,
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            insidetextfont={"size": look.small, "color": contrast(colour, look)},
            customdata=[[*door, state] for door in doors(frame, "finding")],
            hovertext=[
                f"<b>{plain(f)}: {word}</b><br>{number(n)} of {number(of)} ({percent(s)})"
                for f, n, of, s in zip(frame["finding"], counts, frame["of"], shares, strict=True)
            ],
            hoverinfo="text",
            **still(contrast(colour, look)),
        )
    )


def rate_intervals(
    frame: pd.DataFrame, look: Look, *, title: str = "Share of images", positive_word: str = ""
) -> go.Figure:
    """Return one dot with its interval per finding, its numbers written at the right.

    ``frame`` has ``finding``, ``rate``, ``low``, ``high``, ``of`` and ``positive``; columns ``naive_low``
    and ``naive_high`` add a thin second interval that takes images for independent.
    """
    if frame.empty:
        return nothing(look)
    figure = sheet(look, rows_height(look, frame["finding"].tolist(), 78))
    places = list(range(len(frame)))
    add_dots(figure, frame, look, Series(0, 1, ""), places)
    if {"naive_low", "naive_high"} <= set(frame.columns):
        _add_naive(figure, frame, look)
    figure.update_yaxes(**name_axis(look, frame["finding"].tolist(), showgrid=True))
    right_texts(figure, look, [_numbers(row, positive_word) for row in records(frame)])
    figure.update_xaxes(**share_axis(look, plain(title), _room(frame)))
    return figure


def _numbers(row: dict[str, Any], positive_word: str) -> str:
    rate = f"{percent(row['rate'])} ({interval(row['low'], row['high'])})"
    counts = f"{number(row['positive'])}{positive_word} of {number(row['of'])}"
    return f"{rate}, {counts}"


def _room(frame: pd.DataFrame) -> float:
    return min(1.0, highest(frame["rate"], frame["high"]) * 1.06) if len(frame) else 1.0


def _add_naive(figure: go.Figure, frame: pd.DataFrame, look: Look) -> None:
    ends = zip(frame["naive_low"].astype("float64"), frame["naive_high"].astype("float64"), strict=True)
    figure.add_trace(
        go.Scatter(
            x=[value for pair in ends for value in (*pair, None)],
            y=[value for row in range(len(frame)) for value in (row + 0.28, row + 0.28, None)],
            mode="lines",
            name="if every image were independent",
            line={"color": look.muted, "width": 2},
            hoverinfo="skip",
            showlegend=True,
        )
    )
    figure.data[1].update(name="clustered by patient", showlegend=True)
    figure.update_layout(showlegend=True)


def policy_dots(frame: pd.DataFrame, look: Look, *, title: str = "Rate") -> go.Figure:
    """Return one row per finding and one marker per policy, so that their distance is what is seen.

    ``frame`` has ``finding``, ``policy``, ``rate``, ``low``, ``high``; findings and policies keep the
    order in which they appear.
    """
    if frame.empty:
        return nothing(look)
    findings = seen(frame["finding"])
    figure = sheet(look, rows_height(look, findings))
    _add_spans(figure, frame, look, findings)
    _add_series(figure, frame, look, ("policy", findings), apart=False)
    figure.update_layout(showlegend=True)
    figure.update_yaxes(**name_axis(look, findings))
    figure.update_xaxes(**share_axis(look, plain(title), _room(frame)))
    spans = [frame.loc[frame["finding"] == finding, "rate"].dropna() for finding in findings]
    right_texts(figure, look, [f"{percent(s.min())} to {percent(s.max())}" if len(s) else "–" for s in spans])
    return figure


def _add_spans(figure: go.Figure, frame: pd.DataFrame, look: Look, findings: list[object]) -> None:
    ends: list[float | None] = []
    for finding in findings:
        rates = frame.loc[frame["finding"] == finding, "rate"].dropna()
        ends += [float(rates.min()), float(rates.max()), None] if len(rates) else [None, None, None]
    figure.add_trace(
        go.Scatter(
            x=ends,
            y=[value for row in range(len(findings)) for value in (row, row, None)],
            mode="lines",
            line={"color": look.grid, "width": 12 if look.presentation else 9},
            hoverinfo="skip",
            showlegend=False,
        )
    )


def bound_bars(frame: pd.DataFrame, look: Look, *, title: str = "Share of images") -> go.Figure:
    """Return one bar per finding from the lowest to the highest rate that its labels allow.

    ``frame`` has ``finding``, ``lowest``, ``highest``, ``open`` and ``of``.
    """
    if frame.empty:
        return nothing(look)
    findings = frame["finding"].tolist()
    figure = sheet(look, rows_height(look, findings))
    lowest, highest = (frame[name].astype("float64") for name in ("lowest", "highest"))
    ranges = [f"{percent(low)} to {percent(high)}" for low, high in zip(lowest, highest, strict=True)]
    opens = [f"{number(n)} of {number(of)} left open" for n, of in zip(frame["open"], frame["of"], strict=True)]
    figure.add_trace(
        go.Bar(
            orientation="h",
            base=lowest.tolist(),
            # what is known exactly keeps a mark that can be seen
            x=(highest - lowest).clip(lower=0.002).tolist(),
            y=list(range(len(frame))),
            marker={"color": STATE_COLOURS["uncertain"]},
            customdata=doors(frame, "finding"),
            hovertext=[
                f"<b>{plain(finding)}</b><br>{found}<br>{left}"
                for finding, found, left in zip(findings, ranges, opens, strict=True)
            ],
            hoverinfo="text",
            **still(),
        )
    )
    figure.update_yaxes(**name_axis(look, findings, showgrid=True))
    right_texts(figure, look, [f"{found}, {left}" for found, left in zip(ranges, opens, strict=True)])
    figure.update_xaxes(**share_axis(look, plain(title)))
    return figure


def level_dots(frame: pd.DataFrame, look: Look, *, title: str = "Share of images") -> go.Figure:
    """Return one dot with interval per finding and level of an attribute (view, sex, age band, part).

    ``frame`` has ``finding``, ``level``, ``rate``, ``low``, ``high``, ``of``; both keep their order.
    """
    if frame.empty:
        return nothing(look)
    findings, levels = seen(frame["finding"]), seen(frame["level"])
    figure = sheet(look, rows_height(look, findings, times=max(1.0, 0.26 * len(levels) + 0.2)))
    _add_series(figure, frame, look, ("level", findings), apart=True)
    add_bands(figure, look, len(findings))
    figure.update_layout(showlegend=True)
    figure.update_yaxes(**name_axis(look, findings))
    figure.update_xaxes(**share_axis(look, plain(title), _room(frame)))
    return figure


def _add_series(
    figure: go.Figure, frame: pd.DataFrame, look: Look, by: tuple[str, list[object]], *, apart: bool
) -> None:
    column, findings = by
    place = {finding: row for row, finding in enumerate(findings)}
    names = seen(frame[column])
    for position, name in enumerate(names):
        part = frame[frame[column] == name]
        series = Series(position, len(names), str(name), apart=apart)
        add_dots(figure, part, look, series, [place[finding] for finding in part["finding"]])
