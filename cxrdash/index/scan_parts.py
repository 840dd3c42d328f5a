"""The parts of a pixel scan: Parquet files of measures, each row keyed by the film's path, size and time of change.

Parts outlive the index: after a new build of the dataset the measures are filled from them again.
"""

from __future__ import annotations

import hashlib
import os
import re
import types
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import duckdb
import numpy as np
from numpy.typing import NDArray

from cxrdash.config import Cache
from cxrdash.images.measures import RECIPE, FilmMeasures
from cxrdash.index.generations import dataset_folder

if TYPE_CHECKING:
    import pyarrow as pa

PART = "part-*.parquet"
LARGE_PARTS = 64  # more parts than this are joined into one when a scan ends
AT_ONCE = 20_000  # films whose file is looked at in one go

Key = int


@dataclass(frozen=True)
class FilmFile:
    """One film file as it stands on disk: ``path`` as written in the index, its bytes and time of change."""

    image: int
    path: str
    bytes: int
    mtime_ns: int

    @property
    def key(self) -> Key:
        """64 bits that change with the file's path, size or time of change, and with the recipe of the measures."""
        parts = (os.fsencode(self.path), self.bytes, self.mtime_ns, RECIPE)
        return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=8).digest(), "big")


def parts_folder(cache: Cache, dataset: str) -> Path:
    """Return the folder of a dataset's parts; refuse names that could leave the cache."""
    return cache.root / "scan" / dataset_folder(cache, dataset).name


def parts_of(folder: Path) -> list[str]:
    """Return the parts of a folder, by name."""
    return sorted(str(path) for path in folder.glob(PART))


_PATHS = """
SELECT image, root, path FROM images LEFT JOIN paths USING (image) WHERE image >= $first ORDER BY image LIMIT $most
"""


def film_files(
    con: duckdb.DuckDBPyConnection, roots: Sequence[Path]
) -> Iterator[tuple[list[FilmFile], list[int], list[int]]]:
    """Yield, some thousand images at a time: films on disk, images never found, images that are gone."""
    first = 0
    while True:
        rows = con.execute(_PATHS, {"first": first, "most": AT_ONCE}).fetchall()
        if not rows:
            return
        here: list[FilmFile] = []
        unknown: list[int] = []
        gone: list[int] = []
        for image, root, path in rows:
            if path is None:
                unknown.append(image)
                continue
            film = _on_disk(image, str(roots[root]), path)
            if film is None:
                gone.append(image)
            else:
                here.append(film)
        yield here, unknown, gone
        first = rows[-1][0] + 1


def _on_disk(image: int, root: str, path: str) -> FilmFile | None:
    # Joined as text: a million Path objects cost more than a million calls of stat.
    whole = f"{root.rstrip(os.sep)}/{path}"
    try:
        found = os.stat(whole)  # noqa: PTH116 - see above
    except (OSError, ValueError):
        return None
    return FilmFile(image, whole, found.st_size, found.st_mtime_ns)


class Known:
    """Films whose measures are in some part already, as sorted keys of eight bytes each."""

    def __init__(self, parts: Sequence[str]) -> None:
        self._keys: NDArray[np.uint64] = np.zeros(0, np.uint64)
        if parts:
            sql = "SELECT DISTINCT key FROM read_parquet($parts) WHERE lasting"
            found = duckdb.connect().execute(sql, {"parts": list(parts)}).fetchnumpy()
            self._keys = np.sort(np.asarray(found["key"], np.uint64))

    def without(self, films: Sequence[FilmFile]) -> list[FilmFile]:
        """Return the films that have to be measured."""
        if not len(self._keys) or not films:
            return list(films)
        keys = np.array([film.key for film in films], np.uint64)
        at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        known = self._keys[at] == keys
        return [film for film, done in zip(films, known.tolist(), strict=True) if not done]


_ARROW_NAMES = {int: "int64", float: "float64", str: "string", bytes: "binary"}
_HEAD = {"key": "uint64", "scanned_at": "int64", "lasting": "bool_"}


def arrow_schema() -> pa.Schema:
    """Return the columns of a part: the key, when it was measured, whether that lasts, and every measure."""
    import pyarrow as pa

    hints = get_type_hints(FilmMeasures)
    columns = dict(_HEAD) | {field.name: _ARROW_NAMES[_plain(hints[field.name])] for field in fields(FilmMeasures)}
    return pa.schema([(name, getattr(pa, kind)()) for name, kind in columns.items()])


def _plain(hint: Any) -> type:
    """The type of a field that may be None."""
    if isinstance(hint, types.UnionType):
        (hint,) = (kind for kind in get_args(hint) if kind is not type(None))
    found: type = hint
    return found


def write_part(folder: Path, rows: Iterable[tuple[Key, FilmMeasures]], *, scanned_at: int) -> Path:
    """Write measures as one part, in one step: it is there whole or not at all. The same films replace it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = list(rows)
    columns: dict[str, list[Any]] = {"key": [], "scanned_at": [], "lasting": []}
    columns |= {field.name: [] for field in fields(FilmMeasures)}
    for key, found in rows:
        columns["key"].append(key)
        columns["scanned_at"].append(scanned_at)
        columns["lasting"].append(found.lasting)
        for field in fields(FilmMeasures):
            columns[field.name].append(getattr(found, field.name))
    name = hashlib.blake2b(repr(sorted(columns["key"])).encode(), digest_size=8).hexdigest()
    path = folder / f"part-{name}.parquet"
    beside = path.with_suffix(".writing")
    pq.write_table(pa.table(columns, schema=arrow_schema()), beside, compression="zstd")
    beside.replace(path)
    return path


NEWEST = "SELECT * FROM read_parquet($parts) QUALIFY row_number() OVER (PARTITION BY key ORDER BY scanned_at DESC) = 1"


def join_parts(folder: Path) -> None:
    """Join many small parts into one; a joined part may be left beside its pieces by a kill, which is harmless."""
    parts = parts_of(folder)
    for left in folder.glob("*.writing"):
        left.unlink(missing_ok=True)
    if len(parts) <= LARGE_PARTS:
        return
    name = hashlib.blake2b(repr(parts).encode(), digest_size=8).hexdigest()
    whole = folder / f"part-joined-{name}.parquet"
    beside = whole.with_suffix(".writing")
    target = re.sub("'", "''", str(beside))
    con = duckdb.connect()
    con.execute(f"COPY ({NEWEST}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)", {"parts": parts})
    con.close()
    beside.replace(whole)
    for part in parts:
        Path(part).unlink(missing_ok=True)
