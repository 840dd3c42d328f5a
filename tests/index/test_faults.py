"""Killed builds, builds at the same time, full and read-only disks: the published index stays whole."""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxrdash.config import Cache
from cxrdash.errors import CxrdashError
from cxrdash.index.build import Request, build_index
from cxrdash.index.lock import BuildRunning
from cxrdash.index.scan import scan
from cxrdash.index.store import open_index
from tests.datasets import build, nih_row, write_nih

ROOT = Path(__file__).resolve().parents[2]
PATIENTS = 400
START = """
import json, sys, time
from pathlib import Path
from cxrdash.config import Cache
from cxrdash.index.build import Request, build_index
from cxrdash.index.lock import BuildRunning
folder, cache, signs = Path(sys.argv[1]), Cache(Path(sys.argv[2])), Path(sys.argv[3])
request = Request(folder, name="nih", source="nih")
"""
BUILD_FOR_EVER = (
    START
    + """
while True:
    print(build_index(request, cache).generation, flush=True)
"""
)
HOLD_THE_LOCK = (
    START
    + """
def wait(share, step):
    if share >= 0.45:
        (signs / "held").touch()
        time.sleep(60)
build_index(request, cache, progress=wait)
"""
)
BUILD_ONCE = (
    START
    + """
(signs / f"ready-{sys.argv[4]}").touch()
while not (signs / "go").exists():
    time.sleep(0.001)
times = []
try:
    note = lambda share, step: times.append((share, time.monotonic()))
    generation = build_index(request, cache, progress=note).generation
    inside = [at for share, at in times if 0.1 <= share <= 0.97]
    print(json.dumps({"generation": generation, "from": inside[0], "to": inside[-1]}))
except BuildRunning as running:
    print(json.dumps({"running": running.message}))
"""
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_nih(tmp_path / "nih", [nih_row(patient) for patient in range(PATIENTS)])


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(path: Path) -> None:
    end = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.005)


def assert_whole(cache: Cache) -> None:
    index = open_index("nih", cache)
    assert index.counts["images"] == PATIENTS
    assert index.rows("SELECT count(*), sum(images) FROM images, (SELECT sum(images) AS images FROM patients)") == [
        (PATIENTS, PATIENTS * PATIENTS)
    ]


@pytest.mark.parametrize("seed", range(6))
def test_a_build_killed_at_any_time_leaves_the_published_index_and_no_rest(folder: Path, seed: int) -> None:
    cache = Cache(folder.parent / "cache")
    builder = start(BUILD_FOR_EVER, folder, cache.root, folder.parent)
    assert builder.stdout is not None
    builder.stdout.readline()  # one generation is published; the next build has begun
    time.sleep(random.Random(seed).uniform(0, 0.5))
    builder.send_signal(signal.SIGKILL)
    builder.communicate()
    assert_whole(cache)
    published = build(folder, "nih", cache)
    left = {path.name for path in (cache.index / "nih").iterdir()}
    generations = {name for name in left if name.endswith(".duckdb")}
    assert left - generations == {"build.lock", "current.json"}
    assert len(generations) <= 2
    assert published.path is not None and published.path.name in generations


def test_a_second_build_is_told_who_builds_and_may_start_when_that_one_died(folder: Path) -> None:
    cache = Cache(folder.parent / "cache")
    holder = start(HOLD_THE_LOCK, folder, cache.root, folder.parent)
    wait_for(folder.parent / "held")
    with pytest.raises(BuildRunning) as told:
        build(folder, "nih", cache)
    assert f"(process {holder.pid} on {socket.gethostname()})" in told.value.message
    assert "Another build of this dataset is running since 20" in told.value.message
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    build(folder, "nih", cache)
    assert_whole(cache)
    assert not list((cache.index / "nih").glob(".building-*"))


def test_another_dataset_may_be_built_meanwhile(folder: Path) -> None:
    cache = Cache(folder.parent / "cache")
    holder = start(HOLD_THE_LOCK, folder, cache.root, folder.parent)
    wait_for(folder.parent / "held")
    assert build_index(Request(folder, name="other", source="nih"), cache).published
    holder.send_signal(signal.SIGKILL)
    holder.communicate()


