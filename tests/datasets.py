"""Datasets that tests invent: NIH and CheXpert tables under their real headers, and one of any labels at all."""

from __future__ import annotations

import csv
import functools
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from cxrdash.config import Cache
from cxrdash.index.build import LoadAudit, Request, build_index
from cxrdash.index.store import Index, open_index
from cxrdash.labels.findings import Finding
from cxrdash.labels.states import State
from cxrdash.sources.base import Claim, Headers, Staged
from cxrdash.sources.card import Card
from cxrdash.sources.registry import SOURCES
from cxrdash.sources.staging import Intake

NIH_TABLE = "Data_Entry_2017_v2020.csv"
NIH_HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)
CHEXPERT_FINDINGS = (
    "No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema",
    "Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other", "Fracture",
    "Support Devices",
)  # fmt: skip
CHEXPERT_HEADER = ",".join(("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *CHEXPERT_FINDINGS))
CELLS = {State.POSITIVE: "1.0", State.UNCERTAIN: "-1.0", State.NEGATIVE: "0.0", State.BLANK: ""}


def nih_row(
    patient: int,
    number: int = 0,
    labels: str = "No Finding",
    *,
    age: str = "50",
    sex: str = "F",
    view: str = "PA",
    follow_up: str | None = None,
    width: str = "2500",
) -> str:
    """One line of the NIH entry table; ``number`` counts the patient's images from 0."""
    place = str(number) if follow_up is None else follow_up
    return f"{patient:08d}_{number:03d}.png,{labels},{place},{patient},{age},{sex},{view},{width},2048,0.143,0.143"


def write_nih(folder: Path, rows: Sequence[str], **lists: Sequence[str]) -> Path:
    """Write an NIH folder; ``train_val_list`` and ``test_list`` hold image names."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / NIH_TABLE).write_text("\n".join([NIH_HEADER, *rows]) + "\n", encoding="utf-8")
    for name, images in lists.items():
        (folder / f"{name}.txt").write_text("\n".join(images), encoding="utf-8")
    return folder


def chexpert_row(
    patient: int,
    study: int = 1,
    view: int = 1,
    states: Mapping[str, State] | None = None,
    *,
    part: str = "train",
    sex: str = "Female",
    age: str = "60",
    position: str = "Frontal",
    projection: str = "AP",
) -> str:
    """One line of a CheXpert table; findings that ``states`` does not name are blank."""
    path = f"CheXpert-v1.0-small/{part}/patient{patient:05d}/study{study}/view{view}_{position.lower()}.jpg"
    cells = [CELLS[(states or {}).get(finding, State.BLANK)] for finding in CHEXPERT_FINDINGS]
    return ",".join((path, sex, age, position, projection if position == "Frontal" else "", *cells))


def write_chexpert(folder: Path, rows: Sequence[str], name: str = "train.csv") -> Path:
    """Write one CheXpert table into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join([CHEXPERT_HEADER, *rows]) + "\n", encoding="utf-8")
    return folder


def cache_of(folder: Path) -> Cache:
    """The cache beside (never inside) a dataset's folder."""
    return Cache(folder.with_name(f"{folder.name}-cache"))


def build(folder: Path, source: str, cache: Cache | None = None, *, dry_run: bool = False) -> LoadAudit:
    """Index a folder under its source's name."""
    request = Request(folder, name=source, source=source, dry_run=dry_run)
    return build_index(request, cache or cache_of(folder))


def indexed(folder: Path, source: str) -> Index:
    """Index a folder and open the result."""
    build(folder, source)
    return open_index(source, cache_of(folder))


# Eight patients with 1, 1, 1, 2, 2, 3, 5 and 10 images, of which 0, 1, 0, 2, 0, 1, 5 and 2 are positive (METHODS 1).
EXAMPLE_A = ((1, 0), (1, 1), (1, 0), (2, 2), (2, 0), (3, 1), (5, 5), (10, 2))


def example_a(folder: Path, finding: str = "Effusion") -> Path:
    """The worked example of METHODS as NIH files."""
    rows = [
        nih_row(patient, number, finding if number < positive else "No Finding")
        for patient, (images, positive) in enumerate(EXAMPLE_A, start=1)
        for number in range(images)
    ]
    return write_nih(folder, rows)


COLUMNS = (
    "image_id",
    "patient_id",
    "study_id",
    "view",
    "sex",
    "age_years",
    "split",
    "order_in_patient",
    "states",
)


# Every reader boxes what that reader calls positive, about where the others do.
INVENTED_BOXES = """
WITH places AS (
    SELECT *, hash(replace(image_id, 'copy ', ''), finding) AS place, hash(reader, finding) AS shift
    FROM staged_readings WHERE state = 'positive')
INSERT INTO staged_boxes
SELECT image_id, finding, reader, place % 500 + shift % 80, place % 700 + shift % 60, 50 + place % 90, 60 + shift % 50,
    'original'
FROM places
"""
READING_COLUMNS = ("image_id", "reader", "finding", "state")


@dataclass(frozen=True)
class Invented:
    """A dataset as plain tables, for a second opinion that owes nothing to the index.

    ``images`` has the columns of COLUMNS but states, with None for unknown; ``states`` is int8 of shape
    (images, findings). ``readings`` has the columns of READING_COLUMNS, with state numbers; no row means blank.
    """

    findings: tuple[str, ...]
    images: pd.DataFrame
    states: np.ndarray
    readings: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(READING_COLUMNS), dtype=object))

    @property
    def table(self) -> pd.DataFrame:
        """The images with one column of state numbers per finding."""
        return self.images.join(pd.DataFrame(self.states, columns=pd.Index(self.findings, dtype="object")))

    def shuffled(self, seed: int) -> Invented:
        order = np.random.default_rng(seed).permutation(len(self.images))
        readings = self.readings.sample(frac=1, random_state=seed, ignore_index=True)
        images = self.images.iloc[order].reset_index(drop=True)
        return replace(self, images=images, states=self.states[order], readings=readings)

    def doubled(self) -> Invented:
        """The dataset and a copy of it whose patients are others."""
        copy = self.images.copy()
        for name in ("image_id", "patient_id", "study_id"):
            copy[name] = copy[name].map(lambda text: None if text is None else f"copy {text}")
        both = pd.concat([self.images, copy], ignore_index=True).astype(object)
        readings = self.readings.assign(image_id="copy " + self.readings["image_id"].astype(str))
        return replace(
            self,
            images=both.where(both.notna(), None),
            states=np.vstack([self.states, self.states]),
            readings=pd.concat([self.readings, readings], ignore_index=True),
        )

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "findings.json").write_text(json.dumps(self.findings), encoding="utf-8")
        (folder / "readings.json").write_text(json.dumps(self.readings.to_numpy().tolist()), encoding="utf-8")
        with (folder / "invented.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for row, states in zip(self.images.itertuples(index=False), self.states, strict=True):
                writer.writerow([*("" if cell is None else cell for cell in row), "s" + "".join(map(str, states))])
        return folder

    def index(self, folder: Path) -> Index:
        """Write, build and open."""
        with known_source():
            return indexed(self.write(folder), "invented")


def invent(
    seed: int,
    *,
    patients: int = 25,
    findings: Sequence[str] = ("Mass", "Pleural Effusion", "Edema", "Devices"),
    known_patients: bool = True,
    labels_per_study: bool = True,
) -> Invented:
    """A random dataset with repeat imaging, four states and not assessed, unknown ages, several parts and views."""
    rng = np.random.default_rng(seed)
    images: list[tuple[object, ...]] = []
    states: list[np.ndarray] = []
    chances = [0.05, 0.35, 0.25, 0.1, 0.25]  # of labels.State 0 to 4
    for patient in range(patients):
        name = f"p{patient}" if known_patients and rng.random() < 0.95 else None
        sex, split = str(rng.choice(["F", "M", "unknown"])), str(rng.choice(["train", "valid", "test"]))
        age = None if rng.random() < 0.1 else int(rng.integers(0, 95))
        for study in range(int(rng.geometric(0.4))):
            drawn = rng.choice(5, size=len(findings), p=chances)
            for film in range(int(rng.integers(1, 4))):
                view = str(rng.choice(["PA", "AP", "LATERAL"]))
                study_id = f"s{patient}.{study}" if name else None
                place = int(rng.integers(0, 3))
                images.append((f"i{patient}.{study}.{film}", name, study_id, view, sex, age, split, place))
                states.append(drawn if labels_per_study else rng.choice(5, size=len(findings), p=chances))
    table = pd.DataFrame(images, columns=list(COLUMNS[:-1])).astype(object)
    drawn_states = np.array(states, dtype=np.int8)
    readings = invent_readings(seed, tuple(findings), table["image_id"].tolist(), drawn_states)
    return Invented(tuple(findings), table.where(table.notna(), None), drawn_states, readings)


READERS = ("R1", "R2", "R10")


def invent_readings(seed: int, findings: tuple[str, ...], images: list[str], states: np.ndarray) -> pd.DataFrame:
    """What three readers said of two in three images each: half the dataset's state, half any; some say nothing.

    The last finding is judged by the first reader alone, under a name that is no finding of the dataset.
    """
    rng = np.random.default_rng(1000 + seed)
    rows = []
    for at, image in enumerate(images):
        for reader in READERS:
            if rng.random() < 1 / 3:
                continue
            for place, finding in enumerate(findings):
                last = place == len(findings) - 1
                state = int(states[at, place]) if rng.random() < 0.5 else int(rng.integers(0, 5))
                if state != State.BLANK and (not last or reader == READERS[0]):
                    rows.append((image, reader, "Another thing" if last else finding, state))
    return pd.DataFrame(rows, columns=list(READING_COLUMNS))


INVENTED_IMAGES = """
INSERT INTO staged_images
SELECT image_id, patient_id, study_id, view, view, sex, age_years::DOUBLE, NULL, split, order_in_patient::INTEGER,
       NULL, NULL, NULL, NULL, states, image_id, 0, record
FROM invented
"""
INVENTED_LABELS = """
INSERT INTO staged_labels
SELECT states, finding, state FROM (
    SELECT states, unnest($names::VARCHAR[]) AS finding,
           list_extract($words::VARCHAR[], unnest(string_split(states[2:], ''))::INTEGER + 1) AS state
    FROM (SELECT DISTINCT states FROM invented))
WHERE state <> 'blank'
"""


class InventedSource:
    """The source that reads what ``Invented.write`` wrote; `states` is 's' and one digit of State per finding."""

    name = "invented"
    card = Card(
        name="invented", title="Invented", citation="", licence="", terms="", label_provenance="drawn at random",
        label_unit="image", negative_means="", blank_means="", order_source="", known_problems=(), findings=(),
        published=(), synthetic=True,
    )  # fmt: skip

    def claim(self, headers: Headers) -> Claim | None:
        tables = tuple(path for path, header in headers.items() if header == COLUMNS)
        return Claim(self.name, {"images": tables}) if tables else None

    def nearest(self, headers: Headers) -> str:
        return ""

    def image_key(self, path: str) -> str:
        return path

    def stage(self, con: duckdb.DuckDBPyConnection, claim: Claim, workspace: Path, *, allow_bad_rows: bool) -> Staged:
        (path,) = claim.roles["images"]
        names = json.loads((path.parent / "findings.json").read_text(encoding="utf-8"))
        intake = Intake(con, workspace, allow_bad_rows=allow_bad_rows)
        intake.staged.findings = [Finding(name, name) for name in names]
        intake.read(path, name="invented", fields={name: (name,) for name in COLUMNS}, recognised_as="invented")
        con.execute(INVENTED_IMAGES)
        con.execute(INVENTED_LABELS, {"names": names, "words": [state.label for state in State]})
        said = json.loads((path.parent / "readings.json").read_text(encoding="utf-8"))
        for image, reader, finding, state in said:
            con.execute("INSERT INTO staged_readings VALUES (?, ?, ?, ?)", [image, reader, finding, State(state).label])
        con.execute(INVENTED_BOXES)
        return intake.staged


SOURCE = InventedSource()


@contextmanager
def known_source() -> Iterator[None]:
    """Let the build find ``InventedSource`` by name, for as long as it runs."""
    SOURCES["invented"] = __name__
    try:
        yield
    finally:
        del SOURCES["invented"]


@functools.cache
def _built_once(folder: Path, cache: Cache) -> Index:
    build(folder, "nih", cache)
    return open_index("nih", cache)


@pytest.fixture(scope="session")
def real_nih(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """The whole NIH dataset, built once for all folders of tests that ask for it."""
    yield _built_once(real_data / "nih", Cache(tmp_path_factory.getbasetemp() / "real-nih"))
    _built_once.cache_clear()


def sample_key(text: str) -> int:
    """The number of a text that orders random samples, one text at a time and in numbers of any size."""
    content = text.encode()
    mixed = len(content)
    for at in range(0, len(content), 8):
        mixed ^= int.from_bytes(content[at : at + 8], "little")
        for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
            mixed = (mixed ^ mixed >> 33) * factor % 2**64
        mixed ^= mixed >> 33
    return mixed >> 16


def residue(image_id: str, seed: int, purpose: bytes = b"") -> int:
    """The place of an image in a random order: its sample key modulo a number made of seed and purpose."""
    made = int.from_bytes(hashlib.blake2b(str(seed).encode(), digest_size=8, person=purpose).digest(), "big")
    return sample_key(image_id) % ((2**32 + made % 2**32) | 1)
