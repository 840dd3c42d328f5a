"""Strata of a label: published counts on NIH, plain pandas, subtypes from another table, and associations that turn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from cxrdash import analysis
from cxrdash.analysis import strata_sums
from cxrdash.analysis.split_films import films_of
from cxrdash.analysis.strata_sums import Attribute, Columns, sums_by_finding
from cxrdash.config import Cache
from cxrdash.errors import CxrdashError
from cxrdash.index.build import Request, build_index
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import select
from cxrdash.index.store import Index, open_index
from cxrdash.labels.policies import Policy
from cxrdash.labels.states import State
from tests.analysis import brute
from tests.analysis.conftest import Pair
from tests.datasets import chexpert_row, indexed, nih_row, write_chexpert, write_nih


def row_of(table: pd.DataFrame, finding: str, attribute: str, level: str) -> pd.Series:
    return table.set_index(["finding", "attribute", "level"]).loc[(finding, attribute, level)]


def test_shares_are_those_pandas_counts(invented: Pair) -> None:
    plain, table = invented.dataset.table, analysis.strata(invented.index)
    for row in table[table["kind"] == "metadata"].query("attribute in ('view', 'split')").itertuples():
        counted = plain[plain[row.finding] != State.NOT_ASSESSED]
        positive = counted[counted[row.finding] == State.POSITIVE]
        other = counted[counted[row.finding] != State.POSITIVE]
        inside, outside = (part[row.attribute] == row.level for part in (positive, other))
        assert (row.images, row.positive) == (inside.sum(), len(positive))
        assert (row.images_other, row.other) == (outside.sum(), len(other))


def test_a_cohort_of_one_view_has_no_strata_of_view(invented: Pair) -> None:
    table = analysis.strata(invented.index, Cohort(views=("PA",)))
    assert len(table) and "view" not in set(table["attribute"])


def test_devices_are_strata_of_findings_and_not_of_themselves(tmp_path: Path) -> None:
    both = {"Pneumothorax": State.POSITIVE, "Support Devices": State.POSITIVE}
    alone = {"Pneumothorax": State.POSITIVE}
    rows = [chexpert_row(patient, states=both if patient < 15 else alone) for patient in range(20)]
    rows += [chexpert_row(patient, states={"Support Devices": State.POSITIVE}) for patient in range(20, 24)]
    rows += [chexpert_row(patient) for patient in range(24, 40)]
    table = analysis.strata(indexed(write_chexpert(tmp_path / "chexpert", rows), "chexpert"))
    found = row_of(table, "Pneumothorax", "Support Devices", "yes")
    assert (found["images"], found["positive"], found["images_other"], found["other"]) == (15, 20, 4, 20)
    assert found["verdict"] == "alert"
    assert found["share_of_images"] == pytest.approx(15 / 40)
    assert found["none_in_16"] == pytest.approx((25 / 40) ** 16)
    assert table.query("finding == 'Support Devices' and attribute == 'Support Devices'").empty


def test_a_table_of_subtypes_by_image_id_becomes_strata(tmp_path: Path) -> None:
    rows = [nih_row(patient, 0, "Pneumothorax" if patient < 12 else "No Finding") for patient in range(30)]
    folder = write_nih(tmp_path / "nih", rows)
    drains = ["Image Index,Chest drain"] + [f"{p:08d}_000.png,{int(p < 9 or p == 20)}" for p in range(24)]
    (tmp_path / "drains.csv").write_text("\n".join(drains) + "\n")
    cache = Cache(tmp_path / "cache")
    build_index(Request(folder, name="nih", second_opinions=(("drains", tmp_path / "drains.csv"),)), cache)
    found = row_of(analysis.strata(open_index("nih", cache)), "Pneumothorax", "Chest drain (drains)", "yes")
    assert (found["images"], found["positive"]) == (9, 12)
    assert (found["images_other"], found["other"]) == (1, 12)  # only the 24 images of the table count
    assert found["kind"] == "reader"


def test_a_difference_that_may_be_none_is_no_alert(tmp_path: Path) -> None:
    rows = [
        nih_row(p, 0, "Mass" if p < 4 else "No Finding", view="AP" if p in (0, 1, 2, 5) else "PA") for p in range(9)
    ]
    found = row_of(analysis.strata(indexed(write_nih(tmp_path / "nih", rows), "nih")), "Mass", "view", "AP")
    assert found["smd"] > 0.5 and found["smd_low"] < 0
    assert found["verdict"] == ""


@pytest.mark.real_data
def test_edema_by_view_on_nih(real_nih: Index) -> None:
    found = row_of(analysis.strata(real_nih), "Edema", "view", "AP")
    cells = (found["images"], found["positive"] - found["images"], found["images_other"])
    assert (*cells, found["other"] - found["images_other"]) == (2_027, 276, 42_783, 67_034)
    assert found["smd"] == pytest.approx(1.1841, abs=5e-5)
    assert (found["odds_ratio"], found["odds_low"], found["odds_high"]) == pytest.approx(
        (11.507, 9.971, 13.279), abs=5e-4
    )
    assert found["verdict"] == "alert"


@pytest.fixture(scope="module")
def turning(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """Mass by view in two sexes: 9% against 10% of women, 30% against 32% of men, but most AP films are of men."""
    rows: list[str] = []
    for sex, view, positive, images in (("F", "AP", 18, 200), ("F", "PA", 80, 800), ("M", "AP", 240, 800),
                                        ("M", "PA", 64, 200)):  # fmt: skip
        for at in range(images):
            rows.append(nih_row(len(rows), 0, "Mass" if at < positive else "No Finding", sex=sex, view=view))
    return indexed(write_nih(tmp_path_factory.mktemp("turning") / "nih", rows), "nih")


def test_simpson_s_example_is_found_and_shown(turning: Index) -> None:
    table = analysis.simpson(turning)
    found = table.set_index(["finding", "exposure", "level", "third"]).loc[("Mass", "view", "AP", "sex")]
    assert found["alert"]
    assert found["difference"] == pytest.approx(0.258 - 0.144)
    assert (found["pooled_odds"], found["pooled_low"], found["pooled_high"]) == pytest.approx(
        (0.904762, 0.681781, 1.200670), abs=1e-6
    )
    strata = analysis.simpson_strata(turning, row=("Mass", "view", "AP", "sex")).set_index("stratum")
    assert strata.loc["F", ["rate_exposed", "rate_other"]].tolist() == pytest.approx([0.09, 0.10])
    assert strata.loc["all", ["positive_exposed", "exposed"]].tolist() == [258, 1000]


def test_the_first_turned_association_is_shown_where_none_is_named(turning: Index) -> None:
    named = analysis.simpson(turning).iloc[0]
    shown = analysis.simpson_strata(turning).iloc[0]
    assert named["alert"] and shown["finding"] == named["finding"]
    assert analysis.simpson_strata(turning, row=("Mass", "view", "sideways", "sex")).empty


def test_what_holds_in_every_stratum_is_no_alert(tmp_path: Path) -> None:
    rows = [
        nih_row(p, 0, "Mass" if p % 4 < (3 if p % 2 else 1) else "No Finding", sex="FM"[p // 2 % 2],
                view="AP" if p % 2 else "PA") for p in range(200)
    ]  # fmt: skip
    assert not analysis.simpson(indexed(write_nih(tmp_path / "nih", rows), "nih"))["alert"].any()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """Mass only on AP films; Edema on every third film whatever its view; Hernia on three."""
    rows = []
    for patient in range(300):
        labels = [("Mass", patient % 2 == 0), ("Edema", patient % 3 == 0), ("Hernia", patient in (1, 2, 3))]
        found = "|".join(name for name, present in labels if present) or "No Finding"
        rows.append(nih_row(patient, 0, found, view="AP" if patient % 2 == 0 else "PA", age=str(30 + patient % 40)))
    return indexed(write_nih(tmp_path_factory.mktemp("told") / "nih", rows), "nih")


def test_a_label_that_is_the_view_is_guessed_and_one_that_is_not_is_not(told: Index) -> None:
    table = analysis.shortcut_probe(told).set_index("finding")
    assert table.loc["Mass", "auc"] == pytest.approx(1.0)
    assert 0.3 < table.loc["Edema", "auc"] < 0.7
    assert table.loc["Edema", "low"] < 0.5
    assert np.isnan(table.loc["Hernia", "auc"]) and "fewer than 20" in table.loc["Hernia", "note"]


def test_without_the_view_it_is_not_guessed(told: Index) -> None:
    table = analysis.shortcut_probe(told, features=("sex", "size")).set_index("finding")
    assert table.loc["Mass", "auc"] == pytest.approx(0.5, abs=0.01)


def test_folds_are_by_patient(tmp_path: Path) -> None:
    """Age tells the patient apart, and each patient's label is a coin: nothing carries over to other patients."""
    rng = np.random.default_rng(5)
    coins = rng.random(60) < 0.5
    rows = [nih_row(p, at, "Mass" if coins[p] else "No Finding", age=str(20 + p)) for p in range(60) for at in range(5)]
    table = analysis.shortcut_probe(indexed(write_nih(tmp_path / "nih", rows), "nih"), features=("age",))
    assert table.set_index("finding").loc["Mass", "auc"] < 0.7


