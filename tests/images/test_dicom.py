"""DICOM films are shown as pydicom's pipeline shows them, and hostile ones are refused."""

from __future__ import annotations

import importlib.util
import logging
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, JPEGBaseline8Bit, RLELossless

from cxrdash.images.dicom_decoders import frame_form
from cxrdash.images.formats import UnreadableFilm, display_8bit, read_film

WriteDicom = Callable[..., Path]


@pytest.fixture
def deep() -> np.ndarray:
    """12 bits, 0 to 4,080."""
    return (np.arange(256, dtype=np.uint16) * 16).reshape(16, 16)


def refusal(path: Path) -> UnreadableFilm:
    with pytest.raises(UnreadableFilm) as caught:
        read_film(path)
    return caught.value


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("slope", "intercept"), [(1, 0), (1, -1024), (0.5, 100)])
def test_picture_equals_pydicoms_own(
    write_dicom: WriteDicom, deep: np.ndarray, function: str, slope: float, intercept: float
) -> None:
    path = write_dicom(
        deep, BitsStored=12, HighBit=11, RescaleSlope=slope, RescaleIntercept=intercept,
        WindowCenter=900, WindowWidth=1500, VOILUTFunction=function,
    )  # fmt: skip
    dataset = pydicom.dcmread(path)
    shown = apply_voi_lut(apply_modality_lut(dataset.pixel_array, dataset), dataset)
    low, high = intercept, 4095 * slope + intercept  # the range pydicom windows into
    oracle = (shown - low) / (high - low) * 255
    assert np.abs(display_8bit(read_film(path)) - oracle).max() <= 0.51


def test_first_of_several_windows_is_the_one(write_dicom: WriteDicom, deep: np.ndarray) -> None:
    several = read_film(write_dicom(deep, WindowCenter=[500, 3000], WindowWidth=[100, 200]))
    assert several.window is not None
    assert (several.window.center, several.window.width, several.window.origin) == (500, 100, "file")


@pytest.mark.parametrize("width", [None, 0, -5])
def test_without_a_usable_window_the_film_spans_black_to_white(
    write_dicom: WriteDicom, deep: np.ndarray, width: int | None
) -> None:
    elements = {} if width is None else {"WindowCenter": 100, "WindowWidth": width}
    film = read_film(write_dicom(deep, **elements))
    assert film.window is not None
    assert film.window.origin == "range"
    assert np.array_equal(display_8bit(film).ravel(), np.arange(256))


def test_monochrome1_is_inverted_after_the_window(write_dicom: WriteDicom, deep: np.ndarray) -> None:
    window = {"WindowCenter": 900, "WindowWidth": 1500}
    two = display_8bit(read_film(write_dicom(deep, **window)))
    film = read_film(write_dicom(deep, PhotometricInterpretation="MONOCHROME1", **window))
    assert film.stored_mode == "MONOCHROME1"
    assert np.array_equal(display_8bit(film), 255 - two)


def test_lookup_table_goes_before_the_window(write_dicom: WriteDicom) -> None:
    table = Dataset()
    table.add_new("LUTDescriptor", "US", [4, 10, 8])
    table.add_new("LUTData", "US", [0, 50, 100, 255])
    pixels = np.array([[0, 10, 11], [12, 13, 200]], np.uint16)
    path = write_dicom(pixels, VOILUTSequence=[table], WindowCenter=5, WindowWidth=2)
    assert display_8bit(read_film(path)).tolist() == [[0, 0, 50], [100, 255, 255]]


def test_big_endian_and_signed_films_are_read(write_dicom: WriteDicom) -> None:
    pixels = np.array([[-100, 0], [50, 155]], np.int16)
    assert display_8bit(read_film(write_dicom(pixels))).tolist() == [[0, 100], [150, 255]]
    big = get_testdata_file("MR_small_bigendian.dcm", download=False)
    little = get_testdata_file("MR_small.dcm", download=False)
    assert np.array_equal(display_8bit(read_film(big)), display_8bit(read_film(little)))


def test_several_frames_are_refused(write_dicom: WriteDicom, deep: np.ndarray) -> None:
    path = write_dicom(deep, NumberOfFrames=2, PixelData=deep.tobytes() * 2)
    assert refusal(path).reason == "a DICOM of 2 frames"


def test_dicom_without_a_picture_says_so() -> None:
    assert refusal(Path(get_testdata_file("rtplan.dcm", download=False))).reason == "a DICOM without a picture"


@pytest.mark.skipif(importlib.util.find_spec("libjpeg") is not None, reason="pylibjpeg-libjpeg is installed")
def test_missing_decoder_is_named_with_its_package() -> None:
    fault = refusal(Path(get_testdata_file("JPGExtended.dcm", download=False)))
    assert fault.kind == "needs decoder"
    assert fault.hint == "Install it: pip install pylibjpeg pylibjpeg-libjpeg"


