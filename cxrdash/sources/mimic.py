"""MIMIC-CXR-JPG 2.0 and 2.1: images from the metadata table, with labels, splits and patients beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import duckdb

from cxrdash.sources import mimic_extras
from cxrdash.sources.base import Claim, Headers, Staged
from cxrdash.sources.card import load_card
from cxrdash.sources.headers import Fields, column_positions, missing_fields, missing_sentence
from cxrdash.sources.staging import Intake
from cxrdash.sources.tablefile import peek_header

FIELDS: Fields = {
    "dicom_id": ("dicom_id",),
    "subject_id": ("subject_id",),
    "study_id": ("study_id",),
    "procedure": ("PerformedProcedureStepDescription",),
    "position": ("ViewPosition",),
    "rows": ("Rows",),
    "columns": ("Columns",),
    "study_date": ("StudyDate",),
    "study_time": ("StudyTime",),
    "code": ("ViewCodeSequence_CodeMeaning",),
    "orientation": ("PatientOrientationCodeSequence_CodeMeaning",),
}
REQUIRED = ("dicom_id", "subject_id", "study_id", "position")

POSITIONS = {
    "PA": "PA",
    "AP": "AP",
    **dict.fromkeys(("LATERAL", "LL"), "LATERAL"),
    **dict.fromkeys(("LPO", "RPO", "LAO", "RAO"), "OBLIQUE"),
    **dict.fromkeys(("AP LLD", "AP RLD", "PA LLD", "PA RLD"), "LATERAL_DECUBITUS"),
    **dict.fromkeys(("XTABLE LATERAL", "AP AXIAL", "SWIMMERS", "L5 S1"), "OTHER"),
}
CODES = {
    "POSTERO-ANTERIOR": "PA",
    "ANTERO-POSTERIOR": "AP",
    **dict.fromkeys(("LATERAL", "LEFT LATERAL", "RIGHT LATERAL"), "LATERAL"),
    **dict.fromkeys((f"{side} {way} OBLIQUE" for side in ("LEFT", "RIGHT") for way in ("ANTERIOR", "POSTERIOR")),
                    "OBLIQUE"),
}  # fmt: skip
# The view words of a procedure, each once and sorted; a procedure with several views tells none of them.
PROCEDURES = {
    "PA": "PA",
    "AP": "AP",
    **dict.fromkeys(("LAT", "LATERAL"), "LATERAL"),
    **dict.fromkeys(("OBLIQUE", "OBLIQUES"), "OBLIQUE"),
    **dict.fromkeys(("DECUB", "DECUBITUS", "DECUB LAT", "DECUBITUS LAT", "DECUBITUS LATERAL"), "LATERAL_DECUBITUS"),
}

VIEWS = """
CREATE OR REPLACE TEMP TABLE mimic_views AS
SELECT unnest($places::VARCHAR[]) AS place, unnest($texts::VARCHAR[]) AS text, unnest($views::VARCHAR[]) AS view
"""
TYPED = r"""
CREATE OR REPLACE TEMP TABLE mimic_typed AS
WITH cells AS (
    SELECT *, upper(trim(position)) AS position_text, upper(trim(code)) AS code_text,
        array_to_string(list_sort(list_distinct(regexp_extract_all(upper(procedure),
            '\b(PA|AP|LAT|LATERAL|OBLIQUES?|DECUB|DECUBITUS)\b'))), ' ') AS procedure_text,
        try_strptime(regexp_extract(study_date, '^([0-9]{8})(\.0)?$', 1), '%Y%m%d')::DATE AS study_day,
        try_cast(study_time AS DOUBLE) AS clock,
        try_cast(try_cast("rows" AS DOUBLE) AS INTEGER) AS rows_px,
        try_cast(try_cast("columns" AS DOUBLE) AS INTEGER) AS columns_px
    FROM mimic_metadata),
told AS (
    SELECT cells.* REPLACE (CASE WHEN clock >= 0 AND clock < 240000 THEN clock END AS clock,
            CASE WHEN rows_px > 0 THEN rows_px END AS rows_px,
            CASE WHEN columns_px > 0 THEN columns_px END AS columns_px),
        position_text IS NOT NULL AND by_position.view IS NULL AS odd_position,
        CASE WHEN position_text IS NOT NULL THEN by_position.view
             ELSE coalesce(by_code.view, by_procedure.view) END AS stated,
        CASE WHEN position_text IS NOT NULL THEN position WHEN by_code.view IS NOT NULL THEN code
             WHEN by_procedure.view IS NOT NULL THEN procedure ELSE code END AS view_text
    FROM cells
    LEFT JOIN mimic_views AS by_position ON by_position.place = 'position' AND by_position.text = position_text
    LEFT JOIN mimic_views AS by_code ON by_code.place = 'code' AND by_code.text = code_text
    LEFT JOIN mimic_views AS by_procedure
        ON by_procedure.place = 'procedure' AND by_procedure.text = procedure_text)