def test_the_same_seed_gives_the_same_areas(told: Index) -> None:
    pd.testing.assert_frame_equal(analysis.shortcut_probe(told, seed=3), analysis.shortcut_probe(told, seed=3))


@pytest.mark.parametrize(("options", "said"), [
    ({"features": ("hospital",)}, "nothing to guess from"),
    ({"folds": 1}, "1 folds cannot be made"),
])  # fmt: skip
def test_what_cannot_be_meant_is_refused(told: Index, options: dict[str, object], said: str) -> None:
    with pytest.raises(CxrdashError, match=said):
        analysis.shortcut_probe(told, **options)


@pytest.mark.real_data
def test_the_view_gives_edema_away_on_nih(real_nih: Index) -> None:
    edema = analysis.shortcut_probe(real_nih).set_index("finding").loc["Edema"]
    # AP alone ranks with (1 + .880 - .390) / 2 = .745; age and size add little.
    assert 0.745 <= edema["auc"] <= 0.80


@pytest.mark.real_data
def test_cramers_v_ranks_attributes_and_is_no_alarm_on_nih(real_nih: Index) -> None:  # METHODS 4.7: V = 0.142
    found = row_of(analysis.strata(real_nih), "Edema", "view", "AP")
    assert found["attribute_v"] == pytest.approx(0.142, abs=5e-4) and found["verdict"] == "alert"


