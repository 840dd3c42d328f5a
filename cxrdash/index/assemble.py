"""Staging tables to the star schema: keys, patterns, totals, and what was set aside."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import duckdb

from cxrdash.errors import CxrdashError
from cxrdash.index import schema
from cxrdash.labels.findings import Finding
from cxrdash.labels.states import State
from cxrdash.sources.base import Inventory, Source, Staged
from cxrdash.sources.tablefile import physical_lines

# A conflicting duplicate cannot be resolved without choosing for the user, so none of its rows is indexed;
# of identical rows the first is.
DUPLICATES = """
CREATE TEMP TABLE duplicated AS
SELECT image_id,
       count(DISTINCT hash(patient_id, study_id, view_raw, sex, age_years, split, labels, order_in_patient, width,
                           height, spacing_x_mm, spacing_y_mm)) AS versions,
       min((file, record)) AS first
FROM staged_images GROUP BY image_id HAVING count(*) > 1;

INSERT INTO staged_set_aside
SELECT file, record, 'image id', image_id,
       CASE WHEN versions > 1 THEN 'the same image id stands in rows that differ; none was chosen'
            ELSE 'repeats an earlier row exactly; the first was kept' END, 'row'
FROM staged_images JOIN duplicated USING (image_id)
WHERE versions > 1 OR (file, record) <> first;

CREATE TEMP TABLE kept AS
SELECT * EXCLUDE (versions, first) FROM staged_images LEFT JOIN duplicated USING (image_id)
WHERE versions IS NULL OR (versions = 1 AND (file, record) = first);
"""

# Distinct label texts that mean the same (another order of the same findings) share one pattern.
PATTERNS = """
CREATE TEMP TABLE spelled AS
SELECT labels, string_agg(finding || chr(31) || state, chr(30) ORDER BY finding) AS signature
FROM staged_labels GROUP BY labels;

CREATE TEMP TABLE pattern_of AS
SELECT labels, (dense_rank() OVER (ORDER BY coalesce(signature, '')) - 1)::INTEGER AS pattern
FROM (SELECT DISTINCT labels FROM kept) LEFT JOIN spelled USING (labels);

INSERT INTO patterns
SELECT DISTINCT pattern, finding::finding_name, state::state_name
FROM pattern_of JOIN staged_labels USING (labels) WHERE state <> 'blank' ORDER BY ALL;
"""

KEYS = """
INSERT INTO patients
SELECT (row_number() OVER (ORDER BY patient_id) - 1)::INTEGER, patient_id, md5_number_lower(patient_id)::UBIGINT,
       count(*), count(DISTINCT study_id), list_sort(list(DISTINCT coalesce(split, 'not stated')))
FROM kept WHERE patient_id IS NOT NULL GROUP BY patient_id ORDER BY patient_id;

CREATE TEMP TABLE study_keys AS
SELECT study_id, (row_number() OVER (ORDER BY patient_id NULLS LAST, place NULLS LAST, study_id) - 1)::INTEGER AS study
FROM (SELECT study_id, min(patient_id) AS patient_id, min(order_in_patient) AS place
      FROM kept WHERE study_id IS NOT NULL GROUP BY study_id);

CREATE TEMP TABLE sorted AS
SELECT image_id, study_id, patient_id, md5_number_lower(image_id)::UBIGINT AS sample_key,
       coalesce(view, 'UNKNOWN') AS view, view_raw, coalesce(sex, 'unknown') AS sex, age_years, age_flag,
       coalesce(split, 'not stated') AS split, order_in_patient, width, height, spacing_x_mm, spacing_y_mm,
       pattern, study, patient, found.file_key IS NOT NULL AS on_disk
FROM kept
LEFT JOIN pattern_of ON kept.labels IS NOT DISTINCT FROM pattern_of.labels
LEFT JOIN (SELECT patient_id, patient FROM patients) USING (patient_id)
LEFT JOIN study_keys USING (study_id)
LEFT JOIN found ON kept.file_key = found.file_key
ORDER BY patient NULLS LAST, study NULLS LAST, order_in_patient NULLS LAST, image_id;

-- the keys rise with the sort, so that neighbours in the file are neighbours in the patient
INSERT INTO images SELECT rowid::INTEGER, * FROM sorted;

