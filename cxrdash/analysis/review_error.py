"""How often a label is wrong, from readers' marks of a random sample (METHODS 5.2 to 5.6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from cxrdash.analysis import review_intervals as found
from cxrdash.analysis.comparisons import benjamini_hochberg
from cxrdash.analysis.intervals import ClusterSums, clustered
from cxrdash.analysis.registry import statistic
from cxrdash.analysis.review_intervals import Stratum
from cxrdash.analysis.review_marks import PANEL, Marks, attributes, marks_of, patients_of
from cxrdash.errors import CxrdashError, shown
from cxrdash.index.cohort import Cohort
from cxrdash.index.store import Index
from cxrdash.reviews.events import VERDICTS
from cxrdash.reviews.sessions import RATE

if TYPE_CHECKING:
    import pandas as pd

ANYTIME = "anytime-valid"
COUNTINGS = {"": ("wrong",), "_doubtful": ("wrong", "doubtful"), "_unsure": ("wrong", "unsure", "unreadable")}
"""Suffix of a column to the verdicts that it counts as wrong."""


@statistic(
    "How often the label is wrong",
    method="finite-population interval once the planned images are judged, anytime-valid before; METHODS 5.2 to 5.6",
)
def review_error(index: Index, cohort: Cohort | None = None, *, session: str = "", reader: str = "") -> pd.DataFrame:
    """One row per review session and reader, and one for the panel where several read.

    ``rate`` counts the verdict wrong among all ``judged``, those that could not be judged included;
    ``rate_doubtful`` counts doubtful as wrong too, ``rate_unsure`` unsure and unreadable: each with its
    ``low`` and ``high``. ``method`` names the interval: exact or Wilson once exactly the planned images are
    judged, anytime-valid else. Stratified samples are weighted. ``of`` is the frame in ``unit``; unknown
    (-1) where the cohort takes only part of it. ``skipped`` images were passed over. ``score`` is the error
    component of the star rating. Suspects have counts and no rate. ``session`` and ``reader`` keep one.

    ``low`` and ``high`` hold for the frame the images were drawn from. Where several judged images are of
    one patient, ``clustered_low`` and ``clustered_high`` hold for other patients too (METHODS 5.1, 2.2);
    NaN where each patient has one image, and where the plan is stratified or not reached.
    """
    found = marks_of(index, cohort, session=session)
    rows = [row for marks in found for row in error_rows(marks, reader, patients_of(index, marks))]
    if cohort is not None and not cohort.everything:
        rows = [row for row in rows if row["judged"]]
    return typed(rows, _COLUMNS)


def error_table(marks: Marks, patients: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Return the rows of ``review_error`` for one review; ``patients`` by image, see ``patients_of``."""
    return typed(error_rows(marks, patients=patients), _COLUMNS)


