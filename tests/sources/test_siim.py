"""SIIM-ACR: rows are masks, blanks mean nothing, and a code that cannot be drawn is listed, not drawn."""

from __future__ import annotations

import gzip
import random
import shutil
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrdash.errors import CxrdashError
from cxrdash.images.rle import RELATIVE, decode, encode
from cxrdash.sources.runs import define_run_checks
from cxrdash.sources.siim import SOURCE

Stage = Callable[..., Any]
INVENTED = Path(__file__).resolve().parents[1] / "data" / "siim"
HEADER = "ImageId, EncodedPixels"
STATES = "SELECT image_id, state FROM staged_images JOIN staged_labels USING (labels) ORDER BY ALL"


def uid(number: int) -> str:
    return f"1.2.276.0.7230010.3.1.4.8323329.{1000 + number}.1517875220.{977480 + number}"


def write(folder: Path, *rows: str, header: str = HEADER, name: str = "train-rle.csv") -> Path:
    (folder / name).write_text("\n".join([header, *rows, ""]))
    return folder


def test_rows_are_masks_and_images_are_counted_once(stage: Stage) -> None:
    siim = stage(INVENTED)
    assert siim.source.name == "siim"
    assert siim.rows(STATES) == [
        (uid(1), "negative"),
        (uid(2), "positive"),
        (uid(3), "negative"),
        (uid(4), "positive"),
    ]
    assert siim.rows("SELECT * FROM staged_masks ORDER BY ALL") == [
        (uid(2), "pneumothorax", 1024, 1024, "2048 10", RELATIVE, None),
        (uid(2), "pneumothorax", 1024, 1024, "5 2 1022 3", RELATIVE, None),
        (uid(4), "pneumothorax", 1024, 1024, "0 1048576", RELATIVE, None),
    ]
    assert siim.one("SELECT count(*) FROM staged_images WHERE patient_id IS NOT NULL OR split <> 'train'") == 0
    assert "5 rows are 4 images and 3 masks" in siim.notes and "names no patients" in siim.notes


def test_a_staged_mask_is_drawn_down_the_columns(stage: Stage) -> None:
    siim = stage(INVENTED)
    code = siim.one("SELECT rle FROM staged_masks WHERE rle LIKE '5 %'")
    drawn = decode(code, 1024, 1024, convention=RELATIVE)
    # 5 off, 2 on, 1022 off, 3 on, down the columns: rows 5 and 6 of column 0, rows 5 to 7 of column 1
    assert list(zip(*np.nonzero(drawn), strict=True)) == [(5, 0), (5, 1), (6, 0), (6, 1), (7, 1)]


@pytest.mark.parametrize("header", ["ImageId, EncodedPixels", "ImageId,EncodedPixels", '"ImageId"," EncodedPixels"'])
@pytest.mark.parametrize("negative", ["-1", " -1", "-1 "])
def test_blanks_in_header_and_cells_mean_nothing(stage: Stage, tmp_path: Path, header: str, negative: str) -> None:
    siim = stage(write(tmp_path, f"{uid(1)},{negative}", f"{uid(2)}, 5 2", header=header))
    assert siim.rows(STATES) == [(uid(1), "negative"), (uid(2), "positive")]


@pytest.mark.parametrize(
    ("rows", "aside"),
    [
        ([",-1"], [(1, "ImageId", None, "the image id is missing")]),
        ([f"{uid(2)},"], [(1, "EncodedPixels", None, "no mask is given, not even -1")]),
        ([f"{uid(2)},1 2 3"], [(1, "EncodedPixels", "1 2 3", "the run-length code has an odd count of numbers")]),
        ([f"{uid(2)},1 0"], [(1, "EncodedPixels", "1 0", "the run-length code has a run of length 0")]),
        ([f"{uid(2)},1 -2"], [(1, "EncodedPixels", "1 -2", "is neither -1 nor a list of whole numbers")]),
        ([f"{uid(2)},1 1048576"], [(1, "EncodedPixels", "1 1048576", "the run-length code runs past the last pixel")]),
        (
            [f"{uid(1)},5 2"],
            [
                (0, "ImageId", uid(1), "the image has a row with -1 and another that says otherwise; none was chosen"),
                (1, "ImageId", uid(1), "the image has a row with -1 and another that says otherwise; none was chosen"),
            ],
        ),
        ([f"{uid(1)},-1"], [(1, "ImageId", uid(1), "repeats an earlier row exactly; the first was kept")]),
    ],
)
def test_rows_that_cannot_be_read_are_set_aside(
    stage: Stage, tmp_path: Path, rows: list[str], aside: list[Any]
) -> None:
    siim = stage(write(tmp_path, f"{uid(1)}, -1", *rows))
    found = "SELECT record, column_name, value, reason FROM staged_set_aside WHERE what = 'row' ORDER BY record"
    assert siim.rows(found) == aside
    assert siim.rows(STATES) == ([] if aside[0][0] == 0 else [(uid(1), "negative")])
    assert siim.one("SELECT count(*) FROM staged_masks") == 0


def test_an_image_keeps_its_good_masks_beside_a_bad_one(stage: Stage, tmp_path: Path) -> None:
    siim = stage(write(tmp_path, f"{uid(1)},5 2", f"{uid(1)},5", f"{uid(1)},9 1"))
    assert siim.rows(STATES) == [(uid(1), "positive")]
    assert siim.column("SELECT rle FROM staged_masks") == ["5 2", "9 1"]
    assert [row[0] for row in siim.aside()] == [1]


