"""A film made small for the screen: thumbnails and the enlarged view, freshly decoded."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cxrdash.images.display import display_8bit
from cxrdash.images.film import Film, Pixels, UnreadableFilm
from cxrdash.images.formats import read_film

SIDE = 256
LARGE_SIDE = 1024
JPEG_QUALITY = 80
REDUCING_GAP = 2.0  # block means down to twice the size wanted, then a bicubic
MOST_IN_32_BITS = 2**15  # values of 16 bits whose sum is sure to fit
ROW_BLOCKS = 20  # block rows worked on at a time
SIXTEEN_BITS = (np.uint16, np.int16)


@dataclass(frozen=True)
class Thumbnail:
    """A small grey JPEG of one film, or the problem in a few words.

    ``width`` and ``height`` are those of the film itself, in pixels (0 where it could not be read).
    ``kind`` is the kind of an ``UnreadableFilm``, empty where there is a picture.
    """

    jpeg: bytes | None
    problem: str | None
    width: int = 0
    height: int = 0
    kind: str = ""


def make_thumbnail(path: Path, side: int = SIDE) -> Thumbnail:
    """Return the film's thumbnail, decoded in this process; a fault becomes its ``problem``."""
    try:
        film = read_film(path, side=side)
    except UnreadableFilm as fault:
        return Thumbnail(None, fault.reason, kind=fault.kind)
    return Thumbnail(encoded_jpeg(film, side), None, film.width, film.height)


def encoded_jpeg(film: Film, side: int) -> bytes:
    """Return the film as an 8-bit grey JPEG of longest side at most ``side``."""
    held = BytesIO()
    small_picture(film, side).save(held, "JPEG", quality=JPEG_QUALITY)
    return held.getvalue()


def encoded_png(film: Film, side: int) -> bytes:
    """Return the film as an 8-bit grey PNG of longest side at most ``side``."""
    held = BytesIO()
    small_picture(film, side).save(held, "PNG", compress_level=3)
    return held.getvalue()


def small_picture(film: Film, side: int) -> Image.Image:
    """Return the film as shown, as a grey picture of longest side at most ``side``, never enlarged.

    The thumbnail of the viewer's picture within rounding, by whichever way is quicker: made 8-bit and
    then small, or small and then 8-bit where a window spreads the values evenly.
    """
    size = _fitted(film.pixels.shape, side)
    factors = tuple(
        int(full / wanted / REDUCING_GAP) or 1 for full, wanted in zip(film.pixels.shape, size, strict=True)
    )
    bounds = _bounds(film) if max(factors) > 1 else None
    if bounds is None:
        return shrunk(Image.fromarray(display_8bit(film)), side)
    shares = (_block_means(film.pixels, factors, bounds) - bounds[0]) / (bounds[1] - bounds[0])
    shares = 1 - shares if (film.slope < 0) != film.inverted else shares
    picture = Image.fromarray(np.rint(shares * 255).astype(np.uint8))
    lower, right = (full / factor for full, factor in zip(film.pixels.shape, factors, strict=True))
    return picture.resize((size[1], size[0]), Image.Resampling.BICUBIC, box=(0, 0, right, lower))


def _fitted(lengths: tuple[int, ...], side: int) -> tuple[int, ...]:
    scale = min(1.0, side / max(lengths))
    return tuple(max(1, round(length * scale)) for length in lengths)


def _bounds(film: Film) -> tuple[float, float] | None:
    """The stored values shown as the two ends of a straight grey scale, or None where there is no such scale."""
    window = film.window
    if film.pixels.dtype not in SIXTEEN_BITS or film.lookup or film.modality or not film.slope or window is None:
        return None
    if window.function == "SIGMOID":
        return None
    half = 0.5 if window.function == "LINEAR" else 0.0
    center, width = window.center - half, window.width - 2 * half
    ends = sorted((center + sign * width / 2 - film.intercept) / film.slope for sign in (-1, 1))
    kind = np.iinfo(film.pixels.dtype)
    # Values are cut at whole numbers: with fewer of them than greys the ends would be wrong by a grey.
    return (ends[0], ends[1]) if ends[1] - ends[0] >= 256 and ends[0] < kind.max and ends[1] > kind.min else None


def _block_means(pixels: Pixels, factors: tuple[int, ...], bounds: tuple[float, float]) -> NDArray[np.float64]:
    """Means of blocks of values cut to the bounds; the blocks at the far edges are smaller.

    Some rows at a time, which stay in the processor's cache.
    """
    (height, width), (tall, wide) = pixels.shape, factors
    kind = np.iinfo(pixels.dtype)
    low, high = (int(np.clip(round(bound), kind.min, kind.max)) for bound in bounds)
    total = np.int32 if tall * wide < MOST_IN_32_BITS else np.int64
    tops, lefts, sums = np.arange(0, height, tall), np.arange(0, width, wide), []
    for top in range(0, height, ROW_BLOCKS * tall):
        cut = np.clip(pixels[top : top + ROW_BLOCKS * tall], low, high)
        if missing := -len(cut) % tall:
            cut = np.pad(cut, ((0, missing), (0, 0)))
        down = np.add.reduce(cut.reshape(-1, tall, width), axis=1, dtype=total)
        sums.append(np.add.reduceat(down, lefts, axis=1))
    counts = np.outer(np.diff(np.append(tops, height)), np.diff(np.append(lefts, width)))
    return np.asarray(np.clip(np.concatenate(sums) / counts, *bounds), np.float64)


def shrunk(picture: Image.Image, side: int) -> Image.Image:
    """Return the picture with its longest side at most ``side``, aspect kept, never enlarged."""
    size = _fitted(picture.size, side)
    if size == picture.size:
        return picture
    blocks = picture.width // size[0]
    if picture.size == (blocks * size[0], blocks * size[1]):
        return picture.reduce(blocks)  # whole blocks: their means, at a tenth of the cost
    return picture.resize((size[0], size[1]), Image.Resampling.BICUBIC, reducing_gap=REDUCING_GAP)