SELECT * EXCLUDE (stated), stated IS NOT NULL AND position_text IS NULL AS derived,
    CASE WHEN stated = 'AP' AND lower(trim(orientation)) = 'recumbent' THEN 'AP_SUPINE'
         ELSE coalesce(stated, 'UNKNOWN') END AS view
FROM told
"""
ROW_FAULTS = """
CREATE OR REPLACE TEMP VIEW mimic_row_faults AS
SELECT record, CASE
    WHEN dicom_id IS NULL
    THEN {'column_name': 'dicom_id', 'value': NULL::VARCHAR, 'reason': 'the image id is missing'}
    WHEN NOT regexp_full_match(dicom_id, '[0-9a-f]{8}(-[0-9a-f]{8}){4}')
    THEN {'column_name': 'dicom_id', 'value': dicom_id,
          'reason': 'is not an image id of five groups of eight hexadecimal digits'}
    WHEN subject_id IS NULL
    THEN {'column_name': 'subject_id', 'value': NULL::VARCHAR, 'reason': 'the patient id is missing'}
    WHEN study_id IS NULL
    THEN {'column_name': 'study_id', 'value': NULL::VARCHAR, 'reason': 'the study id is missing'}
    END AS fault
FROM mimic_typed
"""
# A date that cannot be read is shown with its digits hidden: its year is not a real one.
VALUE_FAULTS = """
INSERT INTO staged_set_aside
SELECT $file, record, fault.column_name, fault.value, fault.reason, 'value'
FROM (SELECT record, unnest([
    CASE WHEN odd_position
         THEN {'column_name': 'ViewPosition', 'value': position, 'reason': 'not a view of this dataset'} END,
    CASE WHEN "rows" IS NOT NULL AND rows_px IS NULL
         THEN {'column_name': 'Rows', 'value': "rows", 'reason': 'not a number of pixels'} END,
    CASE WHEN "columns" IS NOT NULL AND columns_px IS NULL
         THEN {'column_name': 'Columns', 'value': "columns", 'reason': 'not a number of pixels'} END,
    CASE WHEN study_date IS NOT NULL AND study_day IS NULL
         THEN {'column_name': 'StudyDate', 'value': regexp_replace(study_date, '[0-9]', '#', 'g'),
               'reason': 'not a date of eight digits (each digit is shown as #)'} END,
    CASE WHEN study_time IS NOT NULL AND clock IS NULL
         THEN {'column_name': 'StudyTime', 'value': study_time, 'reason': 'not a time of day such as 131216.078'} END
    ]) AS fault
    FROM mimic_typed)
WHERE fault IS NOT NULL
  AND record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""
# All images of a study share its earliest moment; study numbers are random and say nothing about time.
STUDY_ORDER = """
CREATE OR REPLACE TEMP TABLE mimic_study_order AS
SELECT study_id, subject_id, dense_rank() OVER (PARTITION BY subject_id ORDER BY moment)::INTEGER AS place
FROM (SELECT study_id, subject_id, min((study_day, clock)) AS moment
      FROM mimic_typed WHERE study_day IS NOT NULL AND clock IS NOT NULL GROUP BY ALL)
"""
IMAGES = """
INSERT INTO staged_images
WITH aged AS (
    SELECT typed.*, split, gender, place, primaries.labels, anchor_age,
        anchor_age + year(study_day) - anchor_year AS years
    FROM mimic_typed AS typed
    LEFT JOIN mimic_split USING (dicom_id)
    LEFT JOIN mimic_people USING (subject_id)
    LEFT JOIN mimic_study_order USING (subject_id, study_id)
    LEFT JOIN mimic_primary AS primaries USING (study_id)
    WHERE record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row'))
SELECT dicom_id, subject_id, study_id, view,
    nullif(concat_ws(' ', view_text, CASE WHEN view = 'AP_SUPINE' THEN orientation END), ''),
    coalesce(gender, 'unknown'),
    CASE WHEN years BETWEEN 0 AND 110 THEN years END,
    CASE WHEN years NOT BETWEEN 0 AND 110 THEN 'implausible'
         WHEN years IS NOT NULL AND anchor_age = $top_code THEN 'top_coded' END,
    split, place, columns_px, rows_px, NULL, NULL, labels, dicom_id, $file, record
FROM aged
"""
TOP_CODE = 91  # stands for every age over 89
DERIVED_VIEWS = "SELECT count(*) FROM mimic_typed WHERE derived"
IMPLAUSIBLE = "SELECT count(*) FROM staged_images WHERE age_flag = 'implausible'"


