"""Seeded random images of a cohort: the same draw on any machine, after any rebuild."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cxrdash.errors import CxrdashError
from cxrdash.index.selection import Selection, modulus
from cxrdash.index.store import Index
from cxrdash.labels.states import State
from cxrdash.sources.folder import resolve


@dataclass(frozen=True)
class DrawnImage:
    """One image of a draw, with what a caption needs. ``path`` is None where no file was found."""

    image: int
    image_id: str
    patient_id: str | None
    study_id: str | None
    view: str
    sex: str
    age_years: float | None
    split: str
    root: int | None
    path: str | None
    states: tuple[tuple[str, State], ...]  # findings that are not blank, in findings order


@dataclass(frozen=True)
class Draw:
    """``of`` is the size of the frame that was drawn from, counted in ``frame`` (patients or images)."""

    films: tuple[DrawnImage, ...]
    of: int
    frame: str
    images: int  # of the cohort
    seed: int


def draw(selection: Selection, n: int, *, seed: int, one_per_patient: bool = True) -> Draw:
    """Draw ``n`` images at random without replacement.

    With ``one_per_patient`` every patient of the cohort is equally likely, and one of the patient's
    images is taken at random; the order shown is the order drawn, so any prefix is itself a random
    sample (METHODS 5.1). Datasets without patients are drawn by image.
    """
    by_patient = one_per_patient and bool(selection.index.counts["patients"])
    of, images = _frame(selection) if by_patient else _frame_of_images(selection)
    drawn = _one_per_patient(selection, int(n), of, seed) if by_patient else _any(selection, int(n), of, seed)
    frame = "patients" if by_patient else "images"
    return Draw(films=films(selection.index, drawn), of=of, frame=frame, images=images, seed=seed)


# Only what a draw states is counted: the studies would cost as much as the draw.
_IMAGES = "SELECT count(*) FROM selected"
_PEOPLE = "SELECT coalesce(bit_count(bitstring_agg(patient, 0, $numbers)), 0), count(*) FROM selected"


def _frame(selection: Selection) -> tuple[int, int]:
    """Patients and images of the cohort."""
    counts = selection.index.counts
    if selection.cohort.everything:
        return counts["patients"], counts["images"]
    ((people, images),) = selection.rows(_PEOPLE, numbers=counts["patients"])
    return int(people), int(images)


def _frame_of_images(selection: Selection) -> tuple[int, int]:
    """The images of the cohort, which are the frame, twice."""
    if selection.cohort.everything:
        return (selection.index.counts["images"],) * 2
    ((images,),) = selection.rows(_IMAGES)
    return int(images), int(images)


_BY_IMAGE = "SELECT image FROM selected ORDER BY sample_key % $modulus::UBIGINT, sample_key LIMIT $n"
# The same among those whose place is low, of which there are some more than wanted: less is left to sort.
_AMONG_LOWEST = """
SELECT image FROM selected WHERE sample_key % $modulus::UBIGINT < $below
ORDER BY sample_key % $modulus::UBIGINT, sample_key LIMIT $n
"""
# The first patients of the draw's order over the whole dataset; those of the cohort keep that order.
_AMONG_FIRST = """
WITH people AS MATERIALIZED (
    SELECT patient, sample_key % $modulus::UBIGINT AS place, sample_key AS key FROM patients
    ORDER BY place, key LIMIT $candidates)
SELECT arg_min(s.image, (s.sample_key % $modulus::UBIGINT, s.sample_key)) AS image
FROM selected AS s JOIN people USING (patient)
GROUP BY patient, place, key ORDER BY place, key LIMIT $n
"""
_BY_PATIENT = """
WITH people AS (
    SELECT patient, sample_key FROM patients WHERE patient IN (SELECT patient FROM selected)
    ORDER BY sample_key % $modulus::UBIGINT, sample_key LIMIT $n)
