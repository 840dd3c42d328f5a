"""The verb that drafts a mapping: init."""

from __future__ import annotations

import argparse
import os
import shlex
import tempfile
from pathlib import Path

from cxrdash.cli.output import say
from cxrdash.cli.parser import PROGRAM
from cxrdash.config import Cache, may_write
from cxrdash.errors import CxrdashError


def init(arguments: argparse.Namespace, cache: Cache) -> int:  # noqa: ARG001 - nothing is cached
    """Look at a folder and write its cxrdash.toml; print where it was written."""
    from cxrdash.sources.folder import take_inventory
    from cxrdash.sources.local_draft import draft
    from cxrdash.sources.local_toml import CHECK, toml_text
    from cxrdash.sources.mapping import FILE_NAME, read_mapping

    folder = arguments.path.expanduser()
    target = arguments.output or folder / FILE_NAME
    _refuse_known(folder, force=arguments.force)
    if target.exists() and not arguments.force:
        raise CxrdashError(f"{target} is there already.", "Replace it with --force, or write elsewhere with -o FILE.")
    with tempfile.TemporaryDirectory() as workspace:
        made = draft(take_inventory(folder, unnamed=True), Path(workspace))
    text = toml_text(made)
    _write(target, text)
    read_mapping(target)
    questions = sum(line.startswith(CHECK) for line in text.splitlines())
    print(target)
    mapping = "" if arguments.output is None else f" --mapping {shlex.quote(str(target))}"
    say(
        f"{made.films:,} image files; images come from {_from(made.source)}.",
        f"{questions} lines are marked CHECK: read them first.",
        f"Next: {PROGRAM} index {shlex.quote(str(arguments.path))}{mapping} --dry-run",
    )
    return 0


def _refuse_known(folder: Path, *, force: bool) -> None:
    """Say so where a folder is a dataset that needs no mapping."""
    from cxrdash.sources.folder import take_inventory
    from cxrdash.sources.registry import recognise

    if force:
        return
    inventory = take_inventory(folder, unnamed=True)
    try:
        source, _ = recognise(inventory, None)
    except CxrdashError:
        return
    raise CxrdashError(
        f"{folder} is {source.card.title}, which needs no mapping.",
        f"Index it as it is: {PROGRAM} index {shlex.quote(str(folder))}. To draft one all the same: --force.",
    )


def _from(source: str) -> str:
    return {"tables": "the rows of its tables", "files": "the files themselves", "dicom": "DICOM headers"}[source]


def _write(target: Path, text: str) -> None:
    """Write the file in one piece, so that a mapping is never half there."""
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(target)
    except OSError as fault:
        beside.unlink(missing_ok=True) if may_write(target.parent) else None
        raise CxrdashError(
            f"{target} cannot be written: {fault.strerror}.",
            "Write it elsewhere with -o FILE, and index with --mapping.",
        ) from fault
