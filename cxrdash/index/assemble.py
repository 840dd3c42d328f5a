"""Staging tables to the star schema: keys, patterns, totals, and what was set aside."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import duckdb
import numpy as np

from cxrdash.errors import CxrdashError
from cxrdash.index import schema
from cxrdash.index.mask_tables import write_mask_measures
from cxrdash.index.sample_keys import sample_keys
from cxrdash.index.selection import LEVELS
from cxrdash.labels.findings import Finding
from cxrdash.labels.states import SPELLINGS, State
from cxrdash.sources.base import Inventory, Source, Staged
from cxrdash.sources.tablefile import physical_lines

# Almost no dataset has duplicates: looking for equal hashes first costs a tenth of grouping by the texts.
DUPLICATES = """
CREATE TEMP TABLE duplicated AS
WITH doubtful AS (SELECT hash(image_id) AS hashed FROM staged_images GROUP BY hashed HAVING count(*) > 1)
SELECT image_id,
       count(DISTINCT hash(patient_id, study_id, view_raw, sex, age_years, split, labels, order_in_patient, width,
                           height, spacing_x_mm, spacing_y_mm)) AS versions,
       min((file, record)) AS first
FROM staged_images WHERE hash(image_id) IN (SELECT hashed FROM doubtful)
GROUP BY image_id HAVING count(*) > 1;
"""

# A conflicting duplicate cannot be resolved without choosing for the user, so none of its rows is indexed;
# of identical rows the first is.
WITHOUT_DUPLICATES = """
INSERT INTO staged_set_aside
SELECT file, record, 'image id', image_id,
       CASE WHEN versions > 1 THEN 'the same image id stands in rows that differ; none was chosen'
            ELSE 'repeats an earlier row exactly; the first was kept' END, 'row'
FROM staged_images JOIN duplicated USING (image_id)
WHERE versions > 1 OR (file, record) <> first;

CREATE TEMP TABLE kept AS
SELECT * EXCLUDE (versions, first), staged_images.rowid AS kept_row
FROM staged_images LEFT JOIN duplicated USING (image_id)
WHERE versions IS NULL OR (versions = 1 AND (file, record) = first);
"""
ALL_KEPT = "CREATE TEMP VIEW kept AS SELECT *, rowid AS kept_row FROM staged_images"

TEXTS = """
CREATE TEMP TABLE texts AS
SELECT (row_number() OVER () - 1)::INTEGER AS place, labels FROM (SELECT DISTINCT labels FROM kept)
"""
STATED = """
SELECT place, enum_code(finding::finding_name) AS finding, state FROM staged_labels JOIN texts USING (labels)
"""
PATTERN_OF = """
CREATE TEMP TABLE pattern_of AS
SELECT labels, pattern FROM texts JOIN (SELECT unnest(range(len($patterns))) AS place, unnest($patterns) AS pattern)
USING (place)
"""

# Two sorts in place of windows: the keys rise with the order of the rows, so neighbours in the file are
# neighbours in the patient.
KEYS = """
CREATE TEMP TABLE patient_keys AS
SELECT patient_id, (row_number() OVER (ORDER BY patient_id) - 1)::INTEGER AS patient
FROM (SELECT DISTINCT patient_id FROM kept WHERE patient_id IS NOT NULL);

CREATE TEMP TABLE study_keys AS
SELECT study_id, (row_number() OVER (ORDER BY patient_id NULLS LAST, place NULLS LAST, study_id) - 1)::INTEGER AS study
FROM (SELECT study_id, min(patient_id) AS patient_id, min(order_in_patient) AS place
      FROM kept WHERE study_id IS NOT NULL GROUP BY study_id);
"""
# Numbering the rows while they are sorted would be left to one processor; a table numbers its own.
SORTED = """
CREATE TEMP TABLE sorted AS
SELECT image_id, study_id, patient_id, sample_key,
       coalesce(view, 'UNKNOWN') AS view, view_raw, coalesce(sex, 'unknown') AS sex, age_years, age_flag,
       coalesce(split, 'not stated') AS split, order_in_patient, width, height, spacing_x_mm, spacing_y_mm,
       pattern, study, patient, found.root IS NOT NULL AS on_disk
FROM kept AS images
LEFT JOIN pattern_of ON images.labels IS NOT DISTINCT FROM pattern_of.labels
LEFT JOIN patient_keys USING (patient_id)
LEFT JOIN study_keys USING (study_id)
LEFT JOIN found ON images.file_key = found.file_key
LEFT JOIN image_keys USING (kept_row)
ORDER BY patient NULLS LAST, study NULLS LAST, order_in_patient NULLS LAST, image_id
"""
IMAGES = """
INSERT INTO images SELECT rowid::INTEGER, * FROM sorted;

