"""A dataset's card: facts that are not in its files, each with its source, kept as TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from cxrdash.labels.findings import Finding

CARDS = Path(__file__).parent / "cards"


@dataclass(frozen=True)
class Published:
    """A count someone published, to check an index against. ``split`` narrows it; '' means the whole."""

    what: str  # images, studies, patients
    value: int
    source: str
    split: str = ""
    variant: str = ""  # applies only to this variant of the release; '' applies to all


@dataclass(frozen=True)
class Card:
    """Citation, licence, provenance and vocabulary of a dataset."""

    name: str
    title: str
    citation: str
    licence: str
    terms: str  # what the licence asks or forbids, in one or two sentences
    label_provenance: str
    label_unit: str  # image or study: the thing that was labelled
    negative_means: str
    blank_means: str
    order_source: str  # what orders the images of a patient
    known_problems: tuple[str, ...]
    findings: tuple[Finding, ...]
    published: tuple[Published, ...]
    synthetic: bool = False
    share_freely: bool = False  # may images and ids leave the machine at all?
    readers: Mapping[str, str] = field(default_factory=dict, hash=False)  # who a reader is, and what limits them


def card_facts(card: Card) -> dict[str, Any]:
    """Return a card as plain values, for a dataset whose card is in no file of ours."""
    facts = {one.name: getattr(card, one.name) for one in fields(card)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in facts.items() if value != ()}


def card_of_facts(facts: Mapping[str, Any]) -> Card:
    """Return the card that ``card_facts`` was made of."""
    return Card(**{"known_problems": (), "findings": (), "published": (), **facts})


def is_ours(name: str) -> bool:
    """Whether we hold a card of that name."""
    return (CARDS / f"{name}.toml").is_file()


def load_card(name: str) -> Card:
    """Read ``cards/<name>.toml``."""
    with (CARDS / f"{name}.toml").open("rb") as file:
        facts = tomllib.load(file)
    return Card(
        name=name,
        known_problems=tuple(facts.pop("known_problems", ())),
        findings=tuple(Finding(**finding) for finding in facts.pop("finding")),
        published=tuple(Published(**count) for count in facts.pop("published", ())),
        **facts,
    )
