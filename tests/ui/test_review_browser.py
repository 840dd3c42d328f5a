"""Marking in Chromium: every mark on the film that was looked at, none lost, whatever dies or clicks twice."""

from __future__ import annotations

import random
import signal
import sqlite3
import time
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from cxrdash.config import Cache
from cxrdash.index.build import Request, build_index
from cxrdash.reviews.events import standing
from cxrdash.reviews.sessions import Session, reader_order
from cxrdash.reviews.store import ReviewStore
from cxrdash.ui.review_board import Sitting
from tests.reviews.invented import DEEP
from tests.ui.conftest import nih_rows, write_nih
from tests.ui.watching import Server, Tab

pytestmark = pytest.mark.browser
FILMS = 240
CODES = {"1": "correct", "2": "doubtful", "3": "wrong"}


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    """A dataset of small films, one per patient, all with the same label."""
    root = tmp_path_factory.mktemp("review")
    cache = Cache(root / "cache")
    rows = [row.replace(row.split(",")[1], "Effusion", 1) for row in nih_rows(FILMS, 1)]
    folder = write_nih(root / "many", rows)
    for p in range(1, FILMS + 1):
        Image.linear_gradient("L").resize((96, 96)).point(lambda v, p=p: (v + p) % 256).save(
            folder / f"{p:08d}_000.png"
        )
    build_index(Request(folder, name="many"), cache)
    return cache


@pytest.fixture(scope="module")
def server(many: Cache) -> Iterator[Server]:
    made = Server(many).start()
    yield made
    made.stop()


def begin(tab: Tab, reader: str, planned: int = 210) -> str:
    """Start a review (or open the same one again) under a name; return its identifier."""
    tab.open(f"review?ds=many&rv_planned_130={planned}&rv_finding=Effusion")
    tab.page.get_by_role("button", name="Start marking").click()
    return sit_down(tab, reader)


def sit_down(tab: Tab, reader: str) -> str:
    box = tab.ready().page.get_by_placeholder("Your name or initials")
    box.fill(reader)
    box.press("Enter")
    tab.page.wait_for_selector('.board[data-ready="yes"]', timeout=30_000)
    board(tab).focus()
    seen(tab)
    return tab.page.url.split("rv_session=")[1].split("&")[0]


def board(tab: Tab) -> Any:
    return tab.page.locator(".board")


def value(tab: Tab, name: str) -> str:
    return board(tab).get_attribute(f"data-{name}") or ""


def seen(tab: Tab) -> str:
    """Wait until a film is on screen and return what stands for it."""
    tab.page.wait_for_selector('.board[data-seen]:not([data-seen=""])', timeout=30_000)
    return value(tab, "seen")


def looked(tab: Tab) -> str:
    """Look at the film on screen for longer than a mark needs, counted from when it was painted; return its name."""
    seen(tab)
    tab.page.wait_for_timeout(400)
    return value(tab, "seen")


def all_saved(tab: Tab) -> int:
    tab.page.wait_for_selector('.board[data-waiting="0"]', timeout=30_000)
    return int(value(tab, "saved"))


def kept(cache: Cache, session_id: str, reader: str) -> dict[str, str]:
    """What stands on disk for a reader: reference of the film to verdict."""
    store = ReviewStore(cache.reviews)
    session: Session = store.session(session_id)
    sitting = Sitting(session, reader, store)
    references = {item.image_id: sitting.reference(item) for item in reader_order(session, reader)}
    found = {
        references[image]: mark.verdict for (_, _, image), mark in standing(store.events(session_id, reader)).items()
    }
    store.close()
    return found


def test_presses_give_marks_on_the_films_that_were_on_screen(server: Server, chromium: Any) -> None:
    presses, tab = 200 if DEEP else 30, Tab(chromium, server.url)
    session_id = begin(tab, "presses")
    expected: dict[str, str] = {}
    for at in range(presses):
        key = "123"[at % 3]
        expected[looked(tab)] = CODES[key]
        tab.page.keyboard.press(key)
    assert len(expected) == presses
    assert all_saved(tab) == presses
    assert kept(server.cache, session_id, "presses") == expected
    assert tab.faults == []
    print(f"{presses} presses at 400 ms: {presses} marks on the right films")
    tab.close()


