"""Does one label hide two diseases?"""

import streamlit as st

from cxrdash.ui import frame, image_map, show
from cxrdash.ui import strata as parts

now = frame()
QUESTION = "Does one label hide two diseases?"
if show.nothing(now):
    show.headline(QUESTION, "No images in this cohort")
else:
    table = now.compute("strata")
    if table.empty:
        show.headline(QUESTION, "Nothing to compare: all images of this cohort are alike in view, sex, age and part")
    else:
        top = st.container()
        view, finding = parts.controls(table)
        said = image_map.draw(now, finding) if view == parts.MAP else parts.sentence(table, finding)
        with top:
            show.headline(QUESTION, said)
            if view != parts.MAP:
                show.key_figures(parts.figures(now, table, finding))
        if view == "Strata":
            parts.chart(now, table, finding, said)
            parts.details(table, finding)
            show.provenance(now, "strata", table)
        elif view == "All alerts":
            parts.alerts(table)
            show.provenance(now, "strata", table)
        elif view == "Turned round":
            show.provenance(now, "simpson", parts.turned(now))
        elif view == "From metadata alone":
            show.provenance(now, "shortcut_probe", parts.probe(now))
