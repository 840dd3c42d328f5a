"""What a loader holds: the images of a cohort with labels that its rules may have changed.

Labels stay patterns while rules only rewrite states: such a rule changes a dictionary of a few thousand
rows, however many images there are. A loader's missing value is the state blank.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from cxrdash.index.selection import Selection
from cxrdash.labels.findings import Finding
from cxrdash.labels.states import State

_COLUMNS = """
SELECT image, coalesce(patient, -1) AS patient, coalesce(study, -1) AS study, pattern, age_years,
       list_position($views, view) - 1 AS view, list_position($sexes, sex) - 1 AS sex,
       list_position($parts, split) - 1 AS part, sample_key
FROM selected ORDER BY image
"""


@dataclass(frozen=True)
class Loaded:
    """What a loader holds after some of its rules.

    ``columns`` are arrays with one item per image, in the order of the index; ``pattern`` points into
    ``states`` (int8, patterns by findings) and ``recorded`` into ``baseline``, the labels as the dataset
    has them. ``used`` marks the findings that are still labels.
    """

    selection: Selection
    columns: dict[str, np.ndarray]
    states: np.ndarray
    baseline: np.ndarray
    findings: tuple[Finding, ...]
    used: np.ndarray

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]

    @property
    def images(self) -> int:
        return len(self["image"])

    @cached_property
    def patients(self) -> int:
        return len(np.unique(self["patient"][self["patient"] >= 0]))

    @cached_property
    def positives(self) -> np.ndarray:
        """Images positive for each finding, int64."""
        return self.in_state(State.POSITIVE)

    def in_state(self, state: State) -> np.ndarray:
        weights = np.bincount(self["pattern"], minlength=len(self.states))
        counts: np.ndarray = weights @ (self.states == state)
        return counts.astype(np.int64)

    def keep(self, rows: np.ndarray) -> Loaded:
        """Return the images of ``rows`` (a mask or places)."""
        return replace(self, columns={name: column[rows] for name, column in self.columns.items()})

    def coded(self, name: str, values: tuple[str, ...] | list[str]) -> np.ndarray:
        """Return which images have one of these views, sexes or parts."""
        levels = self.selection.index.levels({"part": "split"}.get(name, name))
        return np.isin(self[name], [at for at, level in enumerate(levels) if level in values])

    def places(self, names: list[str]) -> np.ndarray:
        """Return which findings are named, by the dataset's name, its files' or the shared vocabulary's."""
        wanted = set(names)
        found = [bool(wanted & {f.name, f.source_name, f.harmonised or f.name}) for f in self.findings]
        return np.array(found, dtype=bool)

    def of_kind(self, kind: str) -> np.ndarray:
        return np.array([finding.kind == kind for finding in self.findings], dtype=bool)


@dataclass(frozen=True)
class Changes:
    """Labels before and after, as distinct pairs of rows; ``pair_of`` says which pair an image has."""

    before: np.ndarray
    after: np.ndarray
    pair_of: np.ndarray

    def counts(self, to: State) -> np.ndarray:
        """Images whose label became ``to``, by finding. Uncertain or not, missing is one state."""
        counts: np.ndarray = self._weights @ (self._changed & (_as_loader(self.after) == to))
        return counts.astype(np.int64)

    def images(self, used: np.ndarray) -> int:
        """Images with at least one label changed among the findings ``used``."""
        return int(self._weights[self._changed[:, used].any(axis=1)].sum())

    def first_images(self) -> list[int]:
        """For each finding the place of the first image whose label changed, -1 where none did."""
        found = []
        for changed in self._changed.T:
            rows = changed[self.pair_of]
            found.append(int(rows.argmax()) if rows.any() else -1)
        return found

    @cached_property
    def _changed(self) -> np.ndarray:
        changed: np.ndarray = _as_loader(self.before) != _as_loader(self.after)
        return changed

    @cached_property
    def _weights(self) -> np.ndarray:
        return np.bincount(self.pair_of, minlength=len(self.before))


@dataclass(frozen=True)
class Outcome:
    """What a rule did; ``changes`` is None where it touches no label, ``note`` what counts cannot say."""

    loaded: Loaded
    changes: Changes | None = None
    note: str = ""
    applied: bool = True
    patients_shared: int = 0


def load(selection: Selection) -> Loaded:
    """Return the cohort as a loader that applies no rule would hold it."""
    index = selection.index
    names = {"views": "view", "sexes": "sex", "parts": "split"}
    columns = selection.arrays(_COLUMNS, **{key: list(index.levels(name)) for key, name in names.items()})
    # A column that may hold NULL comes as a masked array.
    columns["age_years"] = np.ma.filled(np.ma.asarray(columns["age_years"], dtype=float), np.nan)
    arrays = {name: np.asarray(column) for name, column in columns.items()}
    used = np.ones(len(index.findings), dtype=bool)
    states = index.dictionary
    return Loaded(selection, arrays | {"recorded": arrays["pattern"]}, states, states, index.findings, used)


def net_changes(loaded: Loaded) -> Changes:
    """Return how the labels differ from those the dataset has for the same images."""
    return paired(loaded.baseline, loaded["recorded"], loaded.states, loaded["pattern"])


def _as_loader(states: np.ndarray) -> np.ndarray:
    known: np.ndarray = np.maximum(states, State.BLANK)
    return known


def paired(before: np.ndarray, old: np.ndarray, after: np.ndarray, new: np.ndarray) -> Changes:
    pairs, pair_of = np.unique(old.astype(np.int64) * max(len(after), 1) + new, return_inverse=True)
    first, second = np.divmod(pairs, max(len(after), 1))
    return Changes(before[first], after[second], pair_of.ravel())
