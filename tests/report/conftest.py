"""Datasets with everything a report tells: NIH with lists and boxes, CheXpert with every state, and names that bite."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxrdash.index.store import Index
from cxrdash.labels.states import State
from tests.datasets import chexpert_row, indexed, nih_row, write_chexpert, write_nih

SLOW = ("shortcut", "turned")  # checks that take longest and are tested elsewhere
STATES = (State.POSITIVE, State.NEGATIVE, State.UNCERTAIN, State.BLANK)


@pytest.fixture(scope="session")
def nih_rows() -> list[str]:
    """Forty patients with three images each; every other patient has an effusion on each image."""
    labels = ("Effusion", "No Finding")
    return [
        nih_row(patient, number, labels[patient % 2] if patient % 8 else "Effusion|Mass", age=str(20 + patient))
        for patient in range(1, 41)
        for number in range(3)
    ]


@pytest.fixture(scope="session")
def nih_folder(tmp_path_factory: pytest.TempPathFactory, nih_rows: list[str]) -> Path:
    from PIL import Image

    names = [row.split(",")[0] for row in nih_rows]
    folder = write_nih(tmp_path_factory.mktemp("report") / "nih", nih_rows, train_val_list=names[:60],
                       test_list=names[60:])  # fmt: skip
    boxes = "".join(f"{name},Effusion,10,20.5,30,40,,,\n" for name in names[:2])
    header = "Image Index,Finding Label,Bbox [x,y,w,h],,,,,,\n"
    (folder / "BBox_List_2017.csv").write_text(header + boxes, encoding="utf-8")
    for name in names[::10]:
        Image.new("L", (64, 64), 90).save(folder / name)
    return folder


@pytest.fixture(scope="session")
def nih(nih_folder: Path) -> Index:
    return indexed(nih_folder, "nih")


@pytest.fixture(scope="session")
def chexpert(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """Sixty patients; Edema runs through all four states, Fracture is positive in three patients only."""
    rows = [
        chexpert_row(patient, states={
            "Edema": STATES[patient % 4], "Fracture": State.POSITIVE if patient < 3 else State.NEGATIVE,
            "Cardiomegaly": STATES[patient % 2],
        })
        for patient in range(60)
    ]  # fmt: skip
    return indexed(write_chexpert(tmp_path_factory.mktemp("report") / "chexpert", rows), "chexpert")
