"""The viewer as a reader works it: native pixels, no server while dragging, every turn of the picture told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.ui.films import BROKEN, SIZE, make_cache, pixels
from tests.ui.watching import Server, Tab, eventually

pytestmark = pytest.mark.browser
LOADED = ".pane:not(.waiting) canvas"
ROOM = "[...document.querySelectorAll('*')].map(e => e.shadowRoot?.querySelector('.viewer')).find(Boolean)"
STUDY = re.compile(r"patient0*(\d+)/study(\d)/view(\d)")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(make_cache(tmp_path_factory.mktemp("viewer"))).start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def window(chromium: Any, server: Server) -> Iterator[Tab]:
    made = Tab(chromium, server.url)
    yield made
    made.close()


@pytest.fixture
def tab(window: Tab) -> Iterator[Tab]:
    """A tab that every test opens anew; whatever went wrong in it fails the test."""
    window.faults.clear()
    yield window
    assert window.faults == []


def gallery(tab: Tab, more: str = "") -> Tab:
    tab.open(f"gallery?ds=chexpert&g_n=18{more}")
    tab.page.wait_for_selector('[data-ready="6"]', timeout=30_000)
    return tab


def opened(tab: Tab, patient: int = 1, more: str = "") -> Tab:
    """Open the frontal film of a patient's first study by its link, and wait until it is painted."""
    film = f"train/patient{patient:05d}/study1/view1_frontal.jpg"
    tab.open(f"gallery?ds=chexpert&g_n=18&g_film={film}{more}")
    return painted(tab)


def painted(tab: Tab, films: int = 1) -> Tab:
    tab.page.wait_for_function(
        f"n => {{ const all = {ROOM};"
        " return all?.open && all.querySelectorAll('.pane:not(.waiting) canvas[data-painted]').length === n }",
        arg=films,
        timeout=30_000,
    )
    tab.page.wait_for_timeout(150)
    return tab


def linked(tab: Tab) -> Tab:
    """Wait until the address names the film that is shown."""
    eventually(lambda: parameters(tab).get("g_film", ["?"])[0].endswith(text(tab, ".title")), tab.page)
    return tab


def text(tab: Tab, part: str) -> str:
    return tab.page.locator(f".viewer {part}").first.inner_text()


def parameters(tab: Tab) -> dict[str, list[str]]:
    return parse_qs(urlsplit(tab.page.url).query)


def shown_film(tab: Tab) -> tuple[int, int, int]:
    """Patient, study and view of the film in the first pane."""
    found = STUDY.search(text(tab, ".title"))
    assert found
    return int(found[1]), int(found[2]), int(found[3])


def canvas_box(tab: Tab) -> dict[str, float]:
    box = tab.page.locator(f".viewer {LOADED}").first.bounding_box()
    assert box
    return box


def over(tab: Tab, x: float, y: float) -> None:
    """Put the mouse on a pixel of the film, which fits its pane."""
    box = canvas_box(tab)
    scale = min(box["width"] / SIZE[0], box["height"] / SIZE[1])
    tab.page.mouse.move(
        box["x"] + box["width"] / 2 + (x + 0.5 - SIZE[0] / 2) * scale,
        box["y"] + box["height"] / 2 + (y + 0.5 - SIZE[1] / 2) * scale,
    )


def picture(tab: Tab) -> bytes:
    shot: bytes = tab.page.locator(f".viewer {LOADED}").first.screenshot()
    return shot


def test_a_tile_opens_its_film_at_native_size_and_depth(tab: Tab) -> None:
    gallery(tab).page.locator(".tile").first.click()
    painted(tab)
    assert "500 × 620, 16 bits" in text(tab, ".bottom")
    tab.page.wait_for_url("**g_film=*")
    assert STUDY.search(parameters(tab)["g_film"][0])


def test_a_pixel_probe_equals_the_stored_value(tab: Tab) -> None:
    opened(tab)
    stored = pixels(1, 1, 1)
    for x, y in ((0, 0), (499, 619), (250, 300), (17, 480), (444, 61)):
        over(tab, x, y)
        tab.page.wait_for_function(
            f"want => {ROOM}.querySelector('.probe').dataset.x === want",
            arg=str(x),
        )
        probe = tab.page.locator(".viewer .probe").first
        assert [int(probe.get_attribute(f"data-{name}")) for name in ("x", "y", "stored")] == [x, y, stored[y, x]]
        assert f"{stored[y, x]:,}" in probe.inner_text()


