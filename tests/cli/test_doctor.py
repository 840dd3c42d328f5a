"""``doctor`` finds what keeps cxrdash from working, and exits with 1 then."""

from __future__ import annotations

import json
import shutil
from importlib import metadata

from cxrdash.cli.doctor import cache_checks, library_checks
from cxrdash.config import Cache

from .conftest import write_dataset


def found(result) -> dict[str, dict]:
    return {row["check"]: row for row in json.loads(result.out)}


def test_versions_are_compared_with_the_pinned_ones():
    version = metadata.version("pandas")
    lines = [f"pandas=={version}  # why", "pandas==0.1", "no-such-library==1.0", "# a note", "-r other.txt"]
    assert [(check.check, check.status) for check in library_checks(lines)] == [
        ("pandas", "ok"),
        ("pandas", "failed"),
        ("no-such-library", "failed"),
    ]


def test_a_wrong_version_says_what_to_install():
    (check,) = library_checks(["pandas==0.1"])
    assert check.found == f"{metadata.version('pandas')}, tested with 0.1"
    assert check.advice == "pip install pandas==0.1"


def test_everything_needed_is_checked(tiny):
    checks = found(tiny("doctor", "--json"))
    assert {"python", "duckdb", "streamlit", "images: DICOM", "images: PNG", "cache", "disk"} <= set(checks)
    assert checks["dataset tiny"]["status"] == "ok"


def test_changed_label_files_fail(tmp_path, command):
    folder = write_dataset(tmp_path / "nih")
    command("index", folder, "--source", "nih", "--name", "small")
    shutil.rmtree(folder)
    shown = command("doctor", "--json")
    assert shown.code == 1 and "checks failed." in shown.err
    assert found(shown)["dataset small"]["found"] == (
        "changed since it was indexed: Data_Entry_2017_v2020.csv (not found)"
    )


def test_a_cache_that_cannot_be_written_fails(tmp_path):
    (tmp_path / "file").write_text("")
    (check,) = cache_checks(Cache(tmp_path / "file" / "cache"))
    assert check.status == "failed" and "CXRDASH_CACHE" in check.advice
