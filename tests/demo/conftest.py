"""The demo: its plan, which costs nothing, and the whole of it, written once for all tests."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from cxrdash.demo import write_demo
from cxrdash.demo.plan import Plan
from cxrdash.demo.planted import plan_demo


@dataclass(frozen=True)
class Written:
    """The demo on disk."""

    folder: Path
    told: tuple[tuple[float, str], ...]

    def table(self, name: str) -> list[dict[str, str]]:
        with (self.folder / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    @cached_property
    def planted(self) -> dict[str, list[dict[str, str]]]:
        text: dict[str, Any] = json.loads((self.folder / "planted.json").read_text(encoding="utf-8"))
        planted: dict[str, list[dict[str, str]]] = text["planted"]
        return planted

    def film(self, image_id: str) -> Path:
        return self.folder / self.paths[image_id]

    @cached_property
    def paths(self) -> dict[str, str]:
        return {row["image_id"]: row["film_path"] for row in self.table("demo_images.csv")}


@pytest.fixture(scope="session")
def plan() -> Plan:
    return plan_demo()


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    told: list[tuple[float, str]] = []
    folder = tmp_path_factory.mktemp("cache") / "demo"
    write_demo(folder, progress=lambda *said: told.append(said))
    return Written(folder, tuple(told))
