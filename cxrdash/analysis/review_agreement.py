"""Do readers of a review agree (METHODS 5.7), and what prevalence follows from both sides of a label (5.8)?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cxrdash.analysis.intervals import ratio
from cxrdash.analysis.registry import statistic
from cxrdash.analysis.review_error import typed
from cxrdash.analysis.review_intervals import Stratum, two_phase
from cxrdash.analysis.review_marks import JUDGED, PANEL, Marks, marks_of
from cxrdash.index.cohort import Cohort
from cxrdash.index.store import Index
from cxrdash.reviews.sessions import RATE

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
ALL_READERS = "all readers"
FAR_APART = 0.2
HIGH_AGREEMENT = 0.8


@dataclass(frozen=True)
class Ratings:
    """Agreement of several readers on Q categories; NaN where all ratings are the same.

    ``observed`` is the share of pairs of ratings of an image that agree. ``kappa`` is Cohen's for two
    readers and Fleiss' for more, ``weighted`` Cohen's with linear weights (NaN for more than two), ``ac1``
    Gwet's, ``alpha`` Krippendorff's for categories. ``specific`` is the chance that where one reader chose
    a category another did too, by category.
    """

    images: int
    observed: float
    kappa: float
    weighted: float
    ac1: float
    alpha: float
    specific: tuple[float, ...]


def rated(ratings: ArrayLike, categories: int) -> Ratings:
    """Return the agreement of ratings of shape (images, readers), 0 to ``categories`` - 1 and -1 for missing.

    Images with fewer than two ratings say nothing. Cohen's kappa takes two readers without a missing rating;
    with missing ones, or more readers, the pooled margins of Fleiss are used. METHODS 5.7.
    """
    given = np.asarray(ratings, dtype=np.int64).reshape(-1, np.shape(ratings)[1] if np.ndim(ratings) == 2 else 1)
    counts = np.stack([(given == category).sum(axis=1) for category in range(categories)], axis=1).astype(float)
    kept = counts.sum(axis=1) > 1
    counts, given = counts[kept], given[kept]
    if not len(counts) or (counts.sum(axis=0) > 0).sum() < 2:
        nan, same = float("nan"), 1.0 if len(counts) else float("nan")
        return Ratings(len(counts), same, nan, nan, nan, nan, (nan,) * categories)
    n = counts.sum(axis=1, keepdims=True)
    pairs = counts * (counts - 1) / (n - 1)
    observed = float((pairs.sum(axis=1) / n[:, 0]).mean())
    share = (counts / n).mean(axis=0)
    by_gwet = float((share * (1 - share)).sum() / (categories - 1))
    two = given.shape[1] == 2 and (given >= 0).all()
    table = np.zeros((categories, categories))
    if two:
        np.add.at(table, (given[:, 0], given[:, 1]), 1)
    by_chance = _cohen_chance(table, np.eye(categories)) if two else float((share**2).sum())
    return Ratings(
        len(counts), observed, _above(observed, by_chance), _weighted(table) if two else float("nan"),
        _above(observed, by_gwet), _alpha(counts, pairs),
        tuple(ratio(pairs.sum(axis=0), counts.sum(axis=0)).tolist()),
    )  # fmt: skip


def _above(observed: float, chance: float) -> float:
    return (observed - chance) / (1 - chance) if chance < 1 else float("nan")


def _cohen_chance(table: Array, weights: Array) -> float:
    first, second = (table.sum(axis=axis) / table.sum() for axis in (1, 0))
    return float((np.outer(first, second) * weights).sum())


def _weighted(table: Array) -> float:
    """Cohen's kappa with linear weights: doubtful is half way between correct and wrong."""
    places = np.arange(len(table))
    weights = 1 - np.abs(places[:, None] - places[None, :]) / (len(table) - 1)
    return _above(float((table / table.sum() * weights).sum()), _cohen_chance(table, weights))


def _alpha(counts: Array, pairs: Array) -> float:
    """Krippendorff's alpha for categories: every pairable rating counts once."""
    total = counts.sum()
    margins = counts.sum(axis=0)
    apart = total - pairs.sum()
    expected = (total**2 - (margins**2).sum()) / (total - 1)
    return float(1 - apart / expected) if expected else float("nan")


