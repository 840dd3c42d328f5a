"""The report's figures, drawn from the same tables as the pages; print-safe colours, meaning never by colour alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from cxrdash.charts.theme import STATE_COLOURS, TIER_COLOURS, TIER_GLYPHS, interval, number, percent
from cxrdash.report.blocks import Figure
from cxrdash.report.small_cells import SMALLEST
from cxrdash.report.svg import GRID, INK, MUTED, SIZE, Drawing, rows_of, text_width

if TYPE_CHECKING:
    import pandas as pd

WIDTH = 720
Place = Callable[[float], float]  # from a value to pixels
ROW = 25
NAME_CHARACTERS = 26
MOST_ROWS = 40
ACCENT = "#3D4FA1"
STATES = ("positive", "uncertain", "negative", "blank", "not_assessed")
LINE = 50  # positive patients below which a result is anecdotal (METHODS 3.7)


def repeats(table: pd.DataFrame, *, shareable: bool) -> Figure | None:
    """Share of patients with more than so many images, on two logarithmic axes; None without patients."""
    rows = table[table["share_of_patients_with_more"] > 0]
    total = float(table["patients"].sum())
    if shareable:
        rows = rows[_wide_steps([total * share for share in rows["share_of_patients_with_more"]], total)]
    if not len(rows) or not total:
        return None
    height, left, top, bottom = 312, 64, 28, 262
    most = max(int(rows["images"].max()) + 1, 10)
    least = 10 ** math.floor(math.log10(float(rows["share_of_patients_with_more"].min())))
    drawing = Drawing(WIDTH, height, title="Share of patients with more than a number of images")
    span = WIDTH - left - 30

    def across(images: float) -> float:
        return left + span * math.log10(images) / math.log10(most)

    def down(share: float) -> float:
        return top + (bottom - top) * math.log10(share) / math.log10(least)

    _repeat_axes(drawing, across, down, most, least)
    points = []
    last = 1.0
    for row in rows.itertuples():
        points += [(across(row.images), down(last)), (across(row.images), down(row.share_of_patients_with_more))]
        last = row.share_of_patients_with_more
    drawing.path(points, stroke=ACCENT, width=2.5)
    drawing.text(left, 10, "share of patients (logarithmic)", colour=MUTED)
    drawing.text(left + span / 2, bottom + 40, "more than so many images of one patient (logarithmic)", anchor="middle",
                 colour=MUTED)  # fmt: skip
    said = f"{_repeats_said(rows)} n = {number(total)} patients."
    for threshold in (1, 10):
        found = rows[rows["images"] == threshold]
        if len(found):
            share = float(found["share_of_patients_with_more"].iloc[0])
            x, y = across(threshold), down(share)
            drawing.dot(x, y, fill=ACCENT)
            words = f"{percent(share)} have more than {threshold}"
            at_end = x + 9 + 1.25 * text_width(words) > WIDTH  # bold; then it stands below the line, which falls
            if at_end:
                drawing.text(x - 9, y + 18, words, anchor="end", bold=True)
            else:
                drawing.text(x + 9, y - 7, words, bold=True)
    return Figure(drawing.markup, said, said)


def _wide_steps(people: list[float], total: float) -> list[bool]:
    """Keep the points that no handful of people divides from the point kept before."""
    kept, last = [], total
    for count in people:
        wide = round(count) >= SMALLEST and round(last - count) >= SMALLEST
        kept.append(wide)
        last = count if wide else last
    return kept


def _repeat_axes(drawing: Drawing, across: Place, down: Place, most: float, least: float) -> None:
    """Powers of ten down the side, numbers of images along the bottom."""
    for step in range(round(-math.log10(least)) + 1):
        y = down(10.0**-step)
        drawing.line(across(1), y, across(most), y, stroke=GRID)
        drawing.text(across(1) - 8, y + 4, f"{10.0 ** (2 - step):g}%", anchor="end", colour=MUTED)
    for mark in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000):
        if mark <= most:
            drawing.line(across(mark), down(least), across(mark), down(least) + 5, stroke=MUTED)
            drawing.text(across(mark), down(least) + 20, f"{mark:,}", anchor="middle", colour=MUTED)


def _repeats_said(rows: pd.DataFrame) -> str:
    ten = rows[rows["images"] == 10]
    row = ten.iloc[0] if len(ten) else rows.iloc[0]
    return (
        f"{percent(row['share_of_patients_with_more'])} of patients have more than {int(row['images']):,} "
        f"{'image' if row['images'] == 1 else 'images'} and hold {percent(row['share_of_images_with_more'])} of all "
        "images."
    )


def prevalence(table: pd.DataFrame, *, withheld: frozenset[str] = frozenset()) -> Figure | None:
    """One row per finding: its share among all units counted, with its interval; withheld findings are left out."""
    rows = table[(table["of"] > 0) & ~table["finding"].isin(withheld)].sort_values("rate", ascending=False)
    shown = rows.head(MOST_ROWS)
    if not len(shown):
        return None
    left, right, top = _name_width(shown["finding"]), 230, 24
    height = top + ROW * len(shown) + 34
    drawing = Drawing(WIDTH, height, title="Prevalence of each finding with its interval")
    top_rate = min(1.0, max(float(shown["high"].fillna(shown["rate"]).max()) * 1.06, 0.01))
    span = WIDTH - left - right

    def across(rate: float) -> float:
        return left + span * min(rate / top_rate, 1.0)

    _axis(drawing, across, top_rate, top, height - 28)
    drawing.text(WIDTH - right + 16, 14, "share (95% interval)", colour=MUTED)
    drawing.text(WIDTH, 14, "counted", anchor="end", colour=MUTED)
    for at, row in enumerate(shown.itertuples()):
        y = top + ROW * (at + 0.5)
        drawing.lines(left - 10, y, str(row.finding), NAME_CHARACTERS, anchor="end")
        if row.low == row.low:
            drawing.line(across(row.low), y, across(row.high), y, stroke=STATE_COLOURS["positive"], width=2.5)
        drawing.dot(across(row.rate), y, fill=STATE_COLOURS["positive"], radius=4.5)
        words = f"{percent(row.rate)} ({interval(row.low, row.high)})"
        drawing.text(WIDTH - right + 16, y + SIZE * 0.35, words)
        drawing.text(WIDTH, y + SIZE * 0.35, number(row.counted), anchor="end", colour=MUTED)
    top_row = shown.iloc[0]
    said = (
        f"{top_row['finding']} is the most frequent finding: {number(top_row['counted'])} of {number(top_row['of'])}"
        f" {_units(top_row['unit'])} ({percent(top_row['rate'])})." + _rest(len(rows))
    )
    return Figure(drawing.markup, said, said)


def _axis(drawing: Drawing, across: Place, top_rate: float, top: float, bottom: float) -> None:
    step = next(size for size in (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25) if top_rate / size <= 6)
    for at in range(int(top_rate / step) + 1):
        x = across(at * step)
        drawing.line(x, top, x, bottom, stroke=GRID)
        drawing.text(x, bottom + 18, f"{100 * at * step:g}%", anchor="middle", colour=MUTED)


def states(table: pd.DataFrame, *, withheld: frozenset[str] = frozenset()) -> Figure | None:
    """The states of each finding as stacked bars; None where every label is positive or negative."""
    rows = table[table["of"] > 0]
    if not len(rows) or not float(rows[["uncertain", "blank", "not_assessed"]].to_numpy().sum()):
        return None
    shown = rows.sort_values("positive", ascending=False).head(MOST_ROWS)
    left, top, right = _name_width(shown["finding"]), 34, 16
    height = top + ROW * len(shown) + 30
    drawing = Drawing(WIDTH, height, title="States of each finding")
    span = WIDTH - left - right
    x = float(left)
    for state in STATES[: 5 if rows["not_assessed"].any() else 4]:
        words = state.replace("_", " ")
        drawing.rect(x, 8, 13, 13, fill=_fill(state), stroke=MUTED, hatch=state == "uncertain")
        drawing.text(x + 19, 19, words)
        x += 40 + text_width(words)
    for at, row in enumerate(shown.itertuples()):
        y, x = top + ROW * at, float(left)
        drawing.lines(left - 10, y + ROW / 2, str(row.finding), NAME_CHARACTERS, anchor="end")
        whole = sum(getattr(row, state) for state in STATES)
        cells = {state: getattr(row, state) for state in STATES}
        if row.finding in withheld:
            drawing.text(left + 8, y + ROW * 0.65, "withheld: a state has fewer than 11", colour=MUTED)
            continue
        for state, count in cells.items():
            w = span * count / whole
            drawing.rect(x, y + 3, w, ROW - 6, fill=_fill(state), stroke="#FFFFFF", hatch=state == "uncertain")
            x += w
    for at in range(5):
        anchor = "end" if at == 4 else "middle"
        drawing.text(left + span * at / 4, height - 8, f"{25 * at}%", anchor=anchor, colour=MUTED)
    labels = float(rows["of"].sum())
    silent = float(rows["blank"].sum()) / labels
    said = f"Taken over all findings, {percent(silent)} of {number(labels)} labels are blank." + _rest(len(rows))
    return Figure(drawing.markup, said, said)


def _fill(state: str) -> str:
    return "#FFFFFF" if state == "not_assessed" else STATE_COLOURS[state]


def tiers(table: pd.DataFrame, part: str, *, hidden: frozenset[tuple[str, str]] = frozenset()) -> Figure | None:
    """Positive patients of each finding in the part that is tested on, against the line of 50."""
    rows = table[table["split"] == part].sort_values("positive_patients", ascending=False)
    shown = rows.head(MOST_ROWS)
    if not len(shown):
        return None
    left, right, top = _name_width(shown["finding"]), 190, 26
    height = top + ROW * len(shown) + 12
    drawing = Drawing(WIDTH, height, title="Positive patients per finding in the part that is tested on")
    span = WIDTH - left - right
    most = max(float(shown["positive_patients"].max()), 2 * LINE)

    def across(people: float) -> float:
        return left + span * math.log10(1 + people) / math.log10(1 + most)

    for at, row in enumerate(shown.itertuples()):
        y = top + ROW * at
        drawing.lines(left - 10, y + ROW / 2, str(row.finding), NAME_CHARACTERS, anchor="end")
        gone = (row.finding, part) in hidden
        people = 0.0 if gone else float(row.positive_patients)
        fill = TIER_COLOURS[row.tier] if row.tier != "blocked" else "#FFFFFF"
        drawing.rect(left, y + 4, across(people) - left, ROW - 8, fill=fill)
        words = "withheld" if gone else f"{number(people)} {TIER_GLYPHS[row.tier]} {row.tier}"
        drawing.text(WIDTH - right + 12, y + ROW * 0.66, words)
    drawing.line(across(LINE), top - 8, across(LINE), height - 8, stroke=INK, dashed=True)
    drawing.text(across(LINE), top - 12, f"{LINE} patients", anchor="middle", colour=MUTED)
    few = int((rows["positive_patients"] < LINE).sum())
    where = "the whole dataset" if part == "not stated" else f"the {part} part"
    said = f"{few} of {len(rows)} labels have fewer than {LINE} positive patients in {where}; logarithmic scale."
    return Figure(drawing.markup, said + _rest(len(rows)), said)


def _rest(rows: int) -> str:
    return f" Drawn are the first {MOST_ROWS} of {rows}." if rows > MOST_ROWS else ""


def _units(unit: object) -> str:
    return {"image": "images", "study": "studies", "patient": "patients"}.get(str(unit), str(unit))


def _name_width(names: pd.Series) -> float:
    longest = max(len(row) for name in names for row in rows_of(str(name), NAME_CHARACTERS))
    return 20 + text_width("m" * longest)
