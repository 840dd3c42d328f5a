"""An invented PadChest release of any size: its real tree of labels, frequencies that fall off like real ones."""

from __future__ import annotations

import csv
import random
from itertools import accumulate
from pathlib import Path

from cxrdash.sources.card import load_card

HERE = Path(__file__).parent
TABLE = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv"
VIEWS = ("PA", "PA", "PA", "L", "L", "AP", "AP_horizontal")
NOT_FINDINGS = ("normal", "exclude", "unchanged")


def write_padchest(folder: Path, patients: int, *, seed: int = 1) -> Path:
    """Write a table of about four images a patient; a child often brings its parent, as in the tree it seldom does.

    Physicians (27% of the reports) name rare findings more often than the network does.
    """
    with (HERE / "data" / "padchest" / TABLE).open(newline="", encoding="utf-8") as file:
        header = next(csv.reader(file))
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / TABLE).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for cells in _rows(random.Random(seed), patients):
            writer.writerow([cells.get(column, "nan") for column in header])
    return folder


def _rows(random: random.Random, patients: int) -> list[dict[str, str]]:
    listed = [finding for finding in load_card("padchest").findings if finding.name not in NOT_FINDINGS]
    random.shuffle(listed)
    weights = list(accumulate(1 / (place + 2) ** 1.1 for place in range(len(listed))))
    parents = {finding.name: finding.parent for finding in listed}
    names = [finding.name for finding in listed]
    rows = []
    for patient in range(patients):
        born, sex = random.randint(1925, 2000), random.choice("MF")
        for study in range(min(1 + int(random.expovariate(0.6)), 12)):
            physician = random.random() < 0.27
            labels = _labels(random, names, weights, parents, rare=physician)
            for view in random.sample(VIEWS, random.choice((1, 2, 2, 3))):
                rows.append(
                    {
                        "": str(len(rows)), "ImageID": f"{patient}_{study}_{len(rows)}.png", "ImageDir": "0",
                        "StudyDate_DICOM": f"20{8 + study % 10:02d}0{1 + study % 9}15",
                        "StudyID": f"{patient}-{study}", "PatientID": str(patient), "PatientBirth": f"{born}.0",
                        "PatientSex_DICOM": sex, "Projection": view, "Rows_DICOM": "2000.0", "Columns_DICOM": "2000.0",
                        "MethodLabel": "Physician" if physician else "RNN_model", "Labels": str(labels),
                        "PhotometricInterpretation_DICOM": "MONOCHROME2",
                    }
                )  # fmt: skip
    return rows


def _labels(
    random: random.Random, names: list[str], weights: list[float], parents: dict[str, str | None], *, rare: bool
) -> list[str]:
    if random.random() < 0.3:
        return ["normal"]
    found = random.choices(names, cum_weights=weights, k=1 + min(int(random.expovariate(0.7)), 8))
    if rare and random.random() < 0.5:
        found.append(random.choice(names))
    found += [parent for name in found if (parent := parents[name]) and random.random() < 0.3]
    return list(dict.fromkeys(found))
