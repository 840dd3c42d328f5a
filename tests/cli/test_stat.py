"""``stat`` prints the table that Python gives, and says what was counted."""

from __future__ import annotations

import json
from io import StringIO

import pandas as pd
import pytest

import cxrdash
from cxrdash.analysis import STATISTICS
from cxrdash.index.cohort import Cohort


def test_prevalence_counts_by_hand(tiny):
    rows = {row["finding"]: row for row in json.loads(tiny("stat", "prevalence", "tiny", "--json").out)}
    heart = rows["Cardiomegaly"]
    assert (heart["positive"], heart["of"], heart["positive_patients"]) == (2, 6, 1)
    assert heart["rate"] == pytest.approx(2 / 6) and rows["Hernia"]["positive"] == 0


def test_a_cohort_narrows_the_count(tiny):
    words = ("--sex", "F", "--view", "AP", "--age", "31-40")
    rows = {row["finding"]: row for row in json.loads(tiny("stat", "prevalence", "tiny", *words, "--json").out)}
    assert (rows["Edema"]["positive"], rows["Edema"]["of"]) == (1, 1)


@pytest.mark.parametrize("name", STATISTICS)
def test_command_line_and_python_give_the_same_table(name, tiny, tiny_cache):
    printed = tiny("stat", name, "tiny", "--view", "PA", "--format", "csv").out
    index = cxrdash.open("tiny", tiny_cache)
    table = getattr(cxrdash, name)(index, cxrdash.Cohort(views=("PA",)))
    assert printed == table.to_csv(index=False, lineterminator="\n")


def test_csv_holds_the_numbers_unrounded(tiny):
    table = pd.read_csv(StringIO(tiny("stat", "repeat_share", "tiny", "--format", "csv").out))
    row = table[table["threshold"] == 1].iloc[0]
    assert (row["patients"], row["images"]) == (2, 5) and row["share_of_images"] == 5 / 6


def test_what_is_undefined_is_null_in_json(tiny):
    (row,) = json.loads(tiny("stat", "concentration_summary", "tiny", "--patient", "nobody", "--json").out)
    assert row["images"] == 0 and row["gini"] is None


def test_stderr_says_cohort_unit_policy_method_and_generation(tiny):
    said = tiny("stat", "prevalence", "tiny", "--sex", "M", "--policy", "u-ones", "--unit", "patient").err
    assert "images of men, n = 3 of 6 images, 1 patient" in said
    assert "unit: patient · uncertain counted as positive (U-Ones)" in said
    assert "METHODS 2.2" in said and "dataset tiny, generation " in said


def test_unit_and_policy_are_told_where_they_are_defaults(tiny):
    said = tiny("stat", "prevalence", "tiny").err
    assert "unit: image · uncertain shown as its own state and not counted as positive (as_is)" in said


def test_options_reach_the_statistic(tiny):
    rows = json.loads(tiny("stat", "repeat_share", "tiny", "--set", "thresholds=2,0", "--json").out)
    assert [(row["threshold"], row["patients"]) for row in rows] == [(2, 1), (0, 3)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["prevalense", "tiny"], "There is no statistic named 'prevalense'.\nKnown: "),
        (
            ["prevalence", "tiny", "--policy", "U-Maybe"],
            'Unknown uncertainty policy "U-Maybe".\nKnown policies: as_is',
        ),
        (["prevalence", "tiny", "--unit", "study"], "does not identify a study"),
        (["prevalence", "tiny", "--labels", "Effusio"], "Effusio"),
        (["prevalence", "tiny", "--labels", "Effusion AND"], "Effusion AND"),
        (["ages", "tiny", "--unit", "image"], "ages takes no --unit.\nIt takes: no options."),
        (["prevalence_by", "tiny", "--set", "by=moon"], "cannot be split by 'moon'."),
        (["test_sizes", "tiny", "--set", "auc=2"], "auc must lie between 0 and 1"),
        (["lorenz", "tiny", "--set", "k=1"], "lorenz has no option 'k'.\nKnown: none."),
    ],
)
def test_what_cannot_be_asked_is_misuse(words, said, tiny):
    shown = tiny("stat", *words)
    assert shown.code == 2 and shown.out == "" and said in shown.err


def test_a_view_the_dataset_does_not_have_is_told(tiny):
    shown = tiny("stat", "overview", "tiny", "--view", "pa")
    assert shown.code == 0 and "No image of tiny has view 'pa'; these occur: AP, PA." in shown.err


def test_list_names_every_statistic_with_its_options(tiny):
    rows = {row["name"]: row for row in json.loads(tiny("stat", "--list", "--json").out)}
    assert set(rows) == set(STATISTICS)
    assert rows["prevalence_by"]["options"] == "by, policy, unit"


def test_the_copied_cohort_gives_the_same_images(tiny):
    cohort = Cohort(labels='Effusion AND NOT "No Finding"', sexes=("F",), one_per_patient="last")
    rows = json.loads(tiny("sample", "tiny", *cohort.arguments(), "--json").out)
    assert [row["image_id"] for row in rows] == ["00000003_001.png"]
