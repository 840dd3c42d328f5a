"""Prevalence as it would be if datasets held the same people: direct standardisation (METHODS 9.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cxrdash.analysis.harmonised import (
    FRONTAL,
    Harmonised,
    Others,
    any_positive,
    beside,
    common_unit,
    frontal,
    harmonised,
)
from cxrdash.analysis.intervals import critical_value, ratio, wilson
from cxrdash.analysis.registry import as_policy, statistic
from cxrdash.errors import CxrdashError, shown
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import AGE_BANDS, BY
from cxrdash.index.store import Index, Unit
from cxrdash.index.units import IMAGES_AT_ONCE
from cxrdash.labels.policies import Policy

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
Cell = tuple[str, ...]
BY_VIEW = "by view"
_KNOWN = {"age_band": AGE_BANDS[:-1], "sex": ("F", "M"), "view": (*FRONTAL, "LATERAL")}
_METHOD = "direct standardisation, METHODS 9.2; variance linearised over patients"
_STANDARDISED = {
    "dataset": "str", "shared": "str", "findings": "str", "relation": "str", "unit": "str", "positive": "int64",
    "of": "int64", "crude": "float64", "rate": "float64", "low": "float64", "high": "float64",
    "standard_error": "float64", "cells": "int64", "fewest": "int64", "share_uncovered": "float64",
    "share_outside": "float64", "method": "str", "labels": "str", "standard": "str", "policy": "str",
}  # fmt: skip
_CELLS = {
    "dataset": "str", "age_band": "str", "sex": "str", "view": "str", "units": "int64", "share_of_units": "float64",
    "share_of_standard": "float64", "standard": "str",
}  # fmt: skip


@dataclass(frozen=True)
class Standard:
    """Whose mix of people every dataset is brought to.

    ``population`` is common (all datasets pooled, over the cells that each with ages and sexes fills), pooled (all
    cells of all datasets) or the name of one dataset. Cells are age bands by sex, and by view where
    ``views`` says so; units of unknown age or sex are in none.
    """

    population: str = "common"
    views: bool = False

    @staticmethod
    def parse(text: str, datasets: Sequence[str]) -> Standard:
        """Return the standard that a text such as 'common' or 'nih, by view' names."""
        population, _, more = (part.strip() for part in text.partition(","))
        if population not in ("common", "pooled", *datasets) or more not in ("", BY_VIEW):
            raise CxrdashError(
                f"'{shown(text)}' is no standard to bring datasets to.",
                f"Use common, pooled, {' or '.join(datasets)}; each may be followed by ', {BY_VIEW}'.",
            )
        return Standard(population, more == BY_VIEW)

    def __str__(self) -> str:
        return f"{self.population}, {BY_VIEW}" if self.views else self.population

    @property
    def by(self) -> tuple[str, ...]:
        return ("age_band", "sex", "view") if self.views else ("age_band", "sex")

    @property
    def cells(self) -> list[Cell]:
        """Every combination of known levels."""
        return list(product(*(_KNOWN[name] for name in self.by)))

    def weights(self, units: dict[str, Array]) -> Array:
        """Return the share of the standard in each cell from units by dataset and cell; zeros where it is empty."""
        counts = np.stack(list(units.values()))
        if self.population in units:
            chosen = units[self.population]
        else:
            chosen = counts.sum(axis=0)
            known = counts[counts.any(axis=1)]  # a dataset without ages or sexes would leave no cell in common
            if self.population == "common":
                chosen = np.where((known > 0).all(axis=0), chosen, 0.0)
        return ratio(chosen, chosen.sum(), at_zero=0.0)


class Direct(NamedTuple):
    """A standardised rate, the weight its dataset has no units for, and its variance if units were independent.

    The rate and variance are NaN where a weight is uncovered: nothing is renormalised.
    """

    rate: Array
    uncovered: Array
    variance: Array


def direct(weights: ArrayLike, positive: ArrayLike, of: ArrayLike) -> Direct:
    """Return sum(w r) and sum(w^2 r(1-r)/n) over the cells, the first axis of ``positive`` and ``of``.

    METHODS 9.2. ``weights`` sum to 1, or to 0 where the standard is empty: then all is NaN.
    """
    x, n = np.asarray(positive, dtype=float), np.asarray(of, dtype=float)
    w = np.asarray(weights, dtype=float).reshape(-1, *([1] * (x.ndim - 1)))
    rates = ratio(x, n)
    needed = np.broadcast_to(w > 0, n.shape)
    uncovered = np.asarray((w * (n == 0)).sum(axis=0))
    empty = (uncovered > 0) | ~needed.any(axis=0)
    rate = np.where(needed, w * rates, 0.0).sum(axis=0)
    variance = np.where(needed, w * w * ratio(rates * (1 - rates), n), 0.0).sum(axis=0)
    return Direct(np.where(empty, np.nan, rate), uncovered, np.where(empty, np.nan, variance))


@statistic("Standardised prevalence of several datasets", method=_METHOD)
def standardised_prevalence(
    index: Index,
    cohort: Cohort | None = None,
    *,
    others: Others = (),
    policy: Policy | str = "as_is",
    unit: Unit | None = None,
    standard: str = "common",
) -> pd.DataFrame:
    """One row per shared label, dataset and relation: the prevalence with the standard's mix of ages and sexes.

    ``standard`` is common, pooled or a dataset's name, each optionally followed by ', by view'; see
    Standard. ``positive`` and ``of`` count the units in the standard's cells, ``crude`` is their ratio and
    ``rate`` the same units weighted to the standard. ``share_uncovered`` is the weight of cells in which
    the dataset has no unit: above 0 the rate is missing, never renormalised. ``share_outside`` is the
    share of the dataset's units in no cell of the standard (unknown age or sex among them), ``fewest`` the
    units of its thinnest cell. Datasets, films and ``labels`` as in ``compare``.
    """
    import pandas as pd

    indexes = beside(index, others)
    chosen = Standard.parse(standard, [one.dataset for one in indexes])
    tables = _tables(indexes, cohort, as_policy(policy), common_unit(indexes, unit), chosen)
    weights = chosen.weights({table.dataset.dataset: table.units for table in tables})
    rows = [row for table in tables for row in table.rows(weights)]
    found = pd.DataFrame(rows, columns=["place", *_STANDARDISED])
    found = found.sort_values("place", kind="stable").drop(columns="place").reset_index(drop=True)
    return found.assign(standard=str(chosen)).astype(_STANDARDISED)


@statistic("The population datasets are standardised to", method="units by age band, sex and view")
def standard_cells(
    index: Index,
    cohort: Cohort | None = None,
    *,
    others: Others = (),
    unit: Unit | None = None,
    standard: str = "common",
) -> pd.DataFrame:
    """One row per dataset and cell: units, their share, and the weight of the cell in the standard.

    A cell of weight above 0 without units is what makes a standardised prevalence missing. Shares are of
    the dataset's units of known age and sex (and view); ``view`` is '' where the standard does not use it.
    """
    import pandas as pd

    indexes = beside(index, others)
    chosen = Standard.parse(standard, [one.dataset for one in indexes])
    tables = _tables(indexes, cohort, Policy(), common_unit(indexes, unit), chosen)
    weights = chosen.weights({table.dataset.dataset: table.units for table in tables})
    rows = [
        (table.dataset.dataset, *cell, *([] if chosen.views else [""]), int(n), share, weight, str(chosen))
        for table in tables
        for cell, n, share, weight in zip(
            chosen.cells, table.units, ratio(table.units, table.units.sum()), weights, strict=True
        )
    ]
    return pd.DataFrame(rows, columns=list(_CELLS)).astype(_CELLS)


def _tables(
    indexes: Sequence[Index], cohort: Cohort | None, policy: Policy, unit: Unit, standard: Standard
) -> list[_Strata]:
    return [_Strata(harmonised(one, frontal(one, cohort)), policy, unit, standard) for one in indexes]


@dataclass(frozen=True)
class _Strata:
    """One dataset's units by cell of the standard; arrays over (cells,) or (cells, mappings)."""

    dataset: Harmonised
    policy: Policy
    unit: Unit
    standard: Standard

    @cached_property
    def _counts(self) -> tuple[Array, Array, Array, int]:
        cells, found = self.standard.cells, self.dataset.counts(self.policy, self.unit, self.standard.by)
        nothing = np.zeros(len(self.dataset.mappings))
        rows = [found.get(cell, (0, nothing, nothing)) for cell in cells]
        parts = [np.array([row[at] for row in rows], dtype=float) for at in range(3)]
        return parts[0], parts[1], parts[2], sum(row[0] for row in found.values())

    @property
    def units(self) -> Array:
        """Units of each cell."""
        return self._counts[0]

    def rows(self, weights: Array) -> Iterator[dict[str, Any]]:
        """Yield one row per mapping; ``place`` orders them by shared label."""
        units, positive, of, every = self._counts
        needed = weights > 0
        result = direct(weights, positive, of)
        error, patients = self._errors(weights, positive, of, result)
        low, high, method = _ends(result.rate, error, patients)
        x, n = positive[needed].sum(axis=0), of[needed].sum(axis=0)
        crude = ratio(x, n)
        outside = ratio(every - units[needed].sum(), every)
        thinnest = of[needed].min(axis=0, initial=np.inf) if needed.any() else np.zeros(of.shape[1])
        for at, one in enumerate(self.dataset.mappings):
            yield {
                "place": _place(one.shared), "dataset": self.dataset.dataset, "shared": one.shared,
                "findings": " or ".join(one.findings), "relation": one.relation, "unit": self.unit,
                "positive": int(x[at]), "of": int(n[at]), "crude": crude[at], "rate": result.rate[at],
                "low": low[at], "high": high[at], "standard_error": error[at], "cells": int(needed.sum()),
                "fewest": int(thinnest[at]), "share_uncovered": result.uncovered[at], "share_outside": float(outside),
                "method": method[at], "labels": any_positive(one.findings, self.policy), "policy": str(self.policy),
            }  # fmt: skip

    def _errors(self, weights: Array, positive: Array, of: Array, result: Direct) -> tuple[Array, Array]:
        """Standard errors that allow for several units of one patient, also in different cells, and patients."""
        selection = self.dataset.selection
        if self.unit == "patient" or not selection.index.counts["patients"]:
            return np.sqrt(result.variance), of[weights > 0].sum(axis=0)
        squares, patients, units = (np.zeros(len(self.dataset.mappings)) for _ in range(3))
        states = self.dataset.dictionary
        is_positive = np.isin(states, sorted(self.policy.positive_states)).astype(float)
        counts = np.isin(states, sorted(self.policy.denominator_states)).astype(float)
        rates, factor = np.nan_to_num(ratio(positive, of)), ratio(weights[:, None], of, at_zero=0.0)
        for patient, cell, pattern, number in _patient_cells(self.dataset, self.unit, self.standard, weights > 0):
            for at in range(len(squares)):
                counted = number * counts[pattern, at]
                parts = factor[cell, at] * (number * is_positive[pattern, at] - rates[cell, at] * counted)
                squares[at] += np.square(np.bincount(patient, parts)).sum()
                patients[at] += (np.bincount(patient, counted) > 0).sum()
                units[at] += counted.sum()
        linearised = squares * ratio(patients, patients - 1)
        # With one unit per patient nothing is clustered, and the closed form is exact.
        variance = np.where(units == patients, result.variance, np.where(patients < 2, np.nan, linearised))
        return np.where(np.isnan(result.rate), np.nan, np.sqrt(variance)), patients