class Mimic:
    """The source of MIMIC-CXR-JPG (Johnson 2019), and of MIMIC-CXR where its tables are kept with the DICOM files."""

    name = "mimic"
    card = load_card("mimic")

    def claim(self, headers: Headers) -> Claim | None:
        """Return the metadata table and what lies beside it; of a table and its packed copy the unpacked one."""
        tables = {path: header for path, header in headers.items() if not _is_packed_copy(path, headers)}
        images = tuple(path for path, header in tables.items() if _is_metadata(header))
        if not images:
            return None
        roles = {"metadata": images, **mimic_extras.roles(tables, except_for=images)}
        read = {path for paths in roles.values() for path in paths}
        copies = [path for path in headers if path not in tables and path.with_suffix("") in read]
        notes = tuple(f"{path.name} was not read: its unpacked copy {path.stem} is here." for path in copies)
        return Claim(self.name, roles, notes)

    def nearest(self, headers: Headers) -> str:
        """Return which table looks most like the metadata table and what it lacks."""
        path = max(headers, key=lambda path: len(column_positions(headers[path], FIELDS)), default=None)
        if path is None:
            return ""
        missing = missing_fields(headers[path], FIELDS, REQUIRED)
        if len(column_positions(headers[path], FIELDS)) > len(REQUIRED) and missing:
            return f"{path.name} {missing_sentence(headers[path], missing)} of MIMIC-CXR-JPG."
        beside = [path.name for paths in mimic_extras.roles(headers, except_for=()).values() for path in paths]
        if beside:
            return f"{beside[0]} belongs to MIMIC-CXR-JPG, but its table of images (metadata.csv) is not here."
        return ""

    def image_key(self, path: str) -> str:
        """Return the file name without its ending, which is the image id in every layout."""
        return PurePosixPath(path).stem

    def stage(self, con: duckdb.DuckDBPyConnection, claim: Claim, workspace: Path, *, allow_bad_rows: bool) -> Staged:
        """Stage the images with what the other tables say of them, then the readings; see ``Source.stage``."""
        intake = Intake(con, workspace, allow_bad_rows=allow_bad_rows)
        intake.staged.image_column = "dicom_id"
        intake.staged.findings = list(self.card.findings)
        intake.staged.variant = "2.1.0" if claim.roles.get("test") else ""
        path = mimic_extras.only_table(claim.roles["metadata"], "metadata")
        file = intake.read(path, name="mimic_metadata", fields=FIELDS, recognised_as="MIMIC image table")
        if absent := missing_fields(peek_header(path), FIELDS, tuple(FIELDS)):
            intake.note(f"{path.name} {missing_sentence((), absent)}; those values are unknown.")
        _type_cells(intake, file)
        mimic_extras.stage_split(intake, _optional(claim, "split"))
        mimic_extras.stage_people(intake, patients := _optional(claim, "patients"))
        mimic_extras.stage_labels(intake, labels := _optional(claim, "labels"), claim.roles.get("unnamed", ()))
        intake.con.execute(IMAGES, {"file": file, "top_code": TOP_CODE})
        _note_images(intake)
        mimic_extras.note_missing(intake, labels=labels, patients=patients)
        mimic_extras.stage_readings(intake, _optional(claim, "negbio"), reader="negbio")
        mimic_extras.stage_readings(intake, _optional(claim, "test"), reader="radiologist_test")
        return intake.staged


def _is_metadata(header: Sequence[str]) -> bool:
    return not missing_fields(header, FIELDS, REQUIRED)


def _is_packed_copy(path: Path, headers: Headers) -> bool:
    return path.suffix.lower() == ".gz" and path.with_suffix("") in headers


def _optional(claim: Claim, role: str) -> Path | None:
    paths = claim.roles.get(role, ())
    return mimic_extras.only_table(paths, role) if paths else None


def _type_cells(intake: Intake, file: int) -> None:
    words = {"position": POSITIONS, "code": CODES, "procedure": PROCEDURES}
    known = [(place, text, view) for place, views in words.items() for text, view in views.items()]
    places, texts, views = (list(column) for column in zip(*known, strict=True))
    intake.con.execute(VIEWS, {"places": places, "texts": texts, "views": views})
    intake.con.execute(TYPED)
    intake.con.execute(ROW_FAULTS)
    intake.set_aside_rows(file, "mimic_row_faults")
    intake.con.execute(VALUE_FAULTS, {"file": file})
    intake.con.execute(STUDY_ORDER)


def _note_images(intake: Intake) -> None:
    if derived := intake.count(DERIVED_VIEWS):
        intake.note(f"{derived:,} images without ViewPosition got their view from the view code or the procedure.")
    if implausible := intake.count(IMPLAUSIBLE):
        intake.note(f"{implausible:,} images have an age outside 0 to 110 years at their study; it is unknown.")


SOURCE = Mimic()
