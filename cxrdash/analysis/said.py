"""What every reader said of every image of a cohort, as one matrix of states."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxrdash.index.selection import Selection
from cxrdash.index.store import Index
from cxrdash.labels.policies import Policy
from cxrdash.labels.states import State

_ROWS = """
SELECT image, pattern, coalesce(patient, -1 - image) AS cluster,
       (list_position($readers::VARCHAR[], reader) - 1)::USMALLINT AS reader,
       (list_position($findings::VARCHAR[], finding) - 1)::USMALLINT AS finding,
       (list_position($words::VARCHAR[], state) - 1)::UTINYINT AS state
FROM selected JOIN readings USING (image) WHERE reader IN (SELECT unnest($readers))
"""
_WORDS = [state.label for state in sorted(State)]


@dataclass(frozen=True)
class Said:
    """Readings as rows, one per image and reader who read it, sorted by image and then reader.

    ``states`` is int8 of shape (rows, findings) with labels.State values, blank where a reader says
    nothing and not assessed where the reader never judges the finding. ``image``, ``reader`` (place in
    ``readers``) and ``pattern`` are of shape (rows,), and so is ``cluster``: a number per patient, of
    which ``known`` (bool, shape (clusters,)) are patients and the others images whose patient is unknown.
    """

    readers: tuple[str, ...]
    findings: tuple[str, ...]
    image: NDArray[np.int64]
    reader: NDArray[np.int64]
    pattern: NDArray[np.int64]
    cluster: NDArray[np.int64]
    known: NDArray[np.bool_]
    states: NDArray[np.int8]


def said(selection: Selection, reader: str = "") -> Said:
    """Return what the readers (or one of them) said of the images of a selection."""
    readers = (reader,) if reader else tuple(selection.index.readers)
    findings = judged_findings(selection.index, readers)
    found = selection.arrays(_ROWS, readers=list(readers), findings=list(findings), words=_WORDS)
    key = found["image"].astype(np.int64) * max(len(readers), 1) + found["reader"]
    _, first, row = np.unique(key, return_index=True, return_inverse=True)
    image, who, pattern, patient = (found[name][first] for name in ("image", "reader", "pattern", "cluster"))
    clusters, cluster = np.unique(patient, return_inverse=True)
    return Said(
        readers, findings, image.astype(np.int64), who.astype(np.int64), pattern.astype(np.int64), cluster,
        clusters >= 0, _states(selection.index, (readers, findings), who, (row, found["finding"], found["state"])),
    )  # fmt: skip


def judged_findings(index: Index, readers: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """Return the findings that these readers (all by default) judge: the dataset's in card order, then by name."""
    judged = {
        name for reader, findings in index.readers.items() if not readers or reader in readers for name in findings
    }
    known = [name for name in index.finding_names if name in judged]
    return (*known, *sorted(judged - set(known)))


def _states(
    index: Index,
    names: tuple[tuple[str, ...], tuple[str, ...]],
    who: NDArray[np.int64],
    stated: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
) -> NDArray[np.int8]:
    readers, findings = names
    row, finding, state = stated
    judges = np.array([[name in index.readers[reader] for name in findings] for reader in readers], dtype=bool)
    silent = np.where(judges, State.BLANK, State.NOT_ASSESSED).astype(np.int8).reshape(len(readers), len(findings))
    states = np.full((len(who), len(findings)), -1, dtype=np.int8)
    # A reader who contradicts himself counts by precedence, as a study with several images does.
    np.maximum.at(states, (row, finding), state.astype(np.int8))
    return np.where(states < 0, silent[who], states)


def one_of(states: frozenset[State]) -> NDArray[np.bool_]:
    """Return a table of shape (states,) that says of each state value whether it is one of these."""
    return np.array([state in states for state in sorted(State)])


def counted_and_yes(states: NDArray[np.int8], policy: Policy) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which states count under a policy, and which of these are positive."""
    counted: NDArray[np.bool_] = one_of(policy.denominator_states)[states]
    yes: NDArray[np.bool_] = one_of(policy.positive_states)[states] & counted
    return counted, yes
