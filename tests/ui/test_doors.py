"""A door leads to exactly what it was made for, and dataset text reaches the screen as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import OLDEST, UNBOUNDED, Cohort
from cxrdash.ui import doors
from cxrdash.ui.text import interval, listed, percent, plural, safe

words = st.text(min_size=1, max_size=12)
cohorts = st.builds(
    Cohort,
    splits=st.lists(words, max_size=2).map(tuple),
    views=st.lists(words, max_size=2).map(tuple),
    labels=st.text(max_size=20),
    patient=st.text(max_size=8),
    ages=st.none() | st.tuples(st.integers(0, 60), st.integers(60, 130)),
    images_per_patient=st.none() | st.tuples(st.integers(1, 5), st.integers(5, 99)),
)


@given(cohorts)
def test_a_door_and_its_link_lead_back_to_the_same_cohort(cohort: Cohort) -> None:
    assert doors.narrowing_of(doors.door(cohort)) == cohort
    assert doors.narrowing_from(doors.gallery_query(cohort)) == cohort


def test_levels_narrow_together() -> None:
    token = doors.levels({"sex": "F", "view": "PA", "age_band": "75+", "split": "test"}, labels="Hernia")
    assert doors.narrowing_of(token) == Cohort(
        sexes=("F",), views=("PA",), splits=("test",), ages=(75, OLDEST), labels="Hernia"
    )


@pytest.mark.parametrize(
    ("band", "ages"), [("0-17", (0, 17)), ("40-59", (40, 59)), ("75+", (75, OLDEST)), ("unknown", None)]
)
def test_an_age_band_is_a_range_of_whole_years(band: str, ages: tuple[int, int] | None) -> None:
    assert doors.narrowing_of(doors.level("age_band", band)).ages == ages


def test_patients_are_counted_by_the_unit_of_the_chart() -> None:
    assert doors.narrowing_of(doors.patients_with(11, UNBOUNDED)).images_per_patient == (11, UNBOUNDED)
    assert doors.narrowing_of(doors.patients_with(2, 3, unit="study")).studies_per_patient == (2, 3)


def test_a_damaged_token_is_one_clear_message() -> None:
    with pytest.raises(CxrdashError, match="damaged"):
        doors.narrowing_of("{not json")


@given(st.text(max_size=60))
def test_markup_in_dataset_text_is_escaped(text: str) -> None:
    shown = safe(text)
    bare = shown.replace("\\\\", "")
    for sign in "`*_[]<>!|$":
        assert f"\\{sign}" in bare or sign not in bare
    assert "\n" not in shown


def test_numbers_read_as_the_page_needs_them() -> None:
    assert percent(0.072229) == "7.2%"
    assert percent(float("nan")) == "–"
    assert interval(0.1729, 0.1820) == "17.3–18.2%"
    assert interval(0.0005, 0.0011) == "0.05–0.11%"
    assert interval(float("nan"), 1.0) == "undefined"
    assert plural(1, "patient") == "1 patient"
    assert plural(2225, "patient") == "2,225 patients"
    assert listed(["a", "b", "c"]) == "a, b and c"
