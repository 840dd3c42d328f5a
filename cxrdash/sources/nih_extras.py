"""What may lie beside the NIH entry table: boxes, official lists, and the Google relabels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from cxrdash.sources.base import Headers
from cxrdash.sources.headers import Fields, missing_fields
from cxrdash.sources.plainfile import opened
from cxrdash.sources.staging import Intake

BOX_FIELDS: Fields = {
    "image_id": ("Image Index",),
    "label": ("Finding Label",),
    "x": ("Bbox [x",),
    "y": ("y",),
    "w": ("w",),
    "h": ("h]",),
}
GOOGLE_FINDINGS = {
    "fracture": "Fracture",
    "pneumothorax": "Pneumothorax",
    "airspace_opacity": "Airspace opacity",
    "nodule_or_mass": "Nodule or mass",
}
GOOGLE_FIELDS: Fields = {
    "image_id": ("Image Index",),
    **{field: (name,) for field, name in GOOGLE_FINDINGS.items()},
}
LISTED_NAME = re.compile(r"\d{8}_\d{3}\.png")
LIST_NAMES = {"train_valid": re.compile(r"train_?val", re.I), "test": re.compile(r"^test_?list", re.I)}
OFFICIAL = {"train_valid": 86_524, "test": 25_596}
# A random split by image that ships with other people's code under nearly the same file names.
LOOK_ALIKE = {78_468, 11_219, 22_433}

BOX_FAULTS = """
CREATE OR REPLACE TEMP VIEW nih_box_faults AS
SELECT record, CASE
    WHEN image_id IS NULL OR image_id NOT IN (SELECT image_id FROM staged_images)
    THEN {'column_name': 'Image Index', 'value': image_id, 'reason': 'the image is not in the image table'}
    WHEN label IS NULL OR label NOT IN (SELECT token FROM nih_spellings)
    THEN {'column_name': 'Finding Label', 'value': label, 'reason': 'not a label of this dataset'}
    WHEN NOT coalesce(
        isfinite(try_cast(x AS DOUBLE)) AND isfinite(try_cast(y AS DOUBLE))
        AND isfinite(try_cast(w AS DOUBLE)) AND isfinite(try_cast(h AS DOUBLE))
        AND try_cast(w AS DOUBLE) > 0 AND try_cast(h AS DOUBLE) > 0, false)
    THEN {'column_name': 'Bbox [x,y,w,h]', 'value': concat_ws(',', x, y, w, h),
          'reason': 'not a position and a positive size'}
    END AS fault
FROM nih_boxes
"""
BOXES = """
INSERT INTO staged_boxes
SELECT image_id, finding, 'radiologist', x::DOUBLE, y::DOUBLE, w::DOUBLE, h::DOUBLE, 'png1024'
FROM nih_boxes JOIN nih_spellings ON label = token
WHERE record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""
NO_SPLIT = "CREATE OR REPLACE TEMP TABLE nih_listed (image_id VARCHAR, split VARCHAR)"
LIST_COUNTS = r"""
SELECT count(*) FILTER (WHERE line IS NOT NULL),
       count(*) FILTER (WHERE NOT regexp_matches(trim(line), '^[0-9]{8}_[0-9]{3}\.png$')) FROM nih_list
"""
LISTED = r"""
INSERT INTO nih_listed SELECT DISTINCT trim(line), $split FROM nih_list
WHERE regexp_matches(trim(line), '^[0-9]{8}_[0-9]{3}\.png$')
"""
# An image in both lists is given neither part: nothing says which list is right.
SPLIT = """
CREATE OR REPLACE TEMP TABLE nih_split AS
SELECT image_id, CASE WHEN count(DISTINCT split) = 1 THEN min(split) END AS split
FROM nih_listed GROUP BY image_id
"""
READING_FAULTS = """
CREATE OR REPLACE TEMP VIEW nih_reading_faults AS
SELECT record, CASE
    WHEN image_id IS NULL OR image_id NOT IN (SELECT image_id FROM staged_images)
    THEN {'column_name': 'Image Index', 'value': image_id, 'reason': 'the image is not in the image table'}
    WHEN coalesce(fracture NOT IN ('YES', 'NO'), true)
    THEN {'column_name': 'Fracture', 'value': fracture, 'reason': 'neither YES nor NO'}
    WHEN coalesce(pneumothorax NOT IN ('YES', 'NO'), true)
    THEN {'column_name': 'Pneumothorax', 'value': pneumothorax, 'reason': 'neither YES nor NO'}
    WHEN coalesce(airspace_opacity NOT IN ('YES', 'NO'), true)
    THEN {'column_name': 'Airspace opacity', 'value': airspace_opacity, 'reason': 'neither YES nor NO'}
    WHEN coalesce(nodule_or_mass NOT IN ('YES', 'NO'), true)
    THEN {'column_name': 'Nodule or mass', 'value': nodule_or_mass, 'reason': 'neither YES nor NO'}
    END AS fault
FROM nih_relabels
"""
READINGS = """
INSERT INTO staged_readings
WITH answers AS (
    SELECT image_id, unnest($findings::VARCHAR[]) AS finding,
           unnest([fracture, pneumothorax, airspace_opacity, nodule_or_mass]) AS answer
    FROM nih_relabels
    WHERE record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row'))
SELECT DISTINCT image_id, 'google_2019', finding,
    CASE answer WHEN 'YES' THEN 'positive' ELSE 'negative' END AS state
FROM answers
WHERE (image_id, 'google_2019', finding, state) NOT IN (FROM staged_readings)
"""
SPLIT_PROBLEMS = {
    "{:,} images stand in both the training and the test list; their part is not stated.": (
        "SELECT count(*) FROM nih_split WHERE split IS NULL"
    ),
    "{:,} names of the lists are not in the image table.": (
        "SELECT count(*) FROM nih_split ANTI JOIN staged_images USING (image_id)"
    ),
    "{:,} images stand in no list; their part is not stated.": (
        "SELECT count(*) FROM staged_images ANTI JOIN nih_split USING (image_id) WHERE EXISTS (FROM nih_split)"
    ),
}


