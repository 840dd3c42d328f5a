"""The worked numbers of METHODS 5.2 to 5.8, and the promises of the intervals between them."""

from __future__ import annotations

import math
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import betabinom
from statsmodels.stats.proportion import confint_proportions_2indep

from cxrdash.analysis import review_intervals as found
from cxrdash.analysis.intervals import clopper_pearson, wilson
from cxrdash.analysis.review_intervals import Stratum

DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
HALF_DIGIT = 5.1e-5


@pytest.mark.parametrize(
    ("wrong", "judged", "of", "numbers", "exact", "corrected"),
    [
        (26, 130, 11559, (1565, 3221), (0.1354, 0.2787), (0.1406, 0.2765)),  # T5.1
        (26, 130, 227, (36, 57), (0.1586, 0.2511), (0.1588, 0.2487)),  # T5.2
        (13, 100, 500, (39, 101), (0.0780, 0.2020), (0.0819, 0.2002)),  # T5.3
        (0, 50, 300, (0, 19), (0, 0.0633), (0, 0.0604)),  # T5.4
        (5, 40, 40, (5, 5), (0.125, 0.125), (0.125, 0.125)),  # T5.5
    ],
)
def test_intervals_without_replacement(wrong, judged, of, numbers, exact, corrected) -> None:
    assert found.hypergeometric(wrong, judged, of) == numbers
    assert tuple(number / of for number in numbers) == pytest.approx(exact, abs=HALF_DIGIT)
    assert found.wilson_of_frame(wrong, judged, of) == pytest.approx(corrected, abs=HALF_DIGIT)


def test_the_exact_interval_is_used_above_five_percent_of_the_frame() -> None:
    assert found.sampled_interval(26, 130, 11559)[1] == "Wilson"
    assert found.sampled_interval(26, 130, None)[0] == pytest.approx((0.1403, 0.2769), abs=HALF_DIGIT)
    assert found.sampled_interval(26, 130, 227) == ((36 / 227, 57 / 227), "exact hypergeometric")
    assert found.sampled_interval(5, 40, 40) == ((0.125, 0.125), "all were judged")
    assert math.isnan(found.sampled_interval(0, 0, 9)[0][0])


def test_the_post_s_130_images_hold_five_points_only_up_to_nine_percent() -> None:
    assert found.critical_value() * math.sqrt(0.2 * 0.8 / 130) == pytest.approx(0.068760, abs=1e-6)
    low, high = wilson(26, 130)
    assert (high - low) / 2 == pytest.approx(0.068311, abs=1e-6)
    z2 = found.critical_value() ** 2
    assert (1 - math.sqrt(1 - 4 * 0.0025 * 130 / z2)) / 2 == pytest.approx(0.093310, abs=1e-6)  # T5.6
    most = next(of for of in range(400, 130, -1) if found.reviews_needed(0.05, 0.2, of) <= 130)
    assert most == 274  # T5.7: 274.75


@pytest.mark.parametrize(
    ("expected", "of", "needed"),
    [(0.1, None, 139), (0.1, 5000, 135), (0.1, 1000, 122), (0.1, 227, 87), (0.15, None, 196), (0.2, None, 246),
     (0.2, 5000, 235), (0.2, 1000, 198), (0.2, 227, 119), (0.5, None, 385), (0.5, 5000, 357), (0.5, 1000, 278),
     (0.5, 227, 143)],
)  # fmt: skip
def test_reviews_needed_for_five_points(expected, of, needed) -> None:  # T5.8
    assert found.reviews_needed(0.05, expected, of) == needed


def test_the_spot_check_of_32() -> None:  # T5.9
    assert found.sampled_interval(5, 32)[0] == pytest.approx((0.069, 0.318), abs=5e-4)
    assert clopper_pearson(0, 32)[1] == pytest.approx(0.109, abs=5e-4)


def test_a_stratified_rate_is_weighted() -> None:  # T5.11
    made = found.stratified([Stratum(6, 60, 8000), Stratum(10, 40, 3000), Stratum(12, 30, 559)])
    assert made == pytest.approx((0.153439, 0.032604, 122.191, 0.100199, 0.227805), abs=5.1e-4)
    assert made.rate == pytest.approx(0.153439, abs=1e-6)
    assert (made.low, made.high) == pytest.approx((0.100199, 0.227805), abs=1e-6)


