"""Label expressions: which combination of finding states an image must show.

``Pneumothorax AND NOT "Support Devices"`` · ``Edema:uncertain OR Edema:positive`` · parentheses. NOT binds
tightest, then AND, then OR. A bare name means positive; NOT means "not in that state". The gallery, links,
the command line and Python all read the same text.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from cxrdash.errors import CxrdashError, shown
from cxrdash.labels.states import SPELLINGS, State

MOST_CHARACTERS = 12_000  # one exact combination of 190 labels names them all, in about 6,000
MOST_LEVELS = 50
KEYWORDS = ("AND", "OR", "NOT")

_BARE = r"[\w./-]+"
_TOKEN = re.compile(rf'(?P<space>\s+)|(?P<quoted>"(?:[^"]|"")*")|(?P<word>{_BARE})|(?P<mark>[():])')
_CARET_WIDTH = 72
_NAMES_IN_A_HINT = 8


@dataclass(frozen=True)
class Atom:
    """One finding in one state."""

    finding: str
    state: State = State.POSITIVE


@dataclass(frozen=True)
class Not:
    """Everything that ``item`` does not match."""

    item: Expression


@dataclass(frozen=True)
class And:
    """All of two or more items; fewer raise ValueError, since no text could say it."""

    items: tuple[Expression, ...]

    def __post_init__(self) -> None:
        _at_least_two(self.items)


@dataclass(frozen=True)
class Or:
    """Any of two or more items; fewer raise ValueError, since no text could say it."""

    items: tuple[Expression, ...]

    def __post_init__(self) -> None:
        _at_least_two(self.items)


Expression = Atom | Not | And | Or


def _at_least_two(items: tuple[Expression, ...]) -> None:
    if len(items) < 2:
        raise ValueError(f"AND and OR join at least two items, not {len(items)}")


def all_of(names: Sequence[str]) -> Expression | None:
    """Return the expression "each of these is positive"; None (everything) for no names."""
    return _joined([Atom(name) for name in names])


def exactly(names: Sequence[str], all_names: Sequence[str]) -> Expression | None:
    """Return the expression "these are positive and no other of ``all_names``"; None if both are empty."""
    wanted = set(names)
    others = tuple(Atom(name) for name in all_names if name not in wanted)
    items: list[Expression] = [Atom(name) for name in names]
    if others:
        items.append(Not(others[0] if len(others) == 1 else Or(others)))
    return _joined(items)


def conjunction(a: Expression | None, b: Expression | None) -> Expression | None:
    """Return "both ``a`` and ``b``"; None stands for everything, and a chain of ANDs stays one level deep."""
    return _joined([item for part in (a, b) if part is not None for item in _conjuncts(part)])


def _conjuncts(expression: Expression) -> tuple[Expression, ...]:
    return expression.items if isinstance(expression, And) else (expression,)


def _joined(items: Sequence[Expression]) -> Expression | None:
    if not items:
        return None
    return items[0] if len(items) == 1 else And(tuple(items))


def matches(expression: Expression, states: Mapping[str, State]) -> bool:
    """Return whether one unit matches; a finding absent from ``states`` is blank."""
    if isinstance(expression, Atom):
        return states.get(expression.finding, State.BLANK) == expression.state
    if isinstance(expression, Not):
        return not matches(expression.item, states)
    if isinstance(expression, And):
        return all(matches(item, states) for item in expression.items)
    return any(matches(item, states) for item in expression.items)


def format_expression(expression: Expression) -> str:
    """Return the canonical text, which `parse` reads back as the same tree."""
    if isinstance(expression, Atom):
        state = "" if expression.state is State.POSITIVE else f":{expression.state.label}"
        return _name_text(expression.finding) + state
    if isinstance(expression, Not):
        return f"NOT {_operand_text(expression.item, (Atom, Not))}"
    if isinstance(expression, And):
        return " AND ".join(_operand_text(item, (Atom, Not)) for item in expression.items)
    return " OR ".join(_operand_text(item, (Atom, Not, And)) for item in expression.items)


def in_brief(text: str, most: int = 260) -> str:
    """Return an expression for a sentence: one with more characters is cut between names, with how many follow."""
    if len(text) <= most:
        return text
    head = re.split(r"\s(?:AND|OR)\s(?!.*\s(?:AND|OR)\s)", text[:most])[0]
    rest = len(re.findall(r"\s(?:AND|OR)\s", text[len(head) :]))
    return f"{head} … and {rest:,} more" if rest else f"{text[:most]} …"


def _operand_text(item: Expression, unbracketed: tuple[type, ...]) -> str:
    text = format_expression(item)
    return text if isinstance(item, unbracketed) else f"({text})"


def _name_text(name: str) -> str:
    if re.fullmatch(_BARE, name) and not _is_keyword(name):
        return name
    return '"' + name.replace('"', '""') + '"'


def _is_keyword(word: str) -> bool:
    return word.upper() in KEYWORDS


def finding_named(name: str, findings: Sequence[str]) -> str:
    """Return the finding's own spelling of ``name``, ignoring case and the difference of ``_`` and space.

    An exact spelling wins. CxrdashError, with the nearest names in its hint, if none or several fit.
    """
    vocabulary = _Vocabulary(findings)
    fitting = vocabulary.fitting(name)
    if len(fitting) == 1:
        return fitting[0]
    fault, hint = vocabulary.fault(name)
    raise CxrdashError(f"{fault}.", hint)


class _Vocabulary:
    """The dataset's findings, looked up as people write them."""

    def __init__(self, findings: Sequence[str]) -> None:
        self.by_folded: dict[str, list[str]] = {}
        for finding in dict.fromkeys(findings):
            self.by_folded.setdefault(_folded(finding), []).append(finding)

    def fitting(self, name: str) -> list[str]:
        spellings = self.by_folded.get(_folded(name), [])
        return [name] if name in spellings else spellings

    def nearest(self, name: str, cutoff: float) -> list[str]:
        # Cut, because the cost of comparing grows with the square of the length of a hostile name.
        near = difflib.get_close_matches(_folded(name)[:100], list(self.by_folded), n=3, cutoff=cutoff)
        return [self.by_folded[folded][0] for folded in near]

    def fault(self, name: str) -> tuple[str, str]:
        """What is wrong with a name that fits none or several findings, and what to write instead."""
        several = self.fitting(name)
        if several:
            return (
                f'"{shown(name)}" fits several findings: {_listed(several)}',
                "Write it exactly as the dataset spells it, in double quotes.",
            )
        fault = f'"{shown(name)}" is not a finding of this dataset'
        near = self.nearest(name, cutoff=0.6)
        if near:
            return fault, f"Did you mean {_listed(near, ' or ')}?"
        known = [spellings[0] for spellings in self.by_folded.values()]
        more = len(known) - _NAMES_IN_A_HINT
        rest = f" and {more} more" if more > 0 else ""
        return fault, f"Its findings: {_listed(known[:_NAMES_IN_A_HINT]) or 'none'}{rest}."


