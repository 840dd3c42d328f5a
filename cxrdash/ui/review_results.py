"""What a review found: error rate, strata, contact sheet, readers against each other, corrected prevalence."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from cxrdash import __version__
from cxrdash.analysis.review_agreement import agreement_table, corrected_prevalence, dispute_rows
from cxrdash.analysis.review_error import ANYTIME, error_table, strata_table
from cxrdash.analysis.review_intervals import more_needed
from cxrdash.analysis.review_marks import PANEL, Marks
from cxrdash.charts.review import BARS, error_strata, verdict_bars
from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort
from cxrdash.reviews.events import SETTLE, Event
from cxrdash.reviews.events import now as moment
from cxrdash.reviews.exchange import Reviews, read_bytes, to_bytes
from cxrdash.reviews.sessions import RATE, Session
from cxrdash.ui import cache as cached
from cxrdash.ui import doors, review, show
from cxrdash.ui.controls import Frame, show_fault
from cxrdash.ui.review_board import COLOURS, GLYPHS
from cxrdash.ui.text import interval, number, percent, plural, safe

if TYPE_CHECKING:
    import pandas as pd
    from streamlit.delta_generator import DeltaGenerator

RATE_VIEW, STRATA_VIEW, SHEET, READERS, CORRECTED = "Error rate", "By stratum", "Contact sheet", "Readers", "Prevalence"
TARGETS = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5)
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


def results(now: Frame, top: DeltaGenerator) -> None:
    """Draw the results of a review."""
    chosen, who, organiser = st.columns([5, 2.4, 2.6], vertical_alignment="center")
    with chosen:
        session = review.session(now)
    if session is None:
        with top:
            show.headline(review.QUESTION, "No review of this dataset yet")
        _bring()
        return
    with who:
        name = review.reader()
    shown_all = organiser.toggle(
        "I do not read here", key="_rv_organiser", persist_state="session",
        help="For the organiser: shows every reader. Readers see each other's verdicts once they have finished.",
    )  # fmt: skip
    seen = _seen(session, name, show_all=shown_all)
    table = error_table(seen.marks)
    with top:
        show.headline(review.QUESTION, sentence(seen, table))
    _figures(seen, table)
    _views(now, seen, table)


def _seen(session: Session, name: str, *, show_all: bool) -> Seen:
    whole = Marks(session, tuple(cached.reviews().events(session.session_id)))
    if show_all or name in whole.finished:
        return Seen(session, whole, whole, name)
    own = Marks(session, tuple(event for event in whole.events if event.reader == name))
    return Seen(session, own, whole, name)


def _main(seen: Seen, table: pd.DataFrame) -> dict[str, object] | None:
    """The row the headline speaks of: the panel's, else the reader's own, else the only one."""
    rows = {row["reader"]: row for row in table.to_dict("records")}
    return rows.get(PANEL) or rows.get(seen.reader) or next(iter(rows.values()), None)


def sentence(seen: Seen, table: pd.DataFrame) -> str:
    """Return the headline: the error rate with its interval, or what is still missing."""
    row = _main(seen, table)
    if row is None:
        others = len(seen.whole.verdicts)
        waiting = f"; {plural(others, 'reader')} hidden until you have finished" if others else ""
        return f"Nothing judged yet{waiting}"
    session, judged = seen.session, int(row["judged"])  # type: ignore[call-overload]
    what = session.finding if session.normal else f"{session.finding}, {session.state.replace('_', ' ')}"
    if session.purpose != RATE:
        return f"{what}: {row['wrong']} wrong of {judged} suspicious films (no rate: they were not drawn at random)"
    ends = interval(row["low"], row["high"])  # type: ignore[arg-type]
    return f"{what}: {percent(row['rate'])} wrong (95% {ends}), {judged} of {session.planned} judged"  # type: ignore[arg-type]


def _figures(seen: Seen, table: pd.DataFrame) -> None:
    row = _main(seen, table)
    if row is None or seen.session.purpose != RATE:
        return
    judged = int(row["judged"])  # type: ignore[call-overload]
    unclear = int(row["unsure"]) + int(row["unreadable"])  # type: ignore[call-overload]
    show.key_figures([
        ("Wrong", percent(row["rate"]), f"{row['wrong']} of {judged}. Interval: {row['method']}."),  # type: ignore[arg-type]
        ("Wrong or doubtful", percent(row["rate_doubtful"]),  # type: ignore[arg-type]
         f"{interval(row['low_doubtful'], row['high_doubtful'])}. The truth of a strict reader lies between."),  # type: ignore[arg-type]
        ("Could not be judged", percent(unclear / judged if judged else float("nan")),
         f"Unsure {row['unsure']}, unreadable {row['unreadable']}. Counted as wrong the rate is "
         f"{percent(row['rate_unsure'])}."),  # type: ignore[arg-type]
        ("Identifier visible", number(row["identifiers"]), "Films on which a name, number or date can be read."),  # type: ignore[arg-type]
    ])  # fmt: skip
    st.markdown(safe(stopping(seen.session, row)))


def stopping(session: Session, row: dict[str, object]) -> str:
    """Return whether one may stop: what is known now, and what a narrower bound would take."""
    wrong, judged, high = int(row["wrong"]), int(row["judged"]), float(row["anytime_high"])  # type: ignore[call-overload, arg-type]
    said = f"{judged} judged, upper bound {percent(high)}"
    if session.strata:
        return f"{said}. Weighted by {session.strata.replace('_', ' ')}."
    for target in sorted(TARGETS, reverse=True):
        more = more_needed(wrong, judged, session.of, below=target) if target < high else 0
        if more:
            return f"{said}, about {number(more)} more bring it to {target:.0%} if the rate stays as it is."
    return f"{said}."


def _views(now: Frame, seen: Seen, table: pd.DataFrame) -> None:
    views: dict[str, Callable[[Frame, Seen, pd.DataFrame], None]] = {
        RATE_VIEW: _rate, STRATA_VIEW: _strata, SHEET: _sheet, READERS: _readers, CORRECTED: _corrected,
    }  # fmt: skip
    chosen = st.segmented_control(
        "Chart", list(views), default=RATE_VIEW, required=True, key="rv_chart", bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    views[chosen or RATE_VIEW](now, seen, table)
    st.caption(
        "An error rate is that of the label against these readers' eyes, on these films, at this resolution. "
        "Doubtful is counted both ways; films that could not be judged stay in the denominator."
    )
    _files(seen)


def _rate(now: Frame, seen: Seen, table: pd.DataFrame) -> None:
    show.chart(verdict_bars(_with_doors(seen, table), now.look), "review_verdicts", alt=sentence(seen, table))
    passed = int(table["skipped"].max()) if len(table) else 0
    if passed:
        st.caption(f"{plural(passed, 'film')} passed over: the rate takes them to be like the others.")
    if len(table) and str(table["method"].iloc[0]).startswith(ANYTIME):
        st.caption("Until the planned films are judged the interval is one that allows stopping at any moment.")
    columns = {
        "reader": "Reader", "judged": "Judged", "correct": "Correct", "doubtful": "Doubtful", "wrong": "Wrong",
        "unsure": "Unsure", "unreadable": "Unreadable", "rate": "Wrong, rate", "low": "95% from", "high": "to",
        "method": "Interval", "rate_doubtful": "With doubtful", "low_doubtful": "95% from ", "high_doubtful": "to ",
        "anytime_low": "Any time from", "anytime_high": "to  ", "score": "Stars",
    }  # fmt: skip
    show.table(table, key="review_table", columns=columns)
    show.provenance(now, "review_error", table, session=seen.session.session_id)


def _with_doors(seen: Seen, table: pd.DataFrame) -> pd.DataFrame:
    """Each part of a bar opens the gallery on its films."""
    made = table.copy()
    for verdict in BARS:
        wanted = (verdict, "unreadable") if verdict == "unsure" else (verdict,)
        made[f"door_{verdict}"] = [
            _door([image for image, said in _verdicts(seen, reader).items() if said in wanted])
            for reader in table["reader"]
        ]
    return made


def _verdicts(seen: Seen, reader: str) -> dict[str, str]:
    return seen.marks.panel() if reader == PANEL else seen.marks.verdicts.get(reader, {})


def _door(images: list[str]) -> str:
    return doors.door(Cohort(images=tuple(images))) if 0 < len(images) <= MOST_DOOR_IMAGES else ""


def _reader_of(table: pd.DataFrame, key: str) -> str:
    names = table["reader"].tolist()[::-1]  # the panel first
    return str(st.selectbox("Reader", names, key=key) if len(names) > 1 else names[0])


def _strata(now: Frame, seen: Seen, table: pd.DataFrame) -> None:
    if table.empty:
        st.info("Nothing judged yet.")
        return
    one, two = st.columns(2)
    with one:
        reader = _reader_of(table, "_rv_strata_reader")
    strict = two.toggle("Count doubtful as wrong", key="rv_strict", bind="query-params")
    doubtful = "wrong" if strict else "correct"
    found = strata_table(now.index, seen.marks, reader, doubtful=doubtful)
    striking = found[found["q"] < 0.05]
    said = (
        "errors are more or less common in "
        + ", ".join(f"{attribute} {level}" for attribute, level in striking[["attribute", "level"]].to_numpy())
        if len(striking)
        else "no stratum differs from the others beyond chance"
    )  # fmt: skip
    st.markdown(safe(f"Structured error: {said}."))
    show.chart(error_strata(found, now.look), "review_strata", alt=said, has_doors=False)
    show.provenance(now, "review_strata", found, session=seen.session.session_id, reader=reader, doubtful=doubtful)


def _sheet(now: Frame, seen: Seen, table: pd.DataFrame) -> None:
    """The films of the sample, framed in the colour of their verdict; no identifier is written."""
    if table.empty:
        st.info("Nothing judged yet.")
        return
    reader = _reader_of(table, "_rv_sheet_reader")
    said = _verdicts(seen, reader)
    notes = {image: mark.findings for marks in seen.marks.by_reader.values() for image, mark in marks.items()}
    films = tuple(
        (item.image_id, said[item.image_id], ", ".join((said[item.image_id], *notes.get(item.image_id, ()))))
        for item in seen.session.items
        if item.image_id in said
    )
    title = f"{now.index.title}: {sentence(seen, table)}"
    picture = cached.verdict_picture(
        now.index.dataset, now.index.generation, films, tuple(sorted(_inks().items())), title
    )
    key, save = st.columns([6, 2], vertical_alignment="center")
    key.caption("Frames: " + " · ".join(f"{GLYPHS[v]} {v}" for v in COLOURS) + ". No identifier is written.")
    save.download_button(
        "Save as PNG", picture, file_name=f"{now.index.dataset}-review-{seen.session.session_id}.png", mime="image/png",
        on_click="ignore", width="stretch",
    )  # fmt: skip
    st.image(picture, width="stretch", output_format="PNG", alt=f"Contact sheet of {len(films)} judged films. {title}")


def _inks() -> dict[str, str]:
    """Red and orange stand out; a film judged correct keeps a quiet frame."""
    return {"wrong": COLOURS["wrong"], "doubtful": COLOURS["doubtful"], "unsure": "#4C9BD9", "unreadable": "#8d8d8d"}


def _readers(now: Frame, seen: Seen, table: pd.DataFrame) -> None:  # noqa: ARG001 - every view takes the same
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
        form.caption("Type your name at the top to settle.")


def _settle(seen: Seen, image_id: str, verdict: str) -> None:
    event = Event(
        event_id=secrets.token_hex(12), session_id=seen.session.session_id, reader=seen.reader, place=0, kind=SETTLE,
        image_id=image_id, verdict=verdict, decided_at=moment(), app_version=__version__,
    )  # fmt: skip
    try:
        cached.reviews().append(event)
    except CxrdashError as fault:
        show_fault(fault)


def _corrected(now: Frame, seen: Seen, table: pd.DataFrame) -> None:  # noqa: ARG001 - every view takes the same
    found = corrected_prevalence(now.index, reader="" if seen.everyone else seen.reader)
    found = found[found["finding"] == seen.session.finding].reset_index(drop=True)
    if found.empty:
        st.info(
            f"A corrected prevalence of {safe(seen.session.finding)} needs reviews of both sides: images labelled "
            "positive and images labelled negative (or blank), unstratified, each with marks."
        )
        return
    row = found.iloc[0]
    st.markdown(safe(
        f"{row['finding']}: {percent(row['labelled'])} of images are labelled positive; freed of label errors it is "
        f"{percent(row['rate'])} ({interval(row['low'], row['high'])}). {percent(row['ppv'])} of the positive labels "
        f"were confirmed, {percent(row['missed'])} of the others were missed."
    ))  # fmt: skip
    show.table(found, key="review_prevalence", columns={
        "finding": "Finding", "positive_judged": "Positives judged", "negative_judged": "Negatives judged",
        "ppv": "Confirmed", "missed": "Missed", "labelled_positive": "Labelled positive",
        "labelled_negative": "Labelled negative", "rate": "Corrected prevalence, rate", "low": "95% from", "high": "to",
        "sensitivity": "Sensitivity of the label", "specificity": "Specificity", "note": "Takes for granted",
    })  # fmt: skip
    show.provenance(now, "corrected_prevalence", found)


def _files(seen: Seen) -> None:
    """Every mark as a file, and the way back."""
    name = f"review-{seen.session.session_id}"
    kept = Reviews((seen.session,), seen.marks.events)
    with st.container(horizontal=True, vertical_alignment="center"):
        for form, mime in (("csv", "text/csv"), ("jsonl", "application/json"), ("parquet", "application/octet-stream")):
            st.download_button(
                f"Marks as {form}", _content(kept, form), file_name=f"{name}.{form}", mime=mime, on_click="ignore"
            )
        with st.popover("Bring marks from a file"):
            _bring()


def _content(kept: Reviews, form: str) -> Callable[[], bytes]:
    return lambda: to_bytes(kept, form)


def _bring() -> None:
    """Take up what another machine exported; what is known stays as it is."""
    file = st.file_uploader("An exported review (csv, jsonl, parquet)", type=["csv", "jsonl", "parquet"])
    if file is None:
        return
    try:
        arrived = read_bytes(file.getvalue(), file.name)
        taken = cached.reviews().take(arrived.sessions, arrived.events)
    except CxrdashError as fault:
        show_fault(fault)
        return
    st.success(
        f"{plural(taken.new_events, 'new event')} of {number(taken.events)}, "
        f"{plural(taken.new_sessions, 'new review')}."
    )
