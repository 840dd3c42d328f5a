"""Beside the NIH table: boxes, official lists and relabels that fit, and those that do not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cxrdash.errors import CxrdashError

Stage = Callable[..., Any]


def test_boxes_that_do_not_fit_are_set_aside(stage: Stage, nih_folder: Path) -> None:
    boxes = nih_folder / "BBox_List_2017.csv"
    boxes.write_text(
        boxes.read_text()
        + "00009999_000.png,Mass,1,2,3,4\n"
        + "00000902_000.png,Tumour,1,2,3,4\n"
        + "00000902_000.png,Mass,1,2,0,4\n"
        + "00000902_000.png,Mass,inf,2,3,4\n"
        + "00000902_000.png,Mass,1,,3,4\n"
    )
    nih = stage(nih_folder)
    assert nih.one("SELECT count(*) FROM staged_boxes") == 2
    assert nih.aside() == [
        (2, "Image Index", "00009999_000.png", "row"),
        (3, "Finding Label", "Tumour", "row"),
        (4, "Bbox [x,y,w,h]", "1,2,0,4", "row"),
        (5, "Bbox [x,y,w,h]", "inf,2,3,4", "row"),
        (6, "Bbox [x,y,w,h]", "1,3,4", "row"),
    ]


def test_relabels_that_do_not_fit_are_set_aside(stage: Stage, nih_folder: Path) -> None:
    relabels = nih_folder / "test_labels.csv"
    good = relabels.read_bytes().splitlines(keepends=True)[2]
    odd = good.replace(b"NO,NO,NO,NO", b"NO,MAYBE,NO,NO") + good.replace(b"00000904_000", b"00009999_000")
    relabels.write_bytes(relabels.read_bytes() + odd)
    nih = stage(nih_folder)
    assert nih.aside() == [(2, "Pneumothorax", "MAYBE", "row"), (3, "Image Index", "00009999_000.png", "row")]
    assert nih.one("SELECT count(*) FROM staged_readings") == 8


def test_separate_and_joined_relabels_are_not_counted_twice(stage: Stage, nih_folder: Path) -> None:
    shutil.copy(nih_folder / "test_labels.csv", nih_folder / "joined.csv")
    assert stage(nih_folder).one("SELECT count(*) FROM staged_readings") == 8


def test_relabels_alone_are_no_dataset(stage: Stage, nih_folder: Path) -> None:
    (nih_folder / "Data_Entry_2017_v2020.csv").unlink()
    with pytest.raises(CxrdashError, match=r"test_labels\.csv holds Google's relabels, but the NIH image table is not"):
        stage(nih_folder)


def test_look_alike_lists_are_not_the_official_split(stage: Stage, nih_folder: Path) -> None:
    names = [line for path in sorted(nih_folder.glob("*.txt")) for line in path.read_text().split()]
    for path in nih_folder.glob("*.txt"):
        path.unlink()
    (nih_folder / "train_list.txt").write_text("".join(f"{name} 0 0 1 0\n" for name in names[:4]))
    (nih_folder / "val_list.txt").write_text("\n".join(names[4:]))
    (nih_folder / "test_list.txt").write_text("".join(f"{n:08d}_000.png\n" for n in range(22_433)))
    nih = stage(nih_folder)
    assert nih.column("SELECT DISTINCT split FROM staged_images") == [None]
    assert "train_list.txt was not used as a split: 4 lines, not an official list." in nih.notes
    assert "val_list.txt was not used as a split: 3 lines, not an official list." in nih.notes
    assert "test_list.txt was not used as a split: 22,433 lines, the line count of a random split" in nih.notes


def test_an_official_list_is_recognised_by_its_line_count(stage: Stage, nih_folder: Path) -> None:
    (nih_folder / "train_val_list.txt").unlink()
    (nih_folder / "test_list.txt").write_text("".join(f"{n:08d}_000.png\n" for n in range(904, 904 + 25_596)))
    nih = stage(nih_folder)
    assert "test_list.txt is the official test list (25,596 names)." in nih.notes
    assert "Only the official test list is here; the train_valid list is missing." in nih.notes
    assert "25,595 names of the lists are not in the image table." in nih.notes
    assert "6 images stand in no list; their part is not stated." in nih.notes


def test_an_image_in_both_lists_is_given_neither_part(stage: Stage, nih_folder: Path) -> None:
    with (nih_folder / "train_val_list.txt").open("a") as file:
        file.write("00000904_000.png\nnot a name\n")
    nih = stage(nih_folder)
    assert nih.column("SELECT split FROM staged_images WHERE patient_id = '904'") == [None]
    assert "1 images stand in both the training and the test list; their part is not stated." in nih.notes
    assert "train_val_list.txt: 1 lines are not file names and were left out." in nih.notes
