"""Direct standardisation: the oracle of METHODS 9.2, by hand, and what must always hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrdash import analysis
from cxrdash.analysis.harmonised import FRONTAL
from cxrdash.analysis.standardised import Standard, direct
from cxrdash.config import Cache
from cxrdash.errors import CxrdashError
from cxrdash.index.build import Request, build_index
from cxrdash.index.cohort import Cohort
from cxrdash.index.store import Index, open_index
from tests.datasets import EXAMPLE_A, chexpert_row, nih_row, write_chexpert, write_nih

WEIGHTS = (0.40, 0.35, 0.25)
SET_A = ((20, 1000), (60, 1000), (180, 1000))
SET_B = ((10, 300), (80, 900), (400, 2800))
cells = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 60)), min_size=1, max_size=6)


def nih_of(folder: Path, name: str, rows: list[str], cache: Cache) -> Index:
    build_index(Request(write_nih(folder / name, rows), name=name, source="nih"), cache)
    return open_index(name, cache)


@pytest.mark.parametrize(("found", "rate", "error"), [(SET_A, 0.074, 0.004390), (SET_B, 0.080159, 0.005563)])
def test_t9_1(found: tuple[tuple[int, int], ...], rate: float, error: float) -> None:
    positive, of = np.array(found, dtype=float).T
    result = direct(WEIGHTS, positive, of)
    assert result.rate == pytest.approx(rate, abs=1e-6)
    assert np.sqrt(result.variance) == pytest.approx(error, abs=1e-6)
    assert result.uncovered == 0


def test_t9_1_most_of_the_gap_was_case_mix() -> None:
    (a, of_a), (b, of_b) = (np.array(found, dtype=float).T for found in (SET_A, SET_B))
    assert (a.sum() / of_a.sum()) / (b.sum() / of_b.sum()) == pytest.approx(0.7075, abs=5e-5)
    assert direct(WEIGHTS, a, of_a).rate / direct(WEIGHTS, b, of_b).rate == pytest.approx(0.9232, abs=5e-5)


@given(cells)
def test_standardising_to_the_own_mix_gives_the_crude_rate(found: list[tuple[int, int]]) -> None:
    of = np.array([n for _, n in found], dtype=float)
    positive = np.minimum([x for x, _ in found], of)
    assert direct(of / of.sum(), positive, of).rate == pytest.approx(positive.sum() / of.sum())


@given(cells, st.data())
def test_a_cell_without_units_is_reported_and_never_renormalised(
    found: list[tuple[int, int]], data: st.DataObject
) -> None:
    of = np.array([n for _, n in found], dtype=float)
    positive, weights = np.minimum([x for x, _ in found], of), np.full(len(of), 1 / len(of))
    gap = data.draw(st.integers(0, len(of) - 1))
    of[gap] = positive[gap] = 0
    result = direct(weights, positive, of)
    assert np.isnan(result.rate) and np.isnan(result.variance)
    assert result.uncovered == pytest.approx(1 / len(of))
    weights[gap] = 0
    assert len(of) == 1 or not np.isnan(direct(weights / weights.sum(), positive, of).rate)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Index, Index]:
    """Women of 50 and of 70. First: 8 and 2, with Mass in 2 and 1; second: 2 and 8, with Mass in 1 and 2.

    The first also has two men of 10, who are in no cell of the second.
    """
    root = tmp_path_factory.mktemp("standardised")
    cache = Cache(root / "cache")

    def rows(at: int, age: int, images: int, positive: int, sex: str = "F") -> list[str]:
        return [
            nih_row(at + n, labels="Mass" if n < positive else "No Finding", age=str(age), sex=sex)
            for n in range(images)
        ]

    first = [*rows(100, 50, 8, 2), *rows(200, 70, 2, 1), *rows(300, 10, 2, 2, "M")]
    second = [*rows(100, 50, 2, 1), *rows(200, 70, 8, 2)]
    return nih_of(root, "first", first, cache), nih_of(root, "second", second, cache)


def mass(index: Index, **options: object) -> pd.DataFrame:
    table = analysis.standardised_prevalence(index, **options)  # type: ignore[arg-type]
    return table[table["shared"] == "Mass"].set_index("dataset")


def test_by_hand_over_the_cells_both_fill(pair: tuple[Index, Index]) -> None:
    table = mass(pair[0], others="second")
    # 20 women, 10 of 50 and 10 of 70: each cell weighs a half
    assert table.loc["first", ["positive", "of", "crude", "rate"]].tolist() == [3, 10, 0.3, (2 / 8 + 1 / 2) / 2]
    assert table.loc["second", ["positive", "of", "crude", "rate"]].tolist() == [3, 10, 0.3, (1 / 2 + 2 / 8) / 2]
    assert table["cells"].tolist() == [2, 2] and table["fewest"].tolist() == [2, 2]
    assert table["share_outside"].tolist() == [2 / 12, 0]
    assert table["share_uncovered"].tolist() == [0, 0]


def test_the_variance_of_single_films_is_the_textbook_one(pair: tuple[Index, Index]) -> None:
    found = mass(pair[0], others="second").loc["first"]
    error = np.sqrt(0.25 * (0.25 * 0.75 / 8) + 0.25 * (0.5 * 0.5 / 2))
    assert found["standard_error"] == pytest.approx(error)
    assert (found["low"], found["high"]) == (0, pytest.approx(found["rate"] + 1.959964 * error, abs=1e-6))


def test_a_pooled_standard_leaves_out_who_lacks_a_cell(pair: tuple[Index, Index]) -> None:
    table = mass(pair[0], others="second", standard="pooled")
    assert np.isnan(table.loc["second", "rate"]) and table.loc["second", "method"] == "undefined"
    assert table.loc["second", "share_uncovered"] == pytest.approx(2 / 22)
    assert table.loc["first", "rate"] == pytest.approx((10 * 2 / 8 + 10 * 1 / 2 + 2 * 1) / 22)


def test_a_dataset_brought_to_its_own_mix_keeps_its_crude_rate(pair: tuple[Index, Index]) -> None:
    found = mass(pair[0], others="second", standard="first").loc["first"]
    assert found["rate"] == pytest.approx(found["crude"]) == pytest.approx(5 / 12)
    own = analysis.standardised_prevalence(pair[0], others="second", standard="first, by view").query(
        "dataset == 'first'"
    )
    assert own["rate"].to_numpy() == pytest.approx(own["crude"].to_numpy())


def test_the_cells_say_who_is_missing(pair: tuple[Index, Index]) -> None:
    found = analysis.standard_cells(pair[0], others="second", standard="pooled")
    assert len(found) == 2 * 5 * 2 and set(found["view"]) == {""}
    gaps = found[(found["units"] == 0) & (found["share_of_standard"] > 0)]
    assert gaps[["dataset", "age_band", "sex"]].to_numpy().tolist() == [["second", "0-17", "M"]]
    assert found.groupby("dataset")["share_of_standard"].sum().tolist() == pytest.approx([1, 1])
    by_view = analysis.standard_cells(pair[0], others="second", standard="common, by view")
    assert by_view[by_view["share_of_standard"] > 0]["view"].unique().tolist() == ["PA"]


def test_in_one_cell_the_error_is_the_clustered_one(tmp_path: Path) -> None:
    """Example A of METHODS has one sex and one age, so that standardising changes nothing."""
    cache = Cache(tmp_path / "cache")
    rows = [
        nih_row(patient, n, "Effusion" if n < positive else "Edema")
        for patient, (images, positive) in enumerate(EXAMPLE_A, start=1)
        for n in range(images)
    ]
    index = nih_of(tmp_path, "example", rows, cache)
    found = analysis.standardised_prevalence(index).query("shared == 'Pleural Effusion'").iloc[0]
    crude = analysis.prevalence(index, Cohort(views=FRONTAL)).set_index("finding").loc["Effusion"]
    error = np.sqrt(crude["design_effect"] * crude["rate"] * (1 - crude["rate"]) / crude["of"])
    assert (found["rate"], found["standard_error"]) == (pytest.approx(11 / 25), pytest.approx(error))


def test_a_patient_in_two_cells_is_one_patient(tmp_path: Path) -> None:
    """Twenty people filmed at 59 and at 60, with the same finding each time: two films say no more than one."""
    cache = Cache(tmp_path / "cache")
    rows = [nih_row(p, n, "Mass" if p < 8 else "Edema", age=str(59 + n), sex="F") for p in range(20) for n in range(2)]
    found = mass(nih_of(tmp_path, "twice", rows, cache)).iloc[0]
    assert found["cells"] == 2 and found["rate"] == pytest.approx(0.4)
    assert found["standard_error"] == pytest.approx(np.sqrt(0.4 * 0.6 / 20 * 20 / 19))


def test_a_rate_of_none_keeps_an_upper_bound(pair: tuple[Index, Index]) -> None:
    table = analysis.standardised_prevalence(pair[0], others="second")
    found = table[(table["shared"] == "Hernia") & (table["dataset"] == "first")].iloc[0]
    assert found["rate"] == found["low"] == 0 and found["high"] == pytest.approx(0.2775, abs=1e-4)  # Wilson 0 of 10
    assert found["method"] == "Wilson, effective n = patients"


def test_a_dataset_without_ages_does_not_empty_the_standard(pair: tuple[Index, Index], tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    rows = [chexpert_row(p, age="0", sex="Unknown") for p in range(3)]
    request = Request(write_chexpert(tmp_path / "chexpert", rows), name="ageless", allow_bad_rows=True)
    build_index(request, cache)
    table = mass(pair[0], others=(pair[1], open_index("ageless", cache)))
    assert table.loc["first", "rate"] == pytest.approx(0.375)
    whole = analysis.standardised_prevalence(pair[0], others=(open_index("ageless", cache),))
    ageless = whole[whole["dataset"] == "ageless"]
    assert ageless["rate"].isna().all() and ageless["share_uncovered"].to_numpy() == pytest.approx(1)


def test_an_unknown_standard_is_refused_with_the_known_ones(pair: tuple[Index, Index]) -> None:
    for text in ("europe", "common, by hospital", ""):
        with pytest.raises(CxrdashError, match="is no standard") as refused:
            analysis.standardised_prevalence(pair[0], others="second", standard=text)
        assert "common, pooled, first or second" in refused.value.hint


@pytest.mark.parametrize("text", ["common", "pooled", "nih, by view"])
def test_a_standard_is_written_as_it_is_read(text: str) -> None:
    assert str(Standard.parse(text, ["nih"])) == text
