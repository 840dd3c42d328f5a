"""The app's end of one decoding process: started, asked, and ended when it takes too long."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, get_args

from cxrdash.images import wire
from cxrdash.images.film import Kind, UnreadableFilm

START_SECONDS = 30.0
SLACK_SECONDS = 0.5  # what a busy machine may add to the time a process says it needs
MOST_SECONDS = 60.0  # in all, whatever the process says
TEXT_CHARACTERS = 500
CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL}
PACKAGE_HOME = Path(__file__).resolve().parents[2]
# With -P nothing beside the working directory is imported: a folder there may have any name.
PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from cxrdash.images.decoding import main; main()"
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}

_log = logging.getLogger(__name__)


def _fault(told: Any) -> UnreadableFilm:
    """The fault of a message, which may say anything."""
    parts = told if isinstance(told, dict) else {}
    kind, reason, hint = (str(parts.get(name) or "")[:TEXT_CHARACTERS] for name in ("kind", "reason", "hint"))
    known: tuple[Kind, ...] = get_args(Kind)
    return UnreadableFilm(next((one for one in known if one == kind), "broken"), reason or "broken file", hint)


class Stopped(Exception):
    """The process was ended by something other than the film: memory of the machine, an operator."""


class DecodingProcess:
    """One process that decodes; used by one thread at a time. ``films`` counts what it was asked."""

    def __init__(self) -> None:
        self.films = 0
        ours, theirs = socket.socketpair()
        with theirs:
            self._line = ours
            # A session of its own, so that Ctrl-C in the terminal reaches the app alone.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", PROGRAM, str(PACKAGE_HOME), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                env={**os.environ, **ENVIRONMENT},
            )
        try:
            wire.receive(self._line, time.monotonic() + START_SECONDS)
        except (OSError, EOFError, wire.BadMessage) as fault:
            self.stop()
            raise UnreadableFilm("timed out", "no process could be started to read it") from fault

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def ask(self, question: dict[str, Any], seconds: float) -> tuple[dict[str, Any], list[bytearray]]:
        """Return the answer about one film.

        ``seconds`` is for as long as the process has not said what it needs. Raises ``UnreadableFilm``
        with the film's own fault, or after which this process is no more: "timed out", or "broken"
        where the film crashed it. Raises ``Stopped`` where the process ended for another reason.
        """
        self.films += 1
        try:
            head, buffers = self._answer(question, seconds)
        except TimeoutError as fault:
            self.stop()
            hint = "Its disk does not answer, or decoding it takes too long. Try again later."
            raise UnreadableFilm("timed out", "timed out", hint) from fault
        except (OSError, EOFError, wire.BadMessage) as fault:
            raise self._ending() from fault
        for line in head.get("log") or ():
            _log.warning("%s", line)
        if "fault" in head:
            raise _fault(head["fault"])
        return head, buffers

    def _answer(self, question: dict[str, Any], seconds: float) -> tuple[dict[str, Any], list[bytearray]]:
        began = time.monotonic()
        until = began + seconds + SLACK_SECONDS
        wire.send(self._line, {**question, "seconds": seconds})
        while True:
            head, buffers = wire.receive(self._line, until)
            if "allow" not in head:
                return head, buffers
            more = head["allow"]
            if not isinstance(more, int | float) or not 0 <= more <= MOST_SECONDS:
                raise wire.BadMessage("a time that is none")
            until = min(time.monotonic() + more + SLACK_SECONDS, began + MOST_SECONDS)

    def _ending(self) -> Exception:
        """Why the process is no more."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.2)  # its line may close before its end is known
        code = self._process.poll()
        self.stop()
        _log.warning("a decoding process ended with code %s", code)
        if code in {-signal.SIGALRM, -signal.SIGXCPU}:
            return UnreadableFilm("timed out", "timed out", "Decoding it takes too long.")
        if code is not None and -code in CRASHES:
            return UnreadableFilm("broken", "broken file: it stops its decoder", "Copy it again from its source.")
        return Stopped(f"code {code}")

    def stop(self) -> None:
        """End the process, whatever it does; no trace of it stays."""
        self._line.close()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)  # longer only while it waits for a dead disk
