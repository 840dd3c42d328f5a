"""Figures from tidy tables: each function takes a DataFrame and a `Look` and only draws."""

from cxrdash.charts.loaders import label_changes, recipe_waterfall
from cxrdash.charts.logic import hierarchy_tree, redundancy_bars, rule_bars
from cxrdash.charts.opinions import agreement_dots, opinion_bars, reader_heat, support_bars
from cxrdash.charts.overview import age_histogram, share_bars
from cxrdash.charts.pairs import combination_chart, pair_matrix
from cxrdash.charts.patients import (
    ecdf_chart,
    images_per_patient_chart,
    lorenz_chart,
    patients_histogram,
    several_chart,
)
from cxrdash.charts.prevalence import level_dots, policy_dots, rate_intervals, state_bars
from cxrdash.charts.test_set import subgroup_grid, tier_bars, width_chart
from cxrdash.charts.theme import Look, export_config
from cxrdash.charts.timeline import timeline_chart

__all__ = [
    "Look",
    "age_histogram",
    "agreement_dots",
    "combination_chart",
    "ecdf_chart",
    "export_config",
    "hierarchy_tree",
    "images_per_patient_chart",
    "label_changes",
    "level_dots",
    "lorenz_chart",
    "opinion_bars",
    "pair_matrix",
    "patients_histogram",
    "policy_dots",
    "rate_intervals",
    "reader_heat",
    "recipe_waterfall",
    "redundancy_bars",
    "rule_bars",
    "several_chart",
    "share_bars",
    "state_bars",
    "subgroup_grid",
    "support_bars",
    "tier_bars",
    "timeline_chart",
    "width_chart",
]
