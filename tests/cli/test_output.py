"""Tables for reading are aligned and safe; JSON is exact and strict."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from cxrdash.cli.output import plain, progress, write_table
from cxrdash.cli.texttable import text_table


def test_counts_have_separators_and_fractions_four_decimals():
    table = pd.DataFrame({"finding": ["Edema", "Mass"], "images": [1234567, 5], "rate": [0.123456, np.nan]})
    assert text_table(table).splitlines() == [
        "finding     images    rate",
        "-------  ---------  ------",
        "Edema    1,234,567  0.1235",
        "Mass             5       -",
    ]


def test_a_single_long_row_is_written_downwards():
    table = pd.DataFrame({"images": [1000], "gini": [0.5]})
    assert text_table(table).splitlines()[-1] == " 1,000  0.5000"
    assert text_table(table, width=12) == "images  1,000\ngini    0.5000"


def test_an_empty_table_keeps_its_titles():
    assert text_table(pd.DataFrame({"finding": [], "images": []})).splitlines()[0] == "finding  images"


def test_a_table_too_wide_continues_below_with_its_first_column():
    table = pd.DataFrame({"finding": ["A", "B"], "positive": [1, 2], "negative": [3, 4], "uncertain": [5, 6]})
    text = text_table(table, width=30)
    assert max(map(len, text.splitlines())) <= 30
    assert [line for line in text.splitlines() if line.startswith("finding")] == [
        "finding  positive  negative",
        "finding  uncertain",
    ]


def test_control_characters_do_not_reach_the_terminal():
    text = text_table(pd.DataFrame({"value": ["\x1b[2J", "two\nlines"]}))
    assert "\x1b" not in text and r"two\nlines" in text


def test_json_knows_what_a_table_can_hold(capsys):
    table = pd.DataFrame(
        {
            "count": np.array([1, 2], dtype=np.int64),
            "rate": [np.nan, np.inf],
            "known": pd.array([1, None], dtype="Int64"),
            "findings": [["A", "B"], []],
            "when": [pd.Timestamp("2020-01-02"), pd.NaT],
            "yes": [True, False],
        }
    )
    write_table(table, "json")
    first, second = json.loads(capsys.readouterr().out)
    assert first == {
        "count": 1, "rate": None, "known": 1, "findings": ["A", "B"], "when": "2020-01-02T00:00:00", "yes": True,
    }  # fmt: skip
    assert second == {"count": 2, "rate": None, "known": None, "findings": [], "when": None, "yes": False}


def test_numbers_of_numpy_become_numbers():
    assert plain({"a": np.float64(0.1), "b": np.int8(3), "c": np.array([1.0, np.nan])}) == {
        "a": 0.1, "b": 3, "c": [1.0, None],
    }  # fmt: skip


def test_progress_without_a_terminal_is_a_line_per_step(capsys):
    with progress() as step:
        for share, name in (
            (0.1, "Reading"),
            (0.11, "Reading"),
            (0.12, "Film 2"),
            (0.6, "Building"),
            (1.0, "Done"),
        ):
            step(share, name)
    assert capsys.readouterr().err == "[ 10%] Reading\n[ 60%] Building\n[100%] Done\n"
