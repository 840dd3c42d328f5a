"""On a network folder one process writes at a time: a lock that dies with its process."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

from cxrdash.errors import CxrdashError
from cxrdash.reviews.events import now

if os.name == "nt":  # pragma: no cover
    import msvcrt

    def _take(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
else:
    import fcntl

    def _take(file: int) -> None:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # lockf, because NFS passes it to the server


class WriterLock:
    """Held from the first write until released or the process dies; CxrdashError names another holder."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            _take(self._file)
        except OSError as refused:
            holder = os.pread(self._file, 500, 0)
            os.close(self._file)
            raise _taken(path, holder) from refused
        who = {"process": os.getpid(), "host": socket.gethostname(), "since": now()}
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, json.dumps(who).encode(), 0)

    def release(self) -> None:
        os.close(self._file)


def _taken(path: Path, holder: bytes) -> CxrdashError:
    try:
        told = json.loads(holder)
        who = f": process {told['process']} on {told['host']}, since {told['since']}"
    except (ValueError, KeyError, TypeError):
        who = ""
    return CxrdashError(
        f"Another cxrdash writes the reviews in this network folder ({path.parent}){who}.",
        "Mark there, or set CXRDASH_REVIEWS to a folder of your own and merge later with `review import`.",
    )
