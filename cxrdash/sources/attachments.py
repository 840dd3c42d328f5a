"""Tables that belong to a dataset without being part of it: CheXmask masks and second opinions on its labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from cxrdash.errors import CxrdashError, shown
from cxrdash.sources import chexmask, second_opinion
from cxrdash.sources.base import Inventory, Source, Staged
from cxrdash.sources.folder import shown_path
from cxrdash.sources.staging import Intake

LONGEST_READER = 40


@dataclass(frozen=True)
class Attachments:
    """What to attach: masks the user named, masks found beside the dataset, and (reader, file) pairs."""

    masks: tuple[Path, ...] = ()
    found_masks: tuple[Path, ...] = ()
    second_opinions: tuple[tuple[str, Path], ...] = ()

    @property
    def named_files(self) -> tuple[Path, ...]:
        return (*self.masks, *(path for _, path in self.second_opinions))


def check_attachments(wanted: Attachments) -> None:
    """Raise CxrdashError for a file that is not there, a reader without a usable name, or one named twice."""
    for path in wanted.named_files:
        if not path.is_file():
            reason = "is a folder" if path.is_dir() else "does not exist"
            raise CxrdashError(f"{shown_path(path)} {reason}.", "Give the path of a table (.csv).")
    for reader, _ in wanted.second_opinions:
        if not reader.strip() or not reader.isprintable() or len(reader) > LONGEST_READER:
            raise CxrdashError(
                f"'{shown(reader)}' cannot be the name of a reader.", f"Give it 1 to {LONGEST_READER} plain characters."
            )
    _refuse_twice([reader for reader, _ in wanted.second_opinions], "Two second opinions are called '{}'.")
    _refuse_twice([str(path.resolve()) for path in wanted.named_files], "{} is given twice.")


def _refuse_twice(values: Iterable[str], sentence: str) -> None:
    for value, times in Counter(values).items():
        if times > 1:
            raise CxrdashError(sentence.format(shown(value, 400)), "Leave one of them out.")


def without_named(inventory: Inventory, wanted: Attachments) -> Inventory:
    """Return the inventory without the tables the user named as attachments: no source may claim them."""
    named = {path.resolve() for path in wanted.named_files}
    return replace(inventory, tables=tuple(path for path in inventory.tables if path.resolve() not in named))


def attach(
    con: duckdb.DuckDBPyConnection,
    source: Source,
    staged: Staged,
    wanted: Attachments,
    workspace: Path,
    *,
    allow_bad_rows: bool,
) -> None:
    """Stage masks and second opinions on the images that ``source`` has staged, and add to its account."""
    intake = Intake(con, workspace, allow_bad_rows=allow_bad_rows)
    intake.staged = staged
    for path in wanted.masks:
        chexmask.stage_masks(intake, source, path, named=True)
    for path in wanted.found_masks:
        chexmask.stage_masks(intake, source, path, named=False)
    _refuse_known_readers(intake, [reader for reader, _ in wanted.second_opinions])
    for reader, path in wanted.second_opinions:
        second_opinion.stage_opinion(intake, source, path, reader=reader)


def _refuse_known_readers(intake: Intake, readers: Sequence[str]) -> None:
    known = {reader for (reader,) in intake.con.execute("SELECT DISTINCT reader FROM staged_readings").fetchall()}
    for reader in readers:
        if reader in known:
            raise CxrdashError(
                f"The dataset has a reader '{shown(reader)}' already.",
                f"Choose another name; known: {', '.join(known)}.",
            )
