"""``sample`` draws the same images for the same seed, and films on a contact sheet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image


def drawn(result) -> list[str]:
    return [row["image_id"] for row in json.loads(result.out)]


def test_one_image_a_patient_unless_told_otherwise(tiny):
    assert len(drawn(tiny("sample", "tiny", "--json"))) == 3
    assert len(drawn(tiny("sample", "tiny", "--per-patient", "0", "--json"))) == 6
    assert len(drawn(tiny("sample", "tiny", "-n", "2", "--json"))) == 2


def test_the_seed_decides(tiny):
    first = drawn(tiny("sample", "tiny", "--per-patient", "0", "--seed", "1", "--json"))
    assert first == drawn(tiny("sample", "tiny", "--per-patient", "0", "--seed", "1", "--json"))
    others = [drawn(tiny("sample", "tiny", "--per-patient", "0", "--seed", seed, "--json")) for seed in range(2, 8)]
    assert any(other != first for other in others) and all(sorted(other) == sorted(first) for other in others)


def test_a_row_tells_labels_and_where_the_film_lies(tiny, tiny_folder):
    (row,) = json.loads(tiny("sample", "tiny", "--on-disk", "--json").out)
    assert row["positive"] == "Effusion" and row["uncertain"] == "" and row["age_years"] == 30
    assert row["path"] == str((tiny_folder / "images" / "00000003_000.png").resolve())


def test_stderr_says_n_of_n_and_what_is_not_on_disk(tiny):
    said = tiny("sample", "tiny", "--labels", "Cardiomegaly", "-n", "5", "--seed", "7").err
    assert "1 of 1 patients, seed 7: images, labelled Cardiomegaly, n = 2 of 6 images, 1 patient" in said
    assert "1 of these images have no file on disk" in said


def test_the_contact_sheet_is_a_picture_of_all_films(tiny, tmp_path):
    out = tmp_path / "out.png"
    shown = tiny("sample", "tiny", "--contact-sheet", out)
    assert shown.code == 0 and f"Contact sheet: {out}" in shown.err
    with Image.open(out) as sheet:
        assert sheet.format == "PNG" and sheet.width > 3 * 256


def test_a_sheet_that_cannot_be_written_is_told(tiny, tmp_path):
    shown = tiny("sample", "tiny", "--contact-sheet", tmp_path / "no" / "out.png")
    assert shown.code == 1 and "cannot be written" in shown.err and "No such file" in shown.err


def test_a_label_that_is_not_there_is_misuse(tiny):
    assert tiny("sample", "tiny", "--labels", "Plague").code == 2


def test_an_empty_cohort_is_an_empty_table(tiny):
    shown = tiny("sample", "tiny", "--patient", "nobody", "--json")
    assert shown.code == 0 and json.loads(shown.out) == [] and "0 of 0 patients" in shown.err


@pytest.fixture
def scores(tiny, tmp_path) -> Path:
    """A table that scores every image of the dataset by its place among their sorted names."""
    names = sorted(row["image_id"] for row in json.loads(tiny("sample", "tiny", "--per-patient", "0", "--json").out))
    path = tmp_path / "model.csv"
    path.write_text("image,Effusion,p\n" + "".join(f"{name},{at / 10},{-at}\n" for at, name in enumerate(names)))
    return path


def test_films_a_model_doubts_come_in_the_order_of_their_scores(tiny, scores):
    shown = tiny("sample", "tiny", "--scores", scores, "--finding", "effusion", "--doubt", "high", "-n", "2", "--json")
    rows = json.loads(shown.out)
    assert [row["score"] for row in rows] == [0.5, 0.4] and drawn(shown) == sorted(drawn(shown), reverse=True)
    assert "the 2 most doubtful of 6 images with a score (high, Effusion)" in shown.err
    assert "6 of 6 rows name an image" in shown.err and "no error rate" in shown.err
    lowest = tiny("sample", "tiny", "--scores", scores, "--score", "p", "--finding", "Effusion", "--json")
    assert all("Effusion" in row["positive"] for row in json.loads(lowest.out)) and json.loads(lowest.out)


@pytest.mark.parametrize(("words", "code", "said"), [
    ((), 2, "--scores needs to know what the score is of. Add --finding NAME."),
    (("--finding", "Effusio"), 2, "Effusion"),
    (("--finding", "Mass"), 2, "model.csv has no column of scores 'Mass'. --score may be: Effusion, p."),
    (("--finding", "Effusion", "--score", "q"), 2, "model.csv has no column of scores 'q'."),
])  # fmt: skip
def test_scores_that_cannot_be_meant_are_misuse(tiny, scores, words, code, said):
    shown = tiny("sample", "tiny", "--scores", scores, *words)
    assert shown.code == code and said in " ".join(shown.err.split())


def test_scores_that_are_not_there_are_told(tiny, tmp_path):
    shown = tiny("sample", "tiny", "--scores", tmp_path / "none.csv", "--finding", "Effusion")
    assert shown.code == 1 and "none.csv cannot be read: No such file or directory." in shown.err
