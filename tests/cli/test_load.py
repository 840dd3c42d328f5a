"""``index`` prints what was read, set aside and found; ``--dry-run`` publishes nothing."""

from __future__ import annotations

import json

import pytest

from cxrdash.cli.audit import audit_lines
from cxrdash.cli.load import stopping_told
from cxrdash.config import Cache
from cxrdash.index.build import LoadAudit

from .conftest import ROWS, write_dataset


def test_the_load_audit_counts_rows_images_and_patients(tmp_path, command):
    shown = command("index", write_dataset(tmp_path / "nih"), "--source", "nih")
    assert shown.code == 0
    assert "Recognised as NIH ChestX-ray14 (source nih)" in shown.out
    assert "6 images, 3 patients" in shown.out
    assert "1 of 6 images found on disk" in shown.out
    assert "Data_Entry_2017_v2020.csv     6        6          0  NIH image table" in shown.out
    assert "images: 6 here, 112,120 published" in shown.out and "DIFFERS" in shown.out


def test_stderr_tells_the_steps_and_what_to_do_next(tmp_path, command):
    shown = command("index", write_dataset(tmp_path / "nih"), "--source", "nih")
    assert shown.err.splitlines()[0] == "[  2%] Looking through the folder"
    assert "Next: python -m cxrdash serve\n" in shown.err and ".duckdb" in shown.err


def test_a_folder_is_recognised_by_its_columns(tmp_path, command):
    assert "Recognised as NIH ChestX-ray14" in command("index", write_dataset(tmp_path / "films")).out


def test_the_audit_as_json_is_one_object(tmp_path, command):
    folder = write_dataset(tmp_path / "nih")
    audit = json.loads(command("index", folder, "--source", "nih", "--name", "small", "--json").out)
    assert audit["dataset"] == "small" and audit["published"] is True
    assert audit["counts"] == {"images": 6, "studies": 0, "patients": 3, "on_disk": 1, "without_patient": 0}
    assert [(file["records"], file["indexed"], file["set_aside"]) for file in audit["files"]] == [(6, 6, 0)]


def test_a_dry_run_publishes_nothing(tmp_path, command):
    shown = command("index", write_dataset(tmp_path / "nih"), "--source", "nih", "--dry-run")
    assert shown.code == 0 and "Dry run: everything was read and checked, nothing was published." in shown.err
    assert "No dataset is indexed" in command("datasets").err


def test_a_row_that_cannot_be_read_stops_the_build_and_names_its_place(tmp_path, command):
    rows = (*ROWS, "00000009_000.png,Mass,0")
    shown = command("index", write_dataset(tmp_path / "nih", rows), "--source", "nih")
    assert shown.code == 1 and shown.out == ""
    assert "Data_Entry_2017_v2020.csv, line 8: 3 fields where 11 were expected" in shown.err
    assert "--allow-bad-rows" in shown.err


def test_allowed_bad_rows_are_listed_with_their_place(tmp_path, command):
    rows = (*ROWS, "00000009_000.png,Mass,0")
    shown = command("index", write_dataset(tmp_path / "nih", rows), "--source", "nih", "--allow-bad-rows")
    assert shown.code == 0 and "Rows set aside: 1; values not usable: 0" in shown.out
    assert "Data_Entry_2017_v2020.csv, line 8, " in shown.out and "6 images, 3 patients" in shown.out


def test_values_that_are_not_usable_are_listed_with_their_place(tmp_path, command):
    rows = (*ROWS, "00000009_000.png,Mass,0,9,999,F,XX,10,10,0.1,0.1")
    shown = command("index", write_dataset(tmp_path / "nih", rows), "--source", "nih")
    assert shown.code == 0 and "Rows set aside: 0; values not usable: 2" in shown.out
    assert "Data_Entry_2017_v2020.csv, line 8, column 'Patient Age', value '999': not an age" in shown.out


def test_only_the_first_20_set_aside_rows_are_written_out():
    row = {
        "file": "a.csv",
        "line": 2,
        "column_name": "Age",
        "value": "x\x1b",
        "reason": "not an age",
        "what": "row",
    }
    audit = LoadAudit(
        **{"dataset": "a", "source": "nih", "title": "A", "generation": "g", "published": True, "files": []},
        counts={"images": 0, "patients": 0, "studies": 0, "on_disk": 0, "without_patient": 0},
        set_aside=[row] * 20, set_aside_total=1_000, values_replaced=234, checks=[],
    )  # fmt: skip
    lines = list(audit_lines(audit))
    assert lines.count(r"  a.csv, line 2, column 'Age', value 'x\x1b': not an age") == 20
    assert "  and 1,214 more" in lines


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--source", "nihh"], "There is no source 'nihh'."),
        (["--name", "../up"], "'../up' cannot be the name of a dataset."),
    ],
)
def test_an_impossible_name_is_misuse(options, said, tmp_path, command):
    shown = command("index", write_dataset(tmp_path / "nih"), *options)
    assert shown.code == 2 and said in shown.err


def test_a_folder_that_is_not_there_is_a_failure(tmp_path, command):
    shown = command("index", tmp_path / "nowhere", "--source", "nih")
    assert shown.code == 1 and "nowhere does not exist" in shown.err and "Traceback" not in shown.err


@pytest.mark.parametrize("published", [False, True])
def test_ctrl_c_says_whether_the_index_was_published(published, tmp_path):
    cache = Cache(tmp_path)
    pointer = cache.index / "nih" / "current.json"
    pointer.parent.mkdir(parents=True)
    expected = "after the new index had been published" if published else "nothing was published"
    with pytest.raises(KeyboardInterrupt, match=expected), stopping_told(cache):
        if published:
            pointer.write_text("{}")
        raise KeyboardInterrupt


def test_the_demo_is_not_made_twice(tmp_path, command):
    command("index", write_dataset(tmp_path / "nih"), "--source", "nih", "--name", "demo")
    shown = command("demo")
    assert shown.code == 0 and "indexed already; --rebuild makes it again" in shown.err
    assert "6 images, 3 patients" in shown.out
