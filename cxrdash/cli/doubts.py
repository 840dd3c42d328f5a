"""``sample --scores``: the films that a model's scores doubt most, in place of random ones."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxrdash.cli.faults import Misuse, as_misuse
from cxrdash.errors import CxrdashError, shown

if TYPE_CHECKING:
    from cxrdash.index.cohort import Cohort
    from cxrdash.index.draw import Draw
    from cxrdash.index.store import Index

DOUBTS = ("positive_low", "other_high", "high", "low")


@dataclass(frozen=True)
class Doubts:
    """Films with their scores, the most doubtful first, and in words how they were chosen."""

    drawn: Draw
    scores: tuple[float, ...]
    how: str


def add_scores(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    group = parser.add_argument_group("a model's doubts", "films by a table of scores instead of random ones")
    group.add_argument("--scores", metavar="FILE", help="CSV or Parquet: one row per image, one column per score")
    group.add_argument("--score", metavar="COLUMN", help="which score; by default the finding's own column")
    group.add_argument("--finding", metavar="NAME", help="the finding that the score is of")
    group.add_argument(
        "--doubt", choices=DOUBTS, default="positive_low",
        help="positive_low: labelled positive, lowest scores first (default); other_high: not labelled positive, "
        "highest first; high, low: whatever the label",
    )  # fmt: skip


def doubts(arguments: argparse.Namespace, index: Index, cohort: Cohort) -> Doubts:
    """Return the films asked for. Raises Misuse where options do not fit, CxrdashError for a file of no use."""
    from pathlib import Path

    from cxrdash.analysis.image_numbers import match_words, read_image_numbers
    from cxrdash.analysis.model_scores import doubted
    from cxrdash.index.draw import Draw, films, image_number
    from cxrdash.labels.expression import finding_named

    if not arguments.finding:
        raise Misuse("--scores needs to know what the score is of.", "Add --finding NAME.")
    with as_misuse():
        finding = finding_named(arguments.finding, index.finding_names)
    path = Path(arguments.scores)
    try:
        content = path.read_bytes()
    except OSError as fault:
        raise CxrdashError(
            f"{path} cannot be read: {fault.strerror}.", "Check the path and its permissions."
        ) from fault
    numbers = read_image_numbers(index, content, path.name)
    column = arguments.score or next((name for name in numbers.table if name.casefold() == finding.casefold()), "")
    if column not in numbers.table:
        known = ", ".join(shown(name, 40) for name in numbers.table)
        raise Misuse(f"{path.name} has no column of scores '{shown(column or finding)}'.", f"--score may be: {known}.")
    found = doubted(index, cohort, numbers.table[column], finding=finding, doubt=arguments.doubt, most=arguments.n)
    chosen = films(index, [image_number(index, name) for name in found.images])
    drawn = Draw(films=chosen, of=found.of, frame="images", images=found.of, seed=arguments.seed)
    how = f"the {len(chosen):,} most doubtful of {found.of:,} images with a score ({arguments.doubt}, {shown(column)})"
    return Doubts(drawn, found.scores, f"{how}; {match_words(numbers)}; chosen films give no error rate")
