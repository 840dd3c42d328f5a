"""The numbers that order random samples: the same on every machine, for ever."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from cxrdash.index.sample_keys import BITS, sample_keys
from tests.datasets import sample_key

# Written down once: whoever changes one of these changes every sample that was ever cited.
CITED = {
    "": 0,
    "00000001_000.png": 0xA12FB7136F7D,
    "train/patient00001/study1/view1_frontal.jpg": 0x0A13F1E749F7,
    "2.25.300": 0x3E0654820653,
    "Ä1": 0xE0CD606B01E8,
}


def column(*chunks: Sequence[str | None]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(chunk, pa.string()) for chunk in chunks], pa.string())


@pytest.mark.parametrize("text", CITED)
def test_a_key_never_changes(text: str) -> None:
    assert sample_keys(column([text])).tolist() == [CITED[text]]


def test_keys_are_those_of_the_plain_formula_whatever_stands_beside() -> None:
    texts = ["", "a", "12345678", "123456789", "x" * 200, "ß", "\0", "a\0", "00000001_000.png", "a"]
    assert sample_keys(column(texts[:4], texts[4:])).tolist() == [sample_key(text) for text in texts]
    assert sample_keys(column(texts).slice(3, 4)).tolist() == [sample_key(text) for text in texts[3:7]]


def test_no_text_counts_as_an_empty_one_and_no_column_gives_no_keys() -> None:
    assert sample_keys(column([None, ""])).tolist() == [0, 0]
    assert sample_keys(column()).tolist() == []


def test_keys_of_a_million_numbered_films_differ_and_are_uniform() -> None:
    keys = sample_keys(column([f"{at:08d}_{at % 7:03d}.png" for at in range(1_000_000)]))
    assert len(np.unique(keys)) == len(keys)
    for modulus in (97, 2**32 + 15):
        shares = np.histogram(keys % np.uint64(modulus), bins=97, range=(0, modulus))[0] / len(keys)
        assert np.abs(shares * 97 - 1).max() < 0.05  # five standard deviations of a bin
    flips = [np.count_nonzero(keys >> np.uint64(bit) & np.uint64(1)) / len(keys) for bit in range(BITS)]
    assert max(abs(share - 0.5) for share in flips) < 0.0025
