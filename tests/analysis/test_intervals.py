"""Intervals against the oracles of METHODS 1 to 3, SciPy and statsmodels."""

from __future__ import annotations

import csv
import gzip
import subprocess
import sys
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binomtest
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.proportion import multinomial_proportions_confint, proportion_confint

from cxrdash.analysis.intervals import (
    ClusterSums,
    auc_interval,
    auc_positives_needed,
    auc_standard_error,
    cases_to_see_one,
    clopper_pearson,
    clustered,
    critical_value,
    goodman,
    half_width,
    jeffreys,
    positives_needed,
    rule_of_three,
    wilson,
    worst_case_bounds,
)

SIZES = [1, 1, 1, 2, 2, 3, 5, 10]
POSITIVES = [0, 1, 0, 2, 0, 1, 5, 2]
HALF_A_DIGIT = 5e-7


def near(*values: float, digits: float = HALF_A_DIGIT) -> object:
    return pytest.approx(values, abs=digits)


@pytest.mark.parametrize(
    ("k", "n", "of_wilson", "of_clopper_pearson", "of_jeffreys"),
    [
        (8, 50, (0.083374, 0.285142), (0.071701, 0.291126), (0.078667, 0.279326)),
        (0, 30, (0, 0.113513), (0, 0.115703), (0, 0.079678)),
        (30, 30, (0.886487, 1), (0.884297, 1), (0.920322, 1)),
        (9, 10, (0.595850, 0.982124), (0.554984, 0.997471), (0.618685, 0.988988)),
        (29, 30, (0.833296, 0.994091), (0.827831, 0.999156), (0.854582, 0.996380)),
        (3, 1000, (0.001021, 0.008783), (0.000619, 0.008742), (0.000846, 0.007984)),
    ],
)
def test_oracles_t2_1_to_t2_6(
    k: int,
    n: int,
    of_wilson: tuple[float, float],
    of_clopper_pearson: tuple[float, float],
    of_jeffreys: tuple[float, float],
) -> None:
    assert wilson(k, n) == near(*of_wilson)
    assert clopper_pearson(k, n) == near(*of_clopper_pearson)
    assert jeffreys(k, n) == near(*of_jeffreys)


def test_the_ends_are_exact_where_all_or_none_are_positive() -> None:
    for interval in (wilson, clopper_pearson, jeffreys):
        low, high = interval([0, 7], [7, 7])
        assert low[0] == 0 and high[1] == 1


def test_no_units_give_no_interval_and_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for interval in (wilson, clopper_pearson, jeffreys):
            low, high = interval([0, 1], [0, 2])
            assert np.isnan([low[0], high[0]]).all() and low[1] < 0.5 < high[1]


@pytest.mark.parametrize(("k", "n"), [(-1, 10), (11, 10), (1, 0)])
def test_counts_that_cannot_be_are_refused(k: int, n: int) -> None:
    for interval in (wilson, clopper_pearson, jeffreys):
        with pytest.raises(ValueError, match="between 0 and n"):
            interval(k, n)


@pytest.mark.parametrize("level", [0, 1, 95])
def test_a_level_that_cannot_be_is_refused(level: float) -> None:
    for interval in (wilson, clopper_pearson, jeffreys):
        with pytest.raises(ValueError, match="between 0 and 1"):
            interval(1, 2, level=level)


def test_the_critical_value_of_95_percent() -> None:
    assert critical_value() == pytest.approx(1.959963984540054, abs=1e-14)


@given(st.integers(1, 2000), st.floats(0, 1), st.sampled_from([0.8, 0.95, 0.99]))
def test_scipy_and_statsmodels_agree(n: int, share: float, level: float) -> None:
    k = round(share * n)
    exact = binomtest(k, n)
    assert wilson(k, n, level=level) == near(*exact.proportion_ci(level, "wilson"), digits=1e-9)
    assert clopper_pearson(k, n, level=level) == near(*exact.proportion_ci(level, "exact"), digits=1e-9)
    if 0 < k < n:
        assert jeffreys(k, n, level=level) == near(*proportion_confint(k, n, 1 - level, "jeffreys"), digits=1e-9)


@given(st.floats(0, 1), st.floats(1e-3, 1e8))
def test_wilson_lies_within_0_and_1_and_holds_the_rate(share: float, n: float) -> None:
    k = min(share * n, n)
    low, high = wilson(k, n)
    assert 0 <= low <= k / n <= high <= 1


