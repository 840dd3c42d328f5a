"""What holds for every statistic: empty cohorts, shuffled and doubled datasets, and the statement it documents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrdash import analysis
from cxrdash.analysis.patients import most_imaged
from cxrdash.analysis.registry import STATISTICS, compute, named
from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import select
from cxrdash.index.store import Index
from cxrdash.labels.states import State
from tests.datasets import Invented, chexpert_row, example_a, indexed, invent, write_chexpert

EVERY = pytest.mark.parametrize("name", sorted(STATISTICS))
DATASET = invent(7, patients=30)
NOBODY = Cohort(splits=("nowhere",))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("registry")


@pytest.fixture(scope="module")
def index(base: Path) -> Index:
    return DATASET.index(base / "plain")


@pytest.fixture(scope="module")
def shuffled(base: Path) -> Index:
    return DATASET.shuffled(1).index(base / "shuffled")


@pytest.fixture(scope="module")
def doubled(base: Path) -> Index:
    return DATASET.doubled().index(base / "doubled")


@pytest.fixture(scope="module", params=["invented", "nih", "chexpert", "nobody"])
def any_index(request: pytest.FixtureRequest, base: Path, index: Index) -> Index:
    if request.param == "nih":
        return indexed(example_a(base / "nih"), "nih")
    if request.param == "chexpert":
        states = {"Edema": State.POSITIVE, "Fracture": State.UNCERTAIN}
        rows = [chexpert_row(patient, states=states if patient % 2 else None) for patient in range(9)]
        return indexed(write_chexpert(base / "chexpert", rows), "chexpert")
    return index if request.param == "invented" else invent(8, known_patients=False).index(base / "nobody")


@EVERY
def test_an_empty_cohort_keeps_columns_and_dtypes(any_index: Index, name: str) -> None:
    full, empty = compute(name, any_index, Cohort()), compute(name, any_index, NOBODY)
    assert list(empty.columns) == list(full.columns)
    if len(full):
        assert empty.dtypes.astype(str).to_dict() == full.dtypes.astype(str).to_dict()


@EVERY
def test_an_empty_cohort_counts_nothing(index: Index, name: str) -> None:
    empty = compute(name, index, NOBODY)
    if name in FROM_THE_WHOLE:  # only what is left after the last rule is the cohort's
        empty = empty.tail(1)[[column for column in ("images", "patients", "of", "positive_after") if column in empty]]
    counts = empty[[column for column in empty.columns if column in DOUBLING.get(name, ())]]
    assert (counts.fillna(0).to_numpy() == 0).all()


@EVERY
def test_the_order_of_rows_does_not_matter(index: Index, shuffled: Index, name: str) -> None:
    pd.testing.assert_frame_equal(compute(name, shuffled, Cohort()), compute(name, index, Cohort()))


STATES = ("positive", "uncertain", "negative", "blank", "not_assessed")
RATES = (*STATES, "counted", "of", "positive_patients")
# Columns that count, and so double with the dataset.
OPINIONS = ("both", "only_first", "only_second", "neither", "of", "unmatched", "patients", "positive")
AUDITED = ("images", "patients", "images_lost", "patients_lost", "labels_changed", "images_changed")
RELABELLED = (
    "positive_before", "positive_after", "changed_to_positive", "changed_to_uncertain", "changed_to_negative",
    "changed_to_missing", "missing_after", "of",
)  # fmt: skip
FROM_THE_WHOLE = ("cohort_audit", "cohort_labels")
DOUBLING: dict[str, tuple[str, ...]] = {
    "agreement": ("images", "positive", "by_1", "by_2", "by_3", "by_more"),
    "box_heat": ("boxes", "of"),
    "box_label_agreement": ("boxes", "images", "labelled", "unlabelled", "positive"),
    "box_sizes": ("boxes", "images", "patients", "placed", "beyond", "nearly_whole"),
    "cardiothoracic_bins": ("images",),
    "cardiothoracic_ratio": ("images", "patients", "small", "large"),
    "mask_measures": (),
    "mask_quality": ("images", "patients", "kept", "others", "others_kept"),
    "mask_quality_bins": ("images", "patients"),
    "mask_quality_by": ("images", "patients", "kept"),
    "masks": ("images", "patients", "of", "masks"),
    "worst_masks": (),
    "box_agreement": ("images", "boxes", "comparisons", "pairs", "unmatched"),
    "reader_findings": ("images", "positive", "shared"),
    "readers_alpha": ("images", "readings"),
    "second_opinion": OPINIONS,
    "shared_images": (),
    "shortcut_probe": ("positive", "positive_patients", "of"),
    "simpson": (),  # ranked by an alert that depends on size; its counts are those of strata
    "simpson_strata": (),
    "strata": ("images", "positive", "images_other", "other"),
    "balance": ("images", "images_against"),
    "leakage": ("units_a", "units_b", "shared"),
    "split_sizes": ("images", "patients", "positive", "of", "positive_patients"),
    "ages": ("unknown", "under_18"),
    "compare": ("positive", "of"),
    "compare_attributes": ("images", "of", "patients"),
    "compare_differences": (),
    "compare_distances": (),
    "concentration_summary": ("patients", "images", "patients_with_one", "if_repeats_added_nothing"),
    "cohort_audit": AUDITED,
    "cohort_labels": RELABELLED,
    "audit": (),
    "stars": ("positive_patients", "positive_images", "positive", "uncertain_images", "reviewed", "wrong", "doubtful"),
    "contradictions": ("count", "of"),
    # without a scan; their own tests count
    **dict.fromkeys(["duplicates", "duplicate_summary", "duplicate_calibration", "duplicates_between"], ()),
    "effective_range": ("images", "patients", "of", "of_patients", "if_repeats_added_nothing"),
    "effective_size": ("images", "patients", "of"),
    "label_noise": ("positive_patients", "negative_patients"),
    "pair_odds": ("both", "a", "b", "of", "expected"),
    "subgroup_power": ("patients_a", "patients_b"),
    "test_widths": ("cases",),
    "hierarchy": ("positive", "parent_positive", "parent_uncertain", "parent_negative", "parent_blank", "not_assessed"),
    "held_by": ("patients",),
    "images_per_patient": ("patients",),
    "known_overlaps": (),
    "label_combinations": ("count", "of"),
    "loader_audit": AUDITED,
    "loader_labels": RELABELLED,
    "lorenz": (),
    "mapping_losses": ("positive", "of"),
    "overview": ("images", "patients"),
    "pair_counts": ("both", "a", "b", "of", "expected"),
    "prevalence": RATES,
    "prevalence_bounds": ("positive", "open", "negative", "of"),
    "prevalence_by": RATES,
    "prevalence_classes": ("count", "of"),
    "prevalence_differences": ("positive", "of", "others_positive", "others_of"),
    "prevalence_given_accuracy": (),  # no accuracy is given here; its own tests count
    "prevalence_policies": RATES,
    "quality": ("images", "of"),
    "quality_conflicts": ("images", "of"),
    "quality_histogram": ("images", "of"),
    "quality_outliers": (),
    "quality_suspects": ("images", "of"),
    "redundancy": ("both", "a", "b", "of"),
    "repeat_share": ("patients", "images"),
    # without a review in the cache; their own tests count
    **dict.fromkeys(["corrected_prevalence", "review_agreement", "review_disputes", "review_error"], ()),
    "review_strata": (),
    "standard_cells": ("units",),
    "standardised_prevalence": ("positive", "of", "fewest"),
    "test_sizes": ("positive", "positive_patients", "negative", "negative_patients"),
    "test_subgroups": ("positive", "positive_patients", "negative", "negative_patients"),
    "timeline": (),
    "unreadable": ("images", "of"),
}
# Columns that depend on how many there are, in another way than doubling: intervals, tests, tiers.
SIZE_DEPENDENT = {
    "alpha", "single",
    "low", "high", "low_independent", "high_independent", "auc_low", "auc_high", "half_width", "half_width_specificity",
    "effective_n", "design_effect", "method", "tier", "tier_text", "odds_low", "odds_high", "odds_ratio", "residual",
    "sentence", "image", "gini", "standard_error", "kappa_low", "kappa_high", "ppv_low", "ppv_high", "sensitivity_low",
    "sensitivity_high", "ami", "patients_shared", "note", "example_patient",
    "noise", "difference", "flagged", "smd_low", "smd_high", "q", "verdict", "corrected", "strata", "pooled_odds",
    "pooled_low", "pooled_high", "alert", "auc", "stars", "limited_by", "width", "flags", "structure",
    "error_limit",
    "effective_low", "effective_high", "icc", "kish_effect", "log_error",
    "log_error_independent", "p_value", "power", "detectable_drop", "difference_low", "difference_high", "none_failed",
    "honest_low", "honest_high", "attribute_v",
}  # fmt: skip


def test_every_statistic_is_declared_above() -> None:
    assert sorted(DOUBLING) == sorted(STATISTICS)


@EVERY
def test_a_doubled_dataset_doubles_counts_and_keeps_rates(index: Index, doubled: Index, name: str) -> None:
    same_patient = most_imaged(index)  # for the one statistic that shows a single patient
    once, twice = (compute(name, source, Cohort(), patient=same_patient) for source in (index, doubled))
    assert list(once.columns) == list(twice.columns)
    for column in DOUBLING[name]:
        found, expected = twice[column].to_numpy(dtype=float), 2 * once[column].to_numpy(dtype=float)
        # the fewest patients who hold a share may be one fewer of twice as many
        assert found == pytest.approx(expected, abs=1 if name == "held_by" else 0, rel=1e-9, nan_ok=True)
    kept = [column for column in once.columns if column not in (*DOUBLING[name], *SIZE_DEPENDENT)]
    if name == "held_by":
        kept.remove("share_of_patients")
    if name == "audit":  # which checks speak depends on size, and their sentences hold counts
        assert set(once["code"]) & set(twice["code"]) >= {"patients.known", "load.rows", "test.size"}
        return
    if name == "simpson":
        order = ["finding", "exposure", "level", "third"]
        once, twice = (table.sort_values(order, ignore_index=True) for table in (once, twice))
        for column in ("positive_exposed", "exposed", "positive_other", "other"):
            assert twice[column].tolist() == (2 * once[column]).tolist()
        kept = [*order, "policy"]
    if name == "stars":  # scores follow the sizes
        kept = ["finding", "part", "uncertain", "policy"]
    if name == "simpson_strata":
        return  # shows the first row of simpson, which may be another one
    pd.testing.assert_frame_equal(twice[kept], once[kept])


@EVERY
def test_doubling_patients_narrows_no_interval_by_more_than_a_root_of_two(
    index: Index, doubled: Index, name: str
) -> None:
    once, twice = compute(name, index, Cohort()), compute(name, doubled, Cohort())
    if {"low", "high", "rate"} <= set(once.columns):
        narrow, wide = twice["high"] - twice["low"], once["high"] - once["low"]
        known = wide.notna() & narrow.notna()
        assert (narrow[known] <= wide[known] + 1e-12).all()
        assert (narrow[known] >= wide[known] / 2).all()


@dataclass(frozen=True)
class Documented:
    """How the counts of a documented statement are found again in the statistic's table."""

    counts: Callable[[pd.DataFrame], dict[object, int]]
    options: dict[str, object]


