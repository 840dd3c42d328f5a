"""Uncertain as a class of its own and worst-case bounds: image by image, and the example of METHODS 2.3."""

from __future__ import annotations

import pytest

from cxrdash import analysis
from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort
from cxrdash.labels.states import State
from tests.analysis import brute
from tests.analysis.conftest import Pair

BLANKED = {"negative": (State.NEGATIVE, State.BLANK), "excluded": (State.NEGATIVE,)}


@pytest.mark.parametrize("blank", BLANKED)
def test_three_classes_are_counted_image_by_image(invented: Pair, blank: str) -> None:
    images = brute.marked(invented.dataset)
    table = analysis.prevalence_classes(invented.index, blank=blank, unit="image").set_index(["finding", "class"])
    for finding in invented.dataset.findings:
        counts = {
            "positive": int((images[finding] == State.POSITIVE).sum()),
            "uncertain": int((images[finding] == State.UNCERTAIN).sum()),
            "negative": int(images[finding].isin(BLANKED[blank]).sum()),
        }
        of = sum(counts.values())
        rows = table.loc[finding]
        assert rows["count"].to_dict() == counts
        assert set(rows["of"]) == {of}
        assert rows["rate"].to_list() == pytest.approx([n / of for n in counts.values()])
        assert ((rows["low"] <= rows["rate"]) & (rows["rate"] <= rows["high"])).all()


def test_bounds_hold_every_policy_and_the_share_of_the_positive(invented: Pair) -> None:
    bounds = analysis.prevalence_bounds(invented.index, unit="image").set_index("finding")
    policies = analysis.prevalence_policies(invented.index, unit="image")
    rates = policies[~policies["policy"].str.contains("blank excluded")].groupby("finding")["rate"].agg(["min", "max"])
    rates = rates.loc[bounds.index]
    assert (bounds["lowest"] <= rates["min"] + 1e-12).all() and (rates["max"] <= bounds["highest"] + 1e-12).all()
    assert (bounds["positive"] + bounds["open"] + bounds["negative"] == bounds["of"]).all()
    assert bounds["lowest"].to_list() == pytest.approx((bounds["positive"] / bounds["of"]).to_list())


def test_a_cohort_without_images_has_no_rate(invented: Pair) -> None:
    nobody = Cohort(ages=(119, 120))
    assert analysis.prevalence_classes(invented.index, nobody)["rate"].isna().all()
    assert analysis.prevalence_bounds(invented.index, nobody)[["lowest", "highest"]].isna().all(axis=None)


def test_a_blank_is_negative_or_left_out(invented: Pair) -> None:
    with pytest.raises(CxrdashError, match=r"A blank cannot count as 'positive'\.\sUse --blank negative or excluded"):
        analysis.prevalence_classes(invented.index, blank="positive")
