"""Datasets whose rows are masks, boxes or readings, indexed as downloaded: accounts, statistics and the gallery."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cxrdash.analysis.part_sizes import test_sizes as sizes_of_parts
from cxrdash.analysis.prevalence import prevalence
from cxrdash.index.cohort import Cohort
from cxrdash.index.draw import draw, film_path
from cxrdash.index.selection import select
from cxrdash.index.store import Index, open_index
from tests.datasets import build, cache_of, indexed

INVENTED = Path(__file__).resolve().parents[1] / "data"
# images, patients, boxes, masks, readings; then rows read and set aside by file
EXPECTED = {
    "vindr": ((5, 0, 9, 0, 252), {"labels": (11, 0), "boxes": (13, 0), "headers": (1, 0)}),
    "rsna": ((5, 0, 3, 0, 0), {"labels": (6, 0), "classes": (5, 0), "headers": (1, 0)}),
    "siim": ((4, 0, 0, 3, 0), {"masks": (5, 0), "headers": (1, 0)}),
    "candid": ((3, 2, 0, 5, 0), {"pneumothorax": (6, 2), "tube": (1, 0), "fracture": (2, 0)}),
}
FILMS = {
    "vindr": ("train/{}.dicom", "a" * 31 + "1"),
    "rsna": ("stage_2_train_images/{}.dcm", "00000001-14fd-4e49-80ba-63a80b6bddd6"),
    "siim": ("dicom-images-train/1.2/3.4/{}.dcm", "1.2.276.0.7230010.3.1.4.8323329.1001.1517875220.977481"),
    "candid": ("dataset/{}", "1.2.826.0.1.3680043.8.498.10001"),
}


@pytest.fixture(params=EXPECTED)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def index_of(name: str, tmp_path: Path) -> Index:
    folder = Path(shutil.copytree(INVENTED / name, tmp_path / name))
    pattern, image = FILMS[name]
    film = folder / pattern.format(image)
    film.parent.mkdir(parents=True)
    film.write_bytes(bytes(128) + b"DICM")
    return indexed(folder, name)


def test_every_row_is_used_or_set_aside_and_images_are_counted_once(tmp_path: Path, name: str) -> None:
    counts, files = EXPECTED[name]
    index = index_of(name, tmp_path)
    tables = ("images", "patients", "boxes", "masks", "readings")
    assert tuple(index.rows(f"SELECT count(*) FROM {table}")[0][0] for table in tables) == counts
    read = index.rows("SELECT sum(records), sum(indexed), sum(set_aside), bool_or(counts_images) FROM sources")
    records, aside = (sum(column) for column in zip(*files.values(), strict=True))
    assert read == [(records, records - aside, aside, False)]
    assert index.rows("SELECT count(*) FROM set_aside WHERE what = 'row'") == [(aside,)]


def test_the_film_of_an_image_is_found(tmp_path: Path, name: str) -> None:
    index = index_of(name, tmp_path)
    assert index.rows("SELECT image_id FROM images WHERE on_disk") == [(FILMS[name][1],)]
    (film,) = [film for film in draw(select(index), 9, seed=1, one_per_patient=False).films if film.path]
    assert film_path(index, film).is_file()


def test_prevalence_and_test_sizes_count_images(tmp_path: Path, name: str) -> None:
    index = index_of(name, tmp_path)
    images = EXPECTED[name][0][0]
    rates = prevalence(index).set_index("finding")
    states = rates[["positive", "uncertain", "negative", "blank", "not_assessed"]]
    assert (states.sum(axis=1) == images).all()
    parts = sizes_of_parts(index)
    sizes = parts.groupby("finding")["positive"].sum()
    assert sizes.to_dict() == rates["positive"].to_dict()


def test_the_gallery_draws_images_where_there_are_no_patients(tmp_path: Path, name: str) -> None:
    index = index_of(name, tmp_path)
    images, patients, *_ = EXPECTED[name][0]
    drawn = draw(select(index, Cohort()), 32, seed=1)
    assert drawn.frame == ("patients" if patients else "images")
    assert len({film.image_id for film in drawn.films}) == drawn.of == (patients or images)


def test_a_dry_run_says_the_same_and_publishes_nothing(tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(INVENTED / name, tmp_path / name))
    audit = build(folder, name, dry_run=True)
    assert audit.counts["images"] == EXPECTED[name][0][0] and not audit.published
    assert all(check["published"] for check in audit.checks)
    assert not list(cache_of(folder).index.rglob("*.duckdb"))


def test_an_images_labels_are_the_same_after_another_order_of_rows(tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(INVENTED / name, tmp_path / name))
    stated = "SELECT image_id, finding, state FROM images JOIN patterns USING (pattern) ORDER BY ALL"
    before = indexed(folder, name).rows(stated)
    for table in folder.rglob("*.csv"):
        if "Report" not in table.read_text():  # reports have line breaks inside
            header, *rows = table.read_text().splitlines()
            table.write_text("\n".join([header, *reversed(rows), ""]))
    build(folder, name)
    assert open_index(name, cache_of(folder)).rows(stated) == before
