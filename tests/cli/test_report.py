"""`report` writes one file in the form its name asks for, with the numbers of `stat` and `audit`."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from tests.cli.conftest import Run

QUICK = ("--without", "shortcut", "--without", "turned")


@pytest.mark.parametrize("name", ["x.html", "x.md", "x.card.md", "x.croissant.json"])
def test_each_form_is_written_whole_and_says_where(tiny: Run, tmp_path: Path, name: str) -> None:
    done = tiny("report", "tiny", "-o", tmp_path / name, *QUICK)
    assert done.code == 0 and done.out == "" and f"Report: {tmp_path / name}" in done.err
    assert [path.name for path in tmp_path.iterdir()] == [name]
    text = (tmp_path / name).read_text(encoding="utf-8")
    assert "NIH ChestX-ray14" in text.replace("\\", "") and len(text) > 3_000


def test_the_report_holds_what_stat_prints(tiny: Run, tmp_path: Path) -> None:
    tiny("report", "tiny", "-o", tmp_path / "x.html", *QUICK)
    page = (tmp_path / "x.html").read_text(encoding="utf-8")
    commands = re.findall(r"<code>python -m cxrdash (stat [^<]+)</code>.*?base64,([^\"]+)", page)
    assert len(commands) >= 5
    for command, coded in commands:
        assert tiny(*command.split(), "--format", "csv").out == base64.b64decode(coded).decode()


def test_the_verdict_is_that_of_audit(tiny: Run, tmp_path: Path) -> None:
    rows = json.loads(tiny("audit", "tiny", "--use", "test", *QUICK, "--json").out)
    assert tiny("report", "tiny", "--use", "test", "-o", tmp_path / "x.html", *QUICK).code == 0
    page = (tmp_path / "x.html").read_text(encoding="utf-8")
    fails = [row for row in rows if row["severity"] == "fail"]
    assert fails and f"<strong>{len(fails)}</strong><span>failed</span>" in page


def test_a_file_that_is_there_is_kept(tiny: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.md"
    path.write_text("mine", encoding="utf-8")
    done = tiny("report", "tiny", "-o", path, *QUICK)
    assert done.code == 2 and "is there already" in done.err and path.read_text(encoding="utf-8") == "mine"
    assert tiny("report", "tiny", "-o", path, "--force", *QUICK).code == 0
    assert path.read_text(encoding="utf-8") != "mine"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["tiny", "-o", "x.pdf"], "does not say which form"),
        (["tiny", "-o", "no/such/x.md"], "There is no folder"),
        (["tiny", "-o", "x.md", "--finding", "Masss"], "Did you mean Mass?"),
        (["tiny", "-o", "x.md", "--labels", "Hernia"], "No image is in this cohort"),
        (["tiny", "-o", "x.md", "--shareable", "--full"], "not allowed with"),
        (["tiny"], "-o/--out"),
    ],
)  # fmt: skip
def test_misuse_is_a_message(
    tiny: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = tiny("report", *words)
    assert done.code == 2 and said in done.err and not list(tmp_path.iterdir())


def test_a_handful_of_patients_cannot_be_shared(tiny: Run, tmp_path: Path) -> None:
    done = tiny("report", "tiny", "-o", tmp_path / "x.html", "--shareable")
    assert done.code == 2 and "holds 6 images" in done.err and "--full" in done.err


def test_the_command_in_the_report_makes_the_same_report(
    tiny: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["report", "tiny", "-o", "x.md", "--use", "test", "--view", "PA", "--purpose", "Find 'it'", *QUICK]
    tiny(*words)
    import html
    import shlex

    tiny(*words[:3], "x.html", *words[4:])
    page = html.unescape((tmp_path / "x.html").read_text(encoding="utf-8"))
    found = re.search(r"<b>Made again by:</b> python -m cxrdash (report .*?)</p>", page)
    assert found
    before = (tmp_path / "x.html").read_bytes()
    assert tiny(*shlex.split(found[1]), "--force").code == 0
    assert (tmp_path / "x.html").read_bytes() == before
