"""Which dataset suits me?"""

import streamlit as st

from cxrdash.ui import compare as parts
from cxrdash.ui import frame, show
from cxrdash.ui.compare_views import DRAW
from cxrdash.ui.text import safe

now = frame()
QUESTION = "Which dataset suits me?"
if show.nothing(now):
    show.headline(QUESTION, "No images in this cohort")
else:
    top = st.container()
    view, others = st.columns([3, 2], vertical_alignment="bottom")
    comparison = parts.controls(now, others)
    if len(comparison.indexes) < 2:
        with top:
            show.headline(QUESTION, f"{now.index.title} stands alone")
        parts.say(comparison.notes)
        parts.alone(now)
    else:
        sentence = parts.sentence(comparison, comparison.compute("compare_differences"))
        with top:
            show.headline(QUESTION, sentence)
        chosen = parts.view_control(view)
        parts.say(comparison.notes)
        name, result, options = DRAW[chosen](comparison, sentence)
        st.caption(safe(parts.sizes(comparison)))
        show.provenance(comparison.now, name, result, **options)
