"""How well a label can be guessed without looking at the film: from view, sex, age, film size and the like alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrdash.analysis.intervals import auc_interval
from cxrdash.analysis.registry import as_policy, statistic
from cxrdash.errors import CxrdashError, shown
from cxrdash.index.attributes import attribute_title
from cxrdash.index.cohort import Cohort
from cxrdash.index.levels import further_attributes, level_columns
from cxrdash.index.selection import select
from cxrdash.index.store import Index
from cxrdash.labels.policies import Policy

if TYPE_CHECKING:
    import pandas as pd

FEATURES = ("view", "sex", "age", "size")
LEAVES_NO_TRACE = ("label_method",)  # who labelled a film shows in the labels, never in the film
MOST_SIZES = 12
FEWEST = 20  # positive images, and others; below it no model is fitted
_COLUMNS = """
SELECT CASE WHEN patient IS NULL THEN -1 - image ELSE patient END AS grouped, pattern,
       list_position($views, view)::INTEGER AS view, list_position($sexes, sex)::INTEGER AS sex,
       coalesce(floor(age_years / 5) * 5 + 2, -1)::INTEGER AS age,
       coalesce(width, 0)::BIGINT * 100000 + coalesce(height, 0) AS size, {further}count(*)::BIGINT AS images
FROM selected GROUP BY ALL ORDER BY ALL
"""
_PROBE = {
    "finding": "str", "features": "str", "auc": "float64", "low": "float64", "high": "float64", "positive": "int64",
    "positive_patients": "int64", "of": "int64", "folds": "int64", "note": "str", "policy": "str",
}  # fmt: skip


@statistic(
    "Guessing labels from metadata alone",
    method="logistic regression on view, sex, age, film size and what the dataset says beyond; area under the ROC "
    "curve among held-out patients, mean of the folds; Hanley-McNeil interval with patients as n, METHODS 3.5 and 4.7",
)
def shortcut_probe(
    index: Index,
    cohort: Cohort | None = None,
    *,
    policy: Policy | str = "as_is",
    features: tuple[str, ...] = (),
    folds: int = 5,
    seed: int = 1,
) -> pd.DataFrame:
    """One row per finding: how well a model that never sees the film ranks positive above other images.

    0.5 is guessing. A high value says that view, sex, age or size carry the label, so that an image model
    may score well on this dataset without reading the lungs; it does not say that any model does so. NaN
    with a ``note`` where there are too few positive or other images. Folds are by patient. ``features`` are view,
    sex, age and size, and what this dataset says beyond (site, year); all of them where none is named.
    """
    import pandas as pd

    known = features_of(index)
    if unknown := [name for name in features if name not in known]:
        raise CxrdashError(
            f"'{', '.join(map(shown, unknown))}' is nothing to guess from.", f"Known: {', '.join(known)}."
        )
    features = features or known
    if not 2 <= folds <= 20:
        raise CxrdashError(f"{folds} folds cannot be made.", "Ask for 2 to 20.")
    chosen = as_policy(policy)
    rows = _read(index, cohort, features, folds, seed)
    table = pd.DataFrame(list(_probes(index, rows, chosen, folds)), columns=list(_PROBE)[:-1])
    return table.assign(features=", ".join(features), policy=str(chosen))[list(_PROBE)].astype(_PROBE)


def features_of(index: Index) -> tuple[str, ...]:
    """Return what a label of this dataset may be guessed from."""
    return (*FEATURES, *(name for name in further_attributes(index) if name not in LEAVES_NO_TRACE))


def feature_words(index: Index) -> str:
    """Return these features in words: 'view, sex, age, film size and site'."""
    names = ["film size" if name == "size" else attribute_title(name) for name in features_of(index)]
    return f"{', '.join(names[:-1])} and {names[-1]}"


@dataclass(frozen=True)
class _Rows:
    """Images alike in all but perhaps these: ``cell`` is a place in ``x`` (cells, columns), what the model is told."""

    x: np.ndarray
    cell: np.ndarray
    fold: np.ndarray
    group: np.ndarray
    groups: int
    pattern: np.ndarray
    images: np.ndarray


def _read(index: Index, cohort: Cohort | None, features: tuple[str, ...], folds: int, seed: int) -> _Rows:
    selection = select(index, cohort)
    more = tuple(name for name in features if name not in FEATURES)
    further, bound = level_columns(more)
    known = {"views": list(index.levels("view")), "sexes": list(index.levels("sex"))}
    found = selection.arrays(_COLUMNS.format(further=further), **known, **bound)
    for name in more:
        found[name] = np.unique(found[name].astype(str), return_inverse=True)[1]
    number, group = np.unique(found["grouped"], return_inverse=True)
    fold_of = np.random.default_rng(seed).permutation(len(number)) % folds
    found["size"] = _commonest(found["size"], found["images"])
    first, cell = _cells([found[name] for name in features])
    told = {name: found[name][first] for name in features}
    x = np.concatenate([_ages(told[name]) if name == "age" else _one_hot(told[name]) for name in features], axis=1)
    return _Rows(x, cell, fold_of[group], group, len(number), found["pattern"], found["images"].astype(float))


def _cells(columns: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Number rows that are alike in all columns: the first row of each number, and the number of each row."""
    code = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        levels, place = np.unique(column, return_inverse=True)
        code = code * len(levels) + place
    _, first, cell = np.unique(code, return_index=True, return_inverse=True)
    return first, cell


