"""The header of a DICOM file, read boundedly and by an allow-list: what the film is, never whose it is.

Names, birth dates, addresses and their like (PS3.15 table E.1-1) are only asked whether they are filled.
PatientID is handed to the caller's own function and forgotten. Explicit little endian, in which nearly
all films are written, is scanned here; other encodings go through pydicom.
"""

from __future__ import annotations

import io
import logging
import stat
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cxrdash.errors import shown
from cxrdash.images.film import UnreadableFilm

__all__ = ["Header", "read_header"]

BLOCK = 4096
MOST_BYTES = 4 * 2**20  # of a header that pydicom reads, or that is inflated
MOST_ELEMENTS = 10_000
LONGEST_META = 2**16  # bytes of group 2 beyond the first block
LONGEST_VALUE = 256  # bytes; the longest value allowed below has 64

FACTS = {
    0x00080018: "SOPInstanceUID",
    0x00080060: "Modality",
    0x00100040: "PatientSex",
    0x00101010: "PatientAge",
    0x00120062: "PatientIdentityRemoved",
    0x00181164: "ImagerPixelSpacing",
    0x00185101: "ViewPosition",
    0x0020000D: "StudyInstanceUID",
    0x00200020: "PatientOrientation",
    0x00200060: "Laterality",
    0x00280004: "PhotometricInterpretation",
    0x00280010: "Rows",
    0x00280011: "Columns",
    0x00280030: "PixelSpacing",
    0x00280101: "BitsStored",
    0x00280301: "BurnedInAnnotation",
}
NUMBERS = frozenset({"Rows", "Columns", "BitsStored"})
PATIENT = 0x00100020
# Only the order in which a patient's films were taken is kept of these.
MOMENT = (0x00080020, 0x00080030, 0x00080022, 0x00080032, 0x00080023, 0x00080033)
IDENTIFYING = {
    0x00080050: "AccessionNumber",
    0x00080080: "InstitutionName",
    0x00080081: "InstitutionAddress",
    0x00080090: "ReferringPhysicianName",
    0x00080092: "ReferringPhysicianAddress",
    0x00080094: "ReferringPhysicianTelephoneNumbers",
    0x00081010: "StationName",
    0x00081040: "InstitutionalDepartmentName",
    0x00081048: "PhysiciansOfRecord",
    0x00081050: "PerformingPhysicianName",
    0x00081060: "NameOfPhysiciansReadingStudy",
    0x00081070: "OperatorsName",
    0x00081080: "AdmittingDiagnosesDescription",
    0x00100010: "PatientName",
    0x00100021: "IssuerOfPatientID",
    0x00100030: "PatientBirthDate",
    0x00100032: "PatientBirthTime",
    0x00101000: "OtherPatientIDs",
    0x00101001: "OtherPatientNames",
    0x00101005: "PatientBirthName",
    0x00101040: "PatientAddress",
    0x00101060: "PatientMotherBirthName",
    0x00102154: "PatientTelephoneNumbers",
    0x00102180: "Occupation",
    0x001021B0: "AdditionalPatientHistory",
    0x001021F0: "PatientReligiousPreference",
    0x00104000: "PatientComments",
    0x00181000: "DeviceSerialNumber",
    0x00204000: "ImageComments",
    0x00321032: "RequestingPhysician",
    0x00324000: "StudyComments",
    0x00380010: "AdmissionID",
    0x00380300: "CurrentPatientLocation",
    0x00380400: "PatientInstitutionResidence",
    0x00384000: "VisitComments",
    0x00400006: "ScheduledPerformingPhysicianName",
}
OVERLAY, OVERLAY_DATA = 0x60000000, 0x60003000
WANTED = frozenset({*FACTS, PATIENT, *MOMENT, *IDENTIFYING, OVERLAY})

