"""Boxes: where they lie, how large they are, and whether the image's labels know of them (METHODS 8.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cxrdash.analysis.intervals import ratio
from cxrdash.analysis.masks import INTERVAL, rate_of
from cxrdash.analysis.registry import statistic
from cxrdash.errors import CxrdashError
from cxrdash.index.annotations import BEYOND, LABELLED, LARGEST_GRID, PLACED_BOXES, WHOLE
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import select
from cxrdash.index.store import Index

if TYPE_CHECKING:
    import pandas as pd

CELLS = 12

_HEAT = f"""
WITH placed AS ({PLACED_BOXES})
SELECT finding, x, y, x + w AS x_end, y + h AS y_end FROM placed JOIN selected USING (image)
"""
_HEAT_SQL = f"""
WITH placed AS ({PLACED_BOXES})
SELECT finding, floor((x + w / 2) * 12) AS x, floor((y + h / 2) * 12) AS y, count(*) AS centres
FROM placed JOIN selected USING (image) GROUP BY ALL ORDER BY ALL
"""
_SIZES = f"""
WITH placed AS ({PLACED_BOXES}),
known AS (
    SELECT finding, count(*) AS placed, median(w * h) AS median_area, min(w * h) AS smallest_area,
           max(w * h) AS largest_area, median(w) AS median_width, median(h) AS median_height,
           count(*) FILTER (WHERE {BEYOND}) AS beyond, count(*) FILTER (WHERE {WHOLE}) AS nearly_whole
    FROM placed JOIN selected USING (image) GROUP BY finding)
SELECT finding, count(*) AS boxes, count(DISTINCT image)::BIGINT AS images,
       count(DISTINCT patient)::BIGINT AS patients, count(DISTINCT reader)::BIGINT AS readers,
       known.* EXCLUDE (finding)
FROM boxes JOIN selected USING (image) LEFT JOIN known USING (finding) GROUP BY ALL
"""
_MARKED = f"""
WITH marked AS (
    SELECT boxes.image, boxes.finding, count(*) AS boxes, bool_or({LABELLED}) AS labelled
    FROM boxes SEMI JOIN selected USING (image) GROUP BY boxes.image, boxes.finding)
