"""What may lie beside the MIMIC-CXR-JPG metadata: labels per study, splits, test readings, MIMIC-IV patients."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from cxrdash.errors import CxrdashError
from cxrdash.sources.base import Headers
from cxrdash.sources.chexpert import ENOUGH_LABELS, FINDINGS, LABEL_FIELDS
from cxrdash.sources.folder import shown_path
from cxrdash.sources.headers import Fields, column_positions, missing_fields, missing_sentence
from cxrdash.sources.staging import Intake
from cxrdash.sources.tablefile import peek_header

STUDY_FIELDS: Fields = {"subject_id": ("subject_id",), "study_id": ("study_id",), **LABEL_FIELDS}
SPLIT_FIELDS: Fields = {"dicom_id": ("dicom_id",), "split": ("split",)}
PEOPLE_FIELDS: Fields = {name: (name,) for name in ("subject_id", "gender", "anchor_age", "anchor_year")}
# Both labellers' tables have the same columns, so only their names tell them apart.
LABELLERS = {"labels": re.compile("chexpert", re.I), "negbio": re.compile("negbio", re.I)}
MEANINGS = {
    "metadata": "the list of images",
    "labels": "CheXpert labels",
    "negbio": "NegBio labels",
    "split": "the split",
    "test": "the test readings",
    "patients": "MIMIC-IV patients",
}

# The texts of a study's cells are its key into staged_labels.
STUDY_ROWS = f"""
CREATE OR REPLACE TEMP TABLE mimic_studies AS
SELECT record, subject_id, study_id,
       concat_ws('|', {", ".join(f"coalesce({field}, '')" for field in LABEL_FIELDS)}) AS labels
FROM mimic_study_table
"""
CELLS = """
CREATE OR REPLACE TEMP TABLE mimic_cells AS
SELECT *, CASE WHEN cell IN ('1.0', '1') THEN 'positive' WHEN cell IN ('0.0', '0') THEN 'negative'
               WHEN cell IN ('-1.0', '-1') THEN 'uncertain' END AS state
FROM (SELECT labels, unnest($findings::VARCHAR[]) AS finding, unnest(string_split(labels, '|')) AS cell
      FROM (SELECT DISTINCT labels FROM mimic_studies))
"""
STUDY_FAULTS = """
CREATE OR REPLACE TEMP VIEW mimic_study_faults AS
WITH bad AS (
    SELECT labels, first(finding) AS finding, first(cell) AS cell FROM mimic_cells
    WHERE finding IS NULL OR (state IS NULL AND cell <> '') GROUP BY labels),
repeated AS (
    SELECT study_id, count(DISTINCT labels) AS versions, min(record) AS first_record
    FROM mimic_studies GROUP BY study_id HAVING count(*) > 1)
SELECT record, CASE
    WHEN study_id IS NULL
    THEN {'column_name': 'study_id', 'value': NULL::VARCHAR, 'reason': 'the study id is missing'}
    WHEN bad.labels IS NOT NULL
    THEN {'column_name': coalesce(bad.finding, 'labels'), 'value': bad.cell,
          'reason': 'not one of 1.0, 0.0, -1.0 and blank'}
    WHEN versions > 1
    THEN {'column_name': 'study_id', 'value': study_id,
          'reason': 'the same study stands in rows that differ; none was chosen'}
    WHEN record > first_record
    THEN {'column_name': 'study_id', 'value': study_id, 'reason': 'repeats an earlier row; the first was kept'}
    END AS fault
