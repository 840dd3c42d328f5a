"""Which labels travel together: pairs and exact combinations (METHODS 4.1, 4.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cxrdash.analysis.pair_measures import cluster_order, pair_measures
from cxrdash.analysis.prevalence import default_unit
from cxrdash.analysis.registry import as_policy, statistic
from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import select
from cxrdash.index.store import Index, Unit
from cxrdash.labels.expression import And, Atom, Expression, Or, format_expression
from cxrdash.labels.policies import Policy
from cxrdash.labels.states import State

if TYPE_CHECKING:
    import pandas as pd

_PAIRS_SQL = """
SELECT a.finding AS finding_a, b.finding AS finding_b, count(*) AS both
FROM selected JOIN patterns AS a USING (pattern) JOIN patterns AS b USING (pattern)
WHERE a.state = 'positive' AND b.state = 'positive' GROUP BY ALL ORDER BY ALL
"""
_COMBINATIONS_SQL = """
SELECT findings, count(*) AS images FROM selected LEFT JOIN (
    SELECT pattern, list(finding::VARCHAR ORDER BY finding) FILTER (WHERE state = 'positive') AS findings
    FROM patterns GROUP BY pattern) USING (pattern)
GROUP BY findings ORDER BY images DESC
"""


@statistic("Pairs of findings", method="METHODS 4.1", sql=_PAIRS_SQL)
def pair_counts(
    index: Index, cohort: Cohort | None = None, *, policy: Policy | str = "as_is", unit: Unit | None = None
) -> pd.DataFrame:
    """One row per ordered pair of findings (each with itself too), in card order.

    ``both``, ``a`` and ``b`` count units positive under the policy among the ``of`` units in which
    both findings count; ``conditional`` is P(B given A). Measures that are undefined are NaN; an odds
    ratio with 0.5 added to every cell is marked ``corrected``.
    """
    import pandas as pd

    chosen = as_policy(policy)
    table = select(index, cohort).labels(unit or default_unit(index))
    positive = np.isin(table.states, sorted(chosen.positive_states)).astype(np.float64)
    counted = np.isin(table.states, sorted(chosen.denominator_states)).astype(np.float64)
    weighted = table.weights[:, None].astype(np.float64)  # exact: counts stay far below 2**53
    both = positive.T @ (weighted * positive)
    a = positive.T @ (weighted * counted)
    of = counted.T @ (weighted * counted)
    measures = pair_measures(of, a, a.T, both)
    names = np.asarray(index.finding_names, dtype=object)
    rows, columns = (grid.ravel() for grid in np.indices(both.shape))
    counts = {name: grid.ravel().astype(np.int64) for name, grid in (("both", both), ("a", a), ("b", a.T), ("of", of))}
    return pd.DataFrame(
        {
            "finding_a": names[rows],
            "finding_b": names[columns],
            **counts,
            **{name: getattr(measures, name).ravel() for name in _MEASURES},
            "policy": str(chosen),
        }
    ).astype({"finding_a": "str", "finding_b": "str"})


_MEASURES = (
    "conditional", "expected", "lift", "jaccard", "phi", "phi_max",
    "odds_ratio", "odds_low", "odds_high", "corrected", "residual",
)  # fmt: skip


def clustered_findings(table: pd.DataFrame) -> list[str]:
    """Return the findings of a ``pair_counts`` table in an order that puts like beside like (by phi)."""
    names = list(dict.fromkeys(table["finding_a"]))
    matrix = table["phi"].to_numpy().reshape(len(names), len(names))
    return [names[at] for at in cluster_order(matrix)]


@statistic("Exact combinations of findings", method="exclusive combinations, METHODS 4.6", sql=_COMBINATIONS_SQL)
def label_combinations(
    index: Index,
    cohort: Cohort | None = None,
    *,
    policy: Policy | str = "as_is",
    unit: Unit | None = None,
    top: int = 0,
) -> pd.DataFrame:
    """One row per exact set of positive findings, the most frequent first; the counts add up to ``of``.

    ``findings`` lists the set, ``labels`` is the expression that finds exactly these units under the
    policy. ``combinations`` counts the distinct sets of the cohort and ``single`` those that occur once, the
    same in every row. With ``top`` the rest is summed in one row 'all other combinations'.
    """
    import pandas as pd

    if top < 0:
        raise CxrdashError(
            f"top must be 0 (all combinations) or more, not {top}.", "Write 24 for the 24 most frequent."
        )
    chosen = as_policy(policy)
    table = select(index, cohort).labels(unit or default_unit(index))
    positive = np.isin(table.states, sorted(chosen.positive_states))
    sets, counts = _summed(positive, table.weights)
    order = np.lexsort((np.arange(len(counts)), -counts))
    rest = int(counts[order[top:]].sum()) if top else 0
    kept = order[:top] if top else order
    names = index.finding_names
    lists = [[names[at] for at in np.flatnonzero(sets[row])] for row in kept]
    rows = [
        (" + ".join(found) or "(none positive)", found, counts[row]) for found, row in zip(lists, kept, strict=True)
    ]
    if rest:
        rows.append(("all other combinations", [], rest))
    frame = pd.DataFrame(rows, columns=["combination", "findings", "count"])
    whole = int(counts.sum())
    return frame.assign(
        count=frame["count"].astype(np.int64),
        of=whole,
        share=frame["count"].astype(float) / whole if whole else np.nan,
        combinations=len(counts),
        single=int((counts == 1).sum()),
        labels=[*_exact_texts(lists, names, chosen), *([""] if rest else [])],
        policy=str(chosen),
    ).astype({"combination": "str", "labels": "str", "policy": "str"})


def _summed(positive: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct rows of a boolean matrix with the sum of their weights."""
    packed = np.packbits(positive, axis=1)
    _, first, place = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    counts = np.zeros(len(first), dtype=np.int64)
    np.add.at(counts, place.ravel(), weights)
    return positive[first], counts


def _exact_texts(lists: list[list[str]], names: tuple[str, ...], policy: Policy) -> list[str]:
    """Return for each set the expression for units positive under the policy for its findings and for no other."""
    one = policy.positive_states == {State.POSITIVE}
    written = {name: positive_text([name], policy) for name in names}
    texts = []
    for found in lists:
        others = [written[name] for name in names if name not in found]
        if one:  # as labels.expression.exactly writes it, without building a tree for each set
            last = f"NOT ({' OR '.join(others)})" if len(others) > 1 else f"NOT {others[0]}" if others else ""
            texts.append(" AND ".join([*(written[name] for name in found), *([last] if last else [])]))
        else:
            texts.append(
                " AND ".join([*(f"({written[name]})" for name in found), *(f"NOT ({other})" for other in others)])
            )
    return texts


def positive_text(findings: list[str], policy: Policy) -> str:
    """Return the label expression for units positive for all of these findings under a policy."""
    states = sorted(policy.positive_states, reverse=True)
    items: list[Expression] = [
        Or(tuple(Atom(name, state) for state in states)) if len(states) > 1 else Atom(name, State.POSITIVE)
        for name in dict.fromkeys(findings)
    ]
    return format_expression(items[0] if len(items) == 1 else And(tuple(items)))
