"""Intervals for an error rate seen in a sample without replacement (METHODS 5.2 to 5.8).

``wrong`` of ``judged`` images were wrong, out of ``of`` in the frame (None: so many that it does not matter).
Undefined is NaN, never 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, inf, lgamma, log, log1p, nan, sqrt
from typing import NamedTuple

from cxrdash.analysis import odds
from cxrdash.analysis.intervals import LEVEL, critical_value, wilson

LARGE_FRAME = 100_000
SMALL_FRACTION = 0.05
ROUNDING = 1e-10  # of a tail probability that equals its limit exactly
Interval = tuple[float, float]


class Stratum(NamedTuple):
    """One stratum of a sample: wrong images of those judged, of all in the stratum."""

    wrong: int
    judged: int
    of: int


class Estimate(NamedTuple):
    """A rate with its standard error, the sample size it is worth, and its interval."""

    rate: float
    standard_error: float
    effective_n: float
    low: float
    high: float


def sampled_interval(wrong: int, judged: int, of: int | None = None, *, level: float = LEVEL) -> tuple[Interval, str]:
    """Return the interval of a rate and its name, for a number of images fixed beforehand.

    Exact hypergeometric where more than 5% of the frame was judged, else Wilson; a point where all were.
    It always holds the rate of the sample, which need not be a rate that the frame can have: 1 of 79 judged
    of 80 admits no other number wrong than 1.
    """
    _check(wrong, judged, of)
    if not judged:
        return (nan, nan), "undefined: nothing judged"
    if of is None or judged <= SMALL_FRACTION * of:
        low, high = wilson(wrong, judged, level=level)
        return (float(low), float(high)), "Wilson"
    least, most = hypergeometric(wrong, judged, of, level=level)
    ends = min(least / of, wrong / judged), max(most / of, wrong / judged)
    return ends, "exact hypergeometric" if judged < of else "all were judged"


def hypergeometric(wrong: int, judged: int, of: int, *, level: float = LEVEL) -> tuple[int, int]:
    """Return the fewest and the most wrong images in the frame that are compatible with the sample."""
    from scipy.stats import hypergeom

    _check(wrong, judged, of)
    tail = (1 - level) / 2 * (1 + ROUNDING)

    def too_few(total: int) -> bool:
        return bool(hypergeom.sf(wrong - 1, of, total, judged) <= tail)

    def not_too_many(total: int) -> bool:
        return bool(hypergeom.cdf(wrong, of, total, judged) > tail)

    least, most = wrong, of - judged + wrong
    fewest = _first(least, most, lambda total: not too_few(total))
    return fewest, _first(fewest, most + 1, lambda total: total > most or not not_too_many(total)) - 1


def _first(start: int, end: int, holds: Callable[[int], bool]) -> int:
    """The first number from ``start`` on for which ``holds``, which stays true; ``end`` where none before it."""
    while start < end:
        middle = (start + end) // 2
        if holds(middle):
            end = middle
        else:
            start = middle + 1
    return start


def wilson_of_frame(wrong: int, judged: int, of: int, *, level: float = LEVEL) -> Interval:
    """Return Wilson's interval with the n that the finite frame makes of the sample; a point where all were judged."""
    _check(wrong, judged, of)
    if not judged:
        return nan, nan
    if judged == of:
        return wrong / of, wrong / of
    worth = judged * (of - 1) / (of - judged)
    low, high = wilson(wrong / judged * worth, worth, level=level)
    return float(low), float(high)


def anytime_interval(wrong: int, judged: int, of: int | None = None, *, level: float = LEVEL) -> Interval:
    """Return an interval that stays valid however often one looks and whenever one stops.

    Prior-posterior ratio with a uniform prior on the number wrong (Waudby-Smith and Ramdas 2020, METHODS
    5.6): the chance that it ever misses the truth is at most 1 - level. (0, 1) before the first image.
    """
    _check(wrong, judged, of)
    if not judged:
        return 0.0, 1.0
    if of is None or of > LARGE_FRAME:
        return _anytime_limit(wrong, judged, level)
    least, most = anytime_numbers(wrong, judged, of, level=level)
    return least / of, most / of


def anytime_numbers(wrong: int, judged: int, of: int, *, level: float = LEVEL) -> tuple[int, int]:
    """Return the fewest and most wrong images in the frame that ``anytime_interval`` keeps."""
    left = of - judged

    def kept(total: int) -> bool:
        return -log1p(of) - _log_betabinomial(total - wrong, left, 1 + wrong, 1 + judged - wrong) < -log(1 - level)

    # Beta-binomial with parameters of at least 1 rises to one peak, so what is kept is a run around it.
    peak = wrong + min(left, int((left + 1) * wrong / judged))
    low = _first(wrong, peak, kept)
    high = _first(peak, of - judged + wrong + 1, lambda total: total > left + wrong or not kept(total)) - 1
    return low, high


