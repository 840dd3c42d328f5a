"""The verb that writes a suitability report: report."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from cxrdash.cli.ask import stamp, warnings
from cxrdash.cli.faults import Misuse, as_misuse
from cxrdash.cli.options import cohort_of
from cxrdash.cli.output import say
from cxrdash.config import Cache

if TYPE_CHECKING:
    from cxrdash.report.gather import Question


def report(arguments: argparse.Namespace, cache: Cache) -> int:
    """Write the report in the form that the file's name asks for."""
    from cxrdash.index.store import open_index
    from cxrdash.labels.policies import Policy
    from cxrdash.report.forms import form_of, written
    from cxrdash.report.gather import Question
    from cxrdash.report.writing import refuse_existing, write_file

    out: Path = arguments.out
    with as_misuse():
        form = form_of(out.name)
        refuse_existing([out], force=arguments.force)
        policy = Policy.parse(arguments.policy or "as_is")
    if not out.parent.is_dir():
        raise Misuse(f"There is no folder {out.parent}.", "Choose a folder that exists.")
    cohort, index = cohort_of(arguments), open_index(arguments.dataset, cache)
    asked = Question(
        index, cohort, policy, use=arguments.use, findings=tuple(arguments.finding or ()),
        thresholds=str(arguments.settings or ""), without=tuple(arguments.without or ()),
        shareable=arguments.shareable, purpose=arguments.purpose or "",
    )  # fmt: skip
    with as_misuse():
        text = written(asked, form, out.name)
    write_file(out, text.encode("utf-8", "surrogateescape"), force=arguments.force)
    say(*warnings(index, cohort), f"Report: {out}", _sharing(asked), asked.selection.sentence(), stamp(index))
    return 0


def _sharing(asked: Question) -> str:
    if asked.shared:
        return "Counts of 1 to 10 and identifiers are left out; --full writes every number."
    return "Every number is in it; --shareable leaves out small counts and identifiers."
