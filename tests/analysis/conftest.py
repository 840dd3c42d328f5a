"""Fixtures of the analysis tests: invented datasets, the worked example of METHODS, and the real NIH."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cxrdash.index.store import Index
from tests.datasets import Invented, example_a, indexed, invent, real_nih

__all__ = ["real_nih"]
GOLDEN = Path(__file__).resolve().parents[1] / "data" / "nih_golden.json"


@dataclass(frozen=True)
class Pair:
    """A dataset as plain rows, and its index."""

    dataset: Invented
    index: Index


@pytest.fixture(scope="session", params=[0, 1])
def invented(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    dataset = invent(request.param, patients=40 if request.param else 15)
    return Pair(dataset, dataset.index(tmp_path_factory.mktemp("invented") / "invented"))


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """Example A of METHODS: 8 patients, 25 images, 11 of them with Effusion."""
    return indexed(example_a(tmp_path_factory.mktemp("example") / "nih"), "nih")


@pytest.fixture(scope="session")
def golden() -> dict[str, Any]:
    """Counts of the real NIH tables, computed apart from cxrdash."""
    return dict(json.loads(GOLDEN.read_text(encoding="utf-8")))
