"""A cohort's words, link and command line say the same thing, and two cohorts narrow each other."""

from __future__ import annotations

import dataclasses
from urllib.parse import parse_qs, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
values = st.lists(texts.filter(bool), max_size=3).map(tuple)
ranges = st.none() | st.tuples(st.integers(-5, 200), st.integers(-5, 200))
cohorts = st.builds(
    Cohort,
    splits=values,
    views=values,
    sexes=values,
    attributes=values,
    ages=ranges,
    labels=texts,
    readings=values.map(lambda texts: tuple(dict.fromkeys(texts))),
    annotations=values.map(lambda texts: tuple(dict.fromkeys(texts))),
    images=values,
    patient=texts,
    images_per_patient=ranges,
    on_disk=st.booleans(),
    one_per_patient=st.sampled_from(["", "first", "last", "random"]),
    seed=st.integers(-(10**30), 10**30),
)


@given(cohorts)
def test_a_link_brings_the_cohort_back(cohort: Cohort) -> None:
    link = urlencode(cohort.to_query(), doseq=True)
    assert Cohort.from_query(parse_qs(link, keep_blank_values=True)) == cohort


def test_only_what_narrows_is_written() -> None:
    assert Cohort().to_query() == {}
    assert Cohort(sexes=("F",), ages=(40, 80)).to_query() == {"sex": ["F"], "age": ["40", "80"]}


def test_a_link_may_hold_other_parameters() -> None:
    assert Cohort.from_query({"page": ["gallery"], "view": ["PA"], "sex": []}) == Cohort(views=("PA",))


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({"age": ["forty", "80"]}, "age=forty,80"),
        ({"age": ["40"]}, "age=40"),
        ({"age": ["1", "2", "3"]}, "age=1,2,3"),
        ({"per_patient_images": ["1e3", "2"]}, "per_patient_images=1e3,2"),
        ({"pick_seed": ["x\n"]}, r"pick_seed=x\\n"),
        ({"pick_seed": ["9" * 5000]}, "pick_seed=9999"),
    ],
)
def test_a_link_that_cannot_be_meant_is_refused_by_name(query: dict[str, list[str]], shown: str) -> None:
    with pytest.raises(CxrdashError, match=f"The link parameter {shown}.* is not understood"):
        Cohort.from_query(query)


def test_an_unknown_rule_for_one_image_per_patient_is_refused() -> None:
    with pytest.raises(CxrdashError, match="'oldest' is no rule for one image per patient") as refused:
        Cohort.from_query({"one": ["oldest"]})
    assert refused.value.hint == "Use first, last or random."


def test_bounds_are_put_in_order_and_huge_ones_are_cut() -> None:
    assert Cohort(ages=(80, 40)).ages == (40, 80)
    assert Cohort.from_query({"age": ["0", "9" * 60]}).ages == (0, 10**9)


def test_everything_is_told_apart_from_a_selection() -> None:
    assert Cohort().everything
    assert Cohort(seed=7).everything
    for name, value in {"splits": ("test",), "ages": (0, 130), "labels": "Mass", "on_disk": True}.items():
        assert not dataclasses.replace(Cohort(), **{name: value}).everything


@pytest.mark.parametrize(("cohort", "words"), [
    (Cohort(), "images"),
    (Cohort(on_disk=True), "images with a file on disk"),
    (Cohort(sexes=("F",), ages=(40, 80)), "images of women aged 40 to 80"),
    (Cohort(sexes=("M",)), "images of men"),
    (Cohort(ages=(75, 130)), "images of people aged 75 or more"),
    (Cohort(sexes=("F", "unknown")), "images, sex F or unknown"),
    (Cohort(views=("PA", "AP"), splits=("train_valid",)), "images, PA or AP view, train + valid part"),
    (Cohort(labels="Mass AND NOT Edema"), "images, labelled Mass AND NOT Edema"),
    (Cohort(attributes=("site: Lei", "study_year: 2011", "site: A: B")), "images, site Lei or A: B, taken in 2011"),
    (Cohort(attributes=("label_method: Physician",)), "images, labels by Physician"),
    (Cohort(attributes=("site: x", "broken")), "images, site: x, broken"),
    (Cohort(patient="17"), "images, one patient"),
    (Cohort(images_per_patient=(11, 1000)), "images, patients with 11 to 1,000 images"),
    (Cohort(images_per_patient=(2, 2)), "images, patients with 2 images"),
    (Cohort(images=("a.png",)), "images, one by name"),
    (Cohort(images=("a.png", "b.png")), "images, 2 named one by one"),
    (Cohort(one_per_patient="first"), "images, one per patient (the first)"),
    (Cohort(one_per_patient="random", seed=5), "images, one per patient (drawn with seed 5)"),
])  # fmt: skip
def test_words(cohort: Cohort, words: str) -> None:
    assert cohort.words() == words


