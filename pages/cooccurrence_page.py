"""Which labels travel together?"""

import streamlit as st

from cxrdash.charts import combination_chart, pair_matrix
from cxrdash.ui import frame, many_labels, odds, show
from cxrdash.ui import pairs as parts

now = frame()
QUESTION = "Which labels travel together?"
if show.nothing(now):
    show.headline(QUESTION, "No images in this cohort")
else:
    top = st.container()
    pairs = now.compute("pair_counts")
    view, measure, order = parts.controls()
    said = parts.sentence(now, pairs)
    if view == "Exact combinations":
        name, options = "label_combinations", {"top": parts.COMBINATIONS}
        result = now.compute(name, **options)
        drawn = parts.top_combinations(result)
        names = parts.names_in(drawn, now)
        told = parts.combination_sentence(result)
        show.chart(combination_chart(drawn, now.look, names, unit=now.units), "combinations", alt=told)
        st.caption(told)
        parts.combination_table(result)
    elif view == "Odds ratios":
        name = "pair_odds"
        result, options = odds.tested(now, pairs)
        said = odds.sentence(now, result)
        odds.view(now, result, said)
    else:
        name, result, options = "pair_counts", pairs, {}
        shown = many_labels.control(now, parts.counts(pairs), most=parts.MOST_IN_A_MATRIX)
        if measure == "nmi":
            name, pairs = "redundancy", parts.with_information(now, pairs)
            result = now.compute(name)
        some = parts.between(pairs, shown)
        figure = pair_matrix(
            parts.cells(now, some, measure), now.look, measure=measure, order=parts.finding_order(some, order, shown),
            unit=now.units,
        )  # fmt: skip
        show.chart(figure, "pair_matrix", alt=said)
        parts.about(measure)
        parts.pair_link(now)
        parts.pair_table(pairs)
    with top:
        show.headline(QUESTION, said)
    show.provenance(now, name, result, **options)
