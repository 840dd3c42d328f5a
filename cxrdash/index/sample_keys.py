"""The number that orders random samples: made of an identifier's text alone, so it is the same everywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BITS = 48  # 64 would be a tenth of a dataset's table, and no two of a million ids are likely to share 48
# The finaliser of MurmurHash3 (A. Appleby, public domain): every bit of the input changes half of the output.
_FIRST, _SECOND, _SHIFT = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53), np.uint64(33)
_DROPPED = np.uint64(64 - BITS)
_WORD = 8

Keys = NDArray[np.uint64]


def sample_keys(texts: Any) -> Keys:
    """Return a uniform 48-bit key for each text of an Arrow column of strings; NULL counts as ''.

    The UTF-8 bytes are read as little-endian words of eight, the last one filled with zeros; starting from
    their number, each word is taken in by exclusive or and the finaliser of MurmurHash3; the upper 48 bits
    are the key. Never to be changed: samples that somebody cited would become others.
    """
    chunks = [_of_chunk(chunk.fill_null("")) for chunk in texts.chunks]
    return np.concatenate(chunks) if chunks else np.zeros(0, np.uint64)


def _of_chunk(texts: Any) -> Keys:
    """Work on all texts of a length together: a few operations on arrays instead of one call per text."""
    import pyarrow as pa

    texts = texts.cast(pa.large_string())
    _, offsets, content = texts.buffers()
    ends = np.frombuffer(offsets, dtype=np.int64)[texts.offset : texts.offset + len(texts) + 1]
    held = np.frombuffer(content, dtype=np.uint8) if content else np.zeros(0, np.uint8)
    lengths = np.diff(ends)
    keys = np.zeros(len(texts), np.uint64)
    for length in np.unique(lengths).tolist():
        alike = np.flatnonzero(lengths == length)
        keys[alike] = _of_words(_words(held, ends[alike], length), length)
    return keys


def _words(held: NDArray[np.uint8], starts: NDArray[np.int64], length: int) -> Keys:
    """Return the bytes of texts of one length as words, shape (texts, words)."""
    padded = np.zeros((len(starts), -(-length // _WORD) * _WORD), np.uint8)
    if length:
        padded[:, :length] = np.lib.stride_tricks.sliding_window_view(held, length)[starts]
    words: Keys = padded.view("<u8").astype(np.uint64, copy=False)
    return words


def _of_words(words: Keys, length: int) -> Keys:
    mixed = np.full(len(words), length, np.uint64)
    for column in words.T:
        mixed ^= column
        mixed ^= mixed >> _SHIFT
        mixed *= _FIRST
        mixed ^= mixed >> _SHIFT
        mixed *= _SECOND
        mixed ^= mixed >> _SHIFT
    keys: Keys = mixed >> _DROPPED
    return keys
