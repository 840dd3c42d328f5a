"""NIH in every release: which files are read, what each cell becomes, what is set aside."""

from __future__ import annotations

import gzip
import json
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrdash.errors import CxrdashError
from cxrdash.sources.base import STAGING_TABLES, Claim
from cxrdash.sources.nih import SOURCE

Stage = Callable[..., Any]
V2020 = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)
SAMPLE = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImageWidth,OriginalImageHeight,OriginalImagePixelSpacing_x,OriginalImagePixelSpacing_y"
)
EDITED = V2020.replace("Image Index", "ImageIndex").replace("Finding Labels", "FindingLabels").replace(" #", "")
ROW = "00000013_005.png,Mass|Nodule,5,13,60,M,AP,3056,2544,0.139,0.139"


def table(folder: Path, *rows: str, header: str = V2020, name: str = "Data_Entry_2017_v2020.csv") -> Path:
    path = folder / name
    path.write_text("\n".join([header, *rows, ""]))
    return path


def test_images_keep_their_facts(stage: Stage, nih_folder: Path) -> None:
    nih = stage(nih_folder)
    assert nih.source.name == "nih" and nih.staged.variant == "v2020"
    assert nih.rows("SELECT * EXCLUDE (file) FROM staged_images ORDER BY record LIMIT 2") == [
        ("00000901_000.png", "901", None, "PA", "PA", "M", 57.0, None, "train_valid", 0, 2682, 2749, 0.143, 0.143,
         "No Finding", "00000901_000.png", 0),
        ("00000901_001.png", "901", None, "AP", "AP", "M", 58.0, None, "train_valid", 1, 2500, 2048, 0.168, 0.168,
         "Infiltration|Pleural_Thickening", "00000901_001.png", 1),
    ]  # fmt: skip
    assert nih.one("SELECT age_years FROM staged_images WHERE patient_id = '904'") == 0
    assert nih.aside() == []
    records = {file.path.name: (file.records, file.counts_images) for file in nih.staged.files}
    assert records == {
        "Data_Entry_2017_v2020.csv": (7, True),
        "BBox_List_2017.csv": (2, False),
        "test_labels.csv": (2, False),
        "test_list.txt": (3, False),
        "train_val_list.txt": (4, False),
    }


def test_every_listed_finding_is_positive_and_every_other_negative(stage: Stage, nih_folder: Path) -> None:
    nih = stage(nih_folder)
    keys = nih.one("SELECT count(DISTINCT labels) FROM staged_images")
    assert nih.one("SELECT count(*) FROM staged_labels") == 15 * keys == 15 * 7
    positive = "SELECT finding FROM staged_labels WHERE state = 'positive' AND labels = '{}' ORDER BY ALL"
    assert nih.column(positive.format("Pneumothorax|Effusion|Mass")) == ["Effusion", "Mass", "Pneumothorax"]
    assert nih.column(positive.format("Infiltration|Pleural_Thickening")) == ["Infiltration", "Pleural_Thickening"]
    assert nih.column("SELECT DISTINCT state FROM staged_labels ORDER BY ALL") == ["negative", "positive"]
    assert {finding.name for finding in nih.staged.findings} == set(
        nih.column("SELECT DISTINCT finding FROM staged_labels")
    )


def test_boxes_lists_and_relabels_come_along(stage: Stage, nih_folder: Path) -> None:
    nih = stage(nih_folder)
    assert nih.rows("FROM staged_boxes ORDER BY image_id") == [
        ("00000901_001.png", "Infiltration", "radiologist", 225.084745762712, 547.019216763771, 86.7796610169491,
         79.1864406779661, "png1024"),
        ("00000902_000.png", "Cardiomegaly", "radiologist", 300.5, 400.25, 420.75, 210.0, "png1024"),
    ]  # fmt: skip
    assert nih.rows("SELECT split, count(*) FROM staged_images GROUP BY ALL ORDER BY ALL") == [
        ("test", 3),
        ("train_valid", 4),
    ]
    assert nih.rows("FROM staged_readings WHERE state = 'positive' ORDER BY finding") == [
        ("00000903_000.png", "google_2019", "Nodule or mass", "positive"),
        ("00000903_000.png", "google_2019", "Pneumothorax", "positive"),
    ]
    assert nih.one("SELECT count(*) FROM staged_readings") == 8
    assert "test_labels.csv: 8 second opinions (reader google_2019)" in nih.notes
    assert "test_list.txt was taken for a subset of the official test list: it holds 3 names, not 25,596" in nih.notes


