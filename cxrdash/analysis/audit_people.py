"""Checks of who and how many stand behind the images, and of the parts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cxrdash.analysis.audit_rows import Asked, Row, Severity
from cxrdash.analysis.balance import balance, leakage
from cxrdash.analysis.overview import overview
from cxrdash.analysis.part_sizes import test_part, test_sizes, test_subgroups
from cxrdash.analysis.patients import repeat_share
from cxrdash.analysis.prevalence import effective_size


def patients_known(asked: Asked) -> Iterator[Row]:
    """Are patients identified?"""
    n = asked.index.counts
    if not n["patients"]:
        yield Row("patients.known", "fail", "Patients are not identified: no interval can allow for repeats and no "
                  "split can be shown not to leak.", "patients", 0, 1, f"{n['images']:,} images")  # fmt: skip
        return
    without = n["without_patient"]
    words = f"{without:,} of {n['images']:,} images have no patient." if without else "Every image has its patient."
    yield Row("patients.known", "caution" if without else "pass", words, "patients", without / max(n["images"], 1), 0)


def repeats(asked: Asked) -> Iterator[Row]:
    """Do a few patients hold many of the images?"""
    if not asked.index.counts["patients"]:
        return
    many, limit = int(asked.limit("many_images")), asked.limit("held_by_many")
    row = repeat_share(asked.index, asked.cohort, thresholds=(many,)).iloc[0]
    share = float(row["share_of_images"])
    words = (
        f"{row['share_of_patients']:.1%} of patients ({row['patients']:,}) have more than {many} images and hold "
        f"{share:.1%} of the images."
        if row["patients"]
        else f"No patient has more than {many} images."
    )
    yield Row("patients.repeats", "caution" if share >= limit else "pass", words, "patients", share, limit,
              f"{row['images']:,} images", "METHODS 1.2")  # fmt: skip


def effective(asked: Asked) -> Iterator[Row]:
    """How much are the images worth for the label that repeats hurt most?"""
    if not asked.index.counts["patients"]:
        return
    table = effective_size(asked.index, asked.cohort, policy=asked.policy)
    table = table[table["finding"].isin(asked.findings) & (table["of"] > 0) & (table["images"] > 0)]
    share = (table["effective_n"] / table["of"]).astype(float).dropna()
    if share.empty:  # one patient alone has no effective size
        return
    row, least = table.loc[share.idxmin()], float(share.min())
    limit = asked.limit("effective_share")
    unit = {"image": "images", "study": "studies", "patient": "patients"}[str(row["unit"])]
    yield Row("patients.effective", "caution" if least < limit else "pass",
              f"For estimating how common {row['finding']} is, {row['of']:,} {unit} carry about as much information as "
              f"{row['effective_n']:,.0f} of different patients.", "patients", least, limit,
              f"{row['of']:,} {unit}", "METHODS 1.5 and 1.7", str(row["finding"]))  # fmt: skip


def part_present(asked: Asked) -> Iterator[Row]:
    """Is a test part marked?"""
    if asked.use == "external":
        return
    parts = asked.index.levels("split")
    marked = "test" in parts or "valid" in parts
    words = (
        f"Parts: {', '.join(parts)}."
        if marked
        else "No part is marked as a test or validation part; make one on the Splits page, by patient."
    )
    severity: Severity = "pass" if marked else ("fail" if asked.use == "test" else "caution")
    yield Row("parts.present", severity, words, "splits", float(marked), 1)


def leaks(asked: Asked) -> Iterator[Row]:
    """Does a patient, study or image stand in two parts?"""
    table = leakage(asked.index)
    if table.empty:
        return
    for unit, rows in table[table["unit"].isin(["patient", "study", "image"])].groupby("unit", sort=False):
        shared = int(rows["shared"].fillna(0).sum())
        if (rows["verdict"] == "not possible").all():
            if unit == "patient":
                yield Row("parts.leak_patient", "not checked", "Patients are not identified, so a leak between parts "
                          "cannot be excluded.", "splits")  # fmt: skip
            continue
        worst = rows.sort_values("shared", ascending=False).iloc[0]
        units = {"patient": "patients", "study": "studies", "image": "images"}[str(unit)]
        words = (
            f"{shared:,} {units} stand in two parts, most of them in {worst['part_a']} and {worst['part_b']}."
            if shared
            else f"No {unit} stands in two parts."
        )
        yield Row(f"parts.leak_{unit}", "fail" if shared else "pass", words, "splits", shared, 0,
                  f"{len(rows)} pairs of parts", "METHODS 6.1")  # fmt: skip


def part_balance(asked: Asked) -> Iterator[Row]:
    """Are the parts alike in labels, view, sex and age?"""
    table = balance(asked.index, asked.cohort, policy=asked.policy).dropna(subset=["difference"])
    table = table[table["attribute"].isin([*asked.findings, "view", "sex", "age"])]
    if table.empty:
        return
    far = table["difference"].abs()
    row, limit = table.loc[far.idxmax()], asked.limit("part_difference")
    sure = far > np.maximum(limit, table["noise"])
    yield Row("parts.balance", "caution" if sure.any() else "pass",
              f"{row['part']} and {row['against']} differ most in {row['attribute']} (standardised difference "
              f"{abs(row['difference']):.2f}).", "splits", float(far.max()), limit,
              f"{row['images']:,} and {row['images_against']:,} images", "METHODS 6.3")  # fmt: skip


def small_test(asked: Asked) -> Iterator[Row]:
    """Has every finding enough positive patients where it is tested?"""
    table = test_sizes(asked.index, asked.cohort, policy=asked.policy)
    part = "" if asked.use == "external" else test_part(table)
    rows = table[(table["split"] == part) | (not part)]
    rows = rows[rows["finding"].isin(asked.findings)]
    totals = rows.groupby("finding", sort=False)["positive_patients"].sum()
    limit = asked.limit("positive_patients")
    few = totals[totals < limit]
    if totals.empty:
        return
    where = f"in the {part} part" if part and part != "not stated" else "in all"
    if few.empty:
        words = f"All {len(totals)} findings have {limit:.0f} or more positive patients {where}."
        yield Row("test.size", "pass", words, "test_set", float(totals.min()), limit, source="METHODS 3.7")  # fmt: skip
        return
    none = few[few == 0]
    worst = str(few.idxmin())
    severity: Severity = "fail" if asked.tests else "caution"
    more = f"; {len(none)} have none" if len(none) else ""
    yield Row("test.size", severity, f"{len(few)} of {len(totals)} findings have fewer than {limit:.0f} positive "
              f"patients {where}{more}: {worst} has {few.min():,}.", "test_set", float(few.min()), limit,
              ", ".join(f"{name} {n}" for name, n in few.sort_values().items()), "METHODS 3.7", worst)  # fmt: skip


def subgroups(asked: Asked) -> Iterator[Row]:
    """Can subgroups of sex, view and age be judged?"""
    if not asked.tests:
        return
    table = test_subgroups(asked.index, asked.cohort, policy=asked.policy)
    sizes = test_sizes(asked.index, asked.cohort, policy=asked.policy)
    part = test_part(sizes)
    cells = table[(table["split"] == part) & table["finding"].isin(asked.findings)]
    if cells.empty:
        return
    limit = asked.limit("subgroup_patients")
    few, empty = int((cells["positive_patients"] < limit).sum()), int((cells["positive_patients"] == 0).sum())
    yield Row("test.subgroups", "caution" if few else "pass",
              f"{few:,} of {len(cells):,} subgroups (finding by sex, view and age band) have fewer than {limit:.0f} "
              f"positive patients; {empty:,} have none.", "test_set", few / len(cells), 0,
              f"{len(cells):,} subgroups", "METHODS 3.8")  # fmt: skip


def described(asked: Asked) -> Iterator[Row]:
    """Are view, sex and age known?"""
    table = overview(asked.index, asked.cohort)
    images = int(table.loc[table["level"] == "images", "images"].iloc[0])
    limit = asked.limit("unknown_share")
    for attribute, unknown in (("view", ("UNKNOWN", "FRONTAL_UNKNOWN")), ("sex", ("unknown",)), ("age", ("unknown",))):
        rows = table[(table["attribute"] == attribute) & table["level"].isin(unknown)]
        missing = int(rows["images"].sum())
        share = missing / images if images else 0.0
        severity: Severity = "caution" if share > limit else "pass"
        yield Row(f"people.{attribute}", severity, f"The {attribute} of {missing:,} of {images:,} images is not known.",
                  "overview", share, limit, f"{images:,} images")  # fmt: skip


CHECKS = (patients_known, repeats, effective, part_present, leaks, part_balance, small_test, subgroups, described)
