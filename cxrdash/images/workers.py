"""Films decoded in processes of their own, so that no file can stop, stall or swell the app.

Each process has limits on memory and time (``cxrdash.images.decoding``) and is replaced when a film
ends it. Started with the first film, ended with the app. Safe to call from any thread.
"""

from __future__ import annotations

import atexit
import os
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cxrdash.images import wire
from cxrdash.images.decoding_process import DecodingProcess, Stopped
from cxrdash.images.film import Film, UnreadableFilm
from cxrdash.images.small_pictures import LARGE_SIDE, SIDE, Thumbnail

PROCESSES = min(4, max(2, os.cpu_count() or 2))
FILMS_PER_PROCESS = 2_000  # then a new one, should a decoder keep what it was given
WAIT_SECONDS = 30.0  # for a free process
SECONDS = 2.0  # until the file is opened; then by its size
# Where a disk does not answer a page must not wait for each of its films.
STALLS_IN_FULL = 2
SECONDS_AFTER = 1.0
STALLS_AT_MOST = 8
STALLED_SECONDS = 30.0  # for which a film that stalled is not tried again
STALLED_FILMS = 1_000

UNFIT = UnreadableFilm("broken", "broken file: its decoder gives no film")


def read(path: str | os.PathLike[str], *, side: int | None = None) -> Film:
    """Return the film in a file, as ``formats.read_film`` does; raises ``UnreadableFilm`` and nothing else."""
    head, buffers = _asked("film", path, side)
    try:
        return wire.film_from(head, buffers)
    except wire.BadMessage as fault:
        raise UNFIT.of(path) from fault


def thumbnails(paths: Sequence[Path], side: int = SIDE) -> list[Thumbnail]:
    """Return one thumbnail per path, in their order, as ``small_pictures.make_thumbnail`` does.

    A film whose disk does not answer is "timed out" after a few seconds. Once several of these paths
    are, the others get less time, and beyond a few more they are not tried.
    """
    stalls = _Stalls()

    def made(path: Path) -> Thumbnail:
        try:
            jpeg, width, height = _picture("jpeg", path, side, seconds=stalls.seconds())
        except UnreadableFilm as fault:
            stalls.count(fault)
            return Thumbnail(None, fault.reason, kind=fault.kind)
        return Thumbnail(jpeg, None, width, height)

    if len(paths) < 2:
        return [made(path) for path in paths]
    with ThreadPoolExecutor(min(PROCESSES, len(paths))) as threads:
        return list(threads.map(made, paths))


def large_png(path: Path, side: int = LARGE_SIDE) -> bytes:
    """Return the film as an 8-bit grey PNG of longest side at most ``side``, aspect kept, never enlarged.

    Raises ``UnreadableFilm``.
    """
    return _picture("png", path, side)[0]


class _Stalls:
    """Counts the films of one request that timed out."""

    def __init__(self) -> None:
        self._count = 0

    def count(self, fault: UnreadableFilm) -> None:
        self._count += fault.kind == "timed out"

    def seconds(self) -> float:
        if self._count >= STALLS_AT_MOST:
            raise UnreadableFilm("timed out", "not tried: many films beside it timed out")
        return SECONDS if self._count < STALLS_IN_FULL else SECONDS_AFTER


class Pool:
    """A few decoding processes and whose turn it is."""

    def __init__(self, size: int = PROCESSES) -> None:
        self._free: queue.LifoQueue[DecodingProcess | None] = queue.LifoQueue()
        self._stalled: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()
        self._closed = False
        for _ in range(size):
            self._free.put(None)  # a process that is started when its turn comes

    def ask(self, question: dict[str, Any], seconds: float = SECONDS) -> tuple[dict[str, Any], list[bytearray]]:
        """Return the answer about one film; raises ``UnreadableFilm``."""
        self._check_stalled(question["path"])
        for _attempt in range(2):
            try:
                return self._ask_once(question, seconds)
            except Stopped:
                continue
            except UnreadableFilm as fault:
                if fault.kind == "timed out":
                    self._remember_stalled(question["path"])
                raise
        raise UnreadableFilm("timed out", "its decoder was stopped twice", "The machine may be short of memory.")

    def _ask_once(self, question: dict[str, Any], seconds: float) -> tuple[dict[str, Any], list[bytearray]]:
        try:
            process = self._free.get(timeout=WAIT_SECONDS)
        except queue.Empty:
            raise UnreadableFilm("timed out", "too many films are waiting", "Try again.") from None
        keep = False
        try:
            process = process or DecodingProcess()
            answer = process.ask(question, seconds)
            keep = True
        except UnreadableFilm as fault:
            keep = process is not None and process.is_running and fault.kind != "timed out"
            raise
        except OSError as fault:
            raise UnreadableFilm("timed out", "no process could be started to read it") from fault
        finally:
            self._give_back(process, keep)
        return answer

    def _give_back(self, process: DecodingProcess | None, keep: bool) -> None:
        """Free the place, with its process if that is fit for another film."""
        fit = process is not None and keep and process.films < FILMS_PER_PROCESS and not self._closed
        if process is not None and not fit:
            process.stop()
        self._free.put(process if fit else None)

    def _check_stalled(self, path: str) -> None:
        with self._lock:
            until = self._stalled.get(path, 0.0)
        if time.monotonic() < until:
            raise UnreadableFilm("timed out", "timed out", "It timed out a moment ago. Try again in half a minute.")

    def _remember_stalled(self, path: str) -> None:
        with self._lock:
            self._stalled.pop(path, None)
            self._stalled[path] = time.monotonic() + STALLED_SECONDS
            while len(self._stalled) > STALLED_FILMS:
                self._stalled.popitem(last=False)

    def close(self) -> None:
        """End all processes that are free; those at work end with their film."""
        self._closed = True
        while True:
            try:
                process = self._free.get_nowait()
            except queue.Empty:
                return
            if process is not None:
                process.stop()


_lock = threading.Lock()
_pools: dict[int, Pool] = {}  # by process: one that was forked must not speak on its parent's lines


def pool() -> Pool:
    """Return the pool of this process."""
    with _lock:
        return _pools.setdefault(os.getpid(), Pool())


def close() -> None:
    """End the decoding processes; the next film starts new ones."""
    with _lock:
        ended = _pools.pop(os.getpid(), None)
    if ended:
        ended.close()


atexit.register(close)


def _asked(
    make: str, path: str | os.PathLike[str], side: int | None, seconds: float = SECONDS
) -> tuple[dict[str, Any], list[bytearray]]:
    question = {"make": make, "path": str(Path(path).absolute()), "side": side}
    try:
        return pool().ask(question, seconds)
    except UnreadableFilm as fault:
        raise fault.of(path) from fault.__cause__


def _picture(make: str, path: Path, side: int, seconds: float = SECONDS) -> tuple[bytes, int, int]:
    """Return an encoded picture with the width and height of its film."""
    head, buffers = _asked(make, path, side, seconds)
    size = (head.get("width"), head.get("height"))
    if len(buffers) != 1 or not isinstance(size[0], int) or not isinstance(size[1], int):
        raise UNFIT.of(path)
    return bytes(buffers[0]), size[0], size[1]
