"""What may lie beside the RSNA labels: detailed classes, DICOM header values, and the matching NIH images."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from cxrdash.errors import CxrdashError, shown
from cxrdash.sources.base import Headers
from cxrdash.sources.headers import Fields, column_positions, matching_key, missing_fields
from cxrdash.sources.staging import Intake

CLASS_FIELDS: Fields = {"image_id": ("patientId",), "detailed": ("class",)}
FACT_FIELDS: Fields = {
    "image_id": ("patientId",),
    "age": ("PatientAge",),
    "sex": ("PatientSex",),
    "view": ("ViewPosition",),
}
PATIENT_FIELDS: Fields = {
    "image_id": ("patientId", "subset_img_id"),
    "nih_image": ("img_id", "Image Index", "nih_image"),
}
MAPPING = "pneumonia-challenge-dataset-mappings_2018.json"
MAPPING_BYTES = 128 * 2**20

CLASS_FAULTS = """
CREATE OR REPLACE TEMP VIEW rsna_class_faults AS
WITH judged AS (
    SELECT *, count(*) OVER images > count(*) FILTER (WHERE detailed = one) OVER images AS differ
    FROM (SELECT *, min(detailed) OVER (PARTITION BY image_id) AS one FROM rsna_class_rows)
    WINDOW images AS (PARTITION BY image_id)),
targets AS (SELECT image_id, min(state) AS state FROM rsna_kept GROUP BY image_id)
SELECT record, CASE
    WHEN judged.image_id IS NULL
    THEN {'column_name': 'patientId', 'value': NULL::VARCHAR, 'reason': 'the image id is missing'}
    WHEN detailed IS NULL OR detailed NOT IN ('Lung Opacity', 'No Lung Opacity / Not Normal', 'Normal')
    THEN {'column_name': 'class', 'value': detailed, 'reason': 'not one of the three classes'}
    WHEN differ
    THEN {'column_name': 'class', 'value': detailed,
          'reason': 'the image stands in rows with another class; none was chosen'}
    WHEN state IS NULL
    THEN {'column_name': 'patientId', 'value': judged.image_id,
          'reason': 'the label table has no usable row of this image'}
    WHEN (state = 'positive') <> (detailed = 'Lung Opacity')
    THEN {'column_name': 'class', 'value': detailed,
          'reason': 'the label table says Target ' || CASE state WHEN 'positive' THEN '1' ELSE '0' END}
    END AS fault
FROM judged LEFT JOIN targets ON targets.image_id = judged.image_id
"""
# The class is repeated for every box of an image.
CLASSES = """
INSERT INTO rsna_stated SELECT DISTINCT image_id, detailed FROM rsna_class_rows
WHERE record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""
ONE_CLASS = """
CREATE OR REPLACE TEMP TABLE rsna_classes AS
SELECT image_id, min(detailed) AS detailed FROM rsna_stated GROUP BY image_id HAVING count(DISTINCT detailed) = 1
"""
TYPED_FACTS = r"""
CREATE OR REPLACE TEMP TABLE rsna_typed AS
SELECT *, try_cast(regexp_extract(age, '^ *([0-9]+)(\.0+)? *Y?$', 1) AS INTEGER) AS years,
    row_number() OVER (PARTITION BY image_id ORDER BY record) > 1 AS again
FROM rsna_fact_rows
"""
FACT_FAULTS = """
CREATE OR REPLACE TEMP VIEW rsna_fact_faults AS
SELECT record, CASE
    WHEN image_id IS NULL OR image_id NOT IN (SELECT image_id FROM rsna_kept)
    THEN {'column_name': 'patientId', 'value': image_id, 'reason': 'the label table has no usable row of this image'}
    WHEN again
    THEN {'column_name': 'patientId', 'value': image_id, 'reason': 'the image stands in an earlier row already'}
    END AS fault
FROM rsna_typed
"""
FACT_VALUES = """
INSERT INTO staged_set_aside
SELECT $file, record, fault.column_name, fault.value, fault.reason, 'value'
FROM (SELECT record, unnest([
    CASE WHEN age IS NOT NULL AND NOT coalesce(years BETWEEN 0 AND 110, false)
         THEN {'column_name': 'PatientAge', 'value': age, 'reason': 'not an age of 0 to 110 years'} END,
    CASE WHEN sex NOT IN ('M', 'F')
         THEN {'column_name': 'PatientSex', 'value': sex, 'reason': 'neither M nor F'} END,
    CASE WHEN view NOT IN ('PA', 'AP')
         THEN {'column_name': 'ViewPosition', 'value': view, 'reason': 'neither PA nor AP'} END]) AS fault
    FROM rsna_typed)
WHERE fault IS NOT NULL
  AND record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""
FACTS = """
INSERT INTO rsna_facts
SELECT image_id, CASE WHEN view IN ('PA', 'AP') THEN view END, view,
    CASE WHEN sex IN ('M', 'F') THEN sex END, CASE WHEN years <= 110 THEN years END,
    CASE WHEN age IS NOT NULL AND coalesce(years > 110, true) THEN 'implausible' END
