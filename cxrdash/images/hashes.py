"""Digests and a perceptual hash of films: what duplicates are found by (METHODS 7.5)."""

from __future__ import annotations

import hashlib

import numpy as np
from PIL import Image

from cxrdash.images.film import Pixels

HASH_SIZE = 16  # 256 bits: with 64, chest films of different patients collide by the million
SHRUNK = 4 * HASH_SIZE


def file_digest(content: bytes) -> bytes:
    """Return the SHA-256 of a file's content, 32 bytes."""
    return hashlib.sha256(content).digest()


def pixel_digest(pixels: Pixels) -> bytes:
    """Return the SHA-256 of stored pixels, 32 bytes: equal for the same values in the same shape and depth.

    The file format and its compression do not matter.
    """
    held = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("<"))
    digest = hashlib.sha256(f"{held.shape} {held.dtype.str}".encode())
    digest.update(held.data)
    return digest.digest()


def perceptual_hash(picture: Image.Image) -> bytes:
    """Return 256 bits as 32 bytes: which of the 16 x 16 lowest frequencies lie above their median.

    ``picture`` is the film as shown (grey, 8 bits), of any size; it is squeezed to 64 x 64 first. The
    bits run row by row, the highest of each byte first. Compare two hashes by the number of bits that
    differ: up to 40 of 256 is a candidate for a duplicate, 216 or more one with exchanged greys.
    """
    from scipy.fft import dct

    values = np.asarray(picture.resize((SHRUNK, SHRUNK), Image.Resampling.LANCZOS, reducing_gap=2.0), np.float64)
    low = dct(dct(values, axis=0), axis=1)[:HASH_SIZE, :HASH_SIZE]
    return np.packbits(low > np.median(low)).tobytes()
