"""The tables of a local dataset: opened inside its folder, their columns found by the names declared for them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping as Keyed
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from cxrdash.errors import shown
from cxrdash.sources.base import Inventory
from cxrdash.sources.claims import film_stem
from cxrdash.sources.film_headers import OLDEST, PER_YEAR, SEXES, VIEWS, age_of, insert_rows
from cxrdash.sources.folder import resolve
from cxrdash.sources.headers import collision_key
from cxrdash.sources.mapping import SEXES as SEX_NAMES
from cxrdash.sources.mapping import SPLITS, Mapping, spelling_key
from cxrdash.sources.mapping import VIEWS as VIEW_NAMES
from cxrdash.sources.separated import as_read, with_commas
from cxrdash.sources.sql import quote_identifier
from cxrdash.sources.staging import Intake
from cxrdash.sources.tablefile import peek_header

ATTRIBUTES = ("patient", "study", "view", "sex", "age", "split", "place")
AGE = re.compile(r"(\d{1,3}(?:[.,]\d{1,9})?) ?([YMWD]?)")
REASONS = {
    "view": "no spelling of a view in [values.view]",
    "sex": "no spelling of a sex in [values.sex]",
    "split": "no spelling of a part in [values.split]",
    "age": f"not an age of 0 to {OLDEST} years",
    "place": "neither a number nor a date written year, month, day",
}

# The same key of a film as `film_key`, for values in tables.
MACROS = r"""
CREATE OR REPLACE TEMP MACRO local_path(film) AS
    nfc_normalize(regexp_replace(replace(trim(film), '\', '/'), '^(\./|/)+', ''));
CREATE OR REPLACE TEMP MACRO local_name(film) AS regexp_extract(local_path(film), '[^/]*$');
CREATE OR REPLACE TEMP MACRO film_key(film, rule) AS CASE
    WHEN rule = 'path' THEN local_path(film)
    WHEN rule = 'name' THEN local_name(film)
    WHEN rule = 'stem' THEN regexp_replace(local_name(film), '\.(png|jpe?g|dcm|dicom|tiff?)$', '', 'i')
    ELSE array_to_string(string_split(local_path(film), '/')[-try_cast(right(rule, 1) AS INTEGER):], '/') END;
"""
# What an odd value was replaced by is nothing; where it stands is kept.
ODD_VALUES = """
INSERT INTO staged_set_aside
SELECT $file, record, $column, {field}, $reason, 'value'
FROM query_table($rows) JOIN local_meanings ON attribute = $attribute AND raw = trim({field}) WHERE odd
"""
MEANINGS = """
CREATE TEMP TABLE local_meanings (
    attribute VARCHAR, raw VARCHAR, meaning VARCHAR, number DOUBLE, flag VARCHAR, odd BOOLEAN)
"""
RAW = "SELECT DISTINCT trim({field}) FROM query_table($rows) WHERE trim({field}) <> ''"
KNOWN = "SELECT raw FROM local_meanings WHERE attribute = $attribute"
PLACES = """
INSERT INTO local_meanings
SELECT 'place', raw, NULL, coalesce(try_cast(raw AS DOUBLE), epoch(try_cast(raw AS TIMESTAMP)),
        epoch(try_strptime(raw, ['%Y%m%d', '%Y/%m/%d', '%Y.%m.%d', '%Y/%m/%d %H:%M:%S', '%Y/%m/%d %H:%M']))) AS number,
    NULL, number IS NULL OR NOT isfinite(number)
FROM (SELECT DISTINCT trim({field}) AS raw FROM query_table($rows) WHERE trim({field}) <> '')
WHERE raw NOT IN (SELECT raw FROM local_meanings WHERE attribute = 'place')
"""


@dataclass(frozen=True)
class LocalTable:
    """A table that has been read into the view ``rows``; ``columns`` are its columns by attribute or label."""

    file: int
    rows: str
    columns: Keyed[str, str]  # attribute -> the column's name in the view
    names: Keyed[str, str]  # attribute -> the column's name in the file

    def field(self, attribute: str) -> str:
        """Return the SQL of an attribute's trimmed text, NULL where blank or where there is no such column."""
        if attribute not in self.columns:
            return "NULL::VARCHAR"
        return f"nullif(trim({quote_identifier(self.columns[attribute])}), '')"


def film_key(path: str, match: str) -> str:
    """Return the key by which a value and an image file find each other under a rule of ``[images] match``."""
    whole = unicodedata.normalize("NFC", re.sub(r"^(\./|/)+", "", path.strip(" ").replace("\\", "/")))
    if match == "path":
        return whole
    if match == "name":
        return whole.rsplit("/", 1)[-1]
    if match == "stem":
        return film_stem(whole.rsplit("/", 1)[-1])
    return "/".join(whole.split("/")[-int(match[-1]) :])


@dataclass(frozen=True)
class Reading:
    """What every step of reading a local dataset needs."""

    intake: Intake
    mapping: Mapping
    inventory: Inventory

    def table(
        self, name: str, wanted: Keyed[str, str], *, separator: str, where: str, images: bool, rows: str = "local_rows"
    ) -> LocalTable:
        """Read the table of that name inside the dataset's folder; ``wanted`` maps attributes to column names.

        Raises CxrdashError naming key, file, the missing column and the nearest one that is there.
        """
        path = resolve(self.inventory.roots, 0, name.replace("\\", "/"))
        plain, original = with_commas(path, separator, self.intake.workspace)
        places = self._places(peek_header(plain), name, wanted, where)
        positions: dict[str, int | None] = {f"cell {at}": at for at in sorted(set(places.values()))}
        recognised = "images" if images else "labels" if where == "[labels]" else "facts joined"
        file = self.intake.read_at(
            plain, name=rows, positions=positions, recognised_as=recognised, counts_images=images
        )
        if original:
            self.intake.staged.files[file] = as_read(self.intake.staged.files[file], original)
            self.intake.staged.notes.extend(original.notes)
        columns = {attribute: f"cell {at}" for attribute, at in places.items()}
        return LocalTable(file, rows, columns, dict(wanted))

    def _places(self, header: Sequence[str], name: str, wanted: Keyed[str, str], where: str) -> dict[str, int]:
        known = {collision_key(cell): at for at, cell in reversed(list(enumerate(header)))}
        missing = [column for column in wanted.values() if collision_key(column) not in known]
        if missing:
            near = get_close_matches(collision_key(missing[0]), [key for key in known if key], 1, cutoff=0.5)
            nearest = f"The nearest is '{shown(header[known[near[0]]])}'." if near else ""
            listed = ", ".join(f"'{shown(cell, 40)}'" for cell in header[:30])
            others = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
            what = f"{shown(name)} has no column '{shown(missing[0])}'{others}"
            self.mapping.refuse(where, what, f"{nearest} Columns: {listed or 'none that can be read'}.".strip())
        return {attribute: known[collision_key(column)] for attribute, column in wanted.items()}

    def hidden(self, sql: str) -> str:
        """Return the SQL of a patient's id as it may be kept."""
        return f"local_pseudonym({sql})" if self.mapping.hides_patients else sql

    def understand(self, table: LocalTable) -> None:
        """Learn what the texts of a table's attributes mean, and list those that mean nothing."""
        con = self.intake.con
        for attribute in REASONS:
            if attribute not in table.columns:
                continue
            field = quote_identifier(table.columns[attribute])
            if attribute == "place":
                con.execute(PLACES.format(field=field), {"rows": table.rows})
            else:
                found = con.execute(RAW.format(field=field), {"rows": table.rows}).fetchall()
                self.learn(attribute, [raw for (raw,) in found])
            values = {
                "file": table.file,
                "column": table.names[attribute],
                "reason": REASONS[attribute],
                "rows": table.rows,
                "attribute": attribute,
            }
            con.execute(ODD_VALUES.format(field=field), values)

    def learn(self, attribute: str, texts: Sequence[str]) -> None:
        """Add what texts of an attribute mean to ``local_meanings``."""
        known = {raw for (raw,) in self.intake.con.execute(KNOWN, {"attribute": attribute}).fetchall()}
        rows = [(attribute, text, *self._meaning(attribute, text)) for text in texts if text not in known]
        insert_rows(self.intake.con, "local_meanings", rows)

    def _meaning(self, attribute: str, text: str) -> tuple[str | None, float | None, str | None, bool]:
        if attribute == "age":
            years, flag = self._age(text)
            return None, years, flag, flag == "implausible"
        known = self._spellings(attribute)
        meaning = known.get(spelling_key(text))
        return meaning, None, None, meaning is None

    def _spellings(self, attribute: str) -> dict[str, str]:
        names = {"view": VIEW_NAMES, "sex": SEX_NAMES, "split": SPLITS}[attribute]
        known = {spelling_key(name): name for name in names}
        if self.mapping.images.source == "dicom":
            terms = {"view": VIEWS, "sex": SEXES}.get(attribute, {})
            known |= {spelling_key(term): name for term, name in terms.items()}
        declared: Keyed[str, str] = getattr(self.mapping.values, attribute)
        return known | {spelling_key(spelled): name for spelled, name in declared.items()}

    def _age(self, text: str) -> tuple[float | None, str | None]:
        found = AGE.fullmatch(text.strip().upper())
        if not found or found[1].isdecimal():
            return age_of(text.replace(" ", ""))
        years = float(found[1].replace(",", ".")) / PER_YEAR[found[2]]
        return (years, None) if 0 < years <= OLDEST else (None, "implausible")