FROM rsna_typed
WHERE record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
  AND image_id NOT IN (SELECT image_id FROM rsna_facts)
"""
PATIENT_FAULTS = r"""
CREATE OR REPLACE TEMP VIEW rsna_patient_faults AS
SELECT record, CASE
    WHEN image_id IS NULL
    THEN {'column_name': 'patientId', 'value': NULL::VARCHAR, 'reason': 'the image id is missing'}
    WHEN NOT coalesce(regexp_full_match(nih_image, '[0-9]{8}_[0-9]{3}\.png'), false)
    THEN {'column_name': 'img_id', 'value': nih_image, 'reason': 'is not a name like 00000001_000.png'}
    WHEN min(nih_image) OVER (PARTITION BY image_id) <> max(nih_image) OVER (PARTITION BY image_id)
    THEN {'column_name': 'img_id', 'value': nih_image,
          'reason': 'the image is matched with more than one NIH image; none was chosen'}
    END AS fault
FROM rsna_patient_rows
"""
# The same spelling of a patient as in NIH, so that the two datasets can be matched.
PATIENTS = """
INSERT INTO rsna_matched
SELECT DISTINCT image_id, coalesce(nullif(ltrim(left(nih_image, 8), '0'), ''), '0') FROM rsna_patient_rows
WHERE record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""
ONE_PATIENT = """
CREATE OR REPLACE TEMP TABLE rsna_patients AS
SELECT image_id, min(patient_id) AS patient_id FROM rsna_matched GROUP BY image_id HAVING count(DISTINCT patient_id) = 1
"""
NOT_LABELLED = "SELECT count(*) FROM rsna_patients WHERE image_id NOT IN (SELECT image_id FROM rsna_kept)"


def is_classes(header: Sequence[str]) -> bool:
    """Say whether a table holds the detailed class of each image."""
    return not missing_fields(header, CLASS_FIELDS, tuple(CLASS_FIELDS))


def roles(headers: Headers, labels: Sequence[Path]) -> dict[str, tuple[Path, ...]]:
    """Return the files beside the labels by role: classes, facts, patients (a table or the released JSON)."""
    found: dict[str, list[Path]] = {}
    for path, header in headers.items():
        if path in labels:
            continue
        if is_classes(header):
            found.setdefault("classes", []).append(path)
        elif not missing_fields(header, FACT_FIELDS, tuple(FACT_FIELDS)) and not _is_nih(header):
            found.setdefault("facts", []).append(path)
        elif len(column_positions(header, PATIENT_FIELDS)) == len(PATIENT_FIELDS) and not _is_nih(header):
            found.setdefault("patients", []).append(path)
    released = {folder / MAPPING for path in labels for folder in (path.parent, path.parent.parent)}
    found.setdefault("patients", []).extend(sorted(path for path in released if path.is_file()))
    return {role: tuple(paths) for role, paths in found.items() if paths}


def _is_nih(header: Sequence[str]) -> bool:
    # NIH's own tables have patients under nearly the same name, but those are persons.
    return "findinglabels" in map(matching_key, header)


