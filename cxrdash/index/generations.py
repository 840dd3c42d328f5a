"""Immutable generations of an index: built beside, checked, renamed, then pointed at by current.json."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from cxrdash.config import Cache
from cxrdash.errors import CxrdashError, shown

POINTER = "current.json"
DATASET_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Generation:
    """One published index file."""

    dataset: str
    generation: str
    path: Path


def dataset_folder(cache: Cache, dataset: str) -> Path:
    """Return the folder of a dataset's generations; refuse names that could leave the cache."""
    if not DATASET_NAME.fullmatch(dataset):
        raise CxrdashError(
            f"'{shown(dataset)}' cannot be the name of a dataset.",
            "Use lower-case letters, digits, '.', '_' and '-', starting with a letter or digit.",
        )
    return cache.index / dataset


def current(cache: Cache, dataset: str) -> Generation:
    """Return the generation that readers should open now."""
    folder = dataset_folder(cache, dataset)
    try:
        pointer = json.loads((folder / POINTER).read_text(encoding="utf-8"))
        generation = Generation(dataset, pointer["generation"], folder / pointer["file"])
    except FileNotFoundError:
        known = ", ".join(datasets(cache)) or "none yet"
        raise CxrdashError(
            f"No dataset named '{shown(dataset)}' is indexed (indexed: {known}).",
            "Index it with: python -m cxrdash index FOLDER --name NAME",
        ) from None
    except (ValueError, KeyError, TypeError) as broken:
        raise CxrdashError(
            f"The pointer file {folder / POINTER} is damaged.",
            "Rebuild the index: python -m cxrdash index FOLDER",
        ) from broken
    if generation.path.parent != folder or not generation.path.is_file():
        raise CxrdashError(
            f"The index file of {dataset!r} is missing: {generation.path}",
            "Rebuild the index: python -m cxrdash index FOLDER --name " + dataset,
        )
    return generation


def datasets(cache: Cache) -> list[str]:
    """Return the names of all indexed datasets, the demo last."""
    if not cache.index.is_dir():
        return []
    names = [folder.name for folder in cache.index.iterdir() if (folder / POINTER).is_file()]
    return sorted(names, key=lambda name: (name == "demo", name))


def publish(cache: Cache, dataset: str, generation: str, built: Path) -> Generation:
    """Rename a finished build into place and point readers at it; both steps are atomic."""
    folder = dataset_folder(cache, dataset)
    path = folder / f"{generation}.duckdb"
    built.replace(path)
    kept = {path, _pointed_at(folder)}
    pointer = folder / f"{POINTER}.tmp"
    with pointer.open("w", encoding="utf-8") as file:
        json.dump({"generation": generation, "file": path.name}, file)
        file.flush()
        os.fsync(file.fileno())
    pointer.replace(folder / POINTER)
    _forget_all_but(folder, kept)
    return Generation(dataset, generation, path)


def _pointed_at(folder: Path) -> Path | None:
    try:
        return folder / str(json.loads((folder / POINTER).read_text(encoding="utf-8"))["file"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _forget_all_but(folder: Path, kept: set[Path | None]) -> None:
    """Delete other generations: older ones, and one whose build died before it was pointed at.

    The generation before stays, since a reader may be about to open it; an open one is held by its reader.
    """
    for path in folder.glob("*.duckdb"):
        if path not in kept:
            path.unlink(missing_ok=True)
