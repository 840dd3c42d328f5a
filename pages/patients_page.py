"""How large is it really?"""

import streamlit as st

from cxrdash.ui import frame, show
from cxrdash.ui import patients as parts

now = frame()
QUESTION = "How large is it really?"
if not now.index.counts["patients"]:
    show.headline(QUESTION, "Patients are not identified in this dataset")
elif show.nothing(now):
    show.headline(QUESTION, "No images in this cohort")
else:
    top = st.container()
    threshold, others = parts.controls(now)
    above = now.compute("repeat_share", thresholds=(threshold,)).iloc[0]
    summary = now.compute("concentration_summary").iloc[0]
    sizes = now.compute("images_per_patient")
    with top:
        show.headline(QUESTION, parts.sentence(now, above, summary))
        show.key_figures(parts.figures(now, summary))
        view = st.segmented_control(
            "Chart", ["More than", "Bars", "At most", "Lorenz"], default="More than", required=True,
            key="p_chart", bind="query-params", label_visibility="collapsed",
        )  # fmt: skip
        parts.chart(now, view, sizes, threshold, others, parts.sentence(now, above, summary))
    parts.tables(now, sizes, summary)
    parts.timeline(now)
    show.provenance(now, "images_per_patient", sizes)
