"""SIIM-ACR Pneumothorax Segmentation: a row is a mask or a -1, an image is all rows of one ImageId."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb

from cxrdash.images.rle import RELATIVE
from cxrdash.sources.base import Claim, Headers, Staged
from cxrdash.sources.card import load_card
from cxrdash.sources.claims import answer_forms, film_stem, is_repeat, largest_first, nearest_table
from cxrdash.sources.film_headers import HeaderUse, as_stated
from cxrdash.sources.headers import Fields, matching_key, missing_fields
from cxrdash.sources.runs import define_run_checks
from cxrdash.sources.staging import Intake

FIELDS: Fields = {"image_id": ("ImageId",), "code": ("EncodedPixels",)}
SIDE = 1024
FORM = re.compile(r"submission", re.I)
UID = re.compile(r"\d+(\.\d+){3,}")

# Copies differ in blanks before '-1' and around ids; inside a code blanks separate the numbers.
PARSED = """
CREATE OR REPLACE TEMP TABLE siim_parsed AS
SELECT record, nullif(trim(image_id), '') AS image_id, nullif(trim(code), '') AS code,
    CASE WHEN trim(code) <> '-1' OR code IS NULL THEN relative_run_fault(nullif(trim(code), ''), $pixels) END AS wrong
FROM siim_rows
"""
# An image that is said to have a mask and to have none is not judged: all its rows are set aside.
ROW_FAULTS = """
CREATE OR REPLACE TEMP VIEW siim_faults AS
WITH judged AS (
    SELECT *, bool_or(code = '-1') OVER images AND bool_or(code IS DISTINCT FROM '-1') OVER images AS contradicts,
        row_number() OVER (PARTITION BY image_id, code ORDER BY record) > 1 AS again
    FROM siim_parsed WINDOW images AS (PARTITION BY image_id))
SELECT record, CASE
    WHEN image_id IS NULL
    THEN {'column_name': 'ImageId', 'value': NULL::VARCHAR, 'reason': 'the image id is missing'}
    WHEN wrong IS NOT NULL
    THEN {'column_name': 'EncodedPixels', 'value': run_shown(code), 'reason': wrong}
    WHEN contradicts
    THEN {'column_name': 'ImageId', 'value': image_id,
          'reason': 'the image has a row with -1 and another that says otherwise; none was chosen'}
    WHEN again
    THEN {'column_name': 'ImageId', 'value': image_id,
          'reason': 'repeats an earlier row exactly; the first was kept'}
    END AS fault
FROM judged
"""
KEPT = """
CREATE OR REPLACE TEMP TABLE siim_kept AS
SELECT record, image_id, code FROM siim_parsed
WHERE record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""
IMAGES = """
INSERT INTO staged_images
SELECT image_id, NULL, NULL, 'UNKNOWN', NULL, 'unknown', NULL, NULL, 'train', NULL, $side, $side, NULL, NULL,
    CASE WHEN min(code) = '-1' THEN 'negative' ELSE 'positive' END, image_id, $file, min(record)
FROM siim_kept GROUP BY image_id
"""
MASKS = """
INSERT INTO staged_masks
SELECT image_id, 'pneumothorax', $side, $side, code, $convention, NULL FROM siim_kept WHERE code <> '-1'
ORDER BY record
"""
LABELS = """
INSERT INTO staged_labels
SELECT state, 'Pneumothorax', state FROM (SELECT DISTINCT labels AS state FROM staged_images)
"""
NO_PATIENTS = (
    "The table names no patients (they stand only in the DICOM headers): every image counts as a patient of its own, "
    "intervals are too narrow, and a split by patient cannot be made or checked."
)


class Siim:
    """The source of the SIIM-ACR Pneumothorax Segmentation challenge's training tables."""

    name = "siim"
    card = load_card("siim")
    # The ids in the public release are made up (a UUID each), so they may be shown as they are.
    header_use = HeaderUse(patient=as_stated, studies=True, no_patients=NO_PATIENTS)

    def claim(self, headers: Headers) -> Claim | None:
        """Return the tables of ImageId and EncodedPixels that are no answer forms (known by their name)."""
        tables = [path for path, header in headers.items() if _is_masks(header)]
        forms = [path for path in tables if FORM.search(path.name)]
        masks = tuple(path for path in tables if path not in forms)
        return Claim(self.name, {"masks": masks}, answer_forms({}, unread=forms)) if masks else None

    def nearest(self, headers: Headers) -> str:
        """Return which table looks most like a table of masks and what it lacks."""
        forms = [path.name for path, header in headers.items() if _is_masks(header) and FORM.search(path.name)]
        if forms:
            return f"{forms[0]} is a form for answers of SIIM-ACR, but the table of masks is not here."
        return nearest_table(headers, FIELDS, tuple(FIELDS), self.card.title, UID)

    def image_key(self, path: str) -> str:
        """Return the file's stem, which is the SOPInstanceUID in every layout."""
        return film_stem(path)

    def stage(self, con: duckdb.DuckDBPyConnection, claim: Claim, workspace: Path, *, allow_bad_rows: bool) -> Staged:
        """Stage one image per ImageId and one mask per row that draws one; see ``Source.stage``."""
        intake = Intake(con, workspace, allow_bad_rows=allow_bad_rows)
        intake.staged.image_column = "ImageId"
        intake.staged.findings = list(self.card.findings)
        define_run_checks(con)
        con.execute("CREATE OR REPLACE TEMP TABLE siim_seen (image_id VARCHAR)")
        for path in largest_first(claim.roles["masks"]):
            _stage_masks(intake, path)
        con.execute(LABELS)
        intake.note(NO_PATIENTS)
        return intake.staged


def _is_masks(header: tuple[str, ...]) -> bool:
    # Other competitions add a column that says what the mask is of.
    return not missing_fields(header, FIELDS, tuple(FIELDS)) and "classid" not in map(matching_key, header)


def _stage_masks(intake: Intake, path: Path) -> None:
    file = intake.read(path, name="siim_rows", fields=FIELDS, recognised_as="SIIM-ACR masks", counts_images=False)
    intake.con.execute(PARSED, {"pixels": SIDE * SIDE})
    if is_repeat(intake, path, rows="siim_parsed", seen="siim_seen"):
        return
    intake.con.execute("INSERT INTO siim_seen SELECT DISTINCT image_id FROM siim_parsed WHERE image_id IS NOT NULL")
    intake.con.execute(ROW_FAULTS)
    intake.set_aside_rows(file, "siim_faults")
    intake.con.execute(KEPT, {"file": file})
    images = intake.count(IMAGES, file=file, side=SIDE)
    masks = intake.count(MASKS, side=SIDE, convention=RELATIVE)
    records = intake.staged.files[file].records
    intake.note(f"{path.name}: {records:,} rows are {images:,} images and {masks:,} masks.")


SOURCE = Siim()
