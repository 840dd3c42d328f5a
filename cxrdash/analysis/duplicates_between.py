"""Films that stand in two datasets, by what they show rather than by their names."""

from __future__ import annotations

from itertools import combinations
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrdash.analysis.duplicates import KINDS, changes
from cxrdash.analysis.harmonised import Others, beside, readable
from cxrdash.analysis.registry import statistic
from cxrdash.images.likeness import Likeness
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import Selection
from cxrdash.index.shared_films import Hashed, SharedFilm, lines, shared_films
from cxrdash.index.store import Index

if TYPE_CHECKING:
    import pandas as pd

_BETWEEN = {
    **dict.fromkeys(["dataset_a", "dataset_b", "image_id_a", "image_id_b", "kind", "changed"], "str"),
    "distance": "int64", "correlation": "float64", "detail": "float64", "split_a": "str", "split_b": "str",
    "crosses": "bool", "image_a": "int64", "image_b": "int64",
}  # fmt: skip
_HASHED = """
SELECT image, image_id, split, file_digest, pixel_digest, phash FROM selected JOIN measures USING (image)
WHERE measures.status = 'ok' AND interior_sd >= 2 AND entropy_bits >= 3 ORDER BY image
"""
_NOTHING = float("nan")


@statistic(
    "Films that datasets share, by what they show",
    method="SHA-256 of files and decoded pixels; 256-bit hashes, the nearest laid on each other, METHODS 7.5",
)
def duplicates_between(
    index: Index, cohort: Cohort | None = None, *, others: Others = (), limit: int = 10_000, laid: int = 300
) -> pd.DataFrame:
    """One row per pair of films of two datasets that are one picture or may be, at most ``limit`` of each two.

    ``kind`` as in ``duplicates``. Of each two datasets the ``laid`` pairs with the closest hashes are laid on
    each other; the stricter of both datasets' thresholds counts. ``correlation`` and ``detail`` are NaN for
    pairs that were not laid. ``crosses`` marks pairs in the test part of one and in another known part of the
    other. Only scanned films are compared, and copies that are turned, cropped or partly blackened are not
    found here. Without ``others``: all datasets indexed beside this one.
    """
    import pandas as pd

    indexes = beside(index, others)
    sides = [readable(one, cohort or Cohort()) for one in indexes]
    tables = [side.table(_HASHED) for side in sides]
    rows = []
    for a, b in combinations(range(len(indexes)), 2):
        if len(tables[a]) and len(tables[b]):
            rows += _pairs((sides[a], tables[a]), (sides[b], tables[b]), laid)[: max(limit, 0)]
    return pd.DataFrame(rows, columns=list(_BETWEEN)).astype(_BETWEEN)


def _pairs(a: tuple[Selection, pd.DataFrame], b: tuple[Selection, pd.DataFrame], laid: int) -> list[dict[str, Any]]:
    """Pairs of two datasets, surest first."""
    (side_a, table_a), (side_b, table_b) = a, b
    found = {pair: _row(kind, 0, None) for kind, pair in _equal(table_a, table_b)}
    detail, bits = lines(side_a.index, side_b.index)
    near = shared_films(_hashed(side_a.index, table_a), _hashed(side_b.index, table_b), most_laid=max(laid, 0))
    for one in near:
        if kind := _kind(one, detail, bits):
            found.setdefault((one.a, one.b), _row(kind, one.distance, one.found))
    rows = [
        row | _film("a", side_a.index, table_a, at) | _film("b", side_b.index, table_b, other) | {
            "crosses": _crosses(table_a["split"][at], table_b["split"][other])}
        for (at, other), row in found.items()
    ]  # fmt: skip
    return sorted(rows, key=lambda row: (KINDS.index(row["kind"]), row["distance"], row["image_a"], row["image_b"]))


def _equal(a: pd.DataFrame, b: pd.DataFrame) -> list[tuple[str, tuple[int, int]]]:
    """Pairs of the same pixels, by place in both tables."""
    import pandas as pd

    sides = [table.assign(place=np.arange(len(table))) for table in (a, b)]
    for side in sides:
        for column in ("file_digest", "pixel_digest"):
            side[column] = [bytes(digest) for digest in side[column]]
    both = pd.merge(*sides, on="pixel_digest", suffixes=("_a", "_b"))
    kinds = np.where(both["file_digest_a"] == both["file_digest_b"], "same file", "same pixels")
    return [(str(kind), (int(at), int(other))) for kind, at, other in zip(kinds, both["place_a"], both["place_b"],
                                                                           strict=True)]  # fmt: skip


def _hashed(index: Index, table: pd.DataFrame) -> Hashed:
    joined = b"".join(bytes(one) for one in table["phash"])
    return Hashed(index, table["image"].to_numpy().astype(np.int64), np.frombuffer(joined, np.uint8).reshape(-1, 32))


def _kind(one: SharedFilm, detail: float, bits: int) -> str:
    """What a pair of close hashes is; '' where it is two pictures."""
    if one.found is not None and one.found.near and one.found.detail >= detail:
        return "verified"
    return "candidate" if one.distance <= bits else ""


def _row(kind: str, distance: int, found: Likeness | None) -> dict[str, Any]:
    equal = kind in KINDS[:2]
    likeness = (1.0, 1.0) if equal else (found.correlation, found.detail) if found else (_NOTHING, _NOTHING)
    changed = ""
    if found is not None:
        facts = {name: getattr(found, name) for name in ("inverted", "mirrored", "degrees", "size", "shared")}
        changed = changes(SimpleNamespace(kind=kind, **facts))
    return {
        "kind": kind, "distance": distance, "correlation": likeness[0], "detail": likeness[1], "changed": changed,
    }  # fmt: skip


def _film(side: str, index: Index, table: pd.DataFrame, at: int) -> dict[str, Any]:
    return {
        f"dataset_{side}": index.dataset, f"image_id_{side}": table["image_id"][at],
        f"split_{side}": table["split"][at], f"image_{side}": table["image"][at],
    }  # fmt: skip


def _crosses(part_a: str, part_b: str) -> bool:
    return "not stated" not in (part_a, part_b) and ((part_a == "test") != (part_b == "test"))
