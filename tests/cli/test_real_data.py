"""The published numbers of NIH ChestX-ray14, through the command line."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.real_data


def test_counts_are_the_published_ones(real):
    (row,) = json.loads(real("datasets", "--json").out)
    assert (row["images"], row["patients"]) == (112_120, 30_805)
    checks = json.loads(real("show", "nih", "--json").out)["audit"]["checks"]
    assert checks and all(check["agrees"] for check in checks)


def test_seven_percent_of_patients_hold_45_percent_of_the_images(real):
    (row,) = json.loads(real("stat", "repeat_share", "nih", "--set", "thresholds=10", "--json").out)
    assert (row["patients"], row["images"]) == (2_225, 50_468)
    assert row["share_of_patients"] == pytest.approx(0.072229, abs=5e-7)
    assert row["share_of_images"] == pytest.approx(0.450125, abs=5e-7)


def test_the_table_for_reading_shows_the_same(real):
    shown = real("stat", "repeat_share", "nih", "--set", "thresholds=10,20").out
    assert "10     2,225             0.0722  50,468           0.4501" in shown


def test_prevalence_of_pneumothorax(real):
    rows = {row["finding"]: row for row in json.loads(real("stat", "prevalence", "nih", "--json").out)}
    found = rows["Pneumothorax"]
    assert (found["positive"], found["of"], found["positive_patients"]) == (5_302, 112_120, 1_487)


def test_a_cohort_of_pa_films(real):
    (row,) = json.loads(real("stat", "concentration_summary", "nih", "--view", "PA", "--json").out)
    assert (row["patients"], row["images"], row["patients_with_one"]) == (28_868, 67_310, 18_180)


def test_the_printed_sql_gives_the_same_counts(real, real_cache):
    import cxrdash
    from cxrdash.index.selection import select

    sql = cxrdash.analysis.named("prevalence").sql
    statement = select(cxrdash.open("nih", real_cache), cxrdash.Cohort(labels="Edema")).written_out(sql)
    rows = json.loads(real("query", "nih", statement, "--json").out)
    assert {"finding": "Edema", "state": "positive", "images": 2_303} in rows


def test_a_draw_is_the_same_on_any_machine(real):
    words = ("sample", "nih", "--labels", "Pneumothorax AND NOT Effusion", "-n", "5", "--json")
    first, again = json.loads(real(*words).out), json.loads(real(*words).out)
    assert first == again and len({row["patient_id"] for row in first}) == 5
    assert all("Pneumothorax" in row["positive"] and "Effusion" not in row["positive"] for row in first)
    assert [row["image_id"] for row in first] == DRAWN


DRAWN = [
    "00016521_006.png",
    "00019373_001.png",
    "00011423_003.png",
    "00022345_001.png",
    "00014055_000.png",
]


def test_a_contact_sheet_of_real_films(real, tmp_path):
    out = tmp_path / "films.png"
    shown = real("sample", "nih", "--on-disk", "-n", "6", "--contact-sheet", out)
    assert shown.code == 0 and out.stat().st_size > 50_000
