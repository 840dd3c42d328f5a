"""CANDID-PTX: masks of pneumothorax, chest tubes and rib fractures; the patient stands in `filename`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import duckdb

from cxrdash.sources.base import Claim, Headers, Staged
from cxrdash.sources.card import load_card
from cxrdash.sources.claims import film_stem, is_repeat, largest_first, nearest_table
from cxrdash.sources.headers import Fields, column_positions, missing_fields
from cxrdash.sources.runs import define_run_checks
from cxrdash.sources.staging import Intake

# The report's text is left where it is: nothing here needs it, and it may name people.
FIELDS: Fields = {"image_id": ("SOPInstanceUID",), "code": ("EncodedPixels",), "filename": ("filename",)}
LISTED_FIELDS: Fields = {"image_id": ("anon_SOPUID",), "code": ("mask_rle",)}
# The two further tables have the same columns; only their names say what they list.
LISTED = {"Chest tube": re.compile(r"tube", re.I), "Rib fracture": re.compile(r"rib|fracture", re.I)}
STRUCTURES = {"Chest tube": "chest tube", "Rib fracture": "rib fracture"}
CONVENTION = "unverified"
LIKELY_PIXELS = 1024 * 1024
UID = re.compile(r"\d+(\.\d+){3,}")

PARSED = r"""
CREATE OR REPLACE TEMP TABLE candid_parsed AS
WITH trimmed AS (
    SELECT record, nullif(trim(image_id), '') AS image_id, nullif(trim(code), '') AS code, filename,
        nullif(trim(split_part(filename, '_', 1)), '') AS person
    FROM candid_rows)
SELECT *, CASE WHEN contains(filename, '_') THEN
        coalesce(nullif(regexp_extract(person, '^P?0*([0-9]+)$', 1), ''), person) END AS patient_id,
    CASE WHEN code IS DISTINCT FROM '-1' THEN run_fault(code) END AS wrong
FROM trimmed
"""
ROW_FAULTS = """
CREATE OR REPLACE TEMP VIEW candid_faults AS
WITH judged AS (
    SELECT *, bool_or(code = '-1') OVER images AND bool_or(code IS DISTINCT FROM '-1') OVER images AS contradicts,
        min(patient_id) OVER images <> max(patient_id) OVER images AS of_two,
        row_number() OVER (PARTITION BY image_id, code ORDER BY record) > 1 AS again
    FROM candid_parsed WINDOW images AS (PARTITION BY image_id))
SELECT record, CASE
    WHEN image_id IS NULL
    THEN {'column_name': 'SOPInstanceUID', 'value': NULL::VARCHAR, 'reason': 'the image id is missing'}
    WHEN of_two
    THEN {'column_name': 'filename', 'value': filename,
          'reason': 'the image stands in rows of two patients; none was chosen'}
    WHEN wrong IS NOT NULL
    THEN {'column_name': 'EncodedPixels', 'value': run_shown(code), 'reason': wrong}
    WHEN contradicts
    THEN {'column_name': 'SOPInstanceUID', 'value': image_id,
          'reason': 'the image has a row with -1 and another that says otherwise; none was chosen'}
    WHEN again
    THEN {'column_name': 'SOPInstanceUID', 'value': image_id,
          'reason': 'repeats an earlier row of this image; the first was kept'}
    END AS fault
FROM judged
"""
NO_PATIENT = """
INSERT INTO staged_set_aside
SELECT $file, record, 'filename', filename, 'no patient stands before an underscore', 'value' FROM candid_parsed
WHERE patient_id IS NULL
  AND record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""
KEPT = """
INSERT INTO candid_kept SELECT $file, record, image_id, patient_id, code FROM candid_parsed
WHERE record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""
LISTED_PARSED = """
CREATE OR REPLACE TEMP TABLE candid_listed AS
WITH trimmed AS (
    SELECT record, nullif(trim(image_id), '') AS image_id, nullif(trim(code), '') AS code FROM candid_listed_rows)
SELECT *, CASE WHEN code IS DISTINCT FROM '-1' THEN run_fault(code) END AS wrong FROM trimmed
"""
LISTED_FAULTS = """
CREATE OR REPLACE TEMP VIEW candid_listed_faults AS
WITH judged AS (
    SELECT *, bool_or(code = '-1') OVER images AND bool_or(code IS DISTINCT FROM '-1') OVER images AS contradicts,
        row_number() OVER (PARTITION BY image_id, code ORDER BY record) > 1 AS again
    FROM candid_listed WINDOW images AS (PARTITION BY image_id))
