"""CheXpert in every layout: which files are images, which are opinions, what each cell becomes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cxrdash.errors import CxrdashError
from cxrdash.sources.chexpert import FINDINGS, SOURCE

Stage = Callable[..., Any]
HEADER = "Path,Sex,Age,Frontal/Lateral,AP/PA," + ",".join(FINDINGS)
FILM = "CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg"


def row(path: str = FILM, facts: str = "Female,68,Frontal,AP", **cells: str) -> str:
    return ",".join([path, facts, *(cells.get(name.replace(" ", "_"), "") for name in FINDINGS)])


def table(folder: Path, *rows: str, header: str = HEADER, name: str = "train.csv") -> Path:
    path = folder / name
    path.write_text("\n".join([header, *rows, ""]))
    return path


def test_images_keep_their_facts(stage: Stage, chexpert_folder: Path) -> None:
    chexpert = stage(chexpert_folder)
    assert chexpert.source.name == "chexpert" and chexpert.staged.variant == "v1.0-small"
    facts = "SELECT image_id, patient_id, study_id, view, view_raw, sex, age_years, age_flag, split FROM staged_images"
    assert chexpert.rows(f"{facts} ORDER BY ALL") == [
        ("test/patient64941/study1/view1_frontal.jpg", "patient64941", "patient64941/study1",
         "FRONTAL_UNKNOWN", None, "unknown", None, None, "test"),
        ("test/patient64941/study1/view2_lateral.jpg", "patient64941", "patient64941/study1",
         "LATERAL", None, "unknown", None, None, "test"),
        ("train/patient00901/study1/view1_frontal.jpg", "patient00901", "patient00901/study1",
         "AP", "Frontal AP", "F", 68, None, "train"),
        ("train/patient00901/study2/view1_frontal.jpg", "patient00901", "patient00901/study2",
         "PA", "Frontal PA", "F", 69, None, "train"),
        ("train/patient00901/study2/view2_lateral.jpg", "patient00901", "patient00901/study2",
         "LATERAL", "Lateral", "F", 69, None, "train"),
        ("train/patient00902/study1/view1_frontal.jpg", "patient00902", "patient00902/study1",
         "FRONTAL_UNKNOWN", "Frontal LL", "M", 90, "top_coded", "train"),
        ("train/patient00903/study10/view1_frontal.jpg", "patient00903", "patient00903/study10",
         "AP", "Frontal AP", "unknown", None, "placeholder", "train"),
        ("valid/patient64901/study1/view1_frontal.jpg", "patient64901", "patient64901/study1",
         "AP", "Frontal AP", "M", 73, None, "valid"),
    ]  # fmt: skip
    assert chexpert.aside() == [(3, "AP/PA", "LL", "value")]
    assert chexpert.column("SELECT order_in_patient FROM staged_images WHERE patient_id = 'patient00903'") == [10]


def test_cells_have_four_states_and_blank_has_no_row(stage: Stage, chexpert_folder: Path) -> None:
    chexpert = stage(chexpert_folder)
    labelled = "SELECT finding, state FROM staged_images JOIN staged_labels USING (labels)"
    states = labelled + " WHERE image_id LIKE '{}' ORDER BY ALL"
    assert chexpert.rows(states.format("train/patient00903/%")) == [
        ("Consolidation", "positive"),
        ("Lung Opacity", "positive"),
        ("Pneumonia", "negative"),
        ("Support Devices", "positive"),
    ]
    assert chexpert.rows(states.format("train/patient00901/study2/view1%")) == [
        ("Atelectasis", "uncertain"),
        ("Cardiomegaly", "uncertain"),
        ("Consolidation", "uncertain"),
        ("Edema", "uncertain"),
        ("Fracture", "positive"),
        ("Lung Opacity", "positive"),
        ("Pleural Effusion", "uncertain"),
    ]
    assert chexpert.rows(states.format("train/patient00902/%")) == []
    assert len(chexpert.rows(states.format("valid/%"))) == 14
    positive = [finding for finding, state in chexpert.rows(states.format("test/%view1%")) if state == "positive"]
    assert positive == ["Edema", "Lung Opacity"]


def test_another_labellers_file_is_an_opinion_beside_an_image_table(stage: Stage, chexpert_folder: Path) -> None:
    chexpert = stage(chexpert_folder)
    assert chexpert.rows("SELECT reader, count(DISTINCT image_id), count(*) FROM staged_readings GROUP BY reader") == [
        ("chexbert", 4, 3 + 7 + 7 + 4)
    ]
    counts = {file.path.name: file.counts_images for file in chexpert.staged.files}
    assert counts == {"train.csv": True, "valid.csv": True, "test_labels.csv": True, "train_cheXbert.csv": False}


def test_another_labellers_file_alone_is_the_image_table(stage: Stage, chexpert_folder: Path) -> None:
    for name in ("train.csv", "valid.csv", "test_labels.csv"):
        (chexpert_folder / name).unlink()
    chexpert = stage(chexpert_folder)
    assert chexpert.one("SELECT count(*) FROM staged_images") == 5
    assert chexpert.one("SELECT count(*) FROM staged_readings") == 0


def test_opinions_on_unknown_images_are_set_aside(stage: Stage, tmp_path: Path) -> None:
    table(tmp_path, row())
    table(tmp_path, row(Edema="1.0"), row(FILM.replace("00001", "00002")), name="train_visualCheXbert.csv")
    chexpert = stage(tmp_path)
    assert chexpert.aside() == [(1, "Path", FILM.replace("00001", "00002"), "row")]
    assert chexpert.column("SELECT reader FROM staged_readings") == ["visualchexbert"]


@pytest.mark.parametrize(
    ("root", "variant"), [("CheXpert-v1.0-small/", "v1.0-small"), ("CheXpert-v1.0/", "v1.0"), ("", "")]
)
def test_all_layouts_give_the_same_ids(stage: Stage, tmp_path: Path, root: str, variant: str) -> None:
    table(tmp_path, row(f"{root}train/patient00001/study1/view1_frontal.jpg"))
    chexpert = stage(tmp_path)
    assert chexpert.column("SELECT image_id FROM staged_images") == ["train/patient00001/study1/view1_frontal.jpg"]
    assert chexpert.staged.variant == variant


@pytest.mark.parametrize(
    "path",
    [
        "train/patient00001/study1/view1_frontal.jpg",
        "CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg",
        "CheXpert-v1.0 batch 2 (train 1)/patient00001/study1/view1_frontal.jpg",
    ],
)
def test_a_film_is_found_in_every_layout(stage: Stage, tmp_path: Path, path: str) -> None:
    table(tmp_path, row())
    assert stage(tmp_path).column("SELECT file_key FROM staged_images") == [SOURCE.image_key(path)]
    assert SOURCE.image_key("other/film.jpg") == "film.jpg"


@pytest.mark.parametrize(
    ("bad", "column", "value"),
    [
        (row("../../etc/passwd"), "Path", "../../etc/passwd"),
        (row(""), "Path", None),
        (row(FILM.replace("train/", "train/../train/")), "Path", FILM.replace("train/", "train/../train/")),
        (row(FILM.replace(".jpg", ".jpg.exe")), "Path", FILM.replace(".jpg", ".jpg.exe")),
        (row(Edema="2.0"), "Edema", "2.0"),
        (row(Fracture="nan"), "Fracture", "nan"),
        (row(No_Finding="yes"), "No Finding", "yes"),
        (row(Support_Devices="1.0|1.0"), "labels", "1.0"),
    ],
)
def test_rows_that_cannot_be_read_are_set_aside(
    stage: Stage, tmp_path: Path, bad: str, column: str, value: str | None
) -> None:
    good = FILM.replace("00001", "00002")
    table(tmp_path, row(good, Edema="-1"), bad)
    chexpert = stage(tmp_path)
    assert chexpert.aside() == [(1, column, value, "row")]
    assert chexpert.rows("SELECT image_id, finding, state FROM staged_images JOIN staged_labels USING (labels)") == [
        ("train/patient00002/study1/view1_frontal.jpg", "Edema", "uncertain")
    ]


@pytest.mark.parametrize(
    ("facts", "column", "value"),
    [
        ("Female,abc,Frontal,AP", "Age", "abc"),
        ("Female,414,Frontal,AP", "Age", "414"),
        ("Femal,68,Frontal,AP", "Sex", "Femal"),
        ("Female,68,Lateral,", "Frontal/Lateral", "Lateral"),
        ("Female,68,Frontal,RL", "AP/PA", "RL"),
        ("Female,68,Oblique,", "Frontal/Lateral", "Oblique"),
    ],
)
def test_values_that_contradict_are_listed_and_the_row_stays(
    stage: Stage, tmp_path: Path, facts: str, column: str, value: str
) -> None:
    table(tmp_path, row(facts=facts))
    chexpert = stage(tmp_path)
    assert chexpert.aside() == [(0, column, value, "value")]
    assert chexpert.one("SELECT count(*) FROM staged_images") == 1


def test_frontal_films_without_a_projection_are_no_fault(stage: Stage, tmp_path: Path) -> None:
    table(tmp_path, row(facts="Unknown,18,Frontal,"))
    chexpert = stage(tmp_path)
    assert chexpert.rows("SELECT view, view_raw, sex FROM staged_images") == [("FRONTAL_UNKNOWN", "Frontal", "unknown")]
    assert chexpert.aside() == []


def test_the_fuller_of_two_tables_with_the_same_images_is_read(stage: Stage, chexpert_folder: Path) -> None:
    lines = (chexpert_folder / "test_labels.csv").read_text().splitlines()
    film = lines[1].replace("test/patient64941", "val/patient64901")
    (chexpert_folder / "val_labels.csv").write_text("\n".join([lines[0], film, ""]))
    chexpert = stage(chexpert_folder)
    assert chexpert.one("SELECT count(*) FROM staged_images WHERE split = 'valid'") == 1
    assert "val_labels.csv was not read: its images are in a fuller table already." in chexpert.notes
    assert "val_labels.csv" not in {file.path.name for file in chexpert.staged.files}


def test_the_full_and_the_small_release_in_one_folder_are_a_question(stage: Stage, tmp_path: Path) -> None:
    for release in ("CheXpert-v1.0", "CheXpert-v1.0-small"):
        (tmp_path / release).mkdir()
        table(tmp_path / release, row(FILM.replace("CheXpert-v1.0-small", release)))
    with pytest.raises(CxrdashError, match=r"train\.csv lists the same images as a table read before it(.|\n)*Give"):
        stage(tmp_path)


def test_a_renamed_label_column_is_named_with_its_nearest(stage: Stage, tmp_path: Path) -> None:
    table(tmp_path, row(), header=HEADER.replace("Path", "Pfad"))
    with pytest.raises(CxrdashError, match=r"train\.csv lacks the column 'Path' .*of CheXpert"):
        stage(tmp_path)


def test_missing_label_columns_are_blank_and_said(stage: Stage, tmp_path: Path) -> None:
    header = HEADER.replace(",No Finding", "").replace(",Support Devices", "")
    cells = row(Edema="1.0").split(",")
    table(tmp_path, ",".join([*cells[:5], *cells[6:-1]]), header=header)
    chexpert = stage(tmp_path)
    assert chexpert.rows("SELECT finding, state FROM staged_labels") == [("Edema", "positive")]
    assert "lacks the columns 'No Finding', 'Support Devices'" in chexpert.notes


def test_opinions_are_found_beside_images_whatever_the_order(stage: Stage, chexpert_folder: Path) -> None:
    shutil.move(chexpert_folder / "train_cheXbert.csv", chexpert_folder / "a_cheXbert.csv")
    assert stage(chexpert_folder).one("SELECT count(*) FROM staged_images") == 8
