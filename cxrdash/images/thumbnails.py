"""Small pictures of films, made on first sight and kept in one disposable SQLite file per dataset."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

from PIL import Image

from cxrdash.images.display import display_8bit
from cxrdash.images.film import LASTING_KINDS, Film, UnreadableFilm
from cxrdash.images.formats import read_film
from cxrdash.images.thumbnail_file import ThumbnailFile

RECIPE = 1  # raise it when the same film would give another thumbnail
SIDE = 256
JPEG_QUALITY = 80
THREADS = min(4, max(2, os.cpu_count() or 2))
MAX_BYTES = 2_000_000_000  # about 300,000 thumbnails of 256 pixels


@dataclass(frozen=True)
class Thumbnail:
    """A small grey JPEG of one film, or the problem in a few words.

    ``width`` and ``height`` are those of the film itself, in pixels (0 where it could not be read).
    ``kind`` is the kind of an ``UnreadableFilm``, empty where there is a picture.
    """

    jpeg: bytes | None
    problem: str | None
    width: int = 0
    height: int = 0
    kind: str = ""


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
        made = _make_all([path for path, key in keys.items() if key not in found], side)
        self._file.write({key: _row(made[path]) for path, key in keys.items() if key and _keepable(made, path)})
        known = {path: found[key] if key in found else made[path] for path, key in keys.items()}
        return [MISSING if path is None else known[path] for path in paths]

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


def _make_all(paths: Sequence[Path], side: int) -> Mapping[Path, Thumbnail]:
    if len(paths) < 2:
        return {path: make_thumbnail(path, side) for path in paths}
    with ThreadPoolExecutor(min(THREADS, len(paths))) as pool:
        return dict(zip(paths, pool.map(lambda path: make_thumbnail(path, side), paths), strict=True))


def _keepable(made: Mapping[Path, Thumbnail], path: Path) -> bool:
    """Whether the thumbnail follows from the film's bytes alone: a picture, or a fault that lasts."""
    return path in made and (not made[path].kind or made[path].kind in LASTING_KINDS)


def make_thumbnail(path: Path, side: int = SIDE) -> Thumbnail:
    """Return the film's thumbnail, freshly decoded; a fault becomes its ``problem``."""
    try:
        film = read_film(path, side=side)
    except UnreadableFilm as fault:
        return Thumbnail(None, fault.reason, kind=fault.kind)
    held = BytesIO()
    small_picture(film, side).save(held, "JPEG", quality=JPEG_QUALITY)
    return Thumbnail(held.getvalue(), None, film.width, film.height)


def large_png(path: Path, side: int = 1024) -> bytes:
    """Return the film as an 8-bit grey PNG of longest side at most ``side``, aspect kept, never enlarged.

    Raises ``UnreadableFilm``.
    """
    held = BytesIO()
    small_picture(read_film(path, side=side), side).save(held, "PNG", compress_level=3)
    return held.getvalue()


def small_picture(film: Film, side: int) -> Image.Image:
    """Return the film as shown, as a grey picture of longest side at most ``side``, never enlarged.

    Made 8-bit before it is made small: then the thumbnail is exactly the picture of the viewer, and a
    table of shades followed by 8-bit block means is no slower than block means of 16 bits.
    """
    picture = Image.fromarray(display_8bit(film))
    scale = side / max(picture.size)
    if scale >= 1:
        return picture
    width, height = (max(1, round(length * scale)) for length in picture.size)
    return picture.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=2.0)
