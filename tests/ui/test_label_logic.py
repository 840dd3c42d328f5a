"""The label logic page: each view on each kind of dataset, its sentence, and doors to what it counts."""

from __future__ import annotations

import json

import pytest

from cxrdash.config import Cache
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import select
from cxrdash.index.store import open_index
from cxrdash.ui import loaders, logic
from tests.ui.test_pages import app, headline, shown

VIEWS = ("Hierarchy", "Contradictions", "Loaders", "Redundancy")


@pytest.mark.parametrize("dataset", ["small", "few", "states"])
@pytest.mark.parametrize("view", VIEWS)
def test_every_view_runs(small_cache: Cache, monkeypatch: pytest.MonkeyPatch, view: str, dataset: str) -> None:
    at = app(small_cache, monkeypatch, "label_logic", ds=dataset, l_view=view)
    assert not at.exception and not at.error
    assert "dataset" in at.main.caption[-1].value or "method" in shown(at)


@pytest.mark.parametrize("unit", ["Studies", "Images", "Patients"])
@pytest.mark.parametrize("view", VIEWS)
def test_every_view_runs_in_every_unit(
    small_cache: Cache, monkeypatch: pytest.MonkeyPatch, view: str, unit: str
) -> None:
    at = app(small_cache, monkeypatch, "label_logic", ds="states", l_view=view, unit=unit, policy="U-Ones")
    assert not at.exception


def test_the_headline_says_how_often_a_parent_is_blank_or_denied(
    small_cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = headline(app(small_cache, monkeypatch, "label_logic", ds="states")).replace("\\", "")
    assert "leave its parent" in said and "deny it" in said and "No Finding stands with a finding in 8" in said


def test_labels_without_a_tree_are_not_offered_one(small_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(small_cache, monkeypatch, "label_logic", ds="small", l_view="Hierarchy")
    said = headline(at).replace("\\", "")
    assert said == "No label contradicts another in 240 images; none is without a label"
    assert "0 rules broken" in shown(at)
    assert at.session_state["l_view"] == "Contradictions"


@pytest.mark.parametrize("recipe", ["TorchXRayVision defaults (CheXpert)", "U-Ones", "Random split by image"])
def test_every_kind_of_recipe_is_shown(small_cache: Cache, monkeypatch: pytest.MonkeyPatch, recipe: str) -> None:
    at = app(small_cache, monkeypatch, "label_logic", ds="states", l_view="Loaders", l_recipe=recipe)
    assert not at.exception
    assert any(block.value.replace("\\", "").startswith(f"**{recipe}: ") for block in at.main.markdown)


def test_a_recipe_of_another_dataset_in_the_link_does_no_harm(
    small_cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = app(small_cache, monkeypatch, "label_logic", ds="small", l_view="Loaders", l_recipe="../../etc/passwd")
    assert not at.exception
    assert "TorchXRayVision defaults (NIH)" in shown(at).replace("\\", "")


def test_a_segment_of_the_tree_opens_its_images(small_cache: Cache) -> None:
    token = logic._parent_door("Edema", "Lung Opacity", "negative")
    narrowing = Cohort.from_query(json.loads(token))
    assert narrowing.labels == 'Edema AND "Lung Opacity":negative'
    index = open_index("states", small_cache)
    from cxrdash import analysis

    row = analysis.hierarchy(index, unit="image").set_index("finding").loc["Edema"]
    assert select(index, narrowing).counts["images"] == row["parent_negative"]


def test_the_sentence_of_a_recipe_counts_what_is_left(small_cache: Cache) -> None:
    from cxrdash import analysis
    from cxrdash.analysis.recipes import shipped

    index = open_index("small", small_cache)
    audit, labels = (getattr(analysis, name)(index, recipe="txrv-nih") for name in ("loader_audit", "loader_labels"))
    told = loaders.recipe_sentence(shipped()["txrv-nih"], audit, labels)
    assert told == (
        "TorchXRayVision defaults (NIH): 60 of 240 images left (25.0%), 60 of 60 patients; no label changed"
    )


@pytest.mark.real_data
def test_nih_says_that_its_loader_keeps_a_quarter(nih_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(nih_cache, monkeypatch, "label_logic", ds="nih", l_view="Loaders")
    said = shown(at).replace("\\", "")
    assert "28,868 of 112,120 images left (25.7%), 28,868 of 30,805 patients; no label changed" in said
    assert headline(at).replace("\\", "") == "No label contradicts another in 112,120 images; none is without a label"
