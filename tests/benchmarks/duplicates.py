"""How long near duplicates among a million hashes take, and whether every planted pair is found (G12).

    python -m tests.benchmarks.duplicates [--hashes 1000000] [--planted 10000]

Three sets: bits drawn at random; bits that depend on each other as those of films do (of NIH's films two of
different patients differ in 72 to 160 bits, here in 58 to 172); and random bits with 2,000 equal hashes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import numpy as np

from cxrdash.images import hash_pairs
from tests.benchmarks.measure import Result, limited, machine_facts, print_results

BANDS = (8, 16, 24, 32, 40)  # bits in which planted pairs differ: up to the first, the second, ...
GOAL_SECONDS = 5.0
EQUAL_FILMS = 2_000  # of one blank picture
SHARED = 12  # directions in which films vary together


def random_hashes(count: int, seed: int) -> np.ndarray:
    """Bits that have nothing to do with each other, uint8 (count, 32)."""
    return np.random.default_rng(seed).integers(0, 256, (count, 32), dtype=np.uint8)


def filmlike_hashes(count: int, seed: int) -> np.ndarray:
    """Bits of films: half are set in each, and a few directions in which all vary pull films together."""
    random = np.random.default_rng(seed)
    mean, ways = random.normal(0, 0.5, 256), random.normal(0, 0.3, (SHARED, 256))
    hashes = np.empty((count, 32), np.uint8)
    for first in range(0, count, 50_000):
        rows = min(50_000, count - first)
        values = mean + random.normal(size=(rows, SHARED)) @ ways + random.normal(size=(rows, 256))
        hashes[first : first + rows] = np.packbits(values > np.median(values, axis=1, keepdims=True), axis=1)
    return hashes


def plant(hashes: np.ndarray, pairs: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Overwrite some hashes by changed copies of others; return the pairs (i < j) and in how many bits they differ."""
    random = np.random.default_rng(seed)
    places = random.permutation(len(hashes))[: 2 * pairs].reshape(pairs, 2)
    bits = random.integers(0, hash_pairs.MOST_BITS + 1, pairs)
    flips = np.argsort(random.random((pairs, hash_pairs.BITS)), axis=1) < bits[:, None]
    hashes[places[:, 1]] = hashes[places[:, 0]] ^ np.packbits(flips, axis=1)
    return np.sort(places, axis=1), bits


def found_among(pairs: np.ndarray, planted: np.ndarray, count: int) -> np.ndarray:
    """Which of the planted pairs are among those found."""
    keys = np.asarray(pairs[:, 0] * count + pairs[:, 1])
    return np.isin(planted[:, 0] * count + planted[:, 1], keys)


def measured(name: str, hashes: np.ndarray, planted: int, *, equal: int = 0) -> Iterator[Result]:
    """Plant pairs, make some of the other hashes equal, look for the pairs, and judge time and recall."""
    pairs, bits = plant(hashes, planted, 5)
    others = np.setdiff1d(np.arange(len(hashes)), pairs)[:equal]
    hashes[others] = hashes[others[:1]]
    words = hash_pairs.as_words(hashes)
    start, busy = time.perf_counter(), time.process_time()
    found = hash_pairs.close_hashes(words)
    took, busy = time.perf_counter() - start, time.process_time() - busy
    hit = found_among(found, pairs, len(hashes))
    yield limited("G12", f"{name}: {len(hashes):,} hashes, wall", took, GOAL_SECONDS, "s")
    yield Result("", f"{name}: processor", f"{busy:.1f} s", "", None)
    low = 0
    for high in BANDS:
        some = hit[(bits >= low) & (bits <= high)]
        missed = int((~some).sum())
        yield Result("G12", f"{name}: planted, {low} to {high} bits", f"{len(some) - missed:,} of {len(some):,}",
                     "all", missed == 0)  # fmt: skip
        low = high + 1
    yield Result("", f"{name}: pairs found in all", f"{len(found):,}", "", None)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.duplicates", description=__doc__)
    parser.add_argument("--hashes", type=int, default=1_000_000)
    parser.add_argument("--planted", type=int, default=10_000)
    options = parser.parse_args()
    print(f"Machine: {machine_facts()}")
    results = [
        *measured("random bits", random_hashes(options.hashes, 1), options.planted),
        *measured("bits as of films", filmlike_hashes(options.hashes, 2), options.planted),
        *measured("with many equal", random_hashes(options.hashes, 3), options.planted, equal=EQUAL_FILMS),
    ]
    print_results("Near duplicates among hashes of 256 bits", results)


if __name__ == "__main__":
    main()
