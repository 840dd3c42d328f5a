"""How much one label tells of another, from the four counts of a pair (METHODS 4.6)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

WINDOW = 12  # standard deviations of the hypergeometric law beyond which its mass is below 1e-30


class Information(NamedTuple):
    """Mutual information in nats, normalised to 0 to 1, and adjusted for chance (0 by chance, at most 1)."""

    mutual_information: np.ndarray
    nmi: np.ndarray
    ami: np.ndarray


def information(of: np.ndarray, a: np.ndarray, b: np.ndarray, both: np.ndarray) -> Information:
    """Return the information of pairs of labels from counts of ``of`` units, ``a``, ``b`` and ``both`` positive.

    All arrays have one shape, and so have the results. The normaliser is the mean of the two entropies
    (Vinh 2010); all three are NaN where a label is positive in none or in all units.
    """
    n, a, b, both = (np.atleast_1d(np.asarray(counts, dtype=float)) for counts in (of, a, b, both))
    defined = (a > 0) & (b > 0) & (a < n) & (b < n)
    found = np.full((3, *n.shape), np.nan)
    n, a, b, both = (counts[defined] for counts in (n, a, b, both))
    mutual = _mutual(n, a, b, both)
    mean = (_entropy(a / n) + _entropy(b / n)) / 2
    by_chance = np.array([_by_chance(*counts) for counts in zip(n, a, b, strict=True)])
    found[0][defined] = mutual
    found[1][defined] = mutual / mean
    found[2][defined] = (mutual - by_chance) / (mean - by_chance) if len(mean) else mutual
    return Information(*found)


def _entropy(p: np.ndarray) -> np.ndarray:
    entropy: np.ndarray = -(p * np.log(p) + (1 - p) * np.log1p(-p))
    return entropy


def _mutual(n: np.ndarray, a: np.ndarray, b: np.ndarray, both: np.ndarray) -> np.ndarray:
    cells = ((both, a, b), (a - both, a, n - b), (b - both, n - a, b), (n - a - b + both, n - a, n - b))
    total = np.zeros(np.broadcast(n, both).shape)
    for count, row, column in cells:
        # A cell that is empty adds nothing; 1 only keeps its logarithm finite.
        safe = np.where(count > 0, count, 1.0)
        total += np.where(count > 0, count / n * np.log(n * safe / (row * column)), 0.0)
    return np.maximum(total, 0.0)


def _by_chance(n: float, a: float, b: float) -> float:
    """Return the mean mutual information of two labels of these sizes put on units at random."""
    from scipy.special import gammaln

    mean = a * b / n
    spread = WINDOW * np.sqrt(max(mean * (1 - a / n) * (1 - b / n) * n / max(n - 1, 1), 1.0))
    low, high = max(0.0, a + b - n, np.floor(mean - spread)), min(a, b, np.ceil(mean + spread))
    both = np.arange(low, high + 1)

    def ways(whole: float, part: np.ndarray | float) -> np.ndarray:
        chosen: np.ndarray = gammaln(whole + 1) - gammaln(np.asarray(part) + 1) - gammaln(whole - np.asarray(part) + 1)
        return chosen

    chance = np.exp(ways(a, both) + ways(n - a, b - both) - ways(n, b))
    whole, one, other = (np.full(both.shape, value) for value in (n, a, b))
    return float(chance @ _mutual(whole, one, other, both))
