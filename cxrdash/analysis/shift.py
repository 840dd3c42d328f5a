"""How far apart the people and films of several datasets are, pair by pair."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrdash.analysis import distances
from cxrdash.analysis.distances import RESAMPLES, Array, Profiles
from cxrdash.analysis.harmonised import Others, beside, readable
from cxrdash.analysis.registry import statistic
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import Selection
from cxrdash.index.store import Index

if TYPE_CHECKING:
    import pandas as pd

YEARS_PER_BIN = 5
_TYPES = {
    "dataset_a": "str", "dataset_b": "str", "variable": "str", "measure": "str", "value": "float64",
    "low": "float64", "high": "float64", "images_a": "int64", "images_b": "int64", "unknown_a": "int64",
    "unknown_b": "int64", "method": "str",
}  # fmt: skip

# The level of each variable; NULL is unknown and takes no part in the distance.
_LEVELS = {
    "age": "age_years",
    "sex": "CASE WHEN sex IN ('F', 'M') THEN sex END",
    "view": "CASE WHEN view <> 'UNKNOWN' THEN view END",
}
# Patients alike in how many units they have at each level become one row with their number.
_PROFILES = """
WITH levels AS (SELECT {cluster} AS patient, {level} AS level FROM selected),
cells AS (SELECT patient, level, count(*) AS units FROM levels WHERE level IS NOT NULL GROUP BY ALL),
profiles AS (
    SELECT patient, list({{'level': level, 'units': units}} ORDER BY level) AS profile FROM cells GROUP BY patient),
