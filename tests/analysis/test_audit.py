"""The audit says what is there, with its count, and says nothing of what is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cxrdash import analysis
from cxrdash.analysis.audit import CHECKS
from cxrdash.analysis.audit_rows import SEVERITIES, Asked
from cxrdash.analysis.registry import as_policy
from cxrdash.analysis.settings import settings
from cxrdash.config import PAGE_TITLES, Cache
from cxrdash.errors import CxrdashError
from cxrdash.index.build import Request, build_index
from cxrdash.index.cohort import Cohort
from cxrdash.index.store import Index, open_index
from cxrdash.labels.states import State
from cxrdash.ui.shell import PAGES
from tests.datasets import chexpert_row, indexed, nih_row, write_chexpert, write_nih

SLOW = ("shortcut", "turned")
U, P, N = State.UNCERTAIN, State.POSITIVE, State.NEGATIVE


def said(index: Index, code: str, **options: object) -> list[tuple[str, str]]:
    table = analysis.audit(index, **{"without": SLOW, **options})
    rows = table.loc[table["code"] == code, ["severity", "sentence"]]
    return list(rows.itertuples(index=False, name=None))


def nih(folder: Path, rows: list[str], **lists: list[str]) -> Index:
    return indexed(write_nih(folder / "nih", rows, **lists), "nih")


def names(rows: list[str]) -> list[str]:
    return [row.split(",")[0] for row in rows]


@pytest.mark.parametrize(("others", "severity", "share"), [(5, "caution", "68.8%"), (60, "pass", "15.5%")])
def test_repeat_imaging(tmp_path: Path, others: int, severity: str, share: str) -> None:
    rows = [nih_row(1, number) for number in range(11)] + [nih_row(patient) for patient in range(2, others + 2)]
    sentence = f"{1 / (others + 1):.1%} of patients (1) have more than 10 images and hold {share} of the images."
    assert said(nih(tmp_path, rows), "patients.repeats") == [(severity, sentence)]


@pytest.mark.parametrize(("use", "severity"), [("train", "caution"), ("test", "fail")])
def test_a_dataset_without_parts(tmp_path: Path, use: str, severity: str) -> None:
    ((found, sentence),) = said(nih(tmp_path, [nih_row(1)]), "parts.present", use=use)
    assert found == severity and sentence.startswith("No part is marked as a test or validation part")
    assert said(nih(tmp_path / "2", [nih_row(1)]), "parts.present", use="external") == []


@pytest.mark.parametrize(("use", "severity"), [("train", "caution"), ("test", "fail")])
def test_a_small_test_part_names_its_worst_finding(tmp_path: Path, use: str, severity: str) -> None:
    rows = [nih_row(patient, 0, "Mass") for patient in range(50)] + [nih_row(99, 0, "Hernia")]
    index = nih(tmp_path, rows, test_list=names(rows[:50]), train_val_list=["00000099_000.png"])
    ((found, sentence),) = said(index, "test.size", use=use)
    assert found == severity
    assert sentence.startswith(
        "13 of 14 findings have fewer than 50 positive patients in the test part; 13 have none: "
    )
    assert said(index, "test.size", use=use, findings=("mass",))[0][0] == "pass"


def test_what_stands_in_two_parts(tmp_path: Path) -> None:
    rows = [nih_row(1, 0), nih_row(1, 1), nih_row(2, 0)]
    index = nih(tmp_path, rows, test_list=names(rows[:1]), train_val_list=names(rows[1:]))
    ((severity, sentence),) = said(index, "parts.leak_patient")
    assert severity == "fail" and sentence.startswith("1 patients stand in two parts")
    assert said(index, "parts.leak_image") == [("pass", "No image stands in two parts.")]


def test_uncertain_labels_that_decide(tmp_path: Path) -> None:
    rows = [chexpert_row(p, states={"Edema": U if p < 4 else P, "Mass": N}) for p in range(10)]
    index = indexed(write_chexpert(tmp_path / "chexpert", rows), "chexpert")
    assert said(index, "labels.uncertain") == [
        ("caution", "1 of 13 findings have more than 30% uncertain among uncertain and positive: Edema 4 against 6.")
    ]


def test_contradictions_are_rows_of_their_own(tmp_path: Path) -> None:
    broken = {"Pneumonia": P, "Consolidation": N}
    rows = [chexpert_row(p, states=broken if p == 0 else {"Pneumonia": P}) for p in range(4)]
    index = indexed(write_chexpert(tmp_path / "chexpert", rows), "chexpert")
    assert ("fail", "Pneumonia positive, its parent Consolidation negative: 1 of 4 images (25.0%).") in said(
        index, "labels.contradictions"
    )


def test_a_second_reader_who_disagrees(tmp_path: Path) -> None:
    rows = [nih_row(p, 0, "Mass" if p < 20 else "No Finding") for p in range(60)]
    folder = write_nih(tmp_path / "nih", rows)
    lines = ["Image Index,Mass"] + [f"{p:08d}_000.png,{int(p % 5 == 0)}" for p in range(60)]
    (tmp_path / "other.csv").write_text("\n".join(lines) + "\n")
    cache = Cache(tmp_path / "cache")
    build_index(Request(folder, name="nih", second_opinions=(("dr B", tmp_path / "other.csv"),)), cache)
    ((severity, sentence),) = said(open_index("nih", cache), "labels.second_opinion")
    assert severity == "fail"
    assert sentence == "Mass: dr B confirms 4 of 20 positive images (kappa 0.00, n = 60)."


def test_a_second_opinion_that_is_missing_is_not_a_pass(tmp_path: Path) -> None:
    index = nih(tmp_path, [nih_row(1)])
    assert said(index, "labels.second_opinion")[0][0] == "not checked"
    assert said(index, "labels.reviewed")[0][0] == "not checked"
    assert said(index, "films.scanned")[0][0] == "not checked"


def test_positives_of_another_view(tmp_path: Path) -> None:
    rows = [
        nih_row(p, 0, "Edema" if p < 30 else "No Finding", view="AP" if p < 28 or p > 95 else "PA") for p in range(100)
    ]
    assert said(nih(tmp_path, rows), "strata.hidden")[0] == (
        "caution", "Edema: 93.3% AP views among 30 positive images, 5.7% among the others."
    )  # fmt: skip


def test_rows_set_aside_and_counts_that_differ(tmp_path: Path) -> None:
    rows = [nih_row(1), nih_row(2, age="400"), nih_row(1)]
    index = nih(tmp_path, rows)
    assert said(index, "load.values")[0][0] == "caution"
    assert all(row[0] == "caution" for row in said(index, "load.published"))


def test_an_empty_cohort_has_no_checks(tmp_path: Path) -> None:
    assert analysis.audit(nih(tmp_path, [nih_row(1)]), Cohort(sexes=("nobody",))).empty


def test_rows_are_ranked_and_lead_to_a_page_that_exists(tmp_path: Path) -> None:
    table = analysis.audit(nih(tmp_path, [nih_row(1, at) for at in range(30)]))
    places = table["severity"].map(SEVERITIES.index)
    assert places.is_monotonic_increasing
    assert set(table["page"]) <= set(PAGES) == set(PAGE_TITLES)
    assert table["sentence"].str.endswith((".", "nih")).all()


@pytest.mark.parametrize(("options", "said_"), [
    ({"use": "sell"}, "'sell' is not a use"),
    ({"findings": ("Masss",)}, "'Masss' is not a finding"),
    ({"without": ("masses",)}, "There is no check 'masses'"),
    ({"thresholds": "nowhere.toml"}, "cannot be read"),
])  # fmt: skip
def test_what_cannot_be_meant_is_refused(tmp_path: Path, options: dict[str, object], said_: str) -> None:
    with pytest.raises(CxrdashError, match=said_):
        analysis.audit(nih(tmp_path, [nih_row(1)]), **options)


def test_checks_can_be_left_out_and_thresholds_moved(tmp_path: Path) -> None:
    index = nih(tmp_path, [nih_row(1, number) for number in range(11)] + [nih_row(2)])
    assert not said(index, "patients.repeats", without=("repeats",))
    (tmp_path / "mine.toml").write_text("[audit]\nheld_by_many = 0.99\n")
    assert said(index, "patients.repeats", thresholds=str(tmp_path / "mine.toml"))[0][0] == "pass"


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """Enough patients of one image each, labels drawn apart from everything else, parts alike."""
    rng = np.random.default_rng(11)
    labels = ("Mass", "Edema", "Effusion", "Hernia")
    rows = []
    for patient in range(2400):
        found = "|".join(name for name in labels if rng.random() < 0.25) or "No Finding"
        sex, view = "FM"[patient % 2], ("PA", "AP")[patient // 2 % 2]
        rows.append(nih_row(patient, 0, found, age=str(int(rng.integers(20, 90))), sex=sex, view=view))
    lists = {"test_list": names(rows[::2]), "train_val_list": names(rows[1::2])}
    folder = write_nih(tmp_path_factory.mktemp("clean") / "nih", rows, **lists)
    return indexed(folder, "nih")


EXPECTED = {
    "labels.provenance",  # the card of NIH: mined from reports
    "films.present",  # a table without films
    "load.published",  # not the whole of NIH
    "test.subgroups",  # no dataset this small fills 280 cells
    "patients.effective",
}


@pytest.mark.parametrize("use", ["train", "test", "external"])
def test_no_check_fires_on_a_clean_dataset(clean: Index, use: str) -> None:
    findings = ("Mass", "Edema", "Effusion", "Hernia")
    table = analysis.audit(clean, use=use, findings=findings)
    loud = table[table["severity"].isin(["fail", "caution"])]
    assert set(loud["code"]) <= EXPECTED
    assert not (loud["severity"] == "fail").any()


@pytest.mark.real_data
def test_what_is_known_of_nih_is_found(real_nih: Index) -> None:
    table = analysis.audit(real_nih, use="test")
    sentences = dict(zip(table["code"], table["sentence"], strict=True))
    assert sentences["patients.repeats"].startswith("7.2% of patients (2,225) have more than 10 images and hold 45.0%")
    assert (
        "112,120 images carry about as much information as 12,644 of different patients"
        in sentences["patients.effective"]
    )
    assert "121 of 280 subgroups" in sentences["test.subgroups"]
    hidden = table[table["code"] == "strata.hidden"]["finding"].tolist()
    assert hidden[0] == "Edema"
    opinions = table[table["code"] == "labels.second_opinion"]
    assert "google_2019 confirms 109 of 238 positive images" in " ".join(opinions["sentence"])
    assert sentences["films.duplicates"].endswith("python -m cxrdash scan nih")


@pytest.mark.real_data
def test_a_check_is_silent_on_nih_only_where_there_is_nothing_to_check(real_nih: Index) -> None:
    findings = tuple(finding.name for finding in real_nih.findings if finding.kind != "normal")
    asked = Asked(real_nih, Cohort(), as_policy("as_is"), "test", findings, settings())
    silent = {name for name, check in CHECKS.items() if name not in SLOW and not list(check(asked))}
    assert silent == {"leaks", "part_balance", "masks", "heart", "identity"}  # it has no parts, masks or names
