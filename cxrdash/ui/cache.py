"""The only caches of the app: what can be recomputed, keyed on everything it was computed from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from cxrdash import analysis
from cxrdash.config import cache
from cxrdash.errors import CxrdashError
from cxrdash.index import generations
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import Selection, select
from cxrdash.index.store import Index
from cxrdash.labels.policies import Policy

if TYPE_CHECKING:
    import pandas as pd

    from cxrdash.analysis.image_numbers import ImageNumbers
    from cxrdash.images.thumbnails import ThumbnailStore
    from cxrdash.index.draw import Draw, DrawnImage
    from cxrdash.reviews.store import ReviewStore


# No on_release close: closing the connection would kill the cursors of other sessions.
@st.cache_resource(max_entries=8, show_spinner=False)
def _opened(dataset: str, generation: str, path: str) -> Index:
    return Index(generations.current(cache(), dataset))


def open_dataset(dataset: str) -> Index:
    """Open the current generation of a dataset; pages keep the generation they started with."""
    found = generations.current(cache(), dataset)
    return _opened(found.dataset, found.generation, str(found.path))


def key_of(cohort: Cohort) -> str:
    """Return the cohort as a text that is equal for equal cohorts."""
    return json.dumps(cohort.to_query(), sort_keys=True)


def cohort_of(key: str) -> Cohort:
    return Cohort.from_query(json.loads(key))


@st.cache_data(max_entries=512, show_spinner=False)
def _computed(
    name: str, dataset: str, generation: str, cohort_key: str, options: tuple[tuple[str, Any], ...]
) -> pd.DataFrame:
    return analysis.compute(name, open_dataset(dataset), cohort_of(cohort_key), **dict(options))


def compute(name: str, index: Index, cohort: Cohort, *, policy: Policy, unit: str, **options: Any) -> pd.DataFrame:
    """Return a statistic's table from the cache, or compute it. The caller owns the copy."""
    taken = analysis.named(name).options
    given = {"policy": str(policy), "unit": unit, **options}
    used = tuple(sorted((key, value) for key, value in given.items() if key in taken))
    return _computed(name, index.dataset, index.generation, key_of(cohort), used)


@st.cache_data(max_entries=256, show_spinner=False)
def _compared(
    name: str, datasets: tuple[tuple[str, str], ...], cohort_key: str, options: tuple[tuple[str, Any], ...]
) -> pd.DataFrame:
    first, *others = (open_dataset(dataset) for dataset, _ in datasets)
    function = analysis.named(name).function
    return function(first, cohort_of(cohort_key), others=tuple(others), **dict(options))


def compared(name: str, indexes: Sequence[Index], cohort: Cohort, **options: Any) -> pd.DataFrame:
    """Return the table of a statistic that takes ``others``, for several datasets of one cohort."""
    taken = analysis.named(name).options
    used = tuple(sorted((key, str(value)) for key, value in options.items() if key in taken))
    return _compared(name, tuple((one.dataset, one.generation) for one in indexes), key_of(cohort), used)


@st.cache_data(max_entries=512, show_spinner=False)
def _drawn(dataset: str, generation: str, cohort_key: str, n: int, seed: int, one_per_patient: bool) -> Draw:
    from cxrdash.index.draw import draw

    return draw(select(open_dataset(dataset), cohort_of(cohort_key)), n, seed=seed, one_per_patient=one_per_patient)


def drawn(index: Index, cohort: Cohort, n: int, *, seed: int, one_per_patient: bool) -> Draw:
    """Return a seeded draw from the cache, or draw it."""
    return _drawn(index.dataset, index.generation, key_of(cohort), n, seed, one_per_patient)


@st.cache_data(max_entries=512, show_spinner=False)
def _counted(dataset: str, generation: str, cohort_key: str) -> tuple[dict[str, int], str]:
    selection = select(open_dataset(dataset), cohort_of(cohort_key))
    return selection.counts, selection.sentence()


def counted(index: Index, cohort: Cohort) -> tuple[dict[str, int], str]:
    """Return the counts and the sentence of a cohort."""
    return _counted(index.dataset, index.generation, key_of(cohort))


@st.cache_resource(max_entries=8, show_spinner=False)
def thumbnails(dataset: str) -> ThumbnailStore:
    """Return the thumbnail store of a dataset."""
    from cxrdash.images.thumbnails import ThumbnailStore  # Pillow is not for the first page to wait for

    return ThumbnailStore(cache().thumbs, dataset)


