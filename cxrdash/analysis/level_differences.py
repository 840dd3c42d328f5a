"""By how much a finding is commoner in one level of an attribute than in the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrdash.analysis.comparisons import benjamini_hochberg
from cxrdash.analysis.intervals import critical_value, ratio
from cxrdash.analysis.odds import contrast_of_sums
from cxrdash.analysis.registry import as_policy, named, statistic
from cxrdash.analysis.split_films import Films, films_of
from cxrdash.analysis.strata import cells_of_level
from cxrdash.analysis.strata_sums import Attribute, Columns, Sums, sums_by_finding
from cxrdash.errors import CxrdashError, shown
from cxrdash.index.attributes import NOT_STATED
from cxrdash.index.cohort import Cohort
from cxrdash.index.levels import ways_to_split
from cxrdash.index.selection import select
from cxrdash.index.store import Index
from cxrdash.labels.policies import Policy

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN = ("unknown", "UNKNOWN", NOT_STATED)
# The cells of strata in another order: in the level and positive, in it and not, elsewhere and positive, and not.
_BY_LEVEL = [0, 2, 1, 3]
_DIFFERENCES = {
    "finding": "str", "attribute": "str", "level": "str", "positive": "int64", "of": "int64", "rate": "float64",
    "others_positive": "int64", "others_of": "int64", "others_rate": "float64", "difference": "float64",
    "difference_low": "float64", "difference_high": "float64", "q": "float64", "policy": "str",
}  # fmt: skip


@statistic(
    "Prevalence in a level against the others",
    method="difference of two rates in images, linearised, patients as clusters (METHODS 1.5, 2.2 and 4.7); "
    "q: Benjamini-Hochberg over all rows",
    sql=named("prevalence_by").sql,
)
def prevalence_differences(
    index: Index, cohort: Cohort | None = None, *, by: str = "view", policy: Policy | str = "as_is"
) -> pd.DataFrame:
    """One row per finding and level of ``by``: ``rate`` (``positive`` of ``of`` images) less ``others_rate``.

    The others are the images in any other known level; images whose level is unknown or not stated are in
    neither. ``difference`` is of two rates (0.1: ten points), with its 95% interval; a patient may be on both
    sides, which the interval allows for. It compares images of these people, not like with like. ``by`` as in
    ``prevalence_by``. NaN where a side is empty.
    """
    import pandas as pd

    if by not in ways_to_split(index):
        raise CxrdashError(
            f"{index.title} cannot be split by '{shown(by)}'.", f"Use one of {', '.join(ways_to_split(index))}."
        )
    chosen = as_policy(policy)
    films = films_of(select(index, cohort), further=[by] if by in index.attributes else [])
    columns = Columns([_known_levels(films, by)])
    sums = sums_by_finding(films, columns, films.positive(chosen), films.counted(chosen))
    rows = [row for at, found in enumerate(sums) for row in _rows(films, columns.attributes[0], at, found)]
    q = benjamini_hochberg([row.pop("p_value") for row in rows])
    table = pd.DataFrame(rows, columns=[name for name in _DIFFERENCES if name not in ("attribute", "q", "policy")])
    return table.assign(attribute=by, q=q, policy=str(chosen))[list(_DIFFERENCES)].astype(_DIFFERENCES)


def _known_levels(films: Films, by: str) -> Attribute:
    """The attribute with the images of unknown level left out."""
    levels = films.levels[by]
    known = [at for at, level in enumerate(levels) if level not in UNKNOWN]
    place = np.full(len(levels), -1, dtype=np.int64)
    place[known] = np.arange(len(known))
    return Attribute(by, place[films.codes[by]], tuple(levels[at] for at in known))


def _rows(films: Films, attribute: Attribute, finding: int, sums: Sums) -> Iterator[dict[str, Any]]:
    z = critical_value()
    for at, level in enumerate(attribute.levels, start=1):
        totals, products = cells_of_level(sums, 0, at)
        made = contrast_of_sums(totals[_BY_LEVEL], products[np.ix_(_BY_LEVEL, _BY_LEVEL)], int(sums.patients[0]))
        a, b, c, d = (round(cell) for cell in made.cells)
        if a + b == 0:
            continue
        yield {
            "finding": films.index.finding_names[finding], "level": level, "positive": a, "of": a + b,
            "rate": made.share_positive, "others_positive": c, "others_of": c + d, "others_rate": made.share_other,
            "difference": made.difference, "difference_low": made.difference - z * made.difference_error,
            "difference_high": made.difference + z * made.difference_error,
            "p_value": _p_value(made.difference, made.difference_error),
        }  # fmt: skip


def _p_value(difference: float, error: float) -> float:
    """Two-sided, by the normal distribution; NaN where there is no error to judge by."""
    from scipy.stats import norm

    return float(2 * norm.sf(ratio(abs(difference), error)))