def quiet(tab: Tab, traffic: list[Any]) -> None:
    """Wait until nothing has been asked or answered for a while."""
    heard = -1
    while heard != len(traffic):
        heard = len(traffic)
        tab.page.wait_for_timeout(1500)


def test_dragging_the_window_asks_nothing_of_the_server_until_release(chromium: Any, server: Server) -> None:
    tab, traffic = Tab(chromium, server.url), []
    tab.page.on("request", lambda request: traffic.append(request.url))
    for kind in ("framesent", "framereceived"):
        tab.page.on("websocket", lambda socket, kind=kind: socket.on(kind, lambda frame: traffic.append(frame)))
    opened(tab)
    quiet(tab, traffic)  # neighbours are fetched ahead
    over(tab, 250, 300)
    tab.page.mouse.down()
    before = picture(tab)
    traffic.clear()
    for step in range(20):
        tab.page.mouse.move(600 + 8 * step, 400 + 4 * step)
    tab.page.wait_for_timeout(800)
    assert traffic == []
    eventually(lambda: picture(tab) != before, tab.page)
    assert "v_c" not in parameters(tab)
    tab.page.mouse.up()
    tab.page.wait_for_url("**v_c=*", timeout=30_000)
    tab.close()
    assert tab.faults == []


def test_the_link_shows_the_same_window(chromium: Any, server: Server) -> None:
    first = opened(Tab(chromium, server.url))
    first.page.keyboard.press("2")
    first.page.wait_for_url("**v_c=*")
    window, link = text(first, ".tone"), first.page.url.split("/", 3)[3]
    first.close()
    second = Tab(chromium, server.url).open(link)
    painted(second)
    assert text(second, ".tone") == window
    assert "Lung" in window
    second.close()
    assert first.faults + second.faults == []


@pytest.mark.parametrize("junk", ["v_c=x&v_w=9", "v_c=1", "v_c=nan&v_w=inf", "v_c=5&v_w=-3"])
def test_a_window_that_is_none_is_not_used(tab: Tab, junk: str) -> None:
    opened(tab, more=f"&{junk}")
    assert "Full range" in text(tab, ".tone")


def test_inverting_and_turning_are_told_and_reset_takes_them_back(tab: Tab) -> None:
    opened(tab)
    start = picture(tab)
    assert text(tab, ".badges") == ""
    tab.page.keyboard.press("i")
    tab.page.keyboard.press("r")
    assert text(tab, ".badges").split("\n") == ["INVERTED", "ROTATED 90°"]
    eventually(lambda: picture(tab) != start, tab.page)
    tab.page.keyboard.press("0")
    assert text(tab, ".badges") == ""
    eventually(lambda: picture(tab) == start, tab.page)


def test_no_inversion_or_turn_is_carried_to_the_next_film(tab: Tab) -> None:
    gallery(tab).page.locator(".tile").first.click()
    painted(tab).page.keyboard.press("i")
    tab.page.keyboard.press("r")
    tab.page.keyboard.press("ArrowRight")
    painted(tab)
    assert text(tab, ".badges") == ""


def test_arrows_walk_through_the_draw_and_esc_returns_to_the_tile(tab: Tab) -> None:
    gallery(tab)
    titles = tab.page.locator(".tile .title").all_inner_texts()
    tab.page.locator(".tile").nth(1).click()
    painted(tab)
    assert (text(tab, ".place"), tab.page.locator("[data-act=previous]").is_enabled()) == ("2 of 6", True)
    tab.page.keyboard.press("ArrowRight")
    assert text(tab, ".place") == "3 of 6"
    assert text(tab, ".title").endswith(titles[2])
    linked(tab).page.keyboard.press("Escape")
    focused = "() => [...document.querySelectorAll('*')].map(e => e.shadowRoot?.activeElement).find(Boolean)?.innerText"
    eventually(lambda: titles[2] in (tab.page.evaluate(focused) or ""), tab.page)
    eventually(lambda: "g_film" not in parameters(tab), tab.page)