def test_a_long_code_is_quoted_short(stage: Stage, tmp_path: Path) -> None:
    siim = stage(write(tmp_path, f"{uid(1)},-1", f"{uid(2)}," + "7 7 " * 500 + "7"))
    ((_, _, value, _),) = siim.aside()
    assert len(value) == 80 and value.endswith("…")


def test_an_answer_form_is_no_table_of_masks(stage: Stage, tmp_path: Path) -> None:
    write(tmp_path, f"{uid(5)},-1", name="stage_2_sample_submission.csv")
    with pytest.raises(CxrdashError, match=r"stage_2_sample_submission\.csv is a form for answers of SIIM-ACR, but"):
        stage(tmp_path)
    siim = stage(write(tmp_path, f"{uid(1)},-1"))
    assert siim.one("SELECT count(*) FROM staged_images") == 1
    assert "stage_2_sample_submission.csv was not read" in siim.notes


def test_of_two_stages_the_fuller_is_read(stage: Stage, tmp_path: Path) -> None:
    write(tmp_path, f"{uid(1)},-1", f"{uid(2)},5 2", name="stage_2_train.csv")
    siim = stage(write(tmp_path, f"{uid(1)},-1"))
    assert siim.one("SELECT count(*) FROM staged_images") == 2
    assert "train-rle.csv was not read: its images are in a table read before it." in siim.notes


def test_a_misspelled_table_is_named_with_its_nearest_column(stage: Stage, tmp_path: Path) -> None:
    write(tmp_path, f"{uid(1)},-1", header="ImageId,EncodedPixel")
    with pytest.raises(CxrdashError, match=r"train-rle\.csv lacks the column 'EncodedPixels' \(nearest: 'EncodedPixel"):
        stage(tmp_path)
    write(tmp_path, f"{uid(1)},-1", header=f"{uid(2)},-1")
    with pytest.raises(CxrdashError, match=r"train-rle\.csv has no column names: line 1 is already an image"):
        stage(tmp_path)


@pytest.mark.parametrize("path", ["dicom-images-train/{0}/1.2.3/{1}.dcm", "flat/{1}.png", "{1}"])
def test_a_film_is_found_under_its_uid(path: str) -> None:
    assert SOURCE.image_key(path.format(uid(9), uid(1))) == uid(1)


def test_a_packed_table_gives_the_same_images(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "train-rle.csv.gz").write_bytes(gzip.compress((INVENTED / "train-rle.csv").read_bytes()))
    assert stage(tmp_path).rows(STATES) == stage(Path(shutil.copytree(INVENTED, tmp_path / "plain"))).rows(STATES)


numbers = st.lists(st.integers(0, 12), max_size=6).map(lambda values: " ".join(map(str, values)))


@settings(max_examples=200)
@given(code=numbers | st.text("0123456789 -x", max_size=8))
def test_a_code_is_faulty_where_it_cannot_be_drawn(code: str) -> None:
    code = code.strip()
    if code in ("", "-1"):
        return
    with duckdb.connect() as con:
        define_run_checks(con)
        ((fault,),) = con.execute("SELECT relative_run_fault($code, 24)", {"code": code}).fetchall()
    try:
        decode(code, 6, 4, convention=RELATIVE)
    except CxrdashError:
        assert fault
    else:
        assert fault is None


@pytest.mark.parametrize(
    ("code", "relative", "absolute"),
    [("1 2 2 3", True, False), ("1 2 3 3", True, True), ("20 3 22 1", False, False), ("20 3 23 2", False, True)],
)
def test_a_code_may_fit_one_reading_or_both(code: str, relative: bool, absolute: bool) -> None:
    with duckdb.connect() as con:
        define_run_checks(con)
        fits = "SELECT fits_relative($code, 24), fits_absolute($code, 24)"
        assert con.execute(fits, {"code": code}).fetchall() == [(relative, absolute)]


@pytest.mark.parametrize("seed", range(3))
def test_any_table_counts_as_plain_python_counts(stage: Stage, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    rows = [(uid(chance.randrange(150)), chance.choice(["-1", "-1", "5 2", "9 1", "3"])) for _ in range(200)]
    siim = stage(write(tmp_path, *(f"{image}, {code}" for image, code in rows)))
    said = defaultdict(list)
    for image, code in rows:
        said[image].append(code)
    clear = {image: codes for image, codes in said.items() if len({code == "-1" for code in codes}) == 1}
    masks = {image: set(codes) - {"-1", "3"} for image, codes in clear.items()}
    expected = {image: "positive" if masks[image] else "negative" for image in clear if set(clear[image]) != {"3"}}
    assert dict(siim.rows(STATES)) == expected
    assert siim.one("SELECT count(*) FROM staged_masks") == sum(map(len, masks.values()))
    kept = sum(len(set(codes) - {"3"}) for codes in clear.values())
    assert siim.one("SELECT count(*) FROM staged_set_aside WHERE what = 'row'") == len(rows) - kept


def test_a_drawn_mask_survives_the_table(stage: Stage, tmp_path: Path) -> None:
    drawn = np.random.default_rng(1).random((1024, 1024)) < 0.001
    code = encode(drawn, convention=RELATIVE)
    siim = stage(write(tmp_path, f"{uid(1)}, {code}"))
    assert np.array_equal(decode(siim.one("SELECT rle FROM staged_masks"), 1024, 1024, convention=RELATIVE), drawn)