def test_of_eight_builds_at_once_one_at_a_time_wins(folder: Path) -> None:
    cache, signs = Cache(folder.parent / "cache"), folder.parent
    builders = [start(BUILD_ONCE, folder, cache.root, signs, number) for number in range(8)]
    for number in range(8):
        wait_for(signs / f"ready-{number}")
    (signs / "go").touch()
    answers = [json.loads(builder.communicate(timeout=60)[0]) for builder in builders]
    won = sorted((answer for answer in answers if "generation" in answer), key=lambda answer: answer["from"])
    lost = [answer["running"] for answer in answers if "running" in answer]
    assert won and lost and len(won) + len(lost) == 8
    assert all(one["to"] <= other["from"] for one, other in itertools.pairwise(won))
    pids = {builder.pid for builder in builders}
    assert all(any(f"(process {pid} on " in message for pid in pids) for message in lost)
    assert_whole(cache)
    assert open_index("nih", cache).generation == won[-1]["generation"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MB of its own."""
    libc = ctypes.CDLL(None, use_errno=True)
    disk = tmp_path / "disk"
    disk.mkdir()
    if not hasattr(libc, "mount") or libc.mount(b"tmpfs", bytes(disk), b"tmpfs", 0, b"size=8m") != 0:
        pytest.skip("a small disk cannot be mounted here (needs root on Linux)")
    yield disk
    libc.umount2(bytes(disk), 2)


def test_a_full_disk_is_named_and_the_published_index_stays(small_disk: Path, folder: Path) -> None:
    cache = Cache(small_disk / "cache")
    build(folder, "nih", cache)
    free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    refused = 0
    for left in (0, 4_096, 100_000, 300_000, 600_000, 1_200_000):
        ballast = small_disk / "ballast"
        ballast.write_bytes(b"\0" * (free - left))
        try:
            build(folder, "nih", cache)
        except CxrdashError as full:
            assert full.message.startswith(f"The disk of {cache.root} is full (")
            assert "The previous index is kept" in full.hint
            refused += 1
        ballast.unlink()
        assert_whole(cache)
        assert not list((cache.index / "nih").glob(".building-*"))
        free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    assert refused >= 3
    build(folder, "nih", cache)
    assert_whole(cache)


@pytest.mark.parametrize("below", ["file", "file/deeper", "/proc/nowhere/cache"])
def test_a_cache_that_cannot_be_written_is_named(folder: Path, below: str) -> None:
    (folder.parent / "file").write_text("not a folder")
    cache = Cache(folder.parent / below)
    with pytest.raises(CxrdashError, match="cxrdash cannot write to its cache: ") as refused:
        build(folder, "nih", cache)
    assert "CXRDASH_CACHE" in refused.value.hint


@pytest.mark.usefixtures("modes_count")
def test_data_that_may_only_be_read_is_indexed_and_scanned_and_stays_as_it_was(tmp_path: Path) -> None:
    folder = write_nih(tmp_path / "nih", [nih_row(patient) for patient in range(1, 4)])
    (folder / "images").mkdir()
    for patient in range(1, 4):
        film = Image.fromarray(np.arange(4096, dtype=np.uint8).reshape(64, 64) + patient)
        film.save(folder / "images" / f"{patient:08d}_000.png")
    cache = Cache(tmp_path / "cache")
    inside = sorted(folder.rglob("*"))
    before = [(path.stat().st_size, path.stat().st_mtime_ns) for path in inside]
    for path in (*inside, folder):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        with pytest.raises(PermissionError):
            (folder / "anything").touch()
        assert build(folder, "nih", cache).counts["on_disk"] == 3
        scan("nih", cache, workers=1)
        assert open_index("nih", cache).table("SELECT count(*) AS n FROM measures")["n"].tolist() == [3]
    finally:
        for path in (folder, *inside):
            path.chmod(0o755 if path.is_dir() else 0o644)
    assert sorted(folder.rglob("*")) == inside
    assert [(path.stat().st_size, path.stat().st_mtime_ns) for path in inside] == before
