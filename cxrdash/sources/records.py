"""A table read record by record with Python's strict CSV reader: slow, exact, used to explain faults."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cxrdash.errors import CxrdashError, shown

LARGEST_LINE = 16 * 2**20
EXAMPLES = 20
UNCLOSED = "unexpected end of data"
csv.field_size_limit(LARGEST_LINE)


@dataclass(frozen=True)
class Record:
    """One record: ``line`` is the physical line it starts on; ``cells`` is None where it is malformed."""

    line: int
    cells: list[str] | None
    fault: str = ""


@dataclass(frozen=True)
class BadRecord:
    """A data record that does not fit: its number from 0, physical line, a value of it, and what is wrong."""

    record: int
    line: int
    value: str
    reason: str


def read_records(plain: Path) -> Iterator[Record]:
    """Yield the records of a plain UTF-8 table, header included, blank lines left out."""
    with plain.open(encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text, strict=True)
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as fault:
                yield Record(line, None, str(fault))
                continue
            if cells:
                yield Record(line, cells)


def physical_lines(plain: Path, records: Sequence[int]) -> dict[int, int]:
    """Return the physical line on which each data record starts; the header is line 1, records count from 0.

    ``plain`` is ``ReadFile.plain``. Reads the file up to the last record asked for.
    """
    wanted = set(records)
    last = max(wanted, default=-1)
    lines: dict[int, int] = {}
    for number, record in enumerate(read_records(plain), start=-1):
        if number > last:
            break
        if number in wanted:
            lines[number] = record.line
    return lines


def bad_records(plain: Path, width: int) -> list[BadRecord]:
    """Return the data records that are ragged, wrongly quoted or hold NUL bytes.

    Extra cells at the end of a row are no fault where they are empty.
    """
    found = []
    for number, record in enumerate(read_records(plain), start=-1):
        reason = _reason(record, width) if number >= 0 else ""
        if reason:
            cells = record.cells or [""]
            value = next((cell for cell in cells if "\0" in cell), cells[0])
            found.append(BadRecord(number, record.line, value, reason))
    return found


def _reason(record: Record, width: int) -> str:
    if record.cells is None:
        unclosed = record.fault == UNCLOSED
        return "a quote is opened and never closed" if unclosed else f"wrongly quoted ({record.fault})"
    if len(record.cells) < width or any(record.cells[width:]):
        plural = "" if len(record.cells) == 1 else "s"
        return f"{len(record.cells)} field{plural} where {width} were expected"
    return "holds NUL bytes" if any("\0" in cell for cell in record.cells) else ""


def refuse(name: str, found: Sequence[BadRecord]) -> None:
    """Raise the one error that names the first bad records of a file and says how many more there are."""
    unclosed = [bad for bad in found if "never closed" in bad.reason]
    if unclosed:
        raise CxrdashError(
            f"{name}, line {unclosed[0].line}: {unclosed[0].reason}, which swallows the rest of the file.",
            "Close the quote on that line, or remove it.",
        )
    lines = [f"line {bad.line}: {bad.reason}; the value is '{shown(bad.value)}'" for bad in found[:EXAMPLES]]
    details = lines[1:]
    if len(found) > EXAMPLES:
        details.append(f"and {len(found) - EXAMPLES:,} more")
    total = "" if len(found) == 1 else f" ({len(found):,} rows do not fit)"
    raise CxrdashError(
        f"{name}, {lines[0]}{total}.",
        "Mend the file, or index it with --allow-bad-rows to set those rows aside (every page will say so).",
        details=details,
    )


def write_clean(plain: Path, width: int, target: Path) -> None:
    """Write a copy in which every bad record is a row of empty cells, so that record numbers stay."""
    with target.open("w", encoding="utf-8", newline="") as copy:
        # A lone carriage return is only quoted where everything is.
        writer = csv.writer(copy, lineterminator="\n", quoting=csv.QUOTE_ALL)
        for number, record in enumerate(read_records(plain), start=-1):
            fits = number < 0 or not _reason(record, width)
            cells = record.cells[:width] if fits and record.cells else []
            writer.writerow(cells + [""] * (width - len(cells)))


def line_end_change(plain: Path) -> int:
    """Return the first physical line whose end (LF, CRLF or CR) differs from line 1's; 0 if all agree."""
    first = ""
    with plain.open(encoding="utf-8", newline="") as text:
        for number, line in enumerate(text, start=1):
            end = line[len(line.rstrip("\r\n")) :]
            first = first or end
            if end and end != first:
                return number
    return 0
