"""Uncertain as a class of its own, and what the labels allow if nothing is assumed of what they leave open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cxrdash.analysis.intervals import goodman, ratio, worst_case_bounds
from cxrdash.analysis.prevalence import default_unit, state_counts
from cxrdash.analysis.registry import named, statistic
from cxrdash.errors import CxrdashError, shown
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import require_unit, select
from cxrdash.index.store import Index, Unit
from cxrdash.labels.states import State

if TYPE_CHECKING:
    import pandas as pd

CLASSES = ("positive", "uncertain", "negative")
BLANKS = ("negative", "excluded")


@statistic(
    "Three classes of each finding (U-MultiClass)",
    method="Goodman's simultaneous intervals, units taken for independent, METHODS 2.3",
    sql=named("prevalence").sql,
)
def prevalence_classes(
    index: Index, cohort: Cohort | None = None, *, blank: str = "negative", unit: Unit | None = None
) -> pd.DataFrame:
    """One row per finding and class: positive, uncertain and negative units and their shares.

    ``blank`` is 'negative' (a blank counts as negative) or 'excluded' (mentions only). The three intervals
    of a finding hold at once; ``rate`` is NaN where ``of`` is 0.
    """
    import pandas as pd

    if blank not in BLANKS:
        raise CxrdashError(f"A blank cannot count as '{shown(blank)}'.", "Use --blank " + " or ".join(BLANKS))
    states, named = _states(index, cohort, unit)
    counts = np.stack([states[State[name.upper()]] for name in CLASSES], axis=-1)
    if blank == "negative":
        counts[:, 2] += states[State.BLANK]
    of = np.broadcast_to(counts.sum(axis=-1, keepdims=True), counts.shape)
    low, high = goodman(counts)
    return pd.DataFrame({
        "finding": np.repeat(index.finding_names, len(CLASSES)), "unit": named,
        "class": np.tile(CLASSES, len(index.findings)), "count": counts.ravel(), "of": of.ravel(),
        "rate": ratio(counts, of).ravel(), "low": low.ravel(), "high": high.ravel(), "blank": blank,
    })  # fmt: skip


@statistic(
    "What the labels allow if nothing is assumed",
    method="worst-case bounds, no sampling error, METHODS 2.3",
    sql=named("prevalence").sql,
)
def prevalence_bounds(index: Index, cohort: Cohort | None = None, *, unit: Unit | None = None) -> pd.DataFrame:
    """One row per finding: the rate if no open label were positive (``lowest``), and if all were (``highest``).

    ``open`` counts uncertain and blank units. The bounds say nothing of sampling: they hold for these
    units, whatever the open labels are. NaN where ``of`` is 0.
    """
    import pandas as pd

    states, named = _states(index, cohort, unit)
    positive, negative = states[State.POSITIVE], states[State.NEGATIVE]
    left_open = states[State.UNCERTAIN] + states[State.BLANK]
    of = positive + negative + left_open
    lowest, highest = worst_case_bounds(positive, left_open, of)
    return pd.DataFrame({
        "finding": index.finding_names, "unit": named, "positive": positive, "open": left_open,
        "negative": negative, "of": of, "lowest": lowest, "highest": highest,
    })  # fmt: skip


def _states(index: Index, cohort: Cohort | None, unit: Unit | None) -> tuple[np.ndarray, Unit]:
    """Units by state and finding, int64 of shape (states by value, findings), and what was counted."""
    chosen = unit or default_unit(index)
    require_unit(index, chosen)
    return state_counts(select(index, cohort).labels(chosen, ()), (), len(index.findings))[()], chosen
