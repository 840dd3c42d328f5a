"""Sums over patients, per finding, from which clustered intervals and counts of patients follow (METHODS 0.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cxrdash.analysis.intervals import ClusterSums
from cxrdash.index.selection import BY, Selection
from cxrdash.index.store import Unit
from cxrdash.labels.policies import Policy
from cxrdash.labels.states import State

Levels = tuple[str, ...]

# Units in the denominator start at "all" (or none, where blank is left out) and are shifted only by the
# patterns that differ from that, so silent findings cost nothing. `counted` and `shift` are per unit.
_PARTS = """
WITH parts AS (
    SELECT {levels}{cluster} AS patient, pattern, {count}::BIGINT AS units FROM selected
    WHERE {cluster} IS NOT NULL GROUP BY ALL),
sizes AS (SELECT {names}patient, sum(units)::BIGINT AS m FROM parts GROUP BY ALL)
"""
_TOTALS = (
    _PARTS
    + "SELECT {names}count(*)::BIGINT AS k, sum(m)::BIGINT AS n, sum(m * m)::DOUBLE AS m2 FROM sizes GROUP BY ALL"
)
_SUMS = (
    _PARTS
    + """,
changed AS (
    SELECT pattern, finding, (state IN $positive)::BIGINT AS counted, (state IN $denominator)::BIGINT - $base AS shift
    FROM patterns WHERE state IN $positive OR (state IN $denominator)::BIGINT <> $base),
people AS (
    SELECT {names}patient, finding, sum(units * counted)::BIGINT AS x, sum(units * shift)::BIGINT AS shift
    FROM parts JOIN changed USING (pattern) GROUP BY ALL),
counted AS (
    SELECT {names}finding, x, m * $base AS base, m * $base + shift AS d FROM people JOIN sizes USING ({names}patient))
SELECT {names}finding::VARCHAR AS finding, sum(x)::DOUBLE AS x, sum(x * x)::DOUBLE AS x2, sum(x * d)::DOUBLE AS xd,
       sum(d - base)::DOUBLE AS n_shift, sum(d * d - base * base)::DOUBLE AS d2_shift,
       sum((d > 0)::BIGINT - (base > 0)::BIGINT)::DOUBLE AS k_shift,
       count(*) FILTER (WHERE x > 0)::BIGINT AS positive_patients,
       sum((d > x)::BIGINT - (base > 0)::BIGINT)::DOUBLE AS negative_shift
FROM counted GROUP BY ALL
"""
)


@dataclass(frozen=True)
class PatientSums:
    """Per level of the splitting attributes, in the order of ``levels``; arrays have shape (levels, findings).

    ``positive_patients`` have at least one positive unit, ``negative_patients`` at least one that counts
    and is not positive.
    """

    levels: list[Levels]
    sums: ClusterSums
    positive_patients: np.ndarray
    negative_patients: np.ndarray


def patient_sums(selection: Selection, policy: Policy, unit: Unit, by: tuple[str, ...] = ()) -> PatientSums:
    """Sum units and positives over patients; images without a patient are left out.

    Where the dataset has no patients at all, every image stands for one.
    """
    if unit == "study" and not selection.index.meta["study_labels_constant"]:
        unit = "image"  # a study whose images differ has no single label to cluster
    words = _words(unit, by) | {"cluster": "patient" if selection.index.counts["patients"] else "image"}
    base = int(State.BLANK in policy.denominator_states)
    sums = selection.arrays(
        _SUMS.format(**words),
        positive=_texts(policy.positive_states),
        denominator=_texts(policy.denominator_states),
        base=base,
    )
    totals = selection.arrays(_TOTALS.format(**words))
    levels = [tuple(str(totals[name][at]) for name in by) for at in range(len(totals["k"]))]
    return _assembled(selection, by, base, levels, (totals, sums))


def _assembled(
    selection: Selection,
    by: tuple[str, ...],
    base: int,
    levels: list[Levels],
    found: tuple[dict[str, Any], dict[str, Any]],
) -> PatientSums:
    totals, sums = found
    row = {level: at for at, level in enumerate(levels)}
    column = {name: at for at, name in enumerate(selection.index.finding_names)}
    where = (
        [row[tuple(str(sums[name][at]) for name in by)] for at in range(len(sums["finding"]))],
        [column[finding] for finding in sums["finding"]],
    )

    def spread(name: str) -> np.ndarray:
        values = np.zeros((len(levels), len(column)))
        if len(where[0]):
            values[where] = sums[name]
        return values

    k, n, m2 = (np.asarray(totals[name], dtype=float)[:, None] * base for name in ("k", "n", "m2"))
    return PatientSums(
        levels,
        ClusterSums(
            patients=k + spread("k_shift"),
            units=n + spread("n_shift"),
            positives=spread("x"),
            sum_x2=spread("x2"),
            sum_xm=spread("xd"),
            sum_m2=m2 + spread("d2_shift"),
        ),
        positive_patients=spread("positive_patients").astype(np.int64),
        negative_patients=(k + spread("negative_shift")).astype(np.int64),
    )


def _words(unit: Unit, by: tuple[str, ...]) -> dict[str, str]:
    return {
        "levels": "".join(f"{BY[name]} AS {name}, " for name in by),
        "names": "".join(f"{name}, " for name in by),
        "count": "count(DISTINCT study)" if unit == "study" else "count(*)",
    }


def _texts(states: frozenset[State]) -> list[str]:
    return sorted(state.label for state in states)
