"""The report: one file that asks for nothing, says the numbers of the statistics, and keeps what must be kept."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from cxrdash import analysis
from cxrdash.config import PAGE_TITLES
from cxrdash.errors import CxrdashError
from cxrdash.index.build import Request, build_index
from cxrdash.index.cohort import Cohort
from cxrdash.index.store import Index, open_index
from cxrdash.report import figures
from cxrdash.report.checklists import AUTHOR, ITEMS
from cxrdash.report.document import document
from cxrdash.report.flow import flow
from cxrdash.report.forms import form_of, written
from cxrdash.report.gather import Question
from cxrdash.report.html import html
from cxrdash.report.markdown import markdown
from cxrdash.report.tables import hidden_parts, withheld_findings
from tests.datasets import cache_of
from tests.report.conftest import SLOW

CHAPTERS = ("How the labels were made", "What the labels mean", "Who the patients are", "What the images look like",
            "Use that is supported")  # fmt: skip
SAVED = ("data:text/csv;base64,", "data:image/svg+xml;base64,")


class Reader(HTMLParser):
    """Reads a page back: its tags balanced, every address in it, its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src", "data", "action", "srcset")]
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in ("meta", "br", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text += data


def asked(index: Index, **options: object) -> Question:
    return Question(index, **{"without": SLOW, **options})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def page(nih: Index) -> str:
    return html(document(asked(nih)))


def test_the_file_asks_for_nothing(page: str) -> None:
    read = Reader(page)
    assert not read.open
    assert all(address.startswith(("#c", *SAVED)) for address in read.addresses)
    assert not {"script", "iframe", "object", "link", "form", "img"} & set(read.tags)
    assert "default-src 'none'" in page and "@import" not in page and "url(" not in page.replace("url(#hatch)", "")


def test_it_begins_with_the_verdict_and_has_the_five_chapters(nih: Index, page: str) -> None:
    headings = re.findall("<h2>(.*?)</h2>", page)
    assert headings[0] == "Verdict"
    for number, words in enumerate(CHAPTERS, start=1):
        assert any(heading.startswith(f"{number}. {words}") for heading in headings)
    table = analysis.audit(nih, without=SLOW)
    for sentence in table["sentence"]:
        assert sentence in Reader(page).text


def test_each_check_names_its_page_as_the_menu_does(nih: Index, page: str) -> None:
    named = {PAGE_TITLES[name] for name in analysis.audit(nih, Cohort(), use="train")["page"]}
    assert "Co-occurrence" in named or "Hidden strata" in named
    text = Reader(page).text
    assert all(f"{title} page" in text for title in named)


def test_every_table_holds_exactly_the_numbers_of_its_statistic(nih: Index, page: str) -> None:
    titles = re.findall(r'download="([^"]+)\.csv" href="data:text/csv;base64,([^"]+)"', page)
    saved = {name: base64.b64decode(coded).decode() for name, coded in titles}
    for name, table in (
        ("how-common-is-each-finding", analysis.prevalence(nih, unit="image")),
        ("who-is-on-the-films", analysis.overview(nih)),
        ("enough-positive-patients-to-test-on", analysis.test_sizes(nih)),
        ("stars-of-each-label", analysis.stars(nih)),
    ):
        assert saved[name] == table.to_csv(index=False, lineterminator="\n")
    assert pd.read_csv(io.StringIO(saved["how-common-is-each-finding"])).loc[2, "positive"] == 60


def test_each_table_names_the_command_that_prints_it(page: str) -> None:
    read = Reader(page)
    for command in ("stat prevalence nih --unit image", "stat test_sizes nih", "stat stars nih", "stat overview nih"):
        assert f"python -m cxrdash {command}" in read.text
    assert "python -m cxrdash report nih -o report.html --use train" in read.text


def test_the_record_traces_every_number(nih: Index, page: str) -> None:
    read = Reader(page).text
    digest = nih.rows("SELECT sha256 FROM sources WHERE counts_images")[0][0]
    for word in (nih.generation, digest, "cxrdash 0.", nih.card.citation, nih.card.licence, "positive_patients"):
        assert word in read


def test_items_are_filled_or_listed_for_the_author(nih: Index, page: str) -> None:
    read = Reader(page).text
    assert all(item.item in read for item in ITEMS)
    assert read.count(AUTHOR) == sum(item.answer is None for item in ITEMS)
    assert "Not documented by the source" in read  # a gap is printed, never left out


@pytest.mark.parametrize("use", ["train", "test", "external"])
def test_the_verdict_is_for_the_use_asked_about(chexpert: Index, use: str) -> None:
    made = document(asked(chexpert, use=use, shareable=False))
    fails = int((analysis.audit(chexpert, use=use, without=SLOW)["severity"] == "fail").sum())
    assert ("Not ready" in made.headline) == bool(fails)
    assert made.chapters[0].blocks[0].items[0][:2] == (f"{fails:,}", "failed")  # type: ignore[union-attr]


HOSTILE = (
    "<script>alert(1)</script>", "![x](http://a.example/p)", "</style><img src=x onerror=alert(1)>", "a \u202eb",
    "'><a href=//b.example>", "|`_*# [l](javascript:alert(1))",
)  # fmt: skip
HOSTILE_TOML = """
[dataset]
name = "hostile"
title = "</title><script>alert(2)</script>"

[images]
from = "tables"
tables = ["films.csv"]
image = "film"

[labels]
columns = {columns}

[labels.states]
positive = ["1"]
negative = ["0"]
blank = [""]
"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """A dataset of one's own without patients, whose title and labels are markup."""
    folder = tmp_path_factory.mktemp("hostile") / "films"
    folder.mkdir()
    text = HOSTILE_TOML.format(columns=json.dumps(list(HOSTILE), ensure_ascii=False))
    (folder / "cxrdash.toml").write_text(text, encoding="utf-8")
    with (folder / "films.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["film", *HOSTILE])
        writer.writerows([f"{at}.png", *("10"[(at + place) % 2] for place in range(len(HOSTILE)))] for at in range(30))
    cache = cache_of(folder)
    build_index(Request(folder), cache)
    return open_index("hostile", cache)


def test_labels_that_are_markup_are_shown_as_they_are(hostile: Index) -> None:
    read = Reader(html(document(asked(hostile, shareable=False))))
    assert not {"script", "img", "iframe"} & set(read.tags)
    assert all(address.startswith(("#c", *SAVED)) for address in read.addresses)
    assert HOSTILE[0] in read.text and HOSTILE[4] in read.text and "</title><script>alert(2)</script>" in read.text


def test_markdown_obeys_no_label(hostile: Index) -> None:
    text = markdown(document(asked(hostile, shareable=False)))
    assert not re.search(r"(?<!\\)!\[|(?<!\\)\]\(|(?<!\\)<(script|img|a)\b", re.sub(r"(?s)```.*?```", "", text))


def test_an_empty_cohort_is_a_message(nih: Index) -> None:
    with pytest.raises(CxrdashError, match="nothing to report"):
        document(asked(nih, cohort=Cohort(ages=(99, 100))))


@pytest.mark.parametrize("dataset", ["nih", "chexpert", "hostile"])
def test_every_form_can_be_made_of_every_dataset(dataset: str, request: pytest.FixtureRequest) -> None:
    index: Index = request.getfixturevalue(dataset)
    for name in ("x.html", "x.md", "x.card.md", "x.croissant.json"):
        assert len(written(asked(index, shareable=False), form_of(name), name)) > 2_000


def test_an_unknown_ending_names_the_known_ones() -> None:
    with pytest.raises(CxrdashError, match=r"'x\.pdf' does not say") as fault:
        form_of("x.pdf")
    assert ".croissant.json" in fault.value.hint


def test_where_the_licence_forbids_sharing_small_cells_are_left_out_unasked(chexpert: Index) -> None:
    question = asked(chexpert)
    assert question.shared and withheld_findings(question) == {"Fracture"}  # positive in 3 of 60 patients
    read = Reader(html(document(question)))
    row = re.search(r"Fracture\s*(.*?)Support Devices", read.text, re.DOTALL)
    assert row and "withheld" in row[1]
    assert not any(address.startswith("data:text/csv") for address in read.addresses)
    table = analysis.prevalence(chexpert, unit="study").set_index("finding")
    assert table.loc["Fracture", "positive"] == 3
    assert "Fracture 5.0%" not in read.text and not re.search(r"Fracture\s*3\b", read.text)


def test_the_author_may_have_every_number(chexpert: Index) -> None:
    question = asked(chexpert, shareable=False)
    assert withheld_findings(question) == frozenset() == hidden_parts(question)


def test_no_identifier_is_in_a_shared_report(chexpert: Index) -> None:
    cohort = Cohort(images=tuple(f"train/patient{p:05d}/study1/view1_frontal.jpg" for p in range(40)))
    for name in ("x.html", "x.md", "x.card.md", "x.croissant.json"):
        text = written(asked(chexpert, cohort=cohort), form_of(name), name)
        assert "patient000" not in text
    assert "patient00007" in written(asked(chexpert, cohort=cohort, shareable=False), "html", "x.html")


@pytest.mark.parametrize(("patients", "said"), [(range(5), "holds 5"), (range(55), "leaves out 5")])
def test_a_shared_report_of_or_without_a_handful_is_refused(chexpert: Index, patients: range, said: str) -> None:
    cohort = Cohort(images=tuple(f"train/patient{p:05d}/study1/view1_frontal.jpg" for p in patients))
    with pytest.raises(CxrdashError, match=said):
        document(asked(chexpert, cohort=cohort))


def flow_rows(*rows: tuple[str, int, int]) -> pd.DataFrame:
    """A cohort audit: what each rule leaves of images and patients."""
    table = pd.DataFrame(rows, columns=["rule", "images", "patients"])
    lost = -table[["images", "patients"]].diff().fillna(0).astype(int)
    return table.assign(step=range(len(table)), images_lost=lost["images"], patients_lost=lost["patients"])


AUDIT = (("Every image", 100, 60), ("PA", 80, 50), ("women", 77, 48), ("adults", 40, 30))


def test_the_flow_counts_each_exclusion() -> None:
    made = flow(flow_rows(*AUDIT), patients_known=True, shareable=False)
    assert made is not None
    for said in ("20 images, 10 patients left out", "3 images, 2 patients left out", "40 images, 30 patients"):
        assert said in made.svg


def test_in_a_shared_flow_small_exclusions_are_joined_with_the_next() -> None:
    made = flow(flow_rows(*AUDIT), patients_known=True, shareable=True)
    assert made is not None
    # PA loses 10 patients, PA and women together 12, then adults 18.
    assert "23 images, 12 patients left out" in made.svg and "37 images, 18 patients left out" in made.svg
    assert "3 images, 2 patients" not in made.svg and "80 images" not in made.svg


def test_the_flow_of_a_cohort_is_its_audit(nih: Index) -> None:
    cohort = Cohort(labels="Effusion", ages=(30, 50))
    text = html(document(asked(nih, cohort=cohort)))
    rows = analysis.cohort_audit(nih, cohort)
    for row in rows[rows["images_lost"] > 0].itertuples():
        assert f"{row.images_lost:,} images, {row.patients_lost:,} patients left out" in text


def test_each_statistic_of_a_report_is_computed_once(nih: Index) -> None:
    seen: list[tuple[object, ...]] = []

    def compute(name: str, index: Index, cohort: Cohort, **options: object) -> pd.DataFrame:
        seen.append((name, repr(cohort), *sorted(options.items())))
        return analysis.compute(name, index, cohort, **options)

    html(document(asked(nih, compute=compute)))
    assert len(seen) > 10 and len(seen) == len(set(seen))


def test_each_figure_can_be_saved_as_a_drawing_that_stands_alone(nih: Index, page: str) -> None:
    import xml.etree.ElementTree as ET

    saved = [base64.b64decode(coded) for coded in re.findall(r'href="data:image/svg\+xml;base64,([^"]+)"', page)]
    assert len(saved) == page.count("<figure>") >= 2
    for drawing in saved:
        assert ET.fromstring(drawing).tag == "{http://www.w3.org/2000/svg}svg" and drawing.decode() in page


def test_somebody_who_never_saw_one_is_told_what_it_is(nih: Index, page: str) -> None:
    read = Reader(page).text
    assert "This report says whether a dataset of chest radiographs suits a use" in read
    assert nih.meta["built_at"][:10] in read
    assert "Seed: none" in read
    drawn = asked(nih, cohort=Cohort(one_per_patient="random", seed=7))
    assert "Seed: 7 (one image of each patient was drawn)" in Reader(html(document(drawn))).text


def test_a_gap_is_not_said_to_be_stated(page: str) -> None:
    assert "<b>Ethnicity:</b> Not documented by the source.</p>" in page


def test_demographics_are_those_of_each_part(nih: Index, page: str) -> None:
    read = Reader(page).text
    for part in ("train_valid", "test"):
        table = analysis.overview(nih, Cohort(splits=(part,)))
        row = table[(table["attribute"] == "sex")].iloc[0]
        assert f"{part}: Sex {row['level']} {100 * row['share_of_images']:.1f}%" in read
        assert f"of {table.iloc[0]['images']:,} images." in read


def test_what_is_written_beside_a_curve_stays_on_the_sheet() -> None:
    people = [500, 216, 36, 11]  # more than 0, 1, 10 and 19 images: the tenth stands near the right edge
    table = pd.DataFrame(
        {
            "images": [1, 10, 19],
            "patients": [284, 180, 36],
            "share_of_patients_with_more": [count / 500 for count in people[1:]],
            "share_of_images_with_more": [0.8, 0.4, 0.1],
        }
    )
    made = figures.repeats(table, shareable=False)
    assert made is not None
    (words,) = re.findall(r'<text x="([\d.]+)"[^>]*text-anchor="(\w+)"[^>]*>7.2% have more than 10<', made.svg)
    assert words[1] == "end" and float(words[0]) < figures.WIDTH
    assert made.caption.endswith("n = 500 patients.")
