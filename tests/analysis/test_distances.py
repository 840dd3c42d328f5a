"""Distances between distributions: the oracles of METHODS 6.3, scipy as second opinion, and what must always hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from cxrdash.analysis.distances import (
    DRAWN_AT_ONCE,
    Profiles,
    jensen_shannon,
    kolmogorov_smirnov,
    level_difference,
    mean_difference,
    percentiles,
    population_stability,
    shares,
    wasserstein,
)
from tests.datasets import EXAMPLE_A

AGES_A = (34, 45, 50, 56, 61, 67, 70, 72)
AGES_B = (22, 30, 41, 44, 52, 58, 63, 75)
counts = st.lists(st.integers(0, 50), min_size=2, max_size=6).filter(any)
pairs = st.integers(2, 6).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(0, 50), min_size=n, max_size=n).filter(any)] * 2)
)


def histogram(values: tuple[int, ...], levels: np.ndarray) -> np.ndarray:
    return np.array([values.count(level) for level in levels])


def test_t6_3_ages() -> None:
    levels = np.union1d(AGES_A, AGES_B)
    a, b = histogram(AGES_A, levels), histogram(AGES_B, levels)
    assert mean_difference(levels, a, b) == pytest.approx(0.564160, abs=1e-6)
    assert kolmogorov_smirnov(a, b) == pytest.approx(0.375)
    assert wasserstein(levels, a, b) == pytest.approx(9.5)


@pytest.mark.parametrize(("p", "q", "smd"), [(0.60, 0.45, 0.303822), (0.12, 0.10, 0.063953)])
def test_t6_4_one_share(p: float, q: float, smd: float) -> None:
    found = level_difference([p, 1 - p], [q, 1 - q])
    assert found == pytest.approx(smd, abs=1e-6)


def test_t6_5_four_levels() -> None:
    a, b = (100, 300, 400, 200), (50, 250, 450, 250)
    assert jensen_shannon(a, b) == pytest.approx(0.010839, abs=1e-6)
    assert level_difference(a, b) == pytest.approx(0.245588, abs=1e-6)
    assert population_stability(a, b) == pytest.approx(0.060820, abs=1e-6)


def test_t6_6_an_empty_level() -> None:
    a, b = (0, 50, 50), (10, 45, 45)
    assert jensen_shannon(a, b) == pytest.approx(0.051899, abs=1e-6)
    assert population_stability(a, b) == pytest.approx(0.700621, abs=1e-6)
    assert population_stability(a, b, floor=1e-6) == pytest.approx(1.161817, abs=1e-6)


@given(counts)
def test_a_distribution_is_at_no_distance_from_itself(a: list[int]) -> None:
    levels = np.arange(len(a)) * 5.0
    assert (
        population_stability(a, a) == jensen_shannon(a, a) == kolmogorov_smirnov(a, a) == wasserstein(levels, a, a) == 0
    )
    for found in (mean_difference(levels, a, a), level_difference(a, a)):
        assert found == 0 or np.isnan(found)


@given(pairs)
def test_scipy_agrees(pair: tuple[list[int], list[int]]) -> None:
    a, b = pair
    levels = np.arange(len(a)) * 3.0
    assert jensen_shannon(a, b) == pytest.approx(jensenshannon(a, b, base=2) ** 2, abs=1e-9)
    assert wasserstein(levels, a, b) == pytest.approx(stats.wasserstein_distance(levels, levels, a, b), abs=1e-9)
    raw = [np.repeat(levels, n) for n in (a, b)]
    assert kolmogorov_smirnov(a, b) == pytest.approx(stats.ks_2samp(*raw).statistic, abs=1e-9)


@given(pairs)
def test_a_distance_does_not_depend_on_the_order_and_smd_turns_its_sign(pair: tuple[list[int], list[int]]) -> None:
    a, b = pair
    levels = np.arange(len(a)) * 1.0
    for measure in (jensen_shannon, kolmogorov_smirnov, level_difference):
        assert measure(a, b) == pytest.approx(measure(b, a), nan_ok=True)
    assert mean_difference(levels, a, b) == pytest.approx(-mean_difference(levels, b, a), nan_ok=True)
    assert 0 <= jensen_shannon(a, b) <= 1 and 0 <= kolmogorov_smirnov(a, b) <= 1 + 1e-12


@given(pairs, st.integers(2, 9))
def test_only_shares_matter(pair: tuple[list[int], list[int]], times: int) -> None:
    a, b = (np.array(part) for part in pair)
    for measure in (jensen_shannon, kolmogorov_smirnov, level_difference):
        assert measure(a * times, b) == pytest.approx(measure(a, b), nan_ok=True)


def test_leading_axes_are_resamples() -> None:
    a, b = np.array([[1, 2, 3], [4, 0, 1]]), np.array([[3, 2, 1], [1, 1, 1]])
    for measure in (jensen_shannon, kolmogorov_smirnov, level_difference):
        assert measure(a, b).tolist() == pytest.approx([float(measure(*rows)) for rows in zip(a, b, strict=True)])


def test_nothing_in_common_and_nothing_at_all() -> None:
    assert jensen_shannon([5, 0], [0, 5]) == kolmogorov_smirnov([5, 0], [0, 5]) == 1
    assert np.isnan(level_difference([5, 0], [0, 5]))
    assert (
        np.isnan(population_stability([0, 0], [1, 1]))
        and np.isnan(jensen_shannon([0, 0], [1, 1]))
        and np.isnan(shares([0, 0])).all()
    )
    assert level_difference([5, 0], [9, 0]) == 0


def test_t1_16_the_patient_bootstrap_of_example_a() -> None:
    units = np.array([[positive, images - positive] for images, positive in EXAMPLE_A], dtype=float)
    drawn = Profiles(np.ones(len(units), dtype=np.int64), units).resampled(4_000, (1,))
    rates = shares(drawn)[:, 0]
    assert rates.std() == pytest.approx(0.168, abs=0.01)
    assert percentiles(rates) == (pytest.approx(0.18, abs=0.02), pytest.approx(0.82, abs=0.02))


def test_patients_who_are_alike_are_drawn_as_one_kind() -> None:
    """Three patients with one film each: every sample holds three films, whatever is drawn."""
    profiles = Profiles(np.array([2, 1]), np.array([[1.0, 0.0], [0.0, 1.0]]))
    assert profiles.totals.tolist() == [2, 1]
    drawn = profiles.resampled(50, (3,))
    assert set(drawn.sum(axis=1)) == {3}
    assert (drawn == profiles.resampled(50, (3,))).all() and not (drawn == profiles.resampled(50, (4,))).all()


def test_resamples_in_blocks_are_as_many_as_asked_for() -> None:
    kinds = DRAWN_AT_ONCE // 1000 + 1  # so many kinds of patients that 1,001 resamples do not fit one block
    profiles = Profiles(np.ones(kinds, dtype=np.int64), np.ones((kinds, 1)))
    assert profiles.resampled(1001, (1,)).tolist() == [[kinds]] * 1001
    assert Profiles(np.zeros(0, dtype=np.int64), np.zeros((0, 3))).resampled(5, (1,)).tolist() == [[0, 0, 0]] * 5


def test_an_interval_of_mostly_undefined_samples_is_undefined() -> None:
    assert np.isnan(percentiles(np.array([np.nan, np.nan, 1.0]))).all()
    assert percentiles(np.array([np.nan, 1.0, 1.0])) == (1.0, 1.0)
