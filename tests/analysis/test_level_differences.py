"""Prevalence of a level against the others: the clustered interval of a linear model, levels not known left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from cxrdash import analysis
from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort
from cxrdash.index.store import Index
from tests.datasets import indexed, nih_row, write_nih


@pytest.fixture(scope="module")
def films() -> pd.DataFrame:
    """Invented films: some patients have many, and Effusion goes with the view and with the patient."""
    random = np.random.default_rng(4)
    rows = []
    for patient in range(1, 121):
        ill = random.random() < 0.3
        for number in range(random.integers(1, 9)):
            view = "AP" if random.random() < 0.2 + 0.5 * ill else "PA"
            positive = random.random() < 0.1 + 0.3 * (view == "AP") + 0.3 * ill
            rows.append((patient, number, view, positive))
    return pd.DataFrame(rows, columns=["patient", "number", "view", "positive"])


@pytest.fixture(scope="module")
def nih(tmp_path_factory: pytest.TempPathFactory, films: pd.DataFrame) -> Index:
    rows = [
        nih_row(row.patient, row.number, "Effusion" if row.positive else "No Finding", view=row.view)
        for row in films.itertuples()
    ]
    return indexed(write_nih(tmp_path_factory.mktemp("levels") / "nih", rows), "nih")


def test_the_interval_is_that_of_a_linear_model_with_patients_as_clusters(nih: Index, films: pd.DataFrame) -> None:
    table = analysis.prevalence_differences(nih, by="view").set_index(["finding", "level"])
    row = table.loc[("Effusion", "AP")]
    inside = (films["view"] == "AP").astype(float)
    fit = sm.OLS(films["positive"].astype(float), sm.add_constant(inside)).fit(
        cov_type="cluster", cov_kwds={"groups": films["patient"], "use_correction": False}
    )
    patients = films["patient"].nunique()
    error = fit.bse["view"] * np.sqrt(patients / (patients - 1))
    assert row["difference"] == pytest.approx(fit.params["view"])
    assert row["difference_low"] == pytest.approx(fit.params["view"] - 1.959964 * error, rel=1e-6)
    assert row["difference_high"] == pytest.approx(fit.params["view"] + 1.959964 * error, rel=1e-6)
    assert (row["positive"], row["of"]) == (films[inside > 0]["positive"].sum(), inside.sum())
    assert row["others_of"] == (inside == 0).sum() and row["q"] < 0.01
    other = table.loc[("Effusion", "PA")]
    assert other["difference"] == pytest.approx(-row["difference"])
    assert other["difference_high"] == pytest.approx(-row["difference_low"])


def test_images_whose_level_is_not_known_are_on_neither_side(tmp_path: Path) -> None:
    rows = [nih_row(patient, 0, "Mass", sex=sex) for patient, sex in enumerate("MMFFX", start=1)]
    index = indexed(write_nih(tmp_path / "nih", rows), "nih")
    table = analysis.prevalence_differences(index, by="sex").set_index(["finding", "level"]).loc["Mass"]
    assert set(table.index) == {"M", "F"}
    assert table[["of", "others_of"]].to_numpy().tolist() == [[2, 2], [2, 2]]


def test_one_level_has_nothing_to_differ_from(nih: Index) -> None:
    table = analysis.prevalence_differences(nih, Cohort(views=("PA",)), by="view")
    assert table["level"].unique().tolist() == ["PA"] and table["difference"].isna().all()
    assert (table["others_of"] == 0).all()
    assert analysis.prevalence_differences(nih, Cohort(sexes=("nobody",))).empty


def test_an_attribute_nobody_knows_is_refused(nih: Index) -> None:
    with pytest.raises(CxrdashError, match="cannot be split by 'site'") as fault:
        analysis.prevalence_differences(nih, by="site")
    assert fault.value.hint == "Use one of split, view, sex, age_band."


@pytest.mark.real_data
def test_edema_on_nih_is_commoner_in_ap_views(real_nih: Index) -> None:
    table = analysis.prevalence_differences(real_nih, by="view").set_index(["finding", "level"])
    row = table.loc[("Edema", "AP")]
    assert (row["positive"], row["of"], row["others_positive"]) == (2027, 44810, 276)
    assert row["difference"] == pytest.approx(2027 / 44810 - 276 / 67310)
    assert row["difference_low"] > 0.035
