"""Which of a dataset's findings is meant by a finding of another set of labels: by name, by term, or declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cxrdash.labels.expression import Atom, Expression, Or, format_expression
from cxrdash.labels.findings import Finding

Match = Literal["name", "harmonised", "declared", "related", "none"]
MATCHES: dict[Match, str] = {
    "name": "same name",
    "harmonised": "same term of the shared vocabulary",
    "declared": "declared equal",
    "related": "related, not the same finding",
    "none": "no counterpart",
}

# reader -> finding -> the dataset's findings of which one is enough, and how they relate.
# DATASETS 16: Google's "Airspace opacity" shares words with several labels and the definition of none.
DECLARED: Mapping[str, Mapping[str, tuple[tuple[str, ...], Match]]] = {
    "google_2019": {
        "Nodule or mass": (("Nodule", "Mass"), "declared"),
        "Airspace opacity": (("Consolidation", "Infiltration", "Pneumonia"), "related"),
    }
}


@dataclass(frozen=True)
class Counterpart:
    """The dataset's findings of which at least one must be positive, and how sure the match is.

    ``related`` is a comparison worth seeing, never an equality; ``none`` has no names.
    """

    names: tuple[str, ...]
    match: Match

    @property
    def text(self) -> str:
        """The counterpart as a label expression, '' where there is none."""
        return format_expression(any_of([Atom(name) for name in self.names])) if self.names else ""


def counterpart(reader: str, finding: str, findings: Sequence[Finding]) -> Counterpart:
    """Return what ``finding``, as ``reader`` uses the word, is among a dataset's findings.

    A name counts whatever its case and whether it has blanks or underscores; several findings of one
    harmonised term count together.
    """
    wanted = _folded(finding)
    named = tuple(own.name for own in findings if _folded(own.name) == wanted)
    if finding in named or len(named) == 1:
        return Counterpart((finding,) if finding in named else named, "name")
    names, match = DECLARED.get(reader, {}).get(finding, ((), "none"))
    if names and set(names) <= {own.name for own in findings}:
        return Counterpart(names, match)
    alike = tuple(own.name for own in findings if own.harmonised and _folded(own.harmonised) == wanted)
    return Counterpart(alike, "harmonised" if alike else "none")


def any_of(items: Sequence[Expression]) -> Expression:
    """Return the expression that one of at least one item holds."""
    return items[0] if len(items) == 1 else Or(tuple(items))


def _folded(name: str) -> str:
    return " ".join(name.replace("_", " ").casefold().split())
