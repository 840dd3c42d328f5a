"""One walk over a dataset's folder, and the one resolver from a path in the index to a file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cxrdash.errors import CxrdashError, shown
from cxrdash.sources.base import ImageFile, Inventory

TABLE_ENDS = tuple(f"{table}{packed}" for table in (".csv", ".tsv", ".txt") for packed in ("", ".gz", ".zip"))
REPORT_ENDS = (".xml", ".tgz")
IMAGE_ENDS = (".png", ".jpg", ".jpeg", ".dcm", ".dicom", ".tif", ".tiff")
# CANDID-PTX names its DICOM files by UID, without an ending; only there are unnamed files looked into.
UNNAMED_FOLDERS = {"dataset", "chest_radiographs"}
UNNAMED = re.compile(r"[^.]+|\d+(\.\d+)+")
UNNAMED_MISSES = 1000  # files that were no DICOM, after which no more are opened
FOREIGN_FOLDERS = {"__MACOSX"}
PATH_CHARACTERS = 400
DRIVE_OR_URL = re.compile(r"[A-Za-z]:|[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass
class _Walk:
    """What has been met so far; one is shared by the walks over all roots."""

    roots: list[Path] = field(default_factory=list)
    tables: list[Path] = field(default_factory=list)
    reports: list[Path] = field(default_factory=list)
    images: list[tuple[int, str]] = field(default_factory=list)
    skipped_links: list[str] = field(default_factory=list)
    unnameable: int = 0
    unreadable: list[str] = field(default_factory=list)
    misses: int = 0
    all_unnamed: bool = False

    def inside(self, path: str) -> bool:
        return any(_within(path, root) for root in self.roots)


def take_inventory(root: Path, image_roots: Sequence[Path] = (), *, unnamed: bool = False) -> Inventory:
    """Return the tables of ``root`` and the image files of it and of ``image_roots``, sorted.

    Each folder is read once; hidden files and folders are left out, links to folders are never
    followed, and a further image folder inside another root is not walked twice. ``unnamed`` looks into
    files without a known ending for DICOM, in every folder.
    Raises CxrdashError where a root is missing, no folder, unreadable, or holds neither tables nor images.
    """
    walk = _Walk(roots=[_folder(path) for path in (root, *image_roots)], all_unnamed=unnamed)
    for number, start in enumerate(walk.roots):
        if not any(_within(str(start), other) for other in walk.roots[:number]):
            _walk_root(walk, number, start)
    if not walk.tables and not walk.images and not walk.reports:
        raise CxrdashError(
            f"{shown_path(root)} holds no tables (.csv) and no images.",
            "Give the folder that the dataset was unpacked into; archives must be unpacked first.",
        )
    return Inventory(
        roots=tuple(walk.roots),
        tables=tuple(sorted(walk.tables)),
        images=tuple(ImageFile(number, path) for number, path in sorted(walk.images)),
        skipped_links=tuple(sorted(walk.skipped_links)),
        notes=tuple(_notes(walk)),
        reports=tuple(sorted(walk.reports)),
    )


def shown_path(path: Path) -> str:
    """Return a path as one printable line, long enough to find the file by."""
    return shown(path, PATH_CHARACTERS)


def _folder(path: Path) -> Path:
    """Return the real path of a folder the user named, or say why it is none."""
    if "\0" in str(path):
        raise CxrdashError(f"'{shown(path)}' is no path.", "Give the path of a folder.")
    real = Path(os.path.realpath(path.expanduser()))
    try:
        if real.is_dir():
            with os.scandir(real):
                return real
        exists = real.exists()
    except OSError as fault:
        raise CxrdashError(
            f"{shown_path(path)} cannot be read: {fault.strerror}.", "Check the folder's permissions."
        ) from fault
    if exists:
        raise CxrdashError(
            f"{shown_path(path)} is a file, not a folder.", f"Give the folder it lies in: {shown_path(real.parent)}"
        )
    raise CxrdashError(f"{shown_path(path)} does not exist.", "Check the spelling, and that the disk is mounted.")


def _walk_root(walk: _Walk, number: int, start: Path) -> None:
    ahead = [("", str(start))]
    others = {str(root) for root in walk.roots[:number]}
    while ahead:
        prefix, folder = ahead.pop()
        for entry in _entries(walk, folder):
            name, relative = entry.name, prefix + entry.name
            if not _nameable(name):
                walk.unnameable += 1
            elif entry.is_symlink() and not walk.inside(os.path.realpath(entry.path)):
                walk.skipped_links.append(relative)
            elif entry.is_dir(follow_symlinks=False):
                if name not in FOREIGN_FOLDERS and entry.path not in others:
                    ahead.append((f"{relative}/", entry.path))
            else:
                _keep(walk, number, entry, relative)


def _keep(walk: _Walk, number: int, entry: os.DirEntry[str], relative: str) -> None:
    lowered = entry.name.lower()
    if lowered.endswith(IMAGE_ENDS) and entry.is_file():
        walk.images.append((number, relative))
    elif number == 0 and lowered.endswith(TABLE_ENDS) and entry.is_file():
        walk.tables.append(Path(entry.path))
    elif number == 0 and lowered.endswith(REPORT_ENDS) and entry.is_file():
        walk.reports.append(Path(entry.path))
    elif _is_unnamed(walk, number, relative) and entry.is_file():
        if _is_dicom(entry.path):
            walk.images.append((number, relative))
        else:
            walk.misses += 1


def _is_unnamed(walk: _Walk, number: int, relative: str) -> bool:
    *folders, name = relative.split("/")
    if walk.all_unnamed:
        return walk.misses < UNNAMED_MISSES and not name.lower().endswith((*TABLE_ENDS, *REPORT_ENDS, ".toml"))
    if walk.misses >= UNNAMED_MISSES or UNNAMED_FOLDERS.isdisjoint((walk.roots[number].name, *folders)):
        return False
    return UNNAMED.fullmatch(name) is not None


def _is_dicom(path: str) -> bool:
    try:
        with Path(path).open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def _entries(walk: _Walk, folder: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from (entry for entry in entries if not entry.name.startswith("."))
    except OSError:
        walk.unreadable.append(folder)


def _nameable(name: str) -> bool:
    # os.scandir hands bytes that are not UTF-8 over as lone surrogates, which no database can store.
    return name.isascii() or not any("\ud800" <= character <= "\udfff" for character in name)


def _notes(walk: _Walk) -> Iterator[str]:
    if walk.unnameable:
        yield f"Left out because their names are not valid UTF-8: {walk.unnameable:,} files or folders."
    if walk.unreadable:
        example = shown_path(Path(min(walk.unreadable)))
        yield f"Left out because they could not be read: {len(walk.unreadable):,} folders, such as {example}."
    if walk.misses >= UNNAMED_MISSES:
        yield f"Files without an ending were no longer looked into after {UNNAMED_MISSES:,} that are no DICOM."


def resolve(roots: Sequence[Path], root_number: int, relative_path: str) -> Path:
    """Return the real path of a regular file that lies inside one of ``roots``.

    ``relative_path`` is relative to ``roots[root_number]`` with forward slashes, as the inventory gives it.
    Raises CxrdashError saying why for every other path, so nothing outside the roots can be opened.
    """
    reason = _written_wrong(roots, root_number, relative_path)
    if not reason:
        try:
            real = Path(os.path.realpath(roots[root_number] / relative_path))
            if not any(_within(str(real), Path(os.path.realpath(root))) for root in roots):
                reason = "it leads out of the dataset's folders"
            elif real.is_file():
                return real
            else:
                reason = "it is no regular file" if real.exists() else "there is no such file"
        except (OSError, ValueError) as fault:
            reason = getattr(fault, "strerror", None) or "its name is not valid"
    raise CxrdashError(
        f"The path '{shown(relative_path)}' was refused: {reason}.",
        "If the files moved, index the folder again; further image folders are named with --images.",
    )


def _written_wrong(roots: Sequence[Path], root_number: int, relative_path: str) -> str:
    if not 0 <= root_number < len(roots):
        return "its folder is not one of the dataset's folders"
    if not relative_path or "\0" in relative_path:
        return "it is empty" if not relative_path else "it holds a NUL character"
    if relative_path.startswith(("/", "\\")):
        return "it is absolute"
    if DRIVE_OR_URL.match(relative_path):
        return "it names a drive or an address"
    if ".." in re.split(r"[/\\]", relative_path):
        return "it climbs out with '..'"
    return ""


def _within(path: str, root: Path) -> bool:
    folder = str(root)
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
