"""Rows read = rows indexed + rows set aside, whatever stands in the files, against a count in plain Python."""

from __future__ import annotations

import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrdash.index.build import LoadAudit
from cxrdash.index.store import Index, open_index
from cxrdash.labels.states import State
from tests.datasets import (
    CHEXPERT_FINDINGS,
    CHEXPERT_HEADER,
    build,
    cache_of,
    chexpert_row,
    nih_row,
    write_chexpert,
    write_nih,
)

AGES = {"50": 50, "050Y": 50, "24M": 2, "0": 0, "": None, "414": None, "-5": None, "abc": None}
BAD_AGES = {"414", "-5", "abc"}
nih_rows = st.tuples(
    st.sampled_from(["00000001_000.png", "00000001_001.png", "00000002_000.png", "", "x.png", "../00000001_000.png"]),
    st.sampled_from(["Mass", "Mass", "No Finding", "Mass|Edema", "", "Mass|Flu", "|"]),
    st.sampled_from(["0", "0", "1", "", "first"]),
    st.sampled_from(["1", "1", "01", "2", ""]),
    st.sampled_from(list(AGES)),
    st.sampled_from(["F", "F", "M", "X", ""]),
    st.sampled_from(["PA", "AP", "LL"]),
)
Aside = list[tuple[int, str]]


def expected_nih(rows: Sequence[tuple[str, ...]]) -> tuple[int, Aside, Aside]:
    """Images indexed, and (line, column) of each row and each value set aside."""
    aside: Aside = []
    values: Aside = []
    same: dict[str, list[tuple[int, Hashable]]] = defaultdict(list)
    for line, (image, labels, place, patient, age, sex, view) in enumerate(rows, start=2):
        tokens = [token.strip() for token in labels.split("|")]
        if not re.fullmatch(r"\d{8}_\d{3}\.png", image):
            aside.append((line, "Image Index"))
        elif not patient:
            aside.append((line, "Patient ID"))
        elif not labels or not set(tokens) <= {"Mass", "Edema", "No Finding"}:
            aside.append((line, "Finding Labels"))
        else:
            values += [(line, "Patient Age")] * (age in BAD_AGES) + [(line, "Follow-up #")] * (place == "first")
            values += [(line, "Patient Gender")] * (sex == "X") + [(line, "View Position")] * (view == "LL")
            known_sex, number = sex if sex in "FM" else "", place if place.isdigit() else ""
            same[image].append((line, (int(patient), labels, number, AGES[age], known_sex, view)))
    indexed = 0
    for versions in same.values():
        alike = len({facts for _, facts in versions}) == 1
        indexed += alike
        aside += [(line, "Image Index") for line, _ in versions[alike:]]
    return indexed, sorted(aside), sorted(values)


def assert_accounted(index: Index, audit: LoadAudit, indexed: int, aside: Aside, values: Aside) -> None:
    (file,) = audit.files
    assert (file["records"], file["indexed"], file["set_aside"]) == (
        indexed + len(aside),
        indexed,
        len(aside),
    )
    assert index.rows("SELECT count(*) FROM images") == [(indexed,)]
    found = "SELECT line, column_name FROM set_aside WHERE what = $what ORDER BY ALL"
    assert index.rows(found, {"what": "row"}) == aside
    assert index.rows(found, {"what": "value"}) == values
    assert (audit.set_aside_total, audit.values_replaced) == (len(aside), len(values))


