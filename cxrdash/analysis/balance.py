"""What a split puts into each part, how alike the parts are, and what stands in two of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrdash.analysis import distances
from cxrdash.analysis.duplicates import CHANGED, EQUAL
from cxrdash.analysis.registry import statistic
from cxrdash.analysis.split_films import UNKNOWN_AGE, Films
from cxrdash.analysis.splits import (
    DEFAULT_STRATA,
    GIVEN,
    Split,
    build_split,
    given_split,
    proof,
    shared_pictures,
    split_images,
)
from cxrdash.analysis.tiers import tier
from cxrdash.index.cohort import Cohort
from cxrdash.index.levels import further_attributes
from cxrdash.index.store import Index
from cxrdash.labels.policies import Policy

if TYPE_CHECKING:
    import pandas as pd

PAIRS_UP_TO = 3  # parts; with more each is set against the rest
DIFFERENT = 0.1  # of a standardised difference, Austin 2009
_SIZES = {
    "part": "str", "finding": "str", "images": "int64", "patients": "int64", "positive": "int64", "of": "int64",
    "rate": "float64", "positive_patients": "int64", "tier": "str", "share_of_positive": "float64", "policy": "str",
}  # fmt: skip
_BALANCE = {
    "part": "str", "against": "str", "attribute": "str", "images": "int64", "images_against": "int64",
    "difference": "float64", "js": "float64", "psi": "float64", "ks": "float64", "wasserstein": "float64",
    "noise": "float64", "flagged": "bool",
}  # fmt: skip
_LEAKAGE = {
    "part_a": "str", "part_b": "str", "unit": "str", "units_a": "int64", "units_b": "int64", "shared": "Int64",
    "verdict": "str",
}  # fmt: skip


def split_for(
    index: Index, cohort: Cohort | None, *, parts: str, policy: Policy | str, strata: tuple[str, ...], seed: int
) -> Split | None:
    """Return the split that ``parts`` names: the dataset's own ('given'; None where it has none) or a built one."""
    if parts == GIVEN:
        return given_split(index, cohort, policy=policy)
    return build_split(index, cohort, parts=parts, policy=policy, strata=strata, seed=seed)


@statistic("Findings in each part of a split", method="counts; tiers of METHODS 3.7; built parts by METHODS 6.2")
def split_sizes(
    index: Index,
    cohort: Cohort | None = None,
    *,
    parts: str = GIVEN,
    policy: Policy | str = "as_is",
    strata: tuple[str, ...] = DEFAULT_STRATA,
    seed: int = 0,
) -> pd.DataFrame:
    """One row per part and finding: images and patients of the part, positive images and patients, the tier.

    ``parts`` is 'given' or what ``parse_parts`` reads ('train=0.7,valid=0.1,test=0.2', '5 folds').
    ``rate`` is of ``of`` images that count under the policy, ``share_of_positive`` says which share of the
    finding's positive images this part got.
    """
    import pandas as pd

    split = split_for(index, cohort, parts=parts, policy=policy, strata=strata, seed=seed)
    rows = list(_sizes(split)) if split and len(split.films.images) else []
    return pd.DataFrame(rows, columns=list(_SIZES)).astype(_SIZES)


def _sizes(split: Split) -> Iterator[dict[str, Any]]:
    films, policy = split.films, split.policy
    positive, counted = films.positive(policy), films.counted(policy)
    person = films.number >= 0
    for at, part in enumerate(split.names):
        rows = split.row_part == at
        weights = np.bincount(films.pattern[rows], films.images[rows], minlength=len(positive))
        images = int(weights.sum())
        patients = int((person & (split.part == at)).sum())
        yes, of = (weights @ positive).astype(np.int64), (weights @ counted).astype(np.int64)
        for finding, name in enumerate(films.index.finding_names):
            people = _people(films, rows & positive[films.pattern, finding])
            yield {
                "part": part, "finding": name, "images": images, "patients": patients, "positive": yes[finding],
                "of": of[finding], "rate": yes[finding] / of[finding] if of[finding] else np.nan,
                "positive_patients": people, "tier": tier(people).name, "policy": str(policy),
                "share_of_positive": _share(yes[finding], films, positive[:, finding]),
            }  # fmt: skip


