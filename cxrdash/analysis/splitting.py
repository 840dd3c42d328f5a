"""Dividing groups (patients) into parts so that every part gets its share of every column: greedy, deterministic.

METHODS 6.2; the cost is the squared deviation from each part's target, relative to the column's total.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
DIGITS = 12  # costs that differ by less are the same cost, on every machine


def divide(
    vectors: ArrayLike, fractions: Sequence[float], *, sizes: ArrayLike, ranks: ArrayLike | None = None
) -> NDArray[np.int64]:
    """Return the part (0, 1, ...) of each group, int64 of shape (groups,).

    ``vectors`` (groups, columns) counts what is to be balanced, ``fractions`` are the parts' shares (they
    sum to 1), ``sizes`` (groups,) the images of each group, ``ranks`` the order of groups that are alike in
    all else (default: as given). Groups rich in rare columns are placed first. ValueError for fractions
    that are not positive or do not sum to 1, and for negative counts.
    """
    counts, shares = np.asarray(vectors, dtype=float), np.asarray(fractions, dtype=float)
    images = np.asarray(sizes, dtype=float)
    if len(shares) < 1 or (shares <= 0).any() or abs(shares.sum() - 1) > 1e-9:
        raise ValueError("the shares of the parts are positive and sum to 1")
    if (counts < 0).any() or counts.ndim != 2 or images.shape != counts.shape[:1]:
        raise ValueError("counts are at least 0, one row per group with its size")
    totals = counts.sum(axis=0)
    counts, totals = counts[:, totals > 0], totals[totals > 0]
    weights = 1 / totals
    order = _order(counts * weights, np.arange(len(counts)) if ranks is None else np.asarray(ranks))
    return _placed(counts, images, shares, weights, order)


def _order(relative: Array, ranks: NDArray[Any]) -> NDArray[np.int64]:
    """The groups that hold the largest part of any column first; then by their sum over columns; then by rank."""
    if not relative.shape[1]:
        return np.argsort(ranks, kind="stable")
    rarest, together = (np.round(values, DIGITS) for values in (relative.max(axis=1), relative.sum(axis=1)))
    return np.lexsort((ranks, -together, -rarest))


def _placed(counts: Array, images: Array, shares: Array, weights: Array, order: NDArray[np.int64]) -> NDArray[np.int64]:
    part = np.zeros(len(counts), dtype=np.int64)
    beyond = -np.outer(shares, counts.sum(axis=0))  # what each part has, less its target
    squared = weights**2
    held = np.zeros(len(shares))
    for at in order:
        row = counts[at]
        costs = np.round(((2 * beyond + row) @ (squared * row)) / shares, DIGITS)
        alike = np.flatnonzero(costs == costs.min())
        chosen = int(alike[np.argmin(held[alike])]) if len(alike) > 1 else int(alike[0])
        part[at] = chosen
        beyond[chosen] += row
        held[chosen] += images[at] / shares[chosen]
    return part
