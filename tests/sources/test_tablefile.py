"""A table is read as Python's csv reads it, or refused with file, line and fix."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrdash.errors import CxrdashError
from cxrdash.sources.tablefile import OpenedTable, open_list, open_table, peek_header, physical_lines

Open = Callable[..., tuple[OpenedTable, list[tuple[str | None, ...]]]]
CONNECTION = duckdb.connect()  # for the properties, which open hundreds of tables
GOOD = b"id,label,age\n1,Mass,50\n2,,060Y\n"


@pytest.fixture
def read(tmp_path: Path) -> Open:
    """Write bytes under a name, open them as a table, return it and its rows in record order."""

    def run(
        body: bytes, name: str = "t.csv", *, allow: bool = False
    ) -> tuple[OpenedTable, list[tuple[str | None, ...]]]:
        path = tmp_path / name
        path.write_bytes(body)
        workspace = tmp_path / "workspace"
        workspace.mkdir(exist_ok=True)
        con = duckdb.connect()
        table = open_table(con, path, name="t", workspace=workspace, allow_bad_rows=allow)
        return table, con.execute("SELECT * FROM t ORDER BY rowid").fetchall()

    return run


def zipped(members: dict[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, body in members.items():
            file.writestr(name, body)
    return archive.getvalue()


def test_everything_is_text_and_blank_is_null(read: Open) -> None:
    table, rows = read(b"id,a,b\n00000001,1e5,NA\n2011-01-01,None,nan\n123456789012345678901234567890,True,\n")
    assert rows == [
        ("00000001", "1e5", "NA"),
        ("2011-01-01", "None", "nan"),
        ("123456789012345678901234567890", "True", None),
    ]
    assert table.records == 3 and table.notes == () and table.set_aside == ()


def test_a_plain_file_is_read_in_place_and_its_digest_is_of_the_original(read: Open) -> None:
    table, _ = read(GOOD)
    assert table.file.plain == table.file.path
    assert (table.file.sha256, table.file.bytes) == (hashlib.sha256(GOOD).hexdigest(), len(GOOD))
    packed = gzip.compress(GOOD)
    table, _ = read(packed, "t.csv.gz")
    assert table.file.sha256 == hashlib.sha256(packed).hexdigest()
    assert table.file.plain.read_bytes() == GOOD


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("t.csv", b"\xef\xbb\xbf" + GOOD),
        ("t.csv", GOOD.replace(b"\n", b"\r\n")),
        ("t.csv", GOOD.replace(b"\n", b"\r")),
        ("t.csv", GOOD.rstrip(b"\n")),
        ("t.csv", GOOD + b"\n\n"),
        ("t.csv", GOOD.decode().encode("utf-16")),
        ("t.csv.gz", gzip.compress(GOOD)),
        ("t.csv.gz", gzip.compress(GOOD[:20]) + gzip.compress(GOOD[20:])),
        ("t.csv.zip", zipped({"folder/t.csv": GOOD})),
        ("t.csv.zip", zipped({"t.csv": GOOD, "__MACOSX/t.csv": b"x", "readme": b"y"})),
        ("[a]*?{b}.csv", GOOD),
        ("year=2020.csv", GOOD),
        ("t (1).csv", GOOD),
    ],
)
def test_the_same_table_comes_out_of_every_wrapping(read: Open, name: str, body: bytes) -> None:
    _, rows = read(body, name)
    assert rows == [("1", "Mass", "50"), ("2", None, "060Y")]


def test_other_encodings_are_transcoded_and_said(read: Open) -> None:
    table, rows = read("id,label\n1,ok\n2,Pulmón – fibrosis\n".encode("cp1252"))
    assert rows[1] == ("2", "Pulmón – fibrosis")
    assert table.notes == ("t.csv was read as Windows-1252 (line 3 is not valid UTF-8).",)
    table, rows = read("id,label\n1,Pulmón\n".encode("utf-16-le").join([b"\xff\xfe", b""]))
    assert rows == [("1", "Pulmón")] and table.notes == ("t.csv was read as UTF-16.",)


def test_quoted_line_breaks_are_one_record(read: Open) -> None:
    table, rows = read(b'id,note\n1,"a\n\nb"\n2,"c ""q"", d"\n')
    assert rows == [("1", "a\n\nb"), ("2", 'c "q", d')]
    assert physical_lines(table.file.plain, [0, 1]) == {0: 2, 1: 5}


def test_a_pattern_in_the_name_never_reads_the_neighbour(tmp_path: Path, read: Open) -> None:
    (tmp_path / "t1.csv").write_bytes(b"id,b\nwrong,wrong\n")
    assert read(b"id,b\nright,right\n", "t[1].csv")[1] == [("right", "right")]
    assert read(b"id,b\nright,right\n", "t*.csv")[1] == [("right", "right")]


def test_nameless_empty_columns_at_the_end_are_dropped_with_a_note(read: Open) -> None:
    for body in (b"a,b,\n1,2,\n", b"a,b,\n1,2\n", b"a,b,,,\n1,2\n"):
        table, rows = read(body)
        assert rows == [("1", "2")]
        assert "nameless empty column" in table.notes[0]
    table, rows = read(b"a,b\n1,2,,\n3,4\n")
    assert rows == [("1", "2"), ("3", "4")]
    assert table.notes == ("t.csv: 2 empty cells beyond the last column were left out.",)
    assert read(b"a,,b\n1,,2\n")[1] == [("1", None, "2")]


def test_the_row_index_that_pandas_writes_needs_no_name(read: Open) -> None:
    assert read(b",a,b\n0,1,2\n1,3,4\n")[1] == [("0", "1", "2"), ("1", "3", "4")]


REFUSALS = {
    "ragged": (b"a,b,c\n1,2,3\n4,5\n", r"t\.csv, line 3: 2 fields where 3 were expected; the value is '4'"),
    "too many": (b"a,b\n1,2\n4,5,6\n", r"t\.csv, line 3: 3 fields where 2 were expected"),
    "blank text line": (b"a,b\n1,2\n  \n", r"t\.csv, line 3: 1 field where 2 were expected"),
    "after a quoted break": (b'a,b\n1,"x\ny"\n4\n', r"t\.csv, line 4: 1 field where 2 were expected"),
    "unclosed quote": (b'a,b\n1,2\n3,"4\n5,6\n', r"t\.csv, line 3: a quote is opened and never closed"),
    "stray quote": (b'a,b\n1,"2" x\n', r"t\.csv, line 2: wrongly quoted"),
    "mixed line ends": (b"a,b\n1,2\n3,4\r\n5,6\n", r"t\.csv, line 3: the line ends change here(.|\n)*dos2unix"),
    "semicolons": (b"a;b;c\n1;2;3\n", r"t\.csv looks separated by semicolons(.|\n)*by commas"),
    "tabs": (b"a\tb\tc\n1\t2\t3\n", r"t\.csv looks separated by tabs"),
    "one column": (b"a\n1\n", r"t\.csv, line 1: only one column, 'a'"),
    "doubled column": (b"ID,x,id\n1,2,3\n", r"line 1: the columns 'ID' and 'id' have the same name(.|\n)*Rename"),
    "composed and decomposed": ("Pulm\u00f3n,Pulmo\u0301n\n1,2\n".encode(), "have the same name"),
    "header only": (b"a,b,c\n", r"t\.csv has a header but no rows"),
    "empty": (b"", r"t\.csv is empty \(0 bytes\)"),
    "only blank lines": (b"\n\n\r\n", r"t\.csv holds only blank lines"),
    "blank first line": (b"\na,b\n1,2\n", r"t\.csv: line 1 is blank; the header stands on line 2"),
    "NUL bytes": (b"a,b\n1,2\n3,x\0y\n", r"t\.csv, line 3: holds NUL bytes; the value is 'x\\x00y'"),
    "value without a name": (b"a,,b\n1,,2\n3,x,4\n", r"t\.csv, line 3: 'x' stands in a column without a name"),
    "text before the first name": (b",a,b\n0,1,2\nx,3,4\n", r"t\.csv, line 2: '0' stands in a column without a name"),
    "not any text": (b"a,b\n1,\x81\n", r"t\.csv, line 2: the text is neither UTF-8 nor Windows-1252"),
    "one enormous cell": (b"a,b\n1," + b"x" * (17 * 2**20) + b"\n", r"t\.csv, line 2: .*field larger"),
    "gzip as csv": (gzip.compress(GOOD), r"t\.csv is gzip-compressed (.|\n)*Rename it to t\.csv\.gz"),
    "workbook as csv": (zipped({"t.csv": GOOD}), r"t\.csv is a ZIP archive or Excel workbook(.|\n)*Save it as CSV"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_cannot_be_read_without_guessing_is_refused(read: Open, case: str) -> None:
    body, message = REFUSALS[case]
    with pytest.raises(CxrdashError, match=message):
        read(body)


def broken_crc() -> bytes:
    packed = bytearray(gzip.compress(GOOD))
    packed[-8] ^= 1
    return bytes(packed)


def broken_zip() -> bytes:
    packed = bytearray(zipped({"t.csv": GOOD * 50}))
    packed[60] ^= 0xFF
    return bytes(packed)


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        ("t.csv.gz", GOOD, r"t\.csv\.gz is not gzip-compressed(.|\n)*Rename it to t\.csv"),
        ("t.csv.gz", gzip.compress(GOOD)[:-12], "ends too early: the archive is truncated(.|\n)*again"),
        ("t.csv.gz", broken_crc(), r"t\.csv\.gz is damaged: its checksum"),
        ("t.csv.zip", broken_zip(), r"t\.csv\.zip is damaged"),
        ("t.csv.zip", b"PK\x03\x04 and then nothing", r"t\.csv\.zip is damaged"),
        ("t.csv.zip", zipped({"a.csv": GOOD, "b.csv": GOOD}), "holds 2 tables; exactly one is needed"),
        ("t.csv.zip", zipped({"readme": b"x"}), "holds no table; exactly one is needed"),
        ("t.csv.gz", gzip.compress(b"a,b\n" + b"0,0\n" * 2**24), "unpacks to more than 64 MB"),
    ],
)
def test_archives_are_verified(read: Open, name: str, body: bytes, message: str) -> None:
    with pytest.raises(CxrdashError, match=message):
        read(body, name)


def test_a_zip_writes_nothing_outside_the_workspace(tmp_path: Path, read: Open) -> None:
    assert read(zipped({"../../evil.csv": GOOD}), "t.csv.zip")[1][0] == ("1", "Mass", "50")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.csv.zip", "workspace"]


def test_the_first_twenty_bad_rows_are_shown_and_the_rest_counted(read: Open) -> None:
    with pytest.raises(CxrdashError) as caught:
        read(b"a,b\n" + b"1\n" * 25)
    assert "(25 rows do not fit)" in caught.value.message
    assert "--allow-bad-rows" in caught.value.hint
    assert len(caught.value.details) == 20 and caught.value.details[-1] == "and 5 more"
    assert caught.value.details[0] == "line 3: 1 field where 2 were expected; the value is '1'"


def test_allowed_bad_rows_keep_their_number_and_lose_their_cells(read: Open) -> None:
    table, rows = read(b'a,b\n1,2\n3\n4,"5\n6"\n7,"8" x\n9,\0\n10,11,12\n13,14,\n', allow=True)
    assert rows == [("1", "2"), (None, None), ("4", "5\n6"), (None, None), (None, None), (None, None), ("13", "14")]
    assert [(bad.record, bad.line) for bad in table.set_aside] == [(1, 3), (3, 6), (4, 7), (5, 8)]
    assert table.records == 7
    assert physical_lines(table.file.plain, [1, 3, 6]) == {1: 3, 3: 6, 6: 9}


def test_an_unclosed_quote_is_refused_even_when_bad_rows_are_allowed(read: Open) -> None:
    with pytest.raises(CxrdashError, match="line 2: a quote is opened and never closed"):
        read(b'a,b\n1,"2\n3,4\n', allow=True)


def test_a_header_is_peeked_from_every_wrapping_and_never_raises(tmp_path: Path) -> None:
    bodies = {
        "a.csv": b"\xef\xbb\xbfx,y,\n1,2,\n",
        "b.csv.gz": gzip.compress(b'"x ""1""",y\n'),
        "c.csv.zip": zipped({"c.csv": b"x,y"}),
        "d.csv": "x,ó\n".encode("cp1252"),
        "e.csv": "x,ó\n".encode("utf-16"),
        "f.txt": b"00000003_000.png\n00000003_001.png\n",
        "g.csv.gz": b"plain",
        "h.csv": b"",
        "i.csv": b'"never closed\n',
    }
    for name, body in bodies.items():
        (tmp_path / name).write_bytes(body)
    assert {name: peek_header(tmp_path / name) for name in (*bodies, "missing.csv")} == {
        "a.csv": ("x", "y", ""),
        "b.csv.gz": ('x "1"', "y"),
        "c.csv.zip": ("x", "y"),
        "d.csv": ("x", "ó"),
        "e.csv": ("x", "ó"),
        "f.txt": ("00000003_000.png",),
        "g.csv.gz": (),
        "h.csv": (),
        "i.csv": (),
        "missing.csv": (),
    }


