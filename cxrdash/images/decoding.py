"""The program of a decoding process: reads the films it is asked for, within limits, until its line closes.

Started by ``cxrdash.images.workers``; imports no part of the app but this layer.
"""

from __future__ import annotations

import logging
import math
import resource
import signal
import socket
import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from cxrdash.images import formats, wire
from cxrdash.images.film import Film, UnreadableFilm
from cxrdash.images.small_pictures import encoded_jpeg, encoded_png

MEMORY_BYTES = 2 * 2**30  # beyond what the process has once its libraries are loaded
SECONDS = 3.0  # for decoding, and more for large files
BYTES_PER_SECOND = 10e6  # of file; JPEG 2000, the slowest, takes about 7 MB a second
MOST_SECONDS = 20.0
PREPARING_SECONDS = 30.0
LOG_CHARACTERS = 20_000
DICOM_NAME = "DICOM"
MEASURES = "measures"

Answer = tuple[dict[str, Any], list[wire.Buffer]]


def main() -> None:
    """Serve the socket whose number is the last argument."""
    line = socket.socket(fileno=int(sys.argv[-1]))
    heard = _Heard()
    logging.getLogger("cxrdash").addHandler(heard)
    logging.getLogger("cxrdash").propagate = False
    warnings.simplefilter("ignore")
    for stop in (signal.SIGALRM, signal.SIGXCPU):
        signal.signal(stop, signal.SIG_DFL)
    _limit(resource.RLIMIT_CORE, 0)
    _limit_memory()
    wire.send(line, {"ready": True})
    try:
        while True:
            question, _ = wire.receive(line)
            head, buffers = _answered(line, question)
            wire.send(line, {**head, "log": heard.taken()}, *buffers)
    except (EOFError, ConnectionError):
        return


def _answered(line: socket.socket, question: dict[str, Any]) -> Answer:
    path, side = Path(question["path"]), question["side"]
    try:
        _limit_time(question["seconds"])
        if question["make"] == MEASURES:
            _prepare_measures(line)
        _prepare(line, path)
        film = formats.read_film(path, side=side)
        if question["make"] == MEASURES:
            return _measured(film, path)
        return MAKES[question["make"]](film, side)
    except UnreadableFilm as fault:
        return {"fault": {"kind": fault.kind, "reason": fault.reason, "hint": fault.hint}}, []
    except MemoryError:
        return {"fault": {"kind": "too large", "reason": "too large: not enough memory", "hint": ""}}, []
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _prepare(line: socket.socket, path: Path) -> None:
    """Load the libraries the film needs and say how long it may take, both outside its own time."""
    try:
        size = path.stat().st_size
        reader = formats.reader_for(path)
    except (OSError, ValueError, UnreadableFilm):
        return  # reading it will say the same
    if reader.name == DICOM_NAME and "pydicom" not in sys.modules:
        _allow(line, PREPARING_SECONDS)
        import_module("pydicom.pixels")
        _limit_memory()
    _allow(line, min(MOST_SECONDS, SECONDS + size / BYTES_PER_SECOND))


def _prepare_measures(line: socket.socket) -> None:
    """Load what only a scan needs, outside the time of its first film."""
    if "cxrdash.images.measures" not in sys.modules:
        _allow(line, PREPARING_SECONDS)
        for name in ("scipy.fft", "scipy.ndimage", "cxrdash.images.measures"):
            import_module(name)
        _limit_memory()


def _measured(film: Film, path: Path) -> Answer:
    """The measures of a film for a scan, and its thumbnail, from the one decode."""
    from cxrdash.images.measures import as_message, measure_film

    try:
        head, held = as_message(measure_film(film, path))
    except OSError as fault:
        raise UnreadableFilm("missing", f"cannot be read: {fault.strerror}") from fault
    return head, list(held)


def _allow(line: socket.socket, seconds: float) -> None:
    """Tell the app how long to wait from now."""
    _limit_time(seconds)
    wire.send(line, {"allow": seconds})


def _limit_time(seconds: float) -> None:
    """Let this process end by itself where the app is no more to end it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _limit(resource.RLIMIT_CPU, math.ceil(used.ru_utime + used.ru_stime + seconds) + 1)
    signal.setitimer(signal.ITIMER_REAL, seconds + 2)


def _limit_memory() -> None:
    """Allow ``MEMORY_BYTES`` beyond the libraries, where the system tells how much those take."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError):
        return  # macOS, which has no such limit either
    _limit(resource.RLIMIT_AS, pages * resource.getpagesize() + MEMORY_BYTES)


def _limit(what: int, most: int) -> None:
    hard = resource.getrlimit(what)[1]
    resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


MAKES: dict[str, Callable[[Any, int], Answer]] = {
    "film": lambda film, _side: wire.film_message(film),
    "jpeg": lambda film, side: ({"width": film.width, "height": film.height}, [encoded_jpeg(film, side)]),
    "png": lambda film, side: ({"width": film.width, "height": film.height}, [encoded_png(film, side)]),
}


class _Heard(logging.Handler):
    """Keeps what is logged while a film is decoded, to be logged by the app."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record)[:LOG_CHARACTERS])

    def taken(self) -> list[str]:
        lines, self._lines = self._lines, []
        return lines[-5:]


if __name__ == "__main__":
    main()
