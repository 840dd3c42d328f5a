"""The attributes a cohort may be split by, and their levels as small whole numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrdash.sources.sql import quote_identifier

if TYPE_CHECKING:
    from cxrdash.index.store import Index

AGE_BANDS = ("0-17", "18-39", "40-59", "60-74", "75+", "unknown")  # METHODS 3.8

# Names that a statistic may split any cohort by, and how each is computed; some datasets have further attributes.
BY = {
    "split": "split",
    "view": "view",
    "sex": "sex",
    "age_band": """CASE WHEN age_years IS NULL THEN 'unknown' WHEN age_years < 18 THEN '0-17'
        WHEN age_years < 40 THEN '18-39' WHEN age_years < 60 THEN '40-59'
        WHEN age_years < 75 THEN '60-74' ELSE '75+' END""",
}
_FURTHER = """coalesce((SELECT any_value(level) FROM attributes
    WHERE attributes.image = selected.image AND attribute = ${name}), 'not stated')"""
# The place in AGE_BANDS: comparing numbers costs a third of making texts and finding them again.
_AGE_PLACE = """CASE WHEN age_years < 18 THEN 0 WHEN age_years < 40 THEN 1 WHEN age_years < 60 THEN 2
    WHEN age_years < 75 THEN 3 WHEN age_years >= 75 THEN 4 ELSE 5 END"""
MOST_LEVELS = 20  # of a further attribute that strata and charts are made of
_WIDTHS = ((2**8, "UTINYINT"), (2**16, "USMALLINT"))


@dataclass(frozen=True)
class Levels:
    """Every combination of the levels of some attributes as one number from 0.

    ``code`` is the number as an expression over `selected` with ``parameters``; ``groups`` are the levels
    of each attribute.
    """

    code: str
    parameters: dict[str, Any]
    groups: tuple[tuple[str, ...], ...]

    @property
    def count(self) -> int:
        """How many combinations there are."""
        return int(np.prod([len(group) for group in self.groups], dtype=np.int64))

    def names(self, codes: np.ndarray) -> list[np.ndarray]:
        """Return the level of each code, one array of texts per attribute."""
        places = np.unravel_index(codes, [len(group) for group in self.groups]) if self.groups else ()
        return [np.array(group)[at] for group, at in zip(self.groups, places, strict=True)]


def ways_to_split(index: Index) -> tuple[str, ...]:
    """Return the names that images of this dataset may be split by."""
    return (*BY, *index.attributes)


def further_attributes(index: Index) -> list[str]:
    """Return what only this dataset says of its images, without what is a name for each of a few of them."""
    return [name for name in index.attributes if len(index.levels(name)) <= MOST_LEVELS]


def level_columns(by: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
    """Return the levels of attributes as columns so named (each followed by a comma) over `selected`; parameters."""
    sql, parameters = zip(*(_expression(name, place) for place, name in enumerate(by)), strict=True) if by else ((), ())
    listed = "".join(f"{text} AS {quote_identifier(name)}, " for text, name in zip(sql, by, strict=True))
    return listed, {name: value for one in parameters for name, value in one.items()}


def _expression(name: str, place: int) -> tuple[str, dict[str, Any]]:
    if name in BY:
        return BY[name], {}
    return _FURTHER.format(name=f"further{place}"), {f"further{place}": name}


def numbered(index: Index, by: tuple[str, ...]) -> Levels:
    """Return the numbers of all combinations of levels of ``by`` (see ``ways_to_split``)."""
    groups = tuple(AGE_BANDS if name == "age_band" else index.levels(name) for name in by)
    code, parameters = "0", dict[str, Any]()
    for rank, (name, group) in enumerate(zip(by, groups, strict=True)):
        # What is not one of the first levels is the last: these columns have no other values.
        cases = " ".join(f"WHEN $level{rank}_{at} THEN {at}" for at in range(len(group) - 1))
        held, bound = _expression(name, rank)
        place = _AGE_PLACE if name == "age_band" else f"CASE {held} {cases} ELSE {len(group) - 1} END"
        if len(group) > 1:
            code = f"({code} * {len(group)} + {place})" if code != "0" else place
        if name != "age_band":
            parameters |= bound | {f"level{rank}_{at}": level for at, level in enumerate(group[:-1])}
    levels = Levels(code, parameters, groups)
    width = next((kind for most, kind in _WIDTHS if levels.count <= most), "UINTEGER")
    return Levels(f"({code})::{width}", parameters, groups)
