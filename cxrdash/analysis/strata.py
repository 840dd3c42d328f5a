"""Whether one label hides two diseases: who and what its positives are, against the other images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrdash.analysis.comparisons import benjamini_hochberg
from cxrdash.analysis.odds import Contrast, contrast_of_sums, corrected_v
from cxrdash.analysis.registry import as_policy, statistic
from cxrdash.analysis.split_films import NOT_READ, Films, films_of
from cxrdash.analysis.strata_sums import Attribute, Columns, Sums, sums_by_finding
from cxrdash.index.attributes import attribute_text, attribute_words
from cxrdash.index.cohort import Cohort
from cxrdash.index.levels import further_attributes
from cxrdash.index.selection import select
from cxrdash.index.store import Index
from cxrdash.labels.policies import Policy

if TYPE_CHECKING:
    import pandas as pd

ALERT, NOTE = 0.5, 0.2  # of a standardised difference
MOST_OF_POSITIVE, NOT_MOST_OF_OTHER = 0.8, 0.6
BATCHES = (16, 32, 64)
MOST_TAGS = 12
METADATA = ("view", "sex", "age_band", "split")
_STRATA = {
    "finding": "str", "attribute": "str", "level": "str", "kind": "str", "images": "int64", "positive": "int64",
    "share_in_positive": "float64", "images_other": "int64", "other": "int64", "share_in_other": "float64",
    "difference": "float64", "smd": "float64", "smd_low": "float64", "smd_high": "float64", "odds_ratio": "float64",
    "odds_low": "float64", "odds_high": "float64", "corrected": "bool", "q": "float64", "verdict": "str",
    "attribute_v": "float64", "share_of_images": "float64",
    **{f"none_in_{size}": "float64" for size in BATCHES}, "policy": "str",
}  # fmt: skip
_SQL = """
SELECT finding, view, sex, count(*) AS images FROM selected JOIN patterns USING (pattern)
WHERE state = 'positive' GROUP BY ALL ORDER BY ALL
"""


@statistic(
    "Strata inside each label",
    method="shares of positives and of the other images, standardised difference, odds ratio; intervals clustered by "
    "patient, METHODS 4.2 and 4.7; q: Benjamini-Hochberg over all rows",
    sql=_SQL,
)
def strata(index: Index, cohort: Cohort | None = None, *, policy: Policy | str = "as_is") -> pd.DataFrame:
    """One row per finding, attribute and level that occurs among the images that count for the finding.

    Of the finding's ``positive`` images ``images`` are in the level (``share_in_positive``), of the
    ``other`` ones ``images_other``. ``smd`` is the standardised difference of the two shares. ``verdict``
    is 'alert' (smd of 0.5 or more either way, or a level with 80% of the positives and less than 60% of the
    others), 'note' (from 0.2), or '' also where the interval of the smd holds 0. Attributes (``kind``) are
    view, sex, age band, part and what this dataset says beyond (metadata), every device among the labels, yes
    or no (device), and what other readers marked that is no finding of the dataset, among the images they
    read (reader).
    ``share_of_images`` is ``images`` of all images of the cohort and ``none_in_16`` the chance that 16
    images drawn at random hold none of them. ``attribute_v`` ranks whole attributes, by Cramér's V freed of
    its bias; it is no alarm, being bounded by how rare the finding is (METHODS 4.7). Two-level attributes
    have one row, their rarer level.
    """
    import pandas as pd

    chosen, selection = as_policy(policy), select(index, cohort)
    films = films_of(selection, _tags(index), further_attributes(index))
    positive = films.positive(chosen)
    columns = Columns(list(_attributes(films, positive)))
    sums = sums_by_finding(films, columns, positive, films.counted(chosen))
    rows = [row for at, found in enumerate(sums) for row in _rows(films, columns, at, found)]
    q = benjamini_hochberg([row.pop("p_value") for row in rows])
    table = pd.DataFrame(rows, columns=[name for name in _STRATA if name not in ("q", "policy")])
    return table.assign(q=q, policy=str(chosen))[list(_STRATA)].astype(_STRATA)


def _tags(index: Index) -> list[tuple[str, str]]:
    """What readers marked that is no finding of the dataset: drains, tubes, subtypes."""
    known = set(index.finding_names)
    found = [(reader, name) for reader, names in index.readers.items() for name in names if name not in known]
    return found[:MOST_TAGS]


def _attributes(films: Films, positive: np.ndarray) -> Iterator[Attribute]:
    for name in (*METADATA, *further_attributes(films.index)):
        if len(np.unique(films.codes[name])) > 1:
            yield Attribute(name, films.codes[name], films.levels[name])
    for at, finding in enumerate(films.index.findings):
        if finding.kind == "device":
            yield Attribute(finding.name, positive[films.pattern, at].astype(np.int64), ("no", "yes"))
    for name, levels in films.levels.items():
        if levels[0] == NOT_READ:
            yield Attribute(name, films.codes[name] - 1, levels[1:])


def _rows(films: Films, columns: Columns, finding: int, sums: Sums) -> Iterator[dict[str, Any]]:
    found = []
    for attribute, first in zip(columns.attributes, columns.start, strict=True):
        if attribute.name == films.index.finding_names[finding]:
            continue
        places = range(first + 1, first + 1 + len(attribute.levels))
        present = [at for at in places if sums.positive[at] + sums.other[at] > 0]
        if len(present) < 2:
            continue
        association = corrected_v([sums.positive[present], sums.other[present]])
        # Two levels say the same thing twice; the rarer one says it better.
        shown = present if len(present) > 2 else [min(present, key=lambda at: sums.positive[at] + sums.other[at])]
        for at in shown:
            level = attribute.levels[at - first - 1]
            made = _contrast(sums, first, at)
            found.append(_row(films, finding, (attribute.name, level), made) | {"attribute_v": association})
    yield from sorted(found, key=lambda row: -abs(row["smd"]) if np.isfinite(row["smd"]) else 1.0)


def _contrast(sums: Sums, first: int, at: int) -> Contrast:
    return contrast_of_sums(*cells_of_level(sums, first, at), int(sums.patients[first]))


def cells_of_level(sums: Sums, first: int, at: int) -> tuple[np.ndarray, np.ndarray]:
    """Cells of a level: a in it and positive, b positive elsewhere, c and d the same of the others.

    Returns their units (4,) and the sums over patients of the products of two (4, 4). ``first`` is the column of
    the whole attribute, ``at`` that of the level.
    """
    # a, b, c, d from the level's column and that of the whole attribute, of positives and of others.
    mix = np.array([[1, 0, 0, 0], [-1, 1, 0, 0], [0, 0, 1, 0], [0, 0, -1, 1]], dtype=float)
    pick = np.ix_([at, first], [at, first])
    second = np.block([[sums.pp[pick], sums.pn[pick]], [sums.pn[pick].T, sums.nn[pick]]])
    totals = np.array([sums.positive[at], sums.positive[first], sums.other[at], sums.other[first]])
    return mix @ totals, mix @ second @ mix.T


def _row(films: Films, finding: int, place: tuple[str, str], made: Contrast) -> dict[str, Any]:
    a, b, c, d = (round(cell) for cell in made.cells)
    images = int(films.images.sum())
    share = a / images if images else float("nan")
    return {
        "finding": films.index.finding_names[finding], "attribute": place[0], "level": place[1], "images": a,
        "kind": kind_of(films.index, place[0]),
        "positive": a + b, "share_in_positive": made.share_positive, "images_other": c, "other": c + d,
        "share_in_other": made.share_other, "difference": made.difference, "smd": made.smd, "smd_low": made.smd_low,
        "smd_high": made.smd_high, "odds_ratio": made.odds_ratio, "odds_low": made.odds_low,
        "odds_high": made.odds_high, "corrected": made.corrected, "p_value": made.p_value, "verdict": _verdict(made),
        "share_of_images": share, **{f"none_in_{size}": (1 - share) ** size for size in BATCHES},
    }  # fmt: skip


def kind_of(index: Index, attribute: str) -> str:
    """Return whether an attribute comes from the metadata, is a device among the labels, or from a reader."""
    if attribute in METADATA or attribute in index.attributes:
        return "metadata"
    return "device" if attribute in index.finding_names else "reader"


def stratum_words(attribute: str, level: str) -> str:
    """Return a stratum in words: 'AP views', 'of women', 'with Support Devices'."""
    if attribute == "view":
        return f"{level} views"
    if attribute == "sex":
        return {"F": "of women", "M": "of men"}.get(level, f"of {level} sex")
    if attribute == "age_band":
        return "of unknown age" if level == "unknown" else f"of people aged {level}"
    if attribute == "split":
        return f"in the {level} part"
    if level in ("yes", "no"):
        return f"with {attribute}" if level == "yes" else f"without {attribute}"
    words = attribute_words([attribute_text(attribute, level)])[0]
    return words if attribute == "study_year" else f"with {words}"


def _verdict(made: Contrast) -> str:
    if not np.isfinite(made.smd) or made.smd_low <= 0 <= made.smd_high:
        return ""
    dominates = made.share_positive >= MOST_OF_POSITIVE and made.share_other < NOT_MOST_OF_OTHER
    if abs(made.smd) >= ALERT or dominates:
        return "alert"
    return "note" if abs(made.smd) >= NOTE else ""
