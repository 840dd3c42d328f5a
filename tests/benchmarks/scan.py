"""What a scan costs beside decoding alone, how its memory grows, and what a cluster adds.

    python -m tests.benchmarks.scan FOLDER [--copies 5] [--cluster]

FOLDER holds film files (PNG, JPEG, TIFF, DICOM). Each is measured under several names, so that starting
and publishing weigh as little as they do in a real dataset.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from cxrdash.config import Cache
from cxrdash.images.measures import measure_file
from cxrdash.index.scan import ScanReport, scan
from cxrdash.sources.folder import IMAGE_ENDS
from tests.benchmarks.measure import Result, at_most, compared, limited, machine_facts, print_results
from tests.datasets import build, nih_row, write_nih


def decode(path: Path) -> object:
    """The barest loop a notebook would write."""
    if path.suffix.lower() in (".dcm", ".dicom"):
        import pydicom

        return pydicom.dcmread(path).pixel_array
    with Image.open(path) as image:
        return np.asarray(image)


def seconds(act: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    start = clock()
    act()
    return clock() - start


def per_film(films: list[Path], rounds: int = 3) -> list[Result]:
    """Decoding and measuring in one process, in turns, in processor time: what a busy machine cannot stretch."""
    found = []
    for kind in sorted({path.suffix.lower() for path in films}):
        some = [path for path in films if path.suffix.lower() == kind][:100]
        measure_file(some[0])
        decode(some[0])
        bare, ours = [], []
        for _ in range(rounds):
            bare.append(seconds(lambda some=some: [decode(path) for path in some], time.process_time))
            ours.append(seconds(lambda some=some: [measure_file(path) for path in some], time.process_time))
        found.append(at_most("", f"{kind}: measure against decode, processor", min(ours), min(bare), times=1.3))
    return found


def prepare(films: list[Path], root: Path, copies: int) -> tuple[Path, int]:
    """An NIH folder whose films are links to the given ones, each under several names."""
    count = len(films) * copies
    folder = write_nih(root / "nih", [nih_row(number) for number in range(count)])
    for number in range(count):
        source = films[number % len(films)]
        target = folder / f"{number:08d}_000.png"
        target.write_bytes(source.read_bytes())
    return folder, count


def whole_scan(folder: Path, films: list[Path], count: int, root: Path, scheduler: str = "") -> list[Result]:
    """The command as a user runs it, with as many processes as processors, and its memory early and late."""
    cache = Cache(root / ("cluster" if scheduler else "local"))
    build(folder, "nih", cache)
    memory: list[float] = []
    reports: list[ScanReport] = []

    def run() -> None:
        reports.append(scan("nih", cache, scheduler=scheduler, tell=lambda _now: memory.append(_megabytes())))

    bare = seconds(lambda: [decode(films[number % len(films)]) for number in range(count)])
    took = seconds(run)
    again = seconds(lambda: scan("nih", cache))
    third = max(1, len(memory) // 3)
    return [
        at_most("", f"scan of {count:,} films, all processors, wall", took, bare, times=1.3),
        compared("", "the same scan again (nothing to do)", again, bare),
        limited("", "memory of the last third over the first", max(memory[-third:]) - max(memory[:third]), 50, "MB"),
    ]


def _megabytes() -> float:
    """Memory of this process now, else its peak."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def cluster_against_processes(folder: Path, root: Path) -> list[Result]:
    """The same films by as many Dask workers as processes; the cluster is up before the clock starts."""
    from distributed import LocalCluster

    workers = os.cpu_count() or 1
    times: dict[str, list[float]] = {"processes": [], "cluster": []}
    with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as made:
        for turn in range(3):
            for name, scheduler in (("processes", ""), ("cluster", made.scheduler_address)):
                cache = Cache(root / f"{name}{turn}")
                build(folder, "nih", cache)
                took = seconds(
                    lambda cache=cache, scheduler=scheduler: scan("nih", cache, workers=workers, scheduler=scheduler)
                )
                times[name].append(took)
    return [at_most("G13", "Dask against processes", min(times["cluster"]), min(times["processes"]), times=1.05)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.scan", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--copies", type=int, default=5, help="names under which each film is measured (default 5)")
    parser.add_argument("--cluster", action="store_true", help="compare with Dask on this machine")
    options = parser.parse_args()
    films = sorted(path for path in options.folder.rglob("*") if path.suffix.lower() in IMAGE_ENDS)
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in Counter(path.suffix.lower() for path in films).items())
    print(f"Machine: {machine_facts()}\nFilms: {kinds}, {sum(path.stat().st_size for path in films) / 2**20:,.0f} MB")
    with tempfile.TemporaryDirectory(prefix="cxrdash-scan-") as made:
        root = Path(made)
        print_results("One film, one process", per_film(films))
        pictures = [path for path in films if path.suffix.lower() == ".png"] or films
        folder, count = prepare(pictures, root, options.copies)
        print_results("A whole scan", whole_scan(folder, pictures, count, root))
        if options.cluster:
            print_results("A cluster", cluster_against_processes(folder, root))


if __name__ == "__main__":
    main()
