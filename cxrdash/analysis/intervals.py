"""Intervals for proportions and AUC, and how many cases they need.

All functions are vectorised: counts may be numbers or arrays that broadcast, results are float arrays of
the broadcast shape (0-d for plain numbers). Undefined is NaN, never 0. SciPy is imported only inside the
functions that need its quantiles, because a first screen must not wait for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
LEVEL = 0.95
FEW_PATIENTS = 30


def critical_value(level: float = LEVEL) -> float:
    """Return z of a two-sided interval: 1.959964 for 0.95. ValueError outside 0 to 1."""
    if not 0 < level < 1:
        raise ValueError(f"a confidence level lies between 0 and 1, not at {level}")
    return NormalDist().inv_cdf(0.5 + level / 2)


def ratio(top: ArrayLike, bottom: ArrayLike, *, at_zero: float = np.nan) -> Array:
    """Return ``top / bottom``, and ``at_zero`` where ``bottom`` is 0."""
    top, bottom = np.asarray(top, dtype=float), np.asarray(bottom, dtype=float)
    zero = bottom == 0
    return np.asarray(np.where(zero, at_zero, top / np.where(zero, 1.0, bottom)))


def wilson(k: ArrayLike, n: ArrayLike, *, level: float = LEVEL) -> tuple[Array, Array]:
    """Return the Wilson interval (low, high) of ``k`` positives among ``n``; fractions allowed.

    NaN where n is 0. ValueError unless 0 <= k <= n. Wilson, JASA 1927; METHODS 2.1.
    """
    k, n = _counts(k, n)
    p = ratio(k, n)
    z2 = critical_value(level) ** 2
    centre = ratio(k + z2 / 2, n + z2)
    half = _wilson_half_width(n, p, z2)
    # The ends are exact where rounding would leave 1e-17, and never on the wrong side of p.
    low = np.where(k == 0, 0.0, np.clip(centre - half, 0, p))
    high = np.where(k == n, 1.0, np.clip(centre + half, p, 1))
    return _known(n, low, high)


def clopper_pearson(k: ArrayLike, n: ArrayLike, *, level: float = LEVEL) -> tuple[Array, Array]:
    """Return the exact interval (low, high), which never covers less than ``level``; fractions allowed.

    NaN where n is 0. ValueError unless 0 <= k <= n. Clopper and Pearson, Biometrika 1934; METHODS 2.1.
    """
    k, n = _counts(k, n)
    tail = _tail(level)
    low = np.where(k == 0, 0.0, _beta_quantile(tail, k, n - k + 1))
    high = np.where(k == n, 1.0, _beta_quantile(1 - tail, k + 1, n - k))
    return _known(n, low, high)


def jeffreys(k: ArrayLike, n: ArrayLike, *, level: float = LEVEL) -> tuple[Array, Array]:
    """Return the Jeffreys interval (low, high), with the ends pinned to 0 at k = 0 and to 1 at k = n.

    NaN where n is 0. ValueError unless 0 <= k <= n. Brown, Cai and DasGupta 2001; METHODS 2.1.
    """
    k, n = _counts(k, n)
    tail = _tail(level)
    low = np.where(k == 0, 0.0, _beta_quantile(tail, k + 0.5, n - k + 0.5))
    high = np.where(k == n, 1.0, _beta_quantile(1 - tail, k + 0.5, n - k + 0.5))
    return _known(n, low, high)


def goodman(counts: ArrayLike, *, level: float = LEVEL) -> tuple[Array, Array]:
    """Return simultaneous intervals (low, high) of the shares of several classes, the last axis of ``counts``.

    All classes of one row hold at once with ``level``, taking units for independent; NaN where a row sums to 0.
    Goodman, Technometrics 1965; METHODS 2.3.
    """
    from scipy.special import chdtri

    n = np.asarray(counts, dtype=float)
    of = np.broadcast_to(n.sum(axis=-1, keepdims=True), n.shape)
    chi2 = float(chdtri(1, (1 - level) / n.shape[-1]))
    half = np.sqrt(chi2 * (chi2 + 4 * n * ratio(of - n, of)))
    low, high = (ratio(chi2 + 2 * n + sign * half, 2 * (chi2 + of)) for sign in (-1, 1))
    return _known(of, np.where(n == 0, 0.0, low), np.where(n == of, 1.0, high))


def worst_case_bounds(positive: ArrayLike, possible: ArrayLike, of: ArrayLike) -> tuple[Array, Array]:
    """Return the lowest and highest rate if nothing is assumed of the ``possible`` (uncertain and blank).

    All three are counts of units. Manski-type bounds, which say nothing of sampling; NaN where ``of`` is 0.
    METHODS 2.3.
    """
    positive, of = _counts(positive, of)
    return ratio(positive, of), ratio(positive + np.asarray(possible, dtype=float), of)


@dataclass(frozen=True)
class ClusterSums:
    """Sums over patients, all arrays of one shape (one entry per finding).

    Patient i has m_i units in the denominator, of which x_i positive. ``patients`` counts those with
    m_i > 0, also where x_i = 0; ``units`` and ``positives`` are the sums of m_i and x_i; ``sum_x2``,
    ``sum_xm``, ``sum_m2`` those of x_i squared, x_i m_i and m_i squared.
    """

    patients: Array
    units: Array
    positives: Array
    sum_x2: Array
    sum_xm: Array
    sum_m2: Array

    @staticmethod
    def of_patients(units: ArrayLike, positives: ArrayLike) -> ClusterSums:
        """Return the sums from m_i and x_i, shape (..., patients); patients without units do not count."""
        m, x = np.broadcast_arrays(np.asarray(units, dtype=float), np.asarray(positives, dtype=float))
        return ClusterSums(
            np.asarray((m > 0).sum(axis=-1), dtype=float),
            np.asarray(m.sum(axis=-1)),
            np.asarray(x.sum(axis=-1)),
            np.asarray((x * x).sum(axis=-1)),
            np.asarray((x * m).sum(axis=-1)),
            np.asarray((m * m).sum(axis=-1)),
        )

    @staticmethod
    def of_independent(units: ArrayLike, positives: ArrayLike) -> ClusterSums:
        """Return the sums where every unit is taken for a different patient (patients unknown)."""
        x, n = _counts(positives, units)
        return ClusterSums(n, n, x, x, x, n)


@dataclass(frozen=True)
class ClusteredRates:
    """Rates and their patient-clustered intervals, arrays of one shape.

    ``method`` (object array of text) names the interval used; ``effective_n`` is what it was used with.
    """

    rate: Array
    standard_error: Array
    design_effect: Array
    effective_n: Array
    low: Array
    high: Array
    method: NDArray[np.object_]


def clustered(sums: ClusterSums, *, level: float = LEVEL) -> ClusteredRates:
    """Return rates with intervals that allow for several units of one patient.

    Linearised variance of a ratio (Cochran; Rao and Scott 1992), METHODS 1.5; Wilson with the effective n,
    or Korn-Graubard (1998) below 30 patients, METHODS 2.2. Effective n is at most the number of units; with
    none or all positive the design effect is NaN and the number of patients is used instead (``method``
    says so). With one unit per patient nothing is clustered: design effect 1, plain Wilson. Below two
    patients only the rate is known, all else is NaN.
    """
    k, n, x = (np.asarray(column, dtype=float) for column in (sums.patients, sums.units, sums.positives))
    p = ratio(x, n)
    unknown, independent, constant = k < 2, n == k, (x == 0) | (x == n)
    few = (k < FEW_PATIENTS) & ~independent
    error, effect = _ratio_estimator(sums, p)
    error = np.where(independent, np.sqrt(ratio(p * (1 - p), n)), error)
    effect = np.where(constant, np.nan, np.where(independent, 1.0, effect))
    effective = np.where(constant, np.minimum(k, n), np.minimum(ratio(n, effect, at_zero=np.inf), n))
    low, high = _clustered_ends(p, effective, few & ~unknown, (k, n), level)
    return ClusteredRates(
        rate=p,
        standard_error=np.where(unknown, np.nan, error),
        design_effect=np.where(unknown, np.nan, effect),
        effective_n=np.where(unknown, np.nan, effective),
        low=np.where(unknown, np.nan, low),
        high=np.where(unknown, np.nan, high),
        method=_method_names(unknown, independent, few, constant),
    )


def _ratio_estimator(sums: ClusterSums, p: Array) -> tuple[Array, Array]:
    """Standard error and design effect of the ratio p, METHODS 1.5."""
    k, n = np.asarray(sums.patients, dtype=float), np.asarray(sums.units, dtype=float)
    x2, xm, m2 = (np.asarray(column, dtype=float) for column in (sums.sum_x2, sums.sum_xm, sums.sum_m2))
    squares = np.maximum(x2 - 2 * p * xm + p * p * m2, 0)
    variance = np.maximum(ratio(k, k - 1), 0) * ratio(squares, n * n)
    return np.sqrt(variance), ratio(variance * n, p * (1 - p))


def _clustered_ends(
    p: Array, effective: Array, few: NDArray[np.bool_], sizes: tuple[Array, Array], level: float
) -> tuple[Array, Array]:
    low, high = wilson(p * effective, effective, level=level)
    if not few.any():
        return low, high
    patients, units = (np.where(few, size, 2.0) for size in sizes)
    shrink = _t_quantile(level, units - 1) / _t_quantile(level, patients - 1)
    n_star = effective * shrink**2
    exact_low, exact_high = clopper_pearson(p * n_star, n_star, level=level)
    return np.where(few, exact_low, low), np.where(few, exact_high, high)


def _method_names(
    unknown: NDArray[np.bool_],
    independent: NDArray[np.bool_],
    few: NDArray[np.bool_],
    constant: NDArray[np.bool_],
) -> NDArray[np.object_]:
    names = np.where(few, "Korn-Graubard", "Wilson, patient-clustered").astype(object)
    names[constant & few] = "Korn-Graubard, effective n = patients"
    names[constant & ~few] = "Wilson, effective n = patients"
    names[independent] = "Wilson"
    names[unknown] = "undefined below 2 patients"
    return names


def half_width(n: ArrayLike, p: ArrayLike, *, level: float = LEVEL) -> Array:
    """Return half the width of the Wilson interval at ``n`` positives and a true value ``p``.

    NaN at n = 0. METHODS 3.2.
    """
    n, p = np.asarray(n, dtype=float), np.asarray(p, dtype=float)
    return np.asarray(np.where(n > 0, _wilson_half_width(n, p, critical_value(level) ** 2), np.nan))


def positives_needed(target: ArrayLike, p: ArrayLike, *, level: float = LEVEL) -> NDArray[np.int64]:
    """Return the smallest n whose Wilson half-width at ``p`` is at most ``target`` (0 to 1, both as rates).

    Solved exactly: the half-width falls with n, and its square is a ratio of polynomials in n.
    ValueError unless target > 0.
    """
    h2, p = np.square(_above_zero(target)), np.asarray(p, dtype=float)
    z2 = critical_value(level) ** 2
    return _first_whole(h2, z2 * (2 * h2 - p * (1 - p)), z2 * z2 * (h2 - 0.25))


class ZeroSeenBounds(NamedTuple):
    """Upper bounds for a rate of which no case was seen; each must be shown under its own name."""

    rule_of_three: Array
    exact_one_sided: Array
    clopper_pearson: Array


def rule_of_three(n: ArrayLike) -> ZeroSeenBounds:
    """Return the 95% upper bounds of a rate after no case in ``n``; NaN at n = 0. METHODS 3.4."""
    n = np.asarray(n, dtype=float)
    some = np.where(n > 0, n, np.nan)
    return ZeroSeenBounds(
        np.asarray(np.minimum(3 / some, 1)),
        np.asarray(-np.expm1(np.log(0.05) / some)),
        np.asarray(-np.expm1(np.log(0.025) / some)),
    )


def cases_to_see_one(rate: ArrayLike, *, probability: float = 0.95) -> NDArray[np.int64]:
    """Return the smallest n that holds at least one case of a problem of this ``rate``, so often."""
    n = np.log1p(-probability) / np.log1p(-np.asarray(rate, dtype=float))
    return np.asarray(np.ceil(n - 1e-9), dtype=np.int64)


def auc_standard_error(auc: ArrayLike, n1: ArrayLike, n0: ArrayLike) -> Array:
    """Return the standard error of an AUC with ``n1`` positives and ``n0`` negatives; NaN without either.

    Hanley and McNeil, Radiology 1982: an exponential score model, for planning only.
    """
    a, n1, n0 = (np.asarray(value, dtype=float) for value in (auc, n1, n0))
    own, positive, negative = _hanley_mcneil(a)
    variance = ratio(own + (n1 - 1) * positive + (n0 - 1) * negative, n1 * n0)
    return np.asarray(np.sqrt(np.maximum(variance, 0)))


def auc_interval(auc: ArrayLike, n1: ArrayLike, n0: ArrayLike, *, level: float = LEVEL) -> tuple[Array, Array]:
    """Return the interval (low, high) of an AUC on the logit scale; NaN at 0 or 1, or without cases."""
    a = np.asarray(auc, dtype=float)
    with np.errstate(divide="ignore"):
        logit = np.log(a) - np.log1p(-a)
    step = critical_value(level) * ratio(auc_standard_error(a, n1, n0), a * (1 - a))
    return _logistic(logit - step), _logistic(logit + step)


def auc_positives_needed(
    auc: ArrayLike,
    target: ArrayLike = 0.05,
    *,
    negatives_per_positive: float = 9,
    level: float = LEVEL,
) -> NDArray[np.int64]:
    """Return the smallest number of positives with z times the standard error at most ``target``.

    ValueError unless target > 0. METHODS 3.5.
    """
    h2 = np.square(_above_zero(target)) / critical_value(level) ** 2
    own, positive, negative = _hanley_mcneil(np.asarray(auc, dtype=float))
    many = negatives_per_positive
    return _first_whole(many * h2, -(positive + many * negative), positive + negative - own)


def _hanley_mcneil(a: Array) -> tuple[Array, Array, Array]:
    return a * (1 - a), a / (2 - a) - a * a, 2 * a * a / (1 + a) - a * a


def _wilson_half_width(n: Array, p: Array, z2: float) -> Array:
    # z/(1 + z2/n) sqrt(p(1-p)/n + z2/4n2), multiplied out so that n = 0 divides nothing by zero.
    return np.asarray(np.sqrt(z2 * (p * (1 - p) * n + z2 / 4)) / (n + z2))


def _first_whole(a: ArrayLike, b: ArrayLike, c: ArrayLike) -> NDArray[np.int64]:
    """Smallest whole n >= 1 from which a n^2 + b n + c >= 0 holds for good (a > 0)."""
    a, b, c = (np.asarray(value, dtype=float) for value in (a, b, c))
    root = (-b + np.sqrt(np.maximum(b * b - 4 * a * c, 0))) / (2 * a)
    return np.asarray(np.maximum(np.ceil(root - 1e-9), 1), dtype=np.int64)


def _above_zero(target: ArrayLike) -> Array:
    wanted = np.asarray(target, dtype=float)
    if not (wanted > 0).all():
        raise ValueError("a half-width to reach must be above 0")
    return wanted


def _counts(k: ArrayLike, n: ArrayLike) -> tuple[Array, Array]:
    """Both as float arrays of one shape; products of rates may exceed n by rounding and are cut back."""
    k, n = np.broadcast_arrays(np.asarray(k, dtype=float), np.asarray(n, dtype=float))
    if (k < 0).any() or (k > n * (1 + 1e-12)).any():
        raise ValueError("positives must lie between 0 and n")
    return np.minimum(k, n), n


def _known(n: Array, low: ArrayLike, high: ArrayLike) -> tuple[Array, Array]:
    return np.where(n > 0, low, np.nan), np.where(n > 0, high, np.nan)


def _logistic(x: Array) -> Array:
    return np.asarray(0.5 * (1 + np.tanh(x / 2)))


def _tail(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"a confidence level lies between 0 and 1, not at {level}")
    return (1 - level) / 2


def _beta_quantile(probability: float, a: Array, b: Array) -> Array:
    from scipy.special import betaincinv

    return np.asarray(betaincinv(a, b, probability))


def _t_quantile(level: float, degrees: Array) -> Array:
    from scipy.special import stdtrit

    return np.asarray(stdtrit(degrees, 0.5 + level / 2))
