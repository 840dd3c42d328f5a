"""The only caches of the app: what can be recomputed, keyed on everything it was computed from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from cxrdash import analysis
from cxrdash.config import cache
from cxrdash.index import generations
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import Selection, select
from cxrdash.index.store import Index
from cxrdash.labels.policies import Policy

if TYPE_CHECKING:
    import pandas as pd

    from cxrdash.images.thumbnails import ThumbnailStore
    from cxrdash.index.draw import Draw


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


def selection_of(index: Index, cohort: Cohort) -> Selection:
    """Return the cohort applied to the index."""
    return select(index, cohort)
