"""Sums over patients, per finding, from which clustered intervals and counts of patients follow (METHODS 0.4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from cxrdash.analysis.intervals import ClusterSums
from cxrdash.index.levels import numbered
from cxrdash.index.selection import Selection
from cxrdash.index.store import Index, Unit
from cxrdash.index.units import Groups, changes, grouped, in_order, in_ranges
from cxrdash.labels.policies import Policy
from cxrdash.labels.states import State

Levels = tuple[str, ...]
STATES = len(State)

# Patients are summed in portions of so many cells of patient by finding, which stay in the processor's cache.
CELLS_AT_ONCE = 200_000


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
    labels, levels = known_states.shape[1], numbered(index, by)
    shapes = ((STATES,), (STATES, STATES), (2**STATES,))
    totals: dict[int, list[np.ndarray]] = {}
    cluster, study = ("patient" if index.counts["patients"] else "image"), ", coalesce(study, -1) AS study"
    for found in in_ranges(selection, cluster, levels, more=study if unit == "study" else ""):
        units, states = _units(found, known_states)
        places = _places_of(index) if states is index.dictionary else _Places.of(states, np.bincount(units.pattern))
        for portion in _Patients.of(units).portions(max(1, CELLS_AT_ONCE // labels)):
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
    named = list(zip(*(names.tolist() for names in levels.names(np.array(codes, dtype=np.int64))), strict=True))
    return StateSums(named if by else [()], columns[0], columns[1], columns[2].astype(np.int64))


def _units(found: dict[str, np.ndarray], states: np.ndarray) -> tuple[Groups, np.ndarray]:
    """Return the units by level and patient, and the states (patterns, labels) that their patterns point into.

    A study is one unit: the union of its images' states by precedence (labels.State), which is the same
    for all where the labels are constant.
    """
    found = in_order(found)
    if "study" not in found:
        return grouped(found), states
    new = changes(found["key"]) | (changes(found["level"]) if "level" in found else False)
    first = np.flatnonzero(new | changes(found["study"]))
    known = found["study"][first] >= 0  # an image of no study is no unit
    studies = {name: column[first[known]] for name, column in found.items() if name != "study"}
    lengths = np.diff(first, append=len(new))
    differs = np.add.reduceat(found["pattern"] != np.repeat(found["pattern"][first], lengths), first) > 0
    differs &= found["study"][first] >= 0
    if differs.any():  # in most datasets a study's images share its labels
        rows = np.repeat(differs, lengths)
        starts = np.cumsum(lengths[differs]) - lengths[differs]
        unions = np.maximum.reduceat(states[found["pattern"][rows]], starts, axis=0)
        made, place = np.unique(unions, axis=0, return_inverse=True)
        studies["pattern"][differs[known]] = len(states) + place
        states = np.concatenate([states, made])
    return grouped(studies), states


@dataclass(frozen=True)
class _Patients:
    """Patients with their units' patterns. Where all units have one pattern, it stands once for ``size`` units.

    ``length`` entries from ``starts`` belong to a patient; ``alike`` patients are just like it.
    """

    pattern: np.ndarray
    starts: np.ndarray
    length: np.ndarray
    level: np.ndarray
    size: np.ndarray
    alike: np.ndarray

    @staticmethod
    def of(units: Groups) -> _Patients:
        (level, pattern, size, alike), several = units.parted()
        sizes, once = several.sizes, np.ones(len(level), dtype=np.int64)
        return _Patients(
            pattern=np.concatenate([pattern, several.pattern]),
            starts=np.concatenate([np.arange(len(pattern)), several.starts + len(pattern)]),
            length=np.concatenate([once, sizes]),
            level=np.concatenate([level, several.level]),
            size=np.concatenate([size, sizes]).astype(float),
            alike=np.concatenate([alike, np.ones(len(sizes))]),
        )

    def portions(self, patients: int) -> Iterator[_Patients]:
        """Yield so many patients at a time."""
        for first in range(0, len(self.starts), patients):
            part = slice(first, first + patients)
            starts, length = self.starts[part], self.length[part]
            pattern = self.pattern[starts[0] : starts[-1] + length[-1]]
            yield _Patients(pattern, starts - starts[0], length, self.level[part], self.size[part], self.alike[part])


@dataclass(frozen=True)
class _Places:
    """Where each state stands in the dictionary: how often per pattern, and in which findings one after another.

    The commonest state is ``rest``: it is what the others leave over, so it is never counted.
    """

    findings: int
    rest: int
    of_state: dict[int, tuple[np.ndarray, np.ndarray]]

    @staticmethod
    def of(dictionary: np.ndarray, units: np.ndarray) -> _Places:
        """Return the places of the states that occur in patterns with so many units each."""
        times = [(dictionary == state).sum(axis=1) for state in range(STATES)]
        counts = [int(units @ per_pattern[: len(units)]) for per_pattern in times]
        rest = int(np.argmax(counts))
        places = {
            state: (times[state], np.nonzero(dictionary == state)[1])
            for state in range(STATES)
            if counts[state] and state != rest
        }
        return _Places(dictionary.shape[1], rest, places)


_KNOWN_PLACES: WeakKeyDictionary[Index, _Places] = WeakKeyDictionary()


def _places_of(index: Index) -> _Places:
    """Return the places in the index's own dictionary, found once."""
    if index not in _KNOWN_PLACES:
        images = index.arrays("SELECT images FROM pattern_sizes ORDER BY pattern")["images"].astype(np.int64)
        _KNOWN_PLACES[index] = _Places.of(index.dictionary, images)
    return _KNOWN_PLACES[index]


