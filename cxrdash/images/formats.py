"""The table of film formats, and the one function that reads a film of any of them."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cxrdash.errors import shown
from cxrdash.images import dicom, raster
from cxrdash.images.display import display_8bit
from cxrdash.images.film import MAX_PIXELS, Film, UnreadableFilm, Window

__all__ = [
    "MAX_PIXELS",
    "READERS",
    "SUFFIXES",
    "Film",
    "Reader",
    "UnreadableFilm",
    "Window",
    "display_8bit",
    "read_film",
]

MAX_FILE_BYTES = 512 * 2**20  # a 60-megapixel film of 16 bits in three channels has 360 million
HEAD_BYTES = 132

_log = logging.getLogger(__name__)


class Read(Protocol):
    def __call__(self, path: Path, *, side: int | None = None) -> Film: ...


@dataclass(frozen=True)
class Reader:
    """One format: its usual suffixes, how its first 132 bytes are known, and what it needs installed."""

    name: str
    suffixes: tuple[str, ...]
    recognises: Callable[[bytes], bool]
    is_available: Callable[[], bool]
    read: Read
    package: str


def _raster(name: str, suffixes: tuple[str, ...], recognises: Callable[[bytes], bool]) -> Reader:
    return Reader(name, suffixes, recognises, raster.is_available, raster.read, "pillow")


# DICOM first: its preamble may be the head of a TIFF (PS3.10 7.1), as scanners do write.
READERS = (
    Reader(
        "DICOM",
        (".dcm", ".dicom"),
        lambda head: head[128:132] == b"DICM",
        dicom.is_available,
        dicom.read,
        "pydicom",
    ),
    _raster("PNG", (".png",), lambda head: head.startswith(b"\x89PNG\r\n\x1a\n")),
    _raster("JPEG", (".jpg", ".jpeg"), lambda head: head.startswith(b"\xff\xd8\xff")),
    _raster("TIFF", (".tif", ".tiff"), lambda head: head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
)
SUFFIXES = {suffix: reader for reader in READERS for suffix in reader.suffixes}


def read_film(path: str | os.PathLike[str], *, side: int | None = None) -> Film:
    """Return the film in a file; its first bytes decide which reader takes it, not its suffix.

    ``side`` says that a picture of that longest side is all that is wanted, so that a format able to
    decode at a fraction of its size may do so. Sizes are checked in the header, before decoding.
    Raises ``UnreadableFilm``, and nothing else, for whatever the file holds.
    """
    try:
        return _read(Path(path), side)
    except UnreadableFilm as fault:
        raise fault.of(path) from fault.__cause__
    except Exception as fault:
        # Decoders raise a dozen types on damaged files; this is the one place that takes them all.
        _log.warning("cannot decode %s", shown(path, 200), exc_info=True)
        raise _as_unreadable(fault).of(path) from fault


def _read(path: Path, side: int | None) -> Film:
    return reader_for(path).read(path, side=side)


def reader_for(path: Path) -> Reader:
    """Return the reader that takes the file, by its first bytes.

    Raises ``UnreadableFilm`` for what is no file, holds nothing, is too large or of no known format,
    and ``OSError`` where it cannot be opened.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        # Opening a FIFO would block for ever.
        what = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe, socket or device"
        raise UnreadableFilm("not a file", f"not a file but {what}")
    if not found.st_size:
        raise UnreadableFilm("broken", "empty file", "Copy it again; its size is 0 bytes.")
    if found.st_size > MAX_FILE_BYTES:
        raise UnreadableFilm("too large", f"too large: {found.st_size:,} bytes")
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    return _reader_of(head, path.suffix.lower())


def _reader_of(head: bytes, suffix: str) -> Reader:
    reader = next((reader for reader in READERS if reader.recognises(head)), None)
    if reader is None:
        named = SUFFIXES.get(suffix)
        reason = f"not a {named.name} file in spite of its name" if named else "unknown format"
        known = ", ".join(reader.name for reader in READERS)
        raise UnreadableFilm("unknown format", reason, f"Formats that can be read: {known}.")
    if not reader.is_available():
        hint = f"Install it: pip install {reader.package}"
        raise UnreadableFilm("needs decoder", f"{reader.name} needs the package {reader.package}", hint)
    return reader


def _as_unreadable(fault: Exception) -> UnreadableFilm:
    if isinstance(fault, FileNotFoundError | NotADirectoryError):
        return UnreadableFilm("missing", "not on disk", "Check the image folder of the dataset.")
    if isinstance(fault, OSError) and fault.errno is not None:
        return UnreadableFilm("missing", f"cannot be read: {fault.strerror}")
    if isinstance(fault, MemoryError):
        return UnreadableFilm("too large", "too large: not enough memory")
    # pydicom lists what each decoder said, the last of them on the last line.
    said = shown(str(fault).strip().rpartition("\n")[2].strip(), 60) or type(fault).__name__
    return UnreadableFilm("broken", f"broken file: {said}", "Copy it again from its source.")
