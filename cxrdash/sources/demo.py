"""The demo dataset that cxrdash.demo writes: tables of images, boxes, masks and readings."""

from __future__ import annotations

from pathlib import Path

import duckdb

from cxrdash.sources.base import Claim, Headers, Staged
from cxrdash.sources.card import load_card
from cxrdash.sources.headers import Fields, missing_fields, missing_sentence
from cxrdash.sources.staging import Intake

LABEL_FIELDS: Fields = {
    name.lower().replace(" ", "_"): (name,)
    for name in (
        *("No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema"),
        *("Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other"),
        *("Fracture", "Support Devices"),
    )
}
FACT_FIELDS: Fields = {
    name: (name,)
    for name in (
        *("image_id", "film_path", "patient_id", "study_id", "study_order", "split", "view", "sex", "age"),
        *("width", "height", "spacing_mm"),
    )
}
FIELDS: Fields = {**FACT_FIELDS, **LABEL_FIELDS}
BOX_FIELDS: Fields = {name: (name,) for name in ("image_id", "finding", "x", "y", "box_width", "box_height")}
MASK_FIELDS: Fields = {
    name: (name,) for name in ("image_id", "structure", "mask_width", "mask_height", "quality", "convention", "rle")
}
READING_FIELDS: Fields = {
    name.lower().replace(" ", "_"): (name,)
    for name in (
        "image_id",
        "reader",
        "Cardiomegaly",
        "Consolidation",
        "Lung Lesion",
        "Pleural Effusion",
        "Pneumothorax",
    )
}

PARSED = """
CREATE OR REPLACE TEMP TABLE demo_parsed AS
SELECT *, try_cast(age AS DOUBLE) AS years, try_cast(study_order AS INTEGER) AS place,
    try_cast(width AS INTEGER) AS columns_px, try_cast(height AS INTEGER) AS rows_px,
    try_cast(spacing_mm AS DOUBLE) AS spacing,
    concat_ws('|', coalesce(no_finding, ''), coalesce(enlarged_cardiomediastinum, ''),
        coalesce(cardiomegaly, ''), coalesce(lung_opacity, ''), coalesce(lung_lesion, ''),
        coalesce(edema, ''), coalesce(consolidation, ''), coalesce(pneumonia, ''), coalesce(atelectasis, ''),
        coalesce(pneumothorax, ''), coalesce(pleural_effusion, ''), coalesce(pleural_other, ''),
        coalesce(fracture, ''), coalesce(support_devices, '')) AS labels
FROM demo_images
"""
CELLS = """
CREATE OR REPLACE TEMP TABLE demo_cells AS
SELECT *, CASE cell WHEN '1' THEN 'positive' WHEN '0' THEN 'negative' WHEN '-1' THEN 'uncertain' END AS state
FROM (SELECT labels, unnest($findings::VARCHAR[]) AS finding, unnest(string_split(labels, '|')) AS cell
      FROM (SELECT DISTINCT labels FROM demo_parsed))
"""
BAD_CELLS = """
CREATE OR REPLACE TEMP TABLE demo_bad_cells AS
SELECT labels, first(finding) AS finding, first(cell) AS cell FROM demo_cells
WHERE finding IS NULL OR (state IS NULL AND cell <> '') GROUP BY labels
"""
ROW_FAULTS = """
CREATE OR REPLACE TEMP VIEW demo_row_faults AS
SELECT record, CASE
    WHEN image_id IS NULL
    THEN {'column_name': 'image_id', 'value': NULL::VARCHAR, 'reason': 'the image id is missing'}
    WHEN film_path IS NULL
    THEN {'column_name': 'film_path', 'value': NULL::VARCHAR, 'reason': 'the path of the film is missing'}
    WHEN bad.labels IS NOT NULL
    THEN {'column_name': coalesce(bad.finding, 'labels'), 'value': bad.cell,
          'reason': 'not one of 1, 0, -1 and blank'}
    END AS fault
FROM demo_parsed LEFT JOIN demo_bad_cells AS bad USING (labels)
"""
VALUE_FAULTS = """
INSERT INTO staged_set_aside
SELECT $file, record, fault.column_name, fault.value, fault.reason, 'value'
FROM (SELECT record, unnest([
    CASE WHEN age IS NOT NULL AND NOT coalesce(years BETWEEN 0 AND 110, false)
         THEN {'column_name': 'age', 'value': age, 'reason': 'not an age of 0 to 110 years'} END,
    CASE WHEN sex NOT IN ('F', 'M')
         THEN {'column_name': 'sex', 'value': sex, 'reason': 'neither F nor M'} END,
    CASE WHEN view NOT IN ('PA', 'AP', 'LATERAL')
         THEN {'column_name': 'view', 'value': view, 'reason': 'none of PA, AP and LATERAL'} END,
    CASE WHEN split NOT IN ('train', 'valid', 'test')
         THEN {'column_name': 'split', 'value': split, 'reason': 'none of train, valid and test'} END,
    CASE WHEN study_order IS NOT NULL AND place IS NULL
         THEN {'column_name': 'study_order', 'value': study_order, 'reason': 'not a whole number'} END,
    CASE WHEN width IS NOT NULL AND NOT coalesce(columns_px > 0, false)
         THEN {'column_name': 'width', 'value': width, 'reason': 'not a number of pixels'} END,
    CASE WHEN height IS NOT NULL AND NOT coalesce(rows_px > 0, false)
         THEN {'column_name': 'height', 'value': height, 'reason': 'not a number of pixels'} END,
    CASE WHEN spacing_mm IS NOT NULL AND NOT coalesce(spacing > 0 AND isfinite(spacing), false)
         THEN {'column_name': 'spacing_mm', 'value': spacing_mm, 'reason': 'not a length in millimetres'} END
    ]) AS fault
    FROM demo_parsed)
WHERE fault IS NOT NULL
  AND record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""
IMAGES = """
INSERT INTO staged_images
SELECT image_id, patient_id, study_id,
    CASE WHEN view IN ('PA', 'AP', 'LATERAL') THEN view ELSE 'UNKNOWN' END, view,
    CASE WHEN sex IN ('F', 'M') THEN sex ELSE 'unknown' END,
    CASE WHEN years > 0 AND years <= 110 THEN years END,
    CASE WHEN years = 0 THEN 'placeholder'
         WHEN age IS NOT NULL AND NOT coalesce(years BETWEEN 0 AND 110, false) THEN 'implausible' END,
    CASE WHEN split IN ('train', 'valid', 'test') THEN split END, place,
    CASE WHEN columns_px > 0 THEN columns_px END, CASE WHEN rows_px > 0 THEN rows_px END,
    CASE WHEN spacing > 0 AND isfinite(spacing) THEN spacing END,
    CASE WHEN spacing > 0 AND isfinite(spacing) THEN spacing END,
    labels, film_path, $file, record
