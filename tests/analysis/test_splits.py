"""Splits: the published counts on NIH, no patient in two parts, and a record that makes them again."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cxrdash import analysis
from cxrdash.analysis.split_files import manifest, tables
from cxrdash.analysis.splits import (
    _LAST,
    DEFAULT_PARTS,
    Split,
    build_split,
    given_split,
    parse_parts,
    proof,
    split_images,
)
from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import select
from cxrdash.index.store import Index
from tests.analysis.conftest import Pair
from tests.datasets import indexed, invent, nih_row, write_nih


@pytest.fixture(scope="module")
def nobody(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """A dataset that names no patient."""
    return invent(3, patients=20, known_patients=False).index(tmp_path_factory.mktemp("nobody") / "invented")


@pytest.fixture(scope="module")
def somebody(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """Fifteen patients with one to twelve images."""
    rows = [
        nih_row(patient, at, ("Mass", "Edema|Mass", "No Finding")[(patient + at) % 3])
        for patient in range(1, 16)
        for at in range(1 + patient * 7 % 12)
    ]
    return indexed(write_nih(tmp_path_factory.mktemp("somebody") / "nih", rows), "nih")


@pytest.fixture(scope="module")
def leaking(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """Patient 1 has an image in both lists, patients 2 and 3 one in one of them each."""
    rows = [nih_row(1, 0), nih_row(1, 1, "Mass"), nih_row(2, 0, "Mass"), nih_row(3, 0)]
    lists = {"train_val_list": ["00000001_000.png", "00000002_000.png"]}
    lists["test_list"] = ["00000001_001.png", "00000003_000.png"]
    return indexed(write_nih(tmp_path_factory.mktemp("leaking") / "nih", rows, **lists), "nih")


def patients_by_part(split: Split) -> dict[str, set[str]]:
    images = split_images(split)
    return {name: set(images.loc[images["part"] == name, "patient_id"]) - {""} for name in split.names}


def worst_deviation(index: Index, split: Split) -> float:
    """The largest relative deviation of a label's prevalence in a part from that of the whole."""
    films = split.films
    positive = films.positive(split.policy)
    whole = (films.images[:, None] * positive[films.pattern]).sum(axis=0) / films.images.sum()
    far = 0.0
    for at in range(len(split.names)):
        rows = split.row_part == at
        rate = (films.images[rows, None] * positive[films.pattern[rows]]).sum(axis=0) / films.images[rows].sum()
        far = max(far, float(np.abs(rate[whole > 0] / whole[whole > 0] - 1).max()))
    return far


@pytest.mark.parametrize(("text", "parts"), [
    ("train=.7,valid=.1,test=.2", {"train": 0.7, "valid": 0.1, "test": 0.2}),
    (" a = 0.5 , b=0.5 ", {"a": 0.5, "b": 0.5}),
    ("4 folds", {"fold_1": 0.25, "fold_2": 0.25, "fold_3": 0.25, "fold_4": 0.25}),
])  # fmt: skip
def test_parts_are_read(text: str, parts: dict[str, float]) -> None:
    assert parse_parts(text) == pytest.approx(parts)


@pytest.mark.parametrize(("text", "said"), [
    ("train", "does not describe parts"),
    ("train=x,test=.5", "does not describe parts"),
    ("train=.5,test=.6", "sum to 1.1, not to 1"),
    ("train=1.5,test=-.5", "sum to 1, not to 1"),
    ("train=.5,train=.5", "names 2 parts; 2 to 20 different ones"),
    ("all=1", "names 1 parts"),
    ("../up=.5,test=.5", "no name of a part"),
    ("1 folds", "1 folds cannot be made"),
    ("99 folds", "99 folds cannot be made"),
])  # fmt: skip
def test_parts_that_cannot_be_meant_are_refused(text: str, said: str) -> None:
    with pytest.raises(CxrdashError) as refused:
        parse_parts(text)
    assert said in refused.value.message


def test_an_unknown_stratum_is_refused_with_the_known_ones(invented: Pair) -> None:
    with pytest.raises(CxrdashError, match="nothing to stratify by") as refused:
        build_split(invented.index, strata=("hospital",))
    assert "view, sex, age_band" in refused.value.hint


@pytest.mark.parametrize("parts", [DEFAULT_PARTS, "5 folds", "a=0.9,b=0.1"])
def test_every_image_is_in_one_part_and_every_patient_too(invented: Pair, parts: str) -> None:
    split = build_split(invented.index, parts=parts)
    images = split_images(split)
    assert sorted(images["image_id"]) == sorted(invented.dataset.images["image_id"])
    parts_of = invented.dataset.images.merge(images[["image_id", "part"]], on="image_id")
    assert (parts_of.groupby("patient_id")["part"].nunique() == 1).all()