def _level_sums(units: _Patients, places: _Places) -> Iterator[tuple[int, tuple[np.ndarray, ...]]]:
    """Yield each level's units, products and patients (see StateSums), each with findings as first axis."""
    codes, row = np.unique(units.level, return_inverse=True)
    counted = list(places.of_state)
    cells = np.zeros((len(counted), len(units.starts) * places.findings))
    for at, (times, finding) in enumerate(places.of_state.values()):
        cells[at] = _cell_counts(units, times, finding, places.findings)
    sums = _Moments(units, row, len(codes), places.findings).of(cells, counted, places.rest)
    for at, code in enumerate(codes.tolist()):
        yield code, tuple(part[at] for part in sums)


def _cell_counts(units: _Patients, per_pattern: np.ndarray, finding: np.ndarray, findings: int) -> np.ndarray:
    """Count the entries in a state, in cells of patient by finding (see _Places for the state's arguments)."""
    begin = np.cumsum(per_pattern) - per_pattern
    times = per_pattern[units.pattern]
    taken = np.repeat(begin[units.pattern] - (np.cumsum(times) - times), times) + np.arange(times.sum())
    cells = len(units.starts) * findings
    first_cell = np.repeat(np.arange(0, cells, findings), units.length)
    return np.bincount(np.repeat(first_cell, times) + finding[taken], minlength=cells)


@dataclass(frozen=True)
class _Moments:
    """Sums over patients of sizes and cell counts, by level and finding; only cells that are not 0 are touched."""

    patients: _Patients
    row: np.ndarray  # the level of each patient
    levels: int
    findings: int

    def of(self, cells: np.ndarray, counted: list[int], rest: int) -> tuple[np.ndarray, ...]:
        shape = (self.levels, self.findings)
        used = np.flatnonzero(cells.any(axis=0))
        patient, finding = np.divmod(used, self.findings)
        size, alike = self.patients.size, self.patients.alike
        values, sizes, weight = cells[:, used] * (size / self.patients.length)[patient], size[patient], alike[patient]
        group = self.row[patient] * self.findings + finding

        def summed(weights: np.ndarray) -> np.ndarray:
            return np.bincount(group, weights, minlength=self.levels * self.findings).reshape(shape)

        units, products = np.zeros((*shape, STATES)), np.zeros((*shape, STATES, STATES))
        for at, state in enumerate(counted):
            weighted = values[at] * weight
            units[..., state] = summed(weighted)
            with_sizes = summed(weighted * sizes)
            for other_at, other in enumerate(counted):
                products[..., state, other] = summed(weighted * values[other_at])
            products[..., state, rest] = products[..., rest, state] = with_sizes - products[..., state, :].sum(axis=-1)
        units[..., rest] = self._by_level(size * alike) - units.sum(axis=-1)
        products[..., rest, rest] = self._by_level(size**2 * alike) - products.sum(axis=(-1, -2))
        mask = ((values > 0) * (1 << np.array(counted, dtype=np.int64))[:, None]).sum(axis=0)
        mask += (sizes > values.sum(axis=0)) * (1 << rest)
        width = 2**STATES
        patients = np.bincount(group * width + mask, weight, minlength=self.levels * self.findings * width)
        patients = patients.reshape(*shape, width)
        patients[..., 1 << rest] += self._by_level(alike) - patients.sum(axis=-1)
        return units, products, patients

    def _by_level(self, values: np.ndarray) -> np.ndarray:
        return np.bincount(self.row, values, minlength=self.levels)[:, None]
