"""RSNA: a row is a box, patientId is an image, and what lies beside the labels joins without multiplying them."""

from __future__ import annotations

import gzip
import json
import random
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from cxrdash.errors import CxrdashError
from cxrdash.sources.rsna import NORMAL, NOT_NORMAL, OPACITY, SOURCE
from cxrdash.sources.rsna_extras import MAPPING

Stage = Callable[..., Any]
INVENTED = Path(__file__).resolve().parents[1] / "data" / "rsna"
HEADER = "patientId,x,y,width,height,Target"
BOX = "10,20,30,40.5"


def uid(number: int) -> str:
    return f"{number:08d}-14fd-4e49-80ba-63a80b6bddd6"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the invented files, to change."""
    return Path(shutil.copytree(INVENTED, tmp_path / "rsna"))


def write(folder: Path, *rows: str, header: str = HEADER, name: str = "stage_2_train_labels.csv") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("\n".join([header, *rows, ""]))
    return folder


def states(rsna: Any, finding: str) -> dict[str, str]:
    query = "SELECT image_id, state FROM staged_images JOIN staged_labels USING (labels) WHERE finding = '{}'"
    return dict(rsna.rows(query.format(finding)))


def test_rows_are_boxes_and_images_are_counted_once(stage: Stage) -> None:
    rsna = stage(INVENTED)
    assert rsna.source.name == "rsna"
    facts = "SELECT image_id, patient_id, view, split, width, height FROM staged_images ORDER BY image_id"
    assert rsna.rows(facts) == [(uid(number), None, "UNKNOWN", "train", 1024, 1024) for number in range(1, 6)]
    assert states(rsna, OPACITY) == {uid(n): "positive" if n in (2, 4) else "negative" for n in range(1, 6)}
    assert rsna.rows("SELECT * FROM staged_boxes ORDER BY image_id, x") == [
        (uid(2), OPACITY, "radiologists", 264, 152, 213, 379, "png1024"),
        (uid(2), OPACITY, "radiologists", 562, 152, 256, 453, "png1024"),
        (uid(4), OPACITY, "radiologists", 323, 577, 160, 104, "png1024"),
    ]
    assert "6 rows are 5 images" in rsna.notes and "leakage of patients between parts cannot be excluded" in rsna.notes


def test_the_detailed_classes_are_three_and_blank_where_none_is_given(stage: Stage) -> None:
    rsna = stage(INVENTED)
    assert states(rsna, NOT_NORMAL) == {uid(1): "positive", **{uid(n): "negative" for n in (2, 3, 4)}}
    assert states(rsna, NORMAL) == {uid(3): "positive", **{uid(n): "negative" for n in (1, 2, 4)}}
    assert rsna.aside() == []


def test_without_the_detailed_classes_their_findings_are_not_assessed(stage: Stage, folder: Path) -> None:
    (folder / "stage_2_detailed_class_info.csv").unlink()
    rsna = stage(folder)
    for finding in (NORMAL, NOT_NORMAL):
        assert set(states(rsna, finding).values()) == {"not_assessed"}


def test_classes_that_contradict_are_set_aside_and_leave_a_blank(stage: Stage, folder: Path) -> None:
    classes = folder / "stage_2_detailed_class_info.csv"
    more = (
        f"{uid(3)},{NOT_NORMAL}",
        f"{uid(5)},{OPACITY}",
        f"{uid(1)},Abnormal",
        f"{uid(9)},{NORMAL}",
    )
    classes.write_text(classes.read_text() + "".join(f"{row}\n" for row in more))
    rsna = stage(folder)
    assert rsna.rows("SELECT record, value, reason FROM staged_set_aside ORDER BY record") == [
        (0, NOT_NORMAL, "the image stands in rows with another class; none was chosen"),
        (3, NORMAL, "the image stands in rows with another class; none was chosen"),
        (5, NOT_NORMAL, "the image stands in rows with another class; none was chosen"),
        (6, OPACITY, "the label table says Target 0"),
        (7, "Abnormal", "not one of the three classes"),
        (8, uid(9), "the label table has no usable row of this image"),
    ]
    assert set(states(rsna, NORMAL)) == {uid(2), uid(4)}


@pytest.mark.parametrize(
    ("rows", "aside", "images"),
    [
        ([f",{BOX},1"], [(1, "patientId", None, "row")], 1),
        ([f"{uid(2)},{BOX},2"], [(1, "Target", "2", "row")], 1),
        ([f"{uid(2)},{BOX},"], [(1, "Target", None, "row")], 1),
        ([f"{uid(2)},{BOX},0"], [(1, "x,y,width,height", "10,20,30,40.5", "row")], 1),
        ([f"{uid(2)},,,,,1"], [(1, "x,y,width,height", None, "value")], 2),
        ([f"{uid(2)},1,2,0,4,1"], [(1, "x,y,width,height", "1,2,0,4", "value")], 2),
        ([f"{uid(2)},1,2,inf,4,1"], [(1, "x,y,width,height", "1,2,inf,4", "value")], 2),
        ([f"{uid(1)},{BOX},1"], [(0, "Target", "0", "row"), (1, "Target", "1", "row")], 0),
        ([f"{uid(1)},,,,,x"], [(0, "Target", "0", "row"), (1, "Target", "x", "row")], 0),
        ([f"{uid(1)},,,,,0"], [(1, "patientId", uid(1), "row")], 1),
        ([f"{uid(2)},{BOX},1"] * 2, [(2, "patientId", uid(2), "row")], 2),
        ([f"{uid(2)},{BOX},1", f"{uid(2)},{BOX},y"], [(2, "Target", "y", "row")], 2),
    ],
)
def test_rows_that_cannot_be_read_are_set_aside(
    stage: Stage, tmp_path: Path, rows: list[str], aside: list[Any], images: int
) -> None:
    rsna = stage(write(tmp_path, f"{uid(1)},,,,,0", *rows))
    assert rsna.aside() == aside
    assert rsna.one("SELECT count(*) FROM staged_images") == images


def test_the_released_mapping_gives_nih_patients(stage: Stage, folder: Path) -> None:
    entries = [
        {"subset_img_id": uid(1), "img_id": "00000013_005.png", "orig_labels": ["Mass"]},
        {"subset_img_id": uid(2), "img_id": "00000013_006.png"},
        {"subset_img_id": uid(3), "img_id": "13.png"},
        {"subset_img_id": uid(4), "img_id": "00000014_000.png"},
        {"subset_img_id": uid(4), "img_id": "00000015_000.png"},
        {"subset_img_id": uid(9), "img_id": "00000016_000.png"},
        {"img_id": "00000017_000.png"},
    ]
    (folder / MAPPING).write_text(json.dumps(entries))
    rsna = stage(folder)
    patients = "SELECT image_id, patient_id FROM staged_images WHERE patient_id IS NOT NULL ORDER BY ALL"
    assert rsna.rows(patients) == [(uid(1), "13"), (uid(2), "13")]
    assert rsna.aside() == [
        (2, "img_id", "13.png", "row"),
        (3, "img_id", "00000014_000.png", "row"),
        (4, "img_id", "00000015_000.png", "row"),
        (6, "patientId", None, "row"),
    ]
    assert "3 images have no matching NIH image" in rsna.notes and "1 images of the NIH mapping" in rsna.notes
    assert "cannot be excluded" not in rsna.notes
    (read,) = (file for file in rsna.staged.files if file.path.name == MAPPING)
    assert read.records == 7 and not read.counts_images and read.bytes == (folder / MAPPING).stat().st_size


@pytest.mark.parametrize(("text", "message"), [("{", "is no JSON file"), ('{"a": 1}', "is not a list of objects")])
def test_a_mapping_that_is_none_is_refused(stage: Stage, folder: Path, text: str, message: str) -> None:
    (folder / MAPPING).write_text(text)
    with pytest.raises(CxrdashError, match=rf"{MAPPING} {message}(.|\n)*Download it again"):
        stage(folder)


def test_a_mapping_table_and_header_values_join_by_image(stage: Stage, folder: Path) -> None:
    write(folder, f"{uid(1)},00000013_005.png", header="patientId,Image Index", name="mapping.csv")
    facts = (f"{uid(1)},57,F,PA", f"{uid(2)},155,M,AP", f"{uid(3)},,X,LL", f"{uid(8)},50,F,PA", f"{uid(1)},58,F,PA")
    write(folder, *facts, header="PatientID,PatientAge,PatientSex,ViewPosition", name="headers.csv")
    rsna = stage(folder)
    columns = "image_id, patient_id, view, view_raw, sex, age_years, age_flag"
    assert rsna.rows(f"SELECT {columns} FROM staged_images WHERE image_id <= '{uid(4)}' ORDER BY ALL") == [
        (uid(1), "13", "PA", "PA", "F", 57, None),
        (uid(2), None, "AP", "AP", "M", None, "implausible"),
        (uid(3), None, "UNKNOWN", "LL", "unknown", None, None),
        (uid(4), None, "UNKNOWN", None, "unknown", None, None),
    ]
    assert rsna.aside() == [
        (1, "PatientAge", "155", "value"),
        (2, "PatientSex", "X", "value"),
        (2, "ViewPosition", "LL", "value"),
        (3, "patientId", uid(8), "row"),
        (4, "patientId", uid(1), "row"),
    ]


def test_nihs_own_table_is_no_mapping(stage: Stage, folder: Path) -> None:
    shutil.copy(INVENTED.parent / "nih" / "Data_Entry_2017_v2020.csv", folder)
    rsna = stage(folder, "rsna")
    assert len(rsna.staged.files) == 2
    assert "not recognised and not read: Data_Entry_2017_v2020.csv" in rsna.notes


def test_of_two_stages_the_fuller_is_read_and_an_overlap_is_a_question(stage: Stage, folder: Path) -> None:
    write(folder, f"{uid(1)},,,,,0", name="stage_1_train_labels.csv")
    rsna = stage(folder)
    assert rsna.one("SELECT count(*) FROM staged_images") == 5
    assert "stage_1_train_labels.csv was not read: its images are in a table read before it." in rsna.notes
    write(folder, f"{uid(1)},,,,,0", f"{uid(7)},,,,,0", name="stage_1_train_labels.csv")
    with pytest.raises(CxrdashError, match=r"stage_1_train_labels\.csv lists 1 rows of images(.|\n)*one release"):
        stage(folder)


def test_answer_forms_and_lone_classes_are_named(stage: Stage, folder: Path) -> None:
    write(
        folder, f"{uid(6)},0.5 0 0 100 100", header="patientId,PredictionString", name="stage_2_sample_submission.csv"
    )
    assert "stage_2_sample_submission.csv was not read: it is a form for answers" in stage(folder).notes
    (folder / "stage_2_train_labels.csv").unlink()
    with pytest.raises(CxrdashError, match=r"stage_2_detailed_class_info\.csv holds the detailed classes of RSNA, but"):
        stage(folder)


def test_a_misspelled_table_is_named_with_its_nearest_column(stage: Stage, tmp_path: Path) -> None:
    write(tmp_path, f"{uid(1)},,,,,0", header=HEADER.replace("Target", "Targets"))
    with pytest.raises(CxrdashError, match=r"labels\.csv lacks the column 'Target' \(nearest: 'Targets'\) of RSNA"):
        stage(tmp_path)
    write(tmp_path, f"{uid(1)},,,,,0", header=f"{uid(2)},,,,,0")
    with pytest.raises(CxrdashError, match=r"labels\.csv has no column names: line 1 is already an image"):
        stage(tmp_path)


def test_packed_tables_and_films_are_found(stage: Stage, folder: Path) -> None:
    labels = folder / "stage_2_train_labels.csv"
    (folder / "labels.csv.gz").write_bytes(gzip.compress(labels.read_bytes()))
    labels.unlink()
    rsna = stage(folder)
    assert rsna.one("SELECT count(*) FROM staged_boxes") == 3
    assert SOURCE.image_key(f"stage_2_train_images/{uid(1)}.dcm") in rsna.column("SELECT file_key FROM staged_images")


def reference(rows: Iterable[Sequence[str]]) -> tuple[dict[str, str], int]:
    """Target per image and rows set aside, in plain Python, for rows without faults other than conflicts."""
    targets: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for image, *rest in rows:
        targets[image].append(tuple(rest))
    labels, aside = {}, 0
    for image, said in targets.items():
        kinds = {row[-1] for row in said}
        if len(kinds) > 1:
            aside += len(said)
        else:
            labels[image] = "positive" if kinds == {"1"} else "negative"
            aside += len(said) - len(set(said))
    return labels, aside


@pytest.mark.parametrize("seed", range(3))
def test_any_table_counts_as_plain_python_counts(stage: Stage, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    rows = []
    for _ in range(300):
        positive = chance.random() < 0.5
        box = [str(chance.randint(1, 3)) for _ in range(4)] if positive else [""] * 4
        rows.append([uid(chance.randrange(180) * (2 if positive else 3)), *box, str(int(positive))])
    rsna = stage(write(tmp_path, *map(",".join, rows)))
    labels, aside = reference(rows)
    assert states(rsna, OPACITY) == labels
    assert rsna.one("SELECT count(*) FROM staged_set_aside WHERE what = 'row'") == aside
    assert rsna.one("SELECT count(*) FROM staged_boxes") + aside + sum(
        state == "negative" for state in labels.values()
    ) == len(rows)
