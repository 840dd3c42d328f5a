"""What wrong labels leave of a measurement: counted out on tables of a hundred, and every assignment tried."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from cxrdash import analysis
from cxrdash.analysis.intervals import wilson
from cxrdash.analysis.label_noise import (
    ErrorRate,
    honest_interval,
    measured_auc,
    measured_sensitivity,
    measured_specificity,
    reviewed_errors,
    sensitivity_bounds,
)
from cxrdash.errors import CxrdashError
from cxrdash.index.store import Index
from cxrdash.reviews.store import ReviewStore
from tests.datasets import indexed, nih_row, write_nih
from tests.reviews.invented import event, session


def test_a_hundred_positives_of_which_twenty_are_wrong() -> None:
    # 80 true ones, of which 90% are found (72); 20 wrong ones, of which 10% are called positive (2): 74 of 100.
    assert measured_sensitivity(0.9, 0.9, 0.2) == pytest.approx(0.74)
    # 95 of 100 negatives are clear, 90% of them cleared (85.5); 5 were missed, of which 10% are cleared (0.5).
    assert measured_specificity(0.9, 0.9, 0.05) == pytest.approx(0.86)
    assert measured_sensitivity(1, 1, 0.2) == 0.8
    assert measured_specificity(1, 1, 0.05) == 0.95


def test_the_auc_of_a_perfect_model_against_wrong_labels_is_that_of_sklearn() -> None:
    label = [1] * 10 + [0] * 20
    truth = [1] * 8 + [0] * 2 + [1] * 1 + [0] * 19  # two of ten positives wrong, one of twenty negatives missed
    assert measured_auc(1, 0.2, 0.05) == pytest.approx(roc_auc_score(label, truth)) == 0.875
    assert measured_auc(0.5, 0.2, 0.05) == 0.5


def test_the_rates_of_t5_24_give_its_sensitivity_of_the_label() -> None:
    # The label itself is the model that is measured as perfect: what it finds of the truth is T5.24's .825397.
    ppv, missed = 104 / 130, 3 / 130
    low, high = sensitivity_bounds((1.0, 1.0), (12_000, 88_000), 1 - ppv, missed)
    assert low == high == pytest.approx(0.825397, abs=1e-6)


def test_bounds_counted_by_hand() -> None:
    # 10 positives of which 2 are wrong, 10 negatives of which 1 was missed; 7 of the positives and 2 of the
    # negatives are called positive. Nine true ones: found at least 7 - 2 = 5, at most 7 and the missed one.
    assert sensitivity_bounds((0.7, 0.8), (10, 10), 0.2, 0.1) == pytest.approx((5 / 9, 8 / 9))
    assert sensitivity_bounds((0.7, 0.8), (10, 10), 0.0, 0.0) == pytest.approx((0.7, 0.7))


@given(st.integers(1, 12), st.integers(1, 12), st.data())
def test_bounds_are_the_extremes_over_every_possible_truth(n1: int, n0: int, data: st.DataObject) -> None:
    found, called = data.draw(st.integers(0, n1)), data.draw(st.integers(0, n0))
    wrong, missed = data.draw(st.integers(0, n1)), data.draw(st.integers(0, n0))
    true = n1 - wrong + missed
    if not true:
        return
    possible = [
        (found - wrong_found + missed_found) / true
        for wrong_found in range(max(0, wrong - (n1 - found)), min(wrong, found) + 1)
        for missed_found in range(max(0, missed - (n0 - called)), min(missed, called) + 1)
    ]
    bounds = sensitivity_bounds((found / n1, 1 - called / n0), (n1, n0), wrong / n1, missed / n0)
    assert bounds == pytest.approx((min(possible), max(possible)), abs=1e-9)


def test_with_true_labels_the_honest_interval_is_wilson_s() -> None:
    none = ErrorRate(0, 0, 0)
    low, high = wilson(45, 50)
    assert honest_interval((0.9, 0.8), (50, 100), none, none) == pytest.approx((float(low), float(high)))


@given(st.floats(0.3, 1), st.floats(0.3, 1), st.floats(0, 0.3), st.floats(0, 0.3), st.floats(0, 0.1))
def test_the_honest_interval_holds_what_any_rate_within_its_interval_gives(
    found: float, cleared: float, low: float, wide: float, missed: float
) -> None:
    wrong, none = ErrorRate(low, low, low + wide), ErrorRate(missed, missed, missed)
    least, most = honest_interval((found, cleared), (200, 800), wrong, none)
    for step in range(11):
        inside = sensitivity_bounds((found, cleared), (200, 800), low + wide * step / 10, missed)
        assert least - 1e-9 <= inside[0] <= inside[1] <= most + 1e-9


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    rows = [nih_row(patient, 0, "Effusion" if patient <= 40 else "No Finding") for patient in range(1, 101)]
    return indexed(write_nih(tmp_path_factory.mktemp("noise") / "nih", rows), "nih")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ReviewStore]:
    monkeypatch.setenv("CXRDASH_REVIEWS", str(tmp_path / "reviews"))
    made = ReviewStore(tmp_path / "reviews")
    yield made
    made.close()


def test_without_a_review_both_rates_are_assumed(index: Index, store: ReviewStore) -> None:
    row = analysis.label_noise(index, wrong=0.2, missed=0.05).set_index("finding").loc["Effusion"]
    assert (row["wrong_source"], row["missed_source"]) == ("assumed", "assumed")
    best = row[["perfect_sensitivity", "perfect_specificity", "perfect_auc"]].tolist()
    assert best == pytest.approx([0.8, 0.95, 0.875])
    assert (row["measured_sensitivity"], row["measured_specificity"]) == pytest.approx((0.74, 0.86))
    assert (row["positive_patients"], row["negative_patients"]) == (40, 60)
    assert row["honest_low"] < row["low"] and row["honest_high"] > row["high"]
    hernia = analysis.label_noise(index).set_index("finding").loc["Hernia"]
    assert pd.isna(hernia["low"]) and pd.isna(hernia["honest_low"])


def test_a_review_replaces_the_assumption_of_its_own_side(index: Index, store: ReviewStore) -> None:
    from cxrdash.reviews.sessions import Item

    items = tuple(Item(f"{patient:08d}_000.png", "positive") for patient in range(1, 11))
    made = session(10, items=items, planned=10, of=40)
    store.add_session(made)
    for number, item in enumerate(items, start=1):
        store.append(event(number, image_id=item.image_id, verdict="wrong" if number <= 3 else "correct", of=made))
    table = analysis.label_noise(index).set_index("finding")
    row = table.loc["Effusion"]
    assert (row["wrong"], row["wrong_source"], row["missed_source"]) == (0.3, "review of 10 images, Ann", "assumed")
    assert row["wrong_low"] < 0.3 < row["wrong_high"] and row["perfect_sensitivity"] == 0.7
    assert table.loc["No Finding", "wrong_source"] == "assumed"


def test_the_panel_stands_before_its_readers_and_blank_is_the_negative_side() -> None:
    shared = {"purpose": "rate", "state": "blank", "finding": "Edema", "rate": 0.1, "low": 0.0, "high": 0.2}
    reviews = pd.DataFrame([
        {**shared, "session": "s", "reader": "Ann", "judged": 90},
        {**shared, "session": "s", "reader": "panel", "judged": 50, "rate": 0.2},
        {**shared, "session": "t", "reader": "Bob", "judged": 0},
        {**shared, "session": "u", "reader": "Bob", "judged": 500, "purpose": "suspects"},
    ])  # fmt: skip
    assert reviewed_errors(reviews) == {("Edema", "negative"): ErrorRate(0.2, 0.0, 0.2, "review of 50 images, panel")}


@pytest.mark.parametrize(("options", "fault"), [
    ({"wrong": 1.2}, "wrong must lie between 0 and 1, not at 1.2"),
    ({"sensitivity": 90}, "sensitivity must lie between 0 and 1"),
    ({"wrong": 0.6, "missed": 0.4}, "With 60% of the positives and 40% of the negatives wrong the label says nothing"),
])  # fmt: skip
def test_rates_that_cannot_be_are_refused(index: Index, options: dict, fault: str) -> None:
    with pytest.raises(CxrdashError, match=fault):
        analysis.label_noise(index, **options)
