"""Clustered odds ratios and pooled ones: the worked examples, and statsmodels as second opinion."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency
from statsmodels.stats.contingency_tables import StratifiedTable

from cxrdash.analysis.odds import Contrast, contrast, corrected_v, mantel_haenszel, newcombe

# Counts of eight patients in the four cells (METHODS T4.4).
CELLS = np.array(
    [[2, 0, 1, 0, 3, 0, 0, 1], [0, 1, 0, 1, 1, 0, 2, 0], [1, 0, 0, 2, 0, 1, 0, 0], [0, 3, 1, 1, 2, 4, 1, 2]]
)


def of_cells(cells: np.ndarray) -> Contrast:
    """The contrast of counts (cells, clusters): a exposed positive, b positive, c exposed, d neither."""
    cell, cluster = (grid.ravel() for grid in np.indices(cells.shape))
    return contrast(cells.ravel(), cell % 2 == 0, cell < 2, cluster)


def test_the_clustered_odds_ratio_of_the_worked_example() -> None:
    found = of_cells(CELLS)
    assert found.odds_ratio == pytest.approx(4.9)
    assert found.log_error == pytest.approx(0.938891, abs=1e-6)
    assert (found.odds_low, found.odds_high) == pytest.approx((0.778056, 30.858970), abs=1e-6)
    assert not found.corrected


def test_one_unit_per_cluster_is_the_plain_error_times_k_over_k_minus_one() -> None:
    exposed = np.array([1] * 30 + [0] * 20 + [1] * 10 + [0] * 40, dtype=bool)
    positive = np.array([1] * 50 + [0] * 50, dtype=bool)
    found = contrast(np.ones(100), exposed, positive, np.arange(100))
    plain = np.sqrt((1 / 30 + 1 / 20 + 1 / 10 + 1 / 40) * 100 / 99)
    assert found.log_error == pytest.approx(plain)


@pytest.mark.parametrize(("p", "q", "smd"), [(0.60, 0.45, 0.303822), (0.88, 0.39, 1.182354)])
def test_standardised_differences(p: float, q: float, smd: float) -> None:
    cells = np.array([[100 * p], [100 * (1 - p)], [100 * q], [100 * (1 - q)]])
    assert of_cells(cells).smd == pytest.approx(smd, abs=1e-6)


def test_an_empty_cell_is_corrected_and_marked() -> None:
    found = of_cells(np.array([[0], [40], [25], [435]]))
    assert found.corrected
    assert found.odds_ratio == pytest.approx(0.210845, abs=1e-6)


def test_an_empty_cell_s_interval_is_at_least_that_of_independent_units() -> None:
    exposed = np.array([0] * 40 + [1] * 25 + [0] * 435, dtype=bool)
    found = contrast(np.ones(500), exposed, np.arange(500) < 40, np.arange(500))
    assert (found.odds_low, found.odds_high) == pytest.approx((0.012601, 3.527809), abs=1e-6)


@pytest.mark.parametrize("cells", [[[0], [0], [5], [5]], [[3], [4], [0], [0]]])
def test_no_positives_or_nothing_but_positives_is_undefined(cells: list[list[int]]) -> None:
    found = of_cells(np.array(cells))
    assert np.isnan([found.difference, found.smd, found.odds_ratio, found.odds_low]).all()


def test_one_cluster_has_no_interval() -> None:
    found = of_cells(np.array([[3], [4], [2], [6]]))
    assert found.odds_ratio == pytest.approx(3 * 6 / 8)
    assert np.isnan([found.odds_low, found.odds_high, found.smd_low]).all()


def test_the_difference_s_error_is_that_of_a_clustered_regression() -> None:
    from statsmodels.api import OLS, add_constant

    rng = np.random.default_rng(3)
    cluster = rng.integers(0, 40, 400)
    positive = rng.random(400) < 0.3
    exposed = rng.random(400) < 0.2 + 0.4 * positive + 0.2 * (cluster % 2)
    found = contrast(np.ones(400), exposed, positive, cluster)
    fit = OLS(exposed.astype(float), add_constant(positive.astype(float))).fit(
        cov_type="cluster", cov_kwds={"groups": cluster, "use_correction": False}
    )
    assert found.difference == pytest.approx(fit.params[1])
    assert found.difference_error == pytest.approx(fit.bse[1] * np.sqrt(40 / 39))


def test_simpson_s_example() -> None:
    # Exposed and unexposed positives of two strata: 18/200 and 80/800; 240/800 and 64/200 (METHODS T4.11).
    strata = [[18, 80, 182, 720], [240, 64, 560, 136]]
    pooled = mantel_haenszel(strata)
    assert (pooled.odds_ratio, pooled.low, pooled.high) == pytest.approx((0.904762, 0.681781, 1.200670), abs=1e-6)


counts = st.lists(st.lists(st.integers(1, 60), min_size=4, max_size=4), min_size=1, max_size=5)


@settings(max_examples=60)
@given(counts)
def test_pooling_agrees_with_statsmodels(tables: list[list[int]]) -> None:
    found = mantel_haenszel(tables)
    other = StratifiedTable([np.array(table, dtype=float).reshape(2, 2) for table in tables])
    assert found.odds_ratio == pytest.approx(other.oddsratio_pooled)
    assert (found.low, found.high) == pytest.approx(other.oddsratio_pooled_confint())


def test_newcombe_s_interval_of_two_sensitivities() -> None:
    assert newcombe(45, 50, 40, 50) == pytest.approx((-0.043432, 0.242097), abs=1e-6)
    assert np.isnan(newcombe(0, 0, 3, 4)).all()


def test_newcombe_s_interval_is_that_of_statsmodels() -> None:
    from statsmodels.stats.proportion import confint_proportions_2indep

    other = confint_proportions_2indep(324, 8139, 1174, 21280, method="newcomb")
    assert newcombe(324, 8139, 1174, 21280) == pytest.approx(other, abs=1e-9)


def test_cramers_v_freed_of_its_bias() -> None:  # METHODS T4.7 and T4.8
    assert corrected_v([[30, 20, 50], [10, 40, 50]]) == pytest.approx(0.271391, abs=5e-7)
    assert corrected_v([[12, 18], [20, 25]]) == 0
    assert corrected_v([[30, 20, 0, 50], [10, 40, 0, 50], [0, 0, 0, 0]]) == pytest.approx(0.271391, abs=5e-7)
    seven = np.arange(1, 15).reshape(2, 7) ** 2 % 11 + 1
    chi2 = chi2_contingency(seven, correction=False).statistic
    n = seven.sum()
    corrected = (chi2 / n - 6 / (n - 1)) / (2 - 1 / (n - 1) - 1)
    assert corrected_v(seven) == pytest.approx(np.sqrt(max(0.0, corrected)))
    assert np.isnan(corrected_v([[1, 0], [0, 1]]))  # two units leave no room for chance
    assert np.isnan(corrected_v([[3, 0], [4, 0]])) and np.isnan(corrected_v([[0, 0], [0, 0]]))