def test_neyman_s_allocation() -> None:  # T5.12
    shares = found.allocation(130, [8000, 3000, 559], [0.1, 0.25, 0.4])
    assert shares == pytest.approx([78.5, 42.5, 9.0], abs=0.05)
    assert found.allocation(100, [30, 10]) == pytest.approx([75, 25])


@pytest.mark.parametrize(
    ("wrong", "judged", "of", "numbers"),
    [(26, 130, 11559, (1190, 3807)), (2, 30, 500, (2, 148)), (0, 60, 2000, (0, 220)), (6, 40, 300, (12, 108))],
)  # T5.14 to T5.17
def test_anytime_valid_intervals(wrong, judged, of, numbers) -> None:
    assert found.anytime_numbers(wrong, judged, of) == numbers
    assert found.anytime_interval(wrong, judged, of) == tuple(number / of for number in numbers)


@given(st.integers(1, 60), st.data())
def test_the_anytime_interval_keeps_just_what_the_ratio_keeps(judged: int, data: st.DataObject) -> None:
    of = data.draw(st.integers(judged, 150))
    wrong = data.draw(st.integers(0, judged))
    totals = np.arange(wrong, of - judged + wrong + 1)
    prior = betabinom.pmf(totals, of, 1, 1)
    posterior = betabinom.pmf(totals - wrong, of - judged, 1 + wrong, 1 + judged - wrong)
    kept = totals[prior / posterior < 20 * (1 - 1e-9)]
    low, high = found.anytime_numbers(wrong, judged, of)
    assert low <= kept.min() and kept.max() <= high and high - low + 1 <= len(kept) + 2


@given(st.integers(1, 60), st.data())
def test_the_exact_interval_keeps_just_what_its_definition_keeps(judged: int, data: st.DataObject) -> None:
    of = data.draw(st.integers(judged, 150))
    wrong = data.draw(st.integers(0, judged))
    kept = [total for total in range(wrong, of - judged + wrong + 1) if compatible(total, wrong, judged, of)]
    assert found.hypergeometric(wrong, judged, of) == (min(kept), max(kept))


def compatible(total: int, wrong: int, judged: int, of: int) -> bool:
    """Whether both tails are above 1 in 40, in whole numbers, so that a tail of just 1 in 40 is told from one above."""
    ways = [math.comb(total, k) * math.comb(of - total, judged - k) for k in range(judged + 1)]
    return 40 * min(sum(ways[wrong:]), sum(ways[: wrong + 1])) > sum(ways)


def test_a_tail_of_just_one_in_forty_is_not_above_it() -> None:
    assert found.hypergeometric(0, 1, 40) == (0, 38)  # 39 wrong of 40 leave 1 in 40 for a first one that is right
    assert found.hypergeometric(1, 79, 80) == (1, 1)
    assert found.sampled_interval(1, 79, 80)[0] == (1 / 80, 1 / 79)


def test_a_large_frame_has_the_limit_of_larger_ones() -> None:
    assert found.anytime_interval(26, 130, 100_000) == pytest.approx(found.anytime_interval(26, 130), abs=2e-4)
    assert found.anytime_interval(26, 130, 10**7) == found.anytime_interval(26, 130)
    assert found.anytime_interval(0, 30)[0] == 0 and found.anytime_interval(30, 30)[1] == 1
    assert found.anytime_interval(0, 0, 50) == (0, 1)


@given(st.integers(0, 80), st.integers(0, 80), st.integers(0, 400))
def test_every_interval_holds_its_rate_and_mirrors(wrong: int, right: int, rest: int) -> None:
    judged = wrong + right
    if not judged:
        return
    for interval in (lambda k: found.anytime_interval(k, judged, judged + rest),
                     lambda k: found.sampled_interval(k, judged, judged + rest)[0]):  # fmt: skip
        low, high = interval(wrong)
        assert 0 <= low <= wrong / judged + 1e-12 and wrong / judged <= high + 1e-12 <= 1 + 1e-11
        mirrored = interval(right)
        assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-9)


