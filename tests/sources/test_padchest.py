"""PadChest as downloaded: words for blanks, printed lists of labels, views, ages, and counts kept by hand."""

from __future__ import annotations

import ast
import csv
import gzip
import random
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

import cxrdash.analysis  # noqa: F401 - registers the statistics
from cxrdash.analysis.registry import STATISTICS, compute
from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import select
from cxrdash.index.store import Index
from cxrdash.sources.base import STAGING_TABLES
from cxrdash.sources.card import load_card
from cxrdash.sources.folder import take_inventory
from cxrdash.sources.headers import column_positions
from cxrdash.sources.padchest import FIELDS, SOURCE, read_labels
from cxrdash.sources.registry import recognise
from cxrdash.sources.tablefile import peek_header
from tests.datasets import build, indexed, nih_row, write_nih

Stage = Callable[..., Any]
INVENTED = Path(__file__).resolve().parents[1] / "data" / "padchest"
TABLE = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv"
with (INVENTED / TABLE).open(newline="") as _table:
    HEADER = next(csv.reader(_table))
PLAIN = {
    "ImageID": "1_a.png", "ImageDir": "0", "StudyDate_DICOM": "20110630", "StudyID": "1", "PatientID": "p",
    "PatientBirth": "1950.0", "PatientSex_DICOM": "F", "ViewPosition_DICOM": "POSTEROANTERIOR", "Projection": "PA",
    "MethodLabel": "Physician", "Labels": "['normal']", "Rows_DICOM": "2000.0", "Columns_DICOM": "1500.0",
    "PhotometricInterpretation_DICOM": "MONOCHROME2", "Report": "sin hallazg secret .",
}  # fmt: skip


def row(**cells: str) -> dict[str, str]:
    """One line of the table by column name; what is not named is plain, or the word nan."""
    return {"": "0", **dict.fromkeys(HEADER[1:], "nan"), **PLAIN, **cells}


def write(folder: Path, *rows: dict[str, str], name: str = TABLE, header: list[str] = HEADER) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([cells[column] for column in HEADER] for cells in rows)
    return folder


def test_images_keep_their_facts(stage: Stage) -> None:
    padchest = stage(INVENTED)
    facts = "patient_id, view, view_raw, sex, age_years, split, order_in_patient, width, height, file_key = image_id"
    assert padchest.rows(f"SELECT image_id[:6], {facts} FROM staged_images ORDER BY record") == [
        ("216840", "13571", "PA", "PA", "M", 61, None, 2, 1760, 2140, True),
        ("216840", "13571", "LATERAL", "L", "M", 61, None, 2, 1760, 2140, True),
        ("7711_k", "13571", "PA", "PA", "M", 59, None, 1, 1760, 2140, True),
        ("7712-2", "00013571", "AP_SUPINE", "AP_horizontal", "F", None, None, 1, 1760, 2140, True),
        ("7713_a", "R2", "AP", "AP", "F", 0, None, 1, 1760, 2140, True),
        ("7714_a", "R2", "OTHER", "COSTAL", "F", 1, None, 2, 1760, 2140, True),
        ("7715_a", "R3", "OTHER", "EXCLUDE", "other", 85, None, 1, 1760, 2140, True),
        ("7716_a", "R4", "AP", "ANTEROPOSTERIOR", "unknown", 86, None, 1, 1760, 2140, True),
        ("7717_a", "R4", "PA", "PA", "F", 86, None, 1, None, None, True),
    ]
    assert padchest.aside() == []
    assert padchest.column("SELECT study_id FROM staged_images WHERE record IN (0, 3) ORDER BY record") == [
        "216840111366964012283393834152009027160348352",
        "7712-2",
    ]


