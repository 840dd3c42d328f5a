"""Whether labels agree with their own hierarchy and with each other (METHODS 4.4, 4.6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrdash.analysis.finding_tree import tree
from cxrdash.analysis.mutual_information import information
from cxrdash.analysis.pairs import pair_counts
from cxrdash.analysis.prevalence import default_unit
from cxrdash.analysis.registry import named, statistic
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import Selection, select
from cxrdash.index.store import Index, Unit
from cxrdash.labels.expression import MOST_CHARACTERS, And, Atom, Expression, Not, Or, format_expression
from cxrdash.labels.findings import Finding
from cxrdash.labels.policies import Policy
from cxrdash.labels.states import State

if TYPE_CHECKING:
    import pandas as pd

ANY = "any finding"
PARENT_STATES = {
    "parent_positive": State.POSITIVE,
    "parent_uncertain": State.UNCERTAIN,
    "parent_negative": State.NEGATIVE,
    "parent_blank": State.BLANK,
    "not_assessed": State.NOT_ASSESSED,
}
_HIERARCHY_SQL = """
SELECT f.finding, f.parent, CASE WHEN f.parent IS NULL THEN 'no parent' ELSE coalesce(p.state::VARCHAR, 'blank') END
       AS parent_state, count(*) AS images
FROM selected JOIN patterns AS c USING (pattern) JOIN findings AS f ON f.finding = c.finding::VARCHAR
LEFT JOIN patterns AS p ON p.pattern = selected.pattern AND p.finding::VARCHAR = f.parent
WHERE c.state = 'positive' GROUP BY ALL ORDER BY ALL
"""
_HIERARCHY = {
    "finding": "str", "parent": "str", "level": "int64", "unit": "str", "positive": "int64",
    **dict.fromkeys(PARENT_STATES, "int64"), **{f"share_{name}": "float64" for name in PARENT_STATES},
}  # fmt: skip
_CONTRADICTIONS = {
    "kind": "str", "verdict": "str", "rule": "str", "finding": "str", "other": "str", "unit": "str",
    "count": "int64", "of": "int64", "share": "float64", "labels": "str",
}  # fmt: skip


@statistic(
    "Labels against their hierarchy", method="METHODS 4.4; a blank parent is no contradiction", sql=_HIERARCHY_SQL
)
def hierarchy(index: Index, cohort: Cohort | None = None, *, unit: Unit | None = None) -> pd.DataFrame:
    """One row per finding with a parent, parents before their children: what the parent says where it is positive.

    ``positive`` counts units positive for the finding; of these ``parent_positive``, ``parent_uncertain``,
    ``parent_negative`` (a contradiction), ``parent_blank`` (incomplete) and ``not_assessed`` say the
    parent's state and add up to it; ``share_...`` are their shares (NaN without a positive). ``level`` is
    1 for the child of a root. Of patients the states of different dates are mixed.
    """
    counted = _Counted.of(select(index, cohort), unit or default_unit(index))
    return _typed([_against_parent(counted, finding, level) for finding, level in tree(index.findings)], _HIERARCHY)


@statistic("Contradictions between labels", method="METHODS 4.4; contradiction and incomplete are never added")
def contradictions(index: Index, cohort: Cohort | None = None, *, unit: Unit | None = None) -> pd.DataFrame:
    """One row per rule that labels should keep: ``count`` of ``of`` units break it.

    ``verdict`` is contradiction (both cannot be), doubtful, incomplete (silence where something should be
    said) or note (allowed, but worth knowing). ``labels`` finds exactly these units as an expression, ''
    where there is none. The last row counts studies whose images differ in their labels.
    """
    selection, chosen = select(index, cohort), unit or default_unit(index)
    counted = _Counted.of(selection, chosen)
    rows = [*_parent_rules(counted), *_normal_rules(counted), _silent_rule(counted), *_study_rule(selection)]
    return _typed(rows, _CONTRADICTIONS)


@statistic(
    "Labels that repeat each other",
    method="METHODS 4.6; mean-normalised and chance-adjusted",
    sql=named("pair_counts").sql,
)
def redundancy(
    index: Index, cohort: Cohort | None = None, *, policy: Policy | str = "as_is", unit: Unit | None = None
) -> pd.DataFrame:
    """One row per unordered pair of findings: how much one label tells of the other.

    ``mutual_information`` is in nats, ``nmi`` divides it by the mean of the two entropies (0 to 1), ``ami``
    also takes off what chance gives; ``phi`` and ``jaccard`` as in ``pair_counts``. NaN where a label is
    positive in none or in all of the ``of`` units. High values find labels that duplicate each other in
    the table. They do not find labels of the same appearance: where reporters write one word or the other
    (consolidation, infiltration, atelectasis, pneumonia) the labels rarely stand together and share little
    information; that they look alike is knowledge from outside the table (METHODS 4.6).
    """
    pairs = pair_counts(index, cohort, policy=policy, unit=unit)
    place = {name: at for at, name in enumerate(index.finding_names)}
    apart = pairs[pairs["finding_a"].map(place) < pairs["finding_b"].map(place)].reset_index(drop=True)
    found = information(*(apart[name].to_numpy() for name in ("of", "a", "b", "both")))
    measured = apart.assign(**found._asdict(), unit=unit or default_unit(index))
    columns = ["finding_a", "finding_b", "unit", "both", "a", "b", "of", *found._fields, "phi", "jaccard", "policy"]
    return measured[columns].astype({"unit": "str", "policy": "str"})


@dataclass(frozen=True)
class _Counted:
    """Units by label states, with masks over the distinct combinations."""

    findings: tuple[Finding, ...]
    states: np.ndarray
    weights: np.ndarray
    unit: str

    @classmethod
    def of(cls, selection: Selection, unit: Unit) -> _Counted:
        table = selection.labels(unit)
        return cls(selection.index.findings, table.states, table.weights, unit)

    def units(self, mask: np.ndarray) -> int:
        return int(self.weights[mask].sum())

    @property
    def whole(self) -> int:
        return int(self.weights.sum())

    def has(self, name: str, state: State = State.POSITIVE) -> np.ndarray:
        """Return which combinations have a finding in a state; a finding unknown here is not assessed."""
        place = {finding.name: at for at, finding in enumerate(self.findings)}.get(name)
        if place is None:
            return np.full(len(self.states), state is State.NOT_ASSESSED)
        found: np.ndarray = self.states[:, place] == state
        return found

    def any_of(self, names: Sequence[str], state: State = State.POSITIVE) -> np.ndarray:
        found = np.zeros(len(self.states), dtype=bool)
        for name in names:
            found |= self.has(name, state)
        return found

    def named(self, *kinds: str) -> list[str]:
        return [finding.name for finding in self.findings if finding.kind in kinds]


def _typed(rows: Sequence[dict[str, Any]], columns: dict[str, str]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(list(rows), columns=list(columns)).astype(columns)


def _against_parent(counted: _Counted, finding: Finding, level: int) -> dict[str, Any]:
    child = counted.has(finding.name)
    parent = str(finding.parent)
    positive = counted.units(child)
    counts = {name: counted.units(child & counted.has(parent, state)) for name, state in PARENT_STATES.items()}
    shares = {f"share_{name}": count / positive if positive else np.nan for name, count in counts.items()}
    head = {"finding": finding.name, "parent": parent, "level": level, "unit": counted.unit}
    return {**head, "positive": positive, **counts, **shares}


def _row(
    counted: _Counted, words: tuple[str, str, str], pair: tuple[str, str], masks: tuple[np.ndarray, np.ndarray],
    expression: Expression | None,
) -> dict[str, Any]:  # fmt: skip
    count, of = counted.units(masks[0]), counted.units(masks[1])
    text = format_expression(expression) if expression is not None else ""
    return {
        **dict(zip(("kind", "verdict", "rule"), words, strict=True)),
        **dict(zip(("finding", "other"), pair, strict=True)),
        "unit": counted.unit, "count": count, "of": of, "share": count / of if of else np.nan,
        "labels": text if len(text) <= MOST_CHARACTERS else "",
    }  # fmt: skip


def _parent_rules(counted: _Counted) -> Iterator[dict[str, Any]]:
    said = (("parent_negative", "contradiction", State.NEGATIVE), ("parent_blank", "incomplete", State.BLANK))
    for kind, verdict, state in said:
        for finding, _ in tree(counted.findings):
            child, parent = counted.has(finding.name), str(finding.parent)
            broken = child & counted.has(parent, state)
            rule = f"{finding.name} positive, its parent {parent} {state.label}"
            known = parent in {item.name for item in counted.findings}
            expression = And((Atom(finding.name), Atom(parent, state))) if known else None
            yield _row(counted, (kind, verdict, rule), (finding.name, parent), (broken, child), expression)


def _normal_rules(counted: _Counted) -> Iterator[dict[str, Any]]:
    """Rules of No Finding: what stands beside it, and units that have neither it nor a positive."""
    findings, devices = counted.named("finding"), counted.named("device")
    for normal in counted.named("normal"):
        healthy, atom = counted.has(normal), Atom(normal)
        beside = (
            ("normal_with_finding", "contradiction", "another finding positive", findings, State.POSITIVE),
            ("normal_with_device", "note", "a device positive", devices, State.POSITIVE),
            ("normal_with_uncertain", "doubtful", "an uncertain label", findings + devices, State.UNCERTAIN),
        )
        for kind, verdict, words, names, state in beside:
            if not names:
                continue
            broken = healthy & counted.any_of(names, state)
            expression = And((atom, _any([Atom(name, state) for name in names])))
            words = f"{normal} with {words}"
            yield _row(counted, (kind, verdict, words), (normal, ANY), (broken, healthy), expression)
        for name in findings:
            broken = healthy & counted.has(name)
            words = f"{normal} with {name}"
            pair = ("normal_with_one", "contradiction", words)
            yield _row(counted, pair, (normal, name), (broken, healthy), And((atom, Atom(name))))
        yield from _neither(counted, normal, findings)


def _neither(counted: _Counted, normal: str, findings: Sequence[str]) -> Iterator[dict[str, Any]]:
    everything = np.ones(len(counted.states), dtype=bool)
    neither = ~counted.has(normal) & ~counted.any_of(findings)
    without: Expression = Not(_any([Atom(name) for name in (normal, *findings)]))
    words = f"neither {normal} nor a positive finding (devices apart)"
    yield _row(counted, ("neither", "incomplete", words), (normal, ANY), (neither, everything), without)
    names = counted.named("finding", "device", "normal")
    hedged = neither & counted.any_of(names, State.UNCERTAIN)
    both = And((without, _any([Atom(name, State.UNCERTAIN) for name in names])))
    words = f"{words}, some label uncertain"
    yield _row(counted, ("neither_uncertain", "note", words), (normal, ANY), (hedged, neither), both)


def _silent_rule(counted: _Counted) -> dict[str, Any]:
    silent = ~np.any(counted.states > State.BLANK, axis=1)
    said = (State.POSITIVE, State.UNCERTAIN, State.NEGATIVE)
    stated = [Atom(finding.name, state) for finding in counted.findings for state in said]
    everything = np.ones(len(counted.states), dtype=bool)
    expression = Not(_any(stated)) if stated else None
    return _row(counted, ("all_blank", "incomplete", "no label at all"), ("", ANY), (silent, everything), expression)


def _any(atoms: Sequence[Atom]) -> Expression:
    return atoms[0] if len(atoms) == 1 else Or(tuple(atoms))


_STUDIES = """
SELECT count(*) FILTER (WHERE patterns > 1)::BIGINT, count(*)::BIGINT FROM (
    SELECT study, count(DISTINCT pattern) AS patterns FROM selected WHERE study IS NOT NULL GROUP BY study)
"""
_WHOLE_STUDIES = "SELECT count(*) FILTER (WHERE patterns > 1)::BIGINT, count(*)::BIGINT FROM studies"


def _study_rule(selection: Selection) -> Iterator[dict[str, Any]]:
    if "study" not in selection.index.units:
        return
    everything = selection.cohort.everything
    ((count, of),) = selection.index.rows(_WHOLE_STUDIES) if everything else selection.rows(_STUDIES)
    yield {
        "kind": "study_differs", "verdict": "note", "rule": "images of one study with different labels",
        "finding": "", "other": ANY, "unit": "study", "count": count, "of": of,
        "share": count / of if of else np.nan, "labels": "",
    }  # fmt: skip
