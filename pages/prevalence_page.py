"""How common is each finding, and according to whom?"""

import streamlit as st

from cxrdash.charts import bound_bars, level_dots, policy_dots, rate_intervals, state_bars
from cxrdash.ui import accuracy, frame, many_labels, show
from cxrdash.ui import prevalence as parts

now = frame()
QUESTION = "How common is each finding, and according to whom?"
if show.nothing(now):
    show.headline(QUESTION, "No images in this cohort")
else:
    rates = parts.by_count(now.compute("prevalence"))
    policies = now.compute("prevalence_policies")
    show.headline(QUESTION, parts.sentence(now, rates, policies))
    choices = [
        "States",
        "Rates",
        *(["Policies"] if parts.policies_matter(policies) else []),
        *parts.open_views(policies),
        *parts.attributes(now),
    ]
    view = st.segmented_control(
        "Chart",
        choices,
        default=choices[0],
        required=True,
        key="v_chart",
        bind="query-params",
        label_visibility="collapsed",
    )
    shown = many_labels.control(now, dict(zip(rates["finding"], rates["counted"], strict=True)))
    name, result, options = "prevalence", rates, {}
    share = f"Share of {now.units}"
    if view == "States":
        states = rates.assign(door=rates["finding"], of=rates[list(parts.STATES)].sum(axis=1))
        show.chart(
            state_bars(shown.drawn(states), now.look, unit=now.units),
            "prevalence_states",
            alt=parts.alt(rates),
            refine=parts.state_door,
        )
    elif view == "Rates":
        drawn = parts.with_doors(now, rates).assign(positive=rates["counted"])
        drawn["naive_low"], drawn["naive_high"] = drawn["low_independent"], drawn["high_independent"]
        show.chart(rate_intervals(shown.drawn(drawn), now.look, title=share), "prevalence_rates", alt=parts.alt(rates))
        st.caption(
            "Thick line: interval that allows for several images of one patient. Thin line: as if all were independent."
        )
    elif view == "Policies":
        name, result = "prevalence_policies", parts.ordered(parts.distinct(policies), rates)
        show.chart(
            policy_dots(shown.drawn(parts.policy_doors(shown.of(result))), now.look),
            "prevalence_policies",
            alt=parts.alt(rates),
        )
    elif view == "Three classes":
        name, options = "prevalence_classes", {"blank": now.policy.blank}
        result = parts.ordered(now.compute(name, **options), rates)
        drawn = shown.drawn(parts.class_doors(now, shown.of(result)))
        show.chart(level_dots(drawn, now.look, title=share), "prevalence_classes", alt=parts.alt(rates))
        st.caption(
            "Uncertain as a class of its own (U-MultiClass). The three intervals of a finding hold at once "
            f"(Goodman 1965) and take all {now.units} for independent."
        )
    elif view == "Worst case":
        name, result = "prevalence_bounds", parts.ordered(now.compute("prevalence_bounds"), rates)
        drawn = shown.drawn(parts.open_doors(shown.of(result)))
        show.chart(bound_bars(drawn, now.look, title=share), "prevalence_bounds", alt=parts.alt(rates))
        st.caption(parts.bounds_sentence(now, result))
    else:
        attribute = parts.attributes(now)[view]
        name, options = "prevalence_by", {"by": attribute}
        result = parts.ordered(now.compute(name, **options), rates)
        drawn = shown.drawn(parts.level_doors(now, shown.of(result), attribute))
        show.chart(level_dots(drawn, now.look, title=share), "prevalence_levels", alt=f"Prevalence by {view.lower()}")
        parts.differences(now, attribute)
    parts.details(now, result, list(options.values()))
    show.provenance(now, name, result, **options)
    accuracy.corrector(now, list(rates["finding"]))
