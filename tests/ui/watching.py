"""A browser tab that notes every fault: exceptions, console errors, requests to other hosts."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cxrdash.config import Cache

ROOT = Path(__file__).resolve().parents[2]

READY = '[data-testid="stApp"][data-test-script-state="notRunning"][data-test-connection-state="CONNECTED"]'
BUSY = '[data-stale="true"], [data-testid="stSpinner"], [data-testid="stSkeleton"]'
# Streamlit asks for its own endpoints under a deep link's path first, then at the root.
PROBE = re.compile(r"/_stcore/(health|host-config)$")
LOCAL = re.compile(r"^(https?|wss?)://(127\.0\.0\.1|localhost)[:/]|^(blob|data):")


class Tab:
    """One page in a fresh browser profile."""

    def __init__(self, browser: Any, base: str, *, dark: bool = False, size: tuple[int, int] = (1440, 900)) -> None:
        self.base, self.faults, self._probes = base, [], 0
        scheme = "dark" if dark else "light"
        self.context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
        self.page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.faults.append(f"page error: {error}"))
        self.page.on("console", self._console)
        self.page.on("request", self._request)
        self.page.on("response", self._response)

    def _console(self, message: Any) -> None:
        if message.type == "error" and not PROBE.search(message.location.get("url", "")):
            self.faults.append(f"console: {message.text}")

    def _request(self, request: Any) -> None:
        if not LOCAL.match(request.url):
            self.faults.append(f"request to another host: {request.url}")

    def _response(self, response: Any) -> None:
        if response.status >= 400 and not PROBE.search(response.url):
            self.faults.append(f"{response.status}: {response.url}")

    def open(self, path: str) -> Tab:
        self.page.goto(f"{self.base}/{path}")
        return self.ready()

    def ready(self) -> Tab:
        self.page.wait_for_timeout(300)
        self.page.wait_for_selector(READY, state="attached", timeout=60_000)
        self.page.wait_for_function("s => !document.querySelector(s)", arg=BUSY, timeout=60_000)
        return self

    def drawn(self) -> Tab:
        """Wait until the first chart is painted."""
        self.page.wait_for_selector(".js-plotly-plot .main-svg", timeout=60_000)
        self.page.wait_for_timeout(500)
        return self

    def headline(self) -> str:
        return self.page.locator('[data-testid="stMainBlockContainer"] h2').first.inner_text()

    def text(self) -> str:
        return self.page.locator('[data-testid="stMainBlockContainer"]').inner_text()

    def close(self) -> None:
        self.context.close()


def eventually(check: Callable[[], bool], page: Any, seconds: float = 20) -> None:
    """Wait for what a busy machine may show late; fail where it never comes."""
    until = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < until, "this never came true"
        page.wait_for_timeout(100)


class Server:
    """The app as a user starts it, on a port of its own; another ``script`` is served alike."""

    def __init__(self, cache: Cache, script: Path = ROOT / "app.py") -> None:
        self.cache, self.script = cache, script
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def start(self, port: int = 0) -> Server:
        """Start the app on this port, by default a free one, and wait until it answers."""
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", str(self.script), "--server.port", str(port)],
            cwd=ROOT,
            env={**os.environ, "CXRDASH_CACHE": str(self.cache.root)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=2) as answer:
                    if answer.read() == b"ok":
                        return self
            except OSError:
                time.sleep(0.2)
        raise TimeoutError("the server did not start within a minute")

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(20)
            self.process = None
