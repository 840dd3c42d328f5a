"""What the columns of a table hold, so that a mapping can be drafted: names, fill, distinct values with counts."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from cxrdash.errors import CxrdashError
from cxrdash.sources.headers import matching_key
from cxrdash.sources.plainfile import opened
from cxrdash.sources.separated import SEPARATORS, with_commas
from cxrdash.sources.sql import quote_identifier
from cxrdash.sources.tablefile import open_table

HEAD = 2**16  # bytes looked at to find the separator
HEAD_RECORDS = 20
SHOWN_VALUES = 200
MOST_VALUES = 200_000  # distinct values of an id column that are compared

ROLES = {
    "image": (
        *("image", "imageid", "imageindex", "imagename", "imagefile", "imagepath", "imagefilename", "imageuid"),
        *(
            "filename",
            "file",
            "filepath",
            "path",
            "img",
            "imgid",
            "imgname",
            "imgpath",
            "dicomid",
            "dicom",
            "dicompath",
        ),
        *("sopinstanceuid", "sopuid", "picture", "film", "filmid", "xray", "xrayid", "bild", "bildid", "imagen"),
    ),
    "patient": (
        *("patient", "patientid", "patid", "pid", "subject", "subjectid", "person", "personid", "patientno", "mrn"),
        *("patientnumber", "patientnr", "patientkey", "case", "caseid", "patientenid", "paciente", "patno"),
    ),
    "study": (
        *("study", "studyid", "studyuid", "studyinstanceuid", "exam", "examid", "examination", "examinationid"),
        *("accession", "accessionnumber", "accessionid", "accno", "encounter", "encounterid", "visit", "visitid"),
    ),
    "view": (
        *("view", "viewposition", "projection", "position", "appa", "frontallateral", "viewpos", "imageview"),
        *("orientation", "projektion", "viewname"),
    ),
    "sex": ("sex", "gender", "patientsex", "patientgender", "geschlecht", "sexo", "sexe"),
    "age": ("age", "patientage", "ageyears", "ageinyears", "ageatstudy", "ageatexam", "alter", "edad", "studyage"),
    "split": ("split", "set", "partition", "subset", "part", "usage", "datasplit", "settype", "splitname"),
    "order": (
        *("followup", "followupnumber", "studydate", "examdate", "acquisitiondate", "imagedate", "date", "visitdate"),
        *("visitnumber", "studynumber", "examnumber", "sequence", "timepoint", "dateofstudy"),
    ),
}
ROLE_OF = {key: role for role, keys in ROLES.items() for key in keys}


@dataclass(frozen=True)
class Column:
    """One column: how many rows are filled, how many distinct values there are, the most frequent of them."""

    name: str
    filled: int
    distinct: int
    values: tuple[tuple[str, int], ...]

    @property
    def role(self) -> str:
        return ROLE_OF.get(matching_key(self.name), "")


@dataclass(frozen=True)
class Profile:
    """One table of a folder, loaded into ``rows`` of the connection it was looked at in."""

    name: str  # relative to the folder, with forward slashes
    separator: str
    rows: str
    records: int
    columns: tuple[Column, ...]

    def having(self, role: str) -> list[Column]:
        return [column for column in self.columns if column.role == role and column.filled]


def profile(con: duckdb.DuckDBPyConnection, path: Path, name: str, number: int, workspace: Path) -> Profile:
    """Look at a table whole. Raises CxrdashError as ``open_table`` does."""
    separator = separator_of(path)
    plain, _ = with_commas(path, separator, workspace)
    rows = f"profiled {number}"
    opened_table = open_table(con, plain, name=rows, workspace=workspace, allow_bad_rows=True)
    known = [cell for cell in opened_table.header if cell.strip()]
    columns = tuple(_column(con, rows, cell) for cell in known)
    return Profile(name, separator, rows, opened_table.records, columns)


def _column(con: duckdb.DuckDBPyConnection, rows: str, name: str) -> Column:
    field = f"nullif(trim({quote_identifier(name)}), '')"
    table = quote_identifier(rows)
    counted = con.execute(f"SELECT count({field}), count(DISTINCT {field}) FROM {table}").fetchall()
    values = con.execute(
        f"SELECT {field} AS value, count(*) AS times FROM {table} WHERE value IS NOT NULL "
        f"GROUP BY value ORDER BY times DESC, value LIMIT {SHOWN_VALUES}"
    ).fetchall()
    ((filled, distinct),) = counted
    return Column(name, filled, distinct, tuple(values))


def distinct_values(con: duckdb.DuckDBPyConnection, rows: str, column: str, limit: int = MOST_VALUES) -> list[str]:
    """Return distinct values of a column, trimmed, at most ``limit`` of them, in order."""
    field = f"nullif(trim({quote_identifier(column)}), '')"
    table = quote_identifier(rows)
    found = con.execute(
        f"SELECT DISTINCT {field} AS value FROM {table} WHERE value IS NOT NULL ORDER BY 1 LIMIT {limit}"
    ).fetchall()
    return [value for (value,) in found]


def value_rows(con: duckdb.DuckDBPyConnection, rows: str, columns: Sequence[str], limit: int) -> list[tuple[str, ...]]:
    """Return rows in which all of the columns are filled, at most ``limit``."""
    fields = [f"nullif(trim({quote_identifier(column)}), '')" for column in columns]
    filled = " AND ".join(f"{field} IS NOT NULL" for field in fields)
    sql = f"SELECT {', '.join(fields)} FROM {quote_identifier(rows)} WHERE {filled} LIMIT {limit}"
    return con.execute(sql).fetchall()


def separator_of(path: Path) -> str:
    """Return the separator that gives the first records the most cells, the same number in each; else a comma."""
    try:
        with opened(path) as stream:
            block = stream.read(HEAD)
    except CxrdashError:
        return ","
    encoding = "utf-16" if block[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    lines = block.decode(encoding, errors="replace").splitlines(keepends=True)
    text = "".join(lines[:-1] if len(block) == HEAD else lines)
    widths = {separator: _width(text, separator) for separator in SEPARATORS}
    best = max(widths, key=lambda separator: widths[separator])
    return best if widths[best] > 1 else ","


def _width(text: str, separator: str) -> int:
    """Return the cells per record where the first records agree, else 0."""
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        records = [record for _, record in zip(range(HEAD_RECORDS), filter(None, reader), strict=False)]
    except csv.Error:
        return 0
    widths = {len(record) for record in records}
    return widths.pop() if len(widths) == 1 else 0
