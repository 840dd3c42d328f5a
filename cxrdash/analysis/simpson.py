"""Where an association turns round once a third variable is held fixed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrdash.analysis.odds import mantel_haenszel, newcombe
from cxrdash.analysis.registry import as_policy, statistic
from cxrdash.analysis.split_films import Films, films_of
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import select
from cxrdash.index.store import Index
from cxrdash.labels.policies import Policy

if TYPE_CHECKING:
    import pandas as pd

THIRDS = ("view", "sex", "age_band")
FEWEST = 10  # images on each side of a stratum; a smaller one turns round by chance
_CHECK = {
    "finding": "str", "exposure": "str", "level": "str", "third": "str", "positive_exposed": "int64",
    "exposed": "int64", "positive_other": "int64", "other": "int64", "difference": "float64", "low": "float64",
    "high": "float64", "strata": "int64", "pooled_odds": "float64", "pooled_low": "float64", "pooled_high": "float64",
    "alert": "bool", "policy": "str",
}  # fmt: skip
_STRATUM = {
    "finding": "str", "exposure": "str", "level": "str", "third": "str", "stratum": "str", "positive_exposed": "int64",
    "exposed": "int64", "positive_other": "int64", "other": "int64", "rate_exposed": "float64",
    "rate_other": "float64", "difference": "float64", "low": "float64", "high": "float64", "policy": "str",
}  # fmt: skip


@statistic(
    "Associations that turn round",
    method="crude difference (Newcombe) against the strata and the Mantel-Haenszel odds ratio, METHODS 4.8; "
    "images counted as if independent",
)
def simpson(index: Index, cohort: Cohort | None = None, *, policy: Policy | str = "as_is") -> pd.DataFrame:
    """One row per finding, exposure and third variable: is the crude difference that of the strata?

    Exposures are the levels of view, sex and age band against all other images, and devices; rates are of
    the finding among the exposed and the others. ``alert`` where the crude difference has one sign and
    every stratum (of at least 10 images on both sides) the other, and the crude interval excludes 0 or the pooled
    one excludes 1. ``strata`` counts the strata compared; the pooled odds ratio is theirs.
    """
    import pandas as pd

    chosen, films = as_policy(policy), _alike(films_of(select(index, cohort)))
    rows = [_checked(case) | {"policy": str(chosen)} for case in _cases(films, chosen)]
    table = pd.DataFrame(rows, columns=list(_CHECK)).astype(_CHECK)
    return table.sort_values("alert", ascending=False, kind="stable", ignore_index=True)


@statistic("The strata behind an association", method="counts and Newcombe intervals, METHODS 4.8")
def simpson_strata(
    index: Index,
    cohort: Cohort | None = None,
    *,
    policy: Policy | str = "as_is",
    row: tuple[str, ...] = (),
) -> pd.DataFrame:
    """Rows of one row of ``simpson``: each stratum of the third variable, and 'all' for the crude table.

    ``row`` is its finding, exposure, level and third variable; without it the first row is shown.
    """
    import pandas as pd

    chosen, films = as_policy(policy), _alike(films_of(select(index, cohort)))
    asked = row
    if not asked:
        first = simpson(index, cohort, policy=chosen).head(1)
        asked = tuple(first[name].item() for name in ("finding", "exposure", "level", "third")) if len(first) else ()
    rows = [one for case in _cases(films, chosen) if case.key == asked for one in _strata_rows(case, str(chosen))]
    return pd.DataFrame(rows, columns=list(_STRATUM)).astype(_STRATUM)


@dataclass(frozen=True)
class _Case:
    """Cells (a, b, c, d: exposed positive, other positive, exposed not, other not) altogether and per stratum.

    ``strata`` leaves out those that are too small.
    """

    key: tuple[str, str, str, str]
    crude: np.ndarray
    strata: dict[str, np.ndarray]


def _alike(films: Films) -> Films:
    """Whose images they are does not count here: all are one group, and those alike in labels and thirds one row."""
    code = films.pattern
    for name in THIRDS:
        code = code * len(films.levels[name]) + films.codes[name]
    _, first, row = np.unique(code, return_index=True, return_inverse=True)
    images = np.bincount(row, films.images, minlength=len(first)).astype(np.int64)
    codes = {name: films.codes[name][first] for name in THIRDS}
    return replace(
        films, group=np.zeros_like(first), number=films.number[:1], pattern=films.pattern[first], images=images,
        age=films.age[first], codes=codes,
    )  # fmt: skip


def _cases(films: Films, policy: Policy) -> Iterator[_Case]:
    positive, counted = films.positive(policy), films.counted(policy)
    exposures = list(_exposures(films, positive))
    for finding, name in enumerate(films.index.finding_names):
        state = np.where(positive[:, finding], 0, np.where(counted[:, finding], 1, 2))[films.pattern]
        for exposure, level, exposed in exposures:
            if exposure == name:
                continue
            for third in THIRDS:
                if third == exposure or len(films.levels[third]) < 2:
                    continue
                cells = _cells(films, state, exposed, third)
                kept = {
                    stratum: cells[at]
                    for at, stratum in enumerate(films.levels[third])
                    if min(cells[at][[0, 2]].sum(), cells[at][[1, 3]].sum()) >= FEWEST
                }
                whole = cells.sum(axis=0)
                if whole[[0, 2]].sum() and whole[[1, 3]].sum():
                    yield _Case((name, exposure, level, third), whole, kept)


def _exposures(films: Films, positive: np.ndarray) -> Iterator[tuple[str, str, np.ndarray]]:
    for name in THIRDS:
        for at, level in enumerate(films.levels[name]):
            exposed = films.codes[name] == at
            if exposed.any() and not exposed.all():
                yield name, level, exposed
    for at, finding in enumerate(films.index.findings):
        if finding.kind == "device":
            yield finding.name, "yes", positive[films.pattern, at]


def _cells(films: Films, state: np.ndarray, exposed: np.ndarray, third: str) -> np.ndarray:
    levels = len(films.levels[third])
    code = films.codes[third] * 6 + state * 2 + ~exposed
    return np.bincount(code, films.images, minlength=levels * 6).reshape(levels, 6)[:, :4]


def _checked(case: _Case) -> dict[str, Any]:
    a, b, c, d = case.crude
    differences = np.array([_difference(cells) for cells in case.strata.values()])
    crude = _difference(case.crude)
    low, high = newcombe(a, a + c, b, b + d)
    pooled = mantel_haenszel(np.array(list(case.strata.values())).reshape(-1, 4))
    turned = bool(crude and len(differences) > 1 and (np.sign(differences) == -np.sign(crude)).all())
    sure = low > 0 or high < 0 or pooled.low > 1 or pooled.high < 1
    return {
        **dict(zip(("finding", "exposure", "level", "third"), case.key, strict=True)),
        "positive_exposed": a, "exposed": a + c, "positive_other": b, "other": b + d, "difference": crude, "low": low,
        "high": high, "strata": len(differences), "pooled_odds": pooled.odds_ratio, "pooled_low": pooled.low,
        "pooled_high": pooled.high, "alert": turned and sure,
    }  # fmt: skip


def _difference(cells: np.ndarray) -> float:
    a, b, c, d = cells
    return float(a / (a + c) - b / (b + d))


def _strata_rows(case: _Case, policy: str) -> Iterator[dict[str, Any]]:
    for stratum, (a, b, c, d) in {"all": case.crude, **case.strata}.items():
        low, high = newcombe(a, a + c, b, b + d)
        yield {
            **dict(zip(("finding", "exposure", "level", "third"), case.key, strict=True)), "stratum": stratum,
            "positive_exposed": a, "exposed": a + c, "positive_other": b, "other": b + d, "rate_exposed": a / (a + c),
            "rate_other": b / (b + d), "difference": a / (a + c) - b / (b + d), "low": low, "high": high,
            "policy": policy,
        }  # fmt: skip