def _people(films: Films, rows: np.ndarray) -> int:
    """Patients with one of these rows; an image of no patient stands for one."""
    return len(np.unique(films.group[rows]))


def _share(part: int, films: Films, positive: np.ndarray) -> float:
    whole = int(films.images[positive[films.pattern]].sum())
    return part / whole if whole else float("nan")


@statistic(
    "How alike the parts of a split are",
    method="standardised difference (Austin 2009; Yang and Dalton 2012), Jensen-Shannon divergence in bits, "
    f"population stability index (shares floored at {distances.PSI_FLOOR:g}), "
    "Kolmogorov-Smirnov and Wasserstein (years) for age, METHODS 6.3",
)
def balance(
    index: Index,
    cohort: Cohort | None = None,
    *,
    parts: str = GIVEN,
    policy: Policy | str = "as_is",
    strata: tuple[str, ...] = DEFAULT_STRATA,
    seed: int = 0,
) -> pd.DataFrame:
    """One row per attribute and pair of parts (each part against the rest where there are more than three).

    ``attribute`` is a finding, 'view', 'sex', 'age' or what the dataset says beyond. ``difference`` is signed
    (part minus against) for findings and age, and 0 or more for the others; ``flagged`` beyond 0.1. ``noise`` is
    the difference that chance alone reaches in one of twenty splits with so many patients: below it "no
    difference" is not shown. Images of unknown age do not count for age. NaN where neither side varies.
    ``psi`` is NaN for age: of single years many are empty on one side, and the index would be that of its floor.
    """
    import pandas as pd

    split = split_for(index, cohort, parts=parts, policy=policy, strata=strata, seed=seed)
    rows = list(_balance(split)) if split and len(split.films.images) else []
    return pd.DataFrame(rows, columns=list(_BALANCE)).astype(_BALANCE)


def _balance(split: Split) -> Iterator[dict[str, Any]]:
    films = split.films
    counts, several = _counts(split), _several_levels(films.index)
    patients = np.bincount(split.part, minlength=len(split.names))
    ages = np.arange(films.age.max() + 1)
    for part, against, name, other in _pairs(split.names):
        noise = 1.96 * np.sqrt(1 / max(patients[part].sum(), 1) + 1 / max(patients[against].sum(), 1))
        for attribute, table in counts.items():
            a, b = table[part].sum(axis=0), table[against].sum(axis=0)
            row = _distance(attribute, a, b, ages, signed=attribute not in several)
            yield {
                "part": name, "against": other, "attribute": attribute, "images": int(a.sum()),
                "images_against": int(b.sum()), **row, "noise": noise,
                "flagged": bool(abs(row["difference"]) > DIFFERENT),
            }  # fmt: skip


def _pairs(names: tuple[str, ...]) -> Iterator[tuple[list[int], list[int], str, str]]:
    places = list(range(len(names)))
    if len(names) <= PAIRS_UP_TO:
        yield from (([a], [b], names[a], names[b]) for a, b in combinations(places, 2))
    else:
        yield from (([a], [b for b in places if b != a], names[a], "the rest") for a in places)


def _counts(split: Split) -> dict[str, np.ndarray]:
    """Return, per attribute, images by part and level: int64 (parts, levels); a finding has levels (not, positive)."""
    films, parts = split.films, len(split.names)

    def by(code: np.ndarray, levels: int, weights: np.ndarray) -> np.ndarray:
        found = np.bincount(split.row_part * levels + code, weights, minlength=parts * levels)
        return found.astype(np.int64).reshape(parts, levels)

    positive, counted = films.positive(split.policy), films.counted(split.policy)
    tables = {
        name: by(positive[films.pattern, at].astype(np.int64), 2, films.images * counted[films.pattern, at])
        for at, name in enumerate(films.index.finding_names)
    }
    for name in _several_levels(films.index):
        tables[name] = by(films.codes[name], len(films.levels[name]), films.images)
    known = films.age != UNKNOWN_AGE
    tables["age"] = by(np.maximum(films.age, 0), max(int(films.age.max()) + 1, 1), films.images * known)
    return tables


