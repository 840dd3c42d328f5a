"""What only one dataset says of its images: offered in the sidebar, split by on the pages, a door in every mark."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from cxrdash.analysis import compute, shortcut
from cxrdash.analysis.review_marks import attributes
from cxrdash.cli import main
from cxrdash.config import Cache
from cxrdash.errors import CxrdashError
from cxrdash.index.build import Request, build_index
from cxrdash.index.cohort import Cohort
from cxrdash.index.draw import films
from cxrdash.index.store import open_index
from cxrdash.report.export import Export, export
from cxrdash.ui import doors
from cxrdash.ui.viewer_facts import facts
from tests.ui.conftest import nih_rows, write_nih
from tests.ui.test_pages import app, headline, shown

MAPPING = """
[dataset]
name = "wards"
[images]
tables = ["films.csv"]
image = "film"
patient = "person"
attributes = { site = "Hospital", portable = "Portable" }
[labels]
columns = ["Effusion"]
[labels.states]
positive = ["1"]
negative = ["0"]
blank = [""]
"""
HOSTILE = "<b>Ley</b> $x$"


@pytest.fixture(scope="module")
def wards(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    """Sixty films of thirty patients at three sites, of which one has an ill-meaning name; and an NIH folder."""
    root = tmp_path_factory.mktemp("wards")
    cache, folder = Cache(root / "cache"), root / "wards"
    folder.mkdir()
    sites = ("North", "South", HOSTILE)
    rows = [
        f"f{at}.png,p{at // 2},{sites[site]},{'yes' if at % 5 == 0 else 'no'},{int(at % 7 < 1 + 3 * site)}"
        for at, site in ((at, at // 2 % 3) for at in range(60))
    ]
    (folder / "films.csv").write_text("\n".join(["film,person,Hospital,Portable,Effusion", *rows]), encoding="utf-8")
    (folder / "cxrdash.toml").write_text(MAPPING, encoding="utf-8")
    build_index(Request(folder), cache)
    build_index(Request(write_nih(root / "nih", nih_rows(10, 2)), name="nih"), cache)
    return cache


def test_prevalence_by_site_counts_each_site(wards: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(wards, monkeypatch, "prevalence", ds="wards", v_chart="By site")
    assert not at.exception and not at.error
    table = next(shown.value for shown in at.dataframe if "site" in shown.value)
    assert table.set_index("site")["of"].to_dict() == {"North": 20, "South": 20, HOSTILE: 20}


def test_the_largest_difference_between_sites_is_named_with_its_interval(
    wards: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = app(wards, monkeypatch, "prevalence", ds="wards", v_chart="By site")
    table = compute("prevalence_differences", open_index("wards", wards), Cohort(), by="site")
    row = table.loc[table["difference"].abs().idxmax()]
    assert row["q"] < 0.05 and row["of"] == 20 and row["others_of"] == 40
    points = f"{100 * row['difference']:+.1f}".replace("-", "−")
    assert f"{row['rate']:.1%} of 20 images" in shown(at) and f"of 40: {points} points (95% interval" in shown(at)


def test_levels_that_do_not_differ_are_said_not_to(wards: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(wards, monkeypatch, "prevalence", ds="wards", v_chart="By portable")
    assert "No finding differs between levels beyond chance" in shown(at)


def test_the_sidebar_narrows_to_a_site_and_the_words_say_so(wards: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(wards, monkeypatch, "patients", ds="wards", attribute=["site: South", "portable: no"])
    assert "site South, portable no, n = 16 of 60 images, 10 patients" in shown(at)
    at.multiselect(key="attribute").set_value([f"site: {HOSTILE}"]).run()
    assert not at.exception
    assert "n = 20 of 60 images, 10 patients" in shown(at).replace("\\", "")


def test_another_dataset_forgets_the_sites(wards: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(wards, monkeypatch, "patients", ds="nih", attribute=["site: South"])
    assert not at.exception and not at.error
    assert "n = 20 images, 10 patients" in shown(at)


@pytest.mark.parametrize("page", ["overview", "strata", "gallery", "image_quality", "review", "splits", "report"])
def test_other_pages_run_within_a_site(wards: Cache, monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    at = app(wards, monkeypatch, page, ds="wards", attribute=["site: South"])
    assert not at.exception
    assert "site South" in shown(at)


def test_a_mark_leads_to_the_images_of_its_site(wards: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    token = doors.level("site", "South", labels="Effusion")
    assert doors.narrowing_of(token) == Cohort(attributes=("site: South",), labels="Effusion")
    query = doors.gallery_query(doors.narrowing_of(token))
    at = app(wards, monkeypatch, "gallery", ds="wards", **query)
    assert headline(at).replace("\\", "").startswith("Effusion, site South: ")
    assert json.loads(token)["attribute"] == ["site: South"]


def test_a_link_to_a_site_of_elsewhere_is_a_message(wards: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(wards, monkeypatch, "gallery", ds="nih", g_attribute=["site: South"])
    assert not at.exception
    assert "does not tell the site of its images" in shown(at).replace("\\", "")


def test_strata_name_the_site(wards: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(wards, monkeypatch, "strata", ds="wards")
    assert not at.exception
    assert "site" in headline(at) or "portable" in headline(at)


def test_a_split_is_balanced_by_site(wards: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    index = open_index("wards", wards)
    options = {"parts": "train=0.5,test=0.5", "unit": "image"}
    balanced, plain = (
        compute("balance", index, Cohort(), strata=strata, **options).set_index("attribute")["difference"]
        for strata in (("site",), ())
    )
    assert balanced["site"] < 0.1 and balanced["site"] <= plain["site"]
    assert balanced["site"] >= 0 and "portable" in balanced
    at = app(wards, monkeypatch, "splits", ds="wards", s_parts="80 / 20", s_by=["site"])
    assert not at.exception and not at.error
    with pytest.raises(CxrdashError, match="'ward' is nothing to stratify by") as fault:
        compute("balance", index, Cohort(), strata=("ward",), **options)
    assert fault.value.hint == "Known: view, sex, age_band, portable, site."


def test_readers_errors_are_told_by_site(wards: Cache) -> None:
    index = open_index("wards", wards)
    found = attributes(index, ["f0.png", "f2.png", "f4.png"])
    assert found["site"] == {"f0.png": "North", "f2.png": "South", "f4.png": HOSTILE}
    assert found["portable"] == {"f0.png": "yes", "f2.png": "no", "f4.png": "no"}


def test_an_export_holds_the_site_and_a_shareable_one_does_not(wards: Cache, tmp_path: Path) -> None:
    index = open_index("wards", wards)
    tables = {}
    for shareable in (False, True):
        asked = Export(index, Cohort(attributes=("site: South",)), shareable=shareable)
        export(asked, ("csv",), tmp_path / str(shareable))
        tables[shareable] = pd.read_csv(next((tmp_path / str(shareable)).rglob("cohort.csv")))
    assert [len(table) for table in tables.values()] == [20, 20]
    assert set(tables[False]["site"]) == {"South"} and set(tables[False]["portable"]) == {"yes", "no"}
    assert not {"site", "portable"} & set(tables[True].columns)


def test_the_viewer_tells_the_site_unless_names_are_hidden(wards: Cache) -> None:
    index = open_index("wards", wards)
    (film,) = films(index, [int(index.rows("SELECT image FROM images WHERE image_id = 'f2.png'")[0][0])])
    told = dict(facts(index, film, hidden=False)["metadata"])
    assert (told["Site"], told["Portable"]) == ("South", "no")
    assert "Site" not in dict(facts(index, film, hidden=True)["metadata"])


def test_the_probe_is_told_the_site_but_not_who_labelled(wards: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    index = open_index("wards", wards)
    told = compute("shortcut_probe", index, Cohort()).set_index("finding").loc["Effusion"]
    blind = compute("shortcut_probe", index, Cohort(), features=("view", "sex")).set_index("finding").loc["Effusion"]
    assert told["features"] == "view, sex, age, size, portable, site"
    assert told["auc"] > 0.7 and blind["auc"] == pytest.approx(0.5)
    at = app(wards, monkeypatch, "strata", ds="wards", h_view="From metadata alone")
    assert "told view, sex, age, film size, portable and site, never the film" in shown(at)
    monkeypatch.setattr(shortcut, "further_attributes", lambda _: ["label_method", "study_year"])
    assert shortcut.feature_words(index) == "view, sex, age, film size and year"


def test_a_dataset_compared_that_does_not_tell_the_site_is_named(wards: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(wards, monkeypatch, "compare", ds="wards", cmp_others="nih", attribute=["site: South"])
    assert not at.exception
    assert "NIH ChestX-ray14 does not tell the site of its images" in shown(at).replace("\\", "")


def test_the_command_line_warns_of_a_site_that_does_not_occur(wards: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    ask = ["--cache", str(wards.root), "stat", "prevalence", "wards", "--format", "csv", "--attribute"]
    assert main([*ask, "site: South"]) == 0
    assert ",20," in capsys.readouterr().out
    assert main([*ask, "site: Nowhere"]) == 0
    assert "No image of wards has site 'Nowhere'; these occur: " in capsys.readouterr().err
    assert main([*ask, "ward: 3"]) == 2
    assert "wards does not tell the ward of its images." in capsys.readouterr().err
    assert main([*ask, "ward"]) == 2
    assert "'ward' is no condition on an attribute." in capsys.readouterr().err
