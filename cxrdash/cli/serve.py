"""The verb that starts the app: serve."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from cxrdash.cli.output import say
from cxrdash.config import BESIDE_APP, CACHE_VARIABLE, READ_ONLY_VARIABLE, Cache
from cxrdash.errors import CxrdashError

APP = BESIDE_APP.parent / "app.py"
LOOPBACK = "127.0.0.1"


def serve(arguments: argparse.Namespace, cache: Cache) -> int:
    """Become the app's server; it listens on this machine only."""
    command = server_command(arguments.port, APP)
    environment = {**os.environ, CACHE_VARIABLE: str(cache.root)}
    if arguments.read_only:
        environment[READ_ONLY_VARIABLE] = "1"
    say(f"Starting the app at http://{LOOPBACK}:{arguments.port}; stop it with Ctrl-C.")
    if os.name == "nt":  # pragma: no cover - there a replaced process loses its console
        return int(subprocess.call(command, env=environment) != 0)
    # Replaced, not started: whoever stops this process stops the server.
    os.execve(command[0], command, environment)


def server_command(port: int, app: Path) -> list[str]:
    """Return the command that serves ``app``; raises CxrdashError where it cannot run."""
    if not app.is_file():
        raise CxrdashError(
            f"The app is not beside the package: {app} does not exist.",
            "The pages are started from a checkout of cxrdash: streamlit run app.py",
        )
    if find_spec("streamlit") is None:
        raise CxrdashError("Streamlit is not installed.", "Install it: pip install -r requirements.txt")
    settings = {"server.address": LOOPBACK, "server.port": str(port), "browser.gatherUsageStats": "false"}
    options = [word for name, value in settings.items() for word in (f"--{name}", value)]
    return [sys.executable, "-m", "streamlit", "run", str(app), *options]
