"""Parts of the patients page: overlay of datasets, tables, one patient's timeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from cxrdash.config import cache
from cxrdash.index import generations
from cxrdash.index.cohort import Cohort
from cxrdash.ui import cache as cached
from cxrdash.ui import doors, show
from cxrdash.ui.controls import Frame
from cxrdash.ui.text import number, percent, safe

if TYPE_CHECKING:
    import pandas as pd

UNBOUNDED = 10**6


def door_of(size: int, view: str) -> str:
    """Return the door of a point at ``size``: patients with at most, or with more than, that many images."""
    return doors.patients_with(1, size) if view == "At most" else doors.patients_with(size + 1, UNBOUNDED)


def several(now: Frame, name: str) -> pd.DataFrame:
    """Return a curve of this cohort, with the whole of other datasets beside it if the reader asks."""
    import pandas as pd

    others = [other for other in generations.datasets(cache()) if other != now.index.dataset]
    chosen = st.multiselect("Compare with", others, key="p_compare", bind="query-params") if others else []
    curves = [now.compute(name).assign(dataset=now.index.dataset)]
    for other in chosen:
        index = cached.open_dataset(other)
        if index.counts["patients"]:
            table = cached.compute(name, index, Cohort(), policy=now.policy, unit=now.unit)
            curves.append(table.assign(dataset=other))
    return pd.concat(curves, ignore_index=True)


def controls(threshold: int) -> None:
    """The threshold of the headline."""
    st.number_input(
        "Patients with more than this many images",
        1,
        1000,
        value=10,
        key="p_more_than",
        bind="query-params",
        width=320,
    )
    del threshold


def tables(now: Frame, sizes: pd.DataFrame, summary: pd.Series) -> None:
    """Thresholds, smallest sets, findings: the same question from three sides."""
    first, second, third = st.tabs(["By threshold", "By share of images", "By finding"])
    with first:
        more, exactly = st.columns(2)
        with more:
            show.table(
                now.compute("repeat_share"), key="patients_thresholds",
                columns={"threshold": "More than", "patients": "Patients", "share_of_patients": "Share of patients",
                         "images": "Images", "share_of_images": "Share of images"},
            )  # fmt: skip
        with exactly:
            show.table(
                sizes, key="patients_sizes", height=318,
                columns={"images": "Images each", "patients": "Patients", "share_of_patients": "Share of patients",
                         "share_of_images": "Share of images", "share_of_patients_with_more": "Patients with more"},
            )  # fmt: skip
    with second:
        held = now.compute("held_by")
        for row in held.itertuples():
            st.markdown(
                f"{percent(row.share_of_images)} of the images come from {percent(row.share_of_patients)} "
                f"of the patients ({number(row.patients)} of {number(summary['patients'])})"
            )
        st.caption(
            f"Gini {summary['gini']:.3f}; {summary['mean']:.2f} images per patient on average; 90th percentile "
            f"{number(summary['p90'])}, 99th percentile {number(summary['p99'])}."
        )
    with third:
        by_finding = now.compute("effective_size").sort_values("images", ascending=False)
        show.table(
            by_finding, key="patients_findings",
            columns={"finding": "Finding", "images": f"Positive {now.units}", "patients": "Positive patients",
                     "rate": "Prevalence",
                     "design_effect": "Design effect", "effective_n": "Effective n"},
        )  # fmt: skip
        st.caption(
            f"Effective n: for estimating how common the finding is, the {number(now.counts['images'])} images carry "
            "about as much information as that many images of different patients. It belongs to one finding; "
            "the dataset has none."
        )


def timeline(now: Frame) -> None:
    """One patient's films in order with their labels."""
    from cxrdash.charts.timeline import timeline_chart

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
        table["door"] = doors.of_patient(str(table["patient_id"].iloc[0]))
        seen = table[table["state"].isin(("positive", "uncertain"))]["finding"].unique()
        drawn = table[table["finding"].isin(seen) & (table["place"] <= MOST_FILMS)]
        drawn = drawn.assign(order=drawn["place"])
        show.chart(timeline_chart(drawn, now.look), "patient_timeline", alt=f"{films} images of one patient in order")
        if films > MOST_FILMS:
            st.caption(f"The first {MOST_FILMS} of {number(films)} images are drawn.")


MOST_FILMS = 60
