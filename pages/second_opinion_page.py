"""How often does another reader disagree?"""

import streamlit as st

from cxrdash.ui import frame, opinions, show
from cxrdash.ui.readers import readers

now = frame()
if show.nothing(now):
    show.headline(opinions.QUESTION, "No images in this cohort")
elif not now.index.readers:
    opinions.nobody(now)
else:
    top = st.container()
    if opinions.choose(now) == opinions.READERS:
        readers(now, top)
    else:
        opinions.second_opinion(now, top)
