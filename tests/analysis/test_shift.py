"""How far apart datasets are: small datasets of known ages, sexes and views."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrdash import analysis
from cxrdash.analysis.distances import level_difference
from cxrdash.config import Cache
from cxrdash.index.build import Request, build_index
from cxrdash.index.cohort import Cohort
from cxrdash.index.store import Index, open_index
from tests.analysis.test_distances import AGES_A, AGES_B
from tests.datasets import chexpert_row, nih_row, write_chexpert, write_nih


def nih_of(folder: Path, name: str, rows: list[str], cache: Cache) -> Index:
    build_index(Request(write_nih(folder / name, rows), name=name, source="nih"), cache)
    return open_index(name, cache)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Index, Index]:
    """The ages of METHODS T6.3; 5 of 8 women and 2 AP films in the first, 2 of 8 women and none in the second."""
    root = tmp_path_factory.mktemp("shift")
    cache = Cache(root / "cache")
    first = [
        nih_row(p, age=str(age), sex="F" if p < 5 else "M", view="AP" if p < 2 else "PA")
        for p, age in enumerate(AGES_A)
    ]
    second = [nih_row(p, age=str(age), sex="F" if p < 2 else "M") for p, age in enumerate(AGES_B)]
    return nih_of(root, "first", first, cache), nih_of(root, "second", second, cache)


def measured(table: pd.DataFrame, variable: str, measure: str) -> pd.Series:
    return table[(table["variable"] == variable) & (table["measure"] == measure)].iloc[0]


def test_t6_3_from_the_index(pair: tuple[Index, Index]) -> None:
    table = analysis.compare_distances(pair[0], others=(pair[1],))
    for measure, value in (("SMD", 0.564160), ("KS", 0.375), ("Wasserstein, years", 9.5)):
        found = measured(table, "age", measure)
        assert found["value"] == pytest.approx(value, abs=1e-6)
        assert found["low"] < value < found["high"]
        assert (found["images_a"], found["images_b"], found["unknown_a"]) == (8, 8, 0)


def test_the_share_of_women_is_first_minus_second(pair: tuple[Index, Index]) -> None:
    forward = measured(analysis.compare_distances(pair[0], others=(pair[1],)), "sex", "SMD")["value"]
    backward = measured(analysis.compare_distances(pair[1], others=(pair[0],)), "sex", "SMD")["value"]
    # a sample variance has n - 1 where the share's own formula has n
    assert forward == pytest.approx(level_difference([5, 3], [2, 6]) * (7 / 8) ** 0.5)
    assert backward == pytest.approx(-forward)


def test_ages_are_compared_in_bins_of_five_years(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    first = nih_of(tmp_path, "first", [nih_row(p, age=str(20 + p)) for p in range(5)], cache)
    second = nih_of(tmp_path, "second", [nih_row(p, age=str(24 - p)) for p in range(5)], cache)
    third = nih_of(tmp_path, "third", [nih_row(p, age="25") for p in range(5)], cache)
    table = analysis.compare_distances(first, others=(second, third))
    found = table[(table["measure"] == "Jensen-Shannon") & (table["variable"] == "age")]
    assert found.set_index(["dataset_a", "dataset_b"])["value"].to_dict() == {
        ("first", "second"): 0, ("first", "third"): 1, ("second", "third"): 1,
    }  # fmt: skip


def test_a_copy_of_a_dataset_is_at_no_distance(tmp_path: Path) -> None:
    cache, rows = Cache(tmp_path / "cache"), [nih_row(p, age=str(20 + p), sex="FM"[p % 2]) for p in range(9)]
    one, two = (nih_of(tmp_path, name, rows, cache) for name in ("one", "two"))
    table = analysis.compare_distances(one, others=(two,))
    known = table[~((table["variable"] == "view") & (table["measure"] == "SMD"))]
    assert (known["value"] == 0).all()


def test_repeat_imaging_widens_the_interval(tmp_path: Path) -> None:
    """The same ages, once of forty patients with one film each and once of eight with five each."""
    cache = Cache(tmp_path / "cache")
    other = nih_of(tmp_path, "other", [nih_row(p, age=str(40 + p % 8)) for p in range(40)], cache)
    single = nih_of(tmp_path, "single", [nih_row(p, age=str(30 + 5 * (p % 8))) for p in range(40)], cache)
    repeated = nih_of(
        tmp_path, "repeated", [nih_row(p, n, age=str(30 + 5 * p)) for p in range(8) for n in range(5)], cache
    )
    widths = []
    for index in (single, repeated):
        found = measured(analysis.compare_distances(index, others=(other,)), "age", "SMD")
        widths.append(found["high"] - found["low"])
    assert widths[1] > 1.7 * widths[0]


def test_what_is_unknown_takes_no_part_and_is_counted(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    known = nih_of(tmp_path, "known", [nih_row(p, age=str(30 + p)) for p in range(4)], cache)
    rows = [chexpert_row(1), chexpert_row(2, age="0", sex="Unknown"), chexpert_row(3, age="70", sex="Male")]
    build_index(Request(write_chexpert(tmp_path / "chexpert", rows), name="chexpert", allow_bad_rows=True), cache)
    table = analysis.compare_distances(known)
    found = measured(table, "age", "KS")
    assert (found["images_b"], found["unknown_b"], found["value"]) == (2, 1, 1)
    assert measured(table, "sex", "SMD")["unknown_b"] == 1


def test_without_ages_a_distance_is_undefined(pair: tuple[Index, Index]) -> None:
    table = analysis.compare_distances(pair[0], Cohort(ages=(60, 120), sexes=("F",)), others=(pair[1],))
    found = table[table["variable"] == "age"]
    assert found["value"].isna().all() and set(found["method"]) == {"undefined"}
    assert set(found["images_b"]) == {0}


def test_the_seed_decides_the_interval_and_not_the_value(pair: tuple[Index, Index]) -> None:
    one, again, other = (analysis.compare_distances(pair[0], others=(pair[1],), seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one, again)
    assert np.array_equal(one["value"], other["value"])
    assert not np.array_equal(one["low"], other["low"])
