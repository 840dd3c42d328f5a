"""What two datasets have in common and what is lost between them: films, ids, labels without an equivalent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrdash.analysis.harmonised import Others, beside, common_unit, frontal, readable
from cxrdash.analysis.prevalence import prevalence
from cxrdash.analysis.registry import statistic
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import Selection
from cxrdash.index.store import Index, Unit
from cxrdash.labels.policies import Policy
from cxrdash.labels.vocabulary import (
    NEAREST_FIRST,
    RELATION_WORDS,
    Mapping,
    Overlap,
    Relation,
    between,
    mapped,
    overlaps,
    shared_labels,
)  # fmt: skip

if TYPE_CHECKING:
    import pandas as pd

VOCABULARY = "shared vocabulary"
_OVERLAPS = {
    "dataset_a": "str", "dataset_b": "str", "known": "str", "says": "str", "matched_by": "str",
    "images_a": "int64", "images_b": "int64", "shared_ids": "int64", "share_of_a": "float64",
    "share_of_b": "float64", "shared_names": "int64",
}  # fmt: skip
_LOSSES = {
    "dataset": "str", "finding": "str", "unit": "str", "positive": "int64", "of": "int64", "other": "str",
    "shared": "str", "relation": "str", "counterpart": "str", "meaning": "str", "note": "str", "policy": "str",
}  # fmt: skip
_SHARED_COLUMNS = {
    **dict.fromkeys(["dataset_a", "dataset_b", "image_id_a", "image_id_b", "split_a", "split_b"], "str"),
    "crosses": "bool",
}  # fmt: skip
_SHARED = """
SELECT image_id, split FROM selected WHERE sample_key IN (SELECT unnest($keys::UBIGINT[])) ORDER BY image_id
"""
_IDS = "SELECT sample_key FROM selected"
# A file name without folder and ending; one that occurs twice (view1_frontal) names no film.
_NAMES = """
WITH names AS (
    SELECT regexp_replace(regexp_replace(image_id, '^.*[/\\\\]', ''), '\\.[A-Za-z0-9]{1,5}(\\.gz)?$', '') AS name
    FROM selected)
