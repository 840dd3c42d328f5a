"""Overlap of readers' boxes: METHODS 8.3, and matches counted by hand."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrdash.analysis.box_agreement import box_agreement, intersection_over_union
from cxrdash.config import Cache
from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort
from cxrdash.index.store import Index, open_index
from tests.datasets import build, nih_row, write_nih

# image, finding, reader, box. Image 0: two readers box one mass alike, one boxes another place as well.
BOXES = [
    (0, "Mass", "a", (10, 10, 20, 20)), (0, "Mass", "b", (20, 15, 20, 20)), (0, "Mass", "b", (100, 100, 5, 5)),
    (1, "Mass", "a", (0, 0, 10, 10)), (1, "Mass", "b", (50, 0, 10, 10)),
    (2, "Mass", "a", (0, 0, 10, 10)), (2, "Mass", "a", (2, 0, 10, 10)), (2, "Mass", "b", (2, 0, 10, 10)),
    (3, "Nodule", "a", (0, 0, 4, 4)),
    (4, "Mass", "a", (0, 0, 4, 4)),
]  # fmt: skip
READINGS = [(3, "b", "Nodule", "negative"), (4, "listener", "Mass", "positive")]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    base = tmp_path_factory.mktemp("boxes")
    folder, cache = write_nih(base / "nih", [nih_row(patient) for patient in range(1, 6)]), Cache(base / "cache")
    build(folder, "nih", cache)
    path = open_index("nih", cache).path
    with duckdb.connect(str(path)) as con:
        for image, finding, reader, box in BOXES:
            con.execute("INSERT INTO boxes VALUES (?, ?, ?, ?, ?, ?, ?, 'original')", [image, finding, reader, *box])
        con.executemany("INSERT INTO readings VALUES (?, ?, ?, ?)", READINGS)
    return open_index("nih", cache)


def test_oracle_t8_3() -> None:
    assert intersection_over_union((10, 10, 20, 20), (20, 15, 20, 20)) == pytest.approx(0.230769, abs=5e-7)


def test_boxes_apart_touching_or_empty() -> None:
    ious = intersection_over_union(
        [(0, 0, 2, 2), (0, 0, 2, 2), (1, 1, 0, 0)], [(5, 5, 1, 1), (2, 0, 2, 2), (1, 1, 0, 0)]
    )
    assert ious[:2].tolist() == [0, 0] and np.isnan(ious[2])


whole = st.integers(0, 6)
boxes = st.tuples(whole, whole, st.integers(1, 6), st.integers(1, 6))


@given(boxes, boxes)
def test_overlap_is_the_share_of_common_pixels(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    def pixels(box: tuple[int, ...]) -> set[tuple[int, int]]:
        x, y, w, h = box
        return {(i, j) for i in range(x, x + w) for j in range(y, y + h)}

    one, other = pixels(a), pixels(b)
    assert intersection_over_union(a, b) == pytest.approx(len(one & other) / len(one | other))


def test_matches_counted_by_hand(index: Index) -> None:
    table = box_agreement(index).set_index("finding")
    # Three images, eight boxes, each looked for with one colleague; images 0 and 2 have one match each.
    mass = table.loc["Mass"]
    assert mass[["images", "boxes", "comparisons", "pairs", "unmatched"]].tolist() == [3, 8, 8, 2, 4]
    assert mass["median_iou"] == pytest.approx((0.2307692 + 1) / 2)
    assert (mass["share_at_half"], mass["share_unmatched"]) == (0.5, 0.5)


def test_a_reader_who_drew_none_leaves_the_box_unmatched_but_one_who_never_draws_does_not_count(index: Index) -> None:
    table = box_agreement(index).set_index("finding")
    assert table.loc["Nodule", ["images", "boxes", "comparisons", "pairs", "unmatched"]].tolist() == [1, 1, 1, 0, 1]
    assert np.isnan(table.loc["Nodule", "median_iou"])
    assert 4 in {image for image, *_ in BOXES} and table["images"].sum() == 4  # image 4 has one who draws


def test_a_least_overlap_drops_loose_matches(index: Index) -> None:
    mass = box_agreement(index, least_overlap=0.5).set_index("finding").loc["Mass"]
    assert (mass["pairs"], mass["unmatched"], mass["median_iou"]) == (1, 6, 1)


def test_only_the_cohort_s_images_count(index: Index) -> None:
    assert box_agreement(index, Cohort(patient="2"))[["finding", "pairs"]].to_numpy().tolist() == [["Mass", 0]]


@pytest.mark.parametrize("overlap", [-0.1, 1.5])
def test_an_overlap_outside_0_to_1_is_refused(index: Index, overlap: float) -> None:
    with pytest.raises(CxrdashError, match=f"least_overlap must lie between 0 and 1, not at {overlap}"):
        box_agreement(index, least_overlap=overlap)


def test_the_folder_holds_no_boxes_of_its_own(tmp_path: Path) -> None:
    folder = write_nih(tmp_path / "nih", [nih_row(1)])
    build(folder, "nih", Cache(tmp_path / "cache"))
    assert box_agreement(open_index("nih", Cache(tmp_path / "cache"))).empty
