"""VinDr's tables of boxes: beside label tables they give boxes, alone (as on Kaggle) also what readers said."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from cxrdash.sources.headers import Fields, column_positions, missing_fields
from cxrdash.sources.staging import Intake
from cxrdash.sources.vindr_labels import ALIASES, USED, is_seen, part_of

FIELDS: Fields = {
    "image_id": ("image_id",),
    "reader": ("rad_id",),
    "class_name": ("class_name",),
    "class_id": ("class_id",),
    **{name: (name,) for name in ("x_min", "y_min", "x_max", "y_max")},
}
NEEDED = ("image_id", "class_name", "x_min", "y_min", "x_max", "y_max")
SIZE_FIELDS: Fields = {"image_id": ("image_id",), "height": ("dim0",), "width": ("dim1",)}
# Kaggle's class_id is the place in this list; everything else was merged into Other lesion.
KAGGLE_CLASSES = (
    "Aortic enlargement", "Atelectasis", "Calcification", "Cardiomegaly", "Consolidation", "ILD", "Infiltration",
    "Lung Opacity", "Nodule/Mass", "Other lesion", "Pleural effusion", "Pleural thickening", "Pneumothorax",
    "Pulmonary fibrosis", "No finding",
)  # fmt: skip
WITHOUT_BOX = ("COPD", "Lung tumor", "Pneumonia", "Tuberculosis", "Other diseases")  # of the whole film

NAMES = """
CREATE OR REPLACE TEMP TABLE vindr_names AS
SELECT unnest($spellings::VARCHAR[]) AS spelling, unnest($findings::VARCHAR[]) AS finding,
    unnest($numbers::INTEGER[]) AS number
"""
MARKS = """
CREATE OR REPLACE TEMP TABLE vindr_marks AS
WITH typed AS (
    SELECT record, image_id, CASE WHEN $part = 'test' THEN 'consensus' ELSE reader END AS reader,
        class_name, class_id, finding, number,
        nullif(concat_ws(',', x_min, y_min, x_max, y_max), '') AS corners,
        try_cast(x_min AS DOUBLE) AS x, try_cast(y_min AS DOUBLE) AS y,
        try_cast(x_max AS DOUBLE) - try_cast(x_min AS DOUBLE) AS w,
        try_cast(y_max AS DOUBLE) - try_cast(y_min AS DOUBLE) AS h
    FROM vindr_mark_rows LEFT JOIN vindr_names ON lower(trim(class_name)) = spelling),
judged AS (
    SELECT *, coalesce(isfinite(x) AND isfinite(y) AND isfinite(w) AND isfinite(h) AND w > 0 AND h > 0, false)
        AND finding <> 'No finding' AS is_box
    FROM typed)
SELECT *, CASE
    WHEN finding = 'No finding' AND corners IS NOT NULL THEN 'No finding has no box'
    WHEN finding = 'No finding' OR is_box THEN NULL
    WHEN corners IS NOT NULL THEN 'not four numbers with x_min < x_max and y_min < y_max'
    WHEN NOT list_contains($without_box::VARCHAR[], finding) THEN 'a finding without its box'
    END AS box_fault
FROM judged
"""
MARK_FAULTS = """
CREATE OR REPLACE TEMP VIEW vindr_mark_faults AS
SELECT record, CASE
    WHEN NOT coalesce(regexp_full_match(image_id, '[0-9a-f]{32}'), false)
    THEN {'column_name': 'image_id', 'value': image_id, 'reason': 'is not an id of 32 hexadecimal digits'}
    WHEN reader IS NULL
    THEN {'column_name': 'rad_id', 'value': NULL::VARCHAR, 'reason': 'the reader is missing'}
    WHEN finding IS NULL
    THEN {'column_name': 'class_name', 'value': class_name, 'reason': 'not a finding of this dataset'}
    WHEN number IS DISTINCT FROM try_cast(class_id AS DOUBLE) AND (number IS NOT NULL OR class_id IS NOT NULL)
    THEN {'column_name': 'class_id', 'value': class_id, 'reason': 'is not the number of ' || finding}
    END AS fault
