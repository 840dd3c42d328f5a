"""The participant flow: from every image of the dataset to the cohort, each exclusion with images and patients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cxrdash.charts.theme import number
from cxrdash.report.blocks import Figure
from cxrdash.report.small_cells import is_small
from cxrdash.report.svg import INK, MUTED, PAPER, SIZE, Drawing, rows_of

if TYPE_CHECKING:
    import pandas as pd

WIDTH, BOX, GAP = 720, 300, 26
LINE_HEIGHT = SIZE * 1.4


def steps(audit: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of ``cohort_audit`` that take images away, the start first."""
    return audit[(audit["step"] == 0) | (audit["images_lost"] > 0)].reset_index(drop=True)


def flow(audit: pd.DataFrame, *, patients_known: bool, shareable: bool) -> Figure | None:
    """Draw the flow; in what is shared, exclusions of a few are joined with the next, so that none can be reckoned."""
    rows = steps(audit)
    if not len(rows):
        return None
    boxes = _joined(rows) if shareable else [(row.rule, row._asdict()) for row in rows.itertuples(index=False)]
    heights = [max(2, 1 + len(rows_of(_loss(words, row, patients_known), 46))) * LINE_HEIGHT + 16
               for words, row in boxes]  # fmt: skip
    drawing = Drawing(WIDTH, sum(heights) + GAP * len(boxes), title="Participant flow of the cohort")
    y = 4.0
    for at, ((words, row), height) in enumerate(zip(boxes, heights, strict=True)):
        if at:
            drawing.line(BOX / 2, y - GAP, BOX / 2, y + height / 2, stroke=INK)
            drawing.line(BOX / 2, y + height / 2, BOX + 30, y + height / 2, stroke=INK)
            drawing.rect(BOX + 30, y, WIDTH - BOX - 34, height, fill=PAPER, stroke=MUTED, radius=4)
            for line, text in enumerate(rows_of(_loss(words, row, patients_known), 46)):
                drawing.text(BOX + 44, y + 8 + LINE_HEIGHT * (line + 0.8), text)
            y += height + GAP / 2
            drawing.line(BOX / 2, y - height / 2 - GAP / 2, BOX / 2, y, stroke=INK)
        drawing.rect(4, y, BOX, 2 * LINE_HEIGHT + 14, fill="#F3F5F7", stroke=INK, radius=4)
        title = words if not at else ("The cohort" if at == len(boxes) - 1 else "Left")
        drawing.text(BOX / 2, y + LINE_HEIGHT + 2, title, anchor="middle", colour=MUTED)
        drawing.text(BOX / 2, y + 2 * LINE_HEIGHT + 2, _held(row, patients_known), anchor="middle", bold=True)
        y += 2 * LINE_HEIGHT + 14 + GAP
    drawing.height = y - GAP + 6
    last = boxes[-1][1]
    said = f"Of {_held(boxes[0][1], patients_known)} the cohort holds {_held(last, patients_known)}."
    return Figure(drawing.markup, said, said)


def _joined(rows: pd.DataFrame) -> list[tuple[str, dict[str, Any]]]:
    """Join each exclusion of fewer than 11 images or patients with the one after it."""
    found: list[tuple[str, dict[str, Any]]] = []
    waiting: list[tuple[str, int, int]] = []
    for row in rows.itertuples(index=False):
        images = int(row.images_lost) + sum(one for _, one, _ in waiting)
        patients = int(row.patients_lost) + sum(one for _, _, one in waiting)
        words = "; ".join([*(text for text, _, _ in waiting), str(row.rule)])
        if row.step and (is_small(images) or is_small(patients)):
            waiting.append((str(row.rule), int(row.images_lost), int(row.patients_lost)))
            continue
        waiting = []
        found.append((words, row._asdict() | {"images_lost": images, "patients_lost": patients}))
    if waiting and len(found) > 1:  # the last exclusions are too small: join them with the one before
        before, kept = found.pop()
        last = rows.iloc[-1]
        found.append((
            "; ".join([before, *(text for text, _, _ in waiting)]),
            kept | {"images": int(last["images"]), "patients": int(last["patients"]),
                    "images_lost": int(kept["images_lost"]) + sum(one for _, one, _ in waiting),
                    "patients_lost": int(kept["patients_lost"]) + sum(one for *_, one in waiting)},
        ))  # fmt: skip
    return found


def _held(row: dict[str, Any], patients_known: bool) -> str:
    return _counted(row["images"], row["patients"], patients_known)


def _loss(words: str, row: dict[str, Any], patients_known: bool) -> str:
    lost = _counted(row["images_lost"], row["patients_lost"], patients_known)
    return f"{lost} left out. {words[:1].upper()}{words[1:]}."


def _counted(images: int, patients: int, patients_known: bool) -> str:
    pictures, people = (int(count) for count in (images, patients))
    said = f"{number(pictures)} image{'' if pictures == 1 else 's'}"
    return f"{said}, {number(people)} patient{'' if people == 1 else 's'}" if patients_known else said
