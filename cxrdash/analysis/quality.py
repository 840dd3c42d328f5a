"""What the films of a cohort are made of: formats, sizes, depth, what cannot be read, where file and table differ."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cxrdash.analysis.registry import statistic
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import Selection, select
from cxrdash.index.store import Index
from cxrdash.index.suspects import FACTS, fact_text

if TYPE_CHECKING:
    import pandas as pd

CENSUS = (
    "status", "format", "stored_mode", "bits_stored", "grey_levels_used", "photometric", "size", "shape",
    "windows_in_file", "spacing_in_file", "burned_in", "header_view",
)  # fmt: skip
CONFLICTS = ("size_against_table", "view_against_table", "spacing_against_table", "photometric_against_picture")
AGREES = ("as the table says",)
SOUND_PHOTOMETRIC = ", shown as it should be"
MOST_LEVELS = 20  # of one attribute; the rest is one row
NOT_SCANNED = "not scanned"
_METHOD = "one decode of every film on disk; DICOM header values by an allow-list"
_SQL = """
SELECT coalesce(status, 'not scanned') AS status, count(*)::BIGINT AS images
FROM selected LEFT JOIN measures USING (image) GROUP BY ALL ORDER BY ALL
"""
_FACTS = """
WITH facts AS (SELECT {columns} FROM selected AS i LEFT JOIN measures AS m USING (image))
SELECT attribute, level, count(*)::BIGINT AS images
FROM (UNPIVOT facts ON COLUMNS(*) INTO NAME attribute VALUE level) GROUP BY ALL ORDER BY attribute, images DESC, level
"""
_UNREADABLE = f"""
SELECT m.status, {FACTS["reason"]} AS reason, count(*)::BIGINT AS images, min(image_id) AS example
FROM selected AS i JOIN measures AS m USING (image) WHERE m.status IN ('missing', 'unreadable')
GROUP BY ALL ORDER BY images DESC, reason
"""


def scanned(index: Index) -> bool:
    """Whether the films of this generation have been looked at."""
    return bool(index.meta.get("scan"))


@statistic("What the films are made of", method=_METHOD, sql=_SQL)
def quality(index: Index, cohort: Cohort | None = None) -> pd.DataFrame:
    """One row per attribute and level: status, format, mode, bits, grey levels used, photometric, size, ...

    ``images`` of the ``of`` for which the attribute is known, the most frequent level first; beyond 20
    levels the rest is one row. ``suspect`` is the condition that chooses these images (--suspect).
    Without a scan every image is "not scanned".
    """
    selection = select(index, cohort)
    if not scanned(index):
        rest = selection.counts["images"]
        return _census([("status", NOT_SCANNED, rest)] if rest else [])
    return _census(_fact_rows(selection, CENSUS))


@statistic("Where the file and the dataset's table differ", method=_METHOD)
def quality_conflicts(index: Index, cohort: Cohort | None = None) -> pd.DataFrame:
    """One row per comparison and outcome: sizes, views and spacing of file and table, photometric of file and picture.

    ``images`` of the ``of`` for which both are known; ``agrees`` says whether this outcome is as it should
    be. A file smaller than the table says but of the same shape was resized; of another shape it was
    squeezed or cropped, so that the table's spacing does not hold for it.
    """
    table = _census(_fact_rows(select(index, cohort), CONFLICTS) if scanned(index) else [])
    fine = table["level"].isin(AGREES) | table["level"].str.endswith(SOUND_PHOTOMETRIC)
    table.insert(2, "agrees", fine.astype(bool))
    return table.rename(columns={"attribute": "comparison", "level": "outcome"})


@statistic("Films without a picture, by reason", method=_METHOD)
def unreadable(index: Index, cohort: Cohort | None = None) -> pd.DataFrame:
    """One row per status (missing, unreadable) and reason: images, of all in the cohort, and one example.

    Numbers in a reason are written N, so that the same fault is one row.
    """
    import pandas as pd

    selection = select(index, cohort)
    rows = selection.rows(_UNREADABLE) if scanned(index) else []
    table = pd.DataFrame(rows, columns=["status", "reason", "images", "example"])
    table["of"] = selection.counts["images"]
    table["share_of_images"] = table["images"] / table["of"].where(table["of"] > 0)
    table["suspect"] = [fact_text("reason", reason) for reason in table["reason"]]
    kinds = {"status": "str", "reason": "str", "images": "int64", "of": "int64", "share_of_images": "float64"}
    table = table.astype({**kinds, "example": "str", "suspect": "str"})
    return table[[*kinds, "example", "suspect"]]


def _fact_rows(selection: Selection, facts: Iterable[str]) -> list[tuple[Any, ...]]:
    columns = ", ".join(f"({FACTS[fact]})::VARCHAR AS {fact}" for fact in facts)
    return selection.rows(_FACTS.format(columns=columns))


def _census(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    import pandas as pd

    order = {name: place for place, name in enumerate((*CENSUS, *CONFLICTS))}
    kept: list[tuple[str, str, int, int, str]] = []
    for attribute in sorted({row[0] for row in rows}, key=order.__getitem__):
        levels = [(level, images) for name, level, images in rows if name == attribute]
        of = sum(images for _, images in levels)
        shown, rest = levels[:MOST_LEVELS], levels[MOST_LEVELS:]
        kept += [(attribute, level, images, of, fact_text(attribute, level)) for level, images in shown]
        if rest:
            kept.append((attribute, f"{len(rest):,} others", sum(images for _, images in rest), of, ""))
    table = pd.DataFrame(kept, columns=["attribute", "level", "images", "of", "suspect"])
    table = table.astype({"attribute": "str", "level": "str", "images": "int64", "of": "int64", "suspect": "str"})
    table.insert(4, "share_of_images", (table["images"] / table["of"].where(table["of"] > 0)).astype("float64"))
    return table
