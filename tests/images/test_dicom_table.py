"""Tricky DICOM films against a second implementation of the display pipeline, in plain numpy."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_voi
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from cxrdash.images.display import display_8bit, rescaled, window_share
from cxrdash.images.film import Film, UnreadableFilm, Window
from cxrdash.images.formats import read_film

WriteDicom = Callable[..., Path]

LINEAR, EXACT, SIGMOID = "LINEAR", "LINEAR_EXACT", "SIGMOID"


def table(first: int, values: list[int], bits: int) -> Dataset:
    held = Dataset()
    held.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(values), first, bits])
    held.add_new("LUTData", "US", values)
    return held


def modality_table(first: int, values: list[int], bits: int) -> Dataset:
    held = table(first, values, bits)
    held.ModalityLUTType = "US"
    return held


TWELVE = (np.arange(64, dtype=np.uint16) * 65).reshape(8, 8)  # 0 to 4,095
SIGNED = (np.arange(64, dtype=np.int16) * 65 - 2_048).reshape(8, 8)
WINDOW = {"WindowCenter": 1_500, "WindowWidth": 1_800}
IN_12 = {"BitsStored": 12, "HighBit": 11}
HIGH = [300 * i for i in range(14)] + [4_095, 4_095]

TRICKY: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
    "12 bits in 16": (TWELVE, IN_12 | WINDOW),
    "bits stored said to be 16": (TWELVE, WINDOW),
    "overlay above the bits stored": (TWELVE | np.uint16(0x8000), IN_12 | WINDOW),
    "bits stored said to be 10": (TWELVE, {"BitsStored": 10, "HighBit": 9, "WindowCenter": 500, "WindowWidth": 900}),
    "high bit of another world": (TWELVE, {"BitsStored": 12, "HighBit": 15} | WINDOW),
    "no window": (TWELVE, IN_12),
    "no window, MONOCHROME1": (TWELVE, IN_12 | {"PhotometricInterpretation": "MONOCHROME1"}),
    "window, MONOCHROME1": (TWELVE, IN_12 | WINDOW | {"PhotometricInterpretation": "MONOCHROME1"}),
    "inverse shape and MONOCHROME1": (
        TWELVE,
        IN_12 | WINDOW | {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"},
    ),
    "inverse shape and MONOCHROME2": (TWELVE, IN_12 | WINDOW | {"PresentationLUTShape": "INVERSE"}),
    "rescaled": (TWELVE, IN_12 | WINDOW | {"RescaleSlope": 2, "RescaleIntercept": -1_000}),
    "negative slope": (
        TWELVE,
        IN_12 | {"RescaleSlope": -1, "RescaleIntercept": 4_095, "WindowCenter": 900, "WindowWidth": 700},
    ),
    "negative slope, no window": (TWELVE, IN_12 | {"RescaleSlope": -1, "RescaleIntercept": 4_095}),
    "small slope": (
        TWELVE,
        IN_12 | {"RescaleSlope": 0.001, "RescaleIntercept": 0, "WindowCenter": 2, "WindowWidth": 3},
    ),
    "slope without intercept": (TWELVE, IN_12 | WINDOW | {"RescaleSlope": 3}),
    "slope 0": (TWELVE, IN_12 | {"RescaleSlope": 0, "RescaleIntercept": 7}),
    "signed": (SIGNED, {"WindowCenter": 40, "WindowWidth": 900}),
    "signed, no window": (SIGNED, {}),
    "signed 12 in 16": (SIGNED, IN_12 | {"WindowCenter": 40, "WindowWidth": 900}),
    "signed, MONOCHROME1, rescaled": (
        SIGNED,
        {
            "PhotometricInterpretation": "MONOCHROME1", "RescaleSlope": 1, "RescaleIntercept": 1_024,
            "WindowCenter": 1_000, "WindowWidth": 800,
        },
    ),
    "8 bits": (np.arange(256, dtype=np.uint8).reshape(16, 16), {"WindowCenter": 100, "WindowWidth": 50}),
    "8 bits signed": (np.arange(-64, 64, dtype=np.int8).reshape(8, 16), {"WindowCenter": 5, "WindowWidth": 50}),
    "8 bits, no window": (np.arange(40, 104, dtype=np.uint8).reshape(8, 8), {}),
    "odd number of bytes": (np.arange(15, dtype=np.uint8).reshape(3, 5), {"WindowCenter": 7, "WindowWidth": 9}),
    "constant": (np.full((4, 4), 900, np.uint16), IN_12),
    "several windows": (TWELVE, IN_12 | {"WindowCenter": [600, 3_000], "WindowWidth": [400, 200]}),
    "first of several windows useless": (
        TWELVE,
        IN_12 | {"WindowCenter": [600, 3_000], "WindowWidth": [0, 200]},
    ),
    "more centres than widths": (TWELVE, IN_12 | {"WindowCenter": [600, 700, 800], "WindowWidth": [400]}),
    "width 1": (TWELVE, IN_12 | {"WindowCenter": 1_500, "WindowWidth": 1}),
    "width 0": (TWELVE, IN_12 | {"WindowCenter": 1_500, "WindowWidth": 0}),
    "width below 0": (TWELVE, IN_12 | {"WindowCenter": 1_500, "WindowWidth": -9}),
    "width 0.5, linear": (TWELVE, IN_12 | {"WindowCenter": 1_500, "WindowWidth": 0.5}),
    "width 0.5, exact": (
        TWELVE,
        IN_12 | {"WindowCenter": 1_500, "WindowWidth": 0.5, "VOILUTFunction": EXACT},
    ),
    "centre without width": (TWELVE, IN_12 | {"WindowCenter": 1_500}),
    "window beside all values": (TWELVE, IN_12 | {"WindowCenter": 90_000, "WindowWidth": 100}),
    "exact": (TWELVE, IN_12 | WINDOW | {"VOILUTFunction": EXACT}),
    "sigmoid": (TWELVE, IN_12 | WINDOW | {"VOILUTFunction": SIGMOID}),
    "function nobody knows": (TWELVE, IN_12 | WINDOW | {"VOILUTFunction": "CURVED"}),
    "VOI table": (TWELVE, IN_12 | {"VOILUTSequence": [table(0, [0, 10, 200, 255], 8)]}),
    "VOI table before the window": (
        TWELVE,
        IN_12 | WINDOW | {"VOILUTSequence": [table(1_000, [4_095 - v for v in HIGH], 12)]},
    ),
    "VOI table of signed values": (SIGNED, {"VOILUTSequence": [table(-500, HIGH, 12)]}),
    "modality table": (TWELVE, IN_12 | WINDOW | {"ModalityLUTSequence": [modality_table(0, HIGH, 12)]}),
    "modality table that turns round, no window": (
        TWELVE,
        IN_12 | {"ModalityLUTSequence": [modality_table(0, [9, 700, 30, 500, 100], 16)]},
    ),
    "implicit syntax": (TWELVE, IN_12 | WINDOW | {"TransferSyntaxUID": ImplicitVRLittleEndian}),
}  # fmt: skip


def second_opinion(pixels: np.ndarray, elements: dict[str, Any]) -> np.ndarray:
    """The grey 0 to 255 of every stored value, one value at a time, from the standard's text."""
    shown = {int(value): _rescaled_one(int(value), pixels, elements) for value in np.unique(_stored(pixels, elements))}
    low, high = min(shown.values()), max(shown.values())
    stored = _stored(pixels, elements)
    grey = np.array([[_grey(shown[int(value)], elements, low, high) for value in row] for row in stored])
    return 255 - grey if elements.get("PhotometricInterpretation") == "MONOCHROME1" else grey


