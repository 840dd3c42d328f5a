"""Sums over patients, per finding, from which clustered intervals and counts of patients follow (METHODS 0.4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxrdash.analysis.intervals import ClusterSums
from cxrdash.index.selection import AGE_BANDS, BY, Selection
from cxrdash.index.store import Unit
from cxrdash.labels.policies import Policy
from cxrdash.labels.states import State

Levels = tuple[str, ...]
STATES = len(State)

# Patients are read in ranges with about so many images, which bounds memory however large the dataset is, and
# summed in portions of so many cells of patient by finding, which stay in the processor's cache.
IMAGES_AT_ONCE = 2_000_000
CELLS_AT_ONCE = 200_000
_UNITS = "SELECT {cluster} AS patient, pattern{columns} FROM selected WHERE {cluster} BETWEEN $first AND $last"


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


@dataclass(frozen=True)
class StateSums:
    """What every policy's sums follow from; the first axes are (levels, findings), or (levels,) alone.

    ``units[..., s]`` counts units in state s, ``products[..., s, t]`` sums over patients their units in
    state s times those in state t, ``patients[..., mask]`` counts patients whose units are in exactly the
    states of the mask (bit s for state s).
    """

    levels: list[Levels]
    units: np.ndarray
    products: np.ndarray
    patients: np.ndarray

    def under(self, policy: Policy) -> PatientSums:
        """Return the sums with a policy's positives and denominator."""
        positive, counted = _weights(policy.positive_states), _weights(policy.denominator_states)
        masks = np.arange(2**STATES)
        any_positive, any_counted = (
            _meets(masks, policy.positive_states),
            _meets(masks, policy.denominator_states),
        )
        any_negative = _meets(masks, policy.denominator_states - policy.positive_states)
        return PatientSums(
            self.levels,
            ClusterSums(
                patients=(self.patients @ any_counted).astype(float),
                units=self.units @ counted,
                positives=self.units @ positive,
                sum_x2=self.products @ positive @ positive,
                sum_xm=self.products @ counted @ positive,
                sum_m2=self.products @ counted @ counted,
            ),
            positive_patients=self.patients @ any_positive,
            negative_patients=self.patients @ any_negative,
        )


def _weights(states: Iterable[State]) -> NDArray[np.float64]:
    weights = np.zeros(STATES)
    weights[sorted(states)] = 1
    return weights


def _meets(masks: np.ndarray, states: Iterable[State]) -> NDArray[np.int64]:
    return ((masks & sum(1 << state for state in states)) > 0).astype(np.int64)


def patient_sums(selection: Selection, policy: Policy, unit: Unit, by: Levels = ()) -> PatientSums:
    """Sum units and positives over patients; images without a patient are left out.

    Where the dataset has no patients at all, every image stands for one.
    """
    return state_sums(selection, unit, by).under(policy)


