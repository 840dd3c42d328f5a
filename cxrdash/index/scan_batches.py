"""Independent batches of films, measured by processes here or by the workers of a Dask cluster.

A batch can be measured anywhere and any number of times: it is a list of paths, and what comes back
is a list of measures in the same order. Whoever asked for it writes them down.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from cxrdash.errors import CxrdashError
from cxrdash.images.decoding import MEASURES, SECONDS
from cxrdash.images.decoding_process import DecodingProcess, Stopped
from cxrdash.images.film import UnreadableFilm
from cxrdash.images.measures import MeasuredFilm, from_message, unmeasured

FILMS_PER_PROCESS = 2_000  # then a new one, should a decoder keep what it was given
TRIES = 3  # of a film whose process was ended by something else
AHEAD = 2  # batches waiting per worker, so that none is idle and memory stays flat
CLUSTER_TRIES = 5  # of a batch whose worker died
CONNECT_SECONDS = 30


@dataclass(frozen=True)
class Task:
    """One film to measure: the key of its row and the file to read."""

    key: int
    path: str


Batch = tuple[Task, ...]
Measured = list[tuple[int, MeasuredFilm]]


class Workers(Protocol):
    """Something that measures batches; results come as they are ready, in any order."""

    count: int

    def map_batches(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, Measured]]: ...


def measure_batch(batch: Batch) -> Measured:
    """Return key and measures of every film of a batch, in its order; no film raises anything."""
    measurer = _measurer()
    return [(task.key, measurer.measure(Path(task.path))) for task in batch]


class Measurer:
    """Measures films one by one in a process with limits on time and memory, replaced when a film ends it."""

    def __init__(self) -> None:
        self._process: DecodingProcess | None = None
        self._closed = False

    def measure(self, path: Path) -> MeasuredFilm:
        """Return the measures of one film; what goes wrong becomes its reason."""
        for _try in range(TRIES):
            if self._closed:
                break
            try:
                return self._asked(path)
            except UnreadableFilm as fault:
                return unmeasured(fault, path)
            except Stopped:
                continue
        return unmeasured(UnreadableFilm("timed out", "its process was ended again and again"), path)

    def _asked(self, path: Path) -> MeasuredFilm:
        process = self._process
        if process is None or not process.is_running or process.films >= FILMS_PER_PROCESS:
            self._end()
            process = self._process = DecodingProcess()
        question = {"make": MEASURES, "path": str(path), "side": None}
        head, held = process.ask(question, SECONDS)
        return from_message(head, held)

    def _end(self) -> None:
        if self._process is not None:
            self._process.stop()
        self._process = None

    def close(self) -> None:
        """End the process, also while it works."""
        self._closed = True
        self._end()


_own = threading.local()
_open: queue.SimpleQueue[Measurer] = queue.SimpleQueue()


def _measurer() -> Measurer:
    """The measurer of this thread; one thread works at one film at a time."""
    if not hasattr(_own, "measurer") or _own.measurer._closed:
        _own.measurer = Measurer()
        _open.put(_own.measurer)
    found: Measurer = _own.measurer
    return found


def close_measurers() -> None:
    """End the processes of all threads."""
    while True:
        try:
            _open.get_nowait().close()
        except queue.Empty:
            return


class LocalWorkers:
    """Processes on this machine, each driven by a thread of its own."""

    def __init__(self, count: int = 0) -> None:
        self.count = count or default_count()

    def map_batches(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, Measured]]:
        """Yield every batch with its measures; ending the iteration early ends the processes."""
        waiting = iter(batches)
        threads = ThreadPoolExecutor(self.count, thread_name_prefix="scan")
        running: dict[Future[Measured], Batch] = {}
        try:
            while True:
                for batch in islice(waiting, self.count * AHEAD - len(running)):
                    running[threads.submit(measure_batch, batch)] = batch
                if not running:
                    return
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield running.pop(future), future.result()
        finally:
            for future in running:
                future.cancel()
            close_measurers()
            threads.shutdown(wait=True)


def default_count() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class ClusterWorkers:
    """The workers of a Dask scheduler; they read the films at the same paths as this machine."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.count = max(1, sum(client.nthreads().values()))

    def map_batches(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, Measured]]:
        """Yield every batch with its measures; a batch whose worker died goes to another.

        Raises CxrdashError for a batch that ended one worker after another.
        """
        from distributed import as_completed
        from distributed.scheduler import KilledWorker

        waiting = iter(batches)
        running: dict[Any, Batch] = {}
        done: Any = as_completed(loop=self._client.loop)  # type: ignore[no-untyped-call]

        def submit() -> None:
            for batch in islice(waiting, self.count * AHEAD - len(running)):
                future = self._client.submit(measure_batch, batch, pure=False, retries=CLUSTER_TRIES)
                running[future] = batch
                done.add(future)

        try:
            submit()
            while running:
                future = next(done)
                batch = running.pop(future)
                try:
                    yield batch, future.result()
                except KilledWorker as fault:
                    raise CxrdashError(
                        f"The cluster lost one worker after another on a batch that begins with {batch[0].path}.",
                        "What was measured is kept. Give the workers more memory, and scan again.",
                    ) from fault
                submit()
        finally:
            self._client.cancel(list(running))


@contextmanager
def cluster(address: str) -> Iterator[ClusterWorkers]:
    """Connect to a Dask scheduler and yield its workers.

    Raises CxrdashError where Dask is not installed, the scheduler does not answer, or it has no workers.
    """
    try:
        from distributed import Client
    except ImportError as fault:
        raise CxrdashError(
            "A scan on a cluster needs Dask, which is not installed.",
            "Install it on this machine and the workers: pip install -r requirements-cluster.txt",
        ) from fault
    try:
        client: Any = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as fault:
        raise CxrdashError(
            f"No Dask scheduler answers at {address}.", "Give its address, for example tcp://node01:8786."
        ) from fault
    with client:
        if not client.nthreads():
            raise CxrdashError(f"The scheduler at {address} has no workers.", "Start some: dask worker " + address)
        yield ClusterWorkers(client)
