"""The range of the effective size: the worked example, brute force over patients, and the real NIH."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap

from cxrdash import analysis
from cxrdash.analysis.effective import intraclass_correlation, jackknife_interval, size_range
from cxrdash.analysis.intervals import ClusterSums, clustered
from cxrdash.index.cohort import Cohort
from cxrdash.index.store import Index
from cxrdash.labels.policies import ALL_POLICIES, Policy
from tests.analysis import brute
from tests.analysis.conftest import Pair
from tests.datasets import EXAMPLE_A, example_a, indexed, invent

SIZES, POSITIVES = (np.array(column, dtype=float) for column in zip(*EXAMPLE_A, strict=True))
ONE_EACH = np.ones(len(SIZES))


def test_oracles_t1_9_and_t1_10_correlation_within_patients() -> None:
    assert intraclass_correlation(SIZES, POSITIVES) == pytest.approx(0.536232, abs=1e-6)


def test_oracle_t1_12_patients_who_never_change_are_fully_correlated() -> None:
    assert intraclass_correlation([1, 2, 3, 4], [1, 0, 3, 0]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("sizes", "positives"), [([1, 1, 1], [0, 1, 0]), ([3], [1]), ([2, 2], [0, 0]), ([2, 2], [2, 2])]
)
def test_a_correlation_that_cannot_be_seen_is_undefined(sizes: list[int], positives: list[int]) -> None:
    assert np.isnan(intraclass_correlation(sizes, positives))


def test_oracles_t1_13_t1_14_and_t1_17_example_a() -> None:
    row = size_range(SIZES, POSITIVES, ONE_EACH)
    assert row["kish_effect"] == pytest.approx(3.573913, abs=1e-6)
    assert 25 / row["kish_effect"] == pytest.approx(6.995134, abs=1e-6)
    assert (row["design_effect"], row["effective_n"]) == pytest.approx((3.048609, 8.200463), abs=1e-6)
    assert row["if_repeats_added_nothing"] == pytest.approx(4.310345, abs=1e-6)
    assert (row["images"], row["patients"], row["of"], row["of_patients"]) == (11, 5, 25, 8)
    assert np.isnan([row["effective_low"], row["effective_high"]]).all()  # eight patients say nothing of the spread


def test_oracle_t1_15_a_gain_is_not_counted() -> None:
    row = size_range([2, 2, 2, 2], [1, 1, 1, 1], [1, 1, 1, 1])
    assert (row["design_effect"], row["effective_n"]) == (0, 8)


def test_oracle_t1_18_patient_weighted_mean_and_ever_positive(tmp_path: Path) -> None:
    assert (POSITIVES / SIZES).mean() == pytest.approx(0.441667, abs=1e-6)
    table = analysis.effective_range(indexed(example_a(tmp_path / "nih"), "nih"), unit="patient")
    row = table.set_index("finding").loc["Effusion"]
    assert (row["rate"], row["of"], row["effective_n"]) == (0.625, 8, 8)


def test_oracle_t1_16_the_patient_bootstrap_of_example_a() -> None:
    found = bootstrap(
        (SIZES, POSITIVES), lambda m, x, axis: x.sum(axis) / m.sum(axis), paired=True, vectorized=True,
        n_resamples=4000, method="percentile", rng=np.random.default_rng(1),
    )  # fmt: skip
    assert found.standard_error == pytest.approx(0.168, abs=0.01)
    assert tuple(found.confidence_interval) == pytest.approx((0.18, 0.82), abs=0.03)
    linearised = clustered(ClusterSums.of_patients(SIZES, POSITIVES)).standard_error
    assert found.standard_error == pytest.approx(float(linearised), rel=0.1)


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6)), min_size=30, max_size=60))
def test_the_jackknife_leaves_each_patient_out_once(patients: list[tuple[int, int]]) -> None:
    m = np.array([size for size, _ in patients], dtype=float)
    x = np.minimum([positive for _, positive in patients], m)
    low, high = jackknife_interval(m, x, np.ones(len(m)))
    if np.isnan(low) or len(m) == m.sum():
        return

    def log_size(keep: np.ndarray) -> float:
        rates = clustered(ClusterSums.of_patients(m[keep], x[keep]))
        return float(np.log(m[keep].sum() / rates.design_effect))

    everyone = np.ones(len(m), dtype=bool)
    others = np.array([log_size(np.arange(len(m)) != at) for at in range(len(m))])
    error = np.sqrt((len(m) - 1) / len(m) * np.square(others - others.mean()).sum())
    here = log_size(everyone)
    expected = np.minimum(np.exp([here - 1.959964 * error, here + 1.959964 * error]), m.sum())
    assert (low, high) == pytest.approx(tuple(expected), rel=1e-6)


def test_one_unit_a_patient_is_worth_all_of_them_exactly() -> None:
    row = size_range([1, 1], [0, 1], [60, 40])
    assert (row["effective_low"], row["effective_n"], row["effective_high"]) == (100, 100, 100)
    assert row["if_repeats_added_nothing"] == 100


def test_none_positive_is_said_and_has_no_interval() -> None:
    row = size_range([2], [0], [40])
    assert (row["effective_n"], row["method"]) == (40, "number of patients: none or all positive")
    assert np.isnan(row["effective_low"])


def test_one_patient_who_decides_leaves_no_interval() -> None:
    row = size_range([1, 200], [0, 200], [100, 1])
    assert np.isnan(row["effective_low"]) and "few patients decide" in str(row["method"])


@pytest.mark.parametrize("policy", ALL_POLICIES, ids=str)
@pytest.mark.parametrize("unit", ["image", "study", "patient"])
def test_sizes_are_those_of_prevalence_and_of_pandas(invented: Pair, policy: Policy, unit: str) -> None:
    found = analysis.effective_range(invented.index, policy=policy, unit=unit)  # type: ignore[arg-type]
    units = brute.units_of(invented.dataset, unit)
    units = units[units["patient_id"].notna()]
    for row in found.itertuples():
        positive, counted = brute.parts(units[row.finding], policy)
        people = units["patient_id"]
        m, x = counted.groupby(people).sum(), (positive & counted).groupby(people).sum()
        expected = size_range(m, x, np.ones(len(m)))
        assert (row.images, row.patients, row.of) == (expected["images"], expected["patients"], expected["of"])
        assert row.effective_n == pytest.approx(expected["effective_n"], nan_ok=True)
        assert row.effective_low == pytest.approx(expected["effective_low"], nan_ok=True)
        assert row.icc == pytest.approx(expected["icc"], nan_ok=True)


def test_without_patients_every_image_is_worth_one(tmp_path: Path) -> None:
    found = analysis.effective_range(invent(4, known_patients=False).index(tmp_path / "invented"))
    some = found[found["images"].between(1, found["of"] - 1)]
    assert len(some) and (some["effective_n"] == some["of"]).all() and (some["effective_low"] == some["of"]).all()


@pytest.mark.real_data
def test_nih_d1_8_to_d1_11_and_d1_14(real_nih: Index) -> None:
    table = analysis.effective_range(real_nih).set_index("finding")
    icc = table.loc[["Effusion", "Pneumothorax", "Pneumonia"], "icc"].tolist()
    assert icc == pytest.approx([0.0900, 0.0947, -0.1311], abs=5e-5)
    assert table.loc["Pneumothorax", "effective_n"] == pytest.approx(12_644, abs=0.5)
    assert table.loc["Effusion", "effective_n"] == pytest.approx(18_779, abs=0.5)
    assert table.loc["No Finding", "effective_n"] == pytest.approx(24_265, abs=0.5)
    assert table["if_repeats_added_nothing"].unique() == pytest.approx([6178.26], abs=0.005)
    assert table.loc["Pneumothorax", "kish_effect"] == pytest.approx(2.6, abs=0.05)
    pneumothorax = table.loc["Pneumothorax"]
    assert pneumothorax["effective_low"] < pneumothorax["effective_n"] < pneumothorax["effective_high"]
    women = analysis.effective_range(real_nih, Cohort(sexes=("F",))).set_index("finding")
    assert women.loc["Pneumothorax", "of"] == 48_780


@pytest.mark.real_data
def test_nih_d1_13_the_jackknife_is_as_wide_as_the_patient_bootstrap(real_nih: Index) -> None:
    found = real_nih.arrays(
        "SELECT patient, count(*)::BIGINT AS m, count(*) FILTER (WHERE pattern IN "
        "(SELECT pattern FROM patterns WHERE finding = 'Pneumothorax' AND state = 'positive'))::BIGINT AS x "
        "FROM images GROUP BY patient ORDER BY patient"
    )
    m, x = found["m"].astype(float), found["x"].astype(float)
    rng, rates, sizes = np.random.default_rng(3), [], []
    for _ in range(1000):
        drawn = rng.integers(0, len(m), len(m))
        rates.append(x[drawn].sum() / m[drawn].sum())
        again = clustered(ClusterSums.of_patients(m[drawn], x[drawn]))
        sizes.append(np.log(m[drawn].sum() / float(again.design_effect)))
    assert np.std(rates, ddof=1) == pytest.approx(0.00193, rel=0.1)
    low, high = jackknife_interval(m, x, np.ones(len(m)))
    assert np.log(high / low) / 2 / 1.959964 == pytest.approx(np.std(sizes, ddof=1), rel=0.1)
