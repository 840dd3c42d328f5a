"""What one decode of a film tells, against oracles and independent formulas."""

from __future__ import annotations

import hashlib
import io
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from scipy import ndimage

from cxrdash.images import orientation
from cxrdash.images.film import Film
from cxrdash.images.hashes import perceptual_hash, pixel_digest
from cxrdash.images.measures import (
    BYTES,
    FilmMeasures,
    as_message,
    border_facts,
    from_message,
    grey_facts,
    measure_file,
    sharpness,
)
from cxrdash.images.thumbnails import make_thumbnail
from tests.images.conftest import WriteDicom


def texture(height: int = 96, width: int = 80, *, seed: int = 1) -> np.ndarray:
    """A smooth 8-bit picture without uniform lines, like nothing else of another seed."""
    noise = np.random.default_rng(seed).normal(size=(height, width))
    smooth = ndimage.gaussian_filter(noise, 4)
    return ((smooth - smooth.min()) / np.ptp(smooth) * 200 + 20).astype(np.uint8)


def save(path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels).save(path)
    return path


def bits(one: bytes, other: bytes) -> int:
    return int(np.unpackbits(np.frombuffer(one, np.uint8) ^ np.frombuffer(other, np.uint8)).sum())


def as_film(pixels: np.ndarray, *, inverted: bool = False) -> Film:
    return Film(pixels, "L", 8, pixels.shape[1], pixels.shape[0], inverted=inverted)


def test_grey_levels_of_the_worked_example() -> None:  # METHODS T7.1
    found = grey_facts(np.array([[0, 0, 10, 20], [20, 30, 40, 255], [255, 255, 50, 60], [70, 80, 90, 100]], np.uint8))
    assert found["grey_levels"] == 12
    assert (found["lowest"], found["highest"]) == (0, 255)
    assert found["grey_levels"] / (found["highest"] - found["lowest"] + 1) == 0.046875
    assert found["entropy_bits"] == pytest.approx(3.452820, abs=1e-6)
    assert 2 ** found["entropy_bits"] == pytest.approx(10.949701, abs=1e-6)
    assert (found["share_lowest"], found["share_highest"]) == (0.125, 0.1875)


@given(
    st.sampled_from([np.uint8, np.uint16, np.int16, np.int32]).flatmap(
        lambda kind: arrays(kind, st.tuples(st.integers(1, 9), st.integers(1, 9)))
    )
)
def test_grey_facts_are_those_of_the_sorted_pixels(pixels: np.ndarray) -> None:
    found = grey_facts(pixels)
    values = pixels.astype(float)
    assert found["mean"] == pytest.approx(values.mean())
    assert found["sd"] == pytest.approx(values.std(), abs=1e-6 * max(1, np.abs(values).max()))
    assert found["grey_levels"] == len(np.unique(pixels))
    for share in (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99):
        assert found[f"p{round(100 * share):02d}"] == np.quantile(values, share, method="inverted_cdf")


def test_sharpness_is_the_variance_of_the_laplacian() -> None:
    pixels = texture()
    kernel = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
    expected = ndimage.convolve(pixels.astype(float), kernel)[1:-1, 1:-1].var()
    assert sharpness(Image.fromarray(pixels)) == pytest.approx(expected, rel=1e-5)


def test_sharpness_looks_at_512_pixels_and_falls_with_blur() -> None:
    large = np.kron(texture(512, 400), np.ones((2, 2), np.uint8))
    assert sharpness(Image.fromarray(large)) == pytest.approx(sharpness(Image.fromarray(large[::2, ::2])))
    noisy = np.random.default_rng(3).integers(0, 256, (300, 300), np.uint8)
    assert sharpness(Image.fromarray(ndimage.gaussian_filter(noisy, 2))) < 0.05 * sharpness(Image.fromarray(noisy))
    assert sharpness(Image.fromarray(noisy[:2])) == 0


def test_the_perceptual_hash_is_the_cosine_transform_written_out() -> None:
    pixels = texture(64, 64)
    at = np.arange(64)
    cosines = np.cos(np.pi * np.outer(np.arange(16), 2 * at + 1) / 128)
    low = cosines @ pixels.astype(float) @ cosines.T
    assert perceptual_hash(Image.fromarray(pixels)) == np.packbits(low > np.median(low)).tobytes()