@statistic("Whether the readers of a review agree", method="METHODS 5.7: Cohen, Fleiss, Gwet's AC1, Krippendorff")
def review_agreement(index: Index, cohort: Cohort | None = None, *, session: str = "") -> pd.DataFrame:
    """One row per session and pair of readers, and one for all readers where there are more than two.

    Counted are images that both (at least two) judged correct, doubtful or wrong; ``not_judged`` were unsure
    or unreadable to one of them. ``agreement`` is raw; ``kappa`` is Cohen's or, for all readers, Fleiss';
    ``kappa_weighted`` takes doubtful for half way; ``agreement_wrong`` is the chance that where one said
    wrong another did too. ``note`` says why kappa may be low.
    """
    rows = [row for marks in marks_of(index, cohort, session=session) for row in _agreement_rows(marks)]
    return typed(rows, _AGREEMENT_COLUMNS)


def agreement_table(marks: Marks) -> pd.DataFrame:
    """Return the rows of ``review_agreement`` for one review."""
    return typed(_agreement_rows(marks), _AGREEMENT_COLUMNS)


def _agreement_rows(marks: Marks) -> Iterable[dict[str, Any]]:
    readers = list(marks.verdicts)
    groups = [*combinations(readers, 2), *([tuple(readers)] if len(readers) > 2 else [])]
    for group in groups:
        table, unclear = _table(marks, group)
        measured = rated(table, len(JUDGED))
        pair = len(group) == 2
        yield {
            "session": marks.session.session_id, "finding": marks.session.finding, "state": marks.session.state,
            "first": group[0] if pair else ALL_READERS, "second": group[1] if pair else "", "readers": len(group),
            "images": measured.images, "not_judged": unclear, "agreement": measured.observed, "kappa": measured.kappa,
            "kappa_method": "Cohen" if pair else "Fleiss", "kappa_weighted": measured.weighted, "ac1": measured.ac1,
            "alpha": measured.alpha, "agreement_wrong": measured.specific[-1], "note": note(measured),
        }  # fmt: skip


def _table(marks: Marks, group: tuple[str, ...]) -> tuple[NDArray[np.int64], int]:
    places = {verdict: at for at, verdict in enumerate(JUDGED)}
    said = [marks.verdicts[reader] for reader in group]
    images = sorted(image for image in set().union(*said) if sum(image in verdicts for verdicts in said) > 1)
    table = [[places.get(verdicts.get(image, ""), -1) for verdicts in said] for image in images]
    unclear = sum(any(image in v and v[image] not in places for v in said) for image in images)
    return np.array(table, dtype=np.int64).reshape(len(images), len(group)), unclear


def note(measured: Ratings) -> str:
    """Return what must be said beside these measures, '' for nothing."""
    if not measured.images:
        return "no image was judged by both"
    if measured.kappa != measured.kappa:
        return "no variation: every verdict is the same, so kappa is undefined"
    if measured.observed >= HIGH_AGREEMENT and measured.ac1 - measured.kappa > FAR_APART:
        return (
            "prevalence paradox: nearly all verdicts are the same, so chance alone explains the agreement and kappa is "
            "low; AC1 allows for that"
        )
    return ""


_AGREEMENT_COLUMNS = {
    "session": "str", "finding": "str", "state": "str", "first": "str", "second": "str", "readers": "int64",
    "images": "int64", "not_judged": "int64", "agreement": "float64", "kappa": "float64", "kappa_method": "str",
    "kappa_weighted": "float64", "ac1": "float64", "alpha": "float64", "agreement_wrong": "float64", "note": "str",
}  # fmt: skip


@statistic("Images on which readers disagree", method="verdicts that stand, METHODS 5.7")
def review_disputes(index: Index, cohort: Cohort | None = None, *, session: str = "") -> pd.DataFrame:
    """One row per image with different verdicts: how many readers chose each, and on what the panel settled.

    ``said`` lists the readers with their verdicts; ``settled`` is empty where it is open. Far apart first:
    correct against wrong before doubtful.
    """
    rows = [row for marks in marks_of(index, cohort, session=session) for row in dispute_rows(marks)]
    return typed(rows, _DISPUTE_COLUMNS)


