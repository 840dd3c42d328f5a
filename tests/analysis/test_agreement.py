"""Agreement of readers: by hand, by brute force over the invented rows, and what must be said beside it."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.inter_rater import fleiss_kappa

from cxrdash.analysis.agreement import agreement, note, reader_findings, votes_cohort
from cxrdash.analysis.agreement_measures import two_readers
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import select
from cxrdash.index.store import Index
from cxrdash.labels.policies import ALL_POLICIES, Policy
from cxrdash.labels.states import State
from tests.analysis.conftest import Pair
from tests.datasets import READING_COLUMNS, Invented, invent

YES, NO, UNCERTAIN = State.POSITIVE, State.NEGATIVE, State.UNCERTAIN


def made(folder: Path, rows: list[tuple[int, str, str, State]]) -> Index:
    """An index of few images, of which readers said what ``rows`` (image number, reader, finding, state) say."""
    base = invent(3, patients=20)
    names = base.images["image_id"].tolist()
    said = [(names[image], reader, finding, int(state)) for image, reader, finding, state in rows]
    readings = pd.DataFrame(said, columns=list(READING_COLUMNS))
    return Invented(base.findings, base.images, base.states, readings).index(folder / "invented")


# Votes of three readers out of a pool of four: METHODS T5.22 as Mass; Edema is unanimous, Devices never found.
T5_22 = (0, 0, 0, 1, 1, 2, 3, 3, 0, 3)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Index:
    rows = []
    for image, votes in enumerate(T5_22):
        readers = ["a", "b", "c"] if image % 2 else ["b", "c", "d"]
        for place, reader in enumerate(readers):
            rows.append((image, reader, "Mass", YES if place < votes else NO))
            rows.append((image, reader, "Edema", YES if image < 4 else NO))
            rows.append((image, reader, "Devices", NO))
    rows.append((10, "a", "Mass", YES))  # read by one alone: no agreement to speak of
    return made(tmp_path_factory.mktemp("pool"), rows)


def test_oracle_t5_22_whoever_the_readers_are(pool: Index) -> None:
    row = agreement(pool).set_index("finding").loc["Mass"]
    assert row[["readers", "images", "positive", "by_1", "by_2", "by_3", "by_more"]].tolist() == [3, 10, 6, 2, 1, 3, 0]
    assert row[["kappa", "agreement", "ac1"]].tolist() == pytest.approx([0.592760, 0.8, 0.606987], abs=5e-7)
    assert row["kappa_method"] == "Fleiss"
    assert row[["share_by_1", "share_by_2", "share_by_3"]].tolist() == pytest.approx([2 / 6, 1 / 6, 3 / 6])


def test_what_is_unanimous_or_never_varies_says_so(pool: Index) -> None:
    notes = agreement(pool).set_index("finding")["note"]
    assert notes["Edema"].startswith("unanimous on every image")
    assert notes["Devices"].startswith("no variation")
    assert notes["Mass"] == ""


def test_high_agreement_with_a_low_kappa_is_called_a_paradox() -> None:
    assert "prevalence paradox" in note(two_readers((0, 5, 5, 90)))
    assert note(two_readers((0, 5, 5, 90))).startswith("rare")
    assert note(two_readers((90, 5, 5, 0))).startswith("nearly universal")
    assert note(two_readers((45, 5, 5, 45))) == ""


def test_the_same_two_readers_are_cohen_and_changing_pairs_are_fleiss(tmp_path: Path) -> None:
    pairs = [(YES, YES)] * 10 + [(YES, NO)] * 5 + [(NO, YES)] * 5 + [(NO, NO)] * 10
    same = [(i, reader, "Mass", said) for i, both in enumerate(pairs) for reader, said in zip("ab", both, strict=True)]
    changing = [(i, "c" if (i, reader) == (0, "a") else reader, finding, said) for i, reader, finding, said in same]
    for name, rows, method in (("same", same, "Cohen"), ("changing", changing, "Fleiss")):
        (tmp_path / name).mkdir()
        table = agreement(made(tmp_path / name, rows))
        assert table[["finding", "readers", "kappa_method"]].to_numpy().tolist() == [["Mass", 2, method]]
        assert table["kappa"].iloc[0] == pytest.approx(1 / 3)


def test_a_reading_that_does_not_count_is_no_reader(tmp_path: Path) -> None:
    rows = [(0, "a", "Mass", YES), (0, "b", "Mass", UNCERTAIN), (0, "c", "Mass", NO)]
    index = made(tmp_path, [*rows, *((1, reader, "Mass", NO) for reader in "abc")])
    assert agreement(index)[["readers", "images"]].to_numpy().tolist() == [[3, 2]]
    assert agreement(index, policy="U-Ignore")[["readers", "images"]].to_numpy().tolist() == [[2, 1], [3, 1]]
    assert agreement(index, policy="U-Ones")["by_2"].tolist() == [1]


def statements(pair: Pair, policy: Policy, kept: pd.Series) -> pd.DataFrame:
    """Image, reader, finding and yes, for every statement that counts; a judge's silence is blank."""
    said = pair.dataset.readings
    said = said[said["image_id"].isin(pair.dataset.images.loc[kept, "image_id"])]
    judged = pair.dataset.readings[["reader", "finding"]].drop_duplicates()
    whole = said[["image_id", "reader"]].drop_duplicates().merge(judged, on="reader")
    whole = whole.merge(said, on=["image_id", "reader", "finding"], how="left").fillna({"state": State.BLANK})
    counted = whole[whole["state"].isin(policy.denominator_states)]
    return counted.assign(yes=counted["state"].isin(policy.positive_states))