def test_the_hash_survives_compression_and_size_and_tells_films_apart(tmp_path: Path) -> None:
    picture = Image.fromarray(texture(512, 512))
    picture.save(tmp_path / "poor.jpg", quality=50)
    own = perceptual_hash(picture)
    assert len(own) == 32
    assert bits(own, perceptual_hash(Image.open(tmp_path / "poor.jpg"))) <= 40
    assert bits(own, perceptual_hash(picture.resize((200, 200)))) <= 40
    assert bits(own, perceptual_hash(Image.fromarray(255 - texture(512, 512)))) >= 216
    assert 90 < bits(own, perceptual_hash(Image.fromarray(texture(512, 512, seed=2)))) < 166


def test_equal_pixels_have_one_digest_in_every_format(tmp_path: Path, write_dicom: WriteDicom) -> None:
    pixels = texture().astype(np.uint16) * 200
    paths = [save(tmp_path / "a.png", pixels), save(tmp_path / "b.tif", pixels), write_dicom(pixels)]
    found = [measure_file(path).measures for path in paths]
    assert len({one.pixel_digest for one in found}) == 1
    assert len({one.file_digest for one in found}) == 3
    assert [one.format for one in found] == ["PNG", "TIFF", "DICOM"]
    assert found[0].file_digest == hashlib.sha256(paths[0].read_bytes()).digest()
    assert pixel_digest(pixels) != pixel_digest(pixels.reshape(-1, 40))
    assert pixel_digest(pixels) != pixel_digest(pixels.astype(np.uint32))


def test_uniform_bands_are_measured_from_each_edge() -> None:
    pixels = texture(100, 100)
    pixels[:10], pixels[:, :5], pixels[:, 98:] = 0, 3, 255
    found = border_facts(as_film(pixels), pixels)
    sides = [found[f"border_{side}"] for side in ("top", "left", "right", "bottom")]
    assert sides == [0.10, 0.05, 0.02, 0]
    assert found["border_share"] == pytest.approx(1 - 0.90 * 0.93)


def test_a_missing_third_is_a_long_run_wherever_it_lies() -> None:
    for rows in (slice(0, 33), slice(33, 66), slice(67, 100)):
        pixels = texture(100, 100)
        pixels[rows] = 0
        assert border_facts(as_film(pixels), pixels)["uniform_rows"] == 0.33


def test_collimation_is_not_clipping_and_a_burnt_patch_inside_is() -> None:
    pixels = texture(100, 100)
    pixels[:, :20] = 0
    pixels[40:50, 40:60] = 255
    found = border_facts(as_film(pixels), pixels)
    assert found["interior_share_lowest"] == 0
    assert found["interior_share_highest"] == pytest.approx(200 / 8000)
    white_on_black = border_facts(as_film(255 - pixels, inverted=True), pixels)
    assert white_on_black["interior_share_highest"] == 0
    assert white_on_black["interior_share_lowest"] == pytest.approx(200 / 8000)


def test_a_blank_film_has_neither_contrast_nor_interior(tmp_path: Path) -> None:
    found = measure_file(save(tmp_path / "blank.png", np.full((40, 50), 7, np.uint8))).measures
    assert (found.interior_sd, found.interior_contrast, found.entropy_bits, found.sharpness) == (0, 0, 0, 0)
    assert (found.border_share, found.uniform_rows) == (1, 1)


def test_a_dicom_tells_its_make_and_no_free_text(write_dicom: WriteDicom) -> None:
    pixels = texture().astype(np.uint16) * 16
    path = write_dicom(
        4095 - pixels, PhotometricInterpretation="MONOCHROME1", ViewPosition="Smith^John", BurnedInAnnotation="YES",
        PixelSpacing=[0.2, 0.3], WindowCenter="2048", WindowWidth="4096", BitsStored=12, HighBit=11,
    )  # fmt: skip
    found = measure_file(path).measures
    assert (found.photometric, found.bits_allocated, found.bits_stored) == ("MONOCHROME1", 16, 12)
    assert (found.spacing_row_mm, found.spacing_column_mm, found.spacing_kind) == (0.2, 0.3, "stated")
    assert (found.windows, found.header_view, found.burned_in) == (1, None, "YES")
    assert "Smith" not in repr(found) and "Planted" not in repr(found)


