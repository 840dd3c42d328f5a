"""The duplicates among a dataset's films: found once per scan, kept beside its parts, written to the index."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from cxrdash.errors import CxrdashError
from cxrdash.images import hash_pairs, shape_pairs
from cxrdash.images.likeness import SAME_DETAIL, Likeness, Picture, Start, correlation, likeness
from cxrdash.images.orientation import SIDE
from cxrdash.index import schema
from cxrdash.sources.folder import resolve

RECIPE = 3  # raise it when the same films would give other pairs
FOUND = "duplicates.npz"
AT_ONCE = 200  # pairs whose thumbnails are fetched together
HELD = 1_000  # pictures in memory
SAMPLED = 2_000  # films whose hashes are compared for the calibration, of as many patients
SAMPLED_PICTURES = 300
LAID = 200  # films whose most similar film of another patient is laid on them in any case
LARGE_GROUP = 20  # equal films beyond which each is paired with the first alone
SEED = 73
SURE = 0.9  # detail beyond which another way of laying the films on each other is not tried
FEWEST = 30  # pairs from which a threshold is taken
NEARLY = 0.93  # correlation of greys from which a pair counts for the threshold of the detail
EXPECTED = 0.05  # chance pairs beyond a threshold
EDGES = np.linspace(-1, 1, 201)

Whole = NDArray[np.int64]
Floats = NDArray[np.float64]
Pictures = Callable[[Sequence[Path | None]], Sequence[bytes | None]]
log = logging.getLogger(__name__)

EXACT = """
INSERT INTO duplicate_pairs (image_a, image_b, kind, distance, correlation, detail, shared, degrees, size,
                             mirrored, inverted)
WITH films AS (
    SELECT image, file_digest, pixel_digest,
           row_number() OVER (PARTITION BY pixel_digest ORDER BY image) AS place,
           count(*) OVER (PARTITION BY pixel_digest) AS equal
    FROM measures WHERE status = 'ok' AND interior_sd >= 2 AND entropy_bits >= 3)
SELECT a.image, b.image, if(a.file_digest = b.file_digest, 'same file', 'same pixels'), 0, 1, 1, 1, 0, 1, false, false
FROM films AS a JOIN films AS b ON a.pixel_digest = b.pixel_digest AND a.image < b.image
WHERE a.equal <= $large OR a.place = 1 ORDER BY a.image, b.image
"""
# One film of those that are equal: the others are the same picture anyway.
FILMS = """
SELECT image, film_states.key AS key, coalesce(images.patient, -1 - image)::BIGINT AS person,
       film_rows.small AS small, film_rows.phash AS phash, root, path
