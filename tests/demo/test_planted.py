"""Every planted fault is where the list says it is."""

from __future__ import annotations

from collections import defaultdict

import pytest

from cxrdash.demo.plan import Plan
from cxrdash.demo.planted import EXPLAINED


def rows_of(plan: Plan, image_id: str) -> list[dict[str, str]]:
    return [row for row in plan.rows if row["image_id"] == image_id]


def test_every_kind_of_fault_is_planted_and_explained(plan: Plan) -> None:
    assert set(plan.planted) == set(EXPLAINED)
    ids = {row["image_id"] for row in plan.rows}
    listed = {entry["image_id"] for entries in plan.planted.values() for entry in entries if "image_id" in entry}
    assert listed <= ids


def test_leaked_patients_are_exactly_those_in_train_and_test(plan: Plan) -> None:
    parts = defaultdict(set)
    for row in plan.rows:
        parts[row["patient_id"]].add(row["split"])
    assert sorted(patient for patient, splits in parts.items() if len(splits) > 1) == sorted(
        entry["patient_id"] for entry in plan.planted["leaked_patients"]
    )


def test_wrong_labels_are_positive_and_not_drawn(plan: Plan) -> None:
    for entry in plan.planted["wrong_labels"]:
        assert rows_of(plan, entry["image_id"])[0][entry["finding"]] == "1"
        assert entry["finding"] not in plan.jobs[entry["image_id"]].study.shown


def test_missed_findings_are_drawn_under_no_finding(plan: Plan) -> None:
    for entry in plan.planted["missed_findings"]:
        assert rows_of(plan, entry["image_id"])[0]["No Finding"] == "1"
        assert entry["finding"] in plan.jobs[entry["image_id"]].study.shown


def test_no_finding_contradictions_are_exactly_the_planted_studies(plan: Plan) -> None:
    normal = {"No Finding", "Support Devices"}
    findings = [name for name in next(iter(plan.jobs.values())).study.labels if name not in normal]
    found = {
        row["study_id"]
        for row in plan.rows
        if row["No Finding"] == "1" and any(row[finding] == "1" for finding in findings)
    }
    planted = {entry["image_id"].rpartition("_")[0] for entry in plan.planted["no_finding_with_positive"]}
    conflicting = {entry["image_id"].rpartition("_")[0] for entry in plan.planted["conflicting_rows"]}
    assert found - conflicting == planted


def test_denied_parents_are_denied(plan: Plan) -> None:
    for entry in plan.planted["child_without_parent"]:
        (row,) = rows_of(plan, entry["image_id"])
        assert (row[entry["finding"]], row[entry["parent"]]) == ("1", "0")


@pytest.mark.parametrize(("kind", "versions"), [("repeated_rows", 1), ("conflicting_rows", 2)])
def test_doubled_rows_stand_twice(plan: Plan, kind: str, versions: int) -> None:
    (entry,) = plan.planted[kind]
    rows = rows_of(plan, entry["image_id"])
    assert len(rows) == 2
    assert len({tuple(row.values()) for row in rows}) == versions


def test_no_other_row_is_doubled(plan: Plan) -> None:
    assert len(plan.rows) == len(plan.jobs) + 2


def test_odd_ages_and_sexes_are_exactly_the_planted_ones(plan: Plan) -> None:
    odd = {row["image_id"]: row["age"] for row in plan.rows if not 18 <= float(row["age"].strip("?")) <= 95}
    planted = {e["image_id"]: e["age"] for kind in ("implausible_ages", "placeholder_ages") for e in plan.planted[kind]}
    assert odd == planted
    assert {row["image_id"] for row in plan.rows if not row["sex"]} == {
        entry["image_id"] for entry in plan.planted["missing_sex"]
    }


def test_labels_are_constant_within_a_study(plan: Plan) -> None:
    labels = defaultdict(set)
    names = list(next(iter(plan.jobs.values())).study.labels)
    for row in plan.rows:
        labels[row["study_id"]].add(tuple(row[name] for name in names))
    differing = {study for study, versions in labels.items() if len(versions) > 1}
    assert differing == {entry["image_id"].rpartition("_")[0] for entry in plan.planted["conflicting_rows"]}
