"""What a cohort is made of: sizes, parts, views, sexes, ages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cxrdash.analysis.registry import statistic
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import AGE_BANDS, LEVELS, select
from cxrdash.index.store import Index

if TYPE_CHECKING:
    import pandas as pd

_AGES = """
SELECT min(age_years) AS youngest, quantile_disc(age_years, 0.5) AS median, avg(age_years) AS mean,
       max(age_years) AS oldest, count(*) FILTER (WHERE age_years IS NULL)::BIGINT AS unknown,
       count(*) FILTER (WHERE age_years < 18)::BIGINT AS under_18
FROM selected
"""
ORDER = ("part", "view", "sex", "age")


@statistic("What the cohort is made of", method="counts", sql=LEVELS)
def overview(index: Index, cohort: Cohort | None = None) -> pd.DataFrame:
    """One row per level: [attribute, level, images, share_of_images, patients, share_of_patients].

    ``attribute`` is total (levels images, studies, patients, files on disk: their count stands in
    ``images``), part, view, sex or age. Patients may stand in several levels of part, view and age.
    """
    import pandas as pd

    found, n = select(index, cohort).composition()
    totals = [("total", name, n[key], None, None, None) for name, key in _TOTALS]
    rank = {band: at for at, band in enumerate(AGE_BANDS)}
    found["place"] = [rank.get(level, -images) for level, images in zip(found["level"], found["images"], strict=True)]
    found["attribute_place"] = found["attribute"].map(ORDER.index)
    found = found.sort_values(["attribute_place", "place", "level"], kind="stable")
    rows = [
        (
            row.attribute,
            row.level,
            row.images,
            _share(row.images, n["images"]),
            row.patients,
            _share(row.patients, n["patients"]),
        )
        for row in found.itertuples()
    ]
    columns = ["attribute", "level", "images", "share_of_images", "patients", "share_of_patients"]
    types = {
        "images": "int64",
        "share_of_images": "float64",
        "patients": "Int64",
        "share_of_patients": "float64",
    }
    return pd.DataFrame([*totals, *rows], columns=columns).astype(types)


_TOTALS = (
    ("images", "images"),
    ("studies", "studies"),
    ("patients", "patients"),
    ("images on disk", "on_disk"),
)


@statistic("Ages in the cohort", method="discrete median", sql=_AGES)
def ages(index: Index, cohort: Cohort | None = None) -> pd.DataFrame:
    """One row: youngest, median, mean and oldest age in years, images under 18 and of unknown age."""
    return select(index, cohort).table(_AGES)


def _share(part: Any, whole: int) -> float:
    return float(part) / whole if whole else float("nan")
