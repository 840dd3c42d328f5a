"""Every transfer syntax that public chest film sets use is decoded, by decoders that agree."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import metadata
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from cxrdash.cli.doctor import compressions
from cxrdash.images import small_pictures
from cxrdash.images.dicom_decoders import DECODER_PACKAGES, frame_form
from cxrdash.images.display import display_8bit
from cxrdash.images.film import UnreadableFilm, Window
from cxrdash.images.formats import read_film

WriteDicom = Callable[..., Path]
LOSSLESS_JPEG = {JPEGLosslessSV1: "JPEGLosslessProcess14_1", JPEGLossless: "JPEGLosslessProcess14"}


@pytest.fixture
def film() -> np.ndarray:
    """12 bits, 90 x 70, smooth with some noise."""
    across, down = np.meshgrid(np.arange(70), np.arange(90))
    noise = np.random.default_rng(4).normal(0, 9, across.shape)
    return (2_000 + 1_500 * np.sin(across / 20) * np.cos(down / 25) + noise).clip(0, 4_095).astype(np.uint16)


def compressed(path: Path, syntax: UID) -> Path:
    """Rewrite an uncompressed film in another syntax, with an encoder that is not the app's own way."""
    dataset = dcmread(path)
    if syntax in LOSSLESS_JPEG:
        return _by_gdcm(path, LOSSLESS_JPEG[syntax])
    if syntax == JPEG2000Lossless:
        frame = BytesIO()
        Image.fromarray(dataset.pixel_array).save(frame, "JPEG2000", no_jp2=True)
        dataset.PixelData = encapsulate([frame.getvalue()])
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = syntax
    elif syntax.is_encapsulated:
        dataset.SOPClassUID, dataset.SOPInstanceUID = (
            dataset.file_meta.MediaStorageSOPClassUID, dataset.file_meta.MediaStorageSOPInstanceUID,
        )  # fmt: skip
        dataset.compress(syntax, generate_instance_uid=False)
    else:
        dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(path, enforce_file_format=True)
    return path


def _by_gdcm(path: Path, name: str) -> Path:
    import gdcm

    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, name)))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    return path


SYNTAXES = [
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEG2000Lossless,
]


def stored_as(write_dicom: WriteDicom, film: np.ndarray, syntax: UID, **elements: object) -> Path:
    uids = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.1", "SOPInstanceUID": "1.2.3"}
    return compressed(write_dicom(film, BitsStored=12, HighBit=11, **uids, **elements), syntax)


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.keyword)
def test_a_film_is_the_same_in_every_lossless_syntax(write_dicom: WriteDicom, film: np.ndarray, syntax: UID) -> None:
    path = stored_as(write_dicom, film, syntax, WindowCenter=1_800, WindowWidth=2_500)
    assert dcmread(path).file_meta.TransferSyntaxUID == syntax
    found = read_film(path)
    assert np.array_equal(found.pixels, film)
    assert (found.bits, found.window) == (12, Window(1_800, 2_500))


