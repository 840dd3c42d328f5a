"""Datasets of invented films among which some are copies of others, changed and unchanged."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from cxrdash.config import Cache
from cxrdash.index.build import Request, build_index
from cxrdash.index.scan import scan
from cxrdash.index.store import Index, open_index
from tests.datasets import nih_row, write_nih

SIDE = 240
FILMS = 12  # of as many patients, who are called 0 to 11
BLANK = (40, 41)
# Patient and number of a copy, the patient whose film 0 it is, the kind of pair, what is said to have changed.
COPIES = {
    (20, 0): (0, "same file", ""),
    (21, 0): (1, "same pixels", ""),
    (22, 0): (2, "verified", "mirrored"),
    (23, 0): (3, "verified", "same position"),
    (24, 0): (4, "verified", "cropped"),
    (25, 0): (5, "verified", "turned by 12°"),
    (26, 0): (6, "verified", "greys exchanged"),
    (7, 1): (7, "same pixels", ""),
}
TEST = (20, 23)  # patients in the test part; all others are in train_val


def film(seed: int) -> np.ndarray:
    """A film, uint8 (240, 240): clouds of its own, and fine structure of its own."""
    rng = np.random.default_rng(seed)
    clouds, grain = (gaussian_filter(rng.normal(size=(SIDE, SIDE)), scale, mode="wrap") for scale in (18, 1.5))
    values = 128 + 45 * clouds / clouds.std() + 12 * grain / grain.std()
    return np.clip(values, 8, 247).astype(np.uint8)


def compressed(pixels: np.ndarray) -> np.ndarray:
    held = BytesIO()
    Image.fromarray(pixels).save(held, "JPEG", quality=70)
    return np.asarray(Image.open(held))


def turned(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).rotate(12, Image.Resampling.BILINEAR))


CHANGES = {22: np.fliplr, 23: compressed, 24: lambda pixels: pixels[10:-10, 10:-10], 25: turned,
           26: lambda pixels: 255 - pixels}  # fmt: skip


def save(folder: Path, patient: int, number: int, pixels: np.ndarray, *, level: int = 6) -> None:
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.save(folder / f"{patient:08d}_{number:03d}.png", compress_level=level)


def write_copies(folder: Path, *, copies: bool = True) -> Path:
    """Write an NIH folder: twelve films, two blank ones, and the copies; those of patients 0 and 3 differ in labels."""
    keys = [(patient, 0) for patient in (*range(FILMS), *BLANK)] + (list(COPIES) if copies else [])
    rows = [nih_row(*key, "Mass" if key[0] in TEST else "No Finding", width="2048") for key in keys]
    names = {key: f"{key[0]:08d}_{key[1]:03d}.png" for key in keys}
    lists = {
        "test_list": [name for key, name in names.items() if key[0] in TEST],
        "train_val_list": [name for key, name in names.items() if key[0] not in TEST],
    }
    write_nih(folder, rows, **(lists if copies else {}))
    for patient in range(FILMS):
        save(folder, patient, 0, film(patient))
    for patient in BLANK:
        save(folder, patient, 0, np.zeros((SIDE, SIDE), np.uint8))
    for (patient, number), (original, kind, _) in COPIES.items() if copies else ():
        change = CHANGES.get(patient, np.asarray)
        save(folder, patient, number, change(film(original)), level=6 if kind == "same file" else 9)
    return folder


def scanned(folder: Path, name: str, cache: Cache) -> Index:
    """Index an NIH folder, scan it and open the result."""
    build_index(Request(folder, name=name, source="nih"), cache)
    scan(name, cache, workers=1)
    return open_index(name, cache)
