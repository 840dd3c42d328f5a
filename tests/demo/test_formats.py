"""Each file format holds the film it was given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from cxrdash.demo.formats import write_copy, write_film
from cxrdash.demo.masks import run_lengths
from cxrdash.demo.plan import Job, Plan, with_format

GREY = np.linspace(0, 1, 48, dtype=np.float32).reshape(6, 8)


@pytest.fixture
def job(plan: Plan) -> Job:
    first = next(iter(plan.jobs.values()))
    return replace(first, path="film.jpg", fault="", pose=replace(first.pose, width=8, height=6))


def write(folder: Path, job: Job, file_format: str, fault: str = "") -> Path:
    job = replace(with_format(job, file_format), fault=fault)
    write_film(folder, job, GREY)
    return folder / job.path


def test_16_bit_png_keeps_12_bits(tmp_path: Path, job: Job) -> None:
    with Image.open(write(tmp_path, job, "png16")) as image:
        assert image.mode == "I;16"
        assert np.array_equal(np.asarray(image), np.round(GREY * 4095))


@pytest.mark.parametrize(("file_format", "mode"), [("png", "L"), ("rgba", "RGBA"), ("jpeg", "L")])
def test_8_bit_files_have_their_mode(tmp_path: Path, job: Job, file_format: str, mode: str) -> None:
    with Image.open(write(tmp_path, job, file_format)) as image:
        assert (image.mode, image.size) == (mode, (8, 6))
        assert np.asarray(image.convert("L"), dtype=int)[:, 0] == pytest.approx(GREY[:, 0] * 255, abs=16)


@pytest.mark.parametrize(("file_format", "photometric"), [("dicom", "MONOCHROME2"), ("dicom inverted", "MONOCHROME1")])
def test_dicom_shows_the_same_film_either_way(tmp_path: Path, job: Job, file_format: str, photometric: str) -> None:
    dataset = pydicom.dcmread(write(tmp_path, job, file_format))
    stored = dataset.pixel_array.astype(int)
    shown = 4095 - stored if photometric == "MONOCHROME1" else stored
    assert dataset.PhotometricInterpretation == photometric
    assert np.array_equal(shown, np.round(GREY * 4095))
    assert dataset.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
    assert (dataset.BitsAllocated, dataset.BitsStored) == (16, 12)
    assert float(dataset.PixelSpacing[0]) == pytest.approx(1 / job.pose.px_per_mm, abs=1e-4)


def test_dicom_names_nobody(tmp_path: Path, job: Job) -> None:
    dataset = pydicom.dcmread(write(tmp_path, job, "dicom"))
    assert (str(dataset.PatientName), dataset.PatientID) == ("SYNTHETIC", "SYNTHETIC")
    assert not {"PatientBirthDate", "PatientSex", "StudyDate", "AccessionNumber"} & set(dataset.dir())


def test_inverted_rotated_and_upside_down_films_are_so(tmp_path: Path, job: Job) -> None:
    def values(fault: str) -> np.ndarray:
        with Image.open(write(tmp_path, job, "png", fault)) as image:
            return np.asarray(image, dtype=int)

    plain = values("")
    assert np.abs(255 - values("inverted") - plain).max() <= 1
    assert np.array_equal(values("rotated"), np.rot90(plain))
    assert np.array_equal(values("upside down"), np.rot90(plain, 2))
    assert not values("blank").any()


@pytest.mark.parametrize("fault", ["truncated", "no image"])
def test_broken_files_do_not_open(tmp_path: Path, job: Job, fault: str) -> None:
    path = write(tmp_path, job, "jpeg", fault)
    with pytest.raises(OSError), Image.open(path) as image:
        image.load()


@pytest.mark.parametrize(("change", "same_bytes"), [("none", True), ("window", False), ("quality", False)])
def test_copies_are_exact_or_merely_near(tmp_path: Path, change: str, same_bytes: bool) -> None:
    smooth = np.add.outer(np.arange(64.0), np.arange(64.0)).astype(np.uint8) + 40
    Image.fromarray(smooth).save(tmp_path / "one.jpg", quality=75)
    write_copy(tmp_path, "two.jpg", "one.jpg", change)
    assert ((tmp_path / "two.jpg").read_bytes() == (tmp_path / "one.jpg").read_bytes()) is same_bytes
    with Image.open(tmp_path / "one.jpg") as one, Image.open(tmp_path / "two.jpg") as two:
        assert np.corrcoef(np.asarray(one).ravel(), np.asarray(two).ravel())[0, 1] > 0.98


def test_run_lengths_count_from_one_along_the_rows() -> None:
    mask = np.array([[0, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]], bool)
    assert run_lengths(mask) == "2 2 6 1"
    assert run_lengths(np.zeros((2, 2), bool)) == ""
    assert run_lengths(np.ones((2, 3), bool)) == "1 6"