def by_states(table: pd.DataFrame) -> dict[object, int]:
    """(finding, state) -> images, summed over the levels of any attribute."""
    stated = table.groupby("finding")[["positive", "uncertain", "negative", "not_assessed"]].sum()
    return {key: n for key, n in stated.stack().to_dict().items() if n}


def from_sql(table: pd.DataFrame, *keys: str, count: str) -> dict[object, int]:
    rows = table[[*keys, count]].itertuples(index=False, name=None)
    return {row[:-1] if len(keys) > 1 else row[0]: row[-1] for row in rows}


def check_sizes(sql: pd.DataFrame, index: Index, name: str) -> None:
    histogram = from_sql(sql, "images", count="patients")
    table = analysis.images_per_patient(index)
    assert histogram == dict(zip(table["images"], table["patients"], strict=True))
    patients, images = sum(histogram.values()), sum(size * n for size, n in histogram.items())  # type: ignore[operator]
    found = compute(name, index, Cohort())
    if name == "concentration_summary":
        assert (found["patients"].iloc[0], found["images"].iloc[0]) == (patients, images)
    if name == "repeat_share":
        assert found["patients"].iloc[0] == sum(n for size, n in histogram.items() if size > 1)  # type: ignore[operator]


def check_states(sql: pd.DataFrame, index: Index, name: str) -> None:
    table = compute(name, index, Cohort(), unit="image")
    found = from_sql(sql, "finding", "state", count="images")
    if name == "effective_size":
        positive = {finding: n for (finding, state), n in found.items() if state == "positive"}  # type: ignore[misc]
        assert positive == dict(zip(table["finding"], table["images"], strict=True))
    elif name == "prevalence_policies":
        for _, rows in table.groupby("policy"):
            assert by_states(rows) == found
    else:
        assert by_states(table) == found