def test_no_patient_is_shared_in_a_thousand_random_datasets(somebody: Index) -> None:
    ids = np.array([image for (image,) in somebody.rows("SELECT image_id FROM images ORDER BY image")])
    rng = np.random.default_rng(0)
    for seed in range(1000):
        cohort = Cohort(images=tuple(rng.choice(ids, size=int(rng.integers(1, len(ids))), replace=False)))
        split = build_split(somebody, cohort, parts=f"{2 + seed % 4} folds", seed=seed, strata=())
        rows = pd.DataFrame({"patient": split.films.number[split.films.group], "part": split.row_part})
        assert (rows.groupby("patient")["part"].nunique() == 1).all()
        assert split.films.images.sum() == len(cohort.images)


def test_among_patients_who_are_alike_the_seed_decides(tmp_path: Path) -> None:
    rows = [nih_row(patient, 0, ("Mass", "No Finding")[patient % 2]) for patient in range(40)]
    index = indexed(write_nih(tmp_path / "nih", rows), "nih")
    same, again, other = (split_images(build_split(index, parts="3 folds", seed=seed))["part"] for seed in (4, 4, 5))
    pd.testing.assert_series_equal(same, again)
    assert (same != other).any()


def test_rows_in_another_order_give_the_same_parts(invented: Pair, tmp_path: Path) -> None:
    same = split_images(build_split(invented.index, parts="3 folds", seed=4)).set_index("image_id")["part"]
    shuffled = invented.dataset.shuffled(2).index(tmp_path / "shuffled")
    elsewhere = split_images(build_split(shuffled, parts="3 folds", seed=4)).set_index("image_id")["part"]
    pd.testing.assert_series_equal(same.sort_index(), elsewhere.sort_index())


def test_another_question_in_between_does_not_change_the_answer(invented: Pair) -> None:
    """The last division of a dataset is kept; it answers only the same question."""
    asked: tuple[dict[str, Any], ...] = (
        {"parts": "train=0.7,test=0.3"}, {"parts": "train=0.6,test=0.4"}, {"parts": "train=0.7,test=0.3", "seed": 4},
        {"parts": "train=0.7,test=0.3", "strata": ()}, {"parts": "train=0.7,test=0.3", "policy": "U-Ones"},
        {"parts": "train=0.7,test=0.3", "cohort": Cohort(views=("PA",))},
    )  # fmt: skip
    alone = []
    for options in asked:
        _LAST.clear()
        alone.append(build_split(invented.index, **options).part.tolist())
    assert [build_split(invented.index, **options).part.tolist() for options in asked] == alone
    assert build_split(invented.index, **asked[-1]).part.tolist() == alone[-1]


def test_images_without_a_patient_are_placed_one_by_one_and_leakage_is_not_called_none(nobody: Index) -> None:
    split = build_split(nobody, parts="a=0.5,b=0.5")
    assert split.films.alone == nobody.counts["images"]
    table = analysis.leakage(nobody, parts="a=0.5,b=0.5").set_index("unit")
    assert table.loc["patient", "verdict"] == "not possible"
    assert table.loc["image", "verdict"] == "none shared"


def test_a_leak_of_the_given_parts_is_counted(leaking: Index) -> None:
    table = analysis.leakage(leaking).set_index("unit")
    assert table.loc["patient", ["units_a", "units_b", "shared"]].tolist() == [2, 2, 1]
    assert table.loc["patient", "verdict"] == "shared"
    assert table.loc["image", ["units_a", "units_b", "shared"]].tolist() == [2, 2, 0]


def test_the_given_parts_keep_every_image_where_it_is(leaking: Index) -> None:
    split = given_split(leaking)
    assert split is not None
    images = split_images(split).set_index("image_id")["part"]
    known = dict(select(leaking).rows("SELECT image_id, split FROM selected"))
    assert images.to_dict() == known
    sizes = analysis.split_sizes(leaking).set_index(["part", "finding"])
    assert sizes.loc[("test", "Mass"), ["images", "patients", "positive", "positive_patients"]].tolist() == [2, 2, 1, 1]
    assert sizes["share_of_positive"].dropna().unique().tolist() == [0.5]


def test_a_dataset_without_parts_has_no_given_split(example: Index) -> None:
    assert given_split(example) is None
    for name in ("leakage", "balance", "split_sizes"):
        assert analysis.compute(name, example, Cohort()).empty


def test_the_proof_finds_a_planted_leak() -> None:
    images = pd.DataFrame({"image_id": ["a", "b", "b"], "patient_id": ["1", "2", "1"], "study_id": ["", "", ""],
                           "part": ["train", "train", "test"]})  # fmt: skip
    (row,) = proof(images, ("train", "test"))
    assert (row["shared_patients"], row["shared_images"], row["shared_studies"]) == (1, 1, None)


