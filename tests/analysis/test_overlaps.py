"""Films that datasets share and labels that get lost between them, in datasets counted by hand."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cxrdash import analysis
from cxrdash.analysis.overlaps import VOCABULARY
from cxrdash.config import Cache
from cxrdash.index.build import Request, build_index
from cxrdash.index.cohort import Cohort
from cxrdash.index.store import Index, open_index
from cxrdash.labels.states import State
from tests.datasets import Invented, chexpert_row, invent, nih_row, write_chexpert, write_nih

DATA = Path(__file__).resolve().parents[1] / "data"
ROWS = [nih_row(1, labels="Nodule"), nih_row(2, labels="Infiltration|Effusion"), nih_row(3), nih_row(4, view="AP")]


@pytest.fixture(scope="module")
def nih(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """NIH with four films, in one cache with a sample of two of them and a third, CheXpert, RSNA and SIIM."""
    root = tmp_path_factory.mktemp("overlaps")
    cache = Cache(root / "cache")
    devices = chexpert_row(1, states={"Support Devices": State.POSITIVE, "Lung Lesion": State.POSITIVE})
    build_index(Request(write_nih(root / "nih", ROWS), name="nih"), cache)
    build_index(Request(write_nih(root / "sample", [*ROWS[1:3], nih_row(9)]), name="sample"), cache)
    build_index(Request(write_chexpert(root / "chexpert", [devices]), name="chexpert"), cache)
    for name in ("rsna", "siim"):
        build_index(Request(DATA / name, name=name, allow_bad_rows=True), cache)
    return open_index("nih", cache)


def pair(table: pd.DataFrame, one: str, other: str) -> pd.Series:
    return table[(table["dataset_a"] == one) & (table["dataset_b"] == other)].iloc[0]


def test_shared_image_ids_are_counted(nih: Index) -> None:
    found = pair(analysis.known_overlaps(nih), "nih", "sample")
    assert (found["images_a"], found["images_b"], found["shared_ids"], found["shared_names"]) == (4, 3, 2, 2)
    assert (found["share_of_a"], found["share_of_b"]) == (0.5, pytest.approx(2 / 3))
    assert found["known"] == "same source"


def test_only_films_of_the_cohort_are_compared(nih: Index) -> None:
    found = pair(analysis.known_overlaps(nih, Cohort(views=("AP",))), "nih", "sample")
    assert (found["images_a"], found["images_b"], found["shared_ids"]) == (1, 0, 0)


@pytest.mark.parametrize("others", [("rsna", "siim"), ("siim", "rsna")])
def test_published_overlaps_are_named_whatever_the_order(nih: Index, others: tuple[str, ...]) -> None:
    table = analysis.known_overlaps(nih, others=others)
    assert pair(table, "nih", "rsna")["known"] == "rsna lies inside nih"
    assert pair(table, "nih", "siim")["known"] == "siim lies inside nih"
    assert pair(table, *others)["known"] == "some films in common"
    assert "2018.json" in pair(table, "nih", "rsna")["matched_by"]
    assert set(table["shared_ids"]) == {0}


def test_where_nothing_is_published_nothing_is_claimed(nih: Index) -> None:
    found = pair(analysis.known_overlaps(nih), "nih", "chexpert")
    assert found[["known", "says", "matched_by"]].tolist() == ["", "", ""]


def renamed(dataset: Invented, names: list[str]) -> Invented:
    images = dataset.images.assign(image_id=names).astype(object)
    return Invented(dataset.findings, images, dataset.states)


def test_names_agree_after_folder_and_ending_and_only_where_they_are_unique(tmp_path: Path) -> None:
    base = invent(3, patients=2)
    n = len(base.images)
    rest = [f"x{at}" for at in range(n - 4)]
    other = [f"y{at}" for at in range(n - 4)]
    first = renamed(base, ["a/film1.png", "a/FILM2.png", "p1/view1.jpg", "p2/view1.jpg", *rest])
    second = renamed(base, ["film1.dcm", "b/c/film2.nii.gz", "q1/view1.png", "film3.v2", *other])
    found = analysis.known_overlaps(first.index(tmp_path / "a"), others=(_second(second, tmp_path),)).iloc[0]
    assert (found["shared_ids"], found["shared_names"]) == (0, 2)


def _second(dataset: Invented, folder: Path) -> Index:
    """The dataset under another name, so that the two can stand side by side."""
    from tests.datasets import known_source

    cache = Cache(folder / "second-cache")
    with known_source():
        build_index(Request(dataset.write(folder / "second"), name="second", source="invented"), cache)
    return open_index("second", cache)


def lost(nih: Index, dataset: str, finding: str, other: str) -> pd.Series:
    table = analysis.mapping_losses(nih, others=("chexpert",))
    return table[(table["dataset"] == dataset) & (table["finding"] == finding) & (table["other"] == other)].iloc[0]


@pytest.mark.parametrize(
    ("dataset", "finding", "other", "relation", "counterpart", "positive"),
    [
        ("nih", "Effusion", "chexpert", "=", "Pleural Effusion", 1),
        ("nih", "Infiltration", "chexpert", "none", "", 1),
        ("nih", "Infiltration", VOCABULARY, "none", "", 1),
        ("nih", "Hernia", "chexpert", "none", "", 0),
        ("nih", "Nodule", "chexpert", "⊂", "Lung Lesion", 1),
        ("nih", "Nodule", VOCABULARY, "=", "Nodule", 1),
        ("chexpert", "Lung Lesion", "nih", "⊃", "Nodule or Mass", 1),
        ("chexpert", "Support Devices", "nih", "none", "", 1),
        ("nih", "No Finding", "chexpert", "~", "No Finding", 2),
    ],
)
def test_what_becomes_of_a_finding(
    nih: Index, dataset: str, finding: str, other: str, relation: str, counterpart: str, positive: int
) -> None:
    found = lost(nih, dataset, finding, other)
    assert found[["relation", "counterpart", "positive"]].tolist() == [relation, counterpart, positive]


def test_a_loss_is_said_in_words(nih: Index) -> None:
    assert lost(nih, "nih", "Nodule", "chexpert")["meaning"].endswith("Nodule and Mass become one")
    assert "Fleischner" in lost(nih, "nih", "Infiltration", "chexpert")["note"]
    assert "many to one" in lost(nih, "nih", "Nodule", "chexpert")["note"]


def test_every_finding_is_placed_once_in_the_vocabulary_and_in_every_other_dataset(nih: Index) -> None:
    table = analysis.mapping_losses(nih)
    places = table.groupby(["dataset", "finding"])["other"].agg(list)
    everywhere = ["nih", "chexpert", "rsna", "sample", "siim"]
    for (dataset, _), others in places.items():
        assert others == [VOCABULARY, *(name for name in everywhere if name != dataset)]


def test_two_datasets_of_infiltration_are_at_most_related(nih: Index) -> None:
    table = analysis.mapping_losses(nih, others=("sample",))
    found = table[(table["finding"] == "Infiltration") & (table["other"] != VOCABULARY)]
    assert found["relation"].tolist() == ["~", "~"]
    differences = analysis.compare_differences(nih, others=("sample",)).set_index("shared")["relation"]
    assert differences["Infiltration"] == "~" and differences["Nodule"] == "="


def test_shared_ids_are_listed_with_their_parts(tmp_path: Path) -> None:
    rows = [nih_row(patient) for patient in range(1, 5)]
    ids = [f"{patient:08d}_000.png" for patient in range(1, 5)]
    cache = Cache(tmp_path / "cache")
    for name, some, train in (("one", rows, ids[:3]), ("two", rows[1:], ids[1:2])):
        test = [image for image in ids[4 - len(some) :] if image not in train]
        folder = write_nih(tmp_path / name, some, train_val_list=train, test_list=test)
        build_index(Request(folder, name=name), cache)
    one, two = (open_index(name, cache) for name in ("one", "two"))
    table = analysis.shared_images(one, others=(two,))
    assert table["image_id_a"].tolist() == ids[1:]
    assert table["crosses"].tolist() == [False, True, False]
    assert len(analysis.shared_images(one, others=(two,), limit=2)) == 2
    assert analysis.shared_images(one, Cohort(labels="Hernia"), others=(two,)).empty
