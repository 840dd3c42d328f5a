"""The heart's width against the lungs', from masks, as a check of the Cardiomegaly label (METHODS 8.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cxrdash.analysis.intervals import auc_interval
from cxrdash.analysis.masks import in_states, negative_states, rate_of
from cxrdash.analysis.registry import as_policy, statistic
from cxrdash.errors import CxrdashError
from cxrdash.index.annotations import compared
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import Selection, select
from cxrdash.index.store import Index
from cxrdash.labels.policies import Policy
from cxrdash.labels.states import State

if TYPE_CHECKING:
    import pandas as pd

SMALL, HALF, LARGE = 0.45, 0.5, 0.55  # the zones of METHODS 8.4; between SMALL and LARGE nothing is decided
LEAST_QUALITY = 0.75
EVIDENCE = "PA"  # AP and supine films enlarge the heart
STEP = 0.025
HARMONISED = "Cardiomegaly"

_RATIOS = """
SELECT pattern, view, coalesce(patient, -1 - image) AS cluster, patient IS NOT NULL AS known,
       cardiothoracic_ratio AS ratio
FROM selected JOIN mask_images USING (image)
WHERE cardiothoracic_ratio IS NOT NULL AND quality >= $least_quality ORDER BY image
"""
_SQL = """
SELECT view, p.state, count(*) AS images, median(cardiothoracic_ratio) AS median
FROM selected JOIN mask_images USING (image)
LEFT JOIN patterns AS p ON p.pattern = selected.pattern AND p.finding::VARCHAR = 'Cardiomegaly'
WHERE quality >= 0.75 AND cardiothoracic_ratio IS NOT NULL GROUP BY ALL ORDER BY ALL
"""
_METHOD = (
    "columns of heart and lungs, METHODS 8.4; share above 0.5 Wilson with patient clusters; "
    "AUC interval Hanley and McNeil on the logit scale with patients as n, METHODS 3.5"
)


@dataclass(frozen=True)
class _Found:
    """Images with a ratio: their state of the finding, view, patient cluster and ratio."""

    state: NDArray[np.int8]
    view: NDArray[Any]
    cluster: NDArray[np.int64]
    known: NDArray[np.bool_]
    ratio: NDArray[np.float64]

    def where(self, chosen: NDArray[np.bool_]) -> _Found:
        return _Found(
            self.state[chosen], self.view[chosen], self.cluster[chosen], self.known[chosen], self.ratio[chosen]
        )


def cardiomegaly(index: Index) -> str | None:
    """Return the dataset's own name for an enlarged heart, None where it has no such label."""
    return next((finding.name for finding in index.findings if finding.harmonised == HARMONISED), None)


@statistic("Cardiothoracic ratio against the label", method=_METHOD, sql=_SQL)
def cardiothoracic_ratio(
    index: Index,
    cohort: Cohort | None = None,
    *,
    least_quality: float = LEAST_QUALITY,
    policy: Policy | str = "as_is",
) -> pd.DataFrame:
    """One row per view and state of the Cardiomegaly label, for images whose masks reach ``least_quality``.

    ``images`` have heart and both lungs; the ratio is (last - first column + 1) of the heart over the same
    of both lungs. ``small`` images lie below 0.45, ``large`` above 0.55. ``share_above_half`` counts ratios
    above 0.5, ``low`` to ``high`` its interval. ``auc`` is that of the ratio for positive against negative
    under the policy within the view (the same in all its rows; NaN without either). ``evidence`` is true for
    PA films alone: others enlarge the heart. A ranking for review, not an error rate. Empty without such a label.
    """
    import pandas as pd

    _check(least_quality)
    chosen = as_policy(policy)
    found = _found(select(index, cohort), least_quality)
    rows: list[dict[str, Any]] = []
    for view in sorted(set(found.view.tolist()), key=lambda name: (name != EVIDENCE, name)):
        films = found.where(found.view == view)
        separation = _auc(films, chosen)
        for state in sorted({State(int(code)) for code in films.state.tolist()}, reverse=True):
            rows.append(
                {
                    "view": view, "state": state.label, **_summary(films.where(films.state == state)), **separation,
                    "evidence": view == EVIDENCE, "least_quality": least_quality, "policy": str(chosen),
                }
            )  # fmt: skip
    kinds = dict.fromkeys(_COLUMNS, "float64") | dict.fromkeys(_COUNTS, "int64")
    kinds |= dict.fromkeys(("view", "state", "policy"), "str") | {"evidence": "bool"}
    return pd.DataFrame(rows, columns=list(_COLUMNS)).astype(kinds)


