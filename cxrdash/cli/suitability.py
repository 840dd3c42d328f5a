"""The verb that judges: audit."""

from __future__ import annotations

import argparse

from cxrdash.cli.ask import stamp, warnings
from cxrdash.cli.faults import as_misuse
from cxrdash.cli.options import cohort_of
from cxrdash.cli.output import say, write_table
from cxrdash.config import Cache


def audit(arguments: argparse.Namespace, cache: Cache) -> int:
    """Print the suitability checks, the most serious first; 1 where one of them fails."""
    from cxrdash import analysis
    from cxrdash.index.selection import select
    from cxrdash.index.store import open_index

    cohort, index = cohort_of(arguments), open_index(arguments.dataset, cache)
    with as_misuse():
        table = analysis.audit(
            index, cohort, use=arguments.use, findings=tuple(arguments.finding or ()),
            policy=arguments.policy or "as_is", thresholds=str(arguments.settings or ""),
            without=tuple(arguments.without or ()),
        )  # fmt: skip
    columns = ["severity", "code", "sentence", "page"] if arguments.format == "table" else list(table.columns)
    write_table(table[columns], arguments.format)
    counts = table["severity"].value_counts()
    said = ", ".join(f"{counts.get(name, 0)} {name}" for name in ("fail", "caution", "not checked", "pass"))
    say("", *warnings(index, cohort), f"For {arguments.use}: {said}. {select(index, cohort).sentence()}", stamp(index))
    return int((table["severity"] == "fail").any())
