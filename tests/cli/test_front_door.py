"""``import cxrdash`` gives the same statistics from Python."""

from __future__ import annotations

import pytest

import cxrdash
from cxrdash.analysis import STATISTICS
from cxrdash.errors import CxrdashError


def test_open_gives_the_current_index(tiny_cache):
    index = cxrdash.open("tiny", cache=tiny_cache)
    assert isinstance(index, cxrdash.Index) and index.counts["images"] == 6


def test_open_follows_the_environment(tiny_cache, monkeypatch):
    monkeypatch.setenv("CXRDASH_CACHE", str(tiny_cache))
    assert cxrdash.open("tiny").dataset == "tiny"


def test_an_unknown_dataset_names_the_indexed_ones(tiny_cache):
    with pytest.raises(CxrdashError, match=r"No dataset named 'nih' is indexed \(indexed: tiny\)"):
        cxrdash.open("nih", tiny_cache)


def test_a_statistic_takes_cohort_and_policy(tiny_cache):
    index = cxrdash.open("tiny", tiny_cache)
    women = cxrdash.Cohort(sexes=("F",))
    for policy in ("U-Ones", cxrdash.Policy("U-Ones")):
        table = cxrdash.prevalence(index, women, policy=policy).set_index("finding")
        assert (table.loc["Effusion", "positive"], table.loc["Effusion", "of"]) == (2, 3)


@pytest.mark.parametrize("name", STATISTICS)
def test_every_statistic_is_a_function_of_the_package(name):
    assert getattr(cxrdash, name) is STATISTICS[name].function and name in dir(cxrdash)


def test_all_names_what_is_there():
    assert {"Cohort", "Policy", "Index", "open", "__version__"} == set(cxrdash.__all__) <= set(dir(cxrdash))
    assert all(hasattr(cxrdash, name) for name in cxrdash.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'cxrdash' has no attribute 'prevalense'"):
        _ = cxrdash.prevalense