def test_how_many_more_bring_the_bound_down() -> None:
    more = found.more_needed(1, 40, 2000, below=0.1)
    assert more is not None and found.anytime_interval(math.ceil((40 + more) / 40), 40 + more, 2000)[1] <= 0.1
    assert found.anytime_interval(math.ceil((39 + more) / 40), 39 + more, 2000)[1] > 0.1
    assert found.more_needed(0, 200, 2000, below=0.1) == 0
    assert found.more_needed(8, 40, 2000, below=0.1) is None and found.more_needed(0, 0, 9, below=0.1) is None


def test_prevalence_from_both_sides() -> None:  # T5.24
    made = found.two_phase(Stratum(26, 130, 12_000), Stratum(3, 130, 88_000))
    assert (made.prevalence, made.standard_error) == pytest.approx((0.116308, 0.012361), abs=1e-6)
    assert (made.low, made.high) == pytest.approx((0.092080, 0.140536), abs=1e-6)
    assert (made.sensitivity, made.specificity) == pytest.approx((0.825397, 0.972841), abs=1e-6)
    assert wilson(104, 130) == pytest.approx((0.723079, 0.859701), abs=1e-6)
    assert wilson(3, 130) == pytest.approx((0.007879, 0.065652), abs=1e-6)


def test_rogan_and_gladen() -> None:  # T5.25
    assert found.rogan_gladen((12, 100), (90, 100), (95, 100)).prevalence == pytest.approx(0.082353, abs=1e-6)
    outside = found.rogan_gladen((3, 100), (90, 100), (95, 100))
    assert (outside.prevalence, outside.raw) == pytest.approx((0, -0.023529), abs=1e-6)
    assert math.isnan(found.rogan_gladen((3, 100), (50, 100), (50, 100)).prevalence)
    sure = found.rogan_gladen((120, 1000), (10**9, 10**9), (10**9, 10**9))
    assert sure.standard_error == pytest.approx(math.sqrt(0.12 * 0.88 / 1000))


@given(st.integers(0, 40), st.integers(1, 40), st.integers(0, 40), st.integers(1, 40))
def test_newcombe_s_interval_is_that_of_statsmodels(a: int, m: int, b: int, n: int) -> None:
    a, b = min(a, m), min(b, n)
    made = found.newcombe((a, m), (b, n))
    expected = confint_proportions_2indep(a, m, b, n, method="newcomb", compare="diff")
    assert (made.low, made.high) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("review", "score", "because"),
    [((200, 2, 1), 5, "0.0432"), ((130, 20, 17), 1, "0.3675"), ((0, 0, 0), 3, "unreviewed"),
     ((29, 0, 0), 3, "unreviewed"), ((100, 4, 3), 3, "0.1375")],
)  # fmt: skip
def test_the_error_component_of_the_stars(review, score, because) -> None:  # C4 of T3.15 to T3.19
    assert found.error_score(*review)[0] == score and because in found.error_score(*review)[1]


def test_what_cannot_be_is_refused() -> None:
    for counts in ((3, 2, 9), (-1, 2, 9), (1, 10, 9)):
        with pytest.raises(ValueError):
            found.sampled_interval(*counts)
    with pytest.raises(ValueError):
        found.reviews_needed(0, 0.1)


# Simulated readers with a known error rate.

RUNS = 4000 if DEEP else 400


def readers(wrong: int, of: int, judged: int) -> np.ndarray:
    """Wrong seen so far after each image, for RUNS readers: int of shape (RUNS, judged)."""
    rng = np.random.default_rng(5)
    frame = np.zeros((RUNS, of), dtype=bool)
    frame[:, :wrong] = True
    return np.cumsum(rng.permuted(frame, axis=1)[:, :judged], axis=1)


