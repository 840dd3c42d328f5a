"""XML files of reports, read with bounds: small, UTF-8, without a document type that could define entities."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from cxrdash.errors import CxrdashError, shown

LARGEST_XML = 2**20
HEAD_BYTES = 4096
ROOT = re.compile(rb"<([A-Za-z_][\w.:-]*)")


def peek_root(path: Path) -> str:
    """Return the name of an XML file's root element, judged by its beginning; '' where none is found."""
    try:
        with path.open("rb") as file:
            found = ROOT.search(file.read(HEAD_BYTES))
    except OSError:
        return ""
    return found[1].decode("ascii", errors="replace") if found else ""


def read_xml(path: Path) -> tuple[bytes, ElementTree.Element]:
    """Return a file's bytes and its root element.

    Raises CxrdashError naming the file where it is unreadable, larger than 1 MB, not UTF-8 or not well
    formed, or where it declares a document type: entities are never expanded.
    """
    try:
        with path.open("rb") as file:
            body = file.read(LARGEST_XML + 1)
    except OSError as fault:
        reason = fault.strerror or fault
        raise CxrdashError(f"{path.name} cannot be read: {reason}.", "Check the file's permissions.") from fault
    if len(body) > LARGEST_XML:
        raise CxrdashError(f"{path.name} is larger than 1 MB, which no report is.", "Unpack the reports again.")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = body[: fault.start].count(b"\n") + 1
        raise CxrdashError(f"{path.name}, line {line}: the text is not UTF-8.", "Unpack the reports again.") from fault
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise CxrdashError(
            f"{path.name} declares a document type, which reports do not and which could hide anything.",
            "Unpack the reports again from the original archive.",
        )
    try:
        return body, ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as fault:
        # A parse error names line and column itself; a ValueError is text that XML cannot hold.
        raise CxrdashError(f"{path.name} is damaged: {shown(fault)}.", "Unpack the reports again.") from fault
