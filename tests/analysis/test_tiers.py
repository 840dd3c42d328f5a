"""Tiers of METHODS 3.7, oracle T3.14."""

from __future__ import annotations

import pytest

from cxrdash.analysis.tiers import TIERS, tier


@pytest.mark.parametrize(
    ("patients", "name"),
    [
        (0, "blocked"),
        (1, "anecdotal"),
        (9, "anecdotal"),
        (10, "very low"),
        (29, "very low"),
        (30, "low"),
        (49, "low"),
        (50, "limited"),
        (99, "limited"),
        (100, "adequate"),
        (1_000_000, "adequate"),
        (0.4, "anecdotal"),
        (9.9, "anecdotal"),
    ],
)
def test_oracle_t3_14_boundaries_fall_between_tiers(patients: float, name: str) -> None:
    assert tier(patients).name == name


def test_tiers_rise_and_each_says_something_else() -> None:
    assert [entry.least for entry in TIERS] == [0, 1, 10, 30, 50, 100]
    assert len({entry.text for entry in TIERS}) == len(TIERS)


@pytest.mark.parametrize("patients", [-1, float("nan")])
def test_an_impossible_number_has_no_tier(patients: float) -> None:
    with pytest.raises(ValueError, match="at least 0"):
        tier(patients)
