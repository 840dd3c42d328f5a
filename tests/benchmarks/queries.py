"""Measured ratios against the goals G1-G6 and G9: python -m tests.benchmarks.queries [--images N] [--worst-case]

Every goal is a ratio of two things measured side by side in one run, so it holds on any machine. Nothing
fails here: the table says 'met' or 'missed', and the exit code is 0.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from cxrdash import analysis
from cxrdash.config import Cache
from cxrdash.index import generations
from cxrdash.index.build import Request, build_index
from cxrdash.index.cohort import Cohort
from cxrdash.index.draw import draw
from cxrdash.index.selection import Selection, select
from cxrdash.index.store import Index, open_index
from cxrdash.sources import registry
from tests.benchmarks import fresh, made_data, measure
from tests.benchmarks.measure import Result
from tests.benchmarks.rivals import AGES, VIEW, Rivals, agrees, bare_csv_count
from tests.conftest import REAL_DATA

COHORT = Cohort(views=(VIEW,), ages=AGES)
MS10 = 0.010
Page = Callable[[Index, Cohort | None], object]
# Each as its page asks for it by default; a new Selection every time, so nothing is remembered.
PAGES: dict[str, Page] = {
    "overview": analysis.overview,
    "images_per_patient": analysis.images_per_patient,
    "prevalence": analysis.prevalence,
    "prevalence_policies": analysis.prevalence_policies,
    "test_sizes": analysis.test_sizes,
    "test_subgroups": analysis.test_subgroups,
    "pair_counts": analysis.pair_counts,
    "label_combinations": analysis.label_combinations,
    "prevalence, by patient": partial(analysis.prevalence, unit="patient"),
    "pair_counts, by patient": partial(analysis.pair_counts, unit="patient"),
    "label_combinations, by patient": partial(analysis.label_combinations, unit="patient"),
}
HEAVY_LABELS = ("prevalence", "pair_counts", "label_combinations")


def bare_count(selection: Selection) -> int:
    """The barest count of a cohort: what any page costs at least."""
    return int(selection.rows("SELECT count(*) FROM selected")[0][0])


def put_paths(index_file: Path) -> None:
    """Give every image a path, as if a million files had been found: a draw has to look them up."""
    with duckdb.connect(str(index_file)) as con:
        con.execute("INSERT INTO paths SELECT image, 0, 'images_001/images/' || image_id FROM images ORDER BY image")


def pair_matrix(index: Index) -> np.ndarray:
    table = analysis.pair_counts(index, COHORT)
    side = len(index.findings)
    return np.asarray(table["both"].to_numpy().reshape(side, side))


def pairs_against_rivals(index: Index, rivals: Rivals) -> list[Result]:
    """G1: the whole co-occurrence matrix of a filtered cohort."""
    assert agrees(rivals, index, pair_matrix(index)), "the ways to count pairs disagree"
    calls = {
        "bare": lambda: bare_count(select(index, COHORT)),
        "pairs": lambda: analysis.pair_counts(index, COHORT),
        "gram": rivals.gram,
        "loop": rivals.loop,
        "wide": rivals.wide_pairs,
    }
    times = measure.side_by_side(calls, repeats=3)
    times |= measure.side_by_side({name: calls[name] for name in ("bare", "pairs")}, repeats=15)
    all_pairs = times["loop"] * rivals.loop_scale()
    return [
        measure.at_most("G1", "pair_counts against the bare count", times["pairs"], times["bare"], times=6),
        measure.faster("G1", "pair_counts against a pandas Gram matrix", times["pairs"], times["gram"], times=30),
        measure.faster("G1", "... against a double loop (15 pairs, scaled)", times["pairs"], all_pairs, times=100),
        measure.faster("G1", "... against one column per finding in DuckDB", times["pairs"], times["wide"], times=0),
    ]


def filtered_pages(index: Index, names: tuple[str, ...] = tuple(PAGES)) -> list[Result]:
    """G2: what each page asks of a filtered cohort."""
    calls: dict[str, measure.Call] = {"bare": lambda: bare_count(select(index, COHORT))}
    calls |= {name: partial(PAGES[name], index, COHORT) for name in names}
    times = measure.side_by_side(calls)
    bare = times.pop("bare")
    return [measure.at_most("G2", f"{name}, filtered", time, bare, times=4, plus=MS10) for name, time in times.items()]


def unfiltered_pages(index: Index, rivals: Rivals) -> list[Result]:
    """G3: what is kept from the build, against pandas; and the other pages against the bare count."""
    calls: dict[str, measure.Call] = {name: partial(page, index, None) for name, page in PAGES.items()}
    calls |= {"lorenz": lambda: analysis.lorenz(index), "leakage": lambda: leakage(index)}
    ours = measure.side_by_side({"bare": lambda: bare_count(select(index, COHORT)), **calls})
    theirs = measure.side_by_side(
        {
            "overview": rivals.overview,
            "images_per_patient": rivals.images_per_patient,
            "lorenz": rivals.lorenz,
            "leakage": rivals.shared_patients,
        },
        repeats=3,
    )
    kept = [
        measure.faster("G3", f"{name}, all images, against pandas", ours.pop(name), time, times=20)
        for name, time in theirs.items()
    ]
    bare = ours.pop("bare")
    return kept + [measure.compared("", f"{name}, all images", time, bare) for name, time in ours.items()]


def leakage(index: Index) -> int:
    """Patients of more than one part, as the overview's worries ask for them."""
    return int(
        index.rows("SELECT count(*) FROM patients WHERE len(splits) > 1 AND list_contains(splits, 'test')")[0][0]
    )


