"""A cohort written as a recipe keeps exactly the cohort, and its file reads back as the same recipe."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxrdash import analysis
from cxrdash.analysis.cohort_recipe import cohort_recipe, recipe_text
from cxrdash.analysis.recipes import read_recipe
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import select
from cxrdash.index.store import Index
from cxrdash.labels.policies import ALL_POLICIES, Policy
from cxrdash.labels.states import State
from tests.analysis.test_loaders import chexpert, many_rows

WHOLE = ("Every image of the cohort", "Every image of the dataset")
COHORTS = [
    Cohort(),
    Cohort(views=("PA",), labels="Edema:uncertain OR NOT Fracture", one_per_patient="random", seed=7),
    Cohort(views=("PA", "AP"), images_per_patient=(2, 3), one_per_patient="last"),
    Cohort(sexes=("M",), ages=(0, 200), labels='"Pleural Effusion"'),
    Cohort(patient="patient00003"),
    Cohort(labels="Edema AND NOT Edema"),
]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return chexpert(tmp_path_factory.mktemp("recipe"), many_rows(4))


@pytest.mark.parametrize("cohort", COHORTS, ids=[cohort.words() for cohort in COHORTS])
def test_its_last_step_is_the_cohort(index: Index, cohort: Cohort) -> None:
    audit = analysis.cohort_audit(index, cohort)
    n = select(index, cohort).counts
    assert tuple(audit.iloc[-1][["images", "patients"]]) == (n["images"], n["patients"])
    assert audit["images"].iloc[0] == index.counts["images"]
    assert audit["images_lost"].sum() == index.counts["images"] - n["images"]


@pytest.mark.parametrize("policy", ALL_POLICIES, ids=str)
def test_labels_then_say_what_the_policy_counts(index: Index, policy: Policy) -> None:
    cohort = Cohort(views=("PA",))
    labels = analysis.cohort_labels(index, cohort, policy=policy)
    last = labels[labels["step"] == labels["step"].max()].set_index("finding")
    rates = analysis.prevalence(index, cohort, policy=policy, unit="image").set_index("finding")
    assert last["positive_after"].to_dict() == rates["counted"].to_dict()
    if policy.uncertain != "as_is":  # as recorded an uncertain label stays a state of its own
        assert (last["of"] - last["missing_after"]).to_dict() == rates["of"].to_dict()


@pytest.mark.parametrize("cohort", COHORTS, ids=[cohort.words() for cohort in COHORTS])
def test_its_file_is_a_recipe_that_gives_the_same_audit(index: Index, cohort: Cohort, tmp_path: Path) -> None:
    policy = Policy("U-Ones", "excluded")
    recipe = cohort_recipe(index, cohort, policy)
    path = tmp_path / "my-cohort.toml"
    path.write_text(recipe_text(recipe), encoding="utf-8")
    assert read_recipe(path).rules == recipe.rules
    columns = ["step", "rule", "images", "patients", "labels_changed"]
    again = analysis.loader_audit(index, recipe=str(path)).assign(rule=lambda table: table["rule"].replace(*WHOLE))
    assert again[columns].equals(analysis.cohort_audit(index, cohort, policy=policy)[columns])


def test_hostile_text_survives_the_file(index: Index, tmp_path: Path) -> None:
    cohort = Cohort(patient='a"b\\c\x7f\n[[rule]]', labels="")
    path = tmp_path / "my-cohort.toml"
    path.write_text(recipe_text(cohort_recipe(index, cohort, Policy())), encoding="utf-8")
    (first, *_) = read_recipe(path).rules
    assert Cohort.from_query(first["query"]) == cohort


def test_rules_that_change_nothing_here_are_left_out(index: Index) -> None:
    assert State.UNCERTAIN in set(index.dictionary.ravel().tolist())
    kinds = [rule.kind for rule in cohort_recipe(index, Cohort(), Policy()).rules]
    assert kinds == ["blank_to"]
