"""How far apart two distributions are, and how sure that is: measures over counts, and the patient bootstrap.

Distributions are counts by level, arrays of shape (..., levels); leading axes are resamples. A share of
nothing is NaN, and so is every distance from it. METHODS 6.3 and 9.3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cxrdash.analysis.intervals import ratio

Array = NDArray[np.float64]
RESAMPLES = 1000
PSI_FLOOR = 1e-4
DRAWN_AT_ONCE = 5_000_000  # cells of one block of resamples


def shares(counts: ArrayLike) -> Array:
    """Return counts as shares of their sum along the last axis."""
    n = np.asarray(counts, dtype=float)
    return ratio(n, n.sum(axis=-1, keepdims=True))


def mean_difference(values: ArrayLike, a: ArrayLike, b: ArrayLike) -> Array:
    """Return the standardised mean difference (mean_a - mean_b) / sqrt((s_a^2 + s_b^2) / 2).

    ``values`` are those of the levels; variances have n - 1. NaN where neither varies or one has fewer
    than two. Beyond 0.1 either way is called a difference (Austin 2009).
    """
    (mean_a, variance_a), (mean_b, variance_b) = _moments(values, a), _moments(values, b)
    return ratio(mean_a - mean_b, np.sqrt((variance_a + variance_b) / 2))


def _moments(values: ArrayLike, counts: ArrayLike) -> tuple[Array, Array]:
    x, n = np.asarray(values, dtype=float), np.asarray(counts, dtype=float)
    total = n.sum(axis=-1)
    mean = ratio(n @ x, total)
    squares = (n * np.square(x - mean[..., None])).sum(axis=-1)
    return mean, ratio(squares, np.maximum(total - 1, 0))


def level_difference(a: ArrayLike, b: ArrayLike) -> Array:
    """Return the standardised difference of several levels, sqrt((p-q)' S^-1 (p-q)) without the last level.

    S is the mean of the two multinomial covariances (Yang and Dalton 2012); with two levels it is the
    standardised difference of one proportion. 0 or more; NaN where S has no inverse, as between two
    distributions without a level in common.
    """
    p, q = np.broadcast_arrays(shares(a), shares(b))
    present = np.asarray(np.nan_to_num(p + q).reshape(-1, p.shape[-1]).max(axis=0, initial=0.0) > 0)
    p, q = p[..., present][..., :-1], q[..., present][..., :-1]
    if p.shape[-1] == 0:
        return np.asarray(np.where(np.isnan(shares(a) + shares(b)).any(axis=-1), np.nan, 0.0))
    s = (_covariance(p) + _covariance(q)) / 2
    known = np.asarray(np.isfinite(s).all(axis=(-1, -2)))
    invertible = known & (np.abs(np.linalg.det(np.where(known[..., None, None], s, 0))) > 1e-14)
    step = (p - q)[..., None]
    safe = np.where(invertible[..., None, None], s, np.eye(p.shape[-1]))
    squared = (step * np.linalg.solve(safe, step)).sum(axis=(-1, -2))
    return np.asarray(np.where(invertible, np.sqrt(np.maximum(squared, 0)), np.nan))


def _covariance(p: Array) -> Array:
    return np.asarray(p[..., None] * np.eye(p.shape[-1]) - p[..., :, None] * p[..., None, :])


def jensen_shannon(a: ArrayLike, b: ArrayLike) -> Array:
    """Return the Jensen-Shannon divergence in bits: 0 alike, 1 without a level in common."""
    p, q = np.broadcast_arrays(shares(a), shares(b))
    middle = (p + q) / 2
    return np.asarray(np.clip((_information(p, middle) + _information(q, middle)) / 2, 0, 1))


def _information(p: Array, middle: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p == 0, 0.0, p * np.log2(p / middle))
    return np.asarray(terms.sum(axis=-1))


def population_stability(a: ArrayLike, b: ArrayLike, *, floor: float = PSI_FLOOR) -> Array:
    """Return the population stability index, sum (p - q) ln(p / q): 0 alike, 0.1 and 0.25 by rule of thumb a shift.

    Shares below ``floor`` are raised to it, without which an empty level makes the index infinite; how large it
    gets then follows the floor, so that `jensen_shannon` is to be preferred. METHODS 6.3.
    """
    p, q = (np.maximum(side, floor) for side in np.broadcast_arrays(shares(a), shares(b)))
    return np.asarray(((p - q) * np.log(p / q)).sum(axis=-1))


def kolmogorov_smirnov(a: ArrayLike, b: ArrayLike) -> Array:
    """Return the largest distance of the two cumulative shares, 0 to 1; levels in ascending order."""
    return np.asarray(np.abs(np.cumsum(shares(a) - shares(b), axis=-1)).max(axis=-1))


def wasserstein(values: ArrayLike, a: ArrayLike, b: ArrayLike) -> Array:
    """Return how far a unit must move on average to turn one distribution into the other, in units of values."""
    gaps = np.diff(np.asarray(values, dtype=float))
    return np.asarray((np.abs(np.cumsum(shares(a) - shares(b), axis=-1))[..., :-1] * gaps).sum(axis=-1))


@dataclass(frozen=True)
class Profiles:
    """Units by level, patient by patient: patients alike in all levels are one row.

    ``patients`` (rows,) says how many are of each kind; ``units`` (rows, levels) what one of them has.
    """

    patients: NDArray[np.int64]
    units: Array

    @property
    def totals(self) -> Array:
        """Units by level."""
        return np.asarray(self.patients @ self.units, dtype=float)

    def resampled(self, draws: int, seed: tuple[int, ...]) -> Array:
        """Return units by level of ``draws`` samples of as many patients, drawn with replacement."""
        rng = np.random.default_rng(seed)
        people, kinds = int(self.patients.sum()), len(self.patients)
        if not people:
            return np.zeros((draws, self.units.shape[1]))
        step = max(1, DRAWN_AT_ONCE // kinds)
        chances = self.patients / people
        blocks = [
            rng.multinomial(people, chances, size=min(step, draws - first)) @ self.units
            for first in range(0, draws, step)
        ]
        return np.concatenate(blocks)


def percentiles(samples: Array, *, level: float = 0.95) -> tuple[float, float]:
    """Return the percentile interval of the samples; NaN where fewer than half of them are defined."""
    known = samples[np.isfinite(samples)]
    if len(known) * 2 < len(samples) or not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
