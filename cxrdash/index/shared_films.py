"""Films of two datasets that may be one picture: neighbours by hash, laid on each other from their thumbnails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cxrdash.config import Cache
from cxrdash.errors import CxrdashError
from cxrdash.images import hash_pairs
from cxrdash.images.hashes import HASH_SIZE
from cxrdash.images.likeness import SAME_DETAIL, Likeness, Picture, Start, likeness
from cxrdash.images.thumbnails import ThumbnailStore
from cxrdash.index.draw import DrawnImage, film_path, films
from cxrdash.index.store import Index

AT_ONCE = 100  # pairs whose thumbnails are fetched together
# A film mirrored left to right has its odd frequencies across with the other sign.
ODD_ACROSS = np.packbits(np.tile((np.arange(HASH_SIZE) % 2).astype(np.uint8), HASH_SIZE))
EVERY_BIT = np.full(HASH_SIZE * HASH_SIZE // 8, 255, np.uint8)


@dataclass(frozen=True, eq=False)
class Hashed:
    """Films of a dataset: dense image numbers (n,) and their hashes, uint8 (n, 32)."""

    index: Index
    images: NDArray[np.int64]
    hashes: NDArray[np.uint8]


class SharedFilm(NamedTuple):
    """Places in two ``Hashed`` whose films may be one picture; ``found`` is None where they were not laid."""

    a: int
    b: int
    distance: int
    found: Likeness | None


def shared_films(a: Hashed, b: Hashed, *, most_laid: int) -> list[SharedFilm]:
    """Return pairs whose hashes differ in at most 40 bits, the nearest first, the first of them laid on each other.

    Looked for as they are, mirrored left to right and with greys exchanged: across datasets a copy that is
    turned, cropped or partly blackened is not found.
    """
    nearest: dict[tuple[int, int], tuple[int, Start]] = {}
    for changed, start in _changes(b.hashes):
        for one, other, bits in _close(a.hashes, changed):
            if (one, other) not in nearest or bits < nearest[one, other][0]:
                nearest[one, other] = bits, start
    order = sorted(nearest.items(), key=lambda pair: (pair[1][0], pair[0]))
    laid = _laid(a, b, [(*pair, start) for pair, (_, start) in order[:most_laid]])
    return [SharedFilm(*pair, bits, laid.get(pair)) for pair, (bits, _) in order]


def lines(a: Index, b: Index) -> tuple[float, int]:
    """Return the least detail of one picture and the most bits of a candidate, the stricter of two datasets'.

    Without a calibration of both, no hash alone makes a candidate (-1).
    """
    facts = [(one.meta.get("scan") or {}).get("duplicates") or {} for one in (a, b)]
    calibrated = [one for one in facts if one.get("least_detail") is not None]
    detail = max([SAME_DETAIL, *(float(one["least_detail"]) for one in calibrated)])
    return detail, min(int(one["most_bits"]) for one in calibrated) if len(calibrated) == 2 else -1


def _changes(hashes: NDArray[np.uint8]) -> Iterator[tuple[NDArray[np.uint8], Start]]:
    """The hashes as those of changed films, and how such a film has to be laid."""
    yield hashes, Start()
    yield hashes ^ EVERY_BIT, Start(inverted=True)
    mirrored = hashes ^ ODD_ACROSS
    yield mirrored, Start(180.0, mirrored=True)  # mirrored top to bottom and turned: left to right
    yield mirrored ^ EVERY_BIT, Start(180.0, mirrored=True, inverted=True)


def _close(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> Iterator[tuple[int, int, int]]:
    words = hash_pairs.as_words(np.concatenate([a, b]))
    pairs = hash_pairs.close_hashes(words)
    pairs = pairs[(pairs[:, 0] < len(a)) & (pairs[:, 1] >= len(a))]
    yield from (
        (one, other - len(a), bits)
        for (one, other), bits in zip(pairs.tolist(), hash_pairs.distances(words, pairs).tolist(), strict=True)
    )


def _laid(a: Hashed, b: Hashed, pairs: Sequence[tuple[int, int, Start]]) -> dict[tuple[int, int], Likeness]:
    """Lay films on each other; a pair of which one film cannot be read is left out."""
    found = {}
    for first in range(0, len(pairs), AT_ONCE):
        some = pairs[first : first + AT_ONCE]
        pictures_a, pictures_b = _pictures(a, [at for at, _, _ in some]), _pictures(b, [at for _, at, _ in some])
        for one, other, start in some:
            film_a, film_b = pictures_a[one], pictures_b[other]
            if film_a is not None and film_b is not None:
                found[one, other] = likeness(film_a, film_b, start)
    return found


def _pictures(of: Hashed, places: Sequence[int]) -> dict[int, Picture | None]:
    wanted = list(dict.fromkeys(places))
    chosen = films(of.index, of.images[wanted].tolist())
    store = ThumbnailStore(Cache(of.index.path.parents[2]).thumbs, of.index.dataset)
    try:
        made = store.get_many([_file(of.index, film) for film in chosen])
    finally:
        store.close()
    jpegs = zip(wanted, (one.jpeg for one in made), strict=True)
    return {at: Picture.of_jpeg(jpeg) if jpeg else None for at, jpeg in jpegs}


def _file(index: Index, film: DrawnImage) -> Path | None:
    try:
        return film_path(index, film)
    except CxrdashError:
        return None
