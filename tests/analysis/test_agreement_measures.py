"""Agreement measures against METHODS 5.7, scikit-learn, statsmodels and a patient bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.special import stdtrit
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa, fleiss_kappa

from cxrdash.analysis.agreement_measures import (
    Agreement,
    alpha_interval,
    by_cluster,
    kappa_interval,
    krippendorff,
    many_readers,
    two_readers,
)

counts = st.integers(0, 60)
tables = st.tuples(counts, counts, counts, counts)


def near(*values: float) -> object:
    return pytest.approx(values, abs=5e-7)


def shown(found: Agreement) -> tuple[float, ...]:
    return found.observed, found.kappa, found.ac1, found.positive, found.negative


# METHODS writes no/yes by no/yes: [[neither, second], [first, both]].
@pytest.mark.parametrize(("cells", "expected"), [
    ((10, 5, 5, 80), (0.9, 0.607843, 0.865772, 0.666667, 0.941176)),
    ((45, 5, 5, 45), (0.9, 0.8, 0.8, 0.9, 0.9)),
    ((0, 5, 5, 90), (0.9, -0.052632, 0.889503, 0, 0.947368)),
], ids=["T5.18", "T5.19", "T5.20"])  # fmt: skip
def test_oracles_of_two_readers(cells: tuple[int, ...], expected: tuple[float, ...]) -> None:
    assert shown(two_readers(cells)) == near(*expected)


def test_oracle_t5_22_of_three_readers() -> None:
    found = many_readers(np.bincount([0, 0, 0, 1, 1, 2, 3, 3, 0, 3], minlength=4))
    assert (found.kappa, found.observed, found.ac1) == near(0.592760, 0.8, 0.606987)
    # 13 yes among 30 readings; pairs of yes: 2 of the 2, three times 6 of 6, of 13 * 2.
    assert (found.prevalence, found.positive, found.negative) == near(13 / 30, 20 / 26, 28 / 34)


@given(tables)
def test_cohen_is_that_of_scikit_learn(cells: tuple[int, int, int, int]) -> None:
    both, first, second, neither = cells
    assume((sum(cells) and both + neither < sum(cells)) or (both and neither))
    found = two_readers(cells).kappa
    one, other = (
        [1] * (both + first) + [0] * (second + neither),
        [1] * both + [0] * first + [1] * second + [0] * neither,
    )
    assert found == pytest.approx(cohen_kappa_score(one, other), abs=1e-12)


@given(st.lists(counts, min_size=3, max_size=6))
def test_fleiss_is_that_of_statsmodels(cells: list[int]) -> None:
    readers = len(cells) - 1
    votes = np.repeat(np.arange(readers + 1), cells)
    assume(len(votes) and 0 < votes.sum() < readers * len(votes))
    found = many_readers(cells).kappa
    assert found == pytest.approx(fleiss_kappa(np.stack([readers - votes, votes], axis=1)), abs=1e-12)


@given(tables)
def test_swapping_readers_or_yes_and_no_leaves_kappa_alone(cells: tuple[int, int, int, int]) -> None:
    both, first, second, neither = cells
    found = two_readers(cells)
    swapped, turned = two_readers((both, second, first, neither)), two_readers((neither, first, second, both))
    for other in (swapped, turned):
        assert (other.observed, other.kappa, other.ac1) == pytest.approx(
            (found.observed, found.kappa, found.ac1), nan_ok=True
        )
    assert (turned.positive, turned.negative) == pytest.approx((found.negative, found.positive), nan_ok=True)


@given(tables)
def test_two_readers_alike_in_standing_are_fleiss_with_two(cells: tuple[int, int, int, int]) -> None:
    both, first, second, neither = cells
    one, other = two_readers(cells), many_readers((neither, first + second, both))
    assert (one.observed, one.ac1, one.positive, one.negative, one.prevalence) == pytest.approx(
        (other.observed, other.ac1, other.positive, other.negative, other.prevalence), nan_ok=True
    )


@pytest.mark.parametrize("cells", [(9, 0, 0, 0), (0, 0, 0, 9), (0, 0, 0, 0)])
def test_where_nothing_varies_kappa_and_ac1_are_undefined(cells: tuple[int, ...]) -> None:
    found = two_readers(cells)
    assert np.isnan([found.kappa, found.ac1]).all()
    assert np.isnan(kappa_interval(np.diag(cells), found)).all()


def test_less_than_two_readers_are_refused() -> None:
    with pytest.raises(ValueError, match="at least two readers"):
        many_readers([3, 4])


@given(tables)
def test_one_image_per_patient_gives_the_known_error_of_kappa(cells: tuple[int, int, int, int]) -> None:
    found = two_readers(cells)
    images = sum(cells)
    assume(images > 2 and found.kappa == found.kappa and found.observed < 1)
    low, high = kappa_interval(np.repeat(np.eye(4), cells, axis=0), found)
    both, first, second, neither = cells
    known = cohens_kappa(np.array([[both, first], [second, neither]])).var_kappa
    step = stdtrit(images - 1, 0.975) * np.sqrt(known * images / (images - 1))
    if step > 0:
        assert (low, high) == pytest.approx((max(found.kappa - step, -1), min(found.kappa + step, 1)), abs=1e-9)


def patients(rng: np.random.Generator, n: int, cells: int) -> np.ndarray:
    """Images per patient and cell, of patients who differ: between one and six images that resemble each other."""
    leanings = rng.dirichlet(np.linspace(0.3, 1.2, cells), size=n)
    return np.array([rng.multinomial(rng.integers(1, 7), leaning) for leaning in leanings])


@pytest.mark.parametrize("measure", [two_readers, many_readers])
def test_the_interval_is_about_that_of_a_patient_bootstrap(measure: object) -> None:
    rng = np.random.default_rng(5)
    table = patients(rng, 300, 4)
    found = measure(table.sum(axis=0))  # type: ignore[operator]
    drawn = [measure(table[rng.integers(0, 300, 300)].sum(axis=0)).kappa for _ in range(1500)]  # type: ignore[operator]
    low, high = kappa_interval(table, found)
    assert (high - low) / 2 == pytest.approx(1.968 * np.std(drawn), rel=0.08)
    naive = kappa_interval(np.repeat(np.eye(4), table.sum(axis=0), axis=0), found)
    assert high - low > 1.3 * (naive[1] - naive[0])


def test_perfect_agreement_has_no_interval_and_one_patient_neither() -> None:
    perfect = two_readers((5, 0, 0, 5))
    assert perfect.kappa == 1
    assert np.isnan(kappa_interval(np.repeat(np.eye(4), (5, 0, 0, 5), axis=0), perfect)).all()
    assert np.isnan(kappa_interval([[3, 1, 1, 3]], two_readers((3, 1, 1, 3)))).all()


def test_cells_are_counted_by_cluster() -> None:
    assert by_cluster([7, -3, 7, 7], [0, 1, 0, 2], 3).tolist() == [[0, 1, 0], [2, 0, 1]]
    assert by_cluster([], np.zeros(0, dtype=int), 4).shape == (0, 4)


def counts_of(*readers: str) -> np.ndarray:
    """How often each value stands in each column; a dot is a missing reading."""
    values = sorted(set("".join(readers)) - {"."})
    return np.array([[column.count(value) for value in values] for column in zip(*readers, strict=True)])


def pairs(table: list[list[int]]) -> np.ndarray:
    """Two readers' table as one row of counts per unit."""
    names = np.eye(len(table), dtype=int)
    return np.repeat([a + b for a in names for b in names], np.ravel(table), axis=0)


