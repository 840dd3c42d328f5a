"""The command line. Stdout is data, stderr is prose and progress; exit codes 0 ok, 1 findings or failure, 2 misuse."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from cxrdash import __version__
from cxrdash.cli.faults import Misuse, as_interrupt
from cxrdash.cli.output import listed, say
from cxrdash.cli.parser import build, parse
from cxrdash.cli.verbs import VERBS
from cxrdash.config import cache
from cxrdash.errors import CxrdashError

DETAILS = 20  # lines of a fault that are printed
INTERRUPTED = 130

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; faults are told in a few lines, never as a traceback."""
    _prepare()
    try:
        code = _run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt as stop:
        say(str(stop) or "stopped; nothing was published")
        return INTERRUPTED
    except BrokenPipeError:
        _forget_stdout()
        return 0
    except CxrdashError as fault:
        say(fault.message, *listed(fault.details, DETAILS), *([fault.hint] if fault.hint else []))
        return 2 if isinstance(fault, Misuse) else 1


def _run(words: Sequence[str]) -> int:
    parser = build(VERBS, __version__)
    try:
        arguments = parse(parser, words)
    except SystemExit as done:  # after --help and --version
        return int(done.code or 0)
    if arguments.verb is None:
        say(parser.format_help())
        return 2
    module, _, function = arguments.runs.partition(":")
    with as_interrupt():
        code: int = getattr(import_module(module), function)(arguments, cache(arguments.cache))
    return code


def _prepare() -> None:
    """Data leaves byte for byte, hostile text never stops a message, and decoders keep quiet."""
    for stream, settings in (
        (sys.stdout, {"encoding": "utf-8", "errors": "surrogateescape", "newline": "\n"}),
        (sys.stderr, {"errors": "backslashreplace"}),
    ):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(**settings)
    logging.getLogger("cxrdash").addHandler(logging.NullHandler())


def _forget_stdout() -> None:
    """The reader of our output went away: drop what is left, also at interpreter exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
