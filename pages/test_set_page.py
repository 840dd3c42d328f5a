"""Is the test part large enough?"""

import streamlit as st

from cxrdash.charts import subgroup_grid, tier_bars
from cxrdash.ui import frame, many_labels, power, show
from cxrdash.ui import test_set as parts

OTHER_VIEWS = {
    "Interval widths": power.widths,
    "Two subgroups": power.two_subgroups,
    "Label errors": power.label_errors,
}
now = frame()
QUESTION = "Is the test part large enough?"
if show.nothing(now):
    show.headline(QUESTION, "No images in this cohort")
else:
    top = st.container()
    view = parts.views()
    middle = st.container()
    part, assumed = parts.controls(now)
    sizes = now.compute("test_sizes", **parts.of_sizes(assumed))
    rows = parts.of_part(sizes, part)
    said = parts.sentence(rows, part)
    if rows.empty:
        with top:
            show.headline(QUESTION, said)
        st.stop()
    with middle:
        shown = many_labels.control(now, dict(zip(rows["finding"], rows["positive"], strict=True)))
        name, result, options = "test_sizes", rows, parts.of_sizes(assumed)
        if view in OTHER_VIEWS:
            told = OTHER_VIEWS[view](now, part, shown, assumed)
            name, result, options = told.name, told.result, told.options
            said = told.headline or said
        elif view == "Subgroups":
            name, options = "test_subgroups", {}
            cells = now.compute(name)
            result = cells[cells["split"] == part]
            st.markdown(parts.subgroup_sentence(result))
            drawn = shown.drawn(parts.subgroup_doors(now, shown.of(result)))
            show.chart(subgroup_grid(drawn, now.look), "test_subgroups", alt=parts.subgroup_sentence(result))
        else:
            result = parts.ordered(sizes) if view == "All parts" else rows
            bars = tier_bars(shown.drawn(parts.with_doors(now, result)), now.look)
            show.chart(bars, "test_tiers", alt=said)
    with top:
        show.headline(QUESTION, said)
        if name not in ("subgroup_power", "label_noise"):
            show.key_figures(parts.figures(rows, assumed))
    if name == "test_sizes":
        parts.details(result)
    show.provenance(now, name, result, **options)