def check_classes(sql: pd.DataFrame, index: Index, name: str) -> None:
    found = from_sql(sql, "finding", "state", count="images")
    positive = {finding: n for (finding, state), n in found.items() if state == "positive"}  # type: ignore[misc]
    table = compute(name, index, Cohort(), unit="image")
    if name == "prevalence_classes":
        table = table[table["class"] == "positive"].rename(columns={"count": "positive"})
    assert dict(zip(table["finding"], table["positive"], strict=True)) == positive


def check_parts(sql: pd.DataFrame, index: Index, name: str) -> None:
    named_as = "test_sizes" if name == "test_widths" else name
    table = compute(named_as, index, Cohort(), unit="image").groupby(["split", "finding"])["positive"].sum()
    known = select(index).table(
        "SELECT split, finding::VARCHAR AS finding, count(*) AS images FROM selected JOIN patterns USING (pattern)"
        " WHERE state = 'positive' AND patient IS NOT NULL GROUP BY ALL"
    )
    assert {key: n for key, n in table.to_dict().items() if n} == from_sql(known, "split", "finding", count="images")
    assert set(zip(sql["split"], sql["finding"], strict=True)) >= set(
        zip(known["split"], known["finding"], strict=True)
    )


def check_pairs(sql: pd.DataFrame, index: Index, name: str) -> None:
    table = analysis.pair_counts(index, unit="image")
    both = from_sql(table[table["both"] > 0], "finding_a", "finding_b", count="both")
    assert from_sql(sql, "finding_a", "finding_b", count="both") == both


