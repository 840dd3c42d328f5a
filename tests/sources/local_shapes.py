"""Folders as hospitals keep them, in twenty shapes, with what a reader of plain Python counts in them."""

from __future__ import annotations

import csv
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

FINDINGS = ("Effusion", "Pneumothorax", "Nodule", "Support Devices")
WORDS = {
    "digits": {"positive": "1", "negative": "0", "uncertain": "-1", "blank": ""},
    "floats": {"positive": "1.0", "negative": "0.0", "uncertain": "-1.0", "blank": ""},
    "english": {"positive": "Yes", "negative": "no", "uncertain": "unsure", "blank": "NA"},
    "german": {"positive": "ja", "negative": "nein", "uncertain": "?", "blank": ""},
    "crosses": {"positive": "x", "negative": "neg", "uncertain": "maybe", "blank": "-"},
}
VIEWS = {"PA": "pa", "AP": "AP", "LATERAL": "Lateral"}
SEXES = {"F": "female", "M": "Male"}
PARTS = {"train": "training", "valid": "val", "test": "TEST"}


@dataclass(frozen=True)
class Shape:
    """One way of keeping labels, ids and films."""

    words: str = "digits"  # or list, text
    separator: str = ","
    naming: str = "name"  # of films: name, stem, path, windows, absolute, template
    apart: str = ""  # labels in a table of their own by image, study or patient
    by_file: bool = False  # a table for each part
    facts: str = "inside"  # sex and age: inside, or in a table of patients
    encoding: str = "utf-8"
    films: bool = True
    delimiter: str = "|"


SHAPES = (
    Shape(),
    Shape(words="floats", naming="stem"),
    Shape(words="english", separator=";"),
    Shape(words="german", separator="\t", encoding="cp1252"),
    Shape(words="crosses", naming="path"),
    Shape(words="list"),
    Shape(words="list", delimiter=";", naming="stem"),
    Shape(words="list", delimiter=",", separator=";"),
    Shape(words="text", naming="path"),
    Shape(naming="windows"),
    Shape(naming="absolute", words="english"),
    Shape(naming="template"),
    Shape(naming="template", words="list"),
    Shape(apart="image"),
    Shape(apart="study", words="english"),
    Shape(apart="study", words="list", facts="patients"),
    Shape(apart="patient", words="digits"),
    Shape(by_file=True, words="floats"),
    Shape(by_file=True, facts="patients", encoding="utf-16"),
    Shape(films=False, words="german"),
)


@dataclass
class Expected:
    """What plain Python counts."""

    images: int = 0
    patients: int = 0
    studies: int = 0
    on_disk: int = 0
    states: Counter[tuple[str, str]] = field(default_factory=Counter)
    sexes: Counter[str] = field(default_factory=Counter)
    views: Counter[str] = field(default_factory=Counter)
    parts: Counter[str] = field(default_factory=Counter)
    years: float = 0


@dataclass(frozen=True)
class Film:
    """One invented film."""

    number: int
    patient: str
    study: str
    name: str
    view: str
    sex: str
    age: int
    part: str
    states: dict[str, str]

    @property
    def path(self) -> str:
        return f"films/{self.study}/{self.name}.png"


def write_shape(folder: Path, shape: Shape, seed: int) -> Expected:
    """Write a folder in that shape and return what is in it."""
    numbers = random.Random(seed)
    films = _films(shape, numbers)
    missing = set(numbers.sample(range(len(films)), 3))
    for film in films if shape.films else ():
        if film.number not in missing:
            path = folder / film.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"film")
    _write_tables(folder, shape, films)
    expected = Expected(
        images=len(films),
        patients=len({film.patient for film in films}),
        studies=len({film.study for film in films}),
        on_disk=len(films) - len(missing) if shape.films else 0,
    )
    for film in films:
        expected.states.update((name, state) for name, state in film.states.items() if state != "blank")
        expected.sexes[film.sex] += 1
        expected.views[film.view] += 1
        expected.parts[film.part] += 1
        expected.years += film.age
    return expected


def _films(shape: Shape, numbers: random.Random) -> list[Film]:
    films: list[Film] = []
    shared: dict[str, dict[str, str]] = {}
    for number in range(60):
        patient, study = f"P{number // 6:03d}", f"S{number // 2:04d}"
        unit = {"study": study, "patient": patient}.get(shape.apart, str(number))
        states = shared.setdefault(unit, _states(shape, numbers))
        person = number // 6
        films.append(
            Film(
                number,
                patient,
                study,
                ("front", "side")[number % 2] if shape.naming == "template" else f"f{number:05d}",
                numbers.choice(list(VIEWS)),
                "FM"[person % 2],
                30 + person,
                ("train", "train", "valid", "test")[person % 4],
                states,
            )
        )
    return films


def _states(shape: Shape, numbers: random.Random) -> dict[str, str]:
    if shape.words == "text":
        named = numbers.choice(FINDINGS)
        return {name: "positive" if name == named else "blank" for name in FINDINGS}
    if shape.words == "list":
        named = numbers.sample(FINDINGS, numbers.randrange(3))
        return {name: "positive" if name in named else "blank" for name in FINDINGS}
    weights = (3, 5, 1, 2)
    return {name: numbers.choices(list(WORDS["digits"]), weights)[0] for name in FINDINGS}


def _write_tables(folder: Path, shape: Shape, films: list[Film]) -> None:
    rows = [_row(shape, film) for film in films]
    if shape.apart:
        key = {"image": "image_id", "study": "study_id", "patient": "patient_id"}[shape.apart]
        names = [name for name in rows[0] if name in FINDINGS or name == "labels"]
        apart = {row[key]: {key: row[key], **{name: row[name] for name in names}} for row in rows}
        _write(folder / "labels.csv", shape, list(apart.values()))
        rows = [{name: cell for name, cell in row.items() if name not in names} for row in rows]
    if shape.facts == "patients":
        facts = {row["patient_id"]: {name: row[name] for name in ("patient_id", "sex", "age")} for row in rows}
        _write(folder / "people.csv", shape, list(facts.values()))
        rows = [{name: cell for name, cell in row.items() if name not in ("sex", "age")} for row in rows]
    if not shape.by_file:
        _write(folder / "data.csv", shape, rows)
        return
    for part in PARTS:
        mine = [row for row, film in zip(rows, films, strict=True) if film.part == part]
        _write(folder / f"{part}.csv", shape, [{k: v for k, v in row.items() if k != "split"} for row in mine])


def _row(shape: Shape, film: Film) -> dict[str, str]:
    names = {
        "name": f"{film.name}.png",
        "stem": film.name,
        "path": film.path,
        "windows": film.path.replace("/", "\\"),
        "absolute": f"/mnt/old/disk/{film.path}",
        "template": film.name,
    }
    row = {
        "image_id": names[shape.naming],
        "patient_id": film.patient,
        "study_id": film.study,
        "view": VIEWS[film.view],
        "sex": SEXES[film.sex],
        "age": f"{film.age:03d}Y",
        "split": PARTS[film.part],
    }
    positive = [name for name, state in film.states.items() if state == "positive"]
    if shape.words in ("list", "text"):
        return {**row, "labels": shape.delimiter.join(positive)}
    return {**row, **{name: WORDS[shape.words][state] for name, state in film.states.items()}, "remark": "geprüft, ok"}


def _write(path: Path, shape: Shape, rows: list[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding=shape.encoding, newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=shape.separator)
        writer.writeheader()
        writer.writerows(rows)