def test_the_files_hold_every_image_once(somebody: Index) -> None:
    split = build_split(somebody, parts=DEFAULT_PARTS)
    made = tables(split)
    lists = [made[f"{name}.txt"].decode().splitlines() for name in split.names]
    every = [image for (image,) in somebody.rows("SELECT image_id FROM images")]
    assert sorted(image for ids in lists for image in ids) == sorted(every)
    assert not any(set(a) & set(b) for a, b in combinations(lists, 2))
    record = json.loads(json.dumps(manifest(split)))
    assert record["images"] == {name: len(ids) for name, ids in zip(split.names, lists, strict=True)}
    assert all(row["shared_patients"] == 0 for row in record["shared"])


def test_the_record_makes_the_same_split_again(somebody: Index) -> None:
    cohort = Cohort(views=("PA",))
    split = build_split(somebody, cohort, parts="3 folds", seed=9, strata=("sex",))
    record = manifest(split, cohort)
    again = build_split(
        somebody, Cohort.from_query(record["cohort_parameters"]), parts=record["parts"],
        policy=record["policy"], strata=record["balanced_by"][1:], seed=record["seed"],
    )  # fmt: skip
    pd.testing.assert_frame_equal(split_images(split, cohort), split_images(again, cohort))


def test_a_label_of_one_patient_leaves_parts_without_it(example: Index) -> None:
    cohort = Cohort(labels="Effusion")
    sizes = analysis.split_sizes(example, cohort, parts="5 folds").query("finding == 'Effusion'")
    assert sizes["positive_patients"].sum() == 5
    assert sizes["positive"].sum() == 11


def random_split(split: Split, seed: int = 0) -> Split:
    rng = np.random.default_rng(seed)
    return Split(split.films, split.names, rng.permutation(split.part), split.fractions, split.policy, (), 0)


@pytest.mark.real_data
class TestOnNIH:
    """METHODS D6.1, and how the division compares with others'."""

    def test_seven_one_two(self, real_nih: Index) -> None:
        split = build_split(real_nih, parts="train=.7,valid=.1,test=.2", strata=())
        assert np.bincount(split.part, split.films.size).tolist() == [78_485, 11_217, 22_418]
        assert np.bincount(split.part).tolist() == [21_552, 3_091, 6_162]
        sizes = analysis.split_sizes(real_nih, parts="train=.7,valid=.1,test=.2", strata=())
        assert sizes.query("finding == 'Hernia'")["positive"].tolist() == [159, 23, 45]
        assert worst_deviation(real_nih, split) == pytest.approx(0.0128, abs=5e-5)
        assert all(row["shared_patients"] == 0 for row in proof(split_images(split), split.names))

    def test_five_folds(self, real_nih: Index) -> None:
        sizes = analysis.split_sizes(real_nih, parts="5 folds", strata=())
        assert sizes.query("finding == 'Hernia'")["positive"].tolist() == [46, 45, 45, 45, 46]

    def test_views_and_ages_are_balanced_too(self, real_nih: Index) -> None:
        table = analysis.balance(real_nih, parts=DEFAULT_PARTS).set_index("attribute")
        assert table.loc["view", "difference"].max() < 0.002
        assert not table["flagged"].any()

    def test_labels_are_spread_more_evenly_than_by_chance_or_by_others(self, real_nih: Index) -> None:
        ours = build_split(real_nih, parts="5 folds", strata=())
        chance = worst_deviation(real_nih, random_split(ours))
        assert worst_deviation(real_nih, ours) < 0.02 < 0.1 < chance
        for other in (scikit_learn_folds(ours), iterative_folds(ours)):
            assert worst_deviation(real_nih, ours) < worst_deviation(real_nih, other)


def with_part(split: Split, part: Any) -> Split:
    return Split(split.films, split.names, np.asarray(part), split.fractions, split.policy, (), 0)


def ever_positive(split: Split) -> np.ndarray:
    films = split.films
    ever = np.zeros((films.groups, len(films.index.findings)), dtype=int)
    np.maximum.at(ever, films.group, films.positive(split.policy)[films.pattern].astype(int))
    return ever


def scikit_learn_folds(split: Split) -> Split:
    """StratifiedGroupKFold on the rarest label of each patient (one row a patient, so that it stays quick)."""
    from sklearn.model_selection import StratifiedGroupKFold

    ever = ever_positive(split)
    order = np.argsort(ever.sum(axis=0))
    rarest = np.array([next((int(at) for at in order if row[at]), -1) for row in ever])
    part = np.zeros(len(ever), dtype=int)
    folds = StratifiedGroupKFold(len(split.names)).split(ever, rarest, groups=np.arange(len(ever)))
    for at, (_, held) in enumerate(folds):
        part[held] = at
    return with_part(split, part)


def iterative_folds(split: Split) -> Split:
    """Iterative stratification (Sechidis 2011) of patients by the labels they ever have."""
    from iterstrat.ml_stratifiers import MultilabelStratifiedKFold

    ever = ever_positive(split)
    part = np.zeros(len(ever), dtype=int)
    folds = MultilabelStratifiedKFold(n_splits=len(split.names), shuffle=True, random_state=0).split(ever, ever)
    for at, (_, held) in enumerate(folds):
        part[held] = at
    return with_part(split, part)
