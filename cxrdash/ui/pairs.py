"""Parts of the co-occurrence page: headline, cells with doors, orders, tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from cxrdash.analysis.finding_tree import branches
from cxrdash.analysis.pairs import clustered_findings, positive_text
from cxrdash.ui import doors, show
from cxrdash.ui.controls import Frame
from cxrdash.ui.many_labels import MANY, Shown
from cxrdash.ui.text import number, percent, safe

if TYPE_CHECKING:
    import pandas as pd

VIEWS = ("Pairs", "Odds ratios", "Exact combinations")
MEASURES = {
    "Share given": "conditional", "Count": "count", "Lift": "lift", "Jaccard": "jaccard", "Phi": "phi",
    "Odds ratio": "odds_ratio", "Shared information": "nmi",
}  # fmt: skip
ORDERS = ("By count", "Clustered", "As in the dataset")
ENOUGH = 50  # units with both, below which a lift is not worth a headline
TOP = 24
COMBINATIONS = 500  # rows of the table of exact combinations
MOST_IN_A_MATRIX = 60  # labels, beyond which a cell is too small to hit and the page too slow to draw


def controls() -> tuple[str, str, str]:
    """Return the view, the measure and the order chosen."""
    view = st.segmented_control(
        "View", VIEWS, default=VIEWS[0], required=True, key="c_view", bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    if view != VIEWS[0]:
        return view or VIEWS[0], "count", ORDERS[0]
    first, second = st.columns([7, 4])
    measure = first.segmented_control(
        "Measure", list(MEASURES), default="Share given", required=True, key="c_measure", bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    order = second.segmented_control(
        "Order",
        list(ORDERS),
        default=ORDERS[0],
        required=True,
        key="c_order",
        bind="query-params",
        label_visibility="collapsed",
    )
    return view, MEASURES[measure], order


def sentence(now: Frame, pairs: pd.DataFrame) -> str:
    """Return the headline: the most frequent pair and the one most above chance, parent and child left out.

    Two labels of one branch stand together because one says the other.
    """
    apart = _of_different_branches(now, pairs[pairs["finding_a"] < pairs["finding_b"]])
    if apart.empty or not apart["both"].any():
        return "No two findings are positive together in this cohort"
    common = apart.loc[apart["both"].idxmax()]
    enough = apart[(apart["both"] >= ENOUGH) & apart["lift"].notna()]
    text = (
        f"{common['finding_a']} and {common['finding_b']} stand together in {number(common['both'])} {now.units}, "
        f"{percent(common['conditional'])} of {common['finding_a']}"
    )
    if enough.empty:
        return text
    tight = enough.loc[enough["lift"].idxmax()]
    return f"{text}; {tight['finding_a']} and {tight['finding_b']} {tight['lift']:.1f} times as often as by chance"


def _of_different_branches(now: Frame, apart: pd.DataFrame) -> pd.DataFrame:
    whole = branches(now.index.findings)
    if len(now.index.findings) <= MANY:
        return apart
    root = {name: root for root, branch in whole.items() for name, _ in branch}
    return apart[apart["finding_a"].map(root) != apart["finding_b"].map(root)]


def counts(pairs: pd.DataFrame) -> dict[str, int]:
    """Return how often each finding is positive: its pair with itself."""
    own = pairs[pairs["finding_a"] == pairs["finding_b"]]
    return dict(zip(own["finding_a"], own["both"], strict=True))


def between(pairs: pd.DataFrame, shown: Shown) -> pd.DataFrame:
    """Return the pairs among the labels shown."""
    return shown.of(shown.of(pairs, "finding_b"), "finding_a")


def with_information(now: Frame, pairs: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs with the normalised mutual information of the two labels, both ways round."""
    import pandas as pd

    told = now.compute("redundancy")[["finding_a", "finding_b", "nmi"]]
    turned = told.rename(columns={"finding_a": "finding_b", "finding_b": "finding_a"})
    return pairs.merge(pd.concat([told, turned]), on=["finding_a", "finding_b"], how="left")


