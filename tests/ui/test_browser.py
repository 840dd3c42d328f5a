"""What only a browser shows: painted pages, doors, links, themes, and that nothing leaves the machine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.ui.watching import Server, Tab

pytestmark = pytest.mark.browser
PAGES = ("", "patients", "prevalence", "test_set", "cooccurrence", "gallery", "compare")
CHARTS = {"patients", "prevalence", "test_set", "cooccurrence"}
GRID = "[data-ready]"


def drawn_ids(tab: Tab) -> list[str]:
    """Return the image ids under the tiles, in order."""
    tab.page.wait_for_selector(GRID, timeout=60_000)
    text = tab.page.locator(GRID).first.inner_text()
    return re.findall(r"\d{8}_\d{3}\.png", text)


def cell_centre(tab: Tab, wanted: str) -> tuple[float, float]:
    """Return where the mark whose door holds this text lies on screen."""
    found = tab.page.evaluate(
        """wanted => {
            const plot = document.querySelector('.js-plotly-plot'), box = plot.getBoundingClientRect();
            for (const t of plot._fullData) for (let i = 0; i < (t.customdata || []).length; i++) {
                if (!JSON.stringify(t.customdata[i]).includes(wanted)) continue;
                const xa = plot._fullLayout[t.xaxis.replace('x', 'xaxis')];
                const ya = plot._fullLayout[t.yaxis.replace('y', 'yaxis')];
                const x = t.base ? t.base[i] + t.x[i] / 2 : t.x[i];
                return [box.left + xa._offset + xa.d2p(x), box.top + ya._offset + ya.d2p(t.y[i])];
            }
        }""",
        wanted,
    )
    assert found, f"no mark leads to {wanted}"
    return found[0], found[1]


@pytest.mark.real_data
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [(1440, 900), (1920, 1080)], ids=["1440", "1920"])
def test_every_page_paints_without_fault_and_asks_no_other_host(
    chromium: Any, nih_server: Any, dark: bool, size: Any
) -> None:
    tab = Tab(chromium, nih_server.url, dark=dark, size=size)
    for page in PAGES:
        tab.open(f"{page}?ds=nih")
        if page in CHARTS:
            tab.drawn()
        assert tab.headline().strip()
        overflow = tab.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, f"{page} is wider than the window"
    tab.close()
    assert tab.faults == []


@pytest.mark.real_data
def test_a_cell_opens_the_gallery_and_its_link_shows_the_same_images_on_a_fresh_server(
    chromium: Any, nih_cache: Any
) -> None:
    server = Server(nih_cache).start()
    first = Tab(chromium, server.url)
    first.open("cooccurrence?ds=nih").drawn()
    x, y = cell_centre(first, "Effusion AND Infiltration")
    first.page.mouse.move(x, y)
    first.page.wait_for_timeout(300)
    first.page.mouse.click(x, y)
    first.page.wait_for_url("**/gallery?**", timeout=30_000)
    first.ready()
    seen, link = drawn_ids(first), first.page.url
    assert "Effusion AND Infiltration" in first.headline()
    assert "4,000 images" in first.headline()
    first.close()
    server.stop()

    again = Server(nih_cache).start()
    second = Tab(chromium, again.url)
    second.open(link.split("/", 3)[3])
    assert drawn_ids(second) == seen
    assert len(seen) == 32
    second.close()
    again.stop()
    assert first.faults + second.faults == []


@pytest.mark.real_data
def test_the_headline_numbers_are_the_golden_ones(chromium: Any, nih_server: Any) -> None:
    tab = Tab(chromium, nih_server.url)
    assert "112,120 images of 30,805 patients" in tab.open("?ds=nih").headline()
    headline = tab.open("patients?ds=nih").headline()
    assert "7.2% of patients" in headline and "45.0% of all 112,120 images" in headline
    tab.close()


@pytest.mark.real_data
def test_rgba_films_show_as_grey_pictures(chromium: Any, nih_server: Any, real_data: Path) -> None:
    from PIL import Image

    rgba = []
    for path in sorted((real_data / "nih" / "images").glob("*.png")):
        with Image.open(path) as film:
            rgba += [path.name] if film.mode == "RGBA" else []
    assert len(rgba) == 4
    tab = Tab(chromium, nih_server.url)
    tab.open(f"gallery?ds=nih&on_disk=true&g_n=100&g_patient={int(rgba[0][:8])}&g_one=false")
    tab.page.wait_for_selector(GRID)
    assert rgba[0] in drawn_ids(tab)
    tab.page.wait_for_function(
        "s => [...document.querySelectorAll('*')]"
        ".some(e => e.shadowRoot && e.shadowRoot.querySelector('img')?.naturalWidth > 0)"
        " || [...document.querySelectorAll(s + ' img')].some(i => i.naturalWidth > 0)",
        arg=GRID,
    )
    tab.close()
    assert tab.faults == []


def test_a_tile_opens_the_film_large_and_the_link_keeps_it(chromium: Any, small_server: Any) -> None:
    tab = Tab(chromium, small_server.url)
    tab.open("gallery?ds=films&g_n=18")
    ids = drawn_ids(tab)
    tab.page.locator(f"{GRID} img").first.click()
    tab.page.wait_for_selector(".viewer .pane:not(.waiting) canvas", timeout=30_000)
    tab.page.wait_for_url("**g_film=*")
    opened = Tab(chromium, small_server.url)
    opened.open(tab.page.url.split("/", 3)[3])
    opened.page.wait_for_selector(".viewer .pane:not(.waiting) canvas", timeout=30_000)
    assert ids[0] in opened.page.locator(".viewer").inner_text()
    tab.close()
    opened.close()
    assert tab.faults + opened.faults == []


def test_the_link_always_names_the_dataset(chromium: Any, small_server: Any) -> None:
    tab = Tab(chromium, small_server.url)
    tab.open("patients")
    tab.page.wait_for_url("**/patients?ds=*", timeout=30_000)
    named = tab.page.url.partition("ds=")[2].partition("&")[0]
    assert named and tab.page.locator(".st-key-ds input").input_value() == named
    tab.close()
    assert tab.faults == []


def test_a_broken_film_is_a_tile_that_says_so(chromium: Any, small_server: Any) -> None:
    tab = Tab(chromium, small_server.url)
    tab.open("gallery?ds=films&g_patient=7")
    tab.page.wait_for_selector(GRID)
    assert re.search("broken|not a|unknown", tab.page.locator(GRID).inner_text())
    tab.close()
    assert tab.faults == []


def test_without_any_film_the_gallery_says_where_it_looked(chromium: Any, small_server: Any) -> None:
    tab = Tab(chromium, small_server.url)
    text = tab.open("gallery?ds=small").text()
    assert "not on disk" in text and "Looked in" in text and "--images FOLDER" in text
    tab.close()
    assert tab.faults == []


def test_presentation_mode_hides_identifiers(chromium: Any, small_server: Any) -> None:
    tab = Tab(chromium, small_server.url)
    tab.open("gallery?ds=films&present=true")
    tab.page.wait_for_selector(GRID)
    assert drawn_ids(tab) == []
    assert not re.search(r"\d{8}_\d{3}", tab.text())
    tab.close()


def test_two_tabs_with_different_cohorts_do_not_mix(chromium: Any, small_server: Any) -> None:
    one, two = Tab(chromium, small_server.url), Tab(chromium, small_server.url)
    one.open("prevalence?ds=small&sex=F")
    two.open("prevalence?ds=small&sex=M")
    assert "women" in one.text() and "of men" not in one.text()
    assert "of men" in two.text()
    one.close()
    two.close()
    assert one.faults + two.faults == []
