"""Options that several verbs share: the cohort, the form of the output, a statistic's own options."""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from cxrdash.cli.faults import Misuse, as_misuse
from cxrdash.errors import shown
from cxrdash.index.cohort import PARAMETERS, Cohort

FORMATS = ("table", "csv", "json")
RANGE = re.compile(r"(-?\d+)(?:[-–](-?\d+))?")
OWN_OPTIONS = ("policy", "unit")  # of a statistic, with an option of the command line each


def add_cohort(parser: argparse.ArgumentParser) -> None:
    """Declare the cohort's options, under the names ``Cohort.arguments`` writes."""
    group = parser.add_argument_group("cohort", "which images count; options narrow together")
    group.add_argument("--split", action="append", metavar="PART", help="a part of the dataset; repeatable")
    group.add_argument("--view", action="append", metavar="VIEW", help="PA, AP, LATERAL, ...; repeatable")
    group.add_argument("--sex", action="append", metavar="SEX", help="F, M, other or unknown; repeatable")
    group.add_argument(
        "--attribute", action="append", metavar="NAME:LEVEL", help="for example 'study_year: 2014'; repeatable"
    )
    group.add_argument("--age", type=_range, metavar="A-B", help="whole years, both ends included")
    group.add_argument("--labels", metavar="EXPR", help="""for example 'Edema AND NOT "Support Devices"'""")
    group.add_argument(
        "--reading", action="append", metavar="READER:EXPR", help="for example 'google_2019: NOT Edema'; repeatable"
    )
    group.add_argument(
        "--annotation", action="append", metavar="TEXT", help="for example 'mask quality below 0.7'; repeatable"
    )
    group.add_argument(
        "--suspect", action="append", metavar="CHECK", help="for example inverted, or 'blurred: 0.3'; repeatable"
    )
    group.add_argument("--image", action="append", metavar="ID", help="an image by its identifier; repeatable")
    group.add_argument("--patient", metavar="ID", help="one patient")
    group.add_argument("--per-patient-images", type=_range, metavar="A-B", help="patients with that many images")
    group.add_argument("--per-patient-studies", type=_range, metavar="A-B", help="patients with that many studies")
    group.add_argument("--on-disk", action="store_true", help="only images whose file was found")
    group.add_argument("--one", choices=("first", "last", "random"), help="one image of each patient")
    group.add_argument("--pick-seed", type=int, metavar="N", help="seed of --one random (default 1)")


def cohort_of(arguments: argparse.Namespace) -> Cohort:
    """Return the cohort that the options describe."""
    given = {field: getattr(arguments, parameter) for field, parameter in PARAMETERS.items()}
    values: dict[str, Any] = {
        field: tuple(value) if isinstance(value, list) else value for field, value in given.items() if value is not None
    }
    with as_misuse():
        return Cohort(**values)


def _range(text: str) -> tuple[int, int]:
    found = RANGE.fullmatch(text.strip())
    if not found:
        raise argparse.ArgumentTypeError(f"'{shown(text)}' is no range; write it as 40-80")
    return int(found[1]), int(found[2] or found[1])


def add_attachments(parser: argparse.ArgumentParser) -> None:
    """Declare the tables that ``index`` attaches to a dataset: masks and second opinions."""
    group = parser.add_argument_group("attachments", "tables from elsewhere that name the dataset's images")
    group.add_argument(
        "--masks",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="CheXmask masks of this dataset (those in PATH are found); repeatable",
    )
    group.add_argument(
        "--second-opinion",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="another reader's labels by image id: columns named as the findings (1, 0, -1, yes, no, ...), "
        "or one list; give --as too; repeatable",
    )
    group.add_argument(
        "--as",
        dest="readers",
        metavar="NAME",
        action="append",
        default=[],
        help="what that reader is called; one for each --second-opinion, in the same order",
    )


def second_opinions(arguments: argparse.Namespace) -> tuple[tuple[str, Path], ...]:
    """Return the reader and file of each second opinion. Raises Misuse where a name or a file is missing."""
    files, readers = arguments.second_opinion, arguments.readers
    if len(files) != len(readers):
        raise Misuse(
            f"--second-opinion is given {_times(files)} and --as {_times(readers)}.",
            "Write them in pairs: --second-opinion FILE --as NAME.",
        )
    return tuple(zip(readers, files, strict=True))


def _times(values: Sequence[object]) -> str:
    return "once" if len(values) == 1 else f"{len(values)} times" if values else "not at all"


def add_format(parser: argparse.ArgumentParser) -> None:
    """Declare --format and --json for a verb that prints one table."""
    group = parser.add_argument_group("output")
    group.add_argument(
        "--format",
        choices=FORMATS,
        default="table",
        help="table (aligned, rounded, for reading), csv or json (exact)",
    )
    group.add_argument("--json", dest="format", action="store_const", const="json", help="the same as --format json")


def positive_int(text: str) -> int:
    """Read an argument that must be a whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{shown(text)}' is not a whole number above 0")
    return int(text)


def positive_float(text: str) -> float:
    """Read an argument that must be a number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"'{shown(text)}' is not a number above 0")
    return number


def typed_options(name: str, function: Callable[..., Any], settings: Iterable[str]) -> dict[str, Any]:
    """Read ``--set option=value`` by the types of the defaults of a statistic's keyword options.

    Raises Misuse naming the known options for one the statistic does not take.
    """
    parameters = inspect.signature(function).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in OWN_OPTIONS}
    read: dict[str, Any] = {}
    for setting in settings:
        option, given, text = setting.partition("=")
        if option in OWN_OPTIONS:
            raise Misuse(f"--set {option} is not understood.", f"Use --{option} VALUE.")
        if option not in defaults:
            known = ", ".join(f"{key}={_written(value)}" for key, value in defaults.items())
            raise Misuse(f"{name} has no option '{shown(option)}'.", f"Known: {known or 'none'}.")
        if not given:
            raise Misuse(f"--set {option} has no value.", f"Write --set {option}={_written(defaults[option])}.")
        read[option] = _typed(option, text, defaults[option])
    return read


def _typed(option: str, text: str, default: Any) -> Any:
    try:
        if isinstance(default, tuple):
            items = [item for item in text.strip().strip("()").split(",") if item.strip()]
            read = type(default[0]) if default else str
            return tuple(read(item.strip()) for item in items)
        return type(default)(text)
    except ValueError:
        kind = _KINDS[type(default[0]) if isinstance(default, tuple) else type(default)]
        more = "s separated by commas" if isinstance(default, tuple) else ""
        raise Misuse(
            f"{option}={shown(text)} is not understood: it takes {kind}{more}.",
            f"For example --set {option}={_written(default)}",
        ) from None


_KINDS = {int: "whole number", float: "number"}


def _written(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value) or "''"
