"""Films without a table are indexed from their headers: facts by an allow-list, patients by pseudonym, no name ever."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from cxrdash.cli import main
from cxrdash.config import Cache
from cxrdash.images.header import Header
from cxrdash.index.build import LoadAudit, Request, build_index
from cxrdash.index.store import Index, open_index
from cxrdash.sources.film_headers import age_of, film_facts
from tests.datasets import cache_of

SALT = "f00d" * 16
MAPPING = f'[images]\nfrom = "dicom"\n[privacy]\nsalt = "{SALT}"\n'
SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian)


def write_film(path: Path, number: int = 0, **elements: Any) -> Path:
    """One film of 8 by 6 pixels; elements by keyword replace those written by default."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = elements.pop("syntax", ExplicitVRLittleEndian)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.{number}"
    dataset.StudyInstanceUID, dataset.Modality, dataset.PatientID = f"1.3.{number // 2}", "DX", f"MRN-{number // 4}"
    dataset.PatientSex, dataset.PatientAge, dataset.ViewPosition = "F", "058Y", "PA"
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = 8, 6, 1
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.PhotometricInterpretation, dataset.PixelSpacing = "MONOCHROME2", [0.2, 0.1]
    dataset.PixelData = np.arange(48, dtype=np.uint16).tobytes()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def index_folder(folder: Path, mapping: str = MAPPING) -> tuple[LoadAudit, Index]:
    (folder / "cxrdash.toml").write_text(mapping)
    audit = build_index(Request(folder, name="films"), cache_of(folder))
    return audit, open_index("films", cache_of(folder))


@pytest.fixture
def films(tmp_path: Path) -> Path:
    return tmp_path / "films"


def test_headers_become_images_patients_and_studies(films: Path) -> None:
    for number in range(8):
        write_film(
            films / f"a/IM{number:04d}", number, syntax=SYNTAXES[number % 3], ViewPosition=("PA", "LL")[number % 2]
        )
    audit, index = index_folder(films)
    assert (audit.counts["images"], audit.counts["patients"], audit.counts["studies"]) == (8, 2, 4)
    assert audit.counts["on_disk"] == 8
    found = "image_id, study_id, view, view_raw, sex, age_years, width, height, spacing_x_mm, spacing_y_mm"
    assert index.rows(f"SELECT {found} FROM images WHERE image_id IN ('1.2.0', '1.2.1') ORDER BY 1") == [
        ("1.2.0", "1.3.0", "PA", "PA", "F", 58.0, 6, 8, 0.1, 0.2),
        ("1.2.1", "1.3.0", "LATERAL", "LL", "F", 58.0, 6, 8, 0.1, 0.2),
    ]


def test_patients_are_pseudonyms_that_stay_the_same(films: Path) -> None:
    for number in range(8):
        write_film(films / f"{number}.dcm", number)
    ids = "SELECT DISTINCT patient_id FROM images ORDER BY 1"
    _, first = index_folder(films)
    _, second = index_folder(films)
    assert first.rows(ids) == second.rows(ids) and "MRN" not in str(first.rows(ids))
    _, other = index_folder(films, MAPPING.replace("f00d", "beef"))
    assert other.rows(ids) != first.rows(ids)
    _, stated = index_folder(films, MAPPING + 'patient_ids = "as is"\n')
    assert stated.rows(ids) == [("MRN-0",), ("MRN-1",)]
    audit, _ = index_folder(films, MAPPING + 'patient_ids = "none"\n')
    assert audit.counts["without_patient"] == 8 and any("No patient ids" in note for note in audit.notes)


def test_image_and_study_ids_are_hashed_where_that_is_asked_for(films: Path) -> None:
    write_film(films / "one.dcm", 5)
    _, index = index_folder(films, MAPPING + 'image_ids = "hash"\n')
    ((image, study, on_disk),) = index.rows("SELECT image_id, study_id, on_disk FROM images")
    assert len(image) == len(study) == 20 and image != study and on_disk


def test_only_the_order_of_dates_is_kept(films: Path) -> None:
    for number, date in enumerate(("20190305", "20170101", "20190305", "20180101")):
        write_film(films / f"{number}.dcm", number, StudyDate=date, PatientID="one")
    audit, index = index_folder(films)
    places = dict(index.rows("SELECT image_id, order_in_patient FROM images"))
    assert places == {"1.2.0": 2, "1.2.1": 0, "1.2.2": 2, "1.2.3": 1}
    assert audit.path is not None and b"20190305" not in audit.path.read_bytes()


