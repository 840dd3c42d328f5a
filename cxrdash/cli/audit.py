"""The load audit in words: what was read, indexed and set aside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxrdash.cli.texttable import text_table
from cxrdash.errors import shown

if TYPE_CHECKING:
    from cxrdash.index.build import LoadAudit

EXAMPLES = 20


def audit_lines(audit: LoadAudit) -> Iterator[str]:
    """Return the audit as lines for people; ``LoadAudit`` itself is what --json prints."""
    counts = audit.counts
    yield f"Recognised as {audit.title} (source {audit.source})"
    yield f"Dataset {audit.dataset}, generation {audit.generation}"
    yield f"{counts['images']:,} images, {counts['patients']:,} patients, {counts['studies']:,} studies"
    yield f"{counts['on_disk']:,} of {counts['images']:,} images found on disk"
    if counts["without_patient"]:
        yield f"{counts['without_patient']:,} images without a patient"
    yield from _section("Files: rows read = indexed + set aside", _files(audit.files))
    yield from _section(_set_aside_title(audit), _set_aside(audit) or ["nothing"])
    yield from _section("Published counts", _checks(audit.checks) or ["none to compare with"])
    yield from _section("Notes", [shown(note, 500) for note in audit.notes])


def _section(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield ""
        yield title
        yield from (f"  {line}" for line in lines)


def _files(files: list[dict[str, Any]]) -> list[str]:
    import pandas as pd

    table = pd.DataFrame(
        {
            "file": [Path(file["file"]).name for file in files],
            "read": [int(file["records"]) for file in files],
            "indexed": [int(file["indexed"]) for file in files],
            "set aside": [int(file["set_aside"]) for file in files],
            "recognised as": [file["recognised_as"] for file in files],
        }
    )
    return text_table(table).splitlines()


def _set_aside_title(audit: LoadAudit) -> str:
    return f"Rows set aside: {audit.set_aside_total:,}; values not usable: {audit.values_replaced:,}"


def _set_aside(audit: LoadAudit) -> list[str]:
    total = audit.set_aside_total + audit.values_replaced
    lines = [_place(row) for row in audit.set_aside[:EXAMPLES]]
    return [*lines, *([f"and {total - len(lines):,} more"] if total > len(lines) else [])]


def _place(row: dict[str, Any]) -> str:
    line = f", line {int(row['line']):,}" if row["line"] is not None else ""
    column = f", column '{shown(row['column_name'])}'" if row["column_name"] else ""
    value = f", value '{shown(row['value'])}'" if row["value"] is not None else ""
    return f"{shown(row['file'])}{line}{column}{value}: {shown(row['reason'])}"


def _checks(checks: list[dict[str, Any]]) -> list[str]:
    return [
        f"{check['what']}{_of_part(check['split'])}: {int(check['found']):,} here, "
        f"{int(check['published']):,} published ({shown(check['source'], 200)}): "
        f"{'agrees' if check['agrees'] else 'DIFFERS'}"
        for check in checks
    ]


def _of_part(split: str) -> str:
    return f" of the {split} part" if split else ""
