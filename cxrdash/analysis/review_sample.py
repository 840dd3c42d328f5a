"""The frozen sample of a review: random images of one label in one state, from a cohort (METHODS 5.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cxrdash.analysis.review_intervals import allocation
from cxrdash.errors import CxrdashError, shown
from cxrdash.index.cohort import Cohort
from cxrdash.index.draw import Draw, DrawnImage, draw
from cxrdash.index.selection import AGE_BANDS, select
from cxrdash.index.store import Index
from cxrdash.labels.expression import Atom, finding_named, format_expression
from cxrdash.labels.states import SPELLINGS, State
from cxrdash.reviews.events import now
from cxrdash.reviews.sessions import RATE, SUSPECTS, Item, Session

STRATA = ("view", "sex", "split", "age_band")
RESERVE = 100  # images kept in order behind the planned ones, for a reader who goes on
MOST = 2_000
FEWEST_IN_A_STRATUM = 2
ORDER = 2**40  # added to the seed where a second, unrelated order of the same patients is needed


@dataclass(frozen=True)
class Question:
    """What is to be reviewed: a finding in a state, within a cohort, ``planned`` images drawn with ``seed``.

    ``strata`` names an attribute ('' for none); ``purpose`` is ``suspects`` where the cohort was chosen
    for looking wrong, of which no rate is computed.
    """

    finding: str
    state: str = "positive"
    cohort: Cohort = field(default_factory=Cohort)
    planned: int = 130
    seed: int = 1
    one_per_patient: bool = True
    strata: str = ""
    purpose: str = RATE
    blind: bool = True


def states_of(index: Index, finding: str) -> tuple[str, ...]:
    """Return the states in which images of this dataset carry a finding, positive first."""
    column = index.finding_names.index(finding)
    present = {State(int(state)) for state in index.dictionary[:, column]} if index.dictionary.size else set()
    return tuple(state.label for state in sorted(present, reverse=True) if state is not State.NOT_ASSESSED)


def frame_of(index: Index, question: Question) -> Cohort:
    """Return the images that are sampled from; of suspects, whatever their label says."""
    finding = finding_named(question.finding, index.finding_names)
    if question.state not in SPELLINGS:
        raise CxrdashError(f"'{shown(question.state)}' is not a state of a label.", f"Known: {', '.join(SPELLINGS)}.")
    if question.purpose == SUSPECTS or question.cohort.readings:
        return question.cohort
    label = format_expression(Atom(finding, SPELLINGS[question.state]))
    return question.cohort.narrow(Cohort(labels=label))


def frozen_sample(index: Index, question: Question, *, reader: str = "", app_version: str = "") -> Session:
    """Return the session with its sample, drawn without replacement; the same anywhere for the same question.

    By default every patient of the frame is equally likely and one of the patient's images is taken at
    random. With strata this holds within each of them, and each gets a share of ``planned`` by its size, at
    least two. CxrdashError where no image fits or the stratum is not an attribute.
    """
    frame = frame_of(index, question)
    finding = finding_named(question.finding, index.finding_names)
    drawn = _stratified(index, question, frame) if question.strata else _simple(index, question, frame)
    if not drawn.films:
        raise CxrdashError(
            f"No image to review: {frame.words()}.", "Choose another state, or widen the cohort in the sidebar."
        )
    return Session(
        source=str(index.meta["source"]),
        finding=finding,
        state=question.state,
        normal=any(each.name == finding and each.kind == "normal" for each in index.findings),
        cohort={name: tuple(values) for name, values in frame.to_query().items()},
        cohort_words=frame.words(),
        seed=question.seed,
        planned=min(question.planned, len(drawn.films)),
        unit=drawn.unit,
        of=drawn.of,
        frame_images=select(index, frame).counts["images"],
        items=tuple(_item(film, finding, question.strata) for film in drawn.films),
        strata=question.strata,
        stratum_sizes=drawn.sizes,
        purpose=question.purpose,
        dataset=index.dataset,
        generation=index.generation,
        blind=question.blind,
        app_version=app_version,
        created_by=reader,
        created_at=now(),
    )


@dataclass(frozen=True)
class _Sample:
    films: tuple[DrawnImage, ...]
    of: int
    unit: str
    sizes: dict[str, int]


def _simple(index: Index, question: Question, frame: Cohort) -> _Sample:
    wanted = _with_reserve(question.planned)
    found = draw(select(index, frame), wanted, seed=question.seed, one_per_patient=question.one_per_patient)
    return _Sample(found.films, found.of, found.frame, {})


def _with_reserve(planned: int) -> int:
    if not 1 <= planned <= MOST:
        raise CxrdashError(f"A review has 1 to {MOST:,} images, not {planned:,}.", "Choose another number.")
    return planned + max(RESERVE, planned)


def _stratified(index: Index, question: Question, frame: Cohort) -> _Sample:
    if question.strata not in STRATA:
        raise CxrdashError(
            f"'{shown(question.strata)}' is not an attribute to stratify by.", f"Use {', '.join(STRATA)}."
        )
    _with_reserve(question.planned)
    parts = {level: _level(frame, question.strata, level) for level in _levels(index, question.strata)}
    whole = {level: _of_level(index, question, part, (place, 1)) for place, (level, part) in enumerate(parts.items())}
    sizes = {level: found.of for level, found in whole.items() if found.of}
    shares = dict(zip(sizes, allocation(question.planned, list(sizes.values())), strict=True))
    films: list[DrawnImage] = []
    for place, (level, part) in enumerate(parts.items()):
        if level in sizes:
            wanted = min(max(FEWEST_IN_A_STRATUM, round(shares[level])), sizes[level])
            films += _of_level(index, question, part, (place, wanted)).films
    by_patient = any(found.frame == "patients" for found in whole.values())
    unit = "patients in strata" if by_patient else "images"  # a patient may be in several
    return _Sample(tuple(films), sum(sizes.values()), unit, sizes)


def _of_level(index: Index, question: Question, part: Cohort, place_and_number: tuple[int, int]) -> Draw:
    # A seed of its own for each stratum, so that a patient of two strata is not first in both.
    place, number = place_and_number
    seed = question.seed + ORDER * (place + 1)
    return draw(select(index, part), number, seed=seed, one_per_patient=question.one_per_patient)


def _levels(index: Index, attribute: str) -> Sequence[str]:
    # Images of unknown age cannot be asked for by a cohort, so they are in no stratum.
    return [band for band in AGE_BANDS if band != "unknown"] if attribute == "age_band" else index.levels(attribute)


def _level(frame: Cohort, attribute: str, level: str) -> Cohort:
    if attribute == "age_band":
        low, _, high = level.rstrip("+").partition("-")
        return frame.narrow(Cohort(ages=(int(low), int(high or 130))))
    values = (level,)
    narrowing = {"view": Cohort(views=values), "sex": Cohort(sexes=values), "split": Cohort(splits=values)}[attribute]
    return frame.narrow(narrowing)


def _item(film: DrawnImage, finding: str, strata: str) -> Item:
    state = dict(film.states).get(finding, State.BLANK)
    return Item(film.image_id, state.label, _stratum(film, strata) if strata else "")


def _stratum(film: DrawnImage, strata: str) -> str:
    if strata != "age_band":
        return str(getattr(film, strata))
    age = film.age_years if film.age_years is not None else -1.0
    return next(band for band in AGE_BANDS if band.endswith("+") or age < int(band.split("-")[1]) + 1)
