"""One patient's films in order: a column per film, a row per finding, a square per state."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from cxrdash.charts.canvas import doors, name_axis, nothing, records, rows_height, seen, sheet, still
from cxrdash.charts.theme import STATE_COLOURS, STATE_GLYPHS, Look, contrast, faded, number, plain

MOST_TICKS = 30


def timeline_chart(frame: pd.DataFrame, look: Look) -> go.Figure:
    """Return the states of every finding on every film of one patient.

    ``frame`` has ``order``, ``image_id``, ``age_years``, ``view``, ``finding`` and ``state``. Films stand
    at equal distances: order is known, dates are not. Image names stay hidden in presentation mode.
    """
    if frame.empty:
        return nothing(look, "No films of this patient in this cohort")
    films = frame.drop_duplicates("order").sort_values("order")
    columns = {order: place for place, order in enumerate(films["order"].tolist())}
    findings = seen(frame["finding"])
    rows = {finding: place for place, finding in enumerate(findings)}
    figure = sheet(look, rows_height(look, findings, 110))
    for state in STATE_COLOURS:
        part = frame[frame["state"] == state]
        if len(part):
            _add_state(figure, part, look, state, (columns, rows))
    figure.update_layout(showlegend=True)
    figure.update_yaxes(**name_axis(look, findings, showgrid=True))
    figure.update_xaxes(**_film_axis(films, look))
    return figure


def _add_state(
    figure: go.Figure,
    part: pd.DataFrame,
    look: Look,
    state: str,
    places: tuple[dict[object, int], dict[object, int]],
) -> None:
    columns, rows = places
    few = len(columns) <= 2 * MOST_TICKS
    small = state in ("blank", "not_assessed")
    ink = contrast(STATE_COLOURS[state], look)
    side = (22 if look.presentation else 17) if few else 7
    figure.add_trace(
        go.Scatter(
            x=[columns[order] for order in part["order"]],
            y=[rows[finding] for finding in part["finding"]],
            mode="markers+text" if few and STATE_GLYPHS[state] and not small else "markers",
            name=f"{state.replace('_', ' ')} {STATE_GLYPHS[state]}".strip(),
            text=STATE_GLYPHS[state],
            textfont={"size": look.small, "color": ink},
            marker={
                "symbol": "square",
                "color": faded(STATE_COLOURS[state], 0.5) if state == "blank" else STATE_COLOURS[state],
                "size": (5 if few else 3) if state == "blank" else side - 6 if small else side,
                "line": {"color": look.line, "width": 1 if state == "not_assessed" else 0},
            },
            customdata=doors(part, "image_id", "finding"),
            hovertext=_hovers(part, look),
            hoverinfo="text",
            **still(ink),
        )
    )


def _hovers(part: pd.DataFrame, look: Look) -> list[str]:
    texts = []
    for row in records(part):
        film = f"film {number(row['order'])}" if look.presentation else plain(row["image_id"])
        texts.append(
            f"<b>{plain(row['finding'])}: {plain(row['state']).replace('_', ' ')}</b><br>"
            f"{film}, {plain(row['view'])}, {number(row['age_years'])} years"
        )
    return texts


def _film_axis(films: pd.DataFrame, look: Look) -> dict[str, object]:
    step = -(-len(films) // MOST_TICKS)
    texts = [
        f"{plain(row['view'])}<br>{number(row['age_years'])} y" if place % step == 0 else ""
        for place, row in enumerate(records(films))
    ]
    # A patient with few films keeps small squares at the left rather than squares lost in a wide field.
    last = max(len(films), 12) - 0.5
    title = f"Films in order, view and age in years ({number(len(films))} films)"
    more = {"ticktext": texts, "tickfont": {"size": look.small, "color": look.muted}, "range": [-0.5, last]}
    return name_axis(look, [""] * len(films), **more) | {
        "title": {"text": title, "font": {"size": look.size, "color": look.muted}}
    }
