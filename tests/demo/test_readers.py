"""The demo's two readers err as often as is written down, and nowhere else."""

from __future__ import annotations

from collections import Counter

import pytest

from cxrdash.demo.plan import Plan
from cxrdash.demo.readers import ERRORS, FINDINGS, WITH_FINDING


def test_both_read_the_same_sound_films_of_different_patients(plan: Plan) -> None:
    films = [[row["image_id"] for row in plan.readings if row["reader"] == reader] for reader in ERRORS]
    assert films[0] == films[1] and len(films[0]) > 200
    assert len({plan.jobs[image].person for image in films[0]}) == len(films[0])
    assert {plan.jobs[image].fault for image in films[0]} == {""}


@pytest.mark.parametrize("reader", ERRORS)
@pytest.mark.parametrize("finding", FINDINGS)
def test_the_planted_rates_are_exact(plan: Plan, reader: str, finding: str) -> None:
    rows = [row for row in plan.readings if row["reader"] == reader]
    shown = {row["image_id"] for row in rows if finding in plan.jobs[row["image_id"]].study.shown}
    missed = sum(row[finding] == "0" for row in rows if row["image_id"] in shown)
    invented = sum(row[finding] == "1" for row in rows if row["image_id"] not in shown)
    miss, false = ERRORS[reader][finding]
    assert (missed, invented) == (round(miss * len(shown)), round(false * (len(rows) - len(shown))))
    assert len(shown) >= min(WITH_FINDING, sum(finding in job.study.shown for job in plan.jobs.values())) // 2


def test_every_reading_that_is_not_the_drawing_is_listed(plan: Plan) -> None:
    wrong = Counter(
        (row["image_id"], row["reader"], finding, "positive" if row[finding] == "1" else "negative")
        for row in plan.readings
        for finding in FINDINGS
        if (row[finding] == "1") != (finding in plan.jobs[row["image_id"]].study.shown)
    )
    listed = Counter(tuple(entry.values()) for entry in plan.planted["wrong_readings"])
    assert wrong == listed
