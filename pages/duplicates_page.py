"""Which films are in there twice?"""

import streamlit as st

from cxrdash.ui import duplicates, duplicates_between, frame, show

now = frame()
if show.nothing(now):
    show.headline(duplicates.QUESTION, "No images in this cohort")
elif not duplicates.uncompared(now):
    summary = now.compute("duplicate_summary")
    show.headline(duplicates.QUESTION, duplicates.sentence(now, summary))
    show.key_figures(duplicates.figures(now, summary))
    found = duplicates.controls(now)
    if found is None:
        duplicates_between.view(now)
    else:
        duplicates.pairs_view(now, found)
        duplicates.calibration_view(now, found)
        with st.expander("All pairs as a table"):
            duplicates.pair_table(now, found)
