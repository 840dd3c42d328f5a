"""CheXmask tables attach to the dataset they belong to, by name of column, with their known faults mended or listed."""

from __future__ import annotations

import csv
import gzip
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cxrdash.config import Cache
from cxrdash.errors import CxrdashError
from cxrdash.images.rle import ROW_MAJOR, decode
from cxrdash.index.build import LoadAudit, Request, build_index
from cxrdash.index.store import Index, open_index
from tests.datasets import chexpert_row, nih_row, write_chexpert, write_nih

INVENTED = Path(__file__).resolve().parents[1] / "data"
SCORES = ("Dice RCA (Mean)", "Dice RCA (Max)")
REST = ("Landmarks", "Left Lung", "Right Lung", "Heart", "Height", "Width")
PRINTED = "[[ 12  40]\n [ 13  44]\n [ 15  48]]"  # a NumPy array as OriginalResolution holds it


def mask_row(
    key: str, mean: str = "0.8", maximum: str = "0.9", *, left: str = "3 1", right: str = "1 1", heart: str = "2 1",
    height: str = "2", width: str = "4", landmarks: str = PRINTED,
) -> dict[str, str]:  # fmt: skip
    return {
        "key": key, "Dice RCA (Mean)": mean, "Dice RCA (Max)": maximum, "Landmarks": landmarks, "Left Lung": left,
        "Right Lung": right, "Heart": heart, "Height": height, "Width": width,
    }  # fmt: skip