INSERT INTO paths
SELECT image, root, path FROM images JOIN kept USING (image_id) JOIN found USING (file_key)
WHERE on_disk ORDER BY image;
"""

# Everything is grouped by numbers; texts come in by one join afterwards.
TOTALS = """
CREATE TEMP TABLE parts AS
SELECT split, (1::UBIGINT << (row_number() OVER (ORDER BY split) - 1)) AS bit FROM (SELECT DISTINCT split FROM images);

INSERT INTO patients
WITH grouped AS (
    SELECT patient, count(*) AS images, bit_or(bit) AS bits FROM images JOIN parts USING (split)
    WHERE patient IS NOT NULL GROUP BY patient),
visits AS (
    SELECT patient, count(*) AS studies FROM (
        SELECT DISTINCT patient, study FROM images WHERE patient IS NOT NULL AND study IS NOT NULL)
    GROUP BY patient),
lists AS (
    SELECT bits, list(split ORDER BY split) AS splits FROM (SELECT DISTINCT bits FROM grouped)
    JOIN parts ON bits & bit > 0 GROUP BY bits)
SELECT patient, patient_id, sample_key, images, coalesce(studies, 0), splits
FROM patient_keys JOIN keys_of_patients USING (patient) JOIN grouped USING (patient) JOIN lists USING (bits)
LEFT JOIN visits USING (patient)
ORDER BY patient;

INSERT INTO studies
WITH grouped AS (
    SELECT study, any_value(patient) AS patient, count(*) AS images, arg_min(pattern, image) AS pattern,
           min(pattern) AS lowest, max(pattern) AS highest
    FROM images WHERE study IS NOT NULL GROUP BY study),
unequal AS (
    SELECT study, count(DISTINCT pattern) AS patterns FROM images
    WHERE study IN (SELECT study FROM grouped WHERE lowest < highest) GROUP BY study)
SELECT study, study_id, patient, images, pattern, coalesce(patterns, 1)
FROM study_keys JOIN grouped USING (study) LEFT JOIN unequal USING (study) ORDER BY study;

INSERT INTO pattern_sizes
SELECT pattern, count(*), count(DISTINCT study), count(DISTINCT patient) FROM images GROUP BY pattern ORDER BY pattern;

INSERT INTO patient_sizes
SELECT 'image', images, count(*) FROM patients GROUP BY images UNION ALL
SELECT 'study', studies, count(*) FROM patients WHERE studies > 0 GROUP BY studies ORDER BY ALL;

INSERT INTO boxes
SELECT image, finding, reader, x, y, w, h, coordinate_space
FROM staged_boxes JOIN images USING (image_id) ORDER BY image, finding;

INSERT INTO masks
SELECT image, structure, m.width, m.height, rle, convention, quality
FROM staged_masks AS m JOIN images USING (image_id) ORDER BY image, structure;

INSERT INTO attributes
SELECT image, attribute, level FROM staged_attributes JOIN images USING (image_id) ORDER BY attribute, image;

INSERT INTO reports
SELECT study, section, report FROM staged_reports JOIN studies USING (study_id) ORDER BY study, section;

INSERT INTO readings
SELECT image, reader, finding, state FROM staged_readings JOIN images USING (image_id)
ORDER BY image, reader, finding;
"""


# The levels of the whole dataset, so that the first page need not read the images.
LEVEL_SIZES = f"INSERT INTO level_sizes WITH selected AS (SELECT * FROM images), {LEVELS.lstrip()[5:]}"

SUMMARY = """
SELECT count(*)::BIGINT AS images, count(DISTINCT study)::BIGINT AS studies,
       count(DISTINCT patient)::BIGINT AS patients, count(*) FILTER (WHERE on_disk)::BIGINT AS on_disk,
       count(*) FILTER (WHERE patient IS NULL)::BIGINT AS without_patient
FROM images
"""


def create_tables(con: duckdb.DuckDBPyConnection, findings: list[Finding]) -> None:
    """Create the empty star schema with enumerations for this dataset's findings and the states."""
    names = [finding.name for finding in findings]
    states = [state.label for state in sorted(State, reverse=True)]
    con.execute(f"CREATE TYPE finding_name AS ENUM ({_enumeration(names)})")
    con.execute(f"CREATE TYPE state_name AS ENUM ({_enumeration(states)})")
    con.execute(schema.TABLES)
    con.execute(schema.PATTERNS)
    con.execute(schema.MEASURES)
    con.execute(schema.DUPLICATES)
    for statement in schema.comment_statements():
        con.execute(statement)


