"""The demo: its plan, which costs nothing, and the whole of it, written once for all tests."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cxrdash.demo import write_demo
from cxrdash.demo.plan import Plan
from cxrdash.demo.planted import plan_demo


@dataclass
class Written:
    """The demo on disk."""

    folder: Path
    told: list[tuple[float, str]]

    def table(self, name: str) -> list[dict[str, str]]:
        with (self.folder / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    @property
    def planted(self) -> dict[str, list[dict[str, str]]]:
        text: dict[str, Any] = json.loads((self.folder / "planted.json").read_text(encoding="utf-8"))
        planted: dict[str, list[dict[str, str]]] = text["planted"]
        return planted

    def film(self, image_id: str) -> Path:
        row = next(row for row in self.table("demo_images.csv") if row["image_id"] == image_id)
        return self.folder / row["film_path"]


@pytest.fixture(scope="session")
def plan() -> Plan:
    return plan_demo()


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    told: list[tuple[float, str]] = []
    folder = tmp_path_factory.mktemp("cache") / "demo"
    return Written(write_demo(folder, progress=lambda *said: told.append(said)), told)