def test_listed_labels_are_positive_and_all_others_blank(stage: Stage) -> None:
    padchest = stage(INVENTED)
    listed = """
        SELECT record, finding FROM staged_images JOIN staged_labels USING (labels)
        WHERE state = 'positive' ORDER BY ALL
    """
    assert padchest.rows(listed) == [
        *[(record, name) for record in (0, 1) for name in ("cardiomegaly", "pleural effusion")],
        (2, "normal"),
        *[(3, name) for name in ("NSG tube", "hypoexpansion basal", "laminar atelectasis")],
        *[(5, name) for name in ("pericardial effusion", "rib fracture")],
        (6, "exclude"),
        *[(8, name) for name in ("COPD signs", "suboptimal study", "unchanged")],
    ]
    assert padchest.column("SELECT DISTINCT state FROM staged_labels ORDER BY state") == ["not_assessed", "positive"]


def test_an_image_without_labels_is_not_assessed_for_any_finding(stage: Stage) -> None:
    padchest = stage(INVENTED)
    states = (
        "SELECT record, state, count(*) FROM staged_images JOIN staged_labels USING (labels) GROUP BY ALL ORDER BY ALL"
    )
    findings = len(padchest.staged.findings)
    assert [row for row in padchest.rows(states) if row[1] != "positive"] == [
        (4, "not_assessed", findings),
        (7, "not_assessed", findings),
    ]


def test_what_the_audit_says(stage: Stage) -> None:
    assert stage(INVENTED).staged.notes == [
        "Images by MethodLabel: RNN_model 6, Physician 3.",
        "2 images are unlabelled: no finding is assessed, which is not the same as normal.",
        "1 images have no Projection; their view is that of ViewPosition_DICOM.",
        "1 images are MONOCHROME1: stored uninverted, so dark and light are swapped.",
        "Labels that the dataset's card does not list, kept as findings without a parent (1; images in brackets): "
        "'hypoexpansion basal' (1).",
    ]


def test_a_label_the_card_lacks_is_a_finding_of_its_own(stage: Stage, tmp_path: Path) -> None:
    write(tmp_path, row(Labels="['Cardiomegaly', 'bear', 'pseudo']"), row(ImageID="2.png", Labels="['bear', 'ant']"))
    padchest = stage(tmp_path)
    known = len(SOURCE.card.findings)
    assert padchest.staged.findings[:known] == list(SOURCE.card.findings)
    assert [(f.name, f.kind, f.parent, f.harmonised) for f in padchest.staged.findings[known:]] == [
        (name, "finding", None, None) for name in ("ant", "bear", "pseudo")
    ]
    assert "(3; images in brackets): 'bear' (2), 'ant' (1), 'pseudo' (1)." in padchest.notes
    assert padchest.column("SELECT finding FROM staged_labels WHERE labels LIKE '%pseudo%' ORDER BY 1") == [
        "bear",
        "cardiomegaly",
        "pseudo",
    ]


def test_the_card_holds_the_tree_and_the_shared_names() -> None:
    findings = {finding.name: finding for finding in load_card("padchest").findings}
    assert len(findings) == 192 and {f.parent for f in findings.values()} - {None} <= set(findings)

    def line(name: str) -> list[str]:
        parent = findings[name].parent
        return [name, *(line(parent) if parent else [])]

    assert line("air bronchogram") == ["air bronchogram", "consolidation", "alveolar pattern", "infiltrates"]
    assert line("hydropneumothorax") == ["hydropneumothorax", "pleural effusion"]
    assert any("hydropneumothorax also under pneumothorax" in problem for problem in SOURCE.card.known_problems)
    assert line("callus rib fracture") == ["callus rib fracture", "rib fracture", "fracture"]
    shared = {name: finding.harmonised for name, finding in findings.items()}
    assert [name for name, label in shared.items() if label == "Pneumothorax"] == ["pneumothorax", "hydropneumothorax"]
    assert [name for name, label in shared.items() if label == "Mass"] == ["pulmonary mass"]
    none = ("infiltrates", "pericardial effusion", "pseudonodule", "breast mass", "subcutaneous emphysema", "metal")
    assert all(shared[name] is None for name in none)
    devices = [name for name, finding in findings.items() if finding.kind == "device"]
    assert len(devices) == 20 and all(shared[name] == "Support Devices" for name in devices)
    assert [name for name, finding in findings.items() if finding.kind == "normal"] == ["normal"]


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("['a', 'b']", ("a", "b")),
        ("[' loc  cardiac ', '']", ("loc cardiac",)),
        ("[]", ()),
        ('["Morgagni\'s hernia"]', ("Morgagni's hernia",)),
        ("a, b", None),
        ("['a'", None),
        ("'a'", None),
        ("['a', 1]", None),
        ("[['a']]", None),
        ("('a',)", None),
        ("__import__('os').getcwd()", None),
        ("['a'] * 9", None),
        ("[" * 5000, None),
        ("['" + "a" * 200 + "']", None),
        ("['a\\nb\\x00']", None),
        ("['a', " + "'b', " * 5000 + "]", None),
    ],
)
def test_a_printed_list_is_read_and_nothing_else(text: str, labels: tuple[str, ...] | None) -> None:
    assert read_labels(text) == labels