INSERT INTO paths
SELECT image, root, path FROM images JOIN kept USING (image_id) JOIN found ON kept.file_key = found.file_key
ORDER BY image;
"""

TOTALS = """
INSERT INTO studies
SELECT study, any_value(study_id), any_value(patient), count(*), first(pattern ORDER BY image), count(DISTINCT pattern)
FROM images WHERE study IS NOT NULL GROUP BY study ORDER BY study;

INSERT INTO pattern_sizes
SELECT pattern, NULL, count(*), count(DISTINCT study), count(DISTINCT patient)
FROM images GROUP BY pattern ORDER BY pattern;

INSERT INTO boxes
SELECT image, finding, reader, x, y, w, h, coordinate_space
FROM staged_boxes JOIN images USING (image_id) ORDER BY image, finding;

INSERT INTO masks
SELECT image, structure, m.width, m.height, rle, convention, quality
FROM staged_masks AS m JOIN images USING (image_id) ORDER BY image, structure;

INSERT INTO readings
SELECT image, reader, finding, state FROM staged_readings JOIN images USING (image_id)
ORDER BY image, reader, finding;
"""


SUMMARY = """
SELECT count(*)::BIGINT AS images, count(DISTINCT study)::BIGINT AS studies, count(DISTINCT patient)::BIGINT AS patients,
       count(*) FILTER (WHERE on_disk)::BIGINT AS on_disk, count(*) FILTER (WHERE patient IS NULL)::BIGINT AS without_patient
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


def _insert_columns(con: duckdb.DuckDBPyConnection, table: str, columns: dict[str, list[Any]]) -> None:
    import pyarrow as pa

    con.register("incoming", pa.table(columns))
    con.execute(f"INSERT INTO {table} SELECT * FROM incoming")
    con.unregister("incoming")


def assemble(con: duckdb.DuckDBPyConnection, source: Source, staged: Staged) -> None:
    """Turn the staging tables into the star schema."""
    con.execute(DUPLICATES)
    con.execute(PATTERNS)
    con.execute(KEYS)
    con.execute(TOTALS)
    _write_findings(con, source, staged.findings)
    _write_masks(con, staged.findings)
    _write_set_aside(con, staged)
    _write_sources(con, staged)
    _check_conservation(con)


def _write_findings(con: duckdb.DuckDBPyConnection, source: Source, findings: list[Finding]) -> None:
    card = source.card
    con.executemany(
        "INSERT INTO findings VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (at, f.name, f.source_name, f.kind, f.parent, f.harmonised, card.negative_means, card.blank_means)
            for at, f in enumerate(findings)
        ],
    )


def _write_masks(con: duckdb.DuckDBPyConnection, findings: list[Finding]) -> None:
    """Write each pattern as one bit string, so that the union over a patient's images is a bit_or."""
    blocks = {State.POSITIVE.label: 0, State.UNCERTAIN.label: 1, State.NEGATIVE.label: 2}
    position = {finding.name: at for at, finding in enumerate(findings)}
    width = len(findings)
    bits: dict[int, bytearray] = defaultdict(lambda: bytearray(b"0" * 3 * width + b"1" * width))
    for pattern, finding, state in con.execute(
        "SELECT pattern, finding::VARCHAR, state::VARCHAR FROM patterns"
    ).fetchall():
        at = position[finding]
        bits[pattern][3 * width + at] = ord("0")
        if state in blocks:
            bits[pattern][blocks[state] * width + at] = ord("1")
    patterns = [row[0] for row in con.execute("SELECT pattern FROM pattern_sizes").fetchall()]
    con.execute("CREATE TEMP TABLE written (pattern INTEGER, mask VARCHAR)")
    if patterns:
        _insert_columns(con, "written", {"pattern": patterns, "mask": [bits[pattern].decode() for pattern in patterns]})
    con.execute(
        "UPDATE pattern_sizes SET mask = written.mask::BIT FROM written WHERE written.pattern = pattern_sizes.pattern"
    )


def _write_set_aside(con: duckdb.DuckDBPyConnection, staged: Staged) -> None:
    rows = con.execute(
        "SELECT file, record, column_name, value, reason, what FROM staged_set_aside ORDER BY file, record, column_name"
    ).fetchall()
    wanted: dict[int, list[int]] = defaultdict(list)
    for row in rows:
        if row[1] is not None:
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