def test_back_leaves_the_viewer_however_many_films_were_seen(tab: Tab) -> None:
    gallery(tab).page.locator(".tile").first.click()
    painted(tab)
    for _ in range(2):
        tab.page.keyboard.press("ArrowRight")
        linked(tab)
    tab.page.go_back()
    tab.page.wait_for_function("() => !location.search.includes('g_film')")
    tab.page.wait_for_selector(".viewer", state="hidden")
    assert len(drawn := tab.page.locator(".tile").all()) == 6, drawn


def test_keys_do_not_reach_the_page_beneath(tab: Tab) -> None:
    """The page reruns on r and offers to clear the cache on c."""
    opened(tab)
    for key in "rcr":
        tab.page.keyboard.press(key)
    tab.page.wait_for_timeout(500)
    assert tab.page.locator('[role="dialog"]:has-text("Clear")').count() == 0
    assert text(tab, ".badges") == "ROTATED 180°"


def drag(tab: Tab, start: tuple[float, float], end: tuple[float, float]) -> None:
    over(tab, *start)
    tab.page.mouse.down()
    over(tab, *end)
    tab.page.mouse.up()
    tab.page.wait_for_timeout(100)


def test_lines_are_measured_where_they_were_drawn_and_go_with_the_film(tab: Tab) -> None:
    opened(tab).page.keyboard.press("u")
    tone = text(tab, ".tone")
    drag(tab, (100, 100), (300, 100))
    drag(tab, (50, 400), (450, 400))
    drag(tab, (60, 60), (60, 60))  # a click is no line
    first, second, share = text(tab, ".lengths").split("\n")
    assert abs(float(re.findall(r"1: (\d+) px", first)[0]) - 200) <= 1
    assert abs(float(re.findall(r"2: (\d+) px", second)[0]) - 400) <= 1
    assert abs(float(share.removeprefix("1 / 2 = ")) - 0.5) < 0.01
    assert text(tab, ".tone") == tone
    tab.page.keyboard.press("r")
    assert text(tab, ".lengths").startswith(first)
    tab.page.keyboard.press("Backspace")
    assert text(tab, ".lengths") == first
    tab.page.keyboard.press("ArrowRight")
    assert text(painted(tab), ".lengths") == ""
    tab.page.keyboard.press("u")
    drag(tab, (100, 100), (300, 100))
    assert text(tab, ".lengths") == ""


def test_three_windows_stand_side_by_side_and_move_together(tab: Tab) -> None:
    opened(tab).page.keyboard.press("t")
    painted(tab, 3)
    tones = tab.page.locator(".viewer .tone").all_inner_texts()
    assert [re.sub(r"^C .* W [\d.,]+ ", "", tone) for tone in tones] == ["Full range", "Lung", "Mediastinum"]

    def sizes() -> list[str]:
        return [line.rsplit(" ", 1)[-1] for line in tab.page.locator(".viewer .bottom .dim").all_inner_texts()]

    before = sizes()
    tab.page.keyboard.press("+")
    eventually(lambda: before[0] not in sizes() and len(set(sizes())) == 1, tab.page)
    tab.page.keyboard.press("Escape")
    painted(tab, 1)


def test_frontal_and_lateral_of_the_study_stand_side_by_side(tab: Tab) -> None:
    opened(tab)
    tab.page.wait_for_selector(".viewer [data-act=study]:enabled")
    tab.page.keyboard.press("s")
    painted(tab, 2)
    assert [STUDY.search(one)[3] for one in tab.page.locator(".viewer .title").all_inner_texts()] == ["1", "2"]


def test_the_next_film_in_study_view_brings_its_own_study(tab: Tab) -> None:
    gallery(tab).page.locator(".tile").first.click()
    painted(tab).page.wait_for_selector(".viewer [data-act=study]:enabled")
    tab.page.keyboard.press("s")
    painted(tab, 2)

    def patients() -> list[str]:
        return [STUDY.search(one)[1] for one in tab.page.locator(".viewer .title").all_inner_texts()]

    seen = [patients()]
    for _ in range(2):
        tab.page.keyboard.press("ArrowRight")
        eventually(lambda: patients() not in (seen[-1], []), tab.page)
        painted(tab, 2)
        seen.append(patients())
    assert [len(pair) for pair in seen] == [2, 2, 2] and all(first == second for first, second in seen)


