"""The verbs: what each is for, an example, and its own options."""

from __future__ import annotations

import argparse
from pathlib import Path

from cxrdash.cli.doubts import add_scores
from cxrdash.cli.options import add_attachments, add_cohort, add_format, positive_float, positive_int
from cxrdash.cli.parser import Parser, Verb

PORT = 8501


def _index(parser: Parser) -> None:
    parser.add_argument("path", metavar="PATH", type=Path, help="the folder of the dataset as downloaded")
    parser.add_argument("--name", metavar="N", help="name it is indexed under (the source's own unless given)")
    parser.add_argument("--source", metavar="S", help="the dataset it is, where the files fit several")
    parser.add_argument("--mapping", metavar="FILE", type=Path, help="a cxrdash.toml that does not lie in PATH")
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


def _init(parser: Parser) -> None:
    parser.add_argument("path", metavar="PATH", type=Path, help="the folder of the dataset")
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, help="write it there (PATH/cxrdash.toml unless given)"
    )
    parser.add_argument("--force", action="store_true", help="replace a file that is there")


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
    add_scores(parser)
    add_cohort(parser)
    add_format(parser)


def _scan(parser: Parser) -> None:
    _add_dataset(parser)
    parser.add_argument("--workers", type=positive_int, metavar="N", help="processes (default: one per processor)")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="decode on this Dask cluster, as tcp://node01:8786")
    _add_json(parser, "the report as a JSON object")


def _query(parser: Parser) -> None:
    _add_dataset(parser)
    parser.add_argument("sql", metavar="SQL", nargs="?", help="one SELECT statement; - reads it from stdin")
    parser.add_argument("--schema", action="store_true", help="list the tables and columns instead")
    parser.add_argument("--seconds", type=positive_float, default=30.0, metavar="S", help="time limit (default 30)")
    parser.add_argument("--rows", type=positive_int, default=10_000, metavar="N", help="row limit (default 10000)")
    add_cohort(parser)
    add_format(parser)


def _audit(parser: Parser) -> None:
    _add_dataset(parser)
    group = parser.add_argument_group("audit")
    group.add_argument(
        "--use", choices=("train", "test", "external"), default="train", help="what the dataset is wanted for"
    )
    group.add_argument("--finding", action="append", metavar="NAME", help="a finding that matters (all); repeatable")
    group.add_argument("--policy", metavar="P", help="as_is, U-Ones, U-Zeros or U-Ignore")
    group.add_argument("--settings", type=Path, metavar="FILE", help="thresholds of your own (TOML)")
    group.add_argument("--without", action="append", metavar="CHECK", help="leave a check out; repeatable")
    add_cohort(parser)
    add_format(parser)


def _split(parser: Parser) -> None:
    _add_dataset(parser)
    group = parser.add_argument_group("split")
    shares = group.add_mutually_exclusive_group()
    shares.add_argument("--parts", metavar="NAME=SHARE,...", help="shares that sum to 1, or 'given' for its own parts")
    shares.add_argument("--folds", type=positive_int, metavar="K", help="equal folds instead")
    group.add_argument("--seed", type=int, default=0, metavar="N", help="0 (default) breaks ties by patient id")
    group.add_argument("--by", default="view,age_band", metavar="NAMES", help="balance these beside the labels")
    group.add_argument("--policy", metavar="P", help="as_is, U-Ones, U-Zeros or U-Ignore")
    group.add_argument("-o", "--out", type=Path, metavar="DIR", help="write lists, split.csv and split.json here")
    group.add_argument("--force", action="store_true", help="replace files of an earlier split there")
    add_cohort(parser)
    add_format(parser)


def _report(parser: Parser) -> None:
    _add_dataset(parser)
    parser.add_argument(
        "-o", "--out", metavar="FILE", type=Path, required=True,
        help="name.html, name.md, name.card.md (dataset card) or name.croissant.json",
    )  # fmt: skip
    group = parser.add_argument_group("report")
    group.add_argument("--use", choices=("train", "test", "external"), default="train", help="what it is wanted for")
    group.add_argument("--finding", action="append", metavar="NAME", help="a finding that matters (all); repeatable")
    group.add_argument("--policy", metavar="P", help="as_is, U-Ones, U-Zeros or U-Ignore")
    group.add_argument("--settings", type=Path, metavar="FILE", help="thresholds of your own (TOML)")
    group.add_argument("--without", action="append", metavar="CHECK", help="leave a check out; repeatable")
    group.add_argument("--purpose", metavar="TEXT", help="your own sentence: the question the data are to answer")
    shared = group.add_mutually_exclusive_group()
    shared.add_argument(
        "--shareable", action="store_true", default=None, help="leave out counts of 1 to 10 and identifiers"
    )
    shared.add_argument(
        "--full", dest="shareable", action="store_false",
        help="every number; what the licence forbids to share is left out unless given",
    )  # fmt: skip
    group.add_argument("--force", action="store_true", help="replace a file that is there")
    add_cohort(parser)


