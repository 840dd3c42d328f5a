"""Masks on films: what fits is drawn, what does not is refused, and the worked examples of METHODS 8."""

from __future__ import annotations

import gzip
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image, ImageDraw

from cxrdash.errors import CxrdashError
from cxrdash.images.overlay import (
    Layer,
    box_mask,
    cardiothoracic_ratio,
    columns_of,
    mask_on_film,
    outline,
    overlay_jpeg,
    painted,
    rows_of,
    scaled,
    side,
)
from cxrdash.images.rle import RELATIVE, ROW_MAJOR, decode, encode

MASKS = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=9))
EMPTY = np.zeros((4, 100), dtype=bool)


def columns(*spans: tuple[int, int], width: int = 100) -> np.ndarray:
    mask = np.zeros((4, width), dtype=bool)
    for first, last in spans:
        mask[1:3, first : last + 1] = True
    return mask


def test_oracle_t8_1() -> None:
    mask = mask_on_film("1 3 10 2", (5, 3), (5, 3), convention=ROW_MAJOR)
    assert mask.astype(int).tolist() == [[1, 1, 1, 0, 0], [0, 0, 0, 0, 1], [1, 0, 0, 0, 0]]


def test_oracle_t8_2() -> None:
    mask = mask_on_film("5 2 2 3", (4, 4), (4, 4), convention=RELATIVE)
    assert ["".join(str(int(pixel)) for pixel in row) for row in mask] == ["0000", "0110", "0110", "0010"]


def test_oracle_t8_4() -> None:
    a, b = (np.array(bits, dtype=bool) for bits in ([[1, 1, 0], [1, 0, 0]], [[1, 0, 0], [1, 1, 0]]))
    assert 2 * (a & b).sum() / (a.sum() + b.sum()) == pytest.approx(0.666667, abs=5e-7)
    assert (a & b).sum() / (a | b).sum() == 0.5


def test_oracle_t8_5() -> None:
    ratio = cardiothoracic_ratio(columns((40, 79)), columns((10, 49)), columns((60, 99)))
    assert ratio == pytest.approx(40 / 90) == pytest.approx(0.444444, abs=5e-7)


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_ratio_needs_the_heart_and_both_lungs(missing: int) -> None:
    organs = [columns((40, 79)), columns((10, 49)), columns((60, 99))]
    organs[missing] = EMPTY
    assert np.isnan(cardiothoracic_ratio(*organs))


@pytest.mark.parametrize(
    ("size", "film", "whole", "fits"),
    [
        ((4, 2), (4, 2), False, True), ((4, 2), (8, 4), True, True), ((4, 2), (2, 1), True, True),
        ((4, 2), (8, 4), False, False), ((4, 2), (8, 6), True, False), ((4, 2), (6, 3), True, False),
        ((4, 2), (2, 4), True, False),
    ],
)  # fmt: skip
def test_a_mask_is_scaled_by_whole_numbers_where_that_is_stated_and_never_stretched(
    size: tuple[int, int], film: tuple[int, int], whole: bool, fits: bool
) -> None:
    if fits:
        mask = mask_on_film("1 2 5 2", size, film, convention=ROW_MAJOR, whole_film=whole)
        assert mask.shape == film[::-1] and mask.mean() == 0.5 and mask[:, 0].all()
        return
    with pytest.raises(CxrdashError, match="The mask is 4 × 2 pixels, the film") as refused:
        mask_on_film("1 4", size, film, convention=ROW_MAJOR, whole_film=whole)
    assert "Nothing was stretched" in refused.value.hint


def test_an_exchange_of_width_and_height_is_named() -> None:
    with pytest.raises(CxrdashError, match="Its width and height look exchanged"):
        mask_on_film("1 4", (390, 320), (320, 390), convention=ROW_MAJOR)


@given(MASKS, st.integers(1, 4))
def test_a_whole_multiple_repeats_every_pixel_and_comes_back(mask: np.ndarray, factor: int) -> None:
    height, width = mask.shape
    large = scaled(mask, (width * factor, height * factor))
    assert np.array_equal(large, mask.repeat(factor, axis=0).repeat(factor, axis=1))
    assert np.array_equal(scaled(large, (width, height)), mask)


@given(MASKS, st.integers(1, 3))
def test_an_outline_is_what_is_left_when_the_mask_is_shrunk(mask: np.ndarray, width: int) -> None:
    from scipy.ndimage import binary_erosion

    assert np.array_equal(outline(mask, width), mask & ~binary_erosion(mask, iterations=width))


