"""A pixel scan: every image is counted once, nothing is done twice, and no film or kill spoils the rest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from cxrdash.config import Cache
from cxrdash.errors import CxrdashError
from cxrdash.images.measures import FilmMeasures
from cxrdash.images.thumbnails import ThumbnailStore
from cxrdash.index import scan as scanning
from cxrdash.index.draw import film_path, films
from cxrdash.index.lock import BuildRunning, build_lock
from cxrdash.index.scan import ScanProgress, duration, progress_words, scan
from cxrdash.index.scan_batches import LocalWorkers, Task, default_count
from cxrdash.index.scan_parts import LARGE_PARTS, Known, arrow_schema, join_parts, parts_folder, parts_of, write_part
from cxrdash.index.schema import COLUMN_COMMENTS
from cxrdash.index.store import Index, open_index
from tests.datasets import build, cache_of, nih_row, write_nih

ROOT = Path(__file__).resolve().parents[2]
PARTS_ONLY = {"kind", "small"}


def film_name(number: int) -> str:
    return f"{number:08d}_000.png"


def write_films(folder: Path, count: int = 12, *, side: int = 90) -> Path:
    """An NIH folder of ``count`` patients with one film each."""
    write_nih(folder, [nih_row(number) for number in range(1, count + 1)])
    rng = np.random.default_rng(1)
    for number in range(1, count + 1):
        Image.fromarray(rng.integers(0, 256, (side, side), np.uint8)).save(folder / film_name(number))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = write_films(tmp_path / "nih")
    (made / film_name(3)).write_bytes(b"not a picture")
    (made / film_name(4)).unlink()
    build(made, "nih")
    return made


def opened(folder: Path) -> Index:
    return open_index("nih", cache_of(folder))


def statuses(index: Index) -> dict[str, int]:
    return dict(index.rows("SELECT status, count(*) FROM measures GROUP BY status"))


def spoil(path: Path) -> None:
    """Make a film unreadable while its size and time of change stay as they were."""
    before = path.stat()
    path.write_bytes(b"x" * before.st_size)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_every_measure_is_a_column_with_a_comment(folder: Path) -> None:
    columns = {name for (name,) in opened(folder).rows("SELECT column_name FROM duckdb_columns() "
               "WHERE table_name = 'measures'")}  # fmt: skip
    assert {field.name for field in fields(FilmMeasures)} - PARTS_ONLY <= columns
    assert columns - {"image"} == set(COLUMN_COMMENTS["measures"])
    measures = {field.name for field in fields(FilmMeasures)}
    assert set(arrow_schema().names) == measures | {"key", "scanned_at", "lasting"}


def test_every_image_has_one_row_with_its_status_and_reason(folder: Path) -> None:
    report = scan("nih", cache_of(folder), workers=2)
    index = opened(folder)
    assert index.generation == report.generation
    assert statuses(index) == report.statuses == {"ok": 10, "unreadable": 1, "missing": 1}
    counted = index.rows("SELECT image FROM measures ORDER BY image")
    assert counted == index.rows("SELECT image FROM images ORDER BY image")
    assert report.reasons == {
        "no file was found when the dataset was indexed": 1,
        "not a PNG file in spite of its name": 1,
    }
    assert (report.measured, report.known) == (11, 0)
    assert index.rows("SELECT DISTINCT width, height, grey_levels, format FROM measures WHERE status = 'ok'") == [
        (90, 90, 256, "PNG")
    ]


def test_everything_else_in_the_index_stays(folder: Path) -> None:
    before = opened(folder)
    scan("nih", cache_of(folder), workers=1)
    after = opened(folder)
    for table in ("images", "paths", "patterns", "patients", "sources", "findings"):
        assert after.rows(f"SELECT * FROM {table} ORDER BY ALL") == before.rows(f"SELECT * FROM {table} ORDER BY ALL")
    assert {key for key in after.meta if after.meta[key] != before.meta.get(key)} == {"generation", "scan"}


def test_a_second_scan_reads_no_film_and_publishes_nothing(folder: Path) -> None:
    first = scan("nih", cache_of(folder), workers=1)
    for number in (1, 2):
        spoil(folder / film_name(number))
    second = scan("nih", cache_of(folder), workers=1)
    assert (second.measured, second.known) == (0, 11)
    assert second.generation == first.generation
    assert second.statuses == first.statuses


def test_a_changed_film_alone_is_measured_again(folder: Path) -> None:
    scan("nih", cache_of(folder), workers=1)
    Image.new("L", (30, 20), 5).save(folder / film_name(1))
    report = scan("nih", cache_of(folder), workers=1)
    assert (report.measured, report.known) == (1, 10)
    sizes = opened(folder).rows(
        "SELECT m.width, m.height FROM measures AS m JOIN images USING (image) WHERE patient_id = '1'"
    )
    assert sizes == [(30, 20)]


def test_a_film_that_vanishes_and_one_that_appears_are_seen(folder: Path) -> None:
    scan("nih", cache_of(folder), workers=1)
    (folder / film_name(1)).unlink()
    Image.new("L", (30, 20), 5).save(folder / film_name(4))
    build(folder, "nih")
    assert statuses(opened(folder)) == {"ok": 9, "unreadable": 1, "missing": 1, "not scanned": 1}
    assert scan("nih", cache_of(folder), workers=1).statuses == {"ok": 10, "unreadable": 1, "missing": 1}


def test_a_new_build_carries_the_measures_over_without_decoding(folder: Path) -> None:
    scan("nih", cache_of(folder), workers=1)
    rows = "SELECT * FROM measures ORDER BY image"
    before = opened(folder).rows(rows)
    for number in range(5, 13):
        spoil(folder / film_name(number))
    build(folder, "nih")
    index = opened(folder)
    assert index.rows(rows) == before
    assert index.meta["scan"]["statuses"] == {"ok": 10, "unreadable": 1, "missing": 1}


def test_the_gallery_s_thumbnails_are_made_in_passing(folder: Path) -> None:
    scan("nih", cache_of(folder), workers=1)
    index = opened(folder)
    (film,) = films(index, [0])
    spoil(film_path(index, film))
    store = ThumbnailStore(cache_of(folder).thumbs, "nih")
    (thumbnail,) = store.get_many([film_path(index, film)])
    store.close()
    assert thumbnail.jpeg is not None and (thumbnail.width, thumbnail.height) == (90, 90)


def test_a_pipe_in_place_of_a_film_is_a_row(folder: Path) -> None:
    (folder / film_name(5)).unlink()
    os.mkfifo(folder / film_name(5))
    report = scan("nih", cache_of(folder), workers=1)
    assert report.reasons["not a file but a pipe, socket or device"] == 1
    assert report.statuses["unreadable"] == 2


def test_a_bomb_is_a_row(folder: Path) -> None:
    Image.new("1", (9_000, 9_000)).save(folder / film_name(5))
    report = scan("nih", cache_of(folder), workers=1)
    assert any(reason.startswith("too large") for reason in report.reasons)


def test_a_link_that_leads_out_is_not_followed(folder: Path, tmp_path: Path) -> None:
    Image.new("L", (10, 10)).save(tmp_path / "secret.png")
    (folder / film_name(5)).unlink()
    (folder / film_name(5)).symlink_to(tmp_path / "secret.png")
    scan("nih", cache_of(folder), workers=1)
    assert statuses(opened(folder)) == {"ok": 9, "unreadable": 1, "missing": 1, "not scanned": 1}


def test_two_scans_of_one_dataset_exclude_each_other(folder: Path) -> None:
    parts = parts_folder(cache_of(folder), "nih")
    parts.mkdir(parents=True)
    with build_lock(parts), pytest.raises(BuildRunning):
        scan("nih", cache_of(folder), workers=1)


def test_an_unknown_dataset_is_named(tmp_path: Path) -> None:
    with pytest.raises(CxrdashError, match="No dataset named 'nowhere' is indexed"):
        scan("nowhere", Cache(tmp_path))


def test_progress_counts_up_to_all_films(folder: Path) -> None:
    told: list[ScanProgress] = []
    scan("nih", cache_of(folder), workers=1, tell=lambda now: told.append(ScanProgress(**vars(now))))
    assert told[0].done == 0 and told[-1].done == told[-1].of == 11
    assert told[-1].unreadable == 1 and told[-1].films_per_second > 0


def test_progress_is_said_with_rate_and_time_left() -> None:
    now = ScanProgress(done=1_200, of=5_000, films_per_second=80, unreadable=3)
    assert progress_words(now) == "Film 1,200 of 5,000, 80 films a second, 48 s left, 3 unreadable"
    assert progress_words(ScanProgress(known=7)) == "Nothing to measure; 7 films are known"
    assert [duration(seconds) for seconds in (5, 600, 12_000)] == ["5 s", "10 min", "3 h 20 min"]


def many_films(tmp_path: Path, count: int = 320) -> Path:
    """Enough films for several batches; all are one file under many names."""
    folder = write_nih(tmp_path / "nih", [nih_row(number) for number in range(1, count + 1)])
    Image.fromarray(np.random.default_rng(2).integers(0, 256, (300, 300), np.uint8)).save(folder / film_name(1))
    for number in range(2, count + 1):
        os.link(folder / film_name(1), folder / film_name(number))
    build(folder, "nih")
    return folder


def interruptible() -> None:
    """A shell's background job ignores Ctrl-C, and so does whatever it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "cxrdash", "--cache", str(cache_of(folder).root), "scan", "nih", "--workers", "1"]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=interruptible
    )


