"""VinDr-CXR (PhysioNet) and VinBigData (Kaggle): what each reader said, and the majority of them."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb

from cxrdash.errors import CxrdashError, shown
from cxrdash.labels.findings import Finding
from cxrdash.sources import vindr_marks
from cxrdash.sources.base import Claim, Headers, Staged
from cxrdash.sources.card import load_card
from cxrdash.sources.claims import answer_forms, film_stem, is_repeat, largest_first, nearest_table
from cxrdash.sources.headers import Fields, column_positions, matching_key, missing_fields, missing_sentence
from cxrdash.sources.staging import Intake
from cxrdash.sources.tablefile import peek_header

CARD = load_card("vindr")
ALIASES = {"Other diseases": "Other disease"}  # the spelling of the test table
LABEL_FIELDS: Fields = {
    finding.name: (finding.source_name, *([ALIASES[finding.name]] if finding.name in ALIASES else []))
    for finding in CARD.findings
}
FIELDS: Fields = {"image_id": ("image_id",), "reader": ("rad_id",), **LABEL_FIELDS}
ENOUGH_LABELS = 20
IMAGE_ID = re.compile(r"[0-9a-f]{32}")
READERS = 3

TABLES = """
CREATE OR REPLACE TEMP TABLE vindr_seen (image_id VARCHAR, role VARCHAR);
CREATE OR REPLACE TEMP TABLE vindr_used (file INTEGER, record BIGINT, image_id VARCHAR, part VARCHAR);
CREATE OR REPLACE TEMP TABLE vindr_said (image_id VARCHAR, reader VARCHAR, finding VARCHAR, state VARCHAR);
"""
CELLS = """
CREATE OR REPLACE TEMP TABLE vindr_cells AS
SELECT record, finding, cell,
    CASE WHEN cell IN ('1', '1.0') THEN 'positive' WHEN cell IN ('0', '0.0') THEN 'negative' END AS state
FROM (UNPIVOT INCLUDE NULLS vindr_labels ON COLUMNS(* EXCLUDE (record, image_id, reader)) INTO NAME finding VALUE cell)
WHERE NOT list_contains($absent::VARCHAR[], finding)
"""
ROWS = """
CREATE OR REPLACE TEMP TABLE vindr_rows AS
WITH texts AS (
    SELECT record, string_agg(coalesce(state, '?'), ',' ORDER BY finding) AS said,
        min(finding) FILTER (WHERE state IS NULL) AS bad, arg_min(coalesce(cell, ''), finding)
        FILTER (WHERE state IS NULL) AS cell
    FROM vindr_cells GROUP BY record)
SELECT record, image_id, CASE WHEN $part = 'test' THEN 'consensus' ELSE reader END AS reader, said, bad, cell
FROM vindr_labels JOIN texts USING (record)
"""
ROW_FAULTS = """
CREATE OR REPLACE TEMP VIEW vindr_row_faults AS
SELECT record, CASE
    WHEN NOT coalesce(regexp_full_match(image_id, '[0-9a-f]{32}'), false)
    THEN {'column_name': 'image_id', 'value': image_id, 'reason': 'is not an id of 32 hexadecimal digits'}
    WHEN reader IS NULL
    THEN {'column_name': 'rad_id', 'value': NULL::VARCHAR, 'reason': 'the reader is missing'}
    WHEN bad IS NOT NULL
    THEN {'column_name': bad, 'value': nullif(cell, ''), 'reason': 'neither 0 nor 1'}
    WHEN min(said) OVER readings <> max(said) OVER readings
    THEN {'column_name': 'image_id', 'value': image_id,
          'reason': 'two rows of one reader for this image differ; none was chosen'}
    WHEN row_number() OVER (PARTITION BY image_id, reader ORDER BY record) > 1
    THEN {'column_name': 'image_id', 'value': image_id,
          'reason': 'repeats an earlier row of this reader exactly; the first was kept'}
    END AS fault
FROM vindr_rows WINDOW readings AS (PARTITION BY image_id, reader)
"""
USED = """
INSERT INTO vindr_used SELECT $file, record, image_id, $part FROM vindr_rows
WHERE record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""
SAID = """
INSERT INTO vindr_said SELECT image_id, reader, finding, state FROM vindr_rows JOIN vindr_cells USING (record)
WHERE record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""
TWO_PARTS = """
CREATE OR REPLACE TEMP TABLE vindr_two_parts AS
SELECT image_id FROM vindr_used GROUP BY image_id HAVING count(DISTINCT part) > 1
"""
NOT_TWO_PARTS = """
INSERT INTO staged_set_aside
SELECT file, record, 'image_id', image_id, 'the image stands in the training and in the test tables', 'row'
FROM vindr_used WHERE image_id IN (SELECT image_id FROM vindr_two_parts);

