"""What wrong labels do to a measured performance: ceilings, what would be measured, and the widest honest interval.

A test compares a model with labels, not with the truth. Of the label's positives a share is wrong (1 - PPV),
of its negatives a share is missed (FOR). Formulas: Gart and Buck (1966) and Lachenbruch (1988) for sensitivity
and specificity against an imperfect reference, the same two-by-two table that Rogan and Gladen (1978) solve for
the prevalence (METHODS 5.8); Menon et al. (2015) for the AUC. The bounds are those of Horowitz and Manski (1995)
for contaminated samples, applied to the positives and negatives of the label together.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from cxrdash.analysis.intervals import wilson
from cxrdash.analysis.part_sizes import positives_by
from cxrdash.analysis.registry import statistic
from cxrdash.analysis.review_error import review_error
from cxrdash.analysis.review_marks import PANEL
from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort
from cxrdash.index.store import Index, Unit
from cxrdash.labels.policies import Policy
from cxrdash.reviews.sessions import RATE

if TYPE_CHECKING:
    import pandas as pd

ASSUMED = "assumed"
_COLUMNS = {
    "finding": "str", "split": "str", "positive_patients": "int64", "negative_patients": "int64",
    "wrong": "float64", "wrong_low": "float64", "wrong_high": "float64", "wrong_source": "str",
    "missed": "float64", "missed_low": "float64", "missed_high": "float64", "missed_source": "str",
    "perfect_sensitivity": "float64", "perfect_specificity": "float64", "perfect_auc": "float64",
    "sensitivity": "float64", "measured_sensitivity": "float64", "low": "float64", "high": "float64",
    "honest_low": "float64", "honest_high": "float64", "specificity": "float64", "measured_specificity": "float64",
    "auc": "float64", "measured_auc": "float64", "unit": "str", "policy": "str",
}  # fmt: skip


@dataclass(frozen=True)
class ErrorRate:
    """A share of wrong labels with its interval, and where it comes from."""

    rate: float
    low: float
    high: float
    source: str = ASSUMED


def measured_sensitivity(sensitivity: float, specificity: float, wrong: float) -> float:
    """Return what a model of this true sensitivity and specificity is measured at on the label's positives.

    Of these the share ``wrong`` has not the finding: Se (1 - wrong) + (1 - Sp) wrong. The model's errors are
    taken to be independent of the label's, given the truth.
    """
    return sensitivity * (1 - wrong) + (1 - specificity) * wrong


def measured_specificity(sensitivity: float, specificity: float, missed: float) -> float:
    """Return what it is measured at on the label's negatives, of which the share ``missed`` has the finding.

    Sp (1 - missed) + (1 - Se) missed.
    """
    return specificity * (1 - missed) + (1 - sensitivity) * missed


def measured_auc(auc: float, wrong: float, missed: float) -> float:
    """Return the AUC against the label of a model with this AUC against the truth.

    1/2 + (1 - wrong - missed)(AUC - 1/2): a perfect model is measured at 1 - (wrong + missed)/2.
    """
    return 0.5 + (1 - wrong - missed) * (auc - 0.5)


def sensitivity_bounds(
    measured: tuple[float, float], sizes: tuple[float, float], wrong: float, missed: float
) -> tuple[float, float]:
    """Return the lowest and highest true sensitivity that a measured (sensitivity, specificity) leaves possible.

    ``sizes`` are the label's positives and negatives. Nothing is assumed of which cases are labelled wrongly:
    of the label's positives at least Se' - wrong and at most min(Se', 1 - wrong) are both true and found, of
    its negatives at least missed - Sp' and at most min(1 - Sp', missed). NaN without any true positive.
    """
    (found, cleared), (positives, negatives) = measured, sizes
    true = positives * (1 - wrong) + negatives * missed
    if not true > 0:
        return float("nan"), float("nan")
    least = positives * max(found - wrong, 0.0) + negatives * max(missed - cleared, 0.0)
    most = positives * min(found, 1 - wrong) + negatives * min(1 - cleared, missed)
    return least / true, min(most / true, 1.0)


def honest_interval(
    measured: tuple[float, float], sizes: tuple[float, float], wrong: ErrorRate, missed: ErrorRate
) -> tuple[float, float]:
    """Return the widest interval of the true sensitivity: sampling, and every error rate within its interval.

    The ends of the Wilson intervals of the measured (sensitivity, specificity) at ``sizes`` are carried
    through ``sensitivity_bounds`` at the least favourable error rates.
    """
    ends = [wilson(rate * n, n) for rate, n in zip(measured, sizes, strict=True)]
    if not all(n > 0 for n in sizes):
        return float("nan"), float("nan")
    lows, highs = [], []
    for found, cleared in product(*([float(low), float(high)] for low, high in ends)):
        # Between its kinks a bound is monotone in each error rate, so ends and kinks are all that count.
        for one, other in product(_corners(wrong, found), _corners(missed, cleared)):
            low, high = sensitivity_bounds((found, cleared), sizes, one, other)
            lows.append(low)
            highs.append(high)
    return min(lows), max(highs)


def _corners(error: ErrorRate, kink: float) -> list[float]:
    inner = [value for value in (kink, 1 - kink) if error.low < value < error.high]
    return [error.low, error.high, *inner]


@statistic(
    "What label errors leave of a measured performance",
    method="Gart and Buck 1966, Lachenbruch 1988 (sensitivity, specificity), Menon 2015 (AUC); bounds of Horowitz and "
    "Manski 1995; error rates from reviews where there are any, else as given; METHODS 5.8",
)
def label_noise(  # noqa: PLR0913 - each assumption stands on the page under its own name
    index: Index,
    cohort: Cohort | None = None,
    *,
    policy: Policy | str = "as_is",
    unit: Unit | None = None,
    wrong: float = 0.1,
    missed: float = 0.02,
    sensitivity: float = 0.9,
    specificity: float = 0.9,
    auc: float = 0.85,
) -> pd.DataFrame:
    """One row per finding and part: the best that any model can be measured at, and what a measurement allows.

    ``wrong`` is the share of label positives without the finding, ``missed`` that of label negatives with it:
    from the largest review of that side (``wrong_source``, ``missed_source`` name it) with its interval, else
    the value given, marked 'assumed'. A perfect model is measured at ``perfect_sensitivity``,
    ``perfect_specificity`` and ``perfect_auc``; a model that truly has ``sensitivity``, ``specificity`` and
    ``auc`` at the ``measured_`` values if its errors are independent of the label's. ``low`` and ``high`` are
    Wilson's 95% interval of the measured sensitivity; ``honest_low`` and ``honest_high`` are all true
    sensitivities over all true positives that it leaves possible if nothing is assumed of which labels are wrong.
    """
    import pandas as pd

    check_errors(wrong=wrong, missed=missed, sensitivity=sensitivity, specificity=specificity, auc=auc)
    cells = positives_by(index, cohort, policy=policy, unit=unit)
    reviewed = reviewed_errors(review_error(index))
    given = {"positive": ErrorRate(wrong, wrong, wrong), "negative": ErrorRate(missed, missed, missed)}
    model = {"sensitivity": sensitivity, "specificity": specificity, "auc": auc}
    rows = [
        _row((cell["positive_patients"], cell["negative_patients"]), model,
             *(reviewed.get((cell["finding"], side), error) for side, error in given.items()))
        for cell in cells.to_dict("records")
    ]  # fmt: skip
    kept = cells[["finding", "split", "positive_patients", "negative_patients", "unit", "policy"]]
    table = pd.DataFrame(rows, columns=[name for name in _COLUMNS if name not in kept])
    return pd.concat([kept.reset_index(drop=True), table], axis=1)[list(_COLUMNS)].astype(_COLUMNS)


def _row(sizes: tuple[int, int], model: dict[str, float], wrong: ErrorRate, missed: ErrorRate) -> dict[str, Any]:
    true, clear = model["sensitivity"], model["specificity"]
    measured = (
        measured_sensitivity(true, clear, wrong.rate),
        measured_specificity(true, clear, missed.rate),
    )
    low, high = wilson(measured[0] * sizes[0], sizes[0])
    honest = honest_interval(measured, (float(sizes[0]), float(sizes[1])), wrong, missed)
    return {
        **_error("wrong", wrong), **_error("missed", missed),
        "perfect_sensitivity": 1 - wrong.rate, "perfect_specificity": 1 - missed.rate,
        "perfect_auc": measured_auc(1.0, wrong.rate, missed.rate), **model,
        "measured_sensitivity": measured[0], "low": float(low), "high": float(high),
        "honest_low": honest[0], "honest_high": honest[1], "measured_specificity": measured[1],
        "measured_auc": measured_auc(model["auc"], wrong.rate, missed.rate),
    }  # fmt: skip


def _error(name: str, error: ErrorRate) -> dict[str, Any]:
    return {name: error.rate, f"{name}_low": error.low, f"{name}_high": error.high, f"{name}_source": error.source}


def reviewed_errors(reviews: pd.DataFrame) -> dict[tuple[str, str], ErrorRate]:
    """Return (finding, 'positive' or 'negative') to the error rate of its largest review, from ``review_error``.

    Reviews of blank labels count as reviews of negatives; the panel stands for several readers. Reviews
    that are no random sample, or of other states, give no rate.
    """
    rated = reviews[(reviews["purpose"] == RATE) & (reviews["judged"] > 0)]
    rated = rated.assign(panel=rated["reader"] == PANEL).sort_values(["panel", "judged", "session"], kind="stable")
    found = {}
    for row in rated.to_dict("records"):  # the last one stands: the panel's, else the largest
        side = {"positive": "positive", "negative": "negative", "blank": "negative"}.get(row["state"])
        if side:
            source = f"review of {row['judged']:,} images, {row['reader']}"
            found[row["finding"], side] = ErrorRate(row["rate"], row["low"], row["high"], source)
    return found


def check_errors(**rates: float) -> None:
    """Refuse rates outside 0 to 1, and labels that would be wrong as often as right."""
    for name, rate in rates.items():
        if not 0 <= rate <= 1:
            raise CxrdashError(f"{name} must lie between 0 and 1, not at {rate:g}.", "Write 0.1 for 10%.")
    if rates["wrong"] + rates["missed"] >= 1:
        raise CxrdashError(
            f"With {rates['wrong']:.0%} of the positives and {rates['missed']:.0%} of the negatives wrong the label "
            "says nothing.",
            "The two rates must add up to less than 1.",
        )