SELECT md5_number_lower(lower(name))::UBIGINT AS name FROM names GROUP BY ALL HAVING count(*) = 1
"""


@statistic("Films that datasets share", method="known overlaps; ids and names of films compared by digests", sql="")
def known_overlaps(index: Index, cohort: Cohort | None = None, *, others: Others = ()) -> pd.DataFrame:
    """One row per pair of datasets: what is published about films they share, and what their ids say.

    ``shared_ids`` counts image ids that occur in both, ``shared_names`` ids that agree after folder and
    file ending are taken off (only those that are unique in each dataset). No shared id does not mean no
    shared film: RSNA and SIIM give NIH's films new ids. ``known`` is '' where nothing is published here.
    """
    import pandas as pd

    indexes = beside(index, others)
    selections = [readable(one, cohort or Cohort()) for one in indexes]
    ids, names = ([_keys(selection, sql) for selection in selections] for sql in (_IDS, _NAMES))
    rows = []
    for a, b in combinations(range(len(indexes)), 2):
        shared = len(np.intersect1d(ids[a], ids[b]))
        rows.append(
            {"dataset_a": indexes[a].dataset, "dataset_b": indexes[b].dataset}
            | _published(indexes[a], indexes[b])
            | {
                "images_a": len(ids[a]), "images_b": len(ids[b]), "shared_ids": shared,
                "share_of_a": _share(shared, len(ids[a])), "share_of_b": _share(shared, len(ids[b])),
                "shared_names": len(np.intersect1d(names[a], names[b])),
            }
        )  # fmt: skip
    return pd.DataFrame(rows, columns=list(_OVERLAPS)).astype(_OVERLAPS)


@statistic("Image ids that datasets share", method="equal image ids, letter by letter", sql="")
def shared_images(
    index: Index, cohort: Cohort | None = None, *, others: Others = (), limit: int = 10_000
) -> pd.DataFrame:
    """One row per pair of datasets and image id that stands in both, at most ``limit`` of each pair, by id.

    ``split_a`` and ``split_b`` are its parts; ``crosses`` marks those in the test part of one and in another
    known part of the other.
    """
    import pandas as pd

    indexes = beside(index, others)
    selections = [readable(one, cohort or Cohort()) for one in indexes]
    keys = [_keys(selection, _IDS) for selection in selections]
    frames = []
    for a, b in combinations(range(len(indexes)), 2):
        both = np.intersect1d(keys[a], keys[b])
        one, other = (selections[at].table(_SHARED, keys=both.tolist()) for at in (a, b))
        same = one.merge(other, on="image_id", suffixes=("_a", "_b")).head(limit)
        known = (same["split_a"] != "not stated") & (same["split_b"] != "not stated")
        crosses = known & ((same["split_a"] == "test") != (same["split_b"] == "test"))
        frames.append(
            pd.DataFrame(
                {
                    "dataset_a": indexes[a].dataset, "dataset_b": indexes[b].dataset, "image_id_a": same["image_id"],
                    "image_id_b": same["image_id"], "split_a": same["split_a"], "split_b": same["split_b"],
                    "crosses": crosses,
                }
            )
        )  # fmt: skip
    table = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(_SHARED_COLUMNS))
    return table.astype(_SHARED_COLUMNS)


def _keys(selection: Selection, sql: str) -> np.ndarray:
    (keys,) = selection.arrays(sql).values()
    return np.asarray(keys, dtype=np.uint64)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def _published(one: Index, other: Index) -> dict[str, str]:
    sources = [one.meta["source"], other.meta["source"]]
    for known in overlaps():
        if [known.first, known.second] in (sources, sources[::-1]):
            words = _extent(known, one, other)
            return {"known": words, "says": known.says, "matched_by": known.matched_by}
    return {"known": "", "says": "", "matched_by": ""}


def _extent(known: Overlap, one: Index, other: Index) -> str:
    if known.first == known.second:
        return "same source"
    if known.extent != "inside":
        return "some films in common"
    inner, outer = (one, other) if one.meta["source"] == known.first else (other, one)
    return f"{inner.dataset} lies inside {outer.dataset}"


@statistic("What the shared vocabulary loses", method="shared vocabulary, relation by relation", sql="")
def mapping_losses(
    index: Index,
    cohort: Cohort | None = None,
    *,
    others: Others = (),
    policy: Policy | str = "as_is",
    unit: Unit | None = None,
) -> pd.DataFrame:
    """One row per dataset, finding and place it is mapped to: the shared vocabulary and each other dataset.

    ``relation`` of the finding to what stands for it there (``counterpart``, by way of the ``shared``
    label); 'none' is a value: there is no equivalent. ``meaning`` says it in words and ``note`` what is
    lost; ``positive`` of ``of`` units carry the finding and lose it with it. Films as in ``compare``.
    """
    import pandas as pd

    indexes = beside(index, others)
    counted = common_unit(indexes, unit)
    places = {one.dataset: mapped(one.meta["source"], one.findings) for one in indexes}
    rows: list[dict[str, Any]] = []
    for one in indexes:
        readable(one, cohort or Cohort())
        table = prevalence(one, frontal(one, cohort), policy=policy, unit=counted)
        for row in table.itertuples(index=False):
            facts = {
                "dataset": one.dataset, "finding": row.finding, "unit": counted, "positive": row.counted,
                "of": row.of, "policy": row.policy,
            }  # fmt: skip
            rows += [facts | place for place in _placed(str(row.finding), one.dataset, places)]
    return pd.DataFrame(rows, columns=list(_LOSSES)).astype(_LOSSES)


def _placed(finding: str, dataset: str, places: dict[str, tuple[Mapping, ...]]) -> Iterator[dict[str, str]]:
    own = [one for one in places[dataset] if finding in one.findings]
    words = [Mapping(label.name, (label.name,), "=") for label in shared_labels() if not label.own_word]
    yield {"other": VOCABULARY} | _nearest(own, words)
    for other, mappings in places.items():
        if other != dataset:
            yield {"other": other} | _nearest(own, mappings)


def _nearest(own: Sequence[Mapping], theirs: Sequence[Mapping]) -> dict[str, str]:
    """Return the nearest counterpart of a finding among another's mappings."""
    joint = [(_related(mine, other), mine, other) for mine in own for other in theirs if mine.shared == other.shared]
    if not joint:
        note = own[0].note if own else "The shared vocabulary has no word for it."
        return {"shared": "", "relation": "none", "counterpart": "", "meaning": RELATION_WORDS["none"], "note": note}
    relation, mine, other = min(joint, key=lambda found: NEAREST_FIRST.index(found[0]))
    several = " and ".join(mine.findings) if len(mine.findings) < 4 else f"{len(mine.findings)} findings"
    together = f"; {several} become one" if len(mine.findings) > 1 else ""
    return {
        "shared": mine.shared, "relation": relation, "counterpart": " or ".join(other.findings),
        "meaning": _MEANINGS[relation] + together, "note": mine.note or other.note,
    }  # fmt: skip


_MEANINGS: dict[Relation, str] = {
    "=": "same meaning", "⊂": "says less than its counterpart", "⊃": "says more than its counterpart",
    "~": "related, another definition", "none": RELATION_WORDS["none"],
}  # fmt: skip


def _related(mine: Mapping, other: Mapping) -> Relation:
    relation = between(mine.relation, other.relation)
    own_word = any(label.own_word for label in shared_labels() if label.name == mine.shared)
    return "~" if own_word and relation != "none" else relation
