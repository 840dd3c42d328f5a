"""How many changed copies of real films are found as one picture, beside how many different patients' are."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxrdash.images import hash_pairs, shape_pairs
from cxrdash.images.film import Film
from cxrdash.images.hashes import perceptual_hash
from cxrdash.images.likeness import SAME_DETAIL, Likeness, Picture, Start, likeness
from cxrdash.images.orientation import SIDE, small_film
from cxrdash.images.small_pictures import encoded_jpeg, shrunk

Change = Callable[[np.ndarray], np.ndarray]
Pair = tuple[int, int]
pytestmark = pytest.mark.real_data


def windowed(film: np.ndarray, low: float, high: float) -> np.ndarray:
    ends = np.percentile(film, [low, high])
    return np.clip((film - ends[0]) / (ends[1] - ends[0]) * 255, 0, 255).astype(np.uint8)


def turned(film: np.ndarray, degrees: float) -> np.ndarray:
    return np.asarray(Image.fromarray(film).rotate(degrees, Image.Resampling.BILINEAR))


def compressed(film: np.ndarray, quality: int) -> np.ndarray:
    held = BytesIO()
    Image.fromarray(film).save(held, "JPEG", quality=quality)
    return np.asarray(Image.open(held))


def blackened(place: tuple[slice, slice]) -> Change:
    def change(film: np.ndarray) -> np.ndarray:
        changed = film.copy()
        changed[place] = 0
        return changed

    return change


THIRD = 341
# The change, and the least share of copies that must be found. The films have 1,024 x 1,024 pixels.
CHANGES: dict[str, tuple[Change, float]] = {
    "inverted": (lambda film: 255 - film, 1.0),
    "turned by 90 degrees": (lambda film: np.rot90(film).copy(), 1.0),
    "turned by 180 degrees": (lambda film: film[::-1, ::-1].copy(), 1.0),
    "mirrored": (lambda film: film[:, ::-1].copy(), 1.0),
    "window of percentiles 5 to 95": (lambda film: windowed(film, 5, 95), 0.99),
    "resized to 320 pixels": (lambda film: np.asarray(Image.fromarray(film).resize((320, 320))), 1.0),
    "JPEG quality 70": (lambda film: compressed(film, 70), 1.0),
    "cropped by 4% at each edge": (lambda film: film[41:-41, 41:-41].copy(), 0.99),
    "cropped by 4% at two edges": (lambda film: film[41:, 41:].copy(), 0.99),
    "lower third black": (blackened(np.s_[-THIRD:, :]), 0.95),
    "left third black": (blackened(np.s_[:, :THIRD]), 0.95),
    "middle third black": (blackened(np.s_[:, THIRD:-THIRD]), 0.9),
    "turned by 12 degrees": (lambda film: turned(film, 12), 0.97),
    "gamma 1.5": (lambda film: (255 * (film / 255) ** 1.5).astype(np.uint8), 1.0),
}  # fmt: skip


class Shelf:
    """Films as a scan keeps them: thumbnail, cells and hash."""

    def __init__(self, films: list[np.ndarray]) -> None:
        small = [shrunk(Image.fromarray(film), 256) for film in films]
        jpegs = [encoded_jpeg(Film(np.asarray(one), "L", 8, one.width, one.height), 256) for one in small]
        self.pictures = [Picture.of_jpeg(jpeg) for jpeg in jpegs]
        self.tiles = np.stack([np.frombuffer(small_film(one), np.uint8).reshape(SIDE, SIDE) for one in small])
        self.hashes = np.stack([np.frombuffer(perceptual_hash(one), np.uint8) for one in small])


@pytest.fixture(scope="module")
def films(real_data: Path) -> list[np.ndarray]:
    paths = sorted((real_data / "nih" / "images").glob("*.png"))
    return [np.asarray(Image.open(path).convert("L")) for path in paths]


@pytest.fixture(scope="module")
def patients(real_data: Path) -> list[str]:
    return [path.name[:8] for path in sorted((real_data / "nih" / "images").glob("*.png"))]


@pytest.fixture(scope="module")
def originals(films: list[np.ndarray]) -> Shelf:
    return Shelf(films)


def laid(tiles: np.ndarray, pictures: list[Picture]) -> dict[Pair, Likeness]:
    """The best likeness of every candidate pair."""
    return of_candidates(shape_pairs.candidates(tiles), pictures)


def of_candidates(found: shape_pairs.Candidates, pictures: list[Picture]) -> dict[Pair, Likeness]:
    best: dict[Pair, Likeness] = {}
    for at, (a, b) in enumerate(found.pairs.tolist()):
        crop = tuple(found.crop[at].tolist())
        start = Start(found.turn[at] * 360 / shape_pairs.ANGLES, found.mirrored[at], found.inverted[at], crop)
        one, pair = likeness(pictures[a], pictures[b], start), (min(a, b), max(a, b))
        if pair not in best or one.detail > best[pair].detail:
            best[pair] = one
    return best


def same(found: Likeness) -> bool:
    return found.near and found.detail >= SAME_DETAIL


def different_patients(patients: list[str]) -> np.ndarray:
    return np.array([(b, a) for a, one in enumerate(patients) for b in range(a) if patients[b] != one])


def test_no_two_patients_have_the_same_film(originals: Shelf, patients: list[str]) -> None:
    best = laid(originals.tiles, originals.pictures)
    others = {pair: one for pair, one in best.items() if patients[pair[0]] != patients[pair[1]]}
    pairs = sum(a != b for at, a in enumerate(patients) for b in patients[:at])
    # Films that the search would not even try: each with the film of another patient that is most like it.
    codes = np.unique(patients, return_inverse=True)[1]
    nearest = shape_pairs.nearest_of(originals.tiles, np.arange(len(patients)), codes)
    others |= of_candidates(nearest, originals.pictures)
    assert len(others) >= 150
    alarms = [pair for pair, one in others.items() if same(one)]
    print(
        f"false alarms {len(alarms)} of {pairs:,} pairs of different patients, {len(others)} of them laid on each other"
    )
    assert alarms == []


@pytest.mark.parametrize("name", CHANGES)
def test_changed_copies_are_found(originals: Shelf, films: list[np.ndarray], patients: list[str], name: str) -> None:
    change, least = CHANGES[name]
    chosen = list(range(0, len(films), 3))
    copies = Shelf([np.ascontiguousarray(change(films[at])) for at in chosen])
    of = len(films)
    best = laid(np.concatenate([originals.tiles, copies.tiles]), [*originals.pictures, *copies.pictures])
    recall = np.mean([same(best[at, of + k]) if (at, of + k) in best else False for k, at in enumerate(chosen)])
    owner = [*patients, *(patients[at] for at in chosen)]
    alarms = sum(same(one) and owner[a] != owner[b] for (a, b), one in best.items())
    words = hash_pairs.as_words(np.concatenate([originals.hashes, copies.hashes]))
    bits = hash_pairs.distances(words, np.array([(at, of + k) for k, at in enumerate(chosen)]))
    alone = float(np.mean(bits <= hash_pairs.MOST_BITS))
    needed = int(np.sort(bits)[round(recall * len(bits)) - 1])  # bits at which the hash alone would find as many
    apart = hash_pairs.distances(words, different_patients(patients))
    price = int((apart <= needed).sum())
    print(
        f"{name:30} recall {recall:6.1%} of {len(chosen)}, false alarms {alarms}; hash alone {alone:6.1%} at "
        f"{hash_pairs.MOST_BITS} bits, as many at {needed} with {price:,} of {len(apart):,} false alarms"
    )
    assert recall >= least and recall >= alone and alarms == 0
