"""Every film is read as stored or refused in a few words; rasters through Pillow."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxrdash.images.formats import SUFFIXES, UnreadableFilm, display_8bit, read_film


def refusal(path: Path) -> UnreadableFilm:
    with pytest.raises(UnreadableFilm) as caught:
        read_film(path)
    return caught.value


def png_header(path: Path, width: int, height: int) -> Path:
    """A PNG that announces a size and holds nothing."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(b"\0" * 100)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + body
        + struct.pack(">I", zlib.crc32(body))
        + struct.pack(">I", len(data))
        + b"IDAT"
        + data
        + struct.pack(">I", zlib.crc32(b"IDAT" + data))
    )
    return path


@pytest.mark.real_data
def test_all_208_real_films_read(real_data: Path) -> None:
    films = [read_film(path) for path in sorted((real_data / "nih" / "images").glob("*.png"))]
    assert [(film.width, film.height, film.bits, film.pixels.dtype.name) for film in films] == [
        (1024, 1024, 8, "uint8")
    ] * 208
    assert [film.stored_mode for film in films].count("RGBA") == 4


@pytest.mark.real_data
def test_rgba_films_are_shown_as_their_grey_channel(real_data: Path) -> None:
    shown = 0
    for path in sorted((real_data / "nih" / "images").glob("*.png")):
        film = read_film(path)
        if film.stored_mode == "RGBA":
            channels = np.asarray(Image.open(path))
            assert (channels[..., 0] == channels[..., 1]).all()
            assert np.array_equal(display_8bit(film), channels[..., 0])
            shown += 1
    assert shown == 4


def test_alpha_is_dropped_and_not_composed(tmp_path: Path) -> None:
    Image.new("RGBA", (5, 4), (200, 200, 200, 0)).save(tmp_path / "clear.png")
    assert (display_8bit(read_film(tmp_path / "clear.png")) == 200).all()


def test_16_bit_png_spans_black_to_white_and_is_never_clipped(tmp_path: Path, ramp: np.ndarray) -> None:
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    film = read_film(tmp_path / "deep.png")
    assert (film.stored_mode, film.bits, film.pixels.dtype) == ("I;16", 16, np.uint16)
    assert np.array_equal(film.pixels, ramp)
    by_hand = np.rint((ramp.astype(float) - 1_000) / 60_000 * 255)
    shown = display_8bit(film)
    assert np.abs(shown - by_hand).max() <= 1  # a value half way between two greys may go either way
    assert (shown.min(), shown.max(), len(np.unique(shown))) == (0, 255, 256)


def test_constant_16_bit_film_is_black(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 40_000, np.uint16)).save(tmp_path / "flat.png")
    assert not display_8bit(read_film(tmp_path / "flat.png")).any()


@pytest.mark.parametrize(
    ("mode", "colour", "grey"),
    [
        ("L", 77, 77),
        ("1", 1, 255),
        ("LA", (77, 3), 77),
        ("RGB", (10, 20, 30), 18),  # 0.299 x 10 + 0.587 x 20 + 0.114 x 30 = 18.15
        ("P", 0, 0),
        ("CMYK", (0, 0, 0, 55), 200),
    ],
)
def test_other_colour_modes_become_luminance(
    tmp_path: Path, mode: str, colour: int | tuple[int, ...], grey: int
) -> None:
    path = tmp_path / ("film.tif" if mode == "CMYK" else "film.png")
    picture = Image.new(mode, (3, 2), colour)
    if mode == "P":
        picture.putpalette([0, 0, 0, 255, 255, 255])
    picture.save(path)
    film = read_film(path)
    assert film.stored_mode == mode
    assert display_8bit(film).tolist() == [[grey] * 3] * 2


def test_16_bit_tiff_with_white_as_zero_is_turned_round(tmp_path: Path, ramp: np.ndarray) -> None:
    Image.fromarray(ramp).save(tmp_path / "normal.tif")
    Image.fromarray(ramp).save(tmp_path / "white.tif", tiffinfo={262: 0})
    normal, white = (display_8bit(read_film(tmp_path / name)) for name in ("normal.tif", "white.tif"))
    assert normal[0, 0] == 0
    assert np.array_equal(white, 255 - normal)


def test_content_decides_and_not_the_suffix(tmp_path: Path) -> None:
    Image.new("L", (3, 2), 9).save(tmp_path / "film.dcm", "PNG")
    assert read_film(tmp_path / "film.dcm").stored_mode == "L"
    (tmp_path / "notes.png").write_text("not a picture")
    assert refusal(tmp_path / "notes.png").reason == "not a PNG file in spite of its name"


def test_every_suffix_has_a_reader_that_says_whether_it_can_be_used() -> None:
    assert set(SUFFIXES) == {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".dcm", ".dicom"}
    assert all(reader.is_available() for reader in SUFFIXES.values())


