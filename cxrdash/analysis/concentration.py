"""How unevenly images are spread over patients.

Every function takes a histogram: ``sizes`` (images per patient, whole numbers from 1) and ``patients`` (how
many have that size), two arrays of one length in any order. Definitions: METHODS 1.1 and 1.2. "Images" may
as well be studies: the caller names the unit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Whole = NDArray[np.int64]


def gini(sizes: ArrayLike, patients: ArrayLike) -> float:
    """Return the Gini coefficient, 0 (all alike) to below 1; NaN without patients.

    G = 2 sum(rank * size) / (k N) - (k + 1)/k with ranks ascending over the k patients and N images.
    """
    m, c = _histogram(sizes, patients)
    k, n = int(c.sum()), int(m @ c)
    if k == 0:
        return float("nan")
    before = np.cumsum(c) - c
    rank_sums = c * before + c * (c + 1) // 2
    return max(0.0, 2 * float(m.astype(float) @ rank_sums) / (float(k) * n) - (k + 1) / k)


def gini_small_sample(sizes: ArrayLike, patients: ArrayLike) -> float:
    """Return the Gini coefficient times k/(k - 1); NaN below two patients."""
    k = int(_histogram(sizes, patients)[1].sum())
    return gini(sizes, patients) * k / (k - 1) if k > 1 else float("nan")


def held_by(sizes: ArrayLike, patients: ArrayLike, share: ArrayLike) -> Whole:
    """Return the smallest number of patients who together hold at least ``share`` (0 to 1) of the images.

    Shape of ``share``. ValueError outside 0 to 1.
    """
    wanted = np.asarray(share, dtype=float)
    if not ((wanted >= 0) & (wanted <= 1)).all():
        raise ValueError("a share lies between 0 and 1")
    m, c = (column[::-1] for column in _histogram(sizes, patients))
    if not len(m):
        return np.zeros(wanted.shape, dtype=np.int64)
    images, people = _running(m * c), _running(c)
    # 0.7 N is not exact: without the tolerance one patient too many would be counted now and then.
    target = np.maximum((wanted - 1e-9) * images[-1], 0)
    group = np.clip(np.searchsorted(images, target, side="left"), 1, len(m)) - 1
    return np.asarray(people[group] + np.ceil((target - images[group]) / m[group]), dtype=np.int64)


class Above(NamedTuple):
    """Patients above a threshold and the images they hold; shares are NaN where there are no patients."""

    patients: Whole
    share_of_patients: Array
    images: Whole
    share_of_images: Array


def above(sizes: ArrayLike, patients: ArrayLike, threshold: ArrayLike) -> Above:
    """Return who has strictly more than ``threshold`` images (shape of ``threshold``)."""
    m, c = _histogram(sizes, patients)
    first = np.searchsorted(m, np.asarray(threshold), side="right")
    people, images = _running(c), _running(m * c)
    more_people, more_images = people[-1] - people[first], images[-1] - images[first]
    return Above(
        np.asarray(more_people, dtype=np.int64),
        _share(more_people, people[-1]),
        np.asarray(more_images, dtype=np.int64),
        _share(more_images, images[-1]),
    )


def lorenz(sizes: ArrayLike, patients: ArrayLike) -> tuple[Array, Array]:
    """Return the Lorenz curve as (share_of_patients, share_of_images), the smallest patients first.

    One point per distinct size and the origin; the curve is straight between them, because patients of one
    size hold equal parts. Without patients only the origin.
    """
    m, c = _histogram(sizes, patients)
    people, images = _running(c), _running(m * c)
    if not len(m):
        return np.zeros(1), np.zeros(1)
    return people / people[-1], images / images[-1]


def mean_size(sizes: ArrayLike, patients: ArrayLike) -> float:
    """Return images per patient; NaN without patients."""
    m, c = _histogram(sizes, patients)
    return float(m @ c) / float(c.sum()) if len(m) else float("nan")


def quantile(sizes: ArrayLike, patients: ArrayLike, share: ArrayLike) -> Array:
    """Return the discrete quantile: the smallest size that at least ``share`` of the patients do not exceed.

    Always a size that occurs, never a mean of two; 0.5 is the median. Shape of ``share`` (0 to 1); NaN
    without patients.
    """
    m, c = _histogram(sizes, patients)
    wanted = np.asarray(share, dtype=float)
    if not len(m):
        return np.full(wanted.shape, np.nan)
    people = np.cumsum(c)
    place = np.searchsorted(people, (wanted - 1e-12) * people[-1], side="left")
    return np.asarray(m[np.clip(place, 0, len(m) - 1)], dtype=float)


def kish(sizes: ArrayLike, patients: ArrayLike) -> float:
    """Return N^2 / sum(m^2), the effective number of images if a patient's repeats added nothing.

    At most the number of patients; NaN without any. METHODS 1.7.
    """
    m, c = _histogram(sizes, patients)
    return float(m @ c) ** 2 / float((m * m) @ c) if len(m) else float("nan")


def _histogram(sizes: ArrayLike, patients: ArrayLike) -> tuple[Whole, Whole]:
    """Both as whole numbers, ascending by size, without empty groups. ValueError for sizes below 1."""
    m, c = np.asarray(sizes, dtype=np.int64), np.asarray(patients, dtype=np.int64)
    if m.shape != c.shape or m.ndim != 1:
        raise ValueError("sizes and patients are two rows of one length")
    if (m < 1).any() or (c < 0).any():
        raise ValueError("sizes are at least 1 and numbers of patients at least 0")
    order = np.argsort(m, kind="stable")
    m, c = m[order], c[order]
    return m[c > 0], c[c > 0]


def _running(parts: Whole) -> Whole:
    return np.concatenate(([0], np.cumsum(parts)))


def _share(part: ArrayLike, whole: int) -> Array:
    part = np.asarray(part, dtype=float)
    return np.asarray(part / whole if whole else np.full(part.shape, np.nan))
