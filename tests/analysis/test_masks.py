"""Masks, heart size and boxes: counted by hand on seven films, and the data oracles on the real NIH files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrdash import analysis
from cxrdash.analysis.cardiothoracic import contrary
from cxrdash.analysis.intervals import auc_interval, wilson
from cxrdash.config import Cache
from cxrdash.errors import CxrdashError
from cxrdash.index.annotations import box_of, in_cell
from cxrdash.index.build import Request, build_index
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import select
from cxrdash.index.store import Index, open_index
from cxrdash.labels.policies import Policy
from tests.drawn import write_drawn

STATISTICS = (
    "masks", "mask_quality", "mask_quality_by", "mask_quality_bins", "worst_masks", "mask_measures",
    "cardiothoracic_ratio", "cardiothoracic_bins", "box_heat", "box_sizes", "box_label_agreement",
)  # fmt: skip


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return write_drawn(tmp_path_factory.mktemp("masks"))


@pytest.mark.parametrize("name", STATISTICS)
def test_an_empty_cohort_keeps_columns_and_dtypes(index: Index, name: str) -> None:
    full, empty = (analysis.compute(name, index, cohort) for cohort in (Cohort(), Cohort(splits=("nowhere",))))
    assert len(full) and full.dtypes.astype(str).to_dict() == empty.dtypes.astype(str).to_dict()


def documented(index: Index, name: str) -> pd.DataFrame:
    """What the statement that a statistic documents gives when it is pasted into a query."""
    sql = select(index).written_out(analysis.named(name).sql)
    return index.guarded_query(sql, seconds=10, rows=10_000)[0]


def test_documented_statements_give_the_tables_counts(index: Index) -> None:
    masks, table = documented(index, "masks").set_index("structure"), analysis.masks(index).set_index("structure")
    assert masks["images"].to_dict() == table["images"].to_dict()
    for name, key in (("mask_quality", "finding"), ("box_label_agreement", "finding")):
        found = documented(index, name)
        positive = found[found["state"] == "positive"].set_index(key)["images"].to_dict()
        column = "images" if name == "mask_quality" else "labelled"
        assert positive == {
            finding: n for finding, n in getattr(analysis, name)(index).set_index(key)[column].items() if n
        }
    bins = analysis.mask_quality_bins(index)
    assert documented(index, "mask_quality_bins")["images"].sum() == bins["images"].sum() > 0
    for name in ("mask_measures", "worst_masks"):
        found = documented(index, name)
        assert set(found["image_id"]) >= set(getattr(analysis, name)(index)["image_id"]) != set()
    by_view = documented(index, "cardiothoracic_ratio").groupby("view")["images"].sum()
    assert by_view.to_dict() == analysis.cardiothoracic_ratio(index).groupby("view")["images"].sum().to_dict()
    assert documented(index, "box_heat")["centres"].sum() == documented(index, "box_sizes")["placed"].sum() > 0
    sizes = documented(index, "box_sizes").set_index("finding")["boxes"].to_dict()
    assert sizes == analysis.box_sizes(index).set_index("finding")["boxes"].to_dict()
    assert len(documented(index, "mask_quality_by")) and len(documented(index, "cardiothoracic_bins"))


def test_masks_are_counted_per_structure(index: Index) -> None:
    table = analysis.masks(index).set_index("structure")
    assert table["images"].to_dict() == {"heart": 6, "left_lung": 7, "right_lung": 7}
    heart = table.loc["heart"]
    assert (heart["of"], heart["masks"], heart["patients"], heart["on_disk"]) == (8, 6, 5, 0)
    assert heart["share_with_mask"] == 6 / 8 and heart["lowest_quality"] == 0.6
    assert table.loc["left_lung", "median_area"] == 40 * 6 / 1000


def test_a_threshold_is_counted_for_those_with_a_finding_and_for_the_others(index: Index) -> None:
    table = analysis.mask_quality(index, threshold=0.7).set_index("finding")
    effusion = table.loc["Effusion"]
    assert effusion[["images", "patients", "kept", "others", "others_kept"]].tolist() == [3, 3, 2, 4, 4]
    assert (effusion["share_kept"], effusion["others_share_kept"]) == (2 / 3, 1)
    assert (effusion["low"], effusion["high"]) == pytest.approx(tuple(float(end) for end in wilson(2, 3)))
    assert np.isnan(table.loc["Hernia", "share_kept"])
    assert analysis.mask_quality(index, threshold=0.9).set_index("finding").loc["Effusion", "kept"] == 1
    by_view = analysis.mask_quality_by(index).set_index("level")
    assert by_view["kept"].to_dict() == {"AP": 1, "PA": 5} and by_view["images"].to_dict() == {"AP": 1, "PA": 6}


def test_steps_of_quality_hold_every_image_and_the_gaps_between(index: Index) -> None:
    bins = analysis.mask_quality_bins(index)
    assert bins["low"].iloc[0] == 0.6 and bins["images"].sum() == 7 and len(bins) == 18
    assert bins.set_index("low")["images"].loc[[0.72, 0.8, 0.9]].tolist() == [1, 1, 2]


def test_the_worst_masks_come_first(index: Index) -> None:
    table = analysis.worst_masks(index, n=3)
    assert table["image"].tolist() == [4, 6, 1]
    assert table["lungs_exchanged"].tolist() == [False, True, False]


def test_the_ratio_counts_on_good_pa_masks_with_heart_and_lungs(index: Index) -> None:
    table = analysis.cardiothoracic_ratio(index).set_index(["view", "state"])
    positive, negative = table.loc[("PA", "positive")], table.loc[("PA", "negative")]
    # 54/90 and 40/90 against 33/90 and 55/90; the poor mask and the film without a heart are left out.
    assert (positive["images"], positive["patients"], positive["small"], positive["large"]) == (2, 1, 1, 1)
    assert (negative["images"], negative["patients"], negative["small"], negative["large"]) == (2, 2, 1, 1)
    assert positive["median"] == pytest.approx((54 / 90 + 40 / 90) / 2)
    assert positive["auc"] == 0.5 and (positive["auc_positive_patients"], positive["auc_negative_patients"]) == (1, 2)
    low, high = auc_interval(0.5, 1, 2)
    assert (positive["auc_low"], positive["auc_high"]) == pytest.approx((float(low), float(high)))
    assert positive["evidence"] and not table.loc[("AP", "positive"), "evidence"]


def test_the_auc_is_the_share_of_pairs_in_the_right_order(index: Index) -> None:
    measured = analysis.mask_measures(index)
    ratios = measured.drop_duplicates("image_id")["cardiothoracic_ratio"]
    assert ratios.dropna().tolist() == pytest.approx([54 / 90, 40 / 90, 33 / 90, 55 / 90, 71 / 90, 55 / 90])
    poor = analysis.cardiothoracic_ratio(index, least_quality=0.5).query("view == 'PA'").iloc[0]
    positive, negative = [54, 40], [33, 55, 71]
    expected = np.mean([[p > n for n in negative] for p in positive])
    assert poor["auc"] == pytest.approx(expected)


def test_both_lists_open_on_the_films_they_count(index: Index) -> None:
    for which, expected in (("small", [1]), ("large", [3])):
        found = select(index, contrary(index, which, policy=Policy())).rows("SELECT image FROM selected")
        assert [image for (image,) in found] == expected


def test_distributions_hold_the_images_of_the_table(index: Index) -> None:
    bins, table = analysis.cardiothoracic_bins(index), analysis.cardiothoracic_ratio(index)
    assert bins.groupby("state")["images"].sum().to_dict() == {"negative": 2, "positive": 2}
    assert ((bins["high"] - bins["low"]).round(9) == 0.025).all() and len(table) == 3


def test_boxes_are_placed_and_set_against_the_labels(index: Index) -> None:
    sizes = analysis.box_sizes(index).set_index("finding")
    assert list(sizes.index) == ["Cardiomegaly", "Effusion", "Mass"]
    assert sizes["boxes"].to_dict() == {"Cardiomegaly": 1, "Effusion": 2, "Mass": 2}
    assert sizes.loc["Cardiomegaly", "median_area"] == 0.25 and sizes.loc["Mass", "readers"] == 2
    assert sizes[["beyond", "nearly_whole"]].loc["Effusion"].tolist() == [1, 1]
    labels = analysis.box_label_agreement(index).set_index("finding")
    assert labels.loc["Effusion", ["images", "labelled", "unlabelled", "positive"]].tolist() == [2, 1, 1, 3]
    assert labels.loc["Effusion", ["share_labelled", "share_boxed"]].tolist() == pytest.approx([1 / 2, 1 / 3])
    assert labels.loc["Mass", ["boxes", "images", "unlabelled"]].tolist() == [2, 1, 1]


@pytest.mark.parametrize("cells", [1, 4, 12])
def test_a_cell_counts_the_boxes_its_door_opens(index: Index, cells: int) -> None:
    heat = analysis.box_heat(index, cells=cells)
    assert heat.groupby("finding")["boxes"].max().le(heat.groupby("finding")["of"].first()).all()
    for row in heat.itertuples():
        door = Cohort(annotations=(box_of(row.finding, in_cell(row.x, row.y, cells)),))
        assert 1 <= select(index, door).counts["images"] <= row.boxes
    middle = heat[heat["finding"] == "Cardiomegaly"]
    expected = {1: 1, 4: 4, 12: 36}[cells]  # a quarter of the film, from its first quarter on
    assert len(middle) == expected and (middle["boxes"] == 1).all()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mask_quality", {"threshold": 1.5}, "threshold must lie between 0 and 1, not at 1.5"),
        ("mask_quality_by", {"by": "colour"}, "Masks cannot be split by 'colour'"),
        ("cardiothoracic_ratio", {"least_quality": -1}, "least_quality must lie between 0 and 1, not at -1"),
        ("box_heat", {"cells": 65}, "The film cannot be cut into 65 by 65 cells"),
    ],
)
def test_impossible_settings_are_refused(index: Index, name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(CxrdashError, match=message):
        analysis.compute(name, index, Cohort(), **options)


@pytest.fixture(scope="module")
def masked_nih(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Index:
    masks = real_data / "chexmask" / "ChestX-Ray8.csv"
    if not masks.is_file():
        pytest.skip("no CheXmask rows here")
    cache = Cache(tmp_path_factory.mktemp("masked") / "cache")
    build_index(Request(real_data / "nih", name="nih", masks=(masks,)), cache)
    return open_index("nih", cache)


@pytest.mark.real_data
def test_oracle_d8_9_through_the_index(masked_nih: Index) -> None:
    ratios = (
        analysis.mask_measures(masked_nih).drop_duplicates("image_id").set_index("image_id")["cardiothoracic_ratio"]
    )
    expected = {"00006808_000.png": 0.623094, "00005365_021.png": 0.364780, "00009001_007.png": 0.493235}
    assert ratios[list(expected)].tolist() == pytest.approx(list(expected.values()), abs=5e-7)
    assert len(ratios) == 50 and not analysis.mask_measures(masked_nih)["lungs_exchanged"].any()


@pytest.mark.real_data
def test_oracle_d8_7_and_the_sizes_of_the_real_boxes(masked_nih: Index) -> None:
    sizes = analysis.box_sizes(masked_nih).set_index("finding")
    assert sizes["boxes"].sum() == 984 and not sizes[["beyond", "nearly_whole"]].to_numpy().any()
    counts = select(masked_nih, Cohort(annotations=(box_of(""),))).counts
    assert counts["images"] == 880
    golden = pd.DataFrame(
        [("Atelectasis", 180, 1.875, 0.205, 18.968), ("Infiltration", 123, 5.663, 0.780, 44.148),
         ("Cardiomegaly", 146, 17.091, 9.935, 29.752), ("Nodule", 79, 0.458, 0.081, 1.759)],
    ).set_index(0)  # fmt: skip
    found = sizes.loc[golden.index, ["boxes", "median_area", "smallest_area", "largest_area"]].to_numpy()
    assert found * [1, 100, 100, 100] == pytest.approx(golden.to_numpy(), abs=5e-4)
    assert not analysis.box_label_agreement(masked_nih)["unlabelled"].any()
