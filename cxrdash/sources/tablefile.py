"""One CSV table, strictly: verified, read whole by DuckDB as text, or refused with file, line and fix."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from cxrdash.errors import CxrdashError, shown
from cxrdash.sources.headers import collision_key, separator_sentence
from cxrdash.sources.plainfile import PlainFile, make_plain, opened
from cxrdash.sources.records import (
    LARGEST_LINE,
    BadRecord,
    bad_records,
    line_end_change,
    physical_lines,
    read_records,
    refuse,
    write_clean,
)
from cxrdash.sources.sql import quote_identifier
from cxrdash.sources.tally import BYTE_MARKS

__all__ = ["OpenedTable", "open_list", "open_table", "peek_header", "physical_lines"]

HEADER_BYTES = 2**18
GLOB = re.compile(r"([*?\[])")
READ = """
CREATE OR REPLACE TEMP TABLE {table} AS SELECT * FROM read_csv($path, columns = $columns, header = $header,
    auto_detect = false, delim = $delim, quote = $quote, escape = $quote, nullstr = '', strict_mode = true,
    max_line_size = $largest_line, buffer_size = $buffer, compression = 'none', hive_partitioning = false)
"""


@dataclass(frozen=True)
class OpenedTable:
    """A table as it stands in the connection: ``rowid`` is the record number, blank cells are NULL.

    ``set_aside`` lists records that did not fit; their rows are there, with every cell NULL.
    """

    name: str
    file: PlainFile
    header: tuple[str, ...]
    records: int
    set_aside: tuple[BadRecord, ...]
    notes: tuple[str, ...]


def peek_header(path: Path) -> tuple[str, ...]:
    """Return the cells of a table's first record without reading on; () where it cannot be read."""
    try:
        with opened(path) as stream:
            block = stream.read(HEADER_BYTES)
    except CxrdashError:
        return ()
    return _first_record(block)


def _first_record(block: bytes) -> tuple[str, ...]:
    encoding = BYTE_MARKS.get(block[:2], "utf-8-sig")
    try:
        # A character cut in two at the end of the block is not an error of the file.
        text = codecs.getincrementaldecoder(encoding)().decode(block)
    except UnicodeDecodeError:
        text = block.decode("cp1252", errors="replace")
    try:
        return tuple(next(csv.reader(io.StringIO(text, newline=""), strict=True), ()))
    except csv.Error:
        return ()


def open_table(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    *,
    name: str,
    workspace: Path,
    columns: Sequence[str] | None = None,
    allow_bad_rows: bool = False,
) -> OpenedTable:
    """Read a table with a header into the temporary table ``name`` of ``con``, all cells as text.

    ``columns`` names the file's columns in order (default: as its header does); nameless columns at the
    end are dropped where they are empty. Blanks between a comma and a quote are no part of the cell.
    Nothing is guessed: raises CxrdashError naming file, line, value and fix where the file is damaged or
    its rows do not fit. With ``allow_bad_rows`` rows that do not fit come back in ``set_aside``. Holds on
    return: records = rows of the table.
    """
    file = make_plain(path, workspace)
    header = _checked_header(path, file)
    named = _without_nameless_end(header)
    names = tuple(columns or _fill_nameless(named))
    if len(names) != len(named):
        raise CxrdashError(f"{path.name} has {len(named)} columns where {len(names)} were expected.")
    if file.tally.lines < 2:
        raise CxrdashError(f"{path.name} has a header but no rows.", "Copy or download it again.")
    bad = _load(con, file, name=name, names=names, workspace=workspace, allow_bad_rows=allow_bad_rows)
    records = _conserved(con, file, name)
    notes = [*file.notes, *_end_notes(file, header, named, 0 if bad else records)]
    _refuse_values_without_name(con, file, name, named, names)
    return OpenedTable(name, file, header, records, tuple(bad), tuple(notes))


def _checked_header(path: Path, file: PlainFile) -> tuple[str, ...]:
    if not file.tally.lines:
        raise CxrdashError(f"{path.name} holds only blank lines.", "Copy or download it again.")
    first = next(read_records(file.plain))
    if first.line != 1 or first.cells is None:
        what = f"line 1 is blank; the header stands on line {first.line}" if first.cells else first.fault
        raise CxrdashError(f"{path.name}: {what}.", "Put the column names on line 1.")
    header = tuple(first.cells)
    if separator := separator_sentence(header):
        raise CxrdashError(f"{path.name} {separator}.", "Save it separated by commas.")
    if len(header) < 2:
        fix = "Put the column names on line 1, separated by commas."
        raise CxrdashError(f"{path.name}, line 1: only one column, '{shown(header[0])}'.", fix)
    doubled = [key for key, times in Counter(map(collision_key, header)).items() if times > 1 and key]
    if doubled:
        alike = " and ".join(f"'{shown(cell)}'" for cell in header if collision_key(cell) == doubled[0])
        raise CxrdashError(f"{path.name}, line 1: the columns {alike} have the same name.", "Rename one of them.")
    return header


def _without_nameless_end(header: Sequence[str]) -> tuple[str, ...]:
    width = max((at for at, cell in enumerate(header, start=1) if cell.strip()), default=0)
    return tuple(header[:width])


def _fill_nameless(named: Sequence[str]) -> tuple[str, ...]:
    return tuple(cell if cell.strip() else f"column {at}" for at, cell in enumerate(named, start=1))


