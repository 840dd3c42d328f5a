"""What should worry a reader of this dataset first: findings of the other statistics, as sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrdash.analysis.part_sizes import below, test_part, test_sizes
from cxrdash.analysis.patients import repeat_share
from cxrdash.analysis.registry import statistic
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import select
from cxrdash.index.store import Index

if TYPE_CHECKING:
    import pandas as pd

Row = tuple[str, str, str]
FEW = 50  # positive patients, METHODS 3.7


@statistic("What should worry the reader first", method="each sentence names its count")
def concerns(index: Index, cohort: Cohort | None = None) -> pd.DataFrame:
    """Rows [page, severity, sentence], the most serious first; severity is warning or note."""
    import pandas as pd

    chosen = cohort or Cohort()
    found = [row for check in _CHECKS for row in check(index, chosen)]
    found.sort(key=lambda row: row[1] != "warning")
    return pd.DataFrame(found, columns=["page", "severity", "sentence"], dtype="str")


def _repeats(index: Index, cohort: Cohort) -> list[Row]:
    row = repeat_share(index, cohort, thresholds=(10,)).iloc[0]
    if not row["patients"]:
        return []
    serious = "warning" if row["share_of_images"] >= 0.2 else "note"
    return [
        (
            "patients",
            serious,
            f"{row['share_of_patients']:.1%} of patients ({row['patients']:,.0f}) have more than 10 images and "
            f"hold {row['share_of_images']:.1%} of the images.",
        )
    ]


def _small_test(index: Index, cohort: Cohort) -> list[Row]:
    table = test_sizes(index, cohort)
    part = test_part(table)
    if part == "not stated":
        return [
            (
                "test_set",
                "warning",
                "No part of this dataset is marked as a test part; the official lists were not found.",
            )
        ]
    rows = table[table["split"] == part]
    few = below(rows, FEW)
    if few.empty:
        return []
    worst = rows.sort_values("positive_patients").iloc[0]
    return [
        (
            "test_set",
            "warning",
            f"{len(few)} of {len(rows)} labels have fewer than {FEW} positive patients in the {part} part; "
            f"{worst['finding']} has {worst['positive_patients']}.",
        )
    ]


def _shared_patients(index: Index, cohort: Cohort) -> list[Row]:
    del cohort  # a leak is a fact of the whole dataset
    ((shared,),) = index.rows("SELECT count(*) FROM patients WHERE len(splits) > 1 AND list_contains(splits, 'test')")
    return (
        [("test_set", "warning", f"{shared:,} patients of the test part also have images in another part.")]
        if shared
        else []
    )


def _load(index: Index, cohort: Cohort) -> list[Row]:
    del cohort
    rows = dict(index.rows("SELECT what, count(*) FROM set_aside GROUP BY what"))
    found: list[Row] = []
    if rows.get("row"):
        found.append(
            (
                "overview",
                "warning",
                f"{rows['row']:,} rows were set aside while loading; the load audit lists each.",
            )
        )
    if rows.get("value"):
        found.append(
            (
                "overview",
                "note",
                f"{rows['value']:,} values were not usable and count as unknown; the load audit lists each.",
            )
        )
    for what, split, published, count in index.rows(
        "SELECT what, split, published, found FROM checks WHERE NOT agrees ORDER BY ALL"
    ):
        where = f" in the {split} part" if split else ""
        found.append(("overview", "warning", f"{count:,} {what}{where}, but {published:,} were published."))
    return found


def _films(index: Index, cohort: Cohort) -> list[Row]:
    n = select(index, cohort).counts
    missing = n["images"] - n["on_disk"]
    if not missing:
        return []
    return [("gallery", "note", f"{missing:,} of {n['images']:,} images have no file on this disk.")]


def _no_patients(index: Index, cohort: Cohort) -> list[Row]:
    del cohort
    if index.counts["patients"]:
        return []
    return [
        (
            "patients",
            "warning",
            "Patients are not identified: intervals take every image for a different patient.",
        )
    ]


def _uncertain(index: Index, cohort: Cohort) -> list[Row]:
    from cxrdash.analysis.prevalence import prevalence

    table = prevalence(index, cohort, unit="image")
    known = table["positive"] + table["uncertain"]
    share = (table["uncertain"] / known.where(known > 0)).max()
    if not share > 0.3:
        return []
    worst = table.loc[(table["uncertain"] / known.where(known > 0)).idxmax()]
    return [
        (
            "prevalence",
            "warning",
            f"{worst['finding']}: {worst['uncertain']:,} uncertain against {worst['positive']:,} positive images; "
            "the policy decides its prevalence.",
        )
    ]


_CHECKS = (_no_patients, _repeats, _small_test, _shared_patients, _uncertain, _load, _films)
