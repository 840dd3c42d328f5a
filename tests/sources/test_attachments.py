"""Attached tables survive damage: each row is attached, said to be of another dataset, or listed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from cxrdash.errors import CxrdashError
from cxrdash.labels.findings import Finding
from cxrdash.sources.attachments import Attachments, attach, without_named
from cxrdash.sources.base import STAGING_TABLES, Staged
from cxrdash.sources.folder import take_inventory
from cxrdash.sources.registry import recognise, source_named

MASKS = """Image Index,Dice RCA (Mean),Dice RCA (Max),Landmarks,Left Lung,Right Lung,Heart,Height,Width
00000001_000.png,0.8,0.9,"1,2",1 1,2 1,3 1,2,2
00000002_000.png,0.8,0.9,"1,2",1 1,2 1,3 9,2,2
"""
OPINIONS = """Image Index,Mass,Edema
00000001_000.png,1,0
00000002_000.png,1,maybe
"""
IMAGES = "INSERT INTO staged_images (image_id, file_key) VALUES ($id, $id)"
ATTACHED = """
SELECT count(DISTINCT image_id)
FROM (SELECT image_id FROM staged_masks UNION ALL SELECT image_id FROM staged_readings)
"""
ASIDE = "SELECT count(DISTINCT record) FROM staged_set_aside WHERE what = 'row'"


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as con:
        yield con


def staged_afresh(con: duckdb.DuckDBPyConnection) -> Staged:
    con.execute(STAGING_TABLES.replace("CREATE TABLE", "CREATE OR REPLACE TEMP TABLE"))
    for patient in (1, 2):
        con.execute(IMAGES, {"id": f"{patient:08d}_000.png"})
    return Staged(findings=[Finding("Mass", "Mass"), Finding("Edema", "Edema")])


@pytest.mark.parametrize(("name", "text"), [("masks.csv", MASKS), ("second.csv", OPINIONS)])
def test_a_damaged_header_is_refused_or_costs_no_row_silently(
    tmp_path: Path, con: duckdb.DuckDBPyConnection, name: str, text: str
) -> None:
    draw = random.Random(name)
    path = tmp_path / name
    wanted = Attachments(masks=(path,)) if name == "masks.csv" else Attachments(second_opinions=(("Dr A", path),))
    body = text.encode()
    outcomes: Counter[str] = Counter()
    for _ in range(150):
        damaged = bytearray(body)
        damaged[draw.randrange(body.index(b"\n") + 1)] = draw.choice((*b'",\n\r\0 ', *range(256)))
        path.write_bytes(damaged)
        staged = staged_afresh(con)
        try:
            attach(con, source_named("nih"), staged, wanted, tmp_path, allow_bad_rows=False)
        except CxrdashError as refusal:
            assert name in refusal.message
            outcomes["refused"] += 1
            continue
        outcomes["attached"] += 1
        ((attached,),) = con.execute(ATTACHED).fetchall()
        ((aside,),) = con.execute(ASIDE).fetchall()
        assert attached + aside == staged.files[0].records, bytes(damaged)
    assert min(outcomes["refused"], outcomes["attached"]) > 5


def test_a_named_table_is_no_sources_table(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "b.csv").write_text("x,y\n1,2\n")
    inventory = take_inventory(tmp_path)
    left = without_named(inventory, Attachments(masks=(tmp_path / "." / "a.csv",)))
    assert [path.name for path in left.tables] == ["b.csv"]


def test_masks_without_their_dataset_say_so(tmp_path: Path) -> None:
    (tmp_path / "ChestX-Ray8.csv").write_text(MASKS)
    with pytest.raises(CxrdashError) as caught:
        recognise(take_inventory(tmp_path), None)
    assert "ChestX-Ray8.csv holds CheXmask masks, but no dataset that they could belong to is here." in str(
        caught.value
    )
