"""From a DICOM's pixel data to its stored values: which decoder takes it, and shortcuts past pydicom's."""

from __future__ import annotations

import importlib.util
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np

from cxrdash.images.film import Pixels, UnreadableFilm, check_pixel_count

PIXEL_TAGS = [
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
    "PixelData",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
]
PIXEL_DATA = 0x7FE00010
DEFERRED_BYTES = 2**16  # longer pixel data is not read with its header

DEFLATED = "1.2.840.10008.1.2.1.99"
PILLOW, CHARLS, GDCM, OPENJPEG = "pillow", "pyjpegls", "python-gdcm", "pylibjpeg pylibjpeg-openjpeg"
# Under the GPL, hence never brought by us; only JPEG of 12 bits needs it.
LIBJPEG = "pylibjpeg pylibjpeg-libjpeg"
JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
JPEG_2000 = frozenset({"1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"})
# What decodes each compressed syntax; the app brings all but the last two of the packages above.
DECODER_PACKAGES = {
    "1.2.840.10008.1.2.4.50": PILLOW,
    JPEG_EXTENDED: LIBJPEG,
    "1.2.840.10008.1.2.4.57": GDCM,
    "1.2.840.10008.1.2.4.70": GDCM,
    "1.2.840.10008.1.2.4.80": CHARLS,
    "1.2.840.10008.1.2.4.81": CHARLS,
    "1.2.840.10008.1.2.4.90": PILLOW,
    "1.2.840.10008.1.2.4.91": PILLOW,
    "1.2.840.10008.1.2.4.201": OPENJPEG,
    "1.2.840.10008.1.2.4.202": OPENJPEG,
    "1.2.840.10008.1.2.4.203": OPENJPEG,
    "1.2.840.10008.1.2.5": "pydicom",
}
DEEPEST_BITS = {syntax: 16 for syntax in DECODER_PACKAGES} | {"1.2.840.10008.1.2.4.50": 8, JPEG_EXTENDED: 12}
# pydicom's names for them. Left to itself it tries GDCM first, which damaged films crash; where there is
# another decoder, that one is used.
PLUGINS = {PILLOW: "pillow", CHARLS: "pyjpegls", GDCM: "gdcm"}
# SOF0 to SOF15, without the three markers among them that are no frame headers, and JPEG-LS's own.
FRAME_HEADERS = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
DAMAGED = "broken file: its compressed picture is damaged"


def stored_values(file: BinaryIO, side: int | None = None) -> Pixels:
    """Return the stored values of an open DICOM file whose header was checked.

    (h, w) or (h, w, 3), integers in the byte order of the machine. With ``side`` a grey JPEG 2000 film
    may come back smaller, its longest side no less than that. Raises ``UnreadableFilm`` where sizes
    disagree, and whatever a decoder raises.
    """
    from cxrdash.images.dicom_library import pydicom

    file.seek(0)
    dataset = pydicom.dcmread(file, specific_tags=[*PIXEL_TAGS], defer_size=DEFERRED_BYTES)
    if "PixelData" not in dataset:
        raise UnreadableFilm("broken", "broken file: no pixels in it")
    held = next(element for tag, element in dataset.items() if tag == PIXEL_DATA)  # by name it would be loaded
    if held.value is None:
        stored = _native(file, dataset, held)
        if stored is not None:
            return stored
        file.seek(0)
        dataset = pydicom.dcmread(file, specific_tags=[*PIXEL_TAGS])
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        frame = _checked_frame(dataset)
        reduced = _reduced_jpeg_2000(dataset, frame, side) if side and frame else None
        if reduced is not None:
            return reduced
    return _by_pydicom(dataset)


def _by_pydicom(dataset: Any) -> Pixels:
    from pydicom.pixels.utils import pixel_array

    package = DECODER_PACKAGES.get(str(dataset.file_meta.TransferSyntaxUID), "")
    plugin = "" if package == LIBJPEG else PLUGINS.get(package, "")
    try:
        stored = pixel_array(dataset, decoding_plugin=plugin)
    except RuntimeError as fault:
        if plugin == PLUGINS[GDCM]:
            # It answers nothing at all, over which pydicom stumbles.
            raise UnreadableFilm("broken", DAMAGED, "Copy it again from its source.") from fault
        raise
    return np.asarray(stored.astype(stored.dtype.newbyteorder("="), copy=False))


def _native(file: BinaryIO, dataset: Any, held: Any) -> Pixels | None:
    """Uncompressed grey pixels straight from the file, or None where they are of a rarer kind.

    A third of the time of pydicom's way, which copies them three times.
    """
    names = ("SamplesPerPixel", "BitsAllocated", "BitsStored", "PixelRepresentation", "Rows", "Columns")
    samples, allocated, bits, signed, rows, columns = (int(dataset.get(name) or 0) for name in names)
    size = rows * columns * allocated // 8
    if dataset.file_meta.TransferSyntaxUID == DEFLATED:
        return None  # its places are those of the inflated bytes
    plain = samples == 1 and allocated in (8, 16) and 0 < bits <= allocated and signed in (0, 1)
    if not plain or held.length not in (size, size + size % 2):
        return None
    order = "<" if dataset.file_meta.TransferSyntaxUID.is_little_endian else ">"
    file.seek(held.value_tell)
    stored = np.fromfile(file, f"{order}{'ui'[signed]}{allocated // 8}", rows * columns)
    if len(stored) != rows * columns:
        raise UnreadableFilm("broken", "broken file: it ends within its pixels", "Copy it again from its source.")
    stored = stored.reshape(rows, columns).astype(f"={'ui'[signed]}{allocated // 8}", copy=False)
    return _without_unused_bits(stored, bits, allocated)