def test_forward_opens_the_film_again_after_back(tab: Tab) -> None:
    gallery(tab).page.locator(".tile").first.click()
    painted(tab).page.wait_for_url("**g_film=*")
    tab.page.go_back()
    tab.page.wait_for_selector(".viewer", state="hidden")
    tab.page.go_forward()
    painted(tab)


def test_the_patients_films_stand_in_order_and_open_by_a_click(tab: Tab) -> None:
    opened(tab)
    tab.page.wait_for_selector(".viewer .strip .film")
    assert tab.page.locator(".viewer .strip .film").count() == 4
    assert "Film 1 of 4 of this patient" in text(tab, ".said") and "Study number" in text(tab, ".said")
    tab.page.locator(".viewer .strip .film").nth(2).click()
    painted(tab)
    assert shown_film(tab) == (1, 2, 1)
    tab.page.wait_for_url("**study2*")
    tab.page.locator(".viewer .strip .film").nth(0).click(modifiers=["Shift"])
    painted(tab, 2)


def test_a_film_that_cannot_be_read_says_why_and_the_next_opens(tab: Tab) -> None:
    film = f"train/patient{BROKEN:05d}/study1/view1_frontal.jpg"
    tab.open(f"gallery?ds=chexpert&g_n=18&g_film={film}")
    tab.page.wait_for_selector(".viewer .fault")
    assert re.search("not a|unknown|broken", text(tab, ".fault"))
    tab.page.wait_for_selector(".viewer [data-act=study]:enabled")
    tab.page.keyboard.press("s")  # its lateral is sound
    painted(tab)
    assert "LATERAL" in tab.page.locator(".viewer .pane:not(.waiting)").inner_text()
    tab.page.keyboard.press("Escape")
    last = tab.page.locator(".viewer [data-act=next]").is_disabled()
    tab.page.keyboard.press("ArrowLeft" if last else "ArrowRight")
    painted(tab)


def test_labels_stand_in_four_states_and_can_be_hidden(tab: Tab) -> None:
    opened(tab)
    tab.page.wait_for_selector(".viewer .labels .many")
    assert "Blank: " in text(tab, ".side .labels")
    tab.page.keyboard.press("l")
    assert not tab.page.locator(".viewer .side .labels").is_visible()
    tab.page.keyboard.press("ArrowRight")
    painted(tab)
    assert not tab.page.locator(".viewer .side .labels").is_visible()


def test_boxes_are_drawn_and_one_of_another_size_is_refused_in_words(tab: Tab) -> None:
    tab.open("gallery?ds=nih&g_film=00000001_000.png")
    painted(tab).page.wait_for_selector(".viewer .legend .row")
    assert text(tab, ".legend").split("\n")[0] == "Mass (radiologist)"
    tab.page.wait_for_timeout(200)
    with_box = picture(tab)
    tab.page.keyboard.press("m")
    eventually(lambda: picture(tab) != with_box, tab.page)
    tab.open("gallery?ds=nih&g_film=00000002_000.png")
    painted(tab).page.wait_for_selector(".viewer .legend .problem")
    assert "1,024 × 1,024" in text(tab, ".problem") and "1,024 × 700" in text(tab, ".problem")


def test_presentation_mode_sends_no_identifier_to_the_viewer(tab: Tab) -> None:
    gallery(tab, "&present=true").page.locator(".tile").first.click()
    painted(tab)
    tab.page.wait_for_timeout(800)
    whole = tab.page.evaluate(f"() => {ROOM}.outerHTML")
    assert "patient0" not in whole
    assert "patient0" not in tab.page.url
    assert parameters(tab)["g_film"][0].startswith("~")


def test_a_link_to_a_film_that_is_not_there_says_so_and_shows_the_gallery(tab: Tab) -> None:
    said = gallery(tab, "&g_film=nothing.png").text()
    assert "no image 'nothing.png'" in said
    assert "g_film" not in parameters(tab)


def test_every_key_of_the_list_is_told(tab: Tab) -> None:
    opened(tab).page.keyboard.press("?")
    said = text(tab, ".room > .help")
    for word in (
        "invert",
        "rotate",
        "reset",
        "zoom",
        "three windows",
        "study",
        "masks",
        "ruler",
        "labels",
        "full screen",
        "gallery",
    ):
        assert word in said