DELETE FROM vindr_used WHERE image_id IN (SELECT image_id FROM vindr_two_parts);
DELETE FROM vindr_said WHERE image_id IN (SELECT image_id FROM vindr_two_parts);
DELETE FROM staged_boxes WHERE image_id IN (SELECT image_id FROM vindr_two_parts);
"""
# An image's labels as one letter per finding, in card order: p, n, b where its readers tie, x where no
# table of its part holds the finding.
IMAGES = """
INSERT INTO staged_images
WITH votes AS (
    SELECT image_id, finding, count(*) FILTER (WHERE state = 'positive') * 2 - count(*) AS lead
    FROM vindr_said GROUP BY image_id, finding),
letters AS (
    SELECT image_id, list_position($findings::VARCHAR[], finding) AS place,
        CASE WHEN lead > 0 THEN 'p' WHEN lead < 0 THEN 'n' ELSE 'b' END AS letter
    FROM votes),
keys AS (
    SELECT image_id, array_to_string(list_transform(range(1, len($findings::VARCHAR[]) + 1),
        lambda place: coalesce(map_from_entries(list({'k': letters.place, 'v': letter}))[place], 'x')), '') AS labels
    FROM letters GROUP BY image_id),
used AS (
    SELECT image_id, any_value(part) AS part, min(file) AS file, arg_min(record, (file, record)) AS record
    FROM vindr_used GROUP BY image_id)
SELECT image_id, NULL, NULL, 'FRONTAL_UNKNOWN', NULL, 'unknown', NULL, NULL, part, NULL, NULL, NULL, NULL, NULL,
    labels, image_id, file, record
FROM used JOIN keys USING (image_id)
"""
LABELS = """
INSERT INTO staged_labels
SELECT labels, finding, CASE letter WHEN 'p' THEN 'positive' WHEN 'n' THEN 'negative' ELSE 'not_assessed' END
FROM (SELECT labels, unnest($findings::VARCHAR[]) AS finding, unnest(string_split(labels, '')) AS letter
      FROM (SELECT DISTINCT labels FROM staged_images))
WHERE letter <> 'b'
"""
READINGS = """
INSERT INTO staged_readings SELECT image_id, reader, finding, state FROM vindr_said WHERE reader <> 'consensus'
"""
READER_COUNTS = """
SELECT count(DISTINCT image_id), count(*) FILTER (WHERE readers <> $usual),
    (SELECT count(DISTINCT reader) FROM staged_readings)
FROM (SELECT image_id, count(DISTINCT reader) AS readers FROM staged_readings GROUP BY image_id)
"""
BOTH = """
SELECT count(*) FROM (SELECT image_id, reader FROM vindr_said WHERE state = 'positive' GROUP BY ALL
    HAVING count(*) > 1 AND bool_or(finding = 'No finding'))
"""
NO_PATIENTS = (
    "This dataset has no patient ids: a split by patient cannot be made or checked, every image counts as a patient "
    "of its own, and intervals are too narrow where a patient has several images."
)


class Vindr:
    """The source of VinDr-CXR (Nguyen 2022) and of its training part as released for VinBigData."""

    name = "vindr"
    card = CARD

    def claim(self, headers: Headers) -> Claim | None:
        """Return the tables of labels, boxes and sizes; PhysioNet's say more than Kaggle's of the same images."""
        labels = tuple(path for path, header in headers.items() if _is_labels(header))
        marks = tuple(path for path, header in headers.items() if vindr_marks.is_marks(header))
        kaggle = tuple(path for path, header in headers.items() if vindr_marks.is_kaggle(header))
        sizes = tuple(path for path, header in headers.items() if vindr_marks.is_sizes(header))
        if not labels and not marks and not kaggle:
            return None
        roles = {"labels": labels, "marks": marks, "sizes": sizes} if labels or marks else {"kaggle": kaggle}
        notes = answer_forms(headers)
        if kaggle and "kaggle" not in roles:
            fuller = "was not read: the tables of PhysioNet, which are here, hold the same images."
            notes += tuple(f"{path.name} {fuller}" for path in kaggle)
        return Claim(self.name, {role: paths for role, paths in {**roles, "sizes": sizes}.items() if paths}, notes)

    def nearest(self, headers: Headers) -> str:
        """Return which table looks most like one of VinDr-CXR and what it lacks."""
        kaggle = nearest_table(
            headers, vindr_marks.FIELDS, tuple(vindr_marks.FIELDS), "VinBigData (VinDr-CXR)", IMAGE_ID
        )
        return kaggle or nearest_table(headers, FIELDS, tuple(FIELDS), self.card.title, IMAGE_ID)

    def image_key(self, path: str) -> str:
        """Return the file's stem: the same id names the DICOM and its resized copies."""
        return film_stem(path)

    def stage(self, con: duckdb.DuckDBPyConnection, claim: Claim, workspace: Path, *, allow_bad_rows: bool) -> Staged:
        """Stage every reader's statements, their majority as labels, and the boxes; see ``Source.stage``."""
        intake = Intake(con, workspace, allow_bad_rows=allow_bad_rows)
        intake.staged.image_column = "image_id"
        intake.staged.variant = "VinBigData" if "kaggle" in claim.roles else "PhysioNet"
        intake.staged.findings = findings_of(intake.staged.variant)
        con.execute(TABLES)
        parts = {_stage_labels(intake, path) for path in largest_first(claim.roles.get("labels", ()))}
        boxes_only = vindr_marks.stage_statements(intake, claim, parts)
        _stage_images(intake)
        for path, part in boxes_only:
            vindr_marks.stage_boxes(intake, path, part)
        vindr_marks.stage_sizes(intake, claim.roles.get("sizes", ()))
        _note_readers(intake)
        return intake.staged