def dispute_rows(marks: Marks) -> list[dict[str, Any]]:
    """Return the rows of ``review_disputes`` of one session."""
    rows = []
    for image in sorted({image for verdicts in marks.verdicts.values() for image in verdicts}):
        said = {reader: verdicts[image] for reader, verdicts in marks.verdicts.items() if image in verdicts}
        if len(set(said.values())) > 1:
            counts = {verdict: list(said.values()).count(verdict) for verdict in JUDGED}
            rows.append({
                "session": marks.session.session_id, "image_id": image, "readers": len(said), **counts,
                "said": "; ".join(f"{reader}: {verdict}" for reader, verdict in said.items()),
                "settled": marks.settled.get(image, ""),
            })  # fmt: skip
    return sorted(rows, key=lambda row: (bool(row["settled"]), not (row["correct"] and row["wrong"]), row["image_id"]))


_DISPUTE_COLUMNS = {
    "session": "str", "image_id": "str", "readers": "int64", **dict.fromkeys(JUDGED, "int64"), "said": "str",
    "settled": "str",
}  # fmt: skip


@statistic("Prevalence freed of label errors", method="two-phase estimate from both sides of a label, METHODS 5.8")
def corrected_prevalence(index: Index, cohort: Cohort | None = None, *, reader: str = "") -> pd.DataFrame:
    """One row per finding of which random images labelled positive and not positive were reviewed.

    ``ppv`` are positives confirmed, ``missed`` negatives that show the finding (doubtful counted as the label
    says). ``labelled`` is the prevalence by the label among the two, ``rate`` the corrected one, whose
    ``low`` and ``high`` combine two Wilson intervals (``symmetric_low`` and ``symmetric_high`` come from its
    standard error). ``note`` says what the estimate takes for granted. The panel's verdicts count
    unless a ``reader`` is named.
    """
    reviews = [marks for marks in marks_of(index, cohort) if _counts_here(marks, reader)]
    positive = [marks for marks in reviews if marks.session.state == "positive"]
    rows = [
        _corrected_row(one, other, reader)
        for one in positive
        for other in reviews
        if other.session.finding == one.session.finding and other.session.state in ("negative", "blank")
    ]
    return typed(rows, _PREVALENCE_COLUMNS)


def _counts_here(marks: Marks, reader: str) -> bool:
    session = marks.session
    plain = session.purpose == RATE and not session.normal and not session.strata and marks.images is None
    return plain and bool(_said(marks, reader))


def _said(marks: Marks, reader: str) -> dict[str, str]:
    return marks.verdicts.get(reader, {}) if reader and reader != PANEL else marks.panel()


def _side(marks: Marks, reader: str) -> Stratum:
    verdicts = _said(marks, reader)
    return Stratum(list(verdicts.values()).count("wrong"), len(verdicts), marks.session.frame_images)


def _corrected_row(one: Marks, other: Marks, reader: str) -> dict[str, Any]:
    positive, negative = _side(one, reader), _side(other, reader)
    found = two_phase(positive, negative)
    notes = [f"images labelled {other.session.state} stand for all that are not positive"]
    if "patients" in (one.session.unit, other.session.unit):
        notes.append("error rates of one image per patient are taken for those of all images")
    return {
        "finding": one.session.finding, "positive_session": one.session.session_id,
        "negative_session": other.session.session_id, "positive_judged": positive.judged,
        "negative_judged": negative.judged, "labelled_positive": positive.of, "labelled_negative": negative.of,
        "ppv": 1 - positive.wrong / positive.judged, "missed": negative.wrong / negative.judged,
        "labelled": positive.of / (positive.of + negative.of), "rate": found.prevalence, "low": found.mover_low,
        "high": found.mover_high, "symmetric_low": found.low, "symmetric_high": found.high,
        "sensitivity": found.sensitivity, "specificity": found.specificity,
        "note": "; ".join(notes),
    }  # fmt: skip


_PREVALENCE_COLUMNS = {
    "finding": "str", "positive_session": "str", "negative_session": "str", "positive_judged": "int64",
    "negative_judged": "int64", "labelled_positive": "int64", "labelled_negative": "int64", "ppv": "float64",
    "missed": "float64", "labelled": "float64", "rate": "float64", "low": "float64", "high": "float64",
    "symmetric_low": "float64", "symmetric_high": "float64", "sensitivity": "float64", "specificity": "float64",
    "note": "str",
}  # fmt: skip
