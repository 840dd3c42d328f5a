"""DICOM through pydicom, which is imported only when the first DICOM file is read."""

from __future__ import annotations

import importlib.util
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from cxrdash.images.film import (
    Film,
    Lookup,
    Pixels,
    UnreadableFilm,
    Window,
    check_pixel_count,
    full_range,
)

DEFLATED = "1.2.840.10008.1.2.1.99"
MAX_INFLATED_BYTES = 64 * 2**20  # a deflated film of 32 megapixels and 16 bits; real ones are rarer still
CHUNK_BYTES = 2**20

# Read nothing else, so that no name or birth date is ever in memory, in a message or in a log.
HEADER_TAGS = [
    "Rows",
    "Columns",
    "NumberOfFrames",
    "SamplesPerPixel",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PlanarConfiguration",
    "PhotometricInterpretation",
    "RescaleSlope",
    "RescaleIntercept",
    "ModalityLUTSequence",
    "VOILUTSequence",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
]
PIXEL_TAGS = [*HEADER_TAGS, "PixelData", "ExtendedOffsetTable", "ExtendedOffsetTableLengths"]

LIBJPEG = "pylibjpeg pylibjpeg-libjpeg"
OPENJPEG = "pylibjpeg pylibjpeg-openjpeg"
DECODER_PACKAGES = {
    "1.2.840.10008.1.2.4.50": LIBJPEG,
    "1.2.840.10008.1.2.4.51": LIBJPEG,
    "1.2.840.10008.1.2.4.57": LIBJPEG,
    "1.2.840.10008.1.2.4.70": LIBJPEG,
    "1.2.840.10008.1.2.4.80": LIBJPEG,
    "1.2.840.10008.1.2.4.81": LIBJPEG,
    "1.2.840.10008.1.2.4.90": OPENJPEG,
    "1.2.840.10008.1.2.4.91": OPENJPEG,
    "1.2.840.10008.1.2.4.201": OPENJPEG,
    "1.2.840.10008.1.2.4.202": OPENJPEG,
    "1.2.840.10008.1.2.4.203": OPENJPEG,
    "1.2.840.10008.1.2.5": "pydicom",
}
JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
# SOF0 to SOF15, without the three markers among them that are no frame headers, and JPEG-LS's own.
FRAME_HEADERS = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
COLOURS = frozenset({"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"})
GREYS = frozenset({"MONOCHROME1", "MONOCHROME2"})


def is_available() -> bool:
    return importlib.util.find_spec("pydicom") is not None


def read(path: Path, *, side: int | None = None) -> Film:  # noqa: ARG001 - no syntax here decodes smaller
    """Return the film in a DICOM file, after the modality step and with its own first VOI or window.

    Refused in a few words: several frames, colours by palette, a syntax whose decoder is not installed,
    and sizes above the limits, which are compared with the header and with the compressed frame itself.
    """
    import pydicom

    with path.open("rb") as file:
        _check_deflated(file)
        file.seek(0)
        header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=[*HEADER_TAGS])
        _check_header(header)
        file.seek(0)
        dataset = pydicom.dcmread(file, specific_tags=[*PIXEL_TAGS])
    if "PixelData" not in dataset:
        raise UnreadableFilm("broken", "broken file: no pixels in it")
    _check_frame(dataset)
    stored = dataset.pixel_array
    return _film(dataset, stored.astype(stored.dtype.newbyteorder("="), copy=False))


def _film(dataset: Any, stored: Pixels) -> Film:
    mode = str(dataset.PhotometricInterpretation)
    height, width = int(dataset.Rows), int(dataset.Columns)
    bits = int(dataset.get("BitsStored") or dataset.BitsAllocated)
    if mode in COLOURS:
        grey = _luminance(stored)
        window = None if grey.dtype == np.uint8 else full_range(grey)
        return Film(grey, mode, bits, width, height, window=window)
    if stored.shape != (height, width):
        raise UnreadableFilm("broken", "broken file: its pixels do not fill the picture")
    pixels = _modality(dataset, stored)
    return Film(
        pixels,
        mode,
        bits,
        width,
        height,
        inverted=mode == "MONOCHROME1",
        window=_window(dataset) or full_range(pixels),
        lookup=_lookup(dataset),
    )


