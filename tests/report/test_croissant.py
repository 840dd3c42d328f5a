"""The Croissant file: valid by the format's own package, spelt as the specification spells, true to the index."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cxrdash import analysis
from cxrdash.index.cohort import Cohort
from cxrdash.index.store import Index
from cxrdash.report.croissant import croissant, croissant_text
from cxrdash.report.gather import Question
from tests.report.conftest import SLOW

REQUIRED = ("@context", "@type", "conformsTo", "name", "description", "license", "url", "creator", "datePublished")
RAI = (
    "dataCollection", "dataCollectionTimeframe", "dataCollectionMissingData", "dataPreprocessingProtocol",
    "dataManipulationProtocol", "dataImputationProtocol", "dataAnnotationProtocol", "dataBiases", "dataLimitations",
    "dataUseCases", "dataSocialImpact", "personalSensitiveInformation", "dataReleaseMaintenancePlan",
)  # fmt: skip


@pytest.mark.parametrize("dataset", ["nih", "chexpert"])
def test_mlcroissant_accepts_it(dataset: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    import mlcroissant

    index: Index = request.getfixturevalue(dataset)
    path = tmp_path / "x.croissant.json"
    path.write_text(croissant_text(Question(index, without=SLOW)), encoding="utf-8")
    read = mlcroissant.Dataset(jsonld=path)
    assert not read.metadata.ctx.issues.errors and not read.metadata.ctx.issues.warnings
    assert read.metadata.name == dataset
    assert read.metadata.data_limitations


def test_its_records_are_the_prevalence_table(nih: Index, tmp_path: Path) -> None:
    import mlcroissant

    path = tmp_path / "x.json"
    path.write_text(croissant_text(Question(nih, without=SLOW)), encoding="utf-8")
    records = {row["prevalence/finding"]: row for row in mlcroissant.Dataset(jsonld=path).records("prevalence")}
    table = analysis.prevalence(nih)
    assert len(records) == len(table)
    for row in table.itertuples():
        found = records[row.finding.encode()] if row.finding.encode() in records else records[row.finding]
        assert found["prevalence/rate"] == pytest.approx(row.rate) and found["prevalence/of"] == row.of


def test_required_and_rai_properties_are_there_and_spelt_as_specified(nih: Index) -> None:
    made = croissant(Question(nih, without=SLOW))
    assert [name for name in REQUIRED if not made.get(name)] == []
    assert [name for name in RAI if not made.get(f"rai:{name}")] == []
    assert made["conformsTo"] == ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
    assert made["rai:dataSocialImpact"] == "To be written by the author."
    assert croissant(Question(nih, purpose="To find drains", without=SLOW))["rai:dataUseCases"] == "To find drains"
    assert "rai:dataCollectionTimeFrame" not in made and "rai:dataDataManipulationProtocol" not in made
    files = {file["sha256"] for file in made["distribution"]}
    assert files == {sha256 for (sha256,) in nih.rows("SELECT sha256 FROM sources")}


def test_small_cells_are_left_out_where_the_licence_asks(chexpert: Index) -> None:
    made = json.loads(croissant_text(Question(chexpert, without=SLOW)))
    (table,) = [one for one in made["recordSet"] if one["@id"] == "prevalence"]
    names = {row["prevalence/finding"] for row in table["data"]}
    assert "Fracture" not in names and "Edema" in names


def test_the_cohort_is_in_its_description(nih: Index) -> None:
    made = croissant(Question(nih, Cohort(labels="Effusion"), without=SLOW))
    assert "labelled Effusion, n = 60 of 120 images" in made["description"]