def test_faster_presses_than_anyone_can_look_mark_no_unseen_film(server: Server, chromium: Any) -> None:
    tab = Tab(chromium, server.url)
    session_id = begin(tab, "hasty")
    began = time.monotonic()
    for _ in range(60):
        tab.page.keyboard.press("1")
        tab.page.wait_for_timeout(100)
    seconds = time.monotonic() - began  # a busy machine presses slower
    assert 0 < all_saved(tab) == len(kept(server.cache, session_id, "hasty")) <= seconds / 0.3 + 1
    store = ReviewStore(server.cache.reviews)
    assert all(spent(event) >= 0.3 for event in store.events(session_id, "hasty"))
    tab.close()


def spent(event: Any) -> float:
    from datetime import datetime

    return (datetime.fromisoformat(event.decided_at) - datetime.fromisoformat(event.shown_at)).total_seconds()


CLICKED = """() => {
  globalThis.clicked = [];
  document.addEventListener("click", (event) => globalThis.clicked.push(event.timeStamp), { capture: true });
}"""


def test_double_clicks_mark_no_unseen_film(server: Server, chromium: Any) -> None:
    clicks, tab = 100 if DEEP else 12, Tab(chromium, server.url)
    session_id = begin(tab, "double")
    box = tab.page.locator(".board .key.no").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    tab.page.evaluate(CLICKED)
    expected = set()
    for at in range(clicks):
        expected.add(seen(tab))
        tab.page.wait_for_timeout(500)
        began = time.monotonic()
        tab.page.mouse.click(x, y)
        time.sleep(max(0, began + 0.03 + 0.265 * at / clicks - time.monotonic()))  # the click itself takes some of it
        tab.page.mouse.click(x, y)
        tab.page.wait_for_timeout(80)
    stamps = tab.page.evaluate("globalThis.clicked")
    gaps = [second - first for first, second in zip(stamps[::2], stamps[1::2], strict=True)]
    late = sum(gap >= 300 for gap in gaps)  # a busy machine may deliver the second click as one of its own
    saved = all_saved(tab)
    found = kept(server.cache, session_id, "double")
    assert saved == len(found) <= clicks + late
    assert expected <= set(found) and set(found.values()) == {"wrong"}
    store = ReviewStore(server.cache.reviews)
    assert all(spent(event) >= 0.3 for event in store.events(session_id, "double"))
    print(f"{clicks} double clicks ({min(gaps):.0f} to {max(gaps):.0f} ms, {late} of them late): {len(found)} marks")
    tab.close()


def test_a_held_key_marks_once(server: Server, chromium: Any) -> None:
    tab = Tab(chromium, server.url)
    begin(tab, "held")
    looked(tab)
    tab.page.keyboard.down("1")
    for _ in range(20):
        tab.page.wait_for_timeout(60)
        tab.page.keyboard.down("1")  # a second "down" is a repeat
    tab.page.keyboard.up("1")
    assert all_saved(tab) == 1
    tab.close()


def test_undo_findings_notes_and_identifiers_reach_the_disk(server: Server, chromium: Any) -> None:
    tab = Tab(chromium, server.url)
    session_id = begin(tab, "remarks")
    page = tab.page
    first = looked(tab)
    page.keyboard.press("f")
    page.keyboard.type("nod")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.keyboard.press("n")
    page.keyboard.type("rib 3, not 5")  # digits in a note judge nothing
    page.keyboard.press("Enter")
    page.keyboard.press("6")
    page.keyboard.press("2")
    looked(tab)
    page.keyboard.press("1")
    page.keyboard.press("u")
    assert all_saved(tab) == 1
    store = ReviewStore(server.cache.reviews)
    (mark,) = standing(store.events(session_id, "remarks")).values()
    assert kept(server.cache, session_id, "remarks") == {first: "doubtful"}
    assert (mark.findings, mark.note, mark.identifier) == (("Nodule",), "rib 3, not 5", True)
    tab.close()


def test_one_large_film_at_a_time_can_be_judged_and_windowed(server: Server, chromium: Any) -> None:
    tab = Tab(chromium, server.url)
    session_id = begin(tab, "large")
    tab.page.keyboard.press("Enter")
    expected = {}
    for key in "1i2r3":
        film = looked(tab)
        if key in CODES:
            expected[film] = CODES[key]
        tab.page.keyboard.press(key)
    assert len(expected) == 3
    assert all_saved(tab) == 3
    assert kept(server.cache, session_id, "large") == expected
    assert tab.faults == []
    tab.close()


