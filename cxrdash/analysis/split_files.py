"""A split as files for training code: lists of images, one table, and a record of how it was made."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from cxrdash.analysis.splits import Split, proof, shared_pictures, split_images
from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import select

if TYPE_CHECKING:
    import pandas as pd


def tables(split: Split, cohort: Cohort | None = None) -> dict[str, bytes]:
    """Return file names and contents: split.csv with every image, and a list of image ids per part.

    Raises CxrdashError where an id holds a line break, so that a list could not be read back.
    """
    images = split_images(split, cohort)
    broken = images[images["image_id"].str.contains("[\r\n]", regex=True)]
    if len(broken):
        raise CxrdashError(
            f"{len(broken):,} image ids hold a line break, so no list of one id a line can hold them.",
            "Mend the ids in the dataset's table.",
        )
    listed = {
        f"{name}.txt": "".join(f"{image}\n" for image in images.loc[images["part"] == name, "image_id"]).encode()
        for name in split.names
    }
    return {"split.csv": images.to_csv(index=False, lineterminator="\n").encode(), **listed}


def manifest(split: Split, cohort: Cohort | None = None) -> dict[str, Any]:
    """Return what a reader needs to make the same split again, and the proof that it does not leak."""
    index = split.films.index
    images = split_images(split, cohort)
    counts = images.groupby("part", sort=False)
    return {
        "dataset": index.dataset,
        "title": index.title,
        "generation": index.generation,
        "cohort": select(index, cohort).sentence(),
        "cohort_parameters": (cohort or Cohort()).to_query(),
        "policy": str(split.policy),
        "parts": dict(zip(split.names, split.fractions, strict=True)),
        "given_by_the_dataset": split.given,
        "balanced_by": ["labels", *split.strata],
        "seed": split.seed,
        "images": {name: len(part) for name, part in counts},
        "patients": {name: int(part["patient_id"].replace("", None).nunique()) for name, part in counts},
        "images_without_patient": split.films.alone,
        "shared": _shared(split, images),
        "citation": index.card.citation,
        "cxrdash": _version(),
    }


def _shared(split: Split, images: pd.DataFrame) -> list[dict[str, Any]]:
    """The proof, with the pairs of films that are one picture: None where the films were not compared."""
    pictures = shared_pictures(split.films.index, images)
    rows = proof(images, split.names)
    for row in rows:
        parts = frozenset((row["part_a"], row["part_b"]))
        row["shared_pictures"] = None if pictures is None else pictures[parts]
    return rows


def _version() -> str:
    try:
        return version("cxrdash")
    except PackageNotFoundError:
        from cxrdash import __version__

        return __version__
