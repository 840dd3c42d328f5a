"""Each concern is said when its cause is there, with its count, and not said when it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxrdash import analysis
from cxrdash.index.cohort import Cohort
from cxrdash.index.store import Index
from cxrdash.labels.states import State
from tests.datasets import chexpert_row, indexed, invent, nih_row, write_chexpert, write_nih

U, P = State.UNCERTAIN, State.POSITIVE


def said(index: Index, page: str, cohort: Cohort | None = None) -> list[tuple[str, str]]:
    table = analysis.concerns(index, cohort)
    rows = table.loc[table["page"] == page, ["severity", "sentence"]]
    return list(rows.itertuples(index=False, name=None))


def nih(folder: Path, rows: list[str], **lists: list[str]) -> Index:
    return indexed(write_nih(folder / "nih", rows, **lists), "nih")


@pytest.mark.parametrize(("others", "severity", "share"), [(5, "warning", "68.8%"), (60, "note", "15.5%")])
def test_repeat_imaging(tmp_path: Path, others: int, severity: str, share: str) -> None:
    rows = [nih_row(1, number) for number in range(11)] + [nih_row(patient) for patient in range(2, others + 2)]
    assert said(nih(tmp_path, rows), "patients") == [
        (
            severity,
            f"{1 / (others + 1):.1%} of patients (1) have more than 10 images and hold {share} of the images.",
        )
    ]


def test_ten_images_are_no_concern(tmp_path: Path) -> None:
    assert said(nih(tmp_path, [nih_row(1, number) for number in range(10)]), "patients") == []


def test_a_dataset_without_a_test_part(tmp_path: Path) -> None:
    assert said(nih(tmp_path, [nih_row(1)]), "test_set") == [
        ("warning", "No part of this dataset is marked as a test part; the official lists were not found.")
    ]


def test_a_small_test_part_names_its_worst_finding(tmp_path: Path) -> None:
    rows = [nih_row(patient, 0, "Mass") for patient in range(50)] + [nih_row(99, 0, "Hernia")]
    lists = {"test_list": [row.split(",")[0] for row in rows[:50]], "train_val_list": ["00000099_000.png"]}
    ((severity, sentence),) = said(nih(tmp_path, rows, **lists), "test_set")
    assert severity == "warning"
    assert sentence.startswith("14 of 15 labels have fewer than 50 positive patients in the test part; ")
    assert sentence.endswith(" has 0.")


def test_patients_in_two_parts(tmp_path: Path) -> None:
    rows = [nih_row(1, 0), nih_row(1, 1), nih_row(2)]
    lists = {"test_list": ["00000001_000.png", "00000002_000.png"], "train_val_list": ["00000001_001.png"]}
    index = nih(tmp_path, rows, **lists)
    sentence = "1 patients of the test part also have images in another part."
    assert ("warning", sentence) in said(index, "test_set")
    assert ("warning", sentence) in said(index, "test_set", Cohort(splits=("test",)))


def test_no_leak_between_parts_is_not_mentioned(tmp_path: Path) -> None:
    lists = {"test_list": ["00000001_000.png"], "train_val_list": ["00000002_000.png"]}
    index = nih(tmp_path, [nih_row(1), nih_row(2)], **lists)
    assert not any("another part" in sentence for _, sentence in said(index, "test_set"))


def test_rows_and_values_set_aside_and_counts_that_differ(tmp_path: Path) -> None:
    index = nih(tmp_path, [nih_row(1), nih_row(1), nih_row(2, age="414"), nih_row(3, sex="X")])
    assert said(index, "overview") == [
        ("warning", "1 rows were set aside while loading; the load audit lists each."),
        ("warning", "3 images, but 112,120 were published."),
        ("warning", "3 patients, but 30,805 were published."),
        ("note", "2 values were not usable and count as unknown; the load audit lists each."),
    ]


def test_missing_films_are_counted_in_the_cohort(tmp_path: Path) -> None:
    index = nih(tmp_path, [nih_row(1), nih_row(2, view="AP")])
    assert said(index, "gallery") == [("note", "2 of 2 images have no file on this disk.")]
    assert said(index, "gallery", Cohort(views=("AP",))) == [("note", "1 of 1 images have no file on this disk.")]


@pytest.mark.parametrize(("uncertain", "is_said"), [(3, False), (4, True)])
def test_a_finding_whose_prevalence_the_policy_decides(tmp_path: Path, uncertain: int, is_said: bool) -> None:
    states = [U] * uncertain + [P] * 7
    rows = [chexpert_row(patient, states={"Edema": state}) for patient, state in enumerate(states)]
    index = indexed(write_chexpert(tmp_path / "chexpert", rows), "chexpert")
    sentence = f"Edema: {uncertain} uncertain against 7 positive images; the policy decides its prevalence."
    assert said(index, "prevalence") == ([("warning", sentence)] if is_said else [])


def test_patients_that_are_not_identified(tmp_path: Path) -> None:
    index = invent(2, known_patients=False).index(tmp_path / "invented")
    assert said(index, "patients") == [
        ("warning", "Patients are not identified: intervals take every image for a different patient.")
    ]


def test_warnings_stand_before_notes(tmp_path: Path) -> None:
    table = analysis.concerns(nih(tmp_path, [nih_row(1), nih_row(2, age="414")]))
    assert table["severity"].tolist() == sorted(table["severity"], reverse=True)
    assert {"warning", "note"} == set(table["severity"])


@pytest.mark.real_data
def test_nih_repeats_are_the_published_sentence(real_nih: Index) -> None:
    assert said(real_nih, "patients") == [
        ("warning", "7.2% of patients (2,225) have more than 10 images and hold 45.0% of the images.")
    ]
    assert said(real_nih, "gallery") == [("note", "111,912 of 112,120 images have no file on this disk.")]