IMPLICIT = "1.2.840.10008.1.2"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
ITEM = 0xFFFEE000
UNDEFINED = 0xFFFFFFFF
LONG_VRS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
SHORT_VRS = frozenset(
    {
        *(b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL"),
        *(b"SS", b"ST", b"TM", b"UI", b"UL", b"US"),
    }
)

_log = logging.getLogger(__name__)
_ELEMENT = struct.Struct("<HH2sH")
_SHORT = struct.Struct("<H")
_LONG = struct.Struct("<L")

Elements = dict[int, bytes]


@dataclass(frozen=True)
class Header:
    """What the header of one film says.

    ``facts`` holds the elements of the allow-list that are filled, by keyword, as text (several values
    with backslashes between). ``patient`` is what the caller's function made of PatientID, '' without
    one. ``moment`` orders the films of a patient and must not be kept. ``filled`` names the identifying
    elements that are not empty; ``has_pixels`` says whether a picture follows.
    """

    facts: dict[str, str]
    patient: str
    moment: str
    filled: tuple[str, ...]
    has_pixels: bool


class _Foreign(Exception):
    """The header is no plain explicit little endian: pydicom has to read it."""


def read_header(path: Path, *, patient: Callable[[str], str] | None = None) -> Header:
    """Return the header of a DICOM file; its pixels are never touched.

    ``patient`` turns PatientID into what may be kept; without it nothing is. At most 4 MB are read and
    10,000 elements looked at. Raises ``UnreadableFilm``, and nothing else, for whatever the file holds.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise UnreadableFilm("not a file", "not a regular file")
        with path.open("rb") as file:
            elements, has_pixels = _read(file)
    except UnreadableFilm as fault:
        raise fault.of(path) from fault.__cause__
    except OSError as fault:
        raise UnreadableFilm("missing", f"cannot be read: {fault.strerror or 'read error'}").of(path) from fault
    except Exception as fault:
        # pydicom raises a dozen types on damaged files. Their texts may quote a patient, so only the kind is told.
        _log.warning("cannot read the header of %s: %s", shown(path, 200), type(fault).__name__)
        raise UnreadableFilm("broken", "broken file: its header cannot be read").of(path) from None
    return _header(elements, has_pixels, patient)


def _read(file: BinaryIO) -> tuple[Elements, bool]:
    head = file.read(BLOCK)
    if head[128:132] != b"DICM":
        raise UnreadableFilm("unknown format", "not a DICOM file")
    syntax, start = _meta(head)
    if start > len(head) - 8:
        syntax, start = _meta(head + file.read(LONGEST_META))
        head = b""
    if syntax == DEFLATED:
        return _inflated(file, start)
    try:
        if syntax in (IMPLICIT, BIG_ENDIAN, ""):
            raise _Foreign
        elements, has_pixels, whole = _scan(file, head, start)
    except _Foreign:
        return _by_pydicom(file, start, syntax)
    if not has_pixels and not whole:
        raise UnreadableFilm("broken", "broken file: its header ends too early")
    return elements, has_pixels


def _meta(head: bytes) -> tuple[str, int]:
    """Return the transfer syntax and where group 2 ends (PS3.10 7.1: always explicit little endian)."""
    at, syntax = 132, b""
    while head[at : at + 2] == b"\x02\0":
        if head[at + 4 : at + 6] in LONG_VRS:
            length, value = int.from_bytes(head[at + 8 : at + 12], "little"), at + 12
        else:
            length, value = int.from_bytes(head[at + 6 : at + 8], "little"), at + 8
        if head[at + 2 : at + 4] == b"\x10\0":
            syntax = head[value : value + length]
        at = value + length
    return syntax.decode("ascii", "replace").strip("\0 "), at


def _scan(file: BinaryIO, block: bytes, at: int) -> tuple[Elements, bool, bool]:
    """Return the wanted elements of the top level, whether pixels follow, and whether the end was regular.

    Items of sequences are walked through, not into: ``depth`` counts those of undefined length that are open.
    """
    found: Elements = {}
    base, depth, last = 0, 0, len(block) - 12  # an empty block is read at once
    for _ in range(MOST_ELEMENTS):
        if at > last:
            file.seek(at)
            block = file.read(BLOCK)
            base, last = at, at + len(block) - 12
            if len(block) < 8:
                return found, False, at == file.seek(0, io.SEEK_END) and not depth
        group, number, vr, length = _ELEMENT.unpack_from(block, at - base)
        if vr in SHORT_VRS and group != 0xFFFE:
            at += 8
        else:
            length, size = _long_length(block, at - base, vr, group)
            at += size
        tag = group << 16 | number
        if group == 0xFFFE:
            depth, at = _item(tag, length, depth, at)
            continue
        if tag in PIXELS and not depth:
            return found, True, True
        # Every overlay group (60xx) stands for one thing.
        tag = OVERLAY if group >> 8 == 0x60 else tag
        if not depth and tag in WANTED and length != UNDEFINED:
            base, block = _with_value(file, base, block, at, min(length, LONGEST_VALUE))
            found[tag] = _kept(tag, block[at - base : at - base + length], length)
            last = base + len(block) - 12
        if length == UNDEFINED:
            depth += 1
        else:
            at += length
    raise UnreadableFilm("too large", f"too large: a header of more than {MOST_ELEMENTS:,} elements")


def _long_length(block: bytes, at: int, vr: bytes, group: int) -> tuple[int, int]:
    """Return the length of a value and the size of what stands before it, where 4 bytes hold the length."""
    if group == 0xFFFE:
        return _LONG.unpack_from(block, at + 4)[0], 8
    if vr not in LONG_VRS or len(block) < at + 12:
        raise _Foreign
    length: int = _LONG.unpack_from(block, at + 8)[0]
    if length == UNDEFINED and vr not in (b"SQ", b"OB", b"OW"):  # UN is implicit inside (PS3.5 6.2.2)
        raise _Foreign
    return length, 12


def _item(tag: int, length: int, depth: int, at: int) -> tuple[int, int]:
    """Return the depth and place after an item, or after the end of an item or a sequence."""
    if tag == ITEM:
        return (depth + 1, at) if length == UNDEFINED else (depth, at + length)
    if not depth:
        raise _Foreign
    return depth - 1, at


def _kept(tag: int, value: bytes, length: int) -> bytes:
    """Return a value, or for one too long to be looked at only whether it is there."""
    if tag == OVERLAY:
        return b"overlay" if length else b""
    if length <= LONGEST_VALUE:
        return value
    return b"long" if tag in IDENTIFYING else b""


def _with_value(file: BinaryIO, base: int, block: bytes, at: int, length: int) -> tuple[int, bytes]:
    if at - base + length <= len(block):
        return base, block
    file.seek(at)
    block = file.read(BLOCK)
    if len(block) < length:
        raise UnreadableFilm("broken", "broken file: its header ends too early")
    return at, block


def _inflated(file: BinaryIO, start: int) -> tuple[Elements, bool]:
    """Read a deflated header (PS3.5 A.5) from the first 4 MB that it inflates to."""
    file.seek(start)
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    plain, waiting = b"", file.read(BLOCK)
    while waiting and not inflate.eof and len(plain) < MOST_BYTES:
        plain += inflate.decompress(waiting, MOST_BYTES - len(plain))
        waiting = inflate.unconsumed_tail or file.read(2**16)
    try:
        found, has_pixels, whole = _scan(io.BytesIO(plain), plain, 0)
    except _Foreign:
        raise UnreadableFilm("broken", "broken file: its header cannot be read") from None
    if not has_pixels and (len(plain) >= MOST_BYTES or not whole):
        raise UnreadableFilm("too large", f"too large: a header beyond {MOST_BYTES:,} bytes")
    return found, has_pixels


def _by_pydicom(file: BinaryIO, start: int, syntax: str) -> tuple[Elements, bool]:
    from pydicom.filereader import read_dataset

    file.seek(start)
    head = file.read(MOST_BYTES)
    reached = []

    def stop(tag: int, _vr: str | None, _length: int) -> bool:
        if int(tag) in PIXELS:
            reached.append(tag)
        return bool(reached)

    implicit, little = syntax in (IMPLICIT, ""), syntax != BIG_ENDIAN
    # Values stay as bytes: nothing is converted, so no warning can quote one.
    dataset = read_dataset(
        io.BytesIO(head), implicit, little, stop_when=stop, specific_tags=[*sorted(WANTED), OVERLAY_DATA]
    )
    if not reached and len(head) == MOST_BYTES:
        raise UnreadableFilm("too large", f"too large: a header beyond {MOST_BYTES:,} bytes")
    found: Elements = {}
    for tag in dataset.keys() & WANTED:
        value = dataset.get_item(tag).value
        # A sequence or a converted value is no text of the allow-list.
        raw = value if isinstance(value, bytes) else b"long" if value else b""
        raw = raw if little or FACTS.get(tag) not in NUMBERS else raw[::-1]
        found[int(tag)] = _kept(int(tag), raw, len(raw))
    if OVERLAY_DATA in dataset:
        found[OVERLAY] = b"overlay"
    return found, bool(reached)


def _header(elements: Elements, has_pixels: bool, patient: Callable[[str], str] | None) -> Header:
    facts = {name: text for tag, name in FACTS.items() if (text := _fact(name, elements.get(tag, b"")))}
    number = _text(elements.get(PATIENT, b""))
    filled = [name for tag, name in IDENTIFYING.items() if _text(elements.get(tag, b""))]
    overlays = ["OverlayData"] if OVERLAY in elements else []
    return Header(
        facts,
        patient(number) if patient and number else "",
        " ".join(_text(elements.get(tag, b"")) for tag in MOMENT),
        (*filled, *overlays),
        has_pixels,
    )


def _fact(name: str, raw: bytes) -> str:
    if name in NUMBERS:
        return str(_SHORT.unpack(raw)[0]) if len(raw) == 2 else ""
    return _text(raw)


def _text(raw: bytes) -> str:
    try:
        return raw.decode().strip("\0 ")
    except UnicodeDecodeError:
        return raw.decode("latin-1").strip("\0 ")
