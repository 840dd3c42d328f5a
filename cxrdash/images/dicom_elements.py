"""What a DICOM header says about showing and measuring its pixels, taken only as far as it can be trusted."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from cxrdash.images.film import EXPLANATIONS, Lookup, SpacingKind, UnreadableFilm, Window

# Read nothing else, so that no name or birth date is ever in memory, in a message or in a log.
TONE_TAGS = [
    "RescaleSlope",
    "RescaleIntercept",
    "ModalityLUTSequence",
    "VOILUTSequence",
    "WindowCenter",
    "WindowWidth",
    "WindowCenterWidthExplanation",
    "VOILUTFunction",
]
SPACING_TAGS = [
    "PixelSpacing",
    "PixelSpacingCalibrationType",
    "ImagerPixelSpacing",
    "NominalScannedPixelSpacing",
]
MAX_SPACING_MM = 10.0  # a film of 4,000 rows would be 40 m high
BYTE_BITS, MAX_TABLE_BITS = 8, 16
MAX_NUMBER = 1e12  # rescaled values stay far from overflow
SAME_SPACING = 1e-3  # relative; decimal strings are rounded differently by different machines

Spacing = tuple[tuple[float, float] | None, SpacingKind]


def modality_step(header: Any) -> tuple[float, float, Lookup | None]:
    """Return slope, intercept and table of the modality step (PS3.3 C.11.1); 1, 0 and none without one."""
    if header.get("ModalityLUTSequence"):
        return 1.0, 0.0, _lookup(header.ModalityLUTSequence[0], header)
    slope, intercept = (next(iter(numbers(header, name)), None) for name in ("RescaleSlope", "RescaleIntercept"))
    if slope is None or intercept is None:
        return 1.0, 0.0, None
    return slope, intercept, None


def windows(header: Any) -> tuple[Window, ...]:
    """Return all windows of the file that the standard allows (PS3.3 C.11.2.1.2), in its order."""
    function = _function(header)
    pairs = list(zip(numbers(header, "WindowCenter"), numbers(header, "WindowWidth"), strict=False))
    names = _texts(header.get("WindowCenterWidthExplanation"))
    names += [""] * (len(pairs) - len(names))
    least = 1.0 if function == "LINEAR" else 0.0
    return tuple(
        Window(center, width, function, explanation=_explanation(name))
        for (center, width), name in zip(pairs, names, strict=False)
        if width >= least and width > 0
    )


def lookups(header: Any) -> tuple[Lookup, ...]:
    """Return all VOI lookup tables of the file (PS3.3 C.11.2.1.1), in its order."""
    return tuple(_lookup(table, header) for table in header.get("VOILUTSequence") or ())


def spacing(header: Any) -> Spacing:
    """Return (between rows, between columns) in mm and where it was measured (PS3.3 10.7.1.3).

    PixelSpacing that differs from ImagerPixelSpacing, or names how it was calibrated, holds in the
    patient; the same value in both, or ImagerPixelSpacing or NominalScannedPixelSpacing alone, holds at
    the detector or the digitised film; PixelSpacing alone does not say which. None where none is usable.
    """
    stated, detector, scanned = (
        _pair(header, name) for name in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
    )
    detector = detector or scanned
    if stated is None:
        return detector, "detector" if detector else ""
    if str(header.get("PixelSpacingCalibrationType") or "").strip():
        return stated, "patient"
    if detector is None:
        return stated, "stated"
    same = all(math.isclose(*both, rel_tol=SAME_SPACING) for both in zip(stated, detector, strict=True))
    return stated, "detector" if same else "patient"


def numbers(header: Any, name: str) -> tuple[float, ...]:
    """Return the numbers of an element of one or many; empty where one of them is none or beyond reason."""
    try:
        held = header.get(name)
        held = held if hasattr(held, "__iter__") and not isinstance(held, str) else [held]
        found = tuple(float(value) for value in held)
    except (TypeError, ValueError, OverflowError):
        return ()
    return found if all(abs(value) <= MAX_NUMBER for value in found) else ()


def _pair(header: Any, name: str) -> tuple[float, float] | None:
    found = numbers(header, name)
    if len(found) != 2 or not all(0 < value <= MAX_SPACING_MM for value in found):
        return None
    return found[0], found[1]


def _function(header: Any) -> Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]:
    stated = str(header.get("VOILUTFunction") or "").strip().upper()
    if stated == "SIGMOID":
        return "SIGMOID"
    return "LINEAR_EXACT" if stated == "LINEAR_EXACT" else "LINEAR"


def _lookup(table: Any, header: Any) -> Lookup:
    """One table (PS3.3 C.11.1.1.1): the number of its entries, 0 for 65,536; its first input; its bits."""
    entries, first, bits = (int(number) for number in table.LUTDescriptor)
    entries = entries or 2**16
    values = table.LUTData
    if isinstance(values, bytes):
        order = "<" if header.original_encoding[1] else ">"
        is_bytes = bits <= BYTE_BITS and len(values) < 2 * entries
        values = np.frombuffer(values, "u1" if is_bytes else f"{order}u2", entries).astype(np.uint16)
    values = np.atleast_1d(np.asarray(values, np.uint16))[:entries]
    if len(values) < entries or not 0 < bits <= MAX_TABLE_BITS:
        raise UnreadableFilm("broken", "broken file: a table of its shades is damaged")
    return Lookup(first, values, bits, _explanation(table.get("LUTExplanation")))


def _texts(value: Any) -> list[str]:
    return [str(value)] if value is None or isinstance(value, str) else [str(text) for text in value]


def _explanation(text: Any) -> str:
    word = str(text or "").strip().upper()
    return word if word in EXPLANATIONS else ""
