"""Splits by patient: built ones, the given one, and the proof that no patient is in two parts."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from cxrdash.analysis.duplicates import SURE, compared, linked
from cxrdash.analysis.registry import as_policy
from cxrdash.analysis.split_films import ATTRIBUTES, Films, Whole, films_of
from cxrdash.analysis.splitting import divide
from cxrdash.errors import CxrdashError, shown
from cxrdash.index.cohort import Cohort
from cxrdash.index.levels import further_attributes
from cxrdash.index.selection import select
from cxrdash.index.store import Index
from cxrdash.labels.policies import Policy

if TYPE_CHECKING:
    import pandas as pd

GIVEN = "given"
"""In place of shares: the parts as the dataset has them."""
DEFAULT_PARTS = "train=0.7,valid=0.1,test=0.2"
DEFAULT_STRATA = ("view", "age_band")
MOST_PARTS = 20


@dataclass(frozen=True)
class Split:
    """Every image of a cohort in one part. ``part`` (groups,) holds places in ``names``; see ``Films``."""

    films: Films
    names: tuple[str, ...]
    part: Whole
    fractions: tuple[float, ...]
    policy: Policy
    strata: tuple[str, ...]
    seed: int
    given: bool = False

    @property
    def row_part(self) -> Whole:
        """The part of each row of ``films``."""
        return self.part[self.films.group]


def parse_parts(text: str) -> dict[str, float]:
    """Return the parts that 'train=.7,valid=.1,test=.2' or '5 folds' describes, with shares that sum to 1.

    CxrdashError names what is wrong.
    """
    words = text.strip().split()
    if len(words) == 2 and words[0].isdigit() and words[1].rstrip("s") == "fold":
        return _folds(int(words[0]))
    try:
        pairs = [part.split("=", 1) for part in text.split(",") if part.strip()]
        parts = {name.strip(): float(share) for name, share in pairs}
    except ValueError:
        raise CxrdashError(f"'{shown(text)}' does not describe parts.", f"Write {DEFAULT_PARTS}, or 5 folds.") from None
    return _checked(parts, [name.strip() for name, _ in pairs], text)


def _folds(folds: int) -> dict[str, float]:
    if not 2 <= folds <= MOST_PARTS:
        raise CxrdashError(f"{folds} folds cannot be made.", f"Ask for 2 to {MOST_PARTS}.")
    return {f"fold_{at + 1}": 1 / folds for at in range(folds)}


def _checked(parts: dict[str, float], names: Sequence[str], text: str) -> dict[str, float]:
    example = f"Write for example {DEFAULT_PARTS}."
    if len(parts) != len(names) or not 2 <= len(parts) <= MOST_PARTS:
        raise CxrdashError(f"'{shown(text)}' names {len(names)} parts; 2 to {MOST_PARTS} different ones go.", example)
    if not all(name.replace("_", "").replace("-", "").isalnum() for name in names):
        raise CxrdashError(f"A name in '{shown(text)}' is no name of a part.", "Use letters, digits, - and _.")
    total = sum(parts.values())
    if not all(0 < share < 1 for share in parts.values()) or abs(total - 1) > 1e-6:
        raise CxrdashError(f"The shares in '{shown(text)}' sum to {total:g}, not to 1.", example)
    return {name: share / total for name, share in parts.items()}


def build_split(
    index: Index,
    cohort: Cohort | None = None,
    *,
    parts: str | Mapping[str, float] = DEFAULT_PARTS,
    policy: Policy | str = "as_is",
    strata: Sequence[str] = DEFAULT_STRATA,
    seed: int = 0,
) -> Split:
    """Divide a cohort by patient so that each part gets its share of every label and of every level of ``strata``.

    ``parts`` are shares by name (or text, see ``parse_parts``). An image without a patient is a group of
    its own. Patients who share a picture (a scan has found it) go into the same part. The same seed gives
    the same parts on any machine; seed 0 breaks ties by the patients' ids. Greedy
    division of count vectors, METHODS 6.2.
    """
    shares = parse_parts(parts) if isinstance(parts, str) else _checked(dict(parts), list(parts), str(dict(parts)))
    known_strata = ways_to_stratify(index)
    unknown = [name for name in strata if name not in known_strata]
    if unknown:
        raise CxrdashError(f"'{shown(unknown[0])}' is nothing to stratify by.", f"Known: {', '.join(known_strata)}.")
    films, chosen = films_of(select(index, cohort), further=further_attributes(index)), as_policy(policy)
    fractions = tuple(shares.values())
    asked = (cohort or Cohort(), fractions, chosen, tuple(strata), seed)
    known, part = _LAST.get(index, ((), films.number))
    if known != asked:
        part = _divided(films, fractions, chosen, strata, seed)
        _LAST[index] = (asked, part)
    return Split(films, tuple(shares), part, fractions, chosen, tuple(strata), seed)


# The last division of each dataset: several tables and files are made of one split, and it takes longest.
_LAST: WeakKeyDictionary[Index, tuple[tuple[object, ...], Whole]] = WeakKeyDictionary()


def _divided(films: Films, fractions: Sequence[float], policy: Policy, strata: Sequence[str], seed: int) -> Whole:
    """Return the part of each group; groups that share a picture are divided as one."""
    vectors, atom = _vectors(films, policy, strata), _atoms(films)
    ranks = _first(_ranks(films.names, seed), atom)
    return divide(_summed(vectors, atom), fractions, sizes=_summed(films.size, atom), ranks=ranks)[atom]


def ways_to_stratify(index: Index) -> tuple[str, ...]:
    """Return what a split of this dataset may be balanced by, beside its labels."""
    return (*ATTRIBUTES, *further_attributes(index))


def given_split(index: Index, cohort: Cohort | None = None, *, policy: Policy | str = "as_is") -> Split | None:
    """Return the dataset's own parts; None where it has fewer than two.

    Patients with images in several parts are divided into one group per part, so that every image stays
    in its part; ``shared`` and the proof count them.
    """
    films = films_of(select(index, cohort), further=further_attributes(index))
    present = [at for at in range(len(films.levels["split"])) if (films.codes["split"] == at).any()]
    names = tuple(films.levels["split"][at] for at in present)
    if len(names) < 2:
        return None
    part_of_row = np.searchsorted(present, films.codes["split"])
    key, group = np.unique(films.group * len(names) + part_of_row, return_inverse=True)
    divided = Films(
        films.index, group.astype(np.int64), films.number[key // len(names)], films.pattern, films.images, films.age,
        films.codes, films.levels, films.selection,
    )  # fmt: skip
    part = (key % len(names)).astype(np.int64)
    images = np.bincount(part, divided.size, minlength=len(names))
    return Split(divided, names, part, tuple(images / max(images.sum(), 1)), as_policy(policy), (), 0, True)


def _vectors(films: Films, policy: Policy, strata: Sequence[str]) -> np.ndarray:
    """Count, per group, positive images of each finding, images without any, images by stratum, and images."""
    kinds = [finding.kind for finding in films.index.findings]
    positive = films.positive(policy)[:, [at for at, kind in enumerate(kinds) if kind != "normal"]]
    columns = [positive[films.pattern, at] for at in range(positive.shape[1])]
    columns.append((~positive.any(axis=1)).astype(bool)[films.pattern])
    for name in strata:
        columns += [films.codes[name] == at for at in range(len(films.levels[name]))]
    columns.append(np.ones(len(films.images), dtype=bool))
    counts = [np.bincount(films.group, films.images * column, minlength=films.groups) for column in columns]
    return np.stack(counts, axis=1)


_PEOPLE = """
SELECT image, CASE WHEN patient IS NULL THEN -1 - image ELSE patient END AS grouped FROM images
WHERE image IN (SELECT unnest($images::INTEGER[]))
"""


def _atoms(films: Films) -> Whole:
    """Number groups so that those who share a picture have the same number, through any chain of pictures."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = linked(films.index)
    if not len(pairs):
        return np.arange(films.groups, dtype=np.int64)
    person = dict(films.index.rows(_PEOPLE, {"images": np.unique(pairs).tolist()}))
    people = np.array([[person[a], person[b]] for a, b in pairs.tolist()], np.int64)
    people = people[np.isin(people, films.number).all(axis=1)]
    at = np.searchsorted(films.number, people)
    shape = (films.groups, films.groups)
    return np.asarray(
        connected_components(coo_array((np.ones(len(at)), (at[:, 0], at[:, 1])), shape), directed=False)[1], np.int64
    )