def _load(
    con: duckdb.DuckDBPyConnection,
    file: PlainFile,
    *,
    name: str,
    names: Sequence[str],
    workspace: Path,
    allow_bad_rows: bool,
) -> list[BadRecord]:
    """Read the file in place; only where that fails, look at it row by row and refuse or set aside."""
    try:
        if not file.tally.has_nul:
            _read(con, file.plain, name, names)
            return []
        fault = ""
    except (duckdb.InvalidInputException, duckdb.ConversionException) as raised:
        fault = str(raised).splitlines()[0]
    bad = bad_records(file.plain, len(names))
    changed = line_end_change(file.plain)
    if not allow_bad_rows and not bad and changed:
        raise _mixed_line_ends(file, changed)
    if bad and (not allow_bad_rows or any("never closed" in one.reason for one in bad)):
        refuse(file.path.name, bad)
    if not bad and not changed:
        raise CxrdashError(f"{file.path.name} cannot be read: {shown(fault, 200)}", "Save it again as plain CSV.")
    clean = workspace / f"{file.sha256[:32]}-clean.csv"
    write_clean(file.plain, len(names), clean)
    _read(con, clean, name, names)
    return bad


def _mixed_line_ends(file: PlainFile, line: int) -> CxrdashError:
    return CxrdashError(
        f"{file.path.name}, line {line}: the line ends change here (LF, CRLF and CR are mixed).",
        "Save the file with one kind of line end, for example with dos2unix.",
    )


def _read(
    con: duckdb.DuckDBPyConnection, plain: Path, name: str, names: Sequence[str], *, as_lines: bool = False
) -> None:
    statement = READ.format(table=quote_identifier(name))
    values = {
        # DuckDB expands patterns in paths; a pattern character in brackets stands for itself.
        "path": GLOB.sub(r"[\1]", str(plain)),
        "columns": {column: "VARCHAR" for column in names},
        "header": not as_lines,
        "delim": "\x01" if as_lines else ",",
        "quote": "" if as_lines else '"',
        "largest_line": LARGEST_LINE,
        "buffer": 2 * LARGEST_LINE,
    }
    con.execute(statement, values)


def _conserved(con: duckdb.DuckDBPyConnection, file: PlainFile, name: str) -> int:
    """Return the rows read, after comparing them with a count that owes nothing to DuckDB."""
    ((rows,),) = con.execute("SELECT count(*) FROM query_table($name)", {"name": name}).fetchall()
    if rows != file.tally.lines - 1:
        counted = sum(1 for _ in read_records(file.plain)) - 1
        if rows != counted:
            raise CxrdashError(
                f"{file.path.name}: {rows:,} rows were read but {counted:,} counted.",
                "Its quotes are ambiguous; save it again as plain CSV.",
            )
    return int(rows)


def _end_notes(file: PlainFile, header: Sequence[str], named: Sequence[str], records: int) -> list[str]:
    notes = []
    if nameless := len(header) - len(named):
        plural = "" if nameless == 1 else "s"
        notes.append(f"{file.path.name}: {nameless} nameless empty column{plural} at the end left out.")
    extra = file.tally.commas - (len(header) - 1) - records * (len(named) - 1)
    if extra > 0 and not nameless and file.tally.lines == records + 1:
        notes.append(f"{file.path.name}: {extra:,} empty cells beyond the last column were left out.")
    return notes


def _refuse_values_without_name(
    con: duckdb.DuckDBPyConnection, file: PlainFile, name: str, named: Sequence[str], names: Sequence[str]
) -> None:
    for cell, column in zip(named, names, strict=True):
        if cell.strip() or (column == names[0] and _is_row_index(con, name, column)):
            continue
        selected = f"SELECT rowid, {quote_identifier(column)} FROM {quote_identifier(name)}"
        rows = con.execute(f"FROM ({selected}) t(record, value) WHERE value IS NOT NULL LIMIT 1").fetchall()
        if rows:
            line = physical_lines(file.plain, [rows[0][0]])[rows[0][0]]
            raise CxrdashError(
                f"{file.path.name}, line {line}: '{shown(rows[0][1])}' stands in a column without a name.",
                "Name that column on line 1, or remove it.",
            )


def _is_row_index(con: duckdb.DuckDBPyConnection, name: str, column: str) -> bool:
    """Say whether a nameless first column holds whole numbers only: the row index that pandas writes."""
    selected = f"SELECT {quote_identifier(column)} FROM {quote_identifier(name)}"
    others = con.execute(f"FROM ({selected}) t(value) WHERE NOT regexp_full_match(value, '[0-9]+') LIMIT 1").fetchall()
    return not others


def open_list(con: duckdb.DuckDBPyConnection, path: Path, *, name: str, workspace: Path) -> OpenedTable:
    """Read a file without a header, one value per line, into the one column ``line`` of table ``name``."""
    file = make_plain(path, workspace)
    if file.tally.has_nul:
        raise CxrdashError(f"{path.name} holds NUL bytes.", "Save it as plain UTF-8 text.")
    try:
        _read(con, file.plain, name, ["line"], as_lines=True)
    except duckdb.InvalidInputException as fault:
        if changed := line_end_change(file.plain):
            raise _mixed_line_ends(file, changed) from fault
        raise CxrdashError(f"{path.name} is no list of one value per line.", "Download it again.") from fault
    ((rows,),) = con.execute("SELECT count(*) FROM query_table($name)", {"name": name}).fetchall()
    return OpenedTable(name, file, (), int(rows), (), file.notes)
