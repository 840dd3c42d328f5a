"""Prevalence behind a label of known accuracy: the worked examples of METHODS 5.8 and a simulation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cxrdash import analysis
from cxrdash.analysis.accuracy import DO_NOT_FIT, NO_INFORMATION
from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort
from cxrdash.index.store import Index
from tests.datasets import indexed, nih_row, write_nih


@pytest.fixture(scope="module")
def twelve(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """A hundred patients of one image; 12 are labelled Mass, 3 Edema."""
    rows = [
        nih_row(p, 0, "|".join(name for name, n in (("Mass", 12), ("Edema", 3)) if p < n) or "No Finding")
        for p in range(100)
    ]
    return indexed(write_nih(tmp_path_factory.mktemp("twelve") / "nih", rows), "nih")


def test_oracle_t5_25(twelve: Index) -> None:
    table = analysis.prevalence_given_accuracy(twelve, accuracy="90/100, 95/100").set_index("finding")
    mass, edema = table.loc["Mass"], table.loc["Edema"]
    assert (mass["positive"], mass["of"], mass["note"]) == (12, 100, "")
    assert mass["rate"] == pytest.approx(0.082353, abs=5e-7)
    assert (edema["rate"], edema["low"]) == (0, 0) and edema["raw"] == pytest.approx(-0.023529, abs=5e-7)
    assert edema["note"] == DO_NOT_FIT


def test_a_label_that_tells_nothing_is_refused_in_words(twelve: Index) -> None:
    row = analysis.prevalence_given_accuracy(twelve, finding="Mass", accuracy="50/100,50/100").iloc[0]
    assert np.isnan(row["rate"]) and row["note"] == NO_INFORMATION


def test_an_accuracy_measured_on_few_leaves_more_open(twelve: Index) -> None:
    sure, unsure = (
        analysis.prevalence_given_accuracy(twelve, finding="Mass", accuracy=text).iloc[0]
        for text in ("9000/10000, 9500/10000", "9/10, 19/20")
    )
    assert sure["rate"] == pytest.approx(unsure["rate"])
    assert sure["high"] - sure["low"] < unsure["high"] - unsure["low"]


def test_repeated_films_of_few_patients_leave_more_open(tmp_path: Path) -> None:
    rows = [nih_row(p, at, "Mass" if p < 12 else "No Finding") for p in range(100) for at in range(6)]
    once = [row for row in rows if row.split(",")[0].endswith("_000.png")]
    widths = []
    for name, some in (("all", rows), ("once", once)):
        index = indexed(write_nih(tmp_path / name / "nih", some), "nih")
        row = analysis.prevalence_given_accuracy(index, finding="Mass", accuracy="900/1000,950/1000").iloc[0]
        widths.append(row["high"] - row["low"])
    assert widths[0] == pytest.approx(widths[1], rel=0.02)  # six films of one patient say no more than one


def test_without_an_accuracy_or_images_nothing_is_claimed(twelve: Index) -> None:
    assert analysis.prevalence_given_accuracy(twelve).empty
    nobody = analysis.prevalence_given_accuracy(twelve, Cohort(ages=(119, 120)), accuracy="9/10,9/10")
    assert nobody["rate"].isna().all() and (nobody["note"] == "").all()


@pytest.mark.parametrize(
    "text", ["90", "90/100", "90/0, 9/10", "11/10, 9/10", "9/10, 9/10, 9/10", "-9/10, 9/10", "a/b,c/d"]
)
def test_what_is_no_accuracy_is_refused_with_an_example(twelve: Index, text: str) -> None:
    with pytest.raises(CxrdashError, match="does not say how often the label was right") as refused:
        analysis.prevalence_given_accuracy(twelve, accuracy=text)
    assert "90/100, 190/200" in refused.value.hint


def test_an_unknown_finding_is_refused(twelve: Index) -> None:
    with pytest.raises(CxrdashError, match="There is no finding 'Masse'"):
        analysis.prevalence_given_accuracy(twelve, finding="Masse", accuracy="9/10,9/10")
