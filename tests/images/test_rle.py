"""Run-length codes: the published test vectors, round trips, and what cannot be drawn is refused."""

from __future__ import annotations

import numpy as np
import pycocotools.mask as coco
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from cxrdash.demo.masks import CONVENTION as DEMO
from cxrdash.demo.masks import run_lengths
from cxrdash.errors import CxrdashError
from cxrdash.images.rle import COCO, COLUMN_MAJOR, CONVENTIONS, RELATIVE, ROW_MAJOR, decode, encode

MASKS = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12))


def drawn(mask: np.ndarray) -> list[str]:
    return ["".join("#" if pixel else "." for pixel in row) for row in mask]


VECTORS = [
    ("1 2 2 3", 4, 4, RELATIVE, ["....", "##..", "##..", ".#.."]),
    ("2 1 3 2", 3, 4, RELATIVE, ["...", "...", "##.", ".#."]),
    ("2 2 6 1", 4, 3, ROW_MAJOR, [".##.", ".#..", "...."]),
    ("2 2 6 1", 4, 3, COLUMN_MAJOR, ["....", "#...", "##.."]),
]


@pytest.mark.parametrize(("rle", "width", "height", "convention", "picture"), VECTORS)
def test_the_published_vectors_decode_to_their_pictures(
    rle: str, width: int, height: int, convention: str, picture: list[str]
) -> None:
    mask = decode(rle, width, height, convention=convention)
    assert mask.dtype == bool and drawn(mask) == picture
    assert encode(mask, convention=convention) == rle


def test_coco_counts_decode_as_worked_out_by_hand() -> None:
    # "X1" is 8 + 32 * 1 = 40; "mN" is 29 - 64 = -35, so the fifth count is 40 - 35 = 5; and so on.
    mask = decode("61X13mN000`0", 10, 9, convention=COCO)
    flat = "." * 6 + "#" * 1 + "." * 40 + "#" * 4 + "." * 5 + "#" * 4 + "." * 5 + "#" * 4 + "." * 21
    assert ["".join(column) for column in zip(*drawn(mask), strict=True)] == [flat[n : n + 9] for n in range(0, 90, 9)]
    assert encode(mask, convention=COCO) == "61X13mN000`0"


@given(MASKS, st.sampled_from(CONVENTIONS))
def test_every_mask_survives_the_round_trip(mask: np.ndarray, convention: str) -> None:
    height, width = mask.shape
    assert np.array_equal(decode(encode(mask, convention=convention), width, height, convention=convention), mask)


@given(MASKS)
def test_the_two_orders_are_each_others_transposition(mask: np.ndarray) -> None:
    assert encode(mask, convention=ROW_MAJOR) == encode(mask.T, convention=COLUMN_MAJOR)


@given(MASKS)
def test_coco_agrees_with_pycocotools(mask: np.ndarray) -> None:
    theirs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert encode(mask, convention=COCO) == theirs["counts"].decode()


@given(st.text("0123456789 -XN`", max_size=30), st.sampled_from(CONVENTIONS))
def test_any_text_is_a_mask_or_refused(rle: str, convention: str) -> None:
    try:
        mask = decode(rle, 5, 4, convention=convention)
    except CxrdashError as refusal:
        assert refusal.message and refusal.hint
    else:
        assert mask.shape == (4, 5)


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("rle", ["", "-1", "  "])
def test_blank_and_minus_one_are_empty_masks(rle: str, convention: str) -> None:
    mask = decode(rle, 3, 2, convention=convention)
    assert mask.shape == (2, 3) and not mask.any()


def test_overlapping_runs_are_joined() -> None:
    assert drawn(decode("3 2 2 2", 4, 1, convention=ROW_MAJOR)) == [".###"]


@pytest.mark.parametrize(
    ("rle", "convention", "said"),
    [
        ("2 2 6", ROW_MAJOR, "The mask holds 3 numbers, which are no pairs."),
        ("2 2 6 0", COLUMN_MAJOR, "Run 2 of the mask has no pixels."),
        ("1 0", RELATIVE, "Run 1 of the mask has no pixels."),
        ("12 2", ROW_MAJOR, "The mask reaches pixel 13, but there are only 12."),
        ("10 2 0 1", RELATIVE, "The mask reaches pixel 13, but there are only 12."),
        ("0 2", COLUMN_MAJOR, "A run of the mask starts at 0 where pixels are counted from 1."),
        ("1.5 2", ROW_MAJOR, "The mask is not written in whole numbers: '1.5 2'."),
        ("-2 2", ROW_MAJOR, "The mask is not written in whole numbers: '-2 2'."),
        ("1 " + "9" * 30, ROW_MAJOR, "The mask is not written in whole numbers"),
        ("22", COCO, "The mask covers 4 pixels, but there are 12."),
        ("202:", COCO, "A run of the mask has no pixels."),
        ("22\x7f", COCO, r"'22\x7f' is no mask in COCO's compressed form."),
        ("22X", COCO, "'22X' breaks off within a number."),
        ("PPPPPPPP1", COCO, "is no mask in COCO's compressed form."),
        ("2O", COCO, "A run of the mask has -1 pixels."),
    ],
)
def test_what_is_no_mask_of_twelve_pixels_is_refused(rle: str, convention: str, said: str) -> None:
    with pytest.raises(CxrdashError) as caught:
        decode(rle, 4, 3, convention=convention)
    assert said in caught.value.message and "nothing of it was drawn" in caught.value.hint


def test_a_touching_run_reaches_the_last_pixel() -> None:
    assert drawn(decode("11 2", 4, 3, convention=ROW_MAJOR)) == ["....", "....", "..##"]


@pytest.mark.parametrize(("width", "height"), [(0, 4), (4, -1), (10**6, 10**6)])
def test_an_impossible_size_is_refused(width: int, height: int) -> None:
    with pytest.raises(CxrdashError, match=f"A mask cannot be {width} x {height} pixels"):
        decode("1 1", width, height, convention=ROW_MAJOR)


def test_an_unknown_convention_is_answered_with_the_known_ones() -> None:
    with pytest.raises(CxrdashError) as caught:
        decode("1 1", 2, 2, convention="zigzag")
    assert caught.value.message == "'zigzag' is no way to write a mask." and ROW_MAJOR in caught.value.hint


def test_the_masks_of_the_demo_decode() -> None:
    mask = np.array([[False, True, True], [True, False, False]])
    assert np.array_equal(decode(run_lengths(mask), 3, 2, convention=DEMO), mask)
