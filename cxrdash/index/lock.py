"""One build of a dataset at a time: an advisory file lock that dies with its process."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from cxrdash.errors import CxrdashError

if os.name == "nt":  # pragma: no cover
    import msvcrt

    def _take(file: IO[str]) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
else:
    import fcntl

    def _take(file: IO[str]) -> None:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


class BuildRunning(CxrdashError):
    """Another process is building this dataset right now."""


@contextmanager
def build_lock(folder: Path) -> Iterator[None]:
    """Hold the build lock of a dataset's index folder; the kernel frees it when the process dies.

    Raises BuildRunning naming since when, by which process and where the other build runs.
    """
    path = folder / "build.lock"
    with path.open("a+", encoding="utf-8") as file:
        try:
            _take(file)
        except OSError as refused:
            raise _running(path) from refused
        file.truncate(0)
        json.dump(
            {
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "since": datetime.now(UTC).isoformat(timespec="seconds"),
            },
            file,
        )
        file.flush()
        yield


def _running(path: Path) -> BuildRunning:
    who = ""
    for _ in range(10):  # the holder may have taken the lock and not yet written its name
        try:
            holder = json.loads(path.read_text(encoding="utf-8"))
            who = f" since {holder['since']} (process {holder['pid']} on {holder['host']})"
            break
        except (OSError, ValueError, KeyError):
            time.sleep(0.02)
    return BuildRunning(f"Another build of this dataset is running{who}.", "Wait until it ends, or stop that process.")
