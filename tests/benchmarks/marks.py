"""G8: what a review mark costs beside the least a rerun can cost: python -m tests.benchmarks.marks [--marks N]

Two servers are asked over their websockets, as a browser asks them, in turns: one keeps a mark (the fragment of
the board, with its commit to the disk), the other runs a script of two lines.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from statistics import median

from streamlit.proto.BackMsg_pb2 import BackMsg

from cxrdash.analysis.review_sample import Question, frozen_sample
from cxrdash.config import Cache
from cxrdash.index.build import Request, build_index
from cxrdash.index.store import open_index
from cxrdash.reviews.sessions import Session as Review
from cxrdash.reviews.store import ReviewStore
from cxrdash.ui.review import MARK
from cxrdash.ui.review_board import Sitting
from tests.benchmarks import made_data, measure
from tests.benchmarks.measure import Result
from tests.benchmarks.sessions import SETTLED, Session, server_seconds
from tests.ui.watching import Server

READER, FILMS, WARM = "Bench", 400, 5
MINIMAL = "import streamlit as st\nst.write(st.text_input('Name'))\n"


class Board:
    """A tab in which somebody marks."""

    def __init__(self, server: Server, review: Review) -> None:
        self.tab, self._review = Session(server), review
        asked = self._asked()
        name = next(
            delta.new_element.text_input.id
            for delta in self.tab.deltas(asked)
            if delta.new_element.text_input.placeholder.startswith("Your name")
        )
        self._name = name
        (board,) = (delta for delta in self.tab.deltas(self._asked()) if delta.new_element.bidi_component.id)
        self._board, self._fragment = board.new_element.bidi_component.id, board.fragment_id

    def _asked(self, acts: Iterable[dict[str, object]] = ()) -> BackMsg:
        asked = BackMsg()
        asked.rerun_script.page_name = "review"
        asked.rerun_script.query_string = f"ds=nih&rv_view={MARK}&rv_session={self._review.session_id}"
        if hasattr(self, "_name"):
            asked.rerun_script.widget_states.widgets.add(id=self._name, string_value=READER)
        if hasattr(self, "_fragment"):
            asked.rerun_script.fragment_id = self._fragment
            sent = json.dumps({"sent": {"acts": list(acts)}})
            asked.rerun_script.widget_states.widgets.add(id=self._board, json_value=sent)
        return asked

    def mark(self, number: int, reference: str) -> float:
        """Send one key press; return the seconds until it is answered."""
        times = {"shown": 1.7e12, "decided": 1.7e12 + 900, "dwell": 900}
        return self.tab.answered(self._asked([{"c": "tab", "n": number, "ref": reference, "code": "yes", **times}]))


def prepare(root: Path) -> tuple[Cache, Review]:
    """An index of invented rows and a review of it."""
    cache = Cache(root / "cache")
    build_index(Request(made_data.write_nih(root / "nih", 20_000, None).parent, source="nih"), cache)
    review = frozen_sample(open_index("nih", cache), Question("Effusion", planned=FILMS))
    with closing(ReviewStore(cache.reviews)) as store:
        store.add_session(review)
    return cache, review


def compare(cache: Cache, review: Review, root: Path, marks: int) -> list[Result]:
    """Marks and minimal reruns in turns; every mark has to be on the disk at the end."""
    script = root / "minimal.py"
    script.write_text(MINIMAL, encoding="utf-8")
    servers = Server(cache).start(), Server(cache, script=script).start()
    try:
        board, least = Board(servers[0], review), Session(servers[1])
        time.sleep(SETTLED)
        with closing(ReviewStore(cache.reviews)) as store:
            sitting = Sitting(review, READER, store)
            references = [sitting.reference(item) for item in sitting.order]
            times: list[tuple[float, float]] = []
            for number in range(WARM + marks):
                if number == WARM:
                    before = [server_seconds(server) for server in servers]
                times.append((board.mark(number, references[number]), least.rerun("")))
            spent = [server_seconds(server) - start for server, start in zip(servers, before, strict=True)]
            kept = len(store.events(review.session_id, READER))
        for tab in (board.tab, least):
            tab.close()
    finally:
        for server in servers:
            server.stop()
    mark, bare = (median(column) for column in zip(*times[WARM:], strict=True))
    return [
        measure.at_most("G8", "a review mark against a minimal rerun", mark, bare, times=1.5),
        measure.compared("", "the same in server time", spent[0] / marks, max(spent[1] / marks, 1e-6)),
        Result("", "marks on the disk", f"{kept} of {WARM + marks}", "all", kept == WARM + marks),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.marks", description=__doc__)
    parser.add_argument("--marks", type=int, default=100, help="marks to make (default 100, at most 300)")
    options = parser.parse_args()
    print(f"Machine: {measure.machine_facts()}")
    with tempfile.TemporaryDirectory(prefix="cxrdash-benchmark-") as folder:
        cache, review = prepare(Path(folder))
        measure.print_results("Marks", compare(cache, review, Path(folder), min(options.marks, 300)))
    print(f"\nLoad at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


if __name__ == "__main__":
    main()
