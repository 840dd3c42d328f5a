"""Parts of the patients page: overlay of datasets, tables, one patient's timeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from cxrdash.analysis.pairs import positive_text
from cxrdash.analysis.patients import size_bins
from cxrdash.config import cache
from cxrdash.index import generations
from cxrdash.index.cohort import UNBOUNDED, Cohort
from cxrdash.ui import cache as cached
from cxrdash.ui import doors, show
from cxrdash.ui.controls import Frame
from cxrdash.ui.text import number, percent, plural, safe

if TYPE_CHECKING:
    import pandas as pd


def door_of(size: int, view: str, unit: str) -> str:
    """Return the door of a point at ``size``: patients with at most, or with more than, that many units."""
    bounds = (1, size) if view == "At most" else (size + 1, UNBOUNDED)
    return doors.patients_with(*bounds, unit=unit)


def words(now: Frame) -> str:
    """Return what is counted per patient: studies if that is the unit, else images."""
    return "studies" if now.unit == "study" else "images"


def several(now: Frame, name: str, others: list[str]) -> pd.DataFrame:
    """Return a curve of this cohort, with the whole of other datasets beside it."""
    import pandas as pd

    curves = [now.compute(name).assign(dataset=now.index.dataset)]
    for other in others:
        index = cached.open_dataset(other)
        if not index.counts["patients"] or now.unit not in index.units:
            missing = "patients" if not index.counts["patients"] else now.units
            st.caption(f"{safe(other)} does not identify {missing}, so it is not drawn. Choose another unit.")
            continue
        table = cached.compute(name, index, Cohort(), policy=now.policy, unit=now.unit)
        curves.append(table.assign(dataset=f"{other} (whole)"))
    return pd.concat(curves, ignore_index=True)


def controls(now: Frame) -> tuple[int, list[str]]:
    """Return the threshold of the headline and the datasets to lay beside this one."""
    first, second = st.columns([1, 2])
    threshold = first.number_input(
        f"Patients with more than this many {words(now)}", 1, 1000, value=10, key="p_more_than", bind="query-params"
    )
    others = [other for other in generations.datasets(cache()) if other != now.index.dataset]
    chosen = second.multiselect(
        "Compare with", others, key="p_compare", bind="query-params", placeholder="other indexed datasets"
    )
    return int(threshold), chosen


def sentence(now: Frame, above: pd.Series, summary: pd.Series) -> str:
    """Return the headline: what the most imaged patients hold."""
    return (
        f"{percent(above['share_of_patients'])} of patients have more than {above['threshold']} {words(now)} and hold "
        f"{percent(above['share_of_images'])} of all {number(summary['images'])} {words(now)}"
    )


OF_FINDINGS = ("By finding", "Effective size")
VIEWS = ("More than", "Bars", "At most", "Lorenz", *OF_FINDINGS)


def views() -> str:
    """Return the view chosen."""
    view = st.segmented_control(
        "Chart", VIEWS, default=VIEWS[0], required=True, key="p_chart", bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    return view or VIEWS[0]


def by_finding(now: Frame) -> pd.DataFrame:
    """Return the range of the effective size of every finding with its door, the most frequent first."""
    table = now.compute("effective_range").sort_values("images", ascending=False, kind="stable", ignore_index=True)
    return table.assign(door=[doors.labelled(positive_text([name], now.policy)) for name in table["finding"]])


def judged(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the findings with an effective size, where some have an interval only these."""
    known = rows[rows["effective_n"].notna() & (rows["images"] > 0)]
    sure = known[known["effective_low"].notna()]
    return sure if len(sure) else known


def worth(now: Frame, rows: pd.DataFrame) -> str:
    """Return what the units are worth for the finding that repeats hurt most: the sentence METHODS 1.7 allows."""
    known = judged(rows)
    if known.empty:
        return "No finding is positive in this cohort"
    least = known.loc[(known["effective_n"] / known["of"]).idxmin()]
    if now.unit == "patient":
        return f"Counted by patient nothing is repeated: {number(least['of'])} patients are worth {number(least['of'])}"
    return (
        f"For estimating how common {least['finding']} is, these {number(least['of'])} {now.units} carry about as much "
        f"information as {number(least['effective_n'])} {now.units} of different patients"
    )


