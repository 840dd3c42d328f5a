"""Which labels travel together?"""

import streamlit as st

from cxrdash.charts import combination_chart, pair_matrix
from cxrdash.ui import frame, show
from cxrdash.ui import pairs as parts

now = frame()
QUESTION = "Which labels travel together?"
if show.nothing(now):
    show.headline(QUESTION, "No images in this cohort")
else:
    pairs = now.compute("pair_counts")
    show.headline(QUESTION, parts.sentence(now, pairs))
    view, measure, order = parts.controls()
    if view == "Exact combinations":
        name, result = "label_combinations", now.compute("label_combinations")
        drawn = parts.top_combinations(result)
        names = parts.names_in(drawn, now)
        show.chart(
            combination_chart(drawn, now.look, names, unit=now.units),
            "combinations",
            alt=parts.combination_sentence(result),
        )
        st.caption(parts.combination_sentence(result))
        parts.combination_table(result)
    else:
        name, result = "pair_counts", pairs
        drawn = parts.cells(now, pairs, measure)
        order = parts.finding_order(pairs, order)
        figure = pair_matrix(drawn, now.look, measure=measure, order=order, unit=now.units)
        show.chart(figure, "pair_matrix", alt=parts.sentence(now, pairs))
        parts.pair_link(now)
        parts.pair_table(pairs)
    show.provenance(now, name, result)
