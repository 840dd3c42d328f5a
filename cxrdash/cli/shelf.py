"""The verbs that tell what is indexed: datasets, show."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cxrdash.cli.audit import audit_lines
from cxrdash.cli.output import plain, say, write_json, write_table
from cxrdash.cli.parser import PROGRAM
from cxrdash.config import Cache
from cxrdash.errors import CxrdashError

if TYPE_CHECKING:
    from cxrdash.index.store import Index

COLUMNS = ("dataset", "title", "images", "studies", "patients", "on_disk", "built_at", "problem")


def datasets(arguments: argparse.Namespace, cache: Cache) -> int:
    """List the indexed datasets; exit code 1 where one cannot be opened."""
    import pandas as pd

    from cxrdash.index import generations

    rows = [_row(name, cache) for name in generations.datasets(cache)]
    kinds = {name: "Int64" for name in ("images", "studies", "patients", "on_disk")}
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype(kinds)
    if rows or arguments.format != "table":
        write_table(table, arguments.format)
    if not rows:
        say(f"No dataset is indexed in {cache.index}.", f"Index one with: {PROGRAM} index FOLDER")
    return int(any(row["images"] is None for row in rows))


def _row(name: str, cache: Cache) -> dict[str, Any]:
    from cxrdash.index.store import open_index

    try:
        index = open_index(name, cache)
    except CxrdashError as fault:
        return {"dataset": name, "images": None, "problem": f"{fault.message} {fault.hint}".strip()}
    changed = ", ".join(index.changed_sources())
    counts = {name: index.counts[name] for name in ("images", "studies", "patients", "on_disk")}
    return {
        "dataset": name,
        "title": index.title,
        **counts,
        "built_at": index.meta["built_at"],
        "problem": f"changed since it was indexed: {changed}" if changed else None,
    }


def show(arguments: argparse.Namespace, cache: Cache) -> int:
    """Print a dataset's card, counts, checks and load audit."""
    from dataclasses import replace

    from cxrdash.index.build import read_audit
    from cxrdash.index.store import open_index

    index = open_index(arguments.dataset, cache)
    audit = replace(read_audit(index.cursor(), published=True), path=index.path)
    if arguments.json:
        write_json(plain({"card": index.card, "units": index.units, "levels": _levels(index), "audit": audit}))
        return 0
    print("\n".join((*audit_lines(audit), "", *_card_lines(index))))
    if changed := index.changed_sources():
        say("", f"Changed since it was indexed: {', '.join(changed)}. Index it again to read the change.")
    return 0


def _levels(index: Index) -> dict[str, tuple[str, ...]]:
    return {column: index.levels(column) for column in ("split", "view", "sex")}


def _card_lines(index: Index) -> Iterator[str]:
    card = index.card
    yield "Card"
    if card.synthetic:
        yield "  SYNTHETIC: drawn films and invented patients"
    facts = {
        "Citation": card.citation,
        "Licence": card.licence,
        "Terms": card.terms,
        "Labels come from": card.label_provenance,
        "Labelled unit": card.label_unit,
        "Negative means": card.negative_means,
        "Blank means": card.blank_means,
        "Order of images": card.order_source,
        "Findings": ", ".join(index.finding_names),
        **{f"{column.capitalize()}s": ", ".join(levels) for column, levels in _levels(index).items()},
    }
    facts["Sexes"] = facts.pop("Sexs")
    yield from (f"  {name}: {text}" for name, text in facts.items())
    if card.known_problems:
        yield "  Known problems:"
        yield from (f"    - {problem}" for problem in card.known_problems)