def _one_hot(code: np.ndarray) -> np.ndarray:
    levels = np.unique(code)
    return np.asarray(code[:, None] == levels[None, :], dtype=float)


def _ages(age: np.ndarray) -> np.ndarray:
    """Age (to five years) as a broken line with knots at 20, 40, 60 and 80 years, and whether it is unknown."""
    known = age >= 0
    years = np.where(known, age, 50) / 20.0
    return np.stack([years, *(np.maximum(years - knot, 0) for knot in (1, 2, 3, 4)), ~known], axis=1).astype(float)


def _commonest(size: np.ndarray, images: np.ndarray) -> np.ndarray:
    """The commonest sizes as they are, all others as -1."""
    sizes, place = np.unique(size, return_inverse=True)
    counts = np.bincount(place, images, minlength=len(sizes))
    kept = np.argsort(-counts, kind="stable")[:MOST_SIZES]
    return np.asarray(np.where(np.isin(place, kept), place, -1))


def _probes(index: Index, rows: _Rows, policy: Policy, folds: int) -> Iterator[dict[str, Any]]:
    states = index.dictionary
    for at, finding in enumerate(index.finding_names):
        positive = np.isin(states[:, at], sorted(policy.positive_states))[rows.pattern]
        counted = np.isin(states[:, at], sorted(policy.denominator_states))[rows.pattern]
        people, others = (_people(rows, which) for which in (positive, counted & ~positive))
        yes, of = (int(rows.images[which].sum()) for which in (positive, counted))
        made: dict[str, Any] = {
            "finding": finding, "positive": yes, "positive_patients": people, "of": of, "folds": folds,
        }  # fmt: skip
        few = min(yes, of - yes) < FEWEST or min(people, others) < folds
        auc = float("nan") if few else _held_out_auc(rows, positive, counted, folds)
        low, high = auc_interval(auc, people, others) if np.isfinite(auc) else (np.nan, np.nan)
        note = f"fewer than {FEWEST} positive or other images" if few else ""
        yield made | {"auc": auc, "low": float(low), "high": float(high), "note": note}


def _people(rows: _Rows, which: np.ndarray) -> int:
    seen = np.zeros(rows.groups, dtype=bool)
    seen[rows.group[which]] = True
    return int(seen.sum())


def _held_out_auc(rows: _Rows, positive: np.ndarray, counted: np.ndarray, folds: int) -> float:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    # What the model cannot tell apart is one row: there are far fewer of them than images.
    cells = len(rows.x)
    other = counted & ~positive
    weights = np.stack([_images(rows, which, folds * cells) for which in (other, positive)])
    y, row = np.nonzero(weights)
    weight, fold, x = weights[y, row], row // cells, rows.x[row % cells]
    areas, pairs = [], []
    for held in range(folds):
        told, asked = fold != held, fold == held
        if len(np.unique(y[told])) < 2 or len(np.unique(y[asked])) < 2:
            continue
        model = LogisticRegression(solver="newton-cholesky", max_iter=300)
        score = model.fit(x[told], y[told], sample_weight=weight[told]).decision_function(x[asked])
        areas.append(roc_auc_score(y[asked], score, sample_weight=weight[asked]))
        yes = y[asked] == 1
        pairs.append(weight[asked][yes].sum() * weight[asked][~yes].sum())
    # Scores of different folds come from different models: each is ranked among its own.
    return float(np.average(areas, weights=pairs)) if areas else float("nan")


def _images(rows: _Rows, which: np.ndarray, length: int) -> np.ndarray:
    """Images by fold and cell."""
    at = rows.fold[which] * len(rows.x) + rows.cell[which]
    return np.bincount(at, rows.images[which], minlength=length)