@pytest.mark.parametrize(("readers", "expected"), [
    (("0100000010", "1110010000"), 0.095238),  # 2 observers, 10 units
    (("123321412...", "1233224125.3", ".3332342251.", "12332441251."), 0.743421),  # 4 observers, values missing
    (("11001.01", "100011.1", "110.1100"), 0.629630),
], ids=["Krippendorff 2011 B", "Krippendorff 2011 C", "T5.23"])  # fmt: skip
def test_alpha_is_that_of_published_examples(readers: tuple[str, ...], expected: float) -> None:
    assert krippendorff(counts_of(*readers)) == pytest.approx(expected, abs=5e-7)


@pytest.mark.parametrize(("table", "expected"), [
    ([[80, 5], [5, 10]], 0.609804),
    ([[45, 5], [5, 45]], 0.801),
    ([[90, 5], [5, 0]], -0.047368),
    ([[30, 4, 1], [3, 20, 5], [2, 6, 29]], 0.685221),
], ids=["T5.18", "T5.19", "T5.20", "T5.21"])  # fmt: skip
def test_oracles_of_alpha(table: list[list[int]], expected: float) -> None:
    assert krippendorff(pairs(table)) == pytest.approx(expected, abs=5e-7)


def test_alpha_of_three_readers_is_t5_22() -> None:
    yes = np.array([0, 0, 0, 1, 1, 2, 3, 3, 0, 3])
    assert krippendorff(np.stack([yes, 3 - yes], axis=1)) == pytest.approx(0.606335, abs=5e-7)


def test_alpha_is_undefined_where_nothing_varies_or_nothing_pairs() -> None:
    assert np.isnan(krippendorff([[2, 0], [3, 0]]))
    assert np.isnan(krippendorff([[1, 0], [0, 1]]))
    assert krippendorff([[2, 0], [0, 2]]) == 1
    assert np.isnan(alpha_interval([1, 2], [[2, 0], [0, 2]])).all()
    assert np.isnan(alpha_interval([1, 1], [[2, 0], [1, 1]])).all()


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12))
def test_a_single_reading_says_nothing_of_agreement(units: list[tuple[int, int]]) -> None:
    assert krippendorff([*units, (1, 0), (0, 0)]) == pytest.approx(krippendorff(units), nan_ok=True)


def test_the_interval_of_alpha_agrees_with_a_bootstrap_over_patients() -> None:
    rng = np.random.default_rng(3)
    patient = np.repeat(np.arange(300), 2)
    ill = np.repeat(rng.random(300) < 0.3, 2)
    yes = rng.binomial(3, np.where(ill, 0.85, 0.08))
    said = np.stack([yes, 3 - yes], axis=1)
    low, high = alpha_interval(patient, said)
    drawn = [krippendorff(said.reshape(300, 2, 2)[rng.integers(0, 300, 300)].reshape(-1, 2)) for _ in range(600)]
    assert (low, high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=0.02)
