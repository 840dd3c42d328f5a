"""Which pairs of labels are told apart from independence: clustered odds ratios and many comparisons (METHODS 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cxrdash.analysis.comparisons import benjamini_hochberg
from cxrdash.analysis.intervals import LEVEL, critical_value
from cxrdash.analysis.pairs import pair_counts
from cxrdash.analysis.patient_units import PatientUnits, patient_units
from cxrdash.analysis.prevalence import default_unit
from cxrdash.analysis.registry import as_policy, named, statistic
from cxrdash.errors import CxrdashError, shown
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import select
from cxrdash.index.store import Index, Unit
from cxrdash.labels.policies import Policy

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
Whole = NDArray[np.int64]
TOLD_APART = 0.05
FEW_EXPECTED = 5
CELLS_AT_ONCE = 20_000_000  # of clusters by pairs
TABLES_AT_ONCE = 2_000_000  # of the same margins
_COLUMNS = {
    "finding_a": "str", "finding_b": "str", "unit": "str", "both": "int64", "a": "int64", "b": "int64", "of": "int64",
    "expected": "float64", "lift": "float64", "phi": "float64", "odds_ratio": "float64", "odds_low": "float64",
    "odds_high": "float64", "log_error": "float64", "log_error_independent": "float64", "corrected": "bool",
    "p_value": "float64", "q": "float64", "verdict": "str", "policy": "str",
}  # fmt: skip


@statistic(
    "Odds ratio of every pair of findings",
    method="standard error clustered by patient, METHODS 4.2; Fisher's test where fewer than 5 are expected; "
    "q: Benjamini-Hochberg over the pairs tested, METHODS 4.5",
    sql=named("pair_counts").sql,
)
def pair_odds(
    index: Index,
    cohort: Cohort | None = None,
    *,
    policy: Policy | str = "as_is",
    unit: Unit | None = None,
    findings: tuple[str, ...] = (),
) -> pd.DataFrame:
    """One row per unordered pair of findings, in card order: its odds ratio with an interval that knows about patients.

    ``both``, ``a``, ``b``, ``of`` and ``expected`` as in ``pair_counts``. ``odds_low`` and ``odds_high`` are the
    95% interval with the patient as cluster; ``log_error_independent`` is the standard error that takes
    units for independent. Where a cell is empty 0.5 is added to all four (``corrected``) and the greater of
    the two errors is used, because an empty cell has no patients whose spread could be seen. ``q`` is the
    p-value freed of the number of comparisons; where fewer than 5 are expected the p-value is the greater
    of the clustered one and Fisher's. ``verdict`` is 'together', 'apart', or '' where q is 0.05 or more.
    Undefined (NaN, not tested) where a finding is positive in none or in all units.
    ``findings`` keeps the pairs among these, which are then all that is tested. With ``unit`` patient it asks
    whether a patient *ever* had both: that mixes dates and grows with follow-up (METHODS 4.3).
    """
    chosen, counted = as_policy(policy), unit or default_unit(index)
    pairs = pair_counts(index, cohort, policy=chosen, unit=counted)
    place = {name: at for at, name in enumerate(index.finding_names)}
    first, second = (np.asarray(pairs[name].map(place), dtype=np.int64) for name in ("finding_a", "finding_b"))
    once = (first < second) & _among(index, pairs, findings)
    table = pairs[once].reset_index(drop=True)
    units = patient_units(select(index, cohort), counted)
    error = _errors(units, chosen, (first[once], second[once]), _cells(table))
    return _judged(table.assign(unit=counted), error)[list(_COLUMNS)].astype(_COLUMNS)


def _among(index: Index, pairs: pd.DataFrame, findings: tuple[str, ...]) -> NDArray[np.bool_]:
    unknown = [name for name in findings if name not in index.finding_names]
    if unknown:
        raise CxrdashError(f"There is no finding '{shown(unknown[0])}'.", "Known: " + ", ".join(index.finding_names))
    kept = set(findings or index.finding_names)
    return np.asarray(pairs["finding_a"].isin(kept) & pairs["finding_b"].isin(kept))


def _cells(table: pd.DataFrame) -> Array:
    """Units with both, with A alone, with B alone and with neither: shape (4, pairs)."""
    both, a, b, of = (table[name].to_numpy(dtype=float) for name in ("both", "a", "b", "of"))
    return np.stack([both, a - both, b - both, of - a - b + both])


def _corrected(cells: Array) -> Array:
    return np.where((cells == 0).any(axis=0), cells + 0.5, cells)


def _errors(
    units: PatientUnits, policy: Policy, pairs: tuple[NDArray[np.int64], NDArray[np.int64]], cells: Array
) -> Array:
    """Clustered standard error of each pair's log odds ratio; NaN below two clusters."""
    first, second = pairs
    k = units.clusters
    if k < 2:
        return np.full(len(first), np.nan)
    positive, counted = units.positive(policy), units.counted(policy)
    found = np.empty(len(first))
    step = max(1, CELLS_AT_ONCE // k)
    share = 1 / _corrected(cells)
    for start in range(0, len(first), step):
        at = slice(start, start + step)
        a, b = positive[:, first[at]], positive[:, second[at]]
        both_count = counted[:, first[at]] & counted[:, second[at]]
        # Each unit adds +1/a, -1/b, -1/c or +1/d by its cell: a sum over a patient is one product of matrices.
        score = np.where(a, np.where(b, share[0, at], -share[1, at]), np.where(b, -share[2, at], share[3, at]))
        sums = units.counts @ np.where(both_count, score, 0.0)
        found[at] = np.sqrt(k / (k - 1) * np.einsum("ij,ij->j", sums, sums))
    return found


def _judged(table: pd.DataFrame, error: Array) -> pd.DataFrame:
    cells = _cells(table)
    defined = table["odds_ratio"].notna().to_numpy()
    plain = np.sqrt((1 / np.where(defined, _corrected(cells), np.nan)).sum(axis=0))
    error = np.where(defined, np.where(table["corrected"], np.maximum(error, plain), error), np.nan)
    log_odds = np.log(np.where(defined, table["odds_ratio"], np.nan))
    step = critical_value(LEVEL) * error
    p = _p_values(table, log_odds, error, cells)
    q = benjamini_hochberg(p)
    verdict = np.where(q < TOLD_APART, np.where(log_odds > 0, "together", "apart"), "")
    return table.assign(
        odds_low=np.exp(log_odds - step), odds_high=np.exp(log_odds + step), log_error=error,
        log_error_independent=plain, p_value=p, q=q, verdict=verdict,
    )  # fmt: skip


def _p_values(table: pd.DataFrame, log_odds: Array, error: Array, cells: Array) -> Array:
    from scipy.stats import norm

    with np.errstate(invalid="ignore", divide="ignore"):
        p = np.asarray(2 * norm.sf(np.abs(log_odds) / np.where(error > 0, error, np.nan)), dtype=float)
    few = np.flatnonzero((table["expected"] < FEW_EXPECTED).to_numpy() & np.isfinite(log_odds))
    p[few] = np.fmax(p[few], fisher(cells[:, few]))
    return p


def fisher(cells: Any) -> Array:
    """Return Fisher's two-sided p-value of many tables: ``cells`` (4, tables) are both, A alone, B alone, neither.

    The sum over all tables of the same margins that are no likelier than the one seen; as
    `scipy.stats.fisher_exact`, which takes one table at a time.
    """
    both, a_alone, b_alone, neither = np.asarray(cells, dtype=np.int64).reshape(4, -1)
    of, a, b = both + a_alone + b_alone + neither, both + a_alone, both + b_alone
    fewest = np.maximum(0, a + b - of)
    sizes = np.minimum(a, b) - fewest + 1
    portion = np.cumsum(sizes) // TABLES_AT_ONCE
    p = np.empty(len(both))
    for number in np.unique(portion):
        at = portion == number
        p[at] = _fisher(both[at], of[at], a[at], b[at], fewest[at], sizes[at])
    p[sizes == 1] = 1.0  # no other table has these margins
    return p


def _fisher(both: Whole, of: Whole, a: Whole, b: Whole, fewest: Whole, sizes: Whole) -> Array:
    from scipy.special import gammaln

    first = np.cumsum(sizes) - sizes
    table = np.repeat(np.arange(len(sizes)), sizes)
    k = np.arange(len(table)) - np.repeat(first - fewest, sizes)  # units with both in each possible table
    known = sum(gammaln(n + 1) for n in (a, b, of - a, of - b)) - gammaln(of + 1)
    cells = (k, a[table] - k, b[table] - k, (of - a - b)[table] + k)
    chance = np.exp(known[table] - sum(gammaln(n + 1) for n in cells))
    seen = chance[first + both - fewest]
    # Equally likely tables differ by rounding.
    no_likelier = np.where(chance <= seen[table] * (1 + 1e-7), chance, 0.0)
    return np.minimum(np.add.reduceat(no_likelier, first), 1.0)
