"""The viewer in a browser on one large film: time to the first picture, and per frame while the window is dragged.

    python -m tests.benchmarks.viewer [--columns 2500 --rows 3000]

Frames are counted from animation frame to animation frame as the browser delivers them; the work of a frame is
what drawing it costs. Headless browsers draw without a graphics card: a desk is faster.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from cxrdash.config import Cache
from tests.benchmarks.measure import machine_facts
from tests.datasets import build, nih_row, write_nih
from tests.ui.watching import Server, Tab

ROOM = "[...document.querySelectorAll('*')].map(e => e.shadowRoot?.querySelector('.viewer')).find(Boolean)"
PAINTED = f"() => Number({ROOM}?.querySelector('canvas')?.dataset.first) > 0"
STEPS = 120


def make_film(path: Path, columns: int, rows: int) -> None:
    """A 16-bit film with a lung-like shape and grain, so that it packs no better than a real one."""
    rng = np.random.default_rng(1)
    down, across = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    shape = 30_000 + 20_000 * np.cos(3 * across) * np.cos(2 * down)
    Image.fromarray((shape + rng.normal(0, 300, shape.shape)).clip(0, 65_535).astype(np.uint16)).save(path)


def dragged(page: Any) -> tuple[list[float], list[float]]:
    """Drag the window once around and return the times between frames and the work of each, in milliseconds."""
    page.evaluate(f"""() => {{
        const canvas = {ROOM}.querySelector('canvas');
        globalThis.told = {{ between: [], work: [], last: 0, seen: canvas.dataset.painted }};
        const frame = now => {{
            if (canvas.dataset.painted !== told.seen) {{
                if (told.last) told.between.push(now - told.last);
                told.work.push(Number(canvas.dataset.frame));
                told.seen = canvas.dataset.painted;
                told.last = now;
            }}
            told.going = requestAnimationFrame(frame);
        }};
        frame(0);
    }}""")
    page.mouse.move(700, 450)
    page.mouse.down()
    for step in range(STEPS):
        page.mouse.move(700 + 2 * step, 450 + step % 40)
    page.mouse.up()
    told = page.evaluate("() => { cancelAnimationFrame(told.going); return [told.between, told.work] }")
    return told[0], told[1]


def measured(browser: Any, server: Server) -> dict[str, float]:
    tab = Tab(browser, server.url)
    tab.open("gallery?ds=nih")
    tab.page.wait_for_selector('[data-ready="1"]', timeout=60_000)
    tab.page.locator(".tile").first.click()
    tab.page.wait_for_function(PAINTED, timeout=60_000)
    first = tab.page.evaluate(f"() => Number({ROOM}.querySelector('canvas').dataset.first)")
    tab.page.wait_for_timeout(1000)
    between, work = dragged(tab.page)
    tab.close()
    return {
        "first picture": first,
        "frame to frame, median": median(between),
        "frame to frame, 95 of 100 below": float(np.percentile(between, 95)),
        "work of a frame, median": median(work),
        "work of a frame, 95 of 100 below": float(np.percentile(work, 95)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--columns", type=int, default=2500)
    parser.add_argument("--rows", type=int, default=3000)
    asked = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        root, cache = Path(folder) / "nih", Cache(Path(folder) / "cache")
        write_nih(root, [nih_row(1)])
        make_film(root / "00000001_000.png", asked.columns, asked.rows)
        build(root, "nih", cache)
        path = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        server = Server(cache).start()
        try:
            measured(browser, server)  # the first visit also starts the decoding processes
            found = measured(browser, server)
        finally:
            server.stop()
            browser.close()
    print(machine_facts())
    print(f"a film of {asked.columns:,} x {asked.rows:,} pixels and 16 bits, window of 1,440 x 900")
    for what, milliseconds in found.items():
        print(f"{what:36} {milliseconds:7.1f} ms")


if __name__ == "__main__":
    main()
