"""What init drafts for an ordinary folder indexes as it is, with the counts of a reader of plain Python."""

from __future__ import annotations

import csv
import tomllib
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrdash.index.build import LoadAudit, Request, build_index
from cxrdash.index.store import Index, open_index
from cxrdash.sources.folder import take_inventory
from cxrdash.sources.local_draft import draft
from cxrdash.sources.local_toml import CHECK, quoted, toml_text
from tests.datasets import cache_of
from tests.sources.local_shapes import FINDINGS, SHAPES, Shape, write_shape


def drafted(folder: Path, workspace: Path) -> str:
    """Write the drafted mapping into the folder and return its text."""
    workspace.mkdir(exist_ok=True)
    text = toml_text(draft(take_inventory(folder, unnamed=True), workspace))
    (folder / "cxrdash.toml").write_text(text, encoding="utf-8")
    return text


def indexed(folder: Path) -> tuple[LoadAudit, Index]:
    cache = cache_of(folder)
    audit = build_index(Request(folder, name="mine"), cache)
    return audit, open_index("mine", cache)


STATES = """
SELECT finding::VARCHAR, state::VARCHAR, count(*) FROM images JOIN patterns USING (pattern) GROUP BY ALL
"""


@pytest.mark.parametrize("number", range(len(SHAPES)))
def test_a_drafted_mapping_indexes_without_edits(tmp_path: Path, number: int) -> None:
    shape, folder = SHAPES[number], tmp_path / "data"
    expected = write_shape(folder, shape, seed=number)
    text = drafted(folder, tmp_path / "work")
    audit, index = indexed(folder)
    assert (audit.set_aside_total, audit.values_replaced) == (0, 0), (audit.set_aside, text)
    counts = index.counts
    found = (counts["images"], counts["patients"], counts["studies"], counts["on_disk"])
    assert found == (expected.images, expected.patients, expected.studies, expected.on_disk), text
    assert Counter({(name, state): n for name, state, n in index.rows(STATES)}) == expected.states, text
    for column, counted in (("sex", expected.sexes), ("view", expected.views), ("split", expected.parts)):
        assert dict(index.rows(f"SELECT {column}, count(*) FROM images GROUP BY ALL")) == counted, (column, text)
    assert index.rows("SELECT sum(age_years) FROM images") == [(expected.years,)]
    assert {finding.name for finding in index.findings} == set(FINDINGS)


def test_every_spelling_seen_is_told_with_its_number(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "image,sex,A,B\n1.png,1,1,yes\n2.png,2,0,no\n3.png,f,2,no\n4.png,f,0,\n5.png,f,0,no\n6.png,f,1,no\n"
    )
    text = drafted(tmp_path, tmp_path.with_name("work"))
    assert f'{CHECK} "1" = "?"  # 1 rows; set aside until you say what it means' in text
    assert '# A: "0" 3, "1" 2, "2" 1' in text and '# B: "no" 4, "yes" 1, empty 1' in text
    assert f'{CHECK} "2" (1 rows of A) is in no list and set aside.' in text
    audit, index = indexed(tmp_path)
    aside = [(row["line"], row["column_name"], row["value"]) for row in audit.set_aside]
    assert aside == [(2, "sex", "1"), (3, "sex", "2"), (4, "A", "2")]
    assert dict(index.rows("SELECT sex, count(*) FROM images GROUP BY ALL")) == {"F": 4, "unknown": 2}


def test_a_table_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    write_shape(tmp_path / "data", Shape(), seed=1)
    (tmp_path / "data" / "prices.csv").write_text("item,price\nlead apron,90\n")
    (tmp_path / "data" / "broken.csv").write_text("")
    text = drafted(tmp_path / "data", tmp_path / "work")
    assert "#   prices.csv: no column holds ids" in text and "#   broken.csv: broken.csv is empty" in text


def test_images_alone_become_rows_without_labels(tmp_path: Path) -> None:
    for name in ("p1/a.png", "p1/b.jpg", "p2/c.png"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_bytes(b"film")
    text = drafted(tmp_path / "data", tmp_path / "work")
    pattern = "pattern = '(?P<patient>[^/]+)/[^/]*$'\nmatch"
    (tmp_path / "data" / "cxrdash.toml").write_text(text.replace("match", pattern, 1))
    _, index = indexed(tmp_path / "data")
    found = index.rows("SELECT image_id, patient_id FROM images ORDER BY image_id")
    assert found == [("p1/a.png", "p1"), ("p1/b.jpg", "p1"), ("p2/c.png", "p2")]
    assert index.finding_names == ("Unlabelled",)
    assert index.rows("SELECT DISTINCT state::VARCHAR FROM patterns") == [("not_assessed",)]


def test_views_in_the_names_of_files_are_found(tmp_path: Path) -> None:
    for study in ("S1", "S2"):
        for view in ("frontal", "lateral"):
            path = tmp_path / "data" / study / f"{view}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"film")
    (tmp_path / "data" / "reports.csv").write_text("study_id,findings\nS1,Effusion;Nodule\nS2,Normal\n")
    drafted(tmp_path / "data", tmp_path / "work")
    _, index = indexed(tmp_path / "data")
    found = index.rows("SELECT study_id, view, count(*) FROM images GROUP BY ALL ORDER BY ALL")
    both = ("FRONTAL_UNKNOWN", "LATERAL")
    assert found == [(study, view, 1) for study in ("S1", "S2") for view in both]
    assert index.units[0] == "study"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_quoted_as_toml_reads_it(text: str) -> None:
    assert tomllib.loads(f"key = {quoted(text)}  # {quoted('comment')}") == {"key": text}


NASTY = st.text(st.sampled_from("ab1;,|\"'=#[]{}\\\t äñ\u2028\x7f<>$-"), min_size=1, max_size=12)


NAMES = st.lists(NASTY.filter(str.strip), min_size=2, max_size=5, unique_by=lambda text: text.strip().casefold())


@settings(max_examples=40)
@given(NAMES, NASTY)
def test_hostile_names_and_values_cannot_break_the_draft(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], value: str
) -> None:
    folder = tmp_path_factory.mktemp("nasty")
    with (folder / "t.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(["image", *names])
        for number in range(6):
            writer.writerow([f"{number}.png", *[("1", "0", value)[(number + at) % 3] for at in range(len(names))]])
    (folder / "0.png").write_bytes(b"film")
    held = tomllib.loads(toml_text(draft(take_inventory(folder), tmp_path_factory.mktemp("work"))))
    assert held["images"].get("image") == "image"
    assert set(held["labels"].get("columns", ())) <= set(names)