def test_white_on_black_that_says_so_looks_like_any_film(tmp_path: Path, write_dicom: WriteDicom) -> None:
    pixels = texture().astype(np.uint16)
    said = write_dicom(255 - pixels, PhotometricInterpretation="MONOCHROME1", BitsStored=8, HighBit=7)
    plain = save(tmp_path / "plain.png", pixels)
    one, other = (np.frombuffer(measure_file(path).measures.small or b"", np.uint8) for path in (said, plain))
    assert np.abs(one.astype(int) - other.astype(int)).max() <= 1


def test_what_cannot_be_read_is_a_row_with_its_reason(tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\nno more")
    found = measure_file(broken).measures
    assert (found.status, found.file_bytes, found.kind, found.lasting) == ("unreadable", 15, "broken", True)
    assert "damaged header" in found.reason
    gone = measure_file(tmp_path / "gone.png")
    assert (gone.measures.status, gone.measures.reason, gone.measures.lasting) == ("missing", "not on disk", False)
    assert gone.thumbnail.problem == "not on disk"


def test_the_thumbnail_is_the_gallery_s_own(tmp_path: Path) -> None:
    path = save(tmp_path / "film.png", texture(700, 640))
    made, own = measure_file(path).thumbnail, make_thumbnail(path)
    assert (made.width, made.height) == (own.width, own.height) == (640, 700)
    one, two = (np.asarray(Image.open(io.BytesIO(thumb.jpeg or b"")), int) for thumb in (made, own))
    assert one.shape == two.shape
    assert np.abs(one - two).max() <= 3


def test_a_message_brings_back_every_measure(tmp_path: Path) -> None:
    made = measure_file(save(tmp_path / "film.png", texture()))
    again = from_message(*as_message(made))
    assert again.measures == made.measures
    assert again.thumbnail == made.thumbnail
    assert set(BYTES) < {field.name for field in fields(FilmMeasures)}


def films(count: int = 40) -> np.ndarray:
    """Small films that share a lopsided pattern, each with noise of its own."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:32, :32] / 31
    pattern = 150 * np.exp(-((x - 0.3) ** 2 + (y - 0.2) ** 2) / 0.05) + 60 * x * y
    return np.clip(pattern + rng.normal(30, 8, (count, 32, 32)), 0, 255).astype(np.uint8).reshape(count, -1)


@pytest.mark.parametrize("quarter", range(4))
@pytest.mark.parametrize("negative", [False, True])
def test_every_turn_and_exchange_of_greys_is_named(quarter: int, negative: bool) -> None:
    upright = orientation.standardised(films())
    pattern = orientation.template(upright)
    assert pattern is not None
    changed = np.rot90(upright, quarter, axes=(1, 2)) * (-1 if negative else 1)
    found = orientation.scores(np.ascontiguousarray(changed), pattern)
    assert {orientation.VARIANTS[best] for best in found.best} == {orientation.VARIANTS[quarter + 4 * negative]}
    assert (found.best_r > 0.8).all()


def test_the_template_holds_with_a_fifth_of_the_films_inverted() -> None:
    clean = orientation.standardised(films())
    spoilt = clean.copy()
    spoilt[::5] *= -1
    one, other = orientation.template(clean), orientation.template(spoilt)
    assert one is not None and other is not None
    assert float((one * other).mean()) > 0.95


def test_laterals_may_look_to_either_side() -> None:
    upright = orientation.standardised(films())
    upright[::2] = upright[::2, :, ::-1]
    pattern = orientation.template(upright, facing=True)
    assert pattern is not None
    assert (orientation.scores(upright, pattern, facing=True).best == 0).all()


def test_too_few_films_make_no_template_and_uniform_ones_no_likeness() -> None:
    upright = orientation.standardised(films())
    assert orientation.template(upright[:19]) is None
    assert orientation.template(np.zeros((30, 32, 32), np.float32)) is None
    pattern = orientation.template(upright)
    assert pattern is not None
    black = orientation.standardised(np.zeros((1, 1024), np.uint8))
    assert orientation.scores(black, pattern).best_r.tolist() == [0]
