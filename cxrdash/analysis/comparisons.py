"""P-values of many comparisons at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def benjamini_hochberg(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return q-values over the p-values that are not NaN; NaN stays NaN and counts for nothing.

    Benjamini and Hochberg, Journal of the Royal Statistical Society B 1995; METHODS 4.5.
    """
    from scipy.stats import false_discovery_control

    p = np.asarray(p_values, dtype=float)
    q = np.full(len(p), np.nan)
    tested = np.isfinite(p)
    if tested.any():
        q[tested] = false_discovery_control(p[tested])
    return q