SELECT finding, boxes, labelled, coalesce(patient, -1 - image) AS cluster
FROM marked JOIN selected USING (image) ORDER BY finding, image
"""
_POSITIVE = """
SELECT finding::VARCHAR AS finding, count(*)::BIGINT AS images FROM selected JOIN patterns USING (pattern)
WHERE state = 'positive' GROUP BY finding
"""
_LABELS = """
WITH boxed AS (SELECT DISTINCT image, finding FROM boxes)
SELECT boxed.finding, coalesce(p.state::VARCHAR, 'blank') AS state, count(*) AS images
FROM boxed JOIN selected USING (image)
LEFT JOIN patterns AS p ON p.pattern = selected.pattern AND p.finding::VARCHAR = boxed.finding
GROUP BY ALL ORDER BY ALL
"""


@statistic("Where boxes lie", method="boxes that reach into each cell of the film, METHODS 8.3", sql=_HEAT_SQL)
def box_heat(index: Index, cohort: Cohort | None = None, *, cells: int = CELLS) -> pd.DataFrame:
    """One row per finding and cell of the film that a box reaches into, the film cut into ``cells`` by ``cells``.

    ``x`` and ``y`` number the cells from 0 at the top left; ``boxes`` reach into this one, of ``of`` boxes of
    the finding that are drawn on a film of known size. The left of the picture is the patient's right.
    CxrdashError unless 1 <= cells <= 64.
    """
    import pandas as pd

    if not 1 <= cells <= LARGEST_GRID:
        raise CxrdashError(f"The film cannot be cut into {cells} by {cells} cells.", f"Use 1 to {LARGEST_GRID}.")
    found = select(index, cohort).table(_HEAT).astype({"finding": "str"})
    parts = []
    for finding in _ordered(index, found["finding"].unique().tolist()):
        counts = _reached(found[found["finding"] == finding], cells)
        y, x = np.nonzero(counts)
        of = int((found["finding"] == finding).sum())
        parts.append(pd.DataFrame({"finding": finding, "x": x, "y": y, "boxes": counts[y, x], "of": of}))
    kinds = {"finding": "str", "x": "int64", "y": "int64", "boxes": "int64", "of": "int64"}
    return (pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(kinds))).astype(kinds)


def _reached(boxes: pd.DataFrame, cells: int) -> NDArray[np.int64]:
    """Count per cell (row, column) the boxes that reach into it, from the corners of each."""
    first = {axis: np.clip(np.floor(boxes[axis] * cells), 0, cells).astype(int) for axis in "xy"}
    past = {axis: np.clip(np.ceil(boxes[f"{axis}_end"] * cells), 0, cells).astype(int) for axis in "xy"}
    corners = np.zeros((cells + 1, cells + 1), dtype=np.int64)
    for rows, columns, sign in (
        (first["y"], first["x"], 1), (past["y"], first["x"], -1), (first["y"], past["x"], -1), (past["y"], past["x"], 1)
    ):  # fmt: skip
        np.add.at(corners, (rows, columns), sign)
    return corners.cumsum(axis=0).cumsum(axis=1)[:cells, :cells]


@statistic("Sizes of boxes", method="shares of the film they were drawn on, METHODS 8.3", sql=_SIZES)
def box_sizes(index: Index, cohort: Cohort | None = None) -> pd.DataFrame:
    """One row per finding with boxes: how many, on how many images and patients, and how large.

    Areas, widths and heights are shares of the film, of the ``placed`` boxes whose film has a known size
    (NaN without any). ``beyond`` boxes leave the film, ``nearly_whole`` ones cover more than 90% of it.
    """
    found = select(index, cohort).table(_SIZES)
    counts = ("boxes", "images", "patients", "readers", "placed", "beyond", "nearly_whole")
    areas = ("median_area", "smallest_area", "largest_area", "median_width", "median_height")
    found[["placed", "beyond", "nearly_whole"]] = found[["placed", "beyond", "nearly_whole"]].fillna(0)
    kinds = {"finding": "str"} | dict.fromkeys(counts, "int64") | dict.fromkeys(areas, "float64")
    return _in_order(index, found.astype(kinds))


@statistic("Boxes against labels", method=INTERVAL, sql=_LABELS)
def box_label_agreement(index: Index, cohort: Cohort | None = None) -> pd.DataFrame:
    """One row per finding with boxes: do the labels of the boxed images name it, and how many positives have a box?

    Of ``images`` with boxes of the finding ``labelled`` are labelled positive for it, ``unlabelled`` are not:
    ``share_labelled`` with its interval. Of ``positive`` images ``share_boxed`` have a box. An image without a
    box is unboxed, not negative. ``is_a_label`` is false where the finding is no label of the dataset.
    """
    import pandas as pd

    selection = select(index, cohort)
    marked = selection.table(_MARKED)
    positive = dict(selection.rows(_POSITIVE))
    rows = []
    for finding, group in marked.groupby("finding"):
        labelled = group["labelled"].to_numpy(dtype=bool)
        rates = rate_of(group["cluster"].to_numpy(), labelled)
        rows.append(
            {"finding": finding, "boxes": group["boxes"].sum(), "images": len(group), "labelled": labelled.sum(),
             "unlabelled": (~labelled).sum(), "share_labelled": float(rates.rate), "low": float(rates.low),
             "high": float(rates.high), "positive": positive.get(finding, 0),
             "share_boxed": float(ratio(labelled.sum(), positive.get(finding, 0))),
             "is_a_label": finding in index.finding_names, "method": str(rates.method)}
        )  # fmt: skip
    counts = dict.fromkeys(("boxes", "images", "labelled", "unlabelled", "positive"), "int64")
    shares = dict.fromkeys(("share_labelled", "low", "high", "share_boxed"), "float64")
    kinds = {"finding": "str", **counts, **shares, "is_a_label": "bool", "method": "str"}
    columns = ["finding", "boxes", "images", "labelled", "unlabelled", "share_labelled", "low", "high", "positive",
               "share_boxed", "is_a_label", "method"]  # fmt: skip
    return _in_order(index, pd.DataFrame(rows, columns=columns).astype(kinds))


def _ordered(index: Index, findings: list[str]) -> list[str]:
    place = {name: at for at, name in enumerate(index.finding_names)}
    return sorted(findings, key=lambda name: (place.get(name, len(place)), name))


def _in_order(index: Index, found: pd.DataFrame) -> pd.DataFrame:
    order = {name: at for at, name in enumerate(_ordered(index, found["finding"].tolist()))}
    return found.iloc[found["finding"].map(order).astype("int64").argsort(kind="stable")].reset_index(drop=True)
