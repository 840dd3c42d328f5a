"""Writing the demo: drawn in a folder beside, and put in place only when it is whole."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import pickle
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from cxrdash.demo import readers
from cxrdash.demo.formats import write_copy
from cxrdash.demo.masks import CONVENTION
from cxrdash.demo.plan import Plan
from cxrdash.demo.planted import EXPLAINED, plan_demo
from cxrdash.errors import CxrdashError, shown

VERSION = "2"  # raise it with any change of what is drawn or listed, so that older demos are made anew
STAMP = "demo_version"
MOST_WORKERS = 4
LEFTOVER_SECONDS = 600
Progress = Callable[[float, str], None]


def write_demo(folder: Path, *, progress: Progress | None = None) -> Path:
    """Write the synthetic dataset to ``folder`` and return it; a whole demo of this version is kept.

    ``progress`` is called with a share from 0 to 1 and a sentence, in the calling thread.
    Raises CxrdashError where ``folder`` holds something else or cannot be written.
    """
    if is_current(folder):
        return folder
    if folder.exists() and any(folder.iterdir()) and not (folder / STAMP).is_file():
        raise CxrdashError(f"{shown(folder)} is not empty and holds no demo.", "Give a folder that does not exist yet.")
    tell = progress or _say_nothing
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(folder)
        made = Path(tempfile.mkdtemp(prefix=f"{folder.name}-making-", dir=folder.parent))
        try:
            _fill(made, tell)
            _put_in_place(made, folder)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    except OSError as fault:
        raise CxrdashError(
            f"The demo cannot be written to {shown(folder)}: {fault.strerror or fault}.",
            "It needs about 50 MB; choose another place with --cache or CXRDASH_CACHE.",
        ) from fault
    tell(1.0, "The demo is ready")
    return folder


def _say_nothing(_share: float, _sentence: str) -> None:
    """The progress of a caller who wants none."""


def is_current(folder: Path) -> bool:
    """Is there a whole demo of this version?"""
    stamp = folder / STAMP
    return stamp.is_file() and stamp.read_text(encoding="utf-8").strip() == VERSION


def _remove_leftovers(folder: Path) -> None:
    """Runs that were killed leave their unfinished folder; one in progress is younger."""
    for left in folder.parent.glob(f"{folder.name}-making-*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > LEFTOVER_SECONDS:
                shutil.rmtree(left, ignore_errors=True)


def _put_in_place(made: Path, folder: Path) -> None:
    if is_current(folder):
        return  # another process was faster; its demo is the same
    made.chmod(0o755)
    if folder.exists():
        folder.rename(made / "replaced")
        (made / "replaced").rename(made.with_name(f"{made.name}-old"))
    made.rename(folder)
    shutil.rmtree(made.with_name(f"{made.name}-old"), ignore_errors=True)


def _fill(folder: Path, tell: Progress) -> None:
    tell(0.0, "Inventing patients")
    plan = plan_demo()
    drawn = _draw(folder, plan, tell)
    for copy in plan.copies:
        write_copy(folder, copy.path, copy.original, copy.change)
    tell(0.99, "Writing the tables")
    _write_table(folder / "demo_images.csv", plan.rows)
    _write_table(folder / "demo_boxes.csv", _box_rows(plan, drawn))
    _write_table(folder / "demo_masks.csv", _mask_rows(plan, drawn))
    _write_table(folder / readers.TABLE, plan.readings)
    planted = {"version": VERSION, "explained": EXPLAINED, "planted": plan.planted}
    (folder / "planted.json").write_text(json.dumps(planted, indent=1) + "\n", encoding="utf-8")
    (folder / "PLANTED.md").write_text(_planted_text(plan), encoding="utf-8")
    (folder / STAMP).write_text(VERSION + "\n", encoding="utf-8")


def _draw(folder: Path, plan: Plan, tell: Progress) -> dict[str, dict[str, Any]]:
    """Draw all films in worker processes; return what each reported, by image_id."""
    jobs = [job for job in plan.jobs.values() if job.fault not in ("missing", "copied")]
    for job in plan.jobs.values():
        (folder / job.path).parent.mkdir(parents=True, exist_ok=True)
    workers = min(MOST_WORKERS, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2)
    parts: list[list[Any]] = [[] for _ in range(workers)]
    # A patient's films stay together, so that the body is made once.
    for number in sorted({job.person for job in jobs}):
        theirs = [(plan.people[number - 1], job) for job in jobs if job.person == number]
        min(parts, key=len).extend(theirs)
    drawn: dict[str, dict[str, Any]] = {}
    for report in _reports([pickle.dumps((str(folder), part, plan.poor_masks)) for part in parts]):
        drawn[report["image_id"]] = report
        if len(drawn) % 20 == 0:
            tell(0.98 * len(drawn) / len(jobs), f"Drawing film {len(drawn):,} of {len(jobs):,}")
    return drawn


def _reports(tasks: list[bytes]) -> Iterator[dict[str, Any]]:
    """Run one worker per task and yield their reports as they come."""
    lines: queue.Queue[bytes | None] = queue.Queue()
    workers = [_start_worker() for _ in tasks]
    threads = [
        threading.Thread(target=_feed, args=(worker, task, lines), daemon=True)
        for worker, task in zip(workers, tasks, strict=True)
    ]
    try:
        for thread in threads:
            thread.start()
        running = len(workers)
        while running:
            line = lines.get()
            if line is None:
                running -= 1
            else:
                yield json.loads(line)
        if any(worker.wait() for worker in workers):
            raise CxrdashError("A process drawing the demo's films stopped.", "Look into the terminal for its reason.")
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def _start_worker() -> subprocess.Popen[bytes]:
    package = Path(__file__).resolve().parents[2]
    path = os.pathsep.join(filter(None, (str(package), os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(
        [sys.executable, "-m", "cxrdash.demo.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )


def _feed(worker: subprocess.Popen[bytes], task: bytes, lines: queue.Queue[bytes | None]) -> None:
    assert worker.stdin is not None and worker.stdout is not None
    try:
        with contextlib.suppress(BrokenPipeError), worker.stdin:
            worker.stdin.write(task)
        with worker.stdout:
            for line in worker.stdout:
                lines.put(line)
    finally:
        lines.put(None)


def _write_table(path: Path, rows: Iterable[dict[str, str]]) -> None:
    rows = list(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def _box_rows(plan: Plan, drawn: dict[str, dict[str, Any]]) -> Iterator[dict[str, str]]:
    for image_id in plan.jobs:
        for finding, x, y, width, height in drawn.get(image_id, {}).get("boxes", ()):
            yield {
                "image_id": image_id,
                "finding": finding,
                "x": str(x),
                "y": str(y),
                "box_width": str(width),
                "box_height": str(height),
            }


def _mask_rows(plan: Plan, drawn: dict[str, dict[str, Any]]) -> Iterator[dict[str, str]]:
    for image_id, job in plan.jobs.items():
        for structure, quality, code in drawn.get(image_id, {}).get("masks", ()):
            yield {
                "image_id": image_id,
                "structure": structure,
                "mask_width": str(job.pose.width),
                "mask_height": str(job.pose.height),
                "quality": quality,
                "convention": CONVENTION,
                "rle": code,
            }


def _planted_text(plan: Plan) -> str:
    """The list for people; planted.json holds the same for programs."""
    parts = [
        "# What is planted in the demo",
        "",
        "The demo is synthetic: nobody was X-rayed. Its films are drawings, each marked SYNTHETIC. Its",
        "numbers imitate published ones: images per patient those of NIH ChestX-ray14, labels those of",
        "CheXpert. These faults were put in on purpose, so that you can see where each page finds them.",
        "Beside them the labels hold the usual ambiguities by chance: uncertain mentions, parents left",
        "blank, a few parents denied.",
        "About 60% of the films labelled Pneumothorax show a drain or another device.",
        "",
        f"Masks (demo_masks.csv) are run-lengths: {CONVENTION}; left and right are the patient's.",
        "Their quality is invented, low for the masks that are out of place.",
        "",
        *_reader_text(plan),
    ]
    for kind, sentence in EXPLAINED.items():
        entries = plan.planted.get(kind, [])
        parts += ["", f"## {kind.replace('_', ' ').capitalize()} ({len(entries)})", "", sentence, ""]
        parts += [f"- {_entry(entry)}" for entry in entries]
    return "\n".join(parts) + "\n"


def _reader_text(plan: Plan) -> list[str]:
    """Who read how many films, and how far from what was drawn."""
    films = len({row["image_id"] for row in plan.readings})
    parts = [f"Two invented readers ({readers.TABLE}) read the same {films} films, one of a patient, for"]
    parts += [f"{', '.join(readers.FINDINGS)}. Planted:"]
    for reader, rates in readers.ERRORS.items():
        told = [f"{name} {missed:.0%} and {false:.0%}" for name, (missed, false) in rates.items()]
        parts.append(f"{reader} misses drawn findings, and reports them on films without, in: {'; '.join(told)}.")
    return parts


def _entry(entry: dict[str, str]) -> str:
    first, *others = entry.items()
    rest = "; ".join(f"{key.replace('_', ' ')}: {value}" for key, value in others)
    return f"`{first[1]}`" + (f" ({rest})" if rest else "")
