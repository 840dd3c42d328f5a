"""Whether the test part is large enough: tiers by patients, subgroups, and interval widths."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from cxrdash.charts.canvas import (
    axis,
    doors,
    highest,
    name_axis,
    note,
    nothing,
    records,
    rows_height,
    seen,
    sheet,
    still,
)
from cxrdash.charts.cells import Cells, add_cells
from cxrdash.charts.theme import (
    TIER_COLOURS,
    TIER_GLYPHS,
    Look,
    contrast,
    number,
    plain,
    tier_word,
)

TIER_LINES = (10, 30, 50, 100)
MAIN_LINE = 50
COUNT_TICKS = (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
GAP = 0.03
"""Space between two parts side by side, as a share of the figure."""
ONE_PART = 0.6
LOG_START = 0.7
"""Left end of the log axis: a single patient still has a bar."""


def tier_bars(frame: pd.DataFrame, look: Look) -> go.Figure:
    """Return positive patients per finding on a log axis, against the lines of the tiers.

    ``frame`` has ``finding``, ``split``, ``positive_patients``, ``positive`` (images) and ``tier``. Several
    parts stand side by side on one scale. Colour, a filling circle and a word all say the tier: the word
    at each bar where one part is shown, else in the key.
    """
    if frame.empty:
        return nothing(look)
    findings, parts = seen(frame["finding"]), seen(frame["split"])
    alone = len(parts) == 1
    figure = sheet(look, rows_height(look, findings, 112 if alone else 136))
    width = (1 + GAP) / len(parts) - GAP
    most = max(highest(frame["positive_patients"]), 150.0)
    for position, part in enumerate(parts):
        suffix = "" if position == 0 else str(position + 1)
        start = position * (width + GAP)
        domain = (start, start + width)
        _add_part(figure, frame[frame["split"] == part], look, (findings, suffix), words=alone)
        _tier_axis(figure, look, suffix, domain, most)
        _add_tier_lines(figure, look, suffix, TIER_LINES if alone else (10, 50))
        place = {"x": domain[0], "y": 1, "yanchor": "bottom", "yshift": look.size + 8}
        note(figure, look, f"<b>{plain(part)}</b>", colour=look.text, **place)
    if not alone:
        _add_tier_key(figure, frame, look)
        figure.update_layout(legend={"y": 0, "yref": "container"})
    figure.update_layout(bargap=0.28, margin_t=66 if look.presentation else 50)
    figure.update_layout(margin_b=8 if alone else 110 if look.presentation else 76)
    figure.update_yaxes(**name_axis(look, findings))
    return figure


def _tier_axis(figure: go.Figure, look: Look, suffix: str, domain: tuple[float, float], most: float) -> None:
    width = domain[1] - domain[0]
    lowest = log10(LOG_START)
    # What is written beyond the longest bar needs a fixed number of pixels: a share of this width.
    free = min(0.5, (0.2 if width > ONE_PART else 0.09 / width) * (1.4 if look.presentation else 1))
    narrow = 0.45 if look.presentation else 0.3
    steps = COUNT_TICKS[:: 1 if width > ONE_PART else 2 if width > narrow else 4]
    ticks = [tick for tick in steps if tick <= most * 1.2]
    axis_of = axis(
        look,
        "Positive patients (log scale)",
        type="log",
        tickvals=ticks,
        ticktext=[number(tick) for tick in ticks],
        tickangle=0,
        showgrid=False,
        domain=list(domain),
        anchor="y",
        range=[lowest, lowest + (log10(most) - lowest) / (1 - free)],
    )
    figure.update_layout({f"xaxis{suffix}": axis_of})


def _add_tier_lines(figure: go.Figure, look: Look, suffix: str, labelled: Sequence[int]) -> None:
    for line in TIER_LINES:
        main = line == MAIN_LINE
        stroke = {"color": look.muted if main else look.line, "width": 2 if main else 1}
        figure.add_shape(
            type="line",
            x0=line,
            x1=line,
            xref=f"x{suffix}",
            y0=0,
            y1=1,
            yref="paper",
            layer="below",
            line=stroke | {"dash": "solid" if main else "dot"},
        )
        if line in labelled:
            place = {"x": log10(line), "xref": f"x{suffix}", "y": 1, "xanchor": "center", "yanchor": "bottom"}
            text = f"<b>{line}</b>" if main else str(line)
            note(figure, look, text, size=look.small, colour=look.text if main else look.muted, **place)


def _add_part(
    figure: go.Figure, part: pd.DataFrame, look: Look, where: tuple[list[object], str], *, words: bool
) -> None:
    findings, suffix = where
    place = {finding: row for row, finding in enumerate(findings)}
    tiers = [tier_word(tier) for tier in part["tier"]]
    counts = part["positive_patients"].fillna(0).astype("int64").tolist()
    signs = [f"{TIER_GLYPHS.get(t, '')}{' ' + plain(t) if words else ''}" for t in tiers]
    shared = {
        "y": [place[finding] for finding in part["finding"]],
        "xaxis": f"x{suffix}",
        "customdata": doors(part, "finding", "split"),
        "showlegend": False,
    }
    figure.add_trace(
        go.Bar(
            orientation="h",
            x=counts,
            marker={"color": [TIER_COLOURS.get(tier, look.muted) for tier in tiers], "line": {"width": 0}},
            hovertext=_tier_hovers(part, tiers),
            hoverinfo="text",
            **still(),
            **shared,
        )
    )
    # The words stand in a trace of their own: a bar of zero has no end on a log axis to write at.
    figure.add_trace(
        go.Scatter(
            x=[max(n, LOG_START * 1.03) for n in counts],
            mode="text",
            text=[f" {number(n)}  {sign}" for n, sign in zip(counts, signs, strict=True)],
            textposition="middle right",
            textfont={"size": look.small, "color": look.text},
            hoverinfo="skip",
            **still(look.text),
            **shared,
        )
    )


def _tier_hovers(part: pd.DataFrame, tiers: list[str]) -> list[str]:
    return [
        f"<b>{plain(row['finding'])}, {plain(row['split'])}</b><br>"
        f"{number(row['positive_patients'])} positive patients, {number(row['positive'])} images"
        f"<br>{plain(tier)}"
        for row, tier in zip(records(part), tiers, strict=True)
    ]


def subgroup_grid(frame: pd.DataFrame, look: Look) -> go.Figure:
    """Return findings against subgroups with positive patients in each cell, coloured by tier.

    ``frame`` has ``finding``, ``subgroup``, ``positive_patients``, ``tier``. A cell without a patient is
    outlined and says ``none``; a combination that is no row of the frame stays open.
    """
    if frame.empty:
        return nothing(look)
    findings, groups = seen(frame["finding"]), seen(frame["subgroup"])
    rows = {finding: place for place, finding in enumerate(findings)}
    columns = {group: place for place, group in enumerate(groups)}
    cells, empty = Cells(), Cells()
    for record, door in zip(records(frame), doors(frame, "finding", "subgroup"), strict=True):
        place = (columns[record["subgroup"]], rows[record["finding"]])
        _add_cell(empty if record["positive_patients"] == 0 else cells, record, place, door, look)
    figure = sheet(look, rows_height(look, findings, 150))
    add_cells(figure, cells, look)
    add_cells(figure, empty, look, line={"color": look.line, "width": 1})
    _add_tier_key(figure, frame, look)
    figure.update_yaxes(**name_axis(look, findings))
    many = len(groups) > 10
    figure.update_xaxes(
        **name_axis(
            look,
            groups,
            wrap=(40, 1) if many else (13, 3),
            side="bottom",
            range=[-0.5, len(groups) - 0.5],
            tickangle=-40 if many else 0,
            tickfont={"size": look.small, "color": look.text},
        )
    )
    return figure


def _add_cell(cells: Cells, record: dict[str, Any], place: tuple[int, int], door: list[Any], look: Look) -> None:
    tier = tier_word(record["tier"])
    colour = TIER_COLOURS.get(tier, look.muted)
    patients = record["positive_patients"]
    glyph = TIER_GLYPHS.get(tier, "")
    text = "none" if patients == 0 else number(patients) + ("" if tier == "adequate" else f" {glyph}")
    hover = (
        f"<b>{plain(record['finding'])}, {plain(record['subgroup'])}</b><br>"
        f"{number(patients)} positive patients: {plain(tier)}"
    )
    cells.add(place, colour, (text, contrast(colour, look)), hover, door)


def _add_tier_key(figure: go.Figure, frame: pd.DataFrame, look: Look) -> None:
    present = {tier_word(tier) for tier in frame["tier"]}
    for tier, colour in TIER_COLOURS.items():
        if tier in present:
            figure.add_trace(
                go.Scatter(
                    x=[None],
                    y=[None],
                    mode="markers",
                    name=f"{TIER_GLYPHS[tier]} {tier}",
                    hoverinfo="skip",
                    marker={
                        "symbol": "square",
                        "size": 13,
                        "color": colour,
                        "line": {"color": look.line, "width": 1},
                    },
                    showlegend=True,
                )
            )
    figure.update_layout(showlegend=True)