FROM film_rows JOIN film_states USING (image) JOIN images USING (image) JOIN paths USING (image)
WHERE film_rows.status = 'ok' AND interior_sd >= 2 AND entropy_bits >= 3
QUALIFY row_number() OVER (PARTITION BY pixel_digest ORDER BY image) = 1 ORDER BY image
"""
COLUMNS = ("distance", "correlation", "detail", "shared", "degrees", "size", "mirrored", "inverted")
NEAR = f"""
INSERT INTO duplicate_pairs (image_a, image_b, kind, {", ".join(COLUMNS)})
SELECT image_a, image_b, kind, {", ".join(COLUMNS)} FROM near_pairs ORDER BY image_a, image_b
"""


@dataclass(frozen=True, eq=False)
class _Films:
    """Different films of a dataset in the order of its index; arrays of shape (films, ...)."""

    image: Whole
    key: NDArray[np.uint64]
    person: Whole
    tiles: NDArray[np.uint8]
    hashes: NDArray[np.uint8]
    paths: list[Path | None]


def fill_duplicates(
    con: duckdb.DuckDBPyConnection, folder: Path, roots: Sequence[Path], pictures: Pictures | None = None
) -> dict[str, Any]:
    """Fill `duplicate_pairs` and `duplicate_sample` of an index that is being written.

    Returns how many different films were compared and how many not, and the two thresholds of this dataset.

    Equal files and pixels follow from the digests. Changed copies are looked for with ``pictures``,
    which gives the thumbnails of films; without it those found before are taken over, as far as their
    films are as they were. Films without a picture and blank ones are left out.
    """
    con.execute(EXACT, {"large": LARGE_GROUP})
    films = _read(con, roots)
    known = _known(folder)
    if pictures is not None and (known is None or not np.isin(films.key, known["keys"]).all()):
        known = _searched(films, pictures)
        _keep(folder, known)
    if known is None:
        return {"compared": 0, "not_compared": len(films.key), "least_detail": None, "most_bits": None}
    _write(con, films, known)
    compared = int(np.isin(films.key, known["keys"]).sum())
    detail, bits = known["lines"].tolist()
    return {
        "compared": compared,
        "not_compared": len(films.key) - compared,
        "least_detail": detail,
        "most_bits": int(bits),
    }


def _read(con: duckdb.DuckDBPyConnection, roots: Sequence[Path]) -> _Films:
    found = con.execute(FILMS).fetchnumpy()
    _, first = np.unique(found["key"].astype(np.uint64), return_index=True)
    first = np.sort(first)
    small = b"".join(bytes(one) for one in found["small"][first])
    hashes = b"".join(bytes(one) for one in found["phash"][first])
    return _Films(
        found["image"][first].astype(np.int64),
        found["key"][first].astype(np.uint64),
        found["person"][first].astype(np.int64),
        np.frombuffer(small, np.uint8).reshape(-1, SIDE, SIDE),
        np.frombuffer(hashes, np.uint8).reshape(-1, 32),
        [_file(roots, int(found["root"][at]), str(found["path"][at])) for at in first],
    )


def _file(roots: Sequence[Path], root: int, path: str) -> Path | None:
    try:
        return resolve(tuple(roots), root, path)
    except CxrdashError:
        return None


def _searched(films: _Films, pictures: Pictures) -> dict[str, NDArray[Any]]:
    """Look for candidates, lay them on each other, and sample how alike films of different patients are."""
    shelf = _Shelf(films.paths, pictures)
    tried = _Tried(films)
    _lay(tried, shape_pairs.candidates(films.tiles), shelf)
    words = hash_pairs.as_words(films.hashes)
    _lay(tried, _unturned(hash_pairs.close_hashes(words)), shelf, hashed=True)
    _lay(tried, shape_pairs.nearest_of(films.tiles, np.sort(_one_each(films)[:LAID]), films.person), shelf)
    bits = _bit_counts(films, words)
    others = [found for found in tried.of_different_patients() if found.correlation >= NEARLY]
    lines = Lines(least_detail([found.detail for found in others]), most_bits(bits, len(films.key) ** 2 // 2))
    rows = tried.rows(lines)
    return {
        "recipe": np.array(RECIPE),
        "keys": films.key,
        "pairs": films.key[np.array([pair for pair, _ in rows], np.int64).reshape(-1, 2)],
        **{name: np.array([getattr(row, name) for _, row in rows], np.float64) for name in COLUMNS[1:]},
        "distance": np.array([tried.distance(pair) for pair, _ in rows], np.int64),
        "verified": np.array([row.near and row.detail >= lines.detail for _, row in rows], bool),
        "lines": np.array([lines.detail, lines.bits], np.float64),
        "sample_distance": bits,
        "sample_correlation": _plain_counts(films, shelf),
        "sample_detail": np.histogram([found.detail for found in others], EDGES)[0],
    }


def _unturned(pairs: Whole) -> shape_pairs.Candidates:
    none = np.zeros(len(pairs), bool)
    whole = np.tile(np.array(shape_pairs.WHOLE), (len(pairs), 1))
    return shape_pairs.Candidates(pairs, np.zeros(len(pairs), np.int64), none, none, whole)


class _Tried:
    """The best likeness of each pair that was laid on each other."""

    def __init__(self, films: _Films) -> None:
        self.films = films
        self.best: dict[tuple[int, int], Likeness] = {}
        self._hashed: set[tuple[int, int]] = set()

    def add(self, pair: tuple[int, int], found: Likeness, *, hashed: bool) -> None:
        before = self.best.get(pair)
        if before is None or (found.near, found.detail) > (before.near, before.detail):
            self.best[pair] = found
        if hashed:
            self._hashed.add(pair)

    def rows(self, lines: Lines) -> list[tuple[tuple[int, int], Likeness]]:
        """Pairs that are one picture, and those that only their hashes suggest."""
        return sorted(
            ((pair, found) for pair, found in self.best.items() if self._listed(pair, found, lines)),
            key=lambda row: row[0],
        )

    def _listed(self, pair: tuple[int, int], found: Likeness, lines: Lines) -> bool:
        one_picture = found.near and found.detail >= lines.detail
        return one_picture or (pair in self._hashed and self.distance(pair) <= lines.bits)

    def distance(self, pair: tuple[int, int]) -> int:
        a, b = (self.films.hashes[at] for at in pair)
        return hash_pairs.turned_distance(a, b)

    def of_different_patients(self) -> list[Likeness]:
        """What came of the pairs of different patients that were laid on each other."""
        person = self.films.person
        return [found for (a, b), found in self.best.items() if person[a] != person[b]]


@dataclass(frozen=True)
class Lines:
    """Where this dataset's thresholds lie: least ``detail`` of one picture, most ``bits`` of a candidate."""

    detail: float
    bits: int


