"""What a review found: error rate, strata, contact sheet, readers against each other, corrected prevalence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

from cxrdash.analysis.review_agreement import corrected_prevalence
from cxrdash.analysis.review_error import ANYTIME, error_table, strata_table
from cxrdash.analysis.review_intervals import more_needed
from cxrdash.analysis.review_marks import PANEL, Marks, patients_of
from cxrdash.charts.review import BARS, error_strata, level_name, verdict_bars
from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort
from cxrdash.reviews.exchange import Reviews, read_bytes, to_bytes
from cxrdash.reviews.sessions import RATE, Session
from cxrdash.ui import cache as cached
from cxrdash.ui import doors, review, show
from cxrdash.ui.controls import Frame, show_fault
from cxrdash.ui.review_board import COLOURS
from cxrdash.ui.review_readers import MOST_DOOR_IMAGES, Seen, readers
from cxrdash.ui.text import interval, number, percent, plural, safe

if TYPE_CHECKING:
    import pandas as pd
    from streamlit.delta_generator import DeltaGenerator

RATE_VIEW, STRATA_VIEW, SHEET, READERS, CORRECTED = "Error rate", "By stratum", "Contact sheet", "Readers", "Prevalence"
TARGETS = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5)
CLEARLY = 0.7  # a bound worth going on for is at most this share of the one there is
STRATA_WORDS = {"view": "view", "sex": "sex", "split": "part", "age_band": "age"}


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
    whole = Marks(session, tuple(cached.reviews().events(session.session_id)))
    reads = name in whole.verdicts and name not in whole.finished
    shown_all = organiser.toggle(
        "I do not read here", key="_rv_organiser", persist_state="session", disabled=reads,
        help="For the organiser: shows every reader. Readers see each other's verdicts once they have finished.",
    )  # fmt: skip
    seen = _seen(whole, name, show_all=bool(shown_all) and not reads)
    table = error_table(seen.marks, patients_of(now.index, seen.marks))
    with top:
        show.headline(review.QUESTION, sentence(seen, table))
    _figures(seen, table)
    _views(now, seen, table)


def _seen(whole: Marks, name: str, *, show_all: bool) -> Seen:
    if show_all or name in whole.finished:
        return Seen(whole.session, whole, whole, name)
    own = Marks(whole.session, tuple(event for event in whole.events if event.reader == name))
    return Seen(whole.session, own, whole, name)


def _main(seen: Seen, table: pd.DataFrame) -> dict[str, Any] | None:
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
    session, judged = seen.session, int(row["judged"])
    what = session.finding if session.normal else f"{session.finding}, {session.state.replace('_', ' ')}"
    if session.purpose != RATE:
        films = plural(judged, "suspicious film")
        return f"{session.finding}: {row['wrong']} wrong of {films} (no rate: not drawn at random)"
    ends = interval(row["low"], row["high"])
    return f"{what}: {percent(row['rate'])} wrong (95% {ends}), {judged} of {session.planned} judged"


def _figures(seen: Seen, table: pd.DataFrame) -> None:
    row = _main(seen, table)
    if row is None or seen.session.purpose != RATE:
        return
    judged = int(row["judged"])
    unclear = int(row["unsure"]) + int(row["unreadable"])
    strict = int(row["wrong"]) + int(row["doubtful"])
    show.key_figures([
        (f"Wrong: {row['wrong']} of {judged}", percent(row["rate"]),
         f"{interval(row['low'], row['high'])}. Interval: {row['method']}."),
        (f"Wrong or doubtful: {strict} of {judged}", percent(row["rate_doubtful"]),
         f"{interval(row['low_doubtful'], row['high_doubtful'])}. The truth of a strict reader lies between."),
        (f"Could not be judged: {unclear} of {judged}", percent(unclear / judged if judged else float("nan")),
         f"Unsure {row['unsure']}, unreadable {row['unreadable']}. Counted as wrong the rate is "
         f"{percent(row['rate_unsure'])}."),
        ("Identifier visible", number(row["identifiers"]), "Films on which a name, number or date can be read."),
    ])  # fmt: skip
    st.markdown(safe(stopping(seen.session, row)))


def stopping(session: Session, row: dict[str, Any]) -> str:
    """Return whether one may stop: what is known now, and what a narrower bound would take."""
    wrong, judged, high = int(row["wrong"]), int(row["judged"]), float(row["anytime_high"])
    said = f"If you stop now: {judged} judged, upper bound {percent(high)}"
    if session.strata:
        return f"{said}, weighted by {STRATA_WORDS[session.strata]}."
    below = [target for target in TARGETS if target < high]
    clearly = [target for target in below if target <= CLEARLY * high]
    for target in (*clearly[::-1], *below[len(clearly) :]):
        more = more_needed(wrong, judged, session.of, below=target)
        if more:
            return f"{said}, about {number(more)} more bring it to {target:.0%} if the rate stays as it is."
    return f"{said}."


def _views(now: Frame, seen: Seen, table: pd.DataFrame) -> None:
    views: dict[str, Callable[[Frame, Seen, pd.DataFrame], None]] = {
        RATE_VIEW: _rate, STRATA_VIEW: _strata, SHEET: _sheet, READERS: readers, CORRECTED: _corrected,
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
    named = missed(seen.marks)
    if named:
        judged = len({image for verdicts in seen.marks.verdicts.values() for image in verdicts})
        found = ", ".join(f"{name} on {number(films)}" for name, films in named.most_common(12))
        st.markdown(safe(f"Seen on films judged wrong or doubtful: {found} of {plural(judged, 'film')} judged."))
    shared = _of_one_patient(now, seen)
    if shared and seen.session.purpose == RATE:
        st.caption(safe(for_other_patients(shared, table)))
    columns = {
        "reader": "Reader", "judged": "Judged", "correct": "Correct", "doubtful": "Doubtful", "wrong": "Wrong",
        "unsure": "Unsure", "unreadable": "Unreadable", "rate": "Wrong, rate", "low": "95% from", "high": "to",
        "method": "Interval", "rate_doubtful": "With doubtful", "low_doubtful": "95% from ", "high_doubtful": "to ",
        "anytime_low": "Any time from", "anytime_high": "to  ", "score": "Stars",
    }  # fmt: skip
    show.table(table, key="review_table", columns=columns)
    show.provenance(now, "review_error", table, session=seen.session.session_id)


def missed(marks: Marks) -> Counter[str]:
    """Finding to how many films that a reader judged wrong or doubtful it was seen on, by that reader."""
    seen_on = {
        (name, image)
        for of in marks.by_reader.values()
        for image, mark in of.items()
        if mark.verdict in ("wrong", "doubtful")
        for name in mark.findings
    }
    return Counter(name for name, _ in sorted(seen_on))


def for_other_patients(shared: int, table: pd.DataFrame) -> str:
    """What the films of one patient do to the interval; the numbers are those of the panel, or the one reader."""
    row = table.iloc[-1]
    said = f"{plural(shared, 'judged film')} of a patient with another one here. The interval holds for the images "
    if row["clustered_low"] != row["clustered_low"]:
        return said + "sampled from; for other patients it is too narrow, as far as such films share their error."
    ends = f"{percent(row['clustered_low'])}–{percent(row['clustered_high'])}"
    return f"{said}sampled from; for other patients it is {ends}, with the films of a patient as one cluster."


def _of_one_patient(now: Frame, seen: Seen) -> int:
    """Judged films whose patient has another judged film; none where one film of each patient was drawn."""
    if seen.session.unit == "patients":
        return 0
    judged = {image for verdicts in seen.marks.verdicts.values() for image in verdicts}
    films = cached.films_named(now.index, tuple(image for image in seen.session.image_ids if image in judged))
    patients = Counter(film.patient_id for film in films.values() if film.patient_id)
    return sum(films for films in patients.values() if films > 1)


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
        + ", ".join(level_name(attribute, level) for attribute, level in striking[["attribute", "level"]].to_numpy())
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
    films = _films(seen, said)
    title = f"{now.index.title}: {sentence(seen, table)}"
    picture = cached.verdict_picture(
        now.index.dataset, now.index.generation, films, tuple(sorted(_inks().items())), title
    )
    key, save = st.columns([6, 2], vertical_alignment="center")
    left_out = sum(not image for image, _, _ in films)
    key.caption(
        "Frames: red wrong, orange doubtful, blue unsure, grey unreadable. No identifier is written"
        + (f"; {plural(left_out, 'film')} on which one can be read left out." if left_out else ".")
    )
    save.download_button(
        "Save as PNG", picture, file_name=f"{now.index.dataset}-review-{seen.session.session_id}.png", mime="image/png",
        on_click="ignore", width="stretch",
    )  # fmt: skip
    st.image(picture, width="stretch", output_format="PNG", alt=f"Contact sheet of {len(films)} judged films. {title}")


def _films(seen: Seen, said: Mapping[str, str]) -> tuple[tuple[str, str, str], ...]:
    """Image, verdict and words of each film judged; of one on which an identifier can be read, no image."""
    marks = [(image, mark) for marks in seen.marks.by_reader.values() for image, mark in marks.items()]
    notes = {image: mark.findings for image, mark in marks}
    telling = {image for of in seen.whole.by_reader.values() for image, mark in of.items() if mark.identifier}
    return tuple(
        (image, said[image], ", ".join((said[image], *notes.get(image, ()))))
        if image not in telling
        else ("", said[image], f"{said[image]}, identifier: left out")
        for image in seen.session.image_ids
        if image in said
    )


def _inks() -> dict[str, str]:
    """Red and orange stand out; a film judged correct keeps a quiet frame."""
    return {"wrong": COLOURS["wrong"], "doubtful": COLOURS["doubtful"], "unsure": "#4C9BD9", "unreadable": "#8d8d8d"}


def _corrected(now: Frame, seen: Seen, table: pd.DataFrame) -> None:  # noqa: ARG001 - every view takes the same
    found = corrected_prevalence(now.index, reader="" if seen.everyone else seen.reader)
    found = found[found["finding"] == seen.session.finding].reset_index(drop=True)
    if found.empty:
        st.info(
            f"A corrected prevalence of {safe(seen.session.finding)} needs reviews of both sides: images labelled "
            "positive and images labelled negative (or blank), unstratified, each with marks. Where the label's "
            "sensitivity and specificity are known from elsewhere, the Prevalence page corrects by them."
        )
        return
    row = found.iloc[0]
    st.markdown(safe(
        f"{row['finding']}: {number(row['labelled_positive'])} of "
        f"{number(row['labelled_positive'] + row['labelled_negative'])} images ({percent(row['labelled'])}) are "
        f"labelled positive; freed of label errors the prevalence is {percent(row['rate'])} "
        f"({interval(row['low'], row['high'])}). {percent(row['ppv'])} of {number(row['positive_judged'])} positive "
        f"labels were confirmed; {percent(row['missed'])} of {number(row['negative_judged'])} others were missed."
    ))  # fmt: skip
    st.caption(safe(f"Takes for granted: {row['note']}."))
    shares = {"missed": "share_missed", "specificity": "share_rejected"}
    show.table(found.rename(columns=shares), key="review_prevalence", columns={
        "finding": "Finding", "labelled_positive": "Positive", "positive_judged": "Judged", "ppv": "Confirmed",
        "labelled_negative": "Others", "negative_judged": "Judged ", "share_missed": "Missed",
        "rate": "Corrected", "low": "95% from", "high": "to",
        "sensitivity": "Sensitivity", "share_rejected": "Specificity",
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
