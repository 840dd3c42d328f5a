"""The masks and boxes page: its sentences, its films with what is drawn on them, and its doors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxrdash.config import Cache
from cxrdash.index.store import open_index
from cxrdash.ui.overlay_tiles import NO_FILM, colour_words, picture_of
from tests.drawn import write_drawn
from tests.ui.test_pages import app, headline, shown

VIEWS = ("Mask quality", "Heart size", "Boxes", "Readers' boxes")
QUESTION = "Can I trust the annotations?"


@pytest.fixture(scope="session")
def drawn_cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    base = tmp_path_factory.mktemp("drawn")
    write_drawn(base)
    return Cache(base / "cache")


@pytest.mark.parametrize("presenting", ["false", "true"])
@pytest.mark.parametrize("view", VIEWS)
def test_every_view_answers(drawn_cache: Cache, monkeypatch: pytest.MonkeyPatch, view: str, presenting: str) -> None:
    at = app(drawn_cache, monkeypatch, "masks", ds="nih", m_view=view, present=presenting)
    assert not at.exception and not at.error
    assert headline(at) and QUESTION in shown(at).replace("\\", "")


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({}, "1 of 7 images with masks (14.3%) fall below quality 0.70"),
        ({"m_threshold": "0.85"}, "3 of 7 images with masks (42.9%) fall below quality 0.85"),
        ({"m_view": "Heart size"}, "Films labelled Cardiomegaly have a median heart width of 0.52 of the chest, "
         "the others 0.49; the ratio tells them apart with an AUC of 0.50"),
        ({"m_view": "Boxes"}, "5 boxes of 3 findings; 50.0% of the boxed findings are not positive in the image's "
         "labels, most often Mass: 1 of 1 images"),
        ({"m_view": "Readers' boxes"}, "In 33.3% of 3 comparisons the other reader drew no box there; "
         "100.0% of 1 pair overlap by half or more"),
    ],
)  # fmt: skip
def test_the_headline_is_computed_from_the_data(
    drawn_cache: Cache, monkeypatch: pytest.MonkeyPatch, parameters: dict[str, str], sentence: str
) -> None:
    assert (
        headline(app(drawn_cache, monkeypatch, "masks", ds="nih", **parameters)).replace("\\", "").startswith(sentence)
    )


@pytest.mark.parametrize("view", VIEWS)
def test_an_empty_cohort_looks_intended(drawn_cache: Cache, monkeypatch: pytest.MonkeyPatch, view: str) -> None:
    at = app(drawn_cache, monkeypatch, "masks", ds="nih", m_view=view, labels="Hernia AND Mass")
    assert not at.exception and "No image" in shown(at)


@pytest.mark.parametrize("view", VIEWS)
def test_a_cohort_without_anything_drawn_looks_intended(
    drawn_cache: Cache, monkeypatch: pytest.MonkeyPatch, view: str
) -> None:
    at = app(drawn_cache, monkeypatch, "masks", ds="nih", m_view=view, labels="Mass")
    assert not at.exception and not at.error and headline(at).startswith("No ")


def test_a_dataset_without_annotations_says_what_to_attach(small_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(small_cache, monkeypatch, "masks", ds="small")
    assert "is indexed without masks and without boxes" in headline(at)
    assert "--masks FILE" in shown(at).replace("\\", "")


def test_the_gallery_opens_on_a_filter_and_shows_it(drawn_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(drawn_cache, monkeypatch, "gallery", ds="nih", g_annotation="mask quality below 0.8", g_one="false")
    assert not at.exception and not at.error
    assert headline(at).replace("\\", "").startswith("mask quality below 0.8: 2 random images of 2 images")


def test_a_filter_that_cannot_be_read_is_named_and_left_out(
    drawn_cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = app(drawn_cache, monkeypatch, "gallery", ds="nih", g_annotation="<b>masks</b>")
    assert not at.exception
    assert any("says nothing of masks or boxes" in error.value.replace("\\", "") for error in at.error)


def test_a_mask_without_its_film_is_drawn_alone_and_says_so(drawn_cache: Cache) -> None:
    index = open_index("nih", drawn_cache)
    picture, said = picture_of(index, 0, None, (0, 0), kind="mask")
    assert said == NO_FILM and picture is not None
    nothing, said = picture_of(index, 7, None, (0, 0), kind="mask")
    assert nothing is None and said


def test_a_mask_of_another_size_leaves_the_film_bare_and_says_so(drawn_cache: Cache, tmp_path: Path) -> None:
    film = tmp_path / "film.jpg"
    Image.new("L", (200, 200), 90).save(film)
    picture, said = picture_of(open_index("nih", drawn_cache), 0, film.read_bytes(), (1024, 1024), kind="mask")
    assert said == "The mask is 100 × 10 pixels, the film 1,024 × 1,024."
    (tmp_path / "made.jpg").write_bytes(picture or b"")
    assert np.ptp(np.asarray(Image.open(tmp_path / "made.jpg").convert("L")).astype(int)) <= 3


def test_lines_are_told_by_colour_and_name() -> None:
    assert colour_words(["heart", "right_lung"]) == "blue right lung, pink heart"
    assert colour_words(["pneumothorax"]) == "yellow pneumothorax"


def test_the_page_file_is_thin() -> None:
    assert len((Path(__file__).resolve().parents[2] / "pages" / "masks_page.py").read_text("utf-8").splitlines()) <= 80