def is_relabels(header: Sequence[str]) -> bool:
    """Say whether a table holds the four findings that Google's readers judged."""
    return not missing_fields(header, GOOGLE_FIELDS, tuple(GOOGLE_FIELDS))


def roles(headers: Headers) -> dict[str, tuple[Path, ...]]:
    """Return the files beside the entry table by role: boxes, relabels, train_valid, test, other_lists."""
    found: dict[str, list[Path]] = {}
    for path, header in headers.items():
        if is_relabels(header):
            found.setdefault("relabels", []).append(path)
        elif not missing_fields(header, BOX_FIELDS, tuple(BOX_FIELDS)):
            found.setdefault("boxes", []).append(path)
        elif header and LISTED_NAME.match(header[0]) and ".txt" in path.name.lower():
            found.setdefault(_list_role(path, header), []).append(path)
    return {role: tuple(paths) for role, paths in found.items()}


def _list_role(path: Path, header: Sequence[str]) -> str:
    if len(header) == 1 and LISTED_NAME.fullmatch(header[0].strip()):
        for role, name in LIST_NAMES.items():
            if name.search(path.name):
                return role
    return "other_lists"


def stage_boxes(intake: Intake, paths: Sequence[Path]) -> None:
    """Stage the radiologists' boxes, in pixels of the 1024 x 1024 PNG."""
    for path in paths:
        file = intake.read(path, name="nih_boxes", fields=BOX_FIELDS, recognised_as="NIH boxes", counts_images=False)
        intake.con.execute(BOX_FAULTS)
        intake.set_aside_rows(file, "nih_box_faults")
        intake.con.execute(BOXES, {"file": file})


def stage_lists(intake: Intake, claimed: dict[str, tuple[Path, ...]]) -> None:
    """Make the table ``nih_split`` (image_id, split) from the official lists, empty without them."""
    intake.con.execute(NO_SPLIT)
    for split, official in OFFICIAL.items():
        for path in claimed.get(split, ()):
            _stage_list(intake, path, split, official)
    for path in claimed.get("other_lists", ()):
        _refuse_list(intake, path, _lines(path))
    intake.con.execute(SPLIT)


def _stage_list(intake: Intake, path: Path, split: str, official: int) -> None:
    lines = _lines(path)
    if lines in LOOK_ALIKE:
        _refuse_list(intake, path, lines)
        return
    intake.read_list(path, name="nih_list", recognised_as=f"NIH list: {split}")
    ((names, others),) = intake.con.execute(LIST_COUNTS).fetchall()
    intake.con.execute(LISTED, {"split": split})
    if names == official and not others:
        intake.note(f"{path.name} is the official {split} list ({official:,} names).")
    else:
        intake.note(
            f"{path.name} was taken for a subset of the official {split} list: it holds {names - others:,} "
            f"names, not {official:,}."
        )
    if others:
        intake.note(f"{path.name}: {others:,} lines are not file names and were left out.")


def _refuse_list(intake: Intake, path: Path, lines: int) -> None:
    known = "the line count of a random split that ships with other people's code"
    reason = known if lines in LOOK_ALIKE else "not an official list"
    intake.note(f"{path.name} was not used as a split: {lines:,} lines, {reason}.")


def _lines(path: Path) -> int:
    with opened(path) as stream:
        return sum(1 for line in stream if line.strip())


def note_lists(intake: Intake) -> None:
    """Note which lists are missing, images in both lists, and names that the table and lists do not share."""
    present = {row[0] for row in intake.con.execute("SELECT DISTINCT split FROM nih_listed").fetchall()}
    if len(present) == 1:
        (missing,) = set(OFFICIAL) - present
        intake.note(f"Only the official {present.pop()} list is here; the {missing} list is missing.")
    for sentence, statement in SPLIT_PROBLEMS.items():
        if images := intake.count(statement):
            intake.note(sentence.format(images))


def stage_relabels(intake: Intake, paths: Sequence[Path]) -> None:
    """Stage the adjudicated relabels (Majkowska 2020) as readings; they are no images of their own."""
    for path in paths:
        file = intake.read(
            path,
            name="nih_relabels",
            fields=GOOGLE_FIELDS,
            recognised_as="Google relabels",
            counts_images=False,
        )
        intake.con.execute(READING_FAULTS)
        intake.set_aside_rows(file, "nih_reading_faults")
        added = intake.count(READINGS, file=file, findings=list(GOOGLE_FINDINGS.values()))
        intake.note(f"{path.name}: {added:,} second opinions (reader google_2019) on four findings.")
