"""Thumbnails are made once, told apart by content, and never get in the way when the disk does not help."""

from __future__ import annotations

import logging
import os
import resource
import sqlite3
import time
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxrdash.images.formats import UnreadableFilm, display_8bit, read_film
from cxrdash.images.thumbnails import ThumbnailStore, large_png


def opened(encoded: bytes | None) -> Image.Image:
    assert encoded is not None
    return Image.open(BytesIO(encoded))


@pytest.fixture
def films(tmp_path: Path) -> list[Path]:
    """Six films of 400 x 300, each brighter than the one before."""
    paths = [tmp_path / f"film{number}.png" for number in range(6)]
    for number, path in enumerate(paths):
        Image.new("L", (400, 300), 40 * number).save(path)
    return paths


@pytest.fixture
def store(tmp_path: Path) -> ThumbnailStore:
    return ThumbnailStore(tmp_path / "thumbs", "nih")


def greys(store: ThumbnailStore, paths: list[Path]) -> list[int]:
    return [int(opened(thumbnail.jpeg).getpixel((0, 0))) for thumbnail in store.get_many(paths)]


def test_thumbnails_come_in_the_order_asked_with_the_films_size(store: ThumbnailStore, films: list[Path]) -> None:
    asked = [films[3], films[0], films[3]]
    assert greys(store, asked) == [120, 0, 120]
    first = store.get_many(asked)[0]
    picture = opened(first.jpeg)
    assert (picture.format, picture.mode, picture.size) == ("JPEG", "L", (256, 192))
    assert (first.width, first.height, first.problem) == (400, 300, None)


def test_films_are_never_enlarged(store: ThumbnailStore, tmp_path: Path) -> None:
    Image.new("L", (40, 30), 90).save(tmp_path / "small.png")
    assert opened(store.get_many([tmp_path / "small.png"])[0].jpeg).size == (40, 30)
    assert opened(large_png(tmp_path / "small.png")).size == (40, 30)


def test_thin_films_keep_at_least_one_pixel(store: ThumbnailStore, tmp_path: Path) -> None:
    Image.new("L", (3_000, 2), 90).save(tmp_path / "thin.png")
    assert opened(store.get_many([tmp_path / "thin.png"])[0].jpeg).size == (256, 1)


def test_second_reading_does_not_open_the_films(store: ThumbnailStore, films: list[Path]) -> None:
    first = store.get_many(films)
    for path in films:
        # The same size and time of change but no film any more: only the stored thumbnail can answer.
        found = path.stat()
        path.write_bytes(b"\0" * found.st_size)
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert store.get_many(films) == first


def test_changed_film_gets_a_new_thumbnail(store: ThumbnailStore, films: list[Path]) -> None:
    assert greys(store, films[:1]) == [0]
    Image.new("L", (400, 300), 222).save(films[0])
    assert greys(store, films[:1]) == [222]


