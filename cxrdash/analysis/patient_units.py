"""Which patient has how many units of which labels: what clustered standard errors are summed from (METHODS 0.4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cxrdash.index.selection import Selection, require_unit
from cxrdash.index.store import Unit
from cxrdash.labels.policies import Policy
from cxrdash.labels.states import State

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Whole = NDArray[np.int64]

# An image without a patient is a cluster of its own.
_CLUSTER = "CASE WHEN patient IS NULL THEN -1 - image ELSE patient END"
_IMAGES = f"SELECT {_CLUSTER} AS cluster, pattern, count(*)::BIGINT AS units FROM selected GROUP BY ALL ORDER BY ALL"
_PATTERNS = f"""
SELECT DISTINCT {_CLUSTER} AS cluster, {{unit}} AS unit, pattern FROM selected
WHERE {{unit}} IS NOT NULL ORDER BY ALL
"""


@dataclass(frozen=True)
class PatientUnits:
    """Rows of ``units`` units of one cluster that carry one row of ``states`` (int8, patterns by findings).

    ``cluster`` counts from 0 in the order of ``patient``: the patient's number, or -1 - image where an
    image has no patient.
    """

    cluster: Whole
    pattern: Whole
    units: Whole
    states: NDArray[np.int8]
    patient: Whole

    @property
    def clusters(self) -> int:
        return len(self.patient)

    @cached_property
    def counts(self) -> csr_array:
        """Units by cluster and pattern."""
        from scipy.sparse import csr_array

        shape = (self.clusters, max(len(self.states), 1))
        return csr_array((self.units.astype(float), (self.cluster, self.pattern)), shape=shape)

    def positive(self, policy: Policy) -> NDArray[np.bool_]:
        """Return which findings are positive under the policy in which pattern: boolean (patterns, findings)."""
        return self._in(policy.positive_states)

    def counted(self, policy: Policy) -> NDArray[np.bool_]:
        """Return which findings count in the denominator in which pattern: boolean (patterns, findings)."""
        return self._in(policy.denominator_states)

    def _in(self, states: Iterable[State]) -> NDArray[np.bool_]:
        states = np.isin(self.states, sorted(states))
        return states if len(states) else np.zeros((1, self.states.shape[1]), dtype=bool)


def patient_units(selection: Selection, unit: Unit) -> PatientUnits:
    """Read the units of a cohort by patient; a study's or patient's states are the union over its images."""
    index = selection.index
    require_unit(index, unit)
    states = index.dictionary
    if unit == "image":
        found = selection.arrays(_IMAGES)
        units = found["units"].astype(np.int64)
    else:
        found = selection.arrays(_PATTERNS.format(unit=unit))
        found, states = _unions(found, states)
        units = np.ones(len(found["cluster"]), dtype=np.int64)
    patient, cluster = np.unique(found["cluster"].astype(np.int64), return_inverse=True)
    return PatientUnits(cluster.astype(np.int64), found["pattern"].astype(np.int64), units, states, patient)


def _unions(found: dict[str, np.ndarray], states: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """One row per unit; where its images' labels differ its pattern is their union, added to ``states``."""
    cluster, unit, pattern = (found[name].astype(np.int64) for name in ("cluster", "unit", "pattern"))
    if not len(unit):
        return {"cluster": cluster, "pattern": pattern}, states
    first = np.flatnonzero(np.append(True, (unit[1:] != unit[:-1]) | (cluster[1:] != cluster[:-1])))
    several = np.diff(np.append(first, len(unit))) > 1
    joined = pattern[first]
    if several.any():
        rows = np.repeat(several, np.diff(np.append(first, len(unit))))
        starts = np.flatnonzero(np.isin(np.flatnonzero(rows), first[several]))
        unions = np.maximum.reduceat(states[pattern[rows]], starts, axis=0)
        known, place = np.unique(unions, axis=0, return_inverse=True)
        joined[several] = len(states) + place.ravel()
        states = np.vstack([states, known])
    return {"cluster": cluster[first], "pattern": joined}, states