def draws(index: Index, second: Path) -> list[Result]:
    """G4: 32 films with the size of their frame and their paths, and the same ones everywhere."""
    cohorts = {"filtered": COHORT, "labels": Cohort(labels=f'"{index.finding_names[0]}"'), "all images": Cohort()}
    results = []
    for name, cohort in cohorts.items():
        calls = {
            "bare": lambda cohort=cohort: bare_count(select(index, cohort)),
            "people": lambda cohort=cohort: draw(select(index, cohort), 32, seed=1),
            "images": lambda cohort=cohort: draw(select(index, cohort), 32, seed=1, one_per_patient=False),
        }
        times = measure.side_by_side(calls, repeats=9)
        for what in ("people", "images"):
            line = f"32 films by {what}, {name}"
            results.append(measure.at_most("G4", line, times[what], times["bare"], times=3, plus=MS10))
    here = [film.image_id for film in draw(select(index, COHORT), 32, seed=1).films]
    same = fresh.drawn_on_one_processor(second, index.dataset, COHORT.to_query()) == here
    return [*results, Result("G4", "same films after a rebuild, on one thread", "yes" if same else "no", "yes", same)]


def build_goals(name: str, source: str, table: Path, root: Path, limit: float | None) -> list[Result]:
    """G5: from CSV to a published index."""
    request, cache = Request(table.parent, source=source), Cache(root / f"cache_{name}")
    build = lambda: build_index(request, cache)  # noqa: E731
    megabytes = table.stat().st_size / 2**20
    calls = {"bare": bare_csv_count(table), "build": build}
    # A million rows take seconds, and what the first build warms up no longer matters.
    timed = measure.side_by_side if megabytes < 40 else measure.cold_side_by_side
    times = timed(calls, repeats=3 if megabytes < 40 else 2)
    path = open_index(source, cache).path
    results = [measure.at_most("G5", f"{name}: build against the count", times["build"], times["bare"], times=4)]
    busy = measure.processor_seconds(calls, repeats=1)
    results.append(measure.compared("", f"{name}: the same in processor seconds", busy["build"], busy["bare"]))
    if limit is not None:
        results.append(measure.limited("G5", f"{name}: build", times["build"], limit, "s"))
    share = 100 * path.stat().st_size / table.stat().st_size
    return [*results, measure.limited("G5", f"{name}: file against CSV ({megabytes:.1f} MB)", share, 30, "%")]


def worst_case(root: Path, images: int) -> list[Result]:
    """Twenty independent labels: as many patterns as there can be."""
    registry.SOURCES["random20"] = "tests.benchmarks.random_source"
    table = made_data.write_random(root / "random", images, 20)
    cache = Cache(root / "cache_random")
    build_index(Request(table.parent, source="random20"), cache)
    index = open_index("random20", cache)
    print(f"\nWorst case: {len(index.dictionary):,} patterns in {images:,} images")
    rivals = Rivals(index)
    return [*pairs_against_rivals(index, rivals), *filtered_pages(index, HEAVY_LABELS)]


def run(root: Path, images: int, *, worst: bool) -> None:
    """Measure everything and print the tables."""
    real = REAL_DATA / "nih" / "Data_Entry_2017_v2020.csv.gz"
    rows = real if real.is_file() else None
    print(f"Machine: {measure.machine_facts()}")
    print(f"Data: {images:,} images from {'real' if rows else 'invented'} NIH rows; cohort: {COHORT.words()}")
    print("Reading a line: time against reference; goal; verdict. References are measured in the same run.")
    small = made_data.write_nih(root / "nih", min(images, made_data.NIH_IMAGES), rows)
    large = made_data.write_nih(root / "large", images, rows) if images > made_data.NIH_IMAGES else small
    chexpert = made_data.write_chexpert(root / "chexpert", min(images, made_data.CHEXPERT_IMAGES))
    built = build_goals("NIH", "nih", small, root, None)
    built += build_goals("CheXpert-shaped", "chexpert", chexpert, root, 1.0)
    built += build_goals(f"NIH, {images:,} rows", "nih", large, root, None) if large != small else []
    measure.print_results("From files to an index", built)
    cache = Cache(root / (f"cache_NIH, {images:,} rows" if large != small else "cache_NIH"))
    put_paths(generations.current(cache, "nih").path)
    index = open_index("nih", cache)
    rivals = Rivals(index)
    measure.print_results("Pairs of findings", pairs_against_rivals(index, rivals))
    measure.print_results("Pages, filtered cohort", filtered_pages(index))
    measure.print_results("Pages, all images", unfiltered_pages(index, rivals))
    second = Cache(root / "cache_second")
    build_index(Request(large.parent, source="nih"), second)
    measure.print_results("Random films", draws(index, second.root))
    large.rename(large.with_suffix(".moved"))  # opening must not need a byte of it
    measure.print_results(
        "Opening and importing", [*fresh.opening(cache.root, "nih"), *fresh.imports(cache.root, "nih")]
    )
    if worst:
        measure.print_results("Worst case", worst_case(root, images))
    print(
        f"\nLoad at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors (if higher, mistrust wall times)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.queries", description=__doc__)
    parser.add_argument("--images", type=int, default=1_000_000, help="rows to measure on (default 1,000,000)")
    parser.add_argument("--worst-case", action="store_true", help="also measure 20 independent random labels")
    options = parser.parse_args()
    pd.set_option("display.width", 200)
    with tempfile.TemporaryDirectory(prefix="cxrdash-benchmark-") as folder:
        run(Path(folder), options.images, worst=options.worst_case)


if __name__ == "__main__":
    main()
