"""The verb that divides a dataset by patient: split."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from cxrdash.cli.ask import stamp, warnings
from cxrdash.cli.faults import Misuse, as_misuse
from cxrdash.cli.options import cohort_of
from cxrdash.cli.output import say, write_table
from cxrdash.config import Cache
from cxrdash.errors import CxrdashError

if TYPE_CHECKING:
    from cxrdash.analysis.splits import Split


def split(arguments: argparse.Namespace, cache: Cache) -> int:
    """Divide a cohort by patient, write the lists, print the proof; 1 where something stands in two parts."""
    from cxrdash import analysis
    from cxrdash.analysis.balance import split_for
    from cxrdash.analysis.splits import DEFAULT_PARTS
    from cxrdash.index.store import open_index

    parts = f"{arguments.folds} folds" if arguments.folds else arguments.parts or DEFAULT_PARTS
    cohort, strata = cohort_of(arguments), tuple(name for name in arguments.by.split(",") if name)
    index = open_index(arguments.dataset, cache)
    settings = {"parts": parts, "policy": arguments.policy or "as_is", "strata": strata, "seed": arguments.seed}
    with as_misuse():
        made = split_for(index, cohort, **settings)
    if made is None:
        raise CxrdashError(
            f"{index.title} has no parts of its own.", f"Build them: --parts {DEFAULT_PARTS} or --folds 5."
        )
    found = analysis.leakage(index, cohort, **settings)
    write_table(found, arguments.format)
    say("", *warnings(index, cohort), *_said(made), stamp(index))
    if arguments.out:
        _write(arguments.out, made, arguments)
    return int((found["verdict"] == "shared").any())


def _said(made: Split) -> list[str]:
    import numpy as np

    images = np.bincount(made.part, made.films.size, minlength=len(made.names))
    lines = [f"{name}: {count:,.0f} images" for name, count in zip(made.names, images, strict=True)]
    if made.films.alone:
        lines.append(f"{made.films.alone:,} images have no patient; each was placed by itself.")
    return lines


def _write(out: Path, made: Split, arguments: argparse.Namespace) -> None:
    from cxrdash.analysis.split_files import manifest, tables

    cohort = cohort_of(arguments)
    record = json.dumps(manifest(made, cohort), indent=2, ensure_ascii=False) + "\n"
    contents = {**tables(made, cohort), "split.json": record.encode()}
    if not arguments.force and (present := [name for name in contents if (out / name).exists()]):
        raise Misuse(f"{out} already holds {present[0]}.", "Give another folder, or --force to replace it.")
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            beside = out / f".{name}.part"
            beside.write_bytes(content)
            beside.replace(out / name)  # atomic, also over a file that is there
    except OSError as fault:
        raise CxrdashError(
            f"The split cannot be written to {out}: {fault.strerror or fault}.",
            "Choose a folder that may be written.",
        ) from fault
    say(f"Written to {out}: {', '.join(contents)}")
