"""The splits page: the given parts, built ones, and text that cannot be meant."""

from __future__ import annotations

import pytest

from cxrdash.config import Cache
from cxrdash.ui.splits import CHOICES
from tests.ui.test_pages import app, headline


@pytest.mark.parametrize("parts", CHOICES)
@pytest.mark.parametrize("dataset", ["small", "few", "states"])
def test_every_choice_runs(small_cache: Cache, monkeypatch: pytest.MonkeyPatch, dataset: str, parts: str) -> None:
    at = app(small_cache, monkeypatch, "splits", ds=dataset, s_parts=parts)
    assert not at.exception and not at.error
    assert "patient" in headline(at)


def test_the_given_parts_are_judged_first_where_there_are_any(
    small_cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = app(small_cache, monkeypatch, "splits", ds="states")
    assert headline(at).startswith("No patient stands in two of the 2 parts")
    assert any("--set parts=given" in block.value for block in at.code)


def test_own_parts_that_cannot_be_meant_are_a_message(small_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(small_cache, monkeypatch, "splits", ds="small", s_parts="Own", s_own="train=.5,test=.6")
    assert not at.exception
    assert any("sum to 1" in error.value.replace("\\", "") for error in at.error)
