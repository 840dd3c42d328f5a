"""Faults about what was asked are misuse; faults met on the way are not; Ctrl-C is Ctrl-C."""

from __future__ import annotations

import pytest

from cxrdash.cli.faults import Misuse, as_interrupt, as_misuse
from cxrdash.errors import CxrdashError


def test_a_fault_about_what_was_asked_keeps_its_words():
    with pytest.raises(Misuse) as caught, as_misuse():
        raise CxrdashError("what", "how", details=["where"])
    assert str(caught.value) == "what\nwhere\nhow"


def test_a_fault_with_a_cause_is_no_misuse():
    with pytest.raises(CxrdashError, match="damaged") as caught, as_misuse():
        raise CxrdashError("damaged") from OSError("torn")
    assert not isinstance(caught.value, Misuse)


def test_ctrl_c_during_a_statement_is_ctrl_c():
    with pytest.raises(KeyboardInterrupt), as_interrupt():
        raise RuntimeError("Query interrupted")


def test_other_faults_pass():
    with pytest.raises(RuntimeError, match="anything else"), as_interrupt():
        raise RuntimeError("anything else")


def test_a_damaged_index_is_a_failure_not_misuse(tmp_path, command):
    folder = tmp_path / "cache" / "index" / "torn"
    folder.mkdir(parents=True)
    (folder / "1.duckdb").write_bytes(b"no database")
    (folder / "current.json").write_text('{"generation": "1", "file": "1.duckdb"}')
    shown = command("stat", "prevalence", "torn")
    assert shown.code == 1 and "The index of 'torn' is damaged" in shown.err and "Rebuild it" in shown.err
