"""The second opinion: the same tables counted with pandas, image by image, from the invented rows themselves."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from cxrdash.analysis.intervals import ClusterSums
from cxrdash.labels.policies import Policy
from cxrdash.labels.states import State
from tests.datasets import Invented

AGE_EDGES = (("0-17", 18), ("18-39", 40), ("40-59", 60), ("60-74", 75), ("75+", 1000))


def units_of(dataset: Invented, unit: str, table: pd.DataFrame | None = None) -> pd.DataFrame:
    """One row per unit: patient_id and the state of each finding, the strongest of the unit's images."""
    images = dataset.table if table is None else table
    if unit == "image":
        return images
    known = images[images[f"{unit}_id"].notna()]
    return known.groupby(f"{unit}_id").agg({"patient_id": "first"} | dict.fromkeys(dataset.findings, "max")).copy()


def age_band(age: float | None) -> str:
    if age is None or np.isnan(age):
        return "unknown"
    return next(band for band, below in AGE_EDGES if age < below)


def marked(dataset: Invented) -> pd.DataFrame:
    """The images with their age band."""
    return dataset.table.assign(age_band=[age_band(age) for age in pd.to_numeric(dataset.images["age_years"])])


def parts(states: pd.Series, policy: Policy) -> tuple[pd.Series, pd.Series]:
    """Which units are positive and which count, under a policy."""
    return states.isin(policy.positive_states), states.isin(policy.denominator_states)


def clusters(units: pd.DataFrame, finding: str, policy: Policy) -> ClusterSums:
    """The sums over patients by a group-by, patients without a unit that counts left out."""
    known = units[units["patient_id"].notna()]
    positive, counted = parts(known[finding], policy)
    sizes = counted.groupby(known["patient_id"]).sum()
    positives = positive.groupby(known["patient_id"]).sum()
    return ClusterSums.of_patients(sizes, positives)


def pair_table(
    units: pd.DataFrame, findings: Sequence[str], policy: Policy
) -> list[tuple[str, str, int, int, int, int]]:
    """finding_a, finding_b, both, a, b and of, each counted where both findings count."""
    rows = []
    for one, other in itertools.product(findings, repeat=2):
        is_a, counts_a = parts(units[one], policy)
        is_b, counts_b = parts(units[other], policy)
        known = counts_a & counts_b
        rows.append((one, other, *(int(mask.sum()) for mask in (is_a & is_b, is_a & known, is_b & known, known))))
    return rows


def combinations(units: pd.DataFrame, findings: Sequence[str], policy: Policy) -> dict[tuple[str, ...], int]:
    """How many units have exactly each set of positive findings."""
    counts: dict[tuple[str, ...], int] = {}
    for states in units[list(findings)].to_numpy():
        found = tuple(
            name for name, state in zip(findings, states, strict=True) if State(int(state)) in policy.positive_states
        )
        counts[found] = counts.get(found, 0) + 1
    return counts
