"""Can I trust the annotations?"""

import streamlit as st

from cxrdash.ui import boxes, frame, heart_size, masks, show

now = frame()
known = masks.views(now)
if show.nothing(now):
    show.headline(masks.QUESTION, "No images in this cohort")
elif not known:
    masks.nothing_drawn(now)
else:
    top = st.container()
    parts = {
        masks.MASKS: masks.mask_view, masks.HEART: heart_size.heart_view, masks.BOXES: boxes.box_view,
        masks.READERS: boxes.reader_view,
    }  # fmt: skip
    view, beside = masks.choose(known)
    parts[view](now, top, beside)
