"""G7: what a rerun costs the server, and how many it serves: python -m tests.benchmarks.sessions [--sessions N]

A server of its own is asked over its websocket, as a browser asks it, for the same page again and again; the
tables come from the cache, so what is measured is the rerun. The clients run in this process and share the
machine with the server: on a machine with few processors the rates are lower than a user would see.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from statistics import quantiles

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Delta_pb2 import Delta
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from cxrdash.config import Cache
from cxrdash.index.build import Request, build_index
from tests.benchmarks import made_data, measure
from tests.benchmarks.measure import Result
from tests.conftest import REAL_DATA
from tests.ui.watching import Server

PAGES = ("overview", "patients", "prevalence", "cooccurrence", "test_set")
CHARTED = "test_set"
ALONE, SECONDS = 40, 15.0
SETTLED = 20.0  # seconds for the imports after the first page, which end in a frozen heap
ENDS = (ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY)
CPU_MS, RERUNS, P95 = 15.0, 50.0, 0.5


class Session:
    """One browser tab: it asks for a page and waits until its script has ended."""

    def __init__(self, server: Server) -> None:
        url = server.url.replace("http", "ws") + "/_stcore/stream"
        self._open = ExitStack()
        known = [Subprotocol("streamlit")]
        self._socket = self._open.enter_context(connect(url, subprotocols=known, max_size=None))
        self.charts = 0

    def rerun(self, page: str) -> float:
        """Return the seconds from asking to the end of the script."""
        asked = BackMsg()
        asked.rerun_script.page_name = page
        asked.rerun_script.query_string = "ds=nih"
        return self.answered(asked)

    def answered(self, asked: BackMsg) -> float:
        """Return the seconds from sending a message to the end of the script it starts."""
        start = time.perf_counter()
        deltas = self.deltas(asked)
        seconds = time.perf_counter() - start
        self.charts = sum(delta.new_element.WhichOneof("type") == "plotly_chart" for delta in deltas)
        return seconds

    def deltas(self, asked: BackMsg) -> list[Delta]:
        """Return what a script sends until it ends."""
        sent: list[Delta] = []
        self._socket.send(asked.SerializeToString())
        while True:
            message = ForwardMsg.FromString(self._socket.recv(timeout=60))  # type: ignore[arg-type]
            kind = message.WhichOneof("type")
            if kind == "delta":
                sent.append(message.delta)
            if kind == "script_finished":
                if message.script_finished not in ENDS:
                    raise RuntimeError(f"{asked.rerun_script.page_name} did not end well: {message.script_finished}")
                return sent

    def close(self) -> None:
        self._open.close()


def server_seconds(server: Server) -> float:
    """Processor seconds of the server since it started (Linux)."""
    assert server.process is not None
    fields = Path(f"/proc/{server.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def alone(server: Server, page: str) -> Result:
    """One session, one page: processor time of the server for a rerun whose tables are known."""
    with closing(Session(server)) as session:
        for _ in range(5):
            session.rerun(page)
        before = server_seconds(server)
        for _ in range(ALONE):
            session.rerun(page)
        spent = 1e3 * (server_seconds(server) - before) / ALONE
        return measure.limited("G7", f"{page}, {session.charts} charts: server time of a rerun", spent, CPU_MS, "ms")


def together(server: Server, page: str, sessions: int) -> list[Result]:
    """Many sessions, each asking again as soon as it is answered."""
    opened = [Session(server) for _ in range(sessions)]
    times: list[list[float]] = [[] for _ in opened]
    for session in opened:
        session.rerun(page)
    end = time.perf_counter() + SECONDS

    def ask(at: int) -> None:
        while time.perf_counter() < end:
            times[at].append(opened[at].rerun(page))

    threads = [threading.Thread(target=ask, args=(at,)) for at in range(sessions)]
    before, start = server_seconds(server), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lasted, spent = time.perf_counter() - start, server_seconds(server) - before
    answered = [seconds for mine in times for seconds in mine]
    for session in opened:
        session.close()
    rate, late = len(answered) / lasted, quantiles(answered, n=20)[-1]
    name = f"{sessions} sessions, {page}, {opened[0].charts} charts"
    return [
        Result("G7", f"{name}: reruns a second", f"{rate:6.1f}", f">= {RERUNS:g}", rate >= RERUNS),
        measure.limited("G7", f"{name}: 95% answered within", late, P95, "s"),
        Result("", f"{name}: server time of a rerun", f"{1e3 * spent / len(answered):6.2f} ms", "-", None),
    ]


@contextmanager
def _served(root: Path, images: int) -> Iterator[Server]:
    real = REAL_DATA / "nih" / "Data_Entry_2017_v2020.csv.gz"
    table = made_data.write_nih(root / "nih", images, real if real.is_file() else None)
    cache = Cache(root / "cache")
    build_index(Request(table.parent, source="nih"), cache)
    server = Server(cache).start()
    try:
        with closing(Session(server)) as first:
            for page in PAGES:
                first.rerun(page)
        time.sleep(SETTLED)
        yield server
    finally:
        server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.sessions", description=__doc__)
    parser.add_argument("--images", type=int, default=made_data.NIH_IMAGES, help="rows (default as many as NIH has)")
    parser.add_argument("--sessions", type=int, default=20, help="sessions at a time (default 20)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cxrdash-benchmark-") as folder:
        print(f"Machine: {measure.machine_facts()}")
        with _served(Path(folder), options.images) as server:
            results = [alone(server, page) for page in PAGES]
            results += together(server, CHARTED, options.sessions)
        measure.print_results("Reruns", results)
    print(f"\nLoad at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


if __name__ == "__main__":
    main()
