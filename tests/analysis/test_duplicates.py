"""Every copy planted among invented films is found and told apart; where nothing was planted, nothing is said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cxrdash import analysis
from cxrdash.analysis.audit import CHECKS
from cxrdash.analysis.duplicates import KINDS, PATIENTS, linked
from cxrdash.analysis.split_files import manifest
from cxrdash.analysis.splits import build_split, split_images
from cxrdash.config import Cache
from cxrdash.errors import CxrdashError
from cxrdash.index.build import Request, build_index
from cxrdash.index.cohort import Cohort
from cxrdash.index.demo import build_demo
from cxrdash.index.scan import scan
from cxrdash.index.store import Index, open_index
from tests.copies import COPIES, FILMS, TEST, compressed, film, save, scanned, write_copies
from tests.datasets import nih_row, write_nih

ALONE = tuple(name for name in CHECKS if name != "copies")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return Cache(tmp_path_factory.mktemp("copies") / "cache")


@pytest.fixture(scope="module")
def copied(cache: Cache) -> Index:
    return scanned(write_copies(cache.root.parent / "copied"), "copied", cache)


@pytest.fixture(scope="module")
def clean(cache: Cache) -> Index:
    """The same films without a copy: 4 of them are here re-encoded, 2 changed; the others are films of its own."""
    folder = write_copies(cache.root.parent / "clean", copies=False)
    for patient in range(6, FILMS):
        save(folder, patient, 0, film(100 + patient))
    save(folder, 3, 0, compressed(film(3)))
    save(folder, 4, 0, np.fliplr(film(4)))
    save(folder, 5, 0, film(5), level=9)
    return scanned(folder, "clean", cache)


@pytest.fixture(scope="module")
def unscanned(cache: Cache) -> Index:
    build_index(Request(write_copies(cache.root.parent / "unscanned"), name="unscanned", source="nih"), cache)
    return open_index("unscanned", cache)


def key(image_id: str) -> tuple[int, int]:
    return int(image_id[:8]), int(image_id[9:12])


def pairs(index: Index, **options: object) -> dict[tuple[int, int], tuple[int, str, str]]:
    """Copies as ``COPIES`` has them; which of the two films is the copy follows from the number of its patient."""
    found = {}
    for row in analysis.duplicates(index, **options).itertuples():
        original, copy = sorted((key(row.image_id_a), key(row.image_id_b)))
        found[copy] = (original[0], row.kind, row.changed.replace("shows more", "cropped"))
    return found


def test_every_copy_is_found_with_what_changed_and_nothing_else(copied: Index) -> None:
    assert pairs(copied) == COPIES


def test_pairs_of_a_patient_stand_apart(copied: Index) -> None:
    assert list(pairs(copied, patients="same")) == [(7, 1)]
    assert len(pairs(copied, patients="different")) == len(COPIES) - 1
    assert set(pairs(copied, kind="same file")) == {(20, 0)}


def test_pairs_across_parts_and_labels_that_disagree_are_marked(copied: Index) -> None:
    table = analysis.duplicates(copied)
    ids = zip(table["image_id_a"], table["image_id_b"], strict=True)
    of_test = [key(a)[0] in TEST or key(b)[0] in TEST for a, b in ids]
    assert table["across_parts"].tolist() == table["labels_differ"].tolist() == of_test
    row = table[table["kind"] == "same file"].iloc[0]
    assert "Mass (negative, positive)" in row["differing"]
    assert "No Finding (positive, negative)" in row["differing"]


def test_the_summary_counts_the_pairs_by_kind_and_patients(copied: Index) -> None:
    table = analysis.duplicate_summary(copied).set_index(["kind", "patients"])
    assert len(table) == len(KINDS) * len(PATIENTS)
    assert table.loc[("verified", "different"), ["pairs", "images", "across_parts", "labels_differ"]].tolist() == [
        5, 10, 1, 1,
    ]  # fmt: skip
    assert table.loc[("same file", "different")].tolist() == [1, 2, 1, 1]
    assert table.loc[("same pixels", "same")].tolist() == [1, 2, 0, 0]
    assert table["pairs"].sum() == len(COPIES)


def test_both_films_of_a_pair_have_to_be_in_the_cohort(copied: Index) -> None:
    assert pairs(copied, cohort=Cohort(splits=("test",))) == {}
    assert set(pairs(copied, cohort=Cohort(splits=("train_valid",)))) == {k for k in COPIES if k[0] not in TEST}


def test_blank_films_are_no_copies_of_each_other(copied: Index) -> None:
    facts = copied.meta["scan"]["duplicates"]
    equal = sum(kind != "verified" for _, kind, _ in COPIES.values())
    assert facts["compared"] == FILMS + len(COPIES) - equal and facts["not_compared"] == 0


@pytest.mark.parametrize("option", [{"patients": "others"}, {"kind": "odd<b>"}])
def test_an_unknown_kind_is_refused_with_the_known_ones(copied: Index, option: dict[str, str]) -> None:
    with pytest.raises(CxrdashError, match=r"is none of: (different|same file)"):
        analysis.duplicates(copied, **option)


def test_before_a_scan_nothing_is_claimed(unscanned: Index) -> None:
    for name in ("duplicates", "duplicate_summary", "duplicate_calibration"):
        assert analysis.compute(name, unscanned, Cohort()).empty
    assert len(linked(unscanned)) == 0
    table = analysis.leakage(unscanned)
    assert set(table.loc[table["unit"].isin(["same pixels", "changed copy"]), "verdict"]) == {"not possible"}


def test_the_calibration_counts_pairs_of_different_patients(copied: Index) -> None:
    table = analysis.duplicate_calibration(copied)
    bits = table[table["measure"] == "distance"]
    people = FILMS + len(COPIES) - 1  # but the second film of patient 7, and copies equal to the film of another
    people -= sum(kind != "verified" and at[1] == 0 for at, (_, kind, _) in COPIES.items())
    assert bits["of"].unique().tolist() == [people * (people - 1) // 2] == [bits["pairs"].sum()]
    assert bits["threshold"].unique().tolist() == [40]
    assert bits["beyond"].unique().tolist() == [bits.loc[bits["low"] <= 40, "pairs"].sum()]
    assert (table["high"] > table["low"]).all()


class TestBetweenDatasets:
    """The films of ``clean`` stand in ``copied`` too, some of them changed."""

    def test_shared_films_are_found_by_what_they_show(self, copied: Index, clean: Index) -> None:
        table = analysis.duplicates_between(copied, others=(clean,))
        found = {
            (key(a)[0], key(b)[0]): (kind, changed)
            for a, b, kind, changed in zip(
                table["image_id_a"], table["image_id_b"], table["kind"], table["changed"], strict=True
            )
        }
        assert found == {
            (0, 0): ("same file", ""), (1, 1): ("same file", ""), (2, 2): ("same file", ""),
            (20, 0): ("same file", ""), (21, 1): ("same pixels", ""), (23, 3): ("same pixels", ""),
            (5, 5): ("same pixels", ""), (22, 2): ("verified", "mirrored"), (3, 3): ("verified", "same position"),
            (4, 4): ("verified", "mirrored"),
        }  # fmt: skip
        assert [KINDS.index(kind) for kind in table["kind"]] == sorted(KINDS.index(kind) for kind in table["kind"])

    def test_pairs_that_were_not_laid_are_candidates(self, copied: Index, clean: Index) -> None:
        table = analysis.duplicates_between(copied, others=(clean,), laid=0)
        unsure = table[table["kind"] == "candidate"]
        assert set(unsure["image_id_a"].map(lambda name: key(name)[0])) == {22, 3, 4}
        assert unsure["detail"].isna().all() and not (table["kind"] == "verified").any()

    def test_a_limit_keeps_the_surest(self, copied: Index, clean: Index) -> None:
        table = analysis.duplicates_between(copied, others=(clean,), limit=4)
        assert table["kind"].tolist() == ["same file"] * 4

    def test_a_film_in_the_test_part_of_one_alone_crosses(self, copied: Index, tmp_path: Path, cache: Cache) -> None:
        folder = write_nih(tmp_path / "other", [nih_row(0), nih_row(1)], train_val_list=["00000000_000.png"],
                           test_list=["00000001_000.png"])  # fmt: skip
        for patient in (0, 1):
            save(folder, patient, 0, film(patient))
        table = analysis.duplicates_between(copied, others=(scanned(folder, "other", cache),))
        crossing = table.loc[table["crosses"], ["image_id_a", "image_id_b"]].map(lambda name: key(name)[0])
        assert sorted(crossing.itertuples(index=False, name=None)) == [(1, 1), (20, 0), (21, 1)]

    def test_without_calibration_a_hash_alone_says_nothing(self, copied: Index, unscanned: Index) -> None:
        assert analysis.duplicates_between(copied, others=(unscanned,)).empty


class TestSplits:
    def test_the_given_parts_leak_two_pictures(self, copied: Index) -> None:
        table = analysis.leakage(copied).set_index("unit")
        assert table.loc["patient", "verdict"] == "none shared"
        assert table.loc[["same pixels", "changed copy"], "shared"].tolist() == [1, 1]
        assert table.loc["same pixels", ["units_a", "units_b"]].tolist() == [20, 2]

    @pytest.mark.parametrize("seed", range(5))
    def test_a_built_split_keeps_all_copies_together(self, copied: Index, seed: int) -> None:
        split = build_split(copied, parts="4 folds", strata=(), seed=seed)
        part = split_images(split).set_index("image_id")["part"]
        table = analysis.duplicates(copied)
        assert (part[table["image_id_a"]].to_numpy() == part[table["image_id_b"]].to_numpy()).all()
        pictures = analysis.leakage(copied, parts="4 folds", strata=(), seed=seed)
        assert pictures.loc[pictures["unit"] == "changed copy", "shared"].tolist() == [0] * 6
        assert [row["shared_pictures"] for row in manifest(split)["shared"]] == [0] * 6

    def test_a_chain_of_copies_is_kept_together(self, cache: Cache, tmp_path: Path) -> None:
        folder = write_nih(tmp_path / "chain", [nih_row(n) for n in range(6)])
        changed = [film(1), compressed(film(1)), np.fliplr(film(1)), film(2), film(3), film(4)]
        for patient, pixels in enumerate(changed):
            save(folder, patient, 0, pixels)
        split = build_split(scanned(folder, "chain", cache), parts="3 folds", strata=())
        assert split_images(split)["part"].head(3).nunique() == 1

    def test_the_record_of_an_unscanned_split_says_that_it_was_not_checked(self, unscanned: Index) -> None:
        assert manifest(build_split(unscanned, parts="2 folds", strata=()))["shared"][0]["shared_pictures"] is None


class TestAudit:
    def test_planted_copies_fail_where_they_stand_in_two_parts(self, copied: Index) -> None:
        (row,) = analysis.audit(copied, without=ALONE).itertuples()
        assert (row.code, row.severity, row.value, row.page) == ("films.duplicates", "fail", 7, "duplicates")
        assert row.sentence == (
            "7 pairs of films of different patients are one picture each; 2 of them stand in two parts; "
            "17 different films compared."
        )

    def test_a_clean_dataset_passes(self, clean: Index) -> None:
        (row,) = analysis.audit(clean, without=ALONE).itertuples()
        assert row.severity == "pass" and row.sentence.startswith("No film of one patient was found among those of")
        assert row.sentence.endswith("12 different films compared.")

    def test_without_a_scan_it_is_not_checked_and_says_how(self, unscanned: Index) -> None:
        (row,) = analysis.audit(unscanned, without=ALONE).itertuples()
        assert row.severity == "not checked" and row.sentence.endswith("python -m cxrdash scan unscanned")

    def test_without_films_it_says_where_to_put_them(self, cache: Cache, tmp_path: Path) -> None:
        build_index(Request(write_nih(tmp_path / "none", [nih_row(1)]), name="none", source="nih"), cache)
        (row,) = analysis.audit(open_index("none", cache), without=ALONE).itertuples()
        assert row.severity == "not checked" and "--images FOLDER" in row.sentence


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Index, dict[str, set[frozenset[str]]]]]:
    """The demo, scanned, and the pairs that were planted in it."""
    cache = Cache(tmp_path_factory.mktemp("demo") / "cache")
    build_demo(cache)
    scan("demo", cache, workers=2)
    written = json.loads((cache.root / "demo" / "planted.json").read_text(encoding="utf-8"))["planted"]
    planted = {
        kind: {frozenset((one["image_id"], one["of"])) for one in written[kind]}
        for kind in ("exact_duplicates", "near_duplicates")
    }
    yield open_index("demo", cache), planted


def test_what_is_planted_in_the_demo_is_found_and_nothing_else(
    demo: tuple[Index, dict[str, set[frozenset[str]]]],
) -> None:
    index, planted = demo
    table = analysis.duplicates(index, patients="different")
    found = {
        kind: {frozenset(pair) for pair in zip(rows["image_id_a"], rows["image_id_b"], strict=True)}
        for kind, rows in table.groupby("kind")
    }
    assert found == {"same file": planted["exact_duplicates"], "verified": planted["near_duplicates"]}
    (row,) = analysis.audit(index, without=ALONE).itertuples()
    assert row.severity == "fail" and row.sentence.startswith("11 pairs of films of different patients")
