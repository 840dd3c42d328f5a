"""Two invented readers of some of the demo's films, who err at planted rates against what was drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from cxrdash.demo.people import SEED
from cxrdash.demo.plan import Job, Plan

FINDINGS = ("Cardiomegaly", "Consolidation", "Lung Lesion", "Pleural Effusion", "Pneumothorax")
WITH_FINDING, WITHOUT = 30, 80  # films read: so many showing each finding, and so many showing none of them
TABLE = "demo_readings.csv"

# reader: finding: share of drawn findings missed, share of films without it that are called positive
ERRORS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "reader A": {
        "Cardiomegaly": (0.1, 0.04), "Consolidation": (0.2, 0.06), "Lung Lesion": (0.15, 0.02),
        "Pleural Effusion": (0.1, 0.03), "Pneumothorax": (0.05, 0.0),
    },
    "reader B": {
        "Cardiomegaly": (0.2, 0.02), "Consolidation": (0.5, 0.1), "Lung Lesion": (0.4, 0.02),
        "Pleural Effusion": (0.1, 0.05), "Pneumothorax": (0.1, 0.01),
    },
}  # fmt: skip


def plant_readings(plan: Plan) -> None:
    """Add the readings to the plan and note each that is not what was drawn."""
    rng = np.random.default_rng([SEED, 7])
    jobs = _films_read(plan, rng)
    for reader, rates in ERRORS.items():
        said = {finding: _wrong(jobs, finding, rates[finding], rng) for finding in FINDINGS}
        for job in jobs:
            row = {"image_id": job.image_id, "reader": reader}
            for finding in FINDINGS:
                says = (finding in job.study.shown) != (job.image_id in said[finding])
                row[finding] = "1" if says else "0"
                if job.image_id in said[finding]:
                    _note(plan, job, reader, finding, "positive" if says else "negative")
            plan.readings.append(row)


def _films_read(plan: Plan, rng: np.random.Generator) -> list[Job]:
    """Return frontal films without any planted fault, one of a patient, in the order of the table."""
    faulty = {entry["image_id"] for entries in plan.planted.values() for entry in entries if "image_id" in entry}
    sound = [job for job in plan.jobs.values() if job.kind == "frontal" and job.image_id not in faulty]
    waiting = [sound[at] for at in rng.permutation(len(sound)).tolist()]
    chosen: dict[int, Job] = {}
    for finding in FINDINGS:
        _take(chosen, (job for job in waiting if finding in job.study.shown), WITH_FINDING)
    _take(chosen, (job for job in waiting if not set(FINDINGS) & set(job.study.shown)), WITHOUT)
    kept = {job.image_id for job in chosen.values()}
    return [job for job in plan.jobs.values() if job.image_id in kept]


def _take(chosen: dict[int, Job], jobs: Iterator[Job], most: int) -> None:
    taken = 0
    for job in jobs:
        if taken < most and job.person not in chosen:
            chosen[job.person] = job
            taken += 1


def _wrong(jobs: list[Job], finding: str, rates: tuple[float, float], rng: np.random.Generator) -> set[str]:
    """Return the films on which a reader errs: the planted share of those with the finding, and of the others."""
    found: set[str] = set()
    for shown, rate in ((True, rates[0]), (False, rates[1])):
        films = [job.image_id for job in jobs if (finding in job.study.shown) is shown]
        found |= {films[at] for at in rng.permutation(len(films))[: round(rate * len(films))].tolist()}
    return found


def _note(plan: Plan, job: Job, reader: str, finding: str, says: str) -> None:
    entry = {"image_id": job.image_id, "reader": reader, "finding": finding, "says": says}
    plan.planted.setdefault("wrong_readings", []).append(entry)
