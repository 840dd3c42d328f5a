"""Any table that names the dataset's images becomes a reader of their findings, and what it leaves is said."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrdash.config import Cache
from cxrdash.errors import CxrdashError
from cxrdash.index.build import LoadAudit, Request, build_index
from cxrdash.index.store import Index, open_index
from cxrdash.labels.findings import Finding
from cxrdash.sources.second_opinion import spellings_of
from tests.datasets import chexpert_row, nih_row, write_chexpert, write_nih

READINGS = "SELECT image_id, finding, state FROM readings JOIN images USING (image) WHERE reader = 'Dr A' ORDER BY ALL"


def film(patient: int) -> str:
    return f"{patient:08d}_000.png"


@pytest.fixture
def nih(tmp_path: Path) -> Path:
    """Three NIH images."""
    return write_nih(tmp_path / "nih", [nih_row(patient) for patient in (1, 2, 3)])


def table(folder: Path, *lines: str, name: str = "second.csv") -> Path:
    path = folder / name
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def index(folder: Path, *opinions: Path, reader: str = "Dr A") -> tuple[LoadAudit, Index]:
    cache = Cache(folder.with_name("cache"))
    pairs = tuple((reader if at == 0 else f"{reader} {at}", path) for at, path in enumerate(opinions))
    audit = build_index(Request(folder, name="d", second_opinions=pairs), cache)
    return audit, open_index("d", cache)


def aside(audit: LoadAudit) -> list[tuple[Any, ...]]:
    return [(row["line"], row["column_name"], row["value"], row["reason"]) for row in audit.set_aside]


def refusal(folder: Path, *opinions: Path, reader: str = "Dr A") -> str:
    with pytest.raises(CxrdashError) as caught:
        index(folder, *opinions, reader=reader)
    return str(caught.value)


def test_columns_named_as_findings_are_read_in_every_spelling(nih: Path, tmp_path: Path) -> None:
    second = table(
        tmp_path,
        "image,Mass,pleural thickening,Pneumothorax,Edema",
        f"{film(1)},1,YES,positive,-1.0",
        f"{film(2)},0.0,no,Negative,uncertain",
        f"{film(3)},,True,FALSE, ",
    )
    audit, found = index(nih, second)
    assert found.rows(READINGS) == [
        (film(1), "Edema", "uncertain"),
        (film(1), "Mass", "positive"),
        (film(1), "Pleural_Thickening", "positive"),
        (film(1), "Pneumothorax", "positive"),
        (film(2), "Edema", "uncertain"),
        (film(2), "Mass", "negative"),
        (film(2), "Pleural_Thickening", "negative"),
        (film(2), "Pneumothorax", "negative"),
        (film(3), "Pleural_Thickening", "positive"),
        (film(3), "Pneumothorax", "negative"),
    ]
    assert "second.csv: the column 'image' names 3 images of this dataset, matched as it is written." in audit.notes
    assert "second.csv: read 'pleural thickening' as Pleural_Thickening." in audit.notes
    assert "second.csv: 10 second opinions (reader Dr A) on 3 images." in audit.notes
    (file,) = [file for file in audit.files if file["file"] == str(second)]
    assert (file["records"], file["indexed"], file["set_aside"], file["counts_images"]) == (3, 3, 0, False)
    assert file["recognised_as"] == "second opinion (Dr A)"


def test_the_images_of_the_dataset_do_not_change(nih: Path, tmp_path: Path) -> None:
    audit, found = index(nih, table(tmp_path, "image,Mass", f"{film(1)},1"))
    assert audit.counts["images"] == 3
    assert found.rows("SELECT DISTINCT finding::VARCHAR FROM patterns WHERE state::VARCHAR = 'positive'") == [
        ("No Finding",)
    ]


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("{}.png", "as it is written"),
        ("{}", "without the file's ending"),
        ("{}.JPEG", "without the file's ending"),
        ("images_001/images/{}.png", "by the file's name alone"),
        ("C:\\films\\{}.dcm", "by the file's name alone"),
    ],
)
def test_images_are_matched_by_what_the_values_say(nih: Path, tmp_path: Path, written: str, words: str) -> None:
    rows = [f"{number},{written.format(film(number)[:-4])},1" for number in (1, 2)]
    audit, found = index(nih, table(tmp_path, "number,where,Mass", *rows))
    assert found.rows(READINGS) == [(film(1), "Mass", "positive"), (film(2), "Mass", "positive")]
    assert f"second.csv: the column 'where' names 2 images of this dataset, matched {words}." in audit.notes


def test_chexpert_films_are_matched_by_their_paths(tmp_path: Path) -> None:
    folder = write_chexpert(tmp_path / "chexpert", [chexpert_row(1), chexpert_row(1, view=2), chexpert_row(2)])
    rows = [f"other/{part}/patient0000{n}/study1/view1_frontal.jpg,1" for n, part in ((1, "train"), (2, "b"))]
    audit, found = index(folder, table(tmp_path, "Path,Edema", *rows))
    assert [image for image, *_ in found.rows(READINGS)] == [
        "train/patient00001/study1/view1_frontal.jpg",
        "train/patient00002/study1/view1_frontal.jpg",
    ]
    assert "names 2 images of this dataset, matched as the path of a film" in "\n".join(audit.notes)


def test_names_that_several_images_share_name_none(tmp_path: Path) -> None:
    folder = write_chexpert(tmp_path / "chexpert", [chexpert_row(1), chexpert_row(2)])
    assert "no column holds the image ids" in refusal(folder, table(tmp_path, "Path,Edema", "view1_frontal.jpg,1"))


def test_the_column_that_names_most_images_is_the_id(nih: Path, tmp_path: Path) -> None:
    second = table(tmp_path, "first film,film,Mass", f"{film(1)},{film(2)},1", f"{film(1)},{film(3)},0")
    _, found = index(nih, second)
    assert found.rows(READINGS) == [(film(2), "Mass", "positive"), (film(3), "Mass", "negative")]


def test_rows_and_values_that_cannot_be_used_are_listed(nih: Path, tmp_path: Path) -> None:
    second = table(
        tmp_path,
        "image,Mass,Edema",
        f"{film(1)},maybe,1",
        f"{film(9)},1,1",
        ",1,1",
        f"{film(2)},1,0",
        f"{film(2)},1,0",
        f"{film(3)},1,0",
        f"{film(3)},1,1",
    )
    audit, found = index(nih, second)
    known = "not one of 1, 0, -1, yes, no, positive, negative, uncertain and blank"
    assert aside(audit) == [
        (2, "Mass", "maybe", known),
        (3, "image", film(9), "the image is not in this dataset"),
        (4, "image", None, "the image id is missing"),
        (6, "image", film(2), "repeats an earlier row; the first was kept"),
        (7, "image", film(3), "the same image stands in rows that differ; none was chosen"),
        (8, "image", film(3), "the same image stands in rows that differ; none was chosen"),
    ]
    assert found.rows(READINGS) == [(film(2), "Edema", "negative"), (film(2), "Mass", "positive")]


def test_findings_the_dataset_lacks_are_read_where_they_say_yes_and_no(nih: Path, tmp_path: Path) -> None:
    second = table(
        tmp_path,
        "image,Rib fracture,Ward,Follow,Empty,Mass",
        f"{film(1)},YES,north,0,,1",
        f"{film(2)},no,south,1,,0",
        f"{film(3)},perhaps,yes,1,,0",
    )
    audit, found = index(nih, second)
    assert [row for row in found.rows(READINGS) if row[1] != "Mass"] == [
        (film(1), "Rib fracture", "positive"),
        (film(2), "Rib fracture", "negative"),
    ]
    assert [row[:3] for row in aside(audit)] == [(4, "Rib fracture", "perhaps")]
    assert "second.csv: columns that are no labels of this dataset: Ward, Follow, Empty." in audit.notes


@pytest.mark.parametrize(
    ("cells", "named"),
    [
        (("Mass|Edema", "Edema", "No Finding"), {(1, "Mass"), (1, "Edema"), (2, "Edema"), (3, "No Finding")}),
        (("mass;edema", "EDEMA", ""), {(1, "Mass"), (1, "Edema"), (2, "Edema")}),
        (("\"['Mass', 'Edema']\"", "['Edema']", "[]"), {(1, "Mass"), (1, "Edema"), (2, "Edema")}),
    ],
)
def test_a_column_may_list_findings(nih: Path, tmp_path: Path, cells: tuple[str, ...], named: set[Any]) -> None:
    rows = [f"{film(at)},{cell},note {at}" for at, cell in enumerate(cells, start=1)]
    audit, found = index(nih, table(tmp_path, "image,said,remark", *rows))
    readings = found.rows(READINGS)
    assert {(int(image[:8]), finding) for image, finding, state in readings if state == "positive"} == named
    judged = {finding for _, finding in named}
    images = {int(image[:8]) for image, *_ in readings}
    assert len(readings) == len(judged) * len(images)
    assert (3 in images) == bool(cells[2].strip("[]"))
    assert f"'said' lists findings; of the {len(judged)} that it ever names" in "\n".join(audit.notes)


def test_an_unknown_word_in_a_list_is_named(nih: Path, tmp_path: Path) -> None:
    second = table(tmp_path, "image,said", f"{film(1)},Mass|Edema", f"{film(2)},Mass|Flu", f"{film(3)},Mass")
    audit, found = index(nih, second)
    assert aside(audit) == [(3, "said", "Flu", "not a finding of this dataset")]
    assert found.rows(READINGS) == [
        (film(1), "Edema", "positive"),
        (film(1), "Mass", "positive"),
        (film(3), "Edema", "negative"),
        (film(3), "Mass", "positive"),
    ]


def test_no_finding_in_a_list_denies_what_the_list_judges(tmp_path: Path) -> None:
    spellings = spellings_of([Finding("Mass", "Mass")])
    assert spellings == {"mass": "Mass"}
    nih = write_nih(tmp_path / "nih", [nih_row(1), nih_row(2)])
    _, found = index(nih, table(tmp_path, "image,said", f"{film(1)},Mass", f"{film(2)},no finding"))
    assert (film(2), "Mass", "negative") in found.rows(READINGS)


def test_the_shared_vocabulary_is_understood_where_one_finding_has_it() -> None:
    findings = [
        Finding("Effusion", "Effusion", harmonised="Pleural Effusion"),
        Finding("Nodule", "nodule", harmonised="Nodule"),
        Finding("Nodules", "multiple nodules", harmonised="Nodule"),
    ]
    assert spellings_of(findings) == {
        "effusion": "Effusion",
        "pleuraleffusion": "Effusion",
        "nodule": "Nodule",
        "nodules": "Nodules",
        "multiplenodules": "Nodules",
    }


def test_a_datasets_own_name_goes_before_the_shared_one(nih: Path, tmp_path: Path) -> None:
    second = table(tmp_path, "image,Pleural Effusion,Effusion", f"{film(1)},0,1", f"{film(2)},1,1")
    audit, found = index(nih, second)
    assert found.rows(READINGS) == [(film(1), "Effusion", "positive"), (film(2), "Effusion", "positive")]
    assert "columns that are no labels of this dataset: Pleural Effusion." in "\n".join(audit.notes)


def test_a_table_in_the_datasets_own_folder_is_only_an_opinion(nih: Path) -> None:
    edited = write_nih(nih, [nih_row(1, labels="Mass"), nih_row(2)])
    entries = edited / "Data_Entry_2017_v2020.csv"
    copy = edited / "mine.csv"
    copy.write_text(entries.read_text().replace("Mass", "Edema"))
    audit, found = index(edited, copy)
    assert audit.counts["images"] == 2
    assert ("Edema", "positive") in {row[1:] for row in found.rows(READINGS)}
    assert "not recognised" not in "\n".join(audit.notes)


def test_several_readers_stand_side_by_side(nih: Path, tmp_path: Path) -> None:
    one = table(tmp_path, "image,Mass", f"{film(1)},1", name="one.csv")
    two = table(tmp_path, "image,Mass", f"{film(1)},0", name="two.csv")
    _, found = index(nih, one, two)
    assert found.rows("SELECT reader, state FROM readings ORDER BY ALL") == [
        ("Dr A", "positive"),
        ("Dr A 1", "negative"),
    ]


def test_a_table_without_image_ids_or_labels_is_refused(nih: Path, tmp_path: Path) -> None:
    message = refusal(nih, table(tmp_path, "image,Mass", "someone.png,1"))
    assert "second.csv: no column holds the image ids of this dataset." in message
    assert f"One column must name the images, as '{film(1)}' does." in message
    message = refusal(nih, table(tmp_path, "image,score", f"{film(1)},0.7"))
    assert "second.csv: no column is named as a finding of this dataset, and none lists findings." in message
    assert "Name the columns as the findings: Atelectasis, Cardiomegaly" in message


@pytest.mark.parametrize("reader", ["", "  ", "x" * 41, "a\nb"])
def test_a_reader_needs_a_usable_name(nih: Path, tmp_path: Path, reader: str) -> None:
    second = table(tmp_path, "image,Mass", f"{film(1)},1")
    assert "cannot be the name of a reader" in refusal(nih, second, reader=reader)


def test_names_and_files_given_twice_are_refused(nih: Path, tmp_path: Path) -> None:
    second = table(tmp_path, "image,Mass", f"{film(1)},1")
    cache = Cache(tmp_path / "cache")
    with pytest.raises(CxrdashError, match=r"second\.csv is given twice"):
        build_index(Request(nih, second_opinions=(("a", second), ("b", second))), cache)
    other = table(tmp_path, "image,Mass", f"{film(1)},1", name="other.csv")
    with pytest.raises(CxrdashError, match=r"Two second opinions are called 'a'"):
        build_index(Request(nih, second_opinions=(("a", second), ("a", other))), cache)


def test_a_reader_the_dataset_has_already_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "nih"
    write_nih(folder, [nih_row(1)])
    header = (folder / "Data_Entry_2017_v2020.csv").read_text().splitlines()[0]
    table(folder, f"{header},Fracture,Pneumothorax,Airspace opacity,Nodule or mass", f"{nih_row(1)},NO,NO,NO,NO")
    second = table(tmp_path, "image,Mass", f"{film(1)},1", name="mine.csv")
    assert "The dataset has a reader 'google_2019' already." in refusal(folder, second, reader="google_2019")


@settings(max_examples=12)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from([film(1), film(2), film(3), "00000002_000", "no.png", ""]),
            st.sampled_from(["1", "0", "-1", "", "yes", "?"]),
            st.sampled_from(["0.0", "1.0", ""]),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_every_row_is_read_or_listed(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]]) -> None:
    folder = tmp_path_factory.mktemp("every")
    second = folder / "second.csv"
    with second.open("w", newline="") as file:
        # The first row makes sure that the first column is the id, by its exact spelling.
        csv.writer(file).writerows([("image", "Mass", "Edema"), (film(3), "1", "1"), *rows])
    nih = write_nih(folder / "nih", [nih_row(patient) for patient in (1, 2, 3)])
    audit, found = index(nih, second)
    told = [(film(3), "1", "1"), *rows]
    # Only one way of writing an id counts: the one that finds more images, the exact one among equals.
    exact = {image for image, *_ in told if image in {film(1), film(2), film(3)}}
    stems = {image.removesuffix(".png") for image, *_ in told} & {film(n)[:-4] for n in (1, 2, 3)}
    ids = {film(n): film(n) for n in (1, 2, 3)}
    if len(stems) > len(exact):
        ids |= {"00000002_000": film(2)}
    states = {
        "1": "positive",
        "1.0": "positive",
        "yes": "positive",
        "0": "negative",
        "0.0": "negative",
        "-1": "uncertain",
    }
    versions: dict[str, list[tuple[str, ...]]] = {}
    for image, *cells in told:
        if image in ids:
            versions.setdefault(ids[image], []).append(tuple(states.get(cell, cell) for cell in cells))
    kept = {image: cells[0] for image, cells in versions.items() if len(set(cells)) == 1 and "?" not in cells[0]}
    expected = Counter(
        (image, finding, state)
        for image, cells in kept.items()
        for finding, state in zip(("Mass", "Edema"), cells, strict=True)
        if state
    )
    sure = {image for image, cells in versions.items() if not any("?" in cell for cell in cells)}
    assert Counter(row for row in found.rows(READINGS) if row[0] in sure) == Counter(
        {row: times for row, times in expected.items() if row[0] in sure}
    )
    (file,) = [file for file in audit.files if not file["counts_images"]]
    assert file["records"] == len(told) == file["indexed"] + file["set_aside"]


@pytest.mark.real_data
def test_the_google_relabels_given_by_hand_equal_those_found(real_data: Path, tmp_path: Path) -> None:
    relabels = real_data / "nih" / "google2019_nih-chest-xray-labels.csv.gz"
    (folder := tmp_path / "alone").mkdir()
    shutil.copy(real_data / "nih" / "Data_Entry_2017_v2020.csv.gz", folder)
    cache = Cache(tmp_path / "cache")
    build_index(Request(real_data / "nih", name="found"), cache)
    build_index(Request(folder, name="given", second_opinions=(("google", relabels),)), cache)
    counted = "SELECT finding, state, count(*) FROM readings GROUP BY ALL ORDER BY ALL"
    given = open_index("given", cache).rows(counted)
    assert given == open_index("found", cache).rows(counted) and len(given) == 8
