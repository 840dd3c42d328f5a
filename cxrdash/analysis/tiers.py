"""What a number of positive patients in a test part allows one to say (METHODS 3.7)."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass


@dataclass(frozen=True)
class Tier:
    """From ``least`` patients (up to the next tier) one may say what ``text`` says."""

    name: str
    least: int
    text: str


TIERS = (
    Tier("blocked", 0, "cannot be tested"),
    Tier("anecdotal", 1, "describe the cases, do not report a rate"),
    Tier("very low", 10, "interval wider than ±11 points even at 90%"),
    Tier("low", 30, "below the 50-case line; ±9 to ±17 points"),
    Tier("limited", 50, "±6 to ±13 points; subgroup comparisons not possible"),
    Tier("adequate", 100, "±10 points or better at any value"),
)


def tier(patients: float) -> Tier:
    """Return the tier of a number of patients with a positive (or negative) label; ValueError below 0."""
    if not patients >= 0:
        raise ValueError(f"a number of patients is at least 0, not {patients}")
    # A fraction (an effective number) above 0 and below 1 is some evidence, however little.
    counted = max(patients, 1) if patients > 0 else 0
    return TIERS[bisect_right([entry.least for entry in TIERS], counted) - 1]
