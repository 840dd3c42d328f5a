"""The hidden strata page: every view runs, the strongest alert comes first, doors open what they count."""

from __future__ import annotations

import pytest

from cxrdash.analysis.strata import stratum_words
from cxrdash.config import Cache
from cxrdash.ui.strata import MAP, VIEWS
from tests.ui.test_pages import app, headline


@pytest.mark.parametrize("view", [view for view in VIEWS if view != MAP])
@pytest.mark.parametrize("dataset", ["small", "states"])
def test_every_view_runs(small_cache: Cache, monkeypatch: pytest.MonkeyPatch, dataset: str, view: str) -> None:
    at = app(small_cache, monkeypatch, "strata", ds=dataset, h_view=view)
    assert not at.exception and not at.error
    assert "among the others" in headline(at).replace("\\", "")


def test_a_finding_in_the_link_is_the_one_described(small_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(small_cache, monkeypatch, "strata", ds="states", h_finding="Edema")
    assert headline(at).startswith("Edema")


@pytest.mark.parametrize(("attribute", "level", "words"), [
    ("view", "AP", "AP views"), ("sex", "F", "of women"), ("sex", "unknown", "of unknown sex"),
    ("age_band", "75+", "of people aged 75+"), ("age_band", "unknown", "of unknown age"),
    ("split", "test", "in the test part"), ("Support Devices", "yes", "with Support Devices"),
    ("Support Devices", "no", "without Support Devices"), ("site", "Leiden", "with site Leiden"),
    ("study_year", "2014", "taken in 2014"), ("portable", "no", "without portable"),
])  # fmt: skip
def test_strata_are_named_in_words(attribute: str, level: str, words: str) -> None:
    assert stratum_words(attribute, level) == words


@pytest.mark.real_data
def test_the_page_leads_with_edema_on_nih(nih_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    said = headline(app(nih_cache, monkeypatch, "strata", ds="nih")).replace("\\", "")
    assert said == "Edema: 88.0% AP views among the 2,303 positive images, 39.0% among the others"
