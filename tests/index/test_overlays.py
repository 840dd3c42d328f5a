"""What is drawn on one film: in its pixels where it fits, with the reason where it does not."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest

from cxrdash.config import Cache
from cxrdash.images.rle import ROW_MAJOR, encode
from cxrdash.index.mask_tables import write_mask_measures
from cxrdash.index.overlays import Overlay, overlays_of
from cxrdash.index.store import Index, open_index
from tests.datasets import build, nih_row, write_nih


def square(side: int, first: int, last: int) -> str:
    mask = np.zeros((side, side), dtype=bool)
    mask[first : last + 1, first : last + 1] = True
    return encode(mask, convention=ROW_MAJOR)


MASKS = [
    (0, "heart", 1024, 1024, square(1024, 100, 199), ROW_MAJOR, 0.9),
    (0, "pneumothorax", 1024, 1024, square(1024, 0, 9), ROW_MAJOR, None),
    (0, "pneumothorax", 1024, 1024, square(1024, 5, 14), ROW_MAJOR, None),
    (1, "heart", 1024, 1024, "", ROW_MAJOR, 0.8),
    (1, "left_lung", 1024, 1024, "1 2 3", ROW_MAJOR, 0.8),
    (1, "right_lung", None, None, "1 4", ROW_MAJOR, 0.7),
]
BOXES = [(0, "Mass", "a", 512, 256, 100, 50, "png1024"), (1, "Mass", "a", 1000, 0, 100, 10, "png1024"),
         (1, "Nodule", "b", 10, 10, 5, 5, "original"), (2, "Edema", "a", 1, 1, 1020, 1020, "png1024")]  # fmt: skip


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    base = tmp_path_factory.mktemp("overlays")
    cache = Cache(base / "cache")
    build(write_nih(base / "nih", [nih_row(patient) for patient in range(1, 5)]), "nih", cache)
    with duckdb.connect(str(open_index("nih", cache).path)) as con:
        con.executemany("INSERT INTO masks VALUES (?, ?, ?, ?, ?, ?, ?)", MASKS)
        con.executemany("INSERT INTO boxes VALUES (?, ?, ?, ?, ?, ?, ?, ?)", BOXES)
        write_mask_measures(con)
    return open_index("nih", cache)


def drawn(index: Index, image: int, film_size: tuple[int, int]) -> dict[str, Overlay]:
    return {overlay.name: overlay for overlay in overlays_of(index, image, film_size=film_size)}


def test_masks_come_in_the_films_pixels_and_rows_of_one_structure_are_united(index: Index) -> None:
    found = drawn(index, 0, (1024, 1024))
    assert list(found) == ["heart", "pneumothorax", "Mass"]
    heart, air = found["heart"], found["pneumothorax"]
    assert heart.mask is not None and heart.mask.shape == (1024, 1024) and heart.mask.sum() == 100 * 100
    assert (heart.quality, heart.parts, heart.problem) == (0.9, 1, None)
    assert air.mask is not None and air.mask.sum() == 100 + 100 - 25
    assert (air.quality, air.parts) == (None, 2)


def test_a_smaller_copy_of_the_released_film_gets_both_in_its_own_pixels(index: Index) -> None:
    found = drawn(index, 0, (512, 512))
    assert found["heart"].mask is not None and found["heart"].mask.sum() == 50 * 50
    assert found["Mass"].box == (256, 128, 50, 25)


@pytest.mark.parametrize("film_size", [(1000, 1000), (1024, 800), (2500, 2048)])
def test_a_mask_of_another_size_is_refused_and_says_so(index: Index, film_size: tuple[int, int]) -> None:
    heart = drawn(index, 0, film_size)["heart"]
    assert heart.mask is None and heart.problem is not None
    assert heart.problem.startswith("The mask is 1,024 × 1,024 pixels, the film")


def test_a_box_drawn_on_a_square_is_not_stretched_over_an_oblong(index: Index) -> None:
    box = drawn(index, 0, (2500, 2048))["Mass"]
    assert box.box is None
    assert box.problem == "The box was drawn on a film of 1,024 × 1,024 pixels; this film has 2,500 × 2,048."


def test_what_cannot_be_right_is_said_and_drawn_where_it_can_be(index: Index) -> None:
    found = drawn(index, 1, (1024, 1024))
    assert found["heart"].problem == "The mask is empty." and found["heart"].mask is not None
    assert found["left_lung"].mask is None and "no pairs" in str(found["left_lung"].problem)
    assert found["Mass"].problem == "The box reaches beyond the film." and found["Mass"].box is not None
    assert drawn(index, 2, (1024, 1024))["Edema"].problem == "The box covers nearly the whole film."


def test_a_box_of_the_original_film_is_placed_on_a_copy_of_the_same_shape(index: Index) -> None:
    width, height = index.rows("SELECT width, height FROM images WHERE image = 1")[0]
    assert drawn(index, 1, (width // 2, height // 2))["Nodule"].box == pytest.approx((5, 5, 2.5, 2.5))
    assert drawn(index, 1, (1024, 1024))["Nodule"].box is None


def test_a_film_with_nothing_drawn_has_no_overlays(index: Index) -> None:
    assert overlays_of(index, 3, film_size=(1024, 1024)) == []


def test_the_index_measures_masks_and_says_which_it_cannot_read(index: Index) -> None:
    rows = index.rows("SELECT image, structure, parts, area, x_first, x_last, problem FROM mask_measures ORDER BY ALL")
    assert [row[:6] for row in rows] == [
        (0, "heart", 1, 10_000, 100, 199), (0, "pneumothorax", 2, 175, 0, 14), (1, "heart", 1, 0, None, None),
        (1, "left_lung", 1, None, None, None), (1, "right_lung", 1, None, None, None),
    ]  # fmt: skip
    assert "no pairs" in rows[3][6] and rows[4][6] == "The size of the mask is not stated."
    assert index.rows("SELECT quality, problems FROM mask_images ORDER BY image") == [(0.9, 0), (0.7, 2)]
