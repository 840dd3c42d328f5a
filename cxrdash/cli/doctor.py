"""The verb that checks the installation: doctor."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from importlib import metadata
from typing import NamedTuple

from cxrdash.cli.output import say, write_table
from cxrdash.config import BESIDE_APP, Cache
from cxrdash.errors import CxrdashError

REQUIREMENTS = BESIDE_APP.parent / "requirements.txt"
PYTHON = (3, 11)
ENOUGH_DISK = 1_000_000_000  # bytes; an index of a million images and its thumbnails fit
DICOM_ROOT = "1.2.840.10008.1.2"  # of all transfer syntaxes
PINNED = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*==\s*([^\s;#,]+)")


class Check(NamedTuple):
    """One thing checked. ``status`` is ok, note (works, but not for everything) or failed."""

    check: str
    status: str
    found: str
    advice: str = ""


def doctor(arguments: argparse.Namespace, cache: Cache) -> int:
    """Print every check; exit code 1 where one failed."""
    import pandas as pd

    checks = [*installation(), *decoders(), *cache_checks(cache), *dataset_checks(cache)]
    write_table(pd.DataFrame(checks, columns=Check._fields), arguments.format)
    failed = sum(check.status == "failed" for check in checks)
    say("", f"{failed} of {len(checks)} checks failed." if failed else f"All {len(checks)} checks passed.")
    return int(failed > 0)


def installation() -> Iterator[Check]:
    """Compare Python and the libraries with the versions cxrdash is tested with."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= PYTHON:
        yield Check("python", "ok", version)
    else:
        yield Check("python", "failed", version, f"Use Python {PYTHON[0]}.{PYTHON[1]} or newer.")
    requirements = _requirements()
    if not requirements:
        yield Check("requirements", "failed", f"{REQUIREMENTS} not found", "Install cxrdash again.")
    yield from library_checks(requirements)


def _requirements() -> list[str]:
    if REQUIREMENTS.is_file():
        return REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    try:
        return metadata.requires("cxrdash") or []
    except metadata.PackageNotFoundError:
        return []


def library_checks(requirements: Iterable[str]) -> Iterator[Check]:
    """Compare installed versions with the pinned ones in lines of a requirements file."""
    for line in requirements:
        pinned = PINNED.match(line.strip())
        if not pinned:
            continue
        name, wanted = pinned.groups()
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield Check(name, "failed", "not installed", f"pip install {name}=={wanted}")
            continue
        if found == wanted:
            yield Check(name, "ok", found)
        else:
            yield Check(name, "failed", f"{found}, tested with {wanted}", f"pip install {name}=={wanted}")


def decoders() -> Iterator[Check]:
    """Say which image formats can be decoded; rare DICOM compressions are optional."""
    from cxrdash.images.formats import READERS

    for reader in READERS:
        if reader.is_available():
            yield Check(f"images: {reader.name}", "ok", f"read by {reader.package}")
        else:
            yield Check(f"images: {reader.name}", "failed", "no decoder", f"pip install {reader.package}")
    if READERS[0].is_available():
        yield from compressions()


def compressions() -> Iterator[Check]:
    """Say which compressed DICOM films can be decoded, and what the others need."""
    from cxrdash.images.dicom_decoders import DECODER_PACKAGES, DEEPEST_BITS, is_decodable
    from cxrdash.images.dicom_library import pydicom

    for syntax, package in DECODER_PACKAGES.items():
        name = f"DICOM {pydicom.uid.UID(syntax).name.partition(' (')[0]} ({syntax.removeprefix(DICOM_ROOT)})"
        if is_decodable(syntax, DEEPEST_BITS[syntax]):
            yield Check(name, "ok", f"read by {package}")
        elif is_decodable(syntax, 8):
            yield Check(name, "note", "8 bits only", f"If needed: pip install {package}")
        else:
            yield Check(name, "note", "no decoder", f"If needed: pip install {package}")


def cache_checks(cache: Cache) -> Iterator[Check]:
    """Check that the cache can be written and has room."""
    try:
        cache.root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache.root):
            pass
    except OSError as fault:
        advice = "Make it writable, or choose another with --cache DIR or CXRDASH_CACHE."
        yield Check("cache", "failed", f"{cache.root}: {fault.strerror}", advice)
        return
    yield Check("cache", "ok", f"{cache.root} is writable")
    free = shutil.disk_usage(cache.root).free
    found = f"{free / 1e9:,.1f} GB free"
    if free >= ENOUGH_DISK:
        yield Check("disk", "ok", found)
    else:
        yield Check("disk", "failed", found, "Free some space, or move the cache with --cache DIR.")


def dataset_checks(cache: Cache) -> Iterator[Check]:
    """Open every index and compare the label files with those it was built from."""
    from cxrdash.index.generations import datasets
    from cxrdash.index.store import open_index

    for name in datasets(cache):
        try:
            changed = open_index(name, cache).changed_sources()
        except CxrdashError as fault:
            yield Check(f"dataset {name}", "failed", fault.message, fault.hint)
            continue
        if changed:
            found = f"changed since it was indexed: {', '.join(changed)}"
            yield Check(f"dataset {name}", "failed", found, "Index it again, or put the files back.")
        else:
            yield Check(f"dataset {name}", "ok", "label files unchanged")
