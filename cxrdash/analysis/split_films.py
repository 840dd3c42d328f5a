"""The images of a cohort as a split sees them: by patient, with labels, view, sex, age and the given part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxrdash.index.levels import level_columns
from cxrdash.index.selection import AGE_BANDS, BY, Selection
from cxrdash.index.store import Index
from cxrdash.labels.policies import Policy

Whole = NDArray[np.int64]
ATTRIBUTES = ("view", "sex", "age_band")
UNKNOWN_AGE = -1

# Images alike in all of these are one row; an image of no patient is a group of its own.
_FILMS = """
SELECT CASE WHEN patient IS NULL THEN -1 - image ELSE patient END AS grouped, pattern,
       list_position($splits, split)::INTEGER - 1 AS split, list_position($views, view)::INTEGER - 1 AS view,
       list_position($sexes, sex)::INTEGER - 1 AS sex,
       list_position($age_bands, {band})::INTEGER - 1 AS age_band,
       {further}coalesce(floor(age_years), {unknown})::INTEGER AS age, count(*)::BIGINT AS images{tags}
FROM selected{joins} GROUP BY ALL ORDER BY ALL
"""
# What another reader's table says of an image: 0 not read, 1 read and not so marked, 2 marked.
_TAG = """ LEFT JOIN (
    SELECT image, 1 + max((finding = $tag{at} AND state = 'positive')::INTEGER) AS tag{at}
    FROM readings WHERE reader = $by{at} GROUP BY image) USING (image)"""
NOT_READ = "not read"
TAG_LEVELS = (NOT_READ, "no", "yes")
_PATIENTS = "SELECT patient, patient_id FROM patients"
_ALONE = "SELECT -1 - image AS grouped, image_id FROM selected WHERE patient IS NULL"


@dataclass(frozen=True)
class Films:
    """Rows of images that are alike, by ``group`` (0, 1, ...): the patient, or the image where it has none.

    All arrays have shape (rows,) but ``names`` (groups,) and ``number`` (groups,): the patient's dense
    number, or -1 - image. ``split``, ``view``, ``sex``, ``age_band`` and further attributes are places in ``levels``.
    """

    index: Index
    group: Whole
    number: Whole
    pattern: Whole
    images: Whole
    age: Whole
    codes: dict[str, Whole]
    levels: dict[str, tuple[str, ...]]
    selection: Selection

    @cached_property
    def names(self) -> NDArray[np.str_]:
        """Identifiers of the patients, or of the images without one."""
        known = dict(self.index.rows(_PATIENTS))
        if self.alone:
            known |= dict(self.selection.rows(_ALONE))
        return np.array([str(known[int(one)]) for one in self.number], dtype=np.str_)

    @property
    def groups(self) -> int:
        return len(self.number)

    @property
    def alone(self) -> int:
        """Images without a patient."""
        return int((self.number < 0).sum())

    @cached_property
    def size(self) -> Whole:
        """Images of each group."""
        return np.bincount(self.group, self.images, minlength=self.groups).astype(np.int64)

    def positive(self, policy: Policy) -> NDArray[np.bool_]:
        """Return boolean (patterns, findings): which findings are positive under the policy."""
        return np.isin(self.index.dictionary, sorted(policy.positive_states))

    def counted(self, policy: Policy) -> NDArray[np.bool_]:
        """Return boolean (patterns, findings): which findings count in the denominator under the policy."""
        return np.isin(self.index.dictionary, sorted(policy.denominator_states))


def films_of(selection: Selection, tags: Sequence[tuple[str, str]] = (), further: Sequence[str] = ()) -> Films:
    """Read the images of a cohort, alike ones of a patient as one row.

    Each of ``tags`` is a reader and a finding of ``readings``; its codes are places in TAG_LEVELS, under
    the name ``tag_name`` gives. ``further`` are attributes of this dataset (``Index.attributes``).
    """
    index = selection.index
    levels = {name: index.levels(name) for name in ("split", "view", "sex")} | {"age_band": AGE_BANDS}
    lists: dict[str, Any] = {f"{name}s": list(values) for name, values in levels.items() if name != "sex"}
    for at, (reader, finding) in enumerate(tags):
        lists |= {f"tag{at}": finding, f"by{at}": reader}
    extra, bound = level_columns(tuple(further))
    lists |= bound
    sql = _FILMS.format(
        further=extra,
        band=BY["age_band"],
        unknown=UNKNOWN_AGE,
        tags="".join(f", coalesce(tag{at}, 0)::INTEGER AS tag{at}" for at in range(len(tags))),
        joins="".join(_TAG.format(at=at) for at in range(len(tags))),
    )
    found = selection.arrays(sql, sexes=list(levels["sex"]), **lists)
    number, group = np.unique(found["grouped"].astype(np.int64), return_inverse=True)
    places = {name: _places(found.pop(name), index.levels(name)) for name in further}
    whole = {name: column.astype(np.int64) for name, column in found.items()} | places
    levels |= {name: index.levels(name) for name in further}
    return Films(
        index=index,
        group=group.astype(np.int64),
        number=number,
        pattern=whole["pattern"],
        images=whole["images"],
        age=whole["age"],
        codes={name: whole[name] for name in levels}
        | {tag_name(*tag): whole[f"tag{at}"] for at, tag in enumerate(tags)},
        levels=levels | {tag_name(*tag): TAG_LEVELS for tag in tags},
        selection=selection,
    )


def _places(values: NDArray[Any], levels: tuple[str, ...]) -> Whole:
    """The place of each value among the levels."""
    order = np.argsort(np.array(levels))
    return order[np.searchsorted(np.array(levels)[order], values.astype(str))].astype(np.int64)


def tag_name(reader: str, finding: str) -> str:
    """Return the name of an attribute that another reader's table gives."""
    return f"{finding} ({reader})"
