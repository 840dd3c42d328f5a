"""The pixel pass: every film file decoded once, its measures and its thumbnail kept, the index filled with them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cxrdash.config import Cache
from cxrdash.errors import CxrdashError
from cxrdash.images.thumbnails import ThumbnailStore
from cxrdash.index import generations
from cxrdash.index.build import readable_faults, workspace
from cxrdash.index.lock import build_lock
from cxrdash.index.scan_batches import Batch, LocalWorkers, Measured, Task, Workers, cluster
from cxrdash.index.scan_merge import with_measures
from cxrdash.index.scan_parts import FilmFile, Known, film_files, join_parts, parts_folder, parts_of, write_part
from cxrdash.index.store import Index, open_index
from cxrdash.sources.folder import resolve

BATCH_FILMS = 100  # a second or two of PNG or JPEG
BATCH_BYTES = 64 * 2**20  # and of large DICOM
SMALL_SCAN = 5_000  # films that a page offers to scan itself
RATE_SECONDS = 20.0  # over which the rate is told


@dataclass
class ScanProgress:
    """How far a scan is: films measured of those it has to, per second of late, and those known before."""

    done: int = 0
    of: int = 0
    known: int = 0
    unreadable: int = 0
    films_per_second: float = 0.0

    @property
    def seconds_left(self) -> float | None:
        return (self.of - self.done) / self.films_per_second if self.films_per_second else None


@dataclass(frozen=True)
class ScanReport:
    """What a scan did. ``statuses`` counts all images of the index, ``reasons`` those without a picture."""

    dataset: str
    generation: str
    path: Path
    measured: int
    known: int
    seconds: float
    statuses: dict[str, int]
    reasons: dict[str, int]
    templates: dict[str, int] = field(default_factory=dict)


Tell = Callable[[ScanProgress], None]


def silent(_progress: ScanProgress) -> None:
    """Report no progress."""


def scan(dataset: str, cache: Cache, *, workers: int = 0, scheduler: str = "", tell: Tell = silent) -> ScanReport:
    """Measure every film of a dataset that is new or changed, and publish a generation with all measures.

    ``workers`` processes decode (0: one per processor), or those of the Dask ``scheduler`` at that
    address. Batches that are done are kept: a scan that was stopped goes on where it was, and a scan
    with nothing to do decodes nothing. Raises BuildRunning where another scan of the dataset runs, and
    CxrdashError for a disk that is full or a cluster that does not answer.
    """
    began = time.monotonic()
    index = open_index(dataset, cache)
    folder = parts_folder(cache, dataset)
    with readable_faults(cache.root):
        folder.mkdir(parents=True, exist_ok=True)
        with build_lock(folder):
            join_parts(folder)
            progress = _plan(index, folder)
            tell(progress)
            if progress.of:
                with _workers(workers, scheduler) as chosen:
                    _measure_all(index, cache, chosen, progress, tell)
            published = _unchanged(index, progress) or _publish(dataset, cache, folder)
    reasons = open_index(dataset, cache).rows(_REASONS)
    return ScanReport(
        dataset=dataset,
        generation=published.generation.generation,
        path=published.generation.path,
        measured=progress.done,
        known=progress.known,
        seconds=time.monotonic() - began,
        statuses=published.statuses,
        reasons={reason: count for reason, count in reasons},
        templates=published.templates,
    )


_REASONS = """
SELECT reason, count(*)::BIGINT AS images FROM measures WHERE status IN ('missing', 'unreadable')
GROUP BY reason ORDER BY images DESC, reason
"""


def progress_words(now: ScanProgress) -> str:
    """Return 'Film 1,200 of 5,000, 83 films a second, 46 s left'."""
    if not now.of:
        return f"Nothing to measure; {now.known:,} films are known"
    words = f"Film {now.done:,} of {now.of:,}"
    left = now.seconds_left
    if left is not None and now.done < now.of:
        words += f", {now.films_per_second:,.0f} films a second, {duration(left)} left"
    return words + (f", {now.unreadable:,} unreadable" if now.unreadable else "")


def duration(seconds: float) -> str:
    """Return '46 s', '12 min' or '3 h 20 min'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def films_to_scan(index: Index, cache: Cache) -> int:
    """Return how many films on disk have no measures yet."""
    return _plan(index, parts_folder(cache, index.dataset)).of


def _plan(index: Index, folder: Path) -> ScanProgress:
    known = Known(parts_of(folder))
    progress = ScanProgress()
    for here, _, _ in film_files(index.cursor(), index.roots):
        new = len(known.without(here))
        progress.of += new
        progress.known += len(here) - new
    return progress


