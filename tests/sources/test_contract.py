"""What holds for every source: the staging tables say only what the contract allows, and no row is lost."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrdash.errors import CxrdashError
from cxrdash.labels.states import SPELLINGS
from cxrdash.sources.base import STAGING_TABLES, Claim, Staged
from cxrdash.sources.registry import source_named

INVENTED = Path(__file__).resolve().parents[1] / "data"
VIEWS = {"PA", "AP", "AP_SUPINE", "FRONTAL_UNKNOWN", "LATERAL", "LATERAL_DECUBITUS", "OBLIQUE", "OTHER", "UNKNOWN"}
ALLOWED = {
    "view FROM staged_images": VIEWS,
    "sex FROM staged_images": {"F", "M", "other", "unknown"},
    "age_flag FROM staged_images": {None, "top_coded", "placeholder", "implausible"},
    "split FROM staged_images": {None, "train", "valid", "test", "train_valid"},
    "state FROM staged_labels": set(SPELLINGS) - {"blank"},
    "state FROM staged_readings": set(SPELLINGS) - {"blank"},
    "what FROM staged_set_aside": {"row", "value"},
}
TABLES = {
    "nih": ("entries", "Data_Entry_2017_v2020.csv"),
    "chexpert": ("images", "train.csv"),
    "mimic": ("metadata", "mimic-cxr-2.0.0-metadata.csv"),
    "padchest": ("images", "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv"),
    "openi": ("xml", "ecgen-radiology/2.xml"),
    "vindr": ("labels", "annotations/image_labels_train.csv"),
    "rsna": ("labels", "stage_2_train_labels.csv"),
    "siim": ("masks", "train-rle.csv"),
    "candid": ("pneumothorax", "Pneumothorax_reports.csv"),
}


@pytest.mark.parametrize("name", TABLES)
def test_only_declared_values_are_staged(stage: Callable[..., Any], name: str) -> None:
    staging = stage(INVENTED / name)
    for column, allowed in ALLOWED.items():
        assert set(staging.column(f"SELECT DISTINCT {column}")) <= allowed, column
    findings = {finding.name for finding in staging.staged.findings}
    for table in ("staged_labels", "staged_boxes"):
        assert set(staging.column(f"SELECT DISTINCT finding FROM {table}")) <= findings
    assert staging.one("SELECT count(*) FROM staged_images WHERE image_id IS NULL OR file_key IS NULL") == 0
    repeated = "SELECT labels, finding FROM staged_labels GROUP BY ALL HAVING count(*) > 1"
    assert staging.rows(repeated) == []
    conserved(staging.con, staging.staged)


def conserved(con: duckdb.DuckDBPyConnection, staged: Staged) -> None:
    """Every record of an image table is an image or set aside, and none is both."""
    for number, file in enumerate(staged.files):
        if file.counts_images:
            parts = "SELECT record FROM staged_images WHERE file = $file"
            aside = "SELECT DISTINCT record FROM staged_set_aside WHERE file = $file AND what = 'row'"
            found = con.execute(f"{parts} UNION ALL {aside} ORDER BY record", {"file": number}).fetchall()
            assert found == [(record,) for record in range(file.records)]


@pytest.mark.parametrize("name", TABLES)
@settings(max_examples=60)
@given(at=st.integers(0, 10_000), byte=st.sampled_from(b'\x00\n\r",;|\xe9\xff A1-'), allow=st.booleans())
def test_one_damaged_byte_is_refused_or_costs_no_row(name: str, at: int, byte: int, allow: bool) -> None:
    role, table = TABLES[name]
    body = bytearray((INVENTED / name / table).read_bytes())
    body[at % len(body)] = byte
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as con:
        con.execute(STAGING_TABLES)
        path = Path(folder) / Path(table).name
        path.write_bytes(body)
        try:
            staged = source_named(name).stage(con, Claim(name, {role: (path,)}), Path(folder), allow_bad_rows=allow)
        except CxrdashError as refusal:
            assert path.name in refusal.message and refusal.hint
            return
        conserved(con, staged)