def check_hierarchy(sql: pd.DataFrame, index: Index, name: str) -> None:
    told = from_sql(sql, "finding", "parent_state", count="images")
    rates = analysis.prevalence(index, unit="image").set_index("finding")["positive"]
    totals: dict[str, int] = {}
    for (finding, _), n in told.items():  # type: ignore[misc]
        totals[finding] = totals.get(finding, 0) + n
    assert totals == {finding: n for finding, n in rates.items() if n}
    table = analysis.hierarchy(index, unit="image").set_index("finding")
    for (finding, state), n in told.items():  # type: ignore[misc]
        if state != "no parent":
            assert table.loc[finding, "not_assessed" if state == "not_assessed" else f"parent_{state}"] == n


def check_combinations(sql: pd.DataFrame, index: Index, name: str) -> None:
    table = analysis.label_combinations(index, unit="image")
    found: dict[frozenset[str], int] = {}
    for findings, images in zip(sql["findings"], sql["images"], strict=True):
        key = frozenset(findings) if isinstance(findings, list | np.ndarray) else frozenset()
        found[key] = found.get(key, 0) + images
    assert found == {frozenset(findings): n for findings, n in zip(table["findings"], table["count"], strict=True)}


def check_overview(sql: pd.DataFrame, index: Index, name: str) -> None:
    table = analysis.overview(index)
    rows = from_sql(table[table["attribute"] != "total"], "attribute", "level", count="images")
    assert from_sql(sql, "attribute", "level", count="images") == rows


