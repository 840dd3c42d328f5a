"""OpenI in its layouts: XML reports, Kaggle's two tables, both; headings, qualifiers, films, and hostile XML."""

from __future__ import annotations

import csv
import random
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import duckdb
import pytest

import cxrdash.analysis  # noqa: F401 - registers the statistics
from cxrdash.analysis.registry import STATISTICS, compute
from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort
from cxrdash.index.draw import films
from cxrdash.index.film_facts import report_text
from cxrdash.index.store import Index
from cxrdash.sources.base import STAGING_TABLES, Claim
from cxrdash.sources.folder import take_inventory
from cxrdash.sources.headers import column_positions
from cxrdash.sources.openi import FILM_FIELDS, REPORT_FIELDS, SOURCE, TEXT_FIELDS
from cxrdash.sources.openi_reports import film_id, headings_of
from cxrdash.sources.registry import recognise
from cxrdash.sources.tablefile import peek_header
from cxrdash.sources.xmlfile import peek_root, read_xml
from tests.datasets import build, indexed

Stage = Callable[..., Any]
INVENTED = Path(__file__).resolve().parents[1] / "data" / "openi"
XML, FILMS, REPORTS = "ecgen-radiology", "indiana_projections.csv", "indiana_reports.csv"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of all invented files, to change."""
    return Path(shutil.copytree(INVENTED, tmp_path / "openi"))


@pytest.fixture
def only_xml(folder: Path) -> Path:
    for name in (FILMS, REPORTS):
        (folder / name).unlink()
    return folder


@pytest.fixture
def only_kaggle(folder: Path) -> Path:
    shutil.rmtree(folder / XML)
    return folder


def report(number: int, headings: Sequence[str], films: Sequence[str]) -> str:
    root = ElementTree.Element("eCitation")
    ElementTree.SubElement(root, "uId", id=f"CXR{number}")
    mesh = ElementTree.SubElement(root, "MeSH")
    for heading in headings:
        ElementTree.SubElement(mesh, "major").text = heading
    for film in films:
        ElementTree.SubElement(root, "parentImage", id=film)
    return ElementTree.tostring(root, encoding="unicode")


def write_reports(folder: Path, *reports: str) -> Path:
    (folder / XML).mkdir(parents=True, exist_ok=True)
    for number, text in enumerate(reports, start=1):
        (folder / XML / f"{number}.xml").write_text(text, encoding="utf-8")
    return folder


def write_tables(folder: Path, reports: Sequence[Sequence[str]], films: Sequence[Sequence[str]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, header, rows in ((REPORTS, "uid,MeSH,Problems", reports), (FILMS, "uid,filename,projection", films)):
        with (folder / name).open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([header.split(","), *rows])
    return folder


FACTS = "SELECT image_id, patient_id, study_id, view, view_raw, file_key = image_id FROM staged_images ORDER BY ALL"
LISTED = """
SELECT DISTINCT study_id, finding, state FROM staged_images JOIN staged_labels USING (labels)
WHERE state <> 'not_assessed' ORDER BY ALL
"""
LABELS = [
    ("CXR1", "normal", "positive"),
    *[
        ("CXR2", name, "positive")
        for name in ("Opacity", "Opacity/lung", "Pulmonary Atelectasis", "Thoracic Vertebrae")
    ],
    *[
        ("CXR5", name, "positive")
        for name in (
            *("Opacity", "Subcutaneous Emphysema", "Technical Quality of Image Unsatisfactory"),
            *("Thickening", "Thickening/pleura"),
        )
    ],
    *[("CXR6", name, "positive") for name in ("Hernia, Hiatal", "Spondylosis", "Thoracic Vertebrae")],
]


def test_reports_and_projections_together_give_every_film_its_view(stage: Stage, folder: Path) -> None:
    openi = stage(folder)
    assert openi.source.name == "openi" and openi.staged.variant == "XML reports"
    assert openi.rows(FACTS) == [
        ("1_IM-0001-3001", "CXR1", "CXR1", "LATERAL", "Lateral", True),
        ("1_IM-0001-4001", "CXR1", "CXR1", "FRONTAL_UNKNOWN", "Frontal", True),
        ("2_IM-0652-1001", "CXR2", "CXR2", "FRONTAL_UNKNOWN", "Frontal", True),
        ("2_IM-0652-2001", "CXR2", "CXR2", "LATERAL", "Lateral", True),
        ("4_IM-2050-1001", "CXR4", "CXR4", "FRONTAL_UNKNOWN", "Frontal", True),
        ("5_IM-2117-1003002", "CXR5", "CXR5", "UNKNOWN", None, True),
        ("6_IM-2192-1001", "CXR6", "CXR6", "FRONTAL_UNKNOWN", "Frontal", True),
    ]
    assert openi.rows(LISTED) == LABELS
    assert openi.aside() == []
    assert openi.notes.splitlines() == [
        "indiana_reports.csv was not read: the XML reports hold the same headings.",
        "1 reports name no film and are not counted.",
        "1 images belong to reports without headings (not indexed): no finding is assessed, "
        "which is not the same as normal.",
        "Labels that the dataset's card does not list, kept as findings without a parent (1; images in brackets): "
        "'Spondylosis' (1).",
    ]


def test_reports_alone_do_not_tell_the_view(stage: Stage, only_xml: Path) -> None:
    openi = stage(only_xml)
    assert openi.column("SELECT DISTINCT view FROM staged_images") == ["UNKNOWN"]
    assert openi.rows(LISTED) == LABELS
    assert "do not tell frontal from lateral films; Kaggle's indiana_projections.csv does." in openi.notes
    (account,) = openi.staged.files
    assert account.path == only_xml / XML and account.records == 7 and account.counts_images
    assert account.recognised_as == "OpenI reports (6 XML files; a row is a film)"


def test_the_kaggle_tables_alone_say_the_same_of_the_same_films(stage: Stage, only_kaggle: Path) -> None:
    openi = stage(only_kaggle)
    assert openi.staged.variant == "Kaggle"
    assert [row[0] for row in openi.rows(FACTS)] == [
        *("1_IM-0001-3001", "1_IM-0001-4001", "2_IM-0652-1001", "2_IM-0652-2001", "4_IM-2050-1001", "6_IM-2192-1001")
    ]
    assert openi.rows(LISTED) == [row for row in LABELS if row[0] != "CXR5"]
    assert "1 reports name no film and are not counted." in openi.notes
    assert [file.counts_images for file in openi.staged.files] == [True, False]


@pytest.mark.parametrize(
    ("name", "film"),
    [
        ("CXR1_1_IM-0001-4001", "1_IM-0001-4001"),
        ("CXR2_IM-0652-1001", "2_IM-0652-1001"),
        ("2_IM-0652-1001.dcm.png", "2_IM-0652-1001"),
        ("1_IM-0001-4001.dcm", "1_IM-0001-4001"),
        ("CXR1_1_IM-0001-4001.png", "1_IM-0001-4001"),
        ("CXR12_1_IM-0001-4001.png", None),
        ("CXR162_IM-0401-12012.jpg", "162_IM-0401-12012"),
        ("../1_IM-0001-4001", None),
        ("1.png", None),
    ],
)
def test_a_film_has_one_id_in_every_download(name: str, film: str | None) -> None:
    assert film_id(name) == film
    assert SOURCE.image_key(f"images/images_normalized/{name}") == (film or name.rpartition("/")[2])


def test_headings_are_what_stands_before_the_first_slash() -> None:
    assert headings_of("Opacity/lung/base/left; Hernia, Hiatal ;No Indexing;;normal") == [
        ("Opacity", ["lung", "base", "left"]),
        ("Hernia, Hiatal", []),
        ("normal", []),
    ]


def test_the_shared_names_follow_the_qualifiers(stage: Stage, folder: Path) -> None:
    findings = {finding.name: finding for finding in stage(folder).staged.findings}
    assert findings["Opacity"].harmonised is None and findings["Thickening"].harmonised is None
    assert (findings["Opacity/lung"].parent, findings["Opacity/lung"].harmonised) == ("Opacity", "Lung Opacity")
    pleura = findings["Thickening/pleura"]
    assert (pleura.parent, pleura.harmonised) == ("Thickening", "Pleural Thickening")
    assert findings["normal"].kind == "normal" and findings["Tube, Inserted"].kind == "device"
    assert findings["Spondylosis"].parent is None and "No Indexing" not in findings


def test_reports_that_were_not_indexed_are_not_assessed(stage: Stage, folder: Path) -> None:
    openi = stage(folder)
    unassessed = (
        "SELECT DISTINCT study_id FROM staged_images JOIN staged_labels USING (labels) WHERE state = 'not_assessed'"
    )
    assert openi.column(unassessed) == ["CXR4"]


# --- what is wrong is named ---


HOSTILE = {
    "entities": (
        '<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><eCitation><uId id="CXR1"/>&b;</eCitation>',
        "1.xml declares a document type",
    ),
    "outside file": (
        '<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]><eCitation>&a;</eCitation>',
        "1.xml declares a document type",
    ),
    "not closed": ("<eCitation><uId", "1.xml is damaged: unclosed token"),
    "no number": ("<eCitation/>", "1.xml: the report number (uId) is '', not one like CXR1"),
    "other number": ('<eCitation><uId id="../1"/></eCitation>', "1.xml: the report number (uId) is '../1'"),
    "enormous": (f"<eCitation>{' ' * 2**20}</eCitation>", "1.xml is larger than 1 MB"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_report_that_cannot_be_trusted_is_refused_or_set_aside(stage: Stage, tmp_path: Path, case: str) -> None:
    text, message = HOSTILE[case]
    write_reports(tmp_path, text, report(2, ["normal"], ["CXR2_IM-0001-1001"]))
    with pytest.raises(CxrdashError) as refusal:
        stage(tmp_path)
    assert message in refusal.value.message and "--allow-bad-rows" in refusal.value.hint
    openi = stage(tmp_path, allow_bad_rows=True)
    assert openi.aside() == [(0, "image id", "1.xml", "row")]
    assert openi.column("SELECT image_id FROM staged_images") == ["2_IM-0001-1001"]


def test_text_that_is_not_utf8_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "1.xml").write_bytes(b"<eCitation>\n\xe9</eCitation>")
    with pytest.raises(CxrdashError, match=r"1\.xml, line 2: the text is not UTF-8"):
        read_xml(tmp_path / "1.xml")


def test_several_damaged_reports_are_counted(stage: Stage, tmp_path: Path) -> None:
    write_reports(tmp_path, "<eCitation>", "<eCitation>", "<eCitation/>")
    with pytest.raises(CxrdashError) as refusal:
        stage(tmp_path)
    assert "(3 reports cannot be read.)" in refusal.value.message
    assert [line[:5] for line in refusal.value.details] == ["2.xml", "3.xml"]


def test_reports_without_any_film_are_refused(stage: Stage, tmp_path: Path) -> None:
    write_reports(tmp_path, report(1, ["normal"], []))
    with pytest.raises(CxrdashError, match="None of the 1 reports names a film"):
        stage(tmp_path)


@pytest.mark.parametrize(
    ("films", "column", "value"),
    [
        (["1", "film.png", "Frontal"], "image id", "film.png"),
        (["1", "", "Frontal"], "image id", None),
        (["one", "1_IM-0001-1001.dcm.png", "Frontal"], "uid", "one"),
        (["", "1_IM-0001-1001.dcm.png", "Frontal"], "uid", None),
    ],
)
def test_films_that_cannot_be_read_are_set_aside(
    stage: Stage, tmp_path: Path, films: list[str], column: str, value: str | None
) -> None:
    good = ["1", "1_IM-0001-2001.dcm.png", "Lateral"]
    openi = stage(write_tables(tmp_path, [["1", "normal", "normal"]], [good, films]))
    assert openi.aside() == [(1, column, value, "row")]
    assert openi.column("SELECT image_id FROM staged_images") == ["1_IM-0001-2001"]


def test_another_projection_is_listed_and_the_film_stays(stage: Stage, tmp_path: Path) -> None:
    film = ["1", "1_IM-0001-2001.dcm.png", "Oblique"]
    openi = stage(write_tables(tmp_path, [["1", "normal", "normal"]], [film]))
    assert openi.aside() == [(0, "projection", "Oblique", "value")]
    assert openi.column("SELECT view FROM staged_images") == ["UNKNOWN"]


def test_reports_that_contradict_each_other_are_not_chosen_between(stage: Stage, tmp_path: Path) -> None:
    reports = [["1", "normal", "normal"], ["1", "Mass", "Mass"], ["2", "Mass", "Mass"], ["2", "Mass", "Mass"]]
    films = [["1", "1_IM-0001-2001.dcm.png", "Frontal"], ["2", "2_IM-0001-2001.dcm.png", "Frontal"]]
    openi = stage(write_tables(tmp_path, reports, films))
    assert openi.aside() == [(0, "uid", "1", "row"), (1, "uid", "1", "row")]
    assert openi.rows(LISTED) == [("CXR2", "Mass", "positive")]


def test_projections_of_films_in_no_report_are_set_aside(stage: Stage, folder: Path) -> None:
    with (folder / FILMS).open("a") as file:
        file.write("7,7_IM-0001-1001.dcm.png,Frontal\n1,1_IM-0001-4001.dcm.png,Lateral\n")
    openi = stage(folder)
    assert openi.aside() == [(6, "filename", "7_IM-0001-1001.dcm.png", "row")]
    assert openi.column("SELECT view FROM staged_images WHERE image_id = '1_IM-0001-4001'") == ["UNKNOWN"]


def refusal_of(folder: Path) -> str:
    with pytest.raises(CxrdashError) as caught:
        recognise(take_inventory(folder), None)
    return str(caught.value)


def test_packed_reports_are_told_how_to_unpack(tmp_path: Path) -> None:
    (tmp_path / "NLMCXR_reports.tgz").write_bytes(b"\x1f\x8b")
    message = refusal_of(tmp_path)
    assert "NLMCXR_reports.tgz is packed and was not read." in message
    assert "tar -xzf NLMCXR_reports.tgz" in message


def test_one_kaggle_table_without_the_other_is_named(only_kaggle: Path) -> None:
    films = only_kaggle / FILMS
    films.write_text(films.read_text().replace("filename", "file_nam"))
    message = refusal_of(only_kaggle)
    assert f"{REPORTS} holds OpenI's reports, but the table of films is not here." in message
    assert "lacks the column 'filename' (nearest: 'file_nam')" in message
    shutil.copy(INVENTED / FILMS, films)
    (only_kaggle / REPORTS).unlink()
    assert f"{FILMS} holds OpenI's films, but the reports (uid, MeSH, Problems) are not here." in refusal_of(
        only_kaggle
    )


def test_other_xml_files_are_left_alone(stage: Stage, only_kaggle: Path) -> None:
    (only_kaggle / "annotation.xml").write_text("<annotation/>")
    assert peek_root(only_kaggle / "annotation.xml") == "annotation"
    openi = stage(only_kaggle)
    assert openi.staged.variant == "Kaggle" and "annotation" not in openi.notes


# --- a whole folder against plain Python ---


def made(folder: Path, seed: int, reports: int) -> tuple[Path, dict[str, set[str]], dict[str, str]]:
    """Reports and projections as downloaded; the findings and the view of every film by its id."""
    draw = random.Random(seed)
    headings = ["Cardiomegaly", "Opacity", "Thoracic Vertebrae", "Spondylosis", "Aorta", "Hernia, Hiatal", "Mass"]
    findings: dict[str, set[str]] = {}
    views: dict[str, str] = {}
    texts, rows = [], [["uid", "filename", "projection"]]
    for number in range(1, reports + 1):
        chosen = draw.sample(headings, draw.randrange(0, 4))
        parts = [draw.choice(["", "/lung/base/left", "/mild", "/breast"]) for _ in chosen]
        terms = [
            draw.choice([head, head.lower(), f" {head} "]) + part for head, part in zip(chosen, parts, strict=True)
        ]
        listed = set(chosen) | {
            "Opacity/lung" for head, part in zip(chosen, parts, strict=True) if head == "Opacity" and "lung" in part
        }
        films = []
        for place in range(draw.randrange(0, 3)):
            film = f"{number}_IM-{number:04d}-{place + 1}001"
            films.append(f"CXR{number}_{film}" if draw.random() < 0.5 else f"CXR{film}")
            findings[film] = listed
            views[film] = draw.choice(["FRONTAL_UNKNOWN", "LATERAL", "UNKNOWN"])
            if views[film] != "UNKNOWN":
                rows.append([str(number), f"{film}.dcm.png", "Lateral" if views[film] == "LATERAL" else "Frontal"])
        texts.append(report(number, terms, films))
    write_reports(folder, *texts)
    with (folder / FILMS).open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    return folder, findings, views


def test_the_index_counts_what_plain_python_counts(tmp_path: Path) -> None:
    folder, findings, views = made(tmp_path / "openi", 3, 120)
    first = min(findings)
    (folder / "images").mkdir()
    (folder / "images" / f"CXR{first}.png").write_bytes(b"")
    index = indexed(folder, "openi")
    assert index.counts["images"] == len(findings)
    assert index.counts["patients"] == index.counts["studies"] == len({film.split("_")[0] for film in findings})
    assert dict(index.rows("SELECT image_id, view FROM images")) == views
    assert index.rows("SELECT image_id FROM images WHERE on_disk") == [(first,)]
    found = index.rows(
        "SELECT image_id, lower(finding::VARCHAR) FROM images JOIN patterns USING (pattern) WHERE state = 'positive'"
    )
    assert Counter(found) == Counter((film, name.lower()) for film, names in findings.items() for name in names)
    for name in STATISTICS:
        assert len(compute(name, index, Cohort(views=("LATERAL",))).columns), name
    assert not index.changed_sources()


def test_films_listed_twice_are_judged_by_the_index(tmp_path: Path) -> None:
    folder = write_reports(
        tmp_path / "openi",
        report(1, ["normal"], ["CXR1_IM-0001-1001", "CXR1_1_IM-0001-1001"]),
        report(2, ["normal"], ["CXR2_IM-0001-1001"]),
        report(3, ["Mass"], ["CXR2_IM-0001-1001", "CXR3_IM-0001-1001"]),
    )
    audit = build(folder, "openi")
    assert audit.counts["images"] == 2 and audit.set_aside_total == 3
    assert {row["line"] for row in audit.set_aside} == {None}


TEXTS = "SELECT study_id, section, report FROM reports JOIN studies USING (study) ORDER BY ALL"


def test_the_text_of_a_report_is_kept_by_section_and_stands_in_its_own_table_only(only_xml: Path) -> None:
    index = indexed(only_xml, "openi")
    assert index.rows(TEXTS)[:2] == [
        ("CXR1", "findings", "The XXXX are invented."),
        ("CXR1", "indication", "invented XXXX"),
    ]
    assert {study for study, _, _ in index.rows(TEXTS)} <= set(openi_studies(index))
    for (table,) in index.rows("SELECT table_name FROM duckdb_tables() WHERE table_name <> 'reports'"):
        assert index.rows(f"SELECT count(*) FROM {table} AS t WHERE contains(t::VARCHAR, 'XXXX')") == [(0,)], table
    (film,) = films(index, [index.rows("SELECT image FROM images WHERE image_id = '1_IM-0001-4001'")[0][0]])
    assert report_text(index, film) == (("indication", "invented XXXX"), ("findings", "The XXXX are invented."))


def openi_studies(index: Index) -> list[str]:
    return [study for (study,) in index.rows("SELECT study_id FROM studies")]


def test_kaggles_tables_hold_the_same_texts(only_kaggle: Path) -> None:
    assert indexed(only_kaggle, "openi").rows(TEXTS) == [
        ("CXR1", "findings", "The XXXX are invented."),
        ("CXR1", "indication", "invented XXXX"),
        ("CXR2", "findings", "Two lines."),
    ]


def test_a_report_is_text_and_never_more(tmp_path: Path) -> None:
    hostile = "<b>x</b> '); DROP TABLE images; -- =cmd()"
    folder = write_tables(tmp_path / "openi", [], [["7", "7_IM-0001-1001.dcm.png", "Frontal"]])
    with (folder / REPORTS).open("w", newline="") as file:
        rows = [["uid", "MeSH", "Problems", "impression"], ["7", "normal", "normal", hostile]]
        csv.writer(file, lineterminator="\n").writerows(rows)
    assert indexed(folder, "openi").rows(TEXTS) == [("CXR7", "impression", hostile)]


# --- damaged bytes ---


STRUCTURE = b'",\n\r\0'


def as_read(path: Path, damage: int) -> tuple[Any, ...]:
    """All that staging can see of a header; a byte that divides cells is always a case of its own."""
    header = peek_header(path)
    fields = tuple(column_positions(header, {**REPORT_FIELDS, **TEXT_FIELDS, **FILM_FIELDS}).items())
    return (fields, len(header), damage if damage in STRUCTURE else damage > 127)


def conserved(con: duckdb.DuckDBPyConnection, staged: Any) -> bool:
    for number, file in enumerate(staged.files):
        kept = con.execute("SELECT count(*) FROM staged_images WHERE file = ?", [number]).fetchall()[0][0]
        aside = "SELECT count(DISTINCT record) FROM staged_set_aside WHERE file = ? AND what = 'row'"
        if file.counts_images and kept + con.execute(aside, [number]).fetchall()[0][0] != file.records:
            return False
    return True


@pytest.mark.parametrize("name", [FILMS, REPORTS])
def test_a_damaged_header_is_refused_or_costs_no_row(only_kaggle: Path, name: str) -> None:
    draw = random.Random(name)
    path = only_kaggle / name
    body = path.read_bytes()
    length = body.index(b"\n") + 1
    inventory = take_inventory(only_kaggle)
    outcomes: Counter[str] = Counter()
    seen: set[tuple[Any, ...]] = set()
    with duckdb.connect(config={"threads": 1}) as con:
        for _ in range(1000):
            damaged = bytearray(body)
            damaged[draw.randrange(length)] = damage = draw.choice((*STRUCTURE, *range(256)))
            path.write_bytes(damaged)
            try:
                _, claim = recognise(inventory, "openi")
                if (form := as_read(path, damage)) not in seen:
                    con.execute(STAGING_TABLES.replace("CREATE TABLE", "CREATE OR REPLACE TEMP TABLE"))
                    staged = SOURCE.stage(con, claim, only_kaggle, allow_bad_rows=False)
                    seen.add(form)
                    assert conserved(con, staged) and staged.files[0].records == 6, bytes(damaged[:length])
            except CxrdashError as refusal:
                assert refusal.message and refusal.hint
                outcomes["refused"] += 1
                continue
            outcomes["read"] += 1
    assert outcomes["refused"] > 50 and sum(outcomes.values()) == 1000


def test_a_damaged_report_is_refused_or_costs_no_film(tmp_path: Path) -> None:
    draw = random.Random(5)
    path = tmp_path / "1.xml"
    body = (INVENTED / XML / "2.xml").read_bytes()
    outcomes: Counter[str] = Counter()
    with duckdb.connect(config={"threads": 1}) as con:
        for _ in range(200):
            damaged = bytearray(body)
            damaged[draw.randrange(len(body))] = draw.randrange(256)
            path.write_bytes(damaged)
            con.execute(STAGING_TABLES.replace("CREATE TABLE", "CREATE OR REPLACE TEMP TABLE"))
            try:
                staged = SOURCE.stage(
                    con, Claim("openi", {"xml": (path,)}), tmp_path, allow_bad_rows=draw.random() < 0.5
                )
            except CxrdashError as refusal:
                assert refusal.message and refusal.hint
                outcomes["refused"] += 1
                continue
            assert conserved(con, staged)
            outcomes["read"] += 1
    assert outcomes["refused"] > 5 and outcomes["read"] > 5