FROM mimic_studies LEFT JOIN bad USING (labels) LEFT JOIN repeated USING (study_id)
"""
KEPT_STUDIES = """
CREATE OR REPLACE TEMP TABLE mimic_kept_studies AS
SELECT subject_id, study_id, labels FROM mimic_studies
WHERE record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""
NO_LABELS = "CREATE OR REPLACE TEMP TABLE mimic_primary (subject_id VARCHAR, study_id VARCHAR, labels VARCHAR)"
PRIMARY = "CREATE OR REPLACE TEMP TABLE mimic_primary AS FROM mimic_kept_studies"
LABELS = """
INSERT INTO staged_labels
SELECT labels, finding, state FROM mimic_cells
WHERE state IS NOT NULL AND labels IN (SELECT labels FROM mimic_primary)
"""
READINGS = """
INSERT INTO staged_readings
SELECT DISTINCT image_id, $reader, finding, state
FROM mimic_kept_studies JOIN mimic_cells USING (labels)
JOIN (SELECT image_id, study_id FROM staged_images) AS images USING (study_id)
WHERE state IS NOT NULL
"""
STUDIES_WITHOUT_IMAGE = """
SELECT count(*) FROM mimic_kept_studies ANTI JOIN staged_images USING (study_id)
"""
STUDIES_WITH_IMAGE = "SELECT count(*) FROM mimic_kept_studies SEMI JOIN staged_images USING (study_id)"
OTHER_SUBJECT = """
SELECT count(*) FROM mimic_kept_studies AS told
WHERE told.subject_id IS NOT NULL AND EXISTS (
    FROM staged_images AS image WHERE image.study_id = told.study_id AND image.patient_id <> told.subject_id)
"""
NO_SPLIT = "CREATE OR REPLACE TEMP TABLE mimic_split (dicom_id VARCHAR, split VARCHAR)"
SPLIT_FAULTS = """
CREATE OR REPLACE TEMP VIEW mimic_split_faults AS
SELECT record, CASE
    WHEN dicom_id IS NULL
    THEN {'column_name': 'dicom_id', 'value': NULL::VARCHAR, 'reason': 'the image id is missing'}
    WHEN coalesce(split NOT IN ('train', 'validate', 'valid', 'test'), true)
    THEN {'column_name': 'split', 'value': split, 'reason': 'none of train, validate and test'}
    END AS fault
FROM mimic_split_table
"""
# An image in two parts is given neither: nothing says which row is right.
SPLIT = """
CREATE OR REPLACE TEMP TABLE mimic_split AS
SELECT dicom_id, CASE WHEN count(DISTINCT part) = 1 THEN min(part) END AS split
FROM (SELECT dicom_id, CASE split WHEN 'validate' THEN 'valid' ELSE split END AS part FROM mimic_split_table
      WHERE record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row'))
GROUP BY dicom_id
"""
SPLIT_PROBLEMS = {
    "{:,} images stand in two parts of the split; their part is not stated.": (
        "SELECT count(*) FROM mimic_split WHERE split IS NULL"
    ),
    "{:,} rows of the split belong to images that are not in the metadata.": (
        "SELECT count(*) FROM mimic_split WHERE dicom_id NOT IN (SELECT image_id FROM staged_images)"
    ),
    "{:,} images are not in the split; their part is not stated.": (
        "SELECT count(*) FROM staged_images WHERE EXISTS (FROM mimic_split) "
        "AND image_id NOT IN (SELECT dicom_id FROM mimic_split)"
    ),
}
NO_PEOPLE = """
CREATE OR REPLACE TEMP TABLE mimic_people (subject_id VARCHAR, gender VARCHAR, anchor_age INTEGER, anchor_year INTEGER)
"""
PEOPLE_FAULTS = """
CREATE OR REPLACE TEMP VIEW mimic_people_faults AS
WITH repeated AS (
    SELECT subject_id, count(DISTINCT (gender, anchor_age, anchor_year)) AS versions, min(record) AS first_record
    FROM mimic_people_table GROUP BY subject_id HAVING count(*) > 1)
SELECT record, CASE
    WHEN subject_id IS NULL
    THEN {'column_name': 'subject_id', 'value': NULL::VARCHAR, 'reason': 'the patient id is missing'}
    WHEN versions > 1
    THEN {'column_name': 'subject_id', 'value': subject_id,
          'reason': 'the same patient stands in rows that differ; none was chosen'}
    WHEN record > first_record
    THEN {'column_name': 'subject_id', 'value': subject_id, 'reason': 'repeats an earlier row; the first was kept'}
    END AS fault
FROM mimic_people_table LEFT JOIN repeated USING (subject_id)
"""
PEOPLE_VALUE_FAULTS = """
INSERT INTO staged_set_aside
SELECT $file, record, fault.column_name, fault.value, fault.reason, 'value'
FROM (SELECT record, unnest([
    CASE WHEN gender NOT IN ('F', 'M')
         THEN {'column_name': 'gender', 'value': gender, 'reason': 'neither F nor M'} END,
    CASE WHEN anchor_age IS NOT NULL AND try_cast(anchor_age AS INTEGER) IS NULL
         THEN {'column_name': 'anchor_age', 'value': anchor_age, 'reason': 'not a whole number'} END,
    CASE WHEN anchor_year IS NOT NULL AND try_cast(anchor_year AS INTEGER) IS NULL
         THEN {'column_name': 'anchor_year', 'value': anchor_year, 'reason': 'not a whole number'} END
    ]) AS fault
    FROM mimic_people_table)
WHERE fault IS NOT NULL
  AND record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""
PEOPLE = """
CREATE OR REPLACE TEMP TABLE mimic_people AS
SELECT subject_id, CASE WHEN gender IN ('F', 'M') THEN gender END AS gender,
       try_cast(anchor_age AS INTEGER) AS anchor_age, try_cast(anchor_year AS INTEGER) AS anchor_year