SELECT arg_min(s.image, (s.sample_key % $modulus::UBIGINT, s.sample_key)) AS image
FROM selected AS s JOIN people ON s.patient = people.patient
GROUP BY s.patient ORDER BY min(people.sample_key % $modulus::UBIGINT), min(people.sample_key)
"""
_FILMS = """
SELECT image, image_id, patient_id, study_id, view, sex, age_years, split, pattern, root, path
FROM images LEFT JOIN paths USING (image) WHERE image IN (SELECT unnest($images::INTEGER[]))
"""


def _any(selection: Selection, n: int, of: int, seed: int) -> list[int]:
    """First ``n`` of ``of`` images, sought among the lowest places: residues are uniform below the modulus."""
    divisor = modulus(seed)
    below = divisor * (4 * n + 64) // max(of, 1)
    rows: list[tuple[Any, ...]] = []
    if below < divisor:
        rows = selection.rows(_AMONG_LOWEST, n=n, modulus=divisor, below=below)
    if len(rows) < min(n, of):
        rows = selection.rows(_BY_IMAGE, n=n, modulus=divisor)
    return [int(image) for (image,) in rows]


def _one_per_patient(selection: Selection, n: int, of: int, seed: int) -> list[int]:
    """Images of the first ``n`` of ``of`` patients, found among the dataset's first where those are many."""
    wanted, whole = min(n, of), selection.index.counts["patients"]
    candidates = 64 + 2 * wanted * whole // max(of, 1)
    rows: list[tuple[Any, ...]] = []
    if candidates < whole // 8:
        rows = selection.rows(_AMONG_FIRST, n=n, modulus=modulus(seed), candidates=candidates)
    if len(rows) < wanted or not rows:
        rows = selection.rows(_BY_PATIENT, n=n, modulus=modulus(seed))
    return [int(image) for (image,) in rows]


def films(index: Index, images: Iterable[int]) -> tuple[DrawnImage, ...]:
    """Fetch captions and paths of images, in the order given."""
    wanted = list(images)
    if not wanted:
        return ()
    found = {row[0]: row for row in index.rows(_FILMS, {"images": wanted})}
    return tuple(_film(index, *found[image]) for image in wanted if image in found)


def _film(index: Index, *row: Any) -> DrawnImage:
    *caption, pattern, root, path = row
    values: tuple[Any, ...] = (*caption, root, path, _states(index, pattern))
    return DrawnImage(*values)


def _states(index: Index, pattern: int) -> tuple[tuple[str, State], ...]:
    codes = index.dictionary[pattern]
    return tuple((index.finding_names[at], State(int(codes[at]))) for at in np.flatnonzero(codes != State.BLANK))


def image_number(index: Index, image_id: str) -> int:
    """Return the dense number of an image by the dataset's own identifier."""
    rows = index.rows("SELECT image FROM images WHERE image_id = $image_id", {"image_id": image_id})
    if not rows:
        raise CxrdashError(f"{index.title} has no image {image_id!r}.", "Check the identifier or the link.")
    return int(rows[0][0])


def film_path(index: Index, film: DrawnImage) -> Path:
    """Return the file of an image, checked to lie inside the dataset's folders.

    Raises CxrdashError where none was found when the index was built, or it is gone or not a file.
    """
    if film.path is None or film.root is None:
        raise CxrdashError("not on disk", f"No file for {film.image_id} was found in {searched(index)}.")
    return resolve(index.roots, film.root, film.path)


def searched(index: Index) -> str:
    """Return the folders in which image files were looked for, for a message."""
    return ", ".join(str(root) for root in index.roots)


def details(index: Index, image: int) -> dict[str, Any]:
    """Return the allow-listed metadata of one image for the enlarged view."""
    row = index.table(_DETAILS, {"image": image})
    return {name: value for name, value in row.iloc[0].dropna().to_dict().items()}


_DETAILS = """
SELECT view_raw, age_flag, order_in_patient, width, height, spacing_x_mm, spacing_y_mm,
       (SELECT images FROM patients WHERE patients.patient = images.patient) AS images_of_patient
FROM images WHERE image = $image
"""
