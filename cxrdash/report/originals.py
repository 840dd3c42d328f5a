"""The dataset's own tables cut to a cohort, byte for byte: what loaders such as TorchXRayVision read."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cxrdash.errors import CxrdashError
from cxrdash.report.export import Export
from cxrdash.sources.plainfile import opened
from cxrdash.sources.tally import BYTE_MARKS

LINE = re.compile(rb"[^\r\n]*(?:\r\n|\n|\r|$)")
BLOCK = 2**20


@dataclass(frozen=True)
class Key:
    """The column that names the image (or the study) of a row."""

    column: str
    names: str = "image"  # image or study


# What TorchXRayVision has a loader for, and the columns by which its tables name images.
KEYS: dict[str, tuple[Key, ...]] = {
    "nih": (Key("Image Index"),),
    "chexpert": (Key("Path"),),
    "mimic": (Key("dicom_id"), Key("study_id", "study")),
    "padchest": (Key("ImageID"),),
    "rsna": (Key("patientId"),),
    "siim": (Key("ImageId"),),
    "vindr": (Key("image_id"),),
    "openi": (Key("filename"),),
    "demo": (Key("image_id"),),
}


def write_originals(asked: Export, folder: Path) -> list[str]:
    """Write each of the dataset's tables that names images, with the rows of the cohort and nothing else changed.

    Raises CxrdashError for a source without such tables, for a table that changed since it was indexed, and
    for one that is not written in bytes of ASCII's kind.
    """
    source = str(asked.index.meta["source"])
    if source not in KEYS:
        raise CxrdashError(
            f"The tables of {asked.index.title} are read by no loader of TorchXRayVision.", "Use --format csv."
        )
    wanted = _wanted(asked)
    notes = []
    for path in _tables(asked):
        made = _cut(path, folder / _plain_name(path.name), KEYS[source], wanted, _aside(asked, path))
        if made is None:
            notes.append(f"{path.name} names no image and is left out.")
        else:
            notes.append(f"{_plain_name(path.name)}: {made[0]:,} of {made[1]:,} rows.")
    if not any(folder.iterdir()):
        raise CxrdashError(f"No table of {asked.index.title} names images by a column.", "Use --format csv.")
    return notes


def _wanted(asked: Export) -> dict[str, frozenset[str]]:
    found = asked.selection.arrays("SELECT image_id, study_id FROM selected")
    return {
        "image": frozenset(map(str, found["image_id"].tolist())),
        "study": frozenset(str(one) for one in found["study_id"].tolist() if one is not None),
    }


def _tables(asked: Export) -> list[Path]:
    changed = set(asked.index.changed_sources())
    paths = [Path(file) for (file,) in asked.index.rows("SELECT file FROM sources ORDER BY file")]
    paths = [path for path in paths if _plain_name(path.name).lower().endswith((".csv", ".tsv", ".txt"))]
    for path in paths:
        if path.name in changed or f"{path.name} (not found)" in changed:
            raise CxrdashError(f"{path} is gone or changed since it was indexed.", "Run index again, then export.")
    return paths


def _aside(asked: Export, path: Path) -> frozenset[int]:
    """Return the lines of a table whose rows are not in the index."""
    sql = "SELECT line FROM set_aside WHERE what = 'row' AND line IS NOT NULL AND file IN ($path, $name)"
    found = asked.index.rows(sql, {"path": str(path), "name": path.name})
    return frozenset(int(line) for (line,) in found)


def _plain_name(name: str) -> str:
    return re.sub(r"\.(gz|zip)$", "", name, flags=re.IGNORECASE)


def _cut(
    path: Path, target: Path, keys: tuple[Key, ...], wanted: dict[str, frozenset[str]], aside: frozenset[int]
) -> tuple[int, int] | None:
    """Copy the header and the wanted rows; return rows kept and rows read, None where no column names images."""
    with opened(path) as stream:
        records = _records(stream.read)
        line, header = next(records, (1, b""))
        if header[:2] in BYTE_MARKS and BYTE_MARKS[header[:2]].startswith("utf-16"):
            raise CxrdashError(f"{path.name} is UTF-16, which cannot be cut byte for byte.", "Save it as UTF-8.")
        names = [cell.strip() for cell in _cells(header)]
        key = next((key for key in keys if key.column in names), None)
        if key is None:
            return None
        kept = read = 0
        with target.open("wb") as copy:
            copy.write(header)
            place = names.index(key.column)
            for line, record in records:
                if not record.strip():
                    continue
                read += 1
                cells = _cells(record)
                if line not in aside and place < len(cells) and _names_one(cells[place].strip(), wanted[key.names]):
                    copy.write(record)
                    kept += 1
    return kept, read


def _names_one(value: str, wanted: frozenset[str]) -> bool:
    """Whether a cell names a wanted image: its whole text, or the end of its path (CheXpert)."""
    if value in wanted:
        return True
    at = value.find("/")
    while at >= 0:
        if value[at + 1 :] in wanted:
            return True
        at = value.find("/", at + 1)
    return False


def _records(read: Callable[[int], bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield a table's records, as the bytes they are, with the line each starts on; quotes may hold line ends."""
    held, starts = b"", 1
    for number, line in enumerate(_lines(read), start=1):
        held += line
        if held.count(b'"') % 2 == 0:
            yield starts, held
            held, starts = b"", number + 1
    if held:
        yield starts, held


def _lines(read: Callable[[int], bytes]) -> Iterator[bytes]:
    rest = b""
    while block := read(BLOCK):
        rest += block
        # The last line may go on in the next block, and so may a CR before its LF.
        *whole, rest = _split(rest)
        yield from whole
    yield from (line for line in _split(rest) if line)


def _split(block: bytes) -> list[bytes]:
    lines = [line for line in LINE.findall(block) if line]
    return lines or [b""]


def _cells(record: bytes) -> list[str]:
    try:
        text = record.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = record.decode("cp1252", errors="replace")
    return next(csv.reader([text.rstrip("\r\n")]), [])
