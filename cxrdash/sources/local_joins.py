"""Tables of a local dataset that say something about its images, studies or patients by their ids."""

from __future__ import annotations

from collections.abc import Sequence

from cxrdash.sources.local_images import COLUMNS, add_columns, attribute_columns
from cxrdash.sources.local_tables import LocalTable, Reading
from cxrdash.sources.mapping import texts_of
from cxrdash.sources.sql import quote_identifier

# What names an image: its id, or its film by the rule of [images] match. A name that two share names neither.
KEYS = {
    "image": """
        SELECT key, row FROM (
            SELECT image_id AS key, image_id, rowid AS row FROM local_images
            UNION SELECT film_key(film, $match), image_id, rowid FROM local_images)
        WHERE key IN (SELECT key FROM (
            SELECT image_id AS key, image_id FROM local_images
            UNION SELECT film_key(film, $match), image_id FROM local_images) GROUP BY key
            HAVING count(DISTINCT image_id) = 1)""",
    "study": "SELECT study AS key, rowid AS row FROM local_images WHERE study IS NOT NULL",
    "patient": "SELECT patient AS key, rowid AS row FROM local_images WHERE patient IS NOT NULL",
}
MATCHED = """
CREATE OR REPLACE TEMP TABLE local_matched AS
WITH keys AS ({keys}),
named AS (SELECT record, {key} AS key FROM query_table($rows))
SELECT record, row FROM named JOIN keys USING (key)
UNION SELECT record, row FROM named JOIN keys ON $by = 'image' AND keys.key = film_key(named.key, $match)
"""
# Rows that say the same of one unit are one; rows that differ are not judged.
ROW_FAULTS = """
CREATE OR REPLACE TEMP TABLE local_row_faults AS
WITH said AS (
    SELECT record, {key} AS key, hash({values}) AS version FROM query_table($rows) LEFT JOIN query_table($told)
        USING (record)),
units AS (
    SELECT key, count(DISTINCT version) AS versions, min(record) AS first_record FROM said GROUP BY key)
SELECT record, CASE
    WHEN key IS NULL
    THEN {{'column_name': $column, 'value': NULL::VARCHAR, 'reason': 'the id is missing'}}
    WHEN record NOT IN (SELECT record FROM local_matched)
    THEN {{'column_name': $column, 'value': key, 'reason': 'no image of this dataset has this ' || $by || ' id'}}
    WHEN versions > 1
    THEN {{'column_name': $column, 'value': key, 'reason': 'the same id stands in rows that differ; none was chosen'}}
    WHEN record > first_record
    THEN {{'column_name': $column, 'value': key, 'reason': 'repeats an earlier row; the first was kept'}}
    END AS fault
FROM said LEFT JOIN units USING (key)
"""
UPDATE = """
UPDATE local_images SET {settings}
FROM (SELECT row, told.* FROM local_matched JOIN query_table($told) AS told USING (record)
      WHERE record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')) AS told
WHERE local_images.rowid = told.row
"""


def join_table(reading: Reading, table: LocalTable, *, by: str, told: str, columns: Sequence[str]) -> None:
    """Give the images named by a table's key column the ``columns`` of ``told`` (record, ...) where they have none."""
    intake, key = reading.intake, table.field("key")
    key = reading.hidden(key) if by == "patient" else key
    values = {"rows": table.rows, "by": by, "match": reading.mapping.images.match}
    intake.con.execute(MATCHED.format(keys=KEYS[by], key=key), values)
    quoted = ", ".join(quote_identifier(column) for column in columns)
    faults = {"rows": table.rows, "told": told, "column": table.names["key"], "by": by}
    intake.con.execute(ROW_FAULTS.format(key=key, values=quoted), faults)
    intake.set_aside_rows(table.file, "local_row_faults")
    settings = ", ".join(
        f"{name} = coalesce(local_images.{name}, told.{name})" for name in map(quote_identifier, columns)
    )
    intake.con.execute(UPDATE.format(settings=settings), {"told": told, "file": table.file})


def stage_joined(reading: Reading) -> None:
    """Read every [[joined]] table in its order; what is known already is kept."""
    for joined in reading.mapping.joined:
        wanted = texts_of(joined, COLUMNS)
        wanted = {("place" if name == "order" else name): column for name, column in wanted.items()}
        wanted |= attribute_columns(joined.attributes)
        add_columns(reading, attribute_columns(joined.attributes))
        if not wanted:
            reading.mapping.refuse("[[joined]]", f"takes no column of {joined.table}", "Name one, such as sex = ...")
        table = reading.table(
            joined.table,
            {"key": joined.column, **wanted},
            separator=joined.separator,
            where=f"[[joined]] {joined.table}",
            images=False,
            rows="local_joined_rows",
        )
        reading.understand(table)
        sql = {name: table.field(name) for name in wanted}
        sql |= {"patient": reading.hidden(sql["patient"])} if "patient" in sql else {}
        fields = ", ".join(f"{field} AS {quote_identifier(name)}" for name, field in sql.items())
        reading.intake.con.execute(
            f"CREATE OR REPLACE TEMP VIEW local_told AS SELECT record, {fields} FROM local_joined_rows"
        )
        join_table(reading, table, by=joined.by, told="local_told", columns=tuple(wanted))