def findings_of(variant: str) -> list[Finding]:
    """Return the findings that a release holds: all, or Kaggle's fifteen."""
    kaggle = vindr_marks.KAGGLE_CLASSES if variant == "VinBigData" else ()
    return [finding for finding in CARD.findings if not kaggle or finding.name in kaggle]


def _is_labels(header: tuple[str, ...]) -> bool:
    return not missing_fields(header, FIELDS, ("image_id",)) and (
        len(column_positions(header, LABEL_FIELDS)) >= ENOUGH_LABELS
    )


def part_of(path: Path, header: tuple[str, ...], fields: Fields) -> str:
    """Return train where readers are named, else test: the consensus, which has no reader.

    Raises CxrdashError where an unknown column might be the reader's under another name.
    """
    if "reader" in column_positions(header, fields):
        return "train"
    known = {matching_key(name) for names in fields.values() for name in names}
    unknown = [cell for cell in header if cell.strip() and matching_key(cell) not in known]
    if unknown:
        raise CxrdashError(
            f"{path.name}, line 1: no column 'rad_id', but an unknown one, '{shown(unknown[0])}'.",
            "If it names the readers, call it rad_id; if not, remove it: without readers the table is the consensus.",
        )
    return "test"


def _stage_labels(intake: Intake, path: Path) -> str:
    header = peek_header(path)
    part = part_of(path, header, FIELDS)
    absent = missing_fields(header, FIELDS, tuple(LABEL_FIELDS))
    file = intake.read(path, name="vindr_labels", fields=FIELDS, recognised_as="VinDr labels", counts_images=False)
    if is_seen(intake, path, "vindr_labels", f"labels {part}"):
        return part
    if absent:
        intake.note(f"{path.name} {missing_sentence(header, absent)}; not assessed in the {part} part.")
    intake.con.execute(CELLS, {"absent": [f.name for f in CARD.findings if f.source_name in absent]})
    intake.con.execute(ROWS, {"part": part})
    intake.con.execute(ROW_FAULTS)
    intake.set_aside_rows(file, "vindr_row_faults")
    intake.con.execute(USED, {"file": file, "part": part})
    intake.con.execute(SAID, {"file": file})
    return part


def is_seen(intake: Intake, path: Path, rows: str, role: str) -> bool:
    """Say whether a table only repeats the images of one read in the same role, and remember its images."""
    intake.con.execute("CREATE OR REPLACE TEMP TABLE vindr_alike AS SELECT * FROM vindr_seen WHERE role = $role", {"role": role})
    if is_repeat(intake, path, rows=rows, seen="vindr_alike"):
        return True
    intake.con.execute(
        "INSERT INTO vindr_seen SELECT DISTINCT image_id, $role FROM query_table($rows) WHERE image_id IS NOT NULL",
        {"role": role, "rows": rows},
    )
    return False


def _stage_images(intake: Intake) -> None:
    intake.con.execute(TWO_PARTS)
    intake.con.execute(NOT_TWO_PARTS)
    names = [finding.name for finding in intake.staged.findings]
    intake.con.execute(IMAGES, {"findings": names})
    intake.con.execute(LABELS, {"findings": names})
    intake.con.execute(READINGS)


def _note_readers(intake: Intake) -> None:
    ((images, unusual, readers),) = intake.con.execute(READER_COUNTS, {"usual": READERS}).fetchall()
    if images:
        intake.note(
            f"{readers} readers read {images:,} images; a label of these is the majority of the image's own readers, "
            "and what each of them said is kept."
        )
    if unusual:
        intake.note(f"{unusual:,} images have more or fewer than {READERS} readers; where they tie the label is blank.")
    if both := intake.count(BOTH):
        intake.note(f"{both:,} times a reader said No finding together with a finding.")
    intake.note(NO_PATIENTS)


SOURCE = Vindr()
