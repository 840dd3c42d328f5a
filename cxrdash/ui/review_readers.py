"""Several readers of a review: how far they are, how well they agree, and what they settle."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from cxrdash import __version__
from cxrdash.analysis.review_agreement import agreement_table, dispute_rows
from cxrdash.analysis.review_marks import Marks
from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort
from cxrdash.reviews.events import SETTLE, Event
from cxrdash.reviews.events import now as moment
from cxrdash.reviews.sessions import Session
from cxrdash.ui import cache as cached
from cxrdash.ui import doors, show
from cxrdash.ui.controls import Frame, show_fault
from cxrdash.ui.review_board import GLYPHS
from cxrdash.ui.text import number, plural, safe

if TYPE_CHECKING:
    import pandas as pd

MOST_DOOR_IMAGES = 150  # identifiers fit into a link


@dataclass(frozen=True)
class Seen:
    """A review as this person may see it: ``marks`` of themselves, and of all once they have finished."""

    session: Session
    marks: Marks
    whole: Marks
    reader: str

    @property
    def everyone(self) -> bool:
        return self.marks is self.whole


def readers(now: Frame, seen: Seen, table: pd.DataFrame) -> None:  # noqa: ARG001 - every view takes the same
    """How far each reader is, how well they agree, and what is in dispute."""
    import pandas as pd

    overview = pd.DataFrame(_progress(seen), columns=["reader", "judged", "planned", "seconds", "finished"])
    if overview.empty:
        st.info("No reader has begun.")
        return
    show.table(overview, key="review_readers", columns={
        "reader": "Reader", "judged": "Judged", "planned": "Of", "seconds": "Seconds a film (median)",
        "finished": "Finished",
    })  # fmt: skip
    if not seen.everyone:
        st.caption("The others' verdicts open when you have finished (under Mark), so that nobody copies.")
        return
    agreed = agreement_table(seen.marks)
    if agreed.empty:
        st.caption("Agreement needs a second reader: share the link under Mark.")
        return
    columns = {
        "first": "Reader", "second": "and", "images": "Films", "agreement": "Raw agreement", "kappa": "Kappa",
        "kappa_method": "", "kappa_weighted": "Weighted kappa", "ac1": "AC1", "alpha": "Alpha",
        "agreement_wrong": "Both wrong, if one", "not_judged": "Not judged", "note": "Note",
    }  # fmt: skip
    show.table(agreed.rename(columns={"agreement_wrong": "share_wrong"}), key="review_agreed", columns={
        ("share_wrong" if name == "agreement_wrong" else name): title for name, title in columns.items()
    })  # fmt: skip
    st.caption(
        "Kappa sets agreement against chance and falls when nearly all verdicts are the same (prevalence paradox); AC1 "
        "does not. Read both with the raw agreement."
    )
    _disputes(now, seen)
    show.provenance(now, "review_agreement", agreed, session=seen.session.session_id)


def _progress(seen: Seen) -> list[tuple[object, ...]]:
    from datetime import datetime
    from statistics import median

    rows: list[tuple[object, ...]] = []
    for reader, marks in seen.whole.by_reader.items():
        judged = [mark for mark in marks.values() if mark.verdict]
        spent = [
            (datetime.fromisoformat(mark.decided_at) - datetime.fromisoformat(mark.shown_at)).total_seconds()
            for mark in judged
            if mark.shown_at and mark.decided_at
        ]
        pace = float(median(spent)) if spent else float("nan")
        rows.append((reader, len(judged), seen.session.planned, pace, "yes" if reader in seen.whole.finished else "no"))
    return rows


def _disputes(now: Frame, seen: Seen) -> None:
    """Films on which readers differ, one after another, to be settled."""
    rows = dispute_rows(seen.marks)
    still = [row for row in rows if not row["settled"]]
    st.markdown(f"**{plural(len(rows), 'film')} in dispute, {number(len(rows) - len(still))} settled**")
    if not rows:
        return
    images = [row["image_id"] for row in rows]
    doors.link(doors.door(Cohort(images=tuple(images[:MOST_DOOR_IMAGES]))), "All of them in the gallery")
    if not still:
        return
    row = still[0]
    picture, form = st.columns([3, 2], gap="medium")
    film = cached.films_named(now.index, (row["image_id"],)).get(row["image_id"])
    path = cached.film_path_or_none(now.index, film)
    if path is None:
        picture.info("This film is not on disk.")
    else:
        from cxrdash.images.thumbnails import large_png

        try:
            picture.image(large_png(path), width="stretch", output_format="PNG", alt="The film in dispute")
        except CxrdashError as fault:
            show_fault(fault)
    form.markdown(safe(f"{len(still)} to settle. {row['said']}"))
    for verdict in ("correct", "doubtful", "wrong", "unsure"):
        form.button(
            f"{GLYPHS[verdict]} Settle as {verdict}", key=f"rv_settle_{verdict}", width="stretch",
            disabled=not seen.reader, on_click=_settle, args=(seen, row["image_id"], verdict),
        )  # fmt: skip
    if not seen.reader:
        form.caption("Your name is needed at the top to settle.")


def _settle(seen: Seen, image_id: str, verdict: str) -> None:
    event = Event(
        event_id=secrets.token_hex(12), session_id=seen.session.session_id, reader=seen.reader, place=0, kind=SETTLE,
        image_id=image_id, verdict=verdict, decided_at=moment(), app_version=__version__,
    )  # fmt: skip
    try:
        cached.reviews().append(event)
    except CxrdashError as fault:
        show_fault(fault)
