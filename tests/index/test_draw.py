"""Random draws: uniform, the same on every machine, whatever the order of the files or the number of threads."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest
from scipy.stats import binomtest, chisquare

from cxrdash.errors import CxrdashError
from cxrdash.index import store
from cxrdash.index.cohort import Cohort
from cxrdash.index.draw import details, draw, film_path, films, image_number
from cxrdash.index.generations import Generation
from cxrdash.index.selection import select
from cxrdash.index.store import Index
from cxrdash.labels.states import State
from tests.datasets import (
    chexpert_row,
    example_a,
    indexed,
    invent,
    nih_row,
    residue,
    write_chexpert,
    write_nih,
)

DATASET = invent(21, patients=30)
SEEDS = 200


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return DATASET.index(tmp_path_factory.mktemp("draw") / "invented")


def drawn(index: Index, n: int, seed: int, cohort: Cohort | None = None, *, one_per_patient: bool = True) -> list[str]:
    return [film.image_id for film in draw(select(index, cohort), n, seed=seed, one_per_patient=one_per_patient).films]


def by_hand(index: Index, n: int, seed: int) -> list[str]:
    """The same draw from identifiers alone: patients by their residue, of each the image of least residue."""
    images: dict[str, list[str]] = {}
    for image_id, patient_id in index.rows("SELECT image_id, patient_id FROM images WHERE patient_id IS NOT NULL"):
        images.setdefault(patient_id, []).append(image_id)
    people = sorted(images, key=lambda name: residue(name, seed))[:n]
    return [min(images[name], key=lambda image_id: residue(image_id, seed)) for name in people]


@pytest.mark.parametrize("seed", [0, 1, 7, -3, 10**30])
def test_a_draw_follows_from_identifiers_and_seed_alone(index: Index, seed: int) -> None:
    assert drawn(index, 12, seed) == by_hand(index, 12, seed)
    every = sorted(DATASET.images["image_id"], key=lambda name: residue(name, seed))
    assert drawn(index, 12, seed, one_per_patient=False) == every[:12]


def test_few_of_many_images_are_those_of_least_residue(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are sought among the lowest places, and among all where those are too few."""
    for seed in range(40):
        every = sorted(DATASET.images["image_id"], key=lambda name: residue(name, seed))
        for n in (1, 2, 4):
            assert drawn(index, n, seed, one_per_patient=False) == every[:n]
    lowest = sys.modules["cxrdash.index.draw"]
    monkeypatch.setattr(lowest, "_AMONG_LOWEST", f"SELECT * FROM ({lowest._AMONG_LOWEST}) LIMIT 1")
    assert drawn(index, 4, 39, one_per_patient=False) == every[:4]


