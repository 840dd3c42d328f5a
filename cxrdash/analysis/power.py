"""Whether a test can tell two subgroups apart, and how wide its intervals are for every measure (METHODS 3)."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cxrdash.analysis import intervals
from cxrdash.analysis.intervals import ratio
from cxrdash.analysis.odds import newcombe
from cxrdash.analysis.part_sizes import SUBGROUP, positives_by, test_sizes
from cxrdash.analysis.registry import named, statistic
from cxrdash.errors import CxrdashError, shown
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import AGE_BANDS
from cxrdash.index.store import Index, Unit
from cxrdash.labels.policies import Policy

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
ALPHA, POWER = 0.05, 0.8
MEASURES = ("sensitivity", "specificity", "ppv", "npv", "auc")
_WIDTHS = {
    "finding": "str", "split": "str", "measure": "str", "assumed": "float64", "cases": "float64", "low": "float64",
    "high": "float64", "half_width": "float64", "none_failed": "float64", "needed": "int64", "collect": "float64",
    "unit": "str", "policy": "str",
}  # fmt: skip
_POWER = {
    "finding": "str", "split": "str", "attribute": "str", "level_a": "str", "level_b": "str", "patients_a": "int64",
    "patients_b": "int64", "sensitivity": "float64", "drop": "float64", "power": "float64",
    "detectable_drop": "float64", "difference_low": "float64", "difference_high": "float64", "needed": "int64",
    "unit": "str", "policy": "str",
}  # fmt: skip


def power_of(p1: ArrayLike, p2: ArrayLike, n1: ArrayLike, n2: ArrayLike, *, alpha: float = ALPHA) -> Array:
    """Return the chance that a test of two groups finds the difference between rates ``p1`` and ``p2``.

    Two-sided test of two independent proportions with the pooled rate under the null, METHODS 3.6; the
    smaller tail is left out. NaN where a group is empty.
    """
    p1, p2, n1, n2 = (np.asarray(value, dtype=float) for value in (p1, p2, n1, n2))
    pooled = ratio(n1 * p1 + n2 * p2, n1 + n2)
    under_null = np.sqrt(pooled * (1 - pooled) * (ratio(1, n1) + ratio(1, n2)))
    spread = np.sqrt(ratio(p1 * (1 - p1), n1) + ratio(p2 * (1 - p2), n2))
    z = NormalDist().inv_cdf(1 - alpha / 2)
    return _normal(ratio(np.abs(p1 - p2) - z * under_null, spread, at_zero=np.inf))


def needed_per_group(p1: float, p2: float, *, alpha: float = ALPHA, power: float = POWER) -> int:
    """Return how many positives each group needs so that the difference is found that often (METHODS 3.6).

    ValueError where the two rates are equal.
    """
    if p1 == p2:
        raise ValueError("two equal rates cannot be told apart by any number of cases")
    za, zb, pooled = NormalDist().inv_cdf(1 - alpha / 2), NormalDist().inv_cdf(power), (p1 + p2) / 2
    top = za * np.sqrt(2 * pooled * (1 - pooled)) + zb * np.sqrt(p1 * (1 - p1) + p2 * (1 - p2))
    return int(np.ceil(np.square(top) / np.square(p1 - p2) - 1e-9))


def detectable_drop(p1: ArrayLike, n1: ArrayLike, n2: ArrayLike, *, power: float = POWER) -> Array:
    """Return the smallest drop below ``p1`` that is found with this power, by bisection (METHODS 3.6).

    NaN where a group is empty or where even a drop to 0 would be missed.
    """
    p1, n1, n2 = np.broadcast_arrays(*(np.asarray(value, dtype=float) for value in (p1, n1, n2)))
    low, high = np.zeros(p1.shape), p1.astype(float)
    for _ in range(60):
        middle = (low + high) / 2
        found = power_of(p1, p1 - middle, n1, n2) >= power
        low, high = np.where(found, low, middle), np.where(found, middle, high)
    reached = power_of(p1, np.zeros(p1.shape), n1, n2) >= power
    return np.asarray(np.where(reached, high, np.nan))


def _normal(z: Array) -> Array:
    from scipy.special import ndtr

    return np.asarray(ndtr(z))


@statistic(
    "Whether two subgroups can be told apart",
    method="power of two proportions at alpha 0.05, smallest drop found 80 times of 100, Newcombe's interval; "
    "METHODS 3.6",
)
def subgroup_power(  # noqa: PLR0913 - each assumption stands on the page under its own name
    index: Index,
    cohort: Cohort | None = None,
    *,
    policy: Policy | str = "as_is",
    unit: Unit | None = None,
    by: str = "sex",
    sensitivity: float = 0.9,
    drop: float = 0.1,
) -> pd.DataFrame:
    """One row per finding, part and pair of levels of sex, view or age_band, in positive patients.

    ``power`` is the chance to find a ``drop`` from ``sensitivity`` in level_a to less in level_b,
    ``detectable_drop`` the smallest drop found 80 times of 100, ``needed`` the positive patients each
    group would need; ``difference_low`` and ``difference_high`` are Newcombe's 95% interval if exactly that
    drop were measured. Undefined (NaN) where a group is empty. The groups are taken for different people: a
    patient with films of two views or ages counts in both.
    """
    import pandas as pd

    if by not in SUBGROUP:
        raise CxrdashError(f"'{shown(by)}' is no subgroup to compare.", "Use " + ", ".join(SUBGROUP))
    check_drop(sensitivity, drop)
    cells = positives_by(index, cohort, policy=policy, unit=unit, by=("split", by))
    rows = [
        {"finding": finding, "split": split, "attribute": by, "level_a": one, "level_b": other,
         "patients_a": people[one], "patients_b": people[other], "unit": part["unit"].iloc[0],
         "policy": part["policy"].iloc[0]}
        for (split, finding), part in cells.groupby(["split", "finding"], sort=False)
        for people in [dict(zip(part[by], part["positive_patients"], strict=True))]
        for one, other in _pairs(list(people), by)
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=[name for name in _POWER if name in _GIVEN])
    n1, n2 = (table[name].to_numpy(dtype=float) for name in ("patients_a", "patients_b"))
    rest = sensitivity - drop
    low, high = newcombe(sensitivity * n1, n1, rest * n2, n2)
    return table.assign(
        sensitivity=sensitivity,
        drop=drop,
        power=power_of(sensitivity, rest, n1, n2),
        detectable_drop=detectable_drop(sensitivity, n1, n2),
        difference_low=low,
        difference_high=high,
        needed=needed_per_group(sensitivity, rest),
    )[list(_POWER)].astype(_POWER)


_GIVEN = {"finding", "split", "attribute", "level_a", "level_b", "patients_a", "patients_b", "unit", "policy"}


def _pairs(levels: list[str], by: str) -> list[tuple[str, str]]:
    known = [band for band in AGE_BANDS if band in levels] if by == "age_band" else sorted(levels)
    return [(one, other) for at, one in enumerate(known) for other in known[at + 1 :]]


def check_drop(sensitivity: float, drop: float) -> None:
    """Refuse a drop that does not leave a rate between 0 and 1."""
    if not 0 < sensitivity < 1:
        raise CxrdashError(f"sensitivity must lie between 0 and 1, not at {sensitivity:g}.", "Write 0.9 for 90%.")
    if not 0 < drop <= sensitivity:
        raise CxrdashError(
            f"A drop of {drop:g} from a sensitivity of {sensitivity:g} is not possible.",
            "Use a drop above 0 and at most the sensitivity.",
        )


@statistic(
    "Interval widths of every measure in each part",
    method="Wilson at the expected cases, Hanley-McNeil on the logit scale; METHODS 3.2 to 3.5",
    sql=named("test_sizes").sql,
)
def test_widths(  # noqa: PLR0913 - each assumption stands on the page under its own name
    index: Index,
    cohort: Cohort | None = None,
    *,
    policy: Policy | str = "as_is",
    unit: Unit | None = None,
    sensitivity: float = 0.9,
    specificity: float = 0.9,
    auc: float = 0.85,
    half_width: float = 0.05,
) -> pd.DataFrame:
    """One row per finding, part and measure: sensitivity, specificity, ppv, npv, auc, if it were as assumed.

    ``cases`` is what the interval rests on: positive patients, negative patients, the expected patients
    called positive (ppv) or negative (npv), positive patients again (auc). The predictive values follow from
    the assumed sensitivity and specificity at this part's share of positive patients, and hold only there.
    ``none_failed`` is what no failure in ``cases`` still allows (exact one-sided 95% bound, 1 - 0.05^(1/n);
    undefined for auc). ``needed`` cases bring the half-width down to ``half_width``, ``collect`` the units of
    this part's mix that hold them.
    """
    import pandas as pd

    sizes = test_sizes(index, cohort, policy=policy, unit=unit, sensitivity=sensitivity, auc=auc, half_width=half_width)
    if not 0 < specificity < 1:
        raise CxrdashError(f"specificity must lie between 0 and 1, not at {specificity:g}.", "Write 0.9 for 90%.")
    people, others = (sizes[name].to_numpy(dtype=float) for name in ("positive_patients", "negative_patients"))
    units = (sizes["positive"] + sizes["negative"]).to_numpy(dtype=float)
    assumed = {"sensitivity": sensitivity, "specificity": specificity, "auc": auc}
    frames = []
    for measure in MEASURES:
        rows = _auc_rows(people, others, auc, half_width) if measure == "auc" else _rows(
            *expected_cases(measure, people, others, assumed), half_width)  # fmt: skip
        rows["collect"] = ratio(np.ceil(rows["needed"] * ratio(units, rows["cases"])), 1)
        frames.append(sizes[["finding", "split", "unit", "policy"]].assign(measure=measure, **rows))
    return pd.concat(frames, ignore_index=True)[list(_WIDTHS)].astype(_WIDTHS)


def expected_cases(measure: str, positives: Array, negatives: Array, assumed: dict[str, float]) -> tuple[Array, Array]:
    """Return the cases a measure rests on and its assumed value, for these positives and negatives."""
    true, false = assumed["sensitivity"] * positives, (1 - assumed["specificity"]) * negatives
    missed, left = positives - true, negatives - false
    tops = {"sensitivity": (true, positives), "specificity": (left, negatives),
            "ppv": (true, true + false), "npv": (left, left + missed)}  # fmt: skip
    top, cases = tops[measure]
    return cases, ratio(top, cases)


def _rows(cases: Array, value: Array, half_width: float) -> dict[str, Any]:
    low, high = intervals.wilson(np.where(cases > 0, value * cases, 0), cases)
    known = np.where(np.isfinite(value), value, 0.5)
    return {
        "assumed": value, "cases": cases, "low": low, "high": high, "half_width": (high - low) / 2,
        "none_failed": intervals.rule_of_three(cases).exact_one_sided,
        "needed": np.where(np.isfinite(value), intervals.positives_needed(half_width, known), 0),
    }  # fmt: skip


def _auc_rows(people: Array, others: Array, auc: float, half_width: float) -> dict[str, Any]:
    low, high = intervals.auc_interval(auc, people, others)
    mix = np.where(people > 0, ratio(others, people), 0)
    needed = [
        int(intervals.auc_positives_needed(auc, half_width, negatives_per_positive=many)) if many > 0 else 0
        for many in mix.tolist()
    ]
    return {
        "assumed": auc, "cases": people, "low": low, "high": high, "half_width": (high - low) / 2,
        "none_failed": np.nan, "needed": needed,
    }  # fmt: skip
