"""Which way up a film is, and whether its greys are exchanged: a small picture of it against a template.

A template is the median of the dataset's own films, so no picture of ours decides what a chest looks like
(METHODS 7.3). A mirrored film cannot be told this way: left and right are never judged here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 32
CELLS = SIDE * SIDE
FEWEST = 20  # films, below which a median is no template
ALIGNING_ROUNDS = 3
# What a film would look like that scores best so; turned to the left is counter-clockwise.
VARIANTS = (
    "as stored",
    "turned left",
    "upside down",
    "turned right",
    "inverted",
    "inverted, turned left",
    "inverted, upside down",
    "inverted, turned right",
)
FRONTAL, LATERAL = "frontal", "lateral"
GROUPS = {
    "PA": FRONTAL,
    "AP": FRONTAL,
    "AP_SUPINE": FRONTAL,
    "FRONTAL_UNKNOWN": FRONTAL,
    "LATERAL": LATERAL,
    "UNKNOWN": "unknown",
}
"""Views whose films resemble each other; films of other views are not judged."""

Films = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Scores:
    """Per film: ``r`` against the template as stored, the best variant's number and its r.

    Arrays of shape (films,): float32, int64, float32; r is a mean product of standardised values, -1 to 1.
    """

    r: NDArray[np.float32]
    best: NDArray[np.int64]
    best_r: NDArray[np.float32]


def small_film(picture: Image.Image) -> bytes:
    """Return a grey picture averaged to 32 x 32 cells, one byte each, row by row."""
    return picture.resize((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=2.0).tobytes()


def standardised(small: NDArray[np.uint8]) -> Films:
    """Return small films (n, 1024) as (n, 32, 32) of mean 0 and deviation 1; a uniform film is all 0."""
    values = small.reshape(-1, CELLS).astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    deviation = values.std(axis=1, keepdims=True)
    values /= np.where(deviation > 0, deviation, 1)
    return values.reshape(-1, SIDE, SIDE)


def template(films: Films, *, facing: bool = False) -> Films | None:
    """Return the standardised median (32, 32) of standardised films; None for fewer than 20.

    With ``facing`` the films may look to either side (laterals): each is mirrored where that brings it
    nearer to the others before the median is taken.
    """
    if len(films) < FEWEST:
        return None
    films = _aligned(films) if facing else films
    middle = np.median(films, axis=0)
    spread = middle.std()
    return ((middle - middle.mean()) / spread).astype(np.float32) if spread > 0 else None


def _aligned(films: Films) -> Films:
    """Films mirrored so that all face as the first does, or nearly."""
    middle = films[0]
    for _ in range(ALIGNING_ROUNDS):
        mirrored = films[:, :, ::-1]
        other = _products(mirrored, middle) > _products(films, middle)
        films = np.where(other[:, None, None], mirrored, films)
        middle = np.median(films, axis=0).astype(np.float32)
    return films


def _products(films: Films, pattern: Films) -> Films:
    flat = np.ascontiguousarray(pattern, dtype=np.float32).reshape(CELLS)
    return np.asarray(films.reshape(-1, CELLS) @ flat / CELLS, np.float32)


def scores(films: Films, pattern: Films, *, facing: bool = False) -> Scores:
    """Score standardised films against a template in the eight variants of ``VARIANTS``.

    With ``facing`` a film counts as whichever of itself and its mirror image is nearer.
    """
    turned = np.stack([_turned(films, pattern, quarter, facing) for quarter in range(4)], axis=1)
    # Exchanging the greys of a standardised film changes the sign of its products.
    greys = [_turned(-films, pattern, quarter, facing) for quarter in range(4)]
    every = np.concatenate([turned, np.stack(greys, axis=1)], axis=1)
    best = every.argmax(axis=1)
    return Scores(every[:, 0], best, every[np.arange(len(every)), best])


def _turned(films: Films, pattern: Films, quarter: int, facing: bool) -> Films:
    """r of the films with ``quarter`` turns to the left undone, which is as good as turning the template."""
    found = _products(films, np.rot90(pattern, quarter))
    if not facing:
        return found
    return np.maximum(found, _products(films, np.rot90(pattern[:, ::-1], quarter)))