@pytest.mark.parametrize("syntax", [None, RLELossless])
def test_lying_headers_are_refused_before_decoding(
    write_dicom: WriteDicom, deep: np.ndarray, syntax: str | None
) -> None:
    lie = {"Rows": 60_000, "Columns": 60_000}
    if syntax:
        lie |= {"TransferSyntaxUID": syntax, "PixelData": encapsulate([b"\0" * 64])}
    fault = refusal(write_dicom(deep, **lie))
    assert (fault.kind, fault.reason) == ("too large", "too large: 60,000 × 60,000 pixels")


def test_size_inside_a_compressed_frame_must_be_the_headers(write_dicom: WriteDicom) -> None:
    frame = BytesIO()
    Image.new("L", (1600, 1200)).save(frame, "JPEG")
    path = write_dicom(
        np.zeros((64, 64), np.uint8),
        TransferSyntaxUID=JPEGBaseline8Bit,
        PixelData=encapsulate([frame.getvalue()]),
    )
    fault = refusal(path)
    assert (fault.kind, fault.reason) == ("broken", "broken file: says 64 × 64, holds 1,600 × 1,200")


@pytest.mark.parametrize(("format_", "syntax"), [("JPEG", JPEGBaseline8Bit), ("JPEG2000", JPEG2000Lossless)])
def test_compressed_films_are_read(write_dicom: WriteDicom, format_: str, syntax: str) -> None:
    frame, picture = BytesIO(), Image.linear_gradient("L").resize((70, 50))
    options = {"no_jp2": True} if format_ == "JPEG2000" else {"quality": 95}
    picture.save(frame, format_, **options)
    assert frame_form(frame.getvalue()) == (70, 50, 8, 1)
    path = write_dicom(np.asarray(picture), TransferSyntaxUID=syntax, PixelData=encapsulate([frame.getvalue()]))
    stored = read_film(path).pixels.astype(int)
    assert np.abs(stored - np.asarray(picture)).max() <= (0 if format_ == "JPEG2000" else 6)


def test_pixels_beyond_or_short_of_the_picture_are_refused(write_dicom: WriteDicom, deep: np.ndarray) -> None:
    assert refusal(write_dicom(deep, PixelData=deep.tobytes() * 3)).kind == "broken"
    assert refusal(write_dicom(deep, PixelData=deep.tobytes()[:100])).kind == "broken"


def test_deflated_bomb_is_refused_and_a_small_film_read(
    tmp_path: Path, write_dicom: WriteDicom, deep: np.ndarray
) -> None:
    path = write_dicom(deep, TransferSyntaxUID=DeflatedExplicitVRLittleEndian)
    assert np.array_equal(read_film(path).pixels, deep)
    whole = path.read_bytes()
    start = 144 + struct.unpack("<I", whole[140:144])[0]
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    zeros = b"\0" * 2**20
    bomb = b"".join(deflate.compress(zeros) for _ in range(200)) + deflate.flush()
    (tmp_path / "bomb.dcm").write_bytes(whole[:start] + bomb)
    fault = refusal(tmp_path / "bomb.dcm")
    assert (fault.kind, fault.reason) == ("too large", "too large: deflated DICOM")


def test_deeply_nested_sequences_are_refused(write_dicom: WriteDicom, deep: np.ndarray) -> None:
    whole = write_dicom(deep).read_bytes()
    nest = struct.pack("<HH2sHI", 0x0028, 0x3010, b"SQ", 0, 0xFFFFFFFF)
    nest += struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    at = whole.index(struct.pack("<HH", 0x7FE0, 0x0010))
    path = write_dicom(deep)
    path.write_bytes(whole[:at] + nest * 20_000 + whole[at:])
    assert refusal(path).kind == "broken"


def test_no_name_from_a_broken_film_reaches_message_or_log(
    write_dicom: WriteDicom, deep: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_dicom(deep, PixelData=deep.tobytes()[:100])
    assert b"Planted" in path.read_bytes()
    with caplog.at_level(logging.DEBUG):
        fault = refusal(path)
    assert "cannot decode" in caplog.text
    assert "Planted" not in caplog.text + str(fault)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["native", "JPEG2000.dcm", "MR_small_RLE.dcm", "SC_rgb_jpeg_dcmtk.dcm"])
def test_mutated_dicoms_raise_nothing_else(
    tmp_path: Path, write_dicom: WriteDicom, deep: np.ndarray, name: str
) -> None:
    source = (
        write_dicom(deep, WindowCenter=9, WindowWidth=5)
        if name == "native"
        else Path(get_testdata_file(name, download=False))
    )
    whole, random, outcomes = source.read_bytes(), np.random.default_rng(2), set()
    for _ in range(300):
        changed = np.frombuffer(whole, np.uint8).copy()
        places = random.integers(132, min(len(changed), 2_500), 3)
        changed[places] = random.integers(0, 256, 3)
        (tmp_path / "film").write_bytes(changed.tobytes())
        try:
            outcomes.add(display_8bit(read_film(tmp_path / "film")).dtype.name)
        except UnreadableFilm as fault:
            outcomes.add(fault.kind)
    assert {"uint8", "broken"} <= outcomes
