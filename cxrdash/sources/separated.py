"""Tables separated by something other than commas, rewritten with commas so that one strict reader reads all."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

from cxrdash.errors import CxrdashError, shown
from cxrdash.sources.base import ReadFile
from cxrdash.sources.plainfile import PlainFile, make_plain

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}


def with_commas(path: Path, separator: str, workspace: Path) -> tuple[Path, PlainFile | None]:
    """Return a copy of a table with commas and the same physical lines, and the original it was made of.

    A table that has commas is returned as it is. Raises CxrdashError for a file that is wrongly quoted.
    """
    if separator not in SEPARATORS:
        known = ", ".join(f"{name} ({one!r})" for one, name in SEPARATORS.items())
        raise CxrdashError(f"{path.name}: '{shown(separator)}' is no separator.", f"Known: {known}.")
    if separator == ",":
        return path, None
    original = make_plain(path, workspace)
    folder = workspace / f"with-commas-{original.sha256[:16]}"
    folder.mkdir(exist_ok=True)
    target = folder / _plain_name(path.name)
    with (
        original.plain.open(encoding="utf-8-sig", newline="") as text,
        target.open("w", encoding="utf-8", newline="") as copy,
    ):
        reader = csv.reader(text, delimiter=separator, strict=True)
        writer = csv.writer(copy, lineterminator="\n", quoting=csv.QUOTE_ALL)
        try:
            for record in reader:
                # A blank line stays one, so that line numbers agree.
                writer.writerow(record)
        except csv.Error as fault:
            raise CxrdashError(
                f"{path.name}, line {reader.line_num}: wrongly quoted ({shown(fault)}).",
                "Mend the quotes on that line.",
            ) from fault
    return target, original


def _plain_name(name: str) -> str:
    for ending in (".gz", ".zip"):
        name = name.removesuffix(ending)
    return name


def as_read(file: ReadFile, original: PlainFile) -> ReadFile:
    """Return the account of a rewritten table in the name of its original."""
    return replace(
        file,
        path=original.path,
        sha256=original.sha256,
        bytes=original.bytes,
        mtime_ns=original.mtime_ns,
    )
