"""The verbs that compute: stat, query."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cxrdash.cli.faults import Misuse, as_misuse
from cxrdash.cli.options import OWN_OPTIONS, cohort_of, typed_options
from cxrdash.cli.output import say, write_table
from cxrdash.config import Cache
from cxrdash.errors import shown

if TYPE_CHECKING:
    from cxrdash.analysis import Statistic
    from cxrdash.index.cohort import Cohort
    from cxrdash.index.store import Index


def stat(arguments: argparse.Namespace, cache: Cache) -> int:
    """Print a registered statistic of a cohort; what was counted and how goes to stderr."""
    from cxrdash import analysis
    from cxrdash.index.selection import select
    from cxrdash.index.store import open_index

    if arguments.list:
        return _list(arguments.format)
    if arguments.name is None or arguments.dataset is None:
        raise Misuse("Give a statistic and a dataset.", "For example: stat prevalence nih. See: stat --list")
    with as_misuse():
        chosen = analysis.named(arguments.name)
        options = _options(chosen, arguments)
    cohort = cohort_of(arguments)
    index = open_index(arguments.dataset, cache)
    with as_misuse():
        table = chosen.function(index, cohort, **options)
    write_table(table, arguments.format)
    say("", *warnings(index, cohort), f"{chosen.title}: {select(index, cohort).sentence()}")
    say(" · ".join([*_counted(chosen, options, index), f"method: {chosen.method}", stamp(index)]))
    return 0


def _list(form: str) -> int:
    import pandas as pd

    from cxrdash.analysis import STATISTICS

    rows = [(s.name, s.title, ", ".join(s.options), s.method) for s in STATISTICS.values()]
    write_table(pd.DataFrame(rows, columns=["name", "title", "options", "method"]), form)
    return 0


def _options(chosen: Statistic, arguments: argparse.Namespace) -> dict[str, Any]:
    from cxrdash.labels.policies import Policy

    given = typed_options(chosen.name, chosen.function, arguments.set)
    for name in ("policy", "unit"):
        value = getattr(arguments, name)
        if value is None:
            continue
        if name not in chosen.options:
            raise Misuse(f"{chosen.name} takes no --{name}.", f"It takes: {', '.join(chosen.options) or 'no options'}.")
        given[name] = str(Policy.parse(value)) if name == "policy" else value
    return given


def _counted(chosen: Statistic, options: dict[str, Any], index: Index) -> Iterator[str]:
    """The unit, the policy and the options in force, also where they were left at their defaults."""
    from cxrdash.labels.policies import Policy

    if "unit" in chosen.options:
        yield f"unit: {options.get('unit', index.units[0])}"
    if "policy" in chosen.options:
        yield Policy.parse(options.get("policy", "as_is")).sentence
    yield from (f"{name}: {value}" for name, value in options.items() if name not in OWN_OPTIONS)


def warnings(index: Index, cohort: Cohort) -> Iterator[str]:
    """Return sentences about parts, views, sexes and further attributes of a cohort that no image has."""
    from cxrdash.index.attributes import by_name

    further = {name: levels for name, levels in by_name(cohort.attributes).items() if name in index.attributes}
    wanted_by = {"split": cohort.splits, "view": cohort.views, "sex": cohort.sexes} | further
    for column, wanted in wanted_by.items():
        occurring = index.levels(column)
        for value in wanted:
            if value not in occurring:
                yield f"No image of {index.dataset} has {column} '{shown(value)}'; these occur: {', '.join(occurring)}."


def stamp(index: Index) -> str:
    """Return which dataset and generation a number comes from."""
    return f"dataset {index.dataset}, generation {index.generation}"


def query(arguments: argparse.Namespace, cache: Cache) -> int:
    """Run one SELECT with a time and row limit, or list what there is to select from."""
    from cxrdash.index.queries import described
    from cxrdash.index.queries import query as run
    from cxrdash.index.selection import select
    from cxrdash.index.store import open_index

    if not arguments.schema and not arguments.sql:
        raise Misuse("Give one SELECT statement.", "Or list the tables with --schema.")
    index = open_index(arguments.dataset, cache)
    if arguments.schema:
        write_table(described(index), arguments.format)
        return 0
    sql = sys.stdin.read() if arguments.sql == "-" else arguments.sql
    selection = select(index, cohort_of(arguments))
    table, cut = run(selection, sql, seconds=arguments.seconds, rows=arguments.rows)
    write_table(table, arguments.format)
    if cut:
        say("", f"Cut off after {arguments.rows:,} rows; there are more. Raise --rows to see them.")
    return 0
