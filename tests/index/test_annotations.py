"""Filters on what is drawn keep the images they name, and say what they cannot read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrdash.errors import CxrdashError
from cxrdash.index.annotations import Drawn, box_of, compared, in_cell, named, parse_annotation
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import select
from cxrdash.index.store import Index
from tests.drawn import write_drawn

NAMES = Drawn(
    ("heart", "left_lung", 'odd "name" above'), ("Mass", "Lung Opacity", "a without label", "x in cell 1,1 of 2")
)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return write_drawn(tmp_path_factory.mktemp("annotations"))


def images(index: Index, *texts: str) -> list[int]:
    found = select(index, Cohort(annotations=texts)).rows("SELECT image FROM selected ORDER BY image")
    return [int(image) for (image,) in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mask quality below 0.8", [4, 6]), ("mask quality at most 0.8", [1, 4, 6]), ("mask quality above 0.9", [3]),
        ("mask quality at least 0.9", [0, 3, 5]), ("cardiothoracic ratio below 0.45", [1, 2]),
        ("cardiothoracic ratio above 0.6", [3, 4, 5]), ("area of heart above 0.4", [4]),
        ("mask of heart", [0, 1, 2, 3, 4, 5]),
        ("any mask", [0, 1, 2, 3, 4, 5, 6]), ("lungs exchanged", [6]), ("empty mask", []), ("unreadable mask", []),
        ("mask area far from the others", []), ("mask of another size than the film", []),
        ("any box", [0, 2, 4]), ("box of Mass", [0]), ("box of mass", [0]), ("box of Effusion", [2, 4]),
        ("box of Effusion without label", [2]), ("any box without label", [0, 2]), ("any box beyond the film", [2]),
        ("box of Effusion over nearly the whole film", [4]), ("any box by several readers", [0]),
        ("box of Cardiomegaly in cell 1,1 of 4", [0]), ("box of Cardiomegaly in cell 0,1 of 4", []),
        ("box of Mass in cell 1,0 of 12", [0]), ("box of Effusion in cell 11,11 of 12", [2, 4]),
    ],
)  # fmt: skip
def test_a_filter_keeps_the_images_it_names(index: Index, text: str, expected: list[int]) -> None:
    assert images(index, text) == expected
    pasted = select(index, Cohort(annotations=(text,))).written_out("SELECT count(*) FROM selected")
    assert index.rows(pasted)[0][0] == len(expected)


def test_several_filters_narrow_together(index: Index) -> None:
    assert images(index, "mask quality at least 0.8", "mask quality below 0.9") == [1, 2]
    assert images(index, "mask quality at least 0.8", "box of Mass") == [0]


numbers = st.floats(0, 1).map(lambda x: round(x, 6))
structures = st.sampled_from(NAMES.structures).map(named)
filters = st.one_of(
    st.builds(compared, st.just("mask quality") | structures.map("area of {}".format),
              st.sampled_from(["below", "above", "at least", "at most"]), numbers),
    structures.map("mask of {}".format),
    st.builds(box_of, st.sampled_from(("", *NAMES.findings)),
              st.sampled_from(["", "without label", "beyond the film", "by several readers", in_cell(3, 4, 12)])),
)  # fmt: skip


@given(filters)
def test_every_filter_that_is_written_is_read_back(text: str) -> None:
    annotation = parse_annotation(text, NAMES)
    values = dict(annotation.values)
    named = next((name for name in (*NAMES.structures, *NAMES.findings) if name == values.get("of")), None)
    assert (named is None) == ("of" not in values)
    condition, parameters = annotation.condition("drawn0")
    assert all(f"${name}" in condition for name in parameters)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("quality of masks", "says nothing of masks or boxes that is understood"),
        ("mask quality below", "says nothing"), ("mask quality below -1", "says nothing"),
        ("box of Mas", "'Mas' is no finding with boxes of this dataset"),
        ("mask of hart", "'hart' is no structure of this dataset"),
        ("box of Mass in cell 1,1 of 0", "cannot be cut into 0 by 0 cells"),
        ("box of Mass in cell 1,1 of 99", "cannot be cut into 99 by 99 cells"),
        ("'; DROP TABLE images; --", "says nothing"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said(index: Index, text: str, message: str) -> None:
    with pytest.raises(CxrdashError, match=message):
        images(index, text)


def test_the_nearest_name_is_suggested(index: Index) -> None:
    with pytest.raises(CxrdashError) as fault:
        images(index, "box of Effussion")
    assert fault.value.hint == "Did you mean Effusion?"


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_annotation(text, NAMES)
    except CxrdashError as fault:
        assert fault.message.isprintable()


def test_a_cohort_says_links_and_types_its_filters() -> None:
    cohort = Cohort(annotations=("mask quality below 0.7",)).narrow(Cohort(annotations=("box of Mass",)))
    assert cohort.words() == "images, mask quality below 0.7, box of Mass"
    assert Cohort.from_query(cohort.to_query()) == cohort
    assert cohort.arguments() == ["--annotation", "mask quality below 0.7", "--annotation", "box of Mass"]
