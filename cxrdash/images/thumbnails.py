"""Small pictures of films, made on first sight and kept in one disposable SQLite file per dataset."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from cxrdash.images import workers
from cxrdash.images.film import LASTING_KINDS
from cxrdash.images.small_pictures import JPEG_QUALITY, SIDE, Thumbnail, make_thumbnail, shrunk, small_picture
from cxrdash.images.thumbnail_file import ThumbnailFile
from cxrdash.images.workers import large_png

__all__ = [
    "JPEG_QUALITY",
    "SIDE",
    "Thumbnail",
    "ThumbnailStore",
    "large_png",
    "make_thumbnail",
    "shrunk",
    "small_picture",
]

RECIPE = 3  # raise it when the same film would give another thumbnail
MAX_BYTES = 2_000_000_000  # about 300,000 thumbnails of 256 pixels


class ThumbnailStore:
    """The thumbnails of one dataset; safe to share between threads and to delete at any time.

    Where ``folder`` cannot be written it works all the same and remembers nothing.
    """

    def __init__(self, folder: Path, dataset: str, *, max_bytes: int = MAX_BYTES) -> None:
        self._file = ThumbnailFile(folder / f"{quote(dataset, safe='')}.sqlite", max_bytes=max_bytes)

    def get_many(self, paths: Sequence[Path | None], side: int = SIDE) -> list[Thumbnail]:
        """Return one thumbnail per path, in their order; ``None`` stands for a film without a file.

        ``side`` is the longest side in pixels; films are never enlarged. Nothing is raised for any film.
        """
        keys = {path: _content_key(path, side) for path in dict.fromkeys(paths) if path is not None}
        found = {key: Thumbnail(*row) for key, row in self._file.read([k for k in keys.values() if k]).items()}
        wanted = [path for path, key in keys.items() if key not in found]
        made = dict(zip(wanted, workers.thumbnails(wanted, side), strict=True))
        self._file.write({key: _row(made[path]) for path, key in keys.items() if key and _keepable(made, path)})
        known = {path: found[key] if key in found else made[path] for path, key in keys.items()}
        return [MISSING if path is None else known[path] for path in paths]

    def keep(self, made: Mapping[Path, Thumbnail], side: int = SIDE) -> None:
        """Store thumbnails of that size that were made elsewhere, as far as they follow from their files."""
        keys = {path: _content_key(path, side) for path in made}
        self._file.write({key: _row(made[path]) for path, key in keys.items() if key and _keepable(made, path)})

    def close(self) -> None:
        self._file.close()


MISSING = Thumbnail(None, "not on disk", kind="missing")


def _row(thumbnail: Thumbnail) -> tuple[bytes | None, str | None, int, int, str]:
    return thumbnail.jpeg, thumbnail.problem, thumbnail.width, thumbnail.height, thumbnail.kind


def _content_key(path: Path, side: int) -> str | None:
    """Name the film's content without reading it: its path, size and time of change, and what is made of it.

    A film written anew gets another size or time to the nanosecond, hence another key; its old row is
    never asked for again and is pruned with the oldest. The key is a hash so that file names, which may
    hold patient numbers or bytes that are no UTF-8, are not in the thumbnail file.
    """
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    parts = (os.fsencode(path.absolute()), found.st_size, found.st_mtime_ns, side, RECIPE)
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()


def _keepable(made: Mapping[Path, Thumbnail], path: Path) -> bool:
    """Whether the thumbnail follows from the film's bytes alone: a picture, or a fault that lasts."""
    return path in made and (not made[path].kind or made[path].kind in LASTING_KINDS)
