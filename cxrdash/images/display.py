"""From stored pixels to the 8-bit picture: lookup table or window, then inversion."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cxrdash.images.film import Film, Lookup, Pixels, Window


def display_8bit(film: Film) -> NDArray[np.uint8]:
    """Return the picture for the screen, (h, w) uint8, 0 black.

    8-bit rasters come back as stored. 16-bit rasters are spread linearly from their minimum to their
    maximum, so nothing is clipped; a constant one is black. DICOM uses its first VOI lookup table, else
    its first window, else minimum to maximum; MONOCHROME1 is inverted last (PS3.3 C.7.6.3.1.2).
    """
    tone = film.lookup or film.window
    if tone is None:
        picture = film.pixels.astype(np.uint8, copy=False)
    elif film.pixels.dtype in (np.uint8, np.uint16):
        # One table of at most 65,536 entries instead of arithmetic on every pixel.
        table = _shades(np.arange(np.iinfo(film.pixels.dtype).max + 1), tone)
        picture = table[film.pixels]
    else:
        picture = _shades(film.pixels, tone)
    return 255 - picture if film.inverted else picture


def _shades(values: Pixels, tone: Lookup | Window) -> NDArray[np.uint8]:
    share = _looked_up(values, tone) if isinstance(tone, Lookup) else window_share(values, tone)
    return np.rint(share * 255).astype(np.uint8)


def window_share(values: Pixels, window: Window) -> NDArray[np.float32]:
    """Return how white each value is shown, 0 to 1, by the formulas of DICOM PS3.3 C.11.2.1.2 and .3.

    A window without width shows what is below its centre black and the rest white, except that a film
    of one value (a "range" window of width 0) is black.
    """
    x = np.asarray(values, np.float32)
    if window.function == "SIGMOID":
        exponent = np.clip(-4 * (x - window.center) / window.width, -60, 60)
        return np.asarray(1 / (1 + np.exp(exponent)), np.float32)
    half = 0.5 if window.function == "LINEAR" else 0.0
    center, width = window.center - half, window.width - 2 * half
    if width <= 0:
        return np.asarray(x > center, np.float32)
    return np.asarray(np.clip((x - np.float32(center)) / np.float32(width) + 0.5, 0, 1), np.float32)


def _looked_up(values: Pixels, lookup: Lookup) -> NDArray[np.float32]:
    # Values outside the table take its first or last entry (PS3.3 C.11.2.1.1).
    index = np.clip(np.rint(values).astype(np.int64) - lookup.first, 0, len(lookup.values) - 1)
    return np.asarray(np.minimum(lookup.values[index] / (2**lookup.bits - 1), 1), np.float32)
