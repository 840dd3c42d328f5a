"""The demo on disk is whole, says what it holds, and is never left half made."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxrdash.demo import is_current, write_demo
from cxrdash.demo.write import LEFTOVER_SECONDS, STAMP, VERSION
from cxrdash.errors import CxrdashError


def test_every_row_has_its_film_but_the_planted_ones(written) -> None:
    lost = {row["image_id"] for row in written.table("demo_images.csv") if not written.film(row["image_id"]).is_file()}
    assert lost == {entry["image_id"] for entry in written.planted["missing_files"]}


def test_it_is_small_and_complete(written) -> None:
    files = [path for path in written.folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 40e6
    assert {path.suffix for path in files if path.parent.parent.name == "images"} == {".jpg", ".png", ".dcm"}
    assert is_current(written.folder)
    assert [path.name for path in written.folder.parent.iterdir()] == ["demo"]


def test_progress_rises_to_one_with_a_sentence(written) -> None:
    shares = [share for share, _ in written.told]
    assert shares == sorted(shares) and shares[-1] == 1
    assert all(sentence for _, sentence in written.told)


def test_exact_duplicates_are_byte_for_byte(written) -> None:
    for entry in written.planted["exact_duplicates"]:
        assert written.film(entry["image_id"]).read_bytes() == written.film(entry["of"]).read_bytes()


def test_near_duplicates_look_alike_but_are_other_files(written) -> None:
    def small(path: Path) -> np.ndarray:
        with Image.open(path) as image:
            return np.asarray(image.convert("L").resize((32, 32)), dtype=float).ravel()

    for entry in written.planted["near_duplicates"]:
        pair = [written.film(image_id) for image_id in (entry["image_id"], entry["of"])]
        assert pair[0].read_bytes() != pair[1].read_bytes()
        assert np.corrcoef(small(pair[0]), small(pair[1]))[0, 1] > 0.97


def test_sizes_in_the_table_are_those_of_the_films(written) -> None:
    faulty = {e["image_id"] for kind in ("missing_files", "broken_files") for e in written.planted[kind]}
    for row in written.table("demo_images.csv")[::20]:
        path = written.folder / row["film_path"]
        if path.suffix in (".jpg", ".png") and row["image_id"] not in faulty:
            with Image.open(path) as image:
                assert image.size == (int(row["width"]), int(row["height"]))


def test_boxes_lie_on_their_films(written) -> None:
    sizes = {row["image_id"]: (int(row["width"]), int(row["height"])) for row in written.table("demo_images.csv")}
    for box in written.table("demo_boxes.csv"):
        width, height = sizes[box["image_id"]]
        assert int(box["x"]) >= 0 and int(box["x"]) + int(box["box_width"]) <= width
        assert int(box["y"]) >= 0 and int(box["y"]) + int(box["box_height"]) <= height


def test_masks_decode_to_two_lungs_and_a_heart(written) -> None:
    row, *_ = written.table("demo_masks.csv")
    runs = np.array(row["rle"].split(), dtype=int).reshape(-1, 2)
    assert (np.diff(runs[:, 0]) > 0).all()
    assert runs[-1].sum() - 1 <= int(row["mask_width"]) * int(row["mask_height"])
    assert {row["structure"] for row in written.table("demo_masks.csv")} == {"right_lung", "left_lung", "heart"}


def test_the_list_for_people_names_every_planted_id(written) -> None:
    text = (written.folder / "PLANTED.md").read_text(encoding="utf-8")
    for entries in written.planted.values():
        for entry in entries:
            assert f"`{next(iter(entry.values()))}`" in text


def test_a_whole_demo_is_kept(written) -> None:
    before = (written.folder / "demo_images.csv").stat().st_mtime_ns
    told: list[tuple[float, str]] = []
    write_demo(written.folder, progress=lambda *said: told.append(said))
    assert (written.folder / "demo_images.csv").stat().st_mtime_ns == before
    assert told == []


def test_another_folder_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("four years", encoding="utf-8")
    with pytest.raises(CxrdashError, match="is not empty and holds no demo"):
        write_demo(tmp_path)
    assert (tmp_path / "thesis.txt").read_text(encoding="utf-8") == "four years"


def stop_at_the_third_word(counted: list[int]):
    def tell(share: float, sentence: str) -> None:
        counted.append(1)
        if len(counted) == 3:
            raise KeyboardInterrupt

    return tell


def test_a_stopped_run_leaves_nothing_and_an_older_demo_stays(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / STAMP).write_text(f"older than {VERSION}", encoding="utf-8")
    with pytest.raises(KeyboardInterrupt):
        write_demo(folder, progress=stop_at_the_third_word([]))
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]
    assert [path.name for path in folder.iterdir()] == [STAMP]


def test_what_a_killed_run_left_is_removed_but_not_a_run_in_progress(tmp_path: Path) -> None:
    for name, age in (("demo-making-old", LEFTOVER_SECONDS + 60), ("demo-making-now", 0)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age, time.time() - age))
    with pytest.raises(KeyboardInterrupt):
        write_demo(tmp_path / "demo", progress=stop_at_the_third_word([]))
    assert [path.name for path in tmp_path.iterdir()] == ["demo-making-now"]
