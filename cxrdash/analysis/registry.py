"""Every statistic by name, so that pages, command line, notebook and report run the same function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cxrdash.errors import CxrdashError, shown
from cxrdash.index.cohort import Cohort
from cxrdash.index.store import Index
from cxrdash.labels.policies import Policy

if TYPE_CHECKING:
    import pandas as pd

Function = Callable[..., "pd.DataFrame"]

# The modules of this package and the statistics in each. A module is imported when one of its own is first
# asked for, so that the first page waits for three of them rather than for all.
HOMES = {
    "accuracy": ("prevalence_given_accuracy",),
    "agreement": ("agreement", "reader_findings", "readers_alpha"),
    "audit": ("audit",),
    "balance": ("balance", "leakage", "split_sizes"),
    "box_agreement": ("box_agreement",),
    "boxes": ("box_heat", "box_label_agreement", "box_sizes"),
    "cardiothoracic": ("cardiothoracic_bins", "cardiothoracic_ratio"),
    "classes": ("prevalence_bounds", "prevalence_classes"),
    "compare": ("compare", "compare_attributes", "compare_differences"),
    "duplicates": ("duplicate_calibration", "duplicate_summary", "duplicates"),
    "duplicates_between": ("duplicates_between",),
    "effective": ("effective_range",),
    "label_noise": ("label_noise",),
    "loaders": ("cohort_audit", "cohort_labels", "loader_audit", "loader_labels"),
    "level_differences": ("prevalence_differences",),
    "logic": ("contradictions", "hierarchy", "redundancy"),
    "masks": ("mask_measures", "mask_quality", "mask_quality_bins", "mask_quality_by", "masks", "worst_masks"),
    "overlaps": ("known_overlaps", "mapping_losses", "shared_images"),
    "overview": ("ages", "overview"),
    "pair_odds": ("pair_odds",),
    "pairs": ("label_combinations", "pair_counts"),
    "part_sizes": ("test_sizes", "test_subgroups"),
    "patients": ("concentration_summary", "held_by", "images_per_patient", "lorenz", "repeat_share", "timeline"),
    "power": ("subgroup_power", "test_widths"),
    "prevalence": ("effective_size", "prevalence", "prevalence_by", "prevalence_policies"),
    "quality": ("quality", "quality_conflicts", "unreadable"),
    "quality_suspects": ("quality_histogram", "quality_outliers", "quality_suspects"),
    "review_agreement": ("corrected_prevalence", "review_agreement", "review_disputes"),
    "review_error": ("review_error", "review_strata"),
    "second_opinion": ("second_opinion",),
    "shift": ("compare_distances",),
    "shortcut": ("shortcut_probe",),
    "simpson": ("simpson", "simpson_strata"),
    "standardised": ("standard_cells", "standardised_prevalence"),
    "stars": ("stars",),
    "strata": ("strata",),
}
HOME_OF = {name: home for home, names in HOMES.items() for name in names}


@dataclass(frozen=True)
class Statistic:
    """A named function ``(index, cohort, *, ...) -> tidy DataFrame`` with what its provenance line says.

    ``sql`` is a statement over `selected` that gives the same core counts from the canonical tables,
    for readers who want to check a number by hand.
    """

    name: str
    title: str
    function: Function
    method: str
    sql: str

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the keyword options the function takes (policy and unit among them)."""
        parameters = inspect.signature(self.function).parameters.values()
        return tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)


class Statistics(Mapping[str, Statistic]):
    """Every statistic by name: those of ``HOMES``, and any other that was registered."""

    def __init__(self) -> None:
        self._registered: dict[str, Statistic] = {}

    def register(self, one: Statistic) -> None:
        self._registered[one.name] = one

    def __getitem__(self, name: str) -> Statistic:
        if name in HOME_OF:  # also where it is registered: another thread may still be at the module's last lines
            import_module(f"cxrdash.analysis.{HOME_OF[name]}")
        return self._registered[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*HOME_OF, *self._registered)))

    def __len__(self) -> int:
        return len({*HOME_OF, *self._registered})


STATISTICS = Statistics()


def statistic(title: str, *, method: str, sql: str = "") -> Callable[[Function], Function]:
    """Register the decorated function under its own name."""

    def register(function: Function) -> Function:
        name = function.__name__
        STATISTICS.register(Statistic(name, title, function, method, sql))
        return function

    return register


def named(name: str) -> Statistic:
    """Return the statistic of that name; the error lists the known ones."""
    try:
        return STATISTICS[name]
    except KeyError:
        raise CxrdashError(
            f"There is no statistic named '{shown(name)}'.", "Known: " + ", ".join(sorted(STATISTICS))
        ) from None


def compute(name: str, index: Index, cohort: Cohort, /, **options: Any) -> pd.DataFrame:
    """Run a statistic; options it does not take (a unit, a policy) are left out."""
    chosen = named(name)
    return chosen.function(index, cohort, **{key: value for key, value in options.items() if key in chosen.options})


def as_policy(policy: Policy | str) -> Policy:
    """Return the policy named by a text, or the policy itself."""
    return policy if isinstance(policy, Policy) else Policy.parse(policy)
