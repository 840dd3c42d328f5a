"""Exports: each is read back by what it is for, and nothing is written by halves or over anything."""

from __future__ import annotations

import csv
import hashlib
import importlib
import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrdash import analysis
from cxrdash.errors import CxrdashError
from cxrdash.images import rle
from cxrdash.index.cohort import Cohort
from cxrdash.index.store import Index, open_index
from cxrdash.labels.policies import Policy
from cxrdash.labels.states import State
from cxrdash.report.export import FORMATS, MANIFEST, Export, export
from cxrdash.report.export_tables import FORMULA, _to_csv, cohort_table, guarded, spreadsheet_safe
from cxrdash.report.originals import _records
from tests.datasets import Invented, build, cache_of, chexpert_row, indexed, invent, nih_row, write_chexpert, write_nih

WOMEN = Cohort(labels="Effusion", splits=("test",))


def consumer(name: str) -> Any:
    """Return a package that loads exports; skips where it is not installed, unless it must be (.ci/consumers)."""
    if os.environ.get("CXRDASH_REQUIRE_CONSUMERS"):
        return importlib.import_module(name)
    return pytest.importorskip(name, reason=f"{name.split('.')[0]} is not installed; .ci/consumers installs it")


@pytest.fixture(scope="module")
def written(nih: Index, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("export") / "all"
    export(Export(nih, WOMEN, Policy.parse("U-Ones")), FORMATS, out)
    return out


def test_the_manifest_lists_every_file_with_its_digest(nih: Index, written: Path) -> None:
    made = json.loads((written / MANIFEST).read_text(encoding="utf-8"))
    found = {path.relative_to(written).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
             for path in written.rglob("*") if path.is_file() and not path.is_symlink()}  # fmt: skip
    found.pop(MANIFEST)
    assert {file["name"]: file["sha256"] for file in made["files"]} == found
    assert made["counts"]["images"] == 30 and made["counts"]["patients"] == 10
    assert made["cohort_parameters"] == {"split": ["test"], "labels": ["Effusion"]}
    assert Cohort.from_query(made["cohort_parameters"]) == WOMEN
    for name in ("generation", "citation", "licence", "cxrdash", "policy", "command", "sources"):
        assert made[name]


def test_csv_parquet_and_the_statistics_agree(nih: Index, written: Path) -> None:
    table = pd.read_csv(written / "csv" / "cohort.csv", dtype=str, keep_default_na=False)
    parquet = pd.read_parquet(written / "parquet" / "cohort.parquet")
    counts = analysis.prevalence(nih, WOMEN).set_index("finding")
    for name in nih.finding_names:
        assert (table[name] == "positive").sum() == counts.loc[name, "positive"]
        assert (parquet[name] == "positive").sum() == counts.loc[name, "positive"]
    assert table["image_id"].tolist() == parquet["image_id"].tolist()
    path = str(written / "parquet" / "cohort.parquet")
    sql = "SELECT count(*), count(DISTINCT patient_id) FROM read_parquet($path)"
    assert duckdb.connect().execute(sql, {"path": path}).fetchall() == [(30, 10)]


def test_monai_finds_films_and_targets(nih: Index, written: Path) -> None:
    made = json.loads((written / "monai" / "datalist.json").read_text(encoding="utf-8"))
    names = [made["labels"][str(at)] for at in range(len(made["labels"]))]
    assert names == list(nih.finding_names)
    assert made["training"] == [] and made["numTest"] == len(made["test"]) == 2
    for item in made["test"]:
        assert Path(item["image"]).is_file() and item["label"][names.index("Effusion")] == 1
        assert len(item["label"]) == len(names)


def test_monai_itself_reads_the_list(written: Path) -> None:
    data = consumer("monai.data")
    items = data.load_decathlon_datalist(written / "monai" / "datalist.json", False, "test")
    assert len(items) == 2 and Path(items[0]["image"]).is_file()


def test_hugging_face_metadata_names_every_linked_film(nih: Index, written: Path) -> None:
    folder = written / "hf" / "test"
    table = pd.read_json(folder / "metadata.jsonl", lines=True, dtype={"image_id": str, "patient_id": str})
    films = sorted(path.name for path in folder.iterdir() if path.suffix == ".png")
    assert sorted(table["file_name"]) == films and len(films) == 2
    assert (table["Effusion"] == 1).all() and (table["No Finding"] == 0).all()
    assert all((folder / name).resolve().is_file() for name in films)


def test_hugging_face_itself_loads_the_folder(written: Path, tmp_path: Path) -> None:
    datasets = consumer("datasets")
    found = datasets.load_dataset("imagefolder", data_dir=str(written / "hf"), cache_dir=str(tmp_path))["test"]
    assert found.num_rows == 2 and found[0]["image"].size == (64, 64)


def test_coco_reads_the_boxes(nih: Index, tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    export(Export(nih), ["coco"], tmp_path / "x")
    read = coco.COCO(str(tmp_path / "x" / "coco" / "annotations.json"))
    assert len(read.imgs) == 120 and len(read.anns) == 2
    found = read.anns[1]
    assert found["bbox"] == [10, 20.5, 30, 40] and found["area"] == 1200
    assert read.cats[found["category_id"]]["name"] == "Effusion"
    film = read.imgs[found["image_id"]]  # the boxes lie on the released picture, not on the original film
    assert (film["width"], film["height"]) == (1024, 1024)
    assert read.annToMask(found).sum() == pytest.approx(1200, rel=0.1)


def square(first: int, last: int) -> np.ndarray:
    mask = np.zeros((1024, 1024), dtype=bool)
    mask[first : last + 1, first + 3 : last + 4] = True
    return mask


def test_coco_reads_the_masks_and_rows_of_one_structure_are_united(tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    folder = write_nih(tmp_path / "nih", [nih_row(1), nih_row(2)])
    build(folder, "nih")
    codes = [rle.encode(square(*ends), convention=rle.ROW_MAJOR) for ends in ((0, 9), (5, 14))]
    rows = [
        (0, "heart", 1024, 1024, codes[0], rle.ROW_MAJOR, 0.9),
        (0, "heart", 1024, 1024, codes[1], rle.ROW_MAJOR, 0.9),
        (1, "heart", 512, 512, "1 4", rle.ROW_MAJOR, 0.9),
        (1, "lung", 1024, 1024, "9 9 9", rle.ROW_MAJOR, 0.9),
    ]
    with duckdb.connect(str(open_index("nih", cache_of(folder)).path)) as con:
        con.executemany("INSERT INTO masks VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    drawn = open_index("nih", cache_of(folder))
    made = export(Export(drawn), ["coco"], tmp_path / "x")
    read = coco.COCO(str(tmp_path / "x" / "coco" / "annotations.json"))
    (found,) = read.anns.values()
    assert (read.annToMask(found).astype(bool) == (square(0, 9) | square(5, 14))).all()
    assert found["area"] == 175 and found["bbox"] == [3, 0, 15, 15]
    assert made["notes"]["coco"][1:] == [
        "1 boxes or masks were drawn on a picture of another size and are left out.",
        "1 masks cannot be read and are left out.",
    ]


@pytest.mark.parametrize(
    ("policy", "uncertain", "blank"),
    [("as_is", -1, 0), ("U-Ones", 1, 0), ("U-Zeros", 0, 0), ("U-Ignore", None, 0), ("U-Ones, blank excluded", 1, None)],
)
def test_targets_follow_the_policy(chexpert: Index, policy: str, uncertain: int | None, blank: int | None) -> None:
    asked = Export(chexpert, policy=Policy.parse(policy))
    assert asked.targets[State.UNCERTAIN] == uncertain and asked.targets[State.BLANK] == blank
    table = cohort_table(asked, words=False)
    values = table["Edema"].tolist()[:4]  # positive, negative, uncertain, blank
    assert [None if value != value else value for value in values] == [1, 0, uncertain, blank]


def test_original_rows_are_the_bytes_of_the_dataset(nih: Index, nih_folder: Path, written: Path) -> None:
    source = (nih_folder / "Data_Entry_2017_v2020.csv").read_bytes().splitlines(keepends=True)
    wanted = set(cohort_table(Export(nih, WOMEN))["image_id"])
    kept = [source[0], *(line for line in source[1:] if line.split(b",")[0].decode() in wanted)]
    assert (written / "txrv" / "Data_Entry_2017_v2020.csv").read_bytes() == b"".join(kept)


def test_everything_exported_is_the_file_itself(nih: Index, nih_folder: Path, tmp_path: Path) -> None:
    export(Export(nih), ["txrv"], tmp_path / "x")
    for name in ("Data_Entry_2017_v2020.csv", "BBox_List_2017.csv"):
        assert (tmp_path / "x" / "txrv" / name).read_bytes() == (nih_folder / name).read_bytes()


def test_torchxrayvision_itself_reads_the_rows(nih_folder: Path, written: Path) -> None:
    torchxrayvision = consumer("torchxrayvision")
    rows = written / "txrv"
    made = torchxrayvision.datasets.NIH_Dataset(
        str(nih_folder), csvpath=str(rows / "Data_Entry_2017_v2020.csv"), unique_patients=False, views="*",
        bbox_list_path=str(rows / "BBox_List_2017.csv"),
    )  # fmt: skip
    assert len(made) == 30 and made.labels[:, made.pathologies.index("Effusion")].all()


def test_torchxrayvisions_rules_give_the_same_on_the_subset_as_the_loader_audit(nih: Index, tmp_path: Path) -> None:
    cohort = Cohort(ages=(30, 60))
    export(Export(nih, cohort), ["txrv"], tmp_path / "x")
    rows = pd.read_csv(tmp_path / "x" / "txrv" / "Data_Entry_2017_v2020.csv")
    kept = rows[rows["View Position"] == "PA"].groupby("Patient ID").first()
    audit = analysis.loader_audit(nih, cohort)
    found = audit[audit["title"].str.startswith("TorchXRayVision")].iloc[-1]
    assert len(kept) == found["images"] > 0


def test_paths_name_the_images_of_chexpert(chexpert: Index, tmp_path: Path) -> None:
    made = export(Export(chexpert, Cohort(labels="Fracture")), ["txrv"], tmp_path / "x")
    lines = (tmp_path / "x" / "txrv" / "train.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 4 and all("/patient0000" in line for line in lines[1:])
    assert made["notes"]["txrv"] == ["train.csv: 3 of 60 rows."]


def test_a_table_that_changed_is_not_cut(tmp_path: Path) -> None:
    folder = write_chexpert(tmp_path / "chexpert", [chexpert_row(1), chexpert_row(2)])
    index = indexed(folder, "chexpert")
    (folder / "train.csv").write_text("other", encoding="utf-8")
    with pytest.raises(CxrdashError, match=r"train\.csv is gone or changed"):
        export(Export(index), ["txrv"], tmp_path / "x")
    assert not (tmp_path / "x").exists() and not list(tmp_path.glob(".x*"))


CELL = st.text(st.sampled_from('ab,"\n\r ;=é'), max_size=6)


@given(st.lists(st.lists(CELL, min_size=2, max_size=2), min_size=1, max_size=6), st.sampled_from(["\r\n", "\n"]),
       st.integers(1, 9))  # fmt: skip
def test_records_are_cut_where_the_csv_module_cuts_them(rows: list[list[str]], end: str, block: int) -> None:
    made = io.StringIO(newline="")
    csv.writer(made, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(rows)
    stream = io.BytesIO(made.getvalue().encode())
    records = [record for _, record in _records(lambda _: stream.read(block))]
    assert b"".join(records) == made.getvalue().encode()
    read = [next(csv.reader(io.StringIO(record.decode(), newline=""))) for record in records]
    assert read == rows


PAYLOADS = [f"{start}{rest}" for start in FORMULA for rest in ("1+1", "SUM(A1)", "cmd|' /C calc'!A0", "HYPERLINK(x)")]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_text_stays_a_formula(payload: str) -> None:
    assert guarded(payload).startswith("'") and guarded(payload)[1:] == payload


@pytest.mark.parametrize("text", ["-5", "+3.25", "-0.5", "00000001_000.png", "No Finding", "", "a=b"])
def test_numbers_and_plain_text_stay_as_they_are(text: str) -> None:
    assert guarded(text) == text


def test_the_spreadsheet_form_guards_header_and_cells_and_keeps_numbers() -> None:
    table = pd.DataFrame({"=cmd": ["@a", "b"], "age": [-1.5, 2.0], "n": [1, -2]})
    safe = spreadsheet_safe(table)
    assert list(safe.columns) == ["'=cmd", "age", "n"]
    assert safe["'=cmd"].tolist() == ["'@a", "b"] and safe["age"].tolist() == [-1.5, 2.0]


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=12), min_size=1, max_size=8))
def test_the_exact_form_reads_back_exactly(texts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.csv"
        _to_csv(pd.DataFrame({"text": texts, "n": range(len(texts))}), path, encoding="utf-8")
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
    assert [row[0] for row in rows[1:]] == texts


def test_a_finding_named_as_a_column_keeps_both(tmp_path: Path) -> None:
    made = invent(5, patients=6)
    names = ("view", *made.findings[1:])
    index = Invented(names, made.images, made.states, made.readings).index(tmp_path / "x")
    table = cohort_table(Export(index))
    assert {"view", "view (finding)"} <= set(table.columns)


def test_an_export_replaces_only_an_export(nih: Index, tmp_path: Path) -> None:
    out = tmp_path / "x"
    export(Export(nih), ["csv"], out)
    with pytest.raises(CxrdashError, match="is not empty") as fault:
        export(Export(nih), ["csv"], out)
    assert "--force" in fault.value.hint
    export(Export(nih, WOMEN), ["parquet"], out, force=True)
    assert sorted(path.name for path in out.iterdir()) == ["manifest.json", "parquet"]
    (out / "thesis.tex").write_text("mine", encoding="utf-8")
    with pytest.raises(CxrdashError, match=r"thesis\.tex"):
        export(Export(nih), ["csv"], out, force=True)
    assert (out / "thesis.tex").read_text(encoding="utf-8") == "mine" and (out / "parquet").is_dir()


def test_a_folder_that_is_no_export_is_never_replaced(nih: Index, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").write_text("a", encoding="utf-8")
    with pytest.raises(CxrdashError, match="holds what no export wrote"):
        export(Export(nih), ["csv"], tmp_path / "mine", force=True)


def test_unknown_formats_and_empty_cohorts_are_messages(nih: Index, tmp_path: Path) -> None:
    with pytest.raises(CxrdashError, match="'xlsx' is not a format") as fault:
        export(Export(nih), ["xlsx"], tmp_path / "x")
    assert "parquet" in fault.value.hint
    with pytest.raises(CxrdashError, match="nothing to export"):
        export(Export(nih, Cohort(ages=(99, 100))), ["csv"], tmp_path / "x")


def test_a_shareable_export_names_nobody(nih: Index, tmp_path: Path) -> None:
    made = export(Export(nih, shareable=True), ["csv", "parquet"], tmp_path / "x")
    text = (tmp_path / "x" / "csv" / "cohort.csv").read_text(encoding="utf-8")
    assert ".png" not in text and str(tmp_path) not in text
    table = pd.read_csv(tmp_path / "x" / "csv" / "cohort.csv")
    assert table["patient_id"].nunique() == 40 and table["image_id"].is_unique and "path" not in table
    assert made["identifiers"] == "replaced"


def test_pseudonyms_differ_from_export_to_export(nih: Index) -> None:
    one, other = (cohort_table(Export(nih, shareable=True)) for _ in range(2))
    assert not set(one["patient_id"]) & set(other["patient_id"])


@pytest.mark.parametrize("form", ["monai", "hf", "coco", "txrv"])
def test_formats_that_name_films_cannot_be_shared(nih: Index, tmp_path: Path, form: str) -> None:
    with pytest.raises(CxrdashError, match=f"The format {form} names films"):
        export(Export(nih, shareable=True), [form], tmp_path / "x")


def test_single_images_of_a_credentialed_dataset_are_not_shared(chexpert: Index, tmp_path: Path) -> None:
    with pytest.raises(CxrdashError, match="lets nothing leave that tells of single images"):
        export(Export(chexpert, shareable=True), ["csv"], tmp_path / "x")
