"""The verbs: what each is for, an example, and its own options."""

from __future__ import annotations

import argparse
from pathlib import Path

from cxrdash.cli.options import add_attachments, add_cohort, add_format, positive_float, positive_int
from cxrdash.cli.parser import Parser, Verb

PORT = 8501


def _index(parser: Parser) -> None:
    parser.add_argument("path", metavar="PATH", type=Path, help="the folder of the dataset as downloaded")
    parser.add_argument("--name", metavar="N", help="name it is indexed under (the source's own unless given)")
    parser.add_argument("--source", metavar="S", help="the dataset it is, where the files fit several")
    parser.add_argument(
        "--images",
        metavar="DIR",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        help="further folders that hold image files (write PATH first)",
    )
    add_attachments(parser)
    parser.add_argument("--dry-run", action="store_true", help="read and check everything, publish nothing")
    parser.add_argument("--allow-bad-rows", action="store_true", help="set rows that cannot be read aside and go on")
    _add_json(parser, "the load audit as a JSON object")


def _datasets(parser: Parser) -> None:
    add_format(parser)


def _show(parser: Parser) -> None:
    _add_dataset(parser)
    _add_json(parser, "the card and the load audit as a JSON object")


def _stat(parser: Parser) -> None:
    parser.add_argument("name", metavar="NAME", nargs="?", help="the statistic; --list names them all")
    _add_dataset(parser, optional=True)
    parser.add_argument("--list", action="store_true", help="list the statistics with their options")
    add_cohort(parser)
    group = parser.add_argument_group("statistic")
    group.add_argument("--policy", metavar="P", help="as_is, U-Ones, U-Zeros or U-Ignore; add ', blank excluded'")
    group.add_argument("--unit", choices=("image", "study", "patient"), help="what is counted")
    group.add_argument(
        "--set",
        metavar="OPTION=VALUE",
        action="append",
        default=[],
        help="an option of the statistic itself; lists by commas; repeatable",
    )
    add_format(parser)


def _sample(parser: Parser) -> None:
    _add_dataset(parser)
    parser.add_argument("-n", type=positive_int, default=32, metavar="N", help="how many images (default 32)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="another seed, other images (default 1)")
    parser.add_argument(
        "--per-patient",
        type=int,
        choices=(0, 1),
        default=1,
        help="1: one image a patient (default); 0: any image",
    )
    parser.add_argument("--contact-sheet", metavar="OUT.png", type=_png, help="also draw the films on one picture")
    add_cohort(parser)
    add_format(parser)


def _query(parser: Parser) -> None:
    _add_dataset(parser)
    parser.add_argument("sql", metavar="SQL", nargs="?", help="one SELECT statement; - reads it from stdin")
    parser.add_argument("--schema", action="store_true", help="list the tables and columns instead")
    parser.add_argument("--seconds", type=positive_float, default=30.0, metavar="S", help="time limit (default 30)")
    parser.add_argument("--rows", type=positive_int, default=10_000, metavar="N", help="row limit (default 10000)")
    add_cohort(parser)
    add_format(parser)


def _demo(parser: Parser) -> None:
    parser.add_argument("--rebuild", action="store_true", help="index it again, and draw films where they are missing")
    _add_json(parser, "the load audit as a JSON object")


def _serve(parser: Parser) -> None:
    parser.add_argument("--port", type=_port, default=PORT, metavar="N", help=f"port on this machine (default {PORT})")


def _doctor(parser: Parser) -> None:
    add_format(parser)


def _add_dataset(parser: Parser, *, optional: bool = False) -> None:
    nargs = "?" if optional else None
    parser.add_argument("dataset", metavar="DATASET", nargs=nargs, help="its name; `datasets` lists them")


def _add_json(parser: Parser, meaning: str) -> None:
    parser.add_argument("--json", action="store_true", help=meaning)


def _png(text: str) -> Path:
    if not text.lower().endswith(".png"):
        raise argparse.ArgumentTypeError("the picture is a PNG; give a name that ends in .png")
    return Path(text)


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65_536:
        raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
    return int(text)


VERBS = (
    Verb(
        "index",
        "read a dataset's own files into an index",
        "Prints the load audit: rows read = rows indexed + rows set aside. Nothing is changed in PATH.",
        (
            "index /data/CheXpert-v1.0-small",
            "index /data/nih --images /mnt/nih/images --dry-run",
            "index /data/nih --masks /data/ChestX-Ray8.csv.gz --second-opinion read.csv --as 'Dr A'",
        ),
        _index,
        "cxrdash.cli.load:index",
    ),
    Verb(
        "datasets",
        "list the indexed datasets",
        "",
        ("datasets", "datasets --json"),
        _datasets,
        "cxrdash.cli.shelf:datasets",
    ),
    Verb(
        "show",
        "show a dataset's card, counts and checks",
        "Counts are compared with published ones where there are any.",
        ("show nih",),
        _show,
        "cxrdash.cli.shelf:show",
    ),
    Verb(
        "stat",
        "print a statistic of a cohort",
        "The same function as the pages and as cxrdash.NAME(...) in Python.",
        (
            "stat --list",
            "stat prevalence chexpert --view AP --sex F --age 40-80 --policy U-Ones",
            "stat repeat_share nih --set thresholds=10,20 --format csv",
        ),
        _stat,
        "cxrdash.cli.ask:stat",
    ),
    Verb(
        "sample",
        "draw random images of a cohort",
        "The same seed draws the same images on any machine.",
        ("sample nih --labels 'Pneumothorax AND NOT Effusion' -n 32 --seed 1 --on-disk --contact-sheet out.png",),
        _sample,
        "cxrdash.cli.sample:sample",
    ),
    Verb(
        "query",
        "run your own SELECT over the canonical tables",
        "The index is opened read-only and can reach no file. `selected` holds the images of the cohort options.",
        ("query nih --schema", 'query nih --sex F "SELECT view, count(*) FROM selected GROUP BY view"'),
        _query,
        "cxrdash.cli.ask:query",
    ),
    Verb(
        "demo",
        "make and index the demo dataset",
        "A synthetic dataset with drawn films; nothing is downloaded.",
        ("demo", "demo --rebuild"),
        _demo,
        "cxrdash.cli.load:demo",
    ),
    Verb(
        "serve",
        "start the app in a browser on this machine",
        "It listens on 127.0.0.1 only. Stop it with Ctrl-C.",
        ("serve --port 8600",),
        _serve,
        "cxrdash.cli.serve:serve",
    ),
    Verb(
        "doctor",
        "check the installation, the cache and the indexed files",
        "Exits with 1 where something failed.",
        ("doctor",),
        _doctor,
        "cxrdash.cli.doctor:doctor",
    ),
)
