"""Films shared by the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

WriteDicom = Callable[..., Path]


@pytest.fixture
def ramp() -> np.ndarray:
    """16 bits from 1,000 to 61,000: neither the lowest nor the highest value occurs."""
    return np.linspace(1_000, 61_000, 64 * 48).round().astype(np.uint16).reshape(64, 48)


@pytest.fixture
def write_dicom(tmp_path: Path) -> WriteDicom:
    """Write pixels (uint8, uint16 or int16) as a digital X-ray, with further elements by keyword."""

    def write(pixels: np.ndarray, *, name: str = "film.dcm", **elements: Any) -> Path:
        syntax = elements.pop("TransferSyntaxUID", ExplicitVRLittleEndian)
        dataset = _film_dataset(pixels)
        dataset.file_meta.TransferSyntaxUID = syntax
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)
        if syntax.is_encapsulated:
            dataset["PixelData"].VR = "OB"
        dataset.save_as(tmp_path / name, enforce_file_format=True)
        return tmp_path / name

    return write


def _film_dataset(pixels: np.ndarray) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["film"])
    dataset.PatientName = "Planted^Name"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.dtype.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes()
    return dataset
