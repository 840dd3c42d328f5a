"""The independent count agrees with a real parser wherever quotes come in pairs, however blocks fall."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrdash.sources.tally import tally

CELLS = st.text(st.sampled_from('ab,"\n\ré '), max_size=6)
ROWS = st.lists(st.lists(CELLS, min_size=2, max_size=3), max_size=6)


@given(rows=ROWS, ends=st.sampled_from(["\n", "\r\n", "\r"]), size=st.integers(1, 9), gaps=st.integers(0, 3))
def test_lines_and_commas_are_those_of_the_csv_reader(rows: list[list[str]], ends: str, size: int, gaps: int) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=ends + ends * gaps, quoting=csv.QUOTE_ALL)
    writer.writerows(rows)
    body = text.getvalue().encode()
    counted = tally(body[at : at + size] for at in range(0, len(body), size))
    assert (counted.lines, counted.commas) == (len(rows), sum(len(row) - 1 for row in rows))
    assert (counted.bytes, counted.encoding, counted.has_nul) == (len(body), "utf-8", False)


@pytest.mark.parametrize(
    ("body", "lines", "encoding", "has_nul"),
    [
        (b"", 0, "utf-8", False),
        (b"a", 1, "utf-8", False),
        (b"\n\n", 0, "utf-8", False),
        (b"a\r\n\r\nb", 2, "utf-8", False),
        (b"a\xe9\nb", 2, "", False),
        (b"a\xc3", 1, "", False),
        (b"a\0b\n", 1, "utf-8", True),
        (b"\xff\xfea\0", 1, "utf-16", True),
    ],
)
def test_blank_lines_encodings_and_nul_bytes(body: bytes, lines: int, encoding: str, has_nul: bool) -> None:
    counted = tally([body])
    assert (counted.lines, counted.encoding, counted.has_nul) == (lines, encoding, has_nul)