def _summed(counts: np.ndarray, atom: Whole) -> np.ndarray:
    total = np.zeros((int(atom.max(initial=-1)) + 1, *counts.shape[1:]), counts.dtype)
    np.add.at(total, atom, counts)
    return total


def _first(ranks: Whole, atom: Whole) -> Whole:
    """Rank atoms by the first of their groups."""
    lowest = np.full(int(atom.max(initial=-1)) + 1, len(ranks), np.int64)
    np.minimum.at(lowest, atom, ranks)
    placed = np.empty(len(lowest), np.int64)
    placed[np.argsort(lowest)] = np.arange(len(lowest))
    return placed


_NUMBERED = "SELECT image_id, image FROM images WHERE image IN (SELECT unnest($images::INTEGER[]))"


def shared_pictures(
    index: Index, images: pd.DataFrame, kinds: Sequence[str] = SURE
) -> Counter[frozenset[str | None]] | None:
    """Count pairs of films that are one picture by the parts they stand in; None before a scan.

    ``images`` are those of ``split_images``; None stands for a film that is not among them.
    """
    if not compared(index):
        return None
    pairs = linked(index, kinds)
    part = dict(zip(images["image_id"], images["part"], strict=True))
    of = {image: part.get(name) for name, image in index.rows(_NUMBERED, {"images": np.unique(pairs).tolist()})}
    return Counter(frozenset((of[a], of[b])) for a, b in pairs.tolist())


