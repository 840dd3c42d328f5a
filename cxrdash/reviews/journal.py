"""The second copy of every event: a text file per process, forced to disk before an event is acknowledged."""

from __future__ import annotations

import errno
import json
import os
import secrets
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_NAME = "-._"
PIECE = 2**20  # bytes in one write


class Journal:
    """One append-only file of JSON lines that only this process writes.

    Processes and machines never share a fragment, so none needs a lock, also on a network folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / f"{_host()}-{os.getpid()}-{secrets.token_hex(4)}.jsonl"
        self._file: int | None = None

    def write(self, *told: Mapping[str, Any]) -> None:
        """Append records and force them to disk. OSError where not all of it fits: then use ``take_back``."""
        lines = "".join(json.dumps(record, ensure_ascii=True, allow_nan=False) + "\n" for record in told).encode()
        file = self._opened()
        for start in range(0, len(lines), PIECE):
            piece = lines[start : start + PIECE]
            if os.write(file, piece) != len(piece):  # a full disk cuts a write short without an error
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        os.fsync(file)

    def mark(self) -> int:
        """Return where the next record will start, for ``take_back``."""
        return 0 if self._file is None else os.fstat(self._file).st_size

    def take_back(self, start: int) -> None:
        """Remove the records from ``start`` on, whose transaction did not come about."""
        if self._file is not None:
            os.ftruncate(self._file, start)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _opened(self) -> int:
        if self._file is None:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
            self._file = os.open(self.path, flags | getattr(os, "O_CLOEXEC", 0), 0o600)
            _sync_folder(self.folder)
        return self._file


def fragments(folder: Path) -> list[Path]:
    """Return the journal's files by name."""
    return sorted(folder.glob("*.jsonl"))


def records(fragment: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a fragment; a line that was cut off or damaged is passed over."""
    with fragment.open("rb") as file:
        for line in file:
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict):
                yield record


def _host() -> str:
    return "".join(c if c.isalnum() or c in _NAME else "_" for c in socket.gethostname())[:40] or "host"


def _sync_folder(folder: Path) -> None:
    """Force the folder's new entry to disk, where the system can."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)
