"""``datasets`` and ``show`` tell what is indexed, also where something is broken."""

from __future__ import annotations

import json

from .conftest import write_dataset


def test_datasets_lists_counts(tiny):
    rows = json.loads(tiny("datasets", "--json").out)
    assert [(row["dataset"], row["images"], row["patients"], row["on_disk"]) for row in rows] == [("tiny", 6, 3, 1)]
    assert rows[0]["problem"] is None


def test_an_empty_cache_says_how_to_index(command):
    shown = command("datasets")
    assert shown.code == 0 and shown.out == ""
    assert "No dataset is indexed in" in shown.err and "python -m cxrdash index FOLDER" in shown.err
    assert json.loads(command("datasets", "--json").out) == []


def test_a_broken_index_does_not_hide_the_others(tmp_path, command):
    folder = write_dataset(tmp_path / "nih")
    for name in ("good", "torn"):
        command("index", folder, "--source", "nih", "--name", name)
    (tmp_path / "cache" / "index" / "torn" / "current.json").write_text("{")
    shown = command("datasets", "--json")
    good, torn = json.loads(shown.out)
    assert shown.code == 1 and good["images"] == 6 and torn["images"] is None
    assert "current.json is damaged. Rebuild the index" in torn["problem"]


def test_changed_label_files_are_told(tmp_path, command):
    folder = write_dataset(tmp_path / "nih")
    command("index", folder, "--source", "nih", "--name", "small")
    (folder / "Data_Entry_2017_v2020.csv").write_text("gone\n")
    (row,) = json.loads(command("datasets", "--json").out)
    assert row["problem"] == "changed since it was indexed: Data_Entry_2017_v2020.csv"
    assert "Changed since it was indexed: Data_Entry_2017_v2020.csv." in command("show", "small").err


def test_show_prints_card_counts_and_checks(tiny):
    shown = tiny("show", "tiny")
    assert shown.code == 0
    for part in ("6 images, 3 patients", "Citation: Wang X", "Licence: ", "Views: AP, PA", "Known problems:"):
        assert part in shown.out
    assert "patients: 3 here, 30,805 published" in shown.out


def test_show_as_json_holds_card_and_audit(tiny):
    shown = json.loads(tiny("show", "tiny", "--json").out)
    assert shown["card"]["name"] == "nih" and len(shown["card"]["findings"]) == 15
    assert shown["audit"]["counts"]["images"] == 6 and shown["levels"]["sex"] == ["F", "M"]


def test_an_unknown_dataset_names_those_that_are_indexed(tiny):
    shown = tiny("show", "nhi")
    assert shown.code == 1
    assert "No dataset named 'nhi' is indexed (indexed: tiny)." in shown.err and "index FOLDER" in shown.err
