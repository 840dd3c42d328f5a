"""Pairs and exact combinations of findings: counted by hand, by pandas, and on the real NIH."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cxrdash import analysis
from cxrdash.analysis.pair_measures import pair_measures
from cxrdash.analysis.pairs import clustered_findings, positive_text
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import select
from cxrdash.index.store import Index
from cxrdash.labels.policies import ALL_POLICIES, Policy
from tests.analysis import brute
from tests.analysis.conftest import Pair
from tests.datasets import indexed, nih_row, write_nih

POLICIES = pytest.mark.parametrize("policy", ALL_POLICIES, ids=str)
UNITS = pytest.mark.parametrize("unit", ["image", "study", "patient"])
COUNTS = ["finding_a", "finding_b", "both", "a", "b", "of"]


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> Index:
    texts = ["Mass|Edema", "Mass|Edema", "Mass", "Edema|Hernia", "No Finding", "No Finding"]
    rows = [nih_row(patient, 0, labels) for patient, labels in enumerate(texts, start=1)]
    return indexed(write_nih(tmp_path_factory.mktemp("six") / "nih", rows), "nih")


def test_pairs_counted_by_hand(six: Index) -> None:
    table = analysis.pair_counts(six).set_index(["finding_a", "finding_b"])
    pair = table.loc[("Mass", "Edema")]
    assert pair[["both", "a", "b", "of"]].tolist() == [2, 3, 3, 6]
    assert (pair["conditional"], pair["expected"], pair["lift"]) == pytest.approx((2 / 3, 1.5, 4 / 3))
    itself = table.loc[("Mass", "Mass")]
    assert itself[["both", "a", "b", "of"]].tolist() == [3, 3, 3, 6]
    nothing = table.loc[("Mass", "Nodule")]
    assert (nothing["both"], nothing["b"]) == (0, 0)
    assert np.isnan([nothing["lift"], nothing["phi"], nothing["odds_ratio"]]).all()


def test_pairs_come_in_card_order_and_both_ways(six: Index) -> None:
    table = analysis.pair_counts(six)
    names = six.finding_names
    assert list(zip(table["finding_a"], table["finding_b"], strict=True)) == [(a, b) for a in names for b in names]
    matrix = table["both"].to_numpy().reshape(15, 15)
    assert (matrix == matrix.T).all()


@POLICIES
@UNITS
def test_pairs_are_those_of_pandas(invented: Pair, policy: Policy, unit: str) -> None:
    found = analysis.pair_counts(invented.index, policy=policy, unit=unit)  # type: ignore[arg-type]
    units = brute.units_of(invented.dataset, unit)
    assert list(found[COUNTS].itertuples(index=False, name=None)) == brute.pair_table(
        units, invented.dataset.findings, policy
    )


def test_measures_are_those_of_the_counts(invented: Pair) -> None:
    table = analysis.pair_counts(invented.index, policy="U-Ignore, blank excluded", unit="image")
    measures = pair_measures(table["of"], table["a"], table["b"], table["both"])
    for name in ("lift", "phi", "jaccard", "odds_ratio", "residual"):
        np.testing.assert_array_equal(table[name], getattr(measures, name))


def test_clustered_order_holds_every_finding_once(invented: Pair) -> None:
    order = clustered_findings(analysis.pair_counts(invented.index))
    assert sorted(order) == sorted(invented.dataset.findings)


def test_combinations_counted_by_hand(six: Index) -> None:
    table = analysis.label_combinations(six)
    counts = dict(zip(table["combination"], table["count"], strict=True))
    assert counts == {"Mass + Edema": 2, "No Finding": 2, "Mass": 1, "Edema + Hernia": 1}
    assert table["count"].is_monotonic_decreasing
    assert table["of"].tolist() == [6] * 4
    assert table["share"].sum() == pytest.approx(1)


@POLICIES
@UNITS
def test_combinations_are_those_of_pandas(invented: Pair, policy: Policy, unit: str) -> None:
    found = analysis.label_combinations(invented.index, policy=policy, unit=unit)  # type: ignore[arg-type]
    units = brute.units_of(invented.dataset, unit)
    counted = dict(zip(map(tuple, found["findings"]), found["count"], strict=True))
    assert counted == brute.combinations(units, invented.dataset.findings, policy)
    assert found["count"].sum() == len(units) == found["of"].iloc[0]


@pytest.mark.parametrize("top", [1, 3, 1000])
def test_the_rest_is_summed_in_one_row(invented: Pair, top: int) -> None:
    every = analysis.label_combinations(invented.index, unit="image")
    found = analysis.label_combinations(invented.index, unit="image", top=top)
    assert found["count"].sum() == every["count"].sum()
    assert found["combination"].tolist()[:top] == every["combination"].tolist()[:top]
    rest = found[found["combination"] == "all other combinations"]
    assert len(rest) == (len(every) > top)


@POLICIES
def test_a_combination_s_expression_selects_exactly_its_images(invented: Pair, policy: Policy) -> None:
    for row in analysis.label_combinations(invented.index, policy=policy, unit="image").itertuples():
        assert select(invented.index, Cohort(labels=row.labels)).counts["images"] == row.count


@pytest.mark.parametrize("policy", ["as_is", "U-Ones", "U-Zeros"])
def test_the_expression_of_a_pair_selects_exactly_its_images(invented: Pair, policy: str) -> None:
    for row in analysis.pair_counts(invented.index, policy=policy, unit="image").itertuples():
        labels = positive_text([row.finding_a, row.finding_b], Policy.parse(policy))
        assert select(invented.index, Cohort(labels=labels)).counts["images"] == row.both


@pytest.mark.real_data
def test_nih_co_occurrence(real_nih: Index, golden: dict[str, Any]) -> None:
    table = analysis.pair_counts(real_nih).set_index(["finding_a", "finding_b"])
    pairs = {key.split(".")[-1]: both for key, both in golden.items() if key.startswith("nih.cooccurrence.")}
    assert len(pairs) == 91
    for names, both in pairs.items():
        one, other = names.split("|")
        assert table.loc[(one, other), "both"] == table.loc[(other, one), "both"] == both
    for one, other, both, lift in golden["nih.cooccurrence_lift_top"]:
        assert table.loc[(one, other), "both"] == both
        assert table.loc[(one, other), "lift"] == pytest.approx(lift, rel=1e-6)
    assert (table.loc["No Finding", "both"].drop("No Finding") == 0).all()


@pytest.mark.real_data
def test_nih_pairs_d4_1_and_d4_2(real_nih: Index) -> None:
    table = analysis.pair_counts(real_nih).set_index(["finding_a", "finding_b"])
    effusion = table.loc[("Effusion", "Atelectasis")]
    assert effusion[["of", "a", "b", "both"]].tolist() == [112_120, 13_317, 11_559, 3_275]
    assert effusion["conditional"] == pytest.approx(0.2459, abs=5e-5)
    assert effusion["expected"] == pytest.approx(1372.9, abs=0.05)
    assert effusion[["jaccard", "phi"]].tolist() == pytest.approx([0.1516, 0.1724], abs=5e-5)
    assert effusion[["lift", "odds_ratio"]].tolist() == pytest.approx([2.385, 3.564], abs=5e-4)
    pneumothorax = table.loc[("Pneumothorax", "Emphysema")]
    assert pneumothorax[["a", "b", "both"]].tolist() == [5_302, 2_516, 747]
    assert pneumothorax[["conditional", "jaccard", "phi"]].tolist() == pytest.approx([0.1409, 0.1056, 0.1782], abs=5e-5)
    assert pneumothorax[["lift", "odds_ratio"]].tolist() == pytest.approx([6.278, 9.739], abs=5e-4)


@pytest.mark.real_data
def test_nih_combinations_d4_10(real_nih: Index, golden: dict[str, Any]) -> None:
    table = analysis.label_combinations(real_nih)
    assert table["combination"].tolist()[:3] == ["No Finding", "Infiltration", "Atelectasis"]
    assert table["count"].tolist()[:3] == [60_361, 9_547, 4_215]
    assert table["count"].sum() == 112_120
    alone = {key.split(".")[-1]: count for key, count in golden.items() if key.startswith("nih.alone.")}
    single = table[table["findings"].map(len) == 1]
    assert dict(zip(single["combination"], single["count"], strict=True)) == alone
    sizes = table["count"].groupby(table["findings"].map(lambda found: len(set(found) - {"No Finding"}))).sum()
    expected = {int(key.split(".")[-1]): n for key, n in golden.items() if key.startswith("nih.labels_per_image.")}
    assert sizes.to_dict() == expected


@pytest.mark.real_data
def test_nih_infiltration_with_consolidation_or_pneumonia(real_nih: Index, golden: dict[str, Any]) -> None:
    cohort = Cohort(labels="Infiltration AND (Consolidation OR Pneumonia)")
    assert select(real_nih, cohort).counts["images"] == golden["nih.infiltration_with_consolidation_or_pneumonia"]
    assert select(real_nih, Cohort(labels="Effusion AND Infiltration")).counts["images"] == 4_000


def test_the_first_combinations_of_a_tie_do_not_depend_on_the_order_of_rows(tmp_path: Path) -> None:
    texts = ["Mass", "Edema", "Hernia", "Nodule"]
    tables = []
    for number, order in enumerate((texts, texts[::-1])):
        rows = [nih_row(texts.index(labels), 0, labels) for labels in order]
        tables.append(
            analysis.label_combinations(indexed(write_nih(tmp_path / f"{number}" / "nih", rows), "nih"), top=2)
        )
    assert tables[0]["combination"].tolist() == tables[1]["combination"].tolist()