def _enumeration(values: list[str]) -> str:
    # ENUM members cannot be bound as parameters; they are text literals, escaped as SQL asks.
    return ", ".join("'" + value.replace("'", "''") + "'" for value in values)


def stage_found(con: duckdb.DuckDBPyConnection, source: Source, inventory: Inventory) -> int:
    """Make the table `found` of image files by key; return how many files share a key with another."""
    found: dict[str, tuple[int, str]] = {}
    for image in inventory.images:
        found.setdefault(source.image_key(image.path), (image.root, image.path))
    con.execute("CREATE TEMP TABLE found (file_key VARCHAR, root INTEGER, path VARCHAR)")
    if found:
        columns: dict[str, list[Any]] = {
            "file_key": list(found),
            "root": [root for root, _ in found.values()],
            "path": [path for _, path in found.values()],
        }
        _insert_columns(con, "found", columns)
    return len(inventory.images) - len(found)


def _insert_columns(con: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, Any]) -> None:
    import pyarrow as pa

    con.register("incoming", pa.table(dict(columns)))
    con.execute(f"INSERT INTO {table} SELECT * FROM incoming")
    con.unregister("incoming")


def assemble(con: duckdb.DuckDBPyConnection, source: Source, staged: Staged) -> None:
    """Turn the staging tables into the star schema."""
    con.execute(DUPLICATES)
    ((doubled,),) = con.execute("SELECT count(*) FROM duplicated").fetchall()
    con.execute(WITHOUT_DUPLICATES if doubled else ALL_KEPT)
    _write_patterns(con, staged.findings)
    con.execute(KEYS)
    _write_sample_keys(con, "image_keys", "SELECT kept_row, image_id FROM kept")
    _write_sample_keys(con, "keys_of_patients", "SELECT patient, patient_id FROM patient_keys")
    con.execute(SORTED)
    with one_commit(con):
        con.execute(IMAGES)
        con.execute(TOTALS)
        write_mask_measures(con)
        con.execute(LEVEL_SIZES)
        _write_findings(con, source, staged.findings)
        _write_set_aside(con, staged)
        _write_sources(con, staged)
    _check_conservation(con)


