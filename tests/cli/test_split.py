"""``split`` prints the proof, writes lists that training code reads, and refuses to overwrite them."""

from __future__ import annotations

import json

PARTS = ("--parts", "train=.5,test=.5")


def test_the_proof_is_printed_and_nothing_is_shared(tiny):
    result = tiny("split", "tiny", *PARTS, "--json")
    rows = json.loads(result.out)
    assert result.code == 0
    assert {row["unit"]: row["verdict"] for row in rows}["patient"] == "none shared"


def test_lists_a_table_and_a_record_are_written(tiny, tmp_path):
    result = tiny("split", "tiny", "--folds", "3", "-o", tmp_path / "out")
    assert result.code == 0 and "Written to" in result.err
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["fold_1.txt", "fold_2.txt", "fold_3.txt", "split.csv", "split.json"]
    listed = [(tmp_path / "out" / name).read_text().splitlines() for name in names[:3]]
    assert sorted(len(ids) for ids in listed) == [1, 2, 3]
    assert json.loads((tmp_path / "out" / "split.json").read_text())["parts"]["fold_1"] == 1 / 3


def test_an_earlier_split_is_not_overwritten_by_accident(tiny, tmp_path):
    assert tiny("split", "tiny", *PARTS, "-o", tmp_path).code == 0
    refused = tiny("split", "tiny", *PARTS, "-o", tmp_path)
    assert refused.code == 2 and "already holds split.csv" in refused.err and "--force" in refused.err
    assert tiny("split", "tiny", *PARTS, "-o", tmp_path, "--force").code == 0


def test_wrong_shares_are_misuse(tiny):
    refused = tiny("split", "tiny", "--parts", "train=.5,test=.6")
    assert refused.code == 2 and "sum to 1.1" in refused.err


def test_given_parts_that_are_not_there_are_told(tiny):
    refused = tiny("split", "tiny", "--parts", "given")
    assert refused.code == 1 and "has no parts of its own" in refused.err and "--folds 5" in refused.err


def test_a_folder_that_cannot_be_written_is_told(tiny, tmp_path):
    (tmp_path / "file").write_text("")
    refused = tiny("split", "tiny", *PARTS, "-o", tmp_path / "file" / "out")
    assert refused.code == 1 and "cannot be written" in refused.err
