"""A dataset's labels against another set of labels of the same images (METHODS 5.7)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from cxrdash.analysis.agreement_measures import (
    BOTH,
    NEITHER,
    ONLY_FIRST,
    ONLY_SECOND,
    kappa_interval,
    two_readers,
)
from cxrdash.analysis.counterparts import Counterpart, any_of, counterpart
from cxrdash.analysis.intervals import ClusterSums, clustered
from cxrdash.analysis.registry import as_policy, statistic
from cxrdash.analysis.said import Said, counted_and_yes, one_of, said
from cxrdash.errors import CxrdashError, shown
from cxrdash.index.cohort import Cohort
from cxrdash.index.readings import reading_text
from cxrdash.index.selection import Selection, select
from cxrdash.index.store import Index
from cxrdash.labels.expression import Atom, Expression, Not, conjunction, format_expression
from cxrdash.labels.policies import Policy
from cxrdash.labels.states import State

if TYPE_CHECKING:
    import pandas as pd

Cell = Literal["both", "only_first", "only_second", "neither"]
CELLS: tuple[Cell, ...] = ("both", "only_first", "only_second", "neither")  # by the numbers of agreement_measures

MADE_FROM_READERS = ("vindr",)
"""Sources whose labels are a vote of the very readers in `readings`: agreement with them is no evidence."""

_METHOD = "Wilson intervals with the effective n of the patient clusters, METHODS 2.2; kappa linearised, METHODS 1.5"
_SQL = """
SELECT reader, r.finding, r.state, p.finding AS first_finding, p.state AS first_state, count(*) AS images
FROM selected JOIN readings AS r USING (image) LEFT JOIN patterns AS p
  ON p.pattern = selected.pattern AND lower(p.finding::VARCHAR) = lower(r.finding)
GROUP BY ALL ORDER BY ALL
"""


@statistic("Labels against a second opinion", method=_METHOD, sql=_SQL)
def second_opinion(
    index: Index, cohort: Cohort | None = None, *, reader: str = "", policy: Policy | str = "as_is"
) -> pd.DataFrame:
    """One row per reader and finding of that reader: the dataset's label (first) against the reader (second).

    ``of`` images that the reader read and in which both sets count under the policy are ``both`` positive,
    ``only_first``, ``only_second`` or ``neither``; ``unmatched`` images were read but do not compare.
    ``ppv`` is the share of the first set's positives that the reader confirms, ``sensitivity`` the share of
    the reader's positives that the first set has: they take the reader for right. ``first_finding`` is the
    label expression compared and ``match`` how it was found (name, harmonised, declared equal, related
    but not the same, none); a finding without counterpart has ``of`` 0 and its measures are NaN.
    ``positive`` counts the reader's positives of all images read. ``independent`` is false where the
    dataset's labels were made from these readers. ``reader`` keeps one reader; CxrdashError if unknown.
    """
    chosen, selection = as_policy(policy), select(index, cohort)
    rows = [row for name in _readers(index, reader) for row in _reader_rows(selection, name, chosen)]
    return _frame(rows)


def _readers(index: Index, reader: str) -> Iterable[str]:
    if reader and reader not in index.readers:
        known = ", ".join(map(shown, index.readers)) or "none"
        raise CxrdashError(f"'{shown(reader)}' is not a reader of {index.title}.", f"Its readers: {known}.")
    return (reader,) if reader else index.readers


def _reader_rows(selection: Selection, reader: str, policy: Policy) -> Iterable[dict[str, Any]]:
    readings = said(selection, reader)
    place = {finding: at for at, finding in enumerate(readings.findings)}
    for finding in selection.index.readers[reader]:
        first = counterpart(reader, finding, selection.index.findings)
        states = readings.states[:, place[finding]]
        yield {
            "reader": reader,
            "finding": finding,
            "first_finding": first.text,
            "match": first.match,
            "positive": int(one_of(policy.positive_states)[states].sum()),
            **_compared(_first_states(selection.index, readings.pattern, first), states, readings, policy),
            "independent": selection.index.meta["source"] not in MADE_FROM_READERS,
            "policy": str(policy),
        }


def _first_states(index: Index, pattern: NDArray[np.int64], first: Counterpart) -> NDArray[np.int8]:
    """States of the counterpart per image: the strongest of its findings, not assessed where it has none."""
    if not first.names or not len(pattern):
        return np.full(len(pattern), State.NOT_ASSESSED, dtype=np.int8)
    place = {name: at for at, name in enumerate(index.finding_names)}
    strongest: NDArray[np.int8] = index.dictionary[:, [place[name] for name in first.names]].max(axis=1)[pattern]
    return strongest


def _compared(first: NDArray[np.int8], second: NDArray[np.int8], readings: Said, policy: Policy) -> dict[str, Any]:
    compared, cell = _cells(first, second, policy)
    clusters = len(readings.known)
    place = readings.cluster[compared] * len(CELLS) + cell
    by_patient = np.bincount(place, minlength=clusters * len(CELLS)).reshape(clusters, len(CELLS)).astype(float)
    present = by_patient.any(axis=1)
    by_patient = by_patient[present]
    cells = by_patient.sum(axis=0)
    agreed = two_readers(cells)
    low, high = kappa_interval(by_patient, agreed)
    return {
        **dict(zip(CELLS, cells.astype(np.int64).tolist(), strict=True)),
        "of": int(cells.sum()),
        "unmatched": int((~compared).sum()),
        "patients": int((present & readings.known).sum()),
        **_rate("ppv", by_patient, (BOTH, ONLY_FIRST)),
        **_rate("sensitivity", by_patient, (BOTH, ONLY_SECOND)),
        "agreement": agreed.observed,
        "kappa": agreed.kappa,
        "kappa_low": low,
        "kappa_high": high,
        "ac1": agreed.ac1,
        "positive_agreement": agreed.positive,
        "negative_agreement": agreed.negative,
        "prevalence_first": _share(cells, BOTH, ONLY_FIRST),
        "prevalence_second": _share(cells, BOTH, ONLY_SECOND),
    }


def _cells(
    first: NDArray[np.int8], second: NDArray[np.int8], policy: Policy
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return which images both sides judge under the policy, and the cell of each of these."""
    (counted, one), (counts_too, other) = (counted_and_yes(states, policy) for states in (first, second))
    compared = counted & counts_too
    return compared, np.select([one & other, one, other], [BOTH, ONLY_FIRST, ONLY_SECOND], NEITHER)[compared]


