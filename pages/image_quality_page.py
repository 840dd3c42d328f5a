"""Are the pictures sound?"""

import streamlit as st

from cxrdash.ui import frame, quality, show

now = frame()
if show.nothing(now):
    show.headline(quality.QUESTION, "No images in this cohort")
elif not quality.unscanned(now):
    census, suspects = now.compute("quality"), now.compute("quality_suspects")
    show.headline(quality.QUESTION, quality.sentence(suspects, census))
    show.key_figures(quality.figures(now, suspects, census))
    quality.incomplete(now, census)
    view = st.segmented_control(
        "View", quality.VIEWS, default=quality.VIEWS[0], required=True, key="q_view", bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    if view == "Suspects":
        quality.suspects_view(now, suspects)
    elif view == "Make-up":
        quality.make_up_view(now, census)
    elif view == "Measures":
        quality.measures_view(now)
    else:
        quality.conflicts_view(now)
