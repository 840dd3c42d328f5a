"""Parts of the test set page: assumptions, headline, doors, table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from cxrdash.analysis.pairs import positive_text
from cxrdash.analysis.part_sizes import SUBGROUP, TEST_PARTS, below
from cxrdash.analysis.tiers import TIERS
from cxrdash.ui import doors, show
from cxrdash.ui.controls import Frame
from cxrdash.ui.text import number, percent, safe

if TYPE_CHECKING:
    import pandas as pd

FEW = 50
VIEWS = ("Positive patients", "All parts", "Interval widths", "Subgroups", "Two subgroups", "Label errors")
ASSUMED = {
    "sensitivity": ("t_sensitivity", "Assumed sensitivity", 0.5, 0.99, 0.9),
    "specificity": ("t_specificity", "Assumed specificity", 0.5, 0.99, 0.9),
    "auc": ("t_auc", "Assumed AUC", 0.55, 0.99, 0.85),
    "half_width": ("t_width", "Wanted half-width", 0.01, 0.3, 0.05),
}


def views() -> str:
    """Return the view chosen."""
    view = st.segmented_control(
        "Chart", VIEWS, default=VIEWS[0], required=True, key="t_chart", bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    return view or VIEWS[0]


def controls(now: Frame) -> tuple[str, dict[str, float]]:
    """Return the part to judge, and what the interval widths assume."""
    levels = list(now.index.levels("split"))
    default = next((part for part in TEST_PARTS if part in levels), levels[-1])
    columns = st.columns(1 + len(ASSUMED))
    part = columns[0].selectbox("Part to judge", levels, index=levels.index(default), key="t_part", bind="query-params")
    values = {
        name: column.number_input(label, low, high, value=value, step=0.01, key=key, bind="query-params")
        for column, (name, (key, label, low, high, value)) in zip(columns[1:], ASSUMED.items(), strict=True)
    }
    return part or default, values


def of_sizes(assumed: dict[str, float]) -> dict[str, float]:
    """Return the assumptions that the sizes of the parts take."""
    return {name: value for name, value in assumed.items() if name != "specificity"}


def of_part(sizes: pd.DataFrame, part: str) -> pd.DataFrame:
    """Return one part's findings, the fewest positive patients first."""
    return ordered(sizes[sizes["split"] == part])


def ordered(sizes: pd.DataFrame) -> pd.DataFrame:
    return sizes.sort_values(["positive_patients", "finding"], ascending=[True, True], ignore_index=True)


def sentence(rows: pd.DataFrame, part: str) -> str:
    """Return the headline: how many findings fall below the 50-case line, and the worst of them."""
    if rows.empty:
        return f"No image of this cohort is in the {part} part"
    few, worst = below(rows, FEW), rows.iloc[0]
    where = "dataset (no part is marked as test)" if part == "not stated" else f"{part.replace('_', ' + ')} part"
    if few.empty:
        fewest = f"the fewest is {worst['finding']}, {number(worst['positive_patients'])}"
        return f"Every label has at least {FEW} positive patients in the {where}; {fewest}"
    return (
        f"{len(few)} of {len(rows)} labels have fewer than {FEW} positive patients in the {where}; "
        f"{worst['finding']} has {number(worst['positive_patients'])}"
    )


def figures(rows: pd.DataFrame, assumed: dict[str, float]) -> list[tuple[str, str, str]]:
    """Return the key figures: what can and cannot be tested, and what would be needed."""
    tiers = rows["tier"].value_counts()
    tested = rows[rows["low"].notna()]
    worst = (tested if len(tested) else rows).iloc[0]
    needed = int(rows["positives_needed"].iloc[0])
    width = assumed["half_width"]
    return [
        ("Cannot be tested", number(tiers.get("blocked", 0)), "Findings without any positive patient in this part."),
        (f"Below {FEW} patients", number(len(below(rows, FEW))), "The 50-case line: intervals of ±9 points or wider."),
        ("Widest interval", "–" if worst["low"] != worst["low"] else f"±{100 * worst['half_width']:.0f} points",
         f"{worst['finding']}, at a sensitivity of {percent(worst['assumed'])} "
         f"in {number(worst['positive_patients'])} patients."),
        (f"Needed for ±{100 * width:.0f} points", number(needed),
         f"Positive patients, at a sensitivity of {percent(assumed['sensitivity'])}. "
         f"{number((rows['positive_patients'] >= needed).sum())} of {len(rows)} findings have them."),
    ]  # fmt: skip


def with_doors(now: Frame, rows: pd.DataFrame) -> pd.DataFrame:
    tokens = [
        doors.level("split", split, labels=positive_text([finding], now.policy))
        for finding, split in zip(rows["finding"], rows["split"], strict=True)
    ]
    return rows.assign(door=tokens)


def subgroup_doors(now: Frame, cells: pd.DataFrame) -> pd.DataFrame:
    """Return the cells with a subgroup name and a door each; none for an unknown age, which no cohort can ask for."""
    names = [" · ".join(values) for values in cells[list(SUBGROUP)].itertuples(index=False)]
    tokens = []
    for row in cells.to_dict("records"):
        levels = {name: row[name] for name in (*SUBGROUP, "split")}
        labels = positive_text([row["finding"]], now.policy)
        tokens.append("" if row["age_band"] == "unknown" else doors.levels(levels, labels=labels))
    return cells.assign(subgroup=names, door=tokens)


def subgroup_sentence(cells: pd.DataFrame) -> str:
    """Return how many cells are too small or empty."""
    people = cells["positive_patients"]
    return safe(
        f"{number((people < FEW).sum())} of {number(len(cells))} cells (finding by sex, view and age) have fewer than "
        f"{FEW} "
        f"positive patients, {number((people < 10).sum())} fewer than 10, {number((people == 0).sum())} none."
    )


def details(rows: pd.DataFrame) -> None:
    """The numbers behind the chart, and what each tier allows one to say."""
    columns: dict[str, Any] = {
        "finding": "Finding", "split": "Part", "positive_patients": "Positive patients", "positive": "Positive",
        "negative_patients": "Negative patients", "tier": "Tier", "tier_text": "What one may say",
        "low": "Sensitivity from", "high": "to", "auc_low": "AUC from", "auc_high": "to ",
        "positives_needed": "Patients needed",
    }  # fmt: skip
    shown = rows.assign(auc_low=rows["auc_low"].round(3), auc_high=rows["auc_high"].round(3))
    show.table(shown, key="test_table", columns=columns)
    st.caption("Tiers by positive patients: " + safe("; ".join(f"{t.least}+ {t.name}" for t in TIERS[1:])) + ".")
