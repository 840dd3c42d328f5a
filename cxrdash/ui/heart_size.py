"""The heart size view of the masks page: the cardiothoracic ratio as a check of the Cardiomegaly label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from cxrdash.analysis.cardiothoracic import LARGE, LEAST_QUALITY, SMALL, cardiomegaly, contrary, rule_cohort
from cxrdash.charts.masks import ratio_steps
from cxrdash.index.annotations import compared
from cxrdash.index.cohort import Cohort
from cxrdash.labels.expression import Atom, format_expression
from cxrdash.labels.states import SPELLINGS
from cxrdash.ui import doors, show
from cxrdash.ui.controls import Frame
from cxrdash.ui.masks import QUESTION
from cxrdash.ui.overlay_tiles import overlay_grid
from cxrdash.ui.text import interval, number, percent, plural, safe

if TYPE_CHECKING:
    import pandas as pd
    from streamlit.delta_generator import DeltaGenerator

SHOWN = 3  # of each list
LISTS = {
    "small": f"Labelled positive, ratio below {SMALL}",
    "large": f"Labelled negative, ratio above {LARGE}",
}


def heart_view(now: Frame, top: DeltaGenerator, _beside: DeltaGenerator) -> None:
    """The ratio's distribution in each state of the label, and the two lists worth a look."""
    table = now.compute("cardiothoracic_ratio")
    counted = table[table["evidence"]]
    said = heart_sentence(now, counted)
    with top:
        show.headline(QUESTION, said)
    if counted.empty:
        st.info(
            f"The ratio says something on PA films only, with masks of quality {LEAST_QUALITY:.2f} or more that hold "
            "the heart and both lungs. This cohort has no such film."
        )
    else:
        with top:
            show.key_figures(_figures(counted))
        lists = {which: _listed(now, which) for which in LISTS}
        some = any(len(found) for found in lists.values())
        chart, beside = st.columns([6, 5], gap="medium") if some else (st.container(), st.container())
        with chart:
            bins = _with_doors(now, now.compute("cardiothoracic_bins"))
            show.chart(ratio_steps(bins, now.look, zones=(SMALL, LARGE)), "heart_steps", alt=said)
        with beside:
            for which, found in lists.items():
                _list(now, which, found)
        st.caption(
            "A ranking for review: neither a diagnosis nor an error rate, and no reason to change a label. Only PA "
            f"films count, with masks of quality {LEAST_QUALITY:.2f} or more: AP films enlarge the heart, and poor "
            "masks make it look large."
        )
    _table(table)
    show.provenance(now, "cardiothoracic_ratio", table)


def heart_sentence(now: Frame, counted: pd.DataFrame) -> str:
    """Return the headline: how well the ratio agrees with the label."""
    if counted.empty:
        return "No PA film of this cohort has masks good enough to measure the heart"
    name = cardiomegaly(now.index)
    positive, negative = (_row(counted, state) for state in ("positive", "negative"))
    if negative is None:
        negative = _row(counted, "blank")
    if positive is None or negative is None or counted["auc"].isna().all():
        measured = number(counted["images"].sum())
        return f"{measured} PA films have a measured heart, but not both with and without {name}"
    auc = counted["auc"].iloc[0]
    known = interval_of(counted)
    return (
        f"Films labelled {name} have a median heart width of {positive['median']:.2f} of the chest, the others "
        f"{negative['median']:.2f}; the ratio tells them apart with an AUC of {auc:.2f} ({known})"
    )


def interval_of(counted: pd.DataFrame) -> str:
    """Return the AUC's interval in words."""
    low, high = counted["auc_low"].iloc[0], counted["auc_high"].iloc[0]
    return "interval undefined" if low != low else f"95% interval {low:.2f}–{high:.2f}"


def _row(counted: pd.DataFrame, state: str) -> pd.Series | None:
    rows = counted[counted["state"] == state]
    return rows.iloc[0] if len(rows) else None


def _figures(counted: pd.DataFrame) -> list[tuple[str, str, str]]:
    first = counted.iloc[0]
    positive = _row(counted, "positive")
    above = "–" if positive is None else percent(positive["share_above_half"])
    meaning = "" if positive is None else (
        f"Of {number(positive['images'])} images labelled positive; 95% interval "
        f"{interval(positive['low'], positive['high'])}."
    )  # fmt: skip
    return [
        ("PA films measured", number(counted["images"].sum()), f"Of {number(counted['patients'].sum())} patients "
         "counted in each state."),
        ("AUC", f"{first['auc']:.2f}" if first["auc"] == first["auc"] else "–", f"{interval_of(counted)}, with "
         f"{plural(first['auc_positive_patients'], 'patient')} positive and {number(first['auc_negative_patients'])} "
         "negative as its n."),
        ("Positive with ratio above 0.5", above, meaning),
        ("Least quality of masks", f"{first['least_quality']:.2f}", "Below it models tend to draw hearts too large."),
    ]  # fmt: skip


def _with_doors(now: Frame, bins: pd.DataFrame) -> pd.DataFrame:
    name = cardiomegaly(now.index) or ""
    tokens = []
    for _, row in bins.iterrows():
        steps = (
            compared("cardiothoracic ratio", "at least", row["low"]),
            compared("cardiothoracic ratio", "below", row["high"]),
        )
        labels = format_expression(Atom(name, SPELLINGS[row["state"]]))
        tokens.append(doors.door(rule_cohort(LEAST_QUALITY, *steps).narrow(Cohort(labels=labels))))
    return bins.assign(door=tokens)


def _listed(now: Frame, which: str) -> pd.DataFrame:
    """Return a list's images, those that contradict their label most first."""
    found = now.compute("worst_masks", cohort=now.cohort.narrow(_narrowing(now, which)), n=10**6)
    return found.sort_values("cardiothoracic_ratio", ascending=which == "small", kind="stable")


def _narrowing(now: Frame, which: str) -> Cohort:
    return contrary(now.index, which, policy=now.policy)


def _list(now: Frame, which: str, found: pd.DataFrame) -> None:
    """One list: its first films with heart and lungs drawn, and the door to all of them."""
    if found.empty:
        st.markdown(f"**{safe(LISTS[which])}**: none")
        return
    st.markdown(f"**{safe(LISTS[which])}**: {plural(len(found), 'image')}")
    first = found.head(SHOWN)
    notes = [f"ratio {ratio:.2f}" for ratio in first["cardiothoracic_ratio"]]
    overlay_grid(now, first["image"].tolist(), key=f"m_{which}", notes=notes, columns=6)
    doors.link(doors.door(_narrowing(now, which)), "Open in the gallery")


def _table(table: pd.DataFrame) -> None:
    shown = {
        "view": "View", "state": "Label", "images": "Images", "patients": "Patients", "median": "Median ratio",
        "quartile_low": "Lower quartile", "quartile_high": "Upper quartile", "small": f"Below {SMALL}",
        "large": f"Above {LARGE}", "share_above_half": "Above 0.5", "low": "95% from", "high": "to", "auc": "AUC",
        "auc_low": "AUC from", "auc_high": "AUC to", "says": "Evidence",
    }  # fmt: skip
    says = table["evidence"].map({True: "yes", False: "no: this view enlarges the heart"}).astype("str")
    show.table(table.assign(says=says), key="heart_table", columns=shown)
