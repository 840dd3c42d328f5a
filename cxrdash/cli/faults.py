"""Faults of a command: one that asks for something impossible, and one that was interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cxrdash.errors import CxrdashError

INTERRUPTED_QUERY = "Query interrupted"  # how DuckDB tells of Ctrl-C during a statement


class Misuse(CxrdashError):
    """The command itself is wrong: exit code 2, and nothing was done."""


@contextmanager
def as_misuse() -> Iterator[None]:
    """Turn faults about what was asked into Misuse.

    Faults met while reading (a damaged index, a full disk) carry the cause they were raised from and
    pass unchanged.
    """
    try:
        yield
    except CxrdashError as fault:
        if fault.__cause__ is not None:
            raise
        raise Misuse(fault.message, fault.hint, details=fault.details) from None


@contextmanager
def as_interrupt() -> Iterator[None]:
    """Turn DuckDB's word for Ctrl-C into Python's."""
    try:
        yield
    except RuntimeError as fault:
        if str(fault) != INTERRUPTED_QUERY:
            raise
        raise KeyboardInterrupt from fault
