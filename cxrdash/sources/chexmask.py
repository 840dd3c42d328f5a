"""CheXmask: masks of the lungs and the heart, made by a model for six datasets, attached to the one at hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cxrdash.errors import CxrdashError
from cxrdash.images.rle import MAX_PIXELS, ROW_MAJOR
from cxrdash.sources.base import Claim, Headers, Source
from cxrdash.sources.headers import Fields, column_positions, matching_key, missing_fields, missing_sentence
from cxrdash.sources.matching import Match, match_images
from cxrdash.sources.staging import Intake
from cxrdash.sources.tablefile import peek_header

FIELDS: Fields = {
    "key": ("Image Index", "Path", "dicom_id", "ImageID", "image_id"),
    "dice_mean": ("Dice RCA (Mean)",),
    "dice_max": ("Dice RCA (Max)",),
    "landmarks": ("Landmarks",),
    "left_lung": ("Left Lung",),
    "right_lung": ("Right Lung",),
    "heart": ("Heart",),
    "height": ("Height",),
    "width": ("Width",),
}
REQUIRED = ("key", "dice_mean", "left_lung", "right_lung", "heart", "height", "width")
ROLE = "attached masks"  # of a claim
# Left and right are the patient's, as everywhere in radiology: the right lung is on the left of the picture.
STRUCTURES = {"right_lung": "Right Lung", "left_lung": "Left Lung", "heart": "Heart"}
PREPROCESSED_SIDE = 1024
# Of these datasets the preprocessed films are cut before they are scaled, and the cut is not in the file.
CUT_FIRST = ("dicomid", "imageid")

PRINTED_ARRAYS = "SELECT count(*) FROM chexmask WHERE starts_with(ltrim(landmarks), '[')"
# Sizes stand as 1024.0 where the column has blanks.
PARSED = """
CREATE OR REPLACE TEMP TABLE chexmask_parsed AS
SELECT record, image_id, dice_mean, dice_max, right_lung, left_lung, heart,
    concat_ws(' x ', width, height) AS size_text,
    coalesce(try_cast(try_cast(width AS DOUBLE) AS INTEGER), CASE WHEN width IS NULL THEN $side END) AS columns_px,
    coalesce(try_cast(try_cast(height AS DOUBLE) AS INTEGER), CASE WHEN height IS NULL THEN $side END) AS rows_px,
    width IS NULL OR height IS NULL AS size_assumed,
    CASE WHEN try_cast(dice_mean AS DOUBLE) BETWEEN 0 AND 1 THEN dice_mean::DOUBLE END AS mean_index,
    CASE WHEN try_cast(dice_max AS DOUBLE) BETWEEN 0 AND 1 THEN dice_max::DOUBLE END AS max_index
FROM chexmask JOIN matched USING (record)
WHERE image_id NOT IN (SELECT image_id FROM staged_masks WHERE list_contains($structures::VARCHAR[], structure))
"""
# One row per record and structure. Numbers are only cast where all are short enough to fit.
CODES = """
CREATE OR REPLACE TEMP TABLE chexmask_codes AS
WITH told AS (
    SELECT record, columns_px::BIGINT * rows_px AS pixels, unnest($columns::VARCHAR[]) AS column_name,
           trim(coalesce(unnest([right_lung, left_lung, heart]), '')) AS code
    FROM chexmask_parsed),
spaced AS (
    SELECT * REPLACE (CASE WHEN contains(code, '  ') THEN regexp_replace(code, ' +', ' ', 'g') ELSE code END AS code)
    FROM told WHERE code NOT IN ('', '-1')),
cast_numbers AS (
    SELECT *, CASE WHEN regexp_full_match(code, '[0-9]{1,12}( [0-9]{1,12})*')
                   THEN string_split(code, ' ')::BIGINT[] END AS numbers
    FROM spaced)
SELECT record, column_name, left(code, 60) AS value, CASE
    WHEN numbers IS NULL THEN 'the mask is not a list of whole numbers'
    WHEN len(numbers) % 2 = 1 THEN 'the mask holds an odd count of numbers'
    WHEN list_min(numbers[1:len(numbers):2]) < 1 THEN 'a run of the mask starts at 0 where pixels are counted from 1'
    WHEN list_min(numbers[2:len(numbers):2]) < 1 THEN 'a run of the mask has no pixels'
    WHEN list_max(list_transform(range(1, len(numbers), 2), lambda n: numbers[n] + numbers[n + 1])) > pixels + 1
    THEN 'a run of the mask ends beyond the last pixel'
    END AS reason
