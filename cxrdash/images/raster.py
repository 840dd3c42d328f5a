"""PNG, JPEG and TIFF through Pillow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from cxrdash.images.film import MAX_PIXELS, Film, Pixels, UnreadableFilm, check_pixel_count, full_range

# Pillow's own guard, for whatever opens a picture in this process besides the check below.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS

FORMATS = ("PNG", "JPEG", "TIFF")
BITS = {"1": 1, "I": 16, "I;16": 16, "I;16L": 16, "I;16B": 16}  # every other mode stores 8
TIFF_PHOTOMETRIC = 262
WHITE_IS_ZERO = 0


def is_available() -> bool:
    return True


def read(path: Path, *, side: int | None = None) -> Film:
    """Return the film in a PNG, JPEG or TIFF file.

    ``side`` allows a JPEG to be decoded smaller, down to that many pixels. Colours become luminance;
    alpha is dropped, not composed, since archives use it for nothing (four NIH films carry it). An
    orientation tag is not obeyed: a turned film is shown turned.
    """
    with _opened(path) as image:
        width, height = image.size
        check_pixel_count(width, height)
        if image.format == "TIFF" and getattr(image, "is_animated", False):
            raise UnreadableFilm("unknown format", "several pages in one TIFF", "Save one film per file.")
        mode = image.mode
        if side is not None:
            image.draft("L", (side, side))
        pixels = _grey(image)
        inverted = pixels.dtype == np.uint16 and _white_is_zero(image)
    spread = full_range(pixels.min(), pixels.max()) if pixels.dtype == np.uint16 else None
    return Film(pixels, mode, BITS.get(mode, 8), width, height, inverted=inverted, spread=spread)


def _opened(path: Path) -> Image.Image:
    try:
        return Image.open(path, formats=FORMATS)
    except UnidentifiedImageError as fault:
        raise UnreadableFilm("broken", "broken file: damaged header") from fault
    except Image.DecompressionBombError as fault:
        hint = f"The limit is {MAX_PIXELS:,} pixels; export it smaller."
        raise UnreadableFilm("too large", "too large: more pixels than the limit", hint) from fault


def _grey(image: Image.Image) -> Pixels:
    if image.mode == "F":
        raise UnreadableFilm("unknown format", "floating-point pixels", "Save it with 8 or 16 bits.")
    if image.mode == "I":
        return _sixteen_bits(np.asarray(image))
    if image.mode.startswith("I;16"):
        # Not convert("L"), which cuts everything above 255 to white.
        return np.asarray(image).astype(np.uint16)
    return np.asarray(image if image.mode == "L" else image.convert("L"))


def _sixteen_bits(pixels: Pixels) -> Pixels:
    if pixels.min() < 0 or pixels.max() > np.iinfo(np.uint16).max:
        raise UnreadableFilm("unknown format", "pixels beyond 16 bits", "Save it with 8 or 16 bits.")
    return pixels.astype(np.uint16)


def _white_is_zero(image: Image.Image) -> bool:
    """Whether a 16-bit TIFF stores white as zero, which Pillow turns round only for fewer bits."""
    tags = getattr(image, "tag_v2", {})
    return bool(tags.get(TIFF_PHOTOMETRIC) == WHITE_IS_ZERO)