@pytest.mark.parametrize(
    ("cells", "column", "value"),
    [
        ({"ImageID": "nan"}, "ImageID", None),
        ({"ImageID": "../../etc/passwd"}, "ImageID", "../../etc/passwd"),
        ({"ImageID": "a/b.png"}, "ImageID", "a/b.png"),
        ({"ImageID": "1_a.exe"}, "ImageID", "1_a.exe"),
        ({"Labels": "normal"}, "Labels", "normal"),
        ({"Labels": "['normal' 'a']x"}, "Labels", "['normal' 'a']x"),
    ],
)
def test_rows_that_cannot_be_read_are_set_aside(
    stage: Stage, tmp_path: Path, cells: dict[str, str], column: str, value: str | None
) -> None:
    write(tmp_path, row(ImageID="good.png"), row(**cells))
    padchest = stage(tmp_path)
    assert padchest.aside() == [(1, column, value, "row")]
    assert padchest.column("SELECT image_id FROM staged_images") == ["good.png"]


@pytest.mark.parametrize(
    ("cells", "column", "value"),
    [
        ({"PatientID": "nan"}, "PatientID", None),
        ({"StudyID": "None"}, "StudyID", None),
        ({"StudyDate_DICOM": "20110631"}, "StudyDate_DICOM", "20110631"),
        ({"PatientBirth": "1950.5"}, "PatientBirth", "1950.5"),
        ({"PatientBirth": "inf"}, "PatientBirth", "inf"),
        ({"PatientBirth": "2018"}, "PatientBirth", "2018"),
        ({"PatientBirth": "1850"}, "PatientBirth", "1850"),
        ({"PatientSex_DICOM": "W"}, "PatientSex_DICOM", "W"),
        ({"Rows_DICOM": "-3"}, "Rows_DICOM", "-3"),
        ({"Columns_DICOM": "wide"}, "Columns_DICOM", "wide"),
    ],
)
def test_values_that_cannot_be_read_are_listed_and_the_row_stays(
    stage: Stage, tmp_path: Path, cells: dict[str, str], column: str, value: str | None
) -> None:
    write(tmp_path, row(**cells))
    padchest = stage(tmp_path)
    assert padchest.aside() == [(0, column, value, "value")]
    ages = padchest.rows("SELECT age_years, age_flag FROM staged_images")
    wrong_birth = {"2018": "implausible", "1850": "implausible", "inf": "implausible"}
    unknown = column in ("StudyDate_DICOM", "PatientBirth")
    assert ages == [(None if unknown else 61, wrong_birth.get(value or ""))]


