"""Datasets side by side: counted by hand, and by pandas for labels made of several findings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrdash import analysis
from cxrdash.analysis.harmonised import FRONTAL, Harmonised, any_positive, beside, common_unit, frontal
from cxrdash.config import Cache
from cxrdash.errors import CxrdashError
from cxrdash.index.build import Request, build_index
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import select
from cxrdash.index.store import Index, open_index
from cxrdash.labels.policies import ALL_POLICIES, Policy
from cxrdash.labels.states import State
from cxrdash.labels.vocabulary import Mapping, mapped
from tests.analysis.brute import parts, units_of
from tests.analysis.conftest import Pair
from tests.datasets import build, chexpert_row, indexed, nih_row, write_chexpert, write_nih

POSITIVE, UNCERTAIN = State.POSITIVE, State.UNCERTAIN
DATA = Path(__file__).resolve().parents[1] / "data"

# Six frontal films of five patients: Effusion 2, Nodule or Mass 2, Infiltration 1, Pleural_Thickening 1.
NIH = [
    nih_row(1, labels="Effusion|Infiltration"),
    nih_row(2, labels="Nodule|Mass", sex="M"),
    nih_row(3, labels="Nodule", view="AP", age="70"),
    nih_row(4, labels="Pleural_Thickening", age="8"),
    nih_row(5, labels="No Finding", sex="M"),
    nih_row(5, 1, labels="Effusion", view="AP", sex="M"),
]
# Three frontal and two lateral films: on frontal ones Pleural Effusion is positive once and uncertain once.
CHEXPERT = [
    chexpert_row(1, states={"Pleural Effusion": POSITIVE}),
    chexpert_row(1, view=2, states={"Pleural Effusion": POSITIVE}, position="Lateral"),
    chexpert_row(2, states={"Lung Lesion": POSITIVE}, sex="Male"),
    chexpert_row(3, states={"Pleural Effusion": UNCERTAIN}),
    chexpert_row(4, states={"Pleural Effusion": POSITIVE}, position="Lateral"),
]


@pytest.fixture(scope="module")
def nih(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """NIH, with CheXpert indexed in the same cache."""
    root = tmp_path_factory.mktemp("compare")
    cache = Cache(root / "cache")
    build(write_nih(root / "nih", NIH), "nih", cache)
    build(write_chexpert(root / "chexpert", CHEXPERT), "chexpert", cache)
    return open_index("nih", cache)


@pytest.fixture(scope="module")
def chexpert(nih: Index) -> Index:
    return beside(nih, "chexpert")[1]


def row(table: pd.DataFrame, dataset: str, shared: str) -> pd.Series:
    (found,) = table[(table["dataset"] == dataset) & (table["shared"] == shared)].to_dict("records")
    return pd.Series(found)


@pytest.mark.parametrize(
    ("dataset", "shared", "findings", "relation", "positive", "of"),
    [
        ("nih", "Pleural Effusion", "Effusion", "=", 2, 6),
        ("chexpert", "Pleural Effusion", "Pleural Effusion", "=", 1, 3),
        ("nih", "Lung Lesion", "Nodule or Mass", "⊂", 2, 6),
        ("chexpert", "Lung Lesion", "Lung Lesion", "=", 1, 3),
        ("nih", "Pleural Other", "Pleural_Thickening", "⊂", 1, 6),
        ("chexpert", "Pleural Thickening", "Pleural Other", "⊃", 0, 3),
        ("nih", "Infiltration", "Infiltration", "=", 1, 6),
        ("nih", "No Finding", "No Finding", "~", 1, 6),
    ],
)
def test_rates_are_counted_by_hand(
    nih: Index, dataset: str, shared: str, findings: str, relation: str, positive: int, of: int
) -> None:
    found = row(analysis.compare(nih), dataset, shared)
    assert (found["findings"], found["relation"], found["positive"], found["of"]) == (findings, relation, positive, of)
    assert found["rate"] == pytest.approx(positive / of)


def test_a_label_that_a_dataset_lacks_is_missing_and_not_zero(nih: Index) -> None:
    found = row(analysis.compare(nih), "chexpert", "Infiltration")
    assert found["relation"] == "none" and found["findings"] == found["labels"] == ""
    assert pd.isna(found["positive"]) and np.isnan(found["rate"])
    assert "not assessed" in row(analysis.compare(nih), "nih", "Support Devices")["note"]


def test_the_policy_is_the_same_for_all_datasets(nih: Index) -> None:
    table = analysis.compare(nih, policy="U-Ones")
    assert row(table, "chexpert", "Pleural Effusion")["positive"] == 2
    assert row(table, "chexpert", "Pleural Effusion")["labels"] == '"Pleural Effusion" OR "Pleural Effusion":uncertain'
    assert set(table["policy"]) == {"U-Ones"}


def test_intervals_are_those_of_prevalence(nih: Index, chexpert: Index) -> None:
    table = analysis.compare(nih)
    for index, finding, shared in ((nih, "Effusion", "Pleural Effusion"), (chexpert, "Lung Lesion", "Lung Lesion")):
        own = analysis.prevalence(index, Cohort(views=FRONTAL), unit="image").set_index("finding").loc[finding]
        found = row(table, index.dataset, shared)
        assert list(found[["rate", "low", "high", "method"]]) == list(own[["rate", "low", "high", "method"]])


def test_only_frontal_films_count_unless_the_cohort_names_views(nih: Index) -> None:
    laterals = analysis.compare(nih, Cohort(views=("LATERAL",)))
    assert row(laterals, "chexpert", "Pleural Effusion")[["positive", "of", "films"]].tolist() == [
        2,
        2,
        "views of the cohort",
    ]
    assert row(laterals, "nih", "Pleural Effusion")["of"] == 0
    assert set(analysis.compare(nih)["films"]) == {"frontal"}


def test_the_expression_of_a_row_finds_its_positive_films(nih: Index, chexpert: Index) -> None:
    for found in analysis.compare(nih, policy="U-Ones").dropna(subset=["positive"]).itertuples():
        index = nih if found.dataset == "nih" else chexpert
        cohort = frontal(index, Cohort(labels=found.labels))
        assert select(index, cohort).counts["images"] == found.positive


def test_datasets_are_counted_in_a_unit_that_all_of_them_know(nih: Index, chexpert: Index) -> None:
    assert common_unit([chexpert], None) == "study"
    assert common_unit([chexpert, nih], None) == "image"
    with pytest.raises(CxrdashError, match="does not identify a study"):
        analysis.compare(chexpert, others=(nih,), unit="study")


def test_others_are_names_a_text_of_names_or_open_indexes(nih: Index, chexpert: Index) -> None:
    whole = analysis.compare(nih)
    for others in (("chexpert",), "chexpert", "nih, chexpert", (chexpert,), [chexpert, "chexpert"]):
        pd.testing.assert_frame_equal(analysis.compare(nih, others=others), whole)
    assert analysis.compare(chexpert)["dataset"].iloc[0] == "chexpert"


def test_an_unknown_dataset_and_an_unreadable_cohort_are_refused_by_name(nih: Index) -> None:
    with pytest.raises(CxrdashError, match="No dataset named 'nhi'"):
        analysis.compare(nih, others=("nhi",))
    with pytest.raises(CxrdashError, match=r'In dataset chexpert: .*"Hernia" is not a finding'):
        analysis.compare(nih, Cohort(labels="Hernia"))


def test_a_difference_is_as_sure_as_the_two_rates(nih: Index) -> None:
    table = analysis.compare(nih)
    a, b = (row(table, name, "Pleural Effusion") for name in ("nih", "chexpert"))
    (found,) = analysis.compare_differences(nih).query("shared == 'Pleural Effusion'").itertuples()
    assert (found.relation, found.difference) == ("=", pytest.approx(2 / 6 - 1 / 3))
    low = a["rate"] - b["rate"] - ((a["rate"] - a["low"]) ** 2 + (b["high"] - b["rate"]) ** 2) ** 0.5
    high = a["rate"] - b["rate"] + ((a["high"] - a["rate"]) ** 2 + (b["rate"] - b["low"]) ** 2) ** 0.5
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_the_difference_of_independent_wilson_intervals_is_newcombe_s(tmp_path: Path) -> None:
    from statsmodels.stats.proportion import confint_proportions_2indep

    first = indexed(
        write_nih(tmp_path / "a", [nih_row(p, labels="Mass" if p < 9 else "Edema") for p in range(50)]), "nih"
    )
    rows = [nih_row(p, labels="Mass" if p < 5 else "Edema") for p in range(60)]
    cache = Cache(tmp_path / "b-cache")
    build_index(Request(write_nih(tmp_path / "b", rows), name="second", source="nih"), cache)
    table = analysis.compare_differences(first, others=(open_index("second", cache),)).query("shared == 'Mass'")
    low, high = confint_proportions_2indep(9, 50, 5, 60, method="newcomb", compare="diff")
    assert table[["low", "high"]].to_numpy()[0] == pytest.approx([low, high], abs=1e-9)


def test_relations_between_datasets_follow_from_both(nih: Index) -> None:
    found = analysis.compare_differences(nih).set_index("shared")["relation"].to_dict()
    assert found["Lung Lesion"] == "⊂" and found["Pleural Thickening"] == "⊂" and found["No Finding"] == "~"
    assert "Infiltration" not in found


def test_who_is_in_the_datasets_counts_every_level_in_each(nih: Index) -> None:
    table = analysis.compare_attributes(nih).set_index(["dataset", "attribute", "level"])
    assert table.loc[("nih", "sex", "M"), ["images", "of", "patients"]].tolist() == [3, 6, 2]
    assert table.loc[("chexpert", "view", "LATERAL"), ["images", "of"]].tolist() == [2, 5]
    assert table.loc[("nih", "view", "LATERAL"), "images"] == 0
    assert table.loc[("nih", "age", "0-17"), "images"] == 1
    shares = table.groupby(["dataset", "attribute"])["share_of_images"].sum()
    assert shares.to_numpy() == pytest.approx(1)


@pytest.mark.parametrize("unit", ["image", "study", "patient"])
@pytest.mark.parametrize("policy", ALL_POLICIES, ids=str)
def test_a_label_made_of_findings_is_counted_as_pandas_counts_it(invented: Pair, policy: Policy, unit: str) -> None:
    together = Mapping("Both", ("Mass", "Edema"), "=")
    found = Harmonised(select(invented.index), (together, Mapping("One", ("Devices",), "=")))
    _, positive, counted = found.counts(policy, unit)[()]  # type: ignore[arg-type]
    units = units_of(invented.dataset, unit)
    states = [units[["Mass", "Edema"]].max(axis=1), units["Devices"]]
    expected = [tuple(int(part.sum()) for part in parts(state, policy)) for state in states]
    assert list(zip(positive.tolist(), counted.tolist(), strict=True)) == expected


def test_the_expression_of_a_joint_label_names_each_finding_and_state() -> None:
    assert any_positive(["Mass", "Pleural Effusion"], Policy("U-Ones")) == (
        'Mass OR Mass:uncertain OR "Pleural Effusion" OR "Pleural Effusion":uncertain'
    )
    assert any_positive([], Policy()) == ""


SOURCES = [path.name for path in sorted(DATA.iterdir()) if path.is_dir()]


@pytest.fixture(scope="module")
def every_source(tmp_path_factory: pytest.TempPathFactory) -> list[Index]:
    """One small dataset of each source, all in one cache."""
    cache = Cache(tmp_path_factory.mktemp("every"))
    for name in SOURCES:
        build_index(Request(DATA / name, name=name, allow_bad_rows=True), cache)
    return [open_index(name, cache) for name in SOURCES]


def test_every_source_can_be_compared_with_every_other(every_source: list[Index]) -> None:
    first = every_source[0]
    table = analysis.compare(first)
    assert table["dataset"].unique().tolist() == SOURCES
    counted = table.dropna(subset=["positive"])
    assert (counted["positive"] <= counted["of"]).all()
    for index in every_source:
        own = counted[counted["dataset"] == index.dataset]
        expected = [(one.shared, one.relation) for one in mapped(index.meta["source"], index.findings)]
        assert list(zip(own["shared"], own["relation"], strict=True)) == expected


def test_a_dataset_that_knows_no_view_counts_all_its_films(every_source: list[Index]) -> None:
    siim = next(index for index in every_source if index.dataset == "siim")
    found = row(analysis.compare(siim, others="nih"), "siim", "Pneumothorax")
    assert (found["films"], found["of"]) == ("all, views unknown", siim.counts["images"])
