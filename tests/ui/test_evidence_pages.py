"""Effective size, power, label errors and odds ratios on their pages: every view runs and says what it counts."""

from __future__ import annotations

import pytest

from cxrdash.config import Cache
from cxrdash.ui.pairs import MEASURES as PAIR_MEASURES
from cxrdash.ui.patients import OF_FINDINGS
from cxrdash.ui.power import MEASURES, calculated
from tests.ui.test_pages import app, headline

DATASETS = pytest.mark.parametrize("dataset", ["small", "states", "few", "films"])


def said(at) -> str:
    return headline(at).replace("\\", "")


@DATASETS
@pytest.mark.parametrize("view", OF_FINDINGS)
def test_every_view_of_the_findings_runs(small_cache: Cache, monkeypatch, dataset: str, view: str) -> None:
    at = app(small_cache, monkeypatch, "patients", ds=dataset, p_chart=view)
    assert not at.exception and not at.error and said(at)


@pytest.mark.parametrize("unit", ["Studies", "Images", "Patients"])
def test_the_sentence_names_its_unit_and_never_a_size_of_the_dataset(
    small_cache: Cache, monkeypatch, unit: str
) -> None:
    at = app(small_cache, monkeypatch, "patients", ds="states", unit=unit, p_chart="Effective size")
    assert unit.lower() in said(at) or "atient" in said(at)
    assert "size of the dataset" not in said(at)


@DATASETS
@pytest.mark.parametrize("view", ["Interval widths", "Two subgroups", "Label errors"])
def test_every_view_that_assumes_a_performance_runs(small_cache: Cache, monkeypatch, dataset: str, view: str) -> None:
    at = app(small_cache, monkeypatch, "test_set", ds=dataset, t_chart=view)
    assert not at.exception and not at.error and said(at)


@pytest.mark.parametrize("measure", MEASURES)
def test_every_measure_has_its_widths(small_cache: Cache, monkeypatch, measure: str) -> None:
    at = app(small_cache, monkeypatch, "test_set", ds="states", t_chart="Interval widths", t_measure=measure)
    assert not at.exception
    assert any("needed" in caption.value for caption in at.caption)


@pytest.mark.parametrize("by", ["Sex", "View", "Age"])
def test_subgroups_are_compared_by_what_the_link_names(small_cache: Cache, monkeypatch, by: str) -> None:
    at = app(small_cache, monkeypatch, "test_set", ds="small", t_chart="Two subgroups", t_by=by)
    assert not at.exception and at.selectbox(key="t_by").value == {"Age": "age_band"}.get(by, by.lower())
    assert "usually be missed" in said(at)


def test_label_errors_are_marked_as_assumed_without_a_review(small_cache: Cache, monkeypatch) -> None:
    at = app(small_cache, monkeypatch, "test_set", ds="small", t_chart="Label errors", t_wrong="0.2")
    assert "20.0% of the positives wrong (assumed)" in said(at) and "sensitivity of 80.0%" in said(at)
    assert any("all error rates are assumed" in text.value for text in at.markdown)


def test_the_calculator_says_the_worked_example() -> None:
    lines = " ".join(calculated(50, 50, 0.9, 0.8))
    assert "With 50 and 50 positives, from 90.0%, a drop of less than 23 points would usually be missed." in lines
    assert "28.6%" in lines and "199 positives in each group" in lines and "-4.3% to 24.2%" in lines
    assert "0 failures in 50 still allow 5.8%" in lines and "299 for one of 1%" in lines


def test_the_calculator_with_one_case_and_equal_rates_says_what_it_can() -> None:
    lines = " ".join(calculated(1, 1, 0.9, 0.9))
    assert "even a drop to 0 would usually be missed" in lines and "in each group" not in lines


@DATASETS
def test_odds_ratios_run(small_cache: Cache, monkeypatch, dataset: str) -> None:
    at = app(small_cache, monkeypatch, "cooccurrence", ds=dataset, c_view="Odds ratios")
    assert not at.exception and not at.error and said(at)


