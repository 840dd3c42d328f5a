"""How large is it really?"""

import streamlit as st

from cxrdash.analysis.patients import size_bins
from cxrdash.charts.patients import ecdf_chart, images_per_patient_chart, lorenz_chart, patients_histogram
from cxrdash.ui import doors, frame, show
from cxrdash.ui import patients as parts
from cxrdash.ui.text import number, percent

now = frame()
QUESTION = "How large is it really?"
if not now.index.counts["patients"]:
    show.headline(QUESTION, "Patients are not identified in this dataset")
elif show.nothing(now):
    show.headline(QUESTION, "No images in this cohort")
else:
    threshold = int(st.session_state.get("p_more_than", 10))
    above = now.compute("repeat_share", thresholds=(threshold,)).iloc[0]
    summary = now.compute("concentration_summary").iloc[0]
    sizes = now.compute("images_per_patient")
    show.headline(
        QUESTION,
        f"{percent(above['share_of_patients'])} of patients have more than {threshold} images and hold "
        f"{percent(above['share_of_images'])} of all {number(summary['images'])} images",
    )
    show.key_figures(
        [
            ("Patients", number(summary["patients"]), "Distinct patients in the cohort."),
            ("With one image", percent(summary["patients_with_one"] / summary["patients"]),
             f"{number(summary['patients_with_one'])} of {number(summary['patients'])} patients."),
            ("Most images of one patient", number(summary["most"]),
             f"The median patient has {number(summary['median'])}."),
            ("If repeats added nothing", number(summary["if_repeats_added_nothing"]),
             "N²/Σm²: what the images would be worth for an image-weighted proportion if all films of a patient "
             "were copies. No size of the dataset."),
        ]
    )  # fmt: skip
    view = st.segmented_control(
        "Chart", ["More than", "Bars", "At most", "Lorenz"], default="More than", required=True,
        key="p_chart", bind="query-params", label_visibility="collapsed",
    )  # fmt: skip
    takeaway = f"{percent(above['share_of_patients'])} of patients hold {percent(above['share_of_images'])} of images"
    if view == "Bars":
        bins = size_bins(sizes)
        bins["door"] = [doors.patients_with(low, high) for low, high in zip(bins["low"], bins["high"], strict=True)]
        show.chart(patients_histogram(bins, now.look), "patients_bars", alt=takeaway)
    elif view == "Lorenz":
        curves = parts.several(now, "lorenz")
        show.chart(
            lorenz_chart(curves, now.look),
            "patients_lorenz",
            alt=f"Gini {summary['gini']:.3f}",
            has_doors=False,
        )
    else:
        sizes["door"] = [parts.door_of(size, view) for size in sizes["images"]]
        drawing = ecdf_chart if view == "At most" else images_per_patient_chart
        show.chart(drawing(sizes, now.look, threshold=threshold), "patients_curve", alt=takeaway)
    parts.controls(threshold)
    parts.tables(now, sizes, summary)
    parts.timeline(now)
    show.provenance(now, "images_per_patient", sizes.drop(columns="door", errors="ignore"))
