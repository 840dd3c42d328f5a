"""Is the test part large enough?"""

import streamlit as st

from cxrdash.charts import subgroup_grid, tier_bars, width_chart
from cxrdash.ui import frame, show
from cxrdash.ui import test_set as parts

now = frame()
QUESTION = "Is the test part large enough?"
if show.nothing(now):
    show.headline(QUESTION, "No images in this cohort")
else:
    top = st.container()
    part, assumed = parts.controls(now)
    sizes = now.compute("test_sizes", **assumed)
    rows = parts.of_part(sizes, part)
    if rows.empty:
        with top:
            show.headline(QUESTION, parts.sentence(rows, part))
        st.stop()
    with top:
        show.headline(QUESTION, parts.sentence(rows, part))
        show.key_figures(parts.figures(rows, assumed))
        view = st.segmented_control(
            "Chart", ["Positive patients", "All parts", "Interval widths", "Subgroups"], default="Positive patients",
            required=True, key="t_chart", bind="query-params", label_visibility="collapsed",
        )  # fmt: skip
        name, result, options = "test_sizes", rows, assumed
        if view == "Interval widths":
            drawn = parts.with_doors(now, rows).rename(columns={"assumed": "sensitivity_assumed"})
            show.chart(width_chart(drawn, now.look), "test_widths", alt=parts.sentence(rows, part))
        elif view == "Subgroups":
            name, options = "test_subgroups", {}
            cells = now.compute(name)
            result = cells[cells["split"] == part]
            st.markdown(parts.subgroup_sentence(result))
            show.chart(
                subgroup_grid(parts.subgroup_doors(now, result), now.look),
                "test_subgroups",
                alt=parts.subgroup_sentence(result),
            )
        else:
            drawn = parts.ordered(sizes) if view == "All parts" else rows
            show.chart(tier_bars(parts.with_doors(now, drawn), now.look), "test_tiers", alt=parts.sentence(rows, part))
            result = drawn
    if view != "Subgroups":
        parts.details(result)
    show.provenance(now, name, result, **options)
