"""Who is in the demo: patients, their studies, what is really there, and what the report's labels say.

The structure follows published datasets: images per patient as in NIH ChestX-ray14, labels with four
states as in CheXpert (uncertain mentions, parents left blank, devices beside most pneumothoraces).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from cxrdash.demo.anatomy import LEFT, RIGHT

SEED = 20250
FINDINGS = (
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)
POSITIVE, NEGATIVE, UNCERTAIN, BLANK = "1", "0", "-1", ""

# How many patients have how many images: NIH's shares for 500 patients.
_FEW = {1: 284, 2: 67, 3: 34, 4: 22, 5: 15, 6: 13, 7: 10, 8: 8, 9: 6, 10: 5}
_MANY = (
    *(11, 11, 11, 12, 12, 12, 12, 13, 13, 13, 14, 14, 15, 15, 15, 16, 16, 17, 17, 18, 18, 19, 20),
    *(21, 22, 23, 24, 26, 28, 30, 33, 37, 43),
    *(53, 64, 107),
)
TEST_PATIENTS, VALID_PATIENTS = 100, 50


@dataclass(frozen=True)
class Study:
    """One visit: what the films show and what its labels say."""

    number: int  # 0 is the first
    view: str  # PA or AP
    age: int
    shown: dict[str, float]  # finding to how plainly it is drawn, 0 to 1
    sides: dict[str, int]
    devices: tuple[str, ...]
    labels: dict[str, str]
    films: tuple[str, ...]  # frontal, lateral


@dataclass(frozen=True)
class Person:
    """One patient."""

    number: int
    sex: str
    age: int
    split: str
    studies: tuple[Study, ...] = field(default=())

    @property
    def patient_id(self) -> str:
        return f"P{self.number:04d}"


@dataclass(frozen=True)
class _Law:
    """How often a finding is there, and how reports speak of it."""

    healthy: float  # probability in a well patient
    sick: float  # further probability in the sickest
    steadiness: float  # 0 each study by itself, 1 always or never in a patient
    hedged: float  # present but called uncertain
    suspected: float  # absent but called uncertain, in a patient with something else
    denied: float  # absent and said to be absent


_LAWS = {
    "Enlarged Cardiomediastinum": _Law(0.02, 0.06, 0.8, 0.2, 0.045, 0.10),
    "Cardiomegaly": _Law(0.05, 0.22, 0.9, 0.12, 0.03, 0.06),
    "Lung Opacity": _Law(0.04, 0.28, 0.5, 0.04, 0.02, 0.05),
    "Lung Lesion": _Law(0.02, 0.03, 0.9, 0.06, 0.005, 0.006),
    "Edema": _Law(0.01, 0.42, 0.6, 0.10, 0.035, 0.12),
    "Consolidation": _Law(0.02, 0.15, 0.5, 0.30, 0.12, 0.14),
    "Pneumonia": _Law(0.02, 0.07, 0.4, 0.45, 0.14, 0.02),
    "Atelectasis": _Law(0.04, 0.18, 0.5, 0.25, 0.17, 0.008),
    "Pneumothorax": _Law(0.03, 0.13, 0.85, 0.06, 0.01, 0.28),
    "Pleural Effusion": _Law(0.04, 0.46, 0.7, 0.05, 0.04, 0.22),
    "Pleural Other": _Law(0.01, 0.03, 0.9, 0.2, 0.01, 0.002),
    "Fracture": _Law(0.02, 0.03, 0.9, 0.03, 0.002, 0.012),
}
# A finding that is there makes these likelier: probability that they come with it.
_BRINGS = {
    "Edema": (("Pleural Effusion", 0.40), ("Cardiomegaly", 0.15)),
    "Pleural Effusion": (("Atelectasis", 0.30),),
    "Consolidation": (("Pneumonia", 0.20),),
}
# What a report that names the child says of a parent that is not itself described: positive, negative,
# uncertain, else blank. Shares counted in CheXpert's training labels.
_PARENT_SPOKEN = {
    "Cardiomegaly": ("Enlarged Cardiomediastinum", (0.07, 0.006, 0.012)),
    "Edema": ("Lung Opacity", (0.52, 0.009, 0.017)),
    "Consolidation": ("Lung Opacity", (0.45, 0.01, 0.02)),
    "Atelectasis": ("Lung Opacity", (0.42, 0.01, 0.02)),
    "Lung Lesion": ("Lung Opacity", (0.35, 0.01, 0.02)),
    "Pneumonia": ("Consolidation", (0.17, 0.087, 0.09)),
}
DEVICES_WITH_PNEUMOTHORAX = 0.68


def make_people() -> list[Person]:
    """Return the whole population, the same on every machine."""
    rng = np.random.default_rng(SEED)
    images = np.array([count for count, people in _FEW.items() for _ in range(people)] + list(_MANY))
    rng.shuffle(images)
    splits = _splits(rng, images)
    return [_person(number + 1, int(count), splits[number]) for number, count in enumerate(images)]


def _splits(rng: np.random.Generator, images: np.ndarray) -> list[str]:
    """Patients with many films stay in the training part, so that the test part is small."""
    eligible = rng.permutation(np.flatnonzero(images <= 8))
    test = set(eligible[:TEST_PATIENTS].tolist())
    valid = set(eligible[TEST_PATIENTS : TEST_PATIENTS + VALID_PATIENTS].tolist())
    return ["test" if n in test else "valid" if n in valid else "train" for n in range(len(images))]


def _person(number: int, images: int, split: str) -> Person:
    rng = np.random.default_rng([SEED, number])
    sick = min(float(rng.beta(1.1, 2.6)) + 0.22 * math.log10(images), 1.0)
    age = int(np.clip(rng.normal(54 + 14 * sick, 16), 18, 90))
    tendency = {finding: float(rng.normal()) for finding in _LAWS}
    sides = {finding: int(rng.choice((RIGHT, LEFT))) for finding in (*_LAWS, "Support Devices")}
    implants = _implants(rng, age, sick)
    studies: list[Study] = []
    left, years = images, 0.0
    while left:
        films = ("frontal", "lateral") if left > 1 and rng.random() < 0.34 else ("frontal",)
        view = "PA" if len(films) == 2 or rng.random() > 0.14 + 0.8 * sick else "AP"
        shown = _findings(rng, tendency, sick * (1.25 if view == "AP" else 0.55))
        devices = _devices(rng, shown, implants, view, sick)
        studies.append(
            Study(
                number=len(studies),
                view=view,
                age=min(age + int(years), 95),
                shown=shown,
                sides=sides,
                devices=devices,
                labels=_labels(rng, shown, devices),
                films=films,
            )
        )
        left -= len(films)
        years += float(rng.exponential(0.5))
    return Person(number, "F" if rng.random() < 0.46 else "M", age, split, tuple(studies))


def _implants(rng: np.random.Generator, age: int, sick: float) -> tuple[str, ...]:
    chances = {
        "pacemaker": 0.02 + 0.10 * (age > 65),
        "sternal wires": 0.03 + 0.08 * sick,
        "port": 0.03 + 0.05 * sick,
    }
    return tuple(name for name, chance in chances.items() if rng.random() < chance)


def _findings(rng: np.random.Generator, tendency: dict[str, float], sick: float) -> dict[str, float]:
    """Draw the findings of one study; a patient's tendency makes the same finding return."""
    shown: dict[str, float] = {}
    for finding, law in _LAWS.items():
        own = law.steadiness**0.5 * tendency[finding] + (1 - law.steadiness) ** 0.5 * float(rng.normal())
        if 0.5 * math.erfc(own / math.sqrt(2)) < law.healthy + law.sick * sick:
            shown[finding] = float(rng.uniform(0.35, 1.0))
    for finding, brought in _BRINGS.items():
        for other, chance in brought:
            if finding in shown and rng.random() < chance:
                shown.setdefault(other, float(rng.uniform(0.35, 0.9)))
    return shown


