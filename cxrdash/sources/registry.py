"""Every dataset cxrdash reads, and which of them a folder is."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import cast

from cxrdash.errors import CxrdashError, shown
from cxrdash.sources import chexmask
from cxrdash.sources.base import Claim, Headers, Inventory, Source
from cxrdash.sources.folder import shown_path
from cxrdash.sources.headers import separator_sentence
from cxrdash.sources.local import Local
from cxrdash.sources.mapping import Mapping
from cxrdash.sources.plainfile import opened
from cxrdash.sources.tablefile import peek_header
from cxrdash.sources.xmlfile import peek_root

# A source's name and the module whose SOURCE it is; a module is imported when its source is asked for.
SOURCES = {
    "nih": "cxrdash.sources.nih",
    "chexpert": "cxrdash.sources.chexpert",
    "mimic": "cxrdash.sources.mimic",
    "padchest": "cxrdash.sources.padchest",
    "openi": "cxrdash.sources.openi",
    "vindr": "cxrdash.sources.vindr",
    "rsna": "cxrdash.sources.rsna",
    "siim": "cxrdash.sources.siim",
    "candid": "cxrdash.sources.candid",
    "demo": "cxrdash.sources.demo",
}
SHOWN_TABLES = 10
# Folders of report texts hold hundreds of thousands of .txt files; beyond this only lists are opened.
TEXT_FILES = 1000
REPORT_FILES = 20_000  # a folder with more XML files is not OpenI


def source_named(name: str) -> Source:
    """Return the source of that name. Raises CxrdashError naming the known ones."""
    if name not in SOURCES:
        raise CxrdashError(f"There is no source '{shown(name)}'.", f"Known sources: {', '.join(SOURCES)}.")
    return cast(Source, import_module(SOURCES[name]).SOURCE)


def recognise(inventory: Inventory, wanted: str | None, mapping: Mapping | None = None) -> tuple[Source, Claim]:
    """Return the source that reads this folder, by the columns of its tables, and the files it claims.

    A ``mapping`` is the source itself; ``wanted`` names one source instead of all. Raises CxrdashError where
    none fits (with the tables found and the columns that came nearest) or more than one does.
    """
    if mapping is not None and wanted is None:
        return _declared(Local(mapping, inventory), inventory)
    sources = [source_named(name) for name in ([wanted] if wanted else SOURCES)]
    headers = _headers(inventory)
    claims = [(source, claim) for source in sources if (claim := source.claim(headers)) is not None]
    if len(claims) > 1:
        names = [source.name for source, _ in claims]
        raise CxrdashError(
            f"{shown_path(inventory.roots[0])} holds {len(claims)} datasets: {' and '.join(names)}.",
            f"Choose one with --source, for example --source {names[0]}, or give the folder of one dataset.",
            details=[_claimed(claim) for _, claim in claims],
        )
    if not claims:
        raise _unknown(inventory, headers, sources)
    source, claim = claims[0]
    claim = replace(claim, roles={**claim.roles, **chexmask.roles(headers, claim)})
    return source, replace(claim, notes=(*claim.notes, *_unread(claim, headers)))


def _declared(source: Local, inventory: Inventory) -> tuple[Source, Claim]:
    headers = _headers(inventory)
    claim = source.claim(headers)
    claim = replace(claim, roles={**claim.roles, **chexmask.roles(headers, claim)})
    return source, replace(claim, notes=(*claim.notes, *_unread(claim, headers)))


def _unread(claim: Claim, headers: Headers) -> list[str]:
    """Say which tables no role was found for, so that a misspelled column costs no file silently."""
    read = {path for paths in claim.roles.values() for path in paths}
    said = " ".join(claim.notes)
    left = [path.name for path in headers if path not in read and path.name not in said]
    names = [name for name in left if not re.search(r"\.(txt|xml|tgz)", name, re.I)]
    if not names:
        return []
    more = f" and {len(names) - SHOWN_TABLES:,} more" if len(names) > SHOWN_TABLES else ""
    listed = ", ".join(shown(name) for name in names[:SHOWN_TABLES])
    return [f"Tables that were not recognised and not read: {listed}{more}."]


def _headers(inventory: Inventory) -> Headers:
    texts = sum(".txt" in path.name.lower() for path in inventory.tables)
    tables = {
        path: peek_header(path)
        for path in inventory.tables
        if texts <= TEXT_FILES or ".txt" not in path.name.lower() or "list" in path.name.lower()
    }
    reports = inventory.reports if len(inventory.reports) <= REPORT_FILES else ()
    return tables | {path: (peek_root(path),) if path.suffix.lower() == ".xml" else () for path in reports}


def _claimed(claim: Claim) -> str:
    names = [path.name for paths in claim.roles.values() for path in paths]
    more = f" and {len(names) - SHOWN_TABLES:,} more" if len(names) > SHOWN_TABLES else ""
    return f"{claim.source}: {', '.join(names[:SHOWN_TABLES])}{more}"


def _unknown(inventory: Inventory, headers: Headers, sources: list[Source]) -> CxrdashError:
    near = [sentence for source in sources if (sentence := source.nearest(headers))] + chexmask.lonely(headers)
    tables = {path: headers[path] for path in inventory.tables if path in headers}
    odd = [sentence for path, header in tables.items() if (sentence := _oddity(path, header))]
    names = [shown_path(path.relative_to(inventory.roots[0])) for path in inventory.tables[:SHOWN_TABLES]]
    more = len(inventory.tables) - len(names)
    listed = f"Tables found: {', '.join(names)}{f' and {more:,} more' if more else ''}."
    known = ", ".join(source.card.title for source in sources)
    return CxrdashError(
        f"{shown_path(inventory.roots[0])} is none of the datasets known here ({known}).",
        "Give the folder that holds the dataset's label table as it was downloaded. For a dataset of your own, draft "
        f"a mapping first: python -m cxrdash init {shlex.quote(str(inventory.roots[0]))}",
        details=[listed if names else "It holds no tables (.csv).", *near, *odd[:SHOWN_TABLES]],
    )


def _oddity(path: Path, header: tuple[str, ...]) -> str:
    """Return what keeps a table from being read at all, '' if nothing does."""
    try:
        with opened(path) as stream:
            stream.read(1)
    except CxrdashError as fault:
        return f"{fault.message} {fault.hint}"
    if separator := separator_sentence(header):
        return f"{path.name} {separator}. Save it separated by commas."
    return "" if header else f"{path.name} holds no column names that can be read."
