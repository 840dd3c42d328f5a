"""The shared vocabulary: what each dataset's labels mean in common words, how nearly, and what that loses.

The table is package data (vocabulary.toml). No label is mapped by part of its name, and none to an
attribute of the patient or the film.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from cxrdash.labels.findings import Finding

Relation = Literal["=", "⊂", "⊃", "~", "none"]
_SPELLED: dict[str, Relation] = {"same": "=", "narrower": "⊂", "broader": "⊃", "related": "~"}
NEAREST_FIRST: tuple[Relation, ...] = ("=", "⊂", "⊃", "~", "none")
RELATION_WORDS: dict[str, str] = {
    "=": "same meaning",
    "⊂": "narrower than the shared label",
    "⊃": "broader than the shared label",
    "~": "related, another definition",
    "none": "no equivalent",
}
_TURNED: dict[Relation, Relation] = {"⊂": "⊃", "⊃": "⊂"}
DECLARED = "as the dataset declares it"


@dataclass(frozen=True)
class SharedLabel:
    """A word of the shared vocabulary.

    ``note`` says what is lost or forbidden in mapping to it. An ``own_word`` has no definition that
    datasets share: it is shown under its own name and equals nothing.
    """

    name: str
    note: str = ""
    own_word: bool = False


@dataclass(frozen=True)
class Mapping:
    """Findings of one dataset that, taken together, stand for a shared label.

    ``relation`` is = (same meaning), ⊂ (the findings say less), ⊃ (they say more) or ~ (related).
    """

    shared: str
    findings: tuple[str, ...]
    relation: Relation
    note: str = ""


@dataclass(frozen=True)
class Loss:
    """What becomes of one finding: its nearest shared label ('' where there is none) and what is lost."""

    finding: str
    shared: str
    relation: Relation
    note: str


@dataclass(frozen=True)
class Overlap:
    """Two sources that hold the same films: ``extent`` is inside (all of the first's) or some."""

    first: str
    second: str
    extent: str
    says: str
    matched_by: str


@cache
def _facts() -> dict[str, Any]:
    return tomllib.loads(files("cxrdash.labels").joinpath("vocabulary.toml").read_text(encoding="utf-8"))


@cache
def shared_labels() -> tuple[SharedLabel, ...]:
    """Return the shared labels in the order of the vocabulary."""
    return tuple(
        SharedLabel(entry["name"], entry.get("lossy", ""), entry.get("own_word", False)) for entry in _facts()["shared"]
    )


def shared_label(name: str) -> SharedLabel:
    """Return the shared label of that name; KeyError for another word."""
    return {label.name: label for label in shared_labels()}[name]


@cache
def known_sources() -> tuple[str, ...]:
    """Return the sources whose labels the vocabulary maps."""
    named = {key for entry in _facts()["shared"] for key, value in entry.items() if isinstance(value, dict)}
    return tuple(sorted(named | set(_facts()["alike"])))


@cache
def mapping(source_name: str) -> tuple[Mapping, ...]:
    """Return what a source's labels map to, in the order of the vocabulary.

    A shared label the source has nothing for does not occur; one may occur twice, with two relations.
    An unknown source maps to nothing.
    """
    key = _facts()["alike"].get(source_name, source_name)
    return tuple(
        Mapping(entry["name"], tuple(names), _SPELLED[word], entry.get("lossy", ""))
        for entry in _facts()["shared"]
        for word, names in entry.get(key, {}).items()
    )


def mapped(source_name: str, findings: Sequence[Finding]) -> tuple[Mapping, ...]:
    """Return the mappings of a dataset that has these findings, under the findings' own names.

    Labels of the vocabulary that the dataset lacks are left out. A finding that the vocabulary does not
    name goes where its ``harmonised`` field says, if that is a shared label.
    """
    by_spelling = {_folded(text): f.name for f in findings for text in (f.source_name, f.name)}
    found = [
        replace(one, findings=tuple(dict.fromkeys(present)))
        for one in mapping(source_name)
        if (present := [by_spelling[_folded(name)] for name in one.findings if _folded(name) in by_spelling])
    ]
    placed = {name for one in found for name in one.findings}
    declared: dict[str, list[str]] = {}
    for finding in findings:
        if finding.name not in placed and finding.harmonised:
            declared.setdefault(finding.harmonised, []).append(finding.name)
    return _in_order([*found, *_declared(found, declared)])


def _declared(found: list[Mapping], declared: dict[str, list[str]]) -> list[Mapping]:
    same = {one.shared for one in found if one.relation == "="}
    return [
        Mapping(label.name, tuple(declared[label.name]), "=", f"{DECLARED}. {label.note}".strip())
        for label in shared_labels()
        if label.name in declared and label.name not in same
    ]


def _in_order(mappings: list[Mapping]) -> tuple[Mapping, ...]:
    place = {label.name: at for at, label in enumerate(shared_labels())}
    return tuple(sorted(mappings, key=lambda one: (place[one.shared], NEAREST_FIRST.index(one.relation))))


def losses(source_name: str, findings: Sequence[Finding]) -> tuple[Loss, ...]:
    """Return one entry for every finding that has no exact place in the shared vocabulary.

    The relation is that of its nearest shared label. 'none' is a value: the finding has no equivalent,
    as is every word without a shared definition (Infiltration).
    """
    mappings = mapped(source_name, findings)
    entries = (_nearest(finding.name, mappings) for finding in findings)
    return tuple(entry for entry in entries if entry.relation != "=")


def _nearest(finding: str, mappings: Sequence[Mapping]) -> Loss:
    own = sorted(
        (one for one in mappings if finding in one.findings), key=lambda one: NEAREST_FIRST.index(one.relation)
    )
    if not own:
        return Loss(finding, "", "none", "The shared vocabulary has no word for it.")
    best = own[0]
    if shared_label(best.shared).own_word:
        return Loss(finding, best.shared, "none", best.note)
    return Loss(finding, best.shared, best.relation, best.note)


def between(one: Relation, other: Relation) -> Relation:
    """Return how a finding relates to another where both map to one shared label, with these relations."""
    if "none" in (one, other):
        return "none"
    if other == "=":
        return one
    if one == "=":
        return _TURNED.get(other, other)
    return "~"


@cache
def overlaps() -> tuple[Overlap, ...]:
    """Return which sources are known to hold the same films."""
    return tuple(Overlap(**entry) for entry in _facts()["overlap"])


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()
