"""The map of the images: brought as a file, drawn on by hand, a door to the films inside."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from cxrdash.config import Cache
from tests.ui.conftest import nih_rows
from tests.ui.test_pages import app, headline, shown
from tests.ui.watching import Tab

MAP = {"h_view": "Map of the images", "h_finding": "Effusion"}


def table() -> bytes:
    """Places for the films of the dataset 'small': women on the left, men on the right."""
    chance = random.Random(0)
    lines = ["image,x,y,fold"]
    for name, patient in ((row.split(",")[0], int(row.split(",")[3])) for row in nih_rows(60, 4)):
        lines.append(f"{name},{chance.random() + 3 * (patient % 2)},{chance.random()},{patient % 5}")
    return "\n".join(lines).encode()


def test_the_headline_tells_what_lies_beside_a_film_of_the_finding(
    small_cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = app(small_cache, monkeypatch, "strata", ds="small", **MAP)
    assert headline(at) == "A map of the images shows pockets that no attribute names"
    at.file_uploader[0].set_value(("umap.csv", table(), "text/csv")).run()
    assert not at.exception
    assert headline(at).startswith("Beside a film with Effusion, ") and "of all films" in headline(at)
    said = shown(at).replace("\\", "")
    assert "240 of 240 rows name an image of this dataset (column image, as it is written)" in said
    assert "240 images of the cohort have a place, all of them drawn; uncertain shown as its own state" in said
    at.switch_page(str(Path("pages/patients_page.py"))).run()
    at.switch_page(str(Path("pages/strata_page.py"))).run()
    at.segmented_control(key="h_view").set_value(MAP["h_view"]).run()
    assert "Still in use: umap.csv" in shown(at).replace("\\", "")
    next(button for button in at.button if button.label == "Put it away").click().run()
    assert headline(at) == "A map of the images shows pockets that no attribute names"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"image,x\n00000001_000.png,1\n", "one column of numbers only"),
        (b"image,x,y\nelse.png,1,2\n", "No column of umap.csv names images of small."),
    ],
)
def test_what_is_no_map_is_a_message(
    small_cache: Cache, monkeypatch: pytest.MonkeyPatch, content: bytes, said: str
) -> None:
    at = app(small_cache, monkeypatch, "strata", ds="small", **MAP)
    at.file_uploader[0].set_value(("umap.csv", content, "text/csv")).run()
    assert not at.exception
    assert said in shown(at).replace("\\", "")


@pytest.mark.browser
def test_films_drawn_round_by_hand_open_in_the_gallery(chromium: Any, small_server: Any) -> None:
    tab = Tab(chromium, small_server.url)
    tab.open("strata?ds=small&h_view=Map+of+the+images&h_finding=Effusion")
    tab.page.set_input_files("input[type=file]", {"name": "umap.csv", "mimeType": "text/csv", "buffer": table()})
    tab.drawn().page.wait_for_selector("text=Draw round a group of points")
    box = tab.page.locator(".js-plotly-plot .nsewdrag").first.bounding_box()
    left, right = box["x"] + 2, box["x"] + box["width"] / 2
    above, below = box["y"] + 2, box["y"] + box["height"] - 2
    tab.page.mouse.move(left, above)
    tab.page.mouse.down()
    for x, y in ((right, above), (right, below), (left, below), (left, above)):
        tab.page.mouse.move(x, y, steps=5)
    tab.page.mouse.up()
    look = tab.page.get_by_role("button", name="Look at")
    look.wait_for(timeout=30_000)
    tab.ready()
    assert "120 images of 30 patients chosen" in tab.text()
    assert tab.page.get_by_text("Look at the first 100 films").count()
    look.click()
    tab.page.wait_for_url("**/gallery?**", timeout=30_000)
    assert "named one by one" in tab.ready().headline()
    assert tab.page.url.count("g_image=") == 100
    tab.close()
    assert tab.faults == []
