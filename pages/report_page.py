"""What do I tell my collaborators?"""

import streamlit as st

from cxrdash.ui import frame, show
from cxrdash.ui import report as parts

now = frame()
QUESTION = "What do I tell my collaborators?"
if show.nothing(now):
    show.headline(QUESTION, "No images in this cohort")
else:
    top = st.container()
    asked = parts.controls(now)
    found = parts.computed(now, asked)
    with top:
        show.headline(QUESTION, parts.sentence(found))
        show.key_figures(parts.figures(found))
    left, right = st.columns([5, 3], gap="large")
    with left:
        parts.checks(found)
    with right:
        parts.downloads(now, asked)
    parts.stars(now, found)
    show.provenance(now, "audit", found.audit, **asked.options)
