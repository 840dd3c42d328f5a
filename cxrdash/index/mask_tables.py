"""The size and place of every mask, measured once when the index is built."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from cxrdash.errors import CxrdashError
from cxrdash.images.rle import COCO, MAX_PIXELS, OTHER_WORDS, RELATIVE, ROW_MAJOR, runs
from cxrdash.images.run_measures import Extents, Runs, Whole, extents

BATCH = 12_000  # masks at a time: about 80 MB of text

_GROUPS = """
CREATE OR REPLACE TEMP TABLE mask_groups AS
SELECT (row_number() OVER (ORDER BY image, structure) - 1)::BIGINT AS mask, *,
    CASE WHEN sizes > 1 THEN 'The rows of this mask have different sizes or ways to write it.'
         WHEN width IS NULL OR height IS NULL THEN 'The size of the mask is not stated.' END AS problem
FROM (
    SELECT image, structure, count(*)::INTEGER AS parts, min(width) AS width, min(height) AS height,
           min(convention) AS convention, min(quality) AS quality,
           count(DISTINCT (coalesce(width, 0), coalesce(height, 0), coalesce(convention, ''))) AS sizes
    FROM masks GROUP BY image, structure)
"""
_BATCHES = """
SELECT min(mask), min(image), max(image) FROM mask_groups GROUP BY mask // $batch ORDER BY 1
"""
_MEASURED = """
CREATE OR REPLACE TEMP TABLE measured (
    mask BIGINT, area BIGINT, x_first INTEGER, x_last INTEGER, y_first INTEGER, y_last INTEGER, x_centre DOUBLE,
    y_centre DOUBLE, problem VARCHAR)
"""
# Numbers are only cast where all are short enough to fit.
_CODES = """
SELECT g.mask - $first AS mask, g.width, g.height, m.rle,
    CASE WHEN m.rle IS NULL OR trim(m.rle) IN ('', '-1') THEN []
         WHEN regexp_full_match(trim(m.rle), '[0-9]{1,9}( [0-9]{1,9})*')
         THEN string_split(trim(m.rle), ' ')::BIGINT[] END AS numbers
FROM mask_groups AS g JOIN masks AS m USING (image, structure)
WHERE g.convention = $convention AND g.mask >= $first AND g.mask < $first + $batch AND problem IS NULL
  AND m.image BETWEEN $low AND $high
ORDER BY g.mask
"""
_INSERT = """
INSERT INTO mask_measures
SELECT image, structure, parts, width, height, CASE WHEN m.problem IS NULL THEN area END,
       nullif(x_first, -1), nullif(x_last, -1), nullif(y_first, -1), nullif(y_last, -1), x_centre, y_centre,
       CASE WHEN area > 0 AND m.problem IS NULL THEN false END, quality, coalesce(g.problem, m.problem)
FROM mask_groups AS g LEFT JOIN measured AS m USING (mask)
ORDER BY image, structure
"""
_FAR = """
WITH sizes AS (
    SELECT image, structure, ln(area / (width::BIGINT * height)) AS size FROM mask_measures WHERE area > 0),
fences AS (
    SELECT structure, quantile_cont(size, 0.25) AS low, quantile_cont(size, 0.75) AS high FROM sizes
    GROUP BY structure HAVING count(*) >= 20)
UPDATE mask_measures AS m SET far = true FROM sizes AS s JOIN fences AS f ON f.structure = s.structure
WHERE m.image = s.image AND m.structure = s.structure
  AND (s.size < f.low - 3 * (f.high - f.low) OR s.size > f.high + 3 * (f.high - f.low))
"""
_IMAGES = """
INSERT INTO mask_images
WITH organs AS (
    SELECT image, count(*) AS structures, min(quality) AS quality,
        count(*) FILTER (WHERE far) AS far, count(problem) AS problems,
        max(x_last - x_first + 1) FILTER (WHERE structure = 'heart') AS heart,
        max(x_last) FILTER (WHERE structure IN ('right_lung', 'left_lung'))
            - min(x_first) FILTER (WHERE structure IN ('right_lung', 'left_lung')) + 1 AS lungs,
        max(x_centre) FILTER (WHERE structure = 'right_lung') AS right_centre,
        max(x_centre) FILTER (WHERE structure = 'left_lung') AS left_centre,
        count(DISTINCT (width, height)) FILTER (WHERE structure IN ('heart', 'right_lung', 'left_lung')) AS sizes
    FROM mask_measures GROUP BY image)
SELECT image, structures, quality,
    CASE WHEN sizes = 1 AND right_centre IS NOT NULL AND left_centre IS NOT NULL THEN heart / lungs END,
    right_centre > left_centre, far, problems
