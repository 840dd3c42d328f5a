"""How do I split it without leaking?"""

import streamlit as st

from cxrdash.ui import frame, show
from cxrdash.ui import splits as parts

now = frame()
QUESTION = "How do I split it without leaking?"
if show.nothing(now):
    show.headline(QUESTION, "No images in this cohort")
else:
    top = st.container()
    asked = parts.controls(now)
    found = parts.computed(now, asked)
    said = parts.sentence(found)
    with top:
        show.headline(QUESTION, said)
        show.key_figures(parts.figures(found))
    parts.warnings(now, asked, found)
    left, right = st.columns([5, 3], gap="large")
    with left:
        parts.chart(now, asked, found, said)
    with right:
        parts.part_table(found)
        st.caption("Proof: how many stand in both of two parts")
        parts.proof(found)
        parts.files(now, asked, found)
    parts.finding_table(found)
    show.provenance(now, "balance", found.balance, **asked.options)
