"""Masks on films: laid over the film they belong to or refused, measured, and painted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cxrdash.errors import CxrdashError
from cxrdash.images.rle import decode

Mask = NDArray[np.bool_]
Colour = tuple[int, int, int]
Side = Literal["left", "right", "middle"]

REFUSED = "Nothing was stretched. Attach the masks made for these films, or index the films they were drawn on."


@dataclass(frozen=True)
class Layer:
    """One structure to paint: its mask of the picture's size and its colour (red, green, blue, 0 to 255)."""

    mask: Mask
    colour: Colour


def mask_on_film(
    rle: str, size: tuple[int, int], film_size: tuple[int, int], *, convention: str, whole_film: bool = False
) -> Mask:
    """Return the mask as booleans of shape (height, width) of the film.

    ``size`` and ``film_size`` are (width, height). They must be equal. Where ``whole_film`` says that the
    dataset made its masks on the whole film scaled to ``size``, one may also be a whole multiple of the other,
    the same in both directions. Raises CxrdashError for any other size, and for a code that ``decode`` refuses.
    """
    check_size(size, film_size, whole_film=whole_film)
    return scaled(decode(rle, *size, convention=convention), film_size)


def check_size(size: tuple[int, int], film_size: tuple[int, int], *, whole_film: bool = False) -> None:
    """Raise CxrdashError where a mask of ``size`` (width, height) does not belong on a film of ``film_size``."""
    if size == film_size or (whole_film and _multiple(size, film_size)):
        return
    turned = " Its width and height look exchanged." if size == film_size[::-1] else ""
    (width, height), (film_width, film_height) = size, film_size
    raise CxrdashError(
        f"The mask is {width:,} × {height:,} pixels, the film {film_width:,} × {film_height:,}.{turned}", REFUSED
    )


def _multiple(one: tuple[int, int], other: tuple[int, int]) -> bool:
    small, large = sorted((one, other))
    if min(small) < 1:
        return False
    factors = {divmod(big, little) for big, little in zip(large, small, strict=True)}
    return len(factors) == 1 and factors.pop()[1] == 0


def scaled(mask: Mask, size: tuple[int, int]) -> Mask:
    """Return the mask at ``size`` (width, height) by the nearest pixel, for a picture of the same film."""
    height, width = mask.shape
    if (width, height) == size:
        return mask
    columns = ((np.arange(size[0]) + 0.5) * width / size[0]).astype(np.int64)
    rows = ((np.arange(size[1]) + 0.5) * height / size[1]).astype(np.int64)
    return mask[np.ix_(rows, columns)]


def columns_of(mask: Mask) -> tuple[int, int] | None:
    """Return the first and last column that hold a pixel of the mask, or None where it is empty."""
    return _ends(np.asarray(mask.any(axis=0)))


def rows_of(mask: Mask) -> tuple[int, int] | None:
    """Return the first and last row that hold a pixel of the mask, or None where it is empty."""
    return _ends(np.asarray(mask.any(axis=1)))


def _ends(held: Mask) -> tuple[int, int] | None:
    places = np.flatnonzero(held)
    return (int(places[0]), int(places[-1])) if len(places) else None


def side(mask: Mask) -> Side | None:
    """Return the half of the picture in which the mask's centre of mass lies; None where it is empty.

    The left of the picture is the patient's right.
    """
    weights = mask.sum(axis=0)
    if not weights.any():
        return None
    centre = float(weights @ (np.arange(mask.shape[1]) + 0.5)) / float(weights.sum())
    middle = mask.shape[1] / 2
    return "middle" if centre == middle else "left" if centre < middle else "right"


def cardiothoracic_ratio(heart: Mask, right_lung: Mask, left_lung: Mask) -> float:
    """Return the heart's width over that of both lungs together, in columns; NaN where one of them is empty.

    (last - first + 1) of the heart over the same of the lungs' union, on a film that is not turned; METHODS 8.4.
    """
    of_heart, of_lungs = columns_of(heart), columns_of(right_lung | left_lung)
    if of_heart is None or of_lungs is None or not right_lung.any() or not left_lung.any():
        return float("nan")
    return (of_heart[1] - of_heart[0] + 1) / (of_lungs[1] - of_lungs[0] + 1)


def outline(mask: Mask, width: int = 1) -> Mask:
    """Return the pixels of the mask within ``width`` pixels of its border; the film's edge is a border too."""
    inner = mask.copy()
    for _ in range(width):
        ringed = np.pad(inner, 1)
        inner = inner & ringed[:-2, 1:-1] & ringed[2:, 1:-1] & ringed[1:-1, :-2] & ringed[1:-1, 2:]
    return mask & ~inner


def painted(
    picture: NDArray[np.uint8], layers: Sequence[Layer], *, line: int = 2, fill: float = 0.0
) -> NDArray[np.uint8]:
    """Return an 8-bit grey picture (h, w) in colour (h, w, 3), each layer outlined and tinted.

    ``line`` is the outline's width in pixels, ``fill`` how strongly the inside is tinted, 0 to 1. ValueError
    where a layer has another size than the picture.
    """
    colours = np.repeat(picture[:, :, None], 3, axis=2).astype(np.float32)
    for layer in layers:
        if layer.mask.shape != picture.shape:
            raise ValueError(f"a layer of {layer.mask.shape} pixels on a picture of {picture.shape}")
        ink = np.array(layer.colour, dtype=np.float32)
        if fill:
            colours[layer.mask] += fill * (ink - colours[layer.mask])
    for layer in layers:  # lines last, so that no tint covers them
        colours[outline(layer.mask, line)] = np.array(layer.colour, dtype=np.float32)
    return np.rint(colours).astype(np.uint8)


def overlay_jpeg(picture: bytes | None, layers: Sequence[Layer], *, side: int = 256, fill: float = 0.12) -> bytes:
    """Return a small colour JPEG of a film with its layers, or of the layers alone on black without a picture.

    ``picture`` is an encoded thumbnail of the film; the masks are of the film's own size and are shrunk to
    it by the nearest pixel. Without one, the first layer's size sets the aspect at longest side ``side``.
    ValueError without picture and layers.
    """
    if picture is not None:
        with Image.open(BytesIO(picture)) as opened:
            grey = np.asarray(opened.convert("L"))
    elif layers:
        height, width = layers[0].mask.shape
        scale = side / max(width, height)
        grey = np.zeros((max(1, round(height * scale)), max(1, round(width * scale))), dtype=np.uint8)
    else:
        raise ValueError("nothing to draw")
    small = [Layer(scaled(layer.mask, (grey.shape[1], grey.shape[0])), layer.colour) for layer in layers]
    held = BytesIO()
    # Without subsampling of colour, which would smear a line of two pixels.
    Image.fromarray(painted(grey, small, line=2, fill=fill)).save(held, "JPEG", quality=88, subsampling=0)
    return held.getvalue()


def box_mask(box: tuple[float, float, float, float], film_size: tuple[int, int]) -> Mask:
    """Return a box (x, y, w, h) as a mask of a film of ``film_size`` (width, height), cut at its edges."""
    x, y, w, h = box
    width, height = film_size
    mask = np.zeros((height, width), dtype=bool)
    first_row, first_column = max(int(np.floor(y)), 0), max(int(np.floor(x)), 0)
    mask[first_row : max(int(np.ceil(y + h)), 0), first_column : max(int(np.ceil(x + w)), 0)] = True
    return mask
