"""Pair measures against METHODS 4.1, and the order of a matrix."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import contingency
from sklearn.metrics import jaccard_score, matthews_corrcoef
from statsmodels.stats.contingency_tables import Table, Table2x2

from cxrdash.analysis.pair_measures import cluster_order, pair_measures

ORACLES = pair_measures([1000, 500, 1000], [200, 40, 120], [150, 25, 120], [60, 0, 120])


def near(*values: float) -> object:
    return pytest.approx(values, abs=5e-7)


def test_oracles_t4_1_to_t4_3() -> None:
    assert ORACLES.conditional == near(0.3, 0, 1)
    assert ORACLES.expected == near(30, 2, 14.4)
    assert ORACLES.lift == near(2, 0, 8.333333)
    assert ORACLES.jaccard == near(0.206897, 0, 1)
    assert ORACLES.phi == near(0.210042, -0.067651, 1)
    assert ORACLES.residual == near(6.642112, -1.512723, 31.622777)


def test_oracles_t4_1_to_t4_3_odds_ratio_and_its_mark() -> None:
    assert ORACLES.odds_ratio[:2] == near(3.380952, 0.210845)
    assert ORACLES.odds_low[:2] == near(2.327011, 0.012601)
    assert ORACLES.odds_high[:2] == near(4.912241, 3.527809)
    assert ORACLES.corrected.tolist() == [False, True, True]


def test_data_oracles_d4_1_and_d4_2_from_their_counts() -> None:
    nih = pair_measures(112_120, [13_317, 5_302], [11_559, 2_516], [3_275, 747])
    assert nih.conditional == pytest.approx([0.2459, 0.1409], abs=5e-5)
    assert nih.lift == pytest.approx([2.385, 6.278], abs=5e-4)
    assert nih.jaccard == pytest.approx([0.1516, 0.1056], abs=5e-5)
    assert nih.phi == pytest.approx([0.1724, 0.1782], abs=5e-5)
    assert nih.odds_ratio == pytest.approx([3.564, 9.739], abs=5e-4)


def test_phi_max_is_one_for_equal_margins_and_the_formula_otherwise() -> None:
    measures = pair_measures(1000, [200, 100], [200, 400], [50, 50])
    assert measures.phi_max == near(1, (0.1 * 0.6 / (0.4 * 0.9)) ** 0.5)
    assert measures.phi_max[1] == pytest.approx(pair_measures(1000, 100, 400, 100).phi)


@pytest.mark.parametrize(("a", "b", "both"), [(0, 30, 0), (30, 0, 0), (100, 30, 30), (30, 100, 30), (0, 0, 0)])
def test_a_margin_of_nobody_or_everybody_is_undefined_and_never_zero(a: int, b: int, both: int) -> None:
    measures = pair_measures(100, a, b, both)
    for name in ("lift", "phi", "phi_max", "odds_ratio", "odds_low", "odds_high", "residual"):
        assert np.isnan(getattr(measures, name)), name
    assert not measures.corrected


def test_an_empty_cohort_is_undefined_throughout() -> None:
    measures = pair_measures(0, 0, 0, 0)
    values = [getattr(measures, field.name) for field in fields(measures) if field.name != "corrected"]
    assert np.isnan(values).all()


def test_contradicting_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="contradict each other"):
        pair_measures(100, 10, 20, 11)
    with pytest.raises(ValueError, match="contradict each other"):
        pair_measures(100, 80, 80, 10)


@given(st.tuples(*[st.integers(1, 60)] * 4))
def test_libraries_agree_on_any_table(cells: tuple[int, int, int, int]) -> None:
    both, only_a, only_b, neither = cells
    a, b = (
        ([1] * both + [1] * only_a + [0] * only_b + [0] * neither),
        ([1] * both + [0] * only_a + [1] * only_b + [0] * neither),
    )
    measures = pair_measures(sum(cells), both + only_a, both + only_b, both)
    table = np.array([[both, only_a], [only_b, neither]])
    assert measures.phi == pytest.approx(matthews_corrcoef(a, b), abs=1e-12)
    assert measures.jaccard == pytest.approx(jaccard_score(a, b), abs=1e-12)
    assert measures.expected == pytest.approx(contingency.expected_freq(table)[0, 0])
    assert measures.residual == pytest.approx(Table(table, shift_zeros=False).standardized_resids[0, 0])
    assert measures.odds_ratio == pytest.approx(Table2x2(table).oddsratio)
    interval = Table2x2(table).oddsratio_confint(0.05)
    assert (measures.odds_low, measures.odds_high) == pytest.approx(interval)


@given(st.tuples(*[st.integers(0, 60)] * 4))
def test_phi_stays_below_its_largest_and_a_and_b_may_change_places(cells: tuple[int, int, int, int]) -> None:
    both, only_a, only_b, _neither = cells
    assume(sum(cells) > 0)
    one = pair_measures(sum(cells), both + only_a, both + only_b, both)
    other = pair_measures(sum(cells), both + only_b, both + only_a, both)
    assert np.isnan(one.phi) or one.phi <= one.phi_max + 1e-12
    for name in ("lift", "jaccard", "phi", "phi_max", "odds_ratio", "residual"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), nan_ok=True)


def test_an_order_puts_groups_side_by_side() -> None:
    likeness = np.zeros((6, 6))
    for group in ([0, 3, 5], [1, 2, 4]):
        likeness[np.ix_(group, group)] = 0.8
    order = cluster_order(likeness)
    assert sorted(order) == list(range(6))
    assert {frozenset(order[:3]), frozenset(order[3:])} == {frozenset([0, 3, 5]), frozenset([1, 2, 4])}


def test_an_order_follows_a_chain_from_its_smaller_end() -> None:
    place = np.array([2, 0, 4, 1, 3])
    likeness = -np.abs(place[:, None] - place[None, :])
    assert cluster_order(likeness) == [1, 3, 0, 4, 2]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 190])
def test_an_order_of_undefined_or_equal_values_names_each_once(size: int) -> None:
    assert sorted(cluster_order(np.full((size, size), np.nan))) == list(range(size))
    assert sorted(cluster_order(np.ones((size, size)))) == list(range(size))


def test_what_is_not_finite_counts_as_least_alike() -> None:
    likeness = np.array([[1, np.nan, 0.9], [np.nan, 1, 0.2], [0.9, 0.2, 1]])
    assert cluster_order(likeness) == [0, 2, 1]


def test_a_matrix_that_is_not_square_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be square, not \(2, 3\)"):
        cluster_order(np.ones((2, 3)))
