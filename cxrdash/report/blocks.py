"""What a report is made of, whatever it is written as: chapters of statements, tables, figures and lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Origin = Literal["computed here", "stated by the source", "judged by readers", "author must write", ""]
UNDOCUMENTED = "not documented by the source"


@dataclass(frozen=True)
class Statement:
    """A sentence (or a few) and where it comes from; ``title`` stands before it."""

    text: str
    origin: Origin = ""
    title: str = ""


@dataclass(frozen=True)
class Table:
    """A table of finished texts. ``numeric`` columns stand flush right; ``csv`` is the exact table behind it.

    ``command`` prints the same numbers; ``note`` says unit, policy, method and what was left out.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = frozenset()
    note: str = ""
    command: str = ""
    csv: str = ""


@dataclass(frozen=True)
class Figure:
    """A drawing as SVG markup (already safe) and the sentence it shows."""

    svg: str
    caption: str
    alt: str


@dataclass(frozen=True)
class Check:
    """One row of the audit as it is printed."""

    severity: str
    sentence: str
    detail: str = ""


@dataclass(frozen=True)
class Checks:
    """Rows of the audit, the most serious first."""

    rows: tuple[Check, ...]


@dataclass(frozen=True)
class Tally:
    """Big numbers in a row: (value, what it counts, a word for its colour or '')."""

    items: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Points:
    """Several statements of one kind, one line each."""

    title: str
    items: tuple[str, ...]
    origin: Origin = ""


Block = Statement | Points | Table | Figure | Checks | Tally


@dataclass(frozen=True)
class Chapter:
    """A heading and what stands under it."""

    title: str
    blocks: tuple[Block, ...]
    lead: str = ""


@dataclass(frozen=True)
class Document:
    """A whole report. ``headline`` is its answer in one sentence, ``footer`` what a reader needs to trace it.

    ``about`` tells somebody who has never seen one what it is.
    """

    title: str
    headline: str
    sub: str
    chapters: tuple[Chapter, ...]
    footer: str
    about: str = ""
