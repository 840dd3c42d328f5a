"""About 190 labels: every page stays readable and quick, and says what it leaves out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cxrdash.analysis.finding_tree import branches
from cxrdash.config import Cache
from cxrdash.index.build import Request, build_index
from cxrdash.labels.findings import Finding
from cxrdash.ui.many_labels import BY_COUNT, CLOSED, OPEN, Choice, matching, pick
from tests.made_padchest import write_padchest
from tests.ui.test_pages import app, headline, shown
from tests.ui.watching import Server, Tab

TREE = [
    Finding("lung", "lung"),
    Finding("nodule", "nodule", parent="lung"),
    Finding("mass", "mass", parent="nodule"),
    Finding("tube", "tube"),
    Finding("heart", "heart"),
]
COUNTS = {"lung": 1, "nodule": 5, "mass": 4, "tube": 7, "heart": 0}


@pytest.fixture(scope="session")
def many_cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    """A cache with one dataset of PadChest's 192 labels and about 3,500 images."""
    root = tmp_path_factory.mktemp("many")
    cache = Cache(root / "cache")
    build_index(Request(write_padchest(root / "padchest", 800), name="padchest"), cache)
    return cache


def test_the_most_frequent_come_first_and_the_rest_is_stated() -> None:
    found = pick(TREE, COUNTS, Choice(top=2))
    assert found.names == ("tube", "nodule")
    assert found.told == (
        "2 of 5 labels shown, the most frequent; the other 3 labels: 5 positive labels, most frequent mass (4); "
        "1 never positive. The table below lists all."
    )
    assert pick(TREE, COUNTS, Choice(top=0)).told == "5 of 5 labels shown."


def test_every_label_is_in_one_branch_even_in_a_circle_of_parents() -> None:
    assert branches(TREE)["lung"] == [("lung", 0), ("nodule", 1), ("mass", 2)]
    circle = [Finding("a", "a", parent="b"), Finding("b", "b", parent="a"), Finding("c", "c", parent="elsewhere")]
    assert branches(circle) == {"c": [("c", 0)], "a": [("a", 0)], "b": [("b", 0)]}


def test_a_branch_is_closed_until_it_is_opened_or_found() -> None:
    assert pick(TREE, COUNTS, Choice(by=CLOSED)).names == ("lung", "tube", "heart")
    assert pick(TREE, COUNTS, Choice(by=CLOSED)).words["lung"] == "lung (+2)"
    opened = pick(TREE, COUNTS, Choice(by=CLOSED, opened=["lung"]))
    assert list(opened.words.values()) == ["lung", "↳ nodule", "↳↳ mass", "tube", "heart"]
    assert pick(TREE, COUNTS, Choice(by=OPEN)).words == opened.words
    assert pick(TREE, COUNTS, Choice(find="mass", by=CLOSED)).names == ("lung", "nodule", "mass")


def test_branches_are_counted_by_the_labels_they_hold() -> None:
    told = pick(TREE, COUNTS, Choice(by=CLOSED, top=1)).told
    assert told.startswith("1 of 5 labels shown (1 of 3 branches); the other 4 labels: 16 positive labels")


def test_a_search_takes_several_texts_and_says_when_nothing_fits() -> None:
    assert matching(list(COUNTS), " MASS, tub") == ["mass", "tube"]
    assert pick(TREE, COUNTS, Choice(find="xyz", by=BY_COUNT)).told.startswith("No label matches “xyz”")


@pytest.mark.parametrize(
    ("page", "parameters"),
    [
        *[("prevalence", {"v_chart": chart}) for chart in ("States", "Rates", "By view", "By age")],
        *[("test_set", {"t_chart": chart}) for chart in ("Positive patients", "Interval widths", "Subgroups")],
        ("cooccurrence", {"c_measure": "Lift", "c_order": "Clustered"}),
    ],
)
def test_label_pages_draw_twenty_and_say_what_the_others_hold(
    many_cache: Cache, monkeypatch: pytest.MonkeyPatch, page: str, parameters: dict[str, str]
) -> None:
    at = app(many_cache, monkeypatch, page, ds="padchest", **parameters)
    assert not at.exception
    said = shown(at).replace("\\", "")
    assert "20 of 192 labels shown, the most frequent; the other 172 labels: " in said


@pytest.mark.parametrize("page", ["prevalence", "test_set", "cooccurrence"])
@pytest.mark.parametrize("by", ["Branches", "Tree"])
def test_label_pages_group_by_the_tree(
    many_cache: Cache, monkeypatch: pytest.MonkeyPatch, page: str, by: str
) -> None:  # fmt: skip
    at = app(many_cache, monkeypatch, page, ds="padchest", f_by=by, f_top="50")
    assert not at.exception
    assert "50 of 97 branches" in shown(at)


@pytest.mark.parametrize("view", ["Hierarchy", "Contradictions", "Loaders", "Redundancy"])
def test_label_logic_finds_a_label(many_cache: Cache, monkeypatch: pytest.MonkeyPatch, view: str) -> None:
    at = app(many_cache, monkeypatch, "label_logic", ds="padchest", l_view=view, f_find="effusion")
    assert not at.exception
    assert headline(at)
    assert view == "Loaders" or "labels match “effusion”" in shown(at).replace("\\", "")


def test_the_matrix_says_how_many_of_all_labels_it_draws(many_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(many_cache, monkeypatch, "cooccurrence", ds="padchest", f_top="All")
    assert "Drawn: the first 60" in shown(at).replace("\\", "")


def test_with_few_labels_there_is_no_such_control(small_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(small_cache, monkeypatch, "prevalence", ds="states")
    assert "f_find" not in [item.key for item in at.text_input]


def test_the_labels_looked_at_come_along_to_the_next_page(many_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(many_cache, monkeypatch, "prevalence", ds="padchest")
    at.text_input(key="f_find").set_value("effusion").run()
    at.switch_page(str(Path("pages/test_set_page.py"))).run()
    assert at.text_input(key="f_find").value == "effusion"


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_page_is_wide(chromium: Any, many_cache: Cache, dark: bool) -> None:
    server = Server(many_cache).start()
    tab = Tab(chromium, server.url, dark=dark)
    pages = ("", "patients", "prevalence", "test_set", "cooccurrence", "label_logic", "second_opinion", "gallery")
    for page in (*pages, "cooccurrence?c_view=Exact+combinations", "prevalence?f_by=Tree", "cooccurrence?f_top=All"):
        tab.open("?ds=padchest")  # the first page of a process also imports what draws
        tab.open(f"{page}{'&' if '?' in page else '?'}ds=padchest")
        overflow = tab.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, f"{page} is wider than the window"
    assert "172 labels" in tab.open("prevalence?ds=padchest").text()
    tab.close()
    server.stop()
    assert tab.faults == []