FROM demo_parsed
WHERE record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""
LABELS = """
INSERT INTO staged_labels
SELECT labels, finding, state FROM demo_cells
WHERE state IS NOT NULL AND labels NOT IN (SELECT labels FROM demo_bad_cells)
"""
BOX_FAULTS = """
CREATE OR REPLACE TEMP VIEW demo_box_faults AS
SELECT record, CASE
    WHEN image_id IS NULL OR image_id NOT IN (SELECT image_id FROM staged_images)
    THEN {'column_name': 'image_id', 'value': image_id, 'reason': 'the image is not in the image table'}
    WHEN finding IS NULL OR finding NOT IN (SELECT finding FROM demo_cells WHERE finding IS NOT NULL)
    THEN {'column_name': 'finding', 'value': finding, 'reason': 'not a finding of this dataset'}
    WHEN NOT coalesce(
        isfinite(try_cast(x AS DOUBLE)) AND isfinite(try_cast(y AS DOUBLE))
        AND isfinite(try_cast(box_width AS DOUBLE)) AND isfinite(try_cast(box_height AS DOUBLE))
        AND try_cast(box_width AS DOUBLE) > 0 AND try_cast(box_height AS DOUBLE) > 0, false)
    THEN {'column_name': 'x, y, box_width, box_height', 'value': concat_ws(',', x, y, box_width, box_height),
          'reason': 'not a position and a positive size'}
    END AS fault
FROM demo_boxes
"""
BOXES = """
INSERT INTO staged_boxes
SELECT image_id, finding, 'drawing', x::DOUBLE, y::DOUBLE, box_width::DOUBLE, box_height::DOUBLE, 'film'
FROM demo_boxes
WHERE record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""
MASK_FAULTS = """
CREATE OR REPLACE TEMP VIEW demo_mask_faults AS
SELECT record, CASE
    WHEN NOT coalesce(try_cast(mask_width AS INTEGER) > 0 AND try_cast(mask_height AS INTEGER) > 0, false)
    THEN {'column_name': 'mask_width, mask_height', 'value': concat_ws(',', mask_width, mask_height),
          'reason': 'not the size of a picture'} END AS fault
FROM demo_masks
"""
MASKS = """
INSERT INTO staged_masks
SELECT image_id, structure, mask_width::INTEGER, mask_height::INTEGER, rle, convention, try_cast(quality AS DOUBLE)
FROM demo_masks
WHERE record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""

