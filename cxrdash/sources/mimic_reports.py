"""Reports of MIMIC-CXR, where they were unpacked beside the images: one text file for each study."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from cxrdash.errors import CxrdashError
from cxrdash.sources.folder import resolve

PLACES = ("files/", "", "mimic-cxr-reports/files/")  # of the tree of patients, below a root of the dataset
LARGEST = 64 * 1024  # bytes that are read; a report has about one thousand
_NUMBER = re.compile(r"[0-9]{8}")
_HEADING = re.compile(r"^[ \t]*([A-Z][A-Z /(),&-]{2,60}):", re.MULTILINE)
_TITLES = ("final report", "final addendum")


def report_of(roots: Sequence[Path], patient: str, study: str) -> tuple[tuple[str, str], ...]:
    """Return (section, text) of a study's report in the order written; () where no such file is found."""
    if not _NUMBER.fullmatch(patient) or not _NUMBER.fullmatch(study):
        return ()
    for number in range(len(roots)):
        for place in PLACES:
            try:
                path = resolve(roots, number, f"{place}p{patient[:2]}/p{patient}/s{study}.txt")
                with path.open("rb") as file:
                    return sections(file.read(LARGEST).decode("utf-8", errors="replace"))
            except (CxrdashError, OSError):
                continue
    return ()


def sections(text: str) -> tuple[tuple[str, str], ...]:
    """Return the parts of a report by their headings in capitals; what stands before the first is 'report'."""
    found = list(_HEADING.finditer(text))
    starts = [0, *(one.end() for one in found)]
    ends = [*(one.start() for one in found), len(text)]
    names = ["report", *(one[1].strip().lower() for one in found)]
    parts = ((name, " ".join(text[a:b].split())) for name, a, b in zip(names, starts, ends, strict=True))
    return tuple((name, said) for name, said in parts if said.strip(" _") and said.lower() not in _TITLES)
