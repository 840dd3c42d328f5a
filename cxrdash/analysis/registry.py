"""Every statistic by name, so that pages, command line, notebook and report run the same function."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cxrdash.errors import CxrdashError, shown
from cxrdash.index.cohort import Cohort
from cxrdash.index.store import Index
from cxrdash.labels.policies import Policy

if TYPE_CHECKING:
    import pandas as pd

Function = Callable[..., "pd.DataFrame"]


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


STATISTICS: dict[str, Statistic] = {}


def statistic(title: str, *, method: str, sql: str = "") -> Callable[[Function], Function]:
    """Register the decorated function under its own name."""

    def register(function: Function) -> Function:
        name = function.__name__
        STATISTICS[name] = Statistic(name, title, function, method, sql)
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