def test_a_list_is_one_value_per_line(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(b'\xef\xbb\xbfa.png\r\nb,c".png\r\n')
    con = duckdb.connect()
    table = open_list(con, path, name="names", workspace=tmp_path)
    assert con.execute("SELECT line FROM names ORDER BY rowid").fetchall() == [("a.png",), ('b,c".png',)]
    assert table.records == 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"a.png\nb.png\r\nc.png\n", r"l\.txt, line 2: the line ends change here"),
        (b"a.png\nb\x01c\n", r"l\.txt is no list of one value per line"),
        (b"a.png\nb\0c\n", r"l\.txt holds NUL bytes"),
    ],
)
def test_a_list_that_is_none_is_refused(tmp_path: Path, body: bytes, message: str) -> None:
    (tmp_path / "l.txt").write_bytes(body)
    with pytest.raises(CxrdashError, match=message):
        open_list(duckdb.connect(), tmp_path / "l.txt", name="names", workspace=tmp_path)


def test_a_lone_carriage_return_in_a_cell_survives_beside_bad_rows(read: Open) -> None:
    assert read(b'a,b\n1,"x\ry"\n2\n', allow=True)[1] == [("1", "x\ry"), (None, None)]


def test_records_keep_their_order_over_many_buffers(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text("number,text\n" + "".join(f"{n},{'x' * 60}\n" for n in range(600_000)))
    con = duckdb.connect()
    table = open_table(con, path, name="t", workspace=tmp_path)
    assert table.records == 600_000
    assert con.execute("SELECT count(*) FROM t WHERE rowid <> number::BIGINT").fetchall() == [(0,)]


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
TABLES = st.integers(2, 4).flatmap(lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1))