@pytest.mark.parametrize("policy", ALL_POLICIES, ids=str)
def test_every_policy_counts_what_brute_force_counts(invented: Pair, policy: Policy) -> None:
    kept = invented.dataset.images["view"] != "PA"
    cohort = Cohort(views=("AP", "LATERAL"))
    table = agreement(invented.index, cohort, policy=policy)
    tallies = statements(invented, policy, kept).groupby(["finding", "image_id"])["yes"].agg(["size", "sum"])
    tallies = tallies[tallies["size"] > 1]
    expected = tallies.groupby(["finding", "size"])
    assert set(zip(table["finding"], table["readers"], strict=True)) == set(expected.groups)
    for _, row in table.iterrows():
        votes = expected.get_group((row["finding"], row["readers"]))["sum"]
        assert row[["images", "positive"]].tolist() == [len(votes), (votes > 0).sum()]
        assert row[["by_1", "by_2", "by_3"]].tolist() == [(votes == k).sum() for k in (1, 2, 3)]
        pairs = [v * (v - 1) + (row["readers"] - v) * (row["readers"] - v - 1) for v in votes]
        assert row["agreement"] == pytest.approx(np.mean(pairs) / (row["readers"] * (row["readers"] - 1)))
        if row["kappa_method"] == "Fleiss" and 0 < votes.sum() < row["readers"] * len(votes):
            answers = np.stack([row["readers"] - votes, votes], axis=1)
            assert row["kappa"] == pytest.approx(fleiss_kappa(answers), abs=1e-12)


def test_support_has_no_door_where_a_reading_may_not_count(invented: Pair, pool: Index) -> None:
    assert votes_cohort(invented.index, "Mass", (1, 2), Policy()) is None  # some readers did not assess it
    assert votes_cohort(pool, "Mass", (1, 3), Policy("U-Ignore")) is not None
    assert votes_cohort(pool, "Mass", (1, 3), Policy(blank="excluded")) is None


def test_support_opens_on_its_images_where_every_reading_counts(pool: Index) -> None:
    row = agreement(pool).set_index("finding").loc["Mass"]
    for votes in (1, 2, 3):
        cohort = votes_cohort(pool, "Mass", (votes, 3), Policy())
        assert cohort is not None
        assert select(pool, cohort).counts["images"] == row[f"by_{votes}"]


@pytest.mark.parametrize("policy", ALL_POLICIES, ids=str)
def test_reader_findings_are_what_brute_force_counts(invented: Pair, policy: Policy) -> None:
    table = reader_findings(invented.index, policy=policy)
    told = statements(invented, policy, pd.Series(True, index=invented.dataset.images.index))
    told["others"] = told.groupby(["finding", "image_id"])["yes"].transform("size") - 1
    told["others_yes"] = told.groupby(["finding", "image_id"])["yes"].transform("sum") - told["yes"]
    assert len(table) == 10
    for _, row in table.iterrows():
        own = told[(told["reader"] == row["reader"]) & (told["finding"] == row["finding"])]
        shared = own[own["others"] > 0]
        assert row[["images", "positive", "shared"]].tolist() == [len(own), own["yes"].sum(), len(shared)]
        assert row["rate"] == pytest.approx(own["yes"].mean())
        assert row["shared_rate"] == pytest.approx(shared["yes"].mean(), nan_ok=True)
        assert row["peers_rate"] == pytest.approx((shared["others_yes"] / shared["others"]).mean(), nan_ok=True)
        assert row["low"] <= row["rate"] <= row["high"]


def test_a_reader_s_rates_are_those_of_the_cohort_of_that_reader(invented: Pair) -> None:
    table = reader_findings(invented.index).set_index(["reader", "finding"])
    for reader, finding in itertools.product(("R1", "R2", "R10"), ("Mass", "Edema")):
        cohort = Cohort(readings=(f"{reader}: {finding}",))
        assert select(invented.index, cohort).counts["images"] == table.loc[(reader, finding), "positive"]
