"""Differences between parts, against counts by hand and plain pandas."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cxrdash import analysis
from cxrdash.index.store import Index
from tests.analysis.conftest import Pair
from tests.datasets import indexed, nih_row, write_nih

# Ages and shares of METHODS 6.3: T6.3 and, as 60 and 45 of 100, T6.4.
OLDER, YOUNGER = (34, 45, 50, 56, 61, 67, 70, 72), (22, 30, 41, 44, 52, 58, 63, 75)


@pytest.fixture(scope="module")
def aged(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """Two parts of eight patients with the ages above; the first has five of eight Masses, the second two."""
    rows = [nih_row(at, 0, "Mass" if at < 5 else "No Finding", age=str(age)) for at, age in enumerate(OLDER)]
    rows += [nih_row(20 + at, 0, "Mass" if at < 2 else "No Finding", age=str(age)) for at, age in enumerate(YOUNGER)]
    names = [row.split(",")[0] for row in rows]
    folder = write_nih(tmp_path_factory.mktemp("aged") / "nih", rows, train_val_list=names[:8], test_list=names[8:])
    return indexed(folder, "nih")


def test_ages_of_the_worked_example(aged: Index) -> None:
    age = analysis.balance(aged).set_index("attribute").loc["age"]
    sign = 1 if age["part"] == "train_valid" else -1
    assert sign * age["difference"] == pytest.approx(0.564160, abs=1e-6)
    assert (age["ks"], age["wasserstein"]) == pytest.approx((0.375, 9.5))


def test_a_finding_s_difference_is_signed_and_flagged(aged: Index) -> None:
    mass = analysis.balance(aged).set_index("attribute").loc["Mass"]
    sign = 1 if mass["part"] == "train_valid" else -1
    p, q = 5 / 8, 2 / 8
    expected = (p - q) / np.sqrt((p * (1 - p) + q * (1 - q)) / 2)
    assert sign * mass["difference"] == pytest.approx(expected)
    assert mass["flagged"]
    assert mass["noise"] == pytest.approx(1.96 * np.sqrt(1 / 8 + 1 / 8))


def test_what_does_not_vary_has_no_difference(aged: Index) -> None:
    table = analysis.balance(aged).set_index("attribute")
    assert np.isnan(table.loc["Hernia", "difference"]) or table.loc["Hernia", "difference"] == 0
    assert not table.loc["Hernia", "flagged"]


def test_more_than_three_parts_are_each_set_against_the_rest(invented: Pair) -> None:
    table = analysis.balance(invented.index, parts="5 folds")
    assert set(table["against"]) == {"the rest"}
    assert table["part"].nunique() == 5
    per_attribute = table.query("attribute == 'view'")
    assert (per_attribute["images"] + per_attribute["images_against"] == len(invented.dataset.images)).all()


def test_positive_images_of_a_part_are_those_pandas_counts(invented: Pair) -> None:
    plain = invented.dataset.table
    sizes = analysis.split_sizes(invented.index).set_index(["part", "finding"])
    for part, rows in plain.groupby("split"):
        for finding in invented.dataset.findings:
            positive = rows[rows[finding] == 4]
            found = sizes.loc[(part, finding)]
            assert (found["images"], found["positive"]) == (len(rows), len(positive))
            alone = positive["patient_id"].isna().sum()
            assert found["positive_patients"] == positive["patient_id"].nunique() + alone


def test_a_built_split_is_described_as_it_was_built(tmp_path: Path, invented: Pair) -> None:
    sizes = analysis.split_sizes(invented.index, parts="a=0.5,b=0.5").drop_duplicates("part")
    assert sizes["images"].sum() == len(invented.dataset.images)
    assert abs(sizes["images"].iloc[0] / sizes["images"].sum() - 0.5) < 0.1
