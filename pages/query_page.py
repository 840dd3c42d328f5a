"""What if my question is not here?"""

import streamlit as st

from cxrdash.ui import frame, show
from cxrdash.ui import query as parts

now = frame()
top = st.container()
show.nothing(now)  # said, but the other tables can still be asked
sql, rows = parts.controls(now)
found = parts.result(now, sql, rows)
with top:
    show.headline("What if my question is not here?", parts.sentence(found))
if found is not None:
    parts.views(now, found)
