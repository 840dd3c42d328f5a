"""Find out whether a chest X-ray dataset suits your study: the same numbers as the pages, from Python.

    import cxrdash

    nih = cxrdash.open("nih")
    women = cxrdash.Cohort(sexes=("F",), ages=(40, 80))
    cxrdash.prevalence(nih, women, policy="U-Ones")

Every statistic that ``python -m cxrdash stat --list`` names is a function here; each takes an index and
a cohort and returns a pandas DataFrame.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd

    from cxrdash.index.cohort import Cohort
    from cxrdash.index.store import Index
    from cxrdash.labels.policies import Policy

__version__ = "0.1.0"
__all__ = ["Cohort", "Index", "Policy", "__version__", "open"]

# Imported when first asked for, so that `import cxrdash` loads neither pandas nor DuckDB.
_HOMES = {
    "Cohort": "cxrdash.index.cohort",
    "Index": "cxrdash.index.store",
    "Policy": "cxrdash.labels.policies",
}


def open(dataset: str, cache: str | Path | None = None) -> Index:
    """Return the current index of a dataset, for reading.

    ``cache`` is the folder indexes are kept in; without it CXRDASH_CACHE, else data_cache/ beside
    app.py. Raises CxrdashError naming the indexed datasets where there is none of that name.
    """
    folder = import_module("cxrdash.config").cache(cache)
    index: Index = import_module("cxrdash.index.store").open_index(dataset, folder)
    return index


def __getattr__(name: str) -> Callable[..., pd.DataFrame]:
    """Return the statistic of that name (or one of the classes above, which have types of their own)."""
    if name in _HOMES:
        found: Callable[..., pd.DataFrame] = getattr(import_module(_HOMES[name]), name)
        return found
    if not name.startswith("_"):
        statistics = _statistics()
        if name in statistics:
            function: Callable[..., pd.DataFrame] = statistics[name].function
            return function
    raise AttributeError(f"module 'cxrdash' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_statistics()})


def _statistics() -> dict[str, Any]:
    found: dict[str, Any] = import_module("cxrdash.analysis").STATISTICS
    return found
