"""Odds ratios of pairs with patients as clusters: the worked examples, the one-pair formula, and the real NIH."""

from __future__ import annotations

from importlib import import_module
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from cxrdash import analysis
from cxrdash.analysis.comparisons import benjamini_hochberg
from cxrdash.analysis.odds import contrast
from cxrdash.analysis.pair_odds import fisher
from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort
from cxrdash.index.store import Index
from cxrdash.labels.policies import ALL_POLICIES, Policy
from tests.analysis import brute
from tests.analysis.conftest import Pair
from tests.datasets import indexed, nih_row, write_nih

BOTH, EDEMA, MASS, NEITHER = "Edema|Mass", "Edema", "Mass", "Hernia"
# T4.4: units of eight patients with both, the first alone, the second alone, neither.
CELLS = ([2, 0, 1, 0, 3, 0, 0, 1], [0, 1, 0, 1, 1, 0, 2, 0], [1, 0, 0, 2, 0, 1, 0, 0], [0, 3, 1, 1, 2, 4, 1, 2])


def of_counts(folder: Path, cells: tuple[list[int], ...]) -> Index:
    rows = []
    for patient in range(len(cells[0])):
        labels = [
            name
            for name, counts in zip((BOTH, EDEMA, MASS, NEITHER), cells, strict=True)
            for _ in range(counts[patient])
        ]
        rows += [nih_row(patient + 1, number, label) for number, label in enumerate(labels)]
    return indexed(write_nih(folder / "nih", rows), "nih")


def pair(table, a: str = "Mass", b: str = "Edema"):
    return table[table["finding_a"].isin((a, b)) & table["finding_b"].isin((a, b))].iloc[0]


def test_oracle_t4_4_clustered_odds_ratio(tmp_path: Path) -> None:
    row = pair(analysis.pair_odds(of_counts(tmp_path, CELLS)))
    assert row["odds_ratio"] == pytest.approx(4.9)
    assert row["log_error"] == pytest.approx(0.938891, abs=1e-6)
    assert (row["odds_low"], row["odds_high"]) == pytest.approx((0.778056, 30.858970), abs=1e-6)
    assert row["log_error_independent"] == pytest.approx(0.815037, abs=1e-6)


def test_oracle_t4_5_benjamini_hochberg() -> None:
    p = [0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216]
    q = [0.01, 0.04, 0.084, 0.084, 0.084, 0.1, 0.105714, 0.216, 0.216, 0.216]
    assert benjamini_hochberg(p) == pytest.approx(q, abs=1e-6)
    assert benjamini_hochberg([np.nan, 0.01]) == pytest.approx([np.nan, 0.01], nan_ok=True)  # one test, not two
    assert len(benjamini_hochberg([])) == 0


@pytest.mark.parametrize("policy", ALL_POLICIES, ids=str)
@pytest.mark.parametrize("unit", ["image", "study", "patient"])
def test_every_pair_is_the_contrast_of_its_two_labels(invented: Pair, policy: Policy, unit: str) -> None:
    found = analysis.pair_odds(invented.index, policy=policy, unit=unit)  # type: ignore[arg-type]
    units = brute.units_of(invented.dataset, unit).reset_index(drop=True)
    alone = units["patient_id"].isna()
    people = units["patient_id"].where(~alone, "alone " + units.index.astype(str)).astype("category").cat.codes
    names = invented.index.finding_names
    assert list(zip(found["finding_a"], found["finding_b"], strict=True)) == list(combinations(names, 2))
    clusters = people.nunique()
    for row in found[found["odds_ratio"].notna() & ~found["corrected"]].itertuples():
        (a, counts_a), (b, counts_b) = (brute.parts(units[name], policy) for name in (row.finding_a, row.finding_b))
        known = counts_a & counts_b
        expected = contrast(known.astype(float), b.to_numpy(), a.to_numpy(), people.to_numpy())
        assert row.odds_ratio == pytest.approx(expected.odds_ratio)
        assert row.log_error == pytest.approx(expected.log_error, rel=1e-9)
        assert clusters > 1