def typed(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> pd.DataFrame:
    """Return rows as a table with these columns and dtypes, also where there is none."""
    import pandas as pd

    return pd.DataFrame(list(rows), columns=list(columns)).astype(dict(columns))


def error_rows(marks: Marks, reader: str = "", patients: Mapping[str, str] | None = None) -> Iterable[dict[str, Any]]:
    """Yield the rows of ``review_error`` for one review, or for one of its readers."""
    said = dict(marks.verdicts)
    if len(said) > 1:
        said[PANEL] = marks.panel()
    if reader and reader not in said:
        if marks.session.session_id and not said:
            return
        raise CxrdashError(f"'{shown(reader)}' has not judged in this session.", f"Readers: {', '.join(said)}.")
    for name, verdicts in said.items():
        if not reader or name == reader:
            yield error_row(marks, name, verdicts, patients or {})


def error_row(marks: Marks, reader: str, verdicts: Mapping[str, str], patients: Mapping[str, str]) -> dict[str, Any]:
    """Return the row of ``review_error`` for verdicts by image."""
    session, tally = marks.session, Counter(verdicts.values())
    readers = marks.by_reader if reader == PANEL else [reader]
    flagged = {image for one in readers for image, mark in marks.by_reader.get(one, {}).items() if mark.identifier}
    score, because = found.error_score(len(verdicts), tally["wrong"], tally["doubtful"])
    rated = session.purpose == RATE
    row: dict[str, Any] = {
        "session": session.session_id, "finding": session.finding, "state": session.state, "reader": reader,
        "purpose": session.purpose, "planned": session.planned, "judged": len(verdicts),
        **{verdict: tally[verdict] for verdict in VERDICTS}, "identifiers": len(flagged),
        "skipped": 0 if reader == PANEL else marks.skipped(reader), "of": _frame(marks) or -1, "unit": session.unit,
        "complete": _complete(marks, verdicts), "score": score if rated else -1,
        "score_because": because if rated else "not a random sample",
    }  # fmt: skip
    nothing = (float("nan"),) * 5
    for suffix, counted in COUNTINGS.items():
        values = _interval(marks, verdicts, counted) if rated else (*nothing, "none: not a random sample")
        names = ("rate", "low", "high", "anytime_low", "anytime_high", "method")
        row |= {f"{name}{suffix}": value for name, value in zip(names, values, strict=True)}
        ends = _clustered(marks, verdicts, counted, patients) if rated else nothing[:2]
        row |= {f"clustered_low{suffix}": ends[0], f"clustered_high{suffix}": ends[1]}
    return row


def _clustered(
    marks: Marks, verdicts: Mapping[str, str], counted: tuple[str, ...], patients: Mapping[str, str]
) -> tuple[float, float]:
    """The interval that allows for films of one patient sharing their error; NaN where there are none."""
    of = [patients[image] for image in verdicts if image in patients]
    several = len(set(of)) < len(of) == len(verdicts)
    if not several or marks.session.strata or not _complete(marks, verdicts):
        return float("nan"), float("nan")
    units, wrong = Counter(of), Counter(patients[image] for image, said in verdicts.items() if said in counted)
    sums = ClusterSums.of_patients(list(units.values()), [wrong[patient] for patient in units])
    made = clustered(sums)
    return float(made.low), float(made.high)


def _frame(marks: Marks) -> int | None:
    return marks.session.of if marks.images is None else None


def _complete(marks: Marks, verdicts: Mapping[str, str]) -> bool:
    planned = {item.image_id for item in marks.session.items[: marks.session.planned]}
    return marks.images is None and planned == verdicts.keys()


Values = tuple[float, float, float, float, float, str]


def _interval(marks: Marks, verdicts: Mapping[str, str], counted: tuple[str, ...]) -> Values:
    """Rate, the interval to show, the anytime-valid one, and the name of the one to show."""
    strata = strata_of(marks, verdicts, counted)
    if len(strata) > 1:
        return _weighted(strata, complete=_complete(marks, verdicts))
    wrong, judged, of = sum(verdict in counted for verdict in verdicts.values()), len(verdicts), _frame(marks)
    anytime = found.anytime_interval(wrong, judged, of)
    rate = wrong / judged if judged else float("nan")
    if not judged or not _complete(marks, verdicts):
        return (rate, *anytime, *anytime, ANYTIME)
    fixed, name = found.sampled_interval(wrong, judged, of)
    return (rate, *fixed, *anytime, name)


def _weighted(strata: list[Stratum], *, complete: bool) -> Values:
    anytime = found.anytime_stratified(strata)
    weighted = found.stratified(strata)
    if complete and weighted.low == weighted.low:
        return (weighted.rate, weighted.low, weighted.high, *anytime, "Wilson with effective n, stratified")
    return (weighted.rate, *anytime, *anytime, f"{ANYTIME}, stratified")


def strata_of(marks: Marks, verdicts: Mapping[str, str], counted: tuple[str, ...]) -> list[Stratum]:
    """Return wrong, judged and size of each stratum; none where the frame of the marks is not known."""
    if not marks.session.strata or marks.images is not None:
        return []
    place = {item.image_id: item.stratum for item in marks.session.items}
    judged = Counter(place[image] for image in verdicts)
    wrong = Counter(place[image] for image, verdict in verdicts.items() if verdict in counted)
    return [Stratum(wrong[level], judged[level], of) for level, of in marks.session.stratum_sizes.items()]


_COLUMNS = {
    "session": "str", "finding": "str", "state": "str", "reader": "str", "purpose": "str", "planned": "int64",
    "judged": "int64", **dict.fromkeys(VERDICTS, "int64"), "identifiers": "int64", "skipped": "int64", "of": "int64",
    "unit": "str", "complete": "bool", "score": "int64", "score_because": "str",
    **{f"{name}{suffix}": "float64" for suffix in COUNTINGS
       for name in ("rate", "low", "high", "anytime_low", "anytime_high", "clustered_low", "clustered_high")},
    **{f"method{suffix}": "str" for suffix in COUNTINGS},
}  # fmt: skip


@statistic("Whether errors follow a rule", method="Newcombe's interval, Fisher's test, Benjamini-Hochberg; METHODS 5.9")
def review_strata(
    index: Index, cohort: Cohort | None = None, *, session: str = "", reader: str = "", doubtful: str = "correct"
) -> pd.DataFrame:
    """One row per session, attribute and level: its error rate against that of the other images.

    Attributes are part, view, sex, age band and follow-up; levels without a judged image are left out.
    ``difference`` is ``rate`` minus ``others_rate``; ``q`` is Fisher's p-value freed of the number of
    comparisons. ``reader`` is the panel unless named; ``doubtful`` says whether doubtful counts as correct
    or as wrong.
    """
    if doubtful not in ("correct", "wrong"):
        raise CxrdashError(f"doubtful={shown(doubtful)} is not understood.", "Use correct or wrong.")
    found = marks_of(index, cohort, session=session)
    rows = [row for marks in found for row in _strata_rows(index, marks, reader, doubtful)]
    return typed(rows, _STRATA_COLUMNS)


def strata_table(index: Index, marks: Marks, reader: str, *, doubtful: str = "correct") -> pd.DataFrame:
    """Return the rows of ``review_strata`` for one review."""
    return typed(_strata_rows(index, marks, reader, doubtful), _STRATA_COLUMNS)


def _strata_rows(index: Index, marks: Marks, reader: str, doubtful: str) -> list[dict[str, Any]]:
    counted = COUNTINGS["_doubtful" if doubtful == "wrong" else ""]
    verdicts = marks.verdicts.get(reader, {}) if reader and reader != PANEL else marks.panel()
    return _level_rows(index, marks, verdicts, counted) if marks.session.purpose == RATE and verdicts else []


def _level_rows(
    index: Index, marks: Marks, verdicts: Mapping[str, str], counted: tuple[str, ...]
) -> list[dict[str, Any]]:
    rows = []
    for attribute, levels in attributes(index, verdicts).items():
        judged = Counter(levels[image] for image in verdicts if image in levels)
        wrong = Counter(levels[image] for image, verdict in verdicts.items() if image in levels and verdict in counted)
        for level in sorted(judged) if len(judged) > 1 else ():
            one = (wrong[level], judged[level])
            other = (wrong.total() - wrong[level], judged.total() - judged[level])
            rows.append({"attribute": attribute, "level": level, **_compared(one, other)})
    for row, q in zip(rows, benjamini_hochberg([row["p"] for row in rows]), strict=True):
        row["q"] = float(q)
    about = {"session": marks.session.session_id, "finding": marks.session.finding, "state": marks.session.state}
    return [about | row for row in rows]


def _compared(one: tuple[int, int], other: tuple[int, int]) -> dict[str, Any]:
    from scipy.stats import fisher_exact

    from cxrdash.analysis.intervals import wilson

    low, high = wilson(*one)
    gap = found.newcombe(one, other)
    table = [[one[0], one[1] - one[0]], [other[0], other[1] - other[0]]]
    return {
        "wrong": one[0], "judged": one[1], "rate": one[0] / one[1], "low": float(low), "high": float(high),
        "others_rate": other[0] / other[1], "difference": gap.rate, "difference_low": gap.low,
        "difference_high": gap.high, "p": float(fisher_exact(table)[1]),
    }  # fmt: skip


_STRATA_COLUMNS = {
    "session": "str", "finding": "str", "state": "str", "attribute": "str", "level": "str", "judged": "int64",
    "wrong": "int64", "rate": "float64", "low": "float64", "high": "float64", "others_rate": "float64",
    "difference": "float64", "difference_low": "float64", "difference_high": "float64", "p": "float64", "q": "float64",
}  # fmt: skip