SELECT record, CASE
    WHEN image_id IS NULL OR image_id NOT IN (SELECT image_id FROM candid_kept)
    THEN {'column_name': 'anon_SOPUID', 'value': image_id,
          'reason': 'the pneumothorax table has no usable row of this image'}
    WHEN wrong IS NOT NULL
    THEN {'column_name': 'mask_rle', 'value': run_shown(code), 'reason': wrong}
    WHEN contradicts
    THEN {'column_name': 'anon_SOPUID', 'value': image_id,
          'reason': 'the image has a row with -1 and another that says otherwise; none was chosen'}
    WHEN again
    THEN {'column_name': 'anon_SOPUID', 'value': image_id,
          'reason': 'repeats an earlier row exactly; the first was kept'}
    END AS fault
FROM judged
"""
# Listed with a mask: positive. Listed, but unreadable or contradictory: not known. Not listed: negative.
LISTED_STATES = """
INSERT INTO candid_states
SELECT image_id, $finding, CASE WHEN bool_or(aside.record IS NULL AND code <> '-1') THEN 'positive'
    WHEN bool_or(aside.record IS NOT NULL) THEN 'blank' ELSE 'negative' END
FROM candid_listed LEFT JOIN (
    SELECT DISTINCT record FROM staged_set_aside WHERE file = $file AND what = 'row') AS aside USING (record)
WHERE image_id IN (SELECT image_id FROM candid_kept) GROUP BY image_id
"""
LISTED_MASKS = """
INSERT INTO staged_masks
SELECT image_id, $structure, NULL, NULL, code, $convention, NULL FROM candid_listed
WHERE code <> '-1' AND record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
ORDER BY record
"""
MASKS = """
INSERT INTO staged_masks
SELECT image_id, 'pneumothorax', NULL, NULL, code, $convention, NULL FROM candid_kept WHERE code <> '-1'
ORDER BY file, record
"""
IMAGES = """
INSERT INTO staged_images
WITH images AS (
    SELECT image_id, any_value(patient_id) AS patient_id, min((file, record)) AS first,
        CASE WHEN min(code) = '-1' THEN 'negative' ELSE 'positive' END AS pneumothorax
    FROM candid_kept GROUP BY image_id),
stated AS (
    SELECT image_id, max(state) FILTER (WHERE finding = 'Chest tube') AS tube,
        max(state) FILTER (WHERE finding = 'Rib fracture') AS fracture
    FROM candid_states GROUP BY image_id)
SELECT image_id, patient_id, NULL, 'UNKNOWN', NULL, 'unknown', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    concat_ws('|', pneumothorax,
        CASE WHEN list_contains($listed::VARCHAR[], 'Chest tube') THEN coalesce(tube, 'negative')
             ELSE 'not_assessed' END,
        CASE WHEN list_contains($listed::VARCHAR[], 'Rib fracture') THEN coalesce(fracture, 'negative')
             ELSE 'not_assessed' END),
    image_id, first[1], first[2]
FROM images LEFT JOIN stated USING (image_id)
"""
LABELS = """
INSERT INTO staged_labels
SELECT labels, finding, state
FROM (SELECT labels, unnest(['Pneumothorax', 'Chest tube', 'Rib fracture']) AS finding,
             unnest(string_split(labels, '|')) AS state
      FROM (SELECT DISTINCT labels FROM staged_images))
WHERE state <> 'blank'
"""
FITS = """
SELECT count(*), count(*) FILTER (WHERE fits_relative(rle, $pixels)),
    count(*) FILTER (WHERE fits_absolute(rle, $pixels))
FROM staged_masks
"""
TABLES = """
CREATE OR REPLACE TEMP TABLE candid_seen (image_id VARCHAR);
CREATE OR REPLACE TEMP TABLE candid_kept
    (file INTEGER, record BIGINT, image_id VARCHAR, patient_id VARCHAR, code VARCHAR);
