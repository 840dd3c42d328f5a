"""Is the test part large enough?"""

import streamlit as st

from cxrdash.charts import subgroup_grid, tier_bars, width_chart
from cxrdash.ui import frame, many_labels, show
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
        shown = many_labels.control(now, dict(zip(rows["finding"], rows["positive"], strict=True)))
        name, result, options = "test_sizes", rows, assumed
        if view == "Interval widths":
            drawn = parts.with_doors(now, shown.of(rows)).rename(columns={"assumed": "sensitivity_assumed"})
            show.chart(width_chart(shown.drawn(drawn), now.look), "test_widths", alt=parts.sentence(rows, part))
        elif view == "Subgroups":
            name, options = "test_subgroups", {}
            cells = now.compute(name)
            result = cells[cells["split"] == part]
            st.markdown(parts.subgroup_sentence(result))
            show.chart(
                subgroup_grid(shown.drawn(parts.subgroup_doors(now, shown.of(result))), now.look),
                "test_subgroups",
                alt=parts.subgroup_sentence(result),
            )
        else:
            drawn = parts.ordered(sizes) if view == "All parts" else rows
            bars = tier_bars(shown.drawn(parts.with_doors(now, drawn)), now.look)
            show.chart(bars, "test_tiers", alt=parts.sentence(rows, part))
            result = drawn
    if view != "Subgroups":
        parts.details(result)
    show.provenance(now, name, result, **options)
