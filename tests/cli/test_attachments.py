"""``index --masks`` and ``index --second-opinion ... --as ...`` attach tables, each file with its reader."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Run, write_dataset

MASK_HEADER = "Image Index,Dice RCA (Mean),Dice RCA (Max),Landmarks,Left Lung,Right Lung,Heart,Height,Width"


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def count(command: Run, sql: str) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = json.loads(command("query", "nih", sql, "--json").out)
    return rows


def test_each_second_opinion_gets_the_name_in_its_place(tmp_path: Path, command: Run) -> None:
    one = write(tmp_path / "one.csv", "image,Edema", "00000003_001.png,1", "00000001_000.png,0")
    two = write(tmp_path / "two.csv", "image,Effusion", "00000003_000.png,-1")
    folder = write_dataset(tmp_path / "nih")
    shown = command("index", folder, "--second-opinion", one, "--as", "Dr A", "--second-opinion", two, "--as", "B")
    assert shown.code == 0
    assert "one.csv: 2 second opinions (reader Dr A) on 2 images." in shown.out
    assert "second opinion (Dr A)" in shown.out and "second opinion (B)" in shown.out
    assert count(command, "SELECT reader, finding, state FROM readings ORDER BY ALL") == [
        {"reader": "B", "finding": "Effusion", "state": "uncertain"},
        {"reader": "Dr A", "finding": "Edema", "state": "negative"},
        {"reader": "Dr A", "finding": "Edema", "state": "positive"},
    ]


def test_masks_are_attached(tmp_path: Path, command: Run) -> None:
    masks = write(tmp_path / "masks.csv", MASK_HEADER, "00000001_000.png,0.8,0.9,,1 1,2 1,3 1,2,2", "x.png,1,1,,,,,2,2")
    shown = command("index", write_dataset(tmp_path / "nih"), "--masks", masks)
    assert shown.code == 0
    assert "masks.csv: masks of 1 images attached" in shown.out
    assert "masks.csv: 1 rows belong to images that are not in this dataset." in shown.out
    assert count(command, "SELECT count(*) AS masks FROM masks") == [{"masks": 3}]


def test_values_that_are_not_understood_are_listed_with_their_place(tmp_path: Path, command: Run) -> None:
    second = write(tmp_path / "second.csv", "image,Edema", "00000003_001.png,1", "00000001_000.png,possible")
    shown = command("index", write_dataset(tmp_path / "nih"), "--second-opinion", second, "--as", "Dr A")
    assert "Rows set aside: 1; values not usable: 0" in shown.out
    assert "second.csv, line 3, column 'Edema', value 'possible': not one of 1, 0, -1" in shown.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--second-opinion", "a.csv"], "--second-opinion is given once and --as not at all."),
        (["--as", "Dr A"], "--second-opinion is given not at all and --as once."),
        (["--second-opinion", "a", "--as", "x", "--as", "y"], "--second-opinion is given once and --as 2 times."),
        (["--second-opinion"], "Argument --second-opinion: expected one argument."),
    ],
)
def test_a_file_without_a_name_or_a_name_without_a_file_is_misuse(
    tmp_path: Path, command: Run, words: list[str], said: str
) -> None:
    shown = command("index", tmp_path, *words)
    assert shown.code == 2 and shown.out == "" and said in shown.err


def test_a_file_that_is_not_there_is_a_failure(tmp_path: Path, command: Run) -> None:
    shown = command("index", write_dataset(tmp_path / "nih"), "--second-opinion", tmp_path / "no.csv", "--as", "A")
    assert shown.code == 1 and "no.csv does not exist." in shown.err and "Traceback" not in shown.err
    assert "No dataset is indexed" in command("datasets").err


def test_the_help_explains_the_pair(command: Run) -> None:
    shown = command("index", "--help").out
    assert "--second-opinion FILE" in shown and "--as NAME" in shown and "--masks FILE" in shown
    assert "in the same order" in " ".join(shown.split())
