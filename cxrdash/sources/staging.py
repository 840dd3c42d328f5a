"""What the sources share while staging: numbered files, views with declared fields, rows set aside."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb

from cxrdash.errors import CxrdashError, shown
from cxrdash.sources.base import ReadFile, Staged
from cxrdash.sources.headers import Fields, column_positions, matching_key
from cxrdash.sources.sql import quote_identifier
from cxrdash.sources.tablefile import OpenedTable, open_list, open_table, peek_header

SET_ASIDE_RECORD = "INSERT INTO staged_set_aside VALUES ($file, $record, NULL, $value, $reason, 'row')"
# One row, one reason: a record that is set aside already is not set aside again.
SET_ASIDE_ROWS = """
INSERT INTO staged_set_aside
SELECT $file, record, fault.column_name, fault.value, fault.reason, 'row'
FROM query_table($faults)
WHERE fault IS NOT NULL
  AND record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""


class Intake:
    """One run of a source's ``stage``: reads its files one after another and keeps the account."""

    def __init__(self, con: duckdb.DuckDBPyConnection, workspace: Path, *, allow_bad_rows: bool) -> None:
        self.con = con
        self.workspace = workspace
        self.allow_bad_rows = allow_bad_rows
        self.staged = Staged()

    def read(self, path: Path, *, name: str, fields: Fields, recognised_as: str, counts_images: bool = True) -> int:
        """Read a table and return its number among the staged files.

        The view ``name`` then has the column ``record`` and every one of ``fields`` as text, NULL where
        blank or where the file has no such column. Raises CxrdashError as ``open_table`` does.
        """
        header = peek_header(path)
        _refuse_doubles(path, header, fields)
        at = column_positions(header, fields)
        positions = {field: at.get(field) for field in fields}
        return self.read_at(
            path, name=name, positions=positions, recognised_as=recognised_as, counts_images=counts_images
        )

    def read_at(
        self,
        path: Path,
        *,
        name: str,
        positions: Mapping[str, int | None],
        recognised_as: str,
        counts_images: bool = True,
    ) -> int:
        """Read a table as ``read`` does, its fields given by the places of their columns (from 0).

        A field without a place is NULL throughout. Two fields may not share a place.
        """
        header = peek_header(path)
        at = {position: field for field, position in positions.items() if position is not None}
        width = max((n for n, cell in enumerate(header, start=1) if cell.strip()), default=0)
        columns = [at.get(position, f"column {position + 1}") for position in range(width)]
        table = open_table(
            self.con,
            path,
            name=f"{name}_rows",
            workspace=self.workspace,
            columns=columns if width > 1 else None,
            allow_bad_rows=self.allow_bad_rows,
        )
        self._make_view(name, {field: field in at.values() for field in positions})
        return self._account(table, recognised_as, counts_images)

    def read_list(self, path: Path, *, name: str, recognised_as: str) -> int:
        """Read a file with one value per line; the view ``name`` has the columns ``record`` and ``line``."""
        table = open_list(self.con, path, name=f"{name}_rows", workspace=self.workspace)
        self._make_view(name, {"line": True})
        return self._account(table, recognised_as, counts_images=False)

    def _make_view(self, name: str, fields: Mapping[str, bool]) -> None:
        columns = [
            f"{quote_identifier(field) if present else 'NULL::VARCHAR'} AS {quote_identifier(field)}"
            for field, present in fields.items()
        ]
        rows = quote_identifier(f"{name}_rows")
        self.con.execute(
            f"CREATE OR REPLACE TEMP VIEW {quote_identifier(name)} AS "
            f"SELECT rowid AS record, {', '.join(columns)} FROM {rows}"
        )

    def _account(self, table: OpenedTable, recognised_as: str, counts_images: bool) -> int:
        number = len(self.staged.files)
        file = table.file
        self.staged.files.append(
            ReadFile(
                path=file.path,
                sha256=file.sha256,
                bytes=file.bytes,
                mtime_ns=file.mtime_ns,
                records=table.records,
                recognised_as=recognised_as,
                plain=file.plain,
                counts_images=counts_images,
            )
        )
        self.staged.notes.extend(table.notes)
        for bad in table.set_aside:
            values = {"file": number, "record": bad.record, "value": bad.value, "reason": bad.reason}
            self.con.execute(SET_ASIDE_RECORD, values)
        return number

    def set_aside_rows(self, file: int, faults: str) -> int:
        """Set aside the records of the view ``faults`` (record, fault); return how many.

        ``fault`` is NULL or a struct of column_name, value and reason.
        """
        return self.count(SET_ASIDE_ROWS, file=file, faults=faults)

    def withdraw(self) -> None:
        """Take the last table read out of the account again, as if it had not been opened."""
        number = len(self.staged.files) - 1
        self.staged.files.pop()
        self.con.execute("DELETE FROM staged_set_aside WHERE file = $file", {"file": number})

    def count(self, statement: str, **values: object) -> int:
        """Run a statement and return the single number it yields (rows changed, or a count)."""
        ((number,),) = self.con.execute(statement, values or None).fetchall()
        return int(number or 0)

    def note(self, sentence: str) -> None:
        """Keep a sentence for the load audit."""
        self.staged.notes.append(sentence)


def _refuse_doubles(path: Path, header: tuple[str, ...], fields: Fields) -> None:
    for names in fields.values():
        keys = {matching_key(name) for name in names}
        alike = [cell for cell in header if matching_key(cell) in keys]
        if len(alike) > 1:
            quoted = " and ".join(f"'{shown(cell)}'" for cell in alike)
            raise CxrdashError(
                f"{path.name}, line 1: the columns {quoted} all stand for '{names[0]}'.",
                "Rename or remove one of them.",
            )