@given(rows=TABLES, ends=st.sampled_from(["\n", "\r\n"]), quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_what_csv_writes_comes_back_as_csv_reads_it(rows: list[list[str]], ends: str, quoting: int) -> None:
    if (ends, quoting) == ("\n", csv.QUOTE_MINIMAL):  # csv.writer leaves a lone CR unquoted here
        rows = [[cell.replace("\r", "") for cell in row] for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator=ends, quoting=quoting)
            writer.writerow(f"column {at}" for at in range(len(rows[0])))
            writer.writerows(rows)
        with path.open(encoding="utf-8", newline="") as file:
            oracle = [tuple(cell or None for cell in row) for row in list(csv.reader(file))[1:]]
        table = open_table(CONNECTION, path, name="t", workspace=Path(folder))
        assert CONNECTION.execute("SELECT * FROM t ORDER BY rowid").fetchall() == oracle
        assert table.records == len(oracle)


RAW = st.lists(
    st.sampled_from([b"a", b"1", b",", b",", b"\n", b"\n", b"\r\n", b"\r", b'"', b" ", b"\xc3\xb3", b"\xe9", b"\0"])
)


@given(body=RAW.map(b"".join))
def test_no_bytes_lose_a_row_or_raise_anything_else(body: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_bytes(b"x,y\n" + body)
        try:
            table = open_table(CONNECTION, path, name="t", workspace=Path(folder), allow_bad_rows=True)
        except CxrdashError:
            return
        with table.file.plain.open(encoding="utf-8", newline="") as file:
            records = sum(1 for row in csv.reader(file) if row) - 1
        ((rows,),) = CONNECTION.execute("SELECT count(*) FROM t").fetchall()
        assert table.records == rows == records
