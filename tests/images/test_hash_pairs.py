"""Pairs of close hashes: exactly those of a plain loop, and every planted one among many."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from cxrdash.images import hash_pairs
from cxrdash.images.hashes import perceptual_hash
from tests.benchmarks.duplicates import filmlike_hashes, found_among, plant, random_hashes


def picture(seed: int) -> np.ndarray:
    """Smooth greys, uint8 (256, 256)."""
    clouds = gaussian_filter(np.random.default_rng(seed).normal(size=(256, 256)), 8)
    return np.clip(128 + 40 * clouds / clouds.std(), 0, 255).astype(np.uint8)


def hashed(pixels: np.ndarray) -> np.ndarray:
    return np.frombuffer(perceptual_hash(Image.fromarray(np.ascontiguousarray(pixels))), np.uint8)


def test_distances_count_the_bits_that_differ() -> None:
    hashes = np.zeros((3, 32), np.uint8)
    hashes[1, 0], hashes[2] = 0b10100001, 255
    words = hash_pairs.as_words(hashes)
    assert hash_pairs.distances(words, np.array([[0, 1], [0, 2], [1, 2], [2, 2]])).tolist() == [3, 256, 253, 0]


def test_few_hashes_are_all_compared() -> None:
    hashes = filmlike_hashes(700, 1)
    plant(hashes, 60, 2)
    words = hash_pairs.as_words(hashes)
    found = {tuple(pair) for pair in hash_pairs.close_hashes(words).tolist()}
    bits = np.unpackbits(hashes, axis=1).astype(int)
    apart = bits @ (1 - bits).T + (1 - bits) @ bits.T
    brute = {(a, b) for a, b in np.argwhere(apart <= hash_pairs.MOST_BITS).tolist() if a < b}
    assert found == brute and len(found) >= 60


@pytest.mark.parametrize("make", [random_hashes, filmlike_hashes])
def test_among_many_every_planted_pair_is_found_and_none_is_invented(make) -> None:
    hashes = make(60_000, 3)
    planted, _ = plant(hashes, 1_000, 4)
    words = hash_pairs.as_words(hashes)
    found = hash_pairs.close_hashes(words)
    assert found_among(found, planted, len(hashes)).all()
    assert (hash_pairs.distances(words, found) <= hash_pairs.MOST_BITS).all() and (found[:, 0] < found[:, 1]).all()
    assert len(np.unique(found, axis=0)) == len(found)


@pytest.mark.parametrize("count", [0, 1])
def test_without_two_hashes_there_is_no_pair(count: int) -> None:
    assert hash_pairs.close_hashes(hash_pairs.as_words(random_hashes(count, 1))).shape == (0, 2)


def test_thousands_of_equal_hashes_do_not_become_millions_of_pairs() -> None:
    hashes = random_hashes(20_000, 5)
    hashes[:5_000] = hashes[0]
    found = hash_pairs.close_hashes(hash_pairs.as_words(hashes))
    assert len(found) < 5_000 * hash_pairs.NEIGHBOURS * 4
    assert len(np.unique(found)) == 5_000  # each of them has a neighbour


@pytest.mark.parametrize(
    "change",
    [
        np.fliplr,
        np.flipud,
        np.rot90,
        np.transpose,
        lambda pixels: 255 - pixels,
        lambda pixels: 255 - np.rot90(pixels, 3),
    ],
)
def test_a_turned_or_mirrored_film_is_near_by_its_turned_hash(change) -> None:
    film = picture(1)
    a, b = hashed(film), hashed(change(film))
    assert hash_pairs.turned_distance(a, b) <= 8
    plain = int(np.unpackbits(a ^ b).sum())
    assert plain > 80
    assert hash_pairs.turned_distance(a, hashed(picture(2))) > 80
