"""Agreement of readers on yes or no: kappa, AC1, specific agreement (METHODS 5.7), and kappa's interval.

Every image falls into one cell: for two readers both, only the first, only the second or neither said yes;
for n readers alike in standing, 0 to n of them did. All measures follow from how many images each cell holds.
Undefined is NaN, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cxrdash.analysis.intervals import LEVEL, ratio

Array = NDArray[np.float64]
BOTH, ONLY_FIRST, ONLY_SECOND, NEITHER = range(4)


@dataclass(frozen=True)
class Agreement:
    """Measures of one table of cells; each is NaN where it is undefined.

    ``observed`` is the share of pairs of readings that agree, 0 to 1. ``kappa`` and ``ac1`` (-1 to 1)
    set it against chance and are undefined where all readings say the same. ``positive`` and ``negative``
    are the chance that, where one reader said yes (no), another did too; ``prevalence`` is the share of
    yes among all readings. ``pull`` says per cell how far one image there moves kappa, times the number
    of images (the influence of Hampel 1974).
    """

    observed: float
    kappa: float
    ac1: float
    positive: float
    negative: float
    prevalence: float
    pull: Array


def two_readers(cells: ArrayLike) -> Agreement:
    """Return the agreement of a first and a second reader from the counts (both, first, second, neither).

    Kappa after Cohen 1960, whose chance keeps each reader's own share of yes; AC1 after Gwet 2008.
    """
    counts = np.asarray(cells, dtype=float)
    images = counts.sum()
    both, first, second, neither = counts
    one, other = ratio(both + first, images), ratio(both + second, images)
    chance = one * other + (1 - one) * (1 - other)
    agrees, says_one, says_other = np.array([[1, 0, 0, 1], [1, 1, 0, 0], [1, 0, 1, 0]], dtype=float)
    moves = (says_one - one) * (2 * other - 1) + (says_other - other) * (2 * one - 1)
    observed = ratio(both + neither, images)
    return _agreement(
        observed,
        (one + other) / 2,
        (chance, _pull(agrees, float(observed), chance, moves)),
        positive=ratio(2 * both, 2 * both + first + second),
        negative=ratio(2 * neither, 2 * neither + first + second),
    )


def many_readers(cells: ArrayLike) -> Agreement:
    """Return the agreement of n readers per image, whoever they are, from the counts of 0 to n yes.

    ValueError below two readers. Kappa after Fleiss 1971, whose chance is the pooled share of yes; AC1
    after Gwet 2008. Specific agreement as the share of pairs with one yes (no) whose other is too (Spitzer
    and Fleiss 1974).
    """
    counts = np.asarray(cells, dtype=float)
    readers = len(counts) - 1
    if readers < 2:
        raise ValueError("agreement needs at least two readers")
    images, yes = counts.sum(), np.arange(readers + 1.0)
    no = readers - yes
    agrees = (yes * (yes - 1) + no * (no - 1)) / (readers * (readers - 1))
    share = ratio(counts @ yes, images * readers)
    chance = share**2 + (1 - share) ** 2
    moves = (yes / readers - share) * (4 * share - 2)
    observed = ratio(counts @ agrees, images)
    return _agreement(
        observed,
        share,
        (chance, _pull(agrees, float(observed), chance, moves)),
        positive=ratio(counts @ (yes * (yes - 1)), counts @ yes * (readers - 1)),
        negative=ratio(counts @ (no * (no - 1)), counts @ no * (readers - 1)),
    )


def _agreement(
    observed: Array, share: Array, by_chance: tuple[Array, Array], *, positive: Array, negative: Array
) -> Agreement:
    chance, pull = by_chance
    varied = 0 < share < 1
    by_gwet = 2 * share * (1 - share)
    return Agreement(
        observed=float(observed),
        kappa=float(ratio(observed - chance, 1 - chance)) if varied else float("nan"),
        ac1=float(ratio(observed - by_gwet, 1 - by_gwet)) if varied else float("nan"),
        positive=float(positive),
        negative=float(negative),
        prevalence=float(share),
        pull=pull if varied else np.full(len(pull), np.nan),
    )


def _pull(agrees: Array, observed: float, chance: Array, moves: Array) -> Array:
    # The differential of (o - c) / (1 - c), with `moves` that of the chance c.
    left = 1 - chance
    return np.asarray(ratio(agrees - observed, left) - ratio((1 - observed) * moves, left**2))


def kappa_interval(clusters: ArrayLike, agreement: Agreement, *, level: float = LEVEL) -> tuple[float, float]:
    """Return the interval (low, high) of kappa from counts of shape (patients, cells), cut to -1 to 1.

    Linearised: the variance of a sum over patients of how far each moves kappa (METHODS 1.5), with t
    quantiles. For one image per patient it is that of Fleiss, Cohen and Everitt (1969), times k / (k - 1).
    NaN below two patients, where kappa is undefined, and where all readings agree: nothing is then seen
    of the error.
    """
    from scipy.special import stdtrit

    counts = np.asarray(clusters, dtype=float)
    patients, images = len(counts), counts.sum()
    if patients < 2 or agreement.kappa != agreement.kappa:
        return float("nan"), float("nan")
    moved = counts @ agreement.pull
    error = np.sqrt(patients / (patients - 1) * np.square(moved).sum()) / images
    step = float(stdtrit(patients - 1, 0.5 + level / 2) * error)
    if not step > 0 or agreement.observed >= 1:
        return float("nan"), float("nan")
    return max(agreement.kappa - step, -1.0), min(agreement.kappa + step, 1.0)


def krippendorff(values: ArrayLike) -> float:
    """Return Krippendorff's alpha for named values from counts of shape (units, values): how often each was said.

    For any number of readers per unit; a unit with fewer than two readings pairs with nothing and is left
    out. 1 is perfect, 0 is chance; NaN where nothing can be paired or all readings say the same. From the
    coincidences of Krippendorff 2011, Computing Krippendorff's alpha-reliability.
    """
    found = np.asarray(values, dtype=float)
    read = found.sum(axis=1)
    found, read = found[read > 1], read[read > 1]
    differing = ((read**2 - np.square(found).sum(axis=1)) / (read - 1)).sum()
    return float(_alpha(differing, found.sum(axis=0)))


def _alpha(differing: ArrayLike, totals: NDArray[np.float64]) -> Array:
    """Alpha from the pairs that differ within units and how often each value was said (last axis)."""
    readings = totals.sum(axis=-1)
    by_chance = ratio(readings**2 - np.square(totals).sum(axis=-1), readings - 1)
    return np.where(by_chance > 0, 1 - ratio(differing, by_chance), np.nan)


def alpha_interval(cluster: ArrayLike, values: ArrayLike, *, level: float = LEVEL) -> tuple[float, float]:
    """Return the interval (low, high) of alpha from ``values`` as above and the patient of each unit, cut to -1 to 1.

    Jackknife over patients (Efron and Stein 1981), with t quantiles: images of one patient may differ or
    agree together. NaN below two patients and where alpha is undefined or 1.
    """
    from scipy.special import stdtrit

    found = np.asarray(values, dtype=float)
    paired = found.sum(axis=1) > 1
    found, (_, place) = found[paired], np.unique(np.asarray(cluster)[paired], return_inverse=True)
    patients, read = int(place.max()) + 1 if len(place) else 0, found.sum(axis=1)
    whole = krippendorff(found)
    if patients < 2 or not whole < 1:
        return float("nan"), float("nan")
    differing = np.bincount(place, (read**2 - np.square(found).sum(axis=1)) / (read - 1))
    totals = np.stack([np.bincount(place, column) for column in found.T], axis=1)
    without = _alpha(differing.sum() - differing, totals.sum(axis=0) - totals)
    if np.isnan(without).any():
        return float("nan"), float("nan")
    error = np.sqrt((patients - 1) / patients * np.square(without - without.mean()).sum())
    step = float(stdtrit(patients - 1, 0.5 + level / 2) * error)
    return max(whole - step, -1.0), min(whole + step, 1.0)


def by_cluster(cluster: ArrayLike, cell: ArrayLike, cells: int) -> Array:
    """Return how many images each cluster has in each cell: shape (clusters, cells).

    ``cluster`` (any numbers) and ``cell`` (0 to ``cells`` - 1) have one entry per image.
    """
    _, place = np.unique(np.asarray(cluster), return_inverse=True)
    clusters = int(place.max()) + 1 if len(place) else 0
    found = np.bincount(place * cells + np.asarray(cell), minlength=clusters * cells)
    return found.reshape(clusters, cells).astype(float)