FROM vindr_marks
"""
# What a reader said of an image is known only from all of his rows: a lost row would turn into a negative.
COMPANION_FAULTS = """
CREATE OR REPLACE TEMP TABLE vindr_companions AS
WITH aside AS (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
SELECT record, {'column_name': 'rad_id', 'value': reader,
    'reason': 'another row of this reader for this image could not be read'} AS fault
FROM vindr_marks WHERE (image_id, reader) IN (SELECT (image_id, reader) FROM vindr_marks JOIN aside USING (record))
"""
BOX_VALUES = """
INSERT INTO staged_set_aside
SELECT $file, record, 'x_min,y_min,x_max,y_max', corners, box_fault, 'value' FROM vindr_marks
WHERE box_fault IS NOT NULL
  AND record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""
BOX_FAULTS = """
CREATE OR REPLACE TEMP VIEW vindr_box_faults AS
SELECT record, CASE
    WHEN image_id NOT IN (SELECT image_id FROM staged_images)
    THEN {'column_name': 'image_id', 'value': image_id, 'reason': 'the label tables have no usable row of this image'}
    WHEN box_fault IS NOT NULL
    THEN {'column_name': 'x_min,y_min,x_max,y_max', 'value': corners, 'reason': box_fault}
    END AS fault
FROM vindr_marks
"""
BOXES = """
INSERT INTO staged_boxes SELECT image_id, finding, reader, x, y, w, h, 'original' FROM vindr_marks
WHERE is_box AND record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
ORDER BY record
"""
SAID = """
INSERT INTO vindr_said
WITH kept AS (
    SELECT image_id, reader, finding FROM vindr_marks
    WHERE record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')),
assessed AS (
    SELECT finding FROM vindr_names
    WHERE NOT list_contains($without_box::VARCHAR[], finding) OR finding IN (SELECT finding FROM kept))
SELECT image_id, reader, finding,
    CASE WHEN (image_id, reader, finding) IN (SELECT (image_id, reader, finding) FROM kept)
         THEN 'positive' ELSE 'negative' END
FROM (SELECT DISTINCT image_id, reader FROM kept), (SELECT DISTINCT finding FROM assessed)
"""
NOT_LABELLED = """
SELECT count(*) FROM vindr_marks
WHERE record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
  AND (image_id, reader, finding) NOT IN (
      SELECT (image_id, reader, finding) FROM vindr_said WHERE state = 'positive')
"""
SIZE_FAULTS = """
CREATE OR REPLACE TEMP VIEW vindr_size_faults AS
SELECT record, CASE
    WHEN image_id IS NULL OR image_id NOT IN (SELECT image_id FROM staged_images)
    THEN {'column_name': 'image_id', 'value': image_id, 'reason': 'the label tables have no usable row of this image'}
    WHEN NOT coalesce(try_cast(height AS INTEGER) > 0 AND try_cast(width AS INTEGER) > 0, false)
    THEN {'column_name': 'dim0,dim1', 'value': concat_ws(',', height, width), 'reason': 'not a height and a width'}
    WHEN count(*) OVER (PARTITION BY image_id) > 1
    THEN {'column_name': 'image_id', 'value': image_id, 'reason': 'the image stands in several rows of sizes'}
    END AS fault
FROM vindr_size_rows
"""
SIZES = """
UPDATE staged_images SET width = sizes.width::INTEGER, height = sizes.height::INTEGER
FROM vindr_size_rows AS sizes
WHERE sizes.image_id = staged_images.image_id
  AND sizes.record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""


def is_kaggle(header: Sequence[str]) -> bool:
    """Say whether a table is VinBigData's: boxes with numbered classes and readers."""
    return not missing_fields(header, FIELDS, tuple(FIELDS))


def is_marks(header: Sequence[str]) -> bool:
    """Say whether a table is one of PhysioNet's tables of boxes."""
    present = column_positions(header, FIELDS)
    return present.keys() >= set(NEEDED) and "class_id" not in present


def is_sizes(header: Sequence[str]) -> bool:
    """Say whether a table holds the size of each original film, as resized copies bring it."""
    return not missing_fields(header, SIZE_FIELDS, tuple(SIZE_FIELDS))


def stage_statements(intake: Intake, path: Path, *, kaggle: bool) -> None:
    """Stage the boxes of a table and, since no label table holds its images, what its readers said."""
    part = part_of(path, FIELDS)
    file = _read(intake, path, part, kaggle=kaggle)
    if file is None:
        return
    intake.con.execute(COMPANION_FAULTS, {"file": file})
    intake.set_aside_rows(file, "vindr_companions")
    intake.con.execute(BOX_VALUES, {"file": file})
    intake.con.execute(BOXES, {"file": file})
    intake.con.execute(USED, {"file": file, "part": part, "rows": "vindr_marks"})
    intake.con.execute(SAID, {"file": file, "without_box": WITHOUT_BOX})
    if not kaggle:
        missing = "Findings of the whole film that it does not name are not assessed."
        intake.note(f"{path.name}: without the label table, labels are taken from its boxes. {missing}")


def stage_boxes(intake: Intake, path: Path) -> None:
    """Stage the boxes of a table whose images are labelled by another."""
    file = _read(intake, path, part_of(path, FIELDS), kaggle=False)
    if file is None:
        return
    intake.con.execute(BOX_FAULTS)
    intake.set_aside_rows(file, "vindr_box_faults")
    intake.con.execute(BOXES, {"file": file})
    if unlabelled := intake.count(NOT_LABELLED, file=file):
        intake.note(f"{path.name}: {unlabelled:,} rows name a finding that the label table does not give that reader.")


def _read(intake: Intake, path: Path, part: str, *, kaggle: bool) -> int | None:
    """Read a table of boxes; return its number, or None where it repeats one read before."""
    findings = [finding.name for finding in intake.staged.findings]
    spellings = [(name, name) for name in findings]
    spellings += [(alias, name) for name in findings for alias in ALIASES.get(name, ())]
    numbers = [KAGGLE_CLASSES.index(name) if kaggle else None for _, name in spellings]
    names = {"spellings": [spelling.lower() for spelling, _ in spellings], "findings": [name for _, name in spellings]}
    intake.con.execute(NAMES, {**names, "numbers": numbers})
    file = intake.read(path, name="vindr_mark_rows", fields=FIELDS, recognised_as="VinDr boxes", counts_images=False)
    intake.con.execute(MARKS, {"part": part, "without_box": WITHOUT_BOX})
    if is_seen(intake, path, rows="vindr_marks", role=f"boxes {part}"):
        return None
    intake.con.execute(MARK_FAULTS)
    intake.set_aside_rows(file, "vindr_mark_faults")
    return file


def stage_sizes(intake: Intake, paths: Iterable[Path]) -> None:
    """Give images the width and height of their original film."""
    for path in paths:
        file = intake.read(
            path, name="vindr_size_rows", fields=SIZE_FIELDS, recognised_as="VinDr film sizes", counts_images=False
        )
        intake.con.execute(SIZE_FAULTS)
        intake.set_aside_rows(file, "vindr_size_faults")
        intake.con.execute(SIZES, {"file": file})