def _folded(name: str) -> str:
    return " ".join(name.replace("_", " ").casefold().split())


def _listed(names: Sequence[str], separator: str = ", ") -> str:
    return separator.join(_name_text(shown(name)) for name in names)


@dataclass(frozen=True)
class _Token:
    kind: str  # quoted, word, keyword, "(", ")", ":" or end
    text: str
    start: int


def parse(text: str, findings: Sequence[str]) -> Expression | None:
    """Return the tree of ``text`` with each name in the dataset's own spelling; None for blank text.

    CxrdashError names the character (from 1), shows the place with a caret and suggests the nearest finding.
    """
    if len(text) > MOST_CHARACTERS:
        raise CxrdashError(
            f"The label expression has {len(text):,} characters; at most {MOST_CHARACTERS:,} are read.",
            "Shorten it, or make several cohorts.",
        )
    tokens = _tokens(text)
    if tokens[0].kind == "end":
        return None
    return _Parser(text, tokens, findings).whole()


def _tokens(text: str) -> list[_Token]:
    tokens, start = [], 0
    while start < len(text):
        match = _TOKEN.match(text, start)
        if match is None:
            _reject_character(text, start)
        piece, kind = match.group(), match.lastgroup or ""
        if kind == "word" and _is_keyword(piece):
            tokens.append(_Token("keyword", piece.upper(), start))
        elif kind == "mark":
            tokens.append(_Token(piece, piece, start))
        elif kind == "quoted":
            tokens.append(_Token(kind, piece[1:-1].replace('""', '"'), start))
        elif kind == "word":
            tokens.append(_Token(kind, piece, start))
        start = match.end()
    return [*tokens, _Token("end", "", len(text))]


def _reject_character(text: str, start: int) -> NoReturn:
    if text[start] == '"':
        _fail(text, start, "this quoted name is not closed", 'Add a closing ". Inside a name, write " twice.')
    _fail(
        text,
        start,
        f'"{shown(text[start])}" has no meaning here',
        "Join names with AND, OR and NOT; put a name with other characters in straight double quotes.",
    )


def _fail(text: str, start: int, fault: str, hint: str = "") -> NoReturn:
    raise CxrdashError(f"Label expression, character {start + 1}: {fault}.", hint, details=_caret_lines(text, start))