def _log_betabinomial(k: int, n: int, a: float, b: float) -> float:
    choose = lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
    return choose + _log_beta(k + a, n - k + b) - _log_beta(a, b)


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def _anytime_limit(wrong: int, judged: int, level: float) -> Interval:
    """The same for a frame without end: the Beta posterior's density above 1 - level."""
    right = judged - wrong
    constant = _log_beta(1 + wrong, 1 + right)

    def kept(rate: float) -> bool:
        seen = (wrong * log(rate) if wrong else 0.0) + (right * log1p(-rate) if right else 0.0)
        return seen - constant > log(1 - level)

    peak = wrong / judged
    low = 0.0 if not wrong else _edge(peak, 0.0, kept)
    high = 1.0 if not right else _edge(peak, 1.0, kept)
    return low, high


def _edge(inside: float, outside: float, kept: Callable[[float], bool]) -> float:
    for _ in range(60):
        middle = (inside + outside) / 2
        if middle in (inside, outside):
            break
        inside, outside = (middle, outside) if kept(middle) else (inside, middle)
    return outside


def stratified(strata: Sequence[Stratum], *, level: float = LEVEL) -> Estimate:
    """Return the rate of the whole frame from a sample of each stratum, weighted by the strata's sizes.

    METHODS 5.4. The standard error and interval are NaN where a stratum has fewer than two judged (unless
    that is all of it); the rate too where one has none.
    """
    total = sum(one.of for one in strata)
    if not total or any(not one.judged for one in strata if one.of):
        return Estimate(nan, nan, nan, nan, nan)
    weighted = [(one.of / total, one.wrong / one.judged, one) for one in strata if one.of]
    rate = sum(weight * p for weight, p, _ in weighted)
    if any(one.judged < 2 and one.of > 1 for one in strata if one.of):
        return Estimate(rate, nan, nan, nan, nan)
    variance = sum(
        weight**2 * (1 - one.judged / one.of) * p * (1 - p) / (one.judged - 1)
        for weight, p, one in weighted
        if one.judged > 1
    )
    return _with_effective_n(rate, variance, strata, level)


def _with_effective_n(rate: float, variance: float, strata: Sequence[Stratum], level: float) -> Estimate:
    judged, total = sum(one.judged for one in strata), sum(one.of for one in strata)
    if judged == total:
        return Estimate(rate, 0.0, inf, rate, rate)
    # Without any variation seen (none or all wrong) the sample is worth its smallest weight's share.
    worth = rate * (1 - rate) / variance if variance > 0 else _worth_without_variation(strata)
    low, high = wilson(rate * worth, worth, level=level)
    return Estimate(rate, sqrt(variance), worth, float(low), float(high))


def _worth_without_variation(strata: Sequence[Stratum]) -> float:
    total = sum(one.of for one in strata)
    return 1 / sum((one.of / total) ** 2 / one.judged for one in strata if one.of)


def anytime_stratified(strata: Sequence[Stratum], *, level: float = LEVEL) -> Interval:
    """Return an anytime-valid interval of the weighted rate: the strata share what may be missed (Bonferroni)."""
    filled = [one for one in strata if one.of]
    total = sum(one.of for one in filled)
    if not total:
        return nan, nan
    share = 1 - (1 - level) / len(filled)
    ends = [(one.of / total, anytime_interval(one.wrong, one.judged, one.of, level=share)) for one in filled]
    return sum(weight * low for weight, (low, _) in ends), sum(weight * high for weight, (_, high) in ends)


def allocation(judged: int, sizes: Sequence[int], guesses: Sequence[float] | None = None) -> list[float]:
    """Return how many of ``judged`` to take from each stratum: by size, or by Neyman with guessed rates."""
    rates = guesses or [0.5] * len(sizes)
    weights = [size * sqrt(p * (1 - p)) for size, p in zip(sizes, rates, strict=True)]
    return [judged * weight / sum(weights) for weight in weights] if sum(weights) else [0.0] * len(sizes)


def reviews_needed(half_width: float, expected: float, of: int | None = None, *, level: float = LEVEL) -> int:
    """Return how many images to judge for a half-width of the rate, if the rate is as expected (Wald, METHODS 5.3)."""
    if not (0 < half_width < 1 and 0 <= expected <= 1):
        raise ValueError("a half-width lies between 0 and 1 and an expected rate from 0 to 1")
    many = critical_value(level) ** 2 * expected * (1 - expected) / half_width**2
    needed = many if of is None else many / (1 + (many - 1) / of) if of else 0
    return max(1, ceil(needed - 1e-9)) if of is None else min(of, max(1, ceil(needed - 1e-9)))


def more_needed(wrong: int, judged: int, of: int | None, *, below: float) -> int | None:
    """Return how many further images bring the anytime-valid upper bound to ``below`` if the rate stays as it is.

    0 where it is there; None where it cannot get there.
    """
    if anytime_interval(wrong, judged, of)[1] <= below:
        return 0
    if not judged or wrong / judged >= below:
        return None
    end = of if of is not None else 100 * LARGE_FRAME

    def enough(total: int) -> bool:
        return anytime_interval(min(total, ceil(wrong / judged * total)), total, of)[1] <= below

    needed = _first(judged + 1, end, enough)
    return needed - judged if enough(needed) else None


