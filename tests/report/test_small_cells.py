"""Small counts stay in: METHODS 10.4 with its oracles, checked by linear programmes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linprog

from cxrdash.report.small_cells import (
    SMALLEST,
    exposed,
    is_small,
    shareable_sentence,
    suppressed,
    tells_small,
)

T10_1 = np.array([[40, 7], [25, 30], [12, 15]])
T10_2 = np.array([[50, 20, 3], [30, 40, 22], [18, 60, 35]])


def feasible(counts: np.ndarray, hidden: np.ndarray, cell: tuple[int, int]) -> tuple[float, float]:
    """What a reader who knows all totals can work out of one hidden cell: its smallest and largest value."""
    cells = [(int(row), int(column)) for row, column in np.argwhere(hidden)]
    lines = [[float(at[axis] == line) for at in cells] for axis in (0, 1) for line in range(counts.shape[axis])]
    known = np.where(hidden, counts, 0)
    totals = [*known.sum(axis=1), *known.sum(axis=0)]
    goal = np.array([float(at == cell) for at in cells])
    ends = [linprog(sign * goal, A_eq=lines, b_eq=totals, bounds=(0, None)).x @ goal for sign in (1, -1)]
    return float(ends[0]), float(ends[1])


def test_t10_1_a_row_and_a_column_go_with_the_small_cell() -> None:
    hidden = suppressed(T10_1)
    assert hidden.tolist() == [[True, True], [False, False], [True, True]]
    assert feasible(T10_1, hidden, (0, 1)) == pytest.approx((0, 22))


def test_t10_2_complementary_suppression_runs_until_nothing_changes() -> None:
    hidden = suppressed(T10_2)
    assert {(int(r) + 1, int(c) + 1) for r, c in np.argwhere(hidden)} == {(1, 2), (1, 3), (2, 2), (2, 3)}
    assert feasible(T10_2, hidden, (0, 2)) == pytest.approx((0, 23))


def test_zero_may_be_shown_and_eleven_too() -> None:
    assert [is_small(count) for count in (0, 1, 10, 11)] == [False, True, True, False]
    assert not suppressed([[0, 11], [11, 0]]).any()


def test_without_totals_only_small_cells_go() -> None:
    hidden = suppressed(T10_2, row_totals=False, column_totals=False)
    assert np.argwhere(hidden).tolist() == [[0, 2]]


def test_a_line_without_another_positive_cell_must_lose_its_total() -> None:
    hidden = suppressed([[3, 0, 0], [20, 30, 40]], column_totals=False)
    assert exposed([[3, 0, 0], [20, 30, 40]], hidden) == [0]


def test_negative_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        suppressed([[1, -1]])


TABLES = arrays(np.int64, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=st.integers(0, 60))


@given(TABLES)
def test_no_small_cell_is_shown_and_no_line_has_one_gap_beside_another_positive_cell(counts: np.ndarray) -> None:
    hidden = suppressed(counts)
    assert not ((counts > 0) & (counts < SMALLEST) & ~hidden).any()
    for table, gone in ((counts, hidden), (counts.T, hidden.T)):
        for row, holes in zip(table, gone, strict=True):
            assert holes.sum() != 1 or not (row[~holes] > 0).any()


@given(TABLES)
def test_suppressing_again_hides_no_more(counts: np.ndarray) -> None:
    hidden = suppressed(counts)
    assert (suppressed(np.where(hidden, np.maximum(counts, 1), counts)) >= hidden).all()
    assert (hidden <= (counts > 0)).all()


@pytest.mark.parametrize(
    "said",
    [
        "5 patients stand in two parts, most of them in train and test.",
        "Pneumonia positive, its parent Consolidation negative: 5 of 47 images (10.6%).",
        "Hernia: 3.1% of people aged 18-39 among 227 positive images, 27.7% among the others.",  # 7 images
        "Dr A confirms 40 of 45 positive images.",  # 5 are not confirmed
        "13 of 13 findings have fewer than 50 positive patients: Fracture has 1.",
        "97.0% of 200 films passed.",  # 6 did not
    ],
)
def test_sentences_that_tell_of_a_few(said: str) -> None:
    assert tells_small(said)
    kept = shareable_sentence(said)
    assert not any(c.isdigit() for c in kept.replace(str(SMALLEST), ""))


@pytest.mark.parametrize(
    "said",
    [
        "7.2% of patients (2,225) have more than 10 images and hold 45.0% of the images.",
        "All 2 published counts agree.",
        "No rule of hierarchy and No Finding is broken; 9 rules checked.",
        "Edema: 88.0% AP views among 2,303 positive images, 39.0% among the others.",
        "Hernia is guessed from view and age alone (area under the curve 0.79, 0.74–0.83).",
        "Every image has its patient.",
        "0 of 2,080 films on disk cannot be read.",
    ],
)
def test_sentences_that_may_be_shared_are_unchanged(said: str) -> None:
    assert shareable_sentence(said) == said