@statistic("Distribution of the cardiothoracic ratio", method=_METHOD, sql=_SQL)
def cardiothoracic_bins(
    index: Index, cohort: Cohort | None = None, *, least_quality: float = LEAST_QUALITY
) -> pd.DataFrame:
    """One row per state and step of 0.025 with PA images: ``low`` <= ratio < ``high``."""
    import pandas as pd

    _check(least_quality)
    found = _found(select(index, cohort), least_quality)
    found = found.where(found.view == EVIDENCE)
    steps = np.floor(found.ratio / STEP + 1e-9).astype(np.int64)
    pairs, counts = np.unique(np.stack([-found.state.astype(np.int64), steps]), axis=1, return_counts=True)
    return pd.DataFrame(
        {
            "state": [State(int(-code)).label for code in pairs[0]],
            "low": np.round(pairs[1] * STEP, 6),
            "high": np.round((pairs[1] + 1) * STEP, 6),
            "images": counts.astype(np.int64),
        }
    ).astype({"state": "str"})


_COUNTS = ("images", "patients", "small", "large", "auc_positive_patients", "auc_negative_patients")
_COLUMNS = (
    "view", "state", "images", "patients", "median", "quartile_low", "quartile_high", "small", "large",
    "share_above_half", "low", "high", "auc", "auc_low", "auc_high", "auc_positive_patients", "auc_negative_patients",
    "evidence", "least_quality", "policy",
)  # fmt: skip


def _check(least_quality: float) -> None:
    if not 0 <= least_quality <= 1:
        raise CxrdashError(f"least_quality must lie between 0 and 1, not at {least_quality:g}.", "METHODS 8.4: 0.75.")


def _found(selection: Selection, least_quality: float) -> _Found:
    index, finding = selection.index, cardiomegaly(selection.index)
    found = selection.arrays(_RATIOS, least_quality=least_quality)
    rows = len(found["pattern"]) if finding else 0  # without such a label there is nothing to compare with
    place = index.finding_names.index(finding) if finding else 0
    state = index.dictionary[found["pattern"][:rows].astype(np.int64), place]
    return _Found(
        state,
        found["view"][:rows].astype(str),
        found["cluster"][:rows].astype(np.int64),
        found["known"][:rows].astype(bool),
        found["ratio"][:rows].astype(float),
    )


def _summary(films: _Found) -> dict[str, Any]:
    above = rate_of(films.cluster, films.ratio > HALF)
    low, median, high = np.quantile(films.ratio, (0.25, 0.5, 0.75))
    return {
        "images": len(films.ratio),
        "patients": len(np.unique(films.cluster[films.known])),
        "median": median,
        "quartile_low": low,
        "quartile_high": high,
        "small": int((films.ratio < SMALL).sum()),
        "large": int((films.ratio > LARGE).sum()),
        "share_above_half": float(above.rate),
        "low": float(above.low),
        "high": float(above.high),
    }


def _auc(films: _Found, policy: Policy) -> dict[str, Any]:
    """The chance that a positive image has the larger ratio than a negative one; ties count half."""
    from scipy.stats import mannwhitneyu

    positive, negative = (
        films.where(np.isin(films.state, [int(state) for state in states]))
        for states in (policy.positive_states, negative_states(policy))
    )
    people = [len(np.unique(group.cluster)) for group in (positive, negative)]
    area = float("nan")
    if min(people):
        area = mannwhitneyu(positive.ratio, negative.ratio).statistic / (len(positive.ratio) * len(negative.ratio))
    low, high = auc_interval(area, *people)
    return {
        "auc": area,
        "auc_low": float(low),
        "auc_high": float(high),
        "auc_positive_patients": people[0],
        "auc_negative_patients": people[1],
    }


def rule_cohort(least_quality: float = LEAST_QUALITY, *more: str) -> Cohort:
    """Return the images the ratio counts for: PA, masks of at least this quality, and ``more`` filters on them."""
    return Cohort(views=(EVIDENCE,), annotations=(compared("mask quality", "at least", least_quality), *more))


def contrary(index: Index, which: str, *, policy: Policy, least_quality: float = LEAST_QUALITY) -> Cohort:
    """Return a list to review: 'small' hearts labelled positive, or 'large' ones labelled negative.

    CxrdashError where the dataset has no label for an enlarged heart.
    """
    finding = cardiomegaly(index)
    if finding is None:
        raise CxrdashError(f"{index.title} has no label for an enlarged heart.", "See its findings.")
    how = compared("cardiothoracic ratio", *(("below", SMALL) if which == "small" else ("above", LARGE)))
    states = policy.positive_states if which == "small" else negative_states(policy)
    return rule_cohort(least_quality, how).narrow(Cohort(labels=in_states(finding, states)))
