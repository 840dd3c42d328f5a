"""Where an association turns round once a third variable is held fixed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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
    from scipy.sparse import csc_array

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

    chosen, films = as_policy(policy), films_of(select(index, cohort))
    cases = list(_cases(films, chosen))
    table = pd.DataFrame([_checked(case) for case in cases], columns=[name for name in _CHECK if name != "policy"])
    a, b, c, d = np.array([case.crude for case in cases]).reshape(-1, 4).T
    low, high = newcombe(a, a + c, b, b + d)
    sure = (low > 0) | (high < 0) | (table["pooled_low"] > 1) | (table["pooled_high"] < 1)
    table = table.assign(low=low, high=high, alert=table["alert"].astype(bool) & sure, policy=str(chosen))
    table = table[list(_CHECK)].astype(_CHECK)
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

    chosen, films = as_policy(policy), films_of(select(index, cohort))
    asked = row
    if not asked:
        first = simpson(index, cohort, policy=chosen).head(1)
        asked = tuple(first[name].item() for name in ("finding", "exposure", "level", "third")) if len(first) else ()
    rows = [one for case in _cases(films, chosen) if case.key == asked for one in _strata_rows(case, str(chosen))]
    return pd.DataFrame(rows, columns=list(_STRATUM)).astype(_STRATUM)


@dataclass(frozen=True)
class _Case:
    """Cells (a, b, c, d: exposed positive, other positive, exposed not, other not) altogether and per stratum.

    ``strata`` (strata, 4), named in ``names``, leaves out those that are too small.
    """

    key: tuple[str, str, str, str]
    crude: np.ndarray
    strata: np.ndarray
    names: tuple[str, ...]


def _cases(films: Films, policy: Policy) -> Iterator[_Case]:
    tables = list(_tables(films, policy))
    for finding, name in enumerate(films.index.finding_names):
        for exposure, level, third, table in tables:
            if exposure == name:
                continue
            cells = table[:, finding]
            kept = np.minimum(cells[:, 0] + cells[:, 2], cells[:, 1] + cells[:, 3]) >= FEWEST
            whole = cells.sum(axis=0)
            if whole[[0, 2]].sum() and whole[[1, 3]].sum():
                names = tuple(stratum for stratum, keep in zip(films.levels[third], kept, strict=True) if keep)
                yield _Case((name, exposure, level, third), whole, cells[kept], names)


def _tables(films: Films, policy: Policy) -> Iterator[tuple[str, str, str, np.ndarray]]:
    """Yield each exposure, its level, a third variable and the cells, int64 of shape (its levels, findings, 4).

    Whose the images are does not count here, so they are summed by view, sex and age band at once.
    """
    counts = _Counts.of(films, policy)
    for exposure, level, exposed in _exposures(films, counts):
        for third in THIRDS:
            if third == exposure or len(films.levels[third]) < 2:
                continue
            strata = (counts.level_of[third] == np.arange(len(films.levels[third]))[:, None]).astype(float)
            (yes, not_yes), (no, not_no) = (
                (part, all_ - part) for part, all_ in zip(exposed, counts.whole, strict=True)
            )
            cells = np.stack([strata @ part for part in (yes, not_yes, no, not_no)], axis=-1)
            yield exposure, level, third, np.rint(cells).astype(np.int64)


@dataclass(frozen=True)
class _Counts:
    """Images by joint level of view, sex and age band.

    ``images`` (joint levels, patterns) is sparse; ``kinds`` (patterns, findings) tell which pattern is positive
    and which counts as other; ``whole`` are their images, each (joint levels, findings). ``level_of`` gives the
    place of each joint level in the levels of one of the three.
    """

    images: csc_array
    kinds: tuple[np.ndarray, np.ndarray]
    whole: tuple[np.ndarray, np.ndarray]
    level_of: dict[str, np.ndarray]

    @staticmethod
    def of(films: Films, policy: Policy) -> _Counts:
        from scipy.sparse import csc_array

        sizes = [len(films.levels[name]) for name in THIRDS]
        joint = np.ravel_multi_index([films.codes[name] for name in THIRDS], sizes)
        shape = (int(np.prod(sizes)), len(films.index.dictionary))
        images = csc_array((films.images.astype(float), (joint, films.pattern)), shape)
        positive, counted = films.positive(policy), films.counted(policy)
        yes, no = positive.astype(float), (counted & ~positive).astype(float)
        level_of = dict(zip(THIRDS, np.indices(sizes).reshape(len(THIRDS), -1), strict=True))
        return _Counts(images, (yes, no), (images @ yes, images @ no), level_of)


def _exposures(films: Films, counts: _Counts) -> Iterator[tuple[str, str, list[np.ndarray]]]:
    """Yield exposures with their exposed images, positive and other: each (joint levels, findings)."""
    for name in THIRDS:
        present = np.unique(films.codes[name])
        for at in present.tolist() if len(present) > 1 else []:
            inside = (counts.level_of[name] == at)[:, None]
            yield name, films.levels[name][at], [part * inside for part in counts.whole]
    for at, finding in enumerate(films.index.findings):
        if finding.kind == "device":
            patterns = np.flatnonzero(counts.kinds[0][:, at])
            yield finding.name, "yes", [counts.images[:, patterns] @ kind[patterns] for kind in counts.kinds]


def _checked(case: _Case) -> dict[str, Any]:
    a, b, c, d = case.crude.tolist()
    differences, crude = _difference(case.strata), float(_difference(case.crude))
    pooled = mantel_haenszel(case.strata)
    turned = bool(crude and len(differences) > 1 and (np.sign(differences) == -np.sign(crude)).all())
    return {
        **dict(zip(("finding", "exposure", "level", "third"), case.key, strict=True)),
        "positive_exposed": a, "exposed": a + c, "positive_other": b, "other": b + d, "difference": crude,
        "strata": len(differences), "pooled_odds": pooled.odds_ratio, "pooled_low": pooled.low,
        "pooled_high": pooled.high, "alert": turned,
    }  # fmt: skip


def _difference(cells: np.ndarray) -> np.ndarray:
    a, b, c, d = np.moveaxis(cells, -1, 0)
    return np.asarray(a / (a + c) - b / (b + d))


def _strata_rows(case: _Case, policy: str) -> Iterator[dict[str, Any]]:
    for stratum, (a, b, c, d) in zip(("all", *case.names), (case.crude, *case.strata), strict=True):
        low, high = newcombe(a, a + c, b, b + d)
        yield {
            **dict(zip(("finding", "exposure", "level", "third"), case.key, strict=True)), "stratum": stratum,
            "positive_exposed": a, "exposed": a + c, "positive_other": b, "other": b + d, "rate_exposed": a / (a + c),
            "rate_other": b / (b + d), "difference": a / (a + c) - b / (b + d), "low": low, "high": high,
            "policy": policy,
        }  # fmt: skip
