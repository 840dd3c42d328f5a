"""The parser of the command line: one verb each with its help, its example and its options."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, NoReturn

from cxrdash.cli.faults import Misuse
from cxrdash.config import CACHE_VARIABLE

PROGRAM = "python -m cxrdash"


class Parser(argparse.ArgumentParser):
    """argparse that reports through Misuse, and whose options take the next word whatever it looks like.

    argparse alone refuses values that begin with a dash, such as an odd patient id in a copied command.
    """

    def error(self, message: str) -> NoReturn:
        raise Misuse(message[:1].upper() + message[1:] + ".", f"See: {self.prog} --help")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        return super().parse_known_args(self._joined(args or ()), namespace)

    def _joined(self, words: Iterable[str]) -> list[str]:
        """Write ``--option value`` as ``--option=value``; a verb's own words are left to its parser."""
        joined: list[str] = []
        rest = iter(words)
        for word in rest:
            if word == "--" or (self._subparsers is not None and not word.startswith("-")):
                return [*joined, word, *rest]
            action = self._option_string_actions.get(word)
            takes_one = action is not None and action.nargs is None and word.startswith("--")
            value = next(rest, None) if takes_one else None
            joined.append(word if value is None else f"{word}={value}")
        return joined


@dataclass(frozen=True)
class Verb:
    """One verb. ``runs`` names its function as 'module:function', imported when the verb is used."""

    name: str
    summary: str
    details: str
    examples: tuple[str, ...]
    declare: Callable[[Parser], None]
    runs: str


def build(verbs: Sequence[Verb], version: str) -> Parser:
    """Return the parser of all verbs."""
    parser = _parser(
        PROGRAM,
        "Find out whether a chest X-ray dataset suits your study. The data never leaves this machine.",
        ("index /data/CheXpert-v1.0-small", "stat prevalence chexpert --view PA", "serve"),
    )
    parser.add_argument("--version", action="version", version=f"cxrdash {version}")
    _add_cache(parser, None)
    chosen = parser.add_subparsers(dest="verb", metavar="VERB", parser_class=Parser, title="verbs")
    for verb in verbs:
        made = chosen.add_parser(
            verb.name,
            help=verb.summary,
            description=f"{verb.summary[0].upper()}{verb.summary[1:]}. {verb.details}".strip(),
            epilog=_epilog(verb.examples),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        verb.declare(made)
        _add_cache(made, argparse.SUPPRESS)
        made.set_defaults(runs=verb.runs)
    return parser


def _parser(program: str, description: str, examples: tuple[str, ...]) -> Parser:
    return Parser(
        prog=program,
        description=description,
        epilog=_epilog(examples),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def _epilog(examples: tuple[str, ...]) -> str:
    title = "Example" if len(examples) == 1 else "Examples"
    lines = "\n".join(f"  {PROGRAM} {example}" for example in examples)
    return f"{title}:\n{lines}\n\nExit codes: 0 ok, 1 findings or failure, 2 misuse."


def _add_cache(parser: Parser, default: str | None) -> None:
    parser.add_argument(
        "--cache",
        metavar="DIR",
        default=default,
        help=f"where indexes are kept (also {CACHE_VARIABLE}; data_cache beside app.py unless given)",
    )


def parse(parser: Parser, words: Sequence[str]) -> argparse.Namespace:
    """Parse a command; Misuse names what was not understood and the nearest option."""
    arguments: argparse.Namespace
    arguments, unknown = parser.parse_known_args(list(words))
    if unknown:
        verb = _verb_parser(parser, arguments.verb)
        odd = unknown[0].split("=", 1)[0]
        near = get_close_matches(odd, list(verb._option_string_actions), 1)
        raise Misuse(
            f"{verb.prog} does not take {odd!r}.",
            f"Did you mean {near[0]}?" if near else f"See: {verb.prog} --help",
        )
    return arguments


def _verb_parser(parser: Parser, verb: str | None) -> argparse.ArgumentParser:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction) and verb in action.choices:
            found: argparse.ArgumentParser = action.choices[verb]
            return found
    return parser
