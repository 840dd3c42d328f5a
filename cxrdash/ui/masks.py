"""Parts of the masks and boxes page: which annotations there are, the quality of masks, and the worst of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from cxrdash.analysis.cardiothoracic import cardiomegaly
from cxrdash.analysis.masks import THRESHOLD, in_states, negative_states
from cxrdash.charts.masks import kept_dots, quality_steps
from cxrdash.index.annotations import compared
from cxrdash.index.cohort import Cohort
from cxrdash.ui import doors, show
from cxrdash.ui.controls import Frame
from cxrdash.ui.overlay_tiles import colour_words, overlay_grid
from cxrdash.ui.text import number, percent, safe

if TYPE_CHECKING:
    import pandas as pd
    from streamlit.delta_generator import DeltaGenerator

QUESTION = "Can I trust the annotations?"
MASKS, HEART, BOXES, READERS = "Mask quality", "Heart size", "Boxes", "Readers' boxes"
WORST = 9  # films shown, three by three beside the chart
FEW = 10  # images, below which a finding's share is not worth a headline
GROUPS = {"positive": "images with the finding", "negative": "images without it"}


def views(now: Frame) -> list[str]:
    """Return the views this dataset's annotations allow."""
    index = now.index
    known = []
    if index.drawn.structures:
        known.append(MASKS)
        ratios = "SELECT EXISTS (FROM mask_images WHERE cardiothoracic_ratio IS NOT NULL)"
        if cardiomegaly(index) and index.rows(ratios)[0][0]:
            known.append(HEART)
    if index.drawn.findings:
        known.append(BOXES)
        if index.rows("SELECT count(DISTINCT reader) FROM boxes")[0][0] > 1:
            known.append(READERS)
    return known


