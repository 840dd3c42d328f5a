"""What the browser receives is the film to the bit, with all that is needed to show it as everywhere else."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image
from pydicom.dataset import Dataset

from cxrdash.images.display import display_8bit
from cxrdash.images.film import Film, Lookup, Window
from cxrdash.images.formats import read_film
from cxrdash.images.payload import interior, payload

KINDS = ("u1", "i1", "u2", "i2", "u4", "i4", "f4")


def unpacked(body: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read a payload as its description says, without the code that wrote it."""
    (length,) = struct.unpack_from("<I", body)
    header = json.loads(body[4 : 4 + length])
    assert (4 + length) % 8 == 0
    found = {}
    for name, (kind, offset, count) in header["sections"].items():
        assert offset % 8 == 0
        found[name] = np.frombuffer(body, f"<{kind}", count, 4 + length + offset)
    return header, found


def stored(header: dict[str, Any], sections: dict[str, np.ndarray]) -> np.ndarray:
    return sections["pixels"].reshape(header["height"], header["width"])


@given(st.sampled_from(KINDS).flatmap(lambda kind: arrays(kind, array_shapes(min_dims=2, max_dims=2, max_side=9),
       elements={"allow_nan": False, "allow_infinity": False} if kind == "f4" else None)))  # fmt: skip
def test_stored_pixels_come_back_to_the_bit(pixels: np.ndarray) -> None:
    header, sections = unpacked(payload(Film(pixels, "L", 16, pixels.shape[1], pixels.shape[0])))
    assert header["sections"]["pixels"][0] == pixels.dtype.str[1:]
    assert stored(header, sections).tobytes() == np.ascontiguousarray(pixels).tobytes()


def test_a_16_bit_png_arrives_as_pillow_reads_it(tmp_path: Path, ramp: np.ndarray) -> None:
    Image.fromarray(ramp).save(tmp_path / "film.png")
    found = stored(*unpacked(payload(read_film(tmp_path / "film.png"))))
    with Image.open(tmp_path / "film.png") as opened:
        assert opened.mode == "I;16"
        assert np.array_equal(found, np.asarray(opened))


@pytest.mark.parametrize("kind", ["u1", "u2", "i2"])
def test_a_dicom_arrives_as_pydicom_reads_it(write_dicom: Any, kind: str) -> None:
    low, high = np.iinfo(kind).min, np.iinfo(kind).max
    pixels = np.linspace(low, high, 12 * 10).astype(kind).reshape(12, 10)
    path = write_dicom(pixels, RescaleSlope="0.5", RescaleIntercept="-7")
    header, sections = unpacked(payload(read_film(path)))
    assert np.array_equal(stored(header, sections), pydicom.dcmread(path).pixel_array)
    assert (header["slope"], header["intercept"], header["has_modality"]) == (0.5, -7.0, True)


def test_a_modality_table_is_sent_for_every_stored_value() -> None:
    table = Lookup(-2, np.array([10, 20, 30, 40], np.uint16), 16)
    _, sections = unpacked(payload(Film(np.array([[-3, 0], [1, 9]], np.int16), "M", 16, 2, 2, modality=table)))
    assert [sections["rescaled"][value & 0xFFFF] for value in (-3, -2, 0, 1, 9)] == [10, 10, 30, 40, 40]


def test_each_voi_table_is_sent_as_finished_greys(write_dicom: Any) -> None:
    item = Dataset()
    item.LUTDescriptor = [3, 100, 8]
    item.add_new("LUTData", "US", [0, 128, 255])
    path = write_dicom(np.array([[0, 100], [101, 102]], np.uint16), VOILUTSequence=[item], PixelRepresentation=0)
    film = read_film(path)
    header, sections = unpacked(payload(film))
    assert header["own"][0]["shades"] == "shades0"
    assert np.array_equal(sections["shades0"][film.pixels], display_8bit(film))


