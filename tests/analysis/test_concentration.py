"""Concentration of images on patients: example A and NIH of METHODS 1.1, 1.2 and 1.7."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrdash.analysis.concentration import (
    above,
    gini,
    gini_small_sample,
    held_by,
    kish,
    lorenz,
    mean_size,
    quantile,
)

A = ([1, 2, 3, 5, 10], [3, 2, 1, 1, 1])
NOBODY: tuple[list[int], list[int]] = ([], [])
SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=40)


def histogram(sizes: list[int]) -> tuple[list[int], list[int]]:
    counts = Counter(sizes)
    return list(counts), list(counts.values())


def test_oracle_t1_1_distribution_of_sizes() -> None:
    assert 1 - above(*A, 2).share_of_patients == 0.625
    assert above(*A, 2).share_of_patients == 0.375
    assert above(*A, 1).share_of_patients == 0.625


def test_oracles_t1_2_to_t1_4_patients_above_a_threshold() -> None:
    held = above(*A, [2, 4, 10])
    assert held.patients.tolist() == [3, 2, 0]
    assert held.images.tolist() == [18, 15, 0]
    assert held.share_of_patients.tolist() == [0.375, 0.25, 0]
    assert held.share_of_images.tolist() == [0.72, 0.60, 0]


def test_oracle_t1_5_smallest_sets_of_patients() -> None:
    assert held_by(*A, [0, 0.5, 0.7, 0.8, 0.9, 1]).tolist() == [0, 2, 3, 4, 6, 8]
    assert held_by(*A, 0.7) == 3


def test_oracle_t1_6_lorenz_ordinates() -> None:
    patients, images = lorenz(*A)
    ordinates = np.interp(np.arange(9) / 8, patients, images)
    assert ordinates == pytest.approx([0, 0.04, 0.08, 0.12, 0.20, 0.28, 0.40, 0.60, 1], abs=1e-12)


def test_oracles_t1_7_and_t1_8_gini() -> None:
    assert gini(*A) == pytest.approx(0.445, abs=1e-9)
    assert gini_small_sample(*A) == pytest.approx(0.508571, abs=5e-7)
    assert gini([1], [4]) == 0
    assert gini([7], [1]) == 0


def test_oracles_t1_17_and_t1_19_effective_number() -> None:
    assert kish(*A) == pytest.approx(4.310345, abs=5e-7)
    assert kish([1, 2, 3, 4], [1, 1, 1, 1]) == pytest.approx(3.333333, abs=5e-7)


def test_mean_and_discrete_quantiles_of_example_a() -> None:
    assert mean_size(*A) == 3.125
    assert quantile(*A, 0.5) == 2
    assert quantile(*A, [0, 0.375, 0.376, 0.9, 1]).tolist() == [1, 1, 2, 10, 10]


def test_the_order_of_the_histogram_and_empty_groups_do_not_matter() -> None:
    shuffled = ([10, 4, 2, 1, 5, 3], [1, 0, 2, 3, 1, 1])
    assert held_by(*shuffled, 0.7) == 3
    assert gini(*shuffled) == gini(*A)
    assert np.array_equal(lorenz(*shuffled), lorenz(*A))


def test_without_patients_shares_are_undefined_and_counts_are_zero() -> None:
    assert held_by(*NOBODY, [0.5, 1]).tolist() == [0, 0]
    assert above(*NOBODY, [0, 10]).patients.tolist() == [0, 0]
    unknown = [gini(*NOBODY), gini_small_sample(*NOBODY), mean_size(*NOBODY), kish(*NOBODY)]
    unknown += [*quantile(*NOBODY, [0.5]), *above(*NOBODY, [0]).share_of_images]
    assert np.isnan(unknown).all()
    assert lorenz(*NOBODY) == (0, 0)


@pytest.mark.parametrize(
    ("sizes", "patients", "fault"),
    [([0], [1], "at least 1"), ([1], [-1], "at least 0"), ([1, 2], [1], "one length")],
)
def test_an_impossible_histogram_is_refused(sizes: list[int], patients: list[int], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        gini(sizes, patients)


def test_an_impossible_share_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        held_by(*A, 70)


@given(SIZES)
def test_gini_is_the_mean_absolute_difference(sizes: list[int]) -> None:
    m = np.array(sizes, dtype=float)
    differences = np.abs(m[:, None] - m[None, :]).sum() / (2 * len(m) ** 2 * m.mean())
    assert gini(*histogram(sizes)) == pytest.approx(differences, abs=1e-12)


@given(SIZES, st.integers(0, 100))
def test_smallest_sets_agree_with_adding_up_one_by_one(sizes: list[int], percent: int) -> None:
    total, patients = 0, 0
    for size in sorted(sizes, reverse=True):
        if 100 * total >= percent * sum(sizes):
            break
        total, patients = total + size, patients + 1
    assert held_by(*histogram(sizes), percent / 100) == patients


@given(SIZES, st.integers(1, 100))
def test_quantiles_agree_with_sorting(sizes: list[int], percent: int) -> None:
    place = -(-percent * len(sizes) // 100) - 1
    assert quantile(*histogram(sizes), percent / 100) == sorted(sizes)[place]


@given(SIZES)
def test_the_effective_number_is_at_most_the_number_of_patients(sizes: list[int]) -> None:
    assert 1 <= kish(*histogram(sizes)) <= len(sizes) * (1 + 1e-12)


@pytest.mark.real_data
def test_nih_golden_numbers_of_images_per_patient(real_data: Path) -> None:
    with gzip.open(real_data / "nih" / "Data_Entry_2017_v2020.csv.gz", "rt", newline="") as file:
        images = Counter(row["Patient ID"] for row in csv.DictReader(file))
    nih = histogram(list(images.values()))
    assert held_by(*nih, [0.5, 0.7, 0.8, 0.9]).tolist() == [2811, 6688, 10842, 19593]
    assert quantile(*nih, [0.5, 0.75, 0.9, 0.95, 0.99, 1]).tolist() == [1, 3, 8, 14, 35, 184]
    assert (above(*nih, 10).patients, above(*nih, 10).images) == (2225, 50468)
    assert gini(*nih) == pytest.approx(0.598496, abs=5e-7)
    assert kish(*nih) == pytest.approx(6178.26, abs=5e-3)
    assert mean_size(*nih) == pytest.approx(3.639669, abs=5e-7)