def _devices(
    rng: np.random.Generator, shown: dict[str, float], implants: tuple[str, ...], view: str, sick: float
) -> tuple[str, ...]:
    """Devices; in pneumothorax nearly all of them include the drain that treats it."""
    if "Pneumothorax" in shown:
        if rng.random() > DEVICES_WITH_PNEUMOTHORAX:
            return ()
        devices = ["chest drain"] if rng.random() < 0.85 else ["central line"]
    else:
        devices = list(implants)
    if view == "AP":
        chances = {
            "tracheal tube": 0.10 + 0.30 * sick, "feeding tube": 0.08 + 0.30 * sick,
            "central line": 0.20 + 0.40 * sick, "monitor wires": 0.25 + 0.30 * sick,
        }  # fmt: skip
        devices += [name for name, chance in chances.items() if rng.random() < chance]
    return tuple(dict.fromkeys(devices))


def _labels(rng: np.random.Generator, shown: dict[str, float], devices: tuple[str, ...]) -> dict[str, str]:
    """Return the states a report labeller would give."""
    labels = dict.fromkeys(FINDINGS, BLANK)
    for finding, law in _LAWS.items():
        chance = float(rng.random())
        if finding in shown:
            labels[finding] = UNCERTAIN if chance < law.hedged else POSITIVE
        elif chance < law.suspected * (1 if shown else 0.15):
            labels[finding] = UNCERTAIN
        elif chance > 1 - law.denied:
            labels[finding] = NEGATIVE
    for child, (parent, shares) in _PARENT_SPOKEN.items():
        if labels[child] == POSITIVE and parent not in shown:
            at = int(np.searchsorted(np.cumsum(shares), rng.random()))
            labels[parent] = (POSITIVE, NEGATIVE, UNCERTAIN, BLANK)[at]
    chance = float(rng.random())
    labels["Support Devices"] = (
        (UNCERTAIN if chance < 0.008 else POSITIVE) if devices else NEGATIVE if chance < 0.05 else BLANK
    )
    if chance < 0.9 and not any(labels[finding] in (POSITIVE, UNCERTAIN) for finding in _LAWS):
        labels["No Finding"] = POSITIVE
    return labels