def stage_classes(intake: Intake, paths: Iterable[Path]) -> None:
    """Make ``rsna_classes`` (image_id, detailed): one class per image, none where tables contradict."""
    intake.con.execute("CREATE OR REPLACE TEMP TABLE rsna_stated (image_id VARCHAR, detailed VARCHAR)")
    for path in paths:
        file = intake.read(
            path, name="rsna_class_rows", fields=CLASS_FIELDS, recognised_as="RSNA classes", counts_images=False
        )
        intake.con.execute(CLASS_FAULTS)
        intake.set_aside_rows(file, "rsna_class_faults")
        intake.con.execute(CLASSES, {"file": file})
    intake.con.execute(ONE_CLASS)


def stage_facts(intake: Intake, paths: Iterable[Path]) -> None:
    """Make ``rsna_facts`` (view, sex and age per image) from a table of DICOM header values."""
    intake.con.execute(
        "CREATE OR REPLACE TEMP TABLE rsna_facts (image_id VARCHAR, view VARCHAR, view_raw VARCHAR, sex VARCHAR, "
        "age_years DOUBLE, age_flag VARCHAR)"
    )
    for path in paths:
        file = intake.read(
            path, name="rsna_fact_rows", fields=FACT_FIELDS, recognised_as="RSNA header values", counts_images=False
        )
        intake.con.execute(TYPED_FACTS)
        intake.con.execute(FACT_FAULTS)
        intake.set_aside_rows(file, "rsna_fact_faults")
        intake.con.execute(FACT_VALUES, {"file": file})
        intake.con.execute(FACTS, {"file": file})


def stage_patients(intake: Intake, paths: Iterable[Path]) -> None:
    """Make ``rsna_patients`` (image_id, patient_id): the NIH patient of each image that is matched."""
    intake.con.execute("CREATE OR REPLACE TEMP TABLE rsna_matched (image_id VARCHAR, patient_id VARCHAR)")
    for path in paths:
        _stage_mapping(intake, path)
    intake.con.execute(ONE_PATIENT)
    if beyond := intake.count(NOT_LABELLED):
        intake.note(f"{beyond:,} images of the NIH mapping are not in the label table; they have no labels.")


def _stage_mapping(intake: Intake, path: Path) -> None:
    released = path.suffix.lower() == ".json"
    file = intake.read(
        _as_table(path, intake.workspace) if released else path,
        name="rsna_patient_rows",
        fields=PATIENT_FIELDS,
        recognised_as="matching NIH images",
        counts_images=False,
    )
    if released:
        # Entry n of the list is record n of the table that was made from it.
        status, digest = path.stat(), hashlib.sha256(path.read_bytes()).hexdigest()
        intake.staged.files[file] = replace(
            intake.staged.files[file],
            path=path,
            sha256=digest,
            bytes=status.st_size,
            mtime_ns=status.st_mtime_ns,
        )
    intake.con.execute(PATIENT_FAULTS)
    intake.set_aside_rows(file, "rsna_patient_faults")
    intake.con.execute(PATIENTS, {"file": file})


def _as_table(path: Path, workspace: Path) -> Path:
    """Write the released JSON, a list of objects, as a table with a line per object."""
    if path.stat().st_size > MAPPING_BYTES:
        raise CxrdashError(f"{path.name} is larger than {MAPPING_BYTES // 2**20} MB.", "Move it elsewhere.")
    try:
        entries = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as fault:
        raise CxrdashError(f"{path.name} is no JSON file: {shown(fault)}.", "Download it again.") from fault
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise CxrdashError(f"{path.name} is not a list of objects.", "Download it again, or move it elsewhere.")
    table = workspace / "rsna-mapping.csv"
    with table.open("w", encoding="utf-8", errors="replace", newline="") as file:
        writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerow(["subset_img_id", "img_id"])
        for entry in entries:
            writer.writerow([str(entry.get(key, "") or "").replace("\0", "") for key in ("subset_img_id", "img_id")])
    return table
