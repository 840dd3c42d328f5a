"""Statistics: pure functions from an index and a cohort to tidy tables, one registry of them."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

from cxrdash.analysis.registry import HOME_OF, STATISTICS, Function, Statistic, compute, named

if TYPE_CHECKING:
    from cxrdash.analysis.accuracy import prevalence_given_accuracy
    from cxrdash.analysis.agreement import agreement, reader_findings, readers_alpha
    from cxrdash.analysis.audit import audit
    from cxrdash.analysis.balance import balance, leakage, split_sizes
    from cxrdash.analysis.box_agreement import box_agreement
    from cxrdash.analysis.boxes import box_heat, box_label_agreement, box_sizes
    from cxrdash.analysis.cardiothoracic import cardiothoracic_bins, cardiothoracic_ratio
    from cxrdash.analysis.classes import prevalence_bounds, prevalence_classes
    from cxrdash.analysis.compare import compare, compare_attributes, compare_differences
    from cxrdash.analysis.duplicates import duplicate_calibration, duplicate_summary, duplicates
    from cxrdash.analysis.duplicates_between import duplicates_between
    from cxrdash.analysis.effective import effective_range
    from cxrdash.analysis.label_noise import label_noise
    from cxrdash.analysis.level_differences import prevalence_differences
    from cxrdash.analysis.loaders import cohort_audit, cohort_labels, loader_audit, loader_labels
    from cxrdash.analysis.logic import contradictions, hierarchy, redundancy
    from cxrdash.analysis.masks import (
        mask_measures,
        mask_quality,
        mask_quality_bins,
        mask_quality_by,
        masks,
        worst_masks,
    )
    from cxrdash.analysis.overlaps import known_overlaps, mapping_losses, shared_images
    from cxrdash.analysis.overview import ages, overview
    from cxrdash.analysis.pair_odds import pair_odds
    from cxrdash.analysis.pairs import label_combinations, pair_counts
    from cxrdash.analysis.part_sizes import test_sizes, test_subgroups
    from cxrdash.analysis.patients import (
        concentration_summary,
        held_by,
        images_per_patient,
        lorenz,
        repeat_share,
        timeline,
    )
    from cxrdash.analysis.power import subgroup_power, test_widths
    from cxrdash.analysis.prevalence import effective_size, prevalence, prevalence_by, prevalence_policies
    from cxrdash.analysis.quality import quality, quality_conflicts, unreadable
    from cxrdash.analysis.quality_suspects import quality_histogram, quality_outliers, quality_suspects
    from cxrdash.analysis.review_agreement import corrected_prevalence, review_agreement, review_disputes
    from cxrdash.analysis.review_error import review_error, review_strata
    from cxrdash.analysis.second_opinion import second_opinion
    from cxrdash.analysis.shift import compare_distances
    from cxrdash.analysis.shortcut import shortcut_probe
    from cxrdash.analysis.simpson import simpson, simpson_strata
    from cxrdash.analysis.standardised import standard_cells, standardised_prevalence
    from cxrdash.analysis.stars import stars
    from cxrdash.analysis.strata import strata

__all__ = [
    "STATISTICS", "Statistic", "ages", "agreement", "audit", "balance", "box_agreement", "box_heat",
    "box_label_agreement", "box_sizes", "cardiothoracic_bins", "cardiothoracic_ratio", "cohort_audit", "cohort_labels",
    "compare", "compare_attributes", "compare_differences", "compare_distances", "compute", "concentration_summary",
    "contradictions", "corrected_prevalence", "duplicate_calibration", "duplicate_summary", "duplicates",
    "duplicates_between", "effective_range", "effective_size", "held_by", "hierarchy", "images_per_patient",
    "known_overlaps", "label_combinations", "label_noise", "leakage", "loader_audit", "loader_labels", "lorenz",
    "mapping_losses", "mask_measures", "mask_quality", "mask_quality_bins", "mask_quality_by", "masks", "named",
    "overview", "pair_counts", "pair_odds", "prevalence", "prevalence_bounds", "prevalence_by", "prevalence_classes",
    "prevalence_differences",
    "prevalence_given_accuracy", "prevalence_policies", "quality", "quality_conflicts", "quality_histogram",
    "quality_outliers", "quality_suspects", "reader_findings", "readers_alpha", "redundancy", "repeat_share",
    "review_agreement", "review_disputes", "review_error", "review_strata", "second_opinion", "shared_images",
    "shortcut_probe", "simpson", "simpson_strata", "split_sizes", "standard_cells", "standardised_prevalence", "stars",
    "strata", "subgroup_power", "test_sizes", "test_subgroups", "test_widths", "timeline", "unreadable", "worst_masks",
]  # fmt: skip


def __getattr__(name: str) -> Function:
    """Return the statistic of that name; its module is imported when it is first asked for (registry.HOMES)."""
    if name in HOME_OF:
        return STATISTICS[name].function
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *STATISTICS})


class _Package(ModuleType):
    """Keeps the name of a statistic for the statistic where a module of this package is called the same."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (isinstance(value, ModuleType) and name in HOME_OF):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
