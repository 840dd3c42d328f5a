"""Do the labels contradict themselves?"""

import streamlit as st

from cxrdash.ui import frame, show
from cxrdash.ui import logic as parts
from cxrdash.ui.loaders import loaders_view

VIEWS = {
    "Hierarchy": parts.hierarchy_view,
    "Contradictions": parts.contradictions_view,
    "Loaders": loaders_view,
    "Redundancy": parts.redundancy_view,
}

now = frame()
QUESTION = "Do the labels contradict themselves?"
if show.nothing(now):
    show.headline(QUESTION, "No images in this cohort")
else:
    show.headline(QUESTION, parts.sentence(now))
    choices = parts.offered(now, VIEWS)
    view = st.segmented_control(
        "View", choices, default=choices[0], required=True, key="l_view", bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    VIEWS[view](now)