READING_CELLS = """
CREATE OR REPLACE TEMP TABLE demo_reading_cells AS
SELECT record, image_id, reader, unnest($findings::VARCHAR[]) AS finding,
    unnest([cardiomegaly, consolidation, lung_lesion, pleural_effusion, pneumothorax]) AS cell
FROM demo_readings
"""
READING_FAULTS = """
CREATE OR REPLACE TEMP VIEW demo_reading_faults AS
WITH bad AS (
    SELECT record, first({'column_name': finding, 'value': cell, 'reason': 'not one of 1 and 0'} ORDER BY finding) AS
        fault
    FROM demo_reading_cells WHERE cell IS NULL OR cell NOT IN ('0', '1') GROUP BY record),
repeated AS (
    SELECT image_id, reader, min(record) AS first_record FROM demo_readings GROUP BY ALL HAVING count(*) > 1)
SELECT demo_readings.record, CASE
    WHEN image_id IS NULL OR image_id NOT IN (SELECT image_id FROM staged_images)
    THEN {'column_name': 'image_id', 'value': image_id, 'reason': 'the image is not in the image table'}
    WHEN reader IS NULL
    THEN {'column_name': 'reader', 'value': NULL::VARCHAR, 'reason': 'the reader is missing'}
    WHEN bad.record IS NOT NULL THEN bad.fault
    WHEN demo_readings.record > first_record
    THEN {'column_name': 'image_id', 'value': image_id, 'reason': 'the reader has read this image before'}
    END AS fault
FROM demo_readings LEFT JOIN bad USING (record) LEFT JOIN repeated USING (image_id, reader)
"""
READINGS = """
INSERT INTO staged_readings
SELECT image_id, reader, finding, CASE cell WHEN '1' THEN 'positive' ELSE 'negative' END FROM demo_reading_cells
WHERE record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""


class Demo:
    """The source of the synthetic dataset."""

    name = "demo"
    card = load_card("demo")

    def claim(self, headers: Headers) -> Claim | None:
        """Return the image table, known by all its columns, and the boxes, masks and readings beside it."""
        images = _having(headers, FIELDS)
        if not images:
            return None
        readings = tuple(path for path in _having(headers, READING_FIELDS) if path not in images)
        roles = {"images": images, "boxes": _having(headers, BOX_FIELDS), "masks": _having(headers, MASK_FIELDS)}
        roles["readings"] = readings
        return Claim(self.name, {role: paths for role, paths in roles.items() if paths})

    def nearest(self, headers: Headers) -> str:
        """Return which table lacks only a few of the demo's columns."""
        for path, header in sorted(headers.items()):
            missing = missing_fields(header, FIELDS, tuple(FIELDS))
            if 0 < len(missing) <= 3:
                return f"{path.name} {missing_sentence(header, missing)} of the demo."
        return ""

    def image_key(self, path: str) -> str:
        """Return the path as it stands in the table: relative to the demo's folder."""
        return path

    def stage(self, con: duckdb.DuckDBPyConnection, claim: Claim, workspace: Path, *, allow_bad_rows: bool) -> Staged:
        """Stage the images and their labels, then boxes, masks and readings; see ``Source.stage``."""
        intake = Intake(con, workspace, allow_bad_rows=allow_bad_rows)
        intake.staged.image_column = "image_id"
        intake.staged.findings = list(self.card.findings)
        findings = [names[0] for names in LABEL_FIELDS.values()]
        for path in claim.roles["images"]:
            _stage_images(intake, path, findings)
        for path in claim.roles.get("boxes", ()):
            _stage_boxes(intake, path)
        for path in claim.roles.get("masks", ()):
            _stage_masks(intake, path)
        for path in claim.roles.get("readings", ()):
            _stage_readings(intake, path)
        return intake.staged


def _having(headers: Headers, fields: Fields) -> tuple[Path, ...]:
    return tuple(sorted(path for path, header in headers.items() if not missing_fields(header, fields, tuple(fields))))


def _stage_images(intake: Intake, path: Path, findings: list[str]) -> None:
    file = intake.read(path, name="demo_images", fields=FIELDS, recognised_as="demo image table")
    intake.con.execute(PARSED)
    intake.con.execute(CELLS, {"findings": findings})
    intake.con.execute(BAD_CELLS)
    intake.con.execute(ROW_FAULTS)
    intake.set_aside_rows(file, "demo_row_faults")
    intake.con.execute(VALUE_FAULTS, {"file": file})
    intake.con.execute(IMAGES, {"file": file})
    intake.con.execute(LABELS)


def _stage_boxes(intake: Intake, path: Path) -> None:
    file = intake.read(path, name="demo_boxes", fields=BOX_FIELDS, recognised_as="demo boxes", counts_images=False)
    intake.con.execute(BOX_FAULTS)
    intake.set_aside_rows(file, "demo_box_faults")
    intake.con.execute(BOXES, {"file": file})


def _stage_masks(intake: Intake, path: Path) -> None:
    file = intake.read(path, name="demo_masks", fields=MASK_FIELDS, recognised_as="demo masks", counts_images=False)
    intake.con.execute(MASK_FAULTS)
    intake.set_aside_rows(file, "demo_mask_faults")
    intake.con.execute(MASKS, {"file": file})


def _stage_readings(intake: Intake, path: Path) -> None:
    file = intake.read(
        path, name="demo_readings", fields=READING_FIELDS, recognised_as="demo readers", counts_images=False
    )
    findings = [names[0] for name, names in READING_FIELDS.items() if name not in ("image_id", "reader")]
    intake.con.execute(READING_CELLS, {"findings": findings})
    intake.con.execute(READING_FAULTS)
    intake.set_aside_rows(file, "demo_reading_faults")
    intake.con.execute(READINGS, {"file": file})


SOURCE = Demo()
