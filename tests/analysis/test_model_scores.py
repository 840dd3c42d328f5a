"""A model's scores: matched with the images however they are named, ranked against the label, refused in words."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrdash.analysis.image_numbers import match_words, read_image_numbers
from cxrdash.analysis.model_scores import doubted
from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort
from cxrdash.index.store import Index
from cxrdash.labels.states import State
from tests.datasets import chexpert_row, indexed, nih_row, write_chexpert, write_nih

PATIENTS = 12


@pytest.fixture(scope="module")
def nih(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """Twelve films; those of the first five patients are labelled Effusion."""
    rows = [nih_row(patient, 0, "Effusion" if patient <= 5 else "No Finding") for patient in range(1, PATIENTS + 1)]
    return indexed(write_nih(tmp_path_factory.mktemp("scores") / "nih", rows), "nih")


def image(patient: int) -> str:
    return f"{patient:08d}_000.png"


def csv(rows: dict[str, list[object]], separator: str = ",") -> bytes:
    return pd.DataFrame(rows).to_csv(index=False, sep=separator).encode()


def scored(values: list[float]) -> dict[str, list[object]]:
    return {"image": [image(patient) for patient in range(1, len(values) + 1)], "Effusion": list(values)}


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("{}.png", "as it is written"),
        ("{}", "without the file's ending"),
        ("images_001/{}.png", "by the file's name alone"),
        (r"D:\films\{}.PNG", "by the file's name alone"),
    ],
)
def test_images_are_found_however_a_file_names_them(nih: Index, written: str, words: str) -> None:
    names = [written.format(image(patient).removesuffix(".png")) for patient in (3, 1, 99)]
    scores = read_image_numbers(nih, csv({"p": [0.25, 0.5, 0.75], "file": names}), "p.csv")
    assert scores.table["p"].to_dict() == {image(3): 0.25, image(1): 0.5}
    assert match_words(scores) == f"2 of 3 rows name an image of this dataset (column file, {words})"


def test_films_of_another_layout_are_found(tmp_path: Path) -> None:
    rows = [chexpert_row(patient, states={"Edema": State.POSITIVE}) for patient in (1, 2)]
    index = indexed(write_chexpert(tmp_path / "chexpert", rows), "chexpert")
    names = [f"/scratch/CheXpert-v1.0/train/patient{patient:05d}/study1/view1_frontal.jpg" for patient in (1, 2)]
    scores = read_image_numbers(index, csv({"Path": names, "Edema": [0.1, 0.2]}), "p.csv")
    assert scores.rule == "film" and len(scores.table) == 2


@pytest.mark.parametrize("form", ["comma", "semicolon", "tab", "mark", "parquet", "parquet index"])
def test_every_kind_of_table_holds_the_same(nih: Index, form: str) -> None:
    rows = scored([0.5, 0.25])
    frame, out = pd.DataFrame(rows), BytesIO()
    if form.startswith("parquet"):
        (frame.set_index("image") if form.endswith("index") else frame).to_parquet(out)
    content = {
        "comma": csv(rows), "semicolon": csv(rows, ";"), "tab": csv(rows, "\t"), "mark": b"\xef\xbb\xbf" + csv(rows),
    }.get(form, out.getvalue())  # fmt: skip
    found = read_image_numbers(nih, content, "scores")
    assert found.table.to_dict() == {"Effusion": {image(1): 0.5, image(2): 0.25}}


def test_identifiers_of_digits_keep_their_zeros_and_are_no_score(nih: Index) -> None:
    names = [image(patient).removesuffix("_000.png") + "_000" for patient in (1, 2)]
    found = read_image_numbers(
        nih, csv({"id": names, "fold": [0, 1], "Effusion": ["0.5", ""], "part": ["a", "b"]}), "p.csv"
    )
    assert list(found.table) == ["fold", "Effusion"]
    assert np.isnan(found.table["Effusion"].iloc[1])


def test_films_are_ranked_by_how_much_the_score_speaks_against_the_label(nih: Index) -> None:
    values = [0.9, 0.1, 0.3, float("nan"), 0.1, 0.8, 0.2, 0.8, 0.05, 0.4, 0.6, 0.7]
    scores = read_image_numbers(nih, csv(scored(values)), "p.csv").table["Effusion"]

    def films(doubt: str, cohort: Cohort | None = None, most: int = 3) -> tuple[list[int], int]:
        found = doubted(nih, cohort or Cohort(), scores, finding="effusion", doubt=doubt, most=most)  # type: ignore[arg-type]
        assert list(found.scores) == [values[int(name[:8]) - 1] for name in found.images]
        return [int(name[:8]) for name in found.images], found.of

    assert films("positive_low") == ([2, 5, 3], 4)  # patient 4 has no score; equal scores by identifier
    assert films("other_high") == ([6, 8, 12], 7)
    assert films("high", most=1) == ([1], 11)
    assert films("low", most=1) == ([9], 11)
    assert films("high", Cohort(images=(image(7), image(9)))) == ([7, 9], 2)
    assert films("positive_low", Cohort(images=(image(7),))) == ([], 0)


@given(values=st.lists(st.floats(-5, 5), min_size=1, max_size=PATIENTS), most=st.integers(1, 20))
def test_no_film_left_out_is_more_doubtful_than_one_chosen(nih: Index, values: list[float], most: int) -> None:
    scores = pd.Series(values, index=[image(patient) for patient in range(1, len(values) + 1)])
    found = doubted(nih, Cohort(), scores, finding="Effusion", doubt="high", most=most)
    assert len(found.images) == min(most, len(values)) and found.of == len(values)
    left = scores.drop(list(found.images))
    assert left.empty or left.max() <= min(found.scores)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "p.csv cannot be read as a table: No columns to parse"),
        (b"image,Effusion\n", "p.csv has no rows"),
        ("größe,p\n".encode("latin-1"), "p.csv is not UTF-8 text (byte 2)"),
        (b"image,p\n00000001_000.png,1\n00000002_000.png,1,2,3\n", "Expected 2 fields in line 3, saw 4"),
        (b"PAR1 and nothing else", "p.csv cannot be read as a table"),
        (b"image,p\nother.png,0.5\n", "No column of p.csv names images of nih"),
        (b"image,note\n00000001_000.png,good\n", "p.csv has no column of numbers"),
        (b"image,p\n00000001_000.png,0.5\n00000002_000.png,n/d\n", "p: row 3 holds 'n/d'"),
        (b"image,p\n00000001_000.png,0.5\n00000002_000.png,inf\n", "p: row 3 holds 'inf'"),
        (b"i,p\n00000001_000.png,1\n00000002_000.png,1\n00000001_000.png,0\n",
         "p.csv has several rows for 1 image: 00000001_000.png in rows 2, 4."),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_told_with_its_place(nih: Index, content: bytes, said: str) -> None:
    with pytest.raises(CxrdashError) as fault:
        read_image_numbers(nih, content, "p.csv")
    assert said in str(fault.value)
    assert fault.value.hint


@given(content=st.binary(max_size=80) | st.text(max_size=80).map(lambda text: ("image,p\n" + text).encode()))
def test_no_file_stops_the_page(nih: Index, content: bytes) -> None:
    try:
        read_image_numbers(nih, content, "p.csv")
    except CxrdashError as fault:
        assert fault.hint
