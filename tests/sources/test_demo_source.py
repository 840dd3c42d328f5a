"""The demo's tables are recognised, staged and set aside like any dataset's."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cxrdash.demo.people import FINDINGS
from cxrdash.sources.demo import SOURCE

ROW = {
    "image_id": "P1_S1_F", "film_path": "images/P1/S1.jpg", "patient_id": "P1", "study_id": "P1_S1", "study_order": "0",
    "split": "train", "view": "PA", "sex": "F", "age": "60", "width": "384", "height": "380", "spacing_mm": "0.9876",
    **dict.fromkeys(FINDINGS, ""),
}  # fmt: skip
BOX = {"image_id": "P1_S1_F", "finding": "Edema", "x": "1", "y": "2", "box_width": "30", "box_height": "40"}


@pytest.fixture
def staged(stage: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    def run(*changes: dict[str, str], boxes: tuple[dict[str, str], ...] = ()) -> Any:
        tables = {
            "anything.csv": [{**ROW, "image_id": f"I{number}", **change} for number, change in enumerate(changes)],
            "other.csv": [{**BOX, **box} for box in boxes],
        }
        for name, rows in tables.items():
            if rows:
                with (tmp_path / name).open("w", encoding="utf-8", newline="") as file:
                    table = csv.DictWriter(file, list(rows[0]))
                    table.writeheader()
                    table.writerows(rows)
        return stage(tmp_path)

    return run


def test_it_is_known_by_its_columns_alone(staged: Callable[..., Any]) -> None:
    staging = staged({}, boxes=({"image_id": "I0"},))
    assert staging.source is SOURCE
    assert {role: paths[0].name for role, paths in staging.claim.roles.items()} == {
        "images": "anything.csv",
        "boxes": "other.csv",
    }


def test_a_row_becomes_an_image(staged: Callable[..., Any]) -> None:
    staging = staged({"study_order": "4"})
    assert staging.rows("SELECT * EXCLUDE (labels) FROM staged_images") == [
        ("I0", "P1", "P1_S1", "PA", "PA", "F", 60.0, None, "train", 4, 384, 380, 0.9876, 0.9876,
         "images/P1/S1.jpg", 0, 0)
    ]  # fmt: skip
    assert SOURCE.image_key("images/P1/S1.jpg") == "images/P1/S1.jpg"


def test_the_four_states_are_told_apart(staged: Callable[..., Any]) -> None:
    staging = staged({"Edema": "1", "Fracture": "0", "Pneumonia": "-1"})
    assert staging.rows("SELECT finding, state FROM staged_labels ORDER BY ALL") == [
        ("Edema", "positive"),
        ("Fracture", "negative"),
        ("Pneumonia", "uncertain"),
    ]


@pytest.mark.parametrize(
    ("column", "value", "kept"),
    [
        ("age", "414", "SELECT (age_years, age_flag) = (NULL, 'implausible') OR age_years IS NULL FROM staged_images"),
        ("age", "58?", "SELECT age_years IS NULL AND age_flag = 'implausible' FROM staged_images"),
        ("age", "nan", "SELECT age_years IS NULL FROM staged_images"),
        ("sex", "X", "SELECT sex = 'unknown' FROM staged_images"),
        ("view", "SKYLINE", "SELECT view = 'UNKNOWN' AND view_raw = 'SKYLINE' FROM staged_images"),
        ("split", "practice", "SELECT split IS NULL FROM staged_images"),
        ("width", "-3", "SELECT width IS NULL FROM staged_images"),
        ("spacing_mm", "inf", "SELECT spacing_x_mm IS NULL AND spacing_y_mm IS NULL FROM staged_images"),
        ("study_order", "first", "SELECT order_in_patient IS NULL FROM staged_images"),
    ],
)
def test_a_value_that_cannot_be_is_set_aside_and_its_row_kept(
    staged: Callable[..., Any], column: str, value: str, kept: str
) -> None:
    staging = staged({column: value})
    assert staging.aside() == [(0, column, value, "value")]
    assert staging.one(kept)


def test_age_0_is_a_placeholder_and_missing_values_are_no_faults(staged: Callable[..., Any]) -> None:
    staging = staged({"age": "0"}, {"age": "", "sex": "", "spacing_mm": ""})
    assert staging.rows("SELECT age_years, age_flag, sex FROM staged_images ORDER BY image_id") == [
        (None, "placeholder", "F"),
        (None, None, "unknown"),
    ]
    assert staging.aside() == []


@pytest.mark.parametrize(
    ("change", "column"),
    [({"image_id": ""}, "image_id"), ({"film_path": ""}, "film_path"), ({"Edema": "yes"}, "Edema"),
     ({"Edema": "1|1"}, "labels")],
)  # fmt: skip
def test_a_row_that_says_nothing_certain_is_set_aside(
    staged: Callable[..., Any], change: dict[str, str], column: str
) -> None:
    staging = staged({}, change)
    ((record, found, _, what),) = staging.aside()
    assert (record, what) == (1, "row")
    assert found == column or column == "labels"
    assert staging.column("SELECT image_id FROM staged_images") == ["I0"]


def test_boxes_are_staged_in_pixels_of_the_film(staged: Callable[..., Any]) -> None:
    staging = staged(
        {}, boxes=({"image_id": "I0"}, {"image_id": "I9"}, {"image_id": "I0", "finding": "Gout"},
                   {"image_id": "I0", "box_width": "0"}),
    )  # fmt: skip
    assert staging.rows("SELECT * FROM staged_boxes") == [("I0", "Edema", "drawing", 1.0, 2.0, 30.0, 40.0, "film")]
    assert [(record, column) for record, column, _, _ in staging.aside()] == [
        (1, "image_id"),
        (2, "finding"),
        (3, "x, y, box_width, box_height"),
    ]


def test_a_table_lacking_a_column_is_named(staged: Callable[..., Any]) -> None:
    header = tuple(name for name in ROW if name != "spacing_mm")
    assert SOURCE.claim({Path("a.csv"): header}) is None
    assert "a.csv" in SOURCE.nearest({Path("a.csv"): header})
    assert "'spacing_mm'" in SOURCE.nearest({Path("a.csv"): header})
    assert SOURCE.nearest({Path("a.csv"): ("x", "y")}) == ""


def test_the_card_says_that_it_is_synthetic_and_free() -> None:
    assert SOURCE.card.synthetic and SOURCE.card.share_freely
    assert "synthetic" in SOURCE.card.title.lower()
    assert [finding.source_name for finding in SOURCE.card.findings] == list(FINDINGS)
    assert any("PLANTED.md" in problem for problem in SOURCE.card.known_problems)


def test_the_cards_counts_are_those_of_the_plan() -> None:
    from cxrdash.demo.planted import plan_demo

    plan = plan_demo()
    conflicting = {entry["image_id"] for entry in plan.planted["conflicting_rows"]}
    published = {count.what: count.value for count in SOURCE.card.published}
    assert published == {
        "images": len({row["image_id"] for row in plan.rows} - conflicting),
        "patients": len({row["patient_id"] for row in plan.rows if row["image_id"] not in conflicting}),
    }


READING = {
    "image_id": "I0", "reader": "A", "Cardiomegaly": "1", "Consolidation": "0", "Lung Lesion": "0",
    "Pleural Effusion": "1", "Pneumothorax": "0",
}  # fmt: skip


def test_readings_are_what_each_reader_said(staged: Callable[..., Any], tmp_path: Path) -> None:
    rows = [READING, {**READING, "image_id": "I9"}, {**READING, "reader": ""}, {**READING, "Pneumothorax": "2"},
            {**READING, "reader": "B"}, {**READING, "Consolidation": "1"}]  # fmt: skip
    with (tmp_path / "readers.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(READING))
        table.writeheader()
        table.writerows(rows)
    staging = staged({})
    positive = "SELECT reader, finding FROM staged_readings WHERE state = 'positive' ORDER BY ALL"
    assert staging.rows(positive) == [(who, name) for who in "AB" for name in ("Cardiomegaly", "Pleural Effusion")]
    assert staging.aside() == [
        (1, "image_id", "I9", "row"),
        (2, "reader", None, "row"),
        (3, "Pneumothorax", "2", "row"),
        (5, "image_id", "I0", "row"),
    ]
