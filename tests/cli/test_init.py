"""init drafts, never overwrites unasked, and says what to do next."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxrdash.sources.mapping import read_mapping

TABLE = "image,pid,Edema\n1.png,A,1\n2.png,A,0\n3.png,B,\n"


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    folder = tmp_path / "my films"
    folder.mkdir()
    (folder / "films.csv").write_text(TABLE)
    (folder / "1.png").write_bytes(b"film")
    return folder


def test_a_draft_is_written_beside_the_data_and_indexes(mine: Path, command) -> None:
    drafted = command("init", mine)
    assert drafted.code == 0 and drafted.out == f"{mine / 'cxrdash.toml'}\n"
    assert f"Next: python -m cxrdash index '{mine}' --dry-run" in drafted.err and "marked CHECK" in drafted.err
    assert read_mapping(mine / "cxrdash.toml").images.patient == "pid"
    loaded = command("index", mine)
    assert loaded.code == 0 and "3 images, 2 patients" in loaded.out and "Dataset my-films" in loaded.out
    shown = command("show", "my-films")
    assert "Labels come from: Not stated." in shown.out


def test_a_mapping_that_is_there_is_kept(mine: Path, command) -> None:
    (mine / "cxrdash.toml").write_text("# mine\n")
    refused = command("init", mine)
    assert refused.code == 1 and "is there already" in refused.err and "--force" in refused.err
    assert (mine / "cxrdash.toml").read_text() == "# mine\n"
    assert command("init", mine, "--force").code == 0
    assert "[images]" in (mine / "cxrdash.toml").read_text()


def test_a_draft_can_be_written_elsewhere(mine: Path, tmp_path: Path, command) -> None:
    elsewhere = tmp_path / "mine.toml"
    drafted = command("init", mine, "-o", elsewhere)
    assert drafted.code == 0 and f"--mapping {elsewhere}" in drafted.err
    assert sorted(path.name for path in mine.iterdir()) == ["1.png", "films.csv"]
    assert command("index", mine, "--mapping", elsewhere).code == 0


@pytest.mark.usefixtures("modes_count")
def test_a_folder_that_cannot_be_written_is_answered_with_another_place(mine: Path, command) -> None:
    mine.chmod(0o555)
    refused = command("init", mine)
    mine.chmod(0o755)
    assert refused.code == 1 and "cannot be written" in refused.err and "-o FILE" in refused.err


def test_a_place_that_is_no_folder_is_answered(mine: Path, tmp_path: Path, command) -> None:
    refused = command("init", mine, "-o", tmp_path / "nowhere" / "mine.toml")
    assert refused.code == 1 and "cannot be written" in refused.err and "Traceback" not in refused.err


def test_a_known_dataset_needs_none(tiny_folder: Path, tmp_path: Path, command) -> None:
    refused = command("init", tiny_folder, "-o", tmp_path / "nih.toml")
    assert refused.code == 1 and "NIH ChestX-ray14, which needs no mapping" in refused.err
    assert not (tmp_path / "nih.toml").exists()
    assert command("init", tiny_folder, "-o", tmp_path / "nih.toml", "--force").code == 0


def test_an_unknown_folder_is_told_of_init(mine: Path, command) -> None:
    refused = command("index", mine)
    assert refused.code == 1 and f"python -m cxrdash init '{mine}'" in refused.err


def test_a_mapping_that_is_missing_is_named(mine: Path, tmp_path: Path, command) -> None:
    refused = command("index", mine, "--mapping", tmp_path / "no.toml")
    assert refused.code == 1 and "no.toml does not exist" in refused.err