def test_jpeg_may_come_back_smaller_but_tells_its_full_size(tmp_path: Path) -> None:
    Image.new("L", (800, 640), 90).save(tmp_path / "film.jpg")
    film = read_film(tmp_path / "film.jpg", side=100)
    assert (film.width, film.height) == (800, 640)
    assert film.pixels.shape == (160, 200)  # a quarter: the smallest step that is no smaller than asked


@pytest.mark.parametrize(
    ("width", "height", "said"),
    [
        (30_000, 30_000, "too large: more pixels than the limit"),
        (13_000, 13_000, "too large: more pixels than the limit"),
        (10_000, 6_001, "too large: 10,000 × 6,001 pixels"),
    ],
)
def test_bomb_headers_are_refused_before_decoding(tmp_path: Path, width: int, height: int, said: str) -> None:
    fault = refusal(png_header(tmp_path / "bomb.png", width, height))
    assert (fault.kind, fault.reason) == ("too large", said)
    assert "60,000,000" in fault.hint


def test_fifo_is_refused_without_blocking(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "film.png")
    fault = refusal(tmp_path / "film.png")  # who opens a pipe waits for ever
    assert (fault.kind, fault.reason) == ("not a file", "not a file but a pipe, socket or device")


def test_paths_that_hold_no_film_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    told = {
        name: (fault.kind, fault.reason)
        for name in ("absent.png", "", "empty.png", "loop.png", "x" * 5_000)
        for fault in [refusal(tmp_path / name)]
    }
    assert told == {
        "absent.png": ("missing", "not on disk"),
        "": ("not a file", "not a file but a folder"),
        "empty.png": ("broken", "empty file"),
        "loop.png": ("missing", "cannot be read: Too many levels of symbolic links"),
        "x" * 5_000: ("missing", "cannot be read: File name too long"),
    }
    assert refusal(Path("nul\0.png")).kind == "broken"


def test_message_names_the_file_and_the_reason_is_short(tmp_path: Path) -> None:
    Image.effect_noise((64, 64), 50).save(tmp_path / "film.png")
    whole = (tmp_path / "film.png").read_bytes()
    (tmp_path / "film.png").write_bytes(whole[: len(whole) // 2])
    fault = refusal(tmp_path / "film.png")
    assert fault.kind == "broken"
    assert fault.reason.startswith("broken file: image file is truncated")
    assert fault.message == f"{tmp_path / 'film.png'}: {fault.reason}"


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (np.full((2, 2), 70_000, np.int32), "pixels beyond 16 bits"),
        (np.full((2, 2), -1, np.int32), "pixels beyond 16 bits"),
        (np.full((2, 2), 0.5, np.float32), "floating-point pixels"),
    ],
)
def test_pixels_that_would_have_to_be_guessed_are_refused(tmp_path: Path, pixels: np.ndarray, said: str) -> None:
    Image.fromarray(pixels).save(tmp_path / "film.tif")
    assert refusal(tmp_path / "film.tif").reason == said


def test_tiff_of_several_pages_is_refused(tmp_path: Path) -> None:
    page = Image.new("L", (4, 4))
    page.save(tmp_path / "pages.tif", save_all=True, append_images=[page])
    assert refusal(tmp_path / "pages.tif").reason == "several pages in one TIFF"


def with_right_checks(png: bytes) -> bytes:
    """The PNG with the check sums its chunks now need, so that damage gets past the first gate."""
    at, mended = 8, bytearray(png)
    while at + 12 <= len(png):
        end = at + 8 + int.from_bytes(png[at : at + 4], "big")
        mended[end : end + 4] = zlib.crc32(png[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(mended[: len(png)])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("format_", ["PNG", "JPEG", "TIFF"])
def test_mutated_rasters_raise_nothing_else(tmp_path: Path, ramp: np.ndarray, format_: str) -> None:
    path = tmp_path / "film"
    Image.fromarray(ramp if format_ == "PNG" else (ramp >> 8).astype(np.uint8)).save(path, format_)
    whole, random, outcomes = path.read_bytes(), np.random.default_rng(1), set()
    for turn in range(300):
        changed = np.frombuffer(whole, np.uint8).copy()
        places = random.integers(8, (64, len(whole))[turn % 2], 2)  # every other time in the header
        changed[places] = random.integers(0, 256, 2)
        cut = random.integers(1, len(whole)) if turn % 5 == 0 else len(whole)
        path.write_bytes((with_right_checks(changed.tobytes()) if format_ == "PNG" else changed.tobytes())[:cut])
        try:
            outcomes.add(display_8bit(read_film(path)).dtype.name)
        except UnreadableFilm as fault:
            outcomes.add(fault.kind)
    assert {"uint8", "broken"} <= outcomes
