"""A dataset's own list of labels: those its card knows, and whatever else its files name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import duckdb

from cxrdash.errors import shown
from cxrdash.labels.findings import Finding

LONGEST_LABEL = 120
SHOWN_LABELS = 10
ADD_LABELS = """
INSERT INTO staged_labels
WITH listed AS (SELECT unnest($texts::VARCHAR[]) AS labels, unnest($findings::VARCHAR[]) AS finding)
SELECT labels, finding, 'positive' FROM listed WHERE labels NOT IN (SELECT labels FROM staged_labels)
"""


def folded(text: str) -> str:
    """Return a label without outer blanks and with single blanks inside."""
    return " ".join(text.split())


class Vocabulary:
    """Labels by whole token, never by part of one; case and the number of blanks make no difference."""

    def __init__(self, known: Sequence[Finding]) -> None:
        self._known = list(known)
        self._names = {folded(finding.source_name).casefold(): finding.name for finding in known}
        self._images: Counter[str] = Counter()
        self._strange: dict[str, Finding] = {}

    def name(self, label: str, images: int = 0) -> str:
        """Return the finding that a label of the files is; one the card lacks becomes a finding of its own.

        ``images`` is how many images carry the label, for ``sentence``.
        """
        token = folded(label)
        key = token.casefold()
        if key not in self._names:
            self._names[key] = token
            self._strange[token] = Finding(token, token)
        name = self._names[key]
        if name in self._strange:
            self._images[name] += images
        return name

    @property
    def findings(self) -> list[Finding]:
        """The card's findings in its order, then the others by name, without a parent."""
        return self._known + [self._strange[name] for name in sorted(self._strange)]

    def sentence(self) -> str:
        """Return how many labels of the files the card lacks and the most frequent of them, '' if none."""
        if not self._strange:
            return ""
        common = sorted(self._strange, key=lambda name: (-self._images[name], name))[:SHOWN_LABELS]
        listed = ", ".join(f"'{shown(name)}' ({self._images[name]:,})" for name in common)
        more = len(self._strange) - len(common)
        rest = f" and {more:,} more" if more else ""
        return (
            f"Labels that the dataset's card does not list, kept as findings without a parent "
            f"({len(self._strange):,}; images in brackets): {listed}{rest}."
        )


def add_labels(con: duckdb.DuckDBPyConnection, found: Iterable[tuple[str, Iterable[str]]]) -> None:
    """Stage the positive findings of every text of labels; what a text does not list stays blank."""
    pairs = [(text, finding) for text, findings in found for finding in dict.fromkeys(findings)]
    if pairs:
        texts, findings = zip(*pairs, strict=True)
        con.execute(ADD_LABELS, {"texts": list(texts), "findings": list(findings)})


# The text stands for itself: no printed list and no heading begins with a bracket like this.
UNASSESSED = "(no labels)"
LEAVE_UNASSESSED = """
UPDATE staged_images SET labels = $unassessed
WHERE labels IS NULL OR labels NOT IN (SELECT labels FROM staged_labels);
"""
STATE_UNASSESSED = """
INSERT INTO staged_labels SELECT $unassessed, unnest($findings::VARCHAR[]), 'not_assessed'
"""


def leave_unassessed(con: duckdb.DuckDBPyConnection, findings: Iterable[str]) -> None:
    """Mark images that nobody labelled as not assessed for every finding: missing, not negative (METHODS 2.4)."""
    con.execute(LEAVE_UNASSESSED, {"unassessed": UNASSESSED})
    con.execute(STATE_UNASSESSED, {"unassessed": UNASSESSED, "findings": list(findings)})
