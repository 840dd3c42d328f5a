"""What an OpenI report says: its number, its curated headings, its films and its text."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

from cxrdash.errors import CxrdashError, shown
from cxrdash.sources.base import ReadFile
from cxrdash.sources.vocabulary import folded
from cxrdash.sources.xmlfile import read_xml

ROOT_ELEMENT = "eCitation"
REPORT_ID = re.compile(r"CXR\d+")
FILM = re.compile(r"(?:CXR)?(\d+)_(?:\1_)?(IM-[0-9A-Za-z-]+)(?:\.dcm)?(?:\.(?:png|jpe?g|dcm))?", re.I)
NOT_INDEXED = "no indexing"
SHOWN_REPORTS = 20
SECTIONS = ("comparison", "indication", "findings", "impression")


@dataclass(frozen=True)
class Film:
    """One film named by a report, or (with ``fault``) what keeps a report or a name from being read."""

    study_id: str
    headings: str
    named: str
    film: str = ""
    fault: str = ""


@dataclass(frozen=True)
class Reports:
    """All reports of a folder: their films in order, the account of them, and reports without a film.

    ``texts`` are (study, section, text), of reports with a film only.
    """

    films: tuple[Film, ...]
    texts: tuple[tuple[str, str, str], ...]
    file: ReadFile
    without_film: int


def film_id(name: str) -> str | None:
    """Return the one id of a film in all its spellings, None for another name.

    ``CXR1_1_IM-0001-4001``, ``1_IM-0001-4001.dcm.png`` and ``1_IM-0001-4001.dcm`` are ``1_IM-0001-4001``.
    """
    found = FILM.fullmatch(name.strip())
    return f"{found[1]}_{found[2]}" if found else None


def headings_of(text: str) -> list[tuple[str, list[str]]]:
    """Return the headings of a report, each with its qualifiers, from ``Opacity/lung/base;Scoliosis``.

    A report that was not indexed has none.
    """
    parts = [[folded(part) for part in term.split("/")] for term in text.split(";")]
    return [(heading, rest) for heading, *rest in parts if heading and heading.casefold() != NOT_INDEXED]


def read_reports(paths: Sequence[Path], workspace: Path, *, allow_bad_rows: bool) -> Reports:
    """Read XML reports in the order of their paths.

    Raises CxrdashError naming the first damaged reports; with ``allow_bad_rows`` each of them becomes a
    film with a fault instead.
    """
    films: list[Film] = []
    texts: list[tuple[str, str, str]] = []
    faults: list[CxrdashError] = []
    without_film = 0
    digest = hashlib.sha256()
    for path in paths:
        try:
            body, root = read_xml(path)
            named = _films(path, root)
        except CxrdashError as fault:
            faults.append(fault)
            films.append(Film("", "", path.name, fault=fault.message))
            continue
        digest.update(hashlib.sha256(body).digest())
        films.extend(named)
        if named:
            texts.extend((named[0].study_id, section, text) for section, text in _sections(root))
        without_film += not named
    if faults and not allow_bad_rows:
        raise _refusal(faults)
    return Reports(tuple(films), tuple(texts), _account(paths, digest.hexdigest(), len(films), workspace), without_film)


def _sections(root: Element) -> list[tuple[str, str]]:
    """The sections that are not empty, in their own order."""
    found = [
        ((part.get("Label") or "").strip().lower(), " ".join("".join(part.itertext()).split()))
        for part in root.findall("MedlineCitation//AbstractText")
    ]
    return [(section, text) for section, text in found if section in SECTIONS and text]


def _films(path: Path, root: Element) -> list[Film]:
    uid = root.find("uId")
    report = (uid.get("id") or "" if uid is not None else "").strip()
    if not REPORT_ID.fullmatch(report):
        raise CxrdashError(
            f"{path.name}: the report number (uId) is '{shown(report)}', not one like CXR1.",
            "Unpack the reports again.",
        )
    terms = [folded("".join(term.itertext())) for term in root.findall("MeSH/major")]
    headings = ";".join(term for term in terms if term)
    films = []
    for image in root.findall("parentImage"):
        named = (image.get("id") or "").strip()
        film = film_id(named)
        fault = "" if film else "is not the name of a film like CXR1_1_IM-0001-4001"
        films.append(Film(report, headings, named, film or "", fault))
    return films


def _refusal(faults: Sequence[CxrdashError]) -> CxrdashError:
    details = [fault.message for fault in faults[1:SHOWN_REPORTS]]
    if len(faults) > SHOWN_REPORTS:
        details.append(f"and {len(faults) - SHOWN_REPORTS:,} more")
    total = "" if len(faults) == 1 else f" ({len(faults):,} reports cannot be read.)"
    return CxrdashError(
        faults[0].message + total,
        f"{faults[0].hint} Or index with --allow-bad-rows to set such reports aside (every page will say so).",
        details=details,
    )


def _account(paths: Sequence[Path], sha256: str, records: int, workspace: Path) -> ReadFile:
    """Account for the folder of the reports as one file, whose size and time are the folder's own."""
    folder = Path(os.path.commonpath([path.parent for path in paths]))
    status = folder.stat()
    # A film has no line in a table; an empty table keeps the index from naming one.
    no_lines = workspace / "reports-have-no-lines.csv"
    no_lines.touch()
    return ReadFile(
        path=folder,
        sha256=sha256,
        bytes=status.st_size,
        mtime_ns=status.st_mtime_ns,
        records=records,
        recognised_as=f"OpenI reports ({len(paths):,} XML files; a row is a film)",
        plain=no_lines,
    )