def _without_unused_bits(stored: Pixels, bits: int, allocated: int) -> Pixels:
    """Drop what lies above the bits stored (PS3.5 8.1.1): old files keep overlays there."""
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if stored.dtype.kind == "i" else (0, 2**bits - 1)
    if low <= stored.min() and stored.max() <= high:
        return stored
    return np.right_shift(np.left_shift(stored, allocated - bits), allocated - bits)


def _checked_frame(dataset: Any) -> bytes | None:
    """Compare what a JPEG or JPEG 2000 frame says of itself with the header: it is what gets decoded."""
    from pydicom.encaps import get_frame

    if not str(dataset.file_meta.TransferSyntaxUID).startswith("1.2.840.10008.1.2.4."):
        return None
    frame = get_frame(dataset.PixelData, 0, number_of_frames=1)
    width, height, bits, planes = frame_form(frame)
    check_pixel_count(width, height)
    if (width, height) != (dataset.Columns, dataset.Rows):
        reason = f"broken file: says {dataset.Columns:,} × {dataset.Rows:,}, holds {width:,} × {height:,}"
        raise UnreadableFilm("broken", reason)
    if bits > dataset.BitsAllocated or planes != dataset.SamplesPerPixel:
        said = f"{dataset.BitsAllocated} bits and {dataset.SamplesPerPixel} colours"
        raise UnreadableFilm("broken", f"broken file: says {said}, holds {bits} and {planes}")
    return frame


def _reduced_jpeg_2000(dataset: Any, frame: bytes, side: int) -> Pixels | None:
    """A grey film at a half, quarter, ... of its size, or None where it is to be decoded in full.

    Pillow widens the values to 8 or 16 bits (j2ku_gray_i), which is undone.
    """
    from PIL import Image
    from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
    from pydicom.pixels.utils import get_j2k_parameters

    told = get_j2k_parameters(frame)
    bits = int(told.get("precision", 0))
    steps = (max(dataset.Rows, dataset.Columns) // side).bit_length() - 1
    plain = not told.get("is_signed") and not dataset.PixelRepresentation
    if str(dataset.file_meta.TransferSyntaxUID) not in JPEG_2000 or dataset.SamplesPerPixel != 1 or not plain:
        return None
    if steps < 1 or not 0 < bits <= 16:
        return None
    try:
        with Image.open(BytesIO(frame), formats=("JPEG2000",)) as image:
            if not isinstance(image, Jpeg2KImageFile):
                return None
            image.reduce = steps
            values: Pixels = np.asarray(image)
    except (OSError, ValueError):
        return None  # fewer sizes in it than asked for, or damage, which decoding in full will tell
    if values.dtype not in (np.uint8, np.uint16) or values.ndim != 2:
        return None
    return np.asarray(np.right_shift(values, 8 * values.dtype.itemsize - bits))


def frame_form(frame: bytes) -> tuple[int, int, int, int]:
    """Return width, height, bits and planes as a JPEG, JPEG-LS or JPEG 2000 frame has them.

    Source: ISO 10918-1 B.2.2 (SOF), ISO 14495-1 C.2.2 (SOF55), ISO 15444-1 A.5.1 (SIZ).
    """
    start = frame.find(b"\xff\x4f\xff\x51", 0, 4096)
    if start >= 0 and not frame.startswith(b"\xff\xd8") and len(frame) > start + 42:
        right, lower, left, upper = (
            int.from_bytes(frame[at : at + 4], "big") for at in range(start + 8, start + 24, 4)
        )
        planes = int.from_bytes(frame[start + 40 : start + 42], "big")
        return right - left, lower - upper, 1 + (frame[start + 42] & 0x7F), planes
    at = 2
    while at + 9 < len(frame) and frame[at] == 0xFF:
        if frame[at + 1] in FRAME_HEADERS:
            height, width = (int.from_bytes(frame[at + n : at + n + 2], "big") for n in (5, 7))
            return width, height, frame[at + 4], frame[at + 9]
        is_fill = frame[at + 1] == 0xFF
        at += 1 if is_fill else 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    raise UnreadableFilm("broken", "broken file: no size in its compressed frame")


def check_decoder(syntax: str, bits: int) -> None:
    """Raise ``UnreadableFilm`` naming the package where nothing installed decodes the transfer syntax."""
    from pydicom.uid import UID

    try:
        available = is_decodable(syntax, bits)
    except NotImplementedError as fault:
        raise UnreadableFilm("unknown format", f"DICOM stored as {UID(syntax).name[:40]}") from fault
    if not available:
        packages = DECODER_PACKAGES.get(syntax, "pylibjpeg")
        hint = f"Install it: pip install {packages}"
        raise UnreadableFilm("needs decoder", f"{UID(syntax).name[:40]} needs {packages}", hint)


def is_decodable(syntax: str, bits: int = 8) -> bool:
    """Return whether something installed decodes the syntax at that depth.

    Raises ``NotImplementedError`` for what is no syntax of pictures.
    """
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    from cxrdash.images.dicom_library import pydicom  # noqa: F401 - before any part of it

    available = get_decoder(UID(syntax)).is_available
    if syntax == JPEG_EXTENDED and bits > 8:
        # Pillow announces this syntax but decodes only its 8-bit films.
        return importlib.util.find_spec("libjpeg") is not None
    return bool(available)
