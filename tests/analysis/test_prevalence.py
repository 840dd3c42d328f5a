"""Prevalence: the worked examples of METHODS 1.5 and 2, pandas image by image, and the real NIH."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cxrdash import analysis
from cxrdash.analysis.clusters import patient_sums
from cxrdash.analysis.intervals import clustered, wilson
from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import select
from cxrdash.index.store import Index
from cxrdash.labels.policies import ALL_POLICIES, Policy
from cxrdash.labels.states import State
from tests.analysis import brute
from tests.analysis.conftest import Pair
from tests.datasets import Invented, chexpert_row, indexed, invent, write_chexpert

UNITS = ("image", "study", "patient")
POLICIES = pytest.mark.parametrize("policy", ALL_POLICIES, ids=str)


def near(*values: float) -> object:
    return pytest.approx(values, abs=5e-7)


def of(table: pd.DataFrame, finding: str) -> Any:
    return table.set_index("finding").loc[finding]


def test_example_a_t1_14_and_t2_7_to_t2_9(example: Index) -> None:
    row = of(analysis.prevalence(example), "Effusion")
    assert (row["positive"], row["of"], row["rate"], row["positive_patients"]) == (11, 25, 0.44, 5)
    assert (row["design_effect"], row["effective_n"]) == near(3.048609, 8.200463)
    assert (row["low_independent"], row["high_independent"]) == near(0.266656, 0.629327)
    assert (row["low"], row["high"]) == near(0.092084, 0.841272)
    assert row["method"] == "Korn-Graubard"
    # T2.8, what the interval would be were there 30 patients
    assert wilson(0.44 * row["effective_n"], row["effective_n"]) == near(0.178125, 0.740156)


def test_example_a_by_patient_is_ever_positive_t1_18(example: Index) -> None:
    row = of(analysis.prevalence(example, unit="patient"), "Effusion")
    assert (row["counted"], row["of"], row["rate"]) == (5, 8, 0.625)
    assert row["method"] == "Wilson"
    assert (row["low"], row["high"]) == near(row["low_independent"], row["high_independent"])


def test_effective_size_is_the_same_in_few_columns(example: Index) -> None:
    row = of(analysis.effective_size(example), "Effusion")
    assert (row["images"], row["patients"], row["of"]) == (11, 5, 25)
    assert (row["design_effect"], row["effective_n"]) == near(3.048609, 8.200463)


@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """1,000 patients with one CheXpert study each: 120 positive, 80 uncertain, 300 negative, 500 blank."""
    states = [State.POSITIVE] * 120 + [State.UNCERTAIN] * 80 + [State.NEGATIVE] * 300 + [State.BLANK] * 500
    rows = [chexpert_row(patient, states={"Edema": state}) for patient, state in enumerate(states)]
    return indexed(write_chexpert(tmp_path_factory.mktemp("thousand") / "chexpert", rows), "chexpert")


@pytest.mark.parametrize(("policy", "rate", "counted", "denominator"), [
    ("U-Zeros", 0.12, 120, 1000),
    ("as_is", 0.12, 120, 1000),
    ("U-Ignore", 0.130435, 120, 920),
    ("U-Ones", 0.20, 200, 1000),
    ("U-Zeros, blank excluded", 0.24, 120, 500),
    ("U-Ignore, blank excluded", 0.285714, 120, 420),
    ("U-Ones, blank excluded", 0.40, 200, 500),
])  # fmt: skip
def test_t2_10_and_t2_11_every_policy(
    thousand: Index, policy: str, rate: float, counted: int, denominator: int
) -> None:
    row = of(analysis.prevalence(thousand, policy=policy), "Edema")
    assert (row["counted"], row["of"], row["policy"]) == (counted, denominator, policy)
    assert row["rate"] == pytest.approx(rate, abs=5e-7)
    assert (row["positive"], row["uncertain"], row["negative"], row["blank"]) == (120, 80, 300, 500)
    assert row["unit"] == "study"
    assert row["method"] == "Wilson"


def test_a_finding_that_never_counts_has_no_rate(thousand: Index) -> None:
    row = of(analysis.prevalence(thousand, policy="as_is, blank excluded"), "Fracture")
    assert (row["counted"], row["of"]) == (0, 0)
    assert np.isnan([row["rate"], row["low"], row["high"]]).all()


def expected_table(dataset: Invented, policy: Policy, unit: str, images: pd.DataFrame | None = None) -> pd.DataFrame:
    units = brute.units_of(dataset, unit, images)
    rows = []
    for finding in dataset.findings:
        positive, counted = brute.parts(units[finding], policy)
        states = {state.label: int((units[finding] == state).sum()) for state in State}
        rows.append({"finding": finding, **states, "counted": positive.sum(), "of": counted.sum()})
    return pd.DataFrame(rows)


@POLICIES
@pytest.mark.parametrize("unit", UNITS)
def test_counts_are_those_of_pandas(invented: Pair, policy: Policy, unit: str) -> None:
    found = analysis.prevalence(invented.index, policy=policy, unit=unit)  # type: ignore[arg-type]
    expected = expected_table(invented.dataset, policy, unit)
    pd.testing.assert_frame_equal(found[expected.columns], expected, check_dtype=False)
    assert found["rate"].tolist() == pytest.approx((expected["counted"] / expected["of"]).tolist())


@POLICIES
@pytest.mark.parametrize("unit", ["image", "study"])
def test_intervals_and_positive_patients_are_those_of_a_group_by_patient(
    invented: Pair, policy: Policy, unit: str
) -> None:
    found = analysis.prevalence(invented.index, policy=policy, unit=unit)  # type: ignore[arg-type]
    units = brute.units_of(invented.dataset, unit)
    for row in found.itertuples():
        by_hand = clustered(brute.clusters(units, row.finding, policy))
        for name in ("low", "high", "design_effect", "effective_n"):
            assert getattr(row, name) == pytest.approx(float(getattr(by_hand, name)), nan_ok=True)
        assert row.method == str(by_hand.method)
        positive, _ = brute.parts(units[row.finding], policy)
        assert row.positive_patients == units.loc[positive, "patient_id"].dropna().nunique()


@POLICIES
def test_a_study_whose_images_differ_counts_once_with_the_union_of_its_labels(tmp_path: Path, policy: Policy) -> None:
    dataset = invent(9, labels_per_study=False, patients=60)
    found = analysis.prevalence(dataset.index(tmp_path), policy=policy, unit="study")
    units = brute.units_of(dataset, "study")
    for row in found.itertuples():
        by_hand = clustered(brute.clusters(units, row.finding, policy))
        assert (row.low, row.high) == pytest.approx((float(by_hand.low), float(by_hand.high)), nan_ok=True)
        assert np.isnan(row.low) or row.low <= row.rate <= row.high


@POLICIES
@pytest.mark.parametrize("by", [(), ("sex",), ("view", "split")])
def test_sums_over_patients_are_those_of_a_group_by_patient(
    invented: Pair, policy: Policy, by: tuple[str, ...]
) -> None:
    found = patient_sums(select(invented.index), policy, "image", by)
    images = invented.dataset.table
    for at, level in enumerate(found.levels):
        inside = images
        for name, value in zip(by, level, strict=True):
            inside = inside[inside[name] == value]
        for column, finding in enumerate(invented.dataset.findings):
            by_hand = brute.clusters(inside, finding, policy)
            for name in ("patients", "units", "positives", "sum_x2", "sum_xm", "sum_m2"):
                assert getattr(found.sums, name)[at, column] == getattr(by_hand, name)
            positive, counted = brute.parts(inside[finding], policy)
            assert found.negative_patients[at, column] == inside.loc[counted & ~positive, "patient_id"].nunique()


@pytest.mark.parametrize("by", ["split", "view", "sex", "age_band"])
@pytest.mark.parametrize("unit", UNITS)
def test_prevalence_by_an_attribute_is_that_of_each_level(invented: Pair, by: str, unit: str) -> None:
    found = analysis.prevalence_by(invented.index, by=by, policy="U-Ones", unit=unit)  # type: ignore[arg-type]
    images = brute.marked(invented.dataset)
    assert sorted(found[by].unique()) == sorted(images[by].unique())
    for level, rows in found.groupby(by):
        expected = expected_table(invented.dataset, Policy("U-Ones"), unit, images[images[by] == level])
        pd.testing.assert_frame_equal(rows[expected.columns].reset_index(drop=True), expected, check_dtype=False)


def test_every_policy_side_by_side_is_each_policy_alone(invented: Pair) -> None:
    together = analysis.prevalence_policies(invented.index, unit="image")
    assert together["policy"].unique().tolist() == [str(policy) for policy in ALL_POLICIES]
    for policy, rows in together.groupby("policy"):
        alone = analysis.prevalence(invented.index, policy=str(policy), unit="image")
        pd.testing.assert_frame_equal(rows.reset_index(drop=True), alone)


def test_u_ignore_lies_between_u_zeros_and_u_ones(invented: Pair) -> None:
    for blank in ("", ", blank excluded"):
        low, middle, high = (
            analysis.prevalence(invented.index, policy=f"{name}{blank}")["rate"]
            for name in ("U-Zeros", "U-Ignore", "U-Ones")
        )
        assert (low <= middle).all() and (middle <= high).all()


def test_a_cohort_narrows_what_is_counted(invented: Pair) -> None:
    cohort = Cohort(views=("PA",), labels="Mass:uncertain OR Edema")
    images = invented.dataset.table
    inside = images[(images["view"] == "PA") & ((images["Mass"] == 3) | (images["Edema"] == 4))]
    found = analysis.prevalence(invented.index, cohort, unit="image")
    expected = expected_table(invented.dataset, Policy(), "image", inside)
    pd.testing.assert_frame_equal(found[expected.columns], expected, check_dtype=False)


def test_without_patients_every_image_stands_for_itself(tmp_path: Path) -> None:
    index = invent(2, known_patients=False).index(tmp_path / "invented")
    table = analysis.prevalence(index)
    assert table["method"].unique().tolist() == ["Wilson"]
    assert table["low"].tolist() == pytest.approx(table["low_independent"].tolist(), rel=1e-12)


def test_a_unit_or_attribute_that_is_not_there_is_refused(example: Index) -> None:
    with pytest.raises(CxrdashError, match="NIH ChestX-ray14 does not identify a study"):
        analysis.prevalence(example, unit="study")
    with pytest.raises(CxrdashError, match="cannot be split by 'weight'"):
        analysis.prevalence_by(example, by="weight")
    with pytest.raises(CxrdashError, match='Unknown uncertainty policy "U-Maybe"'):
        analysis.prevalence(example, policy="U-Maybe")


def values(golden: dict[str, Any], metric: str) -> dict[str, Any]:
    start = f"nih.{metric}."
    return {key.removeprefix(start): value for key, value in golden.items() if key.startswith(start)}


@pytest.mark.real_data
def test_nih_labels(real_nih: Index, golden: dict[str, Any]) -> None:
    table = analysis.prevalence(real_nih).set_index("finding")
    assert table["positive"].to_dict() == values(golden, "label_images")
    assert table["positive_patients"].to_dict() == values(golden, "label_patients")
    assert (100 * table["rate"]).to_dict() == pytest.approx(values(golden, "label_prevalence_pct"), abs=5.1e-7)
    assert (table["positive"] + table["negative"] == 112_120).all()


@pytest.mark.real_data
@pytest.mark.parametrize("by", ["view", "sex"])
def test_nih_labels_by_view_and_sex(real_nih: Index, golden: dict[str, Any], by: str) -> None:
    table = analysis.prevalence_by(real_nih, by=by)
    found = {f"{row.finding}.{getattr(row, by)}": [row.positive, 100 * row.rate] for row in table.itertuples()}
    expected = values(golden, f"label_by_{by}")
    assert found.keys() == expected.keys()
    for key, pair in expected.items():
        assert found[key] == pytest.approx(pair, abs=5.1e-7)


@pytest.mark.real_data
def test_nih_design_effects_d1_9_to_d1_11(real_nih: Index) -> None:
    table = analysis.effective_size(real_nih).set_index("finding")
    assert table["design_effect"][["Pneumothorax", "Effusion", "No Finding"]].tolist() == pytest.approx(
        [8.867, 5.970, 4.621], abs=5e-4
    )
    assert table["effective_n"][["Pneumothorax", "Effusion", "No Finding"]].round().tolist() == [
        12_644,
        18_779,
        24_265,
    ]
    sums = patient_sums(select(real_nih), Policy(), "image")
    error = dict(zip(real_nih.finding_names, clustered(sums.sums).standard_error[0], strict=True))
    assert (error["Pneumothorax"], error["Effusion"]) == pytest.approx((0.001888, 0.002361), abs=5e-7)


@pytest.mark.real_data
@pytest.mark.parametrize(("finding", "rate", "naive", "interval"), [
    ("Pneumothorax", 0.047289, (0.04606, 0.04855), (0.04372, 0.05113)),
    ("Effusion", 0.118775, (0.11689, 0.12068), (0.11423, 0.12348)),
])  # fmt: skip
def test_nih_intervals_d2_1_and_d2_2(
    real_nih: Index, finding: str, rate: float, naive: tuple[float, float], interval: tuple[float, float]
) -> None:
    row = of(analysis.prevalence(real_nih), finding)
    assert row["rate"] == pytest.approx(rate, abs=5e-7)
    assert (row["low_independent"], row["high_independent"]) == pytest.approx(naive, abs=5e-6)
    assert (row["low"], row["high"]) == pytest.approx(interval, abs=5e-6)
    assert row["method"] == "Wilson, patient-clustered"
