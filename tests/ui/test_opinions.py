"""The second opinion page: its sentences, its charts, and its doors into the gallery."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxrdash.config import Cache
from cxrdash.index.build import Request, build_index
from tests.ui.conftest import nih_rows, write_nih
from tests.ui.test_pages import app, headline, shown

ANSWERS = ("YES,NO,NO,NO", "NO,YES,YES,NO", "NO,YES,NO,YES", "NO,NO,YES,NO", "NO,NO,NO,NO")
RELABELS = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],Fracture,Pneumothorax,Airspace opacity,"
    "Nodule or mass,Set Id"
)


def relabels(rows: list[str]) -> list[str]:
    """Google's table for every second image, the answers in turn."""
    return [RELABELS, *(f"{row},{ANSWERS[at % 5]},test" for at, row in enumerate(rows[::2]))]


@pytest.fixture(scope="session")
def read_cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    """One dataset with the Google relabels, and one that two further readers read as well."""
    root = tmp_path_factory.mktemp("read")
    cache, rows = Cache(root / "cache"), nih_rows(60, 4)
    for name in ("one", "several"):
        folder = write_nih(root / name, rows)
        (folder / "google.csv").write_text("\n".join(relabels(rows)) + "\n", encoding="utf-8")
    opinions = []
    for reader, every in (("Anna", 3), ("Bob", 4)):
        lines = [f"{row.split(',')[0]},{at % every % 2},{int(at % 5 == 0)}" for at, row in enumerate(rows)]
        path = root / f"{reader}.csv"
        path.write_text("\n".join(["image,Pneumothorax,Effusion", *lines]) + "\n", encoding="utf-8")
        opinions.append((reader, path))
    build_index(Request(root / "one", name="one"), cache)
    build_index(Request(root / "several", name="several", second_opinions=tuple(opinions)), cache)
    return cache


@pytest.mark.parametrize("view", ["Four cells", "PPV and sensitivity"])
@pytest.mark.parametrize("dataset", ["one", "several"])
def test_labels_against_a_reader(read_cache: Cache, monkeypatch: pytest.MonkeyPatch, dataset: str, view: str) -> None:
    at = app(read_cache, monkeypatch, "second_opinion", ds=dataset, o_chart=view, o_reader="google_2019")
    assert not at.exception and not at.error
    said = headline(at).replace("\\", "")
    # Every sixth image has a nodule and a mass; of the 20 that were read, one answer in five calls them so.
    assert said.startswith("Of 20 images NIH ChestX-ray14 calls Nodule OR Mass, google_2019 agrees on 4: 20.0%")


def test_limits_and_what_is_not_compared_are_said(read_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    said = shown(app(read_cache, monkeypatch, "second_opinion", ds="one")).replace("\\", "")
    assert "enriched sample with many AP films" in said
    assert "Airspace opacity has no equal among the labels; it is set beside Consolidation OR Infiltration" in said
    assert "Without a counterpart among the labels, so not compared: Fracture (positive in 24)" in said


@pytest.mark.parametrize("view", ["Support", "Agreement", "Readers", "Readers against the others"])
def test_readers_against_each_other(read_cache: Cache, monkeypatch: pytest.MonkeyPatch, view: str) -> None:
    parameters = {"ds": "several", "o_view": "Readers against each other", "o_readers": view}
    at = app(read_cache, monkeypatch, "second_opinion", **parameters)
    assert not at.exception and not at.error
    assert "readers" in headline(at)
    assert at.selectbox(key="o_n").options == ["2", "3"]


@pytest.mark.parametrize("policy", ["U-Ones", "U-Ignore"])
def test_every_policy_runs(read_cache: Cache, monkeypatch: pytest.MonkeyPatch, policy: str) -> None:
    at = app(read_cache, monkeypatch, "second_opinion", ds="several", policy=policy, present="true")
    assert not at.exception and not at.error


def test_a_cohort_nobody_read_says_so(read_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    # The only patient of 78 years has a hernia on the second image, and Google read the first and the third.
    at = app(read_cache, monkeypatch, "second_opinion", ds="one", labels="Hernia", age=["78", "78"])
    assert not at.exception
    assert "No finding of this dataset has been judged by another reader in this cohort" in headline(at)


def test_the_gallery_opens_on_a_disagreement(read_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(
        read_cache, monkeypatch, "gallery", ds="one", g_labels="Pneumothorax",
        g_reading="google_2019: NOT Pneumothorax", g_one="false",
    )  # fmt: skip
    assert not at.exception and not at.error
    said = headline(at).replace("\\", "")
    assert said.startswith("Pneumothorax, google_2019 says NOT Pneumothorax: 12 random images of 12 images")
    assert any("reading" in button.label for button in at.button)


def test_a_reading_that_cannot_be_meant_is_named_and_left_out(
    read_cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = app(read_cache, monkeypatch, "gallery", ds="one", g_reading="nobody: <b>Mass</b>")
    assert not at.exception
    assert any("is not a reader of this dataset" in error.value.replace("\\", "") for error in at.error)
    assert headline(at).replace("\\", "").startswith("All images")


def test_one_set_of_labels_only_is_said_with_what_to_do(small_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(small_cache, monkeypatch, "second_opinion", ds="small")
    assert "is indexed with one set of labels only" in headline(at)
    assert "--second-opinion FILE --as NAME" in shown(at)


@pytest.mark.real_data
def test_the_page_says_how_often_google_confirms_nih(nih_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(nih_cache, monkeypatch, "second_opinion", ds="nih")
    assert headline(at).replace("\\", "") == (
        "Of 238 images NIH ChestX-ray14 calls Pneumothorax, google_2019 agrees on 109: 45.8% (95% interval 38.8–53.0%)"
    )


def test_the_page_file_is_thin() -> None:
    page = Path(__file__).resolve().parents[2] / "pages" / "second_opinion_page.py"
    assert len(page.read_text("utf-8").splitlines()) <= 80


def test_a_reading_in_the_link_is_a_chip_of_the_frame(read_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(read_cache, monkeypatch, "prevalence", ds="one", reading="google_2019: Pneumothorax")
    assert not at.exception and not at.error
    assert at.sidebar.multiselect(key="reading").value == ["google_2019: Pneumothorax"]
    assert "google\\_2019 says Pneumothorax" in at.main.markdown[0].value
    whole = at.main.markdown[0].value
    at.sidebar.multiselect(key="reading").set_value([]).run()
    assert at.main.markdown[0].value != whole


def test_a_frame_reading_that_cannot_be_meant_is_left_out(read_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(read_cache, monkeypatch, "prevalence", ds="one", reading="nobody: Mass")
    assert not at.exception
    assert any("is not a reader" in error.value.replace("\\", "") for error in at.error)
