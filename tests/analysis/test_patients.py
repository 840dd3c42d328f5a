"""Images per patient: the worked example of METHODS 1, pandas, and the real NIH."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cxrdash import analysis
from cxrdash.analysis.patients import most_imaged, size_bins
from cxrdash.index.cohort import Cohort
from cxrdash.index.store import Index
from tests.analysis.conftest import Pair
from tests.datasets import indexed, nih_row, write_nih


def near(*values: float) -> object:
    return pytest.approx(values, abs=5e-7)


def test_t1_1_distribution(example: Index) -> None:
    table = analysis.images_per_patient(example).set_index("images")
    assert table["patients"].to_dict() == {1: 3, 2: 2, 3: 1, 5: 1, 10: 1}
    assert table.loc[2, "share_of_patients_with_more"] == 0.375
    assert table["share_of_patients"].loc[[1, 2]].sum() == 0.625
    assert table["share_of_images"].sum() == pytest.approx(1)


def test_t1_2_to_t1_4_thresholds(example: Index) -> None:
    table = analysis.repeat_share(example, thresholds=(2, 4, 10))
    assert table["patients"].tolist() == [3, 2, 0]
    assert table["share_of_patients"].tolist() == [0.375, 0.25, 0]
    assert table["images"].tolist() == [18, 15, 0]
    assert table["share_of_images"].tolist() == near(0.72, 0.60, 0)


def test_t1_5_fewest_patients_for_a_share(example: Index) -> None:
    table = analysis.held_by(example, shares=(0.5, 0.7, 0.8, 0.9))
    assert table["patients"].tolist() == [2, 3, 4, 6]
    assert table["share_of_patients"].tolist() == near(0.25, 0.375, 0.5, 0.75)


def test_t1_6_lorenz_curve_stands_at_the_ends_of_each_size(example: Index) -> None:
    table = analysis.lorenz(example)
    assert table["share_of_patients"].tolist() == near(0, 3 / 8, 5 / 8, 6 / 8, 7 / 8, 1)
    assert table["share_of_images"].tolist() == near(0, 0.12, 0.28, 0.40, 0.60, 1)


def test_t1_7_and_t1_17_summary(example: Index) -> None:
    row = analysis.concentration_summary(example).iloc[0]
    assert (row["patients"], row["images"], row["mean"], row["median"], row["most"]) == (8, 25, 3.125, 2, 10)
    assert (row["gini"], row["if_repeats_added_nothing"]) == near(0.445, 4.310345)
    assert row["patients_with_one"] == 3


def test_bins_hold_every_patient_once(example: Index) -> None:
    bins = size_bins(analysis.images_per_patient(example)).set_index("bin")
    assert bins["patients"].sum() == 8
    assert bins.loc["10", "patients"] == 1
    assert bins.loc["11–20", "patients"] == 0
    assert bins["share_of_images"].sum() == pytest.approx(1)


@pytest.mark.parametrize("cohort", [Cohort(), Cohort(views=("PA",)), Cohort(labels="Mass", sexes=("F", "M"))])
def test_sizes_are_those_of_pandas(invented: Pair, cohort: Cohort) -> None:
    table = invented.dataset.table
    if cohort.views:
        table = table[table["view"] == "PA"]
    if cohort.labels:
        table = table[(table["Mass"] == 4) & table["sex"].isin(["F", "M"])]
    sizes = table["patient_id"].value_counts()
    expected = sizes.value_counts().sort_index()
    found = analysis.images_per_patient(invented.index, cohort)
    assert dict(zip(found["images"], found["patients"], strict=True)) == expected.to_dict()
    ten = analysis.repeat_share(invented.index, cohort, thresholds=(1,)).iloc[0]
    assert (ten["patients"], ten["images"]) == ((sizes > 1).sum(), sizes[sizes > 1].sum())


def test_shares_without_patients_are_unknown_not_zero(example: Index) -> None:
    nobody = Cohort(splits=("nowhere",))
    assert analysis.images_per_patient(example, nobody).empty
    assert analysis.repeat_share(example, nobody)["share_of_images"].isna().all()
    row = analysis.concentration_summary(example, nobody).iloc[0]
    assert (row["patients"], row["images"]) == (0, 0)
    assert np.isnan([row["mean"], row["gini"], row["if_repeats_added_nothing"]]).all()


def test_timeline_shows_one_patient_in_order_with_every_finding(tmp_path: Path) -> None:
    rows = [nih_row(1, 2, "Mass"), nih_row(1, 0), nih_row(1, 1, "Mass|Edema"), nih_row(2)]
    index = indexed(write_nih(tmp_path / "nih", rows), "nih")
    table = analysis.timeline(index)
    assert set(table["patient_id"]) == {"1"}
    mass = table[table["finding"] == "Mass"]
    assert mass["image_id"].tolist() == [f"00000001_00{number}.png" for number in range(3)]
    assert mass["state"].tolist() == ["negative", "positive", "positive"]
    assert len(table) == 3 * 15
    assert analysis.timeline(index, patient="2")["image_id"].unique().tolist() == ["00000002_000.png"]
    assert analysis.timeline(index, Cohort(patient="1"), patient="2").empty


def test_the_most_imaged_patient_is_the_cohort_s(tmp_path: Path) -> None:
    rows = [nih_row(1, 0), nih_row(1, 1), nih_row(2, 0, view="AP")]
    index = indexed(write_nih(tmp_path / "nih", rows), "nih")
    assert most_imaged(index) == "1"
    assert most_imaged(index, Cohort(views=("AP",))) == "2"
    assert most_imaged(index, Cohort(splits=("nowhere",))) == ""


def distribution(index: Index, cohort: Cohort) -> dict[str, float]:
    """The keys of the golden distribution from three statistics."""
    summary = analysis.concentration_summary(index, cohort).iloc[0]
    ten = analysis.repeat_share(index, cohort, thresholds=(10,)).iloc[0]
    held = analysis.held_by(index, cohort, shares=(0.5, 0.7, 0.8, 0.9))
    curve = analysis.lorenz(index, cohort)
    found = {
        "patients": summary["patients"], "items": summary["images"], "mean": summary["mean"], "p50": summary["median"],
        **{name: summary[name] for name in ("p75", "p90", "p95", "p99", "gini")}, "mx": summary["most"],
        "n_eq1": summary["patients_with_one"], "kish_patients": summary["if_repeats_added_nothing"],
        "gt10_patients": ten["patients"], "gt10_items": ten["images"],
        "gt10_patients_pct": 100 * ten["share_of_patients"], "gt10_items_pct": 100 * ten["share_of_images"],
    }  # fmt: skip
    for name, row in zip(("k50", "k70", "k80", "k90"), held.itertuples(), strict=True):
        found[name] = row.patients
        if name in ("k50", "k70", "k80", "k90"):
            found[f"{name}_patients_pct"] = 100 * row.share_of_patients
    for name, share in (("top1pct_items_pct", 0.01), ("top10pct_items_pct", 0.1)):
        whole = np.ceil(share * summary["patients"]) / summary["patients"]
        found[name] = 100 * (1 - np.interp(1 - whole, curve["share_of_patients"], curve["share_of_images"]))
    return found


@pytest.mark.real_data
@pytest.mark.parametrize(("name", "cohort"), [
    ("dist_images_per_patient", Cohort()),
    ("dist_pa_images_per_patient", Cohort(views=("PA",))),
])  # fmt: skip
def test_nih_distribution(real_nih: Index, golden: dict[str, Any], name: str, cohort: Cohort) -> None:
    expected = {key.split(".")[-1]: value for key, value in golden.items() if key.startswith(f"nih.{name}.")}
    assert distribution(real_nih, cohort) == pytest.approx(expected, rel=1e-6)


@pytest.mark.real_data
def test_nih_histogram(real_nih: Index, golden: dict[str, Any]) -> None:
    table = analysis.images_per_patient(real_nih)
    for key, patients in golden.items():
        if key.startswith("nih.images_per_patient_histogram."):
            low, _, high = key.rsplit(".", 1)[1].replace("+", "-1000").partition("-")
            assert table.loc[table["images"].between(int(low), int(high or low)), "patients"].sum() == patients


@pytest.mark.real_data
def test_d0_3_d1_1_and_d1_6(real_nih: Index) -> None:
    assert (real_nih.counts["images"], real_nih.counts["patients"]) == (112_120, 30_805)
    row = analysis.repeat_share(real_nih, thresholds=(10,)).iloc[0]
    assert (row["patients"], row["images"]) == (2_225, 50_468)
    assert (row["share_of_patients"], row["share_of_images"]) == pytest.approx((0.0722, 0.4501), abs=5e-5)
    summary = analysis.concentration_summary(real_nih).iloc[0]
    assert (summary["patients_with_one"], summary["most"]) == (17_503, 184)
    assert (summary["gini"], summary["if_repeats_added_nothing"]) == pytest.approx((0.598496, 6178.26), rel=1e-6)


@pytest.mark.real_data
def test_nih_patients_with_most_images(real_nih: Index, golden: dict[str, Any]) -> None:
    for patient, images in golden["nih.max_patient"]:
        table = analysis.timeline(real_nih, patient=str(patient))
        assert table["image"].nunique() == images
    assert most_imaged(real_nih) == str(golden["nih.max_patient"][0][0])
    ages = analysis.timeline(real_nih).drop_duplicates("image")["age_years"]
    assert ages.is_monotonic_increasing
    assert isinstance(ages, pd.Series)