FROM cast_numbers
"""
ROW_FAULTS = """
CREATE OR REPLACE TEMP TABLE chexmask_row_faults AS
WITH bad AS (
    SELECT record, arg_min({'column_name': column_name, 'value': value, 'reason': reason}, column_name) AS fault
    FROM chexmask_codes WHERE reason IS NOT NULL GROUP BY record),
repeated AS (
    SELECT image_id, count(DISTINCT hash(dice_mean, dice_max, right_lung, left_lung, heart, size_text)) AS versions,
           min(record) AS first_record
    FROM chexmask_parsed GROUP BY image_id HAVING count(*) > 1)
SELECT chexmask.record, CASE
    WHEN chexmask.key IS NULL
    THEN {'column_name': $key, 'value': NULL::VARCHAR, 'reason': 'the image id is missing'}
    WHEN NOT coalesce(columns_px > 0 AND rows_px > 0 AND columns_px::BIGINT * rows_px <= $most, false)
        AND parsed.record IS NOT NULL
    THEN {'column_name': 'Width, Height', 'value': nullif(size_text, ''), 'reason': 'not the size of a picture'}
    WHEN versions > 1
    THEN {'column_name': $key, 'value': chexmask.key,
          'reason': 'the same image stands in rows that differ; none was chosen'}
    WHEN chexmask.record > first_record
    THEN {'column_name': $key, 'value': chexmask.key, 'reason': 'repeats an earlier row; the first was kept'}
    ELSE bad.fault
    END AS fault
FROM chexmask LEFT JOIN chexmask_parsed AS parsed USING (record)
LEFT JOIN bad ON bad.record = chexmask.record LEFT JOIN repeated USING (image_id)
"""
VALUE_FAULTS = """
INSERT INTO staged_set_aside
SELECT $file, record, fault.column_name, fault.value, 'not a number from 0 to 1', 'value'
FROM (SELECT record, unnest([
    CASE WHEN dice_mean IS NOT NULL AND mean_index IS NULL
         THEN {'column_name': 'Dice RCA (Mean)', 'value': dice_mean} END,
    CASE WHEN dice_max IS NOT NULL AND max_index IS NULL
         THEN {'column_name': 'Dice RCA (Max)', 'value': dice_max} END]) AS fault
    FROM chexmask_parsed)
WHERE fault IS NOT NULL
  AND record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""
KEPT = """
CREATE OR REPLACE TEMP TABLE chexmask_kept AS
SELECT record, max_index < mean_index AS swapped, size_assumed,
       CASE WHEN max_index < mean_index THEN max_index ELSE mean_index END AS quality
FROM chexmask_parsed
WHERE record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""
MASKS = """
INSERT INTO staged_masks
SELECT image_id, unnest($structures::VARCHAR[]), columns_px, rows_px,
       unnest([coalesce(right_lung, ''), coalesce(left_lung, ''), coalesce(heart, '')]), $convention, quality
FROM chexmask_parsed JOIN chexmask_kept USING (record)
"""
COUNTS = """
SELECT count(*), count(*) FILTER (WHERE swapped), count(*) FILTER (WHERE size_assumed) FROM chexmask_kept
"""
OTHER_IMAGES = """
SELECT count(*) FROM chexmask WHERE key IS NOT NULL AND record NOT IN (SELECT record FROM matched)
"""
MASKED_ALREADY = """
SELECT count(*) FROM matched WHERE record NOT IN (SELECT record FROM chexmask_parsed)
"""
# The codes of a whole dataset are gigabytes.
FORGET = "DROP TABLE chexmask_codes; DROP TABLE chexmask_parsed; DROP VIEW chexmask; DROP TABLE chexmask_rows;"


def is_chexmask(header: tuple[str, ...]) -> bool:
    """Say whether a table has CheXmask's columns, by name: their order differs between its files."""
    return not missing_fields(header, FIELDS, REQUIRED)


def roles(headers: Headers, claim: Claim) -> Mapping[str, tuple[Path, ...]]:
    """Return the CheXmask tables that the claim leaves over, as its further role, or no role."""
    taken = {path for paths in claim.roles.values() for path in paths}
    found = [path for path, header in headers.items() if path not in taken and is_chexmask(header)]
    # Masks of the original films fit the films whatever was done to them in between.
    tables = tuple(sorted(found, key=lambda path: (_is_preprocessed_by_name(path), path)))
    return {ROLE: tables} if tables else {}


