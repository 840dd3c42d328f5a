"""What one patient or study holds stands together, is counted alike where it is alike, and unites by precedence."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cxrdash.index.cohort import Cohort
from cxrdash.index.levels import AGE_BANDS, BY, numbered
from cxrdash.index.selection import select
from cxrdash.index.state_bits import state_bits, states_of
from cxrdash.index.store import Index
from cxrdash.index.units import grouped, in_order, in_ranges, unions
from cxrdash.labels.states import State
from tests.datasets import chexpert_row, indexed, invent, write_chexpert

STATES = st.integers(0, len(State) - 1)
ENTRIES = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=30)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return invent(11, patients=40).index(tmp_path_factory.mktemp("units"))


@given(arrays(np.int8, st.tuples(st.integers(1, 5), st.integers(1, 40)), elements=STATES))
def test_states_survive_as_bits(states: np.ndarray) -> None:
    assert np.array_equal(states_of(state_bits(states), states.shape[1]), states)


@given(arrays(np.int8, st.tuples(st.integers(1, 6), st.integers(1, 40)), elements=STATES))
def test_the_or_of_bits_is_the_highest_precedence(states: np.ndarray) -> None:
    united = np.bitwise_or.reduce(state_bits(states), axis=0, keepdims=True)
    assert np.array_equal(states_of(united, states.shape[1])[0], states.max(axis=0))


@given(ENTRIES)
def test_groups_of_one_pattern_are_counted_and_the_others_kept(entries: list[tuple[int, int, int]]) -> None:
    keys, levels, patterns = (np.array(column, dtype=np.int32) for column in zip(*entries, strict=True))
    groups = grouped(in_order({"key": keys, "level": levels.astype(np.uint8), "pattern": patterns}))
    held: dict[tuple[int, int], list[int]] = {}
    for key, level, pattern in entries:
        held.setdefault((level, key), []).append(pattern)
    alike, several = groups.parted()
    counted = Counter((level, has[0], len(has)) for (level, _), has in held.items() if len(set(has)) == 1)
    assert {tuple(row[:3]): row[3] for row in zip(*(column.tolist() for column in alike), strict=True)} == counted
    kept = sorted((level, sorted(has)) for (level, _), has in held.items() if len(set(has)) > 1)
    parts = np.split(several.pattern, several.starts[1:]) if len(several.starts) else []
    found = sorted((level, sorted(part.tolist())) for level, part in zip(several.level.tolist(), parts, strict=True))
    assert found == kept


@pytest.mark.parametrize("by", [(), ("sex",), ("age_band",), ("split", "view"), ("split", "view", "sex", "age_band")])
def test_every_image_has_the_number_of_its_own_levels(index: Index, by: tuple[str, ...]) -> None:
    levels = numbered(index, by)
    columns = ", ".join(f"{BY[name]} AS {name}" for name in by) or "0 AS nothing"
    rows = select(index).arrays(f"SELECT {columns}, {levels.code} AS number FROM selected", **levels.parameters)
    for name, named in zip(by, levels.names(rows["number"].astype(np.int64)), strict=True):
        assert named.tolist() == rows[name].tolist()
    assert rows["number"].max() < levels.count


def test_age_bands_begin_at_their_first_year(tmp_path: Path) -> None:
    ages = (1, 17, 18, 39, 40, 59, 60, 74, 75, 90)
    rows = [chexpert_row(patient, age=str(age)) for patient, age in enumerate(ages, start=1)]
    index = indexed(write_chexpert(tmp_path / "files", rows), "chexpert")
    levels = numbered(index, ("age_band",))
    found = select(index).rows(f"SELECT {levels.code} FROM selected ORDER BY age_years", **levels.parameters)
    assert [AGE_BANDS[code] for (code,) in found] == [band for band in AGE_BANDS[:5] for _ in range(2)]


@pytest.mark.parametrize("at_once", [1, 50, 10**6])
def test_ranges_of_patients_are_whole_patients(index: Index, at_once: int) -> None:
    seen = [set(found["key"].tolist()) for found in in_ranges(select(index), "patient", at_once=at_once)]
    assert len(set().union(*seen)) == sum(map(len, seen)) == index.counts["patients"]


@pytest.mark.parametrize("cohort", [Cohort(), Cohort(sexes=("F",)), Cohort(splits=("nowhere",))])
def test_a_patient_has_the_highest_state_among_the_films_of_the_cohort(index: Index, cohort: Cohort) -> None:
    states, weights, _ = unions(select(index, cohort), "patient", numbered(index, ()))
    held: dict[int, np.ndarray] = {}
    for patient, pattern in select(index, cohort).rows("SELECT patient, pattern FROM selected WHERE patient >= 0"):
        held[patient] = np.maximum(held.get(patient, 0), index.dictionary[pattern])
    expected = Counter(tuple(row.tolist()) for row in held.values())
    found: Counter[tuple[int, ...]] = Counter()
    for row, units in zip(states.tolist(), weights.tolist(), strict=True):
        found[tuple(row)] += units
    assert found == expected
