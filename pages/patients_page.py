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
    view = st.session_state.get("p_chart") or parts.view_in_link()
    if view in parts.OF_FINDINGS:
        rows = parts.by_finding(now)
        said = parts.finding_sentence(now, rows) if view == "By finding" else parts.worth(now, rows)
        with top:
            show.headline(QUESTION, said)
            show.key_figures(parts.worth_figures(now, rows))
            parts.views()
            parts.finding_view(now, view, rows, said)
        parts.finding_table(now, rows)
        parts.timeline(now)
        show.provenance(now, "effective_range", rows.drop(columns="door"))
    else:
        threshold, others = parts.controls(now)
        above = now.compute("repeat_share", thresholds=(threshold,)).iloc[0]
        summary = now.compute("concentration_summary").iloc[0]
        sizes = now.compute("images_per_patient")
        with top:
            show.headline(QUESTION, parts.sentence(now, above, summary))
            show.key_figures(parts.figures(now, summary))
            view = parts.views()
            parts.chart(now, view, sizes, threshold, others, parts.sentence(now, above, summary))
        parts.tables(now, sizes, summary)
        parts.timeline(now)
        show.provenance(now, "images_per_patient", sizes)