FROM mimic_people_table
WHERE record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""
WITHOUT_LABELS = "SELECT count(*) FROM staged_images WHERE study_id NOT IN (SELECT study_id FROM mimic_primary)"
STRANGERS = """
SELECT count(DISTINCT patient_id) FROM staged_images WHERE patient_id NOT IN (SELECT subject_id FROM mimic_people)
"""


def roles(headers: Headers, *, except_for: Sequence[Path]) -> dict[str, tuple[Path, ...]]:
    """Return the files beside the metadata by role: labels, negbio, unnamed, split, test, patients.

    ``unnamed`` are tables of labels whose names tell neither labeller. The test readings have no
    ``subject_id``; a name that tells a labeller goes before that.
    """
    found: dict[str, list[Path]] = {}
    for path, header in headers.items():
        if path not in except_for and (role := _role(path, header)):
            found.setdefault(role, []).append(path)
    return {role: tuple(paths) for role, paths in found.items()}


def _role(path: Path, header: tuple[str, ...]) -> str:
    if _is_study_labels(header):
        named = [role for role, name in LABELLERS.items() if name.search(path.name)]
        if named:
            return named[0] if len(named) == 1 else "unnamed"
        return "test" if missing_fields(header, STUDY_FIELDS, ("subject_id",)) else "unnamed"
    if not missing_fields(header, SPLIT_FIELDS, tuple(SPLIT_FIELDS)):
        return "split"
    return "" if missing_fields(header, PEOPLE_FIELDS, tuple(PEOPLE_FIELDS)) else "patients"


def _is_study_labels(header: tuple[str, ...]) -> bool:
    present = column_positions(header, STUDY_FIELDS)
    other = column_positions(header, {"image": ("dicom_id", "Path")})
    return "study_id" in present and not other and len(present.keys() & LABEL_FIELDS.keys()) >= ENOUGH_LABELS


def only_table(paths: tuple[Path, ...], role: str) -> Path:
    """Return the one table of a role. Raises CxrdashError naming all where there are several."""
    if len(paths) > 1:
        listed = ", ".join(shown_path(path) for path in paths)
        raise CxrdashError(
            f"{len(paths)} tables hold {MEANINGS[role]} of MIMIC-CXR-JPG: {listed}.",
            "Keep the one to read and move the others elsewhere.",
        )
    return paths[0]


def _read_studies(intake: Intake, path: Path, recognised_as: str) -> None:
    """Read a table of labels per study into mimic_kept_studies and mimic_cells."""
    file = intake.read(
        path, name="mimic_study_table", fields=STUDY_FIELDS, recognised_as=recognised_as, counts_images=False
    )
    header = peek_header(path)
    if absent := missing_fields(header, STUDY_FIELDS, tuple(LABEL_FIELDS)):
        intake.note(f"{path.name} {missing_sentence(header, absent)}; those labels are blank.")
    intake.con.execute(STUDY_ROWS)
    intake.con.execute(CELLS, {"findings": FINDINGS})
    intake.con.execute(STUDY_FAULTS)
    intake.set_aside_rows(file, "mimic_study_faults")
    intake.con.execute(KEPT_STUDIES, {"file": file})


