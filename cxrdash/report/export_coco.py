"""The cohort's boxes and masks in COCO's form, in pixels of the released film."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cxrdash.errors import CxrdashError
from cxrdash.images import rle
from cxrdash.index.annotations import PNG1024, RELEASED_SIDE
from cxrdash.index.overlays import RELEASED_AT_1024
from cxrdash.report.export import Export
from cxrdash.report.export_lists import films

# The film's own size where it was scanned, else as stated, else that of its masks.
_SIZES = """
WITH drawn AS (SELECT image, any_value(width) AS width, any_value(height) AS height FROM masks GROUP BY image)
SELECT selected.image, image_id, coalesce(measures.width, selected.width, drawn.width),
       coalesce(measures.height, selected.height, drawn.height)
FROM selected LEFT JOIN measures USING (image) LEFT JOIN drawn USING (image)
"""
_BOXES = """
SELECT boxes.image, finding, reader, x, y, w, h, coordinate_space, selected.width, selected.height
FROM boxes JOIN selected USING (image)
ORDER BY boxes.image, finding, reader, x, y, w, h
"""
_MASKS = """
SELECT masks.image, structure, masks.width, masks.height, rle, convention FROM masks JOIN selected USING (image)
ORDER BY masks.image, structure, rle
"""


def write_coco(asked: Export, folder: Path) -> list[str]:
    """Write annotations.json: every image of the cohort, its boxes, and its masks as compressed run lengths.

    Masks of one structure are united. What does not fit the image's size is left out and counted, never
    stretched.
    """
    images = _images(asked)
    sizes = {image["id"]: (image["width"], image["height"]) for image in images}
    names = _categories(asked)
    lost = {"size": 0, "unreadable": 0}
    annotations = [*_boxes(asked, names, sizes, lost), *_masks(asked, names, sizes, lost)]
    for at, one in enumerate(annotations, start=1):
        one["id"] = at
    categories = [{"id": at, "name": name, "supercategory": kind} for (kind, name), at in names.items()]
    card = asked.index.card
    made = {
        "info": {"description": asked.selection.sentence(), "contributor": card.citation,
                 "version": asked.index.generation},
        "licenses": [{"id": 1, "name": card.licence, "url": ""}],
        "images": images, "annotations": annotations, "categories": categories,
    }  # fmt: skip
    text = json.dumps(made, ensure_ascii=False, allow_nan=False) + "\n"
    (folder / "annotations.json").write_text(text, encoding="utf-8")
    return _notes(images, annotations, lost)


def _images(asked: Export) -> list[dict[str, Any]]:
    sizes = {image_id: (image, *size) for image, image_id, *size in asked.selection.rows(_SIZES)}
    released = asked.index.meta["source"] in RELEASED_AT_1024  # the tables state the size before release
    found = []
    for row, targets in films(asked):
        number, width, height = sizes[row["image_id"]]
        if released:
            width = height = RELEASED_SIDE
        found.append({
            "id": int(number), "file_name": row["path"] or row["image_id"], "width": int(width or 0),
            "height": int(height or 0), "license": 1, "image_id": row["image_id"], "split": row["split"],
            "labels": dict(zip(asked.index.finding_names, targets, strict=True)),
        })  # fmt: skip
    return found


def _categories(asked: Export) -> dict[tuple[str, str], int]:
    boxed = [name for (name,) in asked.index.rows("SELECT DISTINCT finding FROM boxes ORDER BY finding")]
    masked = [name for (name,) in asked.index.rows("SELECT DISTINCT structure FROM masks ORDER BY structure")]
    keys = [*(("finding", name) for name in boxed), *(("structure", name) for name in masked)]
    return {key: at for at, key in enumerate(keys, start=1)}


Sizes = dict[int, tuple[int, int]]


def _boxes(
    asked: Export, names: dict[tuple[str, str], int], sizes: Sizes, lost: dict[str, int]
) -> Iterator[dict[str, Any]]:
    for image, finding, reader, x, y, w, h, space, width, height in asked.selection.rows(_BOXES):
        size, on = sizes[image], (RELEASED_SIDE, RELEASED_SIDE) if space == PNG1024 else (width, height)
        if all(on) and size != on:
            lost["size"] += 1
            continue
        yield {
            "image_id": image, "category_id": names["finding", finding], "bbox": [x, y, w, h], "area": w * h,
            "iscrowd": 0, "segmentation": [[x, y, x + w, y, x + w, y + h, x, y + h]], "reader": reader,
        }  # fmt: skip


def _masks(
    asked: Export, names: dict[tuple[str, str], int], sizes: Sizes, lost: dict[str, int]
) -> Iterator[dict[str, Any]]:
    united: dict[tuple[int, str], np.ndarray] = {}
    done: tuple[int, str] | None = None
    for image, structure, width, height, code, convention in asked.selection.rows(_MASKS):
        key = (image, structure)
        if done and key != done and done in united:
            yield _mask(done, united.pop(done), names)
        done = key
        size = (width or sizes[image][0], height or sizes[image][1])
        if size != sizes[image]:
            lost["size"] += 1
            continue
        try:
            mask = rle.decode(code, *size, convention=convention)
        except CxrdashError:
            lost["unreadable"] += 1
            continue
        united[key] = united[key] | mask if key in united else mask
    if done in united:
        yield _mask(done, united[done], names)


def _mask(key: tuple[int, str], mask: np.ndarray, names: dict[tuple[str, str], int]) -> dict[str, Any]:
    image, structure = key
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = [0, 0, 0, 0]
    if len(rows):
        box = [int(columns[0]), int(rows[0]), int(columns[-1] - columns[0] + 1), int(rows[-1] - rows[0] + 1)]
    return {
        "image_id": image, "category_id": names["structure", structure], "bbox": box, "area": int(mask.sum()),
        "iscrowd": 0,
        "segmentation": {"size": list(mask.shape), "counts": rle.encode(mask, convention=rle.COCO)},
    }  # fmt: skip


def _notes(images: list[dict[str, Any]], annotations: list[dict[str, Any]], lost: dict[str, int]) -> list[str]:
    notes = [f"{len(images):,} images, {len(annotations):,} boxes and masks."]
    unknown = sum(not image["width"] or not image["height"] for image in images)
    if unknown:
        notes.append(f"{unknown:,} images have no stated size; width and height are 0.")
    if lost["size"]:
        notes.append(f"{lost['size']:,} boxes or masks were drawn on a picture of another size and are left out.")
    if lost["unreadable"]:
        notes.append(f"{lost['unreadable']:,} masks cannot be read and are left out.")
    return notes