@pytest.mark.parametrize("which", ["Together", "Apart", "Not told apart"])
def test_odds_ratios_of_every_kind(small_cache: Cache, monkeypatch, which: str) -> None:
    at = app(small_cache, monkeypatch, "cooccurrence", ds="states", c_view="Odds ratios", c_which=which)
    assert not at.exception and "cannot be told from independence" in said(at)


def test_one_finding_against_all_others(small_cache: Cache, monkeypatch) -> None:
    at = app(small_cache, monkeypatch, "cooccurrence", ds="states", c_view="Odds ratios", c_of="Edema")
    assert not at.exception and at.selectbox(key="c_of").value == "Edema"


def test_shared_information_says_what_it_does_not_find(small_cache: Cache, monkeypatch) -> None:
    assert "nmi" in PAIR_MEASURES.values()
    at = app(small_cache, monkeypatch, "cooccurrence", ds="states", c_measure="Shared information")
    assert not at.exception and any("same appearance" in caption.value for caption in at.caption)


@pytest.mark.real_data
def test_nih_headlines(nih_cache: Cache, monkeypatch) -> None:
    at = app(nih_cache, monkeypatch, "patients", ds="nih", p_chart="Effective size")
    assert said(at) == (
        "For estimating how common Pneumothorax is, these 112,120 images carry about as much information as 12,644 "
        "images of different patients"
    )
    at = app(
        nih_cache,
        monkeypatch,
        "cooccurrence",
        ds="nih",
        c_view="Odds ratios",
        c_first="Atelectasis",
        c_second="Effusion",
    )
    assert "Pneumonia and Edema" in said(at)
    assert any("3\\.56 by image, 13\\.26 by patient" in caption.value for caption in at.caption)


def test_a_review_just_made_replaces_the_assumption(small_cache: Cache, monkeypatch, tmp_path) -> None:
    from cxrdash.index.store import open_index
    from cxrdash.reviews.sessions import Item
    from cxrdash.reviews.store import ReviewStore
    from tests.reviews.invented import event, session

    monkeypatch.setenv("CXRDASH_REVIEWS", str(tmp_path / "reviews"))
    before = app(small_cache, monkeypatch, "test_set", ds="small", t_chart="Label errors")
    assert "assumed" in said(before)
    found = open_index("small", small_cache).rows(
        "SELECT image_id FROM images JOIN patterns USING (pattern) WHERE finding = 'Hernia' AND state = 'positive' "
        "ORDER BY image LIMIT 10"
    )
    items = tuple(Item(image, "positive") for (image,) in found)
    made = session(10, items=items, planned=10, of=40, finding="Hernia")
    store = ReviewStore(tmp_path / "reviews")
    store.add_session(made)
    for number, item in enumerate(items, start=1):
        store.append(event(number, image_id=item.image_id, verdict="wrong" if number <= 4 else "correct", of=made))
    store.close()
    after = app(small_cache, monkeypatch, "test_set", ds="small", t_chart="Label errors")
    assert "Hernia: With 40.0% of the positives wrong (review of 10 images, Ann)" in said(after)


def test_many_labels_test_only_the_pairs_of_those_shown(tmp_path, monkeypatch) -> None:
    from cxrdash.index.build import Request, build_index
    from tests.made_padchest import write_padchest

    cache = Cache(tmp_path / "cache")
    build_index(Request(write_padchest(tmp_path / "padchest", 60), name="padchest"), cache)
    at = app(cache, monkeypatch, "cooccurrence", ds="padchest", c_view="Odds ratios")
    assert not at.exception
    assert any("only the pairs among those chosen" in caption.value for caption in at.caption)
    for view in OF_FINDINGS:
        assert not app(cache, monkeypatch, "patients", ds="padchest", p_chart=view).exception
    for view in ("Interval widths", "Two subgroups", "Label errors"):
        assert not app(cache, monkeypatch, "test_set", ds="padchest", t_chart=view).exception


def test_a_command_lists_the_findings_chosen(small_cache: Cache, monkeypatch) -> None:
    at = app(small_cache, monkeypatch, "cooccurrence", ds="small", c_view="Odds ratios")
    commands = [code.value for code in at.code if "stat pair_odds small" in code.value]
    assert len(commands) == 1 and "(" not in commands[0]
