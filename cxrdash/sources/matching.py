"""Which image of the dataset a row of another table means, told by the values themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cxrdash.sources.base import Source
from cxrdash.sources.sql import quote_identifier
from cxrdash.sources.staging import Intake

# In this order: the first that finds the most images is used. `film` is only tried where none finds any.
RULES = {
    "exact": "as it is written",
    "stem": "without the file's ending",
    "name": "by the file's name alone",
    "film": "as the path of a film",
}
MACROS = r"""
CREATE OR REPLACE TEMP MACRO id_stem(id) AS regexp_replace(id, '\.(png|jpe?g|dcm|dicom|tiff?)$', '', 'i');
CREATE OR REPLACE TEMP MACRO id_name(id) AS id_stem(regexp_extract(id, '[^/\\]*$'));
CREATE OR REPLACE TEMP MACRO id_forms(id) AS
    [{'rule': 'exact', 'key': id}, {'rule': 'stem', 'key': id_stem(id)}, {'rule': 'name', 'key': id_name(id)}];
"""
# What two images share names neither of them (view1_frontal.jpg).
KEYS = """
CREATE OR REPLACE TEMP TABLE match_keys AS
SELECT form.rule AS rule, form.key AS key, any_value(image_id) AS image_id
FROM (SELECT image_id, unnest(id_forms(image_id)) AS form FROM (SELECT DISTINCT image_id FROM staged_images))
GROUP BY ALL HAVING count(*) = 1
"""
VALUES = "SELECT DISTINCT trim({field}) AS id FROM query_table($rows) WHERE trim({field}) <> ''"
FOUND = """
SELECT rule, count(DISTINCT image_id) FROM (SELECT unnest(id_forms(id)) AS form FROM ({values}))
JOIN match_keys ON rule = form.rule AND key = form.key GROUP BY rule
"""
FILM_KEYS = """
INSERT INTO match_keys
WITH films AS (SELECT file_key, any_value(image_id) AS image_id FROM staged_images
               GROUP BY file_key HAVING count(DISTINCT image_id) = 1)
SELECT 'film', id, image_id
FROM (SELECT unnest($ids::VARCHAR[]) AS id, unnest($keys::VARCHAR[]) AS file_key) JOIN films USING (file_key)
"""
MATCHED = """
CREATE OR REPLACE TEMP TABLE matched AS
SELECT record, image_id FROM (
    SELECT record, CASE $rule WHEN 'stem' THEN id_stem(trim({field})) WHEN 'name' THEN id_name(trim({field}))
                   ELSE trim({field}) END AS key FROM query_table($rows)) AS told
JOIN match_keys USING (key) WHERE rule = $rule
"""


@dataclass(frozen=True)
class Match:
    """How the rows of a table name the dataset's images: in which field, by which rule, and how many."""

    field: str
    rule: str
    images: int

    @property
    def words(self) -> str:
        return RULES[self.rule]


def match_images(intake: Intake, source: Source, rows: str, fields: Sequence[str]) -> Match | None:
    """Make the table ``matched`` (record, image_id) for the view ``rows``; None where no field names an image.

    Of the fields and rules the pair that finds the most images is used, and of equals the first. Values
    that several images share find none of them.
    """
    intake.con.execute(MACROS)
    intake.con.execute(KEYS)
    found = [match for field in fields for match in _found(intake, rows, field)]
    if not found:
        found = [match for field in fields for match in _found_as_films(intake, source, rows, field)]
    if not found:
        return None
    order = list(RULES)
    best = max(found, key=lambda match: (match.images, -order.index(match.rule), -fields.index(match.field)))
    statement = MATCHED.format(field=quote_identifier(best.field))
    intake.con.execute(statement, {"rows": rows, "rule": best.rule})
    return best


def _found(intake: Intake, rows: str, field: str) -> list[Match]:
    statement = FOUND.format(values=VALUES.format(field=quote_identifier(field)))
    return [Match(field, rule, images) for rule, images in intake.con.execute(statement, {"rows": rows}).fetchall()]


def _found_as_films(intake: Intake, source: Source, rows: str, field: str) -> list[Match]:
    """Read the values as paths of image files, as the dataset's own layouts write them."""
    statement = VALUES.format(field=quote_identifier(field))
    ids = [value for (value,) in intake.con.execute(statement, {"rows": rows}).fetchall()]
    added = intake.count(FILM_KEYS, ids=ids, keys=[source.image_key(value) for value in ids])
    return [Match(field, "film", added)] if added else []