@contextmanager
def one_commit(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Write what the block writes in one go: each commit waits for the disk (a failed build is thrown away)."""
    con.execute("BEGIN")
    yield
    con.execute("COMMIT")


def _write_sample_keys(con: duckdb.DuckDBPyConnection, table: str, identifiers: str) -> None:
    """Make a table of sample keys from a selection of (number, identifier)."""
    found = con.sql(identifiers).to_arrow_table()
    (number, identifier) = found.column_names
    con.execute(f"CREATE TEMP TABLE {table} ({number} BIGINT, sample_key UBIGINT)")
    _insert_columns(con, table, {number: found[number], "sample_key": sample_keys(found[identifier])})


def _write_findings(con: duckdb.DuckDBPyConnection, source: Source, findings: list[Finding]) -> None:
    card = source.card
    con.executemany(
        "INSERT INTO findings VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (at, f.name, f.source_name, f.kind, f.parent, f.harmonised, card.negative_means, card.blank_means)
            for at, f in enumerate(findings)
        ],
    )


def _write_patterns(con: duckdb.DuckDBPyConnection, findings: list[Finding]) -> None:
    """Number the distinct label states; texts that mean the same (another order of findings) share one."""
    con.execute(TEXTS)
    ((texts,),) = con.execute("SELECT count(*) FROM texts").fetchall()
    found = con.execute(STATED).fetchnumpy()
    words, word_at = np.unique(found["state"].astype(str), return_inverse=True)
    codes = np.array([SPELLINGS[word] for word in words], dtype=np.int8)
    states = np.full((texts, len(findings)), State.BLANK, dtype=np.int8)
    if len(word_at):
        states[found["place"], found["finding"]] = codes[word_at]
    # One byte string per row sorts ten times faster than rows of numbers; + 1 because it may not hold zeros.
    keys = np.ascontiguousarray(states + 1).view(f"S{len(findings)}").ravel()
    _, first, pattern_of = np.unique(keys, return_index=True, return_inverse=True)
    con.execute(PATTERN_OF, {"patterns": pattern_of.tolist()})
    _write_dictionary(con, states[first], [finding.name for finding in findings])


def _write_dictionary(con: duckdb.DuckDBPyConnection, states: np.ndarray, names: list[str]) -> None:
    """Write each pattern as rows, one for every finding that is not blank."""
    pattern, finding = np.nonzero(states != State.BLANK)
    import pyarrow as pa

    rows: dict[str, Any] = {
        "pattern": pattern.astype(np.int32),
        # Arrow's texts hold any character; NumPy's end at the first NUL.
        "finding": pa.array(names).take(pa.array(finding)),
        "state": pa.array([State(code).label for code in range(len(State))]).take(pa.array(states[pattern, finding])),
    }
    if len(states):
        _insert_columns(con, "patterns", rows)


def _write_set_aside(con: duckdb.DuckDBPyConnection, staged: Staged) -> None:
    rows = con.execute(
        "SELECT file, record, column_name, value, reason, what FROM staged_set_aside ORDER BY file, record, column_name"
    ).fetchall()
    wanted: dict[int, list[int]] = defaultdict(list)
    for row in rows:
        if row[1] is not None and staged.files[row[0]].has_lines:
            wanted[row[0]].append(row[1])
    lines = {file: physical_lines(staged.files[file].plain, sorted(set(records))) for file, records in wanted.items()}
    values = [
        (
            staged.files[file].path.name,
            lines.get(file, {}).get(record),
            staged.image_column if column == "image id" else column,
            value,
            reason,
            what,
        )
        for file, record, column, value, reason, what in rows
    ]
    if values:
        names = ("file", "line", "column_name", "value", "reason", "what")
        columns = {name: [row[at] for row in values] for at, name in enumerate(names)}
        _insert_columns(con, "set_aside", columns)


SET_ASIDE_ROWS = "SELECT count(DISTINCT record) FROM staged_set_aside WHERE file = ? AND what = 'row'"


def _write_sources(con: duckdb.DuckDBPyConnection, staged: Staged) -> None:
    indexed = dict(con.execute("SELECT file, count(*) FROM kept GROUP BY file").fetchall())
    for number, file in enumerate(staged.files):
        (aside,) = con.execute(SET_ASIDE_ROWS, [number]).fetchall()[0]
        kept = indexed.get(number, 0) if file.counts_images else file.records - aside
        con.execute(
            "INSERT INTO sources VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                str(file.path),
                file.sha256,
                file.bytes,
                file.mtime_ns,
                file.records,
                kept,
                aside,
                file.recognised_as,
                file.counts_images,
            ],
        )


def _check_conservation(con: duckdb.DuckDBPyConnection) -> None:
    """Refuse to publish an index that lost a row: rows read = rows indexed + rows set aside."""
    lost = con.execute(
        "SELECT file, records, indexed, set_aside FROM sources WHERE records <> indexed + set_aside"
    ).fetchall()
    if lost:
        file, records, indexed, aside = lost[0]
        raise CxrdashError(
            f"{file}: {records:,} rows were read but {indexed:,} indexed and {aside:,} set aside.",
            "Nothing was published. This is a defect of cxrdash: please report it with the header of that file.",
        )


def write_checks(con: duckdb.DuckDBPyConnection, source: Source, staged: Staged) -> None:
    """Compare published counts with the counts of this index."""
    count = {
        "images": "SELECT count(*) FROM images WHERE $split = '' OR split = $split",
        "studies": "SELECT count(DISTINCT study) FROM images WHERE $split = '' OR split = $split",
        "patients": "SELECT count(DISTINCT patient) FROM images WHERE $split = '' OR split = $split",
    }
    present = {row[0] for row in con.execute("SELECT DISTINCT split FROM images").fetchall()}
    for published in source.card.published:
        if published.variant not in ("", staged.variant) or (published.split and published.split not in present):
            continue
        ((found,),) = con.execute(count[published.what], {"split": published.split}).fetchall()
        con.execute(
            "INSERT INTO checks VALUES (?, ?, ?, ?, ?, ?)",
            [
                published.what,
                published.split,
                published.value,
                found,
                found == published.value,
                published.source,
            ],
        )


def write_meta(con: duckdb.DuckDBPyConnection, facts: dict[str, Any]) -> None:
    """Write facts of the index as JSON values."""
    con.executemany("INSERT INTO meta VALUES (?, ?)", [(key, json.dumps(value)) for key, value in facts.items()])
