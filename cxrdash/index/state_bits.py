"""States of many findings as bits, four to a finding, so that a union over images is one OR of whole numbers."""

from __future__ import annotations

import numpy as np

from cxrdash.labels.states import State

# not_assessed has no bit: it is what is left where no other state is.
_CODES = np.array([state for state in State if state != State.NOT_ASSESSED], dtype=np.int8)
_WORD = 64


def state_bits(states: np.ndarray) -> np.ndarray:
    """Return states, int8 of shape (rows, findings), as uint64 of shape (rows, words)."""
    bits = (states[:, None, :] == _CODES[None, :, None]).reshape(len(states), -1)
    padded = np.zeros((len(states), -(-bits.shape[1] // _WORD) * _WORD), dtype=bool)
    padded[:, : bits.shape[1]] = bits
    return np.packbits(padded, axis=1, bitorder="little").view(np.uint64)


def states_of(words: np.ndarray, findings: int) -> np.ndarray:
    """Return the states of rows of ``state_bits``: of several bits of a finding that of the highest precedence."""
    octets = np.ascontiguousarray(words).view(np.uint8)
    bits = np.unpackbits(octets, axis=1, bitorder="little")[:, : findings * len(_CODES)]
    states: np.ndarray = (bits.reshape(len(words), len(_CODES), findings) * _CODES[None, :, None]).max(axis=1)
    return states.astype(np.int8)
