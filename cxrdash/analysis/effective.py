"""What repeated imaging leaves of the number of images, per finding, with an interval (METHODS 1.3 to 1.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cxrdash.analysis.intervals import LEVEL, ClusteredRates, ClusterSums, clustered, critical_value, ratio
from cxrdash.analysis.patient_units import PatientUnits, patient_units
from cxrdash.analysis.prevalence import default_unit
from cxrdash.analysis.registry import as_policy, statistic
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import select
from cxrdash.index.store import Index, Unit
from cxrdash.labels.policies import Policy

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
_COLUMNS = {
    "finding": "str", "unit": "str", "images": "int64", "patients": "int64", "of": "int64", "of_patients": "int64",
    "rate": "float64", "if_repeats_added_nothing": "float64", "effective_n": "float64", "effective_low": "float64",
    "effective_high": "float64", "design_effect": "float64", "icc": "float64", "kish_effect": "float64",
    "method": "str", "policy": "str",
}  # fmt: skip
_SQL = """
SELECT finding, count(*) AS images, count(DISTINCT patient) AS patients FROM selected JOIN patterns USING (pattern)
WHERE state = 'positive' AND patient IS NOT NULL GROUP BY ALL ORDER BY ALL
"""


@statistic(
    "Range of the effective size per finding",
    method="direct design effect, METHODS 1.5, interval by a jackknife over patients on the log scale; "
    "N²/Σm² if repeats added nothing, METHODS 1.7",
    sql=_SQL,
)
def effective_range(
    index: Index, cohort: Cohort | None = None, *, policy: Policy | str = "as_is", unit: Unit | None = None
) -> pd.DataFrame:
    """Per finding: positive units and patients, and between which numbers the worth of its units lies.

    For estimating how common the finding is, the ``of`` units of ``of_patients`` patients carry about as
    much information as ``effective_n`` units of different patients, with its 95% interval ``effective_low``
    to ``effective_high`` (NaN below 30 patients, or where one patient decides). If all units of a patient
    were copies it would be ``if_repeats_added_nothing``, if they were independent ``of``. It belongs to one
    finding, unit and proportion: no size of the dataset, no size of a training set (METHODS 1.7).
    ``icc`` and ``kish_effect`` describe only: both fail where sicker patients have more films (METHODS 1.3).
    Images without a patient are left out; in a dataset without patients every image stands for one.
    """
    import pandas as pd

    chosen, counted = as_policy(policy), unit or default_unit(index)
    units = patient_units(select(index, cohort), counted)
    known = units.patient >= 0 if index.counts["patients"] else np.ones(units.clusters, dtype=bool)
    positive, denominator = units.positive(chosen), units.counted(chosen)
    rows = []
    for at, finding in enumerate(index.finding_names):
        sizes, positives, patients = _histogram(units, known, denominator[:, at], positive[:, at])
        rows.append({"finding": finding, **size_range(sizes, positives, patients)})
    table = pd.DataFrame(rows, columns=[name for name in _COLUMNS if name not in ("unit", "policy")])
    return table.assign(unit=counted, policy=str(chosen))[list(_COLUMNS)].astype(_COLUMNS)


def size_range(sizes: ArrayLike, positives: ArrayLike, patients: ArrayLike) -> dict[str, object]:
    """Return one row of ``effective_range`` from a histogram: ``patients`` with so many units and positives.

    Three arrays of one length; patients without units do not count.
    """
    m, x, c = (np.asarray(column, dtype=float) for column in (sizes, positives, patients))
    kept = (m > 0) & (c > 0)
    m, x, c = m[kept], x[kept], c[kept]
    rates = clustered(_sums(m, x, c))
    low, high = jackknife_interval(m, x, c)
    icc = intraclass_correlation(m, x, c)
    floor = ratio(np.square(c @ m), c @ (m * m))
    return {
        "images": int(c @ x), "patients": int(c[x > 0].sum()), "of": int(c @ m), "of_patients": int(c.sum()),
        "rate": float(rates.rate), "if_repeats_added_nothing": float(floor), "effective_n": float(rates.effective_n),
        "effective_low": low, "effective_high": high, "design_effect": float(rates.design_effect), "icc": icc,
        "kish_effect": 1 + (float(ratio(c @ (m * m), c @ m)) - 1) * icc, "method": _method(rates, low),
    }  # fmt: skip


def jackknife_interval(
    sizes: ArrayLike, positives: ArrayLike, patients: ArrayLike, *, level: float = LEVEL
) -> tuple[float, float]:
    """Return the interval of the effective n by leaving out one patient at a time, on the log scale.

    Arguments as in ``size_range``. NaN below 30 patients, where leaving one out leaves no positive or no
    negative unit, and where one patient decides: an interval of more than a factor of 100 says nothing.
    Exactly N where every patient has one unit. Both ends are at most N, as the estimate is.
    """
    m, x, c = (np.asarray(column, dtype=float) for column in (sizes, positives, patients))
    k, n = float(c.sum()), float(c @ m)
    if k == n and 0 < c @ x < n:
        return n, n
    if k < FEW:
        return float("nan"), float("nan")
    whole = np.array([k, n, c @ x, c @ (x * x), c @ (x * m), c @ (m * m)])
    without = whole[:, None] - np.stack([np.ones_like(m), m, x, x * x, x * m, m * m])
    here, others = float(_log_size(whole)), _log_size(without)
    with np.errstate(invalid="ignore"):
        error = float(np.sqrt((k - 1) / k * (c @ np.square(others - c @ others / k))))
    step = critical_value(level) * error
    if not np.isfinite(here) or not step <= np.log(WIDEST):
        return float("nan"), float("nan")
    low, high = np.minimum(np.exp([here - step, here + step]), n)
    return float(low), float(high)


def intraclass_correlation(sizes: ArrayLike, positives: ArrayLike, patients: ArrayLike | float = 1) -> float:
    """Return how alike the units of one patient are: the ANOVA estimator, not clipped (METHODS 1.3).

    NaN without a patient of two units, below two patients, or where all units are alike. Negative where
    sicker patients have more units: it assumes the same prevalence at every number of units.
    """
    m, x = np.asarray(sizes, dtype=float), np.asarray(positives, dtype=float)
    c = np.broadcast_to(np.asarray(patients, dtype=float), m.shape)
    k, n, positive = float(c.sum()), float(c @ m), float(c @ x)
    if k < 2 or n <= k or positive in (0, n):
        return float("nan")
    within = float(c @ (x * x / m))
    between_mean, within_mean = (within - positive**2 / n) / (k - 1), (positive - within) / (n - k)
    usual = (n - float(c @ (m * m)) / n) / (k - 1)
    return (between_mean - within_mean) / (between_mean + (usual - 1) * within_mean)


FEW = 30
WIDEST = 10.0  # factor below and above the estimate


def _log_size(sums: Array) -> Array:
    """Logarithm of the effective n from k, N, X and the second moments; not finite where it is undefined."""
    k, n, x, x2, xm, m2 = sums
    with np.errstate(divide="ignore", invalid="ignore"):
        p = x / n
        squares = x2 - 2 * p * xm + p * p * m2
        return np.asarray(np.log(p * (1 - p) * n * n * (k - 1)) - np.log(k * squares))


def _sums(m: Array, x: Array, c: Array) -> ClusterSums:
    return ClusterSums(
        *(np.asarray(value, dtype=float) for value in (c.sum(), c @ m, c @ x, c @ (x * x), c @ (x * m), c @ (m * m)))
    )


def _method(rates: ClusteredRates, low: float) -> str:
    if np.isnan(rates.effective_n):
        return "undefined below 2 patients"
    if np.isnan(rates.design_effect):
        return "number of patients: none or all positive"
    return "direct design effect" + (", no interval (few patients decide)" if np.isnan(low) else ", jackknife interval")


def _histogram(
    units: PatientUnits, known: NDArray[np.bool_], counted: NDArray[np.bool_], positive: NDArray[np.bool_]
) -> tuple[Array, Array, Array]:
    """Distinct pairs of units and positive units per patient, and how many patients have them."""
    sizes = np.asarray(units.counts @ counted.astype(float))[known]
    positives = np.asarray(units.counts @ (counted & positive).astype(float))[known]
    width = int(sizes.max(initial=0)) + 1
    codes, patients = np.unique(sizes * width + positives, return_counts=True)
    m, x = np.divmod(codes, width)
    return m, x, patients.astype(float)