def test_an_empty_cell_is_corrected_and_never_narrower_than_for_independent_units(tmp_path: Path) -> None:
    row = pair(analysis.pair_odds(of_counts(tmp_path, ([0] * 65, [1] * 40 + [0] * 25, [0] * 40 + [1] * 25, [7] * 65))))
    cells = np.array([0, 40, 25, 455]) + 0.5
    assert row["corrected"] and row["odds_ratio"] == pytest.approx(cells[0] * cells[3] / cells[1] / cells[2])
    assert row["log_error"] == pytest.approx(np.sqrt((1 / cells).sum())) == row["log_error_independent"]
    exact = fisher_exact([[0, 40], [25, 455]])[1]
    assert row["expected"] < 5 and row["p_value"] >= exact and row["verdict"] == ""


def test_a_finding_that_never_occurs_is_not_tested(tmp_path: Path) -> None:
    row = pair(analysis.pair_odds(of_counts(tmp_path, CELLS)), "Edema", "Fibrosis")
    assert np.isnan([row["odds_ratio"], row["odds_low"], row["p_value"], row["q"]]).all() and row["verdict"] == ""


def test_one_patient_has_an_odds_ratio_and_no_interval(tmp_path: Path) -> None:
    row = pair(analysis.pair_odds(of_counts(tmp_path, ([8], [9], [7], [6]))))
    assert row["odds_ratio"] == pytest.approx(8 * 6 / 9 / 7)
    assert np.isnan([row["odds_low"], row["odds_high"], row["q"]]).all()


def test_pairs_among_some_findings_are_all_that_is_tested(invented: Pair) -> None:
    names = invented.index.finding_names
    some = analysis.pair_odds(invented.index, findings=names[:2])
    assert len(some) == 1 and some["q"].iloc[0] == pytest.approx(some["p_value"].iloc[0], nan_ok=True)
    with pytest.raises(CxrdashError, match="There is no finding 'Nothing'"):
        analysis.pair_odds(invented.index, findings=("Nothing",))


@pytest.mark.real_data
def test_nih_d4_3_by_image_and_d4_4_by_patient(real_nih: Index) -> None:
    row = pair(analysis.pair_odds(real_nih), "Effusion", "Atelectasis")
    assert (row["log_error"], row["log_error_independent"]) == pytest.approx((0.031426, 0.023167), abs=1e-6)
    assert (row["odds_low"], row["odds_high"]) == pytest.approx((3.3507, 3.7900), abs=5e-5)
    ever = pair(analysis.pair_odds(real_nih, unit="patient"), "Effusion", "Atelectasis")
    both, a, b, of = (int(ever[name]) for name in ("both", "a", "b", "of"))
    assert sorted((a - both, b - both)) == sorted((1796, 2502))
    assert (both, of - a - b + both) == (2479, 24_028)
    assert ever["odds_ratio"] == pytest.approx(13.26, abs=0.005)
    plain = np.sqrt(sum(1 / n for n in (2479, 1796, 2502, 24_028)) * of / (of - 1))
    assert ever["log_error"] == pytest.approx(plain)


@pytest.mark.real_data
def test_nih_pairs_told_apart_after_many_comparisons(real_nih: Index) -> None:
    table = analysis.pair_odds(real_nih)
    assert len(table) == 105 and table["q"].notna().all() and (table["q"] >= table["p_value"] - 1e-15).all()
    assert pair(table, "Pneumonia", "Edema")["verdict"] == "together"
    assert pair(table, "Atelectasis", "Edema")["verdict"] == ""
    assert analysis.pair_odds(real_nih, Cohort(sexes=("F",)))["of"].unique().tolist() == [48_780]


@given(st.lists(st.tuples(*[st.integers(0, 60)] * 3, st.integers(0, 3000)), min_size=1, max_size=8))
def test_fisher_s_test_of_many_tables_is_scipy_s_of_each(tables: list[tuple[int, int, int, int]]) -> None:
    expected = [fisher_exact(np.array(table).reshape(2, 2))[1] for table in tables]
    assert fisher(np.array(tables).T) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_fisher_s_test_goes_on_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = np.random.default_rng(2).integers(0, 40, (4, 200))
    at_once = fisher(tables)
    monkeypatch.setattr(import_module("cxrdash.analysis.pair_odds"), "TABLES_AT_ONCE", 50)
    assert fisher(tables).tolist() == at_once.tolist()
    assert len(fisher(np.zeros((4, 0)))) == 0
