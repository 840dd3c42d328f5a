"""A cohort selects the images that filtering in pandas selects."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import Selection, require_unit, select
from cxrdash.index.store import Index
from cxrdash.labels.expression import And, Atom, Expression, Not, Or, format_expression, matches
from cxrdash.labels.states import State
from tests.datasets import Invented, invent, residue

HOSTILE = (
    'say "Mass"', "x'); DROP TABLE images; --", "AND", "NOT", "a:positive", "(bracket)", "line\nbreak",
    "$patterns", "{levels} %s", "semi;colon", "Pleural_Effusion", "ünïcødé 胸部", "\\", "--", "日本 OR",
)  # fmt: skip
DATASET = invent(11, patients=40)
HOSTILE_DATASET = invent(12, patients=20, findings=HOSTILE)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return DATASET.index(tmp_path_factory.mktemp("selection") / "invented")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return HOSTILE_DATASET.index(tmp_path_factory.mktemp("hostile") / "invented")


def expressions(names: Sequence[str]) -> st.SearchStrategy[Expression]:
    atoms = st.builds(Atom, st.sampled_from(names), st.sampled_from(list(State)))
    return st.recursive(
        atoms,
        lambda inner: (
            st.builds(Not, inner)
            | st.lists(inner, min_size=2, max_size=3).map(lambda items: And(tuple(items)))
            | st.lists(inner, min_size=2, max_size=3).map(lambda items: Or(tuple(items)))
        ),
        max_leaves=6,
    )


def some(values: Sequence[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from([*values, "'", "$patterns"]), max_size=2, unique=True).map(tuple)


ages = st.none() | st.tuples(st.integers(0, 95), st.integers(0, 95))
filters = st.builds(
    Cohort,
    splits=some(["train", "valid", "test"]),
    views=some(["PA", "AP", "LATERAL"]),
    sexes=some(["F", "M"]),
    ages=ages,
)
labels = st.none() | expressions(DATASET.findings)
cohorts = st.builds(
    lambda cohort, rule, sizes, patient, seed: dataclasses.replace(
        cohort, one_per_patient=rule, images_per_patient=sizes, patient=patient, seed=seed
    ),
    filters,
    st.sampled_from(["", "", "first", "last", "random"]),
    st.none() | st.tuples(st.integers(0, 12), st.integers(0, 12)),
    st.sampled_from(["", "", "", "p3", "p7", "p3' OR '1'='1"]),
    st.integers(-9, 9),
)


def labelled(table: pd.DataFrame, names: Sequence[str], expression: Expression | None) -> pd.DataFrame:
    if expression is None:
        return table
    wanted = [
        matches(expression, {name: State(int(state)) for name, state in zip(names, row, strict=True)})
        for row in table[list(names)].to_numpy()
    ]
    return table[np.array(wanted, dtype=bool)]


def in_order(table: pd.DataFrame) -> pd.DataFrame:
    """Images as the index orders them: by patient, study (in time, then by id), place and id."""
    places = table["order_in_patient"].astype(int)
    began = places.groupby(table["study_id"], dropna=False).transform("min")
    ordered = table.assign(began=began, place=places)
    return ordered.sort_values(["patient_id", "began", "study_id", "place", "image_id"], ignore_index=True)


def filtered(dataset: Invented, cohort: Cohort, expression: Expression | None) -> pd.DataFrame:
    """The images of a cohort by pandas."""
    table = labelled(in_order(dataset.table), dataset.findings, expression)
    for column, wanted in (("split", cohort.splits), ("view", cohort.views), ("sex", cohort.sexes)):
        if wanted:
            table = table[table[column].isin(wanted)]
    if cohort.ages:
        years = pd.to_numeric(table["age_years"])
        table = table[(years >= cohort.ages[0]) & (years <= cohort.ages[1])]
    if cohort.patient:
        table = table[table["patient_id"] == cohort.patient]
    if cohort.images_per_patient:
        sizes = table.groupby("patient_id")["image_id"].transform("size")
        table = table[sizes.between(*cohort.images_per_patient).fillna(False).astype(bool)]
    if not cohort.one_per_patient:
        return table
    table = table[table["patient_id"].notna()]
    if cohort.one_per_patient == "random":
        order = [residue(name, cohort.seed, b"pick") for name in table["image_id"]]
        table = table.assign(residue=order).sort_values("residue")
    people = table.groupby("patient_id", sort=False)
    return people.tail(1) if cohort.one_per_patient == "last" else people.head(1)


def chosen(selection: Selection) -> list[str]:
    return [name for (name,) in selection.rows("SELECT image_id FROM selected ORDER BY image_id")]


def pasted(selection: Selection) -> int:
    """The count that the written-out statement gives when pasted into a query."""
    sql = selection.written_out("SELECT count(*) FROM selected")
    return int(selection.index.guarded_query(sql, seconds=10, rows=1)[0].iloc[0, 0])


@settings(max_examples=150)
@given(cohort=cohorts, expression=labels)
def test_a_cohort_is_what_pandas_filters(index: Index, cohort: Cohort, expression: Expression | None) -> None:
    text = format_expression(expression) if expression else ""
    selection = select(index, dataclasses.replace(cohort, labels=text))
    expected = filtered(DATASET, cohort, expression)
    assert chosen(selection) == sorted(expected["image_id"])
    assert selection.counts == {
        "images": len(expected),
        "studies": expected["study_id"].nunique(),
        "patients": expected["patient_id"].nunique(),
        "on_disk": 0,
    }
    assert pasted(selection) == len(expected)


@settings(max_examples=100)
@given(one=filters, other=filters, ours=labels, theirs=labels)
def test_narrowing_is_intersection(
    index: Index, one: Cohort, other: Cohort, ours: Expression | None, theirs: Expression | None
) -> None:
    first = dataclasses.replace(one, labels=format_expression(ours) if ours else "")
    second = dataclasses.replace(other, labels=format_expression(theirs) if theirs else "")
    both = set(chosen(select(index, first))) & set(chosen(select(index, second)))
    assert set(chosen(select(index, first.narrow(second)))) == both


def test_a_patient_that_is_another_patient_is_nobody(index: Index) -> None:
    assert select(index, Cohort(patient="p3").narrow(Cohort(patient="p7"))).counts["images"] == 0


def test_images_may_be_named_one_by_one(index: Index) -> None:
    every = chosen(select(index))
    named = (every[3], every[0], "nobody's film'; --")
    selection = select(index, Cohort(images=named))
    assert chosen(selection) == sorted(every[at] for at in (0, 3))
    assert pasted(selection) == 2
    assert chosen(select(index, Cohort(images=named).narrow(Cohort(images=(every[3], every[1]))))) == [every[3]]


@settings(max_examples=80)
@given(expression=expressions(HOSTILE))
def test_hostile_finding_names_are_only_names(hostile: Index, expression: Expression) -> None:
    selection = select(hostile, Cohort(labels=format_expression(expression)))
    expected = labelled(HOSTILE_DATASET.table, HOSTILE, expression)
    assert chosen(selection) == sorted(expected["image_id"])
    assert pasted(selection) == len(expected)


@pytest.mark.parametrize(
    "value", ["x'; DROP TABLE images; --", "$patient_id", "$cohort_split", "\\'", "a''b", "\n", '"']
)
def test_hostile_values_are_only_values(tmp_path: Path, value: str) -> None:
    dataset = dataclasses.replace(DATASET, images=DATASET.images.copy())
    dataset.images.loc[:4, ["split", "patient_id"]] = value
    index = dataset.index(tmp_path / "invented")
    selection = select(index, Cohort(splits=(value, "$patient_id"), patient=value))
    assert (selection.counts["images"], pasted(selection)) == (5, 5)


def test_an_unknown_finding_is_refused_with_the_nearest(index: Index) -> None:
    with pytest.raises(CxrdashError, match="Did you mean Mass"):
        _ = select(index, Cohort(labels="Mas")).counts


def test_the_sentence_counts_what_is_chosen(index: Index) -> None:
    whole = index.counts
    assert select(index).sentence() == f"all images, n = {whole['images']} images, {whole['patients']} patients"
    n = select(index, Cohort(sexes=("F",))).counts
    assert select(index, Cohort(sexes=("F",))).sentence() == (
        f"images of women, n = {n['images']} of {whole['images']} images, {n['patients']} patients"
    )


@pytest.mark.parametrize("unit", ["image", "study", "patient"])
@pytest.mark.parametrize("constant", [True, False])
def test_labels_of_a_unit_are_the_union_over_its_images(
    tmp_path_factory: pytest.TempPathFactory, unit: str, constant: bool
) -> None:
    dataset = invent(5, labels_per_study=constant)
    index = dataset.index(tmp_path_factory.mktemp("units") / "invented")
    assert index.meta["study_labels_constant"] is constant
    for cohort in (Cohort(), Cohort(views=("PA",))):
        table = filtered(dataset, cohort, None)
        names = list(dataset.findings)
        units = table if unit == "image" else table[table[f"{unit}_id"].notna()].groupby(f"{unit}_id")
        expected = units[names].value_counts() if unit == "image" else units[names].max().value_counts()
        found = select(index, cohort).labels(unit)  # type: ignore[arg-type]
        counted = pd.DataFrame(found.states, columns=names).assign(n=found.weights).groupby(names)["n"].sum()
        assert counted.to_dict() == expected.to_dict()


def test_labels_split_by_an_attribute_add_up_to_the_whole(index: Index) -> None:
    table = filtered(DATASET, Cohort(), None)
    found = select(index).labels("image", ("sex", "view"))
    counted = pd.Series(found.weights).groupby([found.levels["sex"], found.levels["view"]]).sum()
    assert counted.to_dict() == table.groupby(["sex", "view"]).size().to_dict()


@pytest.mark.parametrize(
    ("unit", "message"), [("film", "'film' is not a unit"), ("study", "does not identify a study")]
)
def test_a_unit_that_is_not_there_is_refused(tmp_path_factory: pytest.TempPathFactory, unit: str, message: str) -> None:
    index = invent(6, known_patients=False).index(tmp_path_factory.mktemp("nobody") / "invented")
    with pytest.raises(CxrdashError, match=message):
        require_unit(index, unit)
