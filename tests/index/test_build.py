"""A build publishes a whole generation or nothing, and readers keep the one they opened."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from cxrdash.config import Cache
from cxrdash.errors import CxrdashError
from cxrdash.index import generations
from cxrdash.index.build import Request, build_index
from cxrdash.index.store import open_index
from tests.datasets import (
    NIH_TABLE,
    build,
    cache_of,
    chexpert_row,
    indexed,
    nih_row,
    write_chexpert,
    write_nih,
)


def patients(folder: Path, many: int) -> Path:
    return write_nih(folder, [nih_row(patient) for patient in range(1, many + 1)])


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")}


def test_a_build_leaves_one_generation_a_pointer_and_the_lock(tmp_path: Path) -> None:
    audit = build(patients(tmp_path / "nih", 3), "nih")
    folder = cache_of(tmp_path / "nih").index / "nih"
    assert audit.published
    assert audit.path is not None and audit.path.is_file()
    assert sorted(path.name for path in folder.iterdir()) == sorted([audit.path.name, "build.lock", "current.json"])
    assert json.loads((folder / "current.json").read_text())["generation"] == audit.generation


def test_dry_run_reports_the_same_and_publishes_nothing(tmp_path: Path) -> None:
    folder = patients(tmp_path / "nih", 3)
    dry = build(folder, "nih", dry_run=True)
    assert (dry.published, dry.counts["images"]) == (False, 3)
    assert generations.datasets(cache_of(folder)) == []
    with pytest.raises(CxrdashError, match="No dataset named 'nih' is indexed"):
        open_index("nih", cache_of(folder))
    assert build(folder, "nih").counts == dry.counts


def test_dry_run_leaves_the_published_generation(tmp_path: Path) -> None:
    folder = patients(tmp_path / "nih", 3)
    first = build(folder, "nih")
    patients(folder, 4)
    assert build(folder, "nih", dry_run=True).counts["images"] == 4
    assert open_index("nih", cache_of(folder)).generation == first.generation


def test_a_failed_build_leaves_the_previous_index_and_no_rest(tmp_path: Path) -> None:
    folder = patients(tmp_path / "nih", 3)
    build(folder, "nih")
    before = listing(cache_of(folder).root)
    with (folder / NIH_TABLE).open("a") as table:
        table.write("00000009_000.png,Mass\n")
    with pytest.raises(CxrdashError, match=r"Data_Entry_2017_v2020\.csv, line 5: 2 fields where 11 were expected"):
        build(folder, "nih")
    after = listing(cache_of(folder).root)
    assert {name for name in after if "lock" not in name} == {name for name in before if "lock" not in name}
    assert open_index("nih", cache_of(folder)).counts["images"] == 3


def test_a_reader_keeps_its_generation_when_it_is_replaced_and_deleted(tmp_path: Path) -> None:
    folder = patients(tmp_path / "nih", 3)
    reader = indexed(folder, "nih")
    for many in (4, 5, 6):
        patients(folder, many)
        build(folder, "nih")
    assert not reader.path.exists()
    assert reader.rows("SELECT count(*) FROM images") == [(3,)]
    assert open_index("nih", cache_of(folder)).counts["images"] == 6
    assert len(list((cache_of(folder).index / "nih").glob("*.duckdb"))) == 2


def test_no_answer_mixes_generations_while_rebuilding(tmp_path: Path) -> None:
    folder = patients(tmp_path / "nih", 3)
    build(folder, "nih")
    done = threading.Event()
    seen: set[tuple[int, int]] = set()
    faults: list[Exception] = []

    def read() -> None:
        while not done.is_set():
            try:
                index = open_index("nih", cache_of(folder))
                seen.add((index.counts["images"], *index.rows("SELECT count(*) FROM patients")[0]))
            except Exception as fault:
                faults.append(fault)
                return

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for many in (4, 5, 6):
        patients(folder, many)
        build(folder, "nih")
    done.set()
    for reader in readers:
        reader.join()
    assert faults == []
    assert all(images == people for images, people in seen)
    assert len(seen) >= 2


def test_an_orphan_of_a_build_that_died_before_publishing_is_deleted_not_the_generation_in_use(
    tmp_path: Path,
) -> None:
    folder = patients(tmp_path / "nih", 3)
    first = build(folder, "nih").path
    assert first is not None
    orphan = first.with_name("20990101T000000.000000Z.duckdb")
    orphan.write_bytes(b"")
    second = build(folder, "nih").path
    assert {path for path in first.parent.glob("*.duckdb")} == {first, second}


@pytest.mark.parametrize(
    "name",
    [
        "../escape",
        "..",
        ".",
        "",
        "/etc/x",
        "a/b",
        "a\\b",
        "C:evil",
        "UPPER",
        "a\0b",
        "nih\n",
        "-x",
        "ä",
        "a" * 65,
    ],
)
def test_a_name_that_could_leave_the_cache_is_refused(tmp_path: Path, name: str) -> None:
    cache = Cache(tmp_path / "cache")
    with pytest.raises(CxrdashError, match="cannot be the name of a dataset"):
        generations.dataset_folder(cache, name)
    with pytest.raises(CxrdashError, match="cannot be the name of a dataset"):
        open_index(name, cache)


def test_a_build_under_a_bad_name_writes_nothing(tmp_path: Path) -> None:
    folder = patients(tmp_path / "nih", 1)
    with pytest.raises(CxrdashError, match=r"'\.\./escape' cannot be the name"):
        build_index(Request(folder, name="../escape", source="nih"), Cache(tmp_path / "cache"))
    assert not (tmp_path / "cache").exists()


def test_the_data_folder_is_never_written(tmp_path: Path) -> None:
    folder = patients(tmp_path / "nih", 3)
    before = listing(folder)
    index = indexed(folder, "nih")
    index.rows("SELECT count(*) FROM images")
    assert listing(folder) == before


def test_images_are_matched_to_files_by_name_and_the_others_are_counted_as_missing(tmp_path: Path) -> None:
    folder = patients(tmp_path / "nih", 3)
    for name in ("a/00000002_000.png", "b/00000002_000.png", "a/99999999_000.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"")
    index = indexed(folder, "nih")
    assert index.counts["on_disk"] == 1
    assert index.rows("SELECT image_id, path FROM paths JOIN images USING (image)") == [
        ("00000002_000.png", "a/00000002_000.png")
    ]
    assert any("1 image files share their name with another" in note for note in index.meta["notes"])


def test_keys_follow_patient_study_and_order_not_the_file(tmp_path: Path) -> None:
    rows = [chexpert_row(2, 1, 2), chexpert_row(2, 1, 1), chexpert_row(1, 10), chexpert_row(1, 2)]
    index = indexed(write_chexpert(tmp_path / "chexpert", rows), "chexpert")
    assert [name for (name,) in index.rows("SELECT image_id FROM images ORDER BY image")] == [
        "train/patient00001/study2/view1_frontal.jpg",
        "train/patient00001/study10/view1_frontal.jpg",
        "train/patient00002/study1/view1_frontal.jpg",
        "train/patient00002/study1/view2_frontal.jpg",
    ]


def test_label_texts_that_say_the_same_share_a_pattern(tmp_path: Path) -> None:
    rows = [nih_row(1, 0, "Mass|Edema"), nih_row(2, 0, "Edema|Mass"), nih_row(3, 0, "Edema|Edema|Mass")]
    index = indexed(write_nih(tmp_path / "nih", rows), "nih")
    assert index.rows("SELECT count(*), sum(images) FROM pattern_sizes") == [(1, 3)]


def test_published_counts_are_compared_with_the_index(tmp_path: Path) -> None:
    index = indexed(patients(tmp_path / "nih", 3), "nih")
    checks = index.rows("SELECT what, published, found, agrees FROM checks ORDER BY what")
    assert checks == [("images", 112_120, 3, False), ("patients", 30_805, 3, False)]


def test_changed_sources_are_named(tmp_path: Path) -> None:
    folder = patients(tmp_path / "nih", 3)
    index = indexed(folder, "nih")
    assert index.changed_sources() == []
    patients(folder, 4)
    assert index.changed_sources() == [NIH_TABLE]
    (folder / NIH_TABLE).unlink()
    assert index.changed_sources() == [f"{NIH_TABLE} (not found)"]


def test_datasets_lists_the_demo_last(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    folder = patients(tmp_path / "nih", 1)
    for name in ("demo", "nih", "alpha"):
        build_index(Request(folder, name=name, source="nih"), cache)
    assert generations.datasets(cache) == ["alpha", "nih", "demo"]
    with pytest.raises(CxrdashError, match=r"No dataset named 'nihh' is indexed \(indexed: alpha, nih, demo\)"):
        open_index("nihh", cache)


def test_progress_rises_from_0_to_1(tmp_path: Path) -> None:
    steps: list[float] = []
    request = Request(patients(tmp_path / "nih", 1), name="nih", source="nih")
    build_index(request, Cache(tmp_path / "cache"), progress=lambda share, step: steps.append(share))
    assert steps == sorted(steps)
    assert steps[-1] == 1