def stage_labels(intake: Intake, path: Path | None, unnamed: Sequence[Path]) -> None:
    """Stage the CheXpert labels and make ``mimic_primary`` (study_id, labels), empty without the table.

    Raises CxrdashError where a table of labels does not tell by its name who labelled.
    """
    intake.con.execute(NO_LABELS)
    if unnamed:
        listed = ", ".join(shown_path(each) for each in unnamed)
        raise CxrdashError(
            f"{listed}: CheXpert's and NegBio's labels have the same columns, and the name tells neither.",
            "Put 'chexpert' or 'negbio' into the file's name, as in the download.",
        )
    if path is None:
        intake.note("No table of CheXpert labels is here: every label is blank.")
        return
    _read_studies(intake, path, "MIMIC labels per study (CheXpert)")
    intake.con.execute(PRIMARY)
    intake.con.execute(LABELS)


def stage_readings(intake: Intake, path: Path | None, *, reader: str) -> None:
    """Stage labels per study as readings of every image of the study."""
    if path is None:
        return
    _read_studies(intake, path, f"labels per study by {reader}")
    added = intake.count(READINGS, reader=reader)
    studies = intake.count(STUDIES_WITH_IMAGE)
    intake.note(f"{path.name}: {added:,} second opinions (reader {reader}) on the images of {studies:,} studies.")
    _note_studies(intake, path.name)


def _note_studies(intake: Intake, name: str) -> None:
    if without := intake.count(STUDIES_WITHOUT_IMAGE):
        intake.note(f"{name}: {without:,} labelled studies have no image in the metadata.")
    if others := intake.count(OTHER_SUBJECT):
        intake.note(f"{name}: {others:,} studies carry another subject_id than their images.")


def stage_split(intake: Intake, path: Path | None) -> None:
    """Make the table ``mimic_split`` (dicom_id, split), empty without the file."""
    intake.con.execute(NO_SPLIT)
    if path is None:
        intake.note("No split table is here: the part of the images is not stated.")
        return
    file = intake.read(
        path, name="mimic_split_table", fields=SPLIT_FIELDS, recognised_as="MIMIC split", counts_images=False
    )
    intake.con.execute(SPLIT_FAULTS)
    intake.set_aside_rows(file, "mimic_split_faults")
    intake.con.execute(SPLIT, {"file": file})


def stage_people(intake: Intake, path: Path | None) -> None:
    """Make the table ``mimic_people`` (subject_id, gender, anchor_age, anchor_year), empty without the file."""
    intake.con.execute(NO_PEOPLE)
    if path is None:
        intake.note("Sex and age are unknown: MIMIC-IV's patients.csv.gz is not in this folder.")
        return
    file = intake.read(
        path, name="mimic_people_table", fields=PEOPLE_FIELDS, recognised_as="MIMIC-IV patients", counts_images=False
    )
    intake.con.execute(PEOPLE_FAULTS)
    intake.set_aside_rows(file, "mimic_people_faults")
    intake.con.execute(PEOPLE_VALUE_FAULTS, {"file": file})
    intake.con.execute(PEOPLE, {"file": file})


def note_missing(intake: Intake, *, labels: Path | None, patients: Path | None) -> None:
    """Note which images have no label row, no part or no patient, and which rows have no image."""
    if labels is not None:
        if blank := intake.count(WITHOUT_LABELS):
            intake.note(f"{blank:,} images belong to studies without a label row: all their labels are blank.")
        _note_studies(intake, labels.name)
    if patients is not None and (strangers := intake.count(STRANGERS)):
        intake.note(f"{strangers:,} patients are not in {patients.name}; their sex and age are unknown.")
    for sentence, statement in SPLIT_PROBLEMS.items():
        if images := intake.count(statement):
            intake.note(sentence.format(images))
