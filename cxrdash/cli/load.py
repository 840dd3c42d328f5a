"""The verbs that make an index: index, demo."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cxrdash.cli.audit import audit_lines
from cxrdash.cli.faults import as_interrupt, as_misuse
from cxrdash.cli.options import second_opinions
from cxrdash.cli.output import plain, progress, say, write_json
from cxrdash.cli.parser import PROGRAM
from cxrdash.config import Cache
from cxrdash.errors import CxrdashError
from cxrdash.index.generations import POINTER

if TYPE_CHECKING:
    from cxrdash.index.build import LoadAudit


def index(arguments: argparse.Namespace, cache: Cache) -> int:
    """Recognise, import, check and publish a dataset's folder, and print the load audit."""
    from cxrdash.index.build import Request, build_index
    from cxrdash.index.generations import dataset_folder
    from cxrdash.sources.registry import source_named

    opinions = second_opinions(arguments)
    with as_misuse():
        if arguments.name is not None:
            dataset_folder(cache, arguments.name)
        if arguments.source is not None:
            source_named(arguments.source)
    request = Request(
        arguments.path,
        name=arguments.name,
        source=arguments.source,
        images=tuple(arguments.images),
        masks=tuple(arguments.masks),
        second_opinions=opinions,
        mapping=arguments.mapping,
        allow_bad_rows=arguments.allow_bad_rows,
        dry_run=arguments.dry_run,
    )
    with stopping_told(cache), as_interrupt(), progress() as step:
        audit = build_index(request, cache, progress=step)
    return _report(audit, arguments)


def demo(arguments: argparse.Namespace, cache: Cache) -> int:
    """Make and index the demo, unless it is there already."""
    from cxrdash.index import demo as demo_index
    from cxrdash.index.build import read_audit
    from cxrdash.index.generations import datasets
    from cxrdash.index.store import open_index

    if not arguments.rebuild and demo_index.NAME in datasets(cache):
        try:
            found = open_index(demo_index.NAME, cache)
        except CxrdashError:
            say("The demo's index is damaged or of another version; it is made again.")
        else:
            say("The demo is indexed already; --rebuild makes it again.")
            return _report(read_audit(found.cursor(), published=True), arguments)
    with stopping_told(cache), as_interrupt(), progress() as step:
        audit = demo_index.build_demo(cache, progress=step)
    return _report(audit, arguments)


@contextmanager
def stopping_told(cache: Cache) -> Iterator[None]:
    """Make Ctrl-C say whether it came before or after the new generation was published."""
    before = _pointers(cache)
    try:
        yield
    except KeyboardInterrupt:
        when = "stopped; nothing was published"
        if _pointers(cache) != before:
            when = "stopped, but after the new index had been published"
        raise KeyboardInterrupt(when) from None


def _pointers(cache: Cache) -> dict[Path, int]:
    return {pointer: pointer.stat().st_mtime_ns for pointer in cache.index.glob(f"*/{POINTER}")}


def _report(audit: LoadAudit, arguments: argparse.Namespace) -> int:
    if arguments.json:
        write_json(plain(audit))
    else:
        print("\n".join(audit_lines(audit)))
    if not audit.published:
        say("", "Dry run: everything was read and checked, nothing was published.")
        return 0
    moved = f" --cache {shlex.quote(arguments.cache)}" if arguments.cache else ""
    say("", *([f"Index: {audit.path}"] if audit.path else []), f"Next: {PROGRAM} serve{moved}")
    return 0
