"""G2 at its far end: python -m tests.benchmarks.large [--images N]

An index of that many images (100 million unless told otherwise) is made by repeating one of a million with new
patients, inside DuckDB: reading such a CSV is a matter of minutes and another goal. Each statistic then runs in a
process of its own, whose memory at its largest is read from Linux. Needs about 25 bytes of disk
per image, given back at the end.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from cxrdash.config import Cache
from cxrdash.index import generations
from cxrdash.index.build import Request, build_index
from tests.benchmarks import made_data, measure
from tests.benchmarks.measure import Result
from tests.benchmarks.queries import COHORT
from tests.conftest import REAL_DATA

ROOT = Path(__file__).resolve().parents[2]
BASE = 1_000_000
SECONDS, GIGABYTES = 1.0, 2.0
# What the goal names; the others are stated beside it.
NAMED = ("pair_counts", "label_combinations", "prevalence")
OTHERS = ("images_per_patient", "overview", "test_sizes")
# One copy at a time, so that the memory taken does not grow with the index.
COPY = """
INSERT INTO images BY NAME
SELECT * REPLACE ((image + $copy * $images)::INTEGER AS image, printf('%03d', $copy) || image_id AS image_id,
                  printf('%03d', $copy) || patient_id AS patient_id, hash(sample_key, $copy) AS sample_key,
                  (patient + $copy * $patients)::INTEGER AS patient)
FROM images WHERE image < $images
"""
TOTALS = """
UPDATE pattern_sizes SET images = images * $copies, patients = patients * $copies;
UPDATE patient_sizes SET patients = patients * $copies;
UPDATE level_sizes SET images = images * $copies, patients = patients * $copies;
"""
TIMED = r"""
import json, re, sys, time
from pathlib import Path
from cxrdash import analysis
from cxrdash.config import Cache
from cxrdash.index.cohort import Cohort
from cxrdash.index.store import open_index
index = open_index("nih", Cache(Path(sys.argv[1])))
cohort, function = Cohort.from_query(json.loads(sys.argv[2])), analysis.named(sys.argv[3]).function
times = []
for _ in range(3):
    start = time.perf_counter()
    table = function(index, cohort)
    times.append(time.perf_counter() - start)
start = time.perf_counter()
index.rows("SELECT count(*) FROM images WHERE view = 'PA' AND age_years >= 40 AND age_years < 81")
bare = time.perf_counter() - start
# ru_maxrss would include the process that started this one.
kilobytes = int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])
print(json.dumps([times[0], min(times), bare, kilobytes / 2**20]))
"""


def grow(path: Path, copies: int) -> None:
    """Repeat the images of an index with new patients; every total grows with them.

    The tables of patients and studies stay as they are: nothing that is measured here reads them.
    """
    with duckdb.connect(str(path)) as con:
        con.execute("SET memory_limit = '3GB'")
        meta = {key: json.loads(value) for key, value in con.execute("FROM meta").fetchall()}
        counts = meta["counts"]
        values = {"images": counts["images"], "patients": counts["patients"]}
        for copy in range(1, copies):
            con.execute(COPY, {"copy": copy, **values})
        for sql in TOTALS.strip().split(";")[:-1]:
            con.execute(sql, {"copies": copies})
        grown = json.dumps({name: count * copies for name, count in counts.items()})
        con.execute("UPDATE meta SET value = $grown WHERE key = 'counts'", {"grown": grown})


def timed(cache: Path, name: str, query: dict[str, list[str]]) -> Result:
    """One statistic in a process of its own: first and best time, and the memory it took."""
    command = [sys.executable, "-W", "ignore", "-c", TIMED, str(cache), json.dumps(query), name]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    first, best, bare, memory = json.loads(ran.stdout.splitlines()[-1])
    whose = "filtered" if query else "all images"
    line = f"{name}, {whose}"
    measured = f"{best:6.2f} s ({first:.2f} at first, bare count {bare:.2f}), {memory:.2f} GB"
    if name not in NAMED:
        return Result("", line, measured, "-", None)
    met = best <= SECONDS and memory <= GIGABYTES
    return Result("G2", line, measured, f"<= {SECONDS:g} s, {GIGABYTES:g} GB", met)


def run(root: Path, images: int) -> None:
    """Make the index, measure, print."""
    real = REAL_DATA / "nih" / "Data_Entry_2017_v2020.csv.gz"
    base = min(BASE, images)
    table = made_data.write_nih(root / "nih", base, real if real.is_file() else None)
    cache = Cache(root / "cache")
    build_index(Request(table.parent, source="nih"), cache)
    path = generations.current(cache, "nih").path
    start = time.perf_counter()
    grow(path, images // base)
    print(f"Machine: {measure.machine_facts()}")
    made = time.perf_counter() - start
    print(f"Data: {images // base * base:,} images, {path.stat().st_size / 2**30:.1f} GB, made in {made:.0f} s")
    results = []
    for query in (COHORT.to_query(), {}):
        for name in (*NAMED, *OTHERS):
            results.append(timed(cache.root, name, query))
    measure.print_results(f"{images:,} images", results)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.large", description=__doc__)
    parser.add_argument("--images", type=int, default=100_000_000, help="images to measure on (default 100,000,000)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cxrdash-benchmark-") as folder:
        run(Path(folder), options.images)


if __name__ == "__main__":
    main()
