"""The cohort as lists of films with targets: a MONAI datalist, and a folder that Hugging Face datasets loads."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cxrdash.report.export import Export
from cxrdash.report.export_tables import cohort_table

# What loaders call the parts; a part of any other name keeps it.
MONAI_PARTS = {"train": "training", "train_valid": "training", "valid": "validation", "not stated": "training"}
FOLDERS = {"train": "train", "train_valid": "train", "valid": "validation", "test": "test"}
PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")  # what imagefolder opens


def write_monai(asked: Export, folder: Path) -> list[str]:
    """Write datalist.json: {training, validation, test: [{image, label, ...}]}, label one number per finding.

    A label that the policy leaves out is null, which a loss must mask.
    """
    names = list(asked.index.finding_names)
    parts: dict[str, list[dict[str, Any]]] = {"training": []}
    left_out = 0
    for row, targets in films(asked):
        if row["path"] is None:
            left_out += 1
            continue
        item = {"image": row["path"], "label": targets, "image_id": row["image_id"], "patient_id": row["patient_id"]}
        parts.setdefault(MONAI_PARTS.get(row["split"], row["split"]), []).append(item)
    made = {
        "name": asked.index.title, "description": asked.selection.sentence(), "reference": asked.index.card.citation,
        "licence": asked.index.card.licence, "tensorImageSize": "2D", "modality": {"0": "X-ray"},
        "labels": {str(at): name for at, name in enumerate(names)}, "policy": str(asked.policy),
        **{f"num{part.capitalize()}": len(items) for part, items in parts.items()}, **parts,
    }  # fmt: skip
    (folder / "datalist.json").write_text(
        json.dumps(made, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
    )
    return _missing(left_out)


def write_hugging_face(asked: Export, folder: Path) -> list[str]:
    """Write a folder for ``load_dataset("imagefolder", data_dir=...)``: links to the films and metadata.jsonl.

    Films stay where they are. One folder per part, each with its own metadata; a finding's column holds 1, 0,
    -1 or null.
    """
    names = list(asked.index.finding_names)
    lines: dict[str, list[str]] = {}
    left_out = unreadable = 0
    for number, (row, targets) in enumerate(films(asked)):
        if row["path"] is None:
            left_out += 1
            continue
        film = Path(row["path"])
        if film.suffix.lower() not in PICTURES:
            unreadable += 1
            continue
        part = FOLDERS.get(row["split"], "all")
        name = f"{number:08d}{film.suffix.lower()}"
        (folder / part).mkdir(exist_ok=True)
        os.symlink(film, folder / part / name)  # noqa: PTH211 - a link to a film, which is not copied
        kept = {key: row[key] for key in ("image_id", "patient_id", "study_id", "view", "sex", "age_years")}
        written = {"file_name": name, **kept, **dict(zip(names, targets, strict=True))}
        lines.setdefault(part, []).append(json.dumps(written, ensure_ascii=False, allow_nan=False))
    for part, texts in lines.items():
        (folder / part / "metadata.jsonl").write_text("\n".join(texts) + "\n", encoding="utf-8")
    skipped = [f"{unreadable:,} films are no PNG, JPEG or TIFF and are left out."] if unreadable else []
    return [*_missing(left_out), *skipped, "The films are linked, not copied; move the folder together with them."]


def films(asked: Export) -> Iterator[tuple[dict[str, Any], list[int | None]]]:
    """Yield each image's facts (missing ones None) and its targets in findings order."""
    table = cohort_table(asked, words=False)
    base = len(table.columns) - len(asked.index.finding_names)
    facts = table.iloc[:, :base].astype(object)
    facts = facts.where(facts.notna(), None)
    targets = table.iloc[:, base:].to_numpy(float)
    for row, numbers in zip(facts.to_dict("records"), targets, strict=True):
        yield row, [None if number != number else int(number) for number in numbers.tolist()]


def _missing(left_out: int) -> list[str]:
    return [f"{left_out:,} images have no file on this disk and are left out."] if left_out else []