def test_what_is_no_chest_film_is_set_aside_with_its_reason(films: Path) -> None:
    write_film(films / "good.dcm", 0)
    write_film(films / "ct.dcm", 1, Modality="CT")
    write_film(films / "bare.dcm", 2, SOPInstanceUID="")
    (films / "note.dcm").write_text("no film")
    (films / "README").write_text("no film either")
    (films / "export.log").write_text("nor this")
    os.mkfifo(films / "pipe.dcm")
    whole = write_film(films / "cut.dcm", 3).read_bytes()
    (films / "cut.dcm").write_bytes(whole[:499])
    audit, _ = index_folder(films)
    assert {row["value"]: row["reason"] for row in audit.set_aside} == {
        "bare.dcm": "has no SOPInstanceUID",
        "ct.dcm": "its modality is CT, not CR or DX",
        "cut.dcm": "broken file: its header ends too early",
        "note.dcm": "not a DICOM file",
    }
    (folder,) = [file for file in audit.files if file["recognised_as"] == "DICOM headers"]
    assert (folder["records"], folder["indexed"], folder["set_aside"]) == (5, 1, 4)


def test_odd_values_are_listed_and_not_used(films: Path) -> None:
    write_film(films / "odd.dcm", 0, PatientAge="180Y", PatientSex="X", ViewPosition="SWIMMERS", PixelSpacing=[0, 0])
    audit, index = index_folder(films)
    found = "SELECT view, view_raw, sex, age_years, age_flag, spacing_x_mm FROM images"
    assert index.rows(found) == [("UNKNOWN", "SWIMMERS", "unknown", None, "implausible", None)]
    assert {(row["what"], row["column_name"].split()[0], row["value"]) for row in audit.set_aside} == {
        ("value", "PatientAge", "180Y"), ("value", "PatientSex", "X"), ("value", "ViewPosition", "SWIMMERS"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "years", "flag"),
    [
        ("058Y", 58, None), ("58", 58, None), ("018M", 1.5, None), ("000Y", None, "placeholder"), ("", None, None),
        ("003D", 3 / 365.25, None), ("155", None, "implausible"), ("old", None, "implausible"),
        ("-5", None, "implausible"),
    ],
)  # fmt: skip
def test_ages_are_read_as_written(text: str, years: float | None, flag: str | None) -> None:
    found, found_flag = age_of(text)
    assert found_flag == flag and (found == years or found == pytest.approx(years))


def test_facts_of_a_bare_header_are_unknown() -> None:
    facts = film_facts(Header({}, "", "", (), True), studies=True)
    assert {value for name, value in facts.__dict__.items() if name != "odd"} == {None} and facts.odd == ()


PLANTED = {
    "PatientName": "Zwetschgenknoedel^Ottokar",
    "PatientBirthDate": "19421231",
    "PatientAddress": "Quittengasse 77",
    "AccessionNumber": "ACC99887766",
    "ReferringPhysicianName": "Marillenbaum^Doris",
    "InstitutionName": "Sanatorium Hollerbusch",
    "OperatorsName": "Powidl^Josef",
    "PatientComments": "wohnt bei Frau Powidltascherl",
    "StudyDescription": "Thorax bei Dr Kletzenbrot",
    "StudyDate": "20111112",
}
NEEDLES = [
    needle.encode() for text in (*PLANTED.values(), "MRN-GEHEIM") for needle in text.replace("^", " ").split()[:1]
]