@pytest.mark.parametrize("pack", ["gz", "zip"])
def test_a_packed_and_renamed_table_is_recognised_by_its_columns(stage: Stage, tmp_path: Path, pack: str) -> None:
    body = (INVENTED / TABLE).read_bytes()
    if pack == "gz":
        (tmp_path / "labels (1).csv.gz").write_bytes(gzip.compress(body))
    else:
        with zipfile.ZipFile(tmp_path / "labels.csv.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(TABLE, body)
    padchest = stage(tmp_path)
    assert padchest.source.name == "padchest"
    assert padchest.one("SELECT count(*) FROM staged_images") == 9


def test_two_image_tables_are_a_question(stage: Stage, tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        write(tmp_path, row(), name=name)
    with pytest.raises(CxrdashError, match=r"2 tables hold the PadChest image list: .*a\.csv, .*b\.csv(.|\n)*Keep"):
        stage(tmp_path)


def test_a_renamed_column_is_named_with_its_nearest(stage: Stage, tmp_path: Path) -> None:
    write(tmp_path, row(), header=["Projektion" if name == "Projection" else name for name in HEADER])
    with pytest.raises(CxrdashError, match=r"lacks the column 'Projection' \(nearest: 'Projektion'\) of PadChest"):
        stage(tmp_path)


def test_missing_columns_are_unknown_and_said(stage: Stage, tmp_path: Path) -> None:
    kept = ["ImageID", "StudyID", "PatientID", "Projection", "Labels"]
    (tmp_path / "subset.csv").write_text(f"{','.join(kept)}\n1.png,s,p,PA,['normal']\n")
    padchest = stage(tmp_path)
    assert padchest.rows("SELECT view, sex, age_years, order_in_patient FROM staged_images") == [
        ("PA", "unknown", None, None)
    ]
    assert "subset.csv lacks the columns 'StudyDate_DICOM', 'PatientBirth'" in padchest.notes


# --- a whole folder against plain Python ---


def made_rows(seed: int, images: int) -> list[dict[str, str]]:
    """Random rows in file order: several films per study, studies per patient, labels of the card and strange ones."""
    draw = random.Random(seed)
    names = [finding.name for finding in SOURCE.card.findings] + ["hypoexpansion basal", "lipomatosis"]
    rows: list[dict[str, str]] = []
    while len(rows) < images:
        labels = repr(draw.sample(names, draw.randrange(1, 5))) if draw.random() < 0.9 else "nan"
        study = {
            "StudyID": str(10**30 + len(rows)),
            "PatientID": f"{draw.randrange(images // 4):05d}",
            "Labels": labels,
            "StudyDate_DICOM": f"20{draw.randrange(9, 18):02d}0215",
            "MethodLabel": draw.choice(["Physician", "RNN_model"]),
            "PatientBirth": draw.choice(["1950.0", "2001.0", "nan"]),
            "PatientSex_DICOM": draw.choice(["M", "F", "nan"]),
        }
        for projection in draw.sample(["PA", "L", "AP", "AP_horizontal", "COSTAL", "nan"], draw.randrange(1, 3)):
            image = f"{study['StudyID']}_{len(rows):06x}.png"
            rows.append(row(ImageID=image, ImageDir=str(len(rows) % 54), Projection=projection, **study))
    return rows


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, str]], Index]:
    """A folder as it is downloaded: the packed table, numbered folders of films, some of them missing."""
    folder = tmp_path_factory.mktemp("made") / "padchest"
    rows = made_rows(7, 600)
    write(folder, *rows)
    table = folder / TABLE
    table.with_suffix(".csv.gz").write_bytes(gzip.compress(table.read_bytes()))
    table.unlink()
    for number, cells in enumerate(rows):
        if number % 10:
            film = folder / cells["ImageDir"] / cells["ImageID"]
            film.parent.mkdir(exist_ok=True)
            film.write_bytes(b"")
    return rows, indexed(folder, "padchest")


