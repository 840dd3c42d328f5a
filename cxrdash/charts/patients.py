"""How the images spread over patients: curves, bars, and one patient's films in order."""

from __future__ import annotations

from math import log10

import pandas as pd
import plotly.graph_objects as go

from cxrdash.charts.canvas import (
    axis,
    count_axis,
    doors,
    doorway,
    highest,
    note,
    nothing,
    seen,
    share_axis,
    sheet,
    still,
)
from cxrdash.charts.theme import SERIES_COLOURS, SERIES_COLOURS_DARK, Look, number, percent, plain

LEFT_ROOM = 0.35
"""Share of the log axis left of the threshold that a sentence there needs."""
SHARE_TICKS = (0.0001, 0.001, 0.01, 0.1, 1.0)


def images_per_patient_chart(
    frame: pd.DataFrame, look: Look, *, unit: str = "images", log: bool = True, threshold: int = 10
) -> go.Figure:
    """Return two falling curves: patients with more than t images, and the share of images they hold.

    ``frame`` has ``images`` (t), ``share_of_patients_with_more`` and ``share_of_images_with_more``, both
    0 to 1. The two points at ``threshold`` are marked and said in words.
    """
    if frame.empty:
        return nothing(look)
    rows = frame.sort_values("images")
    figure = sheet(look, 560 if look.presentation else 430)
    lowest = min(0.001, _smallest(rows["share_of_patients_with_more"])) if log else 0.0
    curves = (
        ("share_of_images_with_more", "their share of all " + plain(unit), look.accent),
        ("share_of_patients_with_more", "share of patients", look.text),
    )
    for column, name, colour in curves:
        _add_falling_curve(figure, rows, look, (column, name, colour), log)
    _mark_threshold(figure, rows, look, threshold, unit)
    _log_count_axis(figure, look, f"More than this many {plain(unit)} per patient", float(rows["images"].max()), log)
    if log:
        _leave_room(figure, look, threshold, float(rows["images"].max()))
        _log_share_axis(figure, look, "Share of the total", lowest)
    else:
        figure.update_yaxes(**share_axis(look, "Share of the total", 1.02))
    return figure


def several_chart(frame: pd.DataFrame, look: Look, *, unit: str = "images") -> go.Figure:
    """Return one falling curve per ``dataset``: the share of patients with more than t images, log on log.

    ``frame`` has ``dataset``, ``images`` (t) and ``share_of_patients_with_more`` (0 to 1).
    """
    if frame.empty:
        return nothing(look)
    figure = sheet(look, 560 if look.presentation else 430)
    colours = SERIES_COLOURS_DARK if look.dark else SERIES_COLOURS
    for place, dataset in enumerate(seen(frame["dataset"])):
        rows = frame[frame["dataset"] == dataset].sort_values("images")
        curve = ("share_of_patients_with_more", f"of the patients of {plain(dataset)}", colours[place % len(colours)])
        _add_falling_curve(figure, rows, look, curve, log=True)
    figure.update_layout(showlegend=True)
    _log_count_axis(figure, look, f"More than this many {plain(unit)} per patient", float(frame["images"].max()), True)
    _log_share_axis(figure, look, "Share of patients", _smallest(frame["share_of_patients_with_more"]))
    return figure


def _log_share_axis(figure: go.Figure, look: Look, title: str, lowest: float) -> None:
    ticks = [t for t in SHARE_TICKS if t >= lowest / 5]
    settings = {"type": "log", "tickvals": ticks, "ticktext": [f"{100 * t:g}%" for t in ticks]}
    figure.update_yaxes(**axis(look, f"{title} (log scale)", **settings))


def _smallest(shares: pd.Series) -> float:
    above = shares[shares > 0]
    return float(above.min()) if len(above) else 1.0


def _add_falling_curve(
    figure: go.Figure, rows: pd.DataFrame, look: Look, curve: tuple[str, str, str], log: bool
) -> None:
    column, name, colour = curve
    # No patient has more than the greatest number: a share of zero has no place on a log axis.
    shown = rows[rows[column] > 0] if log else rows
    figure.add_trace(
        go.Scatter(
            x=shown["images"].tolist(),
            y=shown[column].tolist(),
            **doorway(),
            line={"shape": "hv", "color": colour, "width": 4 if look.presentation else 2.5},
            name=name,
            customdata=doors(shown, "images"),
            hovertext=[
                f"more than {number(t)}: {percent(s)}, {name}"
                for t, s in zip(shown["images"], shown[column], strict=True)
            ],
            hoverinfo="text",
        )
    )


