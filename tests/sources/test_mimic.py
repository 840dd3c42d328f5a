"""MIMIC-CXR-JPG as downloaded: study labels inherited by images, time order, views, patients, second opinions."""

from __future__ import annotations

import csv
import gzip
import random
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cxrdash.config import Cache
from cxrdash.errors import CxrdashError
from cxrdash.index.build import Request, build_index
from cxrdash.index.store import Index, open_index
from cxrdash.sources.base import STAGING_TABLES
from cxrdash.sources.chexpert import FINDINGS
from cxrdash.sources.folder import take_inventory
from cxrdash.sources.headers import column_positions
from cxrdash.sources.mimic import FIELDS, SOURCE
from cxrdash.sources.mimic_extras import SPLIT_FIELDS, STUDY_FIELDS
from cxrdash.sources.registry import recognise
from cxrdash.sources.tablefile import peek_header

Stage = Callable[..., Any]
Row = dict[str, str]
INVENTED = Path(__file__).resolve().parents[1] / "data" / "mimic"
METADATA = "mimic-cxr-2.0.0-metadata.csv"
CHEXPERT = "mimic-cxr-2.0.0-chexpert.csv"
NEGBIO = "mimic-cxr-2.0.0-negbio.csv"
SPLIT = "mimic-cxr-2.0.0-split.csv"
TEST = "mimic-cxr-2.1.0-test-set-labeled.csv"
PEOPLE = "subject_id,gender,anchor_age,anchor_year,anchor_year_group,dod\n"