def test_the_index_counts_what_plain_python_counts(made: tuple[list[dict[str, str]], Index]) -> None:
    rows, index = made
    assert index.counts["images"] == len(rows)
    assert index.counts["studies"] == len({cells["StudyID"] for cells in rows})
    assert index.counts["patients"] == len({cells["PatientID"] for cells in rows})
    assert index.counts["on_disk"] == len(rows) - len(rows[::10])
    views = {"PA": "PA", "L": "LATERAL", "AP": "AP", "AP_horizontal": "AP_SUPINE", "COSTAL": "OTHER", "nan": "PA"}
    expected = Counter(
        (cells["ImageID"], views[cells["Projection"]],
         None if cells["PatientBirth"] == "nan" else int(cells["StudyDate_DICOM"][:4]) - float(cells["PatientBirth"]))
        for cells in rows
    )  # fmt: skip
    assert Counter(index.rows("SELECT image_id, view, age_years FROM images")) == expected


def test_positives_are_the_listed_labels_image_by_image(made: tuple[list[dict[str, str]], Index]) -> None:
    rows, index = made
    expected = {
        (cells["ImageID"], label)
        for cells in rows
        if cells["Labels"] != "nan"
        for label in ast.literal_eval(cells["Labels"])
    }
    found = index.rows(
        "SELECT image_id, finding::VARCHAR, state::VARCHAR FROM images JOIN patterns USING (pattern) "
        "WHERE state <> 'not_assessed'"
    )
    assert {(image, finding) for image, finding, state in found if state == "positive"} == expected
    assert len(found) == len(expected)
    counted = compute("prevalence", index, Cohort(), unit="image").set_index("finding")["positive"].to_dict()
    assert {name: n for name, n in counted.items() if n} == Counter(label for _, label in expected)


@pytest.mark.parametrize("name", sorted(STATISTICS))
def test_every_statistic_takes_190_labels(made: tuple[list[dict[str, str]], Index], name: str) -> None:
    _, index = made
    table = compute(name, index, Cohort(views=("PA",)))
    assert len(table.columns)
    if name == "pair_counts":
        assert len(index.findings) > 190 and len(table) == len(index.findings) ** 2


def test_no_word_of_a_report_reaches_the_index(made: tuple[list[dict[str, str]], Index]) -> None:
    rows, index = made
    assert "secret" in rows[0]["Report"]
    tables = [name for (name,) in index.rows("SELECT table_name FROM duckdb_tables()")]
    assert "images" in tables and "findings" in tables
    for table in tables:
        assert index.rows(f"SELECT count(*) FROM {table} AS t WHERE contains(t::VARCHAR, 'secret')") == [(0,)], table


def test_a_repeated_image_is_judged_by_the_index(tmp_path: Path) -> None:
    write(tmp_path / "padchest", row(), row(), row(ImageID="2.png"), row(ImageID="2.png", Labels="['mass']"))
    audit = build(tmp_path / "padchest", "padchest")
    assert audit.counts["images"] == 1 and audit.set_aside_total == 3


# --- one damaged byte in the header row ---


STRUCTURE = b'",\n\r\0'


def as_read(path: Path, damage: int) -> tuple[Any, ...]:
    """All that staging can see of a header; a byte that divides cells is always a case of its own."""
    header = peek_header(path)
    kind = damage if damage in STRUCTURE else damage > 127
    return (tuple(column_positions(header, FIELDS).items()), len(header), header[0].strip() == "", kind)


def test_a_damaged_header_is_refused_or_costs_no_row(tmp_path: Path) -> None:
    draw = random.Random(1)
    path = write(tmp_path, row(), row(ImageID="2.png", Labels="nan")) / TABLE
    body = path.read_bytes()
    length = body.index(b"\n") + 1
    inventory = take_inventory(tmp_path)
    outcomes: Counter[str] = Counter()
    seen: set[tuple[Any, ...]] = set()
    with duckdb.connect(config={"threads": 1}) as con:
        for _ in range(2000):
            damaged = bytearray(body)
            damaged[draw.randrange(length)] = damage = draw.choice((*STRUCTURE, *range(256)))
            path.write_bytes(damaged)
            try:
                _, claim = recognise(inventory, "padchest")
                form = as_read(path, damage)
                if form not in seen:
                    con.execute(STAGING_TABLES.replace("CREATE TABLE", "CREATE OR REPLACE TEMP TABLE"))
                    staged = SOURCE.stage(con, claim, tmp_path, allow_bad_rows=False)
                    seen.add(form)
                    assert staged.files[0].records == 2, bytes(damaged[:length])
                    kept = con.execute("SELECT count(*) FROM staged_images").fetchall()
                    aside = con.execute("SELECT count(*) FROM staged_set_aside WHERE what = 'row'").fetchall()
                    assert kept[0][0] + aside[0][0] == 2, bytes(damaged[:length])
            except CxrdashError as refusal:
                assert refusal.message and refusal.hint
                outcomes["refused"] += 1
                continue
            outcomes["read"] += 1
    assert outcomes["read"] > 500 and outcomes["refused"] > 50


