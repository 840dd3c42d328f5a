"""What readers and models drew on one film, in the film's own pixels: boxes and masks, or why one is not shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from cxrdash.errors import CxrdashError
from cxrdash.images.overlay import Mask, mask_on_film
from cxrdash.index.annotations import LARGEST_SHARE, PNG1024, RELEASED_SIDE
from cxrdash.index.store import Index

Box = tuple[float, float, float, float]

# Their masks and boxes lie on the whole released picture, so a copy of it scaled by a whole number still fits.
RELEASED_AT_1024 = ("nih", "rsna", "siim")


@dataclass(frozen=True, eq=False)
class Overlay:
    """One box or one structure's mask on a film.

    ``name`` is the finding of a box, the structure of a mask (its rows united; ``parts`` says how many).
    ``box`` is (x, y, w, h) in pixels of the film, from its top left corner; ``mask`` is boolean of shape
    (height, width) of the film. Where ``problem`` says why it cannot be drawn both are None; a box beyond
    the film, or a mask without a pixel, has a ``problem`` and is given all the same.
    """

    kind: Literal["box", "mask"]
    name: str
    reader: str | None = None
    quality: float | None = None
    box: Box | None = None
    mask: Mask | None = None
    problem: str | None = None
    parts: int = 1


_BOXES = """
SELECT finding, reader, x, y, w, h, coordinate_space, images.width, images.height
FROM boxes JOIN images USING (image) WHERE image = $image ORDER BY finding, reader, x, y, w, h
"""
_MASKS = """
SELECT structure, width, height, rle, convention, quality FROM masks
WHERE image = $image ORDER BY structure, quality, rle
"""


def overlays_of(index: Index, image: int, *, film_size: tuple[int, int]) -> list[Overlay]:
    """Return what is drawn on an image (its dense number), masks first; [] where nothing is.

    ``film_size`` is (width, height) of the film as decoded. Masks and boxes of another size are never
    stretched: they come back with a ``problem``.
    """
    masks: dict[str, list[tuple[int | None, int | None, str, str, float | None]]] = {}
    for structure, *row in index.rows(_MASKS, {"image": image}):
        masks.setdefault(structure, []).append(tuple(row))
    scales = index.meta["source"] in RELEASED_AT_1024
    drawn = [_mask(structure, rows, film_size, whole_film=scales) for structure, rows in masks.items()]
    return drawn + [_box(row, film_size) for row in index.rows(_BOXES, {"image": image})]


def _mask(
    structure: str,
    rows: list[tuple[int | None, int | None, str, str, float | None]],
    film_size: tuple[int, int],
    *,
    whole_film: bool,
) -> Overlay:
    """Unite the rows of one structure; the first that cannot be read or does not fit is the problem of all."""
    qualities = [quality for *_, quality in rows if quality is not None]
    lowest = min(qualities, default=None)
    union: Mask | None = None
    for width, height, rle, convention, _ in rows:
        size = (width, height) if width and height else film_size  # a code without a size is read at the film's
        try:
            found = mask_on_film(rle, size, film_size, convention=convention, whole_film=whole_film)
        except CxrdashError as fault:
            return Overlay("mask", structure, quality=lowest, problem=fault.message, parts=len(rows))
        union = found if union is None else union | found
    empty = None if union is not None and union.any() else "The mask is empty."
    return Overlay("mask", structure, quality=lowest, mask=union, problem=empty, parts=len(rows))


def _box(row: tuple[Any, ...], film_size: tuple[int, int]) -> Overlay:
    finding, reader, *numbers, space, width, height = row
    name, who = str(finding), None if reader is None else str(reader)
    drawn_on = (RELEASED_SIDE, RELEASED_SIDE) if space == PNG1024 else (width, height)
    known = drawn_on if all(drawn_on) else film_size
    scale = _scale(known, film_size)
    if scale is None:
        stated, film = (f"{size[0]:,} × {size[1]:,}" for size in (known, film_size))
        return Overlay(
            "box", name, who, problem=f"The box was drawn on a film of {stated} pixels; this film has {film}."
        )
    x, y, w, h = (float(number) * scale for number in numbers)
    return Overlay("box", name, who, box=(x, y, w, h), problem=box_problem((x, y, w, h), film_size))


def _scale(drawn_on: tuple[int, int], film_size: tuple[int, int]) -> float | None:
    """Return pixels of the film per pixel of the box; None where the film is another picture."""
    across, down = film_size[0] / drawn_on[0], film_size[1] / drawn_on[1]
    # Half a pixel: what rounding the shorter side of a scaled copy may cost.
    same = abs(film_size[0] - drawn_on[0] * down) <= 0.5 or abs(film_size[1] - drawn_on[1] * across) <= 0.5
    return (across if film_size[0] >= film_size[1] else down) if same else None


def box_problem(box: Box, film_size: tuple[int, int]) -> str | None:
    """Say what is wrong with a box in the film's pixels: no area, beyond the film, or nearly all of it."""
    x, y, w, h = box
    if w <= 0 or h <= 0:
        return "The box has no area."
    slack = 1e-6 * max(film_size)  # scaling costs a rounding
    if x < -slack or y < -slack or x + w > film_size[0] + slack or y + h > film_size[1] + slack:
        return "The box reaches beyond the film."
    return "The box covers nearly the whole film." if w * h > LARGEST_SHARE * film_size[0] * film_size[1] else None
