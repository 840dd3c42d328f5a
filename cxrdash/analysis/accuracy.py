"""The prevalence behind a label whose sensitivity and specificity were measured elsewhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from cxrdash.analysis.prevalence import prevalence
from cxrdash.analysis.registry import statistic
from cxrdash.analysis.review_intervals import rogan_gladen
from cxrdash.errors import CxrdashError, shown
from cxrdash.index.cohort import Cohort
from cxrdash.index.store import Index, Unit
from cxrdash.labels.policies import Policy

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = {
    "finding": "str", "unit": "str", "positive": "int64", "of": "int64", "labelled": "float64",
    "low_labelled": "float64", "high_labelled": "float64", "sensitivity": "float64", "specificity": "float64",
    "rate": "float64", "low": "float64", "high": "float64", "raw": "float64", "note": "str", "policy": "str",
}  # fmt: skip
NO_INFORMATION = "sensitivity and specificity sum to 1 or less: such a label tells nothing"
DO_NOT_FIT = "outside 0 to 100%: this accuracy does not fit these images"


@statistic(
    "Prevalence corrected for a label's known accuracy",
    method="Rogan and Gladen 1978, delta method with the effective n of the patient clusters, METHODS 5.8",
)
def prevalence_given_accuracy(
    index: Index,
    cohort: Cohort | None = None,
    *,
    finding: str = "",
    accuracy: str = "",
    policy: Policy | str = "as_is",
    unit: Unit | None = None,
) -> pd.DataFrame:
    """One row per finding (or the one named): the share labelled positive, and the prevalence behind it.

    ``accuracy`` is '90/100, 190/200': in a study that judged this label, found of those with the finding
    (sensitivity) and cleared of those without it (specificity); without it there are no rows. ``rate`` is
    cut to 0 to 1 and ``raw`` is not; ``note`` says where the accuracy cannot be that of these images. It is
    taken for granted that the label errs here as often as there, and in all images alike.
    """
    import pandas as pd

    if finding and finding not in index.finding_names:
        raise CxrdashError(f"There is no finding '{shown(finding)}'.", "Known: " + ", ".join(index.finding_names))
    if not accuracy:
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in _COLUMNS.items()})
    found, cleared = accuracy_of(accuracy)
    table = prevalence(index, cohort, policy=policy, unit=unit)
    table = table[table["finding"] == finding] if finding else table
    rows = []
    for row in table.to_dict("records"):
        n = row["effective_n"] if np.isfinite(row["effective_n"]) else row["of"]
        made = rogan_gladen((row["rate"] * n, n), found, cleared) if n else rogan_gladen((0, 0), (0, 0), (0, 0))
        rows.append({
            "finding": row["finding"], "unit": row["unit"], "positive": row["counted"], "of": row["of"],
            "labelled": row["rate"], "low_labelled": row["low"], "high_labelled": row["high"],
            "sensitivity": made.sensitivity, "specificity": made.specificity, "rate": made.prevalence,
            "low": made.low, "high": made.high, "raw": made.raw, "note": _note(made.raw, row["of"]),
            "policy": row["policy"],
        })  # fmt: skip
    return pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_COLUMNS)


def accuracy_of(text: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return (found, of) and (cleared, of) of '90/100, 190/200'. CxrdashError for anything else."""
    sides = [re.fullmatch(r"\s*([0-9]{1,9})\s*/\s*([0-9]{1,9})\s*", side) for side in text.split(",")]
    counts = [(int(side[1]), int(side[2])) for side in sides if side]
    if len(sides) != 2 or len(counts) != 2 or any(of == 0 or yes > of for yes, of in counts):
        raise CxrdashError(
            f"'{shown(text)}' does not say how often the label was right.",
            "Write counts: found of those with the finding, cleared of those without, as in 90/100, 190/200.",
        )
    return counts[0], counts[1]


def _note(raw: float, of: int) -> str:
    if not of:
        return ""
    return NO_INFORMATION if np.isnan(raw) else DO_NOT_FIT if not 0 <= raw <= 1 else ""