def least_detail(details: Sequence[float]) -> float:
    """Return the detail beyond which less than 0.05 of so many pairs of two pictures are expected.

    ``details`` are those of pairs of different patients whose greys are as alike as one picture's or
    nearly. Fisher's z of a correlation is taken as normal, its middle and spread from the median and the
    median deviation, which the few true duplicates among them do not move. Never less than 0.5.
    """
    if len(details) < FEWEST:
        return SAME_DETAIL
    z = np.arctanh(np.clip(details, -0.999, 0.999))
    middle = float(np.median(z))
    spread = 1.4826 * float(np.median(np.abs(z - middle)))
    reach = NormalDist().inv_cdf(1 - EXPECTED / len(details))
    return float(max(SAME_DETAIL, np.tanh(middle + reach * spread)))


def most_bits(counts: Whole, pairs: int) -> int:
    """Return the most bits, up to 40, within which less than 0.05 of ``pairs`` pairs are expected by chance.

    ``counts`` are pairs of different patients by the bits in which their hashes differ; their lower half
    is taken as that of a normal distribution. -1 where even equal hashes are expected.
    """
    total = int(counts.sum())
    if total < FEWEST:
        return hash_pairs.MOST_BITS
    reached = np.cumsum(counts) / total
    middle, low = (int(np.searchsorted(reached, share)) for share in (0.5, 0.05))
    spread = max((middle - low) / 1.645, 1.0)
    reach = NormalDist().inv_cdf(1 - min(0.4, EXPECTED / max(pairs, 1)))
    return max(-1, min(hash_pairs.MOST_BITS, int(middle - reach * spread)))


class _Shelf:
    """Pictures of films, the last few hundred of them in memory."""

    def __init__(self, paths: Sequence[Path | None], pictures: Pictures) -> None:
        self._paths, self._pictures = paths, pictures
        self._held: OrderedDict[int, Picture | None] = OrderedDict()

    def fetch(self, wanted: Sequence[int]) -> dict[int, Picture | None]:
        missing = [at for at in wanted if at not in self._held]
        for at, jpeg in zip(missing, self._pictures([self._paths[at] for at in missing]), strict=True):
            self._held[at] = Picture.of_jpeg(jpeg) if jpeg else None
        found = {at: self._held[at] for at in wanted}
        for at in wanted:
            self._held.move_to_end(at)
        while len(self._held) > HELD:
            self._held.popitem(last=False)
        return found


def _lay(tried: _Tried, found: shape_pairs.Candidates, shelf: _Shelf, *, hashed: bool = False) -> None:
    """Lay the films of each candidate on each other; a pair that is one picture already is not tried again."""
    order = np.lexsort((found.pairs[:, 1], found.pairs[:, 0])) if len(found) else np.zeros(0, np.int64)
    for first in range(0, len(order), AT_ONCE):
        rows = order[first : first + AT_ONCE]
        held = shelf.fetch(list(dict.fromkeys(found.pairs[rows].ravel().tolist())))
        for row in rows.tolist():
            a, b = found.pairs[row].tolist()
            film_a, film_b = held[a], held[b]
            pair = (min(a, b), max(a, b))
            if (
                film_a is None
                or film_b is None
                or (pair in tried.best and not hashed and tried.best[pair].detail >= SURE)
            ):
                continue
            start = Start(
                float(found.turn[row]) * 360 / shape_pairs.ANGLES, bool(found.mirrored[row]),
                bool(found.inverted[row]), (found.crop[row][0], found.crop[row][1], found.crop[row][2]),
            )  # fmt: skip
            tried.add(pair, likeness(film_a, film_b, start), hashed=hashed)