def wait_for_a_part(folder: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not parts_of(parts_folder(cache_of(folder), "nih")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_scan_goes_on_where_it_was(tmp_path: Path, how: signal.Signals) -> None:
    films = 1_500
    folder = many_films(tmp_path, films)
    process = start(folder)
    wait_for_a_part(folder, process)
    process.send_signal(how)
    _, said = process.communicate(timeout=60)
    if how is signal.SIGINT:
        assert process.returncode == 130
        assert "the films measured so far are kept. Go on with: python -m cxrdash scan nih" in said
        assert "Traceback" not in said
    assert not opened(folder).meta.get("scan")
    report = scan("nih", cache_of(folder), workers=2)
    assert report.known >= scanning.BATCH_FILMS and report.measured + report.known == films
    assert report.statuses == {"ok": films}


def test_a_decoding_process_that_is_killed_costs_no_film(tmp_path: Path) -> None:
    folder = many_films(tmp_path)
    killed: list[int] = []

    def kill(now: ScanProgress) -> None:
        for child in _children() if now.done and len(killed) < 2 else []:
            os.kill(child, signal.SIGKILL)
            killed.append(child)

    report = scan("nih", cache_of(folder), workers=2, tell=kill)
    assert killed
    assert report.statuses == {"ok": 320}
    assert not _children()


def _children() -> list[int]:
    """The decoding processes of this test run."""
    children = psutil.Process().children()
    return [child.pid for child in children if any("cxrdash.images.decoding" in word for word in child.cmdline())]


def test_batches_come_back_whole_and_in_order(folder: Path) -> None:
    batches = [(Task(1, str(folder / film_name(1))), Task(2, "/nowhere.png")), (Task(3, str(folder / film_name(3))),)]
    found = dict(LocalWorkers(2).map_batches(iter(batches)))
    assert set(found) == set(batches)
    assert [(key, made.measures.status) for key, made in found[batches[0]]] == [(1, "ok"), (2, "missing")]
    assert [made.measures.status for _, made in found[batches[1]]] == ["unreadable"]
    assert LocalWorkers().count == default_count() >= 1


def row(status: str = "ok", kind: str = "") -> FilmMeasures:
    return FilmMeasures(status=status, kind=kind, width=5)


def test_many_parts_become_one_and_the_newest_row_wins(tmp_path: Path) -> None:
    for number in range(LARGE_PARTS + 1):
        write_part(tmp_path, [(number, row()), (9_999, row("unreadable", "broken"))], scanned_at=number)
    (tmp_path / "part-dead.writing").write_bytes(b"half")
    join_parts(tmp_path)
    (whole,) = parts_of(tmp_path)
    import duckdb

    found = duckdb.sql(f"SELECT count(*), count(DISTINCT key), max(scanned_at) FILTER (key = 9999) FROM '{whole}'")
    assert found.fetchall() == [(LARGE_PARTS + 2, LARGE_PARTS + 2, LARGE_PARTS)]
    assert not list(tmp_path.glob("*.writing"))


def test_only_what_follows_from_the_file_is_known(tmp_path: Path, folder: Path) -> None:
    index = opened(folder)
    from cxrdash.index.scan_parts import film_files

    ((here, unknown, gone),) = film_files(index.cursor(), index.roots)
    assert (len(here), len(unknown), len(gone)) == (11, 1, 0)
    kinds = ["", "broken", "timed out", "needs decoder"]
    rows = [(film.key, row("unreadable" if kind else "ok", kind)) for film, kind in zip(here, kinds, strict=False)]
    write_part(tmp_path, rows, scanned_at=1)
    assert Known(parts_of(tmp_path)).without(here) == here[2:]
    assert Known([]).without(here) == here