def _caret_lines(text: str, start: int) -> tuple[str, str]:
    # One character on screen for each in the text, so that the caret stands under the right one.
    line = "".join(c if c.isprintable() else " " for c in text)
    left = max(0, start - _CARET_WIDTH // 2)
    piece = line[left : left + _CARET_WIDTH]
    if left:
        piece = "…" + piece[1:]
    if left + _CARET_WIDTH < len(line):
        piece = piece[:-1] + "…"
    return piece, " " * (start - left) + "^"


class _Parser:
    """Recursive descent over the tokens; ``level`` counts open parentheses and NOTs."""

    def __init__(self, text: str, tokens: Sequence[_Token], findings: Sequence[str]) -> None:
        self.text, self.tokens = text, tokens
        self.vocabulary = _Vocabulary(findings)
        self.place = 0

    @property
    def next(self) -> _Token:
        return self.tokens[self.place]

    def take(self) -> _Token:
        token = self.next
        self.place += 1
        return token

    def at_keyword(self, word: str) -> bool:
        return self.next.kind == "keyword" and self.next.text == word

    def whole(self) -> Expression:
        expression = self.any_of(0)
        left_over = self.next
        if left_over.kind == ")":
            _fail(
                self.text,
                left_over.start,
                "this parenthesis closes nothing",
                "Remove it, or open one before.",
            )
        if left_over.kind == ":":
            _fail(self.text, left_over.start, "a state follows a finding's name", "For example Edema:uncertain.")
        if left_over.kind != "end":
            self.missing_operator(left_over.start)
        return expression

    def missing_operator(self, start: int) -> NoReturn:
        _fail(self.text, start, "AND or OR is missing before this", "Write for example Edema AND NOT Fracture.")

    def any_of(self, level: int) -> Expression:
        items = [self.every_one_of(level)]
        while self.at_keyword("OR"):
            self.take()
            items.append(self.every_one_of(level))
        return items[0] if len(items) == 1 else Or(tuple(items))

    def every_one_of(self, level: int) -> Expression:
        items = [self.operand(level)]
        while self.at_keyword("AND"):
            self.take()
            items.append(self.operand(level))
        return items[0] if len(items) == 1 else And(tuple(items))

    def operand(self, level: int) -> Expression:
        token = self.next
        if level > MOST_LEVELS:
            fault = f"parentheses and NOTs are more than {MOST_LEVELS} deep"
            _fail(self.text, token.start, fault, "Write it with fewer levels.")
        if self.at_keyword("NOT"):
            self.take()
            return Not(self.operand(level + 1))
        if token.kind == "(":
            return self.bracketed(level)
        if token.kind not in ("quoted", "word"):
            found = "the expression ends" if token.kind == "end" else f'"{token.text}" stands'
            _fail(self.text, token.start, f"{found} where a finding's name is expected")
        finding = self.finding()
        return Atom(finding, self.state())

    def bracketed(self, level: int) -> Expression:
        opening = self.take()
        inner = self.any_of(level + 1)
        if self.next.kind == "end":
            _fail(self.text, opening.start, "this parenthesis is not closed", "Add a closing parenthesis.")
        if self.next.kind != ")":
            self.missing_operator(self.next.start)
        self.take()
        return inner

    def finding(self) -> str:
        first = self.take()
        words = [first]
        while first.kind == "word" and self.next.kind == "word":
            words.append(self.take())
        name = " ".join(word.text for word in words)
        fitting = self.vocabulary.fitting(name)
        if len(fitting) != 1:
            self.reject_two_names(words)
            _fail(self.text, first.start, *self.vocabulary.fault(name))
        return fitting[0]

    def reject_two_names(self, words: Sequence[_Token]) -> None:
        """Fail where a run of words looks like two findings with no operator between them."""
        texts = [word.text for word in words]
        misspelt = self.vocabulary.nearest(" ".join(texts), cutoff=0.8)
        for count in range(len(texts) - 1, 0, -1):
            before, after = " ".join(texts[:count]), " ".join(texts[count:])
            if self.vocabulary.fitting(before) and (self.vocabulary.fitting(after) or not misspelt):
                self.missing_operator(words[count].start)

    def state(self) -> State:
        if self.next.kind != ":":
            return State.POSITIVE
        self.take()
        token = self.take() if self.next.kind != "end" else self.next
        state = SPELLINGS.get(token.text.lower()) if token.kind == "word" else None
        if state is None:
            fault = f'"{shown(token.text)}" is not a state' if token.text else "a state is missing after the colon"
            _fail(self.text, token.start, fault, f"States: {', '.join(reversed(SPELLINGS))}.")
        return state
