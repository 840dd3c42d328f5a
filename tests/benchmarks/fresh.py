"""What only a fresh process can tell: imports, the first opening, and a draw on one processor."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks.measure import Result, limited

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("scipy", "sklearn", "pydicom", "plotly.express")
REPEATS = 5

OPENING = """
import json, sys, time
from pathlib import Path
from cxrdash.config import Cache
from cxrdash.index.store import open_index
start = time.perf_counter()
index = open_index(sys.argv[2], Cache(Path(sys.argv[1])))
found = [index.counts, index.finding_names, index.dictionary.shape]
print(json.dumps(time.perf_counter() - start))
"""
DRAWING = """
import json, os, sys
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from pathlib import Path
from cxrdash.config import Cache
from cxrdash.index.cohort import Cohort
from cxrdash.index.draw import draw
from cxrdash.index.selection import select
from cxrdash.index.store import open_index
index = open_index(sys.argv[2], Cache(Path(sys.argv[1])))
cohort = Cohort.from_query(json.loads(sys.argv[3]))
print(json.dumps([film.image_id for film in draw(select(index, cohort), 32, seed=1).films]))
"""
STREAMLIT = """
import json, time
start = time.perf_counter()
import streamlit
print(json.dumps(time.perf_counter() - start))
"""
LANDING = """
import json, time
start = time.perf_counter()
import streamlit
from cxrdash.ui import frame, shell, show
from cxrdash.ui import overview as parts
print(json.dumps(time.perf_counter() - start))
"""
FIRST_NUMBERS = """
import json, sys
import streamlit
from pathlib import Path
from cxrdash import analysis
from cxrdash.config import Cache
from cxrdash.index.cohort import Cohort
from cxrdash.index.store import open_index
from cxrdash.ui import frame, shell, show
from cxrdash.ui import overview as parts
index = open_index(sys.argv[2], Cache(Path(sys.argv[1])))
for name in ("overview", "ages"):
    analysis.compute(name, index, Cohort())
print(json.dumps(sorted(name for name in sys.argv[3].split() if name in sys.modules)))
"""


def _answer(script: str, *arguments: str) -> Any:
    """Run a script in a process of its own and return what its last line says."""
    command = [sys.executable, "-W", "ignore", "-c", script, *arguments]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(ran.stdout.splitlines()[-1])


def opening(cache: Path, dataset: str) -> list[Result]:
    """G6: open an index whose CSV is gone."""
    seconds = median(_answer(OPENING, str(cache), dataset) for _ in range(REPEATS))
    return [limited("G6", "open an index whose CSV is gone", seconds, 0.2, "s")]


def imports(cache: Path, dataset: str) -> list[Result]:
    """G9: what the landing page imports, and how long that takes."""
    times = [(_answer(STREAMLIT), _answer(LANDING)) for _ in range(REPEATS)]
    bare, page = (median(column) for column in zip(*times, strict=True))
    loaded = _answer(FIRST_NUMBERS, str(cache), dataset, " ".join(HEAVY))
    return [
        Result(
            "G9",
            "imports of the landing page against streamlit",
            f"{page / bare:6.2f}x ({page:.2f} s against {bare:.2f} s)",
            "<= 1.3x",
            page <= 1.3 * bare,
        ),
        Result("G9", "heavy imports before the first numbers", ", ".join(loaded) or "none", "none", not loaded),
    ]


def drawn_on_one_processor(cache: Path, dataset: str, query: dict[str, list[str]]) -> list[str]:
    """Return the image ids of a draw made in a process with one processor (and so one thread)."""
    return list(_answer(DRAWING, str(cache), dataset, json.dumps(query)))