@given(MASKS)
def test_the_extent_is_that_of_the_pixels(mask: np.ndarray) -> None:
    y, x = np.nonzero(mask)
    assert columns_of(mask) == ((x.min(), x.max()) if len(x) else None)
    assert rows_of(mask) == ((y.min(), y.max()) if len(y) else None)
    assert side(mask.T[:, ::-1].T[::-1]) == side(mask)  # turned upside down it stays on its side


def test_sides_are_those_of_the_picture() -> None:
    assert (side(columns((0, 10))), side(columns((80, 99))), side(columns((49, 50)))) == ("left", "right", "middle")
    assert side(EMPTY) is None


def test_paint_tints_the_inside_lines_the_border_and_leaves_the_rest() -> None:
    mask = np.zeros((7, 7), dtype=bool)
    mask[1:6, 1:6] = True
    picture = painted(np.full((7, 7), 100, dtype=np.uint8), [Layer(mask, (200, 0, 0))], line=1, fill=0.5)
    assert picture.dtype == np.uint8 and picture.shape == (7, 7, 3)
    assert picture[0, 0].tolist() == [100, 100, 100]
    assert picture[1, 1].tolist() == [200, 0, 0]
    assert picture[3, 3].tolist() == [150, 50, 50]


def test_a_layer_of_another_size_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="a layer of"):
        painted(np.zeros((3, 3), dtype=np.uint8), [Layer(np.ones((3, 4), dtype=bool), (1, 2, 3))])


def test_the_picture_keeps_the_films_size_and_without_a_film_the_masks_aspect() -> None:
    held = BytesIO()
    Image.new("L", (120, 60), 50).save(held, "JPEG")
    mask = np.zeros((600, 1200), dtype=bool)
    mask[:, 600:] = True
    for picture, size in ((held.getvalue(), (120, 60)), (None, (256, 128))):
        made = Image.open(BytesIO(overlay_jpeg(picture, [Layer(mask, (255, 0, 0))], fill=0.5)))
        assert made.size == size
        red = np.asarray(made)[:, :, 0].astype(int) - np.asarray(made)[:, :, 2]
        assert red[:, : size[0] // 2 - 4].max() < 20 < red[:, size[0] // 2 + 4 :].min()
    with pytest.raises(ValueError, match="nothing to draw"):
        overlay_jpeg(None, [])


def test_a_box_covers_the_pixels_it_touches_and_is_cut_at_the_edge() -> None:
    mask = box_mask((1.5, 0, 2, 1), (5, 4))
    assert np.argwhere(mask).tolist() == [[0, 1], [0, 2], [0, 3]]
    assert box_mask((-3, -3, 5, 5), (5, 4)).sum() == 4 and not box_mask((9, 9, 2, 2), (5, 4)).any()


@pytest.fixture(scope="session")
def chexmask(real_data: Path) -> pd.DataFrame:
    path = real_data / "chexmask" / "ChestX-Ray8.csv"
    if not path.is_file():
        pytest.skip("no CheXmask rows here")
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt") as file:
        return pd.read_csv(file).set_index("Image Index")


def organs(row: pd.Series) -> list[np.ndarray]:
    return [
        mask_on_film(row[name], (row["Width"], row["Height"]), (1024, 1024), convention=ROW_MAJOR)
        for name in ("Heart", "Right Lung", "Left Lung")
    ]


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("image", "ratio"),
    [("00006808_000.png", 0.623094), ("00005365_021.png", 0.364780), ("00009001_007.png", 0.493235)],
)
def test_oracle_d8_9(chexmask: pd.DataFrame, image: str, ratio: float) -> None:
    assert cardiothoracic_ratio(*organs(chexmask.loc[image])) == pytest.approx(ratio, abs=5e-7)


@pytest.mark.real_data
def test_every_real_mask_lies_on_its_landmarks_and_on_its_side(chexmask: pd.DataFrame) -> None:
    # The landmarks are an account of the same contour that knows nothing of run-length codes.
    spans = {"Right Lung": slice(0, 44), "Left Lung": slice(44, 94), "Heart": slice(94, 120)}
    for _, row in chexmask.iterrows():
        points = np.array(row["Landmarks"].split(","), dtype=int).reshape(120, 2)
        for name, span in spans.items():
            mask = decode(row[name], 1024, 1024, convention=ROW_MAJOR)
            drawn = Image.new("1", (1024, 1024))
            ImageDraw.Draw(drawn).polygon([tuple(point) for point in points[span].tolist()], fill=1, outline=1)
            polygon = np.asarray(drawn)
            assert (mask & polygon).sum() / (mask | polygon).sum() > 0.98, name
            assert encode(mask, convention=ROW_MAJOR) == row[name].strip()
            assert mask.sum() == sum(int(length) for length in row[name].split()[1::2])
        _, right, left = organs(row)
        assert (side(right), side(left)) == ("left", "right")
