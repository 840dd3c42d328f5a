"""What all tests share: the real data where it is present, and a cache of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.capabilities import without_overrides

settings.register_profile("ci", derandomize=True, max_examples=100, deadline=None)
settings.register_profile("deep", max_examples=10_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

REAL_DATA = Path(os.environ.get("CXRDASH_REAL_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder that holds nih/ (whole label files, 208 films)."""
    if not (REAL_DATA / "nih" / "Data_Entry_2017_v2020.csv.gz").is_file():
        pytest.skip(f"real NIH files not found in {REAL_DATA}; set CXRDASH_REAL_DATA to their folder")
    return REAL_DATA


@pytest.fixture
def modes_count(tmp_path: Path) -> Iterator[None]:
    """What a file's mode forbids is forbidden, whoever runs the tests."""
    shut = tmp_path / "shut"
    shut.mkdir(mode=0o500)
    with without_overrides():
        if os.access(shut, os.W_OK, effective_ids=True):
            pytest.skip("this user may write where a file's mode forbids it")
        yield
