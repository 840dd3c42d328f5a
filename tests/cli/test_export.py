"""`export` writes a cohort for training code and prints the digests of what it wrote."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run


def test_the_cohort_is_written_and_its_digests_printed(tiny: Run, tmp_path: Path) -> None:
    out = tmp_path / "x"
    done = tiny("export", "tiny", "--view", "PA", "--format", "csv,txrv", "-o", out)
    assert done.code == 0 and "Manifest:" in done.err
    for line in done.out.splitlines():
        digest, path = line.split("  ")
        assert hashlib.sha256(Path(path).read_bytes()).hexdigest() == digest
    with (out / "csv" / "cohort.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image_id"] for row in rows] == ["00000001_000.png", "00000001_001.png", "00000002_000.png"]
    assert [row["Cardiomegaly"] for row in rows] == ["positive", "positive", "negative"]
    assert (out / "txrv" / "Data_Entry_2017_v2020.csv").read_text(encoding="utf-8").count("\n") == 4


def test_json_is_the_manifest(tiny: Run, tmp_path: Path) -> None:
    done = tiny("export", "tiny", "-o", tmp_path / "x", "--json")
    assert json.loads(done.out) == json.loads((tmp_path / "x" / "manifest.json").read_text(encoding="utf-8"))


def test_the_command_in_the_manifest_writes_the_same_files(tiny: Run, tmp_path: Path) -> None:
    import shlex

    tiny("export", "tiny", "--labels", "Effusion AND NOT Edema", "--format", "parquet,monai", "-o", tmp_path / "x")
    made = json.loads((tmp_path / "x" / "manifest.json").read_text(encoding="utf-8"))
    done = tiny(*shlex.split(made["command"])[3:], "--force", "--json")
    assert done.code == 0 and json.loads(done.out)["files"] == made["files"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--format", "xlsx"], "'xlsx' is not a format"),
        (["--labels", "Hernia"], "nothing to export"),
        (["--policy", "U-Two"], "Unknown uncertainty policy"),
        (["--shareable", "--format", "hf"], "names films"),
    ],
)
def test_misuse_is_a_message_and_writes_nothing(tiny: Run, tmp_path: Path, words: list[str], said: str) -> None:
    done = tiny("export", "tiny", "-o", tmp_path / "x", *words)
    assert done.code == 2 and said in done.err and not list(tmp_path.iterdir())


def test_what_is_in_the_way_is_kept(tiny: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    done = tiny("export", "tiny", "-o", tmp_path, "--force")
    assert (done.code == 2 and "notes.txt" in done.err) or "manifest.json is missing" in done.err
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "mine"