kinds AS (SELECT profile, count(*)::BIGINT AS patients FROM profiles GROUP BY profile),
ordered AS (SELECT row_number() OVER (ORDER BY profile) - 1 AS kind, patients, profile FROM kinds)
SELECT kind, patients, cell.level AS level, cell.units AS units
FROM (SELECT kind, patients, unnest(profile) AS cell FROM ordered) ORDER BY kind, level
"""
_KNOWN = "SELECT count(*)::BIGINT, (count(*) - count({level}))::BIGINT FROM selected"


@dataclass(frozen=True)
class _Spread:
    """One variable of one dataset: its levels as they occur, profiles over them, and images without one."""

    levels: np.ndarray
    profiles: Profiles
    images: int
    unknown: int


@dataclass(frozen=True)
class _Pair:
    """Counts by level of two datasets, as they are (no leading axis) or resampled."""

    levels: np.ndarray
    a: Array
    b: Array


Measure = Callable[[_Pair], Array]


def _binned(counts: Array, levels: np.ndarray) -> Array:
    """Sum ages into bins of 5 years."""
    bins = np.floor(levels / YEARS_PER_BIN).astype(np.int64)
    into = (bins[:, None] == np.arange(bins.max(initial=0) + 1)).astype(float)
    return np.asarray(counts @ into)


def _women(pair: _Pair) -> Array:
    is_woman = (pair.levels == "F").astype(float)
    return distances.mean_difference(is_woman, pair.a, pair.b)


MEASURES: dict[str, dict[str, Measure]] = {
    "age": {
        "SMD": lambda pair: distances.mean_difference(pair.levels, pair.a, pair.b),
        "KS": lambda pair: distances.kolmogorov_smirnov(pair.a, pair.b),
        "Jensen-Shannon": lambda pair: distances.jensen_shannon(
            _binned(pair.a, pair.levels), _binned(pair.b, pair.levels)
        ),
        "Wasserstein, years": lambda pair: distances.wasserstein(pair.levels, pair.a, pair.b),
    },
    "sex": {
        "SMD": _women,
        "Jensen-Shannon": lambda pair: distances.jensen_shannon(pair.a, pair.b),
    },
    "view": {
        "SMD": lambda pair: distances.level_difference(pair.a, pair.b),
        "Jensen-Shannon": lambda pair: distances.jensen_shannon(pair.a, pair.b),
    },
}


@statistic(
    "Distances between datasets",
    method="METHODS 6.3 and 9.3; 95% percentile intervals of a patient bootstrap, METHODS 1.6",
)
def compare_distances(
    index: Index,
    cohort: Cohort | None = None,
    *,
    others: Others = (),
    resamples: int = RESAMPLES,
    seed: int = 1,
) -> pd.DataFrame:
    """One row per pair of datasets, variable (age, sex, view) and measure, with its interval.

    SMD of age and of the share of women is a minus b in standard deviations; SMD of views has no sign.
    Jensen-Shannon is in bits, 0 to 1 (ages in bins of 5 years); KS is a share, 0 to 1. ``images_a`` have
    the variable, ``unknown_a`` lack it and take no part. Patients are resampled within each dataset;
    images where patients are unknown. Only SMD can fall on either side of 0: an interval of another
    measure lies above 0 even between samples of one population.
    """
    import pandas as pd

    indexes = beside(index, others)
    selections = [readable(one, cohort or Cohort()) for one in indexes]
    rows: list[dict[str, Any]] = []
    for at, variable in enumerate(MEASURES):
        spreads = [_spread(selection, variable) for selection in selections]
        samples = [_samples(spread, resamples, (seed, at, place)) for place, spread in enumerate(spreads)]
        for a, b in combinations(range(len(indexes)), 2):
            ends = {"dataset_a": indexes[a].dataset, "dataset_b": indexes[b].dataset, "variable": variable}
            sizes = {
                "images_a": spreads[a].images, "images_b": spreads[b].images,
                "unknown_a": spreads[a].unknown, "unknown_b": spreads[b].unknown,
            }  # fmt: skip
            pairs = _paired(spreads[a], spreads[b], samples[a], samples[b])
            rows += [ends | sizes | found for found in _measured(variable, *pairs, resamples)]
    order = {one.dataset: at for at, one in enumerate(indexes)}
    rows.sort(key=lambda row: (order[row["dataset_a"]], order[row["dataset_b"]]))
    return pd.DataFrame(rows, columns=list(_TYPES)).astype(_TYPES)


def _spread(selection: Selection, variable: str) -> _Spread:
    level = _LEVELS[variable]
    # An image without a patient stands for a patient of its own; image numbers begin at 0.
    cluster = "coalesce(patient, -1 - image)"
    found = selection.arrays(_PROFILES.format(cluster=cluster, level=level))
    images, unknown = selection.rows(_KNOWN.format(level=level))[0]
    raw = found["level"].astype(float if variable == "age" else str)
    levels, column = np.unique(raw, return_inverse=True)
    kinds = int(found["kind"].max()) + 1 if len(raw) else 0
    units = np.zeros((kinds, len(levels)))
    units[found["kind"], column] = found["units"]
    patients = np.zeros(kinds, dtype=np.int64)
    patients[found["kind"]] = found["patients"]
    return _Spread(levels, Profiles(patients, units), int(images) - int(unknown), int(unknown))


def _samples(spread: _Spread, resamples: int, seed: tuple[int, ...]) -> Array:
    return spread.profiles.resampled(resamples, seed)


def _paired(one: _Spread, other: _Spread, one_samples: Array, other_samples: Array) -> tuple[_Pair, _Pair]:
    """Lay two datasets over the levels of both: as counted, and resampled."""
    levels = np.union1d(one.levels, other.levels)

    def wide(counts: Array, own: np.ndarray) -> Array:
        laid = np.zeros((*counts.shape[:-1], len(levels)))
        laid[..., np.searchsorted(levels, own)] = counts
        return laid

    counted = _Pair(levels, wide(one.profiles.totals, one.levels), wide(other.profiles.totals, other.levels))
    return counted, _Pair(levels, wide(one_samples, one.levels), wide(other_samples, other.levels))


def _measured(variable: str, counted: _Pair, drawn: _Pair, resamples: int) -> Iterator[dict[str, Any]]:
    for name, measure in MEASURES[variable].items():
        both = len(counted.levels) > 0 and counted.a.sum() > 0 and counted.b.sum() > 0
        value = float(measure(counted)) if both else float("nan")
        low, high = distances.percentiles(measure(drawn)) if np.isfinite(value) else (float("nan"), float("nan"))
        method = f"patient bootstrap, {resamples:,} resamples" if np.isfinite(value) else "undefined"
        yield {"variable": variable, "measure": name, "value": value, "low": low, "high": high, "method": method}
