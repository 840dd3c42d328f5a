"""The compare page on small datasets: headline, views, doors into other datasets, and what cannot be compared."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from cxrdash.analysis.harmonised import FRONTAL
from cxrdash.config import Cache
from cxrdash.index.build import Request, build_index
from cxrdash.index.cohort import Cohort
from cxrdash.ui import compare as parts
from cxrdash.ui import doors
from cxrdash.ui.compare_views import DRAW, repeat_sentence
from tests.ui.conftest import nih_rows, write_nih
from tests.ui.test_browser import cell_centre
from tests.ui.test_pages import app, headline, shown
from tests.ui.watching import Tab


def opened(cache: Cache, monkeypatch: pytest.MonkeyPatch, **parameters: Any) -> AppTest:
    at = app(cache, monkeypatch, "compare", **parameters)
    assert not at.exception
    return at


def said(at: AppTest) -> str:
    return shown(at).replace("\\", "")


@pytest.mark.parametrize("view", DRAW)
@pytest.mark.parametrize("dataset", ["small", "states"])
def test_every_view_runs_on_every_dataset(
    small_cache: Cache, monkeypatch: pytest.MonkeyPatch, dataset: str, view: str
) -> None:
    at = opened(small_cache, monkeypatch, ds=dataset, cmp_view=view)
    assert not at.error
    assert "differs most" in headline(at)


@pytest.mark.parametrize("standard", ["pooled", "dataset small"])
def test_every_standard_runs(small_cache: Cache, monkeypatch: pytest.MonkeyPatch, standard: str) -> None:
    at = opened(
        small_cache, monkeypatch, ds="small", cmp_view="Standardised", cmp_standard=standard, cmp_by_view="true"
    )
    assert not at.error


def test_the_headline_names_the_largest_difference_of_one_meaning(
    small_cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = opened(small_cache, monkeypatch, ds="small", cmp_others="states")
    assert "of images in small" in headline(at) and "in states" in headline(at)
    assert "Counted by image" not in said(at)


def test_a_unit_that_one_dataset_lacks_is_replaced_and_said(
    small_cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = opened(small_cache, monkeypatch, ds="states", cmp_others="small")
    assert "Counted by image: small does not identify a study." in said(at)
    assert "unit: image" in said(at)


def test_a_dataset_that_cannot_read_the_cohort_is_left_out_by_name(
    small_cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = opened(small_cache, monkeypatch, ds="small", labels="Infiltration", cmp_others=["films", "states"])
    assert "states is left out" in said(at)
    assert "states" not in headline(at)


def test_the_only_other_dataset_is_left_out_with_its_reason(
    small_cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = opened(small_cache, monkeypatch, ds="small", labels="Infiltration", cmp_others="states")
    assert "stands alone" in headline(at)
    assert "states is left out" in said(at)


def test_one_dataset_alone_says_how_to_index_another(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Cache(tmp_path / "cache")
    build_index(Request(write_nih(tmp_path / "one", nih_rows(5, 1)), name="one"), cache)
    at = opened(cache, monkeypatch)
    assert "stands alone" in headline(at)
    assert "python -m cxrdash index" in at.code[0].value


def test_without_any_other_chosen_the_page_says_the_same(small_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = opened(small_cache, monkeypatch, ds="small")
    at.multiselect(key="cmp_others").set_value([]).run()
    assert not at.exception
    assert "stands alone" in headline(at)


def test_the_button_opens_the_gallery_on_the_other_dataset(small_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = opened(small_cache, monkeypatch, ds="small", cmp_others="states")
    pick = at.selectbox(key="cmp_door")
    pick.select(next(option for option in pick.options if option.startswith("Edema in states"))).run()
    at.button(key="cmp_go").click().run()
    assert not at.exception
    assert at.session_state["ds"] == "states"
    assert headline(at).replace("\\", "").startswith("Edema: ")


def test_what_the_mapping_loses_is_said(small_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = opened(small_cache, monkeypatch, ds="small", cmp_others="states", cmp_view="What the mapping loses")
    assert "Infiltration is not a Fleischner term" in said(at)
    summary = at.dataframe[0].value.set_index(["dataset", "other"])
    assert summary.loc[("small", "states"), ["same", "bent", "none"]].tolist() == [7, 4, 4]
    assert summary.loc[("small", "states"), "lost"].startswith("Infiltration (")


def test_overlaps_of_copies_are_counted(small_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = opened(small_cache, monkeypatch, ds="films", cmp_others="small", cmp_view="Overlaps")
    assert "films and small: same source" in said(at)
    assert "40 image ids in common" in said(at)
    assert "40 image ids shared: 0 of these in the test part" in said(at)
    listed = next(item.value for item in at.dataframe if "image_id_a" in item.value)
    assert len(listed) == 40
    next(button for button in at.button if button.label == "Open in the gallery").click().run()
    assert "40 images" in headline(at).replace("\\", "") or "40 patients" in headline(at)


def test_a_door_leads_into_its_own_dataset() -> None:
    token = parts.into("states", doors.labelled("Edema"))
    assert json.loads(token)["ds"] == "states"
    assert parts.into("states", "") == ""
    assert parts.enter("") == ""


def test_an_unknown_age_has_no_door() -> None:
    table = pd.DataFrame({"dataset": "a", "attribute": ["age", "age", "sex"], "level": ["unknown", "75+", "unknown"]})
    made = parts.level_doors(table)
    assert made[0] == ""
    assert doors.narrowing_of(json.loads(made[1])["door"]).ages == (75, 130)
    assert doors.narrowing_of(json.loads(made[2])["door"]).sexes == ("unknown",)


def differences(**columns: Any) -> pd.DataFrame:
    base = {"dataset_a": "a", "dataset_b": "b", "rate_a": 0.1, "rate_b": 0.3, "relation": "="}
    return pd.DataFrame([base | columns])


# As much of a comparison as a headline asks for.
TWO: Any = SimpleNamespace(names=["a", "b"], now=SimpleNamespace(unit="image"))


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (
            {"shared": "Edema", "difference": -0.2, "low": -0.25, "high": -0.12},
            "Edema differs most: 10.0% of images in a, 30.0% in b, 20.0 points (12.0–25.0)",
        ),
        (
            {"shared": "Edema", "difference": -0.2, "low": -0.45, "high": 0.05},
            "Edema differs most: 10.0% of images in a, 30.0% in b, 20.0 points (−5.0 to 45.0)",
        ),
        ({"shared": "Edema", "difference": 0.0, "low": 0.0, "high": 0.0}, "No prevalence differs between a and b"),
        (
            {"shared": "Edema", "difference": 0.2, "low": 0.1, "high": 0.3, "relation": "~"},
            "No label means the same in two of a and b",
        ),
    ],
)
def test_the_headline_in_words(found: dict[str, Any], sentence: str) -> None:
    assert parts.sentence(TWO, differences(**found)) == sentence


def test_a_sure_difference_comes_before_a_larger_unsure_one() -> None:
    sure = differences(shared="Mass", difference=0.1, low=0.05, high=0.2)
    unsure = differences(shared="Hernia", difference=0.5, low=-0.1, high=0.9)
    both = pd.concat([unsure, sure], ignore_index=True)
    assert parts.sentence(TWO, both).startswith("Mass differs most")


def test_missing_cells_of_the_standard_are_named() -> None:
    cells = pd.DataFrame(
        [
            ("a", "0-17", "F", "", 0, 0.0, 0.25), ("a", "18-39", "M", "", 4, 1.0, 0.75),
            ("b", "0-17", "F", "", 1, 0.5, 0.25), ("b", "75+", "M", "PA", 1, 0.5, 0.0),
            ("c", "0-17", "F", "", 0, 0.0, 0.25), ("c", "18-39", "M", "", 0, 0.0, 0.75),
        ],
        columns=["dataset", "age_band", "sex", "view", "units", "share_of_units", "share_of_standard"],
    )  # fmt: skip
    first, second, third = parts.cells_note(cells)
    assert first.startswith("a has nobody in 1 cell holding 25.0% of the standard (women 0-17)")
    assert second == "50.0% of b lie outside the standard (men 75+ PA)."
    assert third == "c has nobody of known age and sex: it cannot be standardised."


def test_repeat_imaging_in_words() -> None:
    table = pd.DataFrame(
        {"dataset": ["a", "a"], "threshold": [5, 10], "share_of_patients": [0.5, 0.1], "share_of_images": [0.9, 0.4]}
    )
    assert repeat_sentence(table, "images") == "Patients with more than 10 images. a: 10.0% of patients hold 40.0%."


@pytest.mark.browser
def test_a_mark_of_another_dataset_opens_its_films_and_the_link_keeps_them(chromium: Any, small_server: Any) -> None:
    tab = Tab(chromium, small_server.url)
    tab.open("compare?ds=small&cmp_others=states").drawn()
    token = parts.into("states", doors.door(Cohort(views=FRONTAL, labels="Edema")))
    x, y = cell_centre(tab, json.dumps(token))
    tab.page.mouse.move(x, y)
    tab.page.wait_for_timeout(300)
    tab.page.mouse.click(x, y)
    tab.page.wait_for_url("**/gallery?**", timeout=30_000)
    tab.ready()
    seen, link = tab.headline(), tab.page.url
    assert "ds=states" in link and "g_labels=Edema" in link and "g_view=AP" in link
    assert seen.startswith("Edema: ")
    again = Tab(chromium, small_server.url)
    assert again.open(link.split("/", 3)[3]).headline() == seen
    tab.close()
    again.close()
    assert tab.faults + again.faults == []