def write_masks(
    path: Path, rows: Sequence[dict[str, str]], *, key: str = "Image Index", scores: Sequence[str] = SCORES
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    names = (key, *scores, *REST)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([row["key" if name == key else name] for name in names] for row in rows)
    return path


def film(patient: int) -> str:
    return f"{patient:08d}_000.png"


@pytest.fixture
def nih(tmp_path: Path) -> Path:
    """Three NIH images."""
    return write_nih(tmp_path / "nih", [nih_row(patient) for patient in (1, 2, 3)])


def index(folder: Path, *masks: Path) -> tuple[LoadAudit, Index]:
    cache = Cache(folder.with_name("cache"))
    audit = build_index(Request(folder, name="d", masks=masks), cache)
    return audit, open_index("d", cache)


MASKS = (
    "SELECT image_id, structure, m.width, m.height, rle, quality FROM masks AS m JOIN images USING (image) ORDER BY ALL"
)


def aside(audit: LoadAudit) -> list[tuple[Any, ...]]:
    return [(row["line"], row["column_name"], row["value"], row["reason"], row["what"]) for row in audit.set_aside]


def notes(audit: LoadAudit) -> str:
    return "\n".join(audit.notes)


def test_masks_found_beside_the_dataset_attach_by_themselves(nih: Path) -> None:
    write_masks(nih / "ChestX-Ray8.csv", [mask_row(film(1)), mask_row(film(9))])
    audit, found = index(nih)
    assert found.rows(MASKS) == [
        (film(1), "heart", 4, 2, "2 1", 0.8),
        (film(1), "left_lung", 4, 2, "3 1", 0.8),
        (film(1), "right_lung", 4, 2, "1 1", 0.8),
    ]
    assert found.rows("SELECT DISTINCT convention FROM masks") == [("start length, absolute, from 1, row-major",)]
    assert "ChestX-Ray8.csv: masks of 1 images attached; the image id was matched as it is written." in audit.notes
    assert "ChestX-Ray8.csv: 1 rows belong to images that are not in this dataset." in audit.notes
    assert "not recognised" not in notes(audit)
    (file,) = [file for file in audit.files if file["recognised_as"] == "CheXmask masks"]
    assert (file["records"], file["indexed"], file["set_aside"], file["counts_images"]) == (2, 2, 0, False)


def test_masks_from_elsewhere_attach_when_named(nih: Path, tmp_path: Path) -> None:
    path = write_masks(tmp_path / "masks" / "ChestX-Ray8.csv", [mask_row(film(2))])
    packed = path.with_suffix(".csv.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    audit, found = index(nih, packed)
    assert {row[0] for row in found.rows(MASKS)} == {film(2)}
    assert audit.counts["images"] == 3


@pytest.mark.parametrize("scores", [SCORES, SCORES[::-1]])
def test_scores_are_read_by_name_and_exchanged_ones_put_right(nih: Path, scores: Sequence[str]) -> None:
    rows = [mask_row(film(1), "0.6", "0.7"), mask_row(film(2), "0.9", "0.5"), mask_row(film(3), "0.4", "")]
    write_masks(nih / "masks.csv", rows, scores=scores)
    audit, found = index(nih)
    assert found.rows("SELECT DISTINCT image_id, quality FROM masks JOIN images USING (image) ORDER BY ALL") == [
        (film(1), 0.6),
        (film(2), 0.5),
        (film(3), 0.4),
    ]
    assert "masks.csv: 1 rows had Dice RCA (Max) below Dice RCA (Mean); the two were taken as exchanged." in audit.notes


@pytest.mark.parametrize("text", ["high", "1.5", "nan", "-0.1"])
def test_a_score_that_is_none_is_listed_and_the_mask_stays(nih: Path, text: str) -> None:
    write_masks(nih / "masks.csv", [mask_row(film(1), text)])
    audit, found = index(nih)
    assert aside(audit) == [(2, "Dice RCA (Mean)", text, "not a number from 0 to 1", "value")]
    assert found.rows("SELECT count(*), count(quality) FROM masks") == [(3, 0)]


@pytest.mark.parametrize(
    ("name", "landmarks"),
    [
        ("Preprocessed/Padchest.csv", "381,223,345"),
        ("masks/Preprocessed/p.csv", PRINTED),
        ("Padchest.csv", "381,223,345"),
    ],
)
def test_a_preprocessed_mask_without_size_is_1024_square(nih: Path, name: str, landmarks: str) -> None:
    last = str(1024 * 1024)
    rows = [mask_row(film(1), height="", width="", landmarks=landmarks, heart=f"{last} 1")]
    write_masks(nih / name, rows, key="ImageID")
    audit, found = index(nih)
    assert found.rows("SELECT DISTINCT width, height FROM masks") == [(1024, 1024)]
    assert "1 preprocessed rows without a size were taken as 1024 x 1024 pixels." in notes(audit)
    assert "cannot be drawn over the original films" in notes(audit)


@pytest.mark.parametrize(("name", "landmarks"), [("OriginalResolution/p.csv", "1,2"), ("p.csv", PRINTED)])
def test_an_original_mask_without_size_is_set_aside(nih: Path, name: str, landmarks: str) -> None:
    write_masks(nih / name, [mask_row(film(1), height="", width="", landmarks=landmarks)])
    audit, found = index(nih)
    assert aside(audit) == [(2, "Width, Height", None, "not the size of a picture", "row")]
    assert found.rows(MASKS) == []


def test_the_physical_line_is_told_behind_landmarks_with_line_breaks(nih: Path) -> None:
    write_masks(nih / "masks.csv", [mask_row(film(1)), mask_row(film(2), heart="1 2 3")])
    audit, _ = index(nih)
    # the first record takes lines 2 to 4
    assert [row[:2] for row in aside(audit)] == [(5, "Heart")]


@pytest.mark.parametrize(
    ("cells", "column", "reason"),
    [
        ({"left": "1 2 3"}, "Left Lung", "the mask holds an odd count of numbers"),
        ({"right": "1 2 5 0"}, "Right Lung", "a run of the mask has no pixels"),
        ({"heart": "7 3"}, "Heart", "a run of the mask ends beyond the last pixel"),
        ({"heart": "7 3 1 1"}, "Heart", "a run of the mask ends beyond the last pixel"),
        ({"heart": "0 3"}, "Heart", "a run of the mask starts at 0 where pixels are counted from 1"),
        ({"left": "one 2"}, "Left Lung", "the mask is not a list of whole numbers"),
        ({"left": "1.0 2"}, "Left Lung", "the mask is not a list of whole numbers"),
        ({"left": "1 99999999999999999999"}, "Left Lung", "the mask is not a list of whole numbers"),
        ({"height": "0"}, "Width, Height", "not the size of a picture"),
        ({"width": "wide"}, "Width, Height", "not the size of a picture"),
        ({"width": "100000", "height": "100000"}, "Width, Height", "not the size of a picture"),
    ],
)
def test_a_mask_that_cannot_be_drawn_is_set_aside(nih: Path, cells: dict[str, str], column: str, reason: str) -> None:
    write_masks(nih / "masks.csv", [mask_row(film(1), **cells, landmarks="1,2"), mask_row(film(2), landmarks="1,2")])
    audit, found = index(nih)
    assert [(line, name, why, what) for line, name, _, why, what in aside(audit)] == [(2, column, reason, "row")]
    assert {row[0] for row in found.rows(MASKS)} == {film(2)}


def test_masks_at_the_very_edge_empty_masks_and_wide_blanks_are_fine(nih: Path) -> None:
    rows = [mask_row(film(1), left="8 1", right="", heart="1  2   4 1 ", height="2.0", width="4.0")]
    write_masks(nih / "masks.csv", rows)
    audit, found = index(nih)
    assert aside(audit) == []
    codes = dict(found.rows("SELECT structure, rle FROM masks"))
    assert codes == {"left_lung": "8 1", "right_lung": "", "heart": "1  2   4 1 "}
    areas = {name: int(decode(code, 4, 2, convention=ROW_MAJOR).sum()) for name, code in codes.items()}
    assert areas == {"left_lung": 1, "right_lung": 0, "heart": 3}


def test_repeated_and_contradicting_rows_are_listed(nih: Path) -> None:
    rows = [mask_row(film(1)), mask_row(film(1)), mask_row(film(2)), mask_row(film(2), heart="1 1"), mask_row("")]
    write_masks(nih / "masks.csv", [{**row, "Landmarks": ""} for row in rows])
    audit, found = index(nih)
    assert [(line, value, reason) for line, _, value, reason, _ in aside(audit)] == [
        (3, film(1), "repeats an earlier row; the first was kept"),
        (4, film(2), "the same image stands in rows that differ; none was chosen"),
        (5, film(2), "the same image stands in rows that differ; none was chosen"),
        (6, None, "the image id is missing"),
    ]
    assert {row[0] for row in found.rows(MASKS)} == {film(1)}


def test_original_masks_go_before_preprocessed_ones(nih: Path) -> None:
    write_masks(nih / "OriginalResolution/ChestX-Ray8.csv", [mask_row(film(1))])
    write_masks(nih / "Another/Preprocessed/ChestX-Ray8.csv", [mask_row(film(1), heart="1 1"), mask_row(film(2))])
    audit, found = index(nih)
    hearts = found.rows("SELECT image_id, rle FROM masks JOIN images USING (image) WHERE structure = 'heart'")
    assert hearts == [(film(1), "2 1"), (film(2), "2 1")]
    assert "1 rows were left out: their images have masks from an earlier file." in notes(audit)


def test_every_dataset_of_chexmask_has_its_own_key(tmp_path: Path) -> None:
    chexpert = write_chexpert(tmp_path / "chexpert", [chexpert_row(1), chexpert_row(2)])
    write_masks(chexpert / "CheXpert.csv", [mask_row("train/patient00002/study1/view1_frontal.jpg")], key="Path")
    _, found = index(chexpert)
    assert {row[0] for row in found.rows(MASKS)} == {"train/patient00002/study1/view1_frontal.jpg"}
    mimic = Path(shutil.copytree(INVENTED / "mimic", tmp_path / "mimic"))
    image = "00000003-aaaaaaaa-bbbbbbbb-cccccccc-dddddddd"
    write_masks(mimic / "OriginalResolution/MIMIC-CXR-JPG.csv", [mask_row(image)], key="dicom_id")
    audit, found = index(mimic)
    assert {row[0] for row in found.rows(MASKS)} == {image}
    assert "cannot be drawn" not in notes(audit)


def test_masks_of_another_dataset_are_not_attached(nih: Path, tmp_path: Path) -> None:
    other = write_masks(nih / "VinDr-CXR.csv", [mask_row("0" * 32), mask_row("1" * 32)], key="image_id")
    audit, found = index(nih)
    assert found.rows(MASKS) == []
    assert "VinDr-CXR.csv was not attached: none of its 2 rows names an image of this dataset." in audit.notes
    assert len(audit.files) == 1
    moved = shutil.move(other, tmp_path / "VinDr-CXR.csv")
    with pytest.raises(CxrdashError, match=r"VinDr-CXR\.csv: none of the 2 rows names an image of this dataset"):
        index(nih, Path(moved))


def test_a_named_file_that_is_no_chexmask_table_says_what_it_lacks(nih: Path, tmp_path: Path) -> None:
    path = write_masks(tmp_path / "m.csv", [mask_row(film(1))])
    path.write_text(path.read_text().replace("Left Lung", "Left Lnug"))
    with pytest.raises(CxrdashError, match=r"m\.csv lacks the column 'Left Lung' \(nearest: 'Left Lnug'\) of CheXmask"):
        index(nih, path)


def test_a_named_file_that_is_not_there_stops_before_anything_is_read(nih: Path) -> None:
    with pytest.raises(CxrdashError, match=r"nowhere\.csv does not exist"):
        index(nih, nih / "nowhere.csv")
    with pytest.raises(CxrdashError, match="is a folder"):
        index(nih, nih)


# --- the real subset ---


def naive(code: str, width: int, height: int) -> np.ndarray:
    """Paint a code pixel by pixel: pixels are counted from 1 along the rows."""
    picture = np.zeros((height, width), dtype=bool)
    numbers = [int(number) for number in code.split(" ")]
    for start, length in zip(numbers[0::2], numbers[1::2], strict=True):
        for pixel in range(start - 1, start - 1 + length):
            picture[pixel // width, pixel % width] = True
    return picture


@pytest.fixture(scope="module")
def real(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Index:
    """NIH as it is, with the CheXmask subset attached."""
    cache = Cache(tmp_path_factory.mktemp("cache"))
    masks = (real_data / "chexmask" / "ChestX-Ray8.csv",)
    audit = build_index(Request(real_data / "nih", name="nih", masks=masks), cache)
    assert audit.set_aside_total == 0
    return open_index("nih", cache)


@pytest.mark.real_data
def test_real_masks_have_the_areas_of_an_independent_decoder(real: Index, real_data: Path) -> None:
    csv.field_size_limit(10**7)
    with (real_data / "chexmask" / "ChestX-Ray8.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 50
    stored = {(image, structure): rest for image, structure, *rest in real.rows(MASKS)}
    assert len(stored) == 150
    for row in rows:
        for name, structure in (("Left Lung", "left_lung"), ("Right Lung", "right_lung"), ("Heart", "heart")):
            width, height, code, quality = stored[row["Image Index"], structure]
            drawn = decode(code, width, height, convention=ROW_MAJOR)
            assert np.array_equal(drawn, naive(row[name], 1024, 1024))
            assert quality == float(row["Dice RCA (Mean)"])


@pytest.mark.real_data
def test_the_patients_right_lung_is_on_the_left_of_the_picture(real: Index) -> None:
    middles: dict[str, list[float]] = {}
    for _, structure, width, height, code, _ in real.rows(MASKS):
        columns = decode(code, width, height, convention=ROW_MAJOR).any(axis=0)
        middles.setdefault(structure, []).append(float(np.flatnonzero(columns).mean()) / width)
    right, heart, left = (float(np.mean(middles[name])) for name in ("right_lung", "heart", "left_lung"))
    assert 0.25 < right < 0.4 < heart < 0.65 < left < 0.8


@pytest.mark.real_data
def test_lungs_lie_on_the_dark_of_real_films(real: Index, real_data: Path) -> None:
    """The masks' own films are not among the real ones at hand, so where most lungs are is laid over the films."""
    lungs = [
        decode(code, width, height, convention=ROW_MAJOR)
        for _, structure, width, height, code, _ in real.rows(MASKS)
        if structure != "heart"
    ]
    usual = np.sum(lungs, axis=0) > 25  # each film adds two lungs, which do not overlap
    rows, columns = np.flatnonzero(usual.any(axis=1)), np.flatnonzero(usual.any(axis=0))
    around = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    darker = []
    for path in sorted((real_data / "nih" / "images").glob("*.png"))[::4]:
        grey = np.asarray(Image.open(path).convert("L").resize((1024, 1024)), dtype=float)
        darker.append(grey[usual].mean() < grey[around][~usual[around]].mean())
    assert len(darker) > 40 and np.mean(darker) > 0.9
