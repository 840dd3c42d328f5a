"""Views of the test set page that assume a performance: interval widths, two subgroups, label errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from cxrdash import charts
from cxrdash.analysis.intervals import cases_to_see_one, half_width, rule_of_three
from cxrdash.analysis.label_noise import ASSUMED, label_noise
from cxrdash.analysis.odds import newcombe
from cxrdash.analysis.pairs import positive_text
from cxrdash.analysis.power import POWER as USUAL
from cxrdash.analysis.power import detectable_drop, needed_per_group, power_of
from cxrdash.index.cohort import Cohort
from cxrdash.ui import doors, show
from cxrdash.ui.controls import Frame
from cxrdash.ui.many_labels import Shown
from cxrdash.ui.text import number, percent, plural, safe

if TYPE_CHECKING:
    import pandas as pd

MEASURES = {
    "Sensitivity": "sensitivity", "Specificity": "specificity", "Positive predictive value": "ppv",
    "Negative predictive value": "npv", "AUC": "auc",
}  # fmt: skip
CASES = {
    "sensitivity": "Positive patients", "specificity": "Negative patients", "ppv": "Patients called positive",
    "npv": "Patients called negative", "auc": "Positive patients",
}  # fmt: skip
BY = {"sex": "Sex", "view": "View", "age_band": "Age"}
SEXES = {"F": "women", "M": "men"}


def _segments(label: str, names: list[str], key: str) -> str:
    chosen = st.segmented_control(
        label, names, default=names[0], required=True, key=key, bind="query-params", label_visibility="collapsed"
    )
    return chosen or names[0]


@dataclass(frozen=True)
class Told:
    """What a view says: its headline ('' for the page's own), and what the provenance names."""

    headline: str
    name: str
    result: pd.DataFrame
    options: dict[str, Any]


def widths(now: Frame, part: str, shown: Shown, assumed: dict[str, float]) -> Told:
    """The interval of each measure that a test of this size would give."""
    table = now.compute("test_widths", **assumed)
    name = _segments("Measure", list(MEASURES), "t_measure")
    rows = table[(table["split"] == part) & (table["measure"] == MEASURES[name])]
    rows = rows.sort_values(["cases", "finding"], ignore_index=True)
    tested = rows[rows["half_width"].notna()]
    said = _widest(tested, name)
    measure = name if name == "AUC" else name.lower()
    drawn = shown.drawn(_with_doors(now, shown.of(rows), part))
    show.chart(charts.measure_widths(drawn, now.look, measure=measure), "test_widths", alt=said)
    st.caption(safe(f"{said} {_zero(tested, MEASURES[name])}"))
    with st.expander("Intervals as a table, and how many to collect"):
        _width_table(now, rows, MEASURES[name], assumed)
    return Told("", "test_widths", rows, assumed)


def _width_table(now: Frame, rows: pd.DataFrame, measure: str, assumed: dict[str, float]) -> None:
    cases = CASES[measure]
    shown = rows.assign(rate=rows["assumed"], rate_none=rows["none_failed"], expected=rows["collect"])
    shown = shown.assign(effective_n=rows["cases"])
    show.table(
        shown, key="test_width_table",
        columns={"finding": "Finding", "effective_n": cases, "rate": "Assumed", "low": "95% from", "high": "to",
                 "needed": f"{cases} needed", "expected": f"{now.units.capitalize()} to collect",
                 "rate_none": "No failure still allows"},
    )  # fmt: skip
    st.caption(_about(now, measure, assumed))


def _widest(tested: pd.DataFrame, name: str) -> str:
    if tested.empty:
        return "No finding can be tested in this part."
    row = tested.loc[tested["half_width"].idxmax()]
    points = f"±{100 * row['half_width']:.0f} points" if name != "AUC" else f"±{row['half_width']:.2f}"
    return (
        f"Widest: {row['finding']}, {points} in {number(row['cases'])} patients; for the half-width wanted "
        f"{number(row['needed'])} are needed."
    )


def _zero(tested: pd.DataFrame, measure: str) -> str:
    if tested.empty or measure == "auc":
        return ""
    row = tested.iloc[0]
    return (
        f"0 failures in the {number(row['cases'])} patients of {row['finding']} would still allow "
        f"{percent(row['none_failed'])} (exact one-sided 95% bound)."
    )


def _about(now: Frame, measure: str, assumed: dict[str, float]) -> str:
    collect = f"{now.units.capitalize()} to collect: of this part's mix, all findings and none."
    if measure == "auc":
        return f"Hanley and McNeil's interval on the logit scale: for planning only. {collect}"
    if measure in ("ppv", "npv"):
        return safe(
            f"At a sensitivity of {percent(assumed['sensitivity'])}, a specificity of "
            f"{percent(assumed['specificity'])} and this part's own share of positive patients; in a population with "
            f"another share the value is another. {collect}"
        )
    return f"Wilson's interval at the number of patients. {collect}"


def _with_doors(now: Frame, rows: pd.DataFrame, part: str) -> pd.DataFrame:
    tokens = [doors.level("split", part, labels=positive_text([name], now.policy)) for name in rows["finding"]]
    return rows.assign(door=tokens)


def two_subgroups(now: Frame, part: str, shown: Shown, assumed: dict[str, float]) -> Told:
    """Whether the test would tell two of the data's own subgroups apart, for every finding."""
    place, groups, points = st.columns(3, vertical_alignment="bottom")
    kinds = [name for name in BY if len(_levels(now, name)) > 1]
    if not kinds:
        st.info("All images of this dataset are alike in sex, view and age: there are no two subgroups to compare.")
        return Told("", "subgroup_power", now.compute("subgroup_power"), {})
    by = place.selectbox("Compare by", kinds, format_func=BY.__getitem__, key="t_by", bind="query-params") or kinds[0]
    drop = points.number_input("Drop to find", 0.01, 0.5, value=0.1, step=0.01, key="t_drop", bind="query-params")
    options = {"by": by, "sensitivity": assumed["sensitivity"], "drop": drop}
    table = now.compute("subgroup_power", **options)
    table = table[table["split"] == part]
    pairs = {_between(a, b): (a, b) for a, b in zip(table["level_a"], table["level_b"], strict=True)}
    if not pairs:
        st.info(f"All images of this part are alike in {BY[by].lower()}. Compare by something else.")
        return Told("", "subgroup_power", table, options)
    pair = groups.selectbox("Groups", sorted(pairs, key=_unknown_last), key=f"t_pair_{by}", bind="query-params")
    one, other = pairs.get(str(pair)) or next(iter(pairs.values()))
    rows = table[(table["level_a"] == one) & (table["level_b"] == other)]
    rows = rows.sort_values(["detectable_drop", "finding"], ascending=[False, True], na_position="first")
    said = power_sentence(rows, drop)
    drawn = shown.of(rows.assign(door=_group_doors(now, rows, part)))
    show.chart(charts.drop_bars(shown.drawn(drawn), now.look), "test_power", alt=said)
    _power_table(rows)
    calculator(assumed["sensitivity"], drop)
    return Told(said, "subgroup_power", rows, options)


def _between(one: str, other: str) -> str:
    return f"{SEXES.get(one, one)} and {SEXES.get(other, other)}"


def _unknown_last(words: str) -> bool:
    return "unknown" in words


def _levels(now: Frame, name: str) -> tuple[str, ...]:
    return ("known", "unknown") if name == "age_band" else tuple(now.index.levels(name))


def power_sentence(rows: pd.DataFrame, drop: float) -> str:
    """Return for how many findings the drop would usually be found between the two groups."""
    if rows.empty:
        return "No two subgroups in this part."
    between = _between(*rows[["level_a", "level_b"]].iloc[0])
    if rows["attribute"].iloc[0] != "sex":
        between = {"view": "views", "age_band": "ages"}[rows["attribute"].iloc[0]] + " " + between
    missed = int((~(rows["power"] >= USUAL)).sum())
    return (
        f"A drop of {100 * drop:g} points between {between} would usually be missed for {missed} of "
        f"{plural(len(rows), 'finding')}: it takes {number(rows['needed'].iloc[0])} positive patients in each group"
    )


def _group_doors(now: Frame, rows: pd.DataFrame, part: str) -> list[str]:
    tokens = []
    for row in rows.itertuples():
        smaller = row.level_a if row.patients_a < row.patients_b else row.level_b
        narrowing = Cohort(labels=positive_text([row.finding], now.policy))
        if smaller != "unknown" or row.attribute != "age_band":
            narrowing = narrowing.narrow(doors.narrowing_of(doors.levels({"split": part, row.attribute: smaller})))
        tokens.append(doors.door(narrowing))
    return tokens


def _power_table(rows: pd.DataFrame) -> None:
    with st.expander("Power as a table"):
        show.table(
            rows.assign(rate=rows["power"], share_drop=rows["detectable_drop"], low=rows["difference_low"],
                        high=rows["difference_high"]),
            key="test_power_table",
            columns={"finding": "Finding", "level_a": "First group", "patients_a": "Positive patients",
                     "level_b": "Second group", "patients_b": "Positive patients ", "rate": "Chance to find the drop",
                     "share_drop": "Smallest drop found", "low": "Difference, 95% from", "high": "to"},
        )  # fmt: skip
        st.caption(
            "Two-sided at 5%, found 80 times of 100; Newcombe's interval if exactly this drop were measured. A click "
            "opens the smaller group. A patient with films of both views or of two ages counts in both groups."
        )


def calculator(sensitivity: float, drop: float) -> None:
    """The same for any two numbers of positives, typed."""
    with st.expander("Calculate with other numbers", on_change="rerun", key="t_calculator") as opened:
        if not opened.open:
            return
        columns = st.columns(4)
        n1 = int(columns[0].number_input("Positives, first group", 1, 1_000_000, 50, key="t_n1", bind="query-params"))
        n2 = int(columns[1].number_input("Positives, second group", 1, 1_000_000, 50, key="t_n2", bind="query-params"))
        p1 = columns[2].number_input("Rate, first group", 0.02, 0.99, sensitivity, 0.01, key="t_p1")
        p2 = columns[3].number_input("Rate, second group", 0.01, 0.99, max(round(p1 - drop, 2), 0.01), 0.01, key="t_p2")
        st.markdown("\n".join(f"- {safe(line)}" for line in calculated(n1, n2, p1, p2)))


def calculated(n1: int, n2: int, p1: float, p2: float) -> list[str]:
    """Return what follows from two numbers of positives and two rates, in sentences."""
    low, high = (float(end) for end in newcombe(p1 * n1, n1, p2 * n2, n2))
    least = float(detectable_drop(p1, n1, n2))
    zero = rule_of_three(min(n1, n2))
    missed = (
        f"a drop of less than {100 * least:.0f} points would usually be missed"
        if least == least
        else "even a drop to 0 would usually be missed"
    )
    lines = [
        f"With {number(n1)} and {number(n2)} positives, from {percent(p1)}, {missed}.",
        f"{percent(p1)} against {percent(p2)}: found with a chance of {percent(float(power_of(p1, p2, n1, n2)))}; if "
        f"measured exactly so, the difference is {percent(p1 - p2)} (95% interval {percent(low)} to {percent(high)}, "
        "Newcombe).",
    ]
    if p1 != p2:
        lines.append(f"To find it 80 times of 100: {number(needed_per_group(p1, p2))} positives in each group.")
    return [
        *lines,
        f"The first group alone: {percent(p1)} ± {100 * float(half_width(n1, p1)):.1f} points (Wilson).",
        f"0 failures in {number(min(n1, n2))} still allow {percent(float(zero.exact_one_sided))} (exact one-sided 95% "
        f"bound; rule of three {percent(float(zero.rule_of_three))}; Clopper-Pearson, two-sided, "
        f"{percent(float(zero.clopper_pearson))}).",
        "To see at least one case of a problem, 95 times of 100: "
        + "; ".join(f"{number(int(cases_to_see_one(rate)))} for one of {100 * rate:g}%" for rate in (0.01, 0.02, 0.05))
        + ".",
    ]  # fmt: skip


def label_errors(now: Frame, part: str, shown: Shown, assumed: dict[str, float]) -> Told:
    """What wrong labels leave of a measured performance; error rates from reviews where there are any."""
    wrong, missed, told = st.columns([1, 1, 2], vertical_alignment="bottom")
    options = {name: assumed[name] for name in ("sensitivity", "specificity", "auc")} | {
        "wrong": wrong.number_input(
            "Assumed: wrong positives", 0.0, 0.6, 0.1, 0.01, key="t_wrong", bind="query-params",
            help="Share of the label's positives without the finding, where no review has measured it.",
        ),
        "missed": missed.number_input(
            "Assumed: missed in negatives", 0.0, 0.3, 0.02, 0.005, format="%.3f", key="t_missed", bind="query-params",
            help="Share of the label's negatives with the finding, where no review has measured it.",
        ),
    }  # fmt: skip
    # Not from the cache: a mark made a moment ago counts.
    table = label_noise(now.index, now.cohort, policy=now.policy, unit=now.unit, **options)
    rows = table[table["split"] == part].sort_values(["perfect_sensitivity", "positive_patients"], ignore_index=True)
    told.markdown(sources(rows))
    said = noise_sentence(rows)
    drawn = shown.drawn(_with_doors(now, shown.of(rows), part))
    show.chart(charts.noise_ranges(drawn, now.look), "test_noise", alt=said)
    _noise_table(rows)
    return Told(said, "label_noise", rows, options)


def sources(rows: pd.DataFrame) -> str:
    """Return where the error rates come from: how many reviewed, how many assumed."""
    reviewed = int((rows["wrong_source"] != ASSUMED).sum())
    other = int((rows["missed_source"] != ASSUMED).sum())
    if not reviewed and not other:
        return ":orange-badge[:material/edit: assumed] No review of these labels yet: all error rates are assumed."
    return (
        f"Measured in a review: wrong positives of {plural(reviewed, 'finding')}, missed negatives of "
        f"{plural(other, 'finding')}; all others :orange-badge[:material/edit: assumed]."
    )


def noise_sentence(rows: pd.DataFrame) -> str:
    """Return the ceiling of the finding whose labels are worst."""
    tested = rows[rows["low"].notna()]
    if tested.empty:
        return "No finding can be tested in this part."
    row = tested.iloc[0]
    alike = len(tested[["wrong", "missed"]].drop_duplicates()) == 1
    source = "assumed" if row["wrong_source"] == ASSUMED else row["wrong_source"]
    return (
        f"{'' if alike else row['finding'] + ': '}With {percent(row['wrong'])} of the positives wrong ({source}) a "
        f"perfect model would be measured at a sensitivity of {percent(row['perfect_sensitivity'])}, a specificity of "
        f"{percent(row['perfect_specificity'])} and an AUC of {row['perfect_auc']:.2f}"
    )


def _noise_table(rows: pd.DataFrame) -> None:
    shares = {
        "wrong": "Positives wrong", "missed": "Negatives missed", "perfect_sensitivity": "Perfect model, sensitivity",
        "perfect_specificity": "specificity", "measured_sensitivity": "Sensitivity measured at",
        "honest_low": "True, at least", "honest_high": "at most",
    }  # fmt: skip
    shown = rows.rename(columns={name: f"share_{name}" for name in shares})
    columns = {
        "finding": "Finding", "wrong_source": "Wrong: from", "missed_source": "Missed: from",
        **{f"share_{name}": title for name, title in shares.items()}, "perfect_auc": "Perfect model, AUC",
        "measured_auc": "AUC measured at",
    }  # fmt: skip
    with st.expander("Label errors as a table, and the formulas"):
        show.table(shown, key="test_noise_table", columns=columns)
        _noise_formulas()


def _noise_formulas() -> None:
    st.caption(
        "Measured sensitivity = Se (1 − w) + (1 − Sp) w, specificity = Sp (1 − m) + (1 − Se) m (Gart and Buck 1966; "
        "Lachenbruch 1988: the table that Rogan and Gladen 1978 solve for the prevalence), AUC = ½ + (1 − w − m)"
        "(AUC − ½) (Menon 2015), with w the positives wrong and m the negatives missed; the errors of model and label "
        "are taken for independent. The wide bar takes nothing for granted: all true sensitivities, over all true "
        "positives, that the measured value and its sampling interval leave possible (Horowitz and Manski 1995), at "
        "the least favourable error rates within their own intervals."
    )
