"""Two films beside each other and what differs once one is laid on the other, as PNG files."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cxrdash.images import shape_pairs
from cxrdash.images.display import display_8bit
from cxrdash.images.film import Film
from cxrdash.images.likeness import Likeness, Picture, Start, laid_on, likeness
from cxrdash.images.orientation import SIDE, small_film
from cxrdash.images.small_pictures import shrunk

LONGEST = 640
MIDDLE_GREY, BEYOND = 128, 40
GAIN = 1.5  # of the difference, so that a few greys can be seen


@dataclass(frozen=True, eq=False)
class PairPictures:
    """PNG files: both films as shown, the second laid on the first, and the first less that, mid-grey for none.

    ``found`` says how alike they are; where they could not be laid on each other they are subtracted as they are.
    """

    first: bytes
    second: bytes
    laid: bytes
    difference: bytes
    found: Likeness


def pair_pictures(film_a: Film, film_b: Film) -> PairPictures:
    """Return two films, the second laid on the first, and their difference, at most 640 pixels a side."""
    a, b = (np.asarray(shrunk(Image.fromarray(display_8bit(film)), LONGEST)) for film in (film_a, film_b))
    found = best_likeness(a, b)
    laid = laid_on(a, b, found)
    return PairPictures(_png(a), _png(b), _png(_seen(laid)), _png(_difference(a, laid)), found)


def best_likeness(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> Likeness:
    """Lay b on a from every start that their small signatures suggest, and as they are; return the best."""
    tiles = np.stack([np.frombuffer(small_film(Image.fromarray(one)), np.uint8).reshape(SIDE, SIDE) for one in (a, b)])
    guessed = shape_pairs.candidates(tiles)
    first, second = Picture(a), Picture(b)
    starts = [Start()]
    for at, (left, _right) in enumerate(guessed.pairs.tolist()):
        if left == 0:
            crop = (guessed.crop[at][0], guessed.crop[at][1], guessed.crop[at][2])
            degrees = float(guessed.turn[at]) * 360 / shape_pairs.ANGLES
            starts.append(Start(degrees, bool(guessed.mirrored[at]), bool(guessed.inverted[at]), crop))
    return max((likeness(first, second, start) for start in starts), key=lambda found: (found.near, found.detail))


def _seen(laid: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.clip(np.nan_to_num(laid, nan=0.0), 0, 255).astype(np.uint8)


def _difference(a: NDArray[np.uint8], laid: NDArray[np.float64]) -> NDArray[np.uint8]:
    difference = MIDDLE_GREY + GAIN * (a - laid)
    return np.where(np.isnan(laid), BEYOND, np.clip(difference, 0, 255)).astype(np.uint8)


def _png(shades: NDArray[np.uint8]) -> bytes:
    held = BytesIO()
    Image.fromarray(shades).save(held, "PNG", compress_level=3)
    return held.getvalue()