def _ranks(names: np.ndarray, seed: int) -> Whole:
    keys = names
    if seed:
        keys = np.array([hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=12).hexdigest() for name in names])
    ranks = np.empty(len(names), dtype=np.int64)
    ranks[np.argsort(keys, kind="stable")] = np.arange(len(names))
    return ranks


_IMAGES = """
SELECT image_id, coalesce(patient_id, '') AS patient_id, coalesce(study_id, '') AS study_id, split,
       CASE WHEN patient IS NULL THEN -1 - image ELSE patient END AS grouped
FROM selected ORDER BY image
"""


def split_images(split: Split, cohort: Cohort | None = None) -> pd.DataFrame:
    """Return [image_id, patient_id, study_id, part], one row per image; ``cohort`` is the one that was split."""
    table = select(split.films.index, cohort).table(_IMAGES)
    if split.given:
        table["part"] = table["split"]
    else:
        group = np.searchsorted(split.films.number, table["grouped"].to_numpy().astype(np.int64))
        table["part"] = np.array(split.names)[split.part[group]]
    return table[["image_id", "patient_id", "study_id", "part"]].astype("str")


def proof(images: pd.DataFrame, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return, for every pair of parts, how many patients, studies and images stand in both.

    Counted anew from the list of images itself (``split_images``), not from how it was made. ``patients``
    is None where no image of the two parts has a patient.
    """
    units = (("patients", "patient_id"), ("studies", "study_id"), ("images", "image_id"))
    stands = {unit: _stands(images, column, names) for unit, column in units}
    rows = []
    for a, b in combinations(range(len(names)), 2):
        row: dict[str, Any] = {"part_a": names[a], "part_b": names[b]}
        for unit, table in stands.items():
            in_a, in_b = table[:, a], table[:, b]
            row |= {f"{unit}_a": int(in_a.sum()), f"{unit}_b": int(in_b.sum())}
            row[f"shared_{unit}"] = int((in_a & in_b).sum()) if in_a.any() or in_b.any() else None
        rows.append(row)
    return rows


def _stands(images: pd.DataFrame, column: str, names: Sequence[str]) -> np.ndarray:
    """Return boolean (identifiers, parts): which identifier stands in which part; the empty text is none."""
    import pandas as pd

    code, known = pd.factorize(images[column])
    part = pd.Index(names).get_indexer(images["part"])
    table = np.zeros((len(known), len(names)), dtype=bool)
    table[code[part >= 0], part[part >= 0]] = True
    named: np.ndarray = table[np.asarray(known != "", dtype=bool)]
    return named