def test_planted_names_reach_nothing_that_is_written_or_said(
    films: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for number in range(50):
        planted = {**PLANTED, "PatientID": f"MRN-GEHEIM{number // 3}"}
        path = write_film(films / f"IM{number:03d}", number, syntax=SYNTAXES[number % 3], **planted)
        if number % 10 == 9:
            path.write_bytes(path.read_bytes()[: 300 + 20 * number])
    cache = tmp_path / "cache"
    words = ("init", films), ("index", films, "--name", "films"), ("show", "films", "--json")
    exports = (
        ("query", "films", "SELECT * FROM images", "--format", "csv"),
        ("query", "films", "SELECT * FROM set_aside"),
    )
    sheet = ("sample", "films", "-n", "9", "--contact-sheet", tmp_path / "cache" / "sheet.png")
    for command in (*words, *exports, sheet):
        assert main(["--cache", str(cache), *map(str, command)]) == 0
    said = "".join(capfd.readouterr()).encode() + caplog.text.encode()
    written = {path: path.read_bytes() for path in cache.rglob("*") if path.is_file()}
    written[films / "cxrdash.toml"] = (films / "cxrdash.toml").read_bytes()
    assert len(written) >= 3
    for needle in NEEDLES:
        assert needle not in said, needle
        assert [path for path, body in written.items() if needle in body] == [], needle
    index = open_index("films", Cache(cache))
    tables = [name for (name,) in index.rows("SELECT table_name FROM duckdb_tables() ORDER BY 1")]
    held = json.dumps([list(map(str, row)) for table in tables for row in index.rows(f'SELECT * FROM "{table}"')])
    assert [needle for needle in NEEDLES if needle.decode() in held] == []
    assert b"films may identify a person" in said and b"PatientBirthDate (" in said


def siim_uid(number: int) -> str:
    return f"1.2.276.0.7230010.3.1.4.8323329.{1000 + number}.1517875220.{977480 + number}"


@pytest.fixture
def build_known(tmp_path: Path) -> Callable[..., tuple[LoadAudit, Index]]:
    def build(source: str) -> tuple[LoadAudit, Index]:
        folder = tmp_path / "data"
        audit = build_index(Request(folder, name=source, source=source), cache_of(folder))
        return audit, open_index(source, cache_of(folder))

    return build


def test_siim_patients_view_sex_and_age_come_from_the_headers(build_known: Any, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    for number, patient in ((1, "uuid-a"), (2, "uuid-a"), (3, "uuid-b")):
        path = folder / f"dicom-images-train/1.2/1.3/{siim_uid(number)}.dcm"
        write_film(path, number, PatientID=patient, PatientAge="62", ViewPosition="AP", PatientSex="M", Rows=1024)
    rows = [f"{siim_uid(number)},-1" for number in (1, 2, 3, 4)]
    (folder / "train-rle.csv").write_text("\n".join(["ImageId, EncodedPixels", *rows, ""]))
    audit, index = build_known("siim")
    found = "SELECT image_id, patient_id, view, sex, age_years, spacing_x_mm FROM images ORDER BY image_id"
    assert index.rows(found) == [
        (siim_uid(1), "uuid-a", "AP", "M", 62.0, 0.1),
        (siim_uid(2), "uuid-a", "AP", "M", 62.0, 0.1),
        (siim_uid(3), "uuid-b", "AP", "M", 62.0, 0.1),
        (siim_uid(4), None, "UNKNOWN", "unknown", None, None),
    ]
    notes = "\n".join(audit.notes)
    assert "Patients come from the headers of the films: 2 patients of 3 images." in notes
    assert "1 images have no patient" in notes and "The table names no patients" not in notes
    assert "Films whose header differs from the table, which was kept: size (3)." in notes


def test_siim_without_films_says_that_patients_are_unknown(build_known: Any, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train-rle.csv").write_text(f"ImageId, EncodedPixels\n{siim_uid(1)},-1\n")
    audit, _ = build_known("siim")
    assert any("The table names no patients" in note for note in audit.notes)


def test_rsna_takes_view_sex_and_age_but_never_its_image_id_for_a_patient(build_known: Any, tmp_path: Path) -> None:
    folder, name = tmp_path / "data", "0004cfab-14fd-4e49-80ba-63a80b6bddd6"
    write_film(folder / f"stage_2_train_images/{name}.dcm", 1, PatientID=name, PatientAge="51", PatientSex="F")
    (folder / "stage_2_train_labels.csv").write_text(f"patientId,x,y,width,height,Target\n{name},,,,,0\n")
    _, index = build_known("rsna")
    found = "SELECT patient_id, study_id, view, sex, age_years FROM images"
    assert index.rows(found) == [(None, None, "PA", "F", 51.0)]


def test_vindr_takes_what_is_there_and_no_patients(build_known: Any, tmp_path: Path) -> None:
    folder, name = tmp_path / "data", "ab" * 16
    elements = {"PatientID": "random", "PatientAge": "000Y", "PatientSex": "O", "ViewPosition": ""}
    write_film(folder / f"train/{name}.dicom", 1, **elements)
    row = "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max"
    (folder / "train.csv").write_text(f"{row}\n{name},No finding,14,R1,,,,\n")
    _, index = build_known("vindr")
    found = "SELECT patient_id, view, sex, age_years, age_flag, width, height FROM images"
    assert index.rows(found) == [(None, "FRONTAL_UNKNOWN", "other", None, "placeholder", 6, 8)]
