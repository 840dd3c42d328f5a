"""Label files to measure on: NIH rows replicated with new patients, and invented ones of CheXpert's shape."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

NIH_HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)
NIH_COLUMNS = ("image", "labels", "followup", "patient", "age", "sex", "view", "width", "height", "x", "y")
NIH_IMAGES, NIH_PATIENTS = 112_120, 30_805
# Share of NIH images with each finding, in per mille.
NIH_SHARES = {
    "Infiltration": 177, "Effusion": 119, "Atelectasis": 103, "Nodule": 56, "Mass": 52, "Pneumothorax": 47,
    "Consolidation": 42, "Pleural_Thickening": 30, "Cardiomegaly": 25, "Emphysema": 22, "Edema": 21,
    "Fibrosis": 15, "Pneumonia": 13, "Hernia": 2,
}  # fmt: skip
CHEXPERT_IMAGES, CHEXPERT_PATIENTS = 223_414, 64_540
CHEXPERT_FINDINGS = (
    "No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema",
    "Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other",
    "Fracture", "Support Devices",
)  # fmt: skip
# Per mille of positive, negative and uncertain per finding; the rest is blank.
CHEXPERT_SHARES = (
    (100, 0, 0), (48, 104, 56), (121, 50, 36), (473, 29, 25), (41, 6, 7), (234, 93, 58), (66, 126, 124),
    (27, 12, 84), (149, 6, 151), (87, 252, 14), (386, 158, 52), (16, 1, 12), (40, 11, 3), (519, 27, 5),
)  # fmt: skip
# Drawn from this many patterns by Zipf's law, the rows hold about as many distinct ones as CheXpert's 23,707.
CHEXPERT_POOL = 42_000
REPLICATED = """
SELECT printf('%08d', patient::BIGINT + copy * 40000) || substr(image, 9), labels, followup,
       patient::BIGINT + copy * 40000, age, sex, view, width, height, x, y