def test_8_bit_films_start_as_stored_and_16_bit_rasters_at_their_full_range() -> None:
    eight, _ = unpacked(payload(Film(np.array([[3, 200]], np.uint8), "L", 8, 2, 1)))
    assert [(one["name"], one["center"], one["width"]) for one in eight["own"]] == [("As stored", 127.5, 255)]
    wide = Film(np.array([[300, 900]], np.uint16), "I;16", 16, 2, 1, spread=Window(600, 600, "LINEAR_EXACT", "range"))
    sixteen, _ = unpacked(payload(wide))
    assert sixteen["own"] == []
    assert (sixteen["presets"][0]["center"], sixteen["presets"][0]["width"]) == (600, 600)


def test_all_windows_of_the_file_are_there_in_its_order() -> None:
    windows = (Window(40, 80, explanation="LUNG"), Window(600, 400, "SIGMOID"))
    header, _ = unpacked(payload(Film(np.zeros((1, 2), np.uint16), "M", 12, 2, 1, windows=windows)))
    assert [(one["name"], one["center"], one["function"]) for one in header["own"]] == [
        ("File's window lung", 40, "LINEAR"),
        ("File's window", 600, "SIGMOID"),
    ]


def test_presets_are_percentiles_of_the_interior_in_rescaled_values() -> None:
    pixels = np.zeros((100, 100), np.uint16)
    pixels[10:90, 10:90] = np.arange(6400).reshape(80, 80)
    pixels[0] = 60_000  # a burnt-in marker at the edge
    header, _ = unpacked(payload(Film(pixels, "M", 16, 100, 100, slope=2.0, intercept=100.0)))
    lung = next(one for one in header["presets"] if one["name"] == "Lung")
    low, high = np.percentile(100 + 2.0 * np.arange(6400), (0.5, 60))
    assert (lung["center"] - lung["width"] / 2, lung["center"] + lung["width"] / 2) == pytest.approx((low, high))
    assert "Percentiles 0.5 to 60" in lung["tip"] and "no absolute units" in lung["tip"]
    assert header["range"] == [100, 120_100]


def test_presets_of_an_inverted_film_show_the_same_picture() -> None:
    rng = np.random.default_rng(4)
    pixels = rng.integers(0, 4096, (60, 60)).astype(np.uint16)
    plain, _ = unpacked(payload(Film(pixels, "MONOCHROME2", 12, 60, 60)))
    turned, _ = unpacked(payload(Film(4095 - pixels, "MONOCHROME1", 12, 60, 60, inverted=True)))
    for one, other in zip(plain["presets"], turned["presets"], strict=True):
        assert one["center"] == pytest.approx(4095 - other["center"])
        assert one["width"] == pytest.approx(other["width"])


def test_the_spacing_of_the_file_goes_before_what_the_dataset_states() -> None:
    pixels = np.zeros((2, 2), np.uint8)
    own = Film(pixels, "L", 8, 2, 2, spacing_mm=(0.1, 0.2), spacing_kind="detector")
    header, _ = unpacked(payload(own, spacing_mm=(0.5, 0.5)))
    assert (header["spacing_mm"], header["spacing_kind"]) == ([0.1, 0.2], "detector")
    header, _ = unpacked(payload(Film(pixels, "L", 8, 2, 2), spacing_mm=(0.5, 0.4)))
    assert (header["spacing_mm"], header["spacing_kind"]) == ([0.5, 0.4], "dataset")
    header, _ = unpacked(payload(Film(pixels, "L", 8, 2, 2)))
    assert (header["spacing_mm"], header["spacing_kind"]) == (None, "")


def test_a_film_of_one_value_and_the_smallest_film_are_no_special_case() -> None:
    header, sections = unpacked(payload(Film(np.full((1, 1), 7, np.uint16), "I;16", 16, 1, 1)))
    assert sections["pixels"].tolist() == [7]
    assert all(one["width"] == 0 for one in header["presets"])


def test_the_interior_leaves_out_a_tenth_on_each_side_and_thins_large_films() -> None:
    assert interior(np.arange(100).reshape(10, 10)).size == 64
    assert interior(np.zeros((4000, 4000), np.uint8)).size < 300_000
