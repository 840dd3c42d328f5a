"""What readers said, as a filter on images: ``google_2019: NOT Pneumothorax``, ``1 of 3 readers: Mass``.

Before the colon stands a reader, after it a label expression over the findings that reader judged. Only
images that the reader read can match, so NOT means "read, and not in that state". Nothing after the colon
means every image the reader read. In place of a reader ``1 of 3 readers`` asks that an image was read by
exactly three of the readers who judge these findings, and that the expression holds for exactly one of them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cxrdash.errors import CxrdashError, shown
from cxrdash.labels.expression import And, Atom, Expression, Not, format_expression, parse
from cxrdash.labels.states import State

Readers = Mapping[str, Sequence[str]]
"""Each reader with the findings that reader judged."""

_BARE = re.compile(r"[\w./-]+(?: [\w./-]+)*")
_TEXT = re.compile(r'\s*(?:"(?P<quoted>(?:[^"]|"")*)"|(?P<bare>[^":]*[^":\s]))\s*:(?P<said>.*)', re.DOTALL)
_VOTES = re.compile(r"(\d{1,4}) of (\d{1,4}) readers")
_EXAMPLE = "Write READER: LABELS, for example 'google_2019: NOT Pneumothorax'."
_READERS_IN_A_HINT = 8


@dataclass(frozen=True)
class Reading:
    """One reader and what that reader must have said; None for anything."""

    reader: str
    said: Expression | None

    def condition(self, name: str) -> tuple[str, dict[str, Any]]:
        """Return a condition on the column ``image`` and its parameters, whose names begin with ``name``."""
        values: dict[str, Any] = {name: self.reader}
        having = f" HAVING {_having(self.said, name, values)}" if self.said is not None else ""
        return f"image IN (SELECT image FROM readings WHERE reader = ${name} GROUP BY image{having})", values


@dataclass(frozen=True)
class Votes:
    """What exactly ``yes`` of exactly ``of`` readers of an image must have said; ``readers`` take part."""

    yes: int
    of: int
    readers: tuple[str, ...]
    said: Expression

    def condition(self, name: str) -> tuple[str, dict[str, Any]]:
        """Return a condition on the column ``image`` and its parameters, whose names begin with ``name``."""
        values: dict[str, Any] = {name: list(self.readers), f"{name}_yes": self.yes, f"{name}_of": self.of}
        holds = _having(self.said, name, values)
        votes = (
            f"SELECT image, ({holds}) AS holds FROM readings WHERE reader IN (SELECT unnest(${name}))"
            " GROUP BY image, reader"
        )
        counts = f"count(*) = ${name}_of AND count(*) FILTER (WHERE holds) = ${name}_yes"
        return f"image IN (SELECT image FROM ({votes}) GROUP BY image HAVING {counts})", values


def reading_text(reader: str, said: Expression | str | None = None) -> str:
    """Return the text that ``parse_reading`` reads back."""
    name = reader if _BARE.fullmatch(reader) else '"' + reader.replace('"', '""') + '"'
    labels = said if isinstance(said, str) else format_expression(said) if said else ""
    return f"{name}: {labels}".rstrip()


def votes_text(yes: int, of: int, said: Expression | str) -> str:
    """Return the text for exactly ``yes`` of exactly ``of`` readers of an image."""
    return f"{yes} of {of} readers: {said if isinstance(said, str) else format_expression(said)}"


def parse_reading(text: str, readers: Readers) -> Reading | Votes:
    """Return the reader (or the votes) and the expression of ``text``, in the dataset's own spelling.

    CxrdashError names the readers there are where the text names none of them, and what is wrong with
    the expression as ``labels.expression.parse`` does.
    """
    found = _TEXT.fullmatch(text)
    if found is None:
        raise CxrdashError(f"The reading '{shown(text)}' names no reader.", _EXAMPLE)
    votes = _VOTES.fullmatch(_name(found))
    if votes and votes[0] not in readers:
        return _parsed_votes(int(votes[1]), int(votes[2]), found["said"], readers)
    reader = _known(_name(found), readers)
    return Reading(reader, parse(found["said"], readers[reader]))


def reading_words(text: str) -> str:
    """Return a reading as a phrase: 'google_2019 says NOT Pneumothorax'. A text that is none stays as it is."""
    found = _TEXT.fullmatch(text)
    if found is None:
        return text
    said, name = found["said"].strip(), _name(found)
    if not said:
        return f"read by {name}"
    return f"{name} {'say' if _VOTES.fullmatch(name) and not name.startswith('1 ') else 'says'} {said}"


def _parsed_votes(yes: int, of: int, text: str, readers: Readers) -> Votes:
    said = parse(text, list(dict.fromkeys(name for findings in readers.values() for name in findings)))
    if said is None or yes > of:
        fault = "says nothing of a finding" if said is None else f"asks for {yes} of only {of}"
        raise CxrdashError(f"The reading '{yes} of {of} readers' {fault}.", "For example '1 of 3 readers: Edema'.")
    named = set(_names(said))
    return Votes(yes, of, tuple(reader for reader, findings in readers.items() if named <= set(findings)), said)


def _names(said: Expression) -> list[str]:
    if isinstance(said, Atom):
        return [said.finding]
    return [name for item in ([said.item] if isinstance(said, Not) else said.items) for name in _names(item)]


def _name(found: re.Match[str]) -> str:
    return (found["bare"] or found["quoted"].replace('""', '"')).strip()


def _known(name: str, readers: Readers) -> str:
    alike = [reader for reader in readers if reader.strip().casefold() == name.casefold()]
    if name in readers or len(alike) == 1:
        return name if name in readers else alike[0]
    near = difflib.get_close_matches(name[:100], list(readers), n=3)
    names = list(readers)[:_READERS_IN_A_HINT]
    more = len(readers) - len(names)
    known = ", ".join(map(shown, names)) + (f" and {more} more" if more > 0 else "")
    hint = f"Did you mean {' or '.join(map(shown, near))}?" if near else f"Its readers: {known or 'none'}."
    raise CxrdashError(f"'{shown(name)}' is not a reader of this dataset.", hint)


def _having(said: Expression, name: str, values: dict[str, Any]) -> str:
    """Write the tree over groups of one image's rows; every name and state becomes a parameter."""
    if isinstance(said, Atom):
        return _stated(said, name, values)
    if isinstance(said, Not):
        return f"NOT ({_having(said.item, name, values)})"
    word = " AND " if isinstance(said, And) else " OR "
    return word.join(f"({_having(item, name, values)})" for item in said.items)


def _stated(atom: Atom, name: str, values: dict[str, Any]) -> str:
    finding, state = f"{name}_finding{len(values)}", f"{name}_state{len(values)}"
    values |= {finding: atom.finding, state: atom.state.label}
    if atom.state is State.BLANK:  # a missing row is blank too
        return f"count(*) FILTER (WHERE finding = ${finding} AND state <> ${state}) = 0"
    return f"count(*) FILTER (WHERE finding = ${finding} AND state = ${state}) > 0"