def test_films_are_found_by_name_in_any_layout(tmp_path: Path) -> None:
    folder = write(tmp_path / "padchest", row(ImageID="1_a.png"), row(ImageID="2_b.png"), row(ImageID="3_c.png"))
    for film in ("0/1_a.png", "images/2_b.png"):
        (folder / film).parent.mkdir()
        (folder / film).write_bytes(b"")
    index = indexed(Path(shutil.move(folder, tmp_path / "moved")), "padchest")
    assert index.rows("SELECT image_id FROM images WHERE on_disk ORDER BY ALL") == [("1_a.png",), ("2_b.png",)]


def test_who_labelled_an_image_can_be_split_by_and_narrowed_to(tmp_path: Path) -> None:
    rows = [row(ImageID=f"{at}.png", StudyID=str(at), PatientID=str(at), MethodLabel=method, Labels=labels)
            for at, (method, labels) in enumerate([("Physician", "['mass']"), ("Physician", "['normal']"),
                                                   ("RNN_model", "['mass']"), ("nan", "['mass']")])]  # fmt: skip
    index = indexed(write(tmp_path / "padchest", *rows), "padchest")
    table = compute("prevalence_by", index, Cohort(), by="label_method", unit="image")
    mass = table[table["finding"] == "mass"].set_index("label_method")
    assert mass[["counted", "of"]].to_numpy().tolist() == [[1, 2], [1, 1], [1, 1]]
    assert list(mass.index) == ["Physician", "RNN_model", "not stated"]
    assert select(index, Cohort(attributes=("label_method: Physician",))).counts["images"] == 2


def test_the_year_of_a_study_can_be_split_by_and_narrowed_to(tmp_path: Path) -> None:
    days = ["20110630", "20110101.0", "20140228", "nan"]
    rows = [row(ImageID=f"{at}.png", StudyID=str(at), PatientID=str(at), StudyDate_DICOM=day, Labels="['mass']")
            for at, day in enumerate(days)]  # fmt: skip
    index = indexed(write(tmp_path / "padchest", *rows), "padchest")
    assert index.levels("study_year") == ("2011", "2014", "not stated")
    table = compute("prevalence_by", index, Cohort(), by="study_year", unit="image")
    mass = table[table["finding"] == "mass"].set_index("study_year")
    assert mass["of"].to_dict() == {"2011": 2, "2014": 1, "not stated": 1}
    both = Cohort(attributes=("study_year: 2011", "study_year: 2014", "label_method: Physician"))
    assert select(index, both).counts["images"] == 3
    assert select(index, Cohort(attributes=("study_year: 1999",))).counts["images"] == 0


def test_another_dataset_does_not_say_who_labelled(tmp_path: Path) -> None:
    index = indexed(write_nih(tmp_path / "nih", [nih_row(1)]), "nih")
    with pytest.raises(CxrdashError, match="cannot be split by 'label_method'") as fault:
        compute("prevalence_by", index, Cohort(), by="label_method")
    assert fault.value.hint == "Use one of split, view, sex, age_band."
    with pytest.raises(CxrdashError, match="does not tell the labeller of its images"):
        select(index, Cohort(attributes=("label_method: Physician",))).rows("SELECT 1 FROM selected")
