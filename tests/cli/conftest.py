"""A dataset small enough to count by hand, indexed once, and a way to run commands on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

from cxrdash.cli import main

HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)
# Six images of three patients: 3 + 1 + 2. Cardiomegaly on two images of one patient.
ROWS = (
    "00000001_000.png,Cardiomegaly,0,1,57,M,PA,2682,2749,0.143,0.143",
    "00000001_001.png,Cardiomegaly|Emphysema,1,1,58,M,PA,2894,2729,0.143,0.143",
    "00000001_002.png,No Finding,2,1,58,M,AP,2500,2048,0.168,0.168",
    "00000002_000.png,No Finding,0,2,80,F,PA,2500,2048,0.171,0.171",
    "00000003_000.png,Effusion,0,3,30,F,AP,2582,2991,0.143,0.143",
    "00000003_001.png,Edema|Effusion,1,3,31,F,AP,2582,2991,0.143,0.143",
)


class Result(NamedTuple):
    """What one command did."""

    code: int
    out: str
    err: str


Run = Callable[..., Result]


def write_dataset(folder: Path, rows: tuple[str, ...] = ROWS) -> Path:
    """Write the entry table and one film."""
    (folder / "images").mkdir(parents=True)
    (folder / "Data_Entry_2017_v2020.csv").write_text("\n".join((HEADER, *rows, "")), encoding="utf-8")
    Image.new("L", (32, 32), 90).save(folder / "images" / "00000003_000.png")
    return folder


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("tiny") / "nih")


@pytest.fixture(scope="session")
def tiny_cache(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    cache = tmp_path_factory.mktemp("tiny_cache")
    assert main(["index", str(tiny_folder), "--source", "nih", "--name", "tiny", "--cache", str(cache)]) == 0
    return cache


@pytest.fixture(scope="session")
def real_cache(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    cache = tmp_path_factory.mktemp("real_cache")
    assert main(["index", str(real_data / "nih"), "--source", "nih", "--cache", str(cache)]) == 0
    return cache


def _runner(cache: Path | None, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*words: object) -> Result:
        capsys.readouterr()
        where = [] if cache is None else ["--cache", str(cache)]
        code = main([*where, *map(str, words)])
        return Result(code, *capsys.readouterr())

    return run


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run a command in an empty cache."""
    monkeypatch.setenv("CXRDASH_CACHE", str(tmp_path / "cache"))
    return _runner(None, capsys)


@pytest.fixture
def tiny(tiny_cache: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command beside the hand-counted dataset, indexed as 'tiny'."""
    return _runner(tiny_cache, capsys)


@pytest.fixture
def real(real_cache: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command beside the real NIH labels, indexed as 'nih'."""
    return _runner(real_cache, capsys)
