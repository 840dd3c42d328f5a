"""Dividing groups (patients) into parts so that every part gets its share of every column: greedy, deterministic.

METHODS 6.2; the cost is the squared deviation from each part's target, relative to the column's total.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import mul
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
    """Place group after group, each of which sees what the parts hold by then.

    Plain numbers beat arrays in such a loop, and a group has few columns of its own to add up.
    """
    part = np.zeros(len(counts), dtype=np.int64)
    # Twice what each part has beyond its target, by column.
    fractions, sizes, held = shares.tolist(), images.tolist(), [0.0] * len(shares)
    beyond = [(-2 * share * counts.sum(axis=0)).tolist() for share in fractions]
    scales = (10.0**DIGITS / shares).tolist()
    levels = list(zip(beyond, scales, strict=True))
    for at, own, columns, weighted, doubled in _sparse(counts[order], weights, order):
        # As whole numbers of the last digit that counts, equal costs are equal on every machine.
        costs = [
            round((sum(map(mul, map(above.__getitem__, columns), weighted)) + own) * scale) for above, scale in levels
        ]
        least = min(costs)
        chosen = costs.index(least)
        if costs.count(least) > 1:
            chosen = min((p for p, cost in enumerate(costs) if cost == least), key=held.__getitem__)
        part[at] = chosen
        above = beyond[chosen]
        for j, x in zip(columns, doubled, strict=True):
            above[j] += x
        held[chosen] += sizes[at] / fractions[chosen]
    return part


def _sparse(
    counts: Array, weights: Array, order: NDArray[np.int64]
) -> Iterator[tuple[int, float, list[int], list[float], list[float]]]:
    """Yield each row's group, cost of its own, columns that it has, its counts times squared weights and doubled."""
    row, column = np.nonzero(counts)
    value = counts[row, column]
    weighted = value * weights[column] ** 2
    ends = np.cumsum(np.bincount(row, minlength=len(counts))).tolist()
    own = np.bincount(row, value * weighted, minlength=len(counts)).tolist()
    columns, weighted_list, doubled = column.tolist(), weighted.tolist(), (2 * value).tolist()
    first = 0
    for at, cost, last in zip(order.tolist(), own, ends, strict=True):
        yield at, cost, columns[first:last], weighted_list[first:last], doubled[first:last]
        first = last
