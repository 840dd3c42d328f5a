"""DICOM through pydicom, which is imported only when the first DICOM file is read."""

from __future__ import annotations

import importlib.util
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from cxrdash.images.dicom_decoders import DEFLATED, check_decoder, stored_values
from cxrdash.images.dicom_elements import (
    SPACING_TAGS,
    TONE_TAGS,
    lookups,
    modality_step,
    spacing,
    windows,
)
from cxrdash.images.display import rescaled
from cxrdash.images.film import Film, Pixels, UnreadableFilm, Window, check_pixel_count, full_range

MAX_INFLATED_BYTES = 64 * 2**20  # a deflated film of 32 megapixels and 16 bits; real ones are rarer still
CHUNK_BYTES = 2**20

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
    *TONE_TAGS,
    *SPACING_TAGS,
]
COLOURS = frozenset({"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"})
GREYS = frozenset({"MONOCHROME1", "MONOCHROME2"})


def is_available() -> bool:
    return importlib.util.find_spec("pydicom") is not None


def read(path: Path, *, side: int | None = None) -> Film:
    """Return the film in a DICOM file as stored, with its modality step, windows, VOI tables and spacing.

    ``side`` allows a grey JPEG 2000 film to be decoded smaller, down to that many pixels.
    Refused in a few words: several frames, colours by palette, a syntax whose decoder is not installed,
    and sizes above the limits, which are compared with the header and with the compressed frame itself.
    """
    from cxrdash.images.dicom_library import pydicom

    with path.open("rb") as file:
        _check_deflated(file)
        file.seek(0)
        header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=[*HEADER_TAGS])
        _check_header(header)
        return _film(header, stored_values(file, side))


def _film(header: Any, stored: Pixels) -> Film:
    mode = str(header.PhotometricInterpretation)
    height, width = int(header.Rows), int(header.Columns)
    bits = int(header.get("BitsStored") or header.BitsAllocated)
    spacing_mm, kind = spacing(header)
    if stored.ndim != (3 if mode in COLOURS else 2) or (mode in COLOURS and stored.shape != (height, width, 3)):
        raise UnreadableFilm("broken", "broken file: its pixels do not fill the picture")
    if mode in COLOURS:
        grey = _luminance(stored)
        spread = None if grey.dtype == np.uint8 else full_range(grey.min(), grey.max())
        return Film(grey, mode, bits, width, height, spread=spread, spacing_mm=spacing_mm, spacing_kind=kind)
    slope, intercept, modality = modality_step(header)
    film = Film(
        stored,
        mode,
        bits,
        width,
        height,
        inverted=mode == "MONOCHROME1",
        slope=slope,
        intercept=intercept,
        modality=modality,
        windows=windows(header),
        lookups=lookups(header),
        spacing_mm=spacing_mm,
        spacing_kind=kind,
    )
    return replace(film, spread=_spread(film))


def _spread(film: Film) -> Window:
    """The window over the film's own rescaled values, which a modality table need not keep in order."""
    held = np.unique(film.pixels) if film.modality else np.array([film.pixels.min(), film.pixels.max()])
    measured = rescaled(held, film)
    return full_range(float(measured.min()), float(measured.max()))


def _luminance(stored: Pixels) -> Pixels:
    weights = np.array([299, 587, 114], np.uint64)  # ITU-R BT.601, as Pillow
    return ((stored.astype(np.uint64) @ weights + 500) // 1000).astype(stored.dtype)


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
    check_decoder(str(header.file_meta.TransferSyntaxUID), int(header.get("BitsStored") or 0))
