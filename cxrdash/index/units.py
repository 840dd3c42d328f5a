"""The units of a cohort in their order: what one patient or study holds stands together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxrdash.index.levels import Levels
from cxrdash.index.state_bits import states_of

if TYPE_CHECKING:
    from cxrdash.index.selection import Selection

# Units are read in ranges with about so many images, which bounds memory however large the dataset is.
IMAGES_AT_ONCE = 2_000_000
_RANGE = "SELECT {columns} FROM selected WHERE {key} BETWEEN $first AND $last"


@dataclass(frozen=True)
class Groups:
    """Entries with their patterns, those of one patient or study after another, level by level.

    ``starts`` are the first entries of the groups, ``level`` the groups' levels.
    """

    pattern: np.ndarray
    starts: np.ndarray
    level: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        """Entries of each group."""
        return np.diff(np.append(self.starts, len(self.pattern)))

    def parted(self) -> tuple[tuple[np.ndarray, ...], Groups]:
        """Return the groups of one pattern each, counted, and the groups of several patterns.

        The counted ones are four arrays: level, pattern, size, and how many groups have all three alike.
        Most patients have one film or films that are all labelled the same, so little is left over.
        """
        if not len(self.starts):
            return tuple(np.zeros(0, dtype=np.int64) for _ in range(4)), self
        sizes, ends = self.sizes, np.append(self.starts[1:], len(self.pattern)) - 1
        changed = np.cumsum(changes(self.pattern), dtype=np.int32)
        varies = changed[ends] != changed[self.starts]
        one, several = np.flatnonzero(~varies), np.flatnonzero(varies)
        pattern, size = self.pattern[self.starts[one]].astype(np.int64), sizes[one]
        patterns, widest = int(pattern.max(initial=0)) + 1, int(sizes.max()) + 1
        keys, alike = np.unique((self.level[one] * patterns + pattern) * widest + size, return_counts=True)
        rest, size = np.divmod(keys, widest)
        level, pattern = np.divmod(rest, patterns)
        left = np.compress(np.repeat(varies, sizes), self.pattern)
        starts = np.cumsum(sizes[several]) - sizes[several]
        return (level, pattern, size, alike), Groups(left, starts, self.level[several])


def in_ranges(
    selection: Selection, key: str, levels: Levels | None = None, *, more: str = "", at_once: int = IMAGES_AT_ONCE
) -> Iterator[dict[str, np.ndarray]]:
    """Yield arrays ``key``, pattern (level where there are several, columns in ``more``), a range of keys at a time.

    ``key`` is a dense number: image, study or patient. Images without one are left out. A range has about
    ``at_once`` of the dataset's images.
    """
    counts = selection.index.counts
    keys, images = counts[f"{key}s" if key != "study" else "studies"], max(counts["images"], 1)
    columns, parameters = f"{key} AS key, pattern{more}", {}
    if levels is not None and levels.count > 1:
        columns, parameters = f"{columns}, {levels.code} AS level", levels.parameters
    step = max(1, keys * at_once // images)
    statement = _RANGE.format(columns=columns, key=key)
    for first in range(0, keys, step):
        found = selection.numbers(statement, first=first, last=first + step - 1, **parameters)
        if len(found["key"]):
            yield found


def in_order(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the arrays sorted by level, key and study. Images lie by patient and study: there is little to sort."""
    if np.any(found["key"][1:] < found["key"][:-1]):
        order = np.lexsort((found.get("study", found["key"]), found["key"]))
        found = {name: column[order] for name, column in found.items()}
    if "level" in found:
        order = np.argsort(found["level"], kind="stable")  # a radix sort, as there are few levels
        found = {name: column[order] for name, column in found.items()}
    return found


def grouped(found: dict[str, np.ndarray]) -> Groups:
    """Return the groups of arrays in order, one for each level and key."""
    new = changes(found["key"])
    if "level" not in found:
        starts = np.flatnonzero(new)
        return Groups(found["pattern"], starts, np.zeros(len(starts), dtype=np.int64))
    starts = np.flatnonzero(new | changes(found["level"]))
    return Groups(found["pattern"], starts, found["level"][starts].astype(np.int64))


def changes(column: np.ndarray) -> np.ndarray:
    """Boolean of the column's shape: which entries differ from the one before; the first always does."""
    return np.append(True, column[1:] != column[:-1])[: len(column)]


def unions(selection: Selection, key: str, levels: Levels) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the unions of states over the images that a study or patient has in the cohort.

    Three arrays of one length: states, int8 of shape (rows, findings), each the highest precedence among
    the images (labels.State); how many studies or patients have them; the number of their level. States
    that came about from different ones may stand in several rows.
    """
    index = selection.index
    bits = index.state_bits
    rows, weights = [np.zeros((0, 1 + bits.shape[1]), dtype=np.uint64)], [np.zeros(0, dtype=np.int64)]
    for found in in_ranges(selection, key, levels):
        (level, pattern, _, alike), several = grouped(in_order(found)).parted()
        rows.append(np.column_stack([level.astype(np.uint64), bits[pattern]]))
        weights.append(alike)
        if len(several.starts):
            united = np.bitwise_or.reduceat(bits[several.pattern], several.starts, axis=0)
            rows.append(np.column_stack([several.level.astype(np.uint64), united]))
            weights.append(np.ones(len(united), dtype=np.int64))
    distinct, summed = _summed(np.concatenate(rows), np.concatenate(weights))
    return states_of(distinct[:, 1:], len(index.findings)), summed, distinct[:, 0].astype(np.int64)


def _summed(rows: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct rows with the sum of their weights."""
    place = np.zeros(len(rows), dtype=np.int64)
    for column in rows.T:
        if len(rows) and np.any(column != column[0]):
            values, at = np.unique(column, return_inverse=True)
            place = place * len(values) + at
            if place.any() and len(rows.T) > 2:
                place = np.unique(place, return_inverse=True)[1]
    _, first, at = np.unique(place, return_index=True, return_inverse=True)
    return rows[first], np.bincount(at, weights, minlength=len(first)).astype(np.int64)
