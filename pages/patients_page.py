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
    view = parts.views()
    middle = st.container()
    if view in parts.OF_FINDINGS:
        rows = parts.by_finding(now)
        said = parts.finding_sentence(now, rows) if view == "By finding" else parts.worth(now, rows)
        with top:
            show.headline(QUESTION, said)
            show.key_figures(parts.worth_figures(now, rows))
        with middle:
            parts.finding_view(now, view, rows, said)
        parts.finding_table(now, rows)
        name, result = "effective_range", rows.drop(columns="door")
    else:
        threshold, others = parts.controls(now)
        above = now.compute("repeat_share", thresholds=(threshold,)).iloc[0]
        summary = now.compute("concentration_summary").iloc[0]
        name, result = "images_per_patient", now.compute("images_per_patient")
        said = parts.sentence(now, above, summary)
        with top:
            show.headline(QUESTION, said)
            show.key_figures(parts.figures(now, summary))
        with middle:
            parts.chart(now, view, result, threshold, others, said)
        parts.tables(now, result, summary)
    parts.timeline(now)
    show.provenance(now, name, result)
