"""What all tests share: the real data where it is present, and a cache of their own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

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
