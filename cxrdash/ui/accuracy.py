"""The prevalence behind a label, for who knows how often the label is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from cxrdash.ui import show
from cxrdash.ui.controls import Frame
from cxrdash.ui.text import interval, number, percent, safe

if TYPE_CHECKING:
    import pandas as pd

TITLE = "Correct for the label's known accuracy"
ASKED = (
    ("Found", "found", "Images with the finding that the label found, in a study that judged it."),
    ("of those with it", "with", "Images with the finding in that study."),
    ("Cleared", "cleared", "Images without the finding that the label cleared."),
    ("of those without it", "without", "Images without the finding in that study."),
)


def corrector(now: Frame, findings: list[str]) -> None:
    """Ask for a finding and its label's sensitivity and specificity, and say which prevalence they leave."""
    linked = any(f"v_{name}" in st.query_params for _, name, _ in ASKED)  # a pasted link shows what it names
    with st.expander(TITLE, expanded=linked, on_change="rerun", key="v_accuracy") as opened:
        if not opened.open:
            return
        normal = {one.name for one in now.index.findings if one.kind == "normal"}
        findings = sorted(findings, key=normal.__contains__)  # in the order given, No Finding last
        which, *columns = st.columns([3, 2, 2, 2, 2], vertical_alignment="bottom")
        finding = which.selectbox("Finding", findings, key="v_accuracy_of", bind="query-params")
        counts = [
            column.number_input(title, 0, 10**8, value=None, step=1, key=f"v_{name}", bind="query-params", help=said)
            for column, (title, name, said) in zip(columns, ASKED, strict=True)
        ]
        if any(count is None for count in counts):
            st.caption(
                "From a study in which readers judged this label: its sensitivity and specificity as counts. Your own "
                "reviews need none: Review shows the corrected prevalence from both sides of a label."
            )
            return
        found, with_it, cleared, without = (int(count) for count in counts if count is not None)
        options = {"finding": finding, "accuracy": f"{found}/{with_it}, {cleared}/{without}"}
        table = now.compute("prevalence_given_accuracy", **options)
        if len(table):
            st.markdown(safe(sentence(now, table.iloc[0], (found, with_it), (cleared, without))))
        show.provenance(now, "prevalence_given_accuracy", table, **options)


def sentence(now: Frame, row: pd.Series, found: tuple[int, int], cleared: tuple[int, int]) -> str:
    """Return what the label says, what is behind it, and what that takes for granted."""
    labelled = (
        f"{percent(row['labelled'])} of {number(row['of'])} {now.units} are labelled {row['finding']}; with a "
        f"sensitivity of {percent(row['sensitivity'])} ({number(found[0])} of {number(found[1])}) and a specificity of "
        f"{percent(row['specificity'])} ({number(cleared[0])} of {number(cleared[1])}), "
    )
    if row["raw"] != row["raw"]:
        return f"{labelled}nothing follows: {row['note']}."
    rate = f"{labelled}{percent(row['rate'])} have it (95% interval {interval(row['low'], row['high'])})."
    if row["note"]:
        return f"{rate} The estimate was {percent(row['raw'])}, {row['note']}."
    return f"{rate} That takes for granted that the label errs here as often as there."
