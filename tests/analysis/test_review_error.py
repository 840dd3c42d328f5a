"""Error rates, strata, agreement and corrected prevalence from marks that were counted by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

from cxrdash import analysis
from cxrdash.analysis import review_intervals
from cxrdash.analysis.agreement_measures import two_readers
from cxrdash.analysis.intervals import ClusterSums, clustered
from cxrdash.analysis.review_agreement import note, rated
from cxrdash.analysis.review_error import error_table
from cxrdash.analysis.review_marks import PANEL, Marks, majority
from cxrdash.analysis.review_sample import Question, frozen_sample, states_of
from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort
from cxrdash.index.store import Index
from cxrdash.reviews.events import FINISH, SETTLE, Event
from cxrdash.reviews.sessions import SUSPECTS, Session
from cxrdash.reviews.store import ReviewStore
from tests.datasets import indexed, nih_row, write_nih
from tests.reviews.invented import event, session

PATIENTS = 60


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """60 patients with two images each: the first 40 have Effusion on both, PA and then AP."""
    rows = [
        nih_row(patient, number, "Effusion" if patient <= 40 else "No Finding", view=view, sex="MF"[patient % 2])
        for patient in range(1, PATIENTS + 1)
        for number, view in enumerate(("PA", "AP"))
    ]
    return indexed(write_nih(tmp_path_factory.mktemp("reviewed") / "nih", rows), "nih")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ReviewStore]:
    monkeypatch.setenv("CXRDASH_REVIEWS", str(tmp_path / "reviews"))
    made = ReviewStore(tmp_path / "reviews")
    yield made
    made.close()


def judge(store: ReviewStore, made: Session, reader: str, *verdicts: str, kind: str = "mark") -> None:
    """Give the first images of a sample these verdicts; '-' passes one over."""
    store.add_session(made)
    for number, (item, verdict) in enumerate(zip(made.items, verdicts, strict=False), start=1):
        if verdict != "-":
            acts = {"kind": kind, "image_id": item.image_id, "verdict": verdict, "of": made}
            store.append(event(number, reader=reader, event_id=f"{made.session_id}{reader}{number}{kind}", **acts))


VERDICTS = ("wrong",) * 3 + ("doubtful",) * 2 + ("unsure",) + ("correct",) * 14


def test_a_sample_holds_one_image_a_patient_and_is_the_same_again(index: Index) -> None:
    made = frozen_sample(index, Question("effusion", planned=20))
    assert (made.finding, made.of, made.unit, made.frame_images, len(made.items)) == (
        "Effusion",
        40,
        "patients",
        80,
        40,
    )
    assert len({image.split("_")[0] for image in made.image_ids}) == 40
    assert {item.state for item in made.items} == {"positive"}
    assert frozen_sample(index, Question("Effusion", planned=20)).items == made.items
    assert frozen_sample(index, Question("Effusion", planned=20, seed=2)).items != made.items
    assert frozen_sample(index, Question("Effusion", planned=500)).planned == 40


def test_a_stratified_sample_has_its_shares(index: Index) -> None:
    made = frozen_sample(index, Question("Effusion", planned=20, strata="view"))
    assert made.stratum_sizes == {"AP": 40, "PA": 40} and made.of == 80
    assert sorted(item.stratum for item in made.items) == ["AP"] * 10 + ["PA"] * 10
    assert all(item.image_id.endswith("000.png") == (item.stratum == "PA") for item in made.items)
    ages = frozen_sample(index, Question("Effusion", planned=20, strata="age_band"))
    assert {item.stratum for item in ages.items} == {"40-59"}


def test_a_question_nobody_can_answer_is_refused(index: Index) -> None:
    assert states_of(index, "Effusion") == ("positive", "negative")
    for asked, said in (
        (Question("Effusion", "uncertain"), "No image to review"),
        (Question("Effusion", "maybe"), "not a state"),
        (Question("Effusion", strata="hospital"), "not an attribute"),
        (Question("Effusion", planned=0), "1 to 2,000"),
        (Question("Effusoin"), "not a finding"),
    ):
        with pytest.raises(CxrdashError, match=said):
            frozen_sample(index, asked)


def test_the_rate_counts_doubtful_both_ways_and_drops_nothing(index: Index, store: ReviewStore) -> None:
    judge(store, frozen_sample(index, Question("Effusion", planned=20)), "Ann", *VERDICTS)
    (row,) = analysis.review_error(index).to_dict("records")
    assert (row["judged"], row["wrong"], row["doubtful"], row["unsure"], row["of"]) == (20, 3, 2, 1, 40)
    assert (row["rate"], row["rate_doubtful"], row["rate_unsure"]) == (0.15, 0.25, 0.2)
    assert (row["low"], row["high"]) == review_intervals.sampled_interval(3, 20, 40)[0]
    assert row["method"] == "exact hypergeometric" and row["complete"]
    assert (row["anytime_low"], row["anytime_high"]) == review_intervals.anytime_interval(3, 20, 40)


def test_before_the_plan_is_reached_the_interval_is_the_one_for_stopping(index: Index, store: ReviewStore) -> None:
    made = frozen_sample(index, Question("Effusion", planned=20))
    judge(store, made, "Ann", "wrong", "-", "correct")
    (row,) = analysis.review_error(index, session=made.session_id).to_dict("records")
    assert row["method"] == "anytime-valid" and not row["complete"]
    assert (row["low"], row["high"]) == review_intervals.anytime_interval(1, 2, 40)


def test_worked_example_with_doubtful_and_unsure() -> None:  # T5.10
    from cxrdash.analysis.intervals import wilson

    assert wilson(20, 130) == pytest.approx((0.101854, 0.225709), abs=1e-6)
    assert wilson(37, 130) == pytest.approx((0.214102, 0.367492), abs=1e-6)
    said = dict(enumerate(["correct"] * 88 + ["doubtful"] * 17 + ["wrong"] * 20 + ["unsure"] * 5))
    of = session(130, planned=130, of=10**6)
    marks = Marks(of, tuple(
        event(at + 1, of=of, image_id=f"{at:03d}.png", verdict=verdict) for at, verdict in said.items()
    ))  # fmt: skip
    row = error_table(marks).to_dict("records")[0]
    assert (row["rate"], row["rate_doubtful"], row["rate_unsure"]) == pytest.approx((20 / 130, 37 / 130, 25 / 130))
    assert (row["low"], row["high_doubtful"]) == pytest.approx((0.101854, 0.367492), abs=1e-6)
    assert wilson(42, 130) == pytest.approx((0.248765, 0.407545), abs=1e-6)


def test_a_stratified_rate_is_weighted_by_the_strata(index: Index, store: ReviewStore) -> None:
    made = frozen_sample(index, Question("Effusion", planned=20, strata="view"))
    verdicts = ["wrong" if item.stratum == "AP" and at % 2 else "correct" for at, item in enumerate(made.items)]
    judge(store, made, "Ann", *verdicts)
    (row,) = analysis.review_error(index).to_dict("records")
    assert row["rate"] == pytest.approx(0.5 * verdicts.count("wrong") / 10)
    assert row["method"] == "Wilson with effective n, stratified"


def test_suspects_never_make_a_rate(index: Index, store: ReviewStore) -> None:
    cohort = Cohort(images=("00000001_000.png", "00000050_000.png"))
    made = frozen_sample(index, Question("Effusion", cohort=cohort, planned=2, one_per_patient=False, purpose=SUSPECTS))
    judge(store, made, "Ann", "wrong", "wrong")
    (row,) = analysis.review_error(index).to_dict("records")
    assert row["wrong"] == 2 and all(math.isnan(row[name]) for name in ("rate", "low", "high", "anytime_high"))
    assert analysis.review_strata(index).empty and analysis.corrected_prevalence(index).empty


def test_a_cohort_narrows_the_marks_and_forgets_the_frame(index: Index, store: ReviewStore) -> None:
    judge(store, frozen_sample(index, Question("Effusion", planned=40)), "Ann", *["wrong"] * 10, *["correct"] * 30)
    women = analysis.review_error(index, Cohort(sexes=("F",)))
    men = analysis.review_error(index, Cohort(sexes=("M",)))
    assert women["judged"].sum() + men["judged"].sum() == 40 and women["wrong"].sum() + men["wrong"].sum() == 10
    assert women["of"].tolist() == [-1]


def test_marks_outlive_a_renamed_and_rebuilt_dataset(index: Index, store: ReviewStore, tmp_path: Path) -> None:
    judge(store, frozen_sample(index, Question("Effusion", planned=20)), "Ann", *VERDICTS)
    rows = [nih_row(patient, 0, "Effusion") for patient in range(1, 41)]
    rows += [nih_row(patient, 1, "Effusion", view="AP") for patient in range(1, 41)]
    other = indexed(write_nih(tmp_path / "again", rows), "nih")
    assert analysis.review_error(other)["judged"].tolist() == [20]
    strange = indexed(write_nih(tmp_path / "strange", [nih_row(999, 0, "Effusion")]), "nih")
    assert analysis.review_error(strange).empty


def test_a_stratum_with_more_errors_stands_out(index: Index, store: ReviewStore) -> None:
    made = frozen_sample(index, Question("Effusion", planned=80, one_per_patient=False))
    judge(store, made, "Ann", *["wrong" if image.endswith("001.png") else "correct" for image in made.image_ids])
    found = analysis.review_strata(index).set_index(["attribute", "level"])
    assert found.loc[("view", "AP"), ["wrong", "judged", "rate", "others_rate"]].tolist() == [40, 40, 1.0, 0.0]
    assert found.loc[("view", "AP"), "q"] < 1e-6 and found.loc[("view", "AP"), "difference_low"] > 0.8
    assert found.loc[("follow_up", "later image"), "rate"] == 1 and found.loc[("sex", "F"), "q"] > 0.5
    with pytest.raises(CxrdashError, match="doubtful=perhaps"):
        analysis.review_strata(index, doubtful="perhaps")


def test_a_panel_takes_the_majority_until_it_settles(index: Index, store: ReviewStore) -> None:
    made = frozen_sample(index, Question("Effusion", planned=4))
    for reader, verdicts in (("A", "wrong wrong correct wrong"), ("B", "wrong wrong doubtful correct"),
                             ("C", "wrong correct wrong correct")):  # fmt: skip
        judge(store, made, reader, *verdicts.split())
    table = analysis.review_error(index).set_index("reader")
    assert table.loc["panel", ["wrong", "doubtful", "correct"]].tolist() == [2, 1, 1]
    disputes = analysis.review_disputes(index)
    assert len(disputes) == 3 and disputes["settled"].tolist() == ["", "", ""]
    judge(store, made, "A", "-", "-", "correct", kind=SETTLE)
    assert analysis.review_error(index, reader="panel")["doubtful"].tolist() == [0]
    assert sorted(analysis.review_disputes(index)["settled"]) == ["", "", "correct"]
    assert majority({"wrong": 1, "correct": 1}) == "doubtful"
    with pytest.raises(CxrdashError, match="'Zoe' has not judged"):
        analysis.review_error(index, session=made.session_id, reader="Zoe")


def test_an_identifier_that_any_reader_saw_counts_for_the_panel() -> None:
    one = session()
    marks = Marks(one, (
        event(1, of=one, image_id="000.png"),
        event(2, of=one, image_id="001.png", identifier=True),
        event(1, of=one, reader="Bo", image_id="000.png", identifier=True),
        event(2, of=one, reader="Bo", image_id="001.png", identifier=True),
    ))  # fmt: skip
    assert dict(error_table(marks)[["reader", "identifiers"]].to_numpy()) == {"Ann": 1, "Bo": 2, PANEL: 2}


def test_readers_are_finished_when_they_say_so_or_have_judged_all() -> None:
    of = session(5)
    done = Event("f", of.session_id, "Bo", 1, FINISH)
    marks = Marks(of, (*(event(n, of=of, image_id=image) for n, image in enumerate(of.image_ids, start=1)), done))
    assert marks.finished == {"Ann", "Bo"}


def test_both_sides_of_a_label_correct_its_prevalence(index: Index, store: ReviewStore) -> None:
    judge(store, frozen_sample(index, Question("Effusion", planned=20)), "Ann", *["wrong"] * 4, *["correct"] * 16)
    judge(store, frozen_sample(index, Question("Effusion", "negative", planned=20)), "Ann", "wrong", *["correct"] * 19)
    (row,) = analysis.corrected_prevalence(index).to_dict("records")
    assert (row["labelled_positive"], row["labelled_negative"], row["ppv"], row["missed"]) == (80, 40, 0.8, 0.05)
    assert row["rate"] == pytest.approx((80 * 0.8 + 40 * 0.05) / 120) and row["low"] < row["rate"] < row["high"]


def test_agreement_is_measured_per_pair_and_for_all(index: Index, store: ReviewStore) -> None:
    made = frozen_sample(index, Question("Effusion", planned=20))
    said = {"A": ["wrong"] * 5 + ["correct"] * 15, "B": ["wrong"] * 3 + ["doubtful"] * 2 + ["correct"] * 15,
            "C": ["wrong"] * 5 + ["correct"] * 14 + ["unreadable"]}  # fmt: skip
    for reader, verdicts in said.items():
        judge(store, made, reader, *verdicts)
    table = analysis.review_agreement(index)
    assert table[["first", "second"]].to_numpy().tolist() == [["A", "B"], ["A", "C"], ["B", "C"], ["all readers", ""]]
    assert table["images"].tolist() == [20, 19, 19, 20] and table["not_judged"].tolist() == [0, 1, 1, 1]
    assert table["kappa"].iloc[0] == pytest.approx(cohen_kappa_score(said["A"], said["B"]))
    order = ["correct", "doubtful", "wrong"]
    weighted = cohen_kappa_score(said["A"], said["B"], labels=order, weights="linear")
    assert table["kappa_weighted"].iloc[0] == pytest.approx(weighted)


def pairs(table: list[list[int]]) -> np.ndarray:
    """Ratings of two readers from their cross table."""
    return np.array([(a, b) for a, row in enumerate(table) for b, n in enumerate(row) for _ in range(n)])


@pytest.mark.parametrize(
    ("table", "observed", "kappa", "ac1", "alpha", "specific"),
    [
        ([[80, 5], [5, 10]], 0.90, 0.607843, 0.865772, 0.609804, (0.941176, 0.666667)),  # T5.18
        ([[45, 5], [5, 45]], 0.90, 0.80, 0.80, 0.801, (0.9, 0.9)),  # T5.19
        ([[90, 5], [5, 0]], 0.90, -0.052632, 0.889503, -0.047368, (0.947368, 0)),  # T5.20
        ([[30, 4, 1], [3, 20, 5], [2, 6, 29]], 0.79, 0.683735, 0.685676, 0.685221, None),  # T5.21
    ],
)
def test_worked_examples_of_two_readers(table, observed, kappa, ac1, alpha, specific) -> None:
    made = rated(pairs(table), len(table))
    assert (made.observed, made.kappa, made.ac1, made.alpha) == pytest.approx((observed, kappa, ac1, alpha), abs=1e-6)
    if specific:
        assert made.specific == pytest.approx(specific, abs=1e-6)
        assert made.kappa == pytest.approx(two_readers([table[1][1], table[1][0], table[0][1], table[0][0]]).kappa)
    else:
        assert made.weighted == pytest.approx(0.737991, abs=1e-6)


def test_worked_examples_of_many_readers() -> None:  # T5.22, T5.23
    yes = [0, 0, 0, 1, 1, 2, 3, 3, 0, 3]
    made = rated([[1] * n + [0] * (3 - n) for n in yes], 2)
    found = (made.kappa, made.alpha, made.observed, made.ac1)
    assert found == pytest.approx((0.592760, 0.606335, 0.8, 0.606987), abs=1e-6)
    texts = ("1100 1.01", "1000 11.1", "110. 1100")
    readers = [[-1 if mark == "." else int(mark) for mark in text if mark != " "] for text in texts]
    assert rated(np.array(readers).T, 2).alpha == pytest.approx(0.629630, abs=1e-6)


@given(st.lists(st.tuples(*[st.integers(0, 2)] * 3), min_size=2, max_size=40))
def test_kappas_are_those_of_sklearn_and_statsmodels(ratings: list[tuple[int, int, int]]) -> None:
    given_ = np.array(ratings)
    made = rated(given_, 3)
    if len(np.unique(given_)) > 1:
        counts, _ = aggregate_raters(given_, n_cat=3)
        assert made.kappa == pytest.approx(fleiss_kappa(counts), nan_ok=True)
    two = rated(given_[:, :2], 3)
    if len(np.unique(given_[:, :2])) > 1:
        assert two.kappa == pytest.approx(cohen_kappa_score(given_[:, 0], given_[:, 1]), nan_ok=True)


def test_the_paradox_is_named_and_sameness_is_not_agreement() -> None:
    assert "paradox" in note(rated(pairs([[90, 5], [5, 0]]), 2))
    assert "no variation" in note(rated(pairs([[50, 0], [0, 0]]), 2))
    assert "no image" in note(rated(np.zeros((0, 2)), 2)) and note(rated(pairs([[45, 5], [5, 45]]), 2)) == ""


def test_films_of_one_patient_widen_the_interval_for_other_patients() -> None:
    """Ten patients of four films, all four of one patient wrong or none: the sums of METHODS 1.5 by hand."""
    of = session(40, planned=40, of=10**6)
    marks = Marks(of, tuple(
        event(at + 1, of=of, image_id=f"{at:03d}.png", verdict="wrong" if at < 12 else "correct") for at in range(40)
    ))  # fmt: skip
    patients = {f"{at:03d}.png": str(at // 4) for at in range(40)}
    (row,) = error_table(marks, patients).to_dict("records")
    made = clustered(ClusterSums.of_patients([4] * 10, [4] * 3 + [0] * 7))
    assert (row["clustered_low"], row["clustered_high"]) == (float(made.low), float(made.high))
    assert row["clustered_low"] < row["low"] and row["clustered_high"] > row["high"]
    alone = error_table(marks, {f"{at:03d}.png": str(at) for at in range(40)})
    assert alone["clustered_low"].isna().all() and error_table(marks)["clustered_high"].isna().all()