def _stored(pixels: np.ndarray, elements: dict[str, Any]) -> np.ndarray:
    """PS3.5 8.1.1: only the lowest bits, as many as are stored, are the value; the highest may be a sign."""
    bits = elements.get("BitsStored", 8 * pixels.dtype.itemsize)
    kept = pixels.astype(np.int64) % 2**bits
    return np.where(kept >= 2 ** (bits - 1), kept - 2**bits, kept) if pixels.dtype.kind == "i" else kept


def _rescaled_one(value: int, pixels: np.ndarray, elements: dict[str, Any]) -> float:
    if "ModalityLUTSequence" in elements:
        return float(_entry(value, elements["ModalityLUTSequence"][0]))
    if "RescaleSlope" in elements and "RescaleIntercept" in elements:
        return value * elements["RescaleSlope"] + elements["RescaleIntercept"]
    return float(value)


def _entry(value: float, held: Dataset) -> int:
    entries, first, _bits = held.LUTDescriptor
    return held.LUTData[int(min(max(value - first, 0), entries - 1))]


def _grey(x: float, elements: dict[str, Any], low: float, high: float) -> float:
    if "VOILUTSequence" in elements:
        held = elements["VOILUTSequence"][0]
        return 255 * _entry(x, held) / (2 ** held.LUTDescriptor[2] - 1)
    function = elements.get("VOILUTFunction", LINEAR)
    for c, w in zip(*(np.atleast_1d(elements.get(name, [])) for name in ("WindowCenter", "WindowWidth")), strict=False):
        if w >= 1 or (w > 0 and function in (EXACT, SIGMOID)):
            return by_the_standard(x, c, w, function)
    return 0.0 if high == low else 255 * (x - low) / (high - low)


