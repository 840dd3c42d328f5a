"""A folder is one dataset, or the message says what was found, what came nearest and what to do."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest

from cxrdash.errors import CxrdashError
from cxrdash.labels.findings import Finding
from cxrdash.sources.card import load_card
from cxrdash.sources.folder import take_inventory
from cxrdash.sources.registry import SOURCES, recognise, source_named

INVENTED = Path(__file__).resolve().parents[1] / "data"
NAMES = sorted(SOURCES)


def refusal(folder: Path, wanted: str | None = None) -> str:
    with pytest.raises(CxrdashError) as caught:
        recognise(take_inventory(folder), wanted)
    return str(caught.value)


@pytest.mark.parametrize("name", ["nih", "chexpert", "mimic", "padchest", "openi", "vindr", "rsna", "siim", "candid"])
def test_a_dataset_is_recognised_by_its_columns(tmp_path: Path, name: str) -> None:
    for number, path in enumerate(sorted((INVENTED / name).rglob("*.csv"))):
        shutil.copy(path, tmp_path / f"renamed {number}.csv")
    source, claim = recognise(take_inventory(tmp_path), None)
    assert source.name == claim.source == name


def test_a_table_that_nothing_reads_is_named(tmp_path: Path) -> None:
    for path in (INVENTED / "nih").iterdir():
        shutil.copy(path, tmp_path)
    boxes = tmp_path / "BBox_List_2017.csv"
    boxes.write_text(boxes.read_text().replace("Finding Label", "Finding Lable"))
    _, claim = recognise(take_inventory(tmp_path), None)
    assert claim.notes == ("Tables that were not recognised and not read: BBox_List_2017.csv.",)


def test_two_datasets_in_one_folder_are_a_question(tmp_path: Path) -> None:
    for name in ("nih", "chexpert"):
        shutil.copytree(INVENTED / name, tmp_path / name)
    message = refusal(tmp_path)
    assert "holds 2 datasets: nih and chexpert" in message
    assert "--source nih" in message and "chexpert: " in message and "train.csv" in message
    source, _ = recognise(take_inventory(tmp_path), "chexpert")
    assert source.name == "chexpert"


def test_an_unknown_source_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    assert "There is no source 'nih14'" in refusal(tmp_path, "nih14")
    assert "nih, chexpert" in refusal(tmp_path, "nih14")


def test_an_unknown_folder_names_its_tables_and_the_nearest_columns(tmp_path: Path) -> None:
    header = (INVENTED / "nih" / "Data_Entry_2017_v2020.csv").read_text().splitlines()[0]
    (tmp_path / "labels.csv").write_text(header.replace("Finding Labels", "Findings Label") + "\n")
    message = refusal(tmp_path)
    assert "Tables found: labels.csv." in message
    assert "labels.csv lacks the column 'Finding Labels' (nearest: 'Findings Label') of NIH" in message
    assert "Give the folder that holds the dataset's label table" in message


def test_a_folder_of_images_alone_says_that_the_table_is_missing(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"x")
    assert "It holds no tables (.csv)." in refusal(tmp_path)


@pytest.mark.parametrize(
    ("name", "spoil", "message"),
    [
        ("t.csv", lambda text: text.replace(",", ";"), "t.csv looks separated by semicolons"),
        ("t.csv", lambda text: text.replace(",", "\t"), "t.csv looks separated by tabs"),
        ("t.csv", lambda text: text.split("\n", 1)[1], "t.csv has no column names: line 1 is already an image"),
        ("t.csv", lambda text: "NIH label export\n" + text, "Tables found: t.csv"),
        ("t.csv", lambda text: "", "t.csv is empty (0 bytes)"),
        ("t.csv.gz", lambda text: text, "t.csv.gz is not gzip-compressed"),
        ("t.csv", lambda text: gzip.compress(text.encode()), "t.csv is gzip-compressed although"),
    ],
)
@pytest.mark.parametrize("dataset", ["nih/Data_Entry_2017_v2020.csv", "chexpert/train.csv"])
def test_a_spoiled_table_is_told_how_to_mend_it(tmp_path: Path, dataset: str, name: str, spoil, message: str) -> None:  # type: ignore[no-untyped-def]
    spoiled = spoil((INVENTED / dataset).read_text())
    (tmp_path / name).write_bytes(spoiled if isinstance(spoiled, bytes) else spoiled.encode())
    assert message in refusal(tmp_path)


@pytest.mark.parametrize("name", ["nih", "chexpert", "mimic", "openi", "vindr", "rsna", "siim", "candid"])
def test_a_card_is_complete(name: str) -> None:
    card = load_card(name)
    texts = (card.title, card.citation, card.licence, card.terms, card.label_provenance, card.negative_means)
    assert all(texts) and card.blank_means and card.order_source and card.known_problems and card.published
    assert card.label_unit in ("image", "study") and not card.synthetic
    names = [finding.name for finding in card.findings]
    assert len(set(names)) == len(names)
    assert all(finding.parent is None or finding.parent in names for finding in card.findings)
    assert all(published.source for published in card.published)
    assert source_named(name).card == card


@pytest.mark.parametrize("name", ["chexpert", "mimic"])
def test_the_chexpert_tree_is_the_published_one(name: str) -> None:
    findings = {finding.name: finding for finding in load_card(name).findings}
    assert {name: finding.parent for name, finding in findings.items() if finding.parent} == {
        "Cardiomegaly": "Enlarged Cardiomediastinum",
        "Lung Lesion": "Lung Opacity",
        "Edema": "Lung Opacity",
        "Consolidation": "Lung Opacity",
        "Atelectasis": "Lung Opacity",
        "Pneumonia": "Consolidation",
    }
    assert [name for name, finding in findings.items() if finding.kind == "device"] == ["Support Devices"]
    assert findings["No Finding"] == Finding("No Finding", "No Finding", "normal", None, "No Finding")
