"""How two findings go together, from four counts (METHODS 4.1), and an order that puts like beside like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cxrdash.analysis.intervals import LEVEL, critical_value, ratio

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PairMeasures:
    """Measures of A and B, arrays of one shape; undefined is NaN.

    ``conditional`` is P(B given A); ``expected`` the count of both under independence; ``lift`` observed
    over expected; ``phi_max`` the largest phi these margins allow; ``odds_low`` and ``odds_high`` the
    interval of ``odds_ratio``, which is undefined where a margin is 0 or everything; ``corrected`` (bool)
    marks an odds ratio with 0.5 added to all cells because one was empty (Haldane-Anscombe).
    """

    conditional: Array
    expected: Array
    lift: Array
    jaccard: Array
    phi: Array
    phi_max: Array
    odds_ratio: Array
    odds_low: Array
    odds_high: Array
    corrected: NDArray[np.bool_]
    residual: Array


def pair_measures(of: ArrayLike, a: ArrayLike, b: ArrayLike, both: ArrayLike) -> PairMeasures:
    """Return the measures for ``of`` units, ``a`` with A, ``b`` with B and ``both`` with both; all broadcast.

    ValueError if the counts cannot be those of one table.
    """
    of, a, b, both = _table(of, a, b, both)
    # With nobody or everybody in a margin nothing can go together: lift, phi and odds are undefined.
    varied = (a > 0) & (b > 0) & (a < of) & (b < of)
    expected = ratio(a * b, of)
    spread = np.sqrt(a * b * (of - a) * (of - b))
    covariance = both * of - a * b
    odds = _odds(of, a, b, both)
    return PairMeasures(
        conditional=ratio(both, a),
        expected=expected,
        lift=_where(varied, ratio(both, expected)),
        jaccard=ratio(both, a + b - both),
        phi=_where(varied, np.clip(ratio(covariance, spread), -1, 1)),
        phi_max=_where(varied, _phi_max(of, a, b)),
        odds_ratio=_where(varied, odds[0]),
        odds_low=_where(varied, odds[1]),
        odds_high=_where(varied, odds[2]),
        corrected=varied & odds[3],
        residual=_where(varied, ratio(covariance * np.sqrt(of), spread)),
    )


def cluster_order(matrix: ArrayLike) -> list[int]:
    """Return the order of rows and columns that puts the most alike beside each other.

    ``matrix`` is square, larger meaning more alike; it is made symmetric, its diagonal is ignored and what
    is not finite counts as least alike. Average linkage with optimal leaf order (Bar-Joseph 2001); of the
    two directions the one that starts with the smaller index.
    """
    likeness = np.array(matrix, dtype=float)
    if likeness.ndim != 2 or likeness.shape[0] != likeness.shape[1]:
        raise ValueError(f"the matrix must be square, not {likeness.shape}")
    size = len(likeness)
    if size < 3:
        return list(range(size))
    order = [int(leaf) for leaf in _leaves(_distances((likeness + likeness.T) / 2))]
    return order if order[0] < order[-1] else order[::-1]


def _leaves(distances: Array) -> NDArray[np.int32]:
    from scipy.cluster.hierarchy import leaves_list, linkage

    leaves: NDArray[np.int32] = leaves_list(linkage(distances, method="average", optimal_ordering=True))
    return leaves


def _distances(likeness: Array) -> Array:
    """Condensed distances (upper triangle by rows): how far each pair is below the most alike one."""
    pairs = likeness[np.triu_indices(len(likeness), k=1)]
    known = pairs[np.isfinite(pairs)]
    if not len(known):
        return np.zeros(len(pairs))
    return np.asarray(known.max() - np.where(np.isfinite(pairs), pairs, known.min()))


def _table(of: ArrayLike, a: ArrayLike, b: ArrayLike, both: ArrayLike) -> tuple[Array, Array, Array, Array]:
    of, a, b, both = np.broadcast_arrays(*(np.asarray(count, dtype=float) for count in (of, a, b, both)))
    cells = (both, a - both, b - both, of - a - b + both)
    if any((cell < 0).any() for cell in cells):
        raise ValueError("the counts of a pair contradict each other: a cell would be below 0")
    return of, a, b, both


def _phi_max(of: Array, a: Array, b: Array) -> Array:
    rarer, commoner = np.minimum(a, b), np.maximum(a, b)
    return np.sqrt(ratio(rarer * (of - commoner), commoner * (of - rarer)))


def _odds(of: Array, a: Array, b: Array, both: Array) -> tuple[Array, Array, Array, NDArray[np.bool_]]:
    cells = np.stack([both, a - both, b - both, of - a - b + both])
    corrected = (cells == 0).any(axis=0)
    cells = np.where(corrected, cells + 0.5, cells)
    log_odds = np.log(cells[0]) + np.log(cells[3]) - np.log(cells[1]) - np.log(cells[2])
    step = critical_value(LEVEL) * np.sqrt((1 / cells).sum(axis=0))
    return np.exp(log_odds), np.exp(log_odds - step), np.exp(log_odds + step), corrected


def _where(defined: NDArray[np.bool_], values: ArrayLike) -> Array:
    return np.asarray(np.where(defined, values, np.nan))
