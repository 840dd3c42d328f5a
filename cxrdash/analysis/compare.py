"""Datasets side by side: prevalence in the shared vocabulary, its differences, who is in them."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrdash.analysis.harmonised import (
    Harmonised,
    Others,
    any_positive,
    beside,
    common_unit,
    films,
    frontal,
    harmonised,
    readable,
)
from cxrdash.analysis.intervals import ratio
from cxrdash.analysis.overview import overview
from cxrdash.analysis.registry import as_policy, statistic
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import AGE_BANDS
from cxrdash.index.store import Index, Unit
from cxrdash.labels.policies import Policy
from cxrdash.labels.vocabulary import NEAREST_FIRST, Relation, between, shared_labels

if TYPE_CHECKING:
    import pandas as pd

_COMPARED = {
    "dataset": "str", "shared": "str", "findings": "str", "relation": "str", "unit": "str", "positive": "Int64",
    "of": "Int64", "rate": "float64", "low": "float64", "high": "float64", "method": "str", "films": "str",
    "policy": "str", "labels": "str", "note": "str",
}  # fmt: skip
_DIFFERENCES = {
    "dataset_a": "str", "dataset_b": "str", "shared": "str", "relation": "str", "rate_a": "float64",
    "rate_b": "float64", "difference": "float64", "low": "float64", "high": "float64", "unit": "str", "policy": "str",
}  # fmt: skip
_ATTRIBUTES = {
    "dataset": "str", "attribute": "str", "level": "str", "images": "int64", "of": "int64",
    "share_of_images": "float64", "patients": "Int64",
}  # fmt: skip


@statistic(
    "Prevalence of several datasets in shared labels",
    method="shared vocabulary; frontal films unless the cohort names views; Wilson interval with the effective n of "
    "the patient clusters, METHODS 2.2 and 9.1",
)
def compare(
    index: Index,
    cohort: Cohort | None = None,
    *,
    others: Others = (),
    policy: Policy | str = "as_is",
    unit: Unit | None = None,
) -> pd.DataFrame:
    """One row per shared label, dataset and relation; the datasets are ``index`` and ``others``.

    ``findings`` are the dataset's own labels that together stand for ``shared``; ``relation`` says how
    nearly (= ⊂ ⊃ ~). Where a dataset has no such label the relation is 'none' and the numbers are
    missing: that is not a prevalence of zero. ``positive``, ``of``, ``rate``, ``low`` and ``high`` are
    those of ``prevalence`` under the policy; ``labels`` is the expression of the positive units.
    ``films`` says which count: frontal ones, unless the cohort names views or the dataset knows none.
    ``others`` are open indexes or names of datasets in the same cache; without any, all indexed there.
    """
    indexes = beside(index, others)
    counted, chosen = common_unit(indexes, unit), as_policy(policy)
    rows = [row for one in indexes for row in _rates(harmonised(one, frontal(one, cohort)), chosen, counted)]
    kinds = {one.dataset: films(one, cohort) for one in indexes}
    ordered = _with_gaps(rows, indexes, counted, chosen)
    return _typed([row | {"films": kinds[row["dataset"]]} for row in ordered], _COMPARED)


def _rates(dataset: Harmonised, policy: Policy, unit: Unit) -> list[dict[str, Any]]:
    if not dataset.mappings:
        return []
    positive, counted, rates = dataset.rates(policy, unit)
    share = ratio(positive, counted)
    return [
        {
            "dataset": dataset.dataset, "shared": one.shared, "findings": " or ".join(one.findings),
            "relation": one.relation, "unit": unit, "positive": int(positive[at]), "of": int(counted[at]),
            "rate": share[at], "low": rates.low[at], "high": rates.high[at], "method": rates.method[at],
            "labels": any_positive(one.findings, policy), "note": one.note, "policy": str(policy),
        }
        for at, one in enumerate(dataset.mappings)
    ]  # fmt: skip


def _with_gaps(rows: list[dict[str, Any]], indexes: list[Index], unit: Unit, policy: Policy) -> list[dict[str, Any]]:
    """Order rows as the vocabulary does, and say 'none' where another dataset has the label and this one not."""
    ordered = []
    for label in shared_labels():
        here = [row for row in rows if row["shared"] == label.name]
        for index in indexes if here else []:
            missing = {
                "dataset": index.dataset, "shared": label.name, "findings": "", "relation": "none", "unit": unit,
                "method": "", "labels": "", "note": label.note, "policy": str(policy),
            }  # fmt: skip
            ordered += [row for row in here if row["dataset"] == index.dataset] or [missing]
    return ordered


@statistic(
    "Differences of prevalence between datasets",
    method="difference of two patient-clustered Wilson intervals combined by Newcombe's rule (MOVER), METHODS 9.3",
)
def compare_differences(
    index: Index,
    cohort: Cohort | None = None,
    *,
    others: Others = (),
    policy: Policy | str = "as_is",
    unit: Unit | None = None,
) -> pd.DataFrame:
    """One row per pair of datasets and shared label that both have: rates and ``difference`` (a minus b).

    ``relation`` is that of a's findings to b's; only = compares like with like. A word without a shared
    definition (Infiltration) is at most ~.
    """
    table = compare(index, cohort, others=others, policy=policy, unit=unit)
    nearest = table[table["relation"] != "none"].drop_duplicates(["dataset", "shared"])
    own_words = {label.name for label in shared_labels() if label.own_word}
    rows = []
    for shared, part in nearest.groupby("shared", sort=False):
        for a, b in combinations(part.itertuples(index=False), 2):
            row = _difference(a, b)
            rows.append(row | {"relation": "~"} if shared in own_words else row)
    order = {name: at for at, name in enumerate(table["dataset"].drop_duplicates())}
    rows.sort(key=lambda row: (order[row["dataset_a"]], order[row["dataset_b"]]))
    return _typed(rows, _DIFFERENCES)


def _difference(a: Any, b: Any) -> dict[str, Any]:
    """MOVER: each limit of the difference is as far off as the two nearer limits are together."""
    difference = a.rate - b.rate
    return {
        "dataset_a": a.dataset, "dataset_b": b.dataset, "shared": a.shared,
        "relation": between(_relation(a), _relation(b)), "rate_a": a.rate, "rate_b": b.rate,
        "difference": difference,
        "low": difference - float(np.hypot(a.rate - a.low, b.high - b.rate)),
        "high": difference + float(np.hypot(a.high - a.rate, b.rate - b.low)),
        "unit": a.unit, "policy": a.policy,
    }  # fmt: skip


def _relation(row: Any) -> Relation:
    return NEAREST_FIRST[NEAREST_FIRST.index(row.relation)]


@statistic("Sex, views, ages and parts of several datasets", method="counts of images")
def compare_attributes(index: Index, cohort: Cohort | None = None, *, others: Others = ()) -> pd.DataFrame:
    """One row per attribute (part, view, sex, age), level and dataset: images, of, share_of_images, patients.

    A level that another dataset has and this one lacks has 0 images. Patients may stand in several
    levels of part, view and age; they are missing where a dataset does not identify them.
    """
    import pandas as pd

    indexes = beside(index, others)
    parts = []
    for one in indexes:
        table = overview(one, readable(one, cohort or Cohort()).cohort)
        total = int(table.loc[table["level"] == "images", "images"].iloc[0])
        parts.append(table[table["attribute"] != "total"].assign(dataset=one.dataset, of=total))
    found = pd.concat(parts, ignore_index=True)
    rows = []
    for attribute, levels in found.groupby("attribute", sort=False):
        for level in _level_order(str(attribute), levels):
            for at, one in enumerate(indexes):
                here = levels[(levels["level"] == level) & (levels["dataset"] == one.dataset)]
                images = int(here["images"].sum())
                patients = int(here["patients"].sum()) if one.counts["patients"] else None
                of = int(parts[at]["of"].max()) if len(parts[at]) else 0
                share = images / of if of else float("nan")
                rows.append((one.dataset, attribute, level, images, of, share, patients))
    return pd.DataFrame(rows, columns=list(_ATTRIBUTES)).astype(_ATTRIBUTES)


def _level_order(attribute: str, levels: pd.DataFrame) -> list[str]:
    """Ages by age, all else by the largest share in any dataset."""
    present = levels.groupby("level")["share_of_images"].max().sort_values(ascending=False, kind="stable")
    if attribute == "age":
        return [band for band in AGE_BANDS if band in present.index]
    return [str(level) for level in present.index]


def _typed(rows: list[dict[str, Any]], types: dict[str, str]) -> pd.DataFrame:
    """Return the rows under fixed columns and dtypes, also where there is none."""
    import pandas as pd

    return pd.DataFrame(rows, columns=list(types)).astype(types)