def image(number: int) -> str:
    return f"{number:08x}-aaaaaaaa-bbbbbbbb-cccccccc-dddddddd"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the invented files, to change."""
    return Path(shutil.copytree(INVENTED, tmp_path / "mimic"))


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def append(path: Path, *rows: str) -> None:
    path.write_text(path.read_text() + "".join(f"{row}\n" for row in rows))


def study_row(subject: str, study: str, **cells: str) -> str:
    names = sorted(FINDINGS)
    return ",".join([subject, study, *(cells.get(name.replace(" ", "_"), "") for name in names)])


def test_images_keep_their_facts_in_time_order(stage: Stage) -> None:
    mimic = stage(INVENTED)
    assert mimic.source.name == "mimic" and mimic.staged.variant == "2.1.0"
    facts = "SELECT image_id, patient_id, study_id, view, view_raw, split, order_in_patient FROM staged_images"
    assert mimic.rows(f"{facts} ORDER BY ALL") == [
        (image(1), "19000001", "50000009", "PA", "PA", "train", 1),
        (image(2), "19000001", "50000009", "LATERAL", "LATERAL", "train", 1),
        (image(3), "19000001", "50000002", "AP_SUPINE", "AP Recumbent", "train", 2),
        (image(4), "19000001", "50000004", "AP", "antero-posterior", "train", 3),
        (image(5), "19000002", "50000005", "LATERAL_DECUBITUS", "CHEST (LAT DECUB ONLY)", "valid", 1),
        (image(6), "19000002", "50000005", "UNKNOWN", None, "valid", 1),
        (image(7), "19000002", "50000005", "OBLIQUE", "LAO", "valid", 1),
        (image(8), "19000003", "50000008", "OTHER", "SWIMMERS", "test", 1),
        (image(9), "19000004", "50000010", "LATERAL", "LL", "test", 1),
    ]
    assert mimic.rows(
        "SELECT width, height, sex, age_years, age_flag FROM staged_images WHERE file_key LIKE '%1-a%'"
    ) == [(2544, 3056, "unknown", None, None)]
    assert "Sex and age are unknown: MIMIC-IV's patients.csv.gz is not in this folder." in mimic.notes
    assert "2 images without ViewPosition got their view from the view code or the procedure." in mimic.notes


def test_labels_of_a_study_are_inherited_by_each_of_its_images(stage: Stage) -> None:
    mimic = stage(INVENTED)
    labelled = "SELECT image_id, finding, state FROM staged_images JOIN staged_labels USING (labels) ORDER BY ALL"
    assert mimic.rows(labelled) == [
        (image(1), "No Finding", "positive"),
        (image(2), "No Finding", "positive"),
        (image(3), "Edema", "positive"),
        (image(3), "Lung Opacity", "positive"),
        (image(3), "Pneumonia", "uncertain"),
        (image(3), "Support Devices", "positive"),
        (image(4), "Edema", "negative"),
        (image(4), "Pneumothorax", "negative"),
        (image(9), "Cardiomegaly", "positive"),
        (image(9), "Enlarged Cardiomediastinum", "uncertain"),
    ]
    assert "1 images belong to studies without a label row: all their labels are blank." in mimic.notes
    assert f"{CHEXPERT}: 1 labelled studies have no image in the metadata." in mimic.notes
    assert mimic.aside() == []


def test_negbio_and_the_test_readings_are_second_opinions(stage: Stage) -> None:
    mimic = stage(INVENTED)
    counted = "SELECT reader, count(DISTINCT image_id), count(*) FROM staged_readings GROUP BY reader ORDER BY reader"
    # negbio: 2 + 4 + 1 + 3 + 1 + 1 over the nine images; the radiologist: 14 labels on each of two images
    assert mimic.rows(counted) == [("negbio", 9, 12), ("radiologist_test", 2, 28)]
    said = "SELECT finding, state FROM staged_readings WHERE reader = '{}' AND image_id = '{}' AND state <> 'negative'"
    assert mimic.rows(said.format("radiologist_test", image(8)) + " ORDER BY ALL") == [
        ("Lung Opacity", "positive"),
        ("No Finding", "uncertain"),
    ]
    assert mimic.rows(said.format("negbio", image(9))) == [("Cardiomegaly", "uncertain")]
    assert {file.path.name for file in mimic.staged.files if file.counts_images} == {METADATA}


@pytest.mark.parametrize(
    ("position", "code", "procedure", "orientation", "view"),
    [
        ("AP", "", "", "Erect", "AP"),
        ("AP", "", "", "Recumbent", "AP_SUPINE"),
        ("PA", "", "", "Recumbent", "PA"),
        ("LL", "", "", "", "LATERAL"),
        ("RPO", "", "", "", "OBLIQUE"),
        ("PA RLD", "", "", "", "LATERAL_DECUBITUS"),
        ("XTABLE LATERAL", "", "", "", "OTHER"),
        ("", "postero-anterior", "CHEST (PORTABLE AP)", "", "PA"),
        ("", "antero-posterior", "", "Recumbent", "AP_SUPINE"),
        ("", "left anterior oblique", "", "", "OBLIQUE"),
        ("", "", "CHEST (PORTABLE AP)", "", "AP"),
        ("", "strange", "CHEST (PA AND LAT)", "", "UNKNOWN"),
        ("", "", "CHEST (SINGLE VIEW)", "", "UNKNOWN"),
        ("", "", "", "", "UNKNOWN"),
    ],
)
def test_views_follow_the_shared_vocabulary(
    stage: Stage, tmp_path: Path, position: str, code: str, procedure: str, orientation: str, view: str
) -> None:
    header = (INVENTED / METADATA).read_text().splitlines()[0]
    row = f"{image(1)},19000001,50000009,{procedure},{position},10,10,21800506,1.0,,{code},{orientation}"
    (tmp_path / METADATA).write_text(f"{header}\n{row}\n")
    mimic = stage(tmp_path)
    assert mimic.column("SELECT view FROM staged_images") == [view]
    assert mimic.aside() == []


def test_sex_and_age_come_from_mimic_iv(stage: Stage, folder: Path) -> None:
    people = (
        "19000001,F,60,2175,2014 - 2016,\n19000002,M,91,2150,2014 - 2016,\n19000003,M,20,2200,,\n10000000,F,30,2100,,\n"
    )
    with gzip.open(folder / "patients.csv.gz", "wt") as file:
        file.write(PEOPLE + people)
    mimic = stage(folder)
    facts = "SELECT DISTINCT patient_id, sex, age_years, age_flag FROM staged_images ORDER BY ALL"
    # 60 + 2180 - 2175 and a year later; 91 stands for any age over 89; 20 + 2160 - 2200 is no age
    assert mimic.rows(facts) == [
        ("19000001", "F", 65, None),
        ("19000001", "F", 66, None),
        ("19000002", "M", 91, "top_coded"),
        ("19000003", "M", None, "implausible"),
        ("19000004", "unknown", None, None),
    ]
    assert "1 patients are not in patients.csv.gz; their sex and age are unknown." in mimic.notes
    assert "1 images have an age outside 0 to 110 years at their study; it is unknown." in mimic.notes


def test_bad_patient_rows_and_values_are_set_aside(stage: Stage, folder: Path) -> None:
    rows = ["19000001,F,60,2175,,", "19000001,M,60,2175,,", "19000002,X,old,2150,,", ",F,1,2,,", "19000003,F,1,2160,,"]
    (folder / "patients.csv").write_text(PEOPLE + "\n".join([*rows, rows[-1], ""]))
    mimic = stage(folder)
    assert mimic.aside() == [
        (0, "subject_id", "19000001", "row"),
        (1, "subject_id", "19000001", "row"),
        (2, "anchor_age", "old", "value"),
        (2, "gender", "X", "value"),
        (3, "subject_id", None, "row"),
        (5, "subject_id", "19000003", "row"),
    ]
    assert mimic.rows("SELECT DISTINCT sex, age_years FROM staged_images WHERE patient_id < '19000003'") == [
        ("unknown", None)
    ]


def test_no_year_is_shown_anywhere(stage: Stage, folder: Path) -> None:
    change(folder / METADATA, "21800506", "2180-05-06")
    mimic = stage(folder)
    assert mimic.aside() == [(0, "StudyDate", "####-##-##", "value"), (1, "StudyDate", "####-##-##", "value")]
    assert "2180" not in mimic.notes
    orders = (
        "SELECT study_id, any_value(order_in_patient) FROM staged_images WHERE patient_id = '19000001' GROUP BY ALL"
    )
    assert sorted(mimic.rows(orders)) == [("50000002", 1), ("50000004", 2), ("50000009", None)]


@pytest.mark.parametrize(
    ("old", "new", "aside"),
    [
        (image(8), "../../etc/passwd", (7, "dicom_id", "../../etc/passwd", "row")),
        (image(8), image(8).upper(), (7, "dicom_id", image(8).upper(), "row")),
        (image(8), "", (7, "dicom_id", None, "row")),
        ("19000003,50000008", ",50000008", (7, "subject_id", None, "row")),
        ("19000003,50000008", "19000003,", (7, "study_id", None, "row")),
        ("SWIMMERS", "swimming", (7, "ViewPosition", "swimming", "value")),
        ("PA,3056", "PA,-1", (0, "Rows", "-1", "value")),
        ("2544,21800506,213014.531,CHEST (PA AND LAT),postero", "x,21800506,213014.531,CHEST (PA AND LAT),postero",
         (0, "Columns", "x", "value")),
        ("165500.312", "465500.312", (2, "StudyTime", "465500.312", "value")),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_set_aside_with_its_place(
    stage: Stage, folder: Path, old: str, new: str, aside: tuple[Any, ...]
) -> None:
    change(folder / METADATA, old, new)
    mimic = stage(folder)
    assert mimic.aside() == [aside]
    assert mimic.one("SELECT count(*) FROM staged_images") == (8 if aside[3] == "row" else 9)


def test_label_rows_that_cannot_be_read_are_set_aside(stage: Stage, folder: Path) -> None:
    append(
        folder / CHEXPERT,
        study_row("19000003", "50000008", Edema="2.0"),
        study_row("19000003", "", Edema="1.0"),
        study_row("19000001", "50000009", Edema="1.0"),
        study_row("19000002", "50000005"),
    )
    mimic = stage(folder)
    assert mimic.aside() == [
        (0, "study_id", "50000009", "row"),
        (6, "Edema", "2.0", "row"),
        (7, "study_id", None, "row"),
        (8, "study_id", "50000009", "row"),
        (9, "study_id", "50000005", "row"),
    ]
    assert mimic.one("SELECT count(*) FROM staged_images WHERE study_id = '50000009' AND labels IS NULL") == 2


def test_a_study_under_another_patient_is_said(stage: Stage, folder: Path) -> None:
    change(folder / NEGBIO, "19000004,50000010", "19000009,50000010")
    assert f"{NEGBIO}: 1 studies carry another subject_id than their images." in stage(folder).notes


def test_splits_that_do_not_fit_are_said(stage: Stage, folder: Path) -> None:
    change(folder / SPLIT, f"{image(1)},50000009,19000001,train\n", "")
    change(folder / SPLIT, f"{image(2)},50000009,19000001,train", f"{image(2)},50000009,19000001,dev")
    append(folder / SPLIT, f"{image(3)},50000002,19000001,test", f"{image(99)},50000099,19000099,test")
    mimic = stage(folder)
    assert mimic.aside() == [(0, "split", "dev", "row")]
    parts = mimic.rows("SELECT split, count(*) FROM staged_images GROUP BY split ORDER BY split NULLS FIRST")
    assert parts == [(None, 3), ("test", 2), ("train", 1), ("valid", 3)]
    assert "1 images stand in two parts of the split; their part is not stated." in mimic.notes
    assert "1 rows of the split belong to images that are not in the metadata." in mimic.notes
    assert "2 images are not in the split; their part is not stated." in mimic.notes


def test_the_metadata_alone_is_a_dataset_without_labels(stage: Stage, folder: Path) -> None:
    for name in (CHEXPERT, NEGBIO, SPLIT, TEST):
        (folder / name).unlink()
    mimic = stage(folder)
    assert mimic.one("SELECT count(*) FROM staged_images WHERE labels IS NULL AND split IS NULL") == 9
    assert "No table of CheXpert labels is here: every label is blank." in mimic.notes
    assert "No split table is here: the part of the images is not stated." in mimic.notes
    assert mimic.staged.variant == ""


def test_labels_that_do_not_tell_their_labeller_are_a_question(stage: Stage, folder: Path) -> None:
    (folder / NEGBIO).rename(folder / "labels.csv")
    with pytest.raises(CxrdashError) as caught:
        stage(folder)
    assert "labels.csv: CheXpert's and NegBio's labels have the same columns" in caught.value.message
    assert "Put 'chexpert' or 'negbio' into the file's name" in caught.value.hint


def test_two_tables_of_one_kind_are_a_question(stage: Stage, folder: Path) -> None:
    shutil.copy(folder / CHEXPERT, folder / "chexpert old.csv")
    with pytest.raises(CxrdashError, match=r"2 tables hold CheXpert labels of MIMIC-CXR-JPG: .*old\.csv"):
        stage(folder)


def test_an_unpacked_copy_is_read_instead_of_the_packed_table(stage: Stage, folder: Path) -> None:
    (folder / f"{METADATA}.gz").write_bytes(gzip.compress((folder / METADATA).read_bytes()))
    mimic = stage(folder)
    assert mimic.claim.notes == (f"{METADATA}.gz was not read: its unpacked copy {METADATA} is here.",)
    assert mimic.one("SELECT count(*) FROM staged_images") == 9


def test_renamed_tables_are_known_by_their_columns(stage: Stage, folder: Path) -> None:
    for name, other in ((METADATA, "a.csv"), (SPLIT, "b.csv"), (TEST, "c (1).csv")):
        (folder / name).rename(folder / other)
    mimic = stage(folder)
    assert mimic.one("SELECT count(*) FROM staged_readings WHERE reader = 'radiologist_test'") == 28
    assert mimic.one("SELECT count(split) FROM staged_images") == 9


def test_labels_without_metadata_say_what_is_missing(stage: Stage, folder: Path) -> None:
    (folder / METADATA).unlink()
    with pytest.raises(
        CxrdashError, match=r"belongs to MIMIC-CXR-JPG, but its table of images \(metadata\.csv\) is not"
    ):
        stage(folder)


def test_a_renamed_column_is_named_with_its_nearest(stage: Stage, folder: Path) -> None:
    change(folder / METADATA, "study_id", "studyid_")
    assert stage(folder).one("SELECT count(study_id) FROM staged_images") == 9
    change(folder / METADATA, "dicom_id", "dicom")
    with pytest.raises(CxrdashError, match=r"metadata\.csv lacks the column 'dicom_id' \(nearest: 'dicom'\) of MIMIC"):
        stage(folder)


def test_missing_label_columns_are_blank_and_said(stage: Stage, folder: Path) -> None:
    change(folder / CHEXPERT, "Support Devices", "Support Device")
    mimic = stage(folder)
    assert f"{CHEXPERT} lacks the column 'Support Devices' (nearest: 'Support Device'); those labels" in mimic.notes
    assert mimic.one("SELECT count(*) FROM staged_labels WHERE finding = 'Support Devices'") == 0


@pytest.mark.parametrize(
    "path",
    [
        "files/p19/p19000001/s50000009/{}.jpg",
        "physionet.org/files/mimic-cxr-jpg/2.0.0/files/p19/p19000001/s50000009/{}.jpg",
        "files/p19/p19000001/s50000009/{}.dcm",
        "{}.png",
    ],
)
def test_a_film_is_found_in_every_layout(path: str) -> None:
    assert SOURCE.image_key(path.format(image(7))) == image(7)


# --- as downloaded, against a count in plain Python ---


def invented(seed: int) -> dict[str, list[Row]]:
    """Random rows under the real headers: patients with studies of one to three images."""
    draw = random.Random(seed)
    tables: dict[str, list[Row]] = defaultdict(list)
    for patient in range(1, 41):
        subject = str(19_000_000 + patient)
        part = draw.choice(["train", "train", "validate", "test"])
        tables["patients"].append({"subject_id": subject, "gender": draw.choice("FM"),
                                   "anchor_age": str(draw.choice([30, 55, 91])), "anchor_year": "2150"})  # fmt: skip
        for study in draw.sample(range(100), draw.randint(1, 4)):
            study_id = f"5{patient:04d}{study:03d}"
            for _ in range(draw.randint(1, 3)):
                tables["metadata"].append({
                    "dicom_id": "-".join(f"{draw.getrandbits(32):08x}" for _ in range(5)), "subject_id": subject,
                    "study_id": study_id, "ViewPosition": draw.choice(["PA", "AP", "LATERAL", "LL", ""]),
                    "Rows": "3056", "Columns": "2544", "StudyDate": f"2{150 + study // 10}0{1 + study % 9}11",
                    "StudyTime": f"{draw.randint(0, 23)}{draw.randint(10, 59)}00.0",
                    "PatientOrientationCodeSequence_CodeMeaning": draw.choice(["Erect", "Recumbent", ""]),
                })  # fmt: skip
                tables["split"].append({**tables["metadata"][-1], "split": part})
            for labeller in ("chexpert", "negbio"):
                cells = {name: draw.choice(["1.0", "0.0", "-1.0", "", "", ""]) for name in FINDINGS}
                if draw.random() < 0.9:
                    tables[labeller].append({"subject_id": subject, "study_id": study_id, **cells})
    return tables


HEADERS: Mapping[str, Sequence[str]] = {
    "metadata": (INVENTED / METADATA).read_text().splitlines()[0].split(","),
    "split": ("dicom_id", "study_id", "subject_id", "split"),
    "chexpert": ("subject_id", "study_id", *sorted(FINDINGS)),
    "negbio": ("subject_id", "study_id", *sorted(FINDINGS)),
    "patients": PEOPLE.strip().split(","),
}


def download(folder: Path, tables: Mapping[str, list[Row]]) -> Path:
    """Lay the tables out as a download: packed tables and the tree of files."""
    for name, rows in tables.items():
        target = folder / ("patients.csv.gz" if name == "patients" else f"mimic-cxr-2.0.0-{name}.csv.gz")
        target.parent.mkdir(parents=True, exist_ok=True)
        with gzip.open(target, "wt", newline="") as file:
            writer = csv.DictWriter(file, HEADERS[name], restval="", extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    for row in tables["metadata"][::2]:
        film = folder / f"files/p19/p{row['subject_id']}/s{row['study_id']}/{row['dicom_id']}.jpg"
        film.parent.mkdir(parents=True, exist_ok=True)
        film.write_bytes(b"film")
    return folder


STATES = {"1.0": "positive", "0.0": "negative", "-1.0": "uncertain"}


def counted(index: Index, sql: str) -> Counter[Any]:
    return Counter({row[:-1]: row[-1] for row in index.rows(sql)})


@pytest.mark.parametrize("seed", [1, 2])
def test_a_download_gives_the_counts_of_plain_python(tmp_path: Path, seed: int) -> None:
    tables = invented(seed)
    cache = Cache(tmp_path / "cache")
    audit = build_index(Request(download(tmp_path / "mimic", tables)), cache)
    index = open_index("mimic", cache)
    images = tables["metadata"]
    assert audit.counts == {
        "images": len(images), "studies": len({row["study_id"] for row in images}), "patients": 40,
        "on_disk": len(images[::2]), "without_patient": 0,
    }  # fmt: skip
    assert audit.set_aside_total == audit.values_replaced == 0
    assert {Path(file["file"]).name: file["records"] for file in audit.files} == {
        ("patients.csv.gz" if name == "patients" else f"mimic-cxr-2.0.0-{name}.csv.gz"): len(rows)
        for name, rows in tables.items()
    }
    parts = {row["dicom_id"]: row["split"].replace("validate", "valid") for row in tables["split"]}
    assert counted(index, "SELECT split, count(*) FROM images GROUP BY ALL") == Counter(
        (parts[row["dicom_id"]],) for row in images
    )
    labels = {row["study_id"]: row for row in tables["chexpert"]}
    assert counted(
        index,
        "SELECT finding::VARCHAR, state::VARCHAR, count(*) FROM images JOIN patterns USING (pattern) GROUP BY ALL",
    ) == Counter(
        (name, STATES[cell])
        for row in images
        for name, cell in labels.get(row["study_id"], {}).items()
        if cell in STATES
    )
    opinions = {row["study_id"]: row for row in tables["negbio"]}
    assert counted(index, "SELECT reader, finding, state, count(*) FROM readings GROUP BY ALL") == Counter(
        ("negbio", name, STATES[cell])
        for row in images
        for name, cell in opinions.get(row["study_id"], {}).items()
        if cell in STATES
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_people_views_and_order_agree_with_plain_python(tmp_path: Path, seed: int) -> None:
    tables = invented(seed)
    cache = Cache(tmp_path / "cache")
    build_index(Request(download(tmp_path / "mimic", tables)), cache)
    people = {row["subject_id"]: row for row in tables["patients"]}
    moments: dict[str, tuple[str, float]] = {}
    for row in tables["metadata"]:
        moment = (row["StudyDate"], float(row["StudyTime"]))
        moments[row["study_id"]] = min(moment, moments.get(row["study_id"], moment))
    expected = {}
    for row in tables["metadata"]:
        told = people[row["subject_id"]]
        age = int(told["anchor_age"]) + int(row["StudyDate"][:4]) - int(told["anchor_year"])
        supine = row["ViewPosition"] == "AP" and "Recumbent" in row.values()
        view = {"LL": "LATERAL", "": "UNKNOWN"}.get(row["ViewPosition"], row["ViewPosition"])
        own = {moments[other["study_id"]] for other in tables["metadata"] if other["subject_id"] == row["subject_id"]}
        expected[row["dicom_id"]] = (
            told["gender"], age, "top_coded" if told["anchor_age"] == "91" else None,
            "AP_SUPINE" if supine else view, sorted(own).index(moments[row["study_id"]]) + 1,
        )  # fmt: skip
    facts = "SELECT image_id, sex, age_years, age_flag, view, order_in_patient FROM images"
    assert {row[0]: row[1:] for row in open_index("mimic", cache).rows(facts)} == expected


# --- one damaged byte in a header row ---


STRUCTURE = b'",\n\r\0 ;'


def conserved(con: duckdb.DuckDBPyConnection, staged: Any) -> bool:
    """Every record of the image table is an image or set aside; no other file lists a record it has not."""
    for number, file in enumerate(staged.files):
        if file.counts_images:
            found = con.execute(
                "SELECT record FROM staged_images WHERE file = $file UNION ALL "
                "SELECT DISTINCT record FROM staged_set_aside WHERE file = $file AND what = 'row' ORDER BY 1",
                {"file": number},
            ).fetchall()
            if found != [(record,) for record in range(file.records)]:
                return False
    return True


def read_as(header: tuple[str, ...], damage: int) -> tuple[Any, ...]:
    """What staging sees of a header: where it finds its columns, how many there are, and in which encoding.

    A byte that divides cells or rows is always a case of its own.
    """
    fields = {**FIELDS, **STUDY_FIELDS, **SPLIT_FIELDS}
    return (
        tuple(column_positions(header, fields).items()),
        len(header),
        damage if damage in STRUCTURE else damage > 127,
    )


@pytest.mark.parametrize("name", [METADATA, CHEXPERT, SPLIT, TEST])
def test_a_damaged_header_is_refused_or_costs_no_row_silently(tmp_path: Path, name: str) -> None:
    draw = random.Random(name)
    (folder := tmp_path / "mimic").mkdir()
    for other in (METADATA, name):
        (folder / other).write_text("\n".join((INVENTED / other).read_text().splitlines()[:3]) + "\n")
    body = (folder / name).read_bytes()
    length = body.index(b"\n") + 1
    inventory = take_inventory(folder)
    seen = set()
    outcomes: Counter[str] = Counter()
    with duckdb.connect(config={"threads": 1}) as con:
        for _ in range(500):
            damaged = bytearray(body)
            damaged[draw.randrange(length)] = damage = draw.choice((*STRUCTURE, *range(256)))
            (folder / name).write_bytes(damaged)
            try:
                source, claim = recognise(inventory, "mimic")
                if (form := read_as(peek_header(folder / name), damage)) in seen:
                    continue
                seen.add(form)
                con.execute(STAGING_TABLES.replace("CREATE TABLE", "CREATE OR REPLACE TEMP TABLE"))
                staged = source.stage(con, claim, tmp_path, allow_bad_rows=False)
            except CxrdashError as refusal:
                assert refusal.message
                outcomes["refused"] += 1
                continue
            outcomes["read"] += 1
            assert conserved(con, staged), bytes(damaged[:length])
            told = "\n".join([*claim.notes, *staged.notes, *(file.path.name for file in staged.files)])
            assert METADATA in told and name in told, bytes(damaged[:length])
    assert outcomes["read"] >= 5 and outcomes["refused"] >= 5
