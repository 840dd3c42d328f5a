"""Parts of the second opinion page: several readers of the same images against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from cxrdash.analysis.agreement import votes_cohort
from cxrdash.analysis.second_opinion import said_positive
from cxrdash.charts import agreement_dots, reader_heat, support_bars
from cxrdash.index.cohort import Cohort
from cxrdash.index.readings import reading_text
from cxrdash.ui import doors, show
from cxrdash.ui.controls import Frame
from cxrdash.ui.opinions import QUESTION
from cxrdash.ui.text import listed, number, percent, plural, safe

if TYPE_CHECKING:
    import pandas as pd
    from streamlit.delta_generator import DeltaGenerator

MOST_NAMES = 8  # in a sentence
ALPHA = {"alpha": "alpha", "alpha_low": "low", "alpha_high": "high"}
ENOUGH = 10  # positive images, below which a share is not worth a headline
CHARTS = {
    "Support": "agreement", "Agreement": "agreement", "Readers": "reader_findings",
    "Readers against the others": "reader_findings", "Boxes": "box_agreement",
}  # fmt: skip


def readers(now: Frame, top: DeltaGenerator) -> None:
    """Show how far readers of the same images agree; headline and figures go to ``top``."""
    agreed = now.compute("agreement")
    if agreed.empty:
        with top:
            show.headline(QUESTION, "No two readers read the same image in this cohort")
        return
    boxes = now.compute("box_agreement")
    view, n = _controls(agreed, bool(len(boxes)))
    rows = agreed[agreed["readers"] == n].sort_values(["share_by_1", "finding"], ascending=[False, True])
    with top:
        show.headline(QUESTION, sentence(rows, n))
        show.key_figures(_figures(now, rows, n))
    rows, agreed = (_with_alpha(now, table) for table in (rows, agreed))
    name = CHARTS[view]
    result = {"agreement": agreed, "box_agreement": boxes}.get(name)
    if result is None:
        result = now.compute(name)
    _chart(now, view, rows, result)
    if name == "agreement":
        _notes(rows)
    _link(now, rows, n)
    _table(name, result)
    show.provenance(now, name, result)


def _with_alpha(now: Frame, table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with Krippendorff's alpha, which is over all images of two or more readers together."""
    alpha = now.compute("readers_alpha").set_index("finding")
    ends = {name: table["finding"].map(alpha[column]) for name, column in ALPHA.items()}
    return table.assign(**ends)


def _controls(agreed: pd.DataFrame, has_boxes: bool) -> tuple[str, int]:
    counts = agreed.groupby("readers")["images"].max().sort_values(ascending=False, kind="stable").index.tolist()
    left, right = st.columns([5, 2], vertical_alignment="bottom")
    with left:
        view = st.segmented_control(
            "Readers' chart", [name for name in CHARTS if has_boxes or name != "Boxes"], default="Support",
            required=True, key="o_readers", bind="query-params", label_visibility="collapsed",
        )  # fmt: skip
    if len(counts) == 1:
        return view, int(counts[0])
    return view, int(right.selectbox("Readers per image", counts, key="o_n", bind="query-params"))


def sentence(rows: pd.DataFrame, n: int) -> str:
    """Return the headline: where most positive images rest on one reader alone."""
    enough = rows[rows["positive"] >= ENOUGH]
    if enough.empty:
        return f"Hardly any image is called positive by any of its {n} readers"
    alone = enough[enough["share_by_1"] > 0.5]
    worst = enough.iloc[0]
    if alone.empty:
        share = percent(worst["share_by_1"])
        return f"{worst['finding']}: {share} of the positive images are called so by only one of {n} readers"
    whole = plural(len(enough), "finding")
    return (
        f"In {len(alone)} of {whole} most positive images rest on one of {n} readers alone; "
        f"most of all {worst['finding']} ({percent(worst['share_by_1'])})"
    )


def _figures(now: Frame, rows: pd.DataFrame, n: int) -> list[tuple[str, str, str]]:
    known = rows.dropna(subset="kappa")
    figures = [
        ("Images", number(rows["images"].max()), f"Images that {n} readers read."),
        ("Readers", number(len(now.index.readers)), "Readers in the dataset; an image was read by some of them."),
    ]
    if len(known):
        middle, agreed = known["kappa"].median(), known["positive_agreement"].median()
        figures += [
            ("Median kappa", f"{middle:.2f}", f"Over {len(known)} findings with any variation."),
            ("Median positive agreement", percent(agreed), "Where one reader says yes, how often another does."),
        ]
    return figures


