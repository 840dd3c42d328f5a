"""CANDID-PTX: patients from file names, three tables of masks, reports left alone, films without an ending."""

from __future__ import annotations

import csv
import random
import shutil
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cxrdash.errors import CxrdashError
from cxrdash.sources.candid import SOURCE

Stage = Callable[..., Any]
INVENTED = Path(__file__).resolve().parents[1] / "data" / "candid"
HEADER = "SOPInstanceUID,EncodedPixels,Report,filename"
LISTED = "anon_SOPUID,reference,mask_rle"


def uid(number: int) -> str:
    return f"1.2.826.0.1.3680043.8.498.{10000 + number}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the invented files, to change."""
    return Path(shutil.copytree(INVENTED, tmp_path / "candid"))


def write(folder: Path, *rows: str, header: str = HEADER, name: str = "Pneumothorax_reports.csv") -> Path:
    (folder / name).write_text("\n".join([header, *rows, ""]))
    return folder


def states(candid: Any, finding: str) -> dict[str, str]:
    query = "SELECT image_id, state FROM staged_images JOIN staged_labels USING (labels) WHERE finding = '{}'"
    return dict(candid.rows(query.format(finding)))


def test_images_have_patients_and_three_findings(stage: Stage) -> None:
    candid = stage(INVENTED)
    assert candid.source.name == "candid"
    facts = "SELECT image_id, patient_id, view, split FROM staged_images ORDER BY image_id"
    assert candid.rows(facts) == [
        (uid(1), "1", "UNKNOWN", None),
        (uid(2), "1", "UNKNOWN", None),
        (uid(3), "2", "UNKNOWN", None),
    ]
    assert states(candid, "Pneumothorax") == {uid(1): "negative", uid(2): "positive", uid(3): "negative"}
    assert states(candid, "Chest tube") == {uid(1): "negative", uid(2): "positive", uid(3): "negative"}
    assert states(candid, "Rib fracture") == {uid(1): "negative", uid(2): "negative", uid(3): "positive"}
    assert {finding.name: finding.kind for finding in candid.staged.findings} == {
        "Pneumothorax": "finding",
        "Chest tube": "device",
        "Rib fracture": "finding",
    }


def test_an_image_of_two_patients_is_set_aside_whole(stage: Stage) -> None:
    candid = stage(INVENTED)
    assert candid.aside() == [(4, "filename", "P3_1_1.dcm", "row"), (5, "filename", "P4_1_1.dcm", "row")]


def test_masks_are_kept_and_called_unverified(stage: Stage) -> None:
    candid = stage(INVENTED)
    assert candid.rows("SELECT * EXCLUDE image_id FROM staged_masks ORDER BY ALL") == [
        ("chest tube", None, None, "100 20 900 30", "unverified", None),
        ("pneumothorax", None, None, "2048 10", "unverified", None),
        ("pneumothorax", None, None, "5 2 1022 3", "unverified", None),
        ("rib fracture", None, None, "10 2", "unverified", None),
        ("rib fracture", None, None, "2000 5", "unverified", None),
    ]
    assert "The files do not say how masks are written" in candid.notes
    assert any("has not been verified" in problem for problem in SOURCE.card.known_problems)


def test_no_word_of_a_report_is_staged(stage: Stage) -> None:
    candid = stage(INVENTED)
    for table in ("images", "labels", "boxes", "masks", "readings", "set_aside"):
        assert "Invented" not in str(candid.rows(f"SELECT * FROM staged_{table}"))
    assert "Invented" not in candid.notes


def test_a_finding_whose_table_is_missing_is_not_assessed(stage: Stage, folder: Path) -> None:
    (folder / "chest_tube.csv").unlink()
    candid = stage(folder)
    assert set(states(candid, "Chest tube").values()) == {"not_assessed"}
    assert "No table of chest tubes is here; Chest tube is not assessed." in candid.notes


def test_the_fracture_table_goes_by_two_names_and_other_names_are_said(stage: Stage, folder: Path) -> None:
    (folder / "acute_rib_fracture.csv").rename(folder / "Rib_fracture_mask_rle.csv")
    (folder / "chest_tube.csv").rename(folder / "masks.csv")
    candid = stage(folder)
    assert states(candid, "Rib fracture")[uid(3)] == "positive"
    assert "masks.csv was not read: its name says neither chest tube nor rib fracture." in candid.notes


