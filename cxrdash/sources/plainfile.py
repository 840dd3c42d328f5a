"""From a file as it lies on disk to plain UTF-8 text: unpacked, verified, transcoded where it must be."""

from __future__ import annotations

import codecs
import errno
import gzip
import hashlib
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cxrdash.errors import CxrdashError
from cxrdash.sources.tally import Tally, tally

BLOCK = 2**20
LARGEST_TABLE = 16 * 2**30  # bytes after unpacking
LARGEST_RATIO = 200  # unpacked to packed; label tables reach about 30
RATIO_MATTERS_FROM = 64 * 2**20
GZIP_MAGIC = b"\x1f\x8b"
ZIP_MAGIC = b"PK\x03\x04"
Stream = IO[bytes] | gzip.GzipFile
TABLE_MEMBERS = (".csv", ".tsv", ".txt")


@dataclass(frozen=True)
class PlainFile:
    """A table's original (``path``, with its digest) and the plain UTF-8 copy to read (maybe itself)."""

    path: Path
    plain: Path
    sha256: str
    bytes: int
    mtime_ns: int
    tally: Tally
    notes: tuple[str, ...] = ()


@contextmanager
def opened(path: Path) -> Iterator[Stream]:
    """Open a plain, .gz or .zip table for reading its unpacked bytes; contents must agree with the name.

    Raises CxrdashError for a name that contradicts the contents, a zip without exactly one table, and
    (while reading) truncated or damaged archives and unreadable files.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(4)
            file.seek(0)
            _check_name(path, magic)
            if path.suffix.lower() == ".gz":
                with gzip.GzipFile(fileobj=file) as unpacked:
                    yield unpacked
            elif path.suffix.lower() == ".zip":
                with zipfile.ZipFile(file) as archive, archive.open(_only_table(path, archive)) as member:
                    yield member
            else:
                yield file
    except EOFError as fault:
        raise CxrdashError(
            f"{path.name} ends too early: the archive is truncated.", "Copy or download it again."
        ) from fault
    except (gzip.BadGzipFile, zlib.error, zipfile.BadZipFile) as fault:
        raise CxrdashError(
            f"{path.name} is damaged: its checksum or structure does not hold ({fault}).",
            "Copy or download it again.",
        ) from fault
    except OSError as fault:
        if fault.errno in (errno.ENOSPC, errno.EDQUOT):  # the copy in the workspace; not the table's fault
            raise
        reason = fault.strerror or fault
        raise CxrdashError(f"{path.name} cannot be read: {reason}.", "Check the file's permissions.") from fault


def _check_name(path: Path, magic: bytes) -> None:
    suffix = path.suffix.lower()
    if suffix == ".gz" and not magic.startswith(GZIP_MAGIC) and magic:
        fix = f"Rename it to {path.stem}, or download it again if it should be compressed."
        raise CxrdashError(f"{path.name} is not gzip-compressed although its name ends in .gz.", fix)
    if suffix != ".gz" and magic.startswith(GZIP_MAGIC):
        fix = f"Rename it to {path.name}.gz, or unpack it."
        raise CxrdashError(f"{path.name} is gzip-compressed although its name does not end in .gz.", fix)
    if suffix != ".zip" and magic == ZIP_MAGIC:
        fix = "Save it as CSV from the spreadsheet program, or unpack it."
        raise CxrdashError(f"{path.name} is a ZIP archive or Excel workbook, not a text table.", fix)
    if not magic:
        raise CxrdashError(f"{path.name} is empty (0 bytes).", "Copy or download it again.")


def _only_table(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """Return the one table of an archive; members are only ever read, never extracted by their name."""
    tables = [
        member
        for member in archive.infolist()
        if member.filename.lower().endswith(TABLE_MEMBERS) and not member.filename.startswith("__MACOSX/")
    ]
    if len(tables) != 1:
        found = "no table" if not tables else f"{len(tables)} tables"
        raise CxrdashError(f"{path.name} holds {found}; exactly one is needed.", "Unpack it.")
    if tables[0].flag_bits & 1:
        raise CxrdashError(f"{path.name} is protected by a password.", "Unpack it.")
    if tables[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise CxrdashError(f"{path.name} uses an unusual kind of compression.", "Unpack it.")
    return tables[0]


def make_plain(path: Path, workspace: Path) -> PlainFile:
    """Verify a table and return its plain UTF-8 form; a plain UTF-8 file is read where it lies.

    Files that are neither UTF-8 nor marked UTF-16 are read as Windows-1252, which a note says.
    Raises CxrdashError as ``opened`` does, and for archives that unpack to an unlikely size.
    """
    packed = path.suffix.lower() in (".gz", ".zip")
    with opened(path) as stream:
        status = path.stat()
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        plain = workspace / f"{digest[:32]}.csv" if packed else path
        blocks = _bounded(path, status.st_size, stream)
        counted = tally(_copied(blocks, plain) if packed else blocks)
    notes: tuple[str, ...] = ()
    if counted.encoding != "utf-8":
        plain, counted, notes = _transcode(path, plain, workspace / f"{digest[:32]}-utf8.csv", counted.encoding)
    return PlainFile(path, plain, digest, status.st_size, status.st_mtime_ns, counted, notes)


def _bounded(path: Path, packed_bytes: int, stream: Stream) -> Iterator[bytes]:
    unpacked = 0
    limit = min(LARGEST_TABLE, max(RATIO_MATTERS_FROM, packed_bytes * LARGEST_RATIO))
    while block := stream.read(BLOCK):
        unpacked += len(block)
        if unpacked > limit:
            raise CxrdashError(
                f"{path.name} unpacks to more than {limit // 2**20:,} MB, which no label table does.",
                "If it is what it should be, unpack it yourself.",
            )
        yield block


def _copied(blocks: Iterable[bytes], target: Path) -> Iterator[bytes]:
    with target.open("wb") as copy:
        for block in blocks:
            copy.write(block)
            yield block


def _transcode(path: Path, plain: Path, target: Path, encoding: str) -> tuple[Path, Tally, tuple[str, ...]]:
    decode = codecs.getincrementaldecoder(encoding or "cp1252")()
    read_as = "UTF-16" if encoding else f"Windows-1252 (line {_first_bad_line(plain)} is not valid UTF-8)"
    try:
        with plain.open("rb") as file:
            counted = tally(_copied(_decoded(iter(lambda: file.read(BLOCK), b""), decode.decode), target))
    except UnicodeDecodeError as fault:
        raise CxrdashError(
            f"{path.name}, line {_first_bad_line(plain)}: the text is neither UTF-8 nor Windows-1252.",
            "Save the file as UTF-8.",
        ) from fault
    return target, counted, (f"{path.name} was read as {read_as}.",)


def _decoded(blocks: Iterable[bytes], decode: Callable[[bytes, bool], str]) -> Iterator[bytes]:
    for block in blocks:
        yield decode(block, False).encode()
    yield decode(b"", True).encode()


def _first_bad_line(path: Path) -> int:
    """Return the number of the first line that is not UTF-8 (bytes of UTF-8 never look like a line end)."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 0
