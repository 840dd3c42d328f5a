"""What does this label look like?"""

import streamlit as st

from cxrdash.ui import frame, show
from cxrdash.ui import gallery as parts
from cxrdash.ui.film_grid import film_grid

now = frame()
top = st.container()
asked = parts.controls(now)
drawn = parts.draw(now, asked)
with top:
    show.headline("What does this label look like?", parts.sentence(asked.cohort, drawn))
parts.narrowing_chips()
if not drawn.films:
    st.info("No image matches. Change the label expression above, or widen the cohort in the sidebar.")
else:
    tiles = parts.tiles(now, drawn)
    parts.missing(now, drawn, tiles)
    opened = film_grid(
        tiles, key="gallery_grid", columns=parts.columns(drawn), show_captions=asked.captions,
        presentation=now.look.presentation,
    )  # fmt: skip
    parts.enlarge(now, asked, drawn, opened)
    parts.footer(now, asked.cohort, drawn)
