"""The duplicates page: pairs beside each other, other datasets, and what it says where there is nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from cxrdash.config import Cache
from cxrdash.index.build import Request, build_index
from cxrdash.ui.duplicates import OTHERS, SCOPES
from tests.copies import FILMS, film, save, scanned, write_copies
from tests.datasets import nih_row, write_nih
from tests.ui.test_pages import app, headline, shown


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    """Datasets with copies, without, not scanned, without films, and one whose films went after the scan."""
    root = tmp_path_factory.mktemp("duplicates")
    cache = Cache(root / "cache")
    scanned(write_copies(root / "copied"), "copied", cache)
    clean = write_copies(root / "clean", copies=False)
    for patient in range(2, FILMS):
        save(clean, patient, 0, film(100 + patient))
    save(clean, 2, 0, np.fliplr(film(2)))
    scanned(clean, "clean", cache)
    scanned(write_copies(root / "gone"), "gone", cache)
    shutil.rmtree(root / "gone")
    build_index(Request(write_copies(root / "fresh"), name="fresh", source="nih"), cache)
    build_index(Request(write_nih(root / "none", [nih_row(1)]), name="none", source="nih"), cache)
    return cache


def plain(text: str) -> str:
    return text.replace("\\", "")


def test_the_headline_and_figures_count_pairs_of_different_patients(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = app(cache, monkeypatch, "duplicates", ds="copied")
    assert not at.exception and not at.error
    assert headline(at) == (
        "7 pairs of films of different patients are the same picture; 2 lie in two parts of the dataset"
    )
    assert [metric.value for metric in at.metric] == ["2", "2 of 7", "1 pair", "17 of 22"]


def test_a_pair_is_shown_with_its_difference_and_its_labels(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(cache, monkeypatch, "duplicates", ds="copied")
    assert "**The same file** · train_valid and test · hashes 0 bits apart" in plain(shown(at))
    assert len(at.get("image")) == 3
    labels = next(table.value for table in at.dataframe if "agree" in table.value.columns)
    assert labels[["finding", "agree"]].head(2).to_numpy().tolist() == [["Mass", "differs"], ["No Finding", "differs"]]
    assert {button.label for button in at.button} >= {"First film in the viewer", "Second film in the viewer"}


def test_the_viewer_opens_on_the_film_of_the_button(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(cache, monkeypatch, "duplicates", ds="copied")
    next(button for button in at.button if button.label.startswith("Second")).click().run()
    assert not at.exception and at.query_params["g_film"] in ("00000020_000.png", ["00000020_000.png"])


@pytest.mark.parametrize(
    ("query", "pairs"),
    [({}, 7), ({"d_scope": "Same patient"}, 1), ({"d_scope": "All"}, 8), ({"d_across": "true"}, 2),
     ({"d_labels": "true"}, 2), ({"d_scope": "Same patient", "d_labels": "true"}, 0)],
)  # fmt: skip
def test_the_controls_choose_pairs(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, query: dict[str, str], pairs: int
) -> None:
    at = app(cache, monkeypatch, "duplicates", ds="copied", **query)
    assert not at.exception and not at.error
    if pairs:
        assert at.number_input(key="d_pair").max == pairs
    else:
        assert "No such pair among the films of this cohort." in [info.value for info in at.info]


def test_the_thresholds_of_the_dataset_stand_in_words(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    said = plain(shown(app(cache, monkeypatch, "duplicates", ds="copied")))
    assert "Two hashes up to 40 bits apart make a candidate: less than 0.1 pairs of the whole dataset" in said
    assert "A changed copy needs 0.50 in detail" in said


def test_shared_films_of_another_dataset_are_shown(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(cache, monkeypatch, "duplicates", ds="copied", d_scope=OTHERS, d_other="clean")
    assert not at.exception and not at.error
    # films 0, 1 and 2, and the copies of patients 20 (of 0), 21 (of 1) and 22 (2 mirrored)
    assert "6 films of copied in clean too (22 of copied and 14 of clean compared)" in plain(shown(at))
    assert len(at.get("image")) == 3
    table = next(table.value for table in at.dataframe if "changed" in table.value.columns)
    assert table["kind"].tolist() == ["same file"] * 3 + ["same pixels"] * 2 + ["verified"]
    assert any("duplicates_between copied --set others=clean" in code.value for code in at.code)


def test_nothing_shared_and_nothing_looked_at_are_told_apart(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(cache, monkeypatch, "duplicates", ds="copied", d_scope=OTHERS, d_other="fresh")
    assert "python -m cxrdash scan fresh" in [code.value for code in at.code]
    of_one = app(cache, monkeypatch, "duplicates", ds="copied", d_scope=OTHERS, d_other="clean", labels="Mass")
    assert not of_one.exception
    assert "2 films" not in plain(shown(of_one)) and "No film of one was found in the other" in plain(shown(of_one))


def test_a_dataset_without_copies_says_how_many_were_compared(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(cache, monkeypatch, "duplicates", ds="clean")
    assert not at.exception and not at.error
    assert plain(headline(at)) == "No film was found under two patients: 12 of 14 images compared"
    assert "No such pair among the films of this cohort." in [info.value for info in at.info]


def test_before_a_scan_the_page_says_what_to_run(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(cache, monkeypatch, "duplicates", ds="fresh")
    assert not at.exception and not at.error and not at.metric
    assert headline(at) == "The films have not been compared with each other yet"
    assert [code.value for code in at.code] == ["python -m cxrdash scan fresh"]
    assert [button.label for button in at.button if button.label.startswith("Scan")] == ["Scan 22 films now"]


def test_without_films_it_says_where_to_look(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(cache, monkeypatch, "duplicates", ds="none")
    assert not at.exception and not at.error
    assert "No film of this dataset is on this disk" in shown(at)


def test_films_that_went_after_the_scan_are_a_sentence(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(cache, monkeypatch, "duplicates", ds="gone")
    assert not at.exception and not at.error
    assert headline(at).startswith("7 pairs of films of different patients")
    assert "The films cannot be laid on each other" in shown(at)


@pytest.mark.parametrize("scope", SCOPES)
def test_presentation_hides_identifiers(cache: Cache, monkeypatch: pytest.MonkeyPatch, scope: str) -> None:
    at = app(cache, monkeypatch, "duplicates", ds="copied", d_scope=scope, d_other="clean", present="true")
    assert not at.exception and not at.error
    assert "00000020" not in shown(at)
    for table in at.dataframe:
        assert not {"image_id_a", "image_id_b"} & set(table.value.columns)


def test_an_empty_cohort_is_said_to_be_empty(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(cache, monkeypatch, "duplicates", ds="copied", labels="Hernia")
    assert not at.exception and headline(at) == "No images in this cohort"


def test_the_splits_page_counts_copies_in_two_parts(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(cache, monkeypatch, "splits", ds="copied")
    assert headline(at).startswith("No patient stands in two of the 2 parts; 2 pairs of copies stand in two parts;")
    built = app(cache, monkeypatch, "splits", ds="copied", s_parts="80 / 20")
    assert "copies" not in headline(built)
    fresh = app(cache, monkeypatch, "splits", ds="fresh")
    assert "python -m cxrdash scan fresh" in shown(fresh)


def test_the_page_file_is_thin() -> None:
    page = Path(__file__).resolve().parents[2] / "pages" / "duplicates_page.py"
    assert len(page.read_text(encoding="utf-8").splitlines()) < 40
