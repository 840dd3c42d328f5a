"""From stored pixels to the 8-bit picture: modality step, then lookup table or window, then inversion."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cxrdash.images.film import Film, Lookup, Pixels, Window

TABLE_TYPES = (np.uint8, np.uint16, np.int8, np.int16)
BLOCK = 2**20  # values worked on at a time where there is no table, so that 32-bit films need little memory


def display_8bit(film: Film) -> NDArray[np.uint8]:
    """Return the picture for the screen, the shape of ``film.pixels``, uint8, 0 black.

    8-bit rasters come back as stored. 16-bit rasters are spread linearly from their minimum to their
    maximum, so nothing is clipped; a constant one is black. DICOM uses its first VOI lookup table, else
    its first window, else minimum to maximum; MONOCHROME1 is inverted last (PS3.3 C.7.6.3.1.2).
    """
    tone = film.lookup or film.window
    if tone is None:
        picture = film.pixels.astype(np.uint8, copy=False)
    elif film.pixels.dtype in TABLE_TYPES:
        # One table of at most 65,536 entries instead of arithmetic on every pixel.
        kind = np.iinfo(film.pixels.dtype)
        shades = _shades(np.arange(kind.min, kind.max + 1), film, tone)
        unsigned = film.pixels.dtype.newbyteorder("=").str.replace("i", "u")
        picture = np.roll(shades, kind.min)[film.pixels.view(unsigned)]
    else:
        picture = np.empty(film.pixels.shape, np.uint8)
        rows = max(1, BLOCK // film.pixels.shape[1])
        for top in range(0, len(picture), rows):
            picture[top : top + rows] = _shades(film.pixels[top : top + rows], film, tone)
    return 255 - picture if film.inverted else picture


def rescaled(values: Pixels, film: Film) -> NDArray[np.float64]:
    """Return stored values after the film's modality step (PS3.3 C.11.1), as its windows count them."""
    if film.modality:
        return np.asarray(_entries(values, film.modality), np.float64)
    return np.asarray(values, np.float64) * film.slope + film.intercept


def _shades(values: Pixels, film: Film, tone: Lookup | Window) -> NDArray[np.uint8]:
    measured = rescaled(values, film)
    share = _looked_up(measured, tone) if isinstance(tone, Lookup) else window_share(measured, tone)
    return np.rint(share * 255).astype(np.uint8)


def window_share(values: Pixels, window: Window) -> NDArray[np.float64]:
    """Return how white each rescaled value is shown, 0 to 1, by DICOM PS3.3 C.11.2.1.2 and .3.

    A window without width shows what is below its centre black and the rest white, except that a film
    of one value (a "range" window of width 0) is black.
    """
    x = np.asarray(values, np.float64)
    if window.function == "SIGMOID":
        exponent = np.clip(-4 * (x - window.center) / window.width, -700, 700)
        return np.asarray(1 / (1 + np.exp(exponent)), np.float64)
    half = 0.5 if window.function == "LINEAR" else 0.0
    center, width = window.center - half, window.width - 2 * half
    if width <= 0:
        return np.asarray(x > center, np.float64)
    return np.asarray(np.clip((x - center) / width + 0.5, 0, 1), np.float64)


def _looked_up(values: Pixels, lookup: Lookup) -> NDArray[np.float64]:
    return np.asarray(np.minimum(_entries(values, lookup) / (2**lookup.bits - 1), 1), np.float64)


def _entries(values: Pixels, lookup: Lookup) -> Pixels:
    # Values outside the table take its first or last entry (PS3.3 C.11.1.1.1 and C.11.2.1.1).
    places = np.clip(np.rint(values) - lookup.first, 0, len(lookup.values) - 1)
    return np.asarray(lookup.values[places.astype(np.int64)])
