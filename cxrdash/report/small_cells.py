"""Small cells kept out of what is shared: counts of 1 to 10, and what they could be reckoned from (METHODS 10.4)."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import ArrayLike, NDArray

SMALLEST = 11  # the smallest count that may be shown beside zero
HIDDEN = "<11"
WITHHELD = "withheld"

Cells = NDArray[np.bool_]
_NUMBER = re.compile(r"(?<![\w.,–−-])(\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(%?)(?![\w%]|[.,–-]\d)")
_ANY_NUMBER = re.compile(r"\d[\d,.–-]*(?<![,.–-])%?")
# Numbers that count no people and no films: thresholds, and counts of findings, checks and the like.
_HARMLESS = re.compile(
    r"(?:(?:more|fewer|less) than|at (?:least|most)|of) \d+(?= (?:images|studies|findings|rules|parts)\b)"
    r"|(?:more|fewer|less) than \d+(?= positive patients)"
    r"|(?:\d+ of )?\d+(?= (?:findings|rules|published counts|associations|subgroups|parts|checks)\b)"
)


def is_small(count: float) -> bool:
    """Return whether a count may not be shown: 1 to 10. Zero may."""
    return 0 < count < SMALLEST


def suppressed(counts: ArrayLike, *, row_totals: bool = True, column_totals: bool = True) -> Cells:
    """Return which cells of a table of counts to leave out, boolean of the shape of ``counts`` (rows, columns).

    Small cells go first. Where totals are published, a row (then a column) with exactly one cell left out
    loses its smallest other positive cell too, until nothing changes. A line without another positive cell
    keeps its one gap: then its total must go as well (``exposed``). ValueError for negative counts.
    """
    table = np.asarray(counts, dtype=float)
    if table.ndim != 2 or (table < 0).any():
        raise ValueError("counts are a table of numbers that are at least 0")
    hidden = (table > 0) & (table < SMALLEST)
    while True:
        before = hidden.copy()
        if row_totals:
            _complete(table, hidden)
        if column_totals:
            _complete(table.T, hidden.T)
        if (hidden == before).all():
            return hidden


def _complete(table: NDArray[np.float64], hidden: Cells) -> None:
    """Hide a second cell in every row that has exactly one hidden (in place)."""
    for counts, gone in zip(table, hidden, strict=True):
        if gone.sum() != 1:
            continue
        others = np.flatnonzero(~gone & (counts > 0))
        if len(others):
            gone[others[np.argmin(counts[others])]] = True


def exposed(counts: ArrayLike, hidden: Cells) -> list[int]:
    """Return the rows whose one hidden cell is its total less the others: such a total may not be shown."""
    table = np.asarray(counts, dtype=float)
    return [row for row in range(len(table)) if hidden[row].sum() == 1]


def tells_small(text: str) -> bool:
    """Return whether a sentence names a count of 1 to 10, or numbers such a count follows from.

    Looked at are every whole number (thresholds and counts of findings, rules and parts left out), the
    differences of numbers given as 'a of b', and every percentage of every whole number. Rather too many
    sentences are found than too few.
    """
    plain = _HARMLESS.sub(" ", text)
    numbers = [(float(found[1].replace(",", "")), found[0], found[2]) for found in _NUMBER.finditer(plain)]
    counts = [value for value, said, percent in numbers if not percent and "." not in said]
    shares = [float(said.rstrip("%").replace(",", "")) / 100 for _, said, percent in numbers if percent]
    if any(map(is_small, counts)):
        return True
    pairs = re.findall(r"([\d,]*\d) of (?:the )?([\d,]*\d)\b", plain)
    if any(is_small(float(whole.replace(",", "")) - float(part.replace(",", ""))) for part, whole in pairs):
        return True
    return any(_follows(share, count) for share in shares for count in counts)


def _follows(share: float, count: float) -> bool:
    return any(0.5 <= part * count < SMALLEST - 0.5 for part in (share, 1 - share))


def shareable_sentence(text: str) -> str:
    """Return a sentence that may leave the machine: itself, or with […] for each of its numbers and why."""
    if not tells_small(text):
        return text
    return f"{_ANY_NUMBER.sub('[…]', text)} (Numbers withheld: a count below {SMALLEST}.)"