def state_sums(selection: Selection, unit: Unit, by: Levels = (), *, dictionary: np.ndarray | None = None) -> StateSums:
    """Sum units by state over patients, in one pass over the cohort; see ``patient_sums``.

    ``dictionary`` (patterns, labels) stands in for the index's own where labels are made of findings.
    """
    index = selection.index
    known_states = index.dictionary if dictionary is None else dictionary
    labels = known_states.shape[1]
    groups = [AGE_BANDS if name == "age_band" else index.levels(name) for name in by]
    shapes = ((STATES,), (STATES, STATES), (2**STATES,))
    totals: dict[int, list[np.ndarray]] = {}
    for found in _patients_units(selection, unit, by, groups):
        read, states = _sorted_units(found, known_states)
        places = _Places.of(states, read.pattern)
        for portion in read.portions(max(1, CELLS_AT_ONCE // labels)):
            for level, sums in _level_sums(portion, places):
                known = totals.setdefault(level, [np.zeros((labels, *shape)) for shape in shapes])
                for total, summand in zip(known, sums, strict=True):
                    total += summand
    if not by:  # the whole cohort is a level even where it is empty
        totals.setdefault(0, [np.zeros((labels, *shape)) for shape in shapes])
    codes = sorted(totals)
    columns = [
        np.array([totals[code][at] for code in codes]).reshape(len(codes), labels, *shape)
        for at, shape in enumerate(shapes)
    ]
    return StateSums([_level_at(code, groups) for code in codes], columns[0], columns[1], columns[2].astype(np.int64))


def _level_at(code: int, groups: list[tuple[str, ...]]) -> Levels:
    places = np.unravel_index(code, [len(group) for group in groups]) if groups else ()
    return tuple(group[at] for group, at in zip(groups, places, strict=True))


@dataclass(frozen=True)
class _Units:
    """One entry per unit, sorted by level and patient: its pattern, and the patients' first entries and levels."""

    pattern: np.ndarray
    starts: np.ndarray
    level: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        """Units of each patient."""
        return np.diff(np.append(self.starts, len(self.pattern)))

    def portions(self, patients: int) -> Iterator[_Units]:
        """Yield the units of so many patients at a time."""
        for first in range(0, len(self.starts), patients):
            starts = self.starts[first : first + patients]
            end = self.starts[first + patients] if first + patients < len(self.starts) else len(self.pattern)
            level = self.level[first : first + patients]
            yield _Units(self.pattern[starts[0] : end], starts - starts[0], level)


def _patients_units(
    selection: Selection, unit: Unit, by: Levels, groups: list[tuple[str, ...]]
) -> Iterator[dict[str, np.ndarray]]:
    index, level = selection.index, "0"
    for name, group in zip(by, groups, strict=True):
        level = f"({level} * {len(group)} + list_position($levels_{name}, {BY[name]}) - 1)"
    lists = {f"levels_{name}": list(group) for name, group in zip(by, groups, strict=True)}
    columns = f", ({level})::UINTEGER AS level" if by else ""
    if unit == "study":
        columns += ", coalesce(study, -1) AS study"
    images = max(index.counts["images"], 1)
    cluster, patients = ("patient", index.counts["patients"]) if index.counts["patients"] else ("image", images)
    step = max(1, patients * IMAGES_AT_ONCE // images)
    for first in range(0, patients, step):
        found = selection.arrays(
            _UNITS.format(cluster=cluster, columns=columns), first=first, last=first + step - 1, **lists
        )
        if len(found["patient"]):
            yield found


def _sorted_units(found: dict[str, np.ndarray], states: np.ndarray) -> tuple[_Units, np.ndarray]:
    """Return the units by level and patient, and the states (patterns, labels) that their patterns point into.

    Images lie by patient and study, so there is little to sort. A study is one unit: the union of its
    images' states by precedence (labels.State), which is the same for all where the labels are constant.
    """
    if np.any(found["patient"][1:] < found["patient"][:-1]):
        order = np.lexsort((found.get("study", found["patient"]), found["patient"]))
        found = {name: column[order] for name, column in found.items()}
    if "level" in found:
        narrow = found["level"].astype(np.uint16) if found["level"].max() < 2**16 else found["level"]
        order = np.argsort(narrow, kind="stable")
        found = {name: column[order] for name, column in found.items()}
    new = _changes(found["patient"]) | (_changes(found["level"]) if "level" in found else False)
    if "study" in found:
        first = np.flatnonzero(new | _changes(found["study"]))
        known = found["study"][first] >= 0  # an image of no study is no unit
        studies = {name: column[first[known]] for name, column in found.items() if name != "study"}
        if len(first) < len(new):
            unions = np.maximum.reduceat(states[found["pattern"]], first, axis=0)[known]
            states, studies["pattern"] = np.unique(unions, axis=0, return_inverse=True)
        return _sorted_units(studies, states)
    starts = np.flatnonzero(new)
    level = found["level"][starts] if "level" in found else np.zeros(len(starts), dtype=np.int64)
    return _Units(found["pattern"], starts, level.astype(np.int64)), states


def _changes(column: np.ndarray) -> np.ndarray:
    return np.append(True, column[1:] != column[:-1])[: len(column)]


@dataclass(frozen=True)
class _Places:
    """Where each state stands in the dictionary: how often per pattern, and in which findings one after another.

    The commonest state is ``rest``: it is what the others leave over, so it is never counted.
    """

    findings: int
    rest: int
    of_state: dict[int, tuple[np.ndarray, np.ndarray]]

    @staticmethod
    def of(dictionary: np.ndarray, pattern: np.ndarray) -> _Places:
        """Return the places of the states that occur in units with these patterns."""
        present = np.bincount(pattern, minlength=len(dictionary))
        times = [(dictionary == state).sum(axis=1) for state in range(STATES)]
        counts = [int(present @ per_pattern) for per_pattern in times]
        rest = int(np.argmax(counts))
        places = {
            state: (times[state], np.nonzero(dictionary == state)[1])
            for state in range(STATES)
            if counts[state] and state != rest
        }
        return _Places(dictionary.shape[1], rest, places)


def _level_sums(units: _Units, places: _Places) -> Iterator[tuple[int, tuple[np.ndarray, ...]]]:
    """Yield each level's units, products and patients (see StateSums), each with findings as first axis."""
    codes, row = np.unique(units.level, return_inverse=True)
    counted = list(places.of_state)
    cells = np.zeros((len(counted), len(units.starts) * places.findings))
    for at, (times, finding) in enumerate(places.of_state.values()):
        cells[at] = _cell_counts(units, times, finding, places.findings)
    sums = _Moments(units.sizes.astype(float), row, len(codes), places.findings).of(cells, counted, places.rest)
    for at, code in enumerate(codes.tolist()):
        yield code, tuple(part[at] for part in sums)


def _cell_counts(units: _Units, per_pattern: np.ndarray, finding: np.ndarray, findings: int) -> np.ndarray:
    """Count the units in a state, in cells of patient by finding (see _Places for the state's arguments)."""
    begin = np.cumsum(per_pattern) - per_pattern
    times = per_pattern[units.pattern]
    taken = np.repeat(begin[units.pattern] - (np.cumsum(times) - times), times) + np.arange(times.sum())
    cells = len(units.starts) * findings
    first_cell = np.repeat(np.arange(0, cells, findings), units.sizes)
    return np.bincount(np.repeat(first_cell, times) + finding[taken], minlength=cells)


@dataclass(frozen=True)
class _Moments:
    """Sums over patients of sizes and cell counts, by level and finding; only cells that are not 0 are touched."""

    sizes: np.ndarray
    row: np.ndarray  # the level of each patient
    levels: int
    findings: int

    def of(self, cells: np.ndarray, counted: list[int], rest: int) -> tuple[np.ndarray, ...]:
        shape = (self.levels, self.findings)
        used = np.flatnonzero(cells.any(axis=0))
        patient, finding = np.divmod(used, self.findings)
        values, sizes = cells[:, used], self.sizes[patient]
        group = self.row[patient] * self.findings + finding

        def summed(weights: np.ndarray) -> np.ndarray:
            return np.bincount(group, weights, minlength=self.levels * self.findings).reshape(shape)

        units, products = np.zeros((*shape, STATES)), np.zeros((*shape, STATES, STATES))
        for at, state in enumerate(counted):
            units[..., state] = summed(values[at])
            with_sizes = summed(values[at] * sizes)
            for other_at, other in enumerate(counted):
                products[..., state, other] = summed(values[at] * values[other_at])
            products[..., state, rest] = products[..., rest, state] = with_sizes - products[..., state, :].sum(axis=-1)
        units[..., rest] = self._by_level(self.sizes) - units.sum(axis=-1)
        squares = self._by_level(self.sizes**2)
        products[..., rest, rest] = squares - products.sum(axis=(-1, -2))
        mask = ((values > 0) * (1 << np.array(counted, dtype=np.int64))[:, None]).sum(axis=0)
        mask += (sizes > values.sum(axis=0)) * (1 << rest)
        width = 2**STATES
        patients = np.bincount(group * width + mask, minlength=self.levels * self.findings * width)
        patients = patients.reshape(*shape, width)
        patients[..., 1 << rest] += (self._by_level(np.ones_like(self.sizes)) - patients.sum(axis=-1)).astype(np.int64)
        return units, products, patients

    def _by_level(self, values: np.ndarray) -> np.ndarray:
        return np.bincount(self.row, values, minlength=self.levels)[:, None]
