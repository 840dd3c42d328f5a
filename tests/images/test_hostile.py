"""Whatever a file holds, the app lives, grows by little, and the tile says why there is no film.

The quick profile takes some hundred mutants; ``CXRDASH_DEEP=1`` takes 8,000 rasters and 5,000 DICOM files.
"""

from __future__ import annotations

import gc
import os
import socket
import struct
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)

from cxrdash.images import workers
from cxrdash.images.film import Kind
from cxrdash.images.small_pictures import Thumbnail

WriteDicom = Callable[..., Path]

DEEP = os.environ.get("CXRDASH_DEEP") == "1"
RASTERS, DICOMS = (8_000, 5_000) if DEEP else (240, 240)
BATCH = 200
GROWTH_BYTES = 200_000_000
SECONDS = 3.0
PREAMBLE = 132  # up to the word DICM
DEATH = "it stops its decoder"


def resident_bytes() -> int:
    gc.collect()
    if sys.platform != "linux":
        return 0
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def check(shown: Thumbnail) -> str:
    """The outcome of one film; it is a picture that opens, or a reason fit for a tile."""
    if shown.jpeg is not None:
        assert shown.problem is None
        with Image.open(BytesIO(shown.jpeg)) as picture:
            assert max(picture.size) <= 64
        return "shown"
    assert shown.kind in get_args(Kind)
    assert shown.problem is not None
    assert 0 < len(shown.problem) <= 160
    assert shown.problem.isprintable()
    return shown.kind


# Mutants ------------------------------------------------------------------------------------------


def raster_seeds(_folder: Path) -> list[tuple[str, bytes]]:
    noise = np.random.default_rng(7)
    grey = noise.integers(0, 256, (40, 50), np.uint8)
    deep = (np.arange(2_000, dtype=np.uint16) * 30).reshape(40, 50)
    colour = Image.fromarray(np.dstack([grey, grey, 255 - grey]))
    pictures: list[tuple[str, Image.Image, dict[str, object]]] = [
        ("PNG", Image.fromarray(grey), {}),
        ("PNG", Image.fromarray(deep), {}),
        ("PNG", Image.fromarray(grey).convert("1"), {}),
        ("PNG", colour.convert("P"), {}),
        ("PNG", colour.convert("RGBA"), {}),
        ("JPEG", Image.fromarray(grey), {"quality": 80}),
        ("JPEG", colour, {"progressive": True}),
        ("TIFF", Image.fromarray(deep), {}),
        ("TIFF", Image.fromarray(grey), {"compression": "tiff_lzw"}),
        ("TIFF", colour, {"compression": "tiff_adobe_deflate"}),
        ("TIFF", Image.fromarray(grey), {"compression": "jpeg"}),
    ]
    found = []
    for format_, picture, options in pictures:
        held = BytesIO()
        picture.save(held, format_, **options)
        found.append((format_, held.getvalue()))
    return found


def bundled() -> list[bytes]:
    """pydicom's own test files, the broken ones too, as far as they are small."""
    folder = Path(get_testdata_file("CT_small.dcm", download=False)).parent
    return [path.read_bytes() for path in sorted(folder.glob("*.dcm")) if path.stat().st_size < 300_000]


def dicom_seeds(folder: Path) -> list[tuple[str, bytes]]:
    """Those of them that are films: damage to others meets the first refusal only."""
    files = bundled()
    paths = [folder / f"seed{number}" for number in range(len(files))]
    for path, content in zip(paths, files, strict=True):
        path.write_bytes(content)
    shown = workers.thumbnails(paths, 64)
    return [("DICOM", content) for content, one in zip(files, shown, strict=True) if one.jpeg]


def mutated(whole: bytes, random: np.random.Generator, start: int = 0) -> bytes:
    """The bytes from ``start`` on damaged: some changed, cut out or doubled, or the end lost."""
    changed = bytearray(whole)
    reach = (64, 1_024, len(whole))[int(random.integers(0, 3))]
    for _ in range(int(random.integers(1, 3))):
        at = int(random.integers(start, max(start + 1, min(start + reach, len(changed)))))
        size = int(random.integers(1, 9))
        piece = bytes(changed[at : at + size])
        fresh = (
            random.bytes(1),
            b"\xff" * size,
            b"\0" * size,
            piece * 2,
            b"",
            bytes([piece[0] ^ (1 << int(random.integers(0, 8)))]) + piece[1:] if piece else b"",
        )[int(random.integers(0, 6))]
        changed[at : at + size] = fresh
    return bytes(changed[: int(random.integers(1, len(changed) + 1))] if random.random() < 0.15 else changed)


