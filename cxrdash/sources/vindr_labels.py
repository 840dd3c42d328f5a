"""What VinDr's readers said of each image, from the label tables, and the majority that becomes its label."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cxrdash.errors import CxrdashError, shown
from cxrdash.sources.card import load_card
from cxrdash.sources.claims import is_repeat
from cxrdash.sources.headers import Fields, column_positions, matching_key, missing_fields, missing_sentence
from cxrdash.sources.staging import Intake
from cxrdash.sources.tablefile import peek_header

CARD = load_card("vindr")
ALIASES = {"Other diseases": ("Other disease",)}  # the spelling of the test table
LABEL_FIELDS: Fields = {
    finding.name: (finding.source_name, *ALIASES.get(finding.name, ())) for finding in CARD.findings
}
FIELDS: Fields = {"image_id": ("image_id",), "reader": ("rad_id",), **LABEL_FIELDS}
ENOUGH_LABELS = 20
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
FROM vindr_labels UNPIVOT INCLUDE NULLS (cell FOR finding IN (COLUMNS(* EXCLUDE (record, image_id, reader))))
WHERE NOT list_contains($absent::VARCHAR[], finding)
"""
ROWS = """
CREATE OR REPLACE TEMP TABLE vindr_rows AS
WITH texts AS (
    SELECT record, string_agg(coalesce(state, '?'), ',' ORDER BY finding) AS said,
        min(finding) FILTER (WHERE state IS NULL) AS bad,
        arg_min(coalesce(cell, ''), finding) FILTER (WHERE state IS NULL) AS cell
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
INSERT INTO vindr_used SELECT $file, record, image_id, $part FROM query_table($rows)
WHERE record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""
SAID = """
INSERT INTO vindr_said SELECT image_id, reader, finding, state FROM vindr_rows JOIN vindr_cells USING (record)
WHERE record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""
TWO_PARTS = """
CREATE OR REPLACE TEMP TABLE vindr_two_parts AS
SELECT image_id FROM vindr_used GROUP BY image_id HAVING count(DISTINCT part) > 1;

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
WITH used AS (
    SELECT image_id, any_value(part) AS part, min((file, record)) AS first FROM vindr_used GROUP BY image_id),
votes AS (
    SELECT image_id, finding, 2 * count(*) FILTER (WHERE state = 'positive') - count(*) AS lead
    FROM vindr_said GROUP BY image_id, finding),
places AS (
    SELECT unnest($findings::VARCHAR[]) AS finding, unnest(range(len($findings::VARCHAR[]))) AS place),
keys AS (
    SELECT image_id, string_agg(
        CASE WHEN lead IS NULL THEN 'x' WHEN lead > 0 THEN 'p' WHEN lead < 0 THEN 'n' ELSE 'b' END, '' ORDER BY place
        ) AS labels
    FROM used CROSS JOIN places LEFT JOIN votes USING (image_id, finding) GROUP BY image_id)
SELECT image_id, NULL, NULL, 'FRONTAL_UNKNOWN', NULL, 'unknown', NULL, NULL, part, NULL, NULL, NULL, NULL, NULL,
    labels, image_id, first[1], first[2]
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
SELECT count(*), count(*) FILTER (WHERE readers <> $usual),
    (SELECT count(DISTINCT reader) FROM staged_readings)
FROM (SELECT image_id, count(DISTINCT reader) AS readers FROM staged_readings GROUP BY image_id)
"""
NO_FINDING_AND_MORE = """
SELECT count(*) FROM (SELECT image_id, reader FROM vindr_said WHERE state = 'positive' GROUP BY ALL
    HAVING count(*) > 1 AND bool_or(finding = 'No finding'))
"""


def is_labels(header: Sequence[str]) -> bool:
    """Say whether a table holds a column of 0 and 1 per finding."""
    enough = len(column_positions(header, LABEL_FIELDS)) >= ENOUGH_LABELS
    return enough and "image_id" in column_positions(header, FIELDS)


def part_of(path: Path, fields: Fields) -> str:
    """Return train where a table names readers, else test: the consensus, which has none.

    Raises CxrdashError where an unknown column might be the readers' under another name.
    """
    header = peek_header(path)
    if "reader" in column_positions(header, fields):
        return "train"
    known = {matching_key(name) for names in fields.values() for name in names}
    unknown = [cell for cell in header if cell.strip() and matching_key(cell) not in known]
    if unknown:
        raise CxrdashError(
            f"{path.name}, line 1: there is no column 'rad_id', but an unknown one: '{shown(unknown[0])}'.",
            "If it names the readers, call it rad_id; if not, remove it: a table without readers is the consensus.",
        )
    return "test"


def is_seen(intake: Intake, path: Path, *, rows: str, role: str) -> bool:
    """Say whether a table only repeats the images of one read in the same role, and remember its images."""
    con = intake.con
    alike = "CREATE OR REPLACE TEMP TABLE vindr_alike AS SELECT image_id FROM vindr_seen WHERE role = $role"
    con.execute(alike, {"role": role})
    if is_repeat(intake, path, rows=rows, seen="vindr_alike"):
        return True
    seen = "INSERT INTO vindr_seen SELECT DISTINCT image_id, $role FROM query_table($rows) WHERE image_id IS NOT NULL"
    con.execute(seen, {"role": role, "rows": rows})
    return False


def stage_labels(intake: Intake, path: Path) -> str:
    """Read one label table, keep what each reader said, and return the part it is of."""
    part = part_of(path, FIELDS)
    absent = missing_fields(peek_header(path), FIELDS, tuple(LABEL_FIELDS))
    file = intake.read(path, name="vindr_labels", fields=FIELDS, recognised_as="VinDr labels", counts_images=False)
    if is_seen(intake, path, rows="vindr_labels", role=f"labels {part}"):
        return part
    if absent:
        missing = missing_sentence(peek_header(path), absent)
        intake.note(f"{path.name} {missing}; not assessed in its part ({part}).")
    intake.con.execute(CELLS, {"absent": [finding.name for finding in CARD.findings if finding.source_name in absent]})
    intake.con.execute(ROWS, {"part": part})
    intake.con.execute(ROW_FAULTS)
    intake.set_aside_rows(file, "vindr_row_faults")
    intake.con.execute(USED, {"file": file, "part": part, "rows": "vindr_rows"})
    intake.con.execute(SAID, {"file": file})
    return part


def stage_images(intake: Intake) -> None:
    """Stage the images with the majority of what was said, and every reader's own statements."""
    intake.con.execute(TWO_PARTS)
    names = [finding.name for finding in intake.staged.findings]
    intake.con.execute(IMAGES, {"findings": names})
    intake.con.execute(LABELS, {"findings": names})
    intake.con.execute(READINGS)


def note_readers(intake: Intake) -> None:
    """Note how many readers there were, where they are not three, and where one contradicts himself."""
    ((images, unusual, readers),) = intake.con.execute(READER_COUNTS, {"usual": READERS}).fetchall()
    if images:
        intake.note(
            f"{readers} readers read {images:,} training images. The label is the majority of the readers who read "
            "the image; what each of them said is kept."
        )
    if unusual:
        intake.note(f"{unusual:,} images have more or fewer than {READERS} readers; where they tie the label is blank.")
    if both := intake.count(NO_FINDING_AND_MORE):
        intake.note(f"{both:,} times a reader said No finding together with a finding.")