def _rate(name: str, by_patient: NDArray[np.float64], cells: tuple[int, int]) -> dict[str, Any]:
    found = clustered(ClusterSums.of_patients(by_patient[:, cells].sum(axis=1), by_patient[:, cells[0]]))
    method = {"method": str(found.method)} if name == "ppv" else {}
    return {name: float(found.rate), f"{name}_low": float(found.low), f"{name}_high": float(found.high)} | method


def _share(cells: NDArray[np.float64], *counted: int) -> float:
    whole = float(cells.sum())
    return float(cells[list(counted)].sum()) / whole if whole else float("nan")


_COUNTS = ("positive", *CELLS, "of", "unmatched", "patients")
_TEXTS = ("reader", "finding", "first_finding", "match", "method", "policy")
COLUMNS = (
    "reader", "finding", "first_finding", "match", *CELLS, "of", "unmatched", "patients", "positive",
    "ppv", "ppv_low", "ppv_high", "sensitivity", "sensitivity_low", "sensitivity_high",
    "kappa", "kappa_low", "kappa_high", "ac1", "agreement", "positive_agreement", "negative_agreement",
    "prevalence_first", "prevalence_second", "method", "independent", "policy",
)  # fmt: skip


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    kinds = dict.fromkeys(COLUMNS, "float64") | dict.fromkeys(_COUNTS, "int64") | dict.fromkeys(_TEXTS, "str")
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(kinds | {"independent": "bool"})


def opinion_cohort(index: Index, reader: str, finding: str, cell: Cell, policy: Policy) -> Cohort:
    """Return the images that a cell of ``second_opinion`` counts, to narrow the cohort by.

    CxrdashError for a finding without counterpart, which has no cells.
    """
    first = counterpart(reader, finding, index.findings)
    if not first.names:
        raise CxrdashError(f"No finding of {index.title} corresponds to '{shown(finding)}'.", "See column match.")
    place = {name: at for at, name in enumerate(index.finding_names)}
    present = np.unique(index.dictionary[:, [place[name] for name in first.names]])
    labels = _said(first.names, cell in ("both", "only_first"), policy, {State(int(state)) for state in present})
    stated = {*index.reading_states[reader, finding], State.BLANK}
    second = _said((finding,), cell in ("both", "only_second"), policy, stated)
    return Cohort(labels=format_expression(labels), readings=(reading_text(reader, second),))


def said_positive(finding: str, policy: Policy) -> str:
    """Return the label expression "this finding is positive under the policy"."""
    return format_expression(_said((finding,), True, policy, set()))


def _said(names: tuple[str, ...], positive: bool, policy: Policy, present: set[State]) -> Expression:
    """The strongest state of ``names`` is positive under the policy, or else it is not and counts."""
    is_positive = any_of([Atom(name, state) for name in names for state in sorted(policy.positive_states)[::-1]])
    if positive:
        return is_positive
    left_out = [_strongest(names, state) for state in sorted(present - policy.denominator_states)]
    expression: Expression | None = Not(is_positive)
    for item in left_out:
        expression = conjunction(expression, Not(item))
    assert expression is not None
    return expression


def _strongest(names: tuple[str, ...], state: State) -> Expression:
    """The strongest state among ``names`` is ``state``: one has it and none has a stronger one."""
    has = any_of([Atom(name, state) for name in names])
    stronger = [Atom(name, other) for name in names for other in State if other > state]
    if len(names) == 1 or not stronger:
        return has
    both = conjunction(has, Not(any_of(stronger)))
    assert both is not None
    return both
