"""The image quality page: before a scan, after it, and what its doors open."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxrdash.config import Cache
from cxrdash.index.build import Request, build_index
from cxrdash.index.scan import scan
from cxrdash.ui import quality, scanning
from tests.ui.conftest import nih_rows, write_nih
from tests.ui.test_pages import app, headline, shown


def write_films(folder: Path, patients: int) -> Path:
    """Films that share a pattern; the first is inverted, the second blank, the third no picture, the fourth RGBA."""
    write_nih(folder, nih_rows(patients, 1))
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:120, :120] / 119
    pattern = 150 * np.exp(-((x - 0.3) ** 2 + (y - 0.2) ** 2) / 0.05) + 60 * x * y
    for p in range(1, patients + 1):
        film = Image.fromarray(np.clip(pattern + rng.normal(30, 6, pattern.shape), 0, 250).astype(np.uint8))
        changes = {1: lambda film: film.point(lambda v: 255 - v), 2: lambda film: film.point(lambda v: 0),
                   4: lambda film: film.convert("RGBA")}  # fmt: skip
        changes.get(p, lambda film: film)(film).save(folder / f"{p:08d}_000.png")
    (folder / "00000003_000.png").write_bytes(b"lost")
    return folder


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    root = tmp_path_factory.mktemp("quality")
    cache = Cache(root / "cache")
    build_index(Request(write_films(root / "films", 30), name="films"), cache)
    build_index(Request(write_nih(root / "none", nih_rows(5, 1)), name="none"), cache)
    for name in ("films", "none"):
        scan(name, cache, workers=2)
    return cache


def test_the_headline_counts_what_is_wrong(scanned: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(scanned, monkeypatch, "image_quality", ds="films")
    assert not at.exception and not at.error
    assert headline(at) == "Of 30 films, 1 looks inverted, 1 blank and 1 cannot be read"
    assert [metric.value for metric in at.metric] == ["29", "1", "8", "at most 1.0%"]
    assert "1 of 29 films suspected to be stored with black and white exchanged" in shown(at)
    assert "False alarms: 2 of 208 sound films" in shown(at).replace("\\", "")


@pytest.mark.parametrize("view", quality.VIEWS)
@pytest.mark.parametrize("dataset", ["films", "none"])
@pytest.mark.parametrize("present", ["true", "false"])
def test_every_view_runs(
    scanned: Cache, monkeypatch: pytest.MonkeyPatch, dataset: str, view: str, present: str
) -> None:
    at = app(scanned, monkeypatch, "image_quality", ds=dataset, q_view=view, present=present)
    assert not at.exception and not at.error


@pytest.mark.parametrize("measure", quality.MEASURES.values())
def test_every_measure_has_its_histogram(scanned: Cache, monkeypatch: pytest.MonkeyPatch, measure: str) -> None:
    at = app(scanned, monkeypatch, "image_quality", ds="films", q_view="Measures", q_measure=measure)
    assert not at.exception and not at.error
    assert at.selectbox(key="q_measure").value in quality.MEASURES


def test_a_dataset_without_films_says_so(scanned: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    assert headline(app(scanned, monkeypatch, "image_quality", ds="none")).startswith("No film of this cohort")


def test_the_link_keeps_check_and_threshold(scanned: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(scanned, monkeypatch, "image_quality", ds="films", q_check="Like no other film", q_unusual="0.5")
    assert at.selectbox(key="q_check").value == "unusual"
    assert at.number_input(key="q_unusual").value == 0.5


def test_the_gallery_opens_on_the_suspects(scanned: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(scanned, monkeypatch, "gallery", ds="films", g_suspect="colour_file")
    assert not at.exception and not at.error
    said = headline(at).replace("\\", "")
    assert said.startswith("suspected to be stored in colours instead of grey: 1 random images of 1 patient")


def test_a_finding_that_cannot_be_meant_is_named_and_left_out(scanned: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(scanned, monkeypatch, "gallery", ds="films", g_suspect="<b>odd</b>")
    assert not at.exception
    assert any("is no finding of the pixel scan" in error.value.replace("\\", "") for error in at.error)


def test_before_a_scan_the_page_says_what_to_run_and_runs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Cache(tmp_path / "cache")
    build_index(Request(write_films(tmp_path / "films", 25), name="fresh"), cache)
    at = app(cache, monkeypatch, "image_quality", ds="fresh")
    assert not at.exception and not at.error
    assert "have not been looked at yet" in headline(at)
    assert [code.value for code in at.code] == ["python -m cxrdash scan fresh"]
    (button,) = (button for button in at.button if button.label == "Scan 25 films now")
    button.click().run()
    deadline = time.monotonic() + 90
    while scanning.running("fresh"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    at.run()
    assert not at.exception and not at.error
    assert headline(at).startswith("Of 25 films")


def test_a_dataset_without_a_film_offers_no_button(small_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(small_cache, monkeypatch, "image_quality", ds="small")
    assert "No film of this dataset is on this disk" in shown(at)
    assert not [button for button in at.button if button.label.startswith("Scan")]


def test_the_page_file_is_thin() -> None:
    page = Path(__file__).resolve().parents[2] / "pages" / "image_quality_page.py"
    assert len(page.read_text("utf-8").splitlines()) <= 80


def test_a_read_only_instance_starts_no_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Cache(tmp_path / "cache")
    build_index(Request(write_films(tmp_path / "films", 2), name="fresh"), cache)
    monkeypatch.setenv("CXRDASH_READ_ONLY", "1")
    at = app(cache, monkeypatch, "image_quality", ds="fresh")
    (button,) = (button for button in at.button if button.label.startswith("Scan"))
    assert button.disabled and "read-only" in button.help