@st.cache_data(max_entries=256, show_spinner=False)
def _films_named(dataset: str, generation: str, image_ids: tuple[str, ...]) -> dict[str, DrawnImage]:
    from cxrdash.index.draw import films

    index = open_dataset(dataset)
    sql = "SELECT image FROM images WHERE image_id IN (SELECT unnest($wanted::VARCHAR[]))"
    found = films(index, [int(image) for (image,) in index.rows(sql, {"wanted": list(image_ids)})])
    return {film.image_id: film for film in found}


def films_named(index: Index, image_ids: tuple[str, ...]) -> dict[str, DrawnImage]:
    """Return the images of these identifiers that are in the index."""
    return _films_named(index.dataset, index.generation, image_ids)


@st.cache_resource(max_entries=2, show_spinner="Matching the table with the images")
def _image_numbers(dataset: str, generation: str, name: str, content: bytes) -> ImageNumbers:
    from cxrdash.analysis.image_numbers import read_image_numbers

    return read_image_numbers(open_dataset(dataset), content, name)


def image_numbers(index: Index, name: str, content: bytes) -> ImageNumbers:
    """Return the numbers that a file holds for the dataset's images; nobody may change them."""
    return _image_numbers(index.dataset, index.generation, name, content)


@st.cache_data(max_entries=16, show_spinner=False)
def verdict_picture(
    dataset: str,
    generation: str,
    films: tuple[tuple[str, str, str], ...],
    inks: tuple[tuple[str, str], ...],
    title: str,
) -> bytes:
    """Return a PNG of films, each (image identifier, verdict, words), framed in the colours of their verdicts."""
    from cxrdash.images.verdict_sheet import verdict_sheet

    index = open_dataset(dataset)
    known = films_named(index, tuple(image for image, _, _ in films))
    paths = [film_path_or_none(index, known.get(image)) for image, _, _ in films]
    made = thumbnails(dataset).get_many(paths)
    shown = [(small.jpeg, verdict, words) for small, (_, verdict, words) in zip(made, films, strict=True)]
    columns = min(13, max(8, round((2 * len(films)) ** 0.5)))
    return verdict_sheet(shown, inks=dict(inks), columns=columns, title=title)


def film_path_or_none(index: Index, film: DrawnImage | None) -> Path | None:
    """Return the file of a film, None where there is none."""
    from cxrdash.index.draw import film_path

    try:
        return film_path(index, film) if film else None
    except CxrdashError:
        return None


@st.cache_data(max_entries=64, show_spinner="Laying one film on the other")
def _pair_pictures(first: str, second: str, content: tuple[int, ...]) -> tuple[bytes, bytes, bytes]:
    from cxrdash.images import pair_pictures as pairs
    from cxrdash.images import workers

    made = pairs.pair_pictures(workers.read(first, side=pairs.LONGEST), workers.read(second, side=pairs.LONGEST))
    return made.first, made.second, made.difference


def pair_pictures(a: tuple[Index, DrawnImage], b: tuple[Index, DrawnImage]) -> tuple[bytes, bytes, bytes]:
    """Return PNGs of two films and of their difference; raises CxrdashError where one cannot be read."""
    from cxrdash.images.film import UnreadableFilm
    from cxrdash.index.draw import film_path

    paths = [film_path(index, film) for index, film in (a, b)]
    content = tuple(path.stat().st_mtime_ns for path in paths)
    try:
        return _pair_pictures(str(paths[0]), str(paths[1]), content)
    except UnreadableFilm as fault:
        raise CxrdashError(fault.reason, fault.hint) from fault


@st.cache_resource(show_spinner=False)
def _reviews(folder: str) -> ReviewStore:
    from cxrdash.reviews.store import ReviewStore

    return ReviewStore(Path(folder))


def reviews() -> ReviewStore:
    """Return the store of readers' marks that all sessions of this server share."""
    return _reviews(str(cache().reviews))


def selection_of(index: Index, cohort: Cohort) -> Selection:
    """Return the cohort applied to the index."""
    return select(index, cohort)


@st.cache_data(max_entries=64, show_spinner=False)
def overlaid(
    dataset: str, generation: str, images: tuple[int, ...], pictures: tuple[bytes | None, ...],
    sizes: tuple[tuple[int, int], ...], kind: str,
) -> list[tuple[bytes | None, str]]:  # fmt: skip
    """Return for each image its thumbnail with what is drawn on it, and a sentence where something cannot be."""
    from cxrdash.ui.overlay_tiles import picture_of

    index = open_dataset(dataset)
    return [
        picture_of(index, image, picture, size, kind=kind)
        for image, picture, size in zip(images, pictures, sizes, strict=True)
    ]
