"""A header is read as pydicom reads it, without ever taking a name, and within bounds whatever the file holds."""

from __future__ import annotations

import logging
import os
import random
import statistics
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from cxrdash.images.film import UnreadableFilm
from cxrdash.images.header import FACTS, IDENTIFYING, read_header

WriteDicom = Callable[..., Path]
SYNTAXES = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
]
SAID = {
    "SOPInstanceUID": "1.2.3.4",
    "StudyInstanceUID": "1.2.3",
    "Modality": "DX",
    "PatientID": "MRN-7",
    "PatientSex": "F",
    "PatientAge": "058Y",
    "ViewPosition": "PA",
    "PixelSpacing": [0.143, 0.144],
    "StudyDate": "20190102",
    "BurnedInAnnotation": "NO",
}
FILMS = sorted(
    path for path in (Path(pydicom.__file__).parent / "data" / "test_files").rglob("*.dcm") if path.is_file()
)


def by_pydicom(path: Path) -> dict[str, str]:
    """The allow-listed elements as pydicom converts them."""
    dataset = pydicom.dcmread(path, stop_before_pixels=True)
    found: dict[str, str] = {}
    for tag, name in FACTS.items():
        value: Any = dataset[tag].value if tag in dataset else None
        if value not in (None, ""):
            found[name] = "\\".join(map(str, value)) if isinstance(value, MultiValue) else str(value)
    return found


def refusal(path: Path) -> UnreadableFilm:
    with pytest.raises(UnreadableFilm) as caught:
        read_header(path)
    return caught.value


def test_every_film_of_pydicoms_own_reads_the_same(recwarn: pytest.WarningsRecorder) -> None:
    read, syntaxes = 0, set()
    for path in FILMS:
        try:
            header = read_header(path)
        except UnreadableFilm as fault:
            assert fault.reason == "not a DICOM file", path
            continue
        assert header.facts == by_pydicom(path), path
        meta = pydicom.filereader.read_file_meta_info(path)
        syntaxes.add(str(meta.get("TransferSyntaxUID")))
        read += 1
    assert read >= 70 and len(syntaxes) >= 10


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: uid.name)
def test_each_way_of_writing_says_the_same(write_dicom: WriteDicom, syntax: Any) -> None:
    inner = Dataset()
    inner.PatientName, inner.Rows, inner.PatientSex = "Nested^Name", 7, "M"
    path = write_dicom(
        np.zeros((4, 6), np.uint16), TransferSyntaxUID=syntax, ReferencedStudySequence=Sequence([inner, inner]), **SAID
    )
    header = read_header(path, patient=lambda text: f"<{text}>")
    assert header.patient == "<MRN-7>" and header.has_pixels
    assert header.facts == {**by_pydicom(path)}
    assert (header.facts["Rows"], header.facts["Columns"], header.facts["PatientSex"]) == ("4", "6", "F")
    assert header.facts["PixelSpacing"] == "0.143\\0.144" and header.moment.startswith("20190102")
    assert header.filled == ("PatientName",)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian], ids=lambda uid: uid.name)
def test_sequences_without_a_length_are_walked_through(write_dicom: WriteDicom, syntax: Any) -> None:
    deep = Dataset()
    deep.PatientAge = "099Y"
    middle = Dataset()
    middle.ViewPosition, middle.RequestAttributesSequence = "LL", Sequence([deep])
    sequence = Sequence([middle, middle])
    for one in (deep, middle):
        one.is_undefined_length_sequence_item = True
    path = write_dicom(np.zeros((4, 4), np.uint8), TransferSyntaxUID=syntax, **SAID)
    dataset = pydicom.dcmread(path)
    dataset.ReferencedStudySequence = sequence
    dataset["ReferencedStudySequence"].is_undefined_length = True
    dataset.save_as(path)
    facts = read_header(path).facts
    assert (facts["PatientAge"], facts["ViewPosition"]) == ("058Y", "PA")


def test_patient_ids_go_nowhere_but_to_the_callers_function(write_dicom: WriteDicom) -> None:
    path = write_dicom(np.zeros((2, 2), np.uint8), **SAID)
    assert "MRN-7" not in repr(read_header(path))
    assert read_header(path, patient=str.lower).patient == "mrn-7"