@pytest.mark.real_data
def test_a_draw_of_nih_is_the_same_for_every_number_of_threads(
    real_nih: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = by_hand(real_nih, 32, 5)
    assert drawn(real_nih, 32, 5) == expected
    for threads in (1, 2, 7):
        monkeypatch.setitem(store.LOCKED_DOWN, "threads", threads)
        copy = shutil.copy(real_nih.path, tmp_path / f"{threads}.duckdb")
        opened = Index(Generation("nih", str(threads), Path(copy)))
        assert opened.rows("SELECT current_setting('threads')") == [(threads,)]
        assert drawn(opened, 32, 5) == expected


def test_a_rebuild_from_shuffled_rows_draws_the_same(index: Index, tmp_path: Path) -> None:
    again = DATASET.shuffled(3).index(tmp_path / "invented")
    women = Cohort(sexes=("F",))
    assert drawn(again, 50, 9, women) == drawn(index, 50, 9, women)
    assert drawn(again, 50, 9, one_per_patient=False) == drawn(index, 50, 9, one_per_patient=False)


@pytest.mark.parametrize("one_per_patient", [True, False])
def test_a_smaller_draw_is_the_beginning_of_a_larger_one(index: Index, one_per_patient: bool) -> None:
    large = drawn(index, 40, 2, one_per_patient=one_per_patient)
    for n in (0, 1, 5, 18):
        assert drawn(index, n, 2, one_per_patient=one_per_patient) == large[:n]


def test_one_image_per_patient_is_drawn(index: Index) -> None:
    patients = [film.patient_id for film in draw(select(index), 1000, seed=4).films]
    assert len(patients) == len(set(patients)) == index.counts["patients"]


def test_more_than_there_are_gives_all_and_the_frame_says_how_many(index: Index) -> None:
    women = Cohort(sexes=("F",))
    counts = select(index, women).counts
    by_patient = draw(select(index, women), 10_000, seed=1)
    assert (len(by_patient.films), by_patient.of, by_patient.frame) == (
        counts["patients"],
        counts["patients"],
        "patients",
    )
    by_image = draw(select(index, women), 10_000, seed=1, one_per_patient=False)
    assert (len(by_image.films), by_image.of, by_image.frame) == (
        counts["images"],
        counts["images"],
        "images",
    )
    assert by_image.images == by_patient.images == counts["images"]


def test_an_empty_cohort_draws_nothing(index: Index) -> None:
    empty = draw(select(index, Cohort(splits=("nowhere",))), 18, seed=1)
    assert (empty.films, empty.of, empty.images) == ((), 0, 0)


def test_without_patients_images_are_drawn(tmp_path: Path) -> None:
    dataset = invent(8, known_patients=False)
    found = draw(select(dataset.index(tmp_path / "invented")), 10, seed=1)
    assert (len(found.films), found.frame, found.of) == (10, "images", len(dataset.images))


def test_every_patient_and_every_image_is_equally_likely(tmp_path: Path) -> None:
    index = indexed(example_a(tmp_path / "nih"), "nih")
    first = [draw(select(index), 1, seed=seed).films[0] for seed in range(SEEDS)]
    people = Counter(film.patient_id for film in first)
    assert chisquare([people[str(patient)] for patient in range(1, 9)]).pvalue > 0.001
    large = Cohort(patient="8")
    images = Counter(film.image for seed in range(SEEDS) for film in draw(select(index, large), 1, seed=seed).films)
    assert len(images) == 10
    assert chisquare(list(images.values())).pvalue > 0.001


def test_pairs_of_images_are_equally_likely(tmp_path: Path) -> None:
    index = indexed(write_nih(tmp_path / "nih", [nih_row(patient) for patient in range(5)]), "nih")
    pairs = Counter(frozenset(drawn(index, 2, seed)) for seed in range(SEEDS))
    assert len(pairs) == 10
    assert chisquare(list(pairs.values())).pvalue > 0.001


def test_a_draw_from_one_image_each_does_not_favour_those_with_many_images(tmp_path: Path) -> None:
    rows = [nih_row(patient, number) for patient in range(40) for number in range(9 if patient < 20 else 1)]
    index = indexed(write_nih(tmp_path / "nih", rows), "nih")
    seeds, n = range(100), 10
    drawn_films = [
        film
        for seed in seeds
        for film in draw(
            select(index, Cohort(one_per_patient="random", seed=seed)), n, seed=seed, one_per_patient=False
        ).films
    ]
    many = sum(int(film.patient_id or 0) < 20 for film in drawn_films)
    assert len(drawn_films) == len(seeds) * n
    # Half of the patients; 10 of 40 without replacement vary less than binomially.
    assert binomtest(many, len(drawn_films), 0.5).pvalue > 0.001


def test_a_caption_holds_what_the_files_say(tmp_path: Path) -> None:
    row = chexpert_row(7, states={"Edema": State.UNCERTAIN, "Fracture": State.NEGATIVE}, sex="Male", age="81")
    index = indexed(write_chexpert(tmp_path / "chexpert", [row]), "chexpert")
    (film,) = draw(select(index), 1, seed=1).films
    assert film.states == (("Edema", State.UNCERTAIN), ("Fracture", State.NEGATIVE))
    assert (film.patient_id, film.study_id, film.view, film.sex, film.age_years, film.split) == (
        "patient00007", "patient00007/study1", "AP", "M", 81, "train",
    )  # fmt: skip
    assert (film.root, film.path) == (None, None)


def test_a_film_on_disk_has_its_path_and_another_says_where_it_was_looked_for(tmp_path: Path) -> None:
    folder = write_nih(tmp_path / "nih", [nih_row(1), nih_row(2)])
    (folder / "images").mkdir()
    (folder / "images" / "00000001_000.png").write_bytes(b"png")
    index = indexed(folder, "nih")
    present, missing = films(index, [image_number(index, f"0000000{patient}_000.png") for patient in (1, 2)])
    assert film_path(index, present) == folder / "images" / "00000001_000.png"
    with pytest.raises(CxrdashError, match="not on disk") as refused:
        film_path(index, missing)
    assert refused.value.hint == f"No file for 00000002_000.png was found in {folder}."


def test_films_come_in_the_order_asked_for(index: Index) -> None:
    wanted = [5, 0, 3, 5]
    assert [film.image for film in films(index, wanted)] == wanted
    assert films(index, []) == ()


def test_an_unknown_image_is_refused_by_name(index: Index) -> None:
    with pytest.raises(CxrdashError, match=r"Invented has no image 'i99\.9\.9'"):
        image_number(index, "i99.9.9")


def test_details_leave_out_what_is_unknown(tmp_path: Path) -> None:
    index = indexed(write_chexpert(tmp_path / "chexpert", [chexpert_row(1), chexpert_row(1, 2)]), "chexpert")
    assert details(index, 1) == {"view_raw": "Frontal AP", "order_in_patient": 2, "images_of_patient": 2}