def encapsulated() -> list[Path]:
    """pydicom's own compressed pictures of one frame."""
    folder, found = Path(get_testdata_file("CT_small.dcm", download=False)).parent, []
    for path in sorted(folder.glob("*.dcm")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                header = dcmread(path, stop_before_pixels=True, force=True)
                syntax = header.file_meta.TransferSyntaxUID
            except Exception:  # several of them are broken on purpose
                continue
        if "Rows" in header and syntax.is_encapsulated and int(header.get("NumberOfFrames") or 1) == 1:
            found.append(path)
    return found


# What is not read, and why; every other bundled picture must be.
REFUSED = {
    "JPEG-lossy.dcm": "needs decoder",  # 12 bits in lossy JPEG: only GPL decoders
    "JPGExtended.dcm": "needs decoder",
    "JPEG2000-embedded-sequence-delimiter.dcm": "too large",  # damaged: its frame says 3.8 terapixels
    "GDCMJ2K_TextGBR.dcm": "broken",  # colours in a form that Pillow does not know
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", encapsulated(), ids=lambda path: path.stem)
def test_pydicoms_compressed_pictures_are_read_as_it_reads_them(path: Path) -> None:
    if path.name in REFUSED:
        with pytest.raises(UnreadableFilm) as caught:
            read_film(path)
        assert caught.value.kind == REFUSED[path.name]
        return
    found, whole = read_film(path), pixel_array(dcmread(path))
    oracle = whole if whole.ndim == 2 else np.floor(whole @ [0.299, 0.587, 0.114] + 0.5)
    assert np.abs(found.pixels.astype(float) - oracle).max() <= 1e-6 + (whole.ndim == 3)


def test_all_bundled_syntaxes_are_among_them() -> None:
    assert len(encapsulated()) >= 30
    syntaxes = {dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID for path in encapsulated()}
    assert {"JPEGBaseline8Bit", "JPEGExtended12Bit", "JPEGLosslessSV1", "JPEGLSLossless", "JPEGLSNearLossless",
            "JPEG2000Lossless", "JPEG2000", "RLELossless"} <= {syntax.keyword for syntax in syntaxes}  # fmt: skip


def test_damaged_lossless_jpeg_is_refused_in_plain_words(write_dicom: WriteDicom, film: np.ndarray) -> None:
    path = stored_as(write_dicom, film, JPEGLosslessSV1)
    dataset = dcmread(path)
    frame = get_frame(dataset.PixelData, 0, number_of_frames=1)
    assert frame_form(frame)[:2] == (70, 90)
    dataset.PixelData = encapsulate([frame[: len(frame) // 2]])
    dataset.save_as(path)
    with pytest.raises(UnreadableFilm, match="its compressed picture is damaged"):
        read_film(path)


def test_frames_of_more_bits_or_colours_than_said_are_refused(write_dicom: WriteDicom, film: np.ndarray) -> None:
    for lie in ({"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}, {"SamplesPerPixel": 3}):
        path = stored_as(write_dicom, film, JPEGLosslessSV1)
        dataset = dcmread(path)
        dataset.update({keyword: dataset.data_element(keyword) for keyword in lie})
        for keyword, value in lie.items():
            setattr(dataset, keyword, value)
        dataset.save_as(path)
        with pytest.raises(UnreadableFilm, match="broken file: says "):
            read_film(path)


def test_requirements_bring_the_decoders_they_promise() -> None:
    root = Path(small_pictures.__file__).parents[2]
    pinned = (root / "requirements.txt").read_text()
    extras = (root / "requirements-codecs.txt").read_text()
    for packages in set(DECODER_PACKAGES.values()):
        for package in packages.split():
            assert f"{package}==" in pinned + extras
    for package in ("pyjpegls", "python-gdcm"):
        assert f"{package}=={metadata.version(package)}" in pinned
    assert "pylibjpeg-libjpeg" not in pinned


@pytest.fixture
def large(film: np.ndarray) -> np.ndarray:
    return np.kron(film, np.ones((12, 12), np.uint16))  # 1,080 x 840


def test_jpeg_2000_is_decoded_smaller_and_shows_the_same(write_dicom: WriteDicom, large: np.ndarray) -> None:
    path = stored_as(write_dicom, large, JPEG2000Lossless, WindowCenter=1_800, WindowWidth=2_500)
    small = read_film(path, side=100)
    assert (small.width, small.height) == (840, 1_080)
    assert small.pixels.shape == (135, 105)  # an eighth: the smallest step that is no smaller than asked
    full, quick = (np.asarray(small_pictures.small_picture(film, 100), float) for film in (read_film(path), small))
    assert full.shape == quick.shape
    assert np.abs(full - quick).mean() < 3


@pytest.mark.parametrize(
    "elements",
    [
        {},
        {"WindowCenter": 1_800, "WindowWidth": 1_000},
        {"WindowCenter": 1_800, "WindowWidth": 300, "VOILUTFunction": "LINEAR_EXACT"},
        {"WindowCenter": 1_800, "WindowWidth": 100},
        {"WindowCenter": 1_800, "WindowWidth": 1_000, "VOILUTFunction": "SIGMOID"},
        {"WindowCenter": 1_800, "WindowWidth": 2_500, "PhotometricInterpretation": "MONOCHROME1"},
        {"RescaleSlope": -2, "RescaleIntercept": 5_000, "WindowCenter": 900, "WindowWidth": 2_000},
    ],
)
@pytest.mark.parametrize("side", [50, 256, 1_000])
def test_thumbnails_are_the_picture_made_small_within_one_grey(
    write_dicom: WriteDicom, large: np.ndarray, elements: dict[str, object], side: int
) -> None:
    film = read_film(write_dicom(large[:1_003, :777], **elements))
    quick = np.asarray(small_pictures.small_picture(film, side), int)
    slow = np.asarray(small_pictures.shrunk(Image.fromarray(display_8bit(film)), side), int)
    assert quick.shape == slow.shape
    assert np.abs(quick - slow).max() <= 1
    assert max(quick.shape) == side


def test_signed_thumbnails_are_the_same_too(write_dicom: WriteDicom, large: np.ndarray) -> None:
    film = read_film(write_dicom(large.astype(np.int16) - 1_024, WindowCenter=500, WindowWidth=2_000))
    quick = np.asarray(small_pictures.small_picture(film, 200), int)
    slow = np.asarray(small_pictures.shrunk(Image.fromarray(display_8bit(film)), 200), int)
    assert np.abs(quick - slow).max() <= 1


def test_a_folder_called_dl_does_not_break_dicom(tmp_path: Path) -> None:
    """GDCM imports a module of that name, which was Python 2's."""
    import subprocess
    import sys

    (tmp_path / "dl").mkdir()
    program = (
        "from cxrdash.images.dicom_library import pydicom; import sys; print('dl' in sys.modules, pydicom.__name__)"
    )
    told = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(small_pictures.__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.split() == ["False", "pydicom"]


def test_doctor_says_which_compressions_are_read_and_what_the_others_need() -> None:
    told = {check.check: (check.status, check.found) for check in compressions()}
    assert told["DICOM JPEG Lossless, Non-Hierarchical, First-Order Prediction (.4.70)"] == (
        "ok",
        "read by python-gdcm",
    )
    assert len(told) == len(DECODER_PACKAGES)
    assert {status for status, _ in told.values()} <= {"ok", "note"}
