"""Power of two subgroups and widths of every measure: METHODS T3.10 to T3.13, statsmodels, and counts by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from cxrdash import analysis
from cxrdash.analysis.odds import newcombe
from cxrdash.analysis.power import detectable_drop, expected_cases, needed_per_group, power_of
from cxrdash.errors import CxrdashError
from cxrdash.index.store import Index
from tests.analysis.conftest import Pair
from tests.datasets import indexed, nih_row, write_nih


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """100 patients with Mass (50 women, 50 men), one image each, and 900 without."""
    rows = [
        nih_row(patient, 0, "Mass" if patient < 100 else "No Finding", sex="FM"[patient % 2]) for patient in range(1000)
    ]
    return indexed(write_nih(tmp_path_factory.mktemp("power") / "nih", rows), "nih")


@pytest.mark.parametrize(("p1", "p2", "n"), [(0.9, 0.8, 199), (0.9, 0.85, 686), (0.8, 0.7, 294), (0.9, 0.7, 62)])
def test_oracle_t3_10_needed_per_group(p1: float, p2: float, n: int) -> None:
    assert needed_per_group(p1, p2) == n


def test_oracle_t3_11_power() -> None:
    found = power_of(0.9, 0.8, [50, 100, 199], [50, 100, 199])
    assert found == pytest.approx([0.285951, 0.508191, 0.800073], abs=1e-6)


def test_oracle_t3_12_smallest_detectable_drop() -> None:
    found = detectable_drop(0.9, [50, 50, 100], [50, 200, 100])
    assert found == pytest.approx([0.226887, 0.177238, 0.149590], abs=1e-6)


def test_oracle_t3_13_newcombe() -> None:
    assert newcombe(45, 50, 40, 50) == pytest.approx((-0.043432, 0.242097), abs=1e-6)


@given(st.floats(0.3, 0.97), st.integers(20, 500), st.integers(20, 500))
def test_the_smallest_drop_has_exactly_the_power_asked_for(p: float, n1: int, n2: int) -> None:
    drop = float(detectable_drop(p, n1, n2))
    if not np.isnan(drop):
        assert power_of(p, p - drop, n1, n2) == pytest.approx(0.8, abs=1e-6)


def test_too_few_cases_find_no_drop_at_all_and_no_cases_are_undefined() -> None:
    assert np.isnan(detectable_drop(0.9, [1, 0, 50], [1, 50, 0])).all()
    assert np.isnan(power_of(0.9, 0.8, [0, 50], [50, 0])).all()


def test_equal_rates_are_refused() -> None:
    with pytest.raises(ValueError, match="two equal rates"):
        needed_per_group(0.9, 0.9)


def test_subgroups_are_the_data_s_own(people: Index) -> None:
    table = analysis.subgroup_power(people).set_index("finding")
    mass = table.loc["Mass"]
    assert (mass["level_a"], mass["level_b"], mass["patients_a"], mass["patients_b"]) == ("F", "M", 50, 50)
    assert (mass["power"], mass["detectable_drop"]) == pytest.approx((0.285951, 0.226887), abs=1e-6)
    assert (mass["difference_low"], mass["difference_high"]) == pytest.approx((-0.043432, 0.242097), abs=1e-6)
    assert mass["needed"] == 199
    assert np.isnan(table.loc["Hernia", ["power", "detectable_drop", "difference_low"]].astype(float)).all()


@pytest.mark.parametrize("by", ["sex", "view", "age_band"])
def test_subgroups_count_as_the_subgroup_grid_does(invented: Pair, by: str) -> None:
    table = analysis.subgroup_power(invented.index, by=by)
    other = [name for name in ("sex", "view", "age_band") if name != by]
    grid = analysis.test_subgroups(invented.index)
    assert len(table) and not (set(other) & set(table.columns))
    for row in table.itertuples():
        cells = grid[(grid["finding"] == row.finding) & (grid["split"] == row.split) & (grid[by] == row.level_a)]
        # a patient stands in several cells of the grid, but only once in a subgroup
        assert cells["positive_patients"].max() <= row.patients_a <= cells["positive_patients"].sum()


@pytest.mark.parametrize(("options", "fault"), [
    ({"by": "split"}, "'split' is no subgroup to compare"),
    ({"drop": 0.95}, "A drop of 0.95 from a sensitivity of 0.9 is not possible"),
    ({"drop": 0}, "A drop of 0 from"),
    ({"sensitivity": 90}, "sensitivity must lie between 0 and 1, not at 90"),
])  # fmt: skip
def test_impossible_comparisons_are_refused(people: Index, options: dict, fault: str) -> None:
    with pytest.raises(CxrdashError, match=fault):
        analysis.subgroup_power(people, **options)


def test_every_measure_rests_on_its_own_cases(people: Index) -> None:
    table = analysis.test_widths(people, sensitivity=0.9, specificity=0.8, auc=0.85)
    mass = table[table["finding"] == "Mass"].set_index("measure")
    cases = {"sensitivity": 100, "specificity": 900, "ppv": 270, "npv": 730, "auc": 100}
    assert mass["cases"].to_dict() == pytest.approx(cases)
    assert (mass.loc["ppv", "assumed"], mass.loc["npv", "assumed"]) == pytest.approx((90 / 270, 720 / 730))
    low, high = proportion_confint(90, 270, method="wilson")
    assert (mass.loc["ppv", "low"], mass.loc["ppv", "high"]) == pytest.approx((low, high))
    assert mass.loc["sensitivity", "half_width"] == pytest.approx(0.0596, abs=5e-5)  # T3.1
    assert mass.loc["sensitivity", "needed"] == 141  # T3.2
    assert mass.loc["sensitivity", "collect"] == 1410
    assert mass.loc["sensitivity", "none_failed"] == pytest.approx(0.029513, abs=1e-6)  # T3.4
    assert mass.loc["auc", "needed"] == 93  # T3.9, nine negatives per positive
    hernia = table[table["finding"] == "Hernia"].set_index("measure")
    assert np.isnan(hernia.loc["sensitivity", ["low", "half_width", "none_failed", "collect"]].astype(float)).all()


@given(st.integers(0, 500), st.integers(0, 500), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_the_calls_of_a_test_are_all_its_patients(n1: int, n0: int, sensitivity: float, specificity: float) -> None:
    assumed = {"sensitivity": sensitivity, "specificity": specificity}
    called = [float(expected_cases(name, np.array(n1), np.array(n0), assumed)[0]) for name in ("ppv", "npv")]
    assert sum(called) == pytest.approx(n1 + n0)


def test_a_specificity_outside_0_to_1_is_refused(people: Index) -> None:
    with pytest.raises(CxrdashError, match="specificity must lie between 0 and 1, not at 1"):
        analysis.test_widths(people, specificity=1)


def test_the_rows_of_a_small_dataset_are_in_the_order_of_the_card(tmp_path: Path) -> None:
    index = indexed(write_nih(tmp_path / "nih", [nih_row(1, 0, "Mass"), nih_row(2)]), "nih")
    table = analysis.test_widths(index)
    assert table["finding"].tolist() == list(index.finding_names) * 5
