"""Masks measured by their runs agree with the same masks drawn and counted pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrdash.images.overlay import columns_of, rows_of
from cxrdash.images.run_measures import NOWHERE, Extents, Runs, extents

shapes = st.tuples(st.integers(1, 7), st.integers(1, 7))


@st.composite
def some_runs(draw: st.DrawFn) -> tuple[Runs, list[np.ndarray]]:
    """Runs of up to three masks, overlapping and in any order, and the masks they draw."""
    by_rows = draw(st.booleans())
    sizes = draw(st.lists(shapes, min_size=1, max_size=3))
    told, drawn = [], []
    for at, (width, height) in enumerate(sizes):
        flat = np.zeros(width * height, dtype=bool)
        for _ in range(draw(st.integers(0, 4))):
            start = draw(st.integers(0, len(flat) - 1))
            end = draw(st.integers(start + 1, len(flat)))
            told.append((at, start, end))
            flat[start:end] = True
        drawn.append(flat.reshape(height, width) if by_rows else flat.reshape(width, height).T)
    columns = [np.array(column, dtype=np.int64) for column in zip(*told, strict=True)] or [np.zeros(0, np.int64)] * 3
    order = np.argsort(columns[0], kind="stable")
    widths, heights = (np.array(lengths) for lengths in zip(*sizes, strict=True))
    return Runs(columns[0][order], columns[1][order], columns[2][order], widths, heights, by_rows), drawn


@given(some_runs())
def test_runs_measure_what_the_pixels_do(case: tuple[Runs, list[np.ndarray]]) -> None:
    runs, drawn = case
    found = extents(runs)
    for at, mask in enumerate(drawn):
        assert found.area[at] == mask.sum()
        columns, rows = columns_of(mask) or (NOWHERE, NOWHERE), rows_of(mask) or (NOWHERE, NOWHERE)
        assert (found.x_first[at], found.x_last[at]) == columns
        assert (found.y_first[at], found.y_last[at]) == rows
        if mask.any():
            y, x = np.nonzero(mask)
            assert found.x_centre[at] == pytest.approx((x.mean() + 0.5) / mask.shape[1])
            assert found.y_centre[at] == pytest.approx((y.mean() + 0.5) / mask.shape[0])
        else:
            assert np.isnan(found.x_centre[at]) and np.isnan(found.y_centre[at])


def test_no_runs_at_all_are_empty_masks() -> None:
    nothing = np.zeros(0, dtype=np.int64)
    found: Extents = extents(Runs(nothing, nothing, nothing, np.array([3, 4]), np.array([5, 6]), True))
    assert found.area.tolist() == [0, 0] and found.y_last.tolist() == [NOWHERE, NOWHERE]
