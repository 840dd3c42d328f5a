"""Several datasets counted alike: the same films, the same unit, labels in the shared vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from cxrdash.analysis.clusters import state_sums
from cxrdash.analysis.intervals import ClusteredRates, ClusterSums, clustered
from cxrdash.config import Cache
from cxrdash.errors import CxrdashError
from cxrdash.index import generations
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import Selection, require_unit, select
from cxrdash.index.store import Index, Unit, open_index
from cxrdash.labels.expression import Atom, Expression, Or, format_expression
from cxrdash.labels.policies import Policy
from cxrdash.labels.states import State
from cxrdash.labels.vocabulary import Mapping, mapped

if TYPE_CHECKING:
    from cxrdash.analysis.clusters import Levels

FRONTAL = ("PA", "AP", "AP_SUPINE", "FRONTAL_UNKNOWN")
Others = Sequence["str | Index"] | str


@dataclass(frozen=True)
class Harmonised:
    """A cohort of one dataset with the shared vocabulary's labels in place of its own findings.

    A label made of several findings has the strongest of their states (labels.State). Every array
    below has one entry per mapping, in the order of ``mappings``.
    """

    selection: Selection
    mappings: tuple[Mapping, ...]

    @property
    def dataset(self) -> str:
        return self.selection.index.dataset

    @cached_property
    def dictionary(self) -> np.ndarray:
        """States of every pattern: int8 of shape (patterns, mappings)."""
        return self.joined(self.selection.index.dictionary)

    def joined(self, states: np.ndarray) -> np.ndarray:
        """Return states of shape (rows, findings) as states of shape (rows, mappings)."""
        place = {name: at for at, name in enumerate(self.selection.index.finding_names)}
        columns = [states[:, [place[name] for name in one.findings]].max(axis=1) for one in self.mappings]
        return np.stack(columns, axis=1) if columns else np.zeros((len(states), 0), dtype=np.int8)

    def counts(self, policy: Policy, unit: Unit, by: Levels = ()) -> dict[Levels, tuple[int, np.ndarray, np.ndarray]]:
        """Return, per level, all units, those positive and those that count; units without a level are none."""
        table = self.selection.labels(unit, by)
        states = self.joined(table.states)
        positive = table.weights[:, None] * np.isin(states, sorted(policy.positive_states))
        counted = table.weights[:, None] * np.isin(states, sorted(policy.denominator_states))
        rows: dict[Levels, list[int]] = {} if by else {(): list(range(len(table.weights)))}
        for at, level in enumerate(zip(*(table.levels[name].tolist() for name in by), strict=True)):
            rows.setdefault(level, []).append(at)
        return {
            level: (int(table.weights[at].sum()), positive[at].sum(axis=0), counted[at].sum(axis=0))
            for level, at in sorted(rows.items())
        }

    def rates(self, policy: Policy, unit: Unit) -> tuple[np.ndarray, np.ndarray, ClusteredRates]:
        """Return positive units, those that count, and rates with patient-clustered intervals."""
        _, positive, counted = self.counts(policy, unit)[()]
        if unit == "patient" or not self.selection.index.counts["patients"]:
            return positive, counted, clustered(ClusterSums.of_independent(counted, positive))
        sums = state_sums(self.selection, unit, dictionary=self.dictionary).under(policy).sums
        whole = ClusterSums(*(getattr(sums, part.name)[0] for part in fields(sums)))
        return positive, counted, clustered(whole)


def harmonised(index: Index, cohort: Cohort) -> Harmonised:
    """Return a dataset's cohort in the shared vocabulary; errors as ``readable``."""
    return Harmonised(readable(index, cohort), mapped(index.meta["source"], index.findings))


def readable(index: Index, cohort: Cohort) -> Selection:
    """Return the cohort in this dataset.

    Raises CxrdashError, naming the dataset, where it cannot read the cohort's label expression.
    """
    selection = select(index, cohort)
    try:
        _ = selection.expression  # read here, so that its fault names the dataset
    except CxrdashError as fault:
        raise CxrdashError(f"In dataset {index.dataset}: {fault.message}", fault.hint, details=fault.details) from fault
    return selection


def frontal(index: Index, cohort: Cohort | None) -> Cohort:
    """Return the cohort with its frontal films only (METHODS 9.1).

    One that names views keeps those, and a dataset that names no view of any film keeps all films.
    """
    known = cohort or Cohort()
    return known if known.views or not _views_known(index) else known.narrow(Cohort(views=FRONTAL))


def films(index: Index, cohort: Cohort | None) -> str:
    """Return in words which films ``frontal`` keeps."""
    if cohort is not None and cohort.views:
        return "views of the cohort"
    return "frontal" if _views_known(index) else "all, views unknown"


def _views_known(index: Index) -> bool:
    return any(view != "UNKNOWN" for view in index.levels("view"))


def beside(index: Index, others: Others) -> list[Index]:
    """Return the dataset and the others, each once; without ``others``, every dataset of the same cache.

    ``others`` are open indexes, names, or one text of names separated by commas. Raises CxrdashError for a
    name that is not indexed there.
    """
    folder = Cache(index.path.parents[2])
    named = {index.dataset: index}
    wanted = [name.strip() for name in others.split(",") if name.strip()] if isinstance(others, str) else others
    for other in wanted or generations.datasets(folder):
        name = other if isinstance(other, str) else other.dataset
        if name not in named:
            named[name] = open_index(other, folder) if isinstance(other, str) else other
    return list(named.values())


def common_unit(indexes: Sequence[Index], unit: Unit | None) -> Unit:
    """Return the unit all datasets are counted in: the one asked for, or the first dataset's where all have it.

    Raises CxrdashError where a dataset does not identify the unit asked for.
    """
    if unit is None:
        wanted = indexes[0].units[0]
        return wanted if all(wanted in index.units for index in indexes) else "image"
    for index in indexes:
        require_unit(index, unit)
    return unit


def any_positive(findings: Sequence[str], policy: Policy) -> str:
    """Return the label expression for units positive for at least one of these findings under a policy."""
    states: list[State] = sorted(policy.positive_states, reverse=True)
    atoms: list[Expression] = [Atom(name, state) for name in findings for state in states]
    return format_expression(atoms[0] if len(atoms) == 1 else Or(tuple(atoms))) if atoms else ""