def test_faults_are_remembered_only_where_they_follow_from_the_bytes(
    store: ThumbnailStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken, absent = tmp_path / "broken.png", tmp_path / "absent.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 50)
    problems = [thumbnail.problem for thumbnail in store.get_many([broken, absent, None])]
    assert problems[0] is not None
    assert problems[0].startswith("broken file")
    assert problems[1:] == ["not on disk", "not on disk"]
    Image.new("L", (4, 4), 7).save(absent)
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        again = store.get_many([broken, absent])
    assert again[0].problem == problems[0]
    assert again[1].jpeg is not None
    assert not caplog.records  # the broken film was not decoded a second time


def test_damaged_file_is_made_anew(tmp_path: Path, films: list[Path]) -> None:
    file = tmp_path / "thumbs" / "nih.sqlite"
    ThumbnailStore(tmp_path / "thumbs", "nih").close()
    for damage in (b"no database", file.read_bytes()[:3_000]):
        file.write_bytes(damage)
        store = ThumbnailStore(tmp_path / "thumbs", "nih")
        assert greys(store, films) == [0, 40, 80, 120, 160, 200]
        assert greys(store, films) == [0, 40, 80, 120, 160, 200]
        store.close()


def test_damage_anywhere_in_the_file_never_gives_a_wrong_picture(tmp_path: Path, films: list[Path]) -> None:
    store = ThumbnailStore(tmp_path / "thumbs", "nih")
    right = store.get_many(films)
    store.close()
    file, random = tmp_path / "thumbs" / "nih.sqlite", np.random.default_rng(3)
    whole = file.read_bytes()
    for _ in range(60):
        at = int(random.integers(0, len(whole) - 64))
        file.write_bytes(whole[:at] + random.bytes(64) + whole[at + 64 :])
        store = ThumbnailStore(tmp_path / "thumbs", "nih")
        assert [thumbnail.jpeg for thumbnail in store.get_many(films)] == [t.jpeg for t in right]
        store.close()


def test_unusable_folder_stores_nothing_and_still_answers(tmp_path: Path, films: list[Path]) -> None:
    (tmp_path / "blocked").write_text("a file where the folder should be")
    store = ThumbnailStore(tmp_path / "blocked", "nih")
    assert greys(store, films) == [0, 40, 80, 120, 160, 200]


def test_locked_file_stores_nothing_and_still_answers(tmp_path: Path, films: list[Path], store: ThumbnailStore) -> None:
    other = sqlite3.connect(tmp_path / "thumbs" / "nih.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert greys(store, films) == [0, 40, 80, 120, 160, 200]
    assert other.execute("SELECT count(*) FROM thumbnails").fetchone() == (0,)
    other.close()


def test_full_disk_stores_nothing_and_still_answers(store: ThumbnailStore, films: list[Path]) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        assert greys(store, films) == [0, 40, 80, 120, 160, 200]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert greys(store, films) == [0, 40, 80, 120, 160, 200]


def test_file_of_another_version_is_made_anew(tmp_path: Path, films: list[Path]) -> None:
    (tmp_path / "thumbs").mkdir()
    older = sqlite3.connect(tmp_path / "thumbs" / "nih.sqlite")
    older.execute("CREATE TABLE thumbnails (key TEXT, picture BLOB)")
    older.close()
    store = ThumbnailStore(tmp_path / "thumbs", "nih")
    assert [greys(store, films) for _ in range(2)] == [[0, 40, 80, 120, 160, 200]] * 2
    kept = sqlite3.connect(tmp_path / "thumbs" / "nih.sqlite").execute("SELECT count(*) FROM thumbnails")
    assert kept.fetchone() == (6,)


def test_size_stays_bounded_and_the_newest_are_kept(tmp_path: Path) -> None:
    store = ThumbnailStore(tmp_path / "thumbs", "nih", max_bytes=300_000)
    paths = [tmp_path / f"{number}.png" for number in range(40)]
    for number, path in enumerate(paths):
        noise = np.random.default_rng(number).integers(0, 256, (200, 200), np.uint8)
        Image.fromarray(noise).save(path, compress_level=0)
        store.get_many([path])
    store.close()
    kept = sqlite3.connect(tmp_path / "thumbs" / "nih.sqlite").execute(
        "SELECT count(*), max(row), sum(length(jpeg)) FROM thumbnails"
    )
    count, newest, size = kept.fetchone()
    assert 0 < count < 40
    assert newest == 40
    assert size <= 300_000


def test_folder_is_private_and_holds_no_file_names(tmp_path: Path, store: ThumbnailStore, films: list[Path]) -> None:
    store.get_many(films)
    store.close()
    assert (tmp_path / "thumbs").stat().st_mode & 0o777 == 0o700
    assert b"film" not in (tmp_path / "thumbs" / "nih.sqlite").read_bytes()


def test_names_that_are_no_utf8_work(store: ThumbnailStore, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    Image.new("L", (4, 4), 33).save(path)
    assert greys(store, [path]) == greys(store, [path]) == [33]


def test_metadata_of_the_film_stays_behind(store: ThumbnailStore, tmp_path: Path) -> None:
    path, exif = tmp_path / "film.jpg", Image.Exif()
    exif[0x010E] = "Planted^Name"
    Image.new("L", (300, 300), 50).save(path, exif=exif, comment="Planted^Name")
    assert b"Planted" in path.read_bytes()
    jpeg = store.get_many([path])[0].jpeg
    assert jpeg is not None
    assert b"Planted" not in jpeg + large_png(path)


def test_16_bit_thumbnails_are_not_clipped(store: ThumbnailStore, tmp_path: Path, ramp: np.ndarray) -> None:
    path = tmp_path / "deep.png"
    Image.fromarray(np.kron(ramp, np.ones((10, 10), np.uint16))).save(path)
    thumbnail = np.asarray(opened(store.get_many([path])[0].jpeg), float)
    brute = display_8bit(read_film(path)).astype(float)
    assert abs(thumbnail.mean() - brute.mean()) < 1
    assert (thumbnail > 250).mean() < 0.05


def test_large_picture_is_lossless_and_keeps_the_aspect(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (600, 900), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "film.png")
    assert np.array_equal(np.asarray(opened(large_png(tmp_path / "film.png"))), pixels)
    assert opened(large_png(tmp_path / "film.png", side=300)).size == (300, 200)
    with pytest.raises(UnreadableFilm, match="not on disk"):
        large_png(tmp_path / "absent.png")


@pytest.mark.real_data
def test_warm_gallery_costs_less_than_a_twentieth_of_the_cold_one(tmp_path: Path, real_data: Path) -> None:
    paths = sorted((real_data / "nih" / "images").glob("*.png"))[:32]
    store = ThumbnailStore(tmp_path / "thumbs", "nih")
    spent = []
    for _ in range(4):
        start = time.perf_counter()
        thumbnails = store.get_many(paths)
        spent.append(time.perf_counter() - start)
    assert all(thumbnail.jpeg and thumbnail.width == 1024 for thumbnail in thumbnails)
    assert min(spent[1:]) * 20 < spent[0]
