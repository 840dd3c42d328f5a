"""Statistics: pure functions from an index and a cohort to tidy tables, one registry of them."""

from cxrdash.analysis.concerns import concerns
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
from cxrdash.analysis.registry import STATISTICS, Statistic, compute, named

__all__ = [
    "STATISTICS", "Statistic", "ages", "compute", "concentration_summary", "concerns", "effective_size", "held_by",
    "images_per_patient", "label_combinations", "lorenz", "named", "overview", "pair_counts", "prevalence",
    "prevalence_by", "prevalence_policies", "repeat_share", "test_sizes", "test_subgroups", "timeline",
]  # fmt: skip
