"""Whether a test part can carry the claims made on it (METHODS 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cxrdash.analysis import intervals
from cxrdash.analysis.clusters import patient_sums
from cxrdash.analysis.prevalence import default_unit
from cxrdash.analysis.registry import as_policy, statistic
from cxrdash.analysis.stacked import stacked
from cxrdash.analysis.tiers import tier
from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import AGE_BANDS, require_unit, select
from cxrdash.index.store import Index, Unit
from cxrdash.labels.policies import Policy

if TYPE_CHECKING:
    import pandas as pd

# The part a claim would be tested on, by preference; a dataset without parts is judged as a whole.
TEST_PARTS = ("test", "valid", "not stated")
SUBGROUP = ("sex", "view", "age_band")
_SQL = """
SELECT split, finding, count(*) AS images, count(DISTINCT patient) AS patients
FROM selected JOIN patterns USING (pattern) WHERE state = 'positive' GROUP BY ALL ORDER BY ALL
"""


@statistic("Positives and interval widths in each part", method="tiers and widths of METHODS 3.2, 3.5, 3.7", sql=_SQL)
def test_sizes(  # noqa: PLR0913 - each assumption stands on the page under its own name
    index: Index,
    cohort: Cohort | None = None,
    *,
    policy: Policy | str = "as_is",
    unit: Unit | None = None,
    sensitivity: float = 0.9,
    auc: float = 0.85,
    half_width: float = 0.05,
) -> pd.DataFrame:
    """One row per finding and part: positives, negatives, the tier, and how wide the intervals would be.

    Widths are Wilson's at the number of positive (or negative) patients, if sensitivity (or
    specificity) were ``sensitivity``; ``auc_low`` and ``auc_high`` are Hanley and McNeil's at ``auc``;
    ``positives_needed`` patients would bring the half-width down to ``half_width``. In a dataset
    without patients, units stand in for patients.
    """
    import pandas as pd

    _check_rates(sensitivity=sensitivity, auc=auc, half_width=half_width)
    cells = _cells(index, cohort, as_policy(policy), unit, ("split",))
    people, others = cells["positive_patients"].to_numpy(), cells["negative_patients"].to_numpy()
    low, high = intervals.wilson(sensitivity * people, people)
    auc_low, auc_high = intervals.auc_interval(auc, people, others)
    return pd.DataFrame(
        {
            **cells.to_dict("series"),
            "tier": [tier(n).name for n in people],
            "tier_text": [tier(n).text for n in people],
            "assumed": sensitivity,
            "low": low,
            "high": high,
            "half_width": intervals.half_width(people, sensitivity),
            "half_width_specificity": intervals.half_width(others, sensitivity),
            "auc_assumed": auc,
            "auc_low": auc_low,
            "auc_high": auc_high,
            "positives_needed": intervals.positives_needed(half_width, sensitivity),
        }
    ).astype({"tier": "str", "tier_text": "str"})


@statistic("Positive patients per subgroup of each part", method="tiers of METHODS 3.7, cells of 3.8", sql=_SQL)
def test_subgroups(
    index: Index, cohort: Cohort | None = None, *, policy: Policy | str = "as_is", unit: Unit | None = None
) -> pd.DataFrame:
    """One row per finding, part, sex, view and age band, cells without any patient included.

    The cells are all combinations of the sexes, views and age bands that occur in the cohort; an
    image of unknown age counts in the band 'unknown'.
    """
    cells = _cells(index, cohort, as_policy(policy), unit, ("split", *SUBGROUP))
    filled = _with_empty_cells(cells, index.finding_names)
    return filled.assign(tier=[tier(n).name for n in filled["positive_patients"]]).astype({"tier": "str"})


def positives_by(
    index: Index,
    cohort: Cohort | None = None,
    *,
    policy: Policy | str = "as_is",
    unit: Unit | None = None,
    by: tuple[str, ...] = ("split",),
) -> pd.DataFrame:
    """Return positives and negatives, units and patients, per finding and combination of the levels of ``by``."""
    return _cells(index, cohort, as_policy(policy), unit, by)


def test_part(table: pd.DataFrame) -> str:
    """Return the part of a ``test_sizes`` table that a claim would be tested on; '' if it has none."""
    present = list(table["split"].unique())
    return next((part for part in TEST_PARTS if part in present), present[-1] if present else "")


def below(table: pd.DataFrame, patients: int = 50) -> pd.DataFrame:
    """Return the rows with fewer positive patients than that."""
    return table[table["positive_patients"] < patients]


def _cells(index: Index, cohort: Cohort | None, policy: Policy, unit: Unit | None, by: tuple[str, ...]) -> pd.DataFrame:
    import pandas as pd

    chosen = unit or default_unit(index)
    require_unit(index, chosen)
    # Patients are counted from the units they have; a patient as unit is counted from its images.
    sums = patient_sums(select(index, cohort), policy, "image" if chosen == "patient" else chosen, by)
    names = np.array(index.finding_names)
    tables = [
        {
            "finding": names,
            **dict(zip(by, level, strict=True)),
            "unit": chosen,
            "positive": sums.sums.positives[at].astype(np.int64),
            "positive_patients": sums.positive_patients[at],
            "negative": (sums.sums.units[at] - sums.sums.positives[at]).astype(np.int64),
            "negative_patients": sums.negative_patients[at],
            "policy": str(policy),
        }
        for at, level in sorted(enumerate(sums.levels), key=lambda item: item[1])
    ]
    if tables:
        return stacked(tables, len(names))
    columns = [
        "finding",
        *by,
        "unit",
        "positive",
        "positive_patients",
        "negative",
        "negative_patients",
        "policy",
    ]
    empty = {name: pd.Series(dtype=np.int64 if "itive" in name or "ative" in name else "str") for name in columns}
    return pd.DataFrame(empty)


def _with_empty_cells(cells: pd.DataFrame, findings: tuple[str, ...]) -> pd.DataFrame:
    """Every combination of finding and levels, by finding; ``cells`` holds all findings level by level."""
    import pandas as pd

    names = ["split", *SUBGROUP]
    known = cells.iloc[:: max(len(findings), 1)]
    bands = [band for band in AGE_BANDS if band in set(known["age_band"])]
    levels = [*(sorted(set(known[name])) for name in names[:-1]), bands]
    places = [
        known[name].map(list(group).index).to_numpy(dtype=np.int64) for name, group in zip(names, levels, strict=True)
    ]
    shape = [len(group) for group in levels]
    every = np.indices((len(findings), *shape)).reshape(1 + len(names), -1)
    columns: dict[str, object] = {
        name: np.array(group, dtype=str)[at]
        for name, group, at in zip(("finding", *names), (findings, *levels), every, strict=True)
    }
    columns["unit"] = cells["unit"].iloc[0] if len(cells) else ""
    for name in ("positive", "positive_patients", "negative", "negative_patients"):
        counts = np.zeros((int(np.prod(shape)), len(findings)), dtype=np.int64)
        if len(cells):
            counts[np.ravel_multi_index(places, shape)] = cells[name].to_numpy().reshape(len(known), len(findings))
        columns[name] = counts.T.ravel()
    columns["policy"] = cells["policy"].iloc[0] if len(cells) else ""
    return pd.DataFrame(columns)


def _check_rates(**rates: float) -> None:
    for name, rate in rates.items():
        if not 0 < rate < 1:
            raise CxrdashError(f"{name} must lie between 0 and 1, not at {rate:g}.", "Write 0.9 for 90%.")
