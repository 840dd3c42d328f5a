"""The draw that comes next has its thumbnails before it is asked for."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from cxrdash.config import Cache
from cxrdash.index.build import Request, build_index
from cxrdash.index.cohort import Cohort
from cxrdash.index.store import Index, open_index
from cxrdash.ui.viewer_prefetch import thumbnails_ahead
from tests.ui.films import make_studies


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    root = tmp_path_factory.mktemp("ahead")
    cache = Cache(root / "cache")
    make_studies(root / "studies", cache)
    build_index(Request(root / "studies", name="ahead", source="chexpert"), cache)
    return cache


def made(index: Index, seed: int) -> None:
    thumbnails_ahead(index, Cohort(), 4, seed=seed, one_per_patient=True)
    for thread in threading.enumerate():
        if thread.name == "thumbnails-ahead":
            thread.join(60)


def stored(folder: Path) -> int:
    with sqlite3.connect(folder / "ahead.sqlite") as file:
        count: int = file.execute("SELECT count(*) FROM thumbnails").fetchone()[0]
        return count


def test_thumbnails_of_the_next_draw_are_stored_once(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXRDASH_CACHE", str(cache.root))
    index = open_index("ahead", cache)
    made(index, seed=7)
    assert stored(cache.thumbs) == 4
    (cache.thumbs / "ahead.sqlite").rename(cache.thumbs / "kept.sqlite")
    made(index, seed=7)
    assert not (cache.thumbs / "ahead.sqlite").exists()
