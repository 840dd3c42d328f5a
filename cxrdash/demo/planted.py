"""The faults planted in the demo. Each is written down with its ids, so that a page can be checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cxrdash.demo.people import BLANK, NEGATIVE, POSITIVE, SEED, UNCERTAIN, Study
from cxrdash.demo.plan import Copy, Job, Plan, clean_plan, with_format
from cxrdash.demo.readers import plant_readings

EXPLAINED = {
    "exact_duplicates": "The file is byte for byte the film of another patient.",
    "near_duplicates": "The film is another patient's, in a narrower window or as a poorer JPEG.",
    "inverted": "Black and white are exchanged, and nothing in the file says so.",
    "rotated": "The film lies on its side.",
    "upside_down": "The film stands on its head.",
    "blank": "The film is black all over.",
    "rgba": "The PNG has four channels instead of one grey channel.",
    "monochrome1": "The DICOM file is stored white-on-black and says so (no fault if it is honoured).",
    "lateral_as_frontal": "The row says PA, the film is a lateral.",
    "missing_files": "The row's film is not on disk.",
    "broken_files": "The film's file is cut short, or is no image at all.",
    "leaked_patients": "The patient has images in the train part and in the test part.",
    "wrong_labels": "The label says positive; the film was drawn without the finding.",
    "missed_findings": "The label says No Finding; the film was drawn with a finding.",
    "no_finding_with_positive": "No Finding is positive together with a positive finding.",
    "child_without_parent": "The finding is positive while its parent finding is said to be absent.",
    "repeated_rows": "The image's row stands in the table twice, the same both times.",
    "conflicting_rows": "The image has two rows with different labels; neither may be chosen.",
    "implausible_ages": "The age cannot be.",
    "placeholder_ages": "The age is 0, which stands for unknown.",
    "unreadable_ages": "The age is not a number.",
    "missing_sex": "The sex is not given.",
    "wrong_readings": "Of the film's two readers this one says what was not drawn (rates: cxrdash.demo.readers).",
    "poor_masks": "The mask is out of place; its quality in the table is low.",
}
_PARENTS = {
    "Cardiomegaly": "Enlarged Cardiomediastinum", "Edema": "Lung Opacity", "Consolidation": "Lung Opacity",
    "Atelectasis": "Lung Opacity", "Lung Lesion": "Lung Opacity", "Pneumonia": "Consolidation",
}  # fmt: skip


@dataclass
class Planter:
    """Picks images that carry no planted fault yet and keeps the list."""

    plan: Plan
    rng: np.random.Generator
    used: set[str]

    def pick(self, count: int, wanted: Callable[[Job], bool]) -> list[Job]:
        """Return ``count`` films, each of a study and (among the picked) a patient of its own."""
        jobs = [job for job in self.plan.jobs.values() if job.image_id not in self.used and wanted(job)]
        picked: list[Job] = []
        for at in self.rng.permutation(len(jobs)).tolist():
            if len(picked) < count and all(job.person != jobs[at].person for job in picked):
                picked.append(jobs[at])
        if len(picked) < count:
            raise ValueError(f"only {len(picked)} of {count} films to plant a fault in")
        for job in picked:
            self.used.update(self.study_of(job))
        return picked

    def study_of(self, job: Job) -> list[str]:
        """The images of the same study."""
        prefix = job.image_id.rpartition("_")[0]
        return [image_id for image_id in self.plan.jobs if image_id.startswith(prefix + "_")]

    def note(self, kind: str, image_id: str, **facts: str) -> None:
        self.plan.planted.setdefault(kind, []).append({"image_id": image_id, **facts})

    def redraw(self, job: Job, **changes: Any) -> None:
        self.plan.jobs[job.image_id] = replace(job, **changes)

    def relabel(self, job: Job, **labels: str) -> None:
        """Change labels of the whole study: they are labels of studies."""
        for image_id in self.study_of(job):
            self.plan.row(image_id).update({name.replace("_", " "): state for name, state in labels.items()})


def plan_demo() -> Plan:
    """Return the whole plan of the demo with its planted faults, the same on every machine."""
    plan = clean_plan()
    planter = Planter(plan, np.random.default_rng([SEED, 5]), set())
    for sow in (_monochrome1, _duplicates, _damaged, _turned, _laterals, _wrong_labels, _missed_findings,
                _contradictions, _ages_and_sex, _repeated_rows, _poor_masks, _leaks):  # fmt: skip
        sow(planter)
    plant_readings(plan)
    for entries in plan.planted.values():
        entries.sort(key=lambda entry: tuple(entry.values()))
    return plan


def _jpeg_frontal(job: Job) -> bool:
    return job.file_format == "jpeg" and job.kind == "frontal" and not job.masked


def _healthy(job: Job) -> bool:
    return _jpeg_frontal(job) and job.study.labels["No Finding"] == POSITIVE and not job.study.shown


def _alone(job: Job) -> bool:
    return _jpeg_frontal(job) and len(job.study.films) == 1


def _monochrome1(planter: Planter) -> None:
    for job in planter.plan.jobs.values():
        if job.file_format == "dicom inverted":
            planter.note("monochrome1", job.image_id)


def _duplicates(planter: Planter) -> None:
    pairs = (
        ("exact_duplicates", "none", 5),
        ("near_duplicates", "window", 3),
        ("near_duplicates", "quality", 3),
    )
    for kind, change, count in pairs:
        films = planter.pick(2 * count, lambda job: _alone(job) and job.pose.height == job.pose.width)
        for original, job in zip(films[:count], films[count:], strict=True):
            planter.plan.copies.append(Copy(job.path, original.path, change))
            planter.redraw(job, fault="copied")
            planter.note(kind, job.image_id, of=original.image_id, change=change)


def _damaged(planter: Planter) -> None:
    for job in planter.pick(2, _jpeg_frontal):
        planter.redraw(job, fault="missing")
        planter.note("missing_files", job.image_id, path=job.path)
    for job, fault in zip(planter.pick(3, _jpeg_frontal), ("truncated", "truncated", "no image"), strict=True):
        planter.redraw(job, fault=fault)
        planter.note("broken_files", job.image_id, path=job.path, fault=fault)
    (job,) = planter.pick(1, _jpeg_frontal)
    planter.redraw(job, fault="blank")
    planter.note("blank", job.image_id)
    for job in planter.pick(3, _jpeg_frontal):
        changed = with_format(job, "rgba")
        planter.plan.jobs[job.image_id] = changed
        planter.plan.row(job.image_id)["film_path"] = changed.path
        planter.note("rgba", job.image_id)


def _turned(planter: Planter) -> None:
    square = [("inverted", "inverted", 6), ("rotated", "rotated", 2), ("upside_down", "upside down", 2)]
    for kind, fault, count in square:
        for job in planter.pick(count, lambda job: _jpeg_frontal(job) and job.pose.height == job.pose.width):
            planter.redraw(job, fault=fault)
            planter.note(kind, job.image_id)


def _laterals(planter: Planter) -> None:
    for job in planter.pick(3, lambda job: _alone(job) and job.study.view == "PA" and not job.study.devices):
        planter.redraw(job, kind="lateral")
        planter.note("lateral_as_frontal", job.image_id)


def _without(study: Study, finding: str) -> Study:
    shown = {name: strength for name, strength in study.shown.items() if name != finding}
    return replace(study, shown=shown, devices=tuple(name for name in study.devices if name != "chest drain"))


def _wrong_labels(planter: Planter) -> None:
    counts = {
        "Pneumothorax": 6,
        "Pleural Effusion": 5,
        "Cardiomegaly": 5,
        "Consolidation": 3,
        "Lung Lesion": 3,
    }
    for finding, count in counts.items():

        def wanted(job: Job, finding: str = finding) -> bool:
            told = job.study.labels[finding] == POSITIVE and finding in job.study.shown
            return _alone(job) and told and job.study.view == "PA"

        for job in planter.pick(count, wanted):
            planter.redraw(job, study=_without(job.study, finding))
            planter.note("wrong_labels", job.image_id, finding=finding)


def _missed_findings(planter: Planter) -> None:
    drawn = ("Pleural Effusion", "Pleural Effusion", "Lung Lesion", "Lung Lesion", "Lung Lesion",
             "Pneumothorax", "Cardiomegaly", "Consolidation")  # fmt: skip
    for job, finding in zip(planter.pick(len(drawn), _healthy), drawn, strict=True):
        planter.redraw(job, study=replace(job.study, shown={finding: 0.8}))
        planter.note("missed_findings", job.image_id, finding=finding)


def _contradictions(planter: Planter) -> None:
    for finding in ("Pleural Effusion", "Atelectasis", "Edema"):

        def told(job: Job, finding: str = finding) -> bool:
            return _jpeg_frontal(job) and job.study.labels[finding] == POSITIVE

        (job,) = planter.pick(1, told)
        planter.relabel(job, No_Finding=POSITIVE)
        planter.note("no_finding_with_positive", job.image_id, finding=finding)
    for child, parent in _PARENTS.items():

        def unspoken(job: Job, child: str = child, parent: str = parent) -> bool:
            labels = job.study.labels
            return _jpeg_frontal(job) and labels[child] == POSITIVE and labels[parent] == BLANK

        (job,) = planter.pick(1, unspoken)
        planter.relabel(job, **{parent.replace(" ", "_"): NEGATIVE})
        planter.note("child_without_parent", job.image_id, finding=child, parent=parent)


def _ages_and_sex(planter: Planter) -> None:
    ages = (("implausible_ages", "414"), ("implausible_ages", "148"), ("placeholder_ages", "0"),
            ("placeholder_ages", "0"), ("unreadable_ages", "58?"))  # fmt: skip
    for kind, age in ages:
        (job,) = planter.pick(1, _alone)
        planter.plan.row(job.image_id)["age"] = age
        planter.note(kind, job.image_id, age=age)
    for job in planter.pick(4, lambda job: _alone(job) and job.study.number == 0 and _only_study(planter, job)):
        planter.plan.row(job.image_id)["sex"] = ""
        planter.note("missing_sex", job.image_id)


def _only_study(planter: Planter, job: Job) -> bool:
    return len(planter.plan.people[job.person - 1].studies) == 1


def _repeated_rows(planter: Planter) -> None:
    rows = planter.plan.rows
    same, other = planter.pick(2, _alone)
    for job, kind in ((same, "repeated_rows"), (other, "conflicting_rows")):
        row = planter.plan.row(job.image_id)
        changed = dict(row)
        if kind == "conflicting_rows":
            changed["Lung Opacity"] = UNCERTAIN if row["Lung Opacity"] == POSITIVE else POSITIVE
        rows.insert(rows.index(row) + 1, changed)
        planter.note(kind, job.image_id)


def _poor_masks(planter: Planter) -> None:
    for job in planter.pick(5, lambda job: job.masked and job.file_format == "jpeg"):
        planter.plan.poor_masks.add(job.image_id)
        planter.note("poor_masks", job.image_id)


def _leaks(planter: Planter) -> None:
    """Last, because it looks at patients: the later studies of some train patients stand in test."""
    people = [p for p in planter.plan.people if p.split == "train" and 2 <= len(p.studies) <= 5]
    chosen = planter.rng.permutation(len(people))[:5].tolist()
    for at in sorted(chosen):
        person = people[at]
        last = f"{person.patient_id}_S{person.studies[-1].number + 1:03d}"
        for row in planter.plan.rows:
            if row["study_id"] == last:
                row["split"] = "test"
        planter.plan.planted.setdefault("leaked_patients", []).append(
            {"patient_id": person.patient_id, "study_id": last}
        )
