"""Parts of the label logic page: the headline and one view per question, each with doors, table and provenance."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import streamlit as st

from cxrdash.analysis.finding_tree import branches
from cxrdash.charts import hierarchy_tree, redundancy_bars, rule_bars
from cxrdash.charts.logic import VERDICTS
from cxrdash.labels.expression import And, Atom, format_expression
from cxrdash.labels.states import SPELLINGS
from cxrdash.ui import doors, many_labels, show
from cxrdash.ui.controls import Frame
from cxrdash.ui.text import number, percent, plural, safe

if TYPE_CHECKING:
    import pandas as pd

ENOUGH = 50  # positives, below which a share is not worth a headline
TOP = 24
TOP_PAIRS = 15
TOP_RULES = 12  # where there are very many labels
TOP_ROWS = 26  # of the tree, where there are very many labels
PARENT = {"positive": "Positive", "uncertain": "Uncertain", "negative": "Denied", "blank": "Blank"}


def sentence(now: Frame) -> str:
    """Return the headline: the parent most often left blank, the worst contradiction, or that there is none."""
    rules, parents = now.compute("contradictions"), now.compute("hierarchy")
    broken = rules[(rules["verdict"] == "contradiction") & (rules["kind"] != "normal_with_one") & (rules["count"] > 0)]
    if parents["positive"].any():
        return _parent_sentence(now, parents, broken)
    if len(broken):
        worst = broken.loc[broken["count"].idxmax()]
        return f"{worst['rule']}: {number(worst['count'])} of {number(worst['of'])} {_units(worst)}"
    return f"No label contradicts another in {number(_whole(rules))} {now.units}; {_silence(rules)}"


def _parent_sentence(now: Frame, parents: pd.DataFrame, broken: pd.DataFrame) -> str:
    often = parents[parents["positive"] >= ENOUGH]
    row = (often if len(often) else parents).sort_values("share_parent_blank", ascending=False).iloc[0]
    told = (
        f"{percent(row['share_parent_blank'])} of {number(row['positive'])} {now.units} positive for {row['finding']} "
        f"leave its parent {row['parent']} blank; {number(row['parent_negative'])} deny it"
    )
    normal = broken[broken["kind"] == "normal_with_finding"]
    if len(normal):
        first = normal.iloc[0]
        told += f". {first['finding']} stands with a finding in {number(first['count'])}"
    return told


def _whole(rules: pd.DataFrame) -> int:
    return int(rules.loc[rules["kind"] == "all_blank", "of"].iloc[0])


def _silence(rules: pd.DataFrame) -> str:
    silent = int(rules.loc[rules["kind"] == "all_blank", "count"].iloc[0])
    return f"{number(silent)} have no label at all" if silent else "none is without a label"


def _units(row: pd.Series) -> str:
    return {"image": "images", "study": "studies", "patient": "patients"}[str(row["unit"])]


def offered(now: Frame, views: Iterable[str]) -> list[str]:
    """Return the views that this dataset can fill: without a tree there is no hierarchy to show."""
    tree = any(finding.parent for finding in now.index.findings)
    return [view for view in views if tree or view != "Hierarchy"]


def hierarchy_view(now: Frame) -> None:
    """The tree of findings with the states of each parent where a child is positive."""
    table = now.compute("hierarchy")
    worst = table.loc[table["parent_negative"].idxmax()]
    takeaway = f"{worst['finding']} with {worst['parent']} denied: {number(worst['parent_negative'])} {now.units}"
    drawn = _some_branches(now, table)
    show.chart(hierarchy_tree(drawn, now.look, unit=now.units), "hierarchy", alt=takeaway, refine=_parent_door)
    st.caption(
        "A blank parent is incomplete, not contradicted: the report named the child and was silent about the "
        "parent. Whoever reads the parent's column as 'parent present' misses those."
    )
    _parent_link(table)
    columns = {
        "finding": "Finding", "parent": "Parent", "positive": "Positive", "parent_positive": "Parent positive",
        "parent_uncertain": "Uncertain", "parent_negative": "Denied", "parent_blank": "Blank",
        "share_parent_negative": "Denied of positive", "share_parent_blank": "Blank of positive",
    }  # fmt: skip
    show.table(table, key="hierarchy_table", columns=columns)
    show.provenance(now, "hierarchy", table)


def _some_branches(now: Frame, table: pd.DataFrame) -> pd.DataFrame:
    """Return whole branches, those found or the ones most often positive, and say what the others hold."""
    found = many_labels.search(now, now.index.finding_names)
    if len(now.index.findings) <= many_labels.MANY:
        return table
    root = {name: root for root, branch in branches(now.index.findings).items() for name, _ in branch}
    rooted = table.assign(root=table["finding"].map(root))
    if found:
        rooted = rooted[rooted["root"].isin({root[name] for name in found})]
    weight = rooted.groupby("root")["positive"].sum().sort_values(ascending=False, kind="stable")
    rows = (rooted["root"].value_counts().reindex(weight.index) + 1).cumsum()
    kept = set(rows.index[rows <= TOP_ROWS]) or set(weight.index[:1])
    rest = rooted[~rooted["root"].isin(kept)]
    if len(rest):
        most = rest.loc[rest["positive"].idxmax()]
        st.caption(
            f"{len(kept)} of {len(weight)} branches shown, those with most positive children; the others hold "
            f"{plural(len(rest), 'child', 'children')} and {number(rest['positive'].sum())} positive labels, most "
            f"frequent {safe(most['finding'])} ({number(most['positive'])}). Find one above; the table lists all."
        )
    return rooted[rooted["root"].isin(kept)].drop(columns="root")


def _parent_door(finding: str, parent: str, state: str) -> str:
    return doors.labelled(format_expression(And((Atom(finding), Atom(parent, SPELLINGS[state])))))


def _parent_link(table: pd.DataFrame) -> None:
    """The same doors for the keyboard."""
    first, second, link = st.columns([2, 2, 3], vertical_alignment="bottom")
    child = first.selectbox("Finding", table["finding"].tolist(), key="l_child")
    state = second.selectbox("Its parent is", list(PARENT), index=2, format_func=PARENT.__getitem__, key="l_state")
    row = table.set_index("finding").loc[child]
    with link:
        label = f"{number(row[f'parent_{state}'])}: {child} positive, {row['parent']} {state}"
        doors.link(_parent_door(child, row["parent"], state), safe(label))


def contradictions_view(now: Frame) -> None:
    """Rules that labels should keep, and how often they are broken."""
    table = now.compute("contradictions")
    broken = table[(table["count"] > 0) & (table["kind"] != "normal_with_one")]
    found = many_labels.search(now, now.index.finding_names)
    if found:
        broken = broken[broken["finding"].isin(found) | broken["other"].isin(found)]
    top = TOP if len(now.index.findings) <= many_labels.MANY else TOP_RULES
    rank = broken["verdict"].map(VERDICTS.index)
    broken = broken.assign(rank=rank, door=[_door(text) for text in broken["labels"]])
    drawn = broken.sort_values(["rank", "share"], ascending=[True, False], kind="stable").head(top)
    kept = int((table["count"] == 0).sum())
    takeaway = f"{plural(len(broken), 'rule')} broken, {number(kept)} kept without exception"
    if len(drawn):
        show.chart(rule_bars(drawn, now.look, unit=now.units), "contradictions", alt=takeaway)
    rest = f"; {number(len(broken) - len(drawn))} more stand in the table" if len(broken) > len(drawn) else ""
    st.caption(f"{takeaway}{rest}. Contradiction: both cannot be. Incomplete: silence where something should be said.")
    _rule_link(broken)
    columns = {"rule": "Rule", "verdict": "Verdict", "unit": "Unit", "count": "Broken in", "of": "Of", "share": "Share",
               "labels": "Label expression"}  # fmt: skip
    show.table(table, key="contradictions_table", columns=columns, height=320)
    show.provenance(now, "contradictions", table)


def _door(labels: str) -> str:
    return doors.labelled(labels) if labels else ""


def _rule_link(broken: pd.DataFrame) -> None:
    known = broken[broken["labels"] != ""]
    if known.empty:
        return
    first, link = st.columns([4, 3], vertical_alignment="bottom")
    rule = first.selectbox("Rule", known["rule"].tolist(), key="l_rule")
    row = known.set_index("rule").loc[rule]
    with link:
        doors.link(row["door"], f"Images that break it ({number(row['count'])} {_units(row)})")


def redundancy_view(now: Frame) -> None:
    """Pairs of labels that tell most of each other."""
    table = now.compute("redundancy")
    normal = {finding.name for finding in now.index.findings if finding.kind == "normal"}
    known = table[~table["finding_a"].isin(normal) & ~table["finding_b"].isin(normal)].dropna(subset="ami")
    found = many_labels.search(now, now.index.finding_names)
    if found:
        known = known[known["finding_a"].isin(found) | known["finding_b"].isin(found)]
    ordered = known.sort_values("ami", ascending=False, kind="stable", ignore_index=True)
    drawn = ordered.head(TOP_PAIRS)
    pairs = zip(drawn["finding_a"], drawn["finding_b"], strict=True)
    texts = [format_expression(And((Atom(a), Atom(b)))) for a, b in pairs]
    st.markdown(f"**{safe(redundancy_sentence(ordered))}**")
    show.chart(
        redundancy_bars(drawn.assign(door=[_door(text) for text in texts]), now.look),
        "redundancy",
        alt=redundancy_sentence(ordered),
    )
    st.caption(
        "This finds labels that duplicate each other in the table, not labels of the same appearance: a reporter who "
        "writes consolidation, infiltration, atelectasis or pneumonia mostly writes one of them, so these share little."
    )
    columns = {"finding_a": "A", "finding_b": "B", "both": "Both", "a": "A in all", "b": "B in all", "of": "Of",
               "mutual_information": "Shared (nats)", "nmi": "Normalised", "ami": "Adjusted", "phi": "Phi",
               "jaccard": "Jaccard"}  # fmt: skip
    listed = ordered.head(many_labels.MANY**2)
    show.table(listed, key="redundancy_table", columns=columns, height=320)
    if len(ordered) > len(listed):
        st.caption(f"The {number(len(listed))} pairs that share most, of {number(len(ordered))}; the CSV holds all.")
    show.provenance(now, "redundancy", table)


def redundancy_sentence(ordered: pd.DataFrame) -> str:
    """Return which two labels come nearest to being one."""
    if ordered.empty:
        return "No two labels can be compared in this cohort"
    top = ordered.iloc[0]
    near = "No two labels repeat each other" if top["ami"] < 0.5 else "Two labels nearly repeat each other"
    return f"{near}: {top['finding_a']} and {top['finding_b']} share most, {top['ami']:.3f} of 1"
