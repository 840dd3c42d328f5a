"""Statistics: pure functions from an index and a cohort to tidy tables, one registry of them."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

from cxrdash.analysis.registry import HOME_OF, STATISTICS, Function, Statistic, compute, named

if TYPE_CHECKING:
    from cxrdash.analysis.agreement import agreement, reader_findings
    from cxrdash.analysis.balance import balance, leakage, split_sizes
    from cxrdash.analysis.box_agreement import box_agreement
    from cxrdash.analysis.compare import compare, compare_attributes, compare_differences
    from cxrdash.analysis.concerns import concerns
    from cxrdash.analysis.loaders import loader_audit, loader_labels
    from cxrdash.analysis.logic import contradictions, hierarchy, redundancy
    from cxrdash.analysis.overlaps import known_overlaps, mapping_losses
    from cxrdash.analysis.overview import ages, overview
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
    from cxrdash.analysis.prevalence import effective_size, prevalence, prevalence_by, prevalence_policies
    from cxrdash.analysis.second_opinion import second_opinion
    from cxrdash.analysis.shift import compare_distances
    from cxrdash.analysis.shortcut import shortcut_probe
    from cxrdash.analysis.simpson import simpson, simpson_strata
    from cxrdash.analysis.standardised import standard_cells, standardised_prevalence
    from cxrdash.analysis.strata import strata

__all__ = [
    "STATISTICS", "Statistic", "ages", "agreement", "balance", "box_agreement", "compare", "compare_attributes",
    "compare_differences", "compare_distances", "compute", "concentration_summary", "concerns", "contradictions",
    "effective_size", "held_by", "hierarchy", "images_per_patient", "known_overlaps", "label_combinations",
    "leakage", "loader_audit", "loader_labels", "lorenz", "mapping_losses", "named", "overview", "pair_counts",
    "prevalence", "prevalence_by", "prevalence_policies", "reader_findings", "redundancy", "repeat_share",
    "second_opinion", "shortcut_probe", "simpson", "simpson_strata", "split_sizes", "standard_cells",
    "standardised_prevalence", "strata", "test_sizes", "test_subgroups", "timeline",
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
