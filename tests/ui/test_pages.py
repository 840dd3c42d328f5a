"""Every page on every kind of dataset: it runs, answers its question, and survives an absurd filter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from cxrdash import analysis
from cxrdash.config import Cache
from cxrdash.index.store import open_index
from cxrdash.ui.shell import PAGES

ROOT = Path(__file__).resolve().parents[2]
DATASETS = ("small", "few", "films", "states")
ABSURD = {"age": ["99", "100"], "labels": ["Hernia AND Mass"]}


def app(cache: Cache, monkeypatch: pytest.MonkeyPatch, page: str, **parameters: Any) -> AppTest:
    """Return the app after it was opened with these link parameters and led to a page."""
    monkeypatch.setenv("CXRDASH_CACHE", str(cache.root))
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    for name, value in parameters.items():
        at.query_params[name] = value
    at.run()
    return at.switch_page(f"pages/{page}_page.py").run() if page != "overview" else at


def headline(at: AppTest) -> str:
    return next(block.value for block in at.main.markdown if block.value.startswith("## ")).removeprefix("## ")


def shown(at: AppTest) -> str:
    return " ".join(str(block.value) for block in (*at.main.markdown, *at.main.caption, *at.main.info, *at.main.error))


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("page", PAGES)
def test_every_page_answers_its_question_on_every_dataset(
    small_cache: Cache, monkeypatch: pytest.MonkeyPatch, page: str, dataset: str
) -> None:
    at = app(small_cache, monkeypatch, page, ds=dataset)
    assert not at.exception
    assert not at.error
    assert headline(at)
    assert any(PAGES[page].question in caption.value.replace("\\", "") for caption in at.main.caption)


@pytest.mark.parametrize("page", PAGES)
def test_an_empty_cohort_looks_intended(small_cache: Cache, monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    at = app(small_cache, monkeypatch, page, ds="small", **ABSURD)
    assert not at.exception
    assert "No image" in shown(at)


@pytest.mark.parametrize("page", PAGES)
def test_presentation_mode_runs(small_cache: Cache, monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    assert not app(small_cache, monkeypatch, page, ds="films", present="true").exception


@pytest.mark.parametrize("policy", ["U-Ones", "U-Zeros", "U-Ignore"])
@pytest.mark.parametrize("page", ["prevalence", "test_set", "cooccurrence"])
def test_policies_and_units_are_named_in_the_provenance(
    small_cache: Cache, monkeypatch: pytest.MonkeyPatch, page: str, policy: str
) -> None:
    at = app(small_cache, monkeypatch, page, ds="states", policy=policy, unit="Patients")
    assert not at.exception
    provenance = " ".join(caption.value for caption in at.main.caption).replace("\\", "")
    assert policy in provenance
    assert "unit: patient" in provenance


@pytest.mark.parametrize("view", ["States", "Rates", "Policies", "By part", "By view", "By sex", "By age"])
def test_every_chart_of_prevalence_runs(small_cache: Cache, monkeypatch: pytest.MonkeyPatch, view: str) -> None:
    assert not app(small_cache, monkeypatch, "prevalence", ds="states", v_chart=view).exception


def test_three_classes_say_that_their_intervals_hold_at_once(
    small_cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = app(small_cache, monkeypatch, "prevalence", ds="states", v_chart="Three classes")
    assert not at.exception
    assert "hold at once" in shown(at)


def test_a_known_accuracy_corrects_the_prevalence(small_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"v_accuracy": "true", "v_with": "100", "v_cleared": "95", "v_without": "100", "unit": "Images"}
    at = app(small_cache, monkeypatch, "prevalence", ds="states", v_found="90", **known)
    at.session_state["v_accuracy"] = True
    at.run()
    assert not at.exception
    finding = at.selectbox(key="v_accuracy_of").value
    row = analysis.prevalence_given_accuracy(
        open_index("states", small_cache), finding=finding, accuracy="90/100, 95/100", unit="image"
    ).iloc[0]
    assert f"{100 * row['rate']:.1f}% have it" in shown(at).replace("\\", "")
    at.number_input(key="v_found").set_value(101).run()
    assert not at.exception and "does not say how often the label was right" in shown(at)


def test_the_worst_case_names_the_widest_bounds(small_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(small_cache, monkeypatch, "prevalence", ds="states", v_chart="Worst case", unit="Images")
    index = open_index("states", small_cache)
    bounds = analysis.prevalence_bounds(index, unit="image")
    widest = bounds.loc[(bounds["highest"] - bounds["lowest"]).idxmax()]
    assert f"Widest: {widest['finding']}" in shown(at)
    assert f"{widest['open']:,} of {widest['of']:,} images left open" in shown(at)


@pytest.mark.parametrize("view", ["More than", "Bars", "At most", "Lorenz"])
def test_every_chart_of_patients_runs(small_cache: Cache, monkeypatch: pytest.MonkeyPatch, view: str) -> None:
    assert not app(small_cache, monkeypatch, "patients", ds="small", p_chart=view, p_compare="states").exception


@pytest.mark.parametrize("view", ["Positive patients", "All parts", "Interval widths", "Subgroups"])
def test_every_chart_of_the_test_set_runs(small_cache: Cache, monkeypatch: pytest.MonkeyPatch, view: str) -> None:
    assert not app(small_cache, monkeypatch, "test_set", ds="states", t_chart=view).exception


@pytest.mark.parametrize("measure", ["Share given", "Count", "Lift", "Jaccard", "Phi", "Odds ratio"])
@pytest.mark.parametrize("order", ["By count", "Clustered", "As in the dataset"])
def test_every_matrix_runs(small_cache: Cache, monkeypatch: pytest.MonkeyPatch, measure: str, order: str) -> None:
    assert not app(small_cache, monkeypatch, "cooccurrence", ds="states", c_measure=measure, c_order=order).exception


def test_a_wrong_label_expression_names_the_place_and_the_nearest_finding(
    small_cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = app(small_cache, monkeypatch, "prevalence", ds="small", labels="Effusion AND Infiltratoin")
    assert not at.exception
    said = " ".join(item.value for item in (*at.error, *at.caption, *at.sidebar.error)).replace("\\", "")
    assert "character 14" in said
    assert "Infiltration" in said


def test_an_expression_that_only_brackets_would_mend_is_refused(
    small_cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = app(small_cache, monkeypatch, "gallery", ds="films", labels="Mass", g_labels="Effusion) OR (Hernia")
    assert not at.exception
    assert at.error


def test_a_link_to_a_dataset_that_is_not_here_says_so(small_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(small_cache, monkeypatch, "overview", ds="elsewhere")
    assert not at.exception
    assert any("elsewhere" in warning.value for warning in at.warning)


def test_a_spot_check_shows_films_without_finding(small_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(small_cache, monkeypatch, "gallery", ds="films")
    next(button for button in at.button if button.label == "Spot check").click().run()
    assert not at.exception
    assert at.text_input(key="g_labels").value == '"No Finding"'
    assert headline(at).replace("\\", "").startswith('"No Finding": ')


def test_drawing_again_changes_the_seed_and_nothing_else(small_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(small_cache, monkeypatch, "gallery", ds="films", g_n="18", g_seed="4")
    next(button for button in at.button if button.label == "Redraw").click().run()
    assert at.number_input(key="g_seed").value == 5
    assert "18 random images of 40 patients" in headline(at).replace("\\", "")


def test_a_narrowing_in_the_link_is_shown_and_can_be_removed(
    small_cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = app(small_cache, monkeypatch, "gallery", ds="films", g_sex="F")
    assert "20 patients" in headline(at)
    next(button for button in at.button if "sex" in button.label).click().run()
    assert "40 patients" in headline(at)


def test_hostile_link_parameters_do_no_harm(small_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(small_cache, monkeypatch, "gallery", ds="films", g_age=["x", "y"], g_view="'; DROP TABLE images; --")
    assert not at.exception
    assert any("not understood" in error.value.replace("\\", "") for error in at.error)


@pytest.mark.real_data
def test_the_pages_say_the_golden_numbers(nih_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    said = headline(app(nih_cache, monkeypatch, "patients", ds="nih")).replace("\\", "")
    assert said == "7.2% of patients have more than 10 images and hold 45.0% of all 112,120 images"
    said = headline(app(nih_cache, monkeypatch, "cooccurrence", ds="nih")).replace("\\", "")
    assert "Effusion and Infiltration stand together in 4,000 images" in said
    assert "Edema and Pneumonia 11.6 times as often as by chance" in said
    said = headline(app(nih_cache, monkeypatch, "prevalence", ds="nih")).replace("\\", "")
    assert "19,894 of 112,120 images, 17.7%" in said
