"""What a page offers to copy, a command or lines of Python, gives the table of that page."""

from __future__ import annotations

import shlex
from types import SimpleNamespace

import pytest

import cxrdash
from cxrdash import analysis
from cxrdash.index.cohort import Cohort
from cxrdash.ui import show

COHORTS = (
    Cohort(),
    Cohort(sexes=("F", "M"), ages=(30, 80), labels='NOT "No Finding"', one_per_patient="random", seed=7),
    Cohort(views=("PA",), images_per_patient=(1, 2), patient="1"),
)
ASKED = (
    ("prevalence", {}),
    ("prevalence_by", {"by": "age_band"}),
    ("test_sizes", {"sensitivity": 0.8, "auc": 0.9, "half_width": 0.1}),
    ("repeat_share", {"thresholds": (1,)}),
    ("held_by", {"shares": (0.5, 0.9)}),
    ("timeline", {"patient": "3"}),
    ("pair_counts", {}),
)


def page(cohort, cache):
    """Stand in for the frame above a page, which needs a browser session."""
    policy = cxrdash.Policy("U-Ones", "excluded")
    return SimpleNamespace(index=cxrdash.open("tiny", cache), cohort=cohort, policy=policy, unit="patient")


def expected(frame, name, options):
    return analysis.compute(name, frame.index, frame.cohort, policy=str(frame.policy), unit=frame.unit, **options)


@pytest.mark.parametrize("cohort", COHORTS, ids=["all", "narrow", "one patient"])
@pytest.mark.parametrize(("name", "options"), ASKED, ids=[name for name, _ in ASKED])
def test_the_copied_command_prints_the_table(name, options, cohort, tiny, tiny_cache):
    frame = page(cohort, tiny_cache)
    words = shlex.split(show.command(frame, name, options))
    assert words[:3] == ["python", "-m", "cxrdash"]
    shown = tiny(*words[3:], "--format", "csv")
    assert shown.code == 0, shown.err
    assert shown.out == expected(frame, name, options).to_csv(index=False, lineterminator="\n")


@pytest.mark.parametrize("cohort", COHORTS, ids=["all", "narrow", "one patient"])
@pytest.mark.parametrize(("name", "options"), ASKED, ids=[name for name, _ in ASKED])
def test_the_copied_python_gives_the_table(name, options, cohort, tiny_cache, monkeypatch):
    monkeypatch.setenv("CXRDASH_CACHE", str(tiny_cache))
    frame = page(cohort, tiny_cache)
    lines, _, call = show.python(frame, name, options).rpartition("\n")
    names: dict[str, object] = {}
    exec(lines, names)
    assert eval(call, names).equals(expected(frame, name, options))