def test_identifying_elements_are_named_and_never_quoted(
    write_dicom: WriteDicom, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    planted = {name: "Planted" for name in ("InstitutionName", "OperatorsName", "PatientAddress", "PatientComments")}
    path = write_dicom(np.zeros((2, 2), np.uint8), PatientBirthDate="19500101", **planted)
    header = read_header(path)
    assert set(header.filled) == {*planted, "PatientName", "PatientBirthDate"} <= set(IDENTIFYING.values())
    assert "Planted" not in repr(header) + caplog.text and "1950" not in repr(header)


def test_a_long_comment_is_still_noticed(write_dicom: WriteDicom) -> None:
    path = write_dicom(np.zeros((2, 2), np.uint8), PatientComments="x" * 9000, **SAID)
    header = read_header(path)
    assert "PatientComments" in header.filled and header.facts["ViewPosition"] == "PA"


def test_overlays_are_noticed(write_dicom: WriteDicom) -> None:
    path = write_dicom(np.zeros((8, 8), np.uint8))
    dataset = pydicom.dcmread(path)
    dataset.add_new(0x60020010, "US", 8)
    dataset.add_new(0x60023000, "OW", b"\1" * 8)
    dataset.save_as(path)
    assert "OverlayData" in read_header(path).filled


def test_what_is_no_film_is_refused_in_a_few_words(write_dicom: WriteDicom, tmp_path: Path) -> None:
    (tmp_path / "note.dcm").write_text("no DICOM at all " * 20)
    (tmp_path / "empty.dcm").touch()
    os.mkfifo(tmp_path / "pipe.dcm")
    assert refusal(tmp_path / "note.dcm").reason == "not a DICOM file"
    assert refusal(tmp_path / "empty.dcm").reason == "not a DICOM file"
    assert refusal(tmp_path / "pipe.dcm").kind == "not a file"
    assert refusal(tmp_path / "gone.dcm").kind == "missing"
    whole = write_dicom(np.zeros((64, 64), np.uint8), **SAID)
    (tmp_path / "cut.dcm").write_bytes(whole.read_bytes()[:420])
    assert "ends too early" in refusal(tmp_path / "cut.dcm").message


def bomb(body: bytes) -> bytes:
    meta = b"\x02\0\x10\0UI" + struct.pack("<H", len(body[:0]) + 22) + b"1.2.840.10008.1.2.1.99"
    squeezed = zlib.compressobj(9, zlib.DEFLATED, -15)
    return bytes(128) + b"DICM" + meta + squeezed.compress(body) + squeezed.flush()


def test_hostile_headers_cost_little(tmp_path: Path) -> None:
    element = b"\x09\0\x01\x10OB\0\0"
    nested = b"\x40\0\x75\x02SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    explicit = bytes(128) + b"DICM\x02\0\x10\0UI\x14\x001.2.840.10008.1.2.1\0"
    crafted = {
        "deflated": bomb(element + struct.pack("<L", 400 * 2**20) + bytes(400 * 2**20)),
        "nested": explicit + nested * 100_000,
        "many": explicit + (element + struct.pack("<L", 0)) * 100_000,
        "long": explicit + element + struct.pack("<L", 2**32 - 2),
        "endless items": explicit + nested[:12] + b"\xfe\xff\x00\xe0\0\0\0\0" * 100_000,
    }
    for name, body in crafted.items():
        path = tmp_path / f"{name}.dcm"
        path.write_bytes(body)
        started = time.process_time()
        assert refusal(path).kind in ("too large", "broken"), name
        assert time.process_time() - started < 1, name


def test_damaged_headers_are_read_or_refused_and_nothing_else(
    write_dicom: WriteDicom, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "cxrdash")
    numbers, damaged = random.Random(1), tmp_path / "damaged.dcm"
    outcomes = set()
    for syntax in SYNTAXES:
        whole = write_dicom(np.zeros((4, 4), np.uint8), TransferSyntaxUID=syntax, **SAID).read_bytes()
        for _ in range(500):
            body = bytearray(whole)
            for _ in range(numbers.choice((1, 1, 3))):
                body[numbers.randrange(120, len(body))] = numbers.randrange(256)
            damaged.write_bytes(body[: numbers.choice((len(body), len(body), numbers.randrange(len(body))))])
            try:
                outcomes.add(read_header(damaged).has_pixels)
            except UnreadableFilm as fault:
                outcomes.add(fault.kind)
                assert "damaged.dcm" in fault.message
    assert {True, "broken", "unknown format"} <= outcomes
    assert "Planted" not in caplog.text and "MRN" not in caplog.text


def test_reading_a_header_is_five_times_faster_than_pydicom() -> None:
    path = Path(str(get_testdata_file("CT_small.dcm")))

    def seconds(read: Callable[[], object]) -> float:
        runs = []
        for _ in range(7):
            started = time.process_time()
            for _ in range(30):
                read()
            runs.append(time.process_time() - started)
        return statistics.median(runs)

    assert seconds(lambda: by_pydicom(path)) >= 5 * seconds(lambda: read_header(path).facts)
