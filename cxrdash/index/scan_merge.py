"""From the parts of a scan to the table `measures`, and to a new generation that holds it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from cxrdash.images import orientation
from cxrdash.images.orientation import FRONTAL, LATERAL, VARIANTS, Films
from cxrdash.index import duplicates, schema
from cxrdash.index.scan_parts import NEWEST, film_files, parts_of

MOST_IN_TEMPLATE = 2_000  # films, of as many patients
SCORED_AT_ONCE = 20_000
NEVER_FOUND = "no file was found when the dataset was indexed"
GONE = "not on disk"

STATES = """
CREATE OR REPLACE TEMP TABLE film_states (image INTEGER, key UBIGINT, status VARCHAR, reason VARCHAR);
CREATE OR REPLACE TEMP TABLE film_scores (
    image INTEGER, template VARCHAR, r FLOAT, variant VARCHAR, best_r FLOAT, lateral_r FLOAT);
CREATE OR REPLACE TEMP TABLE view_groups (view VARCHAR, template VARCHAR);
"""
# The parts hold more films than the index where files changed since; only those of the index are taken.
FILMS = f"""
CREATE OR REPLACE TEMP VIEW film_rows AS
SELECT image, parts.* EXCLUDE (key) FROM film_states JOIN ({NEWEST}) AS parts USING (key)
"""
# One film of each patient, patients in an order that is the same on every machine.
OF_TEMPLATE = """
WITH firsts AS (
    SELECT coalesce(patient::VARCHAR, 'image ' || image) AS person, arg_min(image, sample_key) AS image,
           min(sample_key) AS place
    FROM film_rows JOIN images USING (image) JOIN view_groups USING (view)
    WHERE film_rows.status = 'ok' AND template = $template GROUP BY person)
SELECT small FROM film_rows WHERE image IN (SELECT image FROM firsts ORDER BY place, image LIMIT $most) ORDER BY image
"""
TO_SCORE = """
SELECT image, template, small FROM film_rows JOIN images USING (image) LEFT JOIN view_groups USING (view)
WHERE film_rows.status = 'ok' AND image >= $first AND image < $first + $most ORDER BY image
"""
FILL = """
INSERT INTO measures BY NAME
WITH grouped AS (
    SELECT film_rows.*, view_groups.template AS view_group
    FROM film_rows JOIN images USING (image) LEFT JOIN view_groups USING (view)),
medians AS (
    SELECT view_group, median(sharpness) AS usual FROM grouped WHERE status = 'ok' GROUP BY view_group),
measured AS (
    SELECT grouped.* EXCLUDE (view_group), sharpness / nullif(usual, 0) AS relative_sharpness
    FROM grouped LEFT JOIN medians ON grouped.view_group IS NOT DISTINCT FROM medians.view_group)
SELECT film_states.image, coalesce(measured.status, film_states.status) AS status,
       coalesce(measured.reason, film_states.reason) AS reason,
       measured.* EXCLUDE (image, status, reason, kind, small, scanned_at, lasting),
       film_scores.template, r AS orientation_r, variant AS best_variant, best_r, lateral_r
