"""What surrounds a film: counted by hand on small datasets."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxrdash.errors import CxrdashError
from cxrdash.index.draw import DrawnImage, films, image_number
from cxrdash.index.film_facts import (
    MOST_PRIORS,
    film_link,
    linked_film,
    metadata,
    stated_spacing_mm,
    study_mates,
    timeline,
)
from cxrdash.index.store import Index
from tests.datasets import chexpert_row, indexed, invent, nih_row, write_chexpert, write_nih


@pytest.fixture(scope="module")
def nih(tmp_path_factory: pytest.TempPathFactory) -> Index:
    rows = [nih_row(1, number, age="58", width="2500") for number in (2, 0, 1)]
    rows += [nih_row(2, age="411", width="2000"), *(nih_row(3, number) for number in range(MOST_PRIORS + 15))]
    return indexed(write_nih(tmp_path_factory.mktemp("facts") / "nih", rows), "nih")


@pytest.fixture(scope="module")
def chexpert(tmp_path_factory: pytest.TempPathFactory) -> Index:
    rows = [
        chexpert_row(1, 1, 1),
        chexpert_row(1, 1, 2),
        chexpert_row(1, 1, 3, position="Lateral"),
        chexpert_row(1, 2, 1),
    ]
    return indexed(write_chexpert(tmp_path_factory.mktemp("facts") / "chexpert", rows), "chexpert")


def film(index: Index, image_id: str) -> DrawnImage:
    return films(index, [image_number(index, image_id)])[0]


def ids(found: tuple[DrawnImage, ...]) -> list[str]:
    return [one.image_id.rsplit("/", 2)[-2] + "/" + one.image_id.rsplit("/", 1)[-1] for one in found]


def test_study_mates_are_the_rest_of_the_study_other_views_first(chexpert: Index) -> None:
    first = next(one for one in films(chexpert, range(4)) if one.image_id.endswith("study1/view1_frontal.jpg"))
    assert ids(study_mates(chexpert, first.image)) == ["study1/view3_lateral.jpg", "study1/view2_frontal.jpg"]


def test_without_studies_there_are_no_mates(nih: Index) -> None:
    assert study_mates(nih, image_number(nih, "00000001_000.png")) == ()


def test_a_timeline_is_in_the_dataset_s_order_whatever_the_order_of_its_rows(nih: Index) -> None:
    line = timeline(nih, image_number(nih, "00000001_001.png"))
    assert [one.image_id[-7:-4] for one in line.films] == ["000", "001", "002"]
    assert (line.place, line.first, line.of, line.ordered) == (1, 0, 3, True)


@pytest.mark.parametrize(("number", "first"), [(0, 0), (40, 10), (MOST_PRIORS + 14, 15)])
def test_a_long_timeline_is_cut_around_the_film_and_says_so(nih: Index, number: int, first: int) -> None:
    line = timeline(nih, image_number(nih, f"00000003_{number:03d}.png"))
    assert (len(line.films), line.of, line.first) == (MOST_PRIORS, MOST_PRIORS + 15, first)
    assert line.films[line.place].image_id == f"00000003_{number:03d}.png"


def test_a_film_of_an_unknown_patient_stands_alone(tmp_path: Path) -> None:
    index = invent(3, patients=2, known_patients=False).index(tmp_path / "invented")
    line = timeline(index, 0)
    assert ([one.image for one in line.films], line.place, line.of) == ([0], 0, 1)
    assert study_mates(index, 0) == ()


def test_metadata_is_an_allow_list_without_identifiers(nih: Index) -> None:
    rows = dict(metadata(nih, film(nih, "00000001_001.png")))
    assert rows == {
        "View": "PA",
        "Sex": "F",
        "Age": "58 years",
        "Part": "not stated",
        "Original film": "2,500 × 2,048 pixels",
        "Spacing of the original": "0.143 mm per pixel",
        "Images of the patient": "3",
    }


def test_an_implausible_age_is_not_shown_as_one(nih: Index) -> None:
    assert dict(metadata(nih, film(nih, "00000002_000.png")))["Age"] == "unknown (implausible)"


def test_stated_spacing_follows_the_copy_in_each_direction(nih: Index) -> None:
    image = image_number(nih, "00000001_000.png")
    assert stated_spacing_mm(nih, image, width=2500, height=2048) == pytest.approx((0.143, 0.143))
    assert stated_spacing_mm(nih, image, width=1250, height=1024) == pytest.approx((0.286, 0.286))
    assert stated_spacing_mm(nih, image, width=1024, height=1024) == pytest.approx((0.286, 0.143 * 2500 / 1024))


def test_without_a_stated_size_there_is_no_spacing(chexpert: Index) -> None:
    assert stated_spacing_mm(chexpert, 0, width=320, height=390) is None


def test_a_link_names_a_film_by_its_identifier_or_by_a_key_that_tells_nothing(nih: Index) -> None:
    one = film(nih, "00000001_002.png")
    assert film_link(nih, one, hidden=False) == "00000001_002.png"
    key = film_link(nih, one, hidden=True)
    assert "00000001" not in key
    assert linked_film(nih, key).image_id == linked_film(nih, "00000001_002.png").image_id == one.image_id


@pytest.mark.parametrize("link", ["", "~", "~xyz", "~" + "0" * 16, "nothing.png", "~'; DROP TABLE images; --"])
def test_a_link_to_no_film_says_so(nih: Index, link: str) -> None:
    with pytest.raises(CxrdashError, match="has no image"):
        linked_film(nih, link)
