"""Which films are in there twice?"""

import streamlit as st

from cxrdash.ui import duplicates, frame, show

now = frame()
if show.nothing(now):
    show.headline(duplicates.QUESTION, "No images in this cohort")
elif not duplicates.uncompared(now):
    summary = now.compute("duplicate_summary")
    show.headline(duplicates.QUESTION, duplicates.sentence(summary, now.index.meta["scan"]["duplicates"]["compared"]))
    show.key_figures(duplicates.figures(now, summary))
    found = duplicates.controls(now)
    duplicates.pairs_view(now, found)
    duplicates.calibration_view(now, found)
    with st.expander("All pairs as a table"):
        duplicates.pair_table(now, found)
