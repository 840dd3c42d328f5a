"""How one film lies on another is found from a rough start; what cannot be compared is not called alike."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from cxrdash.images import shape_pairs
from cxrdash.images.film import Film
from cxrdash.images.likeness import SAME_DETAIL, Likeness, Picture, Start, laid_on, likeness
from cxrdash.images.pair_pictures import best_likeness, pair_pictures
from tests.copies import film


def same(found: Likeness) -> bool:
    return found.near and found.detail >= SAME_DETAIL


def rotated(pixels: np.ndarray, degrees: float) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).rotate(degrees, Image.Resampling.BILINEAR))


@pytest.mark.parametrize("degrees", [-12, -5, 4, 12])
def test_a_turn_is_measured(degrees: float) -> None:
    found = likeness(Picture(film(1)), Picture(rotated(film(1), degrees)), Start(degrees * 0.7))
    assert same(found) and found.degrees == pytest.approx(degrees, abs=0.5) and not found.mirrored


@pytest.mark.parametrize("off", [5, 10, 15])
def test_the_size_of_a_cut_out_is_measured(off: int) -> None:
    whole = film(2)
    found = likeness(Picture(whole[off:-off, off:-off]), Picture(whole))
    assert same(found) and found.size == pytest.approx(1 - 2 * off / len(whole), abs=0.01)


def test_mirrored_and_inverted_films_are_named_so() -> None:
    found = best_likeness(film(3), 255 - np.fliplr(film(3)))
    assert same(found) and found.mirrored and found.inverted


@pytest.mark.parametrize("seed", range(8))
def test_two_pictures_are_not_one(seed: int) -> None:
    assert not same(best_likeness(film(seed), film(seed + 50)))


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_an_even_film_resembles_nothing(shade: int) -> None:
    even = np.full((240, 240), shade, np.uint8)
    assert not same(likeness(Picture(film(1)), Picture(even))) and not same(likeness(Picture(even), Picture(even)))


def test_what_is_black_is_not_compared() -> None:
    blackened = film(4).copy()
    blackened[:80] = 0
    found = likeness(Picture(film(4)), Picture(blackened))
    assert same(found) and found.shared < 0.72


def test_the_difference_of_a_changed_copy_is_even_and_shows_what_was_added() -> None:
    changed = rotated(film(5), 3).copy()
    changed[110:130, 110:130] = 255
    films = [Film(pixels, "L", 8, 240, 240) for pixels in (film(5), changed)]
    made = pair_pictures(*films)
    assert same(made.found)
    difference = np.asarray(Image.open(BytesIO(made.difference))).astype(int) - 128
    added = np.abs(difference[112:128, 112:128]).mean()
    assert added > 60 > 6 * np.abs(difference[40:90, 40:90]).mean()


def test_beyond_the_edge_of_the_second_nothing_is_laid() -> None:
    whole = film(6)
    found = likeness(Picture(whole), Picture(whole[20:-20, 20:-20]))
    laid = laid_on(whole, whole[20:-20, 20:-20], found)
    assert laid.shape == whole.shape
    assert np.isnan(laid[:15]).all() and not np.isnan(laid[30:-30, 30:-30]).any()


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_films_have_few_neighbours(count: int) -> None:
    tiles = np.random.default_rng(1).integers(0, 256, (count, 32, 32), dtype=np.uint8)
    assert len(shape_pairs.candidates(tiles)) == 0
    assert len(shape_pairs.nearest_of(tiles, np.arange(count), np.arange(count))) == max(0, count // 2 * 2)


def test_neighbours_among_many_are_those_of_a_plain_search() -> None:
    random = np.random.default_rng(2)
    points = random.normal(size=(25_000, 16)).astype(np.float32)
    queries = points[:300] + random.normal(0, 0.01, (300, 16)).astype(np.float32)
    near = shape_pairs.nearest(queries, points)
    gaps = ((queries[:, None] - points[None, :2_000]) ** 2).sum(axis=2)
    gaps[np.arange(300), np.arange(300)] = np.inf
    assert near.shape == (300, 3) and (near != np.arange(300)[:, None]).all()
    nearer = ((queries - points[near[:, 0]]) ** 2).sum(axis=1) <= gaps.min(axis=1) + 1e-4
    assert nearer.mean() > 0.9  # 2,000 of 25,000 points were looked at here, three of 13 cells there
