"""What will be written: one row per image and one job per film, before anything is planted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from cxrdash.demo.people import SEED, Person, Study, make_people
from cxrdash.demo.shapes import Pose

SIDE = 384  # pixels; enough for a gallery, small enough for some two thousand films in seconds
DICOM_FILMS, DEEP_FILMS, PLAIN_PNG_FILMS = 28, 14, 12
MASKED_EVERY = 6


@dataclass(frozen=True)
class Job:
    """One film to draw and the file to write it to."""

    image_id: str
    path: str
    person: int  # number of the patient whose body is drawn
    study: Study
    kind: str  # frontal or lateral: what is drawn, whatever the row says
    pose: Pose
    file_format: str = "jpeg"  # jpeg, png, png16, rgba, dicom, dicom inverted
    masked: bool = False
    fault: str = ""  # inverted, rotated, upside down, blank, truncated, no image


@dataclass(frozen=True)
class Copy:
    """A file made from another film's file instead of being drawn."""

    path: str
    original: str
    change: str  # none, window, quality


@dataclass
class Plan:
    """The demo before it is written."""

    people: list[Person]
    rows: list[dict[str, str]]
    jobs: dict[str, Job]  # by image_id
    copies: list[Copy] = field(default_factory=list)
    planted: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    poor_masks: set[str] = field(default_factory=set)
    readings: list[dict[str, str]] = field(default_factory=list)

    def row(self, image_id: str) -> dict[str, str]:
        return next(row for row in self.rows if row["image_id"] == image_id)


def clean_plan() -> Plan:
    """Return the plan of a demo without planted faults."""
    people = make_people()
    jobs = _with_formats([job for person in people for job in _jobs(person)])
    by_id = {job.image_id: job for job in jobs}
    rows = [_row(person, study, by_id[image_id]) for person, study, image_id, _ in images(people)]
    return Plan(people, rows, by_id)


def images(people: list[Person]) -> Iterator[tuple[Person, Study, str, str]]:
    """Yield (person, study, image_id, frontal or lateral) in the order of the table."""
    for person in people:
        for study in person.studies:
            for kind in study.films:
                yield person, study, f"{person.patient_id}_S{study.number + 1:03d}_{kind[0].upper()}", kind


def _jobs(person: Person) -> Iterator[Job]:
    rng = np.random.default_rng([SEED, person.number, 2])
    for _, study, image_id, kind in images([person]):
        path = f"images/{person.patient_id}/S{study.number + 1:03d}_{kind}"
        masked = kind == "frontal" and person.number % MASKED_EVERY == 0
        yield Job(image_id, path, person.number, study, kind, _pose(rng, study.view, kind), masked=masked)


def _pose(rng: np.random.Generator, view: str, kind: str) -> Pose:
    """Where this film's cassette was: portable films are the least careful."""
    if kind == "lateral":
        width, height, scale, angle, jitter = 0.82, 1.0, rng.uniform(2.25, 2.75), rng.normal(0, 0.04), 0.032
    elif view == "PA":
        width, height, scale, angle, jitter = 1.0, 1.0, rng.uniform(2.3, 2.72), rng.normal(0, 0.018), 0.02
    else:
        width, height = 1.0, float(rng.choice((0.84, 1.0)))
        scale, angle, jitter = rng.uniform(2.3, 2.78), rng.normal(0, 0.035), 0.026
    x = SIDE * (width * 0.5 + jitter * rng.normal())
    y = SIDE * (height * (0.49 if view == "AP" else 0.46) + jitter * rng.normal())
    size = (round(SIDE * width / 4) * 4, round(SIDE * height / 4) * 4)
    return Pose(*size, float(scale * SIDE / 1000), float(x), float(y), float(angle))


def _with_formats(jobs: list[Job]) -> list[Job]:
    """Give some films other formats than JPEG, and every film its file name."""
    rng = np.random.default_rng([SEED, 3])
    chosen = rng.permutation(len(jobs)).tolist()
    formats = ["jpeg"] * len(jobs)
    for number in range(DICOM_FILMS):
        formats[chosen.pop()] = "dicom inverted" if number % 4 == 0 else "dicom"
    for name, count in (("png16", DEEP_FILMS), ("png", PLAIN_PNG_FILMS)):
        for _ in range(count):
            formats[chosen.pop()] = name
    return [with_format(job, name) for job, name in zip(jobs, formats, strict=True)]


_ENDS = {
    "jpeg": ".jpg",
    "png": ".png",
    "png16": ".png",
    "rgba": ".png",
    "dicom": ".dcm",
    "dicom inverted": ".dcm",
}


def with_format(job: Job, file_format: str) -> Job:
    """Return the job writing another format."""
    stem = job.path.rpartition(".")[0] or job.path
    return replace(job, file_format=file_format, path=stem + _ENDS[file_format])


def _row(person: Person, study: Study, job: Job) -> dict[str, str]:
    return {
        "image_id": job.image_id,
        "film_path": job.path,
        "patient_id": person.patient_id,
        "study_id": f"{person.patient_id}_S{study.number + 1:03d}",
        "study_order": str(study.number),
        "split": person.split,
        "view": "LATERAL" if job.kind == "lateral" else study.view,
        "sex": person.sex,
        "age": str(study.age),
        "width": str(job.pose.width),
        "height": str(job.pose.height),
        "spacing_mm": f"{1 / job.pose.px_per_mm:.4f}",
        **study.labels,
    }
