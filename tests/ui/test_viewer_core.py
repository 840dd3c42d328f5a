"""The viewer's arithmetic in the browser: the same greys as the server's, the same values as the file's."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cxrdash.images.display import display_8bit
from cxrdash.images.film import Film, Lookup, Window, full_range
from cxrdash.images.payload import payload

pytestmark = pytest.mark.browser
PARTS = [Path(__file__).resolve().parents[2] / "cxrdash" / "ui" / name for name in ("film_canvas.js", "film_ruler.js")]
PANE = """<style>canvas { width: 400px; height: 300px; display: block }</style><canvas></canvas>"""


@pytest.fixture(scope="module")
def core(chromium: Any) -> Iterator[Any]:
    """A bare page on which the core is loaded and the last payload given is ``film``."""
    context = chromium.new_context(viewport={"width": 500, "height": 400})
    page = context.new_page()
    page.set_content(PANE)
    for part in PARTS:
        page.add_script_tag(content=part.read_text(encoding="utf-8"))
    yield page
    context.close()


def load(core: Any, film: Film) -> None:
    body = base64.b64encode(payload(film)).decode()
    core.evaluate(
        "text => { globalThis.film = decodeFilm(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer) }", body
    )


RNG = np.random.default_rng(8)
TWELVE = RNG.integers(0, 4096, (40, 50)).astype(np.uint16)
SIGNED = RNG.integers(-2000, 2000, (30, 20)).astype(np.int16)
EIGHT = RNG.integers(0, 256, (30, 20)).astype(np.uint8)
CURVE = Lookup(-500, (255 * np.linspace(0, 1, 900) ** 2).astype(np.uint16), 8)


def made(pixels: np.ndarray, **more: Any) -> Film:
    return Film(pixels, "M", 16, pixels.shape[1], pixels.shape[0], **more)


FILMS = {
    "8 bits as stored": made(EIGHT),
    "8 bits inverted": made(EIGHT, inverted=True),
    "signed 8 bits": made(EIGHT.view(np.int8), windows=(Window(0, 100),)),
    "16 bits, full range": made(TWELVE, spread=full_range(0, 4095)),
    "linear": made(TWELVE, windows=(Window(2048, 1000),)),
    "linear of width one": made(TWELVE, windows=(Window(2048, 1),)),
    "linear exact": made(TWELVE, windows=(Window(2048.5, 777.25, "LINEAR_EXACT"),)),
    "sigmoid, inverted": made(TWELVE, windows=(Window(2048, 900, "SIGMOID"),), inverted=True),
    "slope and intercept": made(SIGNED, slope=-1.5, intercept=40.25, windows=(Window(100, 900),)),
    "modality table": made(
        SIGNED, modality=Lookup(-100, np.arange(0, 4000, 20).astype(np.uint16), 16), windows=(Window(1500, 1000),)
    ),
    "VOI table": made(SIGNED, lookups=(CURVE,), windows=(Window(0, 10),)),
    "VOI table, inverted": made(SIGNED, lookups=(CURVE,), inverted=True),
    "32 bits": made(TWELVE.astype(np.uint32) * 100_000, spread=full_range(0, 409_500_000)),
    "one value": made(np.full((4, 4), 9, np.uint16), spread=full_range(9, 9)),
}


@pytest.mark.parametrize("name", FILMS)
def test_the_first_picture_is_the_picture_of_the_thumbnail(core: Any, name: str) -> None:
    """To the grey: the thumbnail and every other picture of the app are made of display_8bit."""
    film = FILMS[name]
    load(core, film)
    greys = core.evaluate("""() => {
        const tone = startTone(film), shades = shadesOf(film, tone, false), grey = greyFunction(film, tone, false);
        const mask = shades ? shades.length - 1 : 0;
        return Array.from(film.pixels, value => shades ? shades[value & mask] : grey(value));
    }""")
    assert np.array_equal(np.array(greys).reshape(film.pixels.shape), display_8bit(film))


@pytest.mark.parametrize("name", ["16 bits, full range", "slope and intercept", "32 bits"])
def test_what_is_painted_is_that_picture(core: Any, name: str) -> None:
    film = FILMS[name]
    load(core, film)
    painted = core.evaluate("""async () => {
        const pane = new FilmPane(document.querySelector("canvas"));
        pane.show(film);
        await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
        pane.move({ zoom: 4 / (pane.scale / pane.view.zoom) });
        await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
        const found = [];
        for (let y = 0; y < film.height; y++) for (let x = 0; x < film.width; x++) {
            const at = pane.transform().transformPoint(new DOMPoint(x + 0.5, y + 0.5));
            found.push(pane.context.getImageData(Math.floor(at.x), Math.floor(at.y), 1, 1).data[0]);
        }
        pane.destroy();
        return found;
    }""")
    wrong = np.argwhere(np.array(painted).reshape(film.pixels.shape) != display_8bit(film))
    assert len(wrong) == 0, wrong[:10].tolist()


def test_a_probe_tells_the_stored_and_the_rescaled_value_and_nothing_outside(core: Any) -> None:
    film = FILMS["slope and intercept"]
    load(core, film)
    for x, y in ((0, 0), (19, 29), (7, 3)):
        found = core.evaluate("([x, y]) => probeFilm(film, x + 0.9, y + 0.1)", [x, y])
        assert found["stored"] == film.pixels[y, x]
        assert found["rescaled"] == film.pixels[y, x] * -1.5 + 40.25
    assert (
        core.evaluate("() => [probeFilm(film, -0.1, 3), probeFilm(film, 20, 3), probeFilm(film, 3, 30)]") == [None] * 3
    )


def test_smaller_levels_are_means_and_never_wrap(core: Any) -> None:
    load(core, made(np.array([[65535, 65535, 1], [65535, 65535, 3], [10, 20, 7]], np.uint16)))
    assert core.evaluate("() => Array.from(levelOf(film, 1).values)") == [65535, 2, 15, 7]
    load(core, made(np.array([[-5, -7], [-6, -6]], np.int16)))
    assert core.evaluate("() => Array.from(levelOf(film, 9).values)") == [-6]


def test_turning_shows_the_film_clockwise_and_a_pointer_still_finds_its_pixel(core: Any) -> None:
    load(core, made(np.array([[10, 20, 30], [40, 50, 60]], np.uint8)))
    seen = core.evaluate("""async () => {
        const pane = new FilmPane(document.querySelector("canvas"));
        pane.show(film);
        pane.rotate();
        await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
        const box = pane.canvas.getBoundingClientRect(), side = pane.scale;
        const grey = (x, y) => {
            const at = [pane.canvas.width / 2 + (x - 0.5) * side, pane.canvas.height / 2 + (y - 1) * side];
            const point = pane.filmPoint({ clientX: box.left + at[0], clientY: box.top + at[1] });
            const shade = pane.context.getImageData(...at.map(Math.floor), 1, 1).data[0];
            return [shade, probeFilm(film, point.x, point.y).stored];
        };
        const found = [grey(0, 0), grey(1, 0), grey(0, 2), grey(1, 2)];
        pane.destroy();
        return found;
    }""")
    assert seen == [[40, 40], [10, 10], [60, 60], [30, 30]]


def test_zooming_keeps_the_pixel_under_the_pointer(core: Any) -> None:
    load(core, FILMS["linear"])
    moved = core.evaluate("""async () => {
        const pane = new FilmPane(document.querySelector("canvas"));
        pane.show(film, { view: { turns: 1 } });
        await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
        const spot = { clientX: 230, clientY: 120 }, before = pane.filmPoint(spot);
        pane.zoomBy(3, spot);
        const after = pane.filmPoint(spot);
        pane.panBy(30, -20);
        const panned = pane.filmPoint({ clientX: 260, clientY: 100 });
        pane.destroy();
        return [before.x - after.x, before.y - after.y, before.x - panned.x, before.y - panned.y];
    }""")
    assert moved == pytest.approx([0, 0, 0, 0], abs=1e-5)


def test_masks_and_boxes_lie_where_they_are_told(core: Any) -> None:
    load(core, made(np.zeros((30, 40), np.uint8)))
    inks = core.evaluate("""async () => {
        const pane = new FilmPane(document.querySelector("canvas"));
        pane.show(film);
        const runs = [5, 6, 7].flatMap(row => [row * 40 + 10, 10]);
        pane.layers = [{ kind: "mask", name: "a", runs, colour: "#00ff00", alpha: 1 },
                       { kind: "box", name: "b", box: [20, 20, 10, 8], colour: "#ff0000", alpha: 0.5 }];
        await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
        const ink = (x, y) => {
            const at = pane.transform().transformPoint(new DOMPoint(x, y));
            return Array.from(pane.context.getImageData(Math.round(at.x), Math.round(at.y), 1, 1).data.slice(0, 3));
        };
        const found = [ink(15, 6.5), ink(15, 10), ink(25, 28), ink(25, 24)];
        pane.destroy();
        return found;
    }""")
    assert inks == [[0, 255, 0], [0, 0, 0], [255, 0, 0], [0, 0, 0]]


def test_the_cache_drops_the_oldest_beyond_its_limit_and_forgets_what_failed(core: Any) -> None:
    kept = core.evaluate("""async () => {
        globalThis.fetchFilm = async (url) => { if (url === "bad") throw new Error("no"); return { bytes: 40, url }; };
        const cache = new FilmCache(140);
        for (const url of ["a", "b", "a", "c"]) await cache.load(url);
        await cache.load("bad").catch(() => {});
        return ["a", "b", "c", "bad"].map(url => cache.has(url));
    }""")
    assert kept == [True, False, True, False]


def test_a_length_follows_the_spacing_across_and_down(core: Any) -> None:
    """DICOM gives the spacing of rows first: 0.2 mm down, 0.1 mm across."""
    lines = [{"from": {"x": 0, "y": 0}, "to": {"x": 30, "y": 20}}, {"from": {"x": 5, "y": 0}, "to": {"x": 105, "y": 0}}]
    for spacing, told in (
        ([0.2, 0.1], "1: 5.0 mm\n2: 10.0 mm\n1 / 2 = 0.500"),
        (None, "1: 36 px\n2: 100 px\n1 / 2 = 0.361"),
    ):
        film = {"spacing_mm": spacing}
        assert core.evaluate("([film, lines]) => lengthsText(film, lines)", [film, lines]) == told
    assert core.evaluate("() => lengthsText({ spacing_mm: null }, [])") == ""