def test_a_second_reader_sees_the_same_films_and_not_the_marks(server: Server, chromium: Any) -> None:
    first, second = Tab(chromium, server.url), Tab(chromium, server.url)
    session_id = begin(first, "Ann", planned=18)
    for _ in range(3):
        looked(first)
        first.page.keyboard.press("3")
    assert all_saved(first) == 3
    link = first.page.url.split("/", 3)[3]
    assert "Ann" not in link
    second.open(link)
    assert sit_down(second, "Bo") == session_id
    refs = [
        sorted(t.page.eval_on_selector_all(".board .tile", "all => all.map((tile) => tile.dataset.ref)"))
        for t in (first, second)
    ]
    assert refs[0] == refs[1] and len(refs[0]) == 18
    sidebar = second.page.locator('[data-testid="stSidebar"]')
    assert not sidebar.is_visible()  # nothing that was filtered for
    assert value(second, "saved") == "0"
    assert second.page.locator('.board .tile[data-verdict="wrong"]').count() == 0
    second.page.get_by_text("Results", exact=True).first.click()
    second.ready()
    assert "hidden until you have finished" in second.headline() and sidebar.is_visible()
    first.close()
    second.close()


PRESS = """([board, times]) => {
  let left = times;
  const press = () => {
    board.dispatchEvent(new KeyboardEvent("keydown", { key: "1", bubbles: true }));
    if (--left) setTimeout(press, 430);
  };
  press();
}"""


def test_readers_who_mark_at_once_lose_nothing(server: Server, chromium: Any) -> None:
    readers, each = (20, 50) if DEEP else (4, 6)
    tabs = [Tab(chromium, server.url) for _ in range(readers)]
    session_id = {begin(tab, f"reader {at}") for at, tab in enumerate(tabs)}.pop()
    for tab in tabs:
        tab.page.evaluate(PRESS, [board(tab).element_handle(), 3 * each])
    while min(int(value(tab, "saved")) for tab in tabs) < each:
        tabs[0].page.wait_for_timeout(300)
    saved = [all_saved(tab) for tab in tabs]
    for tab in tabs:
        tab.close()
    time.sleep(2)
    rows = [len(kept(server.cache, session_id, f"reader {at}")) for at in range(readers)]
    assert all(shown <= stored for shown, stored in zip(saved, rows, strict=True))
    with sqlite3.connect(server.cache.reviews / "reviews.sqlite") as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    print(f"{readers} readers at once: {sum(saved)} marks on screen, {sum(rows)} on disk")


def test_what_the_screen_called_saved_survives_a_kill_of_the_server(many: Cache, chromium: Any) -> None:
    rounds, shown_in_all, stored_in_all = 50 if DEEP else 2, 0, 0
    for round_ in range(rounds):
        server = Server(many).start()
        tab, reader = Tab(chromium, server.url), f"killed {round_}"
        session_id = begin(tab, reader)
        tab.page.evaluate(PRESS, [board(tab).element_handle(), 100])
        tab.page.wait_for_selector('.board:not([data-saved="0"])', timeout=30_000)
        tab.page.wait_for_timeout(random.Random(round_).uniform(0, 2000))
        assert server.process
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        server.process = None
        tab.page.wait_for_timeout(300)
        saved = int(value(tab, "saved"))
        tab.close()
        rows = len(kept(many, session_id, reader))
        assert 0 < saved <= rows
        shown_in_all, stored_in_all = shown_in_all + saved, stored_in_all + rows
    print(f"{rounds} kills while marking: {shown_in_all} shown as saved, {stored_in_all} on disk, 0 lost")


def test_a_mark_on_its_way_when_the_server_dies_arrives_at_the_next_one(many: Cache, chromium: Any) -> None:
    server = Server(many).start()
    tab = Tab(chromium, server.url)
    session_id = begin(tab, "patient")
    port = int(server.url.rsplit(":", 1)[1])
    server.process.send_signal(signal.SIGKILL)  # type: ignore[union-attr]
    server.process.wait()  # type: ignore[union-attr]
    film = looked(tab)
    tab.page.keyboard.press("3")
    assert value(tab, "waiting") == "1"
    server.start(port)
    tab.page.wait_for_timeout(3000)  # the tab may find the new server by itself
    tab.page.reload()  # a new server knows no names; the tab kept the mark
    assert sit_down(tab, "patient") == session_id
    assert all_saved(tab) == 1
    assert kept(many, session_id, "patient") == {film: "wrong"}
    tab.close()
    server.stop()
