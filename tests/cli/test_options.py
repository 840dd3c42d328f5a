"""The command line reads back what a cohort writes, and options of a statistic by their types."""

from __future__ import annotations

import argparse
import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrdash.analysis import STATISTICS
from cxrdash.cli.faults import Misuse
from cxrdash.cli.options import OWN_OPTIONS, cohort_of, typed_options
from cxrdash.cli.parser import build, parse
from cxrdash.cli.verbs import VERBS
from cxrdash.index.cohort import Cohort

PARSER = build(VERBS, "0")
odd = st.sampled_from(["-1", "-", "--view", "--view=PA", "a=b", "-n", "--help"])
# argparse drops the value "--", which no dataset has.
texts = odd | st.text(st.characters(codec="utf-8"), max_size=12).filter(lambda text: text != "--")
several = st.lists(texts, max_size=3).map(tuple)
bounds = st.none() | st.tuples(st.integers(-1, 130), st.integers(-1, 130))
cohorts = st.builds(
    Cohort,
    splits=several,
    views=several,
    sexes=several,
    ages=bounds,
    labels=texts,
    readings=several,
    annotations=several,
    images=several,
    patient=texts,
    images_per_patient=bounds,
    on_disk=st.booleans(),
    one_per_patient=st.sampled_from(["", "first", "last", "random"]),
    seed=st.integers(-5, 2**40),
)


def parsed(*words: str) -> argparse.Namespace:
    return parse(PARSER, words)


@given(cohorts)
def test_a_cohort_survives_the_command_line(cohort):
    assert cohort_of(parsed("stat", "prevalence", "nih", *cohort.arguments())) == cohort
    assert cohort_of(parsed("sample", *cohort.arguments(), "nih")) == cohort


def test_a_single_age_is_a_range_of_one_year():
    assert cohort_of(parsed("stat", "ages", "nih", "--age", "40")).ages == (40, 40)


def test_the_cache_may_stand_before_or_after_the_verb():
    assert parsed("--cache", "here", "datasets").cache == "here"
    assert parsed("datasets", "--cache", "here").cache == "here"
    assert parsed("datasets").cache is None


def test_json_is_short_for_its_format():
    assert parsed("datasets", "--json").format == "json" and parsed("datasets").format == "table"


def example(index, cohort=None, *, top: int = 0, share: float = 0.5, by: str = "view", sizes=(1, 2), policy="x"):
    """Stand in for a statistic with an option of every type."""


@pytest.mark.parametrize(
    ("setting", "read"),
    [
        ("top=3", {"top": 3}),
        ("share=1", {"share": 1.0}),
        ("by=a=b", {"by": "a=b"}),
        ("by=", {"by": ""}),
        ("sizes=10", {"sizes": (10,)}),
        ("sizes=(10, 20)", {"sizes": (10, 20)}),
        ("sizes=(10,)", {"sizes": (10,)}),
    ],
)
def test_options_are_read_by_the_type_of_their_default(setting, read):
    found = typed_options("example", example, [setting])
    assert found == read and [type(value) for value in found.values()] == [type(value) for value in read.values()]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("tpo=3", "example has no option 'tpo'.\nKnown: top=0, share=0.5, by=view, sizes=1,2."),
        ("top=three", "top=three is not understood: it takes whole number.\nFor example --set top=0"),
        ("sizes=1,x", "it takes whole numbers separated by commas.\nFor example --set sizes=1,2"),
        ("top", "--set top has no value.\nWrite --set top=0."),
        ("policy=U-Ones", "--set policy is not understood.\nUse --policy VALUE."),
    ],
)
def test_options_that_cannot_be_meant_name_the_known_ones(setting, said):
    with pytest.raises(Misuse) as caught:
        typed_options("example", example, [setting])
    assert said in str(caught.value)


@pytest.mark.parametrize("name", STATISTICS)
def test_every_option_of_every_statistic_can_be_written(name):
    function = STATISTICS[name].function
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is not parameter.KEYWORD_ONLY or parameter.name in OWN_OPTIONS:
            continue
        default = parameter.default
        text = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
        assert typed_options(name, function, [f"{parameter.name}={text}"]) == {parameter.name: default}
