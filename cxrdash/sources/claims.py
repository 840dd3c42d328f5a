"""What several sources ask of a folder's tables and file names before they read any of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from cxrdash.errors import CxrdashError, shown
from cxrdash.sources.base import Headers
from cxrdash.sources.folder import IMAGE_ENDS, shown_path
from cxrdash.sources.headers import Fields, column_positions, matching_key, missing_fields, missing_sentence
from cxrdash.sources.staging import Intake

FEW_COLUMNS = 4  # a table of fewer columns is only taken for a misspelled one where the spelling is near
REPEATED = """
SELECT count(*) FILTER (WHERE image_id IN (SELECT image_id FROM query_table($seen))), count(*)
FROM query_table($rows) WHERE image_id IS NOT NULL
"""


def film_stem(path: str) -> str:
    """Return a file's name without an image ending; the dots of a UID are no endings."""
    name = PurePosixPath(path).name
    ending = next((ending for ending in IMAGE_ENDS if name.lower().endswith(ending)), "")
    return name[: len(name) - len(ending)]


def nearest_table(headers: Headers, fields: Fields, required: Sequence[str], title: str, image: re.Pattern[str]) -> str:
    """Return one sentence on the table that comes nearest to the required fields, '' if none is near.

    ``image`` is what an image id looks like: a first cell like that is no column name.
    """
    path = max(headers, key=lambda path: len(column_positions(headers[path], fields)), default=None)
    for name, header in headers.items():
        if len(header) > 1 and image.fullmatch(header[0].strip()):
            return f"{name.name} has no column names: line 1 is already an image ('{shown(header[0])}')."
    missing = missing_fields(headers[path], fields, required) if path else []
    if not path or not missing or len(missing) > (len(required) + 1) // 2:
        return ""
    sentence = missing_sentence(headers[path], missing)
    if len(required) < FEW_COLUMNS and "(nearest" not in sentence:
        return ""
    return f"{path.name} {sentence} of {title}."


def answer_forms(headers: Headers, *, unread: Iterable[Path] = ()) -> tuple[str, ...]:
    """Return a note per table that is a form for a competition's answers rather than labels."""
    forms = {path for path, header in headers.items() if "predictionstring" in {matching_key(cell) for cell in header}}
    return tuple(
        f"{path.name} was not read: it is a form for answers; the images it lists have no labels."
        for path in sorted(forms | set(unread))
    )


def largest_first(paths: Iterable[Path]) -> list[Path]:
    """Return paths by size, so that of two tables with the same images the fuller one is read."""
    return sorted(paths, key=lambda path: (-path.stat().st_size, path))


def is_repeat(intake: Intake, path: Path, *, rows: str, seen: str) -> bool:
    """Say whether the table just read lists only images of ``seen``; it then leaves the account, with a note.

    ``rows`` and ``seen`` are tables with the column image_id. Raises CxrdashError where a table lists
    some images again and others not: nothing says which of the two is right.
    """
    ((again, known),) = intake.con.execute(REPEATED, {"rows": rows, "seen": seen}).fetchall()
    if not again:
        return False
    if again < known:
        raise CxrdashError(
            f"{shown_path(path)} lists {again:,} rows of images that stand in a table read before it, and others.",
            "Give the folder of one release, or move one of the tables elsewhere.",
        )
    intake.withdraw()
    intake.note(f"{path.name} was not read: its images are in a table read before it.")
    return True
