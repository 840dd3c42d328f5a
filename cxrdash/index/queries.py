"""A user's own SELECT over the tables of an index, with the cohort at hand as `selected`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrdash.index.selection import Selection
from cxrdash.index.store import Index

if TYPE_CHECKING:
    import pandas as pd

_DESCRIBED = """
SELECT table_name AS "table", '' AS "column", '' AS type, comment AS meaning FROM duckdb_tables() WHERE NOT internal
UNION ALL
SELECT table_name, column_name, CASE WHEN data_type LIKE 'ENUM%' THEN 'ENUM' ELSE data_type END, comment
FROM duckdb_columns() WHERE NOT internal
ORDER BY "table", "column"
"""
_IDENTIFIERS = "SELECT image_id FROM images WHERE image IN (SELECT unnest($images)) ORDER BY image"


def described(index: Index) -> pd.DataFrame:
    """Return [table, column, type, meaning]: what there is to select from; a table's own row has no column."""
    return index.table(_DESCRIBED)


def query(selection: Selection, sql: str, *, seconds: float, rows: int) -> tuple[pd.DataFrame, bool]:
    """Run one SELECT in which `selected` stands for the cohort's images (and `images` for all of them).

    Returns the table and whether rows were cut off. Raises CxrdashError as ``Index.guarded_query`` does.
    """
    return selection.index.guarded_query(
        sql, seconds=seconds, rows=rows, before=selection.statement(""), parameters=selection.parameters({})
    )


def image_ids(index: Index, table: pd.DataFrame, *, most: int) -> tuple[str, ...]:
    """Return the dataset's image identifiers that a result names, each once, at most ``most``.

    They stand in a column `image_id`, or as the index's own numbers in a column `image`; without either
    the result names none.
    """
    if "image_id" in table:
        return tuple(dict.fromkeys(table["image_id"].dropna().astype(str)))[:most]
    if "image" not in table or table["image"].dtype.kind not in "iu":
        return ()
    numbers = list(dict.fromkeys(int(image) for image in table["image"]))[:most]
    return tuple(image for (image,) in index.rows(_IDENTIFIERS, {"images": numbers}))