def _mark_threshold(figure: go.Figure, rows: pd.DataFrame, look: Look, threshold: int, unit: str) -> None:
    below = rows[rows["images"] <= threshold]
    if below.empty:
        return
    last = below.iloc[-1]
    # Both curves fall: above the upper and below the lower one there is room for a sentence.
    images, patients = float(last["share_of_images_with_more"]), float(last["share_of_patients_with_more"])
    theirs = f"of the {plain(unit)} are theirs"
    more = f"of patients have more than {number(threshold)} {plain(unit)}"
    if images > 0 and patients > 0:
        _add_mark(figure, look, (threshold, images), (theirs, "top right"), look.accent)
        if log10(max(threshold, 1)) >= LEFT_ROOM * log10(max(float(rows["images"].max()), 2)):
            _add_mark(figure, look, (threshold, patients), (more, "bottom left"), look.text)
        else:  # beside the axis only the ground below the curve is free
            _add_mark(figure, look, (threshold, patients), ("", "bottom left"), look.text)
            place = {"x": log10(max(threshold, 1)), "xref": "x", "y": 0.03, "xanchor": "left", "yanchor": "bottom"}
            said = f" <b>{percent(patients)}</b> {more}"
            note(figure, look, said, colour=look.text, size=look.size + 2, **place)
    stroke = {"color": look.line, "width": 1, "dash": "dot"}
    ends = {"x0": threshold, "x1": threshold, "y0": 0, "y1": 1, "yref": "paper"}
    figure.add_shape(type="line", layer="below", line=stroke, **ends)


def _add_mark(figure: go.Figure, look: Look, at: tuple[float, float], saying: tuple[str, str], colour: str) -> None:
    """Mark the point ``at`` and write its share and a sentence beside it, on the side named."""
    sentence, side = saying
    figure.add_trace(
        go.Scatter(
            x=[at[0]],
            y=[at[1]],
            mode="markers+text",
            marker={"color": colour, "size": 13, "line": {"color": look.ground, "width": 2}},
            text=[f" <b>{percent(at[1])}</b> {sentence} " if sentence else ""],
            textposition=side,
            textfont={"size": look.size + 2, "color": colour},
            hoverinfo="skip",
            cliponaxis=False,
            **still(colour),
        )
    )


def _leave_room(figure: go.Figure, look: Look, threshold: int, top: float) -> None:
    """Widen the log axis to the right so that the sentence beside the threshold is not cut."""
    start, at = -0.07, log10(max(threshold, 1))
    words = 0.42 if look.presentation else 0.3  # of the axis
    end = max(log10(max(top, 2)) + 0.06, (at - words * start) / (1 - words) if threshold <= top else 0.0)
    figure.update_xaxes(range=[start, end])


def _log_count_axis(figure: go.Figure, look: Look, title: str, top: float, log: bool) -> None:
    if not log:
        figure.update_xaxes(**count_axis(look, title, top, room=1.02))
        return
    ticks = [t for t in (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000) if t <= max(top, 2)]
    figure.update_xaxes(
        **axis(
            look,
            f"{title} (log scale)",
            type="log",
            tickvals=ticks,
            ticktext=[number(t) for t in ticks],
        )
    )


def ecdf_chart(
    frame: pd.DataFrame, look: Look, *, unit: str = "images", log: bool = True, threshold: int = 10
) -> go.Figure:
    """Return one rising curve: the share of patients with at most t images, marked at ``threshold``.

    ``frame`` is that of `images_per_patient_chart`.
    """
    if frame.empty:
        return nothing(look)
    unit = plain(unit)
    rows = frame.sort_values("images")
    shares = (1 - rows["share_of_patients_with_more"]).tolist()
    figure = sheet(look, 520 if look.presentation else 400)
    figure.add_trace(
        go.Scatter(
            x=rows["images"].tolist(),
            y=shares,
            **doorway(),
            line={"shape": "hv", "color": look.accent, "width": 4 if look.presentation else 2.5},
            customdata=doors(rows, "images"),
            hovertext=[f"at most {number(t)}: {percent(s)}" for t, s in zip(rows["images"], shares, strict=True)],
            hoverinfo="text",
        )
    )
    reached = [s for t, s in zip(rows["images"], shares, strict=True) if t <= threshold]
    if reached:
        most = f"of patients have at most {number(threshold)} {unit}"
        _add_mark(figure, look, (threshold, reached[-1]), (most, "bottom right"), look.text)
    _log_count_axis(figure, look, f"At most this many {plain(unit)} per patient", float(rows["images"].max()), log)
    if log:
        _leave_room(figure, look, threshold, float(rows["images"].max()))
    figure.update_yaxes(**share_axis(look, "Share of patients", 1.02))
    return figure