@settings(max_examples=40)
@given(st.lists(nih_rows, min_size=1, max_size=25))
def test_nih_rows_are_indexed_or_set_aside_with_their_line(rows: list[tuple[str, ...]]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        lines = [",".join((*row, "2500", "2048", "0.143", "0.143")) for row in rows]
        folder = write_nih(Path(scratch) / "nih", lines)
        audit = build(folder, "nih")
        assert_accounted(open_index("nih", cache_of(folder)), audit, *expected_nih(rows))


chexpert_rows = st.tuples(
    st.sampled_from(["train/patient00001/study1/view1_frontal.jpg", "train/patient00001/study2/view1_frontal.jpg"])
    | st.sampled_from(["CheXpert-v1.0/train/patient00001/study1/view1_frontal.jpg", "", "../../etc/passwd"])
    | st.integers(1, 9).map(lambda patient: f"valid/patient{patient:05d}/study1/view1_frontal.jpg"),
    st.sampled_from(["Female", "Male", "Unknown", "woman"]),
    st.sampled_from(["60", "60", "0", "90", "200", "six"]),
    st.sampled_from(["1.0", "1.0", "0.0", "-1.0", "", "2.0", "yes"]),
)


def expected_chexpert(rows: Sequence[tuple[str, ...]]) -> tuple[int, Aside, Aside]:
    aside: Aside = []
    values: Aside = []
    same: dict[str, list[tuple[int, Hashable]]] = defaultdict(list)
    for line, (path, sex, age, cell) in enumerate(rows, start=2):
        image = re.fullmatch(r"(?:CheXpert-v1\.0/)?((?:train|valid)/patient\d{5}/study\d/view1_frontal\.jpg)", path)
        if not image:
            aside.append((line, "Path"))
        elif cell in ("2.0", "yes"):
            aside.append((line, "Edema"))
        else:
            values += [(line, "Age")] * (age in ("200", "six")) + [(line, "Sex")] * (sex == "woman")
            known = None if age in ("200", "six", "0") else age
            same[image[1]].append((line, (known, sex if sex in ("Female", "Male") else "", cell)))
    indexed = 0
    for versions in same.values():
        alike = len({facts for _, facts in versions}) == 1
        indexed += alike
        aside += [(line, "Path") for line, _ in versions[alike:]]
    return indexed, sorted(aside), sorted(values)


def chexpert_line(path: str, sex: str, age: str, edema: str) -> str:
    cells = dict.fromkeys(CHEXPERT_FINDINGS, "") | {"Edema": edema}
    return ",".join((path, sex, age, "Frontal", "AP", *cells.values()))


@settings(max_examples=25)
@given(st.lists(chexpert_rows, min_size=1, max_size=20))
def test_chexpert_rows_are_indexed_or_set_aside_with_their_line(rows: list[tuple[str, ...]]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = write_chexpert(Path(scratch) / "chexpert", [chexpert_line(*row) for row in rows])
        audit = build(folder, "chexpert")
        assert_accounted(open_index("chexpert", cache_of(folder)), audit, *expected_chexpert(rows))


def set_aside(folder: Path, source: str = "nih") -> tuple[int, Counter[str]]:
    audit = build(folder, source)
    return audit.counts["images"], Counter(row["reason"] for row in audit.set_aside)


CONFLICT = "the same image id stands in rows that differ; none was chosen"
REPEAT = "repeats an earlier row exactly; the first was kept"


def test_of_identical_rows_the_first_is_kept_and_the_others_are_listed(tmp_path: Path) -> None:
    folder = write_nih(tmp_path / "nih", [nih_row(1), nih_row(2), nih_row(1), nih_row(1)])
    assert set_aside(folder) == (2, Counter({REPEAT: 2}))


@pytest.mark.parametrize(
    "other",
    [
        {"labels": "Mass"},
        {"age": "51"},
        {"age": ""},
        {"sex": "M"},
        {"view": "AP"},
        {"follow_up": "3"},
        {"width": "2501"},
    ],
)
def test_rows_that_differ_in_anything_are_all_set_aside(tmp_path: Path, other: Mapping[str, str]) -> None:
    folder = write_nih(tmp_path / "nih", [nih_row(1), nih_row(2), nih_row(1, **other), nih_row(1)])  # type: ignore[arg-type]
    assert set_aside(folder) == (1, Counter({CONFLICT: 3}))


def test_the_same_image_under_another_patient_is_a_conflict(tmp_path: Path) -> None:
    row = nih_row(1)
    folder = write_nih(tmp_path / "nih", [row, row.replace(",1,50,", ",2,50,")])
    assert set_aside(folder) == (0, Counter({CONFLICT: 2}))


def test_chexpert_rows_with_other_states_conflict(tmp_path: Path) -> None:
    rows = [
        chexpert_row(1, states={"Edema": State.POSITIVE}),
        chexpert_row(1, states={"Edema": State.UNCERTAIN}),
    ]
    folder = write_chexpert(tmp_path / "chexpert", [*rows, chexpert_row(2), chexpert_row(2)])
    assert set_aside(folder, "chexpert") == (1, Counter({CONFLICT: 2, REPEAT: 1}))


def test_lines_of_set_aside_rows_are_physical_also_after_a_cell_with_line_breaks(tmp_path: Path) -> None:
    folder = tmp_path / "chexpert"
    folder.mkdir()
    broken = '"x\n\ny",Female,60,Frontal,AP' + "," * len(CHEXPERT_FINDINGS)
    (folder / "train.csv").write_text("\n".join([CHEXPERT_HEADER, chexpert_row(1), broken, broken]) + "\n")
    audit = build(folder, "chexpert")
    assert [row["line"] for row in audit.set_aside] == [3, 6]
    assert audit.set_aside[0]["value"] == "x\n\ny"