def test_the_probe_is_a_model_of_single_images(told: Index) -> None:
    """Rows summed up or not: the area is that of a model fitted to every image on its own."""
    patients = np.array([int(name) for (name,) in told.rows("SELECT patient_id FROM patients ORDER BY patient")])
    view, edema = (patients % 2 == 0).astype(float), patients % 3 == 0
    x, fold = np.column_stack([view, 1 - view]), np.random.default_rng(1).permutation(300) % 5
    areas, pairs = [], []
    for held in range(5):
        told_of, asked = fold != held, fold == held
        model = LogisticRegression(C=1.0, tol=1e-10, max_iter=10_000).fit(x[told_of], edema[told_of])
        areas.append(roc_auc_score(edema[asked], model.decision_function(x[asked])))
        pairs.append(edema[asked].sum() * (~edema[asked]).sum())
    found = analysis.shortcut_probe(told, features=("view",)).set_index("finding").loc["Edema", "auc"]
    assert found == pytest.approx(np.average(areas, weights=pairs), abs=1e-6)


@pytest.mark.parametrize("policy", ["as_is", "U-Ignore", "U-Ones, blank excluded"])
def test_portions_and_single_patients_add_up_to_the_same(
    invented: Pair, monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    at_once = analysis.strata(invented.index, policy=policy)
    monkeypatch.setattr(strata_sums, "CELLS_AT_ONCE", 1)
    pd.testing.assert_frame_equal(analysis.strata(invented.index, policy=policy), at_once)


@pytest.mark.parametrize("policy", ["as_is", "U-Ignore"])
def test_products_are_those_of_each_patient_s_counts(invented: Pair, policy: str) -> None:
    """Every patient's images of a view, among positives and others, counted one patient after another."""
    chosen, images = Policy.parse(policy), brute.marked(invented.dataset)
    films = films_of(select(invented.index))
    views = Attribute("view", films.codes["view"], films.levels["view"])
    columns = Columns([views])
    found = sums_by_finding(films, columns, films.positive(chosen), films.counted(chosen))
    whose = images["patient_id"].fillna("none: " + images["image_id"])
    for at, finding in enumerate(invented.index.finding_names):
        positive, counted = brute.parts(images[finding], chosen)
        tables = []
        for which in (positive, counted & ~positive):
            counts = pd.crosstab(whose[which], images["view"][which]).reindex(columns=views.levels)
            counts = counts.reindex(whose.unique()).fillna(0)
            tables.append(np.column_stack([counts.sum(axis=1), counts]))
        yes, no = tables
        assert found[at].positive.tolist() == yes.sum(axis=0).tolist()
        assert found[at].other.tolist() == no.sum(axis=0).tolist()
        for name, expected in (("pp", yes.T @ yes), ("pn", yes.T @ no), ("nn", no.T @ no)):
            assert getattr(found[at], name).tolist() == expected.tolist()
        assert found[at].patients.tolist() == ((yes + no) > 0).sum(axis=0).tolist()