def cells(now: Frame, pairs: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Return the pairs with the value drawn, its text and its door."""
    column = "both" if measure == "count" else measure
    tokens = [
        doors.labelled(positive_text([a, b], now.policy))
        for a, b in zip(pairs["finding_a"], pairs["finding_b"], strict=True)
    ]
    # Beside itself a finding says how often it occurs: every other measure of it would be a constant.
    texts = [
        number(both) if a == b else _text(value, measure)
        for a, b, both, value in zip(pairs["finding_a"], pairs["finding_b"], pairs["both"], pairs[column], strict=True)
    ]
    return pairs.assign(value=pairs[column].astype("float64"), text=texts, door=tokens)


def _text(value: float, measure: str) -> str:
    if value != value:
        return ""
    if measure == "count":
        return number(value)
    if measure in ("conditional", "jaccard"):
        return f"{100 * value:.0f}%" if value >= 0.01 or value == 0 else f"{100 * value:.1f}%"
    return f"{value:.2f}" if measure in ("phi", "nmi") else f"{value:.1f}"


def finding_order(pairs: pd.DataFrame, order: str, shown: Shown) -> list[str]:
    """Return the findings in the order chosen; grouped by the tree they keep its order."""
    if shown.words and order == "By count":
        return list(shown.names or ())
    own = pairs[pairs["finding_a"] == pairs["finding_b"]]
    if order == "Clustered":
        return clustered_findings(pairs)
    if order == "By count":
        own = own.sort_values("both", ascending=False, kind="stable")
    return [str(name) for name in own["finding_a"]]


def about(measure: str) -> None:
    """Say what the shared information does not find."""
    if measure == "nmi":
        st.caption(
            "High values are labels that say the same thing in the table. Labels of the same appearance are not found "
            "so: where reporters write one word or the other (consolidation, infiltration, pneumonia) the two rarely "
            "stand together."
        )


def pair_link(now: Frame) -> tuple[str, str]:
    """The same doors for the keyboard: choose two findings, follow the link. Returns the two."""
    names = list(now.index.finding_names)
    first, second, link = st.columns([2, 2, 3], vertical_alignment="bottom")
    a = first.selectbox("First finding", names, key="c_first", bind="query-params")
    b = second.selectbox("Second finding", names, index=min(1, len(names) - 1), key="c_second", bind="query-params")
    with link:
        doors.link(doors.labelled(positive_text([a, b], now.policy)), f"Images with {safe(a)} and {safe(b)}")
    return str(a), str(b)


def pair_table(pairs: pd.DataFrame) -> None:
    """The pairs with all measures, the most frequent first, each pair once."""
    apart = pairs[pairs["finding_a"] < pairs["finding_b"]].sort_values("both", ascending=False)
    never = 0
    if len(apart) > MANY**2:
        never = int((apart["both"] == 0).sum())
        apart = apart[apart["both"] > 0]
    show.table(
        apart, key="pairs_table",
        columns={"finding_a": "A", "finding_b": "B", "both": "Both", "a": "A alone or with B", "b": "B alone or with A",
                 "of": "Of",
                 "conditional": "B given A", "expected": "Expected", "lift": "Lift", "jaccard": "Jaccard", "phi": "Phi",
                 "phi_max": "Largest phi", "odds_ratio": "Odds ratio", "odds_low": "95% from ", "odds_high": "to "},
    )  # fmt: skip
    left_out = f" {number(never)} pairs that never stand together are only in the CSV." if never else ""
    st.caption(
        "Expected: units with both if the two were independent. These odds ratio intervals take units for "
        "independent; those of the view Odds ratios do not." + left_out
    )


def top_combinations(table: pd.DataFrame) -> pd.DataFrame:
    """Return the most frequent combinations, each with the door to exactly its images."""
    top = table[table["findings"].map(len) > 0].head(TOP)
    return top.assign(door=[doors.labelled(text) for text in top["labels"]])


def names_in(drawn: pd.DataFrame, now: Frame) -> list[str]:
    """Return the findings that occur in the combinations drawn, in card order."""
    present = {name for found in drawn["findings"] for name in found}
    return [name for name in now.index.finding_names if name in present]


def combination_sentence(table: pd.DataFrame) -> str:
    """Return how many exact combinations there are and how much the largest hold."""
    if table.empty:
        return "No combination in this cohort."
    once, every = int(table["single"].iloc[0]), int(table["combinations"].iloc[0])
    head = table.head(10)["share"].sum()
    said = f"{number(every)} exact combinations of positive labels; the ten most frequent hold {percent(head)}"
    more = f" The table holds the {number(COMBINATIONS)} most frequent and the sum of the others."
    return f"{said}; {number(once)} occur once.{more if every > COMBINATIONS else ''}"


def combination_table(table: pd.DataFrame) -> None:
    show.table(
        table, key="combination_table", height=320,
        columns={"combination": "Exactly these findings", "count": "Count", "of": "Of", "share": "Share",
                 "labels": "Label expression"},
    )  # fmt: skip