FROM film_states LEFT JOIN measured USING (image) LEFT JOIN film_scores USING (image) ORDER BY film_states.image
"""
# The fields of a part that are no columns of the table: read, and left out.
NO_PARTS = """
INSERT INTO measures (image, status, reason) SELECT image, status, reason FROM film_states ORDER BY image
"""


def fill_measures(
    con: duckdb.DuckDBPyConnection,
    parts_folder: Path,
    roots: Sequence[Path],
    pictures: duplicates.Pictures | None = None,
) -> dict[str, Any]:
    """Fill `measures` of an index that is being written, from the parts of its dataset; nothing is decoded.

    Returns facts for `meta`: images by status, how many films each template was made of, and how many
    were compared for duplicates (looked for where ``pictures`` gives thumbnails). Only films whose file
    is as it was when it was measured count; the others are "not scanned" or "missing".
    """
    parts = parts_of(parts_folder)
    compared: dict[str, Any] = {"compared": 0, "not_compared": 0}
    con.execute(STATES)
    _look_at_files(con, roots)
    templates = {}
    if parts:
        con.execute(FILMS.replace("$parts", _listed(parts)))
        templates = _score(con)
        con.execute(FILL)
        compared = duplicates.fill_duplicates(con, parts_folder, roots, pictures)
    else:
        con.execute(NO_PARTS)
    statuses = con.execute("SELECT status, count(*) FROM measures GROUP BY status ORDER BY status").fetchall()
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "statuses": {status: int(count) for status, count in statuses},
        "templates": templates,
        "duplicates": compared,
    }


def _listed(paths: Sequence[str]) -> str:
    """A list of texts as SQL writes it: a view cannot have parameters."""
    return "[" + ", ".join("'" + path.replace("'", "''") + "'" for path in paths) + "]"


def _look_at_files(con: duckdb.DuckDBPyConnection, roots: Sequence[Path]) -> None:
    import pyarrow as pa

    for here, unknown, gone in film_files(con.cursor(), roots):
        images = [film.image for film in here] + unknown + gone
        keys: list[int | None] = [film.key for film in here]
        keys += [None] * (len(unknown) + len(gone))
        statuses = ["not scanned"] * len(here) + ["missing"] * (len(unknown) + len(gone))
        reasons = [""] * len(here) + [NEVER_FOUND] * len(unknown) + [GONE] * len(gone)
        table = {"image": images, "key": pa.array(keys, pa.uint64()), "status": statuses, "reason": reasons}
        con.register("looked_at", pa.table(table))
        con.execute("INSERT INTO film_states SELECT * FROM looked_at")
        con.unregister("looked_at")


def _score(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Make the templates and score every film; return how many films each template was made of."""
    con.executemany("INSERT INTO view_groups VALUES (?, ?)", list(orientation.GROUPS.items()))
    patterns: dict[str, Films] = {}
    made_of: dict[str, int] = {}
    for group in dict.fromkeys(orientation.GROUPS.values()):
        films = _films(con.execute(OF_TEMPLATE, {"template": group, "most": MOST_IN_TEMPLATE}).fetchnumpy()["small"])
        pattern = orientation.template(films, facing=group == LATERAL)
        if pattern is not None:
            patterns[group], made_of[group] = pattern, len(films)
    for image, groups, films in _portions(con):
        _write_scores(con, image, groups, films, patterns)
    return made_of


def _films(small: Iterable[Any]) -> Films:
    return orientation.standardised(np.frombuffer(b"".join(map(bytes, small)), np.uint8))


def _portions(con: duckdb.DuckDBPyConnection) -> Iterator[tuple[NDArray[np.int64], NDArray[Any], Films]]:
    ((last,),) = con.execute("SELECT coalesce(max(image), -1) FROM film_states").fetchall()
    for first in range(0, last + 1, SCORED_AT_ONCE):
        found = con.execute(TO_SCORE, {"first": first, "most": SCORED_AT_ONCE}).fetchnumpy()
        if len(found["image"]):
            groups = np.ma.filled(np.ma.asarray(found["template"]), None)
            yield np.asarray(found["image"], np.int64), groups, _films(found["small"])


def _write_scores(
    con: duckdb.DuckDBPyConnection,
    image: NDArray[np.int64],
    groups: NDArray[Any],
    films: Films,
    patterns: dict[str, Films],
) -> None:
    import pyarrow as pa

    for group, pattern in patterns.items():
        of = groups == group
        if not of.any():
            continue
        found = orientation.scores(films[of], pattern, facing=group == LATERAL)
        beside = None
        if group == FRONTAL and LATERAL in patterns:
            beside = orientation.scores(films[of], patterns[LATERAL], facing=True).r
        rows = {
            "image": image[of],
            "template": [group] * int(of.sum()),
            "r": found.r,
            "variant": [VARIANTS[best] for best in found.best],
            "best_r": found.best_r,
            "lateral_r": pa.array(beside, pa.float32()) if beside is not None else pa.nulls(len(found.r), pa.float32()),
        }
        con.register("scored", pa.table(rows))
        con.execute("INSERT INTO film_scores SELECT * FROM scored")
        con.unregister("scored")


def with_measures(
    index: Path, copy: Path, parts_folder: Path, *, generation: str, pictures: duplicates.Pictures | None = None
) -> dict[str, Any]:
    """Write a copy of an index whose `measures` are filled from the parts, named as a new generation.

    Returns the facts that ``fill_measures`` returns; they stand in its `meta` under "scan".
    """
    shutil.copyfile(index, copy)
    con = duckdb.connect(str(copy), config={"autoinstall_known_extensions": False})
    try:
        con.execute("DROP TABLE measures")
        con.execute(schema.MEASURES)
        for statement in schema.comment_statements("measures"):
            con.execute(statement)
        duplicates.fresh_tables(con)
        meta = {key: json.loads(value) for key, value in con.execute("SELECT key, value FROM meta").fetchall()}
        facts = fill_measures(con, parts_folder, [Path(root) for root in meta["roots"]], pictures)
        con.execute("DELETE FROM meta WHERE key IN ('generation', 'scan')")
        new = {"generation": generation, "scan": facts}
        con.executemany("INSERT INTO meta VALUES (?, ?)", [(key, json.dumps(value)) for key, value in new.items()])
        con.execute("CHECKPOINT")
    finally:
        con.close()
    return facts