def by_the_standard(x: float, c: float, w: float, function: str) -> float:
    """PS3.3 C.11.2.1.2 and C.11.2.1.3 with ymin 0 and ymax 255."""
    if function == SIGMOID:
        return 255 / (1 + math.exp(-4 * (x - c) / w))
    if function == EXACT:
        return 0 if x <= c - w / 2 else 255 if x > c + w / 2 else ((x - c) / w + 0.5) * 255
    if x <= c - 0.5 - (w - 1) / 2:
        return 0
    return 255 if x > c - 0.5 + (w - 1) / 2 else ((x - (c - 0.5)) / (w - 1) + 0.5) * 255


@pytest.mark.parametrize("name", TRICKY)
def test_tricky_films_are_shown_as_the_standard_says(write_dicom: WriteDicom, name: str) -> None:
    pixels, elements = TRICKY[name]
    film = read_film(write_dicom(pixels, **elements))
    assert np.array_equal(film.pixels, _stored(pixels, elements))
    assert np.abs(display_8bit(film) - second_opinion(pixels, elements)).max() <= 0.5001  # rounding alone


def test_the_table_tells_films_apart() -> None:
    """Each of these differs from the plain film, or the table would pass with the element ignored."""
    plain = second_opinion(*TRICKY["12 bits in 16"])
    for name in ("window, MONOCHROME1", "rescaled", "no window", "exact", "sigmoid", "VOI table", "modality table"):
        assert not np.array_equal(plain, second_opinion(*TRICKY[name])), name
    assert np.array_equal(plain, second_opinion(*TRICKY["overlay above the bits stored"]))


def test_big_endian_words_are_swapped(write_dicom: WriteDicom) -> None:
    swapped = {"TransferSyntaxUID": ExplicitVRBigEndian, "PixelData": TWELVE.astype(">u2").tobytes()}
    path = write_dicom(TWELVE, **IN_12, **WINDOW, **swapped)
    film = read_film(path)
    assert film.pixels.dtype.isnative
    assert np.array_equal(film.pixels, TWELVE)


ORACLES = [
    # METHODS T7.2 to T7.4: centre, width, function, values, greys
    (2_048, 4_096, LINEAR, [0, 1_024, 2_048, 4_095], [0, 63.7656, 127.5311, 255]),
    (2_048, 4_096, EXACT, [0, 1_024, 2_048, 4_095], [0, 63.75, 127.5, 254.9377]),
    (2_048, 4_096, SIGMOID, [0, 1_024, 2_048, 4_095], [30.3967, 68.5801, 127.5, 224.5771]),
    (600, 400, LINEAR, [300, 500, 600, 799, 800], [0, 63.9098, 127.8195, 255, 255]),
    (600, 400, EXACT, [300, 500, 600, 799, 800], [0, 63.75, 127.5, 254.3625, 255]),
    (600, 400, SIGMOID, [300, 500, 600, 799, 800], [12.0936, 68.5801, 127.5, 224.3345, 224.6033]),
    (50, 1, LINEAR, [49, 50], [0, 255]),
]


@pytest.mark.parametrize(("center", "width", "function", "values", "greys"), ORACLES)
def test_window_functions_by_known_numbers(
    center: float, width: float, function: Any, values: list[float], greys: list[float]
) -> None:
    shares = window_share(np.array(values), Window(center, width, function))
    assert shares * 255 == pytest.approx(greys, abs=6e-5)


def test_rescale_by_known_numbers(write_dicom: WriteDicom) -> None:
    """METHODS T7.5."""
    stored = np.array([[0, 50, 100], [150, 200, 300]], np.uint16)
    film = read_film(write_dicom(stored, **IN_12, RescaleSlope=2, RescaleIntercept=-100))
    assert (film.slope, film.intercept) == (2, -100)
    assert np.array_equal(film.pixels, stored)
    assert rescaled(film.pixels, film).ravel().tolist() == [-100, 0, 100, 200, 300, 500]


def test_every_window_is_kept_and_only_known_words_explain_it(write_dicom: WriteDicom) -> None:
    film = read_film(
        write_dicom(
            TWELVE, WindowCenter=[600, 3_000, 9], WindowWidth=[400, 200, 0],
            WindowCenterWidthExplanation=["Harder", "Planted^Name", "NORMAL"],
        )
    )  # fmt: skip
    assert [(w.center, w.width, w.origin, w.explanation) for w in film.windows] == [
        (600, 400, "file", "HARDER"),
        (3_000, 200, "file", ""),
    ]


