"""How large masks are and where they lie, from their runs: many at once, without drawing a pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.int64]
NOWHERE = -1


@dataclass(frozen=True)
class Runs:
    """Runs of many masks: which mask each belongs to (from 0), its start, its end (exclusive).

    Places count from 0 along the rows (``by_rows``) or down the columns of pictures whose ``width`` and
    ``height`` have one entry per mask. Runs of one mask may overlap or stand in any order; they are united.
    """

    mask: Whole
    start: Whole
    end: Whole
    width: Whole
    height: Whole
    by_rows: bool


@dataclass(frozen=True)
class Extents:
    """Arrays with one entry per mask; ``NOWHERE`` (NaN for the centres) in all but ``area`` where it is empty.

    ``area`` is in pixels; first and last columns and rows are those that hold a pixel; ``x_centre`` and
    ``y_centre`` are the centre of mass as shares of width and height, from the left and top edge.
    """

    area: Whole
    x_first: Whole
    x_last: Whole
    y_first: Whole
    y_last: Whole
    x_centre: NDArray[np.float64]
    y_centre: NDArray[np.float64]


def extents(runs: Runs) -> Extents:
    """Measure masks; one without a run is empty."""
    mask, start, end = _united(runs)
    lengths, lines = (runs.width, runs.height) if runs.by_rows else (runs.height, runs.width)
    length = lengths[mask]
    line, place = np.divmod(start, length)
    end_line, end_place = np.divmod(end, length)
    last_line, last_place = np.where(end_place > 0, end_line, end_line - 1), np.where(end_place > 0, end_place, length)
    turned = line != last_line  # it goes on in the next line, so it touches both ends
    low, high = np.where(turned, 0, place), np.where(turned, length, last_place) - 1
    first = np.flatnonzero(np.diff(mask, prepend=-1))
    found = _PerMask(mask[first], first, len(runs.width))
    area = found.reduced(np.add, end - start, 0)
    # Sums of i % length and of i // length over the places i of a run, as differences of sums below its ends.
    along = _along(end_line, end_place, length) - _along(line, place, length)
    across = _across(end_line, end_place, length) - _across(line, place, length)
    centres = [_centre(found.reduced(np.add, total, 0), area, of) for total, of in ((along, lengths), (across, lines))]
    ends = [
        found.reduced(how, values, NOWHERE)
        for how, values in ((np.minimum, low), (np.maximum, high), (np.minimum, line), (np.maximum, last_line))
    ]
    if not runs.by_rows:
        ends, centres = [*ends[2:], *ends[:2]], centres[::-1]
    return Extents(area, ends[0], ends[1], ends[2], ends[3], centres[0], centres[1])


@dataclass(frozen=True)
class _PerMask:
    """Which masks have runs (sorted by mask), where the runs of each start, and how many masks there are."""

    held: Whole
    first: Whole
    masks: int

    def reduced(self, how: np.ufunc, values: Whole, empty: int) -> Whole:
        found = np.full(self.masks, empty, dtype=np.int64)
        if len(self.first):
            found[self.held] = how.reduceat(values, self.first)
        return found


def _united(runs: Runs) -> tuple[Whole, Whole, Whole]:
    """Return the runs without overlap, sorted by mask and start."""
    if not len(runs.mask):
        return runs.mask, runs.start, runs.end
    spread = int((runs.width * runs.height).max()) + 1  # one more than any mask's pixels: masks never touch
    start, end = runs.mask * spread + runs.start, runs.mask * spread + runs.end
    if (start[1:] > end[:-1]).all():  # as a sound code is written
        return runs.mask, runs.start, runs.end
    order = np.argsort(start, kind="stable")
    start, end = start[order], end[order]
    reached = np.maximum.accumulate(end)
    new = np.concatenate([[True], start[1:] > reached[:-1]])
    last = np.append(np.flatnonzero(new)[1:] - 1, len(new) - 1)
    mask = start[new] // spread
    return mask, start[new] - mask * spread, reached[last] - mask * spread


def _along(lines: Whole, rest: Whole, length: Whole) -> Whole:
    return np.asarray(lines * (length * (length - 1) // 2) + rest * (rest - 1) // 2)


def _across(lines: Whole, rest: Whole, length: Whole) -> Whole:
    return np.asarray(length * (lines * (lines - 1) // 2) + lines * rest)


def _centre(total: Whole, area: Whole, of: Whole) -> NDArray[np.float64]:
    held = np.where(area > 0, area, np.nan)
    return np.asarray((total / held + 0.5) / of, dtype=np.float64)
