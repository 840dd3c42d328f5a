"""Films that may be one picture turned, mirrored, cropped or partly blackened: neighbours by small signatures.

A perceptual hash survives another window, size or compression, but not a turn by some degrees, a crop
or a missing part. Two signatures of the 32 x 32 cells of a film do. *Rings*: greys along circles around
the centre, of which only the strength of each angular frequency is kept, so that turning, mirroring and
exchanging the greys change nothing; a copy cropped by a few percent is found because the rings of every
film are also taken a little smaller. *Sides*: the cells of one outer third, which stay as they were when
another third is blackened. Neighbours are candidates and nothing more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxrdash.images.orientation import SIDE

RADII = np.linspace(1.5, 14.5, 10)
ANGLES = 64
HARMONICS = 13
MIDDLE = (SIDE - 1) / 2
WEIGHT = RADII / RADII.sum()
# Of the cropped copy's centre and size on the whole film, in shares of the side: 4% off each edge, 2%, or off a corner.
CROPS = ((0.0, 0.0, 0.92), (0.0, 0.0, 0.96), *((y, x, 0.96) for y in (-0.02, 0.02) for x in (-0.02, 0.02)))
THIRD = 10
NEAREST = 3  # candidates of a film in each search
RINGS_ALIKE = 0.98  # correlation of the greys on the rings, once turned; all changed copies of 208 films reached it
SIDES_ALIKE = 0.99  # correlation of a third; that of different patients reached .98 among 43,000 pairs
FLAT = 4.0  # grey levels of deviation below which a third shows nothing
EXACT_UP_TO = 20_000
CELL = 2_000  # films compared at once beyond that
PROBES = 3
ROUNDS = 4
SEED = 72

Tiles = NDArray[np.uint8]
Floats = NDArray[np.float32]
Whole = NDArray[np.int64]
WHOLE = (0.0, 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class Candidates:
    """Pairs that may be one picture, (n, 2), each with how b would have to be laid on a (see ``likeness.Start``).

    ``turn`` is in steps of 360/64 degrees, ``crop`` (n, 3) the centre and size of a on b, in shares.
    """

    pairs: Whole
    turn: Whole
    mirrored: NDArray[np.bool_]
    inverted: NDArray[np.bool_]
    crop: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.pairs)


def candidates(tiles: Tiles) -> Candidates:
    """Return candidates among films of 32 x 32 cells, uint8 (n, 32, 32); a pair may come more than once."""
    found = [*_by_rings(tiles), *_by_sides(tiles)]
    return Candidates(
        *(np.concatenate([getattr(one, name) for one in found]) for name in Candidates.__annotations__)
    )  # fmt: skip


def polar(tiles: Tiles, crop: tuple[float, float, float] = WHOLE) -> Floats:
    """Return greys on ten circles at 64 angles, float32 (n, 10, 64), of mean 0 and deviation 1 over the disc.

    ``crop`` is the centre (down, across, from the middle) and size of the disc in shares of the side.
    """
    down, across, size = crop
    angle = np.arange(ANGLES) * 2 * np.pi / ANGLES
    y = np.clip(MIDDLE + down * SIDE + size * RADII[:, None] * np.sin(angle), 0, SIDE - 1.001)
    x = np.clip(MIDDLE + across * SIDE + size * RADII[:, None] * np.cos(angle), 0, SIDE - 1.001)
    top, left = y.astype(np.int64), x.astype(np.int64)
    low, right = (y - top).astype(np.float32), (x - left).astype(np.float32)
    upper = tiles[:, top, left] * (1 - right) + tiles[:, top, left + 1] * right
    lower = tiles[:, top + 1, left] * (1 - right) + tiles[:, top + 1, left + 1] * right
    greys = (upper * (1 - low) + lower * low).astype(np.float32)
    weight = (WEIGHT / ANGLES)[:, None].astype(np.float32)
    greys -= (greys * weight).sum(axis=(1, 2), keepdims=True)
    greys /= np.sqrt((greys * greys * weight).sum(axis=(1, 2), keepdims=True)) + 1e-6
    return greys


def rings(greys: Floats) -> Floats:
    """Return the strength of each angular frequency on each circle, float32 (n, 130)."""
    strength = np.abs(np.fft.rfft(greys, axis=2)[:, :, :HARMONICS]) / ANGLES
    weighed: Floats = (strength * np.sqrt(WEIGHT)[None, :, None]).astype(np.float32)
    return weighed.reshape(len(greys), len(RADII) * HARMONICS)


def _by_rings(tiles: Tiles) -> Iterator[Candidates]:
    plain = polar(tiles)
    points = rings(plain)
    for crop in (WHOLE, *CROPS):
        cropped = plain if crop == WHOLE else polar(tiles, crop)
        # a's own rings against those of b taken smaller: a may be cut out of b.
        near = nearest(points, points if crop == WHOLE else rings(cropped))
        pairs = _as_pairs(near, both=crop == WHOLE)
        for first in range(0, len(pairs), CELL):
            yield _turned_alike(plain, cropped, pairs[first : first + CELL], crop)


def nearest_of(tiles: Tiles, chosen: Whole, person: Whole) -> Candidates:
    """Return for some films the most similar film of another person, however little they resemble each other."""
    greys = polar(tiles)
    points = rings(greys)
    near = nearest(points, points, most=NEAREST)[chosen]
    other = (near >= 0) & (person[near] != person[chosen][:, None])
    has = other.any(axis=1)
    pairs = np.stack([chosen[has], near[has, other[has].argmax(axis=1)]], axis=1)
    return _turned_alike(greys, greys, pairs, WHOLE, least=-1.0)


def _turned_alike(
    plain: Floats, cropped: Floats, pairs: Whole, crop: tuple[float, float, float], *, least: float = RINGS_ALIKE
) -> Candidates:
    """Turn and mirror b's circles until they are most like a's; keep the pairs that are."""
    a = np.fft.rfft(plain[pairs[:, 0]] * WEIGHT[None, :, None], axis=2)
    b = np.fft.rfft(cropped[pairs[:, 1]], axis=2)
    # Mirroring top to bottom turns every angle into its opposite, which conjugates the frequencies.
    every = np.stack([np.fft.irfft((a * other).sum(axis=1), ANGLES) for other in (np.conj(b), b)], axis=1) / ANGLES
    flat = np.abs(every).reshape(len(pairs), 2 * ANGLES)
    best = flat.argmax(axis=1)
    kept = flat[np.arange(len(pairs)), best] >= least
    value = every.reshape(len(pairs), 2 * ANGLES)[np.arange(len(pairs)), best]
    return Candidates(
        pairs[kept], (best % ANGLES)[kept], (best >= ANGLES)[kept], (value < 0)[kept],
        np.tile(np.array(crop), (int(kept.sum()), 1)),
    )  # fmt: skip


SIDES = (np.s_[:, :, :THIRD], np.s_[:, :, -THIRD:], np.s_[:, :THIRD, :], np.s_[:, -THIRD:, :])


def _by_sides(tiles: Tiles) -> Iterator[Candidates]:
    for side in SIDES:
        cells = tiles[side].reshape(len(tiles), THIRD * SIDE).astype(np.float32)
        cells -= cells.mean(axis=1, keepdims=True)
        (shows,) = np.nonzero(cells.std(axis=1) >= FLAT)
        cells = cells[shows]
        cells /= np.linalg.norm(cells, axis=1, keepdims=True)
        pairs = _as_pairs(nearest(cells, cells), both=True)
        alike = np.einsum("nd,nd->n", cells[pairs[:, 0]], cells[pairs[:, 1]]) >= SIDES_ALIKE
        pairs = shows[pairs[alike]].reshape(-1, 2)
        none = np.zeros(len(pairs), bool)
        yield Candidates(pairs, np.zeros(len(pairs), np.int64), none, none, np.tile(np.array(WHOLE), (len(pairs), 1)))


def _as_pairs(near: Whole, *, both: bool) -> Whole:
    """Rows of neighbours as pairs; each once where the order does not matter."""
    pairs = np.stack([np.repeat(np.arange(len(near)), near.shape[1]), near.ravel()], axis=1)
    pairs = pairs[near.ravel() >= 0]
    return np.unique(np.sort(pairs, axis=1), axis=0) if both else pairs


def nearest(queries: Floats, points: Floats, *, most: int = NEAREST) -> Whole:
    """Return for each query the nearest points but the one of its own place, int64 (n, most); -1 for none.

    Both have shape (n, d). Exact up to 20,000; beyond, points are gathered in cells of about 2,000 and
    a query looks into the three nearest cells.
    """
    found = np.full((len(queries), most), -1, np.int64)
    if len(points) <= EXACT_UP_TO:
        _look(queries, points, np.arange(len(queries)), np.arange(len(points)), found, np.full(found.shape, np.inf))
        return found
    centres = _centres(points)
    home, visits = _closest(points, centres, 1)[:, 0], _closest(queries, centres, PROBES)
    far = np.full(found.shape, np.inf)
    for cell in range(len(centres)):
        (asking,) = np.nonzero((visits == cell).any(axis=1))
        (there,) = np.nonzero(home == cell)
        _look(queries, points, asking, there, found, far)
    return found


def _look(queries: Floats, points: Floats, asking: Whole, there: Whole, found: Whole, far: NDArray[np.float64]) -> None:
    """Compare some queries with some points, and keep in ``found`` and ``far`` what is nearer than what is known."""
    if not len(there):
        return
    there_squared = (points[there] ** 2).sum(axis=1)
    for first in range(0, len(asking), CELL):
        rows = asking[first : first + CELL]
        gap = there_squared - 2 * queries[rows] @ points[there].T + (queries[rows] ** 2).sum(axis=1)[:, None]
        gap[rows[:, None] == there[None]] = np.inf
        kept = np.argpartition(gap, min(found.shape[1], len(there)) - 1, axis=1)[:, : found.shape[1]]
        gaps = np.concatenate([far[rows], np.take_along_axis(gap, kept, axis=1)], axis=1)
        names = np.concatenate([found[rows], there[kept]], axis=1)
        names[~np.isfinite(gaps)] = -1
        order = np.argsort(gaps, axis=1, kind="stable")[:, : found.shape[1]]
        far[rows], found[rows] = np.take_along_axis(gaps, order, axis=1), np.take_along_axis(names, order, axis=1)


def _centres(points: Floats) -> Floats:
    """Centres of cells by a few rounds of k-means on a sample."""
    random = np.random.default_rng(SEED)
    count = -(-len(points) // CELL)
    sample = points[random.choice(len(points), min(len(points), 50 * count), replace=False)]
    centres = sample[:count].copy()
    for _ in range(ROUNDS):
        home = _closest(sample, centres, 1)[:, 0]
        sizes = np.bincount(home, minlength=count)
        sums = np.zeros_like(centres)
        np.add.at(sums, home, sample)
        centres[sizes > 0] = sums[sizes > 0] / sizes[sizes > 0, None]
    return centres


def _closest(points: Floats, centres: Floats, most: int) -> Whole:
    squared = (centres**2).sum(axis=1)
    parts = [
        np.argsort(squared - 2 * points[first : first + CELL] @ centres.T, axis=1)[:, :most]
        for first in range(0, len(points), CELL)
    ]
    return np.concatenate(parts)
