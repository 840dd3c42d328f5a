"""The films a model doubts, by its scores: to be looked at, never counted into a rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import select
from cxrdash.index.store import Index
from cxrdash.labels.expression import Atom, Expression, Not, finding_named, format_expression

if TYPE_CHECKING:
    import pandas as pd

Doubt = Literal["positive_low", "other_high", "high", "low"]


@dataclass(frozen=True)
class Doubted:
    """The images with the most doubtful scores, first the most doubtful, of ``of`` images that have a score."""

    images: tuple[str, ...]
    scores: tuple[float, ...]
    of: int


def doubted(index: Index, cohort: Cohort, scores: pd.Series, *, finding: str, doubt: Doubt, most: int) -> Doubted:
    """Return the images of the cohort whose score (a column of ``ImageNumbers.table``) speaks most against their label.

    ``positive_low``: of those labelled positive the lowest scores; ``other_high``: of the others the highest;
    ``high`` and ``low`` ask no label. Equal scores are ordered by identifier.
    """
    asked = {"positive_low": _labelled(index, finding), "other_high": _labelled(index, finding, positive=False)}
    if doubt in asked:
        cohort = cohort.narrow(Cohort(labels=asked[doubt]))
    images = select(index, cohort).image_ids()
    values = scores[scores.notna() & scores.index.isin(images)].sort_index()
    first = values.sort_values(ascending=doubt in ("positive_low", "low"), kind="stable").head(most)
    return Doubted(tuple(first.index), tuple(float(value) for value in first), len(values))


def _labelled(index: Index, finding: str, *, positive: bool = True) -> str:
    atom: Expression = Atom(finding_named(finding, index.finding_names))
    return format_expression(atom if positive else Not(atom))
