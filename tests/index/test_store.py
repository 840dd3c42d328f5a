"""The read connection answers SELECTs and nothing else, within a time and a row limit."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import duckdb
import numpy as np
import pytest

from cxrdash.errors import CxrdashError
from cxrdash.index.store import Index
from cxrdash.labels.states import State
from tests.datasets import chexpert_row, example_a, indexed, invent, nih_row, write_chexpert, write_nih


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return indexed(example_a(tmp_path_factory.mktemp("store") / "nih"), "nih")


def ask(index: Index, sql: str, *, seconds: float = 10, rows: int = 100) -> list[tuple[object, ...]]:
    table, _ = index.guarded_query(sql, seconds=seconds, rows=rows)
    return list(table.itertuples(index=False, name=None))


NOT_ONE_SELECT = [
    "",
    " ; ",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE images",
    "COPY images TO '{out}'",
    "COPY (SELECT 1) TO '{out}'",
    "ATTACH '{out}' AS other",
    "INSTALL httpfs",
    "LOAD httpfs",
    "CREATE TABLE more AS SELECT 1",
    "CREATE TEMP TABLE more AS SELECT 1",
    "DROP TABLE images",
    "DELETE FROM images",
    "INSERT INTO meta VALUES ('a', 'b')",
    "UPDATE images SET sex = 'F'",
    "PRAGMA database_list",
    "SET memory_limit = '1GB'",
    "SET lock_configuration = false",
    "RESET lock_configuration",
    "CALL pragma_version()",
    "EXPORT DATABASE '{out}'",
    "CHECKPOINT",
    "BEGIN TRANSACTION",
    "EXPLAIN ANALYZE SELECT 1",
]


@pytest.mark.parametrize("sql", NOT_ONE_SELECT)
def test_only_one_select_is_run(index: Index, tmp_path: Path, sql: str) -> None:
    with pytest.raises(CxrdashError, match=r"The query must be one SELECT statement\."):
        ask(index, sql.format(out=tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "function",
    ["read_csv", "read_text", "read_blob", "read_json", "read_parquet", "glob", "sniff_csv", "parquet_metadata"],
)
def test_no_file_can_be_read(index: Index, tmp_path: Path, function: str) -> None:
    (tmp_path / "secret.csv").write_text("a,b\n1,2\n")
    with pytest.raises(CxrdashError, match=r"The query failed: Permission Error: (Cannot access|.*disabled)"):
        ask(index, f"SELECT * FROM {function}('{tmp_path / 'secret.csv'}')")


def test_a_file_name_is_no_table(index: Index, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a,b\n1,2\n")
    with pytest.raises(CxrdashError, match=r"does not exist|disabled by configuration"):
        ask(index, f"SELECT * FROM '{tmp_path / 'secret.csv'}'")


def test_python_objects_are_no_tables(index: Index) -> None:
    secret = np.arange(3)
    with pytest.raises(CxrdashError, match="Table with name secret does not exist"):
        ask(index, "SELECT * FROM secret")
    assert len(secret) == 3


def test_a_hidden_statement_is_not_run(index: Index, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(CxrdashError, match="The query failed"):
        ask(index, f"SELECT * FROM query('COPY images TO ''{out}''')")
    with pytest.raises(CxrdashError, match="The query cannot be read"):
        ask(index, "SELECT 1) UNION ALL (SELECT 2")
    assert not out.exists()


def test_the_connection_itself_is_locked(index: Index, tmp_path: Path) -> None:
    for sql in (
        "SET enable_external_access = true",
        f"ATTACH '{tmp_path / 'x'}'",
        "CREATE TABLE t AS SELECT 1",
    ):
        with pytest.raises(duckdb.Error, match=r"locked|disabled|read-only"):
            index.rows(sql)


@pytest.mark.parametrize(("sql", "message"), [
    ("SELEC 1", 'syntax error at or near "SELEC"'),
    ("SELECT nope FROM images", '"nope" not found'),
    ("SELECT * FROM nowhere", "nowhere does not exist"),
    ("SELECT 'a'::INTEGER", "Could not convert string"),
    ("SELECT $x", "parameters: x"),
    ("SELECT '\ud800'", "The query cannot be read"),
])  # fmt: skip
def test_sql_that_fails_says_why(index: Index, sql: str, message: str) -> None:
    with pytest.raises(CxrdashError, match=message):
        ask(index, sql)


@pytest.mark.parametrize(("sql", "first"), [
    ("SELECT count(*) FROM images;", 25),
    ("SELECT count(*) FROM images -- a comment", 25),
    ("WITH a AS (SELECT 7 AS b) SELECT b FROM a", 7),
    ("FROM images SELECT count(*)", 25),
    ("SELECT 1 AS a, 2 AS a", 1),
    ("VALUES (3)", 3),
])  # fmt: skip
def test_selects_in_many_spellings_run(index: Index, sql: str, first: int) -> None:
    assert ask(index, sql)[0][0] == first


def test_tables_can_be_looked_at(index: Index) -> None:
    assert ("images",) in ask(index, "SHOW TABLES")
    assert ask(
        index,
        "SELECT comment FROM duckdb_columns() WHERE column_name = 'sample_key' AND table_name = 'images'",
    )[0][0].startswith("48 bits made of image_id alone")  # type: ignore[attr-defined]


def test_rows_beyond_the_limit_are_cut_and_it_is_said(index: Index) -> None:
    table, cut = index.guarded_query("SELECT image FROM images ORDER BY image", seconds=10, rows=24)
    assert (len(table), cut) == (24, True)
    table, cut = index.guarded_query("SELECT image FROM images ORDER BY image", seconds=10, rows=25)
    assert (table["image"].tolist(), cut) == (list(range(25)), False)


def test_an_endless_query_is_stopped_and_others_go_on(index: Index) -> None:
    answered: list[object] = []
    other = threading.Timer(0.1, lambda: answered.append(ask(index, "SELECT count(*) FROM images")))
    other.start()
    began = time.monotonic()
    with pytest.raises(CxrdashError, match=r"The query was stopped after 0\.3 seconds\."):
        ask(index, "SELECT count(*) FROM range(1000000000) a, range(1000000000) b", seconds=0.3)
    assert time.monotonic() - began < 5
    other.join()
    assert answered == [[(25,)]]


def test_threads_get_their_own_answers(index: Index) -> None:
    wrong: list[int] = []

    def count(number: int) -> None:
        for _ in range(20):
            if index.rows("SELECT count(*) FROM images WHERE image < $n", {"n": number}) != [(number,)]:
                wrong.append(number)

    threads = [threading.Thread(target=count, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_units_begin_with_the_one_that_was_labelled(tmp_path: Path) -> None:
    assert indexed(write_nih(tmp_path / "nih", [nih_row(1)]), "nih").units == ("image", "patient")
    chexpert = indexed(write_chexpert(tmp_path / "chexpert", [chexpert_row(1)]), "chexpert")
    assert chexpert.units == ("study", "image", "patient")


def test_levels_are_listed_by_frequency(tmp_path: Path) -> None:
    rows = [nih_row(1, 0, view="AP"), nih_row(1, 1, view="AP"), nih_row(2, sex="M")]
    index = indexed(write_nih(tmp_path / "nih", rows), "nih")
    assert index.levels("view") == ("AP", "PA")
    assert index.levels("sex") == ("F", "M")
    assert index.levels("split") == ("not stated",)


def test_the_dictionary_holds_every_image_s_states(tmp_path: Path) -> None:
    dataset = invent(3)
    index = dataset.index(tmp_path / "invented")
    pattern = dict(index.rows("SELECT image_id, pattern FROM images"))
    for image_id, states in zip(dataset.images["image_id"], dataset.states, strict=True):
        assert index.dictionary[pattern[image_id]].tolist() == states.tolist()
    assert index.dictionary.min() == State.NOT_ASSESSED


def test_the_dictionary_cannot_be_written(index: Index) -> None:
    with pytest.raises(ValueError, match="read-only"):
        index.dictionary[0, 0] = 1
