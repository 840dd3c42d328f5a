"""Starting a review: the question, the sample, and how many films a wanted precision takes."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from cxrdash import __version__
from cxrdash.analysis.review_intervals import reviews_needed, sampled_interval
from cxrdash.analysis.review_sample import MOST, STRATA, Question, frame_of, frozen_sample, states_of
from cxrdash.analysis.second_opinion import Cell, opinion_cohort
from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort
from cxrdash.labels.policies import Policy
from cxrdash.reviews.sessions import SUSPECTS
from cxrdash.ui import cache as cached
from cxrdash.ui import doors, show
from cxrdash.ui.controls import Frame, show_fault
from cxrdash.ui.model_suspects import model_suspects
from cxrdash.ui.review import QUESTION, login_name, open_session
from cxrdash.ui.text import interval, number, percent, plural, safe

PLANNED = 130
STRATA_WORDS = {"": "not stratified", "view": "by view", "sex": "by sex", "split": "by part", "age_band": "by age"}
RANDOM = "Random images of a label"
NORMAL_CHECK = "Spot check: what was missed?"
DISAGREEMENT = "Disagreements with a second opinion"
SUSPECT_CHECK = "Suspicious films (no rate)"
NAMED_FILMS = "Films named below"
MODEL_FILMS = "Films a model doubts"
STATE_WORDS = {
    "positive": "labelled positive", "uncertain": "labelled uncertain", "negative": "labelled negative",
    "blank": "not mentioned (blank)",
}  # fmt: skip


@dataclass(frozen=True)
class Draft:
    """What the controls ask for, with the size of its frame (patients or images)."""

    question: Question
    of: int
    unit: str


def new_review(now: Frame, top: st.delta_generator.DeltaGenerator) -> None:
    """Draw the form of a new review and start it."""
    left, right = st.columns([3, 2], gap="large")
    with left:
        question = _question(now)
    draft = _sized(now, question) if question else None
    with top:
        show.headline(QUESTION, _sentence(draft))
    if draft is None:
        return
    with right:
        _plan(draft)
    _start(now, draft)


def _presets(now: Frame) -> list[str]:
    known = [RANDOM]
    if any(finding.kind == "normal" for finding in now.index.findings):
        known.append(NORMAL_CHECK)
    if now.index.readers:
        known.append(DISAGREEMENT)
    return [*known, SUSPECT_CHECK]


def _question(now: Frame) -> Question | None:
    """The finding, its state and the images sampled from."""
    kind = st.radio("Review", _presets(now), key="rv_kind", bind="query-params", label_visibility="collapsed")
    if kind == NORMAL_CHECK:
        normal = next(finding.name for finding in now.index.findings if finding.kind == "normal")
        st.caption(f"Films labelled {safe(normal)}. Judge one abnormal and the board asks which findings it shows.")
        return _sample(now, Question(normal, cohort=now.cohort), 32)
    if kind == DISAGREEMENT:
        return _disagreement(now)
    names = [finding.name for finding in now.index.findings if finding.kind != "normal"]
    one, two = st.columns(2)
    finding = one.selectbox("Finding", names, key="rv_finding", bind="query-params")
    states = [state for state in states_of(now.index, finding) if state in STATE_WORDS]
    if kind == SUSPECT_CHECK:
        return _suspects(now, finding)
    if not states:
        st.info(f"No image of this dataset has a label for {safe(finding)}.")
        return None
    state = two.selectbox(
        "Images", states, format_func=STATE_WORDS.__getitem__, key="rv_state", bind="query-params",
        help="Positives: how many are wrong? Negatives or blanks: how many were missed? Both: corrected prevalence.",
    )  # fmt: skip
    if state == "uncertain":
        st.caption(
            "Of uncertain labels, wrong means that the finding is absent: what the policy U-Ones would get wrong."
        )
    return _sample(now, Question(finding, state, now.cohort), PLANNED)


def _disagreement(now: Frame) -> Question | None:
    one, two, three = st.columns(3)
    reader = one.selectbox("Second opinion", list(now.index.readers), key="rv_reader", bind="query-params")
    finding = two.selectbox("Finding", now.index.readers[reader], key="rv_opinion", bind="query-params")
    cells: dict[Cell, str] = {"only_first": "only the dataset", "only_second": "only the second opinion"}
    cell = three.selectbox(
        "Called positive by", list(cells), format_func=cells.__getitem__, key="rv_cell", bind="query-params"
    )
    try:
        cohort = now.cohort.narrow(opinion_cohort(now.index, reader, finding, cell, Policy()))
        state = "positive" if cell == "only_first" else "negative"
        question = Question(finding, state, cohort)
        frame_of(now.index, question)
    except CxrdashError as fault:
        show_fault(fault)
        return None
    st.caption("The error rate is that of the dataset's label among these images only, not of the label as a whole.")
    return _sample(now, question, 50)


def _suspects(now: Frame, finding: str) -> Question | None:
    """Images that the scan or another page gathered: they are looked at, and no rate is made of them."""
    found = now.compute("quality_suspects")
    found = found[found["images"] > 0].set_index("title")
    chosen = st.selectbox("Suspected as", [NAMED_FILMS, MODEL_FILMS, *found.index], key="rv_check", bind="query-params")
    if chosen in found.index:
        cohort = now.cohort.narrow(Cohort(suspects=(found.loc[chosen, "suspect"],)))
        n = min(int(found.loc[chosen, "images"]), MOST)
        return _with_blind(Question(finding, "positive", cohort, n, one_per_patient=False, purpose=SUSPECTS))
    images = model_suspects(now, finding) if chosen == MODEL_FILMS else _named()
    if not images:
        return None
    cohort = now.cohort.narrow(Cohort(images=images))
    question = Question(finding, "positive", cohort, min(len(images), MOST), one_per_patient=False, purpose=SUSPECTS)
    return _with_blind(question)


def _named() -> tuple[str, ...]:
    names = doors.narrowing_from({name: st.query_params.get_all(name) for name in st.query_params}).images
    typed = st.text_area(
        "Image identifiers, one a line", value="\n".join(names), key="rv_images", height=110,
        help="For example the worst films of the Image quality page (Copy there).",
    )  # fmt: skip
    images = tuple(dict.fromkeys(line.strip() for line in typed.splitlines() if line.strip()))
    if not images:
        st.caption("Paste the identifiers. Chosen films say nothing of the rest, so this review gives no error rate.")
    return images


def _sample(now: Frame, question: Question, planned: int) -> Question:
    one, two, three = st.columns(3)
    n = one.number_input("Films to judge", 5, MOST, planned, key=f"rv_planned_{planned}", bind="query-params")
    seed = two.number_input("Seed", 1, 10**9, 1, key="rv_seed", bind="query-params")
    levels = [name for name in STRATA if name == "age_band" or len(now.index.levels(name)) > 1]
    strata = three.selectbox(
        "Strata", ["", *levels], format_func=STRATA_WORDS.__getitem__, key="rv_strata", bind="query-params",
        help="Each level gets its share of the films, and the rate is weighted by the levels' sizes.",
    )  # fmt: skip
    single = True
    if now.index.counts["patients"]:
        single = st.toggle(
            "One image per patient", value=True, key="rv_single", bind="query-params",
            help="Films of one patient often share their error. Without this the interval holds for these images; "
            "a wider one for other patients is named beside it.",
        )  # fmt: skip
    return _with_blind(
        Question(
            question.finding, question.state, question.cohort, int(n), int(seed), one_per_patient=single,
            strata=strata or "",
        )
    )  # fmt: skip


def _with_blind(question: Question) -> Question:
    blind = st.toggle(
        "Blind: label and filter hidden until judged", value=True, key="rv_blind", bind="query-params",
        help="The reader is asked whether the film shows the finding, not whether the label is right.",
    )  # fmt: skip
    return Question(**(vars(question) | {"blind": blind}))


def _sized(now: Frame, question: Question) -> Draft | None:
    try:
        counts, _ = cached.counted(now.index, frame_of(now.index, question))
    except CxrdashError as fault:
        show_fault(fault)
        return None
    by_patient = question.one_per_patient and now.index.counts["patients"]
    unit = "patients" if by_patient else "images"
    return Draft(question, counts[unit], unit)


def _sentence(draft: Draft | None) -> str:
    if draft is None and st.session_state.get("rv_kind") == SUSPECT_CHECK:
        return "Look at films that were chosen for looking wrong"
    if draft is None or not draft.of:
        return "Look at random films of a label and count the wrong ones"
    asked = draft.question
    n = min(asked.planned, draft.of)
    if asked.purpose == SUSPECTS:
        return f"{plural(n, 'suspicious film')} to look at, without a rate"
    if n == draft.of:
        return f"All {number(n)} {draft.unit}: the error rate will be known exactly, for this reader"
    (low, high), _ = sampled_interval(round(n * 0.1), n, draft.of)
    return f"{n} of {number(draft.of)} {draft.unit}: if 1 in 10 is wrong, you will know it is {interval(low, high)}"


def _plan(draft: Draft) -> None:
    """How many films a precision takes, before anything is marked."""
    if draft.question.purpose == SUSPECTS or not draft.of:
        return
    st.markdown("**How many films?**")
    one, two = st.columns(2)
    width = one.number_input("Wanted precision, ± points", 1, 20, 5, key="rv_width", bind="query-params") / 100
    rates = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5)
    guess = two.selectbox("If so many are wrong", rates, index=1, format_func="{:.0%}".format, key="rv_guess")
    needed = reviews_needed(width, guess, draft.of)
    st.markdown(
        f"±{100 * width:.0f} points at {guess:.0%} wrong take **{number(needed)} films** of {number(draft.of)} "
        f"{draft.unit}. At 3 seconds a film that is {plural(max(1, round(needed / 20)), 'minute')}."
    )
    n = min(draft.question.planned, draft.of)
    clean, _ = sampled_interval(0, n, draft.of)
    none = f"With {number(n)} films and none wrong, up to {percent(clean[1])} may still be. " if n < draft.of else ""
    st.caption(f"{none}You may stop at any time: the interval shown while you mark stays valid.")


def _start(now: Frame, draft: Draft) -> None:
    frame = frame_of(now.index, draft.question)
    counts, words = cached.counted(now.index, frame)
    who = login_name() or st.session_state.get("_rv_reader", "")
    refusal = cached.reviews().refusal
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Start marking", type="primary", disabled=not draft.of or bool(refusal), help=refusal or None,
            on_click=_begin, args=(now, draft.question, who),
        )  # fmt: skip
        st.caption(safe(f"Drawn from {words}"))
    absent = counts["images"] - counts["on_disk"]
    if absent and not counts["on_disk"]:
        st.warning(f"None of these {plural(counts['images'], 'image')} is on disk, so there is nothing to judge here.")
    elif absent:
        st.warning(f"{number(absent)} of these {number(counts['images'])} images are not on disk and cannot be judged.")
        st.button(f"Only the {number(counts['on_disk'])} on disk", on_click=_only_on_disk)


def _only_on_disk() -> None:
    st.session_state["on_disk"] = True


def _begin(now: Frame, question: Question, who: str) -> None:
    try:
        made = frozen_sample(now.index, question, reader=who.strip()[:80], app_version=__version__)
        open_session(cached.reviews().add_session(made))
    except CxrdashError as fault:
        show_fault(fault)
