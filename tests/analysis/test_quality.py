"""The census, the suspects and the conflicts of a demo whose faults are written down."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrdash import analysis
from cxrdash.analysis.registry import compute
from cxrdash.config import Cache
from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort
from cxrdash.index.demo import build_demo
from cxrdash.index.film_checks import CHECKS
from cxrdash.index.scan import scan
from cxrdash.index.selection import select
from cxrdash.index.store import Index, open_index
from tests.datasets import invent

NAMES = ("quality", "quality_suspects", "quality_conflicts", "unreadable", "quality_histogram", "quality_outliers")
# Every fault that can be seen in a film's pixels or file, and what must find it.
FOUND_BY = {
    "inverted": "inverted", "rotated": "sideways", "upside_down": "upside_down", "blank": "blank",
    "lateral_as_frontal": "lateral_among_frontal", "rgba": "colour_file", "broken_files": "status = unreadable",
    "missing_files": "status = missing", "monochrome1": "photometric = MONOCHROME1",
}  # fmt: skip


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Index, dict[str, list[dict[str, str]]]]:
    cache = Cache(tmp_path_factory.mktemp("quality") / "cache")
    build_demo(cache)
    scan("demo", cache)
    planted = json.loads((cache.demo / "planted.json").read_text(encoding="utf-8"))["planted"]
    return open_index("demo", cache), planted


@pytest.fixture(scope="module")
def index(demo: tuple[Index, object]) -> Index:
    return demo[0]


@pytest.mark.parametrize("fault", FOUND_BY)
def test_exactly_the_planted_films_are_found(demo: tuple[Index, dict[str, list[dict[str, str]]]], fault: str) -> None:
    index, planted = demo
    rows = select(index, Cohort(suspects=(FOUND_BY[fault],))).rows("SELECT image_id FROM selected ORDER BY image_id")
    assert [image_id for (image_id,) in rows] == sorted(entry["image_id"] for entry in planted[fault])


def test_no_other_check_suspects_a_film_of_the_demo(index: Index) -> None:
    table = analysis.quality_suspects(index).set_index("check")["images"]
    unusual = table.pop("unusual")
    assert unusual <= 0.01 * index.counts["images"]
    assert table[table > 0].index.tolist() == [
        "inverted", "upside_down", "sideways", "lateral_among_frontal", "blank", "colour_file"
    ]  # fmt: skip


def test_every_image_has_one_status_and_every_film_one_of_each_fact(index: Index) -> None:
    table = analysis.quality(index)
    status = table[table["attribute"] == "status"]
    assert status["images"].sum() == index.counts["images"] == status["of"].iloc[0]
    looked = status.set_index("level")["images"]["ok"]
    for attribute in ("format", "stored_mode", "bits_stored", "grey_levels_used", "size", "shape", "spacing_in_file"):
        assert table.loc[table["attribute"] == attribute, "images"].sum() == looked
    assert (table["share_of_images"] == table["images"] / table["of"]).all()


def test_each_row_of_a_census_is_the_cohort_it_names(index: Index) -> None:
    tables = [analysis.quality(index), analysis.quality_conflicts(index), analysis.unreadable(index)]
    for row in pd.concat([table[["images", "suspect"]] for table in tables]).itertuples():
        assert select(index, Cohort(suspects=(row.suspect,))).counts["images"] == row.images


def test_the_demo_s_files_agree_with_its_table(index: Index) -> None:
    table = analysis.quality_conflicts(index)
    assert table["agrees"].all() and set(table["comparison"]) == {
        "size_against_table", "view_against_table", "spacing_against_table", "photometric_against_picture"
    }  # fmt: skip


def test_suspects_of_a_cohort_are_counted_within_it(index: Index) -> None:
    women = Cohort(sexes=("F",))
    table = analysis.quality_suspects(index, women).set_index("check")
    for check in CHECKS:
        narrowed = select(index, women.narrow(Cohort(suspects=(check.name,))))
        assert table.loc[check.name, "images"] == narrowed.counts["images"]
    assert (table["of"] <= select(index, women).counts["images"]).all()
    known = table["of"] > 0
    assert ((table["low"] <= table["rate"]) & (table["rate"] <= table["high"]))[known].all()


def test_a_moved_threshold_moves_one_check_alone(index: Index) -> None:
    usual = analysis.quality_suspects(index).set_index("check")
    moved = analysis.quality_suspects(index, check="unusual", threshold=0.6).set_index("check")
    assert moved.loc["unusual", "images"] > usual.loc["unusual", "images"]
    assert moved.loc["unusual", "suspect"] == "unusual: 0.6"
    pd.testing.assert_frame_equal(moved.drop(index="unusual"), usual.drop(index="unusual"))
    with pytest.raises(CxrdashError, match="no check named 'blury'"):
        analysis.quality_suspects(index, check="blury")


def test_outliers_are_the_suspects_the_clearest_first(index: Index) -> None:
    for check, falling in (("inverted", True), ("blank", False)):
        table = analysis.quality_outliers(index, check=check)
        assert len(table) == select(index, Cohort(suspects=(check,))).counts["images"]
        assert table["value"].is_monotonic_decreasing if falling else table["value"].is_monotonic_increasing
    assert len(analysis.quality_outliers(index, check="inverted", most=2)) == 2


@pytest.mark.parametrize("measure", ["orientation_r", "relative_sharpness", "grey_levels", "lateral_gap"])
def test_a_histogram_counts_every_film_once_and_its_bars_are_doors(index: Index, measure: str) -> None:
    table = analysis.quality_histogram(index, measure=measure)
    assert table["images"].sum() == table["of"].iloc[0] > 1_000
    bins = table.groupby(["from_value", "suspect"])["images"].sum().reset_index()
    for row in bins[bins["images"] > 0].iloc[[0, -1]].itertuples():
        assert select(index, Cohort(suspects=(row.suspect,))).counts["images"] == row.images
    with pytest.raises(CxrdashError, match="'beauty' is no measure"):
        analysis.quality_histogram(index, measure="beauty")


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_cohort_keeps_columns_and_dtypes(index: Index, name: str) -> None:
    full, empty = compute(name, index, Cohort()), compute(name, index, Cohort(splits=("nowhere",)))
    assert empty.dtypes.astype(str).to_dict() == full.dtypes.astype(str).to_dict()
    assert empty["images"].sum() == 0 if "images" in empty else empty.empty


@pytest.mark.parametrize("name", NAMES)
def test_before_a_scan_the_tables_are_the_same_and_empty(tmp_path: Path, index: Index, name: str) -> None:
    unscanned = invent(3, patients=4).index(tmp_path / "plain")
    found, full = compute(name, unscanned, Cohort()), compute(name, index, Cohort())
    assert found.dtypes.astype(str).to_dict() == full.dtypes.astype(str).to_dict()
    if name == "quality":
        assert found[["attribute", "level", "images"]].to_numpy().tolist() == [
            ["status", "not scanned", unscanned.counts["images"]]
        ]
    else:
        assert found["images"].sum() == 0 if "images" in found else found.empty


def test_reasons_with_different_numbers_are_one_row(index: Index) -> None:
    table = analysis.unreadable(index)
    assert table["images"].sum() == 5
    cut = table[table["reason"].str.contains("truncated")]
    assert cut["images"].tolist() == [2] and "(N bytes" in cut["reason"].iloc[0]
    assert np.allclose(table["share_of_images"], table["images"] / index.counts["images"])