def _several_levels(index: Index) -> list[str]:
    """Attributes whose levels have no order; a finding of the same name goes before one of them."""
    return ["view", "sex", *(name for name in further_attributes(index) if name not in index.finding_names)]


def _distance(attribute: str, a: np.ndarray, b: np.ndarray, ages: np.ndarray, *, signed: bool) -> dict[str, float]:
    nothing = float("nan")
    row = {
        "js": float(distances.jensen_shannon(a, b)), "psi": float(distances.population_stability(a, b)),
        "ks": nothing, "wasserstein": nothing,
    }  # fmt: skip
    if attribute == "age":
        values = ages if len(ages) == len(a) else np.arange(len(a))
        return row | {
            "difference": float(distances.mean_difference(values, a, b)),
            "psi": nothing,
            "ks": float(distances.kolmogorov_smirnov(a, b)),
            "wasserstein": float(distances.wasserstein(values, a, b)),
        }
    difference = float(distances.level_difference(a, b))
    if not signed:
        return row | {"difference": difference}
    return row | {"difference": float(np.copysign(difference, distances.shares(a)[1] - distances.shares(b)[1]))}


@statistic(
    "Patients, studies, images and pictures that stand in two parts",
    method="sets of identifiers; pictures by decoded pixels and verified copies, METHODS 6.1 and 7.5",
)
def leakage(
    index: Index,
    cohort: Cohort | None = None,
    *,
    parts: str = GIVEN,
    policy: Policy | str = "as_is",
    strata: tuple[str, ...] = DEFAULT_STRATA,
    seed: int = 0,
) -> pd.DataFrame:
    """One row per pair of parts and unit (patient, study, image): how many of each part stand in both.

    ``verdict`` is 'none shared', 'shared', or 'not possible' where the dataset does not identify the unit,
    which is not the same as none. Identifiers are compared in the list of images itself. Two more units are
    pictures, of which the copies may have other identifiers: 'same pixels' and 'changed copy' (one picture,
    altered); there ``shared`` counts pairs of films, and before a scan nothing can be said.
    """
    import pandas as pd

    split = split_for(index, cohort, parts=parts, policy=policy, strata=strata, seed=seed)
    rows = []
    images = split_images(split, cohort) if split else None
    for found in proof(images, split.names) if split else []:
        for unit, units in (("patient", "patients"), ("study", "studies"), ("image", "images")):
            shared = found[f"shared_{units}"]
            verdict = "not possible" if shared is None else "shared" if shared else "none shared"
            rows.append(
                {
                    "part_a": found["part_a"], "part_b": found["part_b"], "unit": unit,
                    "units_a": found[f"{units}_a"], "units_b": found[f"{units}_b"], "shared": shared,
                    "verdict": verdict,
                }
            )  # fmt: skip
    if split and images is not None:
        rows += _pictures(index, images, split.names)
    return pd.DataFrame(rows, columns=list(_LEAKAGE)).astype(_LEAKAGE)


def _pictures(index: Index, images: pd.DataFrame, names: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Pairs of films of two parts that are one picture."""
    sizes = images["part"].value_counts()
    for unit, kinds in (("same pixels", EQUAL), ("changed copy", (CHANGED,))):
        crossing = shared_pictures(index, images, kinds)
        for a, b in combinations(names, 2):
            shared = None if crossing is None else crossing[frozenset((a, b))]
            verdict = "not possible" if shared is None else "shared" if shared else "none shared"
            yield {
                "part_a": a, "part_b": b, "unit": unit, "units_a": int(sizes.get(a, 0)),
                "units_b": int(sizes.get(b, 0)), "shared": shared, "verdict": verdict,
            }  # fmt: skip
