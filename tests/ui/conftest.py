"""Datasets small enough to count by hand, an app under test, and a server with a browser on it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cxrdash.config import Cache
from cxrdash.index.build import Request, build_index
from tests.ui.watching import Server

HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)
LABELS = ("No Finding", "Effusion|Infiltration", "Infiltration", "Pneumothorax", "Effusion", "Hernia|Mass|Nodule")


def nih_rows(patients: int, images_each: int) -> list[str]:
    """Return rows in the dataset's own layout: patient p has images 0 to n - 1."""
    return [
        f"{p:08d}_{i:03d}.png,{LABELS[(p + i) % len(LABELS)]},{i},{p},{20 + p % 60},{'MF'[p % 2]},"
        f"{'PA' if i % 3 else 'AP'},2500,2048,0.168,0.168"
        for p in range(1, patients + 1)
        for i in range(images_each)
    ]


def write_nih(folder: Path, rows: list[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Data_Entry_2017_v2020.csv").write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    return folder


def chexpert_rows() -> list[str]:
    """Return CheXpert rows with every state, two parts, frontal and lateral."""
    rows = []
    for p in range(1, 61):
        part = "valid" if p > 50 else "train"
        labels = ["1.0" if p % 7 == 0 else ""] + [("1.0", "0.0", "-1.0", "")[(p + at) % 4] for at in range(13)]
        who = f"{'Female' if p % 2 else 'Male'},{18 + p}"
        for view, words in (("view1_frontal", "Frontal,AP"), ("view2_lateral", "Lateral,")):
            rows.append(f"CheXpert-v1.0-small/{part}/patient{p:05d}/study1/{view}.jpg,{who},{words},{','.join(labels)}")
    return rows


CHEXPERT_HEADER = (
    "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,"
    "Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices"
)


@pytest.fixture(scope="session")
def small_cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    """A cache with four small datasets: few (one patient), small (films missing), states (CheXpert), films."""
    from PIL import Image

    root = tmp_path_factory.mktemp("ui")
    cache = Cache(root / "cache")
    build_index(Request(write_nih(root / "small", nih_rows(60, 4)), name="small"), cache)
    build_index(Request(write_nih(root / "few", nih_rows(1, 1)), name="few"), cache)
    films = write_nih(root / "films", nih_rows(40, 1))
    for p in range(1, 41):
        picture = Image.linear_gradient("L").resize((300, 300)).point(lambda value, p=p: (value + p) % 256)
        picture.save(films / f"{p:08d}_000.png")
    (films / "00000007_000.png").write_bytes(b"not a picture")
    build_index(Request(films, name="films"), cache)
    folder = root / "chexpert"
    folder.mkdir()
    for part in ("train", "valid"):
        lines = [row for row in chexpert_rows() if f"/{part}/" in row]
        (folder / f"{part}.csv").write_text("\n".join([CHEXPERT_HEADER, *lines]) + "\n", encoding="utf-8")
    build_index(Request(folder, name="states"), cache)
    return cache


@pytest.fixture(scope="session")
def nih_cache(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Cache:
    """A cache with the whole of NIH, indexed from the real files."""
    cache = Cache(tmp_path_factory.mktemp("nih") / "cache")
    build_index(Request(real_data / "nih", name="nih"), cache)
    return cache


def browser_path() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    """A headless Chromium; without one the test skips, or fails where CXRDASH_REQUIRE_BROWSER is set."""
    path = browser_path()
    if path is None:
        message = "no Chromium on this machine (Debian: apt-get install chromium)"
        if os.environ.get("CXRDASH_REQUIRE_BROWSER"):
            pytest.fail(message)
        pytest.skip(message)
    from playwright.sync_api import sync_playwright

    quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync"]  # fmt: skip
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=quiet)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def nih_server(nih_cache: Cache) -> Iterator[Server]:
    server = Server(nih_cache).start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def small_server(small_cache: Cache) -> Iterator[Server]:
    server = Server(small_cache).start()
    yield server
    server.stop()