class Corrected(NamedTuple):
    """A prevalence freed of label errors, and the accuracy of the label it implies.

    ``low`` and ``high`` are symmetric; ``mover_low`` and ``mover_high`` combine Wilson intervals of the two
    sides (Zou and Donner 2008), which holds its level also where misses are rare.
    """

    prevalence: float
    standard_error: float
    low: float
    high: float
    raw: float
    sensitivity: float
    specificity: float
    mover_low: float = nan
    mover_high: float = nan


def two_phase(positive: Stratum, negative: Stratum, *, level: float = LEVEL) -> Corrected:
    """Return the prevalence from reviews of both sides of a label (METHODS 5.8).

    ``wrong`` counts images labelled positive that do not show the finding, and images labelled negative
    that do. NaN standard error where a side has fewer than two judged.
    """
    if not positive.judged or not negative.judged:
        return Corrected(nan, nan, nan, nan, nan, nan, nan)
    total = positive.of + negative.of
    ppv, missed = 1 - positive.wrong / positive.judged, negative.wrong / negative.judged
    true_positive, false_negative = positive.of * ppv, negative.of * missed
    rate = (true_positive + false_negative) / total
    error = nan
    if min(positive.judged, negative.judged) > 1:
        parts = [
            (one.of / total) ** 2 * (1 - one.judged / one.of) * p * (1 - p) / (one.judged - 1)
            for one, p in ((positive, ppv), (negative, missed))
        ]
        error = sqrt(sum(parts))
    step = critical_value(level) * error
    true_negative, false_positive = negative.of - false_negative, positive.of - true_positive
    return Corrected(
        rate, error, max(rate - step, 0.0) if step == step else nan, min(rate + step, 1.0) if step == step else nan,
        rate, _share(true_positive, false_negative), _share(true_negative, false_positive),
        *_mover(rate, positive, negative, level),
    )  # fmt: skip


def _mover(rate: float, positive: Stratum, negative: Stratum, level: float) -> Interval:
    total = positive.of + negative.of
    below = above = 0.0
    for one, right in ((positive, True), (negative, False)):
        seen = one.judged - one.wrong if right else one.wrong
        low, high = wilson_of_frame(seen, one.judged, one.of, level=level)
        below += (one.of / total * (seen / one.judged - low)) ** 2
        above += (one.of / total * (high - seen / one.judged)) ** 2
    return max(0.0, rate - sqrt(below)), min(1.0, rate + sqrt(above))


def _share(one: float, other: float) -> float:
    return one / (one + other) if one + other else nan


def rogan_gladen(
    labelled: tuple[float, float], sensitivity: tuple[int, int], specificity: tuple[int, int], *, level: float = LEVEL
) -> Corrected:
    """Return the prevalence where the label's sensitivity and specificity were measured elsewhere.

    Each argument is (yes, of): labelled positive of all; found of those with the finding; cleared of those
    without it. Rogan and Gladen 1978, delta method. ``raw`` may lie outside 0 to 1: the accuracies do not
    fit here then. All NaN where the label tells nothing (their sum is at most 1).
    """
    measured = [(_share(yes, of - yes), of) for yes, of in (labelled, sensitivity, specificity)]
    (p, n), (se, diseased), (sp, healthy) = measured
    power = se + sp - 1
    if not power > 0:
        return Corrected(nan, nan, nan, nan, nan, se, sp)
    raw = (p + sp - 1) / power
    variance = p * (1 - p) / n + raw**2 * se * (1 - se) / diseased + (1 - raw) ** 2 * sp * (1 - sp) / healthy
    error = sqrt(variance) / power
    step = critical_value(level) * error
    rate, low, high = (min(max(value, 0.0), 1.0) for value in (raw, raw - step, raw + step))
    return Corrected(rate, error, low, high, raw, se, sp)


def newcombe(one: tuple[int, int], other: tuple[int, int], *, level: float = LEVEL) -> Estimate:
    """Return the difference of two rates, each (wrong, judged), with Newcombe's interval (1998, method 10)."""
    if not one[1] or not other[1]:
        return Estimate(nan, nan, nan, nan, nan)
    p, q = one[0] / one[1], other[0] / other[1]
    low, high = odds.newcombe(*one, *other, level=level)
    error = sqrt(p * (1 - p) / one[1] + q * (1 - q) / other[1])
    return Estimate(p - q, error, nan, float(low), float(high))


def error_score(judged: int, wrong: int, doubtful: int) -> tuple[int, str]:
    """Return the error component of the star rating, 1 to 5, and what limits it (METHODS 3.9, C4)."""
    if judged < FEWEST_FOR_A_SCORE:
        return UNREVIEWED, "unreviewed"
    high = float(wilson(wrong + doubtful, judged)[1])
    return 5 - sum(high > bound for bound in SCORE_BOUNDS), f"upper limit {high:.4f}"


FEWEST_FOR_A_SCORE, UNREVIEWED = 30, 3
SCORE_BOUNDS = (0.05, 0.10, 0.20, 0.35)


def _check(wrong: int, judged: int, of: int | None) -> None:
    if not 0 <= wrong <= judged or (of is not None and judged > of):
        raise ValueError(f"{wrong} wrong of {judged} judged of {of} is impossible")