def lorenz_chart(frame: pd.DataFrame, look: Look, *, unit: str = "images") -> go.Figure:
    """Return Lorenz curves with the line of equality; one per value of ``dataset`` where it is present.

    ``frame`` has ``share_of_patients`` and ``share_of_images``, cumulative, 0 to 1, patients with the
    fewest images first.
    """
    if frame.empty:
        return nothing(look)
    figure = sheet(look, 560 if look.presentation else 430)
    figure.add_trace(
        go.Scatter(
            x=[0, 1],
            y=[0, 1],
            mode="lines",
            hoverinfo="skip",
            showlegend=False,
            line={"color": look.line, "width": 1.5, "dash": "dash"},
        )
    )
    note(
        figure,
        look,
        "every patient holds the same share",
        x=0.35,
        y=0.37,
        xref="x",
        yref="y",
        xanchor="right",
        yanchor="bottom",
        size=look.small,
    )
    names = seen(frame["dataset"]) if "dataset" in frame.columns else [""]
    for position, name in enumerate(names):
        rows = frame[frame["dataset"] == name] if "dataset" in frame.columns else frame
        _add_lorenz_curve(figure, rows, look, position, str(name))
    # The triangle above the line of equality is always empty: names go there, beside a piece of line.
    figure.update_layout(showlegend=names != [""], legend={"orientation": "v", "x": 0.015, "y": 0.99, "yanchor": "top"})
    figure.update_xaxes(**share_axis(look, f"Share of patients, those with fewest {plain(unit)} first"))
    figure.update_yaxes(**share_axis(look, f"Share of {plain(unit)}"))
    return figure


def _add_lorenz_curve(figure: go.Figure, rows: pd.DataFrame, look: Look, position: int, name: str) -> None:
    ordered = rows.sort_values("share_of_patients")
    pairs = list(zip(ordered["share_of_patients"], ordered["share_of_images"], strict=True))
    figure.add_trace(
        go.Scatter(
            x=[x for x, _ in pairs],
            y=[y for _, y in pairs],
            **doorway(),
            name=plain(name),
            line={
                "color": look.series(position),
                "width": 4 if look.presentation else 2.5,
                "dash": ("solid", "dash", "dot", "dashdot")[position % 4],
            },
            customdata=doors(ordered, *(["dataset"] if name else ["share_of_patients"])),
            hovertext=[f"{plain(name)} {percent(x)} of patients hold {percent(y)}".strip() for x, y in pairs],
            hoverinfo="text",
        )
    )


def patients_histogram(frame: pd.DataFrame, look: Look, *, unit: str = "images") -> go.Figure:
    """Return bars of ``patients`` per ``bin`` (text such as ``1`` or ``11-20``), in the order given."""
    if frame.empty:
        return nothing(look)
    figure = sheet(look, 460 if look.presentation else 340)
    figure.add_trace(
        go.Bar(
            x=list(range(len(frame))),
            y=frame["patients"].tolist(),
            marker={"color": look.accent, "line": {"width": 0}},
            text=[number(n) for n in frame["patients"]],
            textposition="outside",
            textfont={"size": look.small, "color": look.text},
            cliponaxis=False,
            customdata=doors(frame, "bin"),
            **still(look.text),
            hovertext=[
                f"{number(n)} patients with {plain(b)} {plain(unit)}"
                for b, n in zip(frame["bin"], frame["patients"], strict=True)
            ],
            hoverinfo="text",
        )
    )
    figure.update_xaxes(
        **axis(
            look,
            f"{plain(unit).capitalize()} per patient",
            showgrid=False,
            tickmode="array",
            tickvals=list(range(len(frame))),
            ticktext=[plain(b) for b in frame["bin"]],
        )
    )
    figure.update_yaxes(**count_axis(look, "Patients", highest(frame["patients"]), room=1.08))
    return figure
