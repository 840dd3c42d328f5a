"""``query`` runs one SELECT, tells when it cuts, and cannot leave the index."""

from __future__ import annotations

import json
from io import StringIO

import pytest

COUNT = "SELECT view, count(*) AS images FROM images GROUP BY view ORDER BY view"


def test_a_select_gives_its_rows(tiny):
    assert json.loads(tiny("query", "tiny", COUNT, "--json").out) == [
        {"view": "AP", "images": 3},
        {"view": "PA", "images": 3},
    ]
    assert tiny("query", "tiny", COUNT, "--format", "csv").out == "view,images\nAP,3\nPA,3\n"


def test_a_statement_may_come_from_stdin(tiny, monkeypatch):
    monkeypatch.setattr("sys.stdin", StringIO(COUNT))
    assert tiny("query", "tiny", "-", "--format", "csv").out == "view,images\nAP,3\nPA,3\n"


def test_cut_rows_are_told(tiny):
    shown = tiny("query", "tiny", "SELECT image_id FROM images ORDER BY image", "--rows", "2", "--format", "csv")
    assert shown.out == "image_id\n00000001_000.png\n00000001_001.png\n"
    assert "Cut off after 2 rows; there are more." in shown.err


def test_the_time_limit_is_told(tiny):
    slow = "SELECT count(*) FROM range(10000000) AS a, range(10000000) AS b WHERE a.range * b.range % 7 = 3"
    shown = tiny("query", "tiny", slow, "--seconds", "0.2")
    assert shown.code == 1 and "The query was stopped after 0.2 seconds." in shown.err


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM images",
        "SELECT 1; SELECT 2",
        "COPY images TO 'x.csv'",
        "ATTACH 'x.db'",
        "SET threads = 1",
    ],
)
def test_anything_but_one_select_is_refused(sql, tiny):
    shown = tiny("query", "tiny", sql)
    assert shown.code == 1 and "The query must be one SELECT statement." in shown.err


@pytest.mark.parametrize("sql", ["SELECT * FROM read_csv('/etc/passwd')", "SELECT nothing FROM images", "SELEKT 1"])
def test_sql_that_fails_is_told_in_a_line(sql, tiny):
    shown = tiny("query", "tiny", sql)
    assert shown.code == 1 and "Error: " in shown.err and "Traceback" not in shown.err


def test_the_schema_describes_tables_and_columns(tiny):
    rows = json.loads(tiny("query", "tiny", "--schema", "--json").out)
    described = {(row["table"], row["column"]): row["meaning"] for row in rows}
    assert described["images", ""].startswith("one row per image")
    assert described["images", "age_years"].startswith("age in years")
    assert ("patterns", "state") in described
