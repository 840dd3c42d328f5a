"""The verb that writes a cohort for training code: export."""

from __future__ import annotations

import argparse

from cxrdash.cli.ask import stamp, warnings
from cxrdash.cli.faults import as_misuse
from cxrdash.cli.options import cohort_of
from cxrdash.cli.output import plain, say, write_json
from cxrdash.config import Cache


def export(arguments: argparse.Namespace, cache: Cache) -> int:
    """Write a cohort in one or more formats with one manifest; what was written goes to stdout."""
    from cxrdash.index.store import open_index
    from cxrdash.labels.policies import Policy
    from cxrdash.report.export import MANIFEST, Export, check
    from cxrdash.report.export import export as write

    cohort = cohort_of(arguments)
    formats = [name.strip() for name in arguments.format.split(",") if name.strip()]
    index = open_index(arguments.dataset, cache)
    with as_misuse():
        asked = Export(index, cohort, Policy.parse(arguments.policy or "as_is"), shareable=arguments.shareable)
        check(asked, formats)
        made = write(asked, formats, arguments.out, force=arguments.force)
    if arguments.json:
        write_json(plain(made))
    else:
        for file in made["files"]:
            print(f"{file['sha256']}  {arguments.out / file['name']}")
    notes = [f"{name}: {note}" for name, said in made["notes"].items() for note in said]
    say(*warnings(index, cohort), *notes, f"Manifest: {arguments.out / MANIFEST}", made["cohort"], stamp(index))
    if not asked.shareable and not index.card.share_freely:
        say(f"These files name images and patients. Terms: {index.card.terms or 'none stated'}")
    return 0
