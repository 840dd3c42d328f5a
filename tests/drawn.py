"""A small dataset with masks and boxes, counted by hand in the tests that use it."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np

from cxrdash.config import Cache
from cxrdash.images.rle import ROW_MAJOR, encode
from cxrdash.index.mask_tables import write_mask_measures
from cxrdash.index.store import Index, open_index
from tests.datasets import build, write_nih

HEADER_FIELDS = "2500,2048,0.168,0.168"
# image (by its place), label, view, patient, quality, heart columns; lungs are columns 10-49 and 60-99 of 100.
FILMS = [
    (0, "Cardiomegaly", "PA", 1, 0.90, (30, 83)), (1, "Cardiomegaly", "PA", 1, 0.80, (40, 79)),
    (2, "No Finding", "PA", 2, 0.85, (40, 72)), (3, "No Finding", "PA", 3, 0.95, (30, 84)),
    (4, "Effusion", "PA", 4, 0.60, (20, 90)), (5, "Cardiomegaly|Effusion", "AP", 5, 0.90, (30, 84)),
    (6, "Effusion", "PA", 6, 0.72, None),
]  # fmt: skip
EXCHANGED = 6  # its lungs; it has no heart
BOXES = [
    (0, "Cardiomegaly", "a", 256, 256, 512, 512), (0, "Mass", "a", 0, 0, 80, 80), (0, "Mass", "b", 10, 0, 80, 80),
    (2, "Effusion", "a", 900, 900, 200, 100), (4, "Effusion", "a", 0, 0, 1024, 1020),
]  # fmt: skip
SIZE = (100, 10)


def columns(first: int, last: int) -> str:
    mask = np.zeros(SIZE[::-1], dtype=bool)
    mask[2:8, first : last + 1] = True
    return encode(mask, convention=ROW_MAJOR)


def write_drawn(base: Path) -> Index:
    """Build the dataset below ``base``; image 7 has neither mask nor box."""
    rows = [
        f"{patient:08d}_{image:03d}.png,{label},{image},{patient},50,F,{view},{HEADER_FIELDS}"
        for image, label, view, patient, *_ in [*FILMS, (7, "Mass", "PA", 7, 0, None)]
    ]
    cache = Cache(base / "cache")
    build(write_nih(base / "nih", rows), "nih", cache)
    with duckdb.connect(str(open_index("nih", cache).path)) as con:
        for image, _, _, _, quality, heart in FILMS:
            lungs = [columns(10, 49), columns(60, 99)]
            right, left = lungs[::-1] if image == EXCHANGED else lungs
            organs = {"right_lung": right, "left_lung": left} | ({"heart": columns(*heart)} if heart else {})
            for structure, code in organs.items():
                con.execute(
                    "INSERT INTO masks VALUES (?, ?, ?, ?, ?, ?, ?)",
                    [image, structure, *SIZE, code, ROW_MAJOR, quality],
                )
        for image, finding, reader, *box in BOXES:
            con.execute("INSERT INTO boxes VALUES (?, ?, ?, ?, ?, ?, ?, 'png1024')", [image, finding, reader, *box])
        write_mask_measures(con)
    return open_index("nih", cache)