def _bit_counts(films: _Films, words: hash_pairs.Hashes) -> Whole:
    """Pairs of different patients by the bits in which their hashes differ, in a sample."""
    chosen = _one_each(films)
    left, right = np.triu_indices(len(chosen), 1)
    bits = np.zeros(hash_pairs.BITS + 1, np.int64)
    for first in range(0, len(left), 500_000):
        some = np.s_[first : first + 500_000]
        pairs = np.stack([chosen[left[some]], chosen[right[some]]], axis=1)
        bits += np.bincount(hash_pairs.distances(words, pairs), minlength=len(bits))
    return bits


def _one_each(films: _Films) -> Whole:
    """A film of each of some patients, at random."""
    _, first = np.unique(films.person, return_index=True)
    return np.random.default_rng(SEED).permutation(first)[:SAMPLED].astype(np.int64)


def _plain_counts(films: _Films, shelf: _Shelf) -> Whole:
    """Pairs of different patients by the correlation of their films as they are, in a sample."""
    wanted = _one_each(films)[:SAMPLED_PICTURES].tolist()
    plain = [film.small.ravel() for film in shelf.fetch(wanted).values() if film]
    return np.histogram([correlation(a, b) for at, a in enumerate(plain) for b in plain[:at]], EDGES)[0]


def _keep(folder: Path, found: dict[str, NDArray[Any]]) -> None:
    beside = folder / "duplicates.writing.npz"
    np.savez_compressed(beside, **found)  # type: ignore[arg-type]
    beside.replace(folder / FOUND)


def _known(folder: Path) -> dict[str, NDArray[Any]] | None:
    """What an earlier search found; None where there was none by this recipe."""
    try:
        with np.load(folder / FOUND) as held:
            found = {name: held[name] for name in held.files}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError) as fault:
        log.warning("the duplicates found before cannot be read and are looked for again: %s", fault)
        return None
    return found if int(found.get("recipe", -1)) == RECIPE else None


def _write(con: duckdb.DuckDBPyConnection, films: _Films, known: dict[str, NDArray[Any]]) -> None:
    import pyarrow as pa

    order = np.argsort(films.key)
    place = np.clip(np.searchsorted(films.key[order], known["pairs"]), 0, max(len(order) - 1, 0))
    there = (films.key[order][place] == known["pairs"]).all(axis=1) if len(order) else np.zeros(0, bool)
    images = np.sort(films.image[order][place[there]], axis=1) if len(order) else np.zeros((0, 2), np.int64)
    table: dict[str, Any] = {"image_a": images[:, 0], "image_b": images[:, 1]}
    table["kind"] = pa.array(np.where(known["verified"][there], "verified", "candidate"), pa.string())
    table |= {name: known[name][there] for name in COLUMNS}
    con.register("near_pairs", pa.table(table))
    con.execute(NEAR)
    con.unregister("near_pairs")
    for measure, edges in (
        ("distance", np.arange(hash_pairs.BITS + 2)),
        ("correlation", EDGES),
        ("detail", EDGES),
    ):
        counts = known[f"sample_{measure}"]
        rows = [(measure, float(edges[at]), float(edges[at + 1]), int(counts[at])) for at in np.flatnonzero(counts)]
        if rows:
            con.executemany("INSERT INTO duplicate_sample VALUES (?, ?, ?, ?)", rows)


def fresh_tables(con: duckdb.DuckDBPyConnection) -> None:
    """Make both tables anew in the copy of an index, also where it is of before there were any."""
    con.execute(schema.DUPLICATES)
    for statement in schema.comment_statements("duplicate_pairs", "duplicate_sample"):
        con.execute(statement)
