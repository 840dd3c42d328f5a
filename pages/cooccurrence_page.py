"""Which labels travel together?"""

import streamlit as st

from cxrdash.charts import combination_chart, pair_matrix
from cxrdash.ui import frame, many_labels, show
from cxrdash.ui import pairs as parts

now = frame()
QUESTION = "Which labels travel together?"
if show.nothing(now):
    show.headline(QUESTION, "No images in this cohort")
else:
    pairs = now.compute("pair_counts")
    show.headline(QUESTION, parts.sentence(now, pairs))
    view, measure, order = parts.controls()
    options = {}
    if view == "Exact combinations":
        name, options = "label_combinations", {"top": parts.COMBINATIONS}
        result = now.compute(name, **options)
        drawn = parts.top_combinations(result)
        names = parts.names_in(drawn, now)
        said = parts.combination_sentence(result)
        show.chart(combination_chart(drawn, now.look, names, unit=now.units), "combinations", alt=said)
        st.caption(said)
        parts.combination_table(result)
    else:
        name, result = "pair_counts", pairs
        shown = many_labels.control(now, parts.counts(pairs), most=parts.MOST_IN_A_MATRIX)
        some = parts.between(pairs, shown)
        figure = pair_matrix(
            parts.cells(now, some, measure), now.look, measure=measure, order=parts.finding_order(some, order, shown),
            unit=now.units,
        )  # fmt: skip
        show.chart(figure, "pair_matrix", alt=parts.sentence(now, pairs))
        parts.pair_link(now)
        parts.pair_table(pairs)
    show.provenance(now, name, result, **options)
