"""Which of many perceptual hashes of 256 bits are nearly equal: exactly for thousands, by sorting for millions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from cxrdash.images.hashes import HASH_SIZE

BITS = HASH_SIZE * HASH_SIZE
WORDS = BITS // 64
MOST_BITS = 40
"""Bits that differ at most between candidates: no two of 1,000 films of different patients did (METHODS 7.5)."""
EXACT_UP_TO = 6_000  # hashes, all pairs of which are compared
BLOCK = 512
ORDERS = 128  # orders of bits that are sorted by
KEY_BITS = 32
NEIGHBOURS = 6  # in each order: what a bucket of equal beginnings may hold at most
SEED = 71

Hashes = NDArray[np.uint64]
Pairs = NDArray[np.int64]


def as_words(hashes: NDArray[np.uint8]) -> Hashes:
    """Return hashes of 32 bytes, (n, 32), as (n, 4) words."""
    return np.ascontiguousarray(hashes).view(np.uint64).reshape(len(hashes), WORDS)


def distances(hashes: Hashes, pairs: Pairs) -> NDArray[np.int64]:
    """Return how many bits differ between the hashes of each pair."""
    differ = hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]]
    bits: NDArray[np.int64] = np.bitwise_count(differ).sum(axis=1, dtype=np.int64)
    return bits


def close_hashes(hashes: Hashes, *, most: int = MOST_BITS) -> Pairs:
    """Return the pairs (i < j) of hashes that differ in at most ``most`` bits, sorted: int64 (pairs, 2).

    Every pair is compared up to 6,000 hashes. Beyond, hashes are sorted in 128 orders of their bits and
    each is compared with the next few, so that a pair is found where some order has its difference late:
    among a million hashes of 2,000 pairs 33 to 40 bits apart up to two were missed, of 8,000 nearer ones
    none, and the work stays the same however many hashes are alike (tests/benchmarks/duplicates.py).
    """
    if len(hashes) < 2:
        return np.zeros((0, 2), np.int64)
    keys = _all_pairs(hashes, most) if len(hashes) <= EXACT_UP_TO else _sorted_pairs(hashes, most)
    keys = np.unique(keys)
    return np.stack([keys // len(hashes), keys % len(hashes)], axis=1)


def _all_pairs(hashes: Hashes, most: int) -> NDArray[np.int64]:
    found = []
    for first in range(0, len(hashes), BLOCK):
        here = hashes[first : first + BLOCK]
        differ = np.zeros((len(here), len(hashes) - first), np.uint16)
        for word in range(WORDS):
            differ += np.bitwise_count(here[:, word, None] ^ hashes[None, first:, word])
        left, right = np.nonzero(np.triu(differ <= most, 1))
        found.append((left + first) * len(hashes) + right + first)
    return np.concatenate(found)


def _sorted_pairs(hashes: Hashes, most: int) -> NDArray[np.int64]:
    bits = _by_bit(hashes)
    share = np.array([column.mean() for column in bits])
    random = np.random.default_rng(SEED)
    weights = share * (1 - share) + 1e-9  # a bit that nearly all films share tells little
    orders = [random.choice(BITS, KEY_BITS, replace=False, p=weights / weights.sum()) for _ in range(ORDERS)]
    columns = [np.ascontiguousarray(hashes[:, word]) for word in range(WORDS)]

    def in_order(number: int) -> NDArray[np.int64]:
        return _near_in_order(hashes, columns[number % WORDS], [bits[at] for at in orders[number]], most)

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as threads:
        return np.concatenate(list(threads.map(in_order, range(ORDERS))))


def _by_bit(hashes: Hashes) -> list[NDArray[np.uint8]]:
    """Each bit of all hashes, 0 or 1, in an array of its own: sorting keys are put together from these."""
    octets = hashes.view(np.uint8)
    columns = (np.ascontiguousarray(octets[:, at]) for at in range(octets.shape[1]))
    return [(column >> np.uint8(place)) & np.uint8(1) for column in columns for place in range(7, -1, -1)]


def _key(bits: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint64]:
    """The bits as the upper half of a number, the place of the hash as its lower half."""
    key = np.zeros(len(bits[0]), np.uint64)
    for first in range(0, KEY_BITS, 8):
        octet = bits[first].copy()
        for column in bits[first + 1 : first + 8]:  # within one octet each step moves a byte per hash, not eight
            octet <<= 1
            octet |= column
        key <<= np.uint64(8)
        key |= octet
    return (key << np.uint64(32)) | np.arange(len(key), dtype=np.uint64)


def _near_in_order(hashes: Hashes, column: Hashes, bits: Sequence[NDArray[np.uint8]], most: int) -> NDArray[np.int64]:
    """Sort by some bits and compare each hash with its next neighbours, by one word first."""
    key = _key(bits)
    key.sort()
    place = (key & np.uint64(0xFFFFFFFF)).astype(np.int64)
    word = column[place]
    enough = most * 7 // 20  # a quarter of the bits holds about a quarter of the difference, seldom more than a third
    found = []
    for step in range(1, min(NEIGHBOURS, len(place) - 1) + 1):
        (at,) = np.nonzero(np.bitwise_count(word[step:] ^ word[:-step]) <= enough)
        pairs = np.stack([place[at], place[at + step]], axis=1)
        pairs = np.sort(pairs[distances(hashes, pairs) <= most], axis=1)
        found.append(pairs[:, 0] * len(hashes) + pairs[:, 1])
    return np.concatenate(found)


def turned_distance(hash_a: NDArray[np.uint8], hash_b: NDArray[np.uint8]) -> int:
    """Return the fewest bits in which one hash differs from the other turned, mirrored or with greys exchanged.

    ``hash_a`` and ``hash_b`` are of 32 bytes. Mirroring a film changes the sign of its odd frequencies,
    turning it exchanges rows and columns of them, so the hash of a turned film follows from its own.
    """
    a = np.unpackbits(hash_a).reshape(HASH_SIZE, HASH_SIZE)
    b = np.unpackbits(hash_b).reshape(HASH_SIZE, HASH_SIZE)
    odd = (np.arange(HASH_SIZE) % 2).astype(np.uint8)
    fewest = BITS
    for turned in (b, b.T):
        for across in (0, odd[None, :]):
            for down in (0, odd[:, None]):
                differ = int((a ^ turned ^ across ^ down).sum())
                fewest = min(fewest, differ, BITS - differ)
    return fewest
