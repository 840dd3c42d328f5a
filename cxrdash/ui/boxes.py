"""The box views of the masks page: where boxes lie, whether labels know of them, and how readers agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from cxrdash.analysis.boxes import CELLS
from cxrdash.charts.boxes import heat_maps, overlap_bars
from cxrdash.index.annotations import box_of, in_cell
from cxrdash.index.cohort import Cohort
from cxrdash.ui import doors, show
from cxrdash.ui.controls import Frame
from cxrdash.ui.masks import QUESTION
from cxrdash.ui.overlay_tiles import overlay_grid
from cxrdash.ui.text import number, percent, plural, safe

if TYPE_CHECKING:
    import pandas as pd
    from streamlit.delta_generator import DeltaGenerator

DOUBTS = ("without label", "beyond the film", "over nearly the whole film")
SHOWN = 8


def box_view(now: Frame, top: DeltaGenerator, _beside: DeltaGenerator) -> None:
    """Where boxes of each finding lie, and which of them contradict the labels or the film."""
    sizes, labels = now.compute("box_sizes"), now.compute("box_label_agreement")
    said = box_sentence(sizes, labels)
    with top:
        show.headline(QUESTION, said)
    if sizes.empty:
        return
    with top:
        show.key_figures(_figures(now, sizes, labels))
    heat = now.compute("box_heat")
    if heat.empty:
        st.info("The size of the films these boxes were drawn on is not known, so they cannot be laid over each other. "
                "It is after a scan: python -m cxrdash scan DATASET")  # fmt: skip
    else:
        drawn = _with_doors(heat, sizes)
        show.chart(heat_maps(drawn, now.look, cells=CELLS), "box_heat", alt=said)
        st.caption(
            "Each square is the film, the patient's right on its left. The stronger a cell stands out, the larger the "
            "share of the finding's boxes that reach into it; each finding has its own scale."
        )
    _doubtful(now)
    _table(sizes, labels)
    show.provenance(now, "box_heat", heat)


def box_sentence(sizes: pd.DataFrame, labels: pd.DataFrame) -> str:
    """Return the headline: how many boxes, and how many the image's own labels do not know of."""
    if sizes.empty:
        return "No image of this cohort has a box"
    boxes, unlabelled, images = sizes["boxes"].sum(), labels["unlabelled"].sum(), labels["images"].sum()
    said = f"{number(boxes)} boxes of {plural(len(sizes), 'finding')}"
    if not unlabelled:
        return f"{said}: every one is named by the labels of its image"
    row = labels.sort_values("share_labelled").iloc[0]
    return (
        f"{said}; {percent(unlabelled / images)} of the boxed findings are not positive in the image's labels, "
        f"most often {row['finding']}: {number(row['unlabelled'])} of {number(row['images'])} images"
    )


def _figures(now: Frame, sizes: pd.DataFrame, labels: pd.DataFrame) -> list[tuple[str, str, str]]:
    images = _count(now, box_of(""))
    positive, with_box = labels["positive"].sum(), labels["labelled"].sum()
    beyond = int(sizes[["beyond", "nearly_whole"]].to_numpy().sum())
    return [
        ("Boxes", number(sizes["boxes"].sum()), f"Of {plural(len(sizes), 'finding')}."),
        ("Images with a box", number(images), f"Of {number(now.counts['images'])} in the cohort."),
        ("Positives with a box", percent(with_box / positive) if positive else "–",
         f"{number(with_box)} of {number(positive)} positive labels of boxed findings. "
         "An image without a box is unboxed, not negative."),
        ("Beyond or nearly the film", number(beyond), "Boxes that leave the film or cover more than 90% of it."),
    ]  # fmt: skip


def _count(now: Frame, annotation: str) -> int:
    from cxrdash.ui import cache as cached

    counts, _ = cached.counted(now.index, now.cohort.narrow(Cohort(annotations=(annotation,))))
    return counts["images"]


def _with_doors(heat: pd.DataFrame, sizes: pd.DataFrame) -> pd.DataFrame:
    by_finding = sizes.set_index("finding")
    order = by_finding["boxes"].sort_values(ascending=False, kind="stable").index.tolist()
    titles = {
        name: f"{plural(row['boxes'], 'box', 'boxes')}, "
        + (plural(row["patients"], "patient") if row["patients"] else plural(row["images"], "image"))
        for name, row in by_finding.iterrows()
    }
    tokens = [
        doors.door(Cohort(annotations=(box_of(finding, in_cell(x, y, CELLS)),)))
        for finding, x, y in zip(heat["finding"], heat["x"].tolist(), heat["y"].tolist(), strict=True)
    ]
    drawn = heat.assign(door=tokens, title=heat["finding"].map(titles), place=heat["finding"].map(order.index))
    return drawn.sort_values("place", kind="stable").reset_index(drop=True)