def _workers(count: int, scheduler: str) -> AbstractContextManager[Workers]:
    return cluster(scheduler) if scheduler else nullcontext(LocalWorkers(count))


def _measure_all(index: Index, cache: Cache, workers: Workers, progress: ScanProgress, tell: Tell) -> None:
    """Measure what is not known yet; each batch is on disk before it is counted as done."""
    folder = parts_folder(cache, index.dataset)
    thumbnails = ThumbnailStore(cache.thumbs, index.dataset)
    rate = _Rate()
    try:
        for batch, measured in workers.map_batches(_batches(index, Known(parts_of(folder)))):
            _keep(folder, thumbnails, batch, measured)
            progress.done += len(measured)
            progress.unreadable += sum(found.measures.status != "ok" for _, found in measured)
            progress.films_per_second = rate.after(progress.done)
            tell(progress)
    finally:
        thumbnails.close()


def _batches(index: Index, known: Known) -> Iterator[Batch]:
    """Batches of films to measure, in the order of the index: neighbours on disk, mostly."""
    batch: list[Task] = []
    held = 0
    for here, _, _ in film_files(index.cursor(), index.roots):
        for film in known.without(here):
            path = _inside(index, film)
            if path is None:
                continue
            if batch and (len(batch) == BATCH_FILMS or held + film.bytes > BATCH_BYTES):
                yield tuple(batch)
                batch, held = [], 0
            batch.append(Task(film.key, str(path)))
            held += film.bytes
    if batch:
        yield tuple(batch)


def _inside(index: Index, film: FilmFile) -> Path | None:
    """The real file of a film; None for a link that by now leads out of the dataset's folders.

    What is no regular file (a FIFO, a folder) is handed on: its reader says so without opening it.
    """
    for number, root in enumerate(index.roots):
        whole = f"{str(root).rstrip('/')}/"
        if film.path.startswith(whole):
            try:
                return resolve(index.roots, number, film.path.removeprefix(whole))
            except CxrdashError as fault:
                return Path(film.path) if "no regular file" in fault.message else None
    return None


def _keep(folder: Path, thumbnails: ThumbnailStore, batch: Batch, measured: Measured) -> None:
    paths = {task.key: Path(task.path) for task in batch}
    rows = [(key, found.measures) for key, found in measured]
    thumbnails.keep({paths[key]: found.thumbnail for key, found in measured})
    write_part(folder, rows, scanned_at=time.time_ns())


class _Rate:
    """Films per second over the last while."""

    def __init__(self) -> None:
        self._seen: list[tuple[float, int]] = [(time.monotonic(), 0)]

    def after(self, done: int) -> float:
        now = time.monotonic()
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[1][0] > RATE_SECONDS:
            self._seen.pop(0)
        then, before = self._seen[0]
        return (done - before) / (now - then) if now > then else 0.0


@dataclass(frozen=True)
class _Published:
    generation: generations.Generation
    statuses: dict[str, int]
    templates: dict[str, int]


def _unchanged(index: Index, progress: ScanProgress) -> _Published | None:
    """The generation that is there, where it holds the measures of every film already."""
    facts = index.meta.get("scan")
    statuses = facts["statuses"] if facts else {}
    held = statuses.get("ok", 0) + statuses.get("unreadable", 0)
    if progress.of or not facts or held != progress.known or statuses.get("not scanned"):
        return None
    if facts.get("duplicates", {}).get("not_compared", 1):  # they were not looked for among all films
        return None
    there = generations.Generation(index.dataset, index.generation, index.path)
    return _Published(there, statuses, facts["templates"])


def _publish(dataset: str, cache: Cache, folder: Path) -> _Published:
    """Fill the measures of whatever generation is current by now, as a new one."""
    home = generations.dataset_folder(cache, dataset)
    with build_lock(home), workspace(home) as beside:
        generation = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        now = generations.current(cache, dataset)
        copy = beside / "index.duckdb"
        thumbnails = ThumbnailStore(cache.thumbs, dataset)
        try:
            facts = with_measures(
                now.path,
                copy,
                folder,
                generation=generation,
                pictures=lambda paths: [small.jpeg for small in thumbnails.get_many(paths)],
            )
        finally:
            thumbnails.close()
        published = generations.publish(cache, dataset, generation, copy)
    return _Published(published, facts["statuses"], facts["templates"])