_UNITS = """
WITH marked AS (SELECT patient, study, pattern, list_position($cells::VARCHAR[], concat_ws('|', {levels})) AS cell
    FROM selected WHERE patient BETWEEN $first AND $last)
SELECT patient, cell - 1 AS cell, pattern, {count}::BIGINT AS units FROM marked WHERE cell IS NOT NULL GROUP BY ALL
ORDER BY patient, cell, pattern -- so that sums have the same last digit every time
"""


def _patient_cells(
    dataset: Harmonised, unit: Unit, standard: Standard, needed: NDArray[np.bool_]
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield patient (numbered anew in each block), cell, pattern and units; only cells that are needed."""
    index = dataset.selection.index
    studies = unit == "study" and index.meta["study_labels_constant"]
    sql = _UNITS.format(
        levels=", ".join(BY[name] for name in standard.by), count="count(DISTINCT study)" if studies else "count(*)"
    )
    cells = ["|".join(cell) for cell in standard.cells]
    patients, images = index.counts["patients"], max(index.counts["images"], 1)
    step = max(1, patients * IMAGES_AT_ONCE // images)
    for first in range(0, patients, step):
        found = dataset.selection.arrays(sql, cells=cells, first=first, last=first + step - 1)
        kept = needed[found["cell"]] & (found["units"] > 0)
        if kept.any():
            yield (
                np.unique(found["patient"][kept], return_inverse=True)[1],
                found["cell"][kept],
                found["pattern"][kept],
                found["units"][kept].astype(float),
            )


def _ends(rate: Array, error: Array, patients: Array) -> tuple[Array, Array, NDArray[np.object_]]:
    """Interval of a standardised rate; with none or all positive, Wilson with as many units as patients."""
    step = critical_value() * error
    constant = np.isfinite(error) & ((rate == 0) | (rate == 1))
    known = np.where(constant, patients, 0)
    low, high = wilson(np.where(constant, rate, 0.0) * known, known)
    method = np.where(np.isfinite(error), "normal", "undefined").astype(object)
    method[constant] = "Wilson, effective n = patients"
    return (
        np.where(constant, low, np.clip(rate - step, 0, 1)),
        np.where(constant, high, np.clip(rate + step, 0, 1)),
        method,
    )


def _place(shared: str) -> int:
    from cxrdash.labels.vocabulary import shared_labels

    return [label.name for label in shared_labels()].index(shared)
