"""How far the boxes of several readers lie on each other (METHODS 8.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cxrdash.analysis.intervals import ratio
from cxrdash.analysis.registry import statistic
from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import Selection, select
from cxrdash.index.store import Index

if TYPE_CHECKING:
    import pandas as pd

HALF = 0.5

# Who read an image is known from what the readers said of it and from the boxes they drew; readers who never
# draw boxes are none of these.
_READ = """
drawn AS (SELECT image, finding, reader, x, y, w, h, coordinate_space FROM boxes SEMI JOIN selected USING (image)
          WHERE reader IS NOT NULL),
read AS (
    SELECT image, reader FROM readings SEMI JOIN selected USING (image) WHERE reader IN (SELECT reader FROM boxes)
    UNION SELECT image, reader FROM drawn),
several AS (SELECT image, count(*) AS readers FROM read GROUP BY image HAVING count(*) > 1)
"""
_COMPARISONS = f"""
WITH {_READ}
SELECT finding, count(DISTINCT image)::BIGINT AS images, count(*)::BIGINT AS boxes,
       sum(readers - 1)::BIGINT AS comparisons
FROM drawn JOIN several USING (image) GROUP BY finding ORDER BY finding
"""
_PAIRS = f"""
WITH {_READ},
numbered AS (
    SELECT *, row_number() OVER (ORDER BY image, finding, reader, x, y, w, h)::BIGINT AS box,
           dense_rank() OVER (ORDER BY reader)::BIGINT AS person
    FROM drawn)
SELECT a.finding, a.box AS box_a, b.box AS box_b, a.person AS person_a, b.person AS person_b,
       a.x AS ax, a.y AS ay, a.w AS aw, a.h AS ah, b.x AS bx, b.y AS by, b.w AS bw, b.h AS bh
FROM numbered AS a JOIN numbered AS b
  ON a.image = b.image AND a.finding = b.finding AND a.person < b.person AND a.coordinate_space = b.coordinate_space
WHERE a.x < b.x + b.w AND b.x < a.x + a.w AND a.y < b.y + b.h AND b.y < a.y + a.h
ORDER BY box_a, box_b
"""
_SQL = """
SELECT finding, reader, count(DISTINCT image) AS images, count(*) AS boxes
FROM selected JOIN boxes USING (image) GROUP BY ALL ORDER BY ALL
"""


@statistic("Agreement of readers' boxes", method="intersection over union, METHODS 8.3", sql=_SQL)
def box_agreement(index: Index, cohort: Cohort | None = None, *, least_overlap: float = 0.0) -> pd.DataFrame:
    """One row per finding with boxes on images that several readers read.

    Each of the ``boxes`` is looked for among the boxes of the same finding of every other reader of its
    image: ``comparisons`` in all. Boxes of two readers are matched one to one, the best overlap first, if
    their intersection over union is above 0 and at least ``least_overlap``: ``pairs``, with
    ``median_iou`` (0 to 1, NaN without pairs) and ``share_at_half`` of them at 0.5 or more. ``unmatched``
    comparisons (comparisons less two per pair) found no box, among them those with a reader who drew none;
    ``share_unmatched`` is their share. CxrdashError for a least overlap outside 0 to 1.
    """
    import pandas as pd

    if not 0 <= least_overlap <= 1:
        raise CxrdashError(f"least_overlap must lie between 0 and 1, not at {least_overlap:g}.", "Write 0.5 for half.")
    selection = select(index, cohort)
    table = selection.table(_COMPARISONS).astype({"finding": "str"})
    overlaps = _matched(selection, least_overlap)
    matched = [overlaps.get(finding, np.zeros(0)) for finding in table["finding"]]
    pairs = np.array([len(ious) for ious in matched], dtype=np.int64)
    unmatched = table["comparisons"].to_numpy() - 2 * pairs
    order = {name: at for at, name in enumerate(index.finding_names)}
    filled = table.assign(
        pairs=pairs,
        median_iou=np.array([np.median(ious) if len(ious) else np.nan for ious in matched], dtype=float),
        share_at_half=ratio([(ious >= HALF).sum() for ious in matched], pairs),
        unmatched=unmatched,
        share_unmatched=ratio(unmatched, table["comparisons"].to_numpy()),
    )
    places = pd.Series([order.get(name, len(order)) for name in filled["finding"]], dtype="int64")
    return filled.iloc[places.argsort(kind="stable")].reset_index(drop=True)


def _matched(selection: Selection, least: float) -> dict[str, NDArray[np.float64]]:
    """Return per finding the overlaps of the boxes matched one to one, the best first."""
    found = selection.arrays(_PAIRS)
    ious = intersection_over_union(
        np.stack([found[name] for name in ("ax", "ay", "aw", "ah")], axis=-1),
        np.stack([found[name] for name in ("bx", "by", "bw", "bh")], axis=-1),
    )
    kept: dict[str, list[float]] = {}
    taken: set[tuple[int, int]] = set()
    columns = [found[name].tolist() for name in ("box_a", "box_b", "person_a", "person_b", "finding")]
    rows = list(zip(*columns, strict=True))
    for at in np.argsort(-ious, kind="stable").tolist():
        box, other, person, colleague, finding = rows[at]
        # A box is matched at most once with each colleague.
        if ious[at] < least or (box, colleague) in taken or (other, person) in taken:
            continue
        taken |= {(box, colleague), (other, person)}
        kept.setdefault(finding, []).append(float(ious[at]))
    return {finding: np.array(values) for finding, values in kept.items()}


def intersection_over_union(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """Return the overlap (0 to 1) of boxes (x, y, w, h), shape (..., 4); NaN where both have no area."""
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    corner = np.maximum(a[..., :2], b[..., :2])
    end = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    shared = np.prod(np.maximum(end - corner, 0), axis=-1)
    return ratio(shared, np.prod(a[..., 2:], axis=-1) + np.prod(b[..., 2:], axis=-1) - shared)