def _chart(now: Frame, view: str, rows: pd.DataFrame, result: pd.DataFrame) -> None:
    n = int(rows["readers"].iloc[0])
    said = sentence(rows, n)
    if view == "Support":
        drawn = rows[rows["positive"] > 0]
        show.chart(support_bars(_support_doors(now, drawn, n), now.look, readers=n), "support", alt=said)
    elif view == "Agreement":
        drawn = rows.sort_values("kappa", ascending=False, kind="stable")
        drawn = drawn.assign(door=[_votes_door(now, name, 1, n) for name in drawn["finding"]])
        show.chart(agreement_dots(drawn, now.look), "agreement", alt=said)
        st.caption(
            "A mark leads to the images that one reader alone calls positive. Alpha takes all images with two or more "
            "readers together, however many read each."
        )
    elif view == "Boxes":
        _box_summary(result)
    else:
        against = view != "Readers"
        pairs = zip(result["reader"], result["finding"], strict=True)
        drawn = result.assign(door=[_reader_door(now, *pair) for pair in pairs])
        show.chart(reader_heat(drawn, now.look, against_peers=against), "reader_heat", alt=said)
        st.caption(
            "Readers read different images. Against the others: the reader's rate on images read by others too, "
            "divided by the mean rate of those others on the same images; 1 is the same."
        )


def _support_doors(now: Frame, drawn: pd.DataFrame, n: int) -> pd.DataFrame:
    for k in range(1, min(n, 3) + 1):
        drawn = drawn.assign(**{f"door_by_{k}": [_votes_door(now, name, k, n) for name in drawn["finding"]]})
    return drawn.assign(door_by_more="") if n > 3 else drawn


def _votes_door(now: Frame, finding: str, yes: int, of: int) -> str:
    """Return the door to images that so many readers call positive, '' where no filter can say it."""
    cohort = votes_cohort(now.index, finding, (yes, of), now.policy)
    return doors.door(cohort) if cohort else ""


def _reader_door(now: Frame, reader: str, finding: str) -> str:
    return doors.door(Cohort(readings=(reading_text(reader, said_positive(finding, now.policy)),)))


def _notes(rows: pd.DataFrame) -> None:
    """The findings whose numbers mislead, and why."""
    for text, group in rows[rows["note"] != ""].groupby("note", sort=False):
        names = list(group["finding"])
        more = [f"{len(names) - MOST_NAMES} more"] if len(names) > MOST_NAMES else []
        st.caption(f"{safe(listed(names[:MOST_NAMES] + more))}: {safe(text)}.")


def _link(now: Frame, rows: pd.DataFrame, n: int) -> None:
    """The same doors for the keyboard: choose a finding and how many readers said yes, follow the link."""
    one, two, link = st.columns([2, 2, 3], vertical_alignment="bottom")
    finding = one.selectbox("Finding", list(rows["finding"]), key="o_read", bind="query-params")
    yes = two.selectbox(
        "Called positive by", range(n + 1), index=1, key="o_votes", bind="query-params",
        format_func=lambda votes: f"{votes} of {n} readers",
    )  # fmt: skip
    with link:
        token = _votes_door(now, finding, yes, n)
        if token:
            doors.link(token, f"{safe(finding)}: images positive for {yes} of {n} readers")
        else:
            st.caption("This policy leaves out some readings, so no gallery shows exactly these images.")


def _box_summary(boxes: pd.DataFrame) -> None:
    known = boxes.dropna(subset="median_iou")
    if known.empty:
        st.markdown("No box of one reader overlaps a box of another.")
        return
    lonely = boxes.sort_values("share_unmatched", ascending=False, kind="stable").iloc[0]
    st.markdown(
        safe(
            f"Matched boxes overlap by a median of {known['median_iou'].min():.2f} to {known['median_iou'].max():.2f} "
            f"(intersection over union); {lonely['finding']} boxes are most often alone: another reader of the image "
            f"drew none there in {percent(lonely['share_unmatched'])} of {number(lonely['comparisons'])} comparisons."
        )
    )


def _table(name: str, result: pd.DataFrame) -> None:
    columns = {
        "agreement": {
            "finding": "Finding", "readers": "Readers", "images": "Images", "positive": "Positive for any",
            "by_1": "By 1", "by_2": "By 2", "by_3": "By 3", "by_more": "By more", "share_by_1": "By 1 alone",
            "agreement": "Raw agreement", "kappa": "Kappa", "kappa_low": "95% from", "kappa_high": "to",
            "kappa_method": "Kappa by",
            "alpha": "Alpha", "alpha_low": "95% from ", "alpha_high": "to ",
            "ac1": "AC1", "positive_agreement": "Positive agreement",
            "negative_agreement": "Negative agreement", "prevalence": "Yes among readings", "note": "Note",
        },
        "reader_findings": {
            "reader": "Reader", "finding": "Finding", "images": "Images", "positive": "Positive", "rate": "Rate",
            "low": "95% from", "high": "to", "shared": "Read by others too", "shared_rate": "Rate there",
            "peers_rate": "Rate of the others there",
        },
        "box_agreement": {
            "finding": "Finding", "images": "Images", "boxes": "Boxes", "comparisons": "Comparisons",
            "pairs": "Matched pairs", "median_iou": "Median overlap (IoU)", "share_at_half": "IoU 0.5 or more",
            "unmatched": "Unmatched", "share_unmatched": "Share unmatched",
        },
    }  # fmt: skip
    quiet = [key for key in ("by_3", "by_more") if name == "agreement" and not result[key].any()]
    shown = {key: title for key, title in columns[name].items() if key not in quiet}
    show.table(result, key=f"readers_{name}", columns=shown)
