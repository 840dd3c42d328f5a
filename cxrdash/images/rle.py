"""Masks written as text: run-length codes in the four conventions that chest X-ray datasets use."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from cxrdash.errors import CxrdashError, shown

ROW_MAJOR = "start length, absolute, from 1, row-major"  # CheXmask
COLUMN_MAJOR = "start length, absolute, from 1, column-major"  # most challenges
RELATIVE = "gap length, relative, from 0, column-major"  # SIIM-ACR, CANDID-PTX
COCO = "COCO compressed counts, column-major"  # CheXlocalize
CONVENTIONS = (ROW_MAJOR, COLUMN_MAJOR, RELATIVE, COCO)
# The demo's tables spell theirs in other words.
OTHER_WORDS = {"start length pairs, absolute, from 1, row by row": ROW_MAJOR}

EMPTY = ("", "-1")
NUMBERS = re.compile(r"\s*\d{1,12}(?:\s+\d{1,12})*\s*", re.ASCII)
MAX_PIXELS = 60_000_000  # as for films
FIX = "Leave this mask out, or export it again; nothing of it was drawn."
# COCO: five bits a character from "0" on, the lowest first, one more bit while there is more to come.
COCO_FIRST, COCO_BITS, COCO_MORE, COCO_SIGN = 48, 5, 32, 16
COCO_LONGEST = 6  # characters of one number: 30 bits


def decode(rle: str, width: int, height: int, *, convention: str) -> np.ndarray:
    """Return the mask as booleans of shape (height, width).

    '' and '-1' are empty masks. Runs may overlap or stand in any order; the mask is their union.
    Raises CxrdashError for an unknown convention, an impossible size, an odd count of numbers, a run of
    no pixels, and a run beyond the last pixel (COCO: counts that do not add up to all pixels).
    """
    convention = known_convention(convention)
    starts, ends = runs(rle, width, height, convention=convention)
    steps = np.zeros(width * height + 1, dtype=np.int32)
    np.add.at(steps, starts, 1)
    np.add.at(steps, ends, -1)
    flat = np.cumsum(steps[:-1]) > 0
    return flat.reshape(height, width) if convention == ROW_MAJOR else flat.reshape(width, height).T


def runs(rle: str, width: int, height: int, *, convention: str) -> tuple[np.ndarray, np.ndarray]:
    """Return where the runs of a mask start and end (exclusive), as int64 counted from 0 in its own order.

    They may overlap or stand in any order. Raises CxrdashError as ``decode`` does.
    """
    if min(width, height) < 1 or width * height > MAX_PIXELS:
        raise CxrdashError(f"A mask cannot be {width} x {height} pixels.", FIX)
    return _runs(rle.strip(), width * height, known_convention(convention))


def encode(mask: np.ndarray, *, convention: str) -> str:
    """Return the code of a mask of shape (height, width); '' where it is empty, for COCO its one count."""
    convention = known_convention(convention)
    ordered = mask.astype(bool) if convention == ROW_MAJOR else mask.astype(bool).T
    flat = np.concatenate([[0], ordered.ravel().astype(np.int8), [0]])
    changes = np.flatnonzero(np.diff(flat))
    starts, ends = changes[::2], changes[1::2]
    if convention == COCO:
        counts = np.diff(np.concatenate([[0], changes, [mask.size]])).tolist()
        # A mask that reaches the last pixel has no count of zeros after it.
        return _coco_text(counts[:-1] if len(counts) > 1 and not counts[-1] else counts)
    first = starts - np.concatenate([[0], ends[:-1]]) if convention == RELATIVE else starts + 1
    return " ".join(map(str, np.stack([first, ends - starts], axis=1).ravel().tolist()))


def known_convention(convention: str) -> str:
    """Return the convention's own name; CxrdashError for one that is none of ``CONVENTIONS``."""
    convention = OTHER_WORDS.get(convention, convention)
    if convention not in CONVENTIONS:
        raise CxrdashError(f"'{shown(convention)}' is no way to write a mask.", f"Known: {'; '.join(CONVENTIONS)}.")
    return convention


def _runs(rle: str, pixels: int, convention: str) -> tuple[np.ndarray, np.ndarray]:
    """Return where runs start and end, counted from 0 along the convention's order, the end exclusive."""
    if rle in EMPTY:
        nothing = np.zeros(0, dtype=np.int64)
        return nothing, nothing
    if convention == COCO:
        return _coco_runs(rle, pixels)
    numbers = _numbers(rle)
    first, lengths = numbers[::2], numbers[1::2]
    if not lengths.all():
        raise CxrdashError(f"Run {int(np.argmin(lengths)) + 1} of the mask has no pixels.", FIX)
    starts = np.cumsum(first + lengths) - lengths if convention == RELATIVE else first - 1
    if starts.min() < 0:
        raise CxrdashError("A run of the mask starts at 0 where pixels are counted from 1.", FIX)
    ends = starts + lengths
    if ends.max() > pixels:
        raise CxrdashError(f"The mask reaches pixel {int(ends.max()):,}, but there are only {pixels:,}.", FIX)
    return starts, ends


def _numbers(rle: str) -> np.ndarray:
    if not NUMBERS.fullmatch(rle):
        raise CxrdashError(f"The mask is not written in whole numbers: '{shown(rle)}'.", FIX)
    numbers = np.array(rle.split(), dtype=np.int64)
    if len(numbers) % 2:
        raise CxrdashError(f"The mask holds {len(numbers):,} numbers, which are no pairs.", FIX)
    return numbers


def _coco_runs(text: str, pixels: int) -> tuple[np.ndarray, np.ndarray]:
    counts = np.array(list(_coco_counts(text)), dtype=np.int64)
    if not counts[1:].all():
        raise CxrdashError("A run of the mask has no pixels.", FIX)
    ends = np.cumsum(counts)
    if ends[-1] != pixels:
        raise CxrdashError(f"The mask covers {int(ends[-1]):,} pixels, but there are {pixels:,}.", FIX)
    return ends[: len(ends) // 2 * 2 : 2], ends[1::2]


def _coco_counts(text: str) -> Iterator[int]:
    """Yield the counts of zeros and ones in turn; from the fourth on they are told as differences."""
    told: list[int] = []
    value = shift = 0
    for character in text:
        code = ord(character) - COCO_FIRST
        if not 0 <= code < 2 * COCO_MORE or shift >= COCO_LONGEST * COCO_BITS:
            raise CxrdashError(f"'{shown(text)}' is no mask in COCO's compressed form.", FIX)
        value |= (code & (COCO_MORE - 1)) << shift
        shift += COCO_BITS
        if code & COCO_MORE:
            continue
        value -= (1 << shift) if code & COCO_SIGN else 0
        value += told[-2] if len(told) > 2 else 0
        if not 0 <= value <= MAX_PIXELS:
            raise CxrdashError(f"A run of the mask has {value:,} pixels.", FIX)
        told.append(value)
        yield value
        value = shift = 0
    if shift:
        raise CxrdashError(f"'{shown(text)}' breaks off within a number.", FIX)


def _coco_text(counts: list[int]) -> str:
    text = []
    for at, count in enumerate(counts):
        value = count - (counts[at - 2] if at > 2 else 0)
        more = True
        while more:
            code = value & (COCO_MORE - 1)
            value >>= COCO_BITS
            more = value != (-1 if code & COCO_SIGN else 0)
            text.append(chr(COCO_FIRST + code + (COCO_MORE if more else 0)))
    return "".join(text)