def check_ages(sql: pd.DataFrame, index: Index, name: str) -> None:
    pd.testing.assert_frame_equal(sql, analysis.ages(index))


def check_timeline(sql: pd.DataFrame, index: Index, name: str) -> None:
    assert len(sql) == index.counts["images"]
    one = analysis.timeline(index)
    assert sorted(one["image_id"].unique()) == sorted(
        sql.loc[sql["patient_id"] == one["patient_id"].iloc[0], "image_id"]
    )


def check_readers(sql: pd.DataFrame, index: Index, name: str) -> None:
    table = analysis.reader_findings(index)
    for count in ("images", "positive"):
        keys = ("reader", "finding")
        assert from_sql(sql, *keys, count=count) == from_sql(table, *keys, count=count)


def check_agreement(sql: pd.DataFrame, index: Index, name: str) -> None:
    table = analysis.agreement(index)
    for yes in (1, 2, 3):
        found = from_sql(sql[sql["yes"] == yes], "finding", "readers", count="images")
        rows = table[table[f"by_{yes}"] > 0]
        assert found == from_sql(rows, "finding", "readers", count=f"by_{yes}")
    images = sql.groupby(["finding", "readers"])["images"].sum().to_dict()
    assert images == from_sql(table, "finding", "readers", count="images")


def check_alpha(sql: pd.DataFrame, index: Index, name: str) -> None:
    images = sql.groupby("finding")["images"].sum().to_dict()
    table = analysis.readers_alpha(index)
    assert dict(zip(table["finding"], table["images"], strict=True)) == images


def check_strata(sql: pd.DataFrame, index: Index, name: str) -> None:
    table = analysis.strata(index)
    found = sql.groupby(["finding", "view"])["images"].sum().to_dict()
    rows = table[(table["attribute"] == "view") & (table["images"] > 0)]
    assert len(rows) > 3
    assert from_sql(rows, "finding", "level", count="images").items() <= found.items()


def check_boxes(sql: pd.DataFrame, index: Index, name: str) -> None:
    table = analysis.box_agreement(index)
    drawn = sql.groupby("finding")["boxes"].sum()
    assert set(table["finding"]) <= set(drawn.index)
    assert (table["boxes"].to_numpy() <= drawn[table["finding"]].to_numpy()).all()


def check_opinions(sql: pd.DataFrame, index: Index, name: str) -> None:
    table = analysis.second_opinion(index)
    both = sql[(sql["state"] == "positive") & (sql["first_state"] == "positive")]
    found = from_sql(both, "reader", "finding", count="images")
    expected = from_sql(table[table["both"] > 0], "reader", "finding", count="both")
    assert found == expected


def check_status(sql: pd.DataFrame, index: Index, name: str) -> None:
    table = analysis.quality(index)
    status = table[table["attribute"] == "status"]
    assert from_sql(sql, "status", count="images") == from_sql(status, "level", count="images")


def check_range(sql: pd.DataFrame, index: Index, name: str) -> None:
    table = analysis.effective_range(index, unit="image")
    for count in ("images", "patients"):
        some = table[table[count] > 0]
        assert from_sql(sql, "finding", count=count) == dict(zip(some["finding"], some[count], strict=True))


def check_odds(sql: pd.DataFrame, index: Index, name: str) -> None:
    table = analysis.pair_odds(index, unit="image")
    both = from_sql(table[table["both"] > 0], "finding_a", "finding_b", count="both")
    assert from_sql(sql, "finding_a", "finding_b", count="both").items() >= both.items()
    assert both


