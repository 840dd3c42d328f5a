"""The report page: the verdict of the audit for a use, the stars, and files that hold what the page shows."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from streamlit.testing.v1 import AppTest

from cxrdash import analysis
from cxrdash.config import Cache
from cxrdash.index.cohort import Cohort
from cxrdash.index.store import open_index
from cxrdash.report.export import Export
from cxrdash.ui.report import EXPORTS, USES, _zipped
from tests.ui.test_pages import app, headline, shown


@pytest.mark.parametrize("use", USES)
def test_the_headline_is_the_verdict_for_the_use(small_cache: Cache, monkeypatch: pytest.MonkeyPatch, use: str) -> None:
    at = app(small_cache, monkeypatch, "report", ds="states", r_use=USES[use])
    assert not at.exception and not at.error
    table = analysis.audit(open_index("states", small_cache), use=use)
    fails = int((table["severity"] == "fail").sum())
    assert {metric.label: metric.value for metric in at.metric}["Failed"] == str(fails)
    assert ("Not ready" in headline(at)) == bool(fails)


def test_every_check_stands_on_the_page_and_links_to_its_own(
    small_cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = app(small_cache, monkeypatch, "report", ds="small")
    table = analysis.audit(open_index("small", small_cache))
    links = " ".join(str(block.proto.label) for block in at.get("page_link")).replace("\\", "")
    assert all(sentence in links for sentence in table["sentence"])


def test_findings_that_matter_narrow_the_stars(small_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(small_cache, monkeypatch, "report", ds="states", r_findings=["Edema"])
    assert not at.exception
    assert at.dataframe[-1].value["finding"].tolist() == ["Edema"]


def test_the_command_is_that_of_the_page(small_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(small_cache, monkeypatch, "report", ds="states", view="AP", r_use=USES["test"])
    said = " ".join(block.value for block in at.code)
    assert "report states -o states-report.html --use test" in said and "--view AP" in said


def test_a_cohort_that_cannot_be_shared_is_a_message(small_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(small_cache, monkeypatch, "report", ds="states", split="valid", labels="Fracture")
    assert not at.exception
    assert any("may not tell" in error.value.replace("\\", "") for error in at.error)


@pytest.mark.parametrize("form", ["csv", "parquet", "monai", "coco", "txrv"])
def test_an_export_is_one_archive_with_its_manifest(small_cache: Cache, form: str) -> None:
    index = open_index("films", small_cache)
    packed = zipfile.ZipFile(io.BytesIO(_zipped(Export(index, Cohort(sexes=("F",))), form, f"films-{form}.zip")))
    assert form in EXPORTS.values() and "manifest.json" in packed.namelist()
    assert any(name.startswith(f"{form}/") for name in packed.namelist())


def test_one_patient_and_presentation_mode(small_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(small_cache, monkeypatch, "report", ds="few", present="true")
    assert not at.exception and headline(at) and shown(at)


def test_an_empty_cohort_is_said_and_offers_nothing_to_hand_on(
    small_cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = app(small_cache, monkeypatch, "report", ds="states", labels="Fracture AND NOT Fracture")
    assert not at.exception and headline(at) == "No images in this cohort"
    assert not at.get("download_button") and not at.metric


def test_charts_are_saved_as_what_was_chosen_beside_the_cohort(
    small_cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = app(small_cache, monkeypatch, "prevalence", ds="states")
    assert chart_form(at) == ("svg", 1)
    at.segmented_control(key="figures").set_value("PNG").run()
    assert not at.exception and chart_form(at) == ("png", 4)
    assert any("saves it as PNG" in caption.value for caption in at.main.caption)


def chart_form(at: AppTest) -> tuple[str, int]:
    options = json.loads(at.get("plotly_chart")[0].proto.config)["toImageButtonOptions"]
    return options["format"], options["scale"]