def _luminance(stored: Pixels) -> Pixels:
    weights = np.array([299, 587, 114], np.uint64)  # ITU-R BT.601, as Pillow
    return ((stored.astype(np.uint64) @ weights + 500) // 1000).astype(stored.dtype)


def _modality(dataset: Any, stored: Pixels) -> Pixels:
    """The modality step (PS3.3 C.11.1): a lookup table, or slope and intercept unless they are 1 and 0."""
    from pydicom.pixels.processing import apply_modality_lut

    if dataset.get("ModalityLUTSequence"):
        return np.asarray(apply_modality_lut(stored, dataset))
    slope, intercept = (_first_number(dataset.get(name)) for name in ("RescaleSlope", "RescaleIntercept"))
    if slope is None or intercept is None or (slope, intercept) == (1.0, 0.0):
        return stored
    return stored.astype(np.float32) * np.float32(slope) + np.float32(intercept)


def _window(dataset: Any) -> Window | None:
    """The file's first window, or None where it has none that the standard allows (PS3.3 C.11.2.1.2)."""
    center, width = (_first_number(dataset.get(name)) for name in ("WindowCenter", "WindowWidth"))
    function = str(dataset.get("VOILUTFunction") or "LINEAR").upper()
    if center is None or width is None or width <= 0 or (function == "LINEAR" and width < 1):
        return None
    if function == "SIGMOID":
        return Window(center, width, "SIGMOID")
    return Window(center, width, "LINEAR_EXACT" if function == "LINEAR_EXACT" else "LINEAR")


def _lookup(dataset: Any) -> Lookup | None:
    from pydicom.pixels.processing import apply_voi

    if not dataset.get("VOILUTSequence"):
        return None
    entries, first, bits = (int(number) for number in dataset.VOILUTSequence[0].LUTDescriptor)
    inputs = np.arange(first, first + (entries or 2**16))
    return Lookup(first, apply_voi(inputs, dataset), bits)


def _first_number(value: Any) -> float | None:
    """The first of one or many decimal strings, or None where there is none or it is not finite."""
    if value is None or isinstance(value, str):
        return None
    first = value[0] if hasattr(value, "__getitem__") and len(value) else value
    if not isinstance(first, int | float) and not hasattr(first, "__float__"):
        return None
    return float(first) if np.isfinite(float(first)) else None


def _check_deflated(file: BinaryIO) -> None:
    """Refuse a deflated file that grows too large: pydicom inflates the whole of it to see its header."""
    from pydicom.filereader import read_dataset, read_preamble

    read_preamble(file, False)
    meta = read_dataset(file, False, True, stop_when=lambda tag, *_: tag.group != 2)
    if str(meta.get("TransferSyntaxUID", "")) != DEFLATED:
        return
    inflate, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
    waiting = file.read(CHUNK_BYTES)
    while waiting and not inflate.eof:
        total += len(inflate.decompress(waiting, CHUNK_BYTES))
        if total > MAX_INFLATED_BYTES:
            hint = f"The limit is {MAX_INFLATED_BYTES:,} bytes; save it uncompressed."
            raise UnreadableFilm("too large", "too large: deflated DICOM", hint)
        waiting = inflate.unconsumed_tail or file.read(CHUNK_BYTES)


def _check_header(header: Any) -> None:
    if "Rows" not in header or "Columns" not in header:
        raise UnreadableFilm("unknown format", "a DICOM without a picture")
    frames = int(header.get("NumberOfFrames") or 1)
    if frames != 1:
        raise UnreadableFilm("unknown format", f"a DICOM of {frames:,} frames", "Save one film per file.")
    mode = str(header.get("PhotometricInterpretation", ""))
    if mode not in COLOURS | GREYS:
        raise UnreadableFilm("unknown format", f"pixels of kind {mode[:20] or 'unknown'}")
    check_pixel_count(int(header.Columns), int(header.Rows), int(header.get("SamplesPerPixel") or 1))
    _check_decoder(str(header.file_meta.TransferSyntaxUID), int(header.get("BitsStored") or 0))


def _check_decoder(syntax: str, bits: int) -> None:
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    try:
        available = get_decoder(UID(syntax)).is_available
    except NotImplementedError as fault:
        raise UnreadableFilm("unknown format", f"DICOM stored as {UID(syntax).name[:40]}") from fault
    if syntax == JPEG_EXTENDED and bits > 8:
        # Pillow announces this syntax but decodes only its 8-bit films.
        available = importlib.util.find_spec("libjpeg") is not None
    if not available:
        packages = DECODER_PACKAGES.get(syntax, "pylibjpeg")
        hint = f"Install it: pip install {packages}"
        raise UnreadableFilm("needs decoder", f"{UID(syntax).name[:40]} needs {packages}", hint)


def _check_frame(dataset: Any) -> None:
    """Compare the size inside a JPEG or JPEG 2000 frame with the header's: it is what gets decoded."""
    from pydicom.encaps import get_frame

    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_encapsulated or not str(syntax).startswith("1.2.840.10008.1.2.4."):
        return
    width, height = frame_size(get_frame(dataset.PixelData, 0, number_of_frames=1))
    check_pixel_count(width, height)
    if (width, height) != (dataset.Columns, dataset.Rows):
        reason = f"broken file: says {dataset.Columns:,} × {dataset.Rows:,}, holds {width:,} × {height:,}"
        raise UnreadableFilm("broken", reason)


def frame_size(frame: bytes) -> tuple[int, int]:
    """Return width and height as a JPEG, JPEG-LS or JPEG 2000 frame has them.

    Source: ISO 10918-1 B.2.2 (SOF), ISO 14495-1 C.2.2 (SOF55), ISO 15444-1 A.5.1 (SIZ).
    """
    start = frame.find(b"\xff\x4f\xff\x51", 0, 4096)
    if start >= 0 and not frame.startswith(b"\xff\xd8"):
        right, lower, left, upper = (
            int.from_bytes(frame[at : at + 4], "big") for at in range(start + 8, start + 24, 4)
        )
        return right - left, lower - upper
    at = 2
    while at + 9 <= len(frame) and frame[at] == 0xFF:
        if frame[at + 1] in FRAME_HEADERS:
            height, width = (int.from_bytes(frame[at + n : at + n + 2], "big") for n in (5, 7))
            return width, height
        is_fill = frame[at + 1] == 0xFF
        at += 1 if is_fill else 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    raise UnreadableFilm("broken", "broken file: no size in its compressed frame")
