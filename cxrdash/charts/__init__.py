"""Figures from tidy tables: each function takes a DataFrame and a `Look` and only draws."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from cxrdash.charts.memory import remembered

# Imported when first asked for: the frame needs only `Look`, and the first page no chart at all.
_HOMES = {
    "boxes": ("heat_maps", "overlap_bars"),
    "compare": ("attribute_bars", "dataset_dots", "distance_matrix"),
    "duplicates": ("likeness_histogram",),
    "effective": ("effective_ranges", "images_and_patients"),
    "forest": ("odds_forest",),
    "image_map": ("map_points",),
    "loaders": ("label_changes", "recipe_waterfall"),
    "logic": ("hierarchy_tree", "redundancy_bars", "rule_bars"),
    "masks": ("kept_dots", "quality_steps", "ratio_steps"),
    "opinions": ("agreement_dots", "opinion_bars", "reader_heat", "support_bars"),
    "pairs": ("combination_chart", "pair_matrix"),
    "patients": ("ecdf_chart", "images_per_patient_chart", "lorenz_chart", "patients_histogram", "several_chart"),
    "power": ("drop_bars", "measure_widths", "noise_ranges"),
    "prevalence": ("bound_bars", "level_dots", "policy_dots", "rate_intervals", "state_bars"),
    "strata": ("probe_dots", "strata_dots"),
    "splits": ("balance_dots",),
    "query": ("result_chart",),
    "quality": ("census_bars", "measure_histogram", "suspect_bars"),
    "review": ("error_strata", "verdict_bars"),
    "test_set": ("subgroup_grid", "tier_bars"),
    "theme": ("Look", "export_config"),
    "timeline": ("timeline_chart",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Return the chart of that name."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'cxrdash.charts' has no attribute {name!r}")
    home = _HOME_OF[name]
    found = getattr(import_module(f"cxrdash.charts.{home}"), name)
    return found if home == "theme" else remembered(found)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF})
