"""The walk finds what is there and nothing outside; the resolver never leaves the roots."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrdash.errors import CxrdashError
from cxrdash.sources.folder import UNNAMED_MISSES, resolve, take_inventory


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def test_tables_and_images_are_found_by_their_endings_and_sorted(tmp_path: Path) -> None:
    for name in ("b.csv.gz", "a.CSV", "list.txt", "t.tsv", "z.csv.zip", "readme.md", "all.zip"):
        touch(tmp_path / name)
    for name in ("images/2.PNG", "images/1.png", "x.dcm", "deep/er/y.jpeg", "images/notes.doc"):
        touch(tmp_path / name)
    found = take_inventory(tmp_path)
    assert [path.name for path in found.tables] == ["a.CSV", "b.csv.gz", "list.txt", "t.tsv", "z.csv.zip"]
    assert [image.path for image in found.images] == ["deep/er/y.jpeg", "images/1.png", "images/2.PNG", "x.dcm"]
    assert found.roots == (tmp_path,) and found.skipped_links == () and found.notes == ()


def test_dicom_files_without_an_ending_are_images_where_a_dataset_keeps_such(tmp_path: Path) -> None:
    for folder in ("dataset", "chest_radiographs/more", "elsewhere"):
        for name, head in (
            ("1.2.3", b"DICM"),
            ("plain", b"DICM"),
            ("1.2.4", b"PNG!"),
            ("1.npy", b"DICM"),
            ("5.6", b""),
        ):
            touch(tmp_path / folder / name).write_bytes(bytes(128) + head if head else b"")
    os.mkfifo(tmp_path / "dataset" / "7.8")
    found = take_inventory(tmp_path)
    expected = ["chest_radiographs/more/1.2.3", "chest_radiographs/more/plain", "dataset/1.2.3", "dataset/plain"]
    assert [image.path for image in found.images] == expected
    assert found.notes == ()


def test_a_named_folder_may_itself_be_the_one_with_unnamed_films(tmp_path: Path) -> None:
    touch(tmp_path / "dataset" / "1.2.3").write_bytes(bytes(128) + b"DICM")
    touch(tmp_path / "table.csv")
    assert take_inventory(tmp_path, [tmp_path / "dataset"]).images[0].path == "dataset/1.2.3"
    assert take_inventory(tmp_path / "dataset").images[0].path == "1.2.3"


def test_looking_into_unnamed_files_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "dataset").mkdir()
    for number in range(UNNAMED_MISSES + 5):
        (tmp_path / "dataset" / f"1.{number}").touch()
    (tmp_path / "a.csv").touch()
    assert take_inventory(tmp_path).notes == (
        "Files without an ending were no longer looked into after 1,000 that are no DICOM.",
    )


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    for name in (".git/a.png", "__MACOSX/b.png", "._c.png", "d.png"):
        touch(tmp_path / name)
    assert [image.path for image in take_inventory(tmp_path).images] == ["d.png"]


def test_links_out_of_the_folder_are_listed_and_not_followed(tmp_path: Path) -> None:
    touch(tmp_path / "data" / "in.png")
    touch(tmp_path / "outside" / "out.png")
    (tmp_path / "data" / "elsewhere").symlink_to(tmp_path / "outside")
    (tmp_path / "data" / "film.png").symlink_to(tmp_path / "outside" / "out.png")
    (tmp_path / "data" / "loop").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "same.png").symlink_to("in.png")
    found = take_inventory(tmp_path / "data")
    assert found.skipped_links == ("elsewhere", "film.png")
    assert [image.path for image in found.images] == ["in.png", "same.png"]


def test_further_image_folders_are_numbered_and_walked_once(tmp_path: Path) -> None:
    touch(tmp_path / "data" / "labels.csv")
    touch(tmp_path / "data" / "films" / "1.png")
    touch(tmp_path / "more" / "2.png")
    touch(tmp_path / "more" / "other.csv")
    found = take_inventory(tmp_path / "data", [tmp_path / "data" / "films", tmp_path / "more"])
    assert [(image.root, image.path) for image in found.images] == [(0, "films/1.png"), (2, "2.png")]
    assert [path.name for path in found.tables] == ["labels.csv"]
    whole = take_inventory(tmp_path / "data", [tmp_path])
    assert [(image.root, image.path) for image in whole.images] == [(0, "films/1.png"), (1, "more/2.png")]


def test_names_that_are_not_utf8_are_left_out_and_said(tmp_path: Path) -> None:
    touch(tmp_path / "good.png")
    touch(tmp_path / os.fsdecode(b"\xff\xfe.png"))
    found = take_inventory(tmp_path)
    assert [image.path for image in found.images] == ["good.png"]
    assert found.notes == ("Left out because their names are not valid UTF-8: 1 files or folders.",)


def test_a_missing_folder_a_file_and_an_empty_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(CxrdashError, match="does not exist"):
        take_inventory(tmp_path / "nowhere")
    with pytest.raises(CxrdashError, match=r"is a file, not a folder.*\n.*Give the folder it lies in"):
        take_inventory(touch(tmp_path / "one.csv"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(CxrdashError, match=r"holds no tables .* and no images"):
        take_inventory(tmp_path / "empty")
    with pytest.raises(CxrdashError, match="does not exist"):
        take_inventory(tmp_path, [tmp_path / "films"])


@pytest.mark.usefixtures("modes_count")
def test_an_unreadable_folder_is_named(tmp_path: Path) -> None:
    touch(tmp_path / "a.png")
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o000)
    assert "locked" in take_inventory(tmp_path).notes[0]
    with pytest.raises(CxrdashError, match="cannot be read"):
        take_inventory(locked)


def test_a_path_of_the_index_resolves_to_its_file(tmp_path: Path) -> None:
    film = touch(tmp_path / "images" / "back\\slash.png")
    assert resolve([tmp_path], 0, "images/back\\slash.png") == film


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "it is empty"),
        ("a\0.png", "NUL character"),
        ("/etc/passwd", "absolute"),
        ("\\\\server\\share\\a.png", "absolute"),
        ("C:\\films\\a.png", "drive or an address"),
        ("c:a.png", "drive or an address"),
        ("https://example.org/a.png", "drive or an address"),
        ("file:///etc/passwd", "drive or an address"),
        ("../../etc/passwd", "climbs out"),
        ("images/../../outside.png", "climbs out"),
        ("images\\..\\..\\outside.png", "climbs out"),
        ("images", "no regular file"),
        (".", "no regular file"),
        ("images/", "no regular file"),
        ("gone.png", "no such file"),
        ("link.png", "leads out of the dataset's folders"),
        ("linked/out.png", "leads out of the dataset's folders"),
        ("pipe.png", "no regular file"),
        ("x" * 5000, "too long"),
        ("\ud800.png", "not valid|no such file"),
    ],
)
def test_every_other_path_is_refused_with_its_reason(tmp_path: Path, path: str, reason: str) -> None:
    root = tmp_path / "data"
    touch(root / "images" / "in.png")
    touch(tmp_path / "outside" / "out.png")
    (root / "link.png").symlink_to(tmp_path / "outside" / "out.png")
    (root / "linked").symlink_to(tmp_path / "outside")
    os.mkfifo(root / "pipe.png")
    with pytest.raises(CxrdashError, match=f"(?i){reason}"):
        resolve([root], 0, path)


def test_links_between_named_roots_are_allowed_and_unknown_roots_are_not(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    film = touch(tmp_path / "films" / "a.png")
    (tmp_path / "data" / "a.png").symlink_to(film)
    assert resolve([tmp_path / "data", tmp_path / "films"], 0, "a.png") == film
    for number in (-1, 2):
        with pytest.raises(CxrdashError, match="not one of the dataset's folders"):
            resolve([tmp_path / "data", tmp_path / "films"], number, "a.png")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("guarded")
    touch(base / "root" / "a" / "b.png")
    touch(base / "secret.png")
    touch(base / "root2" / "secret.png")
    (base / "root" / "out").symlink_to(base)
    return base


PIECES = st.sampled_from(["..", ".", "a", "b.png", "out", "secret.png", "root2", "", "/", "\\", "~", "%2e", "C:"])


@given(path=st.lists(PIECES | st.text(max_size=3), max_size=7).map("/".join) | st.text(max_size=12))
def test_whatever_resolves_is_a_file_inside_the_root(guarded: Path, path: str) -> None:
    root = guarded / "root"
    try:
        found = resolve([root], 0, path)
    except CxrdashError:
        return
    assert found == root / "a" / "b.png"
