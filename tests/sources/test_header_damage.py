"""2,000 damaged headers per source: refused with a message, or read with every row accounted for."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import duckdb
import pytest

from cxrdash.errors import CxrdashError
from cxrdash.sources.base import STAGING_TABLES, ReadFile
from cxrdash.sources.folder import take_inventory
from cxrdash.sources.headers import matching_key
from cxrdash.sources.registry import recognise

INVENTED = Path(__file__).resolve().parents[1] / "data"
MUTATIONS = 2000
# Each table on its own, so that the damaged one is the dataset, and the column that names its images.
TABLES = {
    "vindr labels": ("vindr/annotations/image_labels_train.csv", "imageid"),
    "vindr boxes": ("vindr/annotations/annotations_train.csv", "imageid"),
    "rsna": ("rsna/stage_2_train_labels.csv", "patientid"),
    "siim": ("siim/train-rle.csv", "imageid"),
    "candid": ("candid/Pneumothorax_reports.csv", "sopinstanceuid"),
}

NAMES = {
    matching_key(name)
    for table, _ in TABLES.values()
    for name in (INVENTED / table).read_text(encoding="utf-8").splitlines()[0].split(",")
}


def mutated_headers(table: Path, seed: int) -> list[bytes]:
    """The file's bytes with one byte of line 1 changed (one in ten: removed or doubled), each once."""
    body, random_numbers = table.read_bytes(), random.Random(seed)
    width = body.index(b"\n") + 1
    found: dict[bytes, None] = {}
    while len(found) < MUTATIONS:
        at, byte = random_numbers.randrange(width), bytes([random_numbers.randrange(256)])
        middle = random_numbers.choice([byte] * 18 + [b"", body[at : at + 1] * 2])
        found.setdefault(body[:at] + middle + body[at + 1 :])
    found.pop(body, None)
    return list(found)


def lost(con: duckdb.DuckDBPyConnection, number: int, file: ReadFile, key: str) -> list[int]:
    """Records that are neither set aside nor behind an indexed image, by a reader of our own."""
    with file.plain.open(encoding="utf-8-sig", newline="") as text:
        header, *records = [row for row in csv.reader(text) if row]
    assert len(records) == file.records
    (at,) = (place for place, name in enumerate(header) if matching_key(name) == key)
    aside = "SELECT record FROM staged_set_aside WHERE what = 'row' AND file = $file"
    rows = {record for (record,) in con.execute(aside, {"file": number}).fetchall()}
    images = {image for (image,) in con.execute("SELECT image_id FROM staged_images").fetchall()}
    return [place for place, record in enumerate(records) if place not in rows and record[at].strip() not in images]


def kind(body: bytes) -> tuple[object, ...]:
    """What a header is to a source: headers of one kind need to be read only once.

    Letters that are wrong are alike, wherever a name has them; bytes that mean something to CSV or text are not.
    """
    line = body[: body.index(b"\n")] if b"\n" in body else body
    odd = bytes(sorted(set(line) & set(b'\0\r\n"'))) + (b"8" if any(byte > 127 for byte in line) else b"")
    cells = line.decode("cp1252", errors="replace").split(",")
    return odd, body.count(b"\n"), tuple(key if (key := matching_key(cell)) in NAMES else bool(key) for cell in cells)


def outcome(folder: Path, workspace: Path, key: str) -> str:
    """Read the folder as a build would; return the source, after checking that no row is lost."""
    with duckdb.connect(config={"threads": 1}) as con:
        con.execute(STAGING_TABLES)
        source, claim = recognise(take_inventory(folder), None)
        staged = source.stage(con, claim, workspace, allow_bad_rows=False)
        for number, file in enumerate(staged.files):
            assert lost(con, number, file, key) == []
    return source.name


@pytest.mark.parametrize("name", TABLES)
def test_a_damaged_header_is_refused_or_loses_no_row(tmp_path: Path, name: str) -> None:
    table, key = TABLES[name]
    damaged = {kind(body): body for body in mutated_headers(INVENTED / table, seed=1)}
    (tmp_path / "dataset").mkdir()
    outcomes = set()
    for body in damaged.values():
        (tmp_path / "dataset" / "table.csv").write_bytes(body)
        try:
            assert outcome(tmp_path / "dataset", tmp_path, key) == name.split()[0]
            outcomes.add("read")
        except CxrdashError as refusal:
            assert refusal.message and refusal.hint
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}
