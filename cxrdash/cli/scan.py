"""The verb that reads pixels: scan."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from cxrdash.cli.faults import Misuse
from cxrdash.cli.output import listed, plain, progress, say, write_json
from cxrdash.cli.parser import PROGRAM
from cxrdash.config import Cache

if TYPE_CHECKING:
    from cxrdash.index.build import Progress
    from cxrdash.index.scan import ScanProgress, ScanReport, Tell

REASONS = 8
LINE_SECONDS = 10.0  # between two lines where progress is written as lines


def scan(arguments: argparse.Namespace, cache: Cache) -> int:
    """Measure the films of a dataset and publish what was found; exit code 1 where some cannot be read."""
    from cxrdash.index.scan import scan as run

    if arguments.workers and arguments.scheduler:
        raise Misuse("--workers and --scheduler exclude each other.", "A scheduler brings its own workers.")
    with _stopping_told(arguments.dataset), progress() as step:
        report = run(
            arguments.dataset,
            cache,
            workers=arguments.workers or 0,
            scheduler=arguments.scheduler or "",
            tell=_teller(step),
        )
    if arguments.json:
        write_json(plain(asdict(report)))
    else:
        print("\n".join(_lines(report)))
    say("", f"Next: {PROGRAM} stat quality_suspects {report.dataset}")
    return int(report.statuses.get("unreadable", 0) > 0)


def _teller(step: Progress) -> Tell:
    """Say how far it is, how fast, and how long it will take; as lines only every few seconds."""
    last = [0.0]

    def tell(now: ScanProgress) -> None:
        from cxrdash.index.scan import progress_words

        done = now.of == now.done
        if not sys.stderr.isatty() and not done and time.monotonic() - last[0] < LINE_SECONDS:
            return
        last[0] = time.monotonic()
        step(now.done / now.of if now.of else 1.0, progress_words(now))

    return tell


@contextmanager
def _stopping_told(dataset: str) -> Iterator[None]:
    """Make Ctrl-C say that nothing is lost."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"stopped; the films measured so far are kept. Go on with: {PROGRAM} scan {dataset}"
        ) from None


def _lines(report: ScanReport) -> Iterator[str]:
    told = {"ok": "read", "unreadable": "unreadable", "missing": "missing", "not scanned": "not scanned"}
    counts = ", ".join(f"{report.statuses[name]:,} {word}" for name, word in told.items() if report.statuses.get(name))
    yield f"Films of {report.dataset}: {counts or 'none'}"
    rate = f", {report.measured / report.seconds:,.0f} films a second" if report.measured else ""
    yield f"Measured now: {report.measured:,} in {report.seconds:,.1f} s{rate}; known before: {report.known:,}"
    templates = ", ".join(f"{films:,} {kind}" for kind, films in report.templates.items())
    yield f"Films that the others are compared with: {templates or 'too few to judge which way up films are'}"
    if report.reasons:
        yield "Without a picture:"
        reasons = [f"  {count:,}: {reason}" for reason, count in report.reasons.items()]
        yield from listed(reasons, REASONS)
    yield f"Index: {report.path}"
