"""Film files: JPEG, PNG of 8 and 16 bits and with colours, DICOM; and the damage done to some of them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cxrdash.demo.plan import Job
from cxrdash.demo.shapes import Field

QUALITY = 68
WHITE = 4095  # 12 bits
_XRAY_FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.1"


def write_film(folder: Path, job: Job, grey: Field) -> None:
    """Write the film of a job to its place under ``folder``, with the job's fault if it has one."""
    if job.fault == "no image":
        (folder / job.path).write_bytes(b"This file was lost in a transfer. (Planted in the demo.)\n")
        return
    grey = _faulty(grey, job.fault)
    path = folder / job.path
    if job.file_format.startswith("dicom"):
        _write_dicom(path, job, grey)
    elif job.file_format == "png16":
        Image.fromarray((grey * WHITE + 0.5).astype(np.uint16)).save(path, "PNG")
    else:
        _write_8bit(path, job.file_format, grey)
    if job.fault == "truncated":
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) * 2 // 5])


def _faulty(grey: Field, fault: str) -> Field:
    if fault == "inverted":
        return 1 - grey
    if fault == "rotated":
        return np.ascontiguousarray(np.rot90(grey))
    if fault == "upside down":
        return np.ascontiguousarray(grey[::-1, ::-1])
    if fault == "blank":
        return np.zeros_like(grey)
    return grey


def _write_8bit(path: Path, file_format: str, grey: Field) -> None:
    image = Image.fromarray((grey * 255 + 0.5).astype(np.uint8))
    if file_format == "jpeg":
        image.save(path, "JPEG", quality=QUALITY)
    else:
        (image.convert("RGBA") if file_format == "rgba" else image).save(path, "PNG")


def write_copy(folder: Path, path: str, original: str, change: str) -> None:
    """Write a file from another film's: the same bytes, a narrower window, or a poorer JPEG."""
    if change == "none":
        (folder / path).write_bytes((folder / original).read_bytes())
        return
    with Image.open(folder / original) as opened:
        values = np.asarray(opened.convert("L"), dtype=np.float32)
    if change == "window":
        values = np.clip((values - 24) * 1.22, 0, 255)
    Image.fromarray(values.astype(np.uint8)).save(folder / path, "JPEG", quality=90 if change == "window" else 35)


def _uid(text: str) -> str:
    """A unique identifier made from a text, as PS3.5 B.2 allows: the same on every machine."""
    return f"2.25.{int(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(), 16)}"


def _write_dicom(path: Path, job: Job, grey: Field) -> None:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(_XRAY_FOR_PRESENTATION)
    meta.MediaStorageSOPInstanceUID = UID(_uid(job.image_id))
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    pixels = (grey * WHITE + 0.5).astype(np.uint16)
    inverted = job.file_format == "dicom inverted"
    _describe(dataset, job, inverted)
    _set_pixels(dataset, WHITE - pixels if inverted else pixels)
    dataset.save_as(path, enforce_file_format=True)


def _describe(dataset: Any, job: Job, inverted: bool) -> None:
    """The header: nobody's identity, and what a display needs to know."""
    study = f"{job.person}/{job.study.number}"
    dataset.SOPClassUID = _XRAY_FOR_PRESENTATION
    dataset.SOPInstanceUID = _uid(job.image_id)
    dataset.StudyInstanceUID = _uid(f"study {study}")
    dataset.SeriesInstanceUID = _uid(f"series {study}")
    dataset.Modality = "DX"
    dataset.PatientName = "SYNTHETIC"
    dataset.PatientID = "SYNTHETIC"
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "Drawn by a program; no person was imaged"
    dataset.BurnedInAnnotation = "NO"
    dataset.BodyPartExamined = "CHEST"
    dataset.ViewPosition = "LL" if job.kind == "lateral" else job.study.view
    dataset.PixelSpacing = [f"{1 / job.pose.px_per_mm:.4f}"] * 2
    dataset.PhotometricInterpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
    dataset.PresentationLUTShape = "INVERSE" if inverted else "IDENTITY"
    dataset.WindowCenter, dataset.WindowWidth = "2048", "4096"


def _set_pixels(dataset: Any, pixels: NDArray[np.uint16]) -> None:
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel = 1
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.PixelData = pixels.astype("<u2").tobytes()
