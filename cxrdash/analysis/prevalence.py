"""How common each finding is: four states, every policy, intervals that know about repeat imaging."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxrdash.analysis.clusters import StateSums, state_sums
from cxrdash.analysis.intervals import ClusteredRates, ClusterSums, clustered, wilson
from cxrdash.analysis.registry import as_policy, statistic
from cxrdash.analysis.stacked import stacked
from cxrdash.errors import CxrdashError, shown
from cxrdash.index.cohort import Cohort
from cxrdash.index.levels import ways_to_split
from cxrdash.index.selection import LabelTable, Selection, require_unit, select
from cxrdash.index.store import Index, Unit
from cxrdash.labels.policies import ALL_POLICIES, Policy
from cxrdash.labels.states import State

if TYPE_CHECKING:
    import pandas as pd

COUNTED_STATES = (State.POSITIVE, State.UNCERTAIN, State.NEGATIVE, State.BLANK, State.NOT_ASSESSED)
_METHOD = "Wilson interval with the effective n of the patient clusters, METHODS 2.2"
_SQL = """
SELECT finding, state, count(*) AS images FROM selected JOIN patterns USING (pattern)
GROUP BY ALL ORDER BY finding, state
"""


@statistic("Prevalence of each finding", method=_METHOD, sql=_SQL)
def prevalence(
    index: Index, cohort: Cohort | None = None, *, policy: Policy | str = "as_is", unit: Unit | None = None
) -> pd.DataFrame:
    """One row per finding in card order: units in each recorded state, and the rate under a policy.

    ``positive``, ``uncertain``, ``negative``, ``blank`` and ``not_assessed`` count units as recorded;
    ``counted`` is the numerator under the policy, ``of`` its denominator, ``rate`` their ratio (NaN
    where ``of`` is 0). ``low`` and ``high`` allow for several units of one patient; ``low_independent``
    and ``high_independent`` (plain Wilson) pretend that they are independent.
    """
    return _rates(select(index, cohort), as_policy(policy), unit or default_unit(index), ())


@statistic("Prevalence by an attribute", method=_METHOD, sql=_SQL)
def prevalence_by(
    index: Index,
    cohort: Cohort | None = None,
    *,
    by: str = "view",
    policy: Policy | str = "as_is",
    unit: Unit | None = None,
) -> pd.DataFrame:
    """The table of ``prevalence`` for each level of ``by``, in a column so named.

    ``by`` is split, view, sex, age_band or what the dataset tells beyond: label_method and study_year in
    PadChest, and what a cxrdash.toml names.
    """
    if by not in ways_to_split(index):
        raise CxrdashError(
            f"{index.title} cannot be split by '{shown(by)}'.", f"Use one of {', '.join(ways_to_split(index))}."
        )
    return _rates(select(index, cohort), as_policy(policy), unit or default_unit(index), (by,))


@statistic("Prevalence under every policy", method=_METHOD, sql=_SQL)
def prevalence_policies(index: Index, cohort: Cohort | None = None, *, unit: Unit | None = None) -> pd.DataFrame:
    """The table of ``prevalence`` under every uncertainty policy, with the policy in a column."""
    chosen = unit or default_unit(index)
    counted = _counted(select(index, cohort), chosen, ())  # one pass over the images serves all policies
    tables = [table for policy in ALL_POLICIES for table in _tables(index, counted, policy, chosen, ())]
    return stacked(tables, len(index.findings))


@statistic("Images, patients and effective size per finding", method="direct design effect, METHODS 1.5", sql=_SQL)
def effective_size(
    index: Index, cohort: Cohort | None = None, *, policy: Policy | str = "as_is", unit: Unit | None = None
) -> pd.DataFrame:
    """Per finding: positive units and patients, and what the units are worth for estimating its prevalence.

    ``effective_n`` independent units would give an interval as wide as the one shown; it belongs to one
    finding, one unit and this proportion, and is no size of the dataset (METHODS 1.7).
    """
    table = prevalence(index, cohort, policy=policy, unit=unit)
    return table.rename(columns={"counted": "images", "positive_patients": "patients"})[
        [
            "finding",
            "unit",
            "images",
            "patients",
            "of",
            "rate",
            "design_effect",
            "effective_n",
            "method",
            "policy",
        ]
    ]


def default_unit(index: Index) -> Unit:
    """Return the unit that was labelled (METHODS 0.1)."""
    return index.units[0]


def _rates(selection: Selection, policy: Policy, unit: Unit, by: tuple[str, ...]) -> pd.DataFrame:
    index = selection.index
    return stacked(_tables(index, _counted(selection, unit, by), policy, unit, by), len(index.findings))


Counts = dict[tuple[str, ...], np.ndarray]


@dataclass(frozen=True)
class _Counted:
    """Units by level, state and finding, and their sums over patients (None where no unit has a patient)."""

    counts: Counts
    sums: StateSums | None


def _counted(selection: Selection, unit: Unit, by: tuple[str, ...]) -> _Counted:
    index = selection.index
    require_unit(index, unit)
    sums = state_sums(selection, unit, by) if unit != "patient" and index.counts["patients"] else None
    if sums is not None and sums.levels and unit == "image" and not index.counts["without_patient"]:
        counts = {level: units.T.astype(np.int64) for level, units in zip(sums.levels, sums.units, strict=True)}
        return _Counted({level: counts[level] for level in sorted(counts)}, sums)
    return _Counted(state_counts(selection.labels(unit, by), by, len(index.findings)), sums)


def _tables(
    index: Index, units: _Counted, policy: Policy, unit: Unit, by: tuple[str, ...]
) -> list[dict[str, np.ndarray | str]]:
    """The columns of each level."""
    names = np.array(index.finding_names)
    tables: list[dict[str, np.ndarray | str]] = []
    patients, rates = _clustered(units, policy, unit)
    for level, states in units.counts.items():
        counted, of = _ratio_parts(states, policy)
        low, high = wilson(counted, of)
        table: dict[str, np.ndarray | str] = {
            **dict(zip(by, level, strict=True)),
            "finding": names,
            "unit": unit,
            **{state.label: states[state] for state in COUNTED_STATES},
            "counted": counted,
            "of": of,
            "rate": np.divide(counted, of, out=np.full(len(of), np.nan), where=of > 0),
            "low": rates[level].low,
            "high": rates[level].high,
            "method": rates[level].method,
            "low_independent": low,
            "high_independent": high,
            "design_effect": rates[level].design_effect,
            "effective_n": rates[level].effective_n,
            "positive_patients": patients[level],
            "policy": str(policy),
        }
        tables.append(table)
    return tables


def state_counts(table: LabelTable, by: tuple[str, ...], findings: int) -> Counts:
    """Return, per level, units by state and finding: int64 of shape (5 states by value, findings)."""
    if not by:
        return {(): _count(table.states, table.weights, findings)}
    levels = list(zip(*(table.levels[name].tolist() for name in by), strict=True))
    rows: dict[tuple[str, ...], list[int]] = {}
    for at, level in enumerate(levels):
        rows.setdefault(level, []).append(at)
    return {
        level: _count(table.states[rows[level]], table.weights[rows[level]], findings) for level in sorted(rows)
    } or {tuple("" for _ in by): np.zeros((len(State), findings), dtype=np.int64)}


def _count(states: np.ndarray, weights: np.ndarray, findings: int) -> np.ndarray:
    counts = np.zeros((len(State), findings), dtype=np.int64)
    for state in State:
        counts[state] = weights @ (states == state) if len(weights) else 0
    return counts


def _ratio_parts(states: np.ndarray, policy: Policy) -> tuple[np.ndarray, np.ndarray]:
    """Numerator and denominator of every finding under a policy (METHODS 2.3)."""
    return states[sorted(policy.positive_states)].sum(axis=0), states[sorted(policy.denominator_states)].sum(axis=0)


def _clustered(
    units: _Counted, policy: Policy, unit: Unit
) -> tuple[dict[tuple[str, ...], np.ndarray], dict[tuple[str, ...], ClusteredRates]]:
    """Positive patients and clustered rates per level; without patients every unit stands for itself."""
    patients: dict[tuple[str, ...], np.ndarray] = {}
    rates: dict[tuple[str, ...], ClusteredRates] = {}
    known = {}
    if units.sums is not None:
        sums = units.sums.under(policy)
        known = {level: at for at, level in enumerate(sums.levels)}
    for level, states in units.counts.items():
        counted, of = _ratio_parts(states, policy)
        if level in known:
            at = known[level]
            patients[level] = sums.positive_patients[at]
            rates[level] = clustered(_row(sums.sums, at))
        else:
            patients[level] = counted if unit == "patient" or not known else np.zeros_like(counted)
            rates[level] = clustered(ClusterSums.of_independent(of, counted))
    return patients, rates


def _row(sums: ClusterSums, at: int) -> ClusterSums:
    return ClusterSums(
        sums.patients[at],
        sums.units[at],
        sums.positives[at],
        sums.sum_x2[at],
        sums.sum_xm[at],
        sums.sum_m2[at],
    )
