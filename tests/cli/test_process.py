"""What only a process of its own can show: light start, quiet pipes, Ctrl-C, the server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path

import pytest

from cxrdash.cli import main
from cxrdash.cli.serve import server_command
from cxrdash.errors import CxrdashError

from .conftest import write_dataset

HEAVY = "pandas, duckdb, streamlit, numpy, plotly"
CXRDASH = [sys.executable, "-m", "cxrdash"]


def loaded_by(code: str) -> str:
    check = f"import sys; {code}; print([name for name in {HEAVY.split(', ')} if name in sys.modules])"
    return subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    "code",
    [
        "import cxrdash",
        "import cxrdash; cxrdash.Cohort(views=('PA',))",
        "from cxrdash.cli import main; main(['stat', '--help'])",
        "from cxrdash.cli import main; main(['stat', 'a', 'b', '--age', 'x'])",
    ],
)
def test_nothing_heavy_is_loaded_for_little(code):
    assert loaded_by(code).splitlines()[-1] == "[]"


def test_a_reader_that_goes_away_is_no_fault(tiny_cache):
    many = "SELECT a.range FROM range(1000000) AS a"
    words = ["query", "tiny", many, "--rows", "1000000", "--format", "csv", "--cache", str(tiny_cache)]
    with subprocess.Popen([*CXRDASH, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout.readline() == b"range\n"
        running.stdout.close()
        assert running.stderr.read() == b"" and running.wait() == 0


@pytest.mark.skipif(os.name == "nt", reason="Windows sends Ctrl-C to a whole console")
def test_ctrl_c_ends_in_one_line_and_publishes_nothing(tmp_path):
    rows = tuple(f"{n // 10:08d}_{n % 10:03d}.png,Mass,{n % 10},{n // 10},50,F,PA,9,9,1,1" for n in range(10, 100_000))
    folder = write_dataset(tmp_path / "nih", rows)
    words = ["index", str(folder), "--source", "nih", "--cache", str(tmp_path / "cache")]
    # A test run in the background would hand down an ignored SIGINT.
    listening = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        [*CXRDASH, *words], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=listening
    ) as running:
        while "Building the index" not in running.stderr.readline():
            assert running.poll() is None
        running.send_signal(signal.SIGINT)
        assert running.stderr.read() == "stopped; nothing was published\n"
        assert running.wait() == 130 and running.stdout.read() == ""
    assert not list((tmp_path / "cache").rglob("current.json"))
    assert not list((tmp_path / "cache").rglob(".building-*"))


def test_the_server_listens_on_this_machine_only(tmp_path):
    app = tmp_path / "app.py"
    app.write_text("")
    words = server_command(8600, app)
    assert words[:4] == [sys.executable, "-m", "streamlit", "run"] and words[4] == str(app)
    assert "--server.address 127.0.0.1 --server.port 8600" in " ".join(words)


def test_a_package_without_its_app_says_so(tmp_path):
    with pytest.raises(CxrdashError, match=r"The app is not beside the package: .*app\.py does not exist"):
        server_command(8600, tmp_path / "app.py")


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_serve_answers_and_stops_with_its_process(tiny_cache):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["serve", "--port", str(port), "--cache", str(tiny_cache)]
    with subprocess.Popen([*CXRDASH, *words], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as running:
        try:
            assert answered(f"http://127.0.0.1:{port}/_stcore/health") == b"ok"
        finally:
            running.terminate()
            running.wait(20)


@pytest.mark.parametrize("asked", [True, False])
def test_a_read_only_instance_is_told_so_by_its_environment(
    tiny_cache: Path, monkeypatch: pytest.MonkeyPatch, asked: bool
) -> None:
    started: list[dict[str, str]] = []
    monkeypatch.setattr(os, "execve", lambda _program, _words, environment: started.append(environment))
    monkeypatch.delenv("CXRDASH_READ_ONLY", raising=False)
    main(["--cache", str(tiny_cache), "serve", *(["--read-only"] if asked else [])])
    assert [environment.get("CXRDASH_READ_ONLY") for environment in started] == ["1" if asked else None]


def answered(address: str) -> bytes:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(address, timeout=2) as answer:
                return answer.read()
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    return b"no answer"
