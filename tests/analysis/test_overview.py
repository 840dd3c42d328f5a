"""What a cohort is made of: counted by pandas, and on the real NIH."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from cxrdash import analysis
from cxrdash.index.cohort import Cohort
from cxrdash.index.store import Index
from tests.analysis import brute
from tests.analysis.conftest import Pair

ATTRIBUTES = {"part": "split", "view": "view", "sex": "sex", "age": "age_band"}


@pytest.mark.parametrize("cohort", [Cohort(), Cohort(sexes=("F",))])
def test_levels_are_those_of_pandas(invented: Pair, cohort: Cohort) -> None:
    found = analysis.overview(invented.index, cohort)
    images = brute.marked(invented.dataset)
    if cohort.sexes:
        images = images[images["sex"] == "F"]
    for attribute, column in ATTRIBUTES.items():
        rows = found[found["attribute"] == attribute].set_index("level")
        groups = images.groupby(column)
        assert rows["images"].to_dict() == groups.size().to_dict()
        assert rows["patients"].to_dict() == groups["patient_id"].nunique().to_dict()
        assert rows["share_of_images"].sum() == pytest.approx(1)
    assert found["attribute"].drop_duplicates().tolist() == ["total", *ATTRIBUTES]


def test_totals_stand_first(invented: Pair) -> None:
    images = invented.dataset.images
    found = analysis.overview(invented.index)
    assert found["level"].tolist()[:4] == ["images", "studies", "patients", "images on disk"]
    assert found["images"].tolist()[:4] == [
        len(images), images["study_id"].nunique(), images["patient_id"].nunique(), 0,
    ]  # fmt: skip


def test_parts_are_sorted_by_size_and_ages_by_age(invented: Pair) -> None:
    found = analysis.overview(invented.index)
    for attribute in ("part", "view"):
        assert found.loc[found["attribute"] == attribute, "images"].is_monotonic_decreasing
    bands = found.loc[found["attribute"] == "age", "level"].tolist()
    assert bands == [band for band in ("0-17", "18-39", "40-59", "60-74", "75+", "unknown") if band in bands]


def test_ages_are_those_of_pandas(invented: Pair) -> None:
    row = analysis.ages(invented.index).iloc[0]
    years = pd.to_numeric(invented.dataset.images["age_years"])
    assert (row["youngest"], row["oldest"]) == (years.min(), years.max())
    assert row["mean"] == pytest.approx(years.mean())
    assert row["median"] == np.quantile(years.dropna(), 0.5, method="inverted_cdf")
    assert (row["unknown"], row["under_18"]) == (years.isna().sum(), (years < 18).sum())


def test_an_empty_cohort_has_totals_of_zero_and_unknown_shares(invented: Pair) -> None:
    found = analysis.overview(invented.index, Cohort(splits=("nowhere",)))
    assert found["images"].tolist() == [0, 0, 0, 0]
    assert found["share_of_images"].isna().all()


@pytest.mark.real_data
def test_nih_size_sex_and_view(real_nih: Index, golden: dict[str, Any]) -> None:
    table = analysis.overview(real_nih).set_index(["attribute", "level"])
    for name in ("view", "sex"):
        for column in ("images", "patients"):
            start = f"nih.{name}_{column}."
            expected = {key.removeprefix(start): n for key, n in golden.items() if key.startswith(start)}
            assert table.loc[name, column].to_dict() == expected
    assert table.loc[("total", "images"), "images"] == golden["nih.images"]
    assert table.loc[("total", "patients"), "images"] == golden["nih.patients"]


@pytest.mark.real_data
def test_nih_ages(real_nih: Index, golden: dict[str, Any]) -> None:
    row = analysis.ages(real_nih).iloc[0]
    assert (row["youngest"], row["median"], row["oldest"]) == (0, 49, 95)
    assert row["mean"] == pytest.approx(golden["nih.age.mean"], rel=1e-6)
    assert (row["under_18"], row["unknown"]) == (golden["nih.age.n_under18"], 0)
    table = analysis.overview(real_nih).set_index(["attribute", "level"])
    assert table.loc[("age", "0-17"), "patients"] == golden["nih.age.patients_under18"]
    children = analysis.overview(real_nih, Cohort(ages=(0, 17))).set_index(["attribute", "level"])
    for view, images in golden["nih.pediatric_ap_pa"]:
        assert children.loc[("view", view), "images"] == images
    assert analysis.overview(real_nih, Cohort(ages=(91, 130)))["images"].iloc[0] == golden["nih.age.n_over90"]


@pytest.mark.real_data
def test_nih_boxes_and_sizes(real_nih: Index, golden: dict[str, Any]) -> None:
    assert real_nih.rows("SELECT count(*), count(DISTINCT image) FROM boxes") == [
        (golden["nih.bbox.rows"], golden["nih.bbox.images"])
    ]
    sizes = "SELECT width, height, count(*) AS n FROM images GROUP BY ALL ORDER BY n DESC LIMIT 6"
    assert [list(row) for row in real_nih.rows(sizes)] == golden["nih.size_top"]
    both = "SELECT count(*) FROM (SELECT patient FROM images GROUP BY patient HAVING count(DISTINCT view) = 2)"
    assert real_nih.rows(both) == [(golden["nih.patients_with_both_views"],)]