@pytest.mark.parametrize(
    ("header", "row", "variant"),
    [
        (V2020, ROW, "v2020"),
        (V2020 + ",", ROW + ",", "2017"),
        (V2020 + ",", ROW, "2017"),
        (V2020.replace("Gender", "Sex") + ",", ROW + ",", "2017"),
        (SAMPLE, ROW.replace(",5,13,60,", ",005,00000013,060Y,"), "sample"),
        (EDITED, ROW, "v2020"),
        (V2020, ROW.replace(",60,", ",720M,"), "v2020"),
        (V2020, ROW.replace(",60,", ",060y,"), "v2020"),
    ],
)
def test_all_releases_give_the_same_image(stage: Stage, tmp_path: Path, header: str, row: str, variant: str) -> None:
    table(tmp_path, row, header=header, name="renamed (1).csv")
    nih = stage(tmp_path)
    assert nih.staged.variant == variant
    assert nih.rows("SELECT * EXCLUDE (file, record) FROM staged_images") == [
        ("00000013_005.png", "13", None, "AP", "AP", "M", 60.0, None, None, 5, 3056, 2544, 0.139, 0.139,
         "Mass|Nodule", "00000013_005.png")
    ]  # fmt: skip


@pytest.mark.parametrize("ending", [".gz", ".zip"])
def test_packed_tables_are_read(stage: Stage, tmp_path: Path, ending: str) -> None:
    path = table(tmp_path, ROW)
    if ending == ".gz":
        (tmp_path / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    else:
        with zipfile.ZipFile(tmp_path / f"{path.name}.zip", "w") as archive:
            archive.write(path, path.name)
    path.unlink()
    assert stage(tmp_path).one("SELECT count(*) FROM staged_images") == 1


def test_a_table_without_sizes_is_read_and_says_so(stage: Stage, tmp_path: Path) -> None:
    table(tmp_path, "00000013_005.png,Mass,5,13,60,M,AP", header=V2020.split(",Orig")[0])
    nih = stage(tmp_path)
    assert nih.rows("SELECT width, height, spacing_x_mm FROM staged_images") == [(None, None, None)]
    assert "lacks the columns 'OriginalImage[Width', 'Height]'" in nih.notes


def test_the_newer_of_two_releases_is_read(stage: Stage, tmp_path: Path) -> None:
    table(tmp_path, ROW)
    table(tmp_path, ROW.replace(",60,", ",59,") + ",", header=V2020 + ",", name="Data_Entry_2017.csv")
    nih = stage(tmp_path)
    assert nih.column("SELECT age_years FROM staged_images") == [60.0]
    assert "Data_Entry_2017.csv was not read: a newer release of the same table is here." in nih.notes


def test_without_the_trailing_comma_impossible_ages_tell_the_release(stage: Stage, tmp_path: Path) -> None:
    table(tmp_path, ROW, name="b.csv")
    table(tmp_path, ROW.replace(",60,", ",151,"), name="a.csv")
    nih = stage(tmp_path)
    assert nih.staged.variant == "v2020" and len(nih.staged.files) == 1 and nih.aside() == []
    assert "a.csv was not read: b.csv is a newer release" in nih.notes
    (tmp_path / "b.csv").unlink()
    assert stage(tmp_path).staged.variant == "2017"


def test_follow_up_equal_to_the_image_number_throughout_tells_the_2017_release(stage: Stage, tmp_path: Path) -> None:
    rows = [f"{p:08d}_{n:03d}.png,Mass,{n},{p},60,M,AP,1,1,1,1" for p in range(1, 501) for n in range(2)]
    table(tmp_path, *rows)
    assert stage(tmp_path).staged.variant == "2017"
    table(tmp_path, *rows, "00000501_001.png,Mass,0,501,60,M,AP,1,1,1,1")
    assert stage(tmp_path).staged.variant == "v2020"


def test_two_equal_claims_are_a_question_for_the_user(stage: Stage, tmp_path: Path) -> None:
    table(tmp_path, ROW, name="a.csv")
    table(tmp_path, ROW, name="b.csv")
    with pytest.raises(CxrdashError, match=r"2 tables hold the NIH image list: .*a\.csv, .*b\.csv(.|\n)*Keep the one"):
        stage(tmp_path)


@pytest.mark.parametrize(
    ("row", "column", "value"),
    [
        (",Mass,5,13,60,M,AP,1,1,1,1", "Image Index", None),
        ("../../etc/passwd,Mass,5,13,60,M,AP,1,1,1,1", "Image Index", "../../etc/passwd"),
        ("00000013_5.png,Mass,5,13,60,M,AP,1,1,1,1", "Image Index", "00000013_5.png"),
        ("00000013_005.png,,5,13,60,M,AP,1,1,1,1", "Finding Labels", None),
        ("00000013_005.png,Mass|Pseudonodule,5,13,60,M,AP,1,1,1,1", "Finding Labels", "Mass|Pseudonodule"),
        ("00000013_005.png,Mass|,5,13,60,M,AP,1,1,1,1", "Finding Labels", "Mass|"),
        ("00000013_005.png,Mass,5,,60,M,AP,1,1,1,1", "Patient ID", None),
    ],
)
def test_rows_that_cannot_be_placed_are_set_aside(
    stage: Stage, tmp_path: Path, row: str, column: str, value: str | None
) -> None:
    table(tmp_path, ROW, row)
    nih = stage(tmp_path)
    assert nih.aside() == [(1, column, value, "row")]
    assert nih.column("SELECT record FROM staged_images") == [0]
    assert nih.column("SELECT DISTINCT labels FROM staged_labels") == ["Mass|Nodule"]


@pytest.mark.parametrize(
    ("row", "column", "value"),
    [
        (ROW.replace(",60,", ",414,"), "Patient Age", "414"),
        (ROW.replace(",60,", ",-1,"), "Patient Age", "-1"),
        (ROW.replace(",60,", ",old,"), "Patient Age", "old"),
        (ROW.replace(",60,", ",060X,"), "Patient Age", "060X"),
        (ROW.replace(",5,", ",first,"), "Follow-up #", "first"),
        (ROW.replace(",M,", ",W,"), "Patient Gender", "W"),
        (ROW.replace(",AP,", ",LL,"), "View Position", "LL"),
        (ROW.replace(",3056,", ",-3,"), "OriginalImage[Width", "-3"),
        (ROW.replace(",2544,", ",1e300,"), "Height]", "1e300"),
        (ROW.replace(",0.139,", ",nan,"), "PixelSpacing[x", "nan"),
    ],
)
def test_values_that_cannot_be_read_become_unknown_and_are_listed(
    stage: Stage, tmp_path: Path, row: str, column: str, value: str
) -> None:
    table(tmp_path, row)
    nih = stage(tmp_path)
    assert nih.aside() == [(0, column, value, "value")]
    facts = nih.rows("SELECT age_years, order_in_patient, sex, view, width, height, spacing_x_mm FROM staged_images")
    assert facts[0] == tuple(
        unknown if name == column else known
        for name, known, unknown in [
            ("Patient Age", 60.0, None),
            ("Follow-up #", 5, None),
            ("Patient Gender", "M", "unknown"),
            ("View Position", "AP", "UNKNOWN"),
            ("OriginalImage[Width", 3056, None),
            ("Height]", 2544, None),
            ("PixelSpacing[x", 0.139, None),
        ]
    )
    assert nih.column("SELECT age_flag FROM staged_images") == ["implausible" if column == "Patient Age" else None]


def test_ages_of_infants_become_years(stage: Stage, tmp_path: Path) -> None:
    ages = ["018M", "073D", "0Y", "", "110", "012W"]
    table(tmp_path, *(ROW.replace("_005", f"_{n:03d}").replace(",60,", f",{age},") for n, age in enumerate(ages)))
    found = stage(tmp_path).column("SELECT round(age_years, 3) FROM staged_images ORDER BY record")
    assert found == [1.5, 0.2, 0.0, None, 110.0, 0.23]


def test_ragged_rows_are_set_aside_only_when_that_is_allowed(stage: Stage, tmp_path: Path) -> None:
    table(tmp_path, ROW, "00000014_000.png,Mass,0", ROW.replace("_005", "_006"))
    with pytest.raises(CxrdashError, match=r"Data_Entry_2017_v2020\.csv, line 3: 3 fields where 11 were expected"):
        stage(tmp_path)
    nih = stage(tmp_path, allow_bad_rows=True)
    assert nih.aside() == [(1, None, "00000014_000.png", "row")]
    assert nih.column("SELECT record FROM staged_images ORDER BY ALL") == [0, 2]
    assert nih.staged.files[0].records == 3


def test_doubled_columns_are_refused_by_name(stage: Stage, tmp_path: Path) -> None:
    table(tmp_path, ROW + ",13", header=V2020 + ",patient_id")
    with pytest.raises(CxrdashError, match="the columns 'Patient ID' and 'patient_id' all stand for 'Patient ID'"):
        stage(tmp_path)


def test_patients_that_contradict_the_file_name_are_counted(stage: Stage, tmp_path: Path) -> None:
    table(tmp_path, ROW, ROW.replace("_005", "_006").replace(",13,", ",14,"))
    nih = stage(tmp_path)
    assert nih.column("SELECT patient_id FROM staged_images ORDER BY record") == ["13", "14"]
    assert "1 images carry another patient id than their file name begins with." in nih.notes


def test_no_finding_beside_a_finding_is_counted_and_kept(stage: Stage, tmp_path: Path) -> None:
    table(tmp_path, ROW.replace("Nodule", "No Finding"))
    nih = stage(tmp_path)
    assert nih.column("SELECT finding FROM staged_labels WHERE state = 'positive' ORDER BY ALL") == [
        "Mass",
        "No Finding",
    ]
    assert "1 images are labelled No Finding together with a finding." in nih.notes


def test_images_are_found_by_name_in_any_layout() -> None:
    paths = ("images/00000013_005.png", "images_001/images/00000013_005.png", "00000013_005.png")
    assert {SOURCE.image_key(path) for path in paths} == {"00000013_005.png"}


POOL = {
    0: ["00000013_005.png", "00000013_006.png", "x.png", ""],
    1: ["Mass", "Mass|Hernia", "No Finding", "Foo", "", "|"],
    2: ["0", "x", ""],
    3: ["13", "00000013", "", "p"],
    4: ["60", "414", "060Y", "", "?"],
    5: ["M", "F", "?", ""],
    6: ["PA", "AP", "", "LL"],
}
ROWS = st.lists(st.tuples(*(st.sampled_from(POOL[at]) for at in range(7))), min_size=1, max_size=12)


@settings(max_examples=40)
@given(rows=ROWS, cuts=st.lists(st.integers(1, 11), max_size=3))
def test_every_row_is_staged_or_set_aside_once(rows: list[tuple[str, ...]], cuts: list[int]) -> None:
    lines = [",".join((*row, "1", "1", "1", "1")) for row in rows] + [",".join(["x"] * cut) for cut in cuts]
    whole = len(rows) + sum(cut == 11 for cut in cuts)
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as con:
        con.execute(STAGING_TABLES)
        path = table(Path(folder), *lines)
        staged = SOURCE.stage(con, Claim("nih", {"entries": (path,)}), Path(folder), allow_bad_rows=True)
        images = con.execute("SELECT record FROM staged_images").fetchall()
        aside = con.execute("SELECT record FROM staged_set_aside WHERE what = 'row'").fetchall()
    assert sorted(images + aside) == [(record,) for record in range(len(lines))]
    assert staged.files[0].records == len(lines)
    assert len(images) <= whole


@pytest.mark.real_data
def test_the_real_files_are_staged_whole(stage: Stage, real_data: Path) -> None:
    nih = stage(real_data / "nih")
    assert nih.aside() == [] and nih.staged.variant == "v2020"
    assert nih.rows("SELECT count(*), count(DISTINCT image_id), count(DISTINCT patient_id) FROM staged_images") == [
        (112_120, 112_120, 30_805)
    ]
    assert nih.rows("SELECT count(*), count(DISTINCT image_id) FROM staged_boxes") == [(984, 880)]
    assert nih.rows("SELECT count(*), count(DISTINCT image_id) FROM staged_readings") == [(4 * 4_376, 4_376)]
    assert nih.one("SELECT count(DISTINCT labels) FROM staged_images") == 836
    assert nih.rows(
        "SELECT min(age_years), max(age_years), count(*) FILTER (WHERE age_years < 18) FROM staged_images"
    ) == [(0, 95, 5_402)]
    assert (
        nih.one("SELECT count(*) FROM staged_images WHERE order_in_patient <> substr(image_id, 10, 3)::INTEGER")
        == 24_106
    )
    assert {file.path.name: file.records for file in nih.staged.files} == {
        "Data_Entry_2017_v2020.csv.gz": 112_120,
        "BBox_List_2017.csv.gz": 984,
        "google2019_nih-chest-xray-labels.csv.gz": 4_376,
    }


@pytest.mark.real_data
def test_the_real_labels_have_the_published_counts(stage: Stage, real_data: Path) -> None:
    nih = stage(real_data / "nih")
    counts = dict(
        nih.rows("""
        SELECT finding, count(*) FROM staged_images JOIN staged_labels USING (labels)
        WHERE state = 'positive' GROUP BY finding""")
    )
    assert counts == json.loads("""{
        "No Finding": 60361, "Infiltration": 19894, "Effusion": 13317, "Atelectasis": 11559, "Nodule": 6331,
        "Mass": 5782, "Pneumothorax": 5302, "Consolidation": 4667, "Pleural_Thickening": 3385, "Cardiomegaly": 2776,
        "Emphysema": 2516, "Edema": 2303, "Fibrosis": 1686, "Pneumonia": 1431, "Hernia": 227}""")
    boxes = dict(nih.rows("SELECT finding, count(*) FROM staged_boxes GROUP BY ALL"))
    assert (boxes["Infiltration"], boxes["Nodule"], "Infiltrate" in boxes) == (123, 79, False)
