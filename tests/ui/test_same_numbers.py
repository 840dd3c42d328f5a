"""A statistic is one number: on the page, in the report, from the command line, from Python, and in the export."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

import cxrdash
from cxrdash.analysis import STATISTICS
from cxrdash.cli import main
from cxrdash.config import Cache
from cxrdash.index.cohort import Cohort
from cxrdash.index.store import Index, open_index
from cxrdash.labels.policies import Policy
from cxrdash.report.export import Export, export
from cxrdash.report.forms import written
from cxrdash.report.gather import Question
from cxrdash.ui import cache as cached
from tests.ui.test_pages import app

# One patient; films missing; films there; every state of CheXpert.
DATASETS = ("few", "small", "films", "states")
WHOLE = (Cohort(), ())
SOME = (Cohort(sexes=("M",), ages=(0, 70)), ("--sex", "M", "--age", "0-70"))
COHORTS = {"few": WHOLE, "small": SOME, "films": WHOLE, "states": SOME}  # as values, and as words
SLOW = ("shortcut", "turned")  # checks that take longest and are tested elsewhere


def exact(table: pd.DataFrame) -> str:
    return table.to_csv(index=False, lineterminator="\n")


def said(capsys: pytest.CaptureFixture[str], cache: Cache, *words: str) -> str:
    capsys.readouterr()
    assert main(["--cache", str(cache.root), *words]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_statistic_is_one_table_wherever_it_is_asked_for(
    small_cache: Cache, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], dataset: str
) -> None:
    monkeypatch.setenv("CXRDASH_CACHE", str(small_cache.root))
    index, (cohort, words) = open_index(dataset, small_cache), COHORTS[dataset]
    question = Question(index, cohort)
    unit = index.units[0]
    for name, statistic in STATISTICS.items():
        beside = "others" in statistic.options  # those of the page of comparisons: a unit that all datasets share
        unit_words = ("--unit", unit) if "unit" in statistic.options and not beside else ()
        options = {"unit": unit} if unit_words else {}
        python = exact(getattr(cxrdash, name)(index, cohort, **options))
        printed = said(capsys, small_cache, "stat", name, dataset, *words, *unit_words, "--format", "csv")
        page = (
            cached.compared(name, [index], cohort)
            if beside
            else cached.compute(name, index, cohort, policy=Policy(), unit=unit)
        )
        assert printed == python, name
        assert exact(page) == python, name
        assert exact(question.table(name, **options)) == python, name


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_report_of_the_page_is_that_of_the_command_line(
    small_cache: Cache, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], dataset: str,
    tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setenv("CXRDASH_CACHE", str(small_cache.root))
    monkeypatch.chdir(tmp_path)
    index, (cohort, words) = open_index(dataset, small_cache), COHORTS[dataset]

    def compute(name: str, index: Index, cohort: Cohort, **options: object) -> pd.DataFrame:
        policy, unit = Policy.parse(str(options.pop("policy", "as_is"))), options.pop("unit", index.units[0])
        return cached.compute(name, index, cohort, policy=policy, unit=unit, **options)

    asked = Question(index, cohort, shareable=False, compute=compute)
    for name in ("x.html", "x.md"):
        said(capsys, small_cache, "report", dataset, *words, "--full", "-o", name)
        page = written(asked, "html" if name.endswith("html") else "markdown", name)
        assert Path(name).read_bytes().decode("utf-8") == page


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_export_counts_as_the_statistics_do(small_cache: Cache, dataset: str, tmp_path: Path) -> None:
    index, (cohort, _) = open_index(dataset, small_cache), COHORTS[dataset]
    made = export(Export(index, cohort), ["csv", "parquet", "coco"], tmp_path / "x")
    with (tmp_path / "x" / "csv" / "cohort.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    parquet = pd.read_parquet(tmp_path / "x" / "parquet" / "cohort.parquet")
    table = cxrdash.overview(index, cohort)
    total = table[table["attribute"] == "total"].set_index("level")["images"]
    patients = len({row["patient_id"] for row in rows})
    assert len(rows) == len(parquet) == total["images"] == made["counts"]["images"]
    assert patients == parquet["patient_id"].nunique() == total["patients"] == made["counts"]["patients"]
    for row in cxrdash.prevalence(index, cohort, unit="image").itertuples():
        for states in (Counter(one[row.finding] for one in rows), Counter(parquet[row.finding])):
            assert [states[name] for name in ("positive", "uncertain", "negative", "blank")] == [
                row.positive, row.uncertain, row.negative, row.blank,
            ]  # fmt: skip


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_page_draws_the_table_that_the_report_saves(
    small_cache: Cache, monkeypatch: pytest.MonkeyPatch, dataset: str
) -> None:
    at = app(small_cache, monkeypatch, "report", ds=dataset)
    assert not at.exception
    index = open_index(dataset, small_cache)
    shown = at.dataframe[-1].value
    stars = cxrdash.stars(index).set_index("finding")
    for row in shown.itertuples():
        assert row.positive_patients == stars.loc[row.finding, "positive_patients"]
    text = written(Question(index, shareable=False, without=SLOW), "html", "x.html")
    counts = re.findall(r"<strong>([\d,]+)</strong><span>(images|patients)</span>", text)
    metrics = {unit: int(value.replace(",", "")) for value, unit in counts}
    assert metrics["images"] == index.counts["images"] and metrics["patients"] == index.counts["patients"]
