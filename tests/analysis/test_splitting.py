"""The division of patients: worked examples by hand, and what holds for every input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrdash.analysis.splitting import divide

# Eight patients: label 1, label 2, neither, images (METHODS 6.2).
EXAMPLE = np.array(
    [[2, 0, 1, 3], [0, 1, 0, 1], [1, 1, 0, 1], [0, 0, 4, 4], [0, 0, 1, 1], [1, 0, 2, 3], [0, 1, 1, 2], [0, 0, 3, 3]]
)


def parts_of(fractions: list[float]) -> list[set[str]]:
    part = divide(EXAMPLE, fractions, sizes=EXAMPLE[:, -1])
    return [{f"p{at + 1}" for at in np.flatnonzero(part == number)} for number in range(len(fractions))]


def test_two_equal_parts_of_the_worked_example() -> None:
    first, second = parts_of([0.5, 0.5])
    assert (first, second) == ({"p1", "p2", "p5", "p7", "p8"}, {"p3", "p4", "p6"})


def test_three_quarters_of_the_worked_example() -> None:
    first, second = parts_of([0.75, 0.25])
    assert (first, second) == ({"p1", "p2", "p3", "p4", "p5", "p8"}, {"p6", "p7"})


counted = st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=1, max_size=40)
shares = st.lists(st.integers(1, 9), min_size=1, max_size=5).map(lambda n: [one / sum(n) for one in n])


@settings(max_examples=200)
@given(counted, shares)
def test_every_group_is_in_one_part_and_the_order_given_changes_nothing(
    rows: list[list[int]], fractions: list[float]
) -> None:
    vectors = np.array(rows)
    ranks = np.arange(len(rows))
    part = divide(vectors, fractions, sizes=vectors.sum(axis=1), ranks=ranks)
    assert part.shape == (len(rows),)
    assert ((part >= 0) & (part < len(fractions))).all()
    mixed = np.random.default_rng(len(rows)).permutation(len(rows))
    again = divide(vectors[mixed], fractions, sizes=vectors[mixed].sum(axis=1), ranks=ranks[mixed])
    assert (again == part[mixed]).all()


def test_columns_without_any_count_are_no_obstacle() -> None:
    part = divide(np.zeros((6, 2)), [0.5, 0.5], sizes=np.ones(6))
    assert np.bincount(part).tolist() == [3, 3]


@pytest.mark.parametrize("fractions", [[], [0.5, 0.6], [1.0, 0.0], [-0.5, 1.5]])
def test_shares_that_are_no_shares_are_refused(fractions: list[float]) -> None:
    with pytest.raises(ValueError, match="positive and sum to 1"):
        divide(EXAMPLE, fractions, sizes=EXAMPLE[:, -1])


def test_negative_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        divide(-EXAMPLE, [1.0], sizes=EXAMPLE[:, -1])