FROM organs ORDER BY image
"""


def write_mask_measures(con: duckdb.DuckDBPyConnection) -> None:
    """Fill mask_measures and mask_images from masks. A mask that cannot be read gets its problem instead."""
    con.execute(_GROUPS)
    kinds = [kind for (kind,) in con.execute("SELECT DISTINCT convention FROM mask_groups").fetchall() if kind]
    con.execute(_MEASURED)
    # The scan of masks, gigabytes in a large dataset, is kept to the images of one batch.
    for first, low, high in con.execute(_BATCHES, {"batch": BATCH}).fetchall():
        for kind in kinds:
            asked = {"first": first, "batch": BATCH, "low": low, "high": high, "convention": kind}
            found = con.sql(_CODES, params=asked).to_arrow_table()
            if found.num_rows:
                _write(con, first, _codes(found, kind))
    con.execute(_INSERT)
    con.execute(_FAR)
    con.execute(_IMAGES)
    con.execute("DROP TABLE measured; DROP TABLE mask_groups")


@dataclass(frozen=True)
class _Codes:
    """Codes of masks, several of one mask possible; ``masks`` are the distinct masks, ``mask`` points into them."""

    masks: Whole
    mask: Whole
    width: Whole  # of each code
    height: Whole
    texts: Any  # Arrow array of each code's text
    values: Whole  # the numbers of all codes that are lists of numbers, one after another
    count: Whole  # how many of them are each code's; -1 where it is no list of numbers
    kind: str


def _codes(found: Any, kind: str) -> _Codes:
    masks, mask = np.unique(found["mask"].to_numpy(), return_inverse=True)
    lists = found["numbers"].combine_chunks()
    known = np.asarray(lists.is_valid())
    lengths = np.asarray(lists.value_lengths().fill_null(0), dtype=np.int64)
    return _Codes(
        masks, mask, found["width"].to_numpy().astype(np.int64), found["height"].to_numpy().astype(np.int64),
        found["rle"], np.asarray(lists.flatten(), dtype=np.int64), np.where(known, lengths, -1),
        OTHER_WORDS.get(kind, kind),
    )  # fmt: skip


def _plain_runs(codes: _Codes) -> tuple[Whole, Whole, Whole, NDArray[np.bool_]]:
    """Return code, start and end of the runs of all sound codes, and which codes are sound."""
    pairs = (codes.count >= 0) & (codes.count % 2 == 0) & (codes.kind != COCO)
    held = np.maximum(codes.count, 0)
    values = codes.values if pairs.all() else codes.values[np.repeat(pairs, held)]
    code = np.repeat(np.flatnonzero(pairs), held[pairs] // 2)
    first, length = values[::2], values[1::2]
    if codes.kind == RELATIVE:
        reached = np.cumsum(first + length)
        before = np.concatenate([[0], reached])[np.searchsorted(code, np.arange(len(codes.count)))]
        start = reached - length - before[code]
    else:
        start = first - 1
    end = start + length
    pixels = codes.width * codes.height
    sound = pairs & (np.minimum(codes.width, codes.height) > 0) & (pixels <= MAX_PIXELS)
    sound[code[(length < 1) | (start < 0) | (end > pixels[code])]] = False
    kept = sound[code]
    return code[kept], start[kept], end[kept], sound


def _write(con: duckdb.DuckDBPyConnection, first: int, codes: _Codes) -> None:
    """Measure the masks of a batch and put them into the table `measured`."""
    import pyarrow as pa

    code, start, end, sound = _plain_runs(codes)
    problems: list[str | None] = [None] * len(codes.masks)
    parts = [(codes.mask[code], start, end)]
    for at in np.flatnonzero(~sound).tolist():
        mask = int(codes.mask[at])
        try:
            starts, ends = runs(
                codes.texts[at].as_py() or "", int(codes.width[at]), int(codes.height[at]), convention=codes.kind
            )
        except CxrdashError as fault:
            problems[mask] = fault.message
        else:
            parts.append((np.full(len(starts), mask), starts, ends))
    joined = [np.concatenate(columns) for columns in zip(*parts, strict=True)]
    readable = np.array([problem is None for problem in problems])[joined[0]]
    sizes = [np.zeros(len(codes.masks), dtype=np.int64) for _ in range(2)]
    sizes[0][codes.mask], sizes[1][codes.mask] = codes.width, codes.height
    places = [column[readable] for column in joined]
    found = extents(Runs(places[0], places[1], places[2], sizes[0], sizes[1], codes.kind == ROW_MAJOR))
    columns = {field.name: getattr(found, field.name) for field in fields(Extents)}
    con.register(
        "incoming", pa.table({"mask": codes.masks + first, **columns, "problem": pa.array(problems, pa.string())})
    )
    con.execute("INSERT INTO measured SELECT * FROM incoming")
    con.unregister("incoming")
