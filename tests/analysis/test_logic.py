"""Hierarchy, contradictions and redundancy: counted by hand, against the methods' worked values, and by brute force."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_mutual_info_score, mutual_info_score, normalized_mutual_info_score

from cxrdash import analysis
from cxrdash.analysis.finding_tree import below, tree
from cxrdash.analysis.mutual_information import information
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import select
from cxrdash.index.store import Index
from cxrdash.labels.findings import Finding
from cxrdash.labels.states import State
from tests.datasets import CHEXPERT_FINDINGS, chexpert_row, indexed, invent, write_chexpert

YES, MAYBE, NO = State.POSITIVE, State.UNCERTAIN, State.NEGATIVE
PARENTS = {"Cardiomegaly": "Enlarged Cardiomediastinum", "Edema": "Lung Opacity", "Lung Lesion": "Lung Opacity",
           "Consolidation": "Lung Opacity", "Atelectasis": "Lung Opacity", "Pneumonia": "Consolidation"}  # fmt: skip
# One patient and study each.
STUDIES: tuple[dict[str, State], ...] = (
    {"Cardiomegaly": YES},
    {"Cardiomegaly": YES, "Enlarged Cardiomediastinum": NO},
    {"Cardiomegaly": YES, "Enlarged Cardiomediastinum": MAYBE},
    {"Cardiomegaly": YES, "Enlarged Cardiomediastinum": YES},
    {"Pneumonia": YES, "Consolidation": YES, "Lung Opacity": NO},
    {"No Finding": YES},
    {"No Finding": YES, "Support Devices": YES},
    {"No Finding": YES, "Edema": YES},
    {"No Finding": YES, "Support Devices": MAYBE},
    {"Support Devices": YES},
    {"Edema": MAYBE},
    {},
    {},
)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Index:
    rows = [chexpert_row(at, states=states) for at, states in enumerate(STUDIES, start=1)]
    return indexed(write_chexpert(tmp_path_factory.mktemp("logic") / "chexpert", rows), "chexpert")


def by_kind(table: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """Count and n of the rules that stand once."""
    once = table[~table["kind"].isin(["parent_negative", "parent_blank", "normal_with_one"])]
    return {kind: (count, of) for kind, count, of in zip(once["kind"], once["count"], once["of"], strict=True)}


def test_each_child_is_counted_by_what_its_parent_says(small: Index) -> None:
    table = analysis.hierarchy(small).set_index("finding")
    counts = ["positive", "parent_positive", "parent_uncertain", "parent_negative", "parent_blank", "not_assessed"]
    assert table.loc["Cardiomegaly", counts].tolist() == [4, 1, 1, 1, 1, 0]
    assert table.loc["Consolidation", counts].tolist() == [1, 0, 0, 1, 0, 0]
    assert table.loc["Pneumonia", counts].tolist() == [1, 1, 0, 0, 0, 0]
    assert table.loc["Cardiomegaly", "share_parent_blank"] == 0.25
    assert np.isnan(table.loc["Atelectasis", "share_parent_blank"])


def test_parents_come_before_their_children_with_their_level(small: Index) -> None:
    table = analysis.hierarchy(small)
    assert dict(zip(table["finding"], table["parent"], strict=True)) == PARENTS
    order = table["finding"].tolist()
    assert order.index("Pneumonia") == order.index("Consolidation") + 1
    assert table.set_index("finding")["level"].to_dict() == dict.fromkeys(PARENTS, 1) | {"Pneumonia": 2}


def test_a_contradiction_and_a_silent_parent_are_different_rules(small: Index) -> None:
    table = analysis.contradictions(small).set_index(["kind", "finding"])
    denied, silent = (table.loc[(kind, "Cardiomegaly")] for kind in ("parent_negative", "parent_blank"))
    assert (denied["count"], denied["of"], denied["verdict"]) == (1, 4, "contradiction")
    assert (silent["count"], silent["of"], silent["verdict"]) == (1, 4, "incomplete")


def test_what_stands_beside_no_finding_is_told_apart(small: Index) -> None:
    assert by_kind(analysis.contradictions(small)) == {
        "normal_with_finding": (1, 4),
        "normal_with_device": (1, 4),
        "normal_with_uncertain": (1, 4),
        "neither": (4, 13),
        "neither_uncertain": (1, 4),
        "all_blank": (2, 13),
        "study_differs": (0, 13),
    }


def test_every_rule_opens_exactly_the_images_it_counts(small: Index) -> None:
    table = analysis.contradictions(small, unit="image")
    told = table[table["labels"] != ""]
    assert len(told) > 15
    for labels, count in zip(told["labels"], told["count"], strict=True):
        assert select(small, Cohort(labels=labels)).counts["images"] == count, labels


def test_studies_whose_images_differ_are_counted(tmp_path: Path) -> None:
    rows = [chexpert_row(1, 1, view, {"Edema": YES} if view == 1 else {}) for view in (1, 2)]
    rows += [chexpert_row(2, 1, view, {"Edema": YES}) for view in (1, 2)]
    index = indexed(write_chexpert(tmp_path / "differ", rows), "chexpert")
    last = analysis.contradictions(index).iloc[-1]
    assert (last["kind"], last["count"], last["of"], last["labels"]) == ("study_differs", 1, 2, "")
    first_only = analysis.contradictions(index, Cohort(one_per_patient="first")).iloc[-1]
    assert (first_only["count"], first_only["of"]) == (0, 2)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("unit", ["image", "study", "patient"])
def test_brute_force_over_the_units_gives_the_same_counts(tmp_path: Path, seed: int, unit: str) -> None:
    rng = np.random.default_rng(seed)
    rows, told = [], []
    for patient in range(1, 41):
        for study in range(1, int(rng.integers(2, 5))):
            drawn = dict(zip(CHEXPERT_FINDINGS, map(State, rng.choice([1, 1, 2, 3, 4], size=14).tolist()), strict=True))
            for view in range(1, int(rng.integers(2, 4))):
                rows.append(chexpert_row(patient, study, view, drawn))
                told.append({"patient": patient, "study": (patient, study), "image": (patient, study, view)} | drawn)
    index = indexed(write_chexpert(tmp_path / "many", rows), "chexpert")
    units = pd.DataFrame(told).groupby(unit)[list(CHEXPERT_FINDINGS)].max()
    table = analysis.hierarchy(index, unit=unit).set_index("finding")
    for child, parent in PARENTS.items():
        states = units.loc[units[child] == YES, parent].value_counts()
        expected = [int(states.get(state, 0)) for state in (YES, MAYBE, NO, State.BLANK)]
        found = ["parent_positive", "parent_uncertain", "parent_negative", "parent_blank"]
        assert table.loc[child, found].tolist() == expected
    findings = [name for name in CHEXPERT_FINDINGS if name not in ("No Finding", "Support Devices")]
    positive, healthy = (units[findings] == YES).any(axis=1), units["No Finding"] == YES
    rules = by_kind(analysis.contradictions(index, unit=unit))
    assert rules["normal_with_finding"] == ((positive & healthy).sum(), healthy.sum())
    assert rules["neither"] == ((~positive & ~healthy).sum(), len(units))
    assert rules["neither_uncertain"][0] == (~positive & ~healthy & (units == MAYBE).any(axis=1)).sum()


def test_a_dataset_without_parents_has_an_empty_hierarchy_and_no_rule_about_devices(tmp_path: Path) -> None:
    index = invent(3, patients=5).index(tmp_path / "plain")
    assert analysis.hierarchy(index).empty
    assert analysis.contradictions(index)["kind"].tolist() == ["all_blank", "study_differs"]


def test_a_parent_that_is_no_finding_is_a_root_and_a_circle_is_left_out() -> None:
    findings = [Finding("a", "a", parent="absent"), Finding("b", "b", parent="a"), Finding("c", "c", parent="d"),
                Finding("d", "d", parent="c")]  # fmt: skip
    assert [(finding.name, level) for finding, level in tree(findings)] == [("a", 1), ("b", 2)]
    assert below("absent", findings) == ["a", "b"] and below("b", findings) == []


def test_information_of_the_worked_pair() -> None:
    found = information(*(np.array([count]) for count in (10, 5, 5, 4)))  # T4.6
    assert found.mutual_information[0] == pytest.approx(0.192745, abs=1e-6)
    assert found.nmi[0] == pytest.approx(0.278072, abs=1e-6)
    assert found.ami[0] == pytest.approx(0.210002, abs=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_information_agrees_with_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(5, 3000))
    a = rng.random(n) < rng.uniform(0.02, 0.9)
    b = np.where(rng.random(n) < 0.5, a, rng.random(n) < 0.2)
    a[:2], b[:2] = (True, False), (False, True)
    found = information(*(np.array([count]) for count in (n, a.sum(), b.sum(), (a & b).sum())))
    assert found.mutual_information[0] == pytest.approx(mutual_info_score(a, b), abs=1e-10)
    assert found.nmi[0] == pytest.approx(normalized_mutual_info_score(a, b), abs=1e-10)
    assert found.ami[0] == pytest.approx(adjusted_mutual_info_score(a, b), abs=1e-8)


def test_a_label_that_is_never_or_always_positive_has_no_information() -> None:
    never, always, known = (information(*(np.array([n]) for n in counts)) for counts in
                            ((10, 0, 5, 0), (10, 10, 5, 5), (10, 5, 5, 5)))  # fmt: skip
    assert np.isnan(never.nmi[0]) and np.isnan(always.ami[0])
    assert known.nmi[0] == pytest.approx(1) and known.ami[0] == pytest.approx(1)


def test_redundancy_names_each_pair_once_under_the_policy(small: Index) -> None:
    table = analysis.redundancy(small, policy="U-Ones")
    assert len(table) == 14 * 13 // 2
    assert (table["policy"] == "U-Ones").all() and (table["unit"] == "study").all()
    row = table[(table["finding_a"] == "No Finding") & (table["finding_b"] == "Support Devices")].iloc[0]
    assert (row["both"], row["a"], row["b"], row["of"]) == (2, 4, 3, 13)
    assert row["phi"] == pytest.approx((2 * 8 - 2 * 1) / np.sqrt(4 * 3 * 9 * 10))


@pytest.mark.real_data
def test_nih_labels_contradict_nothing_and_lookalikes_share_little(real_nih: Index) -> None:
    rules = analysis.contradictions(real_nih)
    assert not rules["count"].any()
    assert by_kind(rules)["normal_with_finding"] == (0, 60361)
    table = analysis.redundancy(real_nih).set_index(["finding_a", "finding_b"])["nmi"]  # D4.11
    assert table["Infiltration", "Consolidation"] == pytest.approx(0.0030, abs=5e-5)
    assert table["Pneumonia", "Consolidation"] == pytest.approx(0.0020, abs=5e-5)
    assert table["Atelectasis", "Infiltration"] == pytest.approx(0.0097, abs=5e-5)


@pytest.fixture(scope="module")
def demo_tables(tmp_path_factory: pytest.TempPathFactory) -> tuple[Index, dict[str, list[dict[str, str]]]]:
    """The demo's tables without its films, and what was planted in them."""
    from cxrdash.demo.planted import plan_demo

    folder = tmp_path_factory.mktemp("demo") / "demo"
    plan = plan_demo()
    folder.mkdir()
    pd.DataFrame(plan.rows).to_csv(folder / "demo_images.csv", index=False)
    return indexed(folder, "demo"), json.loads(json.dumps(plan.planted))


def test_the_demo_s_planted_contradictions_are_found(
    demo_tables: tuple[Index, dict[str, list[dict[str, str]]]],
) -> None:
    index, planted = demo_tables
    table = analysis.contradictions(index, unit="image")

    def images(labels: str) -> set[str]:
        found = select(index, Cohort(labels=labels)).rows("SELECT image_id FROM selected")
        return {image_id for (image_id,) in found}

    for entry in planted["no_finding_with_positive"]:
        (row,) = table[(table["kind"] == "normal_with_one") & (table["other"] == entry["finding"])].to_dict("records")
        assert entry["image_id"] in images(row["labels"])
    for entry in planted["child_without_parent"]:
        rows = table[(table["kind"] == "parent_negative") & (table["finding"] == entry["finding"])]
        assert rows["other"].tolist() == [entry["parent"]]
        assert entry["image_id"] in images(rows["labels"].iloc[0])
