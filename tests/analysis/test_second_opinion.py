"""Labels against a second opinion: by hand, by brute force, and on the real relabels of NIH."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import cxrdash
from cxrdash.analysis.counterparts import counterpart
from cxrdash.analysis.intervals import wilson
from cxrdash.analysis.second_opinion import CELLS, opinion_cohort, second_opinion
from cxrdash.cli import main
from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import select
from cxrdash.index.store import Index
from cxrdash.labels.findings import Finding
from cxrdash.labels.policies import ALL_POLICIES, Policy
from cxrdash.labels.states import State
from tests.analysis.conftest import Pair
from tests.datasets import indexed, nih_row, write_nih

FINDINGS = (
    Finding("Pneumothorax", "Pneumothorax", harmonised="Pneumothorax"),
    Finding("Effusion", "Effusion", harmonised="Pleural Effusion"),
    Finding("Pleural_Thickening", "Pleural_Thickening"),
    Finding("Nodule", "Nodule", harmonised="Nodule"),
    Finding("Mass", "Mass", harmonised="Mass"),
    Finding("Consolidation", "Consolidation"),
    Finding("Infiltration", "Infiltration"),
    Finding("Pneumonia", "Pneumonia"),
)


@pytest.mark.parametrize(("reader", "finding", "text", "match"), [
    ("google_2019", "Pneumothorax", "Pneumothorax", "name"),
    ("anybody", "pleural thickening", "Pleural_Thickening", "name"),
    ("anybody", "Pleural Effusion", "Effusion", "harmonised"),
    ("google_2019", "Nodule or mass", "Nodule OR Mass", "declared"),
    ("google_2019", "Airspace opacity", "Consolidation OR Infiltration OR Pneumonia", "related"),
    ("anybody", "Airspace opacity", "", "none"),
    ("google_2019", "Fracture", "", "none"),
    ("anybody", "Effusions", "", "none"),
])  # fmt: skip
def test_what_a_reader_s_finding_is_among_the_labels(reader: str, finding: str, text: str, match: str) -> None:
    found = counterpart(reader, finding, FINDINGS)
    assert (found.text, found.match) == (text, match)


def test_a_declared_match_needs_all_its_findings() -> None:
    assert counterpart("google_2019", "Nodule or mass", FINDINGS[:4]).match == "none"


def relabels(folder: Path, answers: dict[str, str]) -> Path:
    """Write Google's table: image -> four letters Y or N for fracture, pneumothorax, opacity, nodule."""
    header = (
        "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
        "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],Fracture,Pneumothorax,Airspace opacity,"
        "Nodule or mass,Set Id"
    )
    words = {"Y": "YES", "N": "NO"}
    lines = [
        f"{image},No Finding,0,1,50,F,PA,2500,2048,0.1,0.1,{','.join(words[a] for a in said)},test"
        for image, said in answers.items()
    ]
    (folder / "relabels.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """Six images of three patients; five were read. Pneumothorax: 1 both, 1 only NIH, 1 only Google, 2 neither."""
    rows = [
        nih_row(1, 0, "Pneumothorax"), nih_row(1, 1, "Pneumothorax|Nodule"), nih_row(2, 0), nih_row(2, 1, "Mass"),
        nih_row(3, 0), nih_row(3, 1, "Pneumothorax"),
    ]  # fmt: skip
    folder = write_nih(tmp_path_factory.mktemp("opinions") / "nih", rows)
    said = {"00000001_000": "NYNN", "00000001_001": "NNNY", "00000002_000": "YYYN", "00000002_001": "NNYN",
            "00000003_000": "NNNN"}  # fmt: skip
    return indexed(relabels(folder, {f"{image}.png": answer for image, answer in said.items()}), "nih")


def test_a_small_dataset_counted_by_hand(small: Index) -> None:
    table = second_opinion(small).set_index("finding")
    assert table.loc["Pneumothorax", [*CELLS, "of", "unmatched", "patients", "positive"]].tolist() == [
        1, 1, 1, 2, 5, 0, 3, 2,
    ]  # fmt: skip
    assert table.loc["Nodule or mass", list(CELLS)].tolist() == [1, 0 + 1, 0, 3]
    assert table.loc["Airspace opacity", list(CELLS)].tolist() == [0, 0, 2, 3]
    assert table.loc["Fracture", [*CELLS, "of", "unmatched", "positive"]].tolist() == [0, 0, 0, 0, 0, 5, 1]
    row = table.loc["Pneumothorax"]
    assert (row["ppv"], row["sensitivity"], row["agreement"]) == (0.5, 0.5, 0.6)
    assert (row["prevalence_first"], row["prevalence_second"], row["positive_agreement"]) == (0.4, 0.4, 0.5)
    assert row["kappa"] == pytest.approx((0.6 - 0.52) / 0.48)


def test_a_finding_without_counterpart_has_no_measures_and_no_cells(small: Index) -> None:
    row = second_opinion(small).set_index("finding").loc["Fracture"]
    assert row[["ppv", "sensitivity", "kappa", "ac1", "prevalence_first", "prevalence_second"]].isna().all()
    assert (row["match"], row["first_finding"]) == ("none", "")
    with pytest.raises(CxrdashError, match="No finding of NIH ChestX-ray14 corresponds to 'Fracture'"):
        opinion_cohort(small, "google_2019", "Fracture", "both", Policy())


def test_a_reader_who_is_not_there_is_refused_with_those_who_are(small: Index) -> None:
    with pytest.raises(CxrdashError, match="'Google' is not a reader of NIH") as refused:
        second_opinion(small, reader="Google")
    assert refused.value.hint == "Its readers: google_2019."


def test_disagreements_are_a_cohort(small: Index) -> None:
    cohort = opinion_cohort(small, "google_2019", "Pneumothorax", "only_first", Policy())
    assert cohort == Cohort(labels="Pneumothorax", readings=("google_2019: NOT Pneumothorax",))
    assert select(small, cohort).rows("SELECT image_id FROM selected") == [("00000001_001.png",)]


def brute(pair: Pair, reader: str, finding: str, policy: Policy, kept: pd.Series) -> dict[str, Any]:
    """The row of one reader and finding, from the invented rows themselves."""
    said = pair.dataset.readings
    said = said[said["reader"] == reader]
    images = pair.dataset.table[kept]
    read = images[images["image_id"].isin(said["image_id"])]
    second = read["image_id"].map(said[said["finding"] == finding].set_index("image_id")["state"]).fillna(State.BLANK)
    found: dict[str, Any] = {"positive": int(second.isin(policy.positive_states).sum())}
    if finding not in pair.dataset.findings:
        return found | dict.fromkeys([*CELLS, "of"], 0) | {"unmatched": len(read)}
    first, patient = read[finding], read["patient_id"].fillna(read["image_id"])
    counted = first.isin(policy.denominator_states) & second.isin(policy.denominator_states)
    one, other = first[counted].isin(policy.positive_states), second[counted].isin(policy.positive_states)
    cells = {"both": one & other, "only_first": one & ~other, "only_second": ~one & other, "neither": ~one & ~other}
    found |= {name: int(cell.sum()) for name, cell in cells.items()}
    found |= {"of": int(counted.sum()), "unmatched": int((~counted).sum())}
    found["patients"] = read.loc[counted, "patient_id"].nunique()
    found["ppv"] = other[one].mean() if one.any() else np.nan
    found["sensitivity"] = one[other].mean() if other.any() else np.nan
    found["clusters"] = patient[counted][one].nunique()
    return found


@pytest.mark.parametrize("policy", ALL_POLICIES, ids=str)
def test_every_policy_counts_what_brute_force_counts(invented: Pair, policy: Policy) -> None:
    for cohort, kept in (
        (Cohort(), pd.Series(True, index=invented.dataset.images.index)),
        (Cohort(views=("PA",)), invented.dataset.images["view"] == "PA"),
    ):
        table = second_opinion(invented.index, cohort, policy=policy)
        assert list(table["reader"].unique()) == ["R1", "R2", "R10"]
        for _, row in table.iterrows():
            expected = brute(invented, row["reader"], row["finding"], policy, kept)
            expected.pop("clusters", None)
            assert row[list(expected)].to_dict() == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("policy", ALL_POLICIES, ids=str)
def test_every_cell_opens_on_exactly_its_images(invented: Pair, policy: Policy) -> None:
    base = Cohort(sexes=("F",))
    table = second_opinion(invented.index, base, policy=policy)
    for _, row in table[table["match"] != "none"].iterrows():
        for cell in CELLS:
            narrowed = base.narrow(opinion_cohort(invented.index, row["reader"], row["finding"], cell, policy))
            assert select(invented.index, narrowed).counts["images"] == row[cell]


def test_one_reader_alone_is_the_same_row(invented: Pair) -> None:
    whole = second_opinion(invented.index)
    alone = second_opinion(invented.index, reader="R10")
    pd.testing.assert_frame_equal(alone, whole[whole["reader"] == "R10"].reset_index(drop=True))


def test_intervals_are_wilson_where_every_image_is_another_patient(small: Index) -> None:
    row = second_opinion(small, Cohort(one_per_patient="first")).set_index("finding").loc["Pneumothorax"]
    assert row["of"] == row["patients"] == 3
    low, high = wilson(row["both"], row["both"] + row["only_second"])
    assert (row["sensitivity_low"], row["sensitivity_high"]) == pytest.approx((float(low), float(high)))


def joined(real_data: Path) -> pd.DataFrame:
    """The two real tables, joined by image with pandas alone."""
    labels = pd.read_csv(real_data / "nih" / "Data_Entry_2017_v2020.csv.gz", usecols=[0, 1, 3])
    google = pd.read_csv(real_data / "nih" / "google2019_nih-chest-xray-labels.csv.gz")
    return google.merge(labels, on="Image Index", suffixes=("_google", ""), validate="one_to_one")


COMPARED = {
    "Pneumothorax": ("Pneumothorax",),
    "Nodule or mass": ("Nodule", "Mass"),
    "Airspace opacity": ("Consolidation", "Infiltration", "Pneumonia"),
}


@pytest.mark.real_data
def test_google_against_nih_is_a_plain_join_of_the_two_tables(real_data: Path, real_nih: Index) -> None:
    table = second_opinion(real_nih).set_index("finding")
    both = joined(real_data)
    listed = both["Finding Labels"].str.split("|")
    for finding, names in COMPARED.items():
        one = pd.Series([bool(set(found) & set(names)) for found in listed])
        other = both[finding] == "YES"
        expected = [(one & other).sum(), (one & ~other).sum(), (~one & other).sum(), (~one & ~other).sum()]
        assert table.loc[finding, list(CELLS)].tolist() == expected
        assert table.loc[finding, ["of", "patients"]].tolist() == [4376, both["Patient ID"].nunique()]
    # METHODS D5.4: of 238 labelled Pneumothorax, 109 confirmed, 45.8 %.
    assert table.loc["Pneumothorax", list(CELLS)].tolist() == [109, 129, 129, 4009]
    assert table.loc["Pneumothorax", "ppv"] == pytest.approx(109 / 238)
    assert table.loc["Fracture", ["match", "of", "positive"]].tolist() == ["none", 0, 186]


@pytest.mark.real_data
def test_the_command_line_and_python_say_the_same(
    real_nih: Index, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = tmp_path_factory.getbasetemp() / "real-nih"
    capsys.readouterr()
    assert main(["--cache", str(cache), "stat", "second_opinion", "nih", "--json"]) == 0
    rows = {row["finding"]: row for row in json.loads(capsys.readouterr().out)}
    table = cxrdash.second_opinion(cxrdash.open("nih", cache))
    assert [rows[finding]["both"] for finding in table["finding"]] == table["both"].tolist() == [109, 908, 0, 256]
    words = ["--labels", "Pneumothorax", "--reading", "google_2019: NOT Pneumothorax"]
    assert main(["--cache", str(cache), "stat", "overview", "nih", *words, "--json"]) == 0
    total = next(row for row in json.loads(capsys.readouterr().out) if row["attribute"] == "total")
    assert total["images"] == 129