def _export(parser: Parser) -> None:
    _add_dataset(parser)
    parser.add_argument("-o", "--out", metavar="DIR", type=Path, required=True, help="a new folder")
    group = parser.add_argument_group("export")
    group.add_argument("--format", default="csv", metavar="F,...", help="csv, parquet, monai, hf, coco, txrv")
    group.add_argument("--policy", metavar="P", help="what training code is given for uncertain and blank labels")
    group.add_argument("--shareable", action="store_true", help="csv and parquet without identifiers and paths")
    group.add_argument("--force", action="store_true", help="replace an earlier export there")
    add_cohort(parser)
    _add_json(parser, "the manifest as a JSON object")


def _review(parser: Parser) -> None:
    parser.add_argument("action", choices=("list", "export", "import", "merge"), help="what to do with readers' marks")
    parser.add_argument("files", metavar="FILE", type=Path, nargs="*", help="exported files, or another reviews folder")
    parser.add_argument("--session", metavar="ID", help="export one review; `review list` names them")
    parser.add_argument("-o", "--out", metavar="FILE", type=Path, help="where to write (stdout unless given)")
    parser.add_argument(
        "--format", choices=("csv", "json", "jsonl", "parquet"), help="what to write; by the name of FILE unless given"
    )
    parser.add_argument("--json", dest="format", action="store_const", const="json", help="the same as --format json")


def _demo(parser: Parser) -> None:
    parser.add_argument("--rebuild", action="store_true", help="index it again, and draw films where they are missing")
    _add_json(parser, "the load audit as a JSON object")


def _serve(parser: Parser) -> None:
    parser.add_argument("--port", type=_port, default=PORT, metavar="N", help=f"port on this machine (default {PORT})")
    parser.add_argument("--read-only", action="store_true", help="no marks, imports or scans through the pages")


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
            "index /data/hospital --mapping hospital.toml",
            "index /data/nih --masks /data/ChestX-Ray8.csv.gz --second-opinion read.csv --as 'Dr A'",
        ),
        _index,
        "cxrdash.cli.load:index",
    ),
    Verb(
        "init",
        "draft a cxrdash.toml for a dataset of your own",
        "Looks at the tables and films of PATH and writes what it takes them for, with counts; `index` then reads it.",
        ("init /data/hospital", "init /mnt/readonly/films -o hospital.toml"),
        _init,
        "cxrdash.cli.init:init",
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
        "The same seed draws the same images on any machine. With --scores: the films that a model doubts.",
        (
            "sample nih --labels 'Pneumothorax AND NOT Effusion' -n 32 --seed 1 --on-disk --contact-sheet out.png",
            "sample nih --scores model.csv --finding Effusion --doubt positive_low -n 50",
        ),
        _sample,
        "cxrdash.cli.sample:sample",
    ),
    Verb(
        "scan",
        "look at the pixels of every film",
        "Stopped, it goes on where it was; films measured before are not read again.",
        ("scan nih", "scan nih --workers 8", "scan nih --scheduler tcp://node01:8786"),
        _scan,
        "cxrdash.cli.scan:scan",
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
        "audit",
        "judge whether a dataset suits a use: every check with its number",
        "Exit code 1 where a check fails, so that a lab can run it in its own CI.",
        ("audit nih --use test --finding Pneumothorax", "audit chexpert --use train --settings ours.toml --json"),
        _audit,
        "cxrdash.cli.suitability:audit",
    ),
    Verb(
        "report",
        "write a suitability report for your collaborators, in one file",
        "HTML without any request, Markdown, a dataset card, or Croissant with its responsible-AI fields.",
        ("report nih --use test -o nih.html", "report chexpert --view PA --shareable -o chexpert.croissant.json"),
        _report,
        "cxrdash.cli.report:report",
    ),
    Verb(
        "export",
        "write the cohort for training code, with a manifest",
        "CSV (exact, and safe for spreadsheets), Parquet, MONAI, Hugging Face, COCO, the dataset's own rows.",
        ("export nih --view PA --format csv,monai -o nih-pa", "export chexpert --format monai --policy U-Ones -o u1"),
        _export,
        "cxrdash.cli.export:export",
    ),
    Verb(
        "split",
        "divide a dataset by patient, balanced by labels, and prove that nothing leaks",
        "Prints who stands in two parts (exit code 1 if anyone does). The same seed gives the same parts anywhere.",
        ("split nih --parts train=.7,valid=.1,test=.2 -o nih-split", "split chexpert --parts given"),
        _split,
        "cxrdash.cli.split:split",
    ),
    Verb(
        "review",
        "list, export, import or merge readers' marks",
        "Marks are never changed: importing the same file twice adds nothing.",
        ("review list", "review export -o marks.csv", "review import other.jsonl", "review merge a.csv b.csv -o c.csv"),
        _review,
        "cxrdash.cli.review:review",
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
        ("serve --port 8600", "serve --read-only"),
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
