"""Marks travel between machines by the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cxrdash.reviews.exchange import read_bytes
from cxrdash.reviews.store import ReviewStore
from tests.reviews.invented import event, session


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    """A reviews folder with three marks of Ann and one of Bo."""
    store = ReviewStore(tmp_path / "elsewhere" / "reviews")
    store.add_session(session())
    for n in range(1, 4):
        store.append(event(n, image_id=f"00{n}.png", verdict="wrong"))
    store.append(event(1, reader="Bo"))
    store.close()
    return store.folder


def test_a_folder_is_imported_once_however_often(marks, command) -> None:
    first, again = command("review", "import", marks), command("review", "import", marks.parent)
    assert first.code == again.code == 0
    assert "4 events and 1 reviews are new" in first.err and "0 events and 0 reviews are new" in again.err


def test_the_list_names_readers_and_counts(marks, command) -> None:
    command("review", "import", marks)
    rows = json.loads(command("review", "list", "--json").out)
    assert [(row["reader"], row["judged"], row["finished"]) for row in rows] == [("Ann", 3, False), ("Bo", 1, False)]


@pytest.mark.parametrize("name", ["marks.csv", "marks.jsonl", "marks.parquet"])
def test_what_is_exported_is_imported_elsewhere(marks, command, tmp_path, monkeypatch, name) -> None:
    command("review", "import", marks)
    assert command("review", "export", "-o", tmp_path / name).code == 0
    monkeypatch.setenv("CXRDASH_CACHE", str(tmp_path / "third"))
    assert "4 events and 1 reviews are new" in command("review", "import", tmp_path / name).err
    there, here = ReviewStore(tmp_path / "third" / "reviews"), ReviewStore(marks)
    assert sorted(one.event_id for one in there.events()) == sorted(one.event_id for one in here.events())


def test_export_writes_csv_to_stdout_and_words_to_stderr(marks, command) -> None:
    command("review", "import", marks)
    shown = command("review", "export", "--session", session().session_id)
    assert len(read_bytes(shown.out.encode(), "stdout").events) == 4
    assert "1 reviews, 4 events" in shown.err


def test_merge_unites_files_and_keeps_nothing_here(marks, command, tmp_path) -> None:
    command("review", "import", marks)
    for name in ("a.csv", "b.jsonl"):
        command("review", "export", "-o", tmp_path / name)
    assert command("review", "merge", tmp_path / "a.csv", tmp_path / "b.jsonl", "-o", tmp_path / "all.csv").code == 0
    assert len(read_bytes((tmp_path / "all.csv").read_bytes(), "all").events) == 4


def test_the_folder_may_be_moved(marks, command, monkeypatch) -> None:
    monkeypatch.setenv("CXRDASH_REVIEWS", str(marks))
    assert len(json.loads(command("review", "list", "--json").out)) == 2


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["import"], 2, "review import needs files"),
        (["list", "x.csv"], 2, "takes no files"),
        (["import", "absent.csv"], 1, "cannot be read"),
        (["export", "--session", "nope"], 1, "no review session 'nope'"),
        (["export", "--format", "parquet"], 2, "Parquet is not text"),
        (["frame"], 2, "invalid choice: 'frame'"),
    ],
)
def test_misuse_says_what_to_do(command, words, code, said) -> None:
    shown = command("review", *words)
    assert shown.code == code and said in shown.err and "Traceback" not in shown.err


def test_a_folder_without_reviews_says_so(command, tmp_path) -> None:
    assert "holds no reviews" in command("review", "import", tmp_path).err
