"""The films a model doubts, from a file of its scores: chosen for looking wrong, so no rate is made of them."""

from __future__ import annotations

import streamlit as st

from cxrdash.analysis.image_numbers import ImageNumbers, match_words
from cxrdash.analysis.model_scores import Doubt, doubted
from cxrdash.analysis.review_sample import MOST
from cxrdash.errors import CxrdashError
from cxrdash.sources.headers import matching_key
from cxrdash.ui import cache as cached
from cxrdash.ui.brought import brought_table
from cxrdash.ui.controls import Frame, show_fault
from cxrdash.ui.text import number, plural, safe

USUAL = 50
DOUBTS: dict[Doubt, str] = {
    "positive_low": "labelled {finding}, lowest scores",
    "other_high": "not labelled {finding}, highest scores",
    "high": "highest scores, whatever the label",
    "low": "lowest scores, whatever the label",
}


def model_suspects(now: Frame, finding: str) -> tuple[str, ...]:
    """Draw the controls; return the images to look at, none where there is no file yet or nothing fits."""
    file = brought_table(
        "A model's scores: one row per image, one column per score (CSV or Parquet)", key="rv_scores",
        help_text="Any column may hold the identifiers.",
    )  # fmt: skip
    if file is None:
        st.caption(
            "For example out-of-fold predictions: where model and label disagree most, one of them is wrong. "
            "Films chosen by a model say nothing of the rest, so this review gives no error rate."
        )
        return ()
    try:
        scores = cached.image_numbers(now.index, file.name, file.content)
    except CxrdashError as fault:
        show_fault(fault)
        return ()
    return _chosen(now, finding, scores)


def _chosen(now: Frame, finding: str, scores: ImageNumbers) -> tuple[str, ...]:
    one, two, three = st.columns([2, 3, 1])
    columns = list(scores.table.columns)
    usual = next((at for at, name in enumerate(columns) if matching_key(name) == matching_key(finding)), 0)
    column = one.selectbox("Score", columns, index=usual, key=f"rv_score_{finding}")
    doubt = two.selectbox(
        "Look at films", list(DOUBTS), format_func=lambda key: DOUBTS[key].format(finding=finding), key="rv_doubt",
        bind="query-params",
    )  # fmt: skip
    most = three.number_input("Films", 1, MOST, USUAL, key="rv_doubted", bind="query-params")
    found = doubted(now.index, now.cohort, scores.table[column], finding=finding, doubt=doubt, most=int(most))
    st.caption(safe(f"{match_words(scores)}."))
    if not found.images:
        st.info("No image of this kind has a score: choose others, or widen the cohort in the sidebar.")
        return ()
    st.caption(
        f"{plural(len(found.images), 'film')} of {number(found.of)} with a score, from {found.scores[0]:.4g} "
        f"to {found.scores[-1]:.4g}. Chosen films say nothing of the rest: no error rate is made of them."
    )
    return found.images