@given(st.floats(0.01, 50), st.floats(0.01, 50))
def test_clopper_pearson_takes_fractions(k: float, rest: float) -> None:
    expected = (beta.ppf(0.025, k, rest + 1), beta.ppf(0.975, k + 1, rest))
    assert clopper_pearson(k, k + rest) == near(*expected, digits=1e-8)


def test_oracle_t2_7_naive_wilson_of_example_a() -> None:
    assert wilson(11, 25) == near(0.266656, 0.629327)


def test_oracle_t2_8_wilson_with_the_effective_number() -> None:
    assert wilson(0.44 * 8.200463, 8.200463) == near(0.178125, 0.740156)


def test_oracle_t2_9_and_t1_14_example_a_by_korn_graubard() -> None:
    rates = clustered(ClusterSums.of_patients(SIZES, POSITIVES))
    assert rates.rate == 0.44
    assert rates.standard_error == pytest.approx(0.173341, abs=HALF_A_DIGIT)
    assert rates.design_effect == pytest.approx(3.048609, abs=HALF_A_DIGIT)
    assert rates.effective_n == pytest.approx(8.200463, abs=HALF_A_DIGIT)
    assert (rates.low, rates.high) == near(0.092084, 0.841272)
    assert rates.method == "Korn-Graubard"


def test_from_30_patients_wilson_takes_the_effective_number() -> None:
    sums = ClusterSums.of_patients(SIZES * 4, POSITIVES * 4)
    rates = clustered(sums)
    assert rates.method == "Wilson, patient-clustered"
    assert (rates.low, rates.high) == wilson(0.44 * rates.effective_n, rates.effective_n)


def test_oracle_t1_15_an_effect_below_1_is_shown_but_not_used() -> None:
    rates = clustered(ClusterSums.of_patients([2, 2, 2, 2], [1, 1, 1, 1]))
    assert (rates.standard_error, rates.design_effect, rates.effective_n) == (0, 0, 8)


@pytest.mark.parametrize(
    ("copies", "positive", "method", "interval"),
    [
        (40, 0, "Wilson, effective n = patients", wilson(0, 40)),
        (40, 1, "Wilson, effective n = patients", wilson(40, 40)),
        (4, 0, "Korn-Graubard, effective n = patients", None),
    ],
)
def test_with_none_or_all_positive_the_patients_are_counted(
    copies: int, positive: int, method: str, interval: tuple[float, float] | None
) -> None:
    sizes = np.full(copies, 3)
    rates = clustered(ClusterSums.of_patients(sizes, sizes * positive))
    assert rates.effective_n == copies and np.isnan(rates.design_effect)
    assert rates.method == method
    if interval is not None:
        assert (rates.low, rates.high) == interval
    else:
        # n* = 4 (t(.975, 11) / t(.975, 3))^2 = 1.913251; the upper end is 1 - .025^(1/n*)
        assert (rates.low, rates.high) == near(0, 0.854572, digits=5e-6)


def test_one_unit_per_patient_is_the_plain_interval() -> None:
    rates = clustered(ClusterSums.of_patients(np.ones(10), [1] * 9 + [0]))
    assert (rates.design_effect, rates.effective_n, rates.method) == (1, 10, "Wilson")
    assert (rates.low, rates.high) == near(0.595850, 0.982124)
    unknown = clustered(ClusterSums.of_independent(10, 9))
    assert (unknown.low, unknown.high) == (rates.low, rates.high)