def with_right_checks(png: bytes) -> bytes:
    """The PNG with the check sums that its chunks now need, so that damage gets past the first gate."""
    at, mended = 8, bytearray(png)
    while at + 12 <= len(png):
        end = at + 8 + int.from_bytes(png[at : at + 4], "big")
        mended[end : end + 4] = zlib.crc32(png[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(mended[: len(png)])


def mutants(seeds: list[tuple[str, bytes]], count: int, seed: int) -> Iterator[bytes]:
    random = np.random.default_rng(seed)
    for number in range(count):
        format_, whole = seeds[number % len(seeds)]
        changed = mutated(whole, random, PREAMBLE if format_ == "DICOM" else 0)
        yield with_right_checks(changed) if format_ == "PNG" and random.random() < 0.7 else changed


def survived(folder: Path, files: Iterable[bytes]) -> Counter[str]:
    """Decode all of them for thumbnails and count the outcomes."""
    outcomes: Counter[str] = Counter()
    batch: list[Path] = []

    def finish() -> None:
        for path, shown in zip(batch, workers.thumbnails(batch, 64), strict=True):
            outcomes[check(shown)] += 1
            outcomes["deaths of a decoder"] += DEATH in (shown.problem or "")
            path.unlink()
        batch.clear()

    for number, content in enumerate(files):
        batch.append(folder / f"{number}.film")
        batch[-1].write_bytes(content)
        if len(batch) == BATCH:
            finish()
    finish()
    return outcomes


@pytest.mark.parametrize(
    ("name", "seeds", "count"),
    [("rasters", raster_seeds, RASTERS), ("DICOM files", dicom_seeds, DICOMS)],
)
def test_mutants_are_shown_or_told(
    tmp_path: Path, name: str, seeds: Callable[[Path], list[tuple[str, bytes]]], count: int
) -> None:
    survived(tmp_path, mutants(seeds(tmp_path), 40, 0))  # so that growth is not what the first films load
    before, began = resident_bytes(), time.monotonic()
    outcomes = survived(tmp_path, mutants(seeds(tmp_path), count, 1))
    growth = resident_bytes() - before
    print(f"\n{name}: {dict(outcomes)}, {growth / 1e6:+.1f} MB, {time.monotonic() - began:.0f} s")
    assert sum(outcomes[kind] for kind in ("shown", *get_args(Kind))) == count
    assert outcomes["shown"] > count / 20
    assert outcomes["broken"] > count / 20
    assert growth < GROWTH_BYTES


@pytest.mark.filterwarnings("ignore")
def test_every_bundled_file_of_pydicom_is_shown_or_told(tmp_path: Path) -> None:
    outcomes = survived(tmp_path, bundled())
    assert outcomes["shown"] >= 45
    assert outcomes["deaths of a decoder"] == 0
    assert outcomes["timed out"] == 0


# Bombs and lies -----------------------------------------------------------------------------------


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(size: tuple[int, int], *chunks: bytes, bits: int = 8, colours: int = 0) -> bytes:
    head = struct.pack(">IIBBBBB", *size, bits, colours, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(chunks) + chunk(b"IEND", b"")


def zeros(count: int) -> bytes:
    """That many bytes of nothing, deflated."""
    deflate = zlib.compressobj(9)
    parts = [deflate.compress(b"\0" * min(2**20, count - at)) for at in range(0, count, 2**20)]
    return b"".join([*parts, deflate.flush()])


def jpeg_of(size: tuple[int, int], said: tuple[int, int] | None = None) -> bytes:
    held = BytesIO()
    Image.new("L", size).save(held, "JPEG")
    whole = held.getvalue()
    at = whole.index(b"\xff\xc0") + 5
    return whole[:at] + struct.pack(">HH", *(said or size)[::-1]) + whole[at + 4 :]


def tiff_of(size: tuple[int, int], *, strips: int = 1) -> bytes:
    """A TIFF that announces a size and ends with its directory, which names itself as the next one."""
    tags = [(256, 4, size[0]), (257, 4, size[1]), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (279, 4, strips)]
    body = struct.pack("<H", len(tags)) + b"".join(
        struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags
    )
    return b"II*\0" + struct.pack("<I", 8) + body + struct.pack("<I", 8)


MUCH, SIDE = (500 * 10**6, 7_700) if DEEP else (50 * 10**6, 3_000)
RASTER_BOMBS: dict[str, tuple[Callable[[], bytes], set[str]]] = {
    "png of 30,000 x 30,000 bits": (lambda: png((30_000, 30_000), chunk(b"IDAT", zeros(10**6)), bits=1), {"too large"}),
    "png that says 4 billion": (lambda: png((2**31 - 1, 2**31 - 1)), {"too large"}),
    "png of 13,000 x 13,000": (lambda: png((13_000, 13_000), chunk(b"IDAT", zeros(10**6))), {"too large"}),
    "much colour in little": (
        lambda: png((SIDE, SIDE), chunk(b"IDAT", zeros((6 * SIDE + 1) * SIDE)), bits=16, colours=2),
        {"shown", "timed out"},
    ),
    "more picture than pixels": (lambda: png((10, 10), chunk(b"IDAT", zeros(MUCH))), {"shown", "broken"}),
    "text bomb": (
        lambda: png((10, 10), chunk(b"zTXt", b"a\0\0" + zeros(MUCH)), chunk(b"IDAT", zeros(110))),
        {"broken", "shown", "unknown format"},
    ),
    "200 text bombs": (
        lambda: png((10, 10), *[chunk(b"zTXt", b"a\0\0" + zeros(10**6))] * 200, chunk(b"IDAT", zeros(110))),
        {"broken", "shown", "unknown format"},
    ),
    "palette without colours": (lambda: png((10, 10), chunk(b"IDAT", zeros(110)), colours=3), {"broken", "shown"}),
    "png without pixels": (lambda: png((10, 10)), {"broken", "shown"}),
    "jpeg that says 65,500 x 65,500": (lambda: jpeg_of((64, 64), (65_500, 65_500)), {"too large"}),
    "jpeg that says 7,000 x 7,000": (lambda: jpeg_of((64, 64), (7_000, 7_000)), {"shown", "broken"}),
    "jpeg of no height": (lambda: jpeg_of((64, 64), (64, 0)), {"broken"}),
    "tiff that says 4 billion": (lambda: tiff_of((2**32 - 1, 2**32 - 1)), {"too large", "broken"}),
    "tiff that names itself": (lambda: tiff_of((64, 64)), {"broken", "unknown format"}),
    "tiff of no size": (lambda: tiff_of((0, 0)), {"broken"}),
    "zeros": (lambda: b"\0" * 10**6, {"unknown format"}),
    "nothing": (lambda: b"", {"broken"}),
}  # fmt: skip


@pytest.fixture
def started(tmp_path: Path) -> None:
    """Processes that have loaded what they need: that is no part of a film's time."""
    workers.thumbnails([Path(get_testdata_file("CT_small.dcm", download=False))] * 8, 64)


def bomb_outcome(path: Path) -> tuple[str, float]:
    began = time.monotonic()
    (shown,) = workers.thumbnails([path], 64)
    return check(shown), time.monotonic() - began


@pytest.mark.parametrize("name", RASTER_BOMBS)
@pytest.mark.usefixtures("started")
def test_raster_bombs_are_told_in_time(tmp_path: Path, name: str) -> None:
    make, expected = RASTER_BOMBS[name]
    (tmp_path / "film.png").write_bytes(make())
    before = resident_bytes()
    outcome, seconds = bomb_outcome(tmp_path / "film.png")
    assert outcome in expected
    assert seconds <= SECONDS + workers.SECONDS
    assert resident_bytes() - before < GROWTH_BYTES


SMALL = np.arange(64, dtype=np.uint16).reshape(8, 8) * 60
BIG_LIE = {"Rows": 60_000, "Columns": 60_000}
FITTING_LIE = {"Rows": 7_000, "Columns": 7_000}


def encoded(syntax: UID, *frames: bytes) -> dict[str, object]:
    return {"TransferSyntaxUID": syntax, "PixelData": encapsulate(list(frames))}


def j2k_of(size: tuple[int, int], said: tuple[int, int]) -> bytes:
    held = BytesIO()
    Image.new("L", size).save(held, "JPEG2000", no_jp2=True)
    whole = held.getvalue()
    at = whole.index(b"\xff\x51") + 6
    return whole[:at] + struct.pack(">II", *said) + whole[at + 8 :]


DICOM_BOMBS: dict[str, tuple[dict[str, object], set[str]]] = {
    "60,000 x 60,000": (BIG_LIE, {"too large"}),
    "7,000 x 7,000 and 128 bytes": (FITTING_LIE, {"broken"}),
    "60,000 x 60,000 run lengths": (BIG_LIE | encoded(RLELossless, b"\0" * 640), {"too large"}),
    "7,000 x 7,000 run lengths": (FITTING_LIE | encoded(RLELossless, b"\2" + b"\0" * 639), {"broken"}),
    "100,000 frames": ({"NumberOfFrames": 100_000}, {"unknown format"}),
    "frames below none": ({"NumberOfFrames": -1}, {"unknown format"}),
    "no rows": ({"Rows": 0}, {"broken"}),
    "bits that are none": ({"BitsAllocated": 7}, {"broken"}),
    "64 bits": ({"BitsAllocated": 64, "BitsStored": 64, "HighBit": 63}, {"broken"}),
    "more bits stored than there are": ({"BitsStored": 40, "HighBit": 39}, {"broken"}),
    "colours it does not have": ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, {"broken"}),
    "a palette": ({"PhotometricInterpretation": "PALETTE COLOR"}, {"unknown format"}),
    "a jpeg of 16,000 x 16,000 within": (
        encoded(JPEGBaseline8Bit, jpeg_of((64, 64), (16_000, 16_000))), {"too large", "broken"},
    ),
    "a jpeg of 7,000 x 7,000 within": (encoded(JPEGBaseline8Bit, jpeg_of((64, 64), (7_000, 7_000))), {"broken"}),
    "jpeg 2000 that says 60,000": (
        BIG_LIE | encoded(JPEG2000Lossless, j2k_of((64, 64), (60_000, 60_000))), {"too large"},
    ),
    "jpeg 2000 that says 7,000": (
        FITTING_LIE | {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
        | encoded(JPEG2000Lossless, j2k_of((64, 64), (7_000, 7_000))),
        {"broken", "shown", "too large"},
    ),
    "no frame at all": (encoded(JPEGBaseline8Bit, b"\0\0"), {"broken"}),
    "pixels three times over": ({"PixelData": SMALL.tobytes() * 3}, {"broken"}),
    "window beyond all numbers": ({"WindowCenter": 1e300, "WindowWidth": 1e-300}, {"shown"}),
    "slope beyond all numbers": ({"RescaleSlope": 1e300, "RescaleIntercept": -1e300}, {"shown"}),
}  # fmt: skip


@pytest.mark.parametrize("name", DICOM_BOMBS)
@pytest.mark.usefixtures("started")
def test_dicom_bombs_are_told_in_time(write_dicom: WriteDicom, name: str) -> None:
    elements, expected = DICOM_BOMBS[name]
    before = resident_bytes()
    outcome, seconds = bomb_outcome(write_dicom(SMALL, **elements))
    assert outcome in expected
    assert seconds <= SECONDS
    assert resident_bytes() - before < GROWTH_BYTES


@pytest.mark.usefixtures("started")
def test_deflated_bomb_is_told_at_once(write_dicom: WriteDicom, tmp_path: Path) -> None:
    whole = write_dicom(SMALL, TransferSyntaxUID=DeflatedExplicitVRLittleEndian).read_bytes()
    start = 144 + struct.unpack("<I", whole[140:144])[0]
    bomb = zeros(1_500 * 10**6 if DEEP else 150 * 10**6)[2:-4]
    (tmp_path / "film.dcm").write_bytes(whole[:start] + bomb)
    outcome, seconds = bomb_outcome(tmp_path / "film.dcm")
    assert outcome == "too large"
    assert seconds <= SECONDS


def test_header_cut_anywhere_is_told(write_dicom: WriteDicom, tmp_path: Path) -> None:
    whole = write_dicom(SMALL).read_bytes()
    pixels = whole.index(struct.pack("<HH", 0x7FE0, 0x0010))
    outcomes = survived(tmp_path, (whole[:end] for end in range(100, pixels, 9)))
    assert outcomes["shown"] == 0
    assert outcomes["timed out"] == outcomes["deaths of a decoder"] == 0


@pytest.mark.usefixtures("started")
def test_private_element_that_says_four_gigabytes_is_told(write_dicom: WriteDicom, tmp_path: Path) -> None:
    path = write_dicom(SMALL)
    whole = path.read_bytes()
    at = whole.index(struct.pack("<HH", 0x0028, 0x0010))
    path.write_bytes(whole[:at] + struct.pack("<HH2sHI", 0x0027, 0x0010, b"OB", 0, 0xFFFFFF00) + whole[at:])
    outcome, seconds = bomb_outcome(path)
    assert outcome in {"broken", "unknown format", "too large"}
    assert seconds <= SECONDS


def test_places_that_are_no_files_are_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(tmp_path / "line.png"))
        names = ("pipe", "folder", "zero", "line", "loop", "absent", "x" * 5_000)
        shown = workers.thumbnails([tmp_path / f"{name}.png" for name in names], 64)
    assert [check(one) for one in shown] == ["not a file"] * 4 + ["missing"] * 3
