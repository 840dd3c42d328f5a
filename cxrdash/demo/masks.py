"""Masks as text: run-length pairs "start length", absolute, counted from 1, along the rows."""

from __future__ import annotations

import numpy as np

CONVENTION = "start length pairs, absolute, from 1, row by row"


def run_lengths(mask: np.ndarray) -> str:
    """Return the code of a mask of shape (height, width); '' where it is empty."""
    flat = np.concatenate([[0], mask.astype(np.int8).ravel(), [0]])
    changes = np.flatnonzero(np.diff(flat)) + 1
    starts, ends = changes[::2], changes[1::2]
    return " ".join(map(str, np.stack([starts, ends - starts], axis=1).ravel().tolist()))