def lonely(headers: Headers) -> list[str]:
    """Return one sentence for each CheXmask table of a folder in which no dataset was recognised."""
    return [
        f"{path.name} holds CheXmask masks, but no dataset that they could belong to is here."
        for path, header in headers.items()
        if is_chexmask(header)
    ]


def stage_masks(intake: Intake, source: Source, path: Path, *, named: bool) -> None:
    """Stage the masks of a CheXmask table whose images are in the dataset.

    ``named`` is for a file the user asked for. Raises CxrdashError where it is no CheXmask table or none
    of its images is in the dataset; a table that was only found beside the dataset is noted then.
    """
    header = peek_header(path)
    if missing := missing_fields(header, FIELDS, REQUIRED):
        raise CxrdashError(f"{path.name} {missing_sentence(header, missing)} of CheXmask.", "Give a CheXmask table.")
    file = intake.read(path, name="chexmask", fields=FIELDS, recognised_as="CheXmask masks", counts_images=False)
    match = match_images(intake, source, "chexmask", ["key"])
    if match is None:
        _without_images(intake, path, named=named)
        return
    preprocessed = _is_preprocessed(intake, path)
    _set_aside(intake, file, header, preprocessed=preprocessed)
    intake.con.execute(KEPT, {"file": file})
    intake.con.execute(MASKS, {"structures": list(STRUCTURES), "convention": ROW_MAJOR})
    _note_counts(intake, path, match)
    if preprocessed and matching_key(_key_column(header)) in CUT_FIRST:
        intake.note(
            f"{path.name}: these masks lie on films cut and scaled to {PREPROCESSED_SIDE} pixels; they cannot be "
            "drawn over the original films. The OriginalResolution files can."
        )
    intake.con.execute(FORGET)


def _without_images(intake: Intake, path: Path, *, named: bool) -> None:
    rows = intake.staged.files[-1].records
    if named:
        raise CxrdashError(
            f"{path.name}: none of the {rows:,} rows names an image of this dataset.",
            "Give the CheXmask table made for this dataset.",
        )
    intake.withdraw()
    intake.note(f"{path.name} was not attached: none of its {rows:,} rows names an image of this dataset.")


def _key_column(header: tuple[str, ...]) -> str:
    return header[column_positions(header, FIELDS)["key"]]


def _is_preprocessed_by_name(path: Path) -> bool:
    return "preprocessed" in str(path).lower()


def _is_preprocessed(intake: Intake, path: Path) -> bool:
    """Judge by the path, else by the landmarks: only the original resolution has them as printed arrays."""
    if "originalresolution" in str(path).lower():
        return False
    return _is_preprocessed_by_name(path) or not intake.count(PRINTED_ARRAYS)


def _set_aside(intake: Intake, file: int, header: tuple[str, ...], *, preprocessed: bool) -> None:
    side = PREPROCESSED_SIDE if preprocessed else None
    intake.con.execute(PARSED, {"side": side, "structures": list(STRUCTURES)})
    intake.con.execute(CODES, {"columns": list(STRUCTURES.values())})
    intake.con.execute(ROW_FAULTS, {"key": _key_column(header), "most": MAX_PIXELS})
    intake.set_aside_rows(file, "chexmask_row_faults")
    intake.con.execute(VALUE_FAULTS, {"file": file})


def _note_counts(intake: Intake, path: Path, match: Match) -> None:
    ((images, swapped, assumed),) = intake.con.execute(COUNTS).fetchall()
    intake.note(f"{path.name}: masks of {images:,} images attached; the image id was matched {match.words}.")
    if others := intake.count(OTHER_IMAGES):
        intake.note(f"{path.name}: {others:,} rows belong to images that are not in this dataset.")
    if already := intake.count(MASKED_ALREADY):
        intake.note(f"{path.name}: {already:,} rows were left out: their images have masks from an earlier file.")
    if swapped:
        intake.note(
            f"{path.name}: {swapped:,} rows had Dice RCA (Max) below Dice RCA (Mean); the two were taken as exchanged."
        )
    if assumed:
        side = f"{PREPROCESSED_SIDE} x {PREPROCESSED_SIDE}"
        intake.note(f"{path.name}: {assumed:,} preprocessed rows without a size were taken as {side} pixels.")
