"""Sums over patients that tell how a finding's positives and its other images spread over attributes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from cxrdash.analysis.split_films import Films

CELLS_AT_ONCE = 8_000_000  # patients times columns held in memory, 64 MB


@dataclass(frozen=True)
class Attribute:
    """``code`` (rows of films,) is a place in ``levels``, or -1 where a row does not count."""

    name: str
    code: np.ndarray
    levels: tuple[str, ...]


@dataclass
class Sums:
    """What one finding's odds need; arrays over the columns of `Columns`, matrices (columns, columns).

    ``positive`` and ``other`` count images, ``pp``, ``pn`` and ``nn`` are sums over patients of products of two
    such counts, and ``patients`` counts those with any image.
    """

    positive: np.ndarray
    other: np.ndarray
    pp: np.ndarray
    pn: np.ndarray
    nn: np.ndarray
    patients: np.ndarray

    @staticmethod
    def nothing(width: int) -> Sums:
        row, square = (width,), (width, width)
        return Sums(*(np.zeros(shape) for shape in (row, row, square, square, square, row)))


class Columns:
    """Indicator columns: for each attribute one for all rows that count, at ``start``, then one per level.

    Rows of films must stand group by group, as `films_of` reads them.
    """

    def __init__(self, attributes: Sequence[Attribute]) -> None:
        widths = [1 + len(one.levels) for one in attributes]
        self.attributes = tuple(attributes)
        self.start = [0, *np.cumsum(widths).tolist()][:-1]
        self.width = sum(widths)

    def matrix(self, films: Films, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the groups with any of these rows, ascending, and their images by column: float (groups, width)."""
        group, images = films.group[rows], films.images[rows].astype(float)
        first = np.diff(group, prepend=-1) != 0
        place = np.cumsum(first) - 1
        groups = group[first]
        made = np.zeros((len(groups), self.width))
        for attribute, start in zip(self.attributes, self.start, strict=True):
            levels, code = len(attribute.levels), attribute.code[rows]
            known = code >= 0
            at, weights = (place * levels + code, images) if known.all() else (
                (place * levels + code)[known], images[known]
            )  # fmt: skip
            counts = np.bincount(at, weights, minlength=len(groups) * levels).reshape(len(groups), levels)
            made[:, start] = counts.sum(axis=1)
            made[:, start + 1 : start + 1 + levels] = counts
        return groups, made


def sums_by_finding(films: Films, columns: Columns, positive: np.ndarray, counted: np.ndarray) -> list[Sums]:
    """Return the sums of every finding; ``positive`` and ``counted`` are boolean (patterns, findings)."""
    totals = [Sums.nothing(columns.width) for _ in range(positive.shape[1])]
    for rows in _portions(films, columns.width):
        _, images = columns.matrix(films, rows)
        whole = _Whole(images, images.sum(axis=0), images.T @ images, (images > 0).sum(axis=0))
        for finding, total in enumerate(totals):
            _add(total, films, columns, whole, rows, (positive[:, finding], counted[:, finding]))
    return totals


@dataclass(frozen=True)
class _Whole:
    """All images of a portion: by group and column, and what follows from them for every finding."""

    images: np.ndarray
    sums: np.ndarray
    products: np.ndarray
    patients: np.ndarray


def _portions(films: Films, width: int) -> Iterator[np.ndarray]:
    """Rows in runs of whole groups."""
    step = max(1, CELLS_AT_ONCE // max(width, 1))
    ends = np.searchsorted(films.group, np.arange(0, films.groups + step, step))
    for first, last in pairwise(ends.tolist()):
        if last > first:
            yield np.arange(first, last)


def _add(
    total: Sums, films: Films, columns: Columns, whole: _Whole, rows: np.ndarray, marked: tuple[np.ndarray, np.ndarray]
) -> None:
    """Add a portion: what the other images have is what all have, corrected where some of a patient's are not other.

    A finding's positives are few: so a portion's products are made once, and again only for patients with a
    positive image or one that does not count.
    """
    positive, counted = marked
    pattern, offset = films.pattern[rows], films.group[rows[0]]
    groups, away = columns.matrix(films, rows[(positive | ~counted)[pattern]])
    yes_groups, yes = columns.matrix(films, rows[positive[pattern]])
    before = whole.images[groups - offset]
    after = before - away
    at = np.searchsorted(groups, yes_groups)
    total.positive += yes.sum(axis=0)
    total.other += whole.sums - away.sum(axis=0)
    total.pp += yes.T @ yes
    total.pn += yes.T @ after[at]
    total.nn += whole.products - before.T @ before + after.T @ after
    total.patients += whole.patients - (before > 0).sum(axis=0)
    after[at] += yes
    total.patients += (after > 0).sum(axis=0)