@pytest.mark.parametrize(("sizes", "positives", "rate"), [([5], [2], 0.4), ([1], [1], 1), ([0], [0], np.nan)])
def test_below_two_patients_only_the_rate_is_known(sizes: list[int], positives: list[int], rate: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rates = clustered(ClusterSums.of_patients(sizes, positives))
    assert rates.rate == pytest.approx(rate, nan_ok=True)
    unknown = (rates.standard_error, rates.design_effect, rates.effective_n, rates.low, rates.high)
    assert np.isnan(unknown).all()
    assert rates.method == "undefined below 2 patients"


def test_many_findings_at_once_are_each_as_if_alone() -> None:
    sizes = np.array(SIZES * 5)
    positives = np.stack([sizes * 0, sizes, sizes // 2, np.array(POSITIVES * 5)])
    together = clustered(ClusterSums.of_patients(sizes, positives))
    for row, of_one in enumerate(positives):
        alone = clustered(ClusterSums.of_patients(sizes, of_one))
        assert (together.low[row], together.high[row]) == (alone.low, alone.high)
        assert together.method[row] == alone.method


@pytest.mark.real_data
def test_nih_oracles_d1_9_to_d1_11_and_d2_1_to_d2_2(real_data: Path) -> None:
    findings = ("Pneumothorax", "Effusion", "No Finding")
    films: Counter[str] = Counter()
    positive: dict[str, Counter[str]] = {finding: Counter() for finding in findings}
    with gzip.open(real_data / "nih" / "Data_Entry_2017_v2020.csv.gz", "rt", newline="") as file:
        for row in csv.DictReader(file):
            films[row["Patient ID"]] += 1
            for finding in set(row["Finding Labels"].split("|")) & set(findings):
                positive[finding][row["Patient ID"]] += 1
    counts = [[positive[finding][patient] for patient in films] for finding in findings]
    rates = clustered(ClusterSums.of_patients(list(films.values()), counts))
    assert rates.standard_error[:2] == near(0.001888, 0.002361)
    assert rates.design_effect == near(8.867, 5.970, 4.621, digits=5e-4)
    assert rates.effective_n == near(12_644, 18_779, 24_265, digits=0.5)
    assert rates.low[:2] == near(0.04372, 0.11423, digits=5e-6)
    assert rates.high[:2] == near(0.05113, 0.12348, digits=5e-6)


PATIENTS = st.lists(
    st.integers(1, 6).flatmap(lambda m: st.tuples(st.just(m), st.integers(0, m))), min_size=2, max_size=50
)


@given(PATIENTS)
def test_the_error_is_that_of_a_model_with_patient_clusters(patients: list[tuple[int, int]]) -> None:
    m, x = np.array(patients).T
    rates = clustered(ClusterSums.of_patients(m, x))
    labels = np.concatenate([[1] * b + [0] * (a - b) for a, b in patients]).astype(float)
    if m.sum() == len(m) or len(set(labels)) == 1:
        return
    groups = np.repeat(np.arange(len(m)), m)
    model = OLS(labels, np.ones_like(labels)).fit(
        cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False}
    )
    expected = model.bse[0] * (len(m) / (len(m) - 1)) ** 0.5
    assert rates.standard_error == pytest.approx(expected, abs=1e-8)


@given(PATIENTS)
def test_clustered_intervals_hold_the_rate_and_never_more_than_all_units(
    patients: list[tuple[int, int]],
) -> None:
    m, x = np.array(patients).T
    rates = clustered(ClusterSums.of_patients(m, x))
    assert 0 <= rates.low <= rates.rate <= rates.high <= 1
    assert 0 < rates.effective_n <= m.sum()


def test_oracle_t2_13_goodman() -> None:
    low, high = goodman((120, 80, 300))
    assert low == pytest.approx((0.197386, 0.124637, 0.546703), abs=HALF_A_DIGIT)
    assert high == pytest.approx((0.288506, 0.203069, 0.651031), abs=HALF_A_DIGIT)


@given(st.lists(st.integers(0, 10_000), min_size=2, max_size=5).filter(any))
def test_goodman_agrees_with_statsmodels(counts: list[int]) -> None:
    expected = multinomial_proportions_confint(counts, method="goodman").T
    low, high = goodman([counts, counts])
    assert np.stack([low[1], high[1]]) == pytest.approx(expected, abs=1e-9)
    assert np.isnan(goodman([0, 0, 0])).all()


def test_oracle_t2_12_worst_case_bounds() -> None:
    assert worst_case_bounds(120, 80 + 500, 1000) == near(0.12, 0.70)
    assert np.isnan(worst_case_bounds(0, 0, 0)).all()


@pytest.mark.parametrize(
    ("n", "widths", "lowest_wilson", "lowest_exact"),
    [
        (5, (0.3296, 0.2941, 0.2633, 0.2426), 0.5655, 0.4782),
        (10, (0.2634, 0.2266, 0.1931, 0.1696), 0.7225, 0.6915),
        (20, (0.2007, 0.1677, 0.1366, 0.1136), 0.8389, 0.8316),
        (30, (0.1685, 0.1390, 0.1108, 0.0894), 0.8865, 0.8843),
        (50, (0.1336, 0.1090, 0.0851, 0.0665), 0.9287, 0.9289),
        (100, (0.0962, 0.0777, 0.0596, 0.0451), 0.9630, 0.9638),
        (200, (0.0686, 0.0552, 0.0419, 0.0311), 0.9812, 0.9817),
        (500, (0.0437, 0.0350, 0.0264, 0.0193), 0.9924, 0.9926),
    ],
)
def test_oracle_t3_1_widths(n: int, widths: tuple[float, ...], lowest_wilson: float, lowest_exact: float) -> None:
    assert half_width(n, [0.5, 0.8, 0.9, 0.95]) == near(*widths, digits=5e-5)
    assert wilson(n, n)[0] == pytest.approx(lowest_wilson, abs=5e-5)
    assert clopper_pearson(n, n)[0] == pytest.approx(lowest_exact, abs=5e-5)


def test_half_width_is_half_the_interval_and_undefined_without_cases() -> None:
    low, high = wilson(8.5, 11)
    assert half_width(11, 8.5 / 11) == pytest.approx((high - low) / 2)
    assert np.isnan(half_width(0, 0.9))


@pytest.mark.parametrize(
    ("target", "needed"),
    [
        (0.15, [39, 33, 26, 22, 17, 13]),
        (0.10, [93, 78, 60, 49, 37, 25]),
        (0.05, [381, 320, 245, 196, 141, 83]),
        (0.03, [1064, 894, 682, 545, 388, 215]),
    ],
)
def test_oracle_t3_2_positives_needed(target: float, needed: list[int]) -> None:
    assert positives_needed(target, [0.5, 0.7, 0.8, 0.85, 0.9, 0.95]).tolist() == needed


@given(st.floats(0.004, 0.6), st.floats(0, 1))
def test_one_positive_fewer_would_not_do(target: float, p: float) -> None:
    n = int(positives_needed(target, p))
    assert half_width(n, p) <= target * (1 + 1e-9)
    assert n == 1 or half_width(n - 1, p) > target * (1 - 1e-9)


def test_a_width_of_zero_cannot_be_reached() -> None:
    with pytest.raises(ValueError, match="above 0"):
        positives_needed(0, 0.9)
    with pytest.raises(ValueError, match="above 0"):
        auc_positives_needed(0.9, 0)


def test_oracle_t3_3_lower_bounds_with_one_error() -> None:
    n = np.array([10, 15, 20, 25, 30])
    assert wilson(n - 1, n)[0] == near(0.5958, 0.7018, 0.7639, 0.8046, 0.8333, digits=5.1e-5)
    assert clopper_pearson(n - 1, n)[0] == near(0.5550, 0.6805, 0.7513, 0.7965, 0.8278, digits=5.1e-5)
    assert jeffreys(n - 1, n)[0] == near(0.6187, 0.7282, 0.7892, 0.8279, 0.8546, digits=5.1e-5)


def test_oracle_t3_4_zero_errors() -> None:
    bounds = rule_of_three([10, 30, 50, 100])
    assert bounds.rule_of_three == near(0.3, 0.1, 0.06, 0.03)
    assert bounds.exact_one_sided == near(0.258866, 0.095034, 0.058155, 0.029513)
    assert bounds.clopper_pearson == near(0.308497, 0.115703, 0.071122, 0.036217)
    assert np.isnan(rule_of_three(0)).all()


def test_oracle_t3_5_cases_to_see_one() -> None:
    assert cases_to_see_one([0.01, 0.02, 0.05]).tolist() == [299, 149, 59]


def test_oracles_t3_6_to_t3_8_auc() -> None:
    auc, n1, n0 = [0.85, 0.85, 0.90], [50, 10, 30], [450, 490, 170]
    low, high = auc_interval(auc, n1, n0)
    assert auc_standard_error(auc, n1, n0) == near(0.034798, 0.076829, 0.038430)
    assert low == near(0.7685, 0.6350, 0.7958, digits=5e-5)
    assert high == near(0.9063, 0.9486, 0.9541, digits=5e-5)


@pytest.mark.parametrize(("auc", "n1", "n0"), [(0.9, 0, 10), (0.9, 10, 0), (1, 10, 10), (0, 10, 10)])
def test_an_auc_without_cases_or_without_errors_has_no_interval(auc: float, n1: int, n0: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(auc_interval(auc, n1, n0)).all()


def test_oracle_t3_9_positives_for_an_auc() -> None:
    auc = np.array([0.7, 0.8, 0.85, 0.9, 0.95])
    needed = auc_positives_needed(auc)
    assert needed.tolist() == [142, 114, 93, 68, 37]
    assert (1.959964 * auc_standard_error(auc, needed, 9 * needed) <= 0.05).all()
    assert (1.959964 * auc_standard_error(auc, needed - 1, 9 * (needed - 1)) > 0.05).all()


@pytest.mark.parametrize("module", ["intervals", "tiers", "concentration", "pair_measures"])
def test_a_first_screen_does_not_wait_for_scipy(module: str) -> None:
    program = f"import sys, cxrdash.analysis.{module}; print('scipy' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
