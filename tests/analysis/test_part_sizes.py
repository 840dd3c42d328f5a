"""Positives per part and subgroup: counted by hand, by pandas, and on the real NIH."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrdash import analysis
from cxrdash.analysis import part_sizes
from cxrdash.analysis.part_sizes import below
from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort
from cxrdash.index.store import Index
from cxrdash.labels.policies import ALL_POLICIES, Policy
from tests.analysis import brute
from tests.analysis.conftest import Pair
from tests.datasets import indexed, invent, nih_row, write_nih


@pytest.fixture(scope="module")
def parted(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """60 training patients with a Mass, of the test part 9 with Mass, 12 with Edema twice each, 3 with neither."""
    train = [nih_row(patient, 0, "Mass") for patient in range(100, 160)]
    test = [nih_row(patient, 0, "Mass") for patient in range(1, 10)]
    test += [nih_row(patient, number, "Edema") for patient in range(10, 22) for number in (0, 1)]
    test += [nih_row(patient) for patient in range(22, 25)]
    lists = {"train_val_list": train, "test_list": test}
    names = {name: [row.split(",")[0] for row in rows] for name, rows in lists.items()}
    return indexed(write_nih(tmp_path_factory.mktemp("parted") / "nih", train + test, **names), "nih")


def row_of(table: pd.DataFrame, finding: str, split: str) -> pd.Series:
    return table.set_index(["finding", "split"]).loc[(finding, split)]


def test_patients_are_counted_and_their_tier_is_named(parted: Index) -> None:
    table = analysis.test_sizes(parted)
    mass, edema = row_of(table, "Mass", "test"), row_of(table, "Edema", "test")
    assert (mass["positive"], mass["positive_patients"], mass["tier"]) == (9, 9, "anecdotal")
    assert (edema["positive"], edema["positive_patients"], edema["tier"]) == (24, 12, "very low")
    assert (edema["negative"], edema["negative_patients"]) == (12, 12)
    assert row_of(table, "Mass", "train_valid")["tier"] == "limited"
    assert row_of(table, "Hernia", "test")["tier"] == "blocked"
    assert row_of(table, "Hernia", "test")["tier_text"] == "cannot be tested"


def test_widths_are_those_of_t3_1_and_t3_2_at_the_number_of_patients(parted: Index) -> None:
    mass = row_of(analysis.test_sizes(parted), "Mass", "train_valid")
    assert (mass["positive_patients"], mass["positives_needed"]) == (60, 141)
    low, high = mass["low"], mass["high"]
    assert mass["half_width"] == pytest.approx((high - low) / 2)
    assert (
        row_of(analysis.test_sizes(parted, sensitivity=0.5, half_width=0.1), "Mass", "test")["positives_needed"] == 93
    )
    hernia = row_of(analysis.test_sizes(parted), "Hernia", "test")
    assert np.isnan([hernia["low"], hernia["high"], hernia["half_width"], hernia["auc_low"]]).all()


def test_auc_interval_t3_6(tmp_path: Path) -> None:
    rows = [nih_row(patient, 0, "Mass" if patient < 50 else "No Finding") for patient in range(500)]
    row = row_of(analysis.test_sizes(indexed(write_nih(tmp_path / "nih", rows), "nih")), "Mass", "not stated")
    assert (row["positive_patients"], row["negative_patients"]) == (50, 450)
    assert (row["auc_low"], row["auc_high"]) == pytest.approx((0.7685, 0.9063), abs=5e-5)
    assert row["half_width"] == pytest.approx(0.0851, abs=5e-5)


@pytest.mark.parametrize("policy", ALL_POLICIES, ids=str)
@pytest.mark.parametrize("unit", ["image", "study", "patient"])
def test_test_sizes_are_those_of_pandas(invented: Pair, policy: Policy, unit: str) -> None:
    found = analysis.test_sizes(invented.index, policy=policy, unit=unit)  # type: ignore[arg-type]
    images = invented.dataset.table
    for row in found.itertuples():
        units = brute.units_of(
            invented.dataset, "study" if unit == "study" else "image", images[images["split"] == row.split]
        )
        known = units[units["patient_id"].notna()]
        positive, counted = brute.parts(known[row.finding], policy)
        assert (row.positive, row.negative) == (positive.sum(), (counted & ~positive).sum())
        assert row.positive_patients == known.loc[positive, "patient_id"].nunique()
        assert row.negative_patients == known.loc[counted & ~positive, "patient_id"].nunique()
    assert set(found["split"]) == set(images.loc[images["patient_id"].notna(), "split"])


def test_subgroups_are_those_of_pandas_with_every_empty_cell(invented: Pair) -> None:
    found = analysis.test_subgroups(invented.index, policy="U-Ones", unit="image")
    images = brute.marked(invented.dataset)
    images = images[images["patient_id"].notna()]
    keys = ["split", "sex", "view", "age_band"]
    assert len(found) == len(invented.dataset.findings) * np.prod([images[key].nunique() for key in keys])
    for finding in invented.dataset.findings:
        positive = images[images[finding].isin([3, 4])]
        expected = positive.groupby(keys).agg(images=("image_id", "size"), patients=("patient_id", "nunique"))
        rows = found[(found["finding"] == finding) & (found["positive"] > 0)].set_index(keys)
        assert rows["positive"].to_dict() == expected["images"].to_dict()
        assert rows["positive_patients"].to_dict() == expected["patients"].to_dict()
    assert (found.loc[found["positive_patients"] == 0, "tier"] == "blocked").all()


def test_without_patients_images_stand_in_for_them(tmp_path: Path) -> None:
    dataset = invent(4, known_patients=False)
    found = analysis.test_sizes(dataset.index(tmp_path / "invented")).set_index(["finding", "split"])
    positive = dataset.table[dataset.table["split"] == "train"]["Mass"].eq(4).sum()
    assert found.loc[("Mass", "train"), "positive"] == positive > 0
    assert found.loc[("Mass", "train"), "positive_patients"] == positive


@pytest.mark.parametrize(("splits", "part"), [
    (["train", "valid", "test"], "test"),
    (["valid", "train"], "valid"),
    (["not stated"], "not stated"),
    (["train"], "train"),
    ([], ""),
])  # fmt: skip
def test_the_part_to_judge(splits: list[str], part: str) -> None:
    assert part_sizes.test_part(pd.DataFrame({"split": splits})) == part


def test_below_is_strict() -> None:
    assert below(pd.DataFrame({"positive_patients": [49, 50]}))["positive_patients"].tolist() == [49]


@pytest.mark.parametrize("option", ["sensitivity", "auc", "half_width"])
@pytest.mark.parametrize("value", [0, 1, -0.1, 90, float("nan")])
def test_a_rate_outside_0_to_1_is_refused(parted: Index, option: str, value: float) -> None:
    with pytest.raises(CxrdashError, match=f"{option} must lie between 0 and 1, not at {value:g}"):
        analysis.test_sizes(parted, **{option: value})


@pytest.mark.real_data
def test_nih_subgroup_cells_d3_1(real_nih: Index) -> None:
    cells = analysis.test_subgroups(real_nih)
    cells = cells[cells["finding"] != "No Finding"]
    assert len(cells) == 280
    assert (cells["positive_patients"] < 50).sum() == 121
    assert (cells["positive"] < 50).sum() == 89
    assert (cells["positive"] < 10).sum() == 26
    assert (cells["positive"] == 0).sum() == 5


@pytest.mark.real_data
def test_nih_subgroups_of_a_cohort_add_up(real_nih: Index) -> None:
    women = analysis.test_subgroups(real_nih, Cohort(sexes=("F",)))
    assert women.groupby("finding")["positive"].sum()["Hernia"] == 131