@pytest.mark.parametrize(("cohort", "arguments"), [
    (Cohort(), []),
    (Cohort(splits=("train", "test")), ["--split", "train", "--split", "test"]),
    (Cohort(ages=(40, 80), sexes=("F",)), ["--sex", "F", "--age", "40-80"]),
    (Cohort(labels='Mass AND NOT "Pleural Effusion"'), ["--labels", 'Mass AND NOT "Pleural Effusion"']),
    (Cohort(readings=("a: Mass", "b:")), ["--reading", "a: Mass", "--reading", "b:"]),
    (Cohort(annotations=("any box",)), ["--annotation", "any box"]),
    (Cohort(attributes=("site: Leiden",)), ["--attribute", "site: Leiden"]),
    (Cohort(images=("a.png", "b.png")), ["--image", "a.png", "--image", "b.png"]),
    (Cohort(on_disk=True, patient="yes"), ["--patient", "yes", "--on-disk"]),
    (Cohort(images_per_patient=(2, 5)), ["--per-patient-images", "2-5"]),
    (Cohort(one_per_patient="random", seed=3), ["--one", "random", "--pick-seed", "3"]),
])  # fmt: skip
def test_arguments(cohort: Cohort, arguments: list[str]) -> None:
    assert cohort.arguments() == arguments


def test_narrowing_takes_what_is_in_both() -> None:
    one = Cohort(splits=("train", "test"), ages=(0, 60), labels="Mass OR Edema", sexes=("F",))
    other = Cohort(splits=("test", "valid"), ages=(40, 90), labels="NOT Edema", views=("PA",), on_disk=True)
    assert one.narrow(other) == Cohort(
        splits=("test",), ages=(40, 60), labels="(Mass OR Edema) AND (NOT Edema)", sexes=("F",), views=("PA",),
        on_disk=True,
    )  # fmt: skip


def test_levels_of_one_attribute_are_alternatives_and_attributes_narrow_together() -> None:
    one = Cohort(attributes=("site: A", "site: B", "study_year: 2011"))
    assert one.narrow(Cohort(attributes=("site: B", "site: C"))).attributes == ("site: B", "study_year: 2011")
    assert one.narrow(Cohort(attributes=("scanner: X",))).attributes == (*one.attributes, "scanner: X")
    assert one.narrow(Cohort(attributes=("site: D",))).attributes == ("site: (none in common)", "study_year: 2011")
    with pytest.raises(CxrdashError, match="'broken' is no condition on an attribute"):
        one.narrow(Cohort(attributes=("broken",)))


@given(cohorts)
def test_narrowing_by_everything_or_by_itself_changes_nothing(cohort: Cohort) -> None:
    assert cohort.narrow(Cohort()) == dataclasses.replace(cohort, labels=cohort.labels.strip())
    itself = cohort.narrow(cohort)
    assert itself == dataclasses.replace(cohort, labels=itself.labels)
    assert itself.labels.strip() == cohort.labels.strip()


def test_what_has_nothing_in_common_selects_nothing_rather_than_everything() -> None:
    for one, other in [
        (Cohort(splits=("train",)), Cohort(splits=("test",))),
        (Cohort(ages=(0, 10)), Cohort(ages=(20, 30))),
        (Cohort(patient="1"), Cohort(patient="2")),
    ]:
        assert not one.narrow(other).everything
        assert one.narrow(other) not in (one, other)


def test_the_other_cohort_names_the_rule_with_its_seed() -> None:
    mine, rule = Cohort(one_per_patient="first", seed=4), Cohort(one_per_patient="random", seed=9)
    assert (mine.narrow(rule).one_per_patient, mine.narrow(rule).seed) == ("random", 9)
    assert (rule.narrow(Cohort(views=("PA",))).one_per_patient, rule.narrow(Cohort()).seed) == ("random", 9)
