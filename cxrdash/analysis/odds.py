"""Two-by-two tables of clustered units: odds ratio, difference and standardised difference with intervals.

Cells: a exposed and positive, b positive only, c exposed only, d neither. Units of one patient are not
independent, so standard errors come from the sums over patients. METHODS 4.2, 4.7 and 4.8.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cxrdash.analysis.intervals import LEVEL, critical_value, ratio, wilson

Array = NDArray[np.float64]
Spread = Callable[[Array], float]


@dataclass(frozen=True)
class Contrast:
    """How much more often positives are exposed than the others, counted in units, judged by clusters.

    ``share_positive`` = a/(a+b), ``share_other`` = c/(c+d), ``difference`` of the two; ``smd`` divides it
    by the mean standard deviation; ``odds_ratio`` = ad/bc, with 0.5 added to every cell where one is 0
    (``corrected``). Intervals are clustered; NaN is undefined.
    """

    cells: tuple[float, float, float, float]
    share_positive: float
    share_other: float
    difference: float
    difference_error: float
    smd: float
    smd_low: float
    smd_high: float
    odds_ratio: float
    log_error: float
    odds_low: float
    odds_high: float
    p_value: float
    corrected: bool


def contrast(
    weights: ArrayLike, exposed: ArrayLike, positive: ArrayLike, cluster: ArrayLike, *, level: float = LEVEL
) -> Contrast:
    """Return the contrast of rows of units: ``weights`` (rows,) units each, two booleans, and the cluster's number.

    Fewer than two clusters leave every interval undefined. Clusters are numbered from 0.
    """
    units, place = np.asarray(weights, dtype=float), np.asarray(cluster, dtype=np.int64)
    cell = 2 * (1 - np.asarray(positive, dtype=np.int64)) + (1 - np.asarray(exposed, dtype=np.int64))
    clusters = int(place.max()) + 1 if len(place) else 0
    counts = np.bincount(place * 4 + cell, units, minlength=4 * clusters).reshape(clusters, 4)
    present = int((np.bincount(place, minlength=clusters) > 0).sum())
    return contrast_of_sums(counts.sum(axis=0), counts.T @ counts, present, level=level)


def corrected_v(counts: ArrayLike) -> float:
    """Return Cramér's V of a table of counts (rows, columns), freed of its bias: 0 to 1 (Bergsma 2013; METHODS 4.7).

    Rows and columns without a count are left out; NaN where less than two of either remain.
    """
    table = np.asarray(counts, dtype=float)
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    if min(table.shape) < 2:
        return float("nan")
    n, sides = table.sum(), np.array(table.shape)
    expected = table.sum(axis=1, keepdims=True) * (table.sum(axis=0) / n)
    found = ((table - expected) ** 2 / expected).sum() / n - np.prod(sides - 1) / (n - 1)
    return float(np.sqrt(ratio(max(0.0, found), np.min(sides - (sides - 1) ** 2 / (n - 1)) - 1)))


def contrast_of_sums(totals: ArrayLike, products: ArrayLike, clusters: int, *, level: float = LEVEL) -> Contrast:
    """Return the contrast of cells a, b, c, d: ``totals`` (4,) in units, ``products`` (4, 4) summed over clusters.

    ``products[s, t]`` sums over the ``clusters`` their units in cell s times those in cell t.
    """
    second = np.asarray(products, dtype=float)

    def spread(scores: Array) -> float:
        """The clustered standard error of a sum of scores per unit, by cell."""
        if clusters < 2:
            return float("nan")
        return float(np.sqrt(max(clusters / (clusters - 1) * (scores @ second @ scores), 0.0)))

    return _contrast(np.asarray(totals, dtype=float), spread, critical_value(level))


def _contrast(totals: Array, spread: Spread, z: float) -> Contrast:
    a, b, c, d = totals
    p, q = float(ratio(a, a + b)), float(ratio(c, c + d))
    difference = p - q
    with np.errstate(invalid="ignore", divide="ignore"):
        scores = np.array([(1 - p) / (a + b), -p / (a + b), -(1 - q) / (c + d), q / (c + d)])
    error = spread(scores) if np.isfinite(difference) else float("nan")
    deviation = float(np.sqrt((p * (1 - p) + q * (1 - q)) / 2))
    smd = float(ratio(difference, deviation))
    half = float(ratio(z * error, deviation))
    corrected = bool((totals == 0).any())
    cells = totals + 0.5 if corrected else totals
    odds = float(cells[0] * cells[3] / (cells[1] * cells[2])) if a + b and c + d else float("nan")
    log_error = spread(np.array([1, -1, -1, 1]) / cells) if np.isfinite(odds) else float("nan")
    if corrected:  # no patient speaks for an empty cell: the error is at least that of independent units
        log_error = max(log_error, float(np.sqrt((1 / cells).sum())))
    log_odds = np.log(odds)
    tail = float("nan") if not log_error else 2 * (1 - NormalDist().cdf(abs(float(log_odds)) / log_error))
    return Contrast(
        cells=(float(a), float(b), float(c), float(d)), share_positive=p, share_other=q, difference=difference,
        difference_error=error, smd=smd, smd_low=smd - half, smd_high=smd + half, odds_ratio=odds, log_error=log_error,
        odds_low=float(np.exp(log_odds - z * log_error)), odds_high=float(np.exp(log_odds + z * log_error)),
        p_value=tail, corrected=corrected,
    )  # fmt: skip


@dataclass(frozen=True)
class Pooled:
    """The Mantel-Haenszel odds ratio over strata with its interval, as if units were independent."""

    odds_ratio: float
    low: float
    high: float


def mantel_haenszel(tables: ArrayLike, *, level: float = LEVEL) -> Pooled:
    """Return the odds ratio pooled over ``tables`` (strata, 4: a, b, c, d), NaN where it is undefined.

    Variance of Robins, Breslow and Greenland (Biometrics 1986). Empty strata weigh nothing.
    """
    cells = np.asarray(tables, dtype=float)
    cells = cells[cells.sum(axis=1) > 0]
    a, b, c, d = cells.T
    n = cells.sum(axis=1)
    r, s = a * d / n, b * c / n
    p, q = (a + d) / n, (b + c) / n
    top, bottom = r.sum(), s.sum()
    if not top or not bottom:
        return Pooled(float("nan"), float("nan"), float("nan"))
    variance = (
        (p * r).sum() / (2 * top**2) + (p * s + q * r).sum() / (2 * top * bottom) + (q * s).sum() / (2 * bottom**2)
    )
    odds, half = top / bottom, critical_value(level) * np.sqrt(variance)
    return Pooled(float(odds), float(odds * np.exp(-half)), float(odds * np.exp(half)))


def newcombe(
    k1: ArrayLike, n1: ArrayLike, k2: ArrayLike, n2: ArrayLike, *, level: float = LEVEL
) -> tuple[Array, Array]:
    """Return the interval of the difference k1/n1 - k2/n2 of independent proportions; NaN where one is undefined.

    Newcombe, Statistics in Medicine 1998, method 10: the Wilson limits of both, combined.
    """
    p, q = ratio(k1, n1), ratio(k2, n2)
    (low_p, high_p), (low_q, high_q) = wilson(k1, n1, level=level), wilson(k2, n2, level=level)
    return p - q - np.hypot(p - low_p, high_q - q), p - q + np.hypot(high_p - p, q - low_q)
