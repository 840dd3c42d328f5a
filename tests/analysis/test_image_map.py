"""A map of the images: neighbours of other patients against a plain count, what a pocket holds, hostile tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrdash.analysis import image_map as module
from cxrdash.analysis.image_map import NEIGHBOURS, image_map, neighbourhood, pocket, usual_axes
from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort
from cxrdash.index.store import Index
from cxrdash.labels.policies import Policy
from cxrdash.labels.states import State
from tests.datasets import chexpert_row, indexed, nih_row, write_chexpert, write_nih

PATIENTS, EACH = 40, 3


def image(patient: int, number: int) -> str:
    return f"{patient:08d}_{number:03d}.png"


@pytest.fixture(scope="module")
def nih(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """Forty patients with three films each; every third patient's films show Effusion, men are the even ones."""
    rows = [
        nih_row(patient, number, "Effusion" if patient % 3 == 0 else "No Finding", sex="FM"[patient % 2 == 0])
        for patient in range(1, PATIENTS + 1)
        for number in range(EACH)
    ]
    return indexed(write_nih(tmp_path_factory.mktemp("map") / "nih", rows), "nih")


def places(seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    names = [image(patient, number) for patient in range(1, PATIENTS + 1) for number in range(EACH)]
    return pd.DataFrame(random.normal(size=(len(names), 2)), index=names, columns=["umap1", "umap2"])


@pytest.mark.parametrize("seed", range(5))
def test_neighbours_are_those_a_plain_loop_finds(nih: Index, seed: int) -> None:
    where = places(seed)
    hits = units = 0
    for name, spot in where.iterrows():
        patient = int(str(name)[:8])
        if patient % 3:
            continue
        apart = ((where - spot) ** 2).sum(axis=1).sort_values()
        near = [int(str(other)[:8]) for other in apart.index if int(str(other)[:8]) != patient][:NEIGHBOURS]
        units += len(near)
        hits += sum(other % 3 == 0 for other in near)
    found = image_map(nih, Cohort(), where, "effusion", Policy())
    around = neighbourhood(found)
    assert around.rate == pytest.approx(hits / units)
    assert around.low < around.rate < around.high
    assert (around.positive, around.films, found.of) == (39, 120, 120)
    assert around.overall == pytest.approx(39 / 120)


def test_films_of_one_patient_are_no_neighbours(nih: Index) -> None:
    where = places(0)
    where["umap1"] = [float(int(name[:8])) for name in where.index]  # the films of a patient lie in one place
    where["umap2"] = 0.0
    around = neighbourhood(image_map(nih, Cohort(), where, "Effusion", Policy()))
    # Patients 3, 6, 9 have none such within two places; beside 39, the last but one, the tenth film is one of 36.
    assert around.rate == pytest.approx(3 / 390)  # with one's own films it would be above 0.2
    alone = image_map(nih, Cohort(patient="3"), where, "Effusion", Policy())
    assert (alone.of, neighbourhood(alone).is_known) == (3, False)


def test_a_map_without_a_positive_film_says_so(nih: Index) -> None:
    around = neighbourhood(image_map(nih, Cohort(), places(0), "Mass", Policy()))
    assert (around.positive, around.is_known, around.overall) == (0, False, 0.0)


def test_only_places_of_the_cohort_count(nih: Index) -> None:
    where = places(0)
    where.iloc[0] = [np.nan, 1.0]
    where.loc["other.png"] = [0.0, 0.0]
    assert image_map(nih, Cohort(), where, "Effusion", Policy()).of == 119
    women = image_map(nih, Cohort(sexes=("F",)), where, "Effusion", Policy())
    assert women.of == 59 and all(int(name[:8]) % 2 for name in women.points["image_id"])
    assert image_map(nih, Cohort(), where.head(0), "Effusion", Policy()).points.empty


def test_too_many_points_are_chosen_at_random_and_alike(nih: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_POINTS", 30)
    first, again = (image_map(nih, Cohort(), places(seed), "Effusion", Policy()) for seed in (0, 1))
    assert len(first.points) == 30 and first.of == 120
    assert list(first.points["image_id"]) == list(again.points["image_id"])
    assert len({name[:8] for name in first.points["image_id"]}) > 15  # not the first patients


def test_what_counts_as_positive_follows_the_policy(tmp_path: Path) -> None:
    states = {1: State.POSITIVE, 2: State.UNCERTAIN, 3: State.NEGATIVE}
    rows = [chexpert_row(patient, states={"Edema": state}) for patient, state in states.items()]
    index = indexed(write_chexpert(tmp_path / "chexpert", rows), "chexpert")
    names = index.arrays("SELECT image_id FROM images ORDER BY image_id")["image_id"]
    where = pd.DataFrame({"x": [0.0, 1.0, 2.0], "y": 0.0}, index=names)
    for policy, of, positive in (
        ("as_is", 3, 1),
        ("U-Ones", 3, 2),
        ("U-Ignore", 2, 1),
        ("U-Ones, blank excluded", 3, 2),
    ):
        found = image_map(index, Cohort(), where, "Edema", Policy.parse(policy))
        assert (found.of, found.points["positive"].sum()) == (of, positive)


def test_a_pocket_is_told_by_what_sets_it_apart(nih: Index) -> None:
    names = list(places(0).index)
    inside = tuple(name for name in names if int(name[:8]) % 3 == 0 and int(name[:8]) <= 18)
    rest = tuple(name for name in names if name not in inside)
    table = pocket(nih, inside, rest, Policy()).set_index("what")
    assert set(table.index[:2]) == {"Effusion", "No Finding"}
    effusion, men = table.loc["Effusion"], table.loc["sex: M"]
    assert (effusion["share_inside"], effusion["inside_n"], effusion["rest_n"]) == (1.0, 18, 102)
    assert effusion["share_rest"] == pytest.approx(21 / 102)
    assert men["share_inside"] == pytest.approx(0.5) and men["low"] < 0.5 < men["high"]
    assert men["high"] - men["low"] > 0.5  # six patients, not eighteen films
    assert table["share_inside"].between(0, 1).all() and table["share_rest"].between(0, 1).all()


def test_a_share_of_no_images_is_undefined_and_a_level_that_is_absent_is_none(tmp_path: Path) -> None:
    states = {1: State.UNCERTAIN, 2: State.POSITIVE, 3: State.NEGATIVE}
    rows = [
        chexpert_row(patient, states={"Edema": state}, sex="Female" if patient == 1 else "Male")
        for patient, state in states.items()
    ]
    index = indexed(write_chexpert(tmp_path / "chexpert", rows), "chexpert")
    names = [str(name) for name in index.arrays("SELECT image_id FROM images ORDER BY image_id")["image_id"]]
    table = pocket(index, (names[0],), tuple(names[1:]), Policy.parse("U-Ignore")).set_index("what")
    assert np.isnan(table.loc["Edema", "share_inside"]) and table.loc["Edema", "inside_n"] == 0
    assert table.loc["Edema", "share_rest"] == 0.5
    assert (table.loc["sex: M", "share_inside"], table.loc["sex: M", "inside_n"]) == (0.0, 1)


def test_a_pocket_of_everything_has_nothing_beside_it(nih: Index) -> None:
    table = pocket(nih, tuple(places(0).index), (), Policy()).set_index("what")
    assert np.isnan(table.loc["Effusion", "share_rest"]) and table.loc["Effusion", "rest_n"] == 0


@pytest.mark.parametrize(
    ("columns", "axes"),
    [
        (["fold", "UMAP1", "umap2"], ("UMAP1", "umap2")),
        (["p", "x", "y"], ("x", "y")),
        (["a", "b", "c"], ("a", "b")),
    ],
)
def test_axes_are_known_by_name(columns: list[str], axes: tuple[str, str]) -> None:
    assert usual_axes(columns) == axes


def test_one_column_is_no_map() -> None:
    with pytest.raises(CxrdashError, match="one column of numbers only"):
        usual_axes(["x"])