def check_differences(sql: pd.DataFrame, index: Index, name: str) -> None:
    table = analysis.prevalence_differences(index)
    found = sql[sql["state"] == "positive"].groupby("finding")["images"].sum()
    some = table[table["positive"] > 0].groupby("finding")["positive"].sum()
    assert len(some) and (some <= found[some.index]).all()


CHECKS: dict[str, Callable[[pd.DataFrame, Index, str], None]] = {
    **dict.fromkeys(["images_per_patient", "repeat_share", "held_by", "lorenz", "concentration_summary"], check_sizes),
    **dict.fromkeys(["prevalence", "prevalence_by", "prevalence_policies", "effective_size"], check_states),
    "prevalence_differences": check_differences,
    **dict.fromkeys(["prevalence_bounds", "prevalence_classes"], check_classes),
    **dict.fromkeys(["test_sizes", "test_subgroups", "test_widths"], check_parts),
    "effective_range": check_range,
    "pair_odds": check_odds,
    "pair_counts": check_pairs,
    "redundancy": check_pairs,
    "hierarchy": check_hierarchy,
    "label_combinations": check_combinations,
    "overview": check_overview,
    "ages": check_ages,
    "reader_findings": check_readers,
    "agreement": check_agreement,
    "readers_alpha": check_alpha,
    "box_agreement": check_boxes,
    "second_opinion": check_opinions,
    "strata": check_strata,
    "timeline": check_timeline,
    "quality": check_status,
}


# Their statements need masks and boxes, which other invented images have: see test_masks.
DRAWN = {
    "box_heat", "box_label_agreement", "box_sizes", "cardiothoracic_bins", "cardiothoracic_ratio", "mask_measures",
    "mask_quality", "mask_quality_bins", "mask_quality_by", "masks", "worst_masks",
}  # fmt: skip


def test_every_documented_statement_is_checked() -> None:
    assert sorted({*CHECKS, *DRAWN}) == sorted(name for name, statistic in STATISTICS.items() if statistic.sql)


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_the_documented_statement_gives_the_table_s_counts(index: Index, name: str) -> None:
    sql = select(index).written_out(STATISTICS[name].sql)
    found, cut = index.guarded_query(sql, seconds=10, rows=100_000)
    assert not cut and len(found)
    CHECKS[name](found, index, name)


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_the_documented_statement_runs_in_a_narrow_cohort(any_index: Index, name: str) -> None:
    cohort = Cohort(views=("PA", "it's"), ages=(0, 80), sexes=("F",), one_per_patient="random", seed=3)
    sql = select(any_index, cohort).written_out(STATISTICS[name].sql)
    any_index.guarded_query(sql, seconds=10, rows=100_000)


@EVERY
def test_the_same_call_gives_the_same_table(index: Index, name: str) -> None:
    pd.testing.assert_frame_equal(compute(name, index, Cohort()), compute(name, index, Cohort()))


@EVERY
def test_a_statistic_has_a_title_a_method_and_a_docstring(name: str) -> None:
    statistic = named(name)
    assert statistic.title and statistic.method and statistic.function.__doc__
    assert statistic.name == statistic.function.__name__ == name


def test_options_a_statistic_does_not_take_are_left_out(index: Index) -> None:
    table = compute("lorenz", index, Cohort(), policy="U-Ones", unit="image")
    pd.testing.assert_frame_equal(table, analysis.lorenz(index))
    assert compute("prevalence", index, Cohort(), policy="U-Ones")["policy"].unique().tolist() == ["U-Ones"]
    assert named("prevalence").options == ("policy", "unit")


def test_an_unknown_statistic_is_refused_with_the_known_ones() -> None:
    with pytest.raises(CxrdashError, match="There is no statistic named 'prevalance'") as refused:
        named("prevalance")
    assert "prevalence, prevalence_bounds" in refused.value.hint


def test_the_doubled_dataset_is_one(tmp_path: Path) -> None:
    small = invent(1, patients=2)
    twice: Invented = small.doubled()
    assert len(twice.images) == 2 * len(small.images)
    assert twice.images["image_id"].is_unique
