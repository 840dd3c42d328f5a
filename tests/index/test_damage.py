"""A damaged index is said to be damaged; it never answers with wrong numbers or another exception."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import duckdb
import pytest

from cxrdash import analysis
from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort
from cxrdash.index.draw import draw
from cxrdash.index.generations import Generation
from cxrdash.index.selection import select
from cxrdash.index.store import Index, open_index
from tests.datasets import build, cache_of, example_a


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = build(example_a(tmp_path_factory.mktemp("damage") / "nih"), "nih").path
    assert path is not None
    return path


def opened(path: Path) -> Index:
    return Index(Generation("nih", "generation", path))


def answers(index: Index) -> list[str]:
    women = Cohort(sexes=("F",))
    tables = [
        analysis.prevalence(index),
        analysis.images_per_patient(index, women),
        analysis.overview(index, women),
    ]
    return [*(table.to_csv() for table in tables), str(draw(select(index), 5, seed=1)), str(index.findings)]


def assert_right_or_said(path: Path, right: list[str]) -> bool:
    """Whether the answers are right; fails unless the damage is said."""
    try:
        assert answers(opened(path)) == right
    except CxrdashError as said:
        assert f"The index of 'nih' is damaged: {path}" in said.message
        assert "Rebuild it with: python -m cxrdash index FOLDER --name nih" in said.hint
        return False
    return True


@pytest.mark.parametrize("seed", range(4))
def test_64_damaged_bytes_anywhere_give_the_message_or_the_right_numbers(
    tmp_path: Path, whole: Path, seed: int
) -> None:
    chance = random.Random(seed)
    right, body = answers(opened(whole)), whole.read_bytes()
    said = 0
    for number in range(15):
        at = chance.randrange(len(body) - 64)
        path = tmp_path / f"{number}.duckdb"
        path.write_bytes(body[:at] + chance.randbytes(64) + body[at + 64 :])
        said += not assert_right_or_said(path, right)
        path.unlink()
    assert said > 0


@pytest.mark.parametrize("share", [0, 0.001, 0.3, 0.5, 0.8, 0.9, 0.99, 0.999])
def test_a_truncated_index_gives_the_message_or_the_right_numbers(tmp_path: Path, whole: Path, share: float) -> None:
    body = whole.read_bytes()
    path = tmp_path / "cut.duckdb"
    path.write_bytes(body[: int(len(body) * share)])
    right = assert_right_or_said(path, answers(opened(whole)))
    assert not (right and share <= 0.5)


@pytest.mark.parametrize("start", [0, 8, 4096, 8192, 12288])
def test_a_damaged_header_gives_the_message(tmp_path: Path, whole: Path, start: int) -> None:
    body = whole.read_bytes()
    path = tmp_path / "header.duckdb"
    path.write_bytes(body[:start] + b"\xff" * 64 + body[start + 64 :])
    assert_right_or_said(path, answers(opened(whole)))


@pytest.mark.parametrize("body", [b"", b"not a database\n", b"SQLite format 3\0" * 500])
def test_another_kind_of_file_gives_the_message(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "other.duckdb"
    path.write_bytes(body)
    with pytest.raises(CxrdashError, match="The index of 'nih' is damaged"):
        opened(path)


def altered(whole: Path, folder: Path, statement: str) -> Index:
    path = Path(shutil.copy(whole, folder / "altered.duckdb"))
    with duckdb.connect(str(path)) as con:
        con.execute(statement)
    return opened(path)


@pytest.mark.parametrize("version", [0, 99, '"1"'])
def test_another_schema_version_asks_for_a_rebuild_of_the_folder(tmp_path: Path, whole: Path, version: object) -> None:
    with pytest.raises(CxrdashError, match=r"built by another version of cxrdash \(schema ") as said:
        altered(whole, tmp_path, f"UPDATE meta SET value = '{version}' WHERE key = 'schema_version'")
    assert said.value.hint.startswith("Rebuild it: python -m cxrdash index ")
    assert said.value.hint.endswith("nih --name nih")


@pytest.mark.parametrize("statement", ["DROP TABLE meta", "DELETE FROM meta", "UPDATE meta SET value = '{'"])
def test_an_index_without_its_facts_is_damaged(tmp_path: Path, whole: Path, statement: str) -> None:
    with pytest.raises(CxrdashError, match="The index of 'nih' is damaged"):
        altered(whole, tmp_path, statement)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"generation": "x"}', '{"generation": 1, "file": 2}', "\xff"])
def test_a_damaged_pointer_is_named(tmp_path: Path, text: str) -> None:
    folder = example_a(tmp_path / "nih")
    build(folder, "nih")
    (cache_of(folder).index / "nih" / "current.json").write_text(text, encoding="latin-1")
    with pytest.raises(CxrdashError, match=r"The pointer file .*current\.json is damaged"):
        open_index("nih", cache_of(folder))


@pytest.mark.parametrize("file", ["gone.duckdb", "../other/x.duckdb", "/etc/passwd", "..", ""])
def test_a_pointer_to_a_missing_file_or_out_of_the_folder_is_refused(tmp_path: Path, file: str) -> None:
    folder = example_a(tmp_path / "nih")
    build(folder, "nih")
    (cache_of(folder).index / "nih" / "current.json").write_text(f'{{"generation": "x", "file": "{file}"}}')
    with pytest.raises(CxrdashError, match="The index file of 'nih' is missing"):
        open_index("nih", cache_of(folder))


def test_a_rebuild_mends_a_damaged_pointer(tmp_path: Path) -> None:
    folder = example_a(tmp_path / "nih")
    build(folder, "nih")
    (cache_of(folder).index / "nih" / "current.json").write_text("{")
    build(folder, "nih")
    assert open_index("nih", cache_of(folder)).counts["images"] == 25