def _doubtful(now: Frame) -> None:
    """Films whose boxes contradict the labels or the film, drawn, each kind with its door."""
    for which in DOUBTS:
        annotation = box_of("", which)
        count = _count(now, annotation)
        if not count:
            continue
        st.markdown(f"**Boxes {safe(which)}**")
        found = _first(now, annotation)
        if found:
            overlay_grid(
                now, found, key=f"m_box_{which.split()[0]}", notes=[""] * len(found), columns=SHOWN, kind="box"
            )
        doors.link(doors.door(Cohort(annotations=(annotation,))), f"All {plural(count, 'image')} in the gallery")


def _first(now: Frame, annotation: str) -> list[int]:
    """Images to show: those on disk, drawn at random with one seed."""
    from cxrdash.ui import cache as cached

    cohort = now.cohort.narrow(Cohort(annotations=(annotation,), on_disk=True))
    drawn = cached.drawn(now.index, cohort, SHOWN, seed=1, one_per_patient=True)
    return [film.image for film in drawn.films]


def _table(sizes: pd.DataFrame, labels: pd.DataFrame) -> None:
    whole = sizes.merge(labels.drop(columns=["boxes", "images"]), on="finding").rename(
        columns={"median_area": "share_median", "smallest_area": "share_smallest", "largest_area": "share_largest"}
    )
    shown = {
        "finding": "Finding", "boxes": "Boxes", "images": "Images", "patients": "Patients",
        "share_median": "Median area, of the film", "share_smallest": "Smallest", "share_largest": "Largest",
        "beyond": "Beyond the film", "labelled": "Labelled too", "share_labelled": "Share labelled", "low": "95% from",
        "high": "to", "positive": "Positive images", "share_boxed": "Of them boxed",
    }  # fmt: skip
    show.table(whole, key="box_table", columns=shown)


def reader_view(now: Frame, top: DeltaGenerator, _beside: DeltaGenerator) -> None:
    """How often a reader's box meets one of another reader, per finding."""
    table = now.compute("box_agreement")
    said = reader_sentence(table)
    with top:
        show.headline(QUESTION, said)
    if table.empty:
        st.info("No image of this cohort was read by two readers who draw boxes.")
        return
    ordered = table.sort_values("comparisons", ascending=False, kind="stable")
    at_half = (ordered["share_at_half"] * ordered["pairs"]).fillna(0).round().astype("int64")
    drawn = ordered.assign(
        # Each pair is found from both its boxes.
        at_half=2 * at_half, looser=2 * (ordered["pairs"] - at_half),
        door=[doors.door(Cohort(annotations=(box_of(finding),))) for finding in ordered["finding"]],
    )  # fmt: skip
    show.chart(overlap_bars(drawn, now.look), "box_readers", alt=said)
    _several(now, ordered)
    shown = {
        "finding": "Finding", "images": "Images read by several", "boxes": "Boxes", "comparisons": "Comparisons",
        "pairs": "Pairs", "median_iou": "Median overlap (IoU)", "share_at_half": "Pairs at half or more",
        "unmatched": "Unmatched", "share_unmatched": "Share unmatched",
    }  # fmt: skip
    show.table(ordered, key="box_reader_table", columns=shown)
    st.caption(
        "Each box is looked for among those of every other reader of its image, one to one, the best overlap first. "
        "Overlap is intersection over union: 1 is the same box, 0.5 roughly two thirds of each in common."
    )
    show.provenance(now, "box_agreement", table)


def reader_sentence(table: pd.DataFrame) -> str:
    """Return the headline: how often the other reader drew no box there, and how well the rest agree."""
    comparisons = int(table["comparisons"].sum())
    if not comparisons:
        return "No image of this cohort has boxes of several readers"
    unmatched, pairs = int(table["unmatched"].sum()), int(table["pairs"].sum())
    half = float((table["share_at_half"] * table["pairs"]).sum())
    said = (
        f"In {percent(unmatched / comparisons)} of {number(comparisons)} comparisons the other reader drew no box there"
    )
    return said + (f"; {percent(half / pairs)} of {plural(pairs, 'pair')} overlap by half or more" if pairs else "")


def _several(now: Frame, ordered: pd.DataFrame) -> None:
    """The doors for the keyboard: a finding that several readers boxed."""
    one, link = st.columns([2, 4], vertical_alignment="bottom")
    finding = one.selectbox("Finding", ordered["finding"].tolist(), key="m_finding", bind="query-params")
    annotation = box_of(finding, "by several readers")
    with link:
        token = doors.door(Cohort(annotations=(annotation,)))
        doors.link(token, f"{plural(_count(now, annotation), 'image')} on which several readers boxed {safe(finding)}")