CREATE OR REPLACE TEMP TABLE candid_states (image_id VARCHAR, finding VARCHAR, state VARCHAR);
"""


class Candid:
    """The source of CANDID-PTX (Feng 2021)."""

    name = "candid"
    card = load_card("candid")

    def claim(self, headers: Headers) -> Claim | None:
        """Return the pneumothorax table, and the tables of tubes and fractures (told apart by their names)."""
        main = tuple(path for path, header in headers.items() if not missing_fields(header, FIELDS, tuple(FIELDS)))
        if not main:
            return None
        roles: dict[str, tuple[Path, ...]] = {"pneumothorax": main}
        notes = []
        for path, header in headers.items():
            if path in main or missing_fields(header, LISTED_FIELDS, tuple(LISTED_FIELDS)):
                continue
            findings = [finding for finding, name in LISTED.items() if name.search(path.name)]
            if len(findings) == 1:
                roles[findings[0]] = (*roles.get(findings[0], ()), path)
            else:
                notes.append(f"{path.name} was not read: its name says neither chest tube nor rib fracture.")
        return Claim(self.name, roles, tuple(notes))

    def nearest(self, headers: Headers) -> str:
        """Return which table looks most like the pneumothorax table and what it lacks."""
        near = nearest_table(headers, FIELDS, tuple(FIELDS), self.card.title, UID)
        lone = next((path.name for path, header in headers.items() if _is_listed(header)), "")
        return near or (f"{lone} lists masks of CANDID-PTX, but Pneumothorax_reports.csv is not here." if lone else "")

    def image_key(self, path: str) -> str:
        """Return the file's name, a SOPInstanceUID, without an image ending if it has one."""
        return film_stem(path)

    def stage(self, con: duckdb.DuckDBPyConnection, claim: Claim, workspace: Path, *, allow_bad_rows: bool) -> Staged:
        """Stage one image per SOPInstanceUID and one mask per row that draws one; see ``Source.stage``."""
        intake = Intake(con, workspace, allow_bad_rows=allow_bad_rows)
        intake.staged.image_column = "SOPInstanceUID"
        intake.staged.findings = list(self.card.findings)
        define_run_checks(con)
        con.execute(TABLES)
        for path in largest_first(claim.roles["pneumothorax"]):
            _stage_pneumothorax(intake, path)
        listed = [finding for finding in LISTED if finding in claim.roles]
        for finding in listed:
            _stage_listed(intake, claim.roles[finding], finding)
        con.execute(IMAGES, {"listed": listed})
        con.execute(LABELS)
        con.execute(MASKS, {"convention": CONVENTION})
        _note_absent(intake, listed)
        _note_masks(intake)
        return intake.staged


def _is_listed(header: Sequence[str]) -> bool:
    return len(column_positions(header, LISTED_FIELDS)) == len(LISTED_FIELDS)


def _stage_pneumothorax(intake: Intake, path: Path) -> None:
    file = intake.read(
        path, name="candid_rows", fields=FIELDS, recognised_as="CANDID-PTX pneumothorax", counts_images=False
    )
    intake.con.execute(PARSED)
    if is_repeat(intake, path, rows="candid_parsed", seen="candid_seen"):
        return
    intake.con.execute("INSERT INTO candid_seen SELECT DISTINCT image_id FROM candid_parsed WHERE image_id IS NOT NULL")
    intake.con.execute(ROW_FAULTS)
    intake.set_aside_rows(file, "candid_faults")
    intake.con.execute(NO_PATIENT, {"file": file})
    intake.con.execute(KEPT, {"file": file})


def _stage_listed(intake: Intake, paths: Sequence[Path], finding: str) -> None:
    # Copies of the fracture table go by two names; an image is listed by the first that lists it.
    intake.con.execute("CREATE OR REPLACE TEMP TABLE candid_listed_seen (image_id VARCHAR)")
    for path in largest_first(paths):
        file = intake.read(
            path,
            name="candid_listed_rows",
            fields=LISTED_FIELDS,
            recognised_as=f"CANDID-PTX {STRUCTURES[finding]}",
            counts_images=False,
        )
        intake.con.execute(LISTED_PARSED)
        if is_repeat(intake, path, rows="candid_listed", seen="candid_listed_seen"):
            continue
        intake.con.execute("INSERT INTO candid_listed_seen SELECT DISTINCT image_id FROM candid_listed")
        intake.con.execute(LISTED_FAULTS)
        intake.set_aside_rows(file, "candid_listed_faults")
        intake.con.execute(LISTED_STATES, {"file": file, "finding": finding})
        masks = {"file": file, "structure": STRUCTURES[finding], "convention": CONVENTION}
        intake.con.execute(LISTED_MASKS, masks)


def _note_absent(intake: Intake, listed: Sequence[str]) -> None:
    for finding in LISTED:
        if finding not in listed:
            intake.note(f"No table of {STRUCTURES[finding]}s is here; {finding} is not assessed.")


def _note_masks(intake: Intake) -> None:
    ((masks, relative, absolute),) = intake.con.execute(FITS, {"pixels": LIKELY_PIXELS}).fetchall()
    if masks:
        intake.note(
            f"The files do not say how masks are written, so none is drawn. Of {masks:,} masks, {relative:,} would fit "
            f"1024 x 1024 pixels as gaps and lengths, {absolute:,} as starts and lengths."
        )


SOURCE = Candid()
