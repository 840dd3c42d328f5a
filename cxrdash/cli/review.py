"""Readers' marks on the command line: list, export, import and merge."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cxrdash.cli.faults import Misuse
from cxrdash.cli.output import say, write_table
from cxrdash.config import Cache
from cxrdash.errors import CxrdashError
from cxrdash.reviews.events import finished, standing
from cxrdash.reviews.exchange import Reviews, read_file, to_bytes, together
from cxrdash.reviews.store import FILE, ReviewStore

if TYPE_CHECKING:
    import pandas as pd


def review(arguments: argparse.Namespace, cache: Cache) -> int:
    """Run one of the actions on the reviews of this cache."""
    with _store(cache.reviews) as store:
        return ACTIONS[arguments.action](arguments, store)


def _list(arguments: argparse.Namespace, store: ReviewStore) -> int:
    """Print one row per review and reader."""
    if arguments.files:
        raise Misuse("review list takes no files.", "Use review import FILE.")
    write_table(_rows(_everything(store)), arguments.format if arguments.format in ("csv", "json") else "table")
    say("", f"Kept in {store.folder}")
    return 0


def _rows(reviews: Reviews) -> pd.DataFrame:
    import pandas as pd

    done = finished(reviews.events)
    judged: dict[tuple[str, str], int] = {}
    for (session_id, reader, _), mark in standing(reviews.events).items():
        judged[session_id, reader] = judged.get((session_id, reader), 0) + bool(mark.verdict)
    rows = []
    for session in reviews.sessions:
        readers = sorted(reader for session_id, reader in judged if session_id == session.session_id) or [""]
        for reader in readers:
            key = (session.session_id, reader)
            told = (session.session_id, session.dataset, session.finding, session.state, session.planned, session.of)
            rows.append((*told, session.unit, session.seed, reader, judged.get(key, 0), key in done))
    columns = [
        "session",
        "dataset",
        "finding",
        "state",
        "planned",
        "of",
        "unit",
        "seed",
        "reader",
        "judged",
        "finished",
    ]
    return pd.DataFrame(rows, columns=columns)


def _export(arguments: argparse.Namespace, store: ReviewStore) -> int:
    """Write the reviews to a file, or as text to stdout."""
    if arguments.files:
        raise Misuse("review export takes no files.", "Name the file to write with -o FILE.")
    reviews = _everything(store)
    if arguments.session:
        reviews = reviews.of_session(store.session(arguments.session).session_id)
    _write(reviews, arguments)
    return 0


def _import(arguments: argparse.Namespace, store: ReviewStore) -> int:
    """Take up exported files or the reviews folder of another machine."""
    arrived = together(_read(arguments.files, "import"))
    taken = store.take(arrived.sessions, arrived.events)
    say(
        f"{taken.events:,} events of {taken.sessions:,} reviews read; "
        f"{taken.new_events:,} events and {taken.new_sessions:,} reviews are new, the others were known.",
        f"Kept in {store.folder}",
    )
    return 0


def _merge(arguments: argparse.Namespace, store: ReviewStore) -> int:  # noqa: ARG001 - every action takes the same
    """Unite several files (or folders) in one file; what is kept here is not touched."""
    _write(together(_read(arguments.files, "merge")), arguments)
    return 0


ACTIONS = {"list": _list, "export": _export, "import": _import, "merge": _merge}


def _read(files: Iterable[Path], action: str) -> list[Reviews]:
    found = list(files)
    if not found:
        raise Misuse(f"review {action} needs files.", f"For example: review {action} marks.csv")
    return [_folder(path) if path.is_dir() else read_file(path) for path in found]


def _folder(path: Path) -> Reviews:
    """The reviews folder of another machine, or a cache that holds one."""
    folder = next((one for one in (path, path / "reviews") if (one / FILE).is_file()), None)
    if folder is None:
        raise CxrdashError(f"{path} holds no reviews.", f"Give a folder with {FILE}, or an exported file.")
    with _store(folder) as store:
        return _everything(store)


def _everything(store: ReviewStore) -> Reviews:
    return Reviews(tuple(store.sessions()), tuple(store.events()))


@contextmanager
def _store(folder: Path) -> Iterator[ReviewStore]:
    store = ReviewStore(folder)
    try:
        yield store
    finally:
        store.close()


def _write(reviews: Reviews, arguments: argparse.Namespace) -> None:
    out: Path | None = arguments.out
    suffix = out.suffix.lstrip(".").lower() if out else ""
    form = arguments.format or (suffix if suffix in ("csv", "jsonl", "parquet") else "csv")
    if form == "json":
        form = "jsonl"
    content = to_bytes(reviews, form)
    if out is None:
        if form == "parquet":
            raise Misuse("Parquet is not text.", "Name a file: -o reviews.parquet")
        sys.stdout.write(content.decode("utf-8", "surrogatepass"))
    else:
        try:
            out.write_bytes(content)
        except OSError as fault:
            raise CxrdashError(
                f"{out} cannot be written: {fault.strerror}.", "Choose a folder that exists and may be written."
            ) from fault
    say(f"{len(reviews.sessions):,} reviews, {len(reviews.events):,} events{f' in {out}' if out else ''}")