def choose(known: list[str]) -> tuple[str, DeltaGenerator]:
    """Return the view chosen, by a control where there is a choice, and the place beside it."""
    left, right = st.columns([3, 4], vertical_alignment="bottom")
    if len(known) == 1:
        return known[0], right
    chosen = left.segmented_control(
        "Annotations", known, default=known[0], required=True, key="m_view", bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    return chosen, right


def nothing_drawn(now: Frame) -> None:
    """Say that the dataset has neither masks nor boxes, and what could be attached."""
    show.headline(QUESTION, f"{now.index.title} is indexed without masks and without boxes")
    st.info(
        "Masks of lungs and heart for six public datasets are published as CheXmask. Index again with its table: "
        "python -m cxrdash index FOLDER --masks FILE. Boxes are read from the dataset's own files "
        "(NIH: BBox_List_2017.csv, VinDr-CXR: annotations_train.csv, RSNA: stage_2_train_labels.csv), "
        "masks of pneumothorax from those of SIIM-ACR and CANDID-PTX: put them into the folder and index it again."
    )


def mask_view(now: Frame, top: DeltaGenerator, beside: DeltaGenerator) -> None:
    """The quality of masks against a threshold, and the worst of them drawn on their films."""
    threshold = _threshold(now, beside)
    structures = now.compute("masks")
    if structures.empty:
        with top:
            show.headline(QUESTION, "No image of this cohort has a mask")
        return
    if not structures["with_quality"].sum():
        _without_quality(now, top, structures)
        return
    kept, views_kept = (
        now.compute("mask_quality", threshold=threshold),
        now.compute("mask_quality_by", threshold=threshold),
    )
    said = mask_sentence(kept, views_kept, threshold)
    with top:
        show.headline(QUESTION, said)
        show.key_figures(_figures(now, structures, views_kept, threshold))
    chart, pictures = st.columns([6, 5], gap="medium")
    with chart:
        show.chart(kept_dots(_kept_doors(now, kept, threshold), now.look, threshold=threshold), "mask_kept", alt=said)
        st.caption(
            f"A mark opens the images that the threshold loses. Findings on fewer than {FEW} masked images stand in "
            "the table only."
        )
        _steps(now, threshold)
    with pictures:
        _worst(now, structures)
    _tables(kept, views_kept, structures)
    show.provenance(now, "mask_quality", kept, threshold=threshold)


def _threshold(now: Frame, beside: DeltaGenerator) -> float:
    if not now.index.rows("SELECT EXISTS (FROM mask_images WHERE quality IS NOT NULL)")[0][0]:
        return THRESHOLD
    return beside.slider(
        "Keep masks with a quality index of at least", 0.0, 1.0, THRESHOLD, 0.01, key="m_threshold",
        bind="query-params",
        help="CheXmask's RCA mean estimates how well a mask fits, from 0 to 1, without looking at it. "
        "Its authors advise 0.70.",
    )  # fmt: skip


def mask_sentence(kept: pd.DataFrame, by_view: pd.DataFrame, threshold: float) -> str:
    """Return the headline: what the threshold leaves out, and the finding of which it leaves out most."""
    images = int(by_view["images"].sum())
    below = images - int(by_view["kept"].sum())
    share = percent(below / images)
    said = f"{number(below)} of {number(images)} images with masks ({share}) fall below quality {threshold:.2f}"
    often = kept[(kept["images"] >= FEW) & (kept["high"] < kept["others_low"])]
    if len(often):
        row = often.assign(gap=often["others_share_kept"] - often["share_kept"]).sort_values("gap").iloc[-1]
        said += (
            f"; with {row['finding']} {percent(1 - row['share_kept'])} are lost, "
            f"without it {percent(1 - row['others_share_kept'])}"
        )
    return said


def _figures(
    now: Frame, structures: pd.DataFrame, by_view: pd.DataFrame, threshold: float
) -> list[tuple[str, str, str]]:
    images, kept = int(by_view["images"].sum()), int(by_view["kept"].sum())
    worst = structures["lowest_quality"].min()
    odd = int(structures[["empty", "unreadable", "far"]].to_numpy().sum())
    exchanged = len(now.compute("worst_masks", cohort=now.cohort.narrow(Cohort(annotations=("lungs exchanged",)))))
    return [
        ("Images with masks", number(images), f"{percent(images / max(now.counts['images'], 1))} of the cohort's "
         f"{number(now.counts['images'])} images. An image without a mask has none: that says nothing of it."),
        (f"Kept at {threshold:.2f}", percent(kept / images), f"{number(kept)} of {number(images)} images."),
        ("Lowest quality", f"{worst:.2f}", "Quality index of the worst mask of the cohort."),
        ("Odd masks", number(odd + exchanged), "Empty, unreadable, an area beyond three interquartile ranges of its "
         "structure, or right and left lung exchanged."),
    ]  # fmt: skip


def _without_quality(now: Frame, top: DeltaGenerator, structures: pd.DataFrame) -> None:
    """Masks that came without a quality index: how many there are and what is odd about them."""
    row = structures.sort_values("images").iloc[-1]
    with top:
        show.headline(
            QUESTION,
            f"{number(row['images'])} of {number(row['of'])} images ({percent(row['share_with_mask'])}) have a mask "
            f"of {row['structure'].replace('_', ' ')}, without a quality index",
        )
    several = int(row["masks"] - row["images"])
    if several:
        st.caption(
            f"{number(row['masks'])} masks on {number(row['images'])} images: several masks of one image are united."
        )
    images = now.compute("mask_measures")
    _mask_films(now, images.sort_values("share_of_film", ascending=False), structures, title="Largest masks first")
    _structure_table(structures)
    show.provenance(now, "masks", structures)


def _mask_films(now: Frame, measured: pd.DataFrame, structures: pd.DataFrame, *, title: str) -> None:
    from cxrdash.index.draw import image_number

    first = measured.drop_duplicates("image_id").head(12)
    st.markdown(f"**{title}**")
    notes = [
        f"{row['structure'].replace('_', ' ')}: {percent(row['share_of_film'])} of the film"
        for _, row in first.iterrows()
    ]
    images = [image_number(now.index, image_id) for image_id in first["image_id"]]
    overlay_grid(now, images, key="m_largest", notes=notes, columns=6)
    st.caption(safe(f"Lines: {colour_words(list(structures['structure']))}."))


def _kept_doors(now: Frame, kept: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Two rows per finding, with and without it, each with the door to the images lost (or kept, where none is)."""
    import pandas as pd

    often = kept[kept["images"] >= FEW]
    known = (often if len(often) else kept[kept["images"] > 0]).sort_values("images", ascending=False, kind="stable")
    parts = []
    groups = (
        ("positive", now.policy.positive_states, ("images", "kept", "share_kept", "low", "high")),
        ("negative", negative_states(now.policy),
         ("others", "others_kept", "others_share_kept", "others_low", "others_high")),
    )  # fmt: skip
    for group, states, columns in groups:
        counts = dict(zip(("of", "positive", "rate", "low", "high"), (known[name] for name in columns), strict=True))
        lost = (counts["of"] > counts["positive"]).tolist()
        tokens = [
            doors.door(
                Cohort(
                    labels=in_states(finding, states),
                    annotations=(compared("mask quality", "below" if some else "at least", threshold),),
                )
            )
            for finding, some in zip(known["finding"], lost, strict=True)
        ]
        parts.append(pd.DataFrame({"finding": known["finding"], "level": GROUPS[group], **counts, "door": tokens}))
    return pd.concat(parts, ignore_index=True)


def _worst(now: Frame, structures: pd.DataFrame) -> None:
    worst = now.compute("worst_masks", n=WORST)
    st.markdown("**Worst masks first**")
    notes = [
        f"quality {row['quality']:.2f}" + (" · lungs exchanged" if row["lungs_exchanged"] is True else "")
        for _, row in worst.iterrows()
    ]
    overlay_grid(now, worst["image"].tolist(), key="m_worst", notes=notes, columns=6)
    st.caption(safe(f"Lines: {colour_words(list(structures['structure']))}. The patient's right is on the left."))


def _steps(now: Frame, threshold: float) -> None:
    bins = now.compute("mask_quality_bins")
    st.markdown("**How many images have which quality**")
    ends = zip(bins["low"], bins["high"], strict=True)
    steps = [(compared("mask quality", "at least", low), compared("mask quality", "below", high)) for low, high in ends]
    tokens = [doors.door(Cohort(annotations=step)) for step in steps]
    figure = quality_steps(bins.assign(door=tokens), now.look, threshold=threshold)
    show.chart(figure, "mask_steps", alt="Images by the quality index of their worst mask")


def _tables(kept: pd.DataFrame, by_view: pd.DataFrame, structures: pd.DataFrame) -> None:
    st.markdown("**Kept, by finding**")
    shown = {
        "finding": "Finding", "images": "Images with it", "patients": "Patients", "kept": "Kept",
        "share_kept": "Share kept", "low": "95% from", "high": "to", "others": "Images without",
        "others_kept": "Kept ", "share_others": "Share kept ", "low_others": "95% from ", "high_others": "to ",
    }  # fmt: skip
    renamed = kept.rename(
        columns={"others_share_kept": "share_others", "others_low": "low_others", "others_high": "high_others"}
    )
    show.table(renamed[renamed["images"] > 0], key="mask_table", columns=shown)
    left, right = st.columns([2, 3])
    with left:
        st.markdown("**Kept, by view**")
        levels = {"level": "View", "images": "Images", "kept": "Kept", "share_kept": "Share kept", "low": "95% from",
                  "high": "to"}  # fmt: skip
        show.table(by_view, key="mask_view_table", columns=levels)
    with right:
        _structure_table(structures)


def _structure_table(structures: pd.DataFrame) -> None:
    st.markdown("**Masks, by structure**")
    shown: dict[str, Any] = {
        "structure": "Structure", "images": "Images", "masks": "Masks", "on_disk": "With film", "empty": "Empty",
        "unreadable": "Unreadable", "far": "Odd area", "share_median": "Median area, of the film",
        "quality_05": "Quality: 5th percentile", "quality_50": "Median quality",
    }  # fmt: skip
    show.table(structures.rename(columns={"median_area": "share_median"}), key="mask_structures", columns=shown)