def test_a_listed_image_whose_mask_cannot_be_read_is_neither_positive_nor_negative(stage: Stage, folder: Path) -> None:
    rows = (
        f"{uid(1)},1,5",
        f"{uid(2)},1,-1",
        f"{uid(3)},1,-1",
        f"{uid(3)},2,5 5",
        f"{uid(4)},1,5 5",
        f"{uid(9)},1,5 5",
    )
    write(folder, *rows, header=LISTED, name="chest_tube.csv")
    candid = stage(folder)
    assert states(candid, "Chest tube") == {uid(2): "negative"}
    tubes = next(n for n, file in enumerate(candid.staged.files) if file.path.name == "chest_tube.csv")
    found = f"SELECT record, column_name, value FROM staged_set_aside WHERE file = {tubes} ORDER BY record"
    assert candid.rows(found) == [
        (0, "mask_rle", "5"),
        (2, "anon_SOPUID", uid(3)),
        (3, "anon_SOPUID", uid(3)),
        (4, "anon_SOPUID", uid(4)),
        (5, "anon_SOPUID", uid(9)),
    ]


@pytest.mark.parametrize(
    ("row", "column", "value"),
    [
        (",-1,,P2_1.dcm", "SOPInstanceUID", None),
        (f"{uid(2)},,,P2_1.dcm", "EncodedPixels", None),
        (f"{uid(2)},5 2 3,,P2_1.dcm", "EncodedPixels", "5 2 3"),
        (f"{uid(2)},5 0,,P2_1.dcm", "EncodedPixels", "5 0"),
        (f"{uid(1)},-1,,P1_1.dcm", "SOPInstanceUID", uid(1)),
    ],
)
def test_rows_that_cannot_be_read_are_set_aside(
    stage: Stage, tmp_path: Path, row: str, column: str, value: str | None
) -> None:
    candid = stage(write(tmp_path, f"{uid(1)},-1,,P1_1.dcm", row))
    assert candid.aside() == [(1, column, value, "row")]
    assert candid.column("SELECT image_id FROM staged_images") == [uid(1)]


@pytest.mark.parametrize(
    ("filename", "patient"), [("P123_1.dcm", "123"), ("P007_1", "7"), ("A7_x", "A7"), ("123.dcm", None), ("", None)]
)
def test_a_patient_is_what_stands_before_the_underscore(
    stage: Stage, tmp_path: Path, filename: str, patient: str | None
) -> None:
    candid = stage(write(tmp_path, f"{uid(1)},-1,,{filename}"))
    assert candid.one("SELECT patient_id FROM staged_images") == patient
    expected = [] if patient else [(0, "filename", filename or None, "value")]
    assert candid.aside() == expected


def test_a_misspelled_or_missing_table_is_named(stage: Stage, folder: Path) -> None:
    path = folder / "Pneumothorax_reports.csv"
    path.write_text(path.read_text().replace("EncodedPixels", "EncodedPixel"))
    with pytest.raises(CxrdashError, match=r"Pneumothorax_reports\.csv lacks the column 'EncodedPixels' \(nearest"):
        stage(folder)
    path.unlink()
    with pytest.raises(
        CxrdashError, match=r"\.csv lists masks of CANDID-PTX, but Pneumothorax_reports\.csv is not here"
    ):
        stage(folder)


@pytest.mark.parametrize("path", ["dataset/{}", "chest_radiographs/{}", "png/{}.png", "{}.jpg"])
def test_a_film_is_found_under_its_uid(path: str) -> None:
    assert SOURCE.image_key(path.format(uid(1))) == uid(1)


@pytest.mark.parametrize("seed", range(3))
def test_any_table_counts_as_plain_python_counts(stage: Stage, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    rows = []
    for _ in range(150):
        image = chance.randrange(100)
        patient = image // 2 if chance.random() < 0.97 else 999
        report = chance.choice(["Clear.", "Two\nlines, a comma.", ""])
        rows.append([uid(image), chance.choice(["-1", "5 2", "9 1"]), report, f"P{patient}_1.dcm"])
    with (tmp_path / "Pneumothorax_reports.csv").open("w", newline="") as file:
        csv.writer(file).writerows([HEADER.split(","), *rows])
    candid = stage(tmp_path)
    said, people = defaultdict(list), defaultdict(set)
    for image, code, _, filename in rows:
        said[image].append(code)
        people[image].add(filename)
    clear = {
        image: set(codes)
        for image, codes in said.items()
        if len(people[image]) == 1 and len({code == "-1" for code in codes}) == 1
    }
    expected = {image: "negative" if codes == {"-1"} else "positive" for image, codes in clear.items()}
    assert states(candid, "Pneumothorax") == expected
    assert candid.one("SELECT count(*) FROM staged_masks") == sum(len(codes - {"-1"}) for codes in clear.values())
    aside = len(rows) - sum(map(len, clear.values()))
    assert candid.one("SELECT count(*) FROM staged_set_aside WHERE what = 'row'") == aside
