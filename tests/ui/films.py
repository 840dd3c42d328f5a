"""A dataset of 16-bit films with studies, priors, a broken film and boxes, made for the viewer's tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from cxrdash.config import Cache
from tests.datasets import build, chexpert_row, nih_row, write_chexpert, write_nih

SIZE = (500, 620)  # columns, rows
BROKEN = 4  # patient whose film is no picture
BOX = (100.0, 150.0, 200.0, 120.0)


def pixels(patient: int, study: int, view: int) -> np.ndarray:
    """12-bit values in 16 bits, different for every film: a ramp across and one down, and a pattern."""
    width, height = SIZE
    down, across = np.mgrid[0:height, 0:width]
    values = 40 * patient + 9 * study + 5 * view + 3 * across + 4 * down + 17 * ((across // 7 + down // 5) % 3)
    return (values % 4096).astype(np.uint16)


def write_film(path: Path, values: np.ndarray) -> None:
    """A PNG whatever the name says: films are known by their first bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        Image.fromarray(values).save(file, "PNG")


def make_studies(root: Path, cache: Cache) -> None:
    """Dataset "studies": six patients with a frontal and a lateral, the first with a second study."""
    rows = []
    for patient in range(1, 7):
        for study in (1, 2) if patient == 1 else (1,):
            rows.append(chexpert_row(patient, study, 1))
            rows.append(chexpert_row(patient, study, 2, position="Lateral"))
            folder = root / "train" / f"patient{patient:05d}" / f"study{study}"
            write_film(folder / "view1_frontal.jpg", pixels(patient, study, 1))
            write_film(folder / "view2_lateral.jpg", pixels(patient, study, 2))
    (root / "train" / f"patient{BROKEN:05d}" / "study1" / "view1_frontal.jpg").write_bytes(b"not a picture")
    write_chexpert(root, rows)
    build(root, "chexpert", cache)


def make_boxed(root: Path, cache: Cache) -> None:
    """Dataset "nih": two films with a box each, the second of a size the box was not drawn on."""
    write_nih(root, [nih_row(1, labels="Mass"), nih_row(2, labels="Mass")])
    write_film(root / "images" / "00000001_000.png", np.zeros((1024, 1024), np.uint16) + 900)
    write_film(root / "images" / "00000002_000.png", np.zeros((700, 1024), np.uint16) + 900)
    lines = [f"0000000{patient}_000.png,Mass,{','.join(f'{number:g}' for number in BOX)},,," for patient in (1, 2)]
    header = "Image Index,Finding Label,Bbox [x,y,w,h],,,,,,"
    (root / "BBox_List_2017.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    build(root, "nih", cache)


def make_cache(root: Path) -> Cache:
    cache = Cache(root / "cache")
    make_studies(root / "studies", cache)
    make_boxed(root / "boxed", cache)
    return cache
