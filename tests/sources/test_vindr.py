"""VinDr-CXR and VinBigData: readers' statements, their majority, boxes, and the two releases' layouts."""

from __future__ import annotations

import gzip
import random
import shutil
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from cxrdash.errors import CxrdashError
from cxrdash.sources.vindr import SOURCE
from cxrdash.sources.vindr_boxes import KAGGLE_CLASSES

Stage = Callable[..., Any]
INVENTED = Path(__file__).resolve().parents[1] / "data" / "vindr"
FINDINGS = [finding.name for finding in SOURCE.card.findings]
A, B, C, T, U = (letter * 31 + digit for letter, digit in ("a1", "b2", "c3", "d4", "e5"))
LABELS = ",".join(["image_id", "rad_id", *FINDINGS])
KAGGLE = "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max"
STATED = "SELECT image_id, finding FROM staged_images JOIN staged_labels USING (labels) WHERE state = '{}' ORDER BY ALL"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the invented files, to change."""
    return Path(shutil.copytree(INVENTED, tmp_path / "vindr"))


def write(folder: Path, header: str, rows: Iterable[str], name: str = "train.csv") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("\n".join([header, *rows, ""]))
    return folder


def label_row(image: str, reader: str, *positive: str, **cells: str) -> str:
    """A row of image_labels_train.csv; ``cells`` replaces cells by finding."""
    return ",".join([image, reader, *(cells.get(name, str(int(name in positive))) for name in FINDINGS)])


def kaggle_row(image: str, reader: str, name: str, box: str = "", number: int | None = None) -> str:
    return f"{image},{name},{KAGGLE_CLASSES.index(name) if number is None else number},{reader},{box or ',,,'}"


def test_a_training_label_is_the_majority_and_a_test_label_the_consensus(stage: Stage) -> None:
    vindr = stage(INVENTED)
    assert vindr.source.name == "vindr" and vindr.staged.variant == "PhysioNet"
    assert vindr.rows(STATED.format("positive")) == [
        (A, "Aortic enlargement"),
        (A, "Cardiomegaly"),
        (B, "No finding"),
        (C, "Pneumonia"),
        (T, "Other diseases"),
        (T, "Pneumothorax"),
        (U, "No finding"),
    ]
    assert len(vindr.rows(STATED.format("negative"))) == 5 * 28 - 7
    facts = "SELECT image_id, patient_id, study_id, view, split FROM staged_images ORDER BY image_id"
    assert vindr.rows(facts) == [
        *((image, None, None, "FRONTAL_UNKNOWN", "train") for image in (A, B, C)),
        *((image, None, None, "FRONTAL_UNKNOWN", "test") for image in (T, U)),
    ]
    assert "no patient ids" in vindr.notes and "7 readers read 3 training images" in vindr.notes


def test_what_each_reader_said_is_kept_and_the_consensus_is_no_reader(stage: Stage) -> None:
    vindr = stage(INVENTED)
    assert vindr.one("SELECT count(*) FROM staged_readings") == 9 * 28
    said = "SELECT reader, finding FROM staged_readings WHERE state = 'positive' AND image_id = '{}' ORDER BY ALL"
    assert vindr.rows(said.format(C)) == [
        ("R1", "Pleural effusion"),
        ("R1", "Pneumonia"),
        ("R17", "Lung Opacity"),
        ("R5", "Pneumonia"),
    ]
    assert "consensus" not in vindr.column("SELECT DISTINCT reader FROM staged_readings")


def test_boxes_keep_their_reader_and_their_corner_and_size(stage: Stage) -> None:
    vindr = stage(INVENTED)
    assert vindr.one("SELECT count(*) FROM staged_boxes") == 9
    of_one = f"SELECT * EXCLUDE image_id FROM staged_boxes WHERE image_id = '{A}' AND reader = 'R1' ORDER BY x"
    assert vindr.rows(of_one) == [
        ("Aortic enlargement", "R1", 10, 20, 20, 20, "original"),
        ("Cardiomegaly", "R1", 100, 200, 200, 200.5, "original"),
    ]
    assert vindr.column(f"SELECT reader FROM staged_boxes WHERE image_id = '{T}'") == ["consensus"]


def test_a_finding_that_a_table_lacks_is_not_assessed_and_said(stage: Stage, folder: Path) -> None:
    path = folder / "annotations" / "image_labels_train.csv"
    path.write_text(path.read_text().replace("Lung cyst", "Lung kyst", 1))
    vindr = stage(folder)
    assert "lacks the column 'Lung cyst' (nearest: 'Lung kyst'); not assessed in its part (train)." in vindr.notes
    assert vindr.rows(STATED.format("not_assessed")) == [(A, "Lung cyst"), (B, "Lung cyst"), (C, "Lung cyst")]
    assert vindr.one("SELECT count(*) FROM staged_readings WHERE finding = 'Lung cyst'") == 0


def test_readers_who_tie_leave_the_label_blank(stage: Stage, tmp_path: Path) -> None:
    write(tmp_path, LABELS, [label_row(A, "R1", "Edema"), label_row(A, "R2")])
    vindr = stage(tmp_path)
    assert (A, "Edema") not in vindr.rows(STATED.format("positive")) + vindr.rows(STATED.format("negative"))
    assert len(vindr.rows(STATED.format("negative"))) == 27
    assert "1 images have more or fewer than 3 readers; where they tie the label is blank." in vindr.notes


@pytest.mark.parametrize(
    ("bad", "column", "value"),
    [
        (label_row("1.2.3", "R1"), "image_id", "1.2.3"),
        (label_row("", "R1"), "image_id", None),
        (label_row(B, ""), "rad_id", None),
        (label_row(B, "R1", Edema="2"), "Edema", "2"),
        (label_row(B, "R1", COPD=""), "COPD", None),
        (label_row(A, "R1"), "image_id", A),  # repeats the good row
    ],
)
def test_label_rows_that_cannot_be_read_are_set_aside(
    stage: Stage, tmp_path: Path, bad: str, column: str, value: str | None
) -> None:
    write(tmp_path, LABELS, [label_row(A, "R1"), bad])
    vindr = stage(tmp_path)
    assert vindr.aside() == [(1, column, value, "row")]
    assert vindr.column("SELECT image_id FROM staged_images") == [A]


def test_a_reader_who_stands_twice_with_other_labels_is_set_aside(stage: Stage, tmp_path: Path) -> None:
    write(tmp_path, LABELS, [label_row(A, "R1", "Edema"), label_row(A, "R1"), label_row(A, "R2", "ILD")])
    vindr = stage(tmp_path)
    assert vindr.aside() == [(0, "image_id", A, "row"), (1, "image_id", A, "row")]
    assert vindr.rows(STATED.format("positive")) == [(A, "ILD")]


def test_an_image_in_both_parts_is_in_neither(stage: Stage, folder: Path) -> None:
    tests = folder / "annotations" / "image_labels_test.csv"
    tests.write_text(tests.read_text().replace(T, A))
    vindr = stage(folder)
    assert vindr.column("SELECT image_id FROM staged_images ORDER BY ALL") == [B, C, U]
    reason = "SELECT count(*) FROM staged_set_aside WHERE reason LIKE '%in the training and in the test tables'"
    assert vindr.one(reason) == 3 + 1
    assert vindr.one(f"SELECT count(*) FROM staged_boxes WHERE image_id = '{A}'") == 0
    assert vindr.one(f"SELECT count(*) FROM staged_readings WHERE image_id = '{A}'") == 0


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        (",,,", "a finding without its box"),
        ("5,5,5,9", "not four numbers with x_min < x_max and y_min < y_max"),
        ("5,5,nan,9", "not four numbers with x_min < x_max and y_min < y_max"),
        ("5,5,9", "not four numbers with x_min < x_max and y_min < y_max"),
    ],
)
def test_boxes_that_are_none_are_set_aside(stage: Stage, folder: Path, box: str, reason: str) -> None:
    boxes = folder / "annotations" / "annotations_train.csv"
    boxes.write_text(boxes.read_text() + f"{A},R1,Cardiomegaly,{box}{',' * (3 - box.count(','))}\n")
    vindr = stage(folder)
    assert vindr.rows("SELECT record, reason, what FROM staged_set_aside") == [(11, reason, "row")]
    assert vindr.one("SELECT count(*) FROM staged_boxes") == 9


def test_boxes_of_unknown_images_and_findings_are_set_aside_and_unlabelled_ones_counted(
    stage: Stage, folder: Path
) -> None:
    boxes = folder / "annotations" / "annotations_train.csv"
    more = (
        f"{'f' * 32},R1,Edema,1,2,3,4",
        f"{A},R1,Tumour,1,2,3,4",
        f"{A},R1,No finding,1,2,3,4",
        f"{A},R1,Edema,1,2,3,4",
    )
    boxes.write_text(boxes.read_text() + "".join(f"{row}\n" for row in more))
    vindr = stage(folder)
    assert vindr.aside() == [
        (11, "image_id", "f" * 32, "row"),
        (12, "class_name", "Tumour", "row"),
        (13, "x_min,y_min,x_max,y_max", "1,2,3,4", "row"),
    ]
    assert "1 rows name a finding that the label table does not give that reader" in vindr.notes


def test_tables_of_boxes_alone_give_the_labels_they_can(stage: Stage, folder: Path) -> None:
    for name in ("image_labels_train.csv", "image_labels_test.csv"):
        (folder / "annotations" / name).unlink()
    vindr = stage(folder)
    positive = vindr.rows(STATED.format("positive"))
    # C's third reader wrote only Pneumonia, which has no box: the table does not show that he read it.
    assert positive == [
        (A, "Aortic enlargement"),
        (A, "Cardiomegaly"),
        (B, "No finding"),
        (T, "Pneumothorax"),
        (U, "No finding"),
    ]
    assert {finding for _, finding in vindr.rows(STATED.format("not_assessed"))} == {
        "COPD", "Lung tumor", "Pneumonia", "Tuberculosis", "Other diseases",
    }  # fmt: skip
    assert "annotations_train.csv: without the label table, labels are taken from its boxes" in vindr.notes


def test_kaggles_table_holds_fifteen_findings_per_reader(stage: Stage, tmp_path: Path) -> None:
    rows = [
        kaggle_row(A, "R1", "Cardiomegaly", "1,2,30,40"),
        kaggle_row(A, "R1", "Cardiomegaly", "2,3,31,41"),
        kaggle_row(A, "R2", "Cardiomegaly", "1,2,30,40"),
        kaggle_row(A, "R3", "ILD", "5,6,7,8.5"),
        *(kaggle_row(B, reader, "No finding") for reader in ("R8", "R9", "R10")),
    ]
    write(tmp_path, KAGGLE, rows)
    write(tmp_path, "image_id,PredictionString", [f"{C},14 1 0 0 1 1"], name="sample_submission.csv")
    write(tmp_path, "image_id,dim0,dim1", [f"{A},3000,2000", f"{C},1,1"], name="train_meta.csv")
    vindr = stage(tmp_path)
    assert vindr.staged.variant == "VinBigData"
    assert {finding.name for finding in vindr.staged.findings} == set(KAGGLE_CLASSES)
    assert vindr.rows(STATED.format("positive")) == [(A, "Cardiomegaly"), (B, "No finding")]
    assert vindr.one("SELECT count(*) FROM staged_readings") == 6 * 15
    assert vindr.one("SELECT count(*) FROM staged_boxes") == 4
    assert vindr.rows("SELECT image_id, width, height FROM staged_images ORDER BY ALL") == [
        (A, 2000, 3000),
        (B, None, None),
    ]
    assert vindr.aside() == [(1, "image_id", C, "row")]
    assert "sample_submission.csv was not read: it is a form for answers" in vindr.notes


def test_a_reader_with_a_row_that_cannot_be_read_is_left_out_of_that_image(stage: Stage, tmp_path: Path) -> None:
    rows = [
        kaggle_row(A, "R1", "ILD", "1,2,3,4"),
        kaggle_row(A, "R1", "ILD", "1,2,3,4").replace("ILD", "IDL"),
        kaggle_row(A, "R2", "Atelectasis", "1,2,3,4", number=2),
        kaggle_row(A, "R3", "No finding"),
        kaggle_row(B, "R1", "ILD", "9,9,1,1"),
    ]
    vindr = stage(write(tmp_path, KAGGLE, rows))
    assert vindr.aside() == [
        (0, "rad_id", "R1", "row"),
        (1, "class_name", "IDL", "row"),
        (2, "class_id", "2", "row"),
        (4, "x_min,y_min,x_max,y_max", "9,9,1,1", "value"),
    ]
    assert vindr.rows(STATED.format("positive")) == [(A, "No finding"), (B, "ILD")]


def test_physionets_tables_are_read_rather_than_kaggles(stage: Stage, folder: Path) -> None:
    write(folder, KAGGLE, [kaggle_row(A, "R1", "ILD", "1,2,3,4")])
    vindr = stage(folder)
    assert vindr.staged.variant == "PhysioNet" and len(vindr.staged.files) == 4
    assert "train.csv was not read: the tables of PhysioNet, which are here, hold the same images." in vindr.notes


def test_a_second_copy_is_left_out_and_an_overlap_is_a_question(stage: Stage, folder: Path) -> None:
    labels = folder / "annotations" / "image_labels_train.csv"
    shutil.copy(labels, folder)
    vindr = stage(folder)
    assert vindr.one("SELECT count(*) FROM staged_images") == 5
    assert "image_labels_train.csv was not read: its images are in a table read before it." in vindr.notes
    lines = labels.read_text().splitlines()
    write(folder, lines[0], [lines[1], label_row("f" * 32, "R1")], name="image_labels_train.csv")
    with pytest.raises(CxrdashError, match=r"image_labels_train\.csv lists 1 rows of images(.|\n)*one release"):
        stage(folder)


@pytest.mark.parametrize(("kind", "name"), [("labels", "image_labels_train.csv"), ("boxes", "annotations_train.csv")])
def test_readers_under_another_name_are_not_taken_for_a_consensus(
    stage: Stage, tmp_path: Path, kind: str, name: str
) -> None:
    text = (INVENTED / "annotations" / name).read_text()
    (tmp_path / name).write_text(text.replace("rad_id", "radiologist", 1))
    with pytest.raises(CxrdashError, match=rf"{name}, line 1: .*'rad_id'.*'radiologist'(.|\n)*call it rad_id"):
        stage(tmp_path)


def test_a_misspelled_table_is_named_with_its_nearest_column(stage: Stage, tmp_path: Path) -> None:
    write(tmp_path, KAGGLE.replace("class_name", "clas_name"), [kaggle_row(A, "R1", "ILD", "1,2,3,4")])
    with pytest.raises(CxrdashError, match=r"train\.csv lacks the column 'class_name' \(nearest: 'clas_name'\) of Vin"):
        stage(tmp_path)
    write(tmp_path, kaggle_row(A, "R1", "ILD", "1,2,3,4"), [kaggle_row(A, "R2", "ILD", "1,2,3,4")])
    with pytest.raises(CxrdashError, match=rf"train\.csv has no column names: line 1 is already an image \('{A}'\)"):
        stage(tmp_path)


def test_packed_tables_give_the_same_rows(stage: Stage, folder: Path) -> None:
    plain = stage(folder)
    tables = folder / "annotations"
    for name in ("image_labels_train.csv", "annotations_test.csv"):
        (tables / f"{name}.gz").write_bytes(gzip.compress((tables / name).read_bytes()))
        (tables / name).unlink()
    with zipfile.ZipFile(tables / "annotations_train.csv.zip", "w") as archive:
        archive.write(tables / "annotations_train.csv", "annotations_train.csv")
    (tables / "annotations_train.csv").unlink()
    packed = stage(folder)
    for table in ("labels", "boxes", "readings"):
        rows = f"SELECT * FROM staged_{table} ORDER BY ALL"
        assert packed.rows(rows) == plain.rows(rows)


@pytest.mark.parametrize("path", ["train/{}.dicom", "train_512/{}.png", "{}"])
def test_a_film_is_found_under_its_id(path: str) -> None:
    assert SOURCE.image_key(path.format(A)) == A


def kaggle_reference(rows: Sequence[Sequence[str]]) -> tuple[dict[tuple[str, str], str], int, int]:
    """Majority per image and finding, boxes, and rows set aside, in plain Python."""
    bad = {place for place, row in enumerate(rows) if row[1] not in KAGGLE_CLASSES or len(row[0]) != 32}
    lost = {(rows[place][0], rows[place][3]) for place in bad}
    aside = {place for place, row in enumerate(rows) if place in bad or (row[0], row[3]) in lost}
    said: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    boxes = 0
    for place, row in enumerate(rows):
        if place not in aside:
            said[row[0]][row[3]].add(row[1])
            boxes += bool(row[4]) and float(row[4]) < float(row[6]) and float(row[5]) < float(row[7])
    labels = {}
    for image, readers in said.items():
        votes = Counter(finding for findings in readers.values() for finding in findings)
        for finding in KAGGLE_CLASSES:
            yes, no = votes[finding], len(readers) - votes[finding]
            if yes != no:
                labels[image, finding] = "positive" if yes > no else "negative"
    return labels, boxes, len(aside)


@pytest.mark.parametrize("seed", range(3))
def test_any_kaggle_table_counts_as_plain_python_counts(stage: Stage, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    rows = []
    for number in range(60):
        image = f"{number:032x}" if chance.random() < 0.97 else f"{number:x}"
        for reader in chance.sample(range(1, 18), chance.choice([3, 3, 3, 2])):
            for name in chance.sample(KAGGLE_CLASSES[:6], chance.randint(0, 3)) or ["No finding"]:
                left, top = chance.randint(0, 9), chance.randint(0, 9)
                box = [str(n) for n in (left, top, left + chance.randint(0, 9), top + chance.randint(1, 9))]
                spelled = name if chance.random() < 0.98 else "Unknown"
                number_of = str(KAGGLE_CLASSES.index(name))
                rows.append([image, spelled, number_of, f"R{reader}", *(box if name != "No finding" else [""] * 4)])
    chance.shuffle(rows)
    vindr = stage(write(tmp_path, KAGGLE, map(",".join, rows)))
    labels, boxes, aside = kaggle_reference(rows)
    found = vindr.rows("SELECT image_id, finding, state FROM staged_images JOIN staged_labels USING (labels)")
    assert {(image, finding): state for image, finding, state in found} == labels
    assert vindr.one("SELECT count(*) FROM staged_boxes") == boxes
    assert vindr.one("SELECT count(*) FROM staged_set_aside WHERE what = 'row'") == aside