FROM rows, range($copies) AS copies(copy) ORDER BY copy, place LIMIT $images
"""


def write_nih(folder: Path, images: int, real: Path | None) -> Path:
    """Write an NIH entry table of that many images: the real rows (or invented ones) with new patients."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "Data_Entry_2017_v2020.csv"
    rows = pd.read_csv(real, dtype=str, header=0, names=list(NIH_COLUMNS)) if real else _invented_nih()
    con = duckdb.connect()
    con.register("incoming", rows)
    con.execute("CREATE TABLE rows AS SELECT row_number() OVER () AS place, * FROM incoming")
    copies = -(-images // len(rows))
    selected = con.sql(REPLICATED, params={"copies": copies, "images": images})
    selected.write_csv(str(path), header=False)
    _put_header(path, NIH_HEADER)
    return path


def _put_header(path: Path, header: str) -> None:
    body = path.read_bytes()
    path.write_bytes(header.encode() + b"\n" + body)


def _invented_nih() -> pd.DataFrame:
    """Rows with NIH's numbers of images, patients and findings per image; films of a patient resemble."""
    random = np.random.default_rng(14)
    sizes = np.ones(NIH_PATIENTS, dtype=np.int64)
    extra = random.choice(NIH_PATIENTS, NIH_IMAGES - NIH_PATIENTS, p=_heavy_tail(random, NIH_PATIENTS))
    sizes += np.bincount(extra, minlength=NIH_PATIENTS)
    patient = np.repeat(np.arange(1, NIH_PATIENTS + 1), sizes)
    place = np.arange(NIH_IMAGES) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    shares = np.array(list(NIH_SHARES.values())) / 1000
    own = random.random((NIH_IMAGES, len(shares))) < shares
    kept = (random.random(NIH_IMAGES) < 0.4) & (place > 0)
    own[kept] = own[np.flatnonzero(kept) - 1]
    names = np.array(list(NIH_SHARES))
    age = np.repeat(random.integers(1, 95, NIH_PATIENTS), sizes)
    spacing = random.choice(["0.139", "0.143", "0.168", "0.171", "0.194311"], NIH_IMAGES)
    return pd.DataFrame(
        {
            "image": [f"{one:08d}_{at:03d}.png" for one, at in zip(patient, place, strict=True)],
            "labels": ["|".join(names[row]) or "No Finding" for row in own],
            "followup": place,
            "patient": patient,
            "age": age,
            "sex": np.repeat(random.choice(["M", "F"], NIH_PATIENTS), sizes),
            "view": random.choice(["PA", "AP"], NIH_IMAGES, p=[0.6, 0.4]),
            "width": random.integers(1143, 3827, NIH_IMAGES),
            "height": random.integers(966, 4715, NIH_IMAGES),
            "x": spacing,
            "y": spacing,
        }
    )


def _heavy_tail(random: np.random.Generator, patients: int) -> np.ndarray:
    weights = np.where(random.random(patients) < 0.43, random.pareto(1.6, patients), 0.0).clip(0, 60)
    return np.asarray(weights / weights.sum())


def write_chexpert(folder: Path, images: int = CHEXPERT_IMAGES) -> Path:
    """Write an invented CheXpert table: four states, studies with one labelling, about 24,000 patterns."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(5)
    patterns = _chexpert_patterns(random)
    patients = max(1, images * CHEXPERT_PATIENTS // CHEXPERT_IMAGES)
    patient = np.sort(
        np.r_[np.arange(patients), random.choice(patients, images - patients, p=_heavy_tail(random, patients))]
    )
    second = np.r_[False, (np.diff(patient) == 0) & (random.random(images - 1) < 0.2)]
    second[1:] &= ~second[:-1]
    first_of_patient = np.searchsorted(patient, patient)
    studies = np.cumsum(~second)
    study = studies - studies[first_of_patient] + 1
    weights = 1 / np.arange(1, len(patterns) + 1)
    labels = random.choice(patterns, studies[-1], p=weights / weights.sum())[studies - 1]
    sex, age = random.choice(["Male", "Female"], patients), random.integers(18, 91, patients)
    position = np.where(
        second, "Lateral,", "Frontal," + random.choice(["AP", "PA"], images, p=[0.84, 0.16]).astype(object)
    )
    view = np.where(second, "view2_lateral", "view1_frontal")
    rows = zip(patient, study, view, sex[patient], age[patient], position, labels, strict=True)
    path = folder / "train.csv"
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("Path,Sex,Age,Frontal/Lateral,AP/PA," + ",".join(CHEXPERT_FINDINGS) + "\n")
        file.writelines(
            f"CheXpert-v1.0-small/train/patient{one + 1:05d}/study{number}/{film}.jpg,{whose},{years},{how},{states}\n"
            for one, number, film, whose, years, how, states in rows
        )
    return path


def _chexpert_patterns(random: np.random.Generator) -> np.ndarray:
    """Distinct label cells as CSV text, the commonest first (drawn from the marginal shares)."""
    cells = np.array(["1.0", "0.0", "-1.0", ""], dtype=object)
    drawn = 4 * CHEXPERT_POOL
    columns = [
        random.choice(4, drawn, p=[p / 1000, n / 1000, u / 1000, 1 - (p + n + u) / 1000]) for p, n, u in CHEXPERT_SHARES
    ]
    codes, counts = np.unique(np.stack(columns, axis=1), axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:CHEXPERT_POOL]
    return np.array([",".join(row) for row in cells[codes[order]]], dtype=object)


def write_random(folder: Path, images: int, findings: int) -> Path:
    """Write the worst case for patterns: independent random labels with a share of 5 to 50%."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(20)
    shares = np.linspace(0.05, 0.5, findings)
    bits = (random.random((images, findings)) < shares).astype(np.uint8) + ord("0")
    rows = pd.DataFrame(
        {
            "image": [f"film{at:09d}" for at in range(images)],
            "patient": np.sort(random.integers(0, max(1, images // 4), images)),
            "view": random.choice(["PA", "AP"], images),
            "age": random.integers(18, 95, images),
            "labels": bits.view(f"S{findings}").ravel().astype(str),
        }
    )
    path = folder / "random.csv"
    rows.to_csv(path, index=False)
    return path