def test_every_voi_table_is_kept(write_dicom: WriteDicom) -> None:
    film = read_film(write_dicom(TWELVE, VOILUTSequence=[table(0, [0, 9], 8), table(5, [7, 8, 9], 10)]))
    assert [(held.first, held.values.tolist(), held.bits) for held in film.lookups] == [
        (0, [0, 9], 8),
        (5, [7, 8, 9], 10),
    ]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_tables_are_pydicoms_own_however_they_are_written(write_dicom: WriteDicom, bits: int, packed: bool) -> None:
    held, values = Dataset(), [7, 250, 3, 2**bits - 1, 9]
    held.add_new("LUTDescriptor", "US", [5, 900, bits])
    if packed:
        held.add_new("LUTData", "OW", np.array(values, "<u2").tobytes())
    else:
        held.add_new("LUTData", "US", values)
    path = write_dicom(TWELVE, VOILUTSequence=[held])
    (found,) = read_film(path).lookups
    assert found.values.tolist() == apply_voi(np.arange(900, 905), dcmread(path)).tolist() == values


def test_a_table_that_breaks_off_is_told(write_dicom: WriteDicom) -> None:
    short = table(0, [1, 2], 8)
    short.LUTDescriptor = [9, 0, 8]
    with pytest.raises(UnreadableFilm, match="a table of its shades is damaged"):
        read_film(write_dicom(TWELVE, VOILUTSequence=[short]))


@pytest.mark.parametrize(
    ("elements", "told"),
    [
        ({}, (None, "")),
        ({"ImagerPixelSpacing": [0.2, 0.1]}, ((0.2, 0.1), "detector")),
        ({"NominalScannedPixelSpacing": [0.15, 0.15]}, ((0.15, 0.15), "detector")),
        ({"PixelSpacing": [0.14, 0.14]}, ((0.14, 0.14), "stated")),
        ({"PixelSpacing": [0.14, 0.14], "ImagerPixelSpacing": [0.14, 0.14]}, ((0.14, 0.14), "detector")),
        ({"PixelSpacing": [0.12, 0.12], "ImagerPixelSpacing": [0.14, 0.14]}, ((0.12, 0.12), "patient")),
        ({"PixelSpacing": [0.12, 0.12], "PixelSpacingCalibrationType": "FIDUCIAL"}, ((0.12, 0.12), "patient")),
        ({"PixelSpacing": [0, 0.1], "ImagerPixelSpacing": [0.14, 0.14]}, ((0.14, 0.14), "detector")),
        ({"PixelSpacing": [-1, -1]}, (None, "")),
        ({"PixelSpacing": 0.2}, (None, "")),
        ({"PixelSpacing": [400, 400]}, (None, "")),
    ],
)
def test_spacing_says_where_it_was_measured(
    write_dicom: WriteDicom, elements: dict[str, Any], told: tuple[object, str]
) -> None:
    film = read_film(write_dicom(TWELVE, **elements))
    assert (film.spacing_mm, film.spacing_kind) == told


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("keyword", ["WindowCenter", "WindowWidth", "RescaleSlope", "RescaleIntercept", "PixelSpacing"])
@pytest.mark.parametrize("text", [b"NaN ", b"1e99", b"abc ", b"    ", b"1\\x "])
def test_numbers_that_are_none_do_not_hide_the_film(write_dicom: WriteDicom, keyword: str, text: bytes) -> None:
    elements = dict.fromkeys(["WindowCenter", "WindowWidth", "RescaleSlope", "RescaleIntercept"], 1_234)
    path = write_dicom(TWELVE, **(elements | {"PixelSpacing": 1_234, keyword: 5_678}))
    whole = path.read_bytes()
    assert whole.count(b"5678") == 1
    path.write_bytes(whole.replace(b"5678", text))
    film = read_film(path)
    assert np.array_equal(film.pixels, TWELVE)
    assert np.isfinite(rescaled(film.pixels, film)).all()
    assert display_8bit(film).shape == (8, 8)


def test_reading_raises_no_arithmetic_warning() -> None:
    film = Film(TWELVE, "MONOCHROME2", 12, 8, 8, windows=(Window(0, 1e-9, SIGMOID),))
    with np.errstate(all="raise", under="ignore"):
        assert display_8bit(film).max() == 255