def worth_figures(now: Frame, rows: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Return the key figures of the effective sizes; each belongs to findings, none to the dataset."""
    known = judged(rows)
    least = known.loc[known["effective_n"].idxmin()] if len(known) else None
    middle = known["effective_n"].median() if len(known) else float("nan")
    whole = rows["of"].max() if len(rows) else 0
    floor = rows["if_repeats_added_nothing"].min()
    return [
        (now.units.capitalize(), number(whole), "What it would be worth if all were independent."),
        ("Patients", number(rows["of_patients"].max() if len(rows) else 0), "Distinct patients among them."),
        ("If repeats added nothing", "–" if floor != floor else number(floor),
         f"N²/Σm²: if all {now.units} of a patient were copies. Fewer than the patients, because those with many "
         f"{now.units} weigh more."),
        ("Least and median",
         "–" if least is None else f"{number(least['effective_n'])} · {number(middle)}",
         "" if least is None else f"Over the findings; the least is that of {least['finding']}. Each belongs to "
         "one finding and its prevalence; the dataset has no effective size."),
    ]  # fmt: skip


def finding_view(now: Frame, view: str, rows: pd.DataFrame, alt: str) -> None:
    """Draw images and patients per finding, or the range of what they are worth."""
    from cxrdash import charts
    from cxrdash.ui import many_labels

    shown = many_labels.control(now, dict(zip(rows["finding"], rows["images"], strict=True)))
    drawing = charts.images_and_patients if view == "By finding" else charts.effective_ranges
    drawn = shown.of(rows)
    if view == "Effective size" and shown.names is None:
        drawn = drawn.sort_values("effective_n", kind="stable")
    key = "patients_by_finding" if view == "By finding" else "patients_effective"
    show.chart(drawing(shown.drawn(drawn), now.look, unit=now.units), key, alt=alt)


def finding_sentence(now: Frame, rows: pd.DataFrame) -> str:
    """Return which finding's images come from the fewest patients each."""
    some = rows[rows["patients"] > 0]
    if some.empty:
        return "No finding is positive in this cohort"
    most = some.loc[(some["images"] / some["patients"]).idxmax()]
    if now.unit == "patient":
        most = some.loc[some["patients"].idxmin()]
        return f"Counted by patient: the fewest have {most['finding']}, {plural(most['patients'], 'patient')}"
    return (
        f"{most['finding']}: {number(most['images'])} positive {now.units}, but {number(most['patients'])} patients "
        f"({most['images'] / most['patients']:.1f} {now.units} each)"
    )


def finding_table(now: Frame, rows: pd.DataFrame) -> None:
    """Images, patients and effective size of every finding, and what may be said of it."""
    show.table(
        rows, key="patients_findings",
        columns={"finding": "Finding", "images": f"Positive {now.units}", "patients": "Positive patients",
                 "rate": "Prevalence", "of": "Of", "if_repeats_added_nothing": "If repeats added nothing",
                 "effective_n": "Effective n", "effective_low": "95% from", "effective_high": "to",
                 "design_effect": "Design effect", "icc": "Correlation within patients", "method": "Method"},
    )  # fmt: skip
    st.caption(
        f"Effective n: for estimating how common the finding is, the {now.units} carry about as much information as "
        f"that many {now.units} of different patients. It belongs to one finding and one proportion; the dataset has "
        "none, and it is no size of a training set. The correlation within patients only describes: it is negative "
        f"where sicker patients have more {now.units}, so nothing is derived from it."
    )


def figures(now: Frame, summary: pd.Series) -> list[tuple[str, str, str]]:
    """Return the key figures of the spread."""
    one, people = summary["patients_with_one"], summary["patients"]
    return [
        ("Patients", number(people), "Distinct patients in the cohort."),
        (
            "With one study" if now.unit == "study" else "With one image",
            percent(one / people),
            f"{number(one)} of {number(people)} patients.",
        ),
        ("Most of one patient", number(summary["most"]), f"The median patient has {number(summary['median'])}."),
        (
            "If repeats added nothing",
            number(summary["if_repeats_added_nothing"]),
            f"N²/Σm²: what the {words(now)} would be worth for a proportion if all {words(now)} of a patient were "
            "copies. No size of the dataset.",
        ),
    ]


def chart(now: Frame, view: str, sizes: pd.DataFrame, threshold: int, others: list[str], alt: str) -> None:
    """Draw the chosen view of the spread."""
    from cxrdash import charts

    unit = words(now)
    if view == "Bars":
        bins = size_bins(sizes)
        tokens = [
            doors.patients_with(low, high, unit=now.unit) for low, high in zip(bins["low"], bins["high"], strict=True)
        ]
        show.chart(charts.patients_histogram(bins.assign(door=tokens), now.look, unit=unit), "patients_bars", alt=alt)
    elif view == "Lorenz":
        curves = several(now, "lorenz", others)
        show.chart(charts.lorenz_chart(curves, now.look, unit=unit), "patients_lorenz", alt=alt, has_doors=False)
    elif others:
        curves = several(now, "images_per_patient", others)
        show.chart(charts.several_chart(curves, now.look, unit=unit), "patients_several", alt=alt, has_doors=False)
    else:
        drawn = sizes.assign(door=[door_of(size, view, now.unit) for size in sizes["images"]])
        drawing = charts.ecdf_chart if view == "At most" else charts.images_per_patient_chart
        show.chart(drawing(drawn, now.look, threshold=threshold, unit=unit), "patients_curve", alt=alt)


def tables(now: Frame, sizes: pd.DataFrame, summary: pd.Series) -> None:
    """Thresholds and smallest sets: the same question from two sides."""
    unit = words(now)
    first, second = st.tabs(["By threshold", f"By share of {unit}"])
    with first:
        more, exactly = st.columns(2)
        with more:
            show.table(
                now.compute("repeat_share"), key="patients_thresholds",
                columns={"threshold": "More than", "patients": "Patients", "share_of_patients": "Share of patients",
                         "images": unit.capitalize(), "share_of_images": f"Share of {unit}"},
            )  # fmt: skip
        with exactly:
            show.table(
                sizes, key="patients_sizes", height=318,
                columns={"images": f"{unit.capitalize()} each", "patients": "Patients",
                         "share_of_patients": "Share of patients", "share_of_images": f"Share of {unit}",
                         "share_of_patients_with_more": "Patients with more"},
            )  # fmt: skip
    with second:
        held = now.compute("held_by")
        for row in held.itertuples():
            st.markdown(
                f"{percent(row.share_of_images)} of the {unit} come from {percent(row.share_of_patients)} "
                f"of the patients ({number(row.patients)} of {number(summary['patients'])})"
            )
        st.caption(
            f"Gini {summary['gini']:.3f}; {summary['mean']:.2f} {unit} per patient on average; 90th percentile "
            f"{number(summary['p90'])}, 99th percentile {number(summary['p99'])}."
        )


def timeline(now: Frame) -> None:
    """One patient's films in order with their labels."""
    from cxrdash.charts import timeline_chart

    with st.expander("One patient over time", expanded=False, on_change="rerun", key="p_timeline") as opened:
        if not opened.open:
            return
        asked = st.text_input(
            "Patient",
            key="p_patient",
            bind="query-params",
            placeholder="the patient with the most images",
            width=320,
        )
        table = now.compute("timeline", patient=asked.strip())
        if table.empty:
            st.info(f"No image of patient {safe(asked)} is in this cohort.")
            return
        who = "this patient" if now.look.presentation else f"patient {table['patient_id'].iloc[0]}"
        films = table["image"].nunique()
        st.markdown(f"{safe(who).capitalize()}: {number(films)} images. Order: {safe(now.index.card.order_source)}")
        table["door"] = [doors.door(Cohort(images=(image,))) for image in table["image_id"]]
        seen = table[table["state"].isin(("positive", "uncertain"))]["finding"].unique()
        drawn = table[table["finding"].isin(seen) & (table["place"] <= MOST_FILMS)]
        drawn = drawn.assign(order=drawn["place"])
        show.chart(timeline_chart(drawn, now.look), "patient_timeline", alt=f"{films} images of one patient in order")
        if films > MOST_FILMS:
            st.caption(f"The first {MOST_FILMS} of {number(films)} images are drawn.")


MOST_FILMS = 60