@pytest.mark.parametrize(("wrong", "of"), [(0, 400), (20, 400), (40, 400), (80, 400), (20, 227), (600, 3000)])
def test_a_planned_review_misses_the_truth_no_more_often_than_it_says(wrong: int, of: int) -> None:
    seen = readers(wrong, of, 130)[:, -1]
    intervals = {int(k): found.sampled_interval(int(k), 130, of)[0] for k in np.unique(seen)}
    covered = np.mean([intervals[int(k)][0] <= wrong / of <= intervals[int(k)][1] for k in seen])
    print(f"planned 130 of {of}, {wrong / of:.1%} wrong: {covered:.3f} covered")
    assert covered >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / RUNS) - 0.01  # Wilson holds on average over rates


def missed(seen: np.ndarray, wrong: int, of: int, every: int = 1) -> float:
    """Share of readers some of whose anytime intervals missed the truth."""
    bounds = {}
    for at in range(every - 1, seen.shape[1], every):
        for k in np.unique(seen[:, at]):
            low, high = found.anytime_interval(int(k), at + 1, of)
            bounds[at, int(k)] = not low <= wrong / of <= high
    looks = range(every - 1, seen.shape[1], every)
    return float(np.mean([any(bounds[at, int(row[at])] for at in looks) for row in seen]))


@pytest.mark.parametrize("wrong", [0, 20, 40, 80, 160])
def test_a_reader_may_stop_whenever_it_looks_good(wrong: int) -> None:
    share = missed(readers(wrong, 400, 200), wrong, 400)
    print(f"anytime-valid, {wrong / 400:.0%} wrong, 200 looks: {share:.3f} ever missed (at most 0.05)")
    assert share <= 0.05


@pytest.mark.parametrize(("rate", "expected"), [(0.05, 0.235), (0.1, 0.235), (0.2, 0.235)])
def test_a_fixed_interval_looked_at_again_and_again_does_miss(rate: float, expected: float) -> None:  # T5.13
    rng = np.random.default_rng(1)
    seen = np.cumsum(rng.random((4000, 200)) < rate, axis=1)[:, 9::10]
    n = np.arange(10, 201, 10)
    low, high = wilson(seen, np.broadcast_to(n, seen.shape))
    share = float(((low > rate) | (high < rate)).any(axis=1).mean())
    print(f"fixed-n Wilson at every 10th of 200, {rate:.0%} wrong: {share:.3f} ever missed")
    assert share == pytest.approx(expected, abs=0.02)


def test_weighted_intervals_cover() -> None:
    rng = np.random.default_rng(3)
    sizes, rates, planned = (2000, 700, 120), (0.08, 0.2, 0.4), (60, 40, 30)
    numbers = [round(size * rate) for size, rate in zip(sizes, rates, strict=True)]
    truth = sum(numbers) / sum(sizes)
    fixed = anytime = 0
    for _ in range(RUNS):
        strata = [
            Stratum(int(rng.hypergeometric(k, size - k, n)), n, size)
            for k, size, n in zip(numbers, sizes, planned, strict=True)
        ]
        made, wide = found.stratified(strata), found.anytime_stratified(strata)
        fixed += made.low <= truth <= made.high
        anytime += wide[0] <= truth <= wide[1]
    print(f"stratified: Wilson {fixed / RUNS:.3f}, anytime-valid {anytime / RUNS:.3f} covered")
    assert fixed / RUNS >= 0.95 - 0.03 and anytime / RUNS >= 0.95


def test_corrected_prevalence_covers() -> None:
    rng = np.random.default_rng(4)
    truth = (1200 * 0.8 + 8800 * 0.03) / 10_000
    hits = mended = 0
    for _ in range(RUNS):
        wrong = int(rng.hypergeometric(240, 960, 130))
        missed_ = int(rng.hypergeometric(264, 8536, 130))
        made = found.two_phase(Stratum(wrong, 130, 1200), Stratum(missed_, 130, 8800))
        hits += made.low <= truth <= made.high
        mended += made.mover_low <= truth <= made.mover_high
    print(f"two-phase prevalence: symmetric {hits / RUNS:.3f}, from two Wilson intervals {mended / RUNS:.3f} covered")
    assert mended / RUNS >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / RUNS)
    assert hits / RUNS < mended / RUNS  # why the page shows the second: misses are rare and their rate is skewed
