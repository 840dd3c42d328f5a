"""The images of a local dataset: rows of its tables, files of its folder, or films with their headers."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Mapping as Keyed
from dataclasses import replace
from functools import partial
from typing import Any

from cxrdash.errors import CxrdashError, shown
from cxrdash.sources.film_headers import (
    RASTERS,
    FilmAccount,
    FilmFacts,
    ReadFilm,
    as_stated,
    film_facts,
    insert_aside,
    insert_rows,
    read_headers,
)
from cxrdash.sources.local_tables import ATTRIBUTES, LocalTable, Reading, film_key
from cxrdash.sources.mapping import PLACEHOLDER, Mapping, texts_of
from cxrdash.sources.sql import quote_identifier

COLUMNS = ("patient", "study", "view", "sex", "age", "split", "order")

# Texts as they stand; what they mean is in local_meanings.
TABLE = """
CREATE TEMP TABLE local_images (
    file INTEGER, record BIGINT, image_id VARCHAR, film VARCHAR, patient VARCHAR, study VARCHAR, view VARCHAR,
    sex VARCHAR, age VARCHAR, split VARCHAR, place VARCHAR, width INTEGER, height INTEGER, spacing_x_mm DOUBLE,
    spacing_y_mm DOUBLE, labels VARCHAR)
"""
FROM_TABLE = """
INSERT INTO local_images
SELECT $file, record, {image}, film_key({image}, $match), {patient}, {study}, {view}, {sex}, {age},
    coalesce({split}, $part), {place}, NULL, NULL, NULL, NULL, NULL{further}
FROM query_table($rows)
WHERE record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""
WITHOUT_ID = """
CREATE OR REPLACE TEMP VIEW local_without_id AS
SELECT record, CASE WHEN {image} IS NULL THEN {{'column_name': 'image id', 'value': NULL::VARCHAR,
    'reason': 'the image id is missing'}} END AS fault
FROM local_rows
"""


def stage_table_images(reading: Reading, labels: Callable[[LocalTable], None]) -> None:
    """Read the image tables one after another; ``labels`` then reads their label columns."""
    images = reading.mapping.images
    wanted = _columns_of(images) | attribute_columns(images.attributes)
    label_columns = _label_columns(reading.mapping)
    add_columns(reading, attribute_columns(images.attributes))
    for name in images.tables:
        table = reading.table(name, wanted | label_columns, separator=images.separator, where="[images]", images=True)
        image = _image_sql(reading.mapping, table)
        reading.intake.con.execute(WITHOUT_ID.format(image=image))
        reading.intake.set_aside_rows(table.file, "local_without_id")
        reading.understand(table)
        part = images.splits.get(name)
        reading.learn("split", [part] if part else [])
        fields = {attribute: table.field(attribute) for attribute in ATTRIBUTES}
        fields["patient"] = reading.hidden(fields["patient"])
        further = "".join(f", {table.field(name)}" for name in attribute_columns(images.attributes))
        sql = FROM_TABLE.format(image=image, further=further, **fields)
        values = {"file": table.file, "match": images.match, "rows": table.rows, "part": part}
        reading.intake.con.execute(sql, values)
        labels(table)


def attribute_columns(attributes: Keyed[str, str]) -> dict[str, str]:
    """Return the columns declared for further attributes by their name among the other columns of an image."""
    return {f"attribute {name}": column for name, column in attributes.items()}


def add_columns(reading: Reading, names: Iterable[str]) -> None:
    """Give `local_images` columns of these names where it has none yet."""
    for name in names:
        reading.intake.con.execute(
            f"ALTER TABLE local_images ADD COLUMN IF NOT EXISTS {quote_identifier(name)} VARCHAR"
        )


def _columns_of(images: Any) -> dict[str, str]:
    wanted = texts_of(images, ("image", *COLUMNS))
    return {("place" if name == "order" else name): column for name, column in wanted.items()}


def _label_columns(mapping: Mapping) -> dict[str, str]:
    labels = mapping.labels
    if labels.table:
        return {}
    return {"labels": labels.list} if labels.list else {f"label {at}": name for at, name in enumerate(labels.columns)}


def _image_sql(mapping: Mapping, table: LocalTable) -> str:
    """Return the SQL of the image id: its column, or the template of [images] file with its columns filled in."""
    if not mapping.images.file:
        return table.field("image")
    pieces = PLACEHOLDER.split(mapping.images.file)
    # Texts of the template are literals; the columns between them are fields of the view.
    texts = ["'" + piece.replace("'", "''") + "'" for piece in pieces[::2]]
    fields = [table.field(name) for name in pieces[1::2]]
    mixed = [part for pair in zip(texts, [*fields, ""], strict=True) for part in pair if part]
    return f"({' || '.join(mixed)})"


def stage_file_images(reading: Reading) -> None:
    """Make a row of every image file; the groups of [images] pattern fill its ids, view and part."""
    mapping, intake = reading.mapping, reading.intake
    account, number = FilmAccount(), len(intake.staged.files)
    pattern, kept = re.compile(mapping.images.pattern), patient_rule(mapping)
    rows: list[tuple[Any, ...]] = []
    aside: list[tuple[Any, ...]] = []
    for record, image in enumerate(reading.inventory.images):
        found = pattern.search(image.path) if mapping.images.pattern else None
        if mapping.images.pattern and not found:
            aside.append((number, record, "file", image.path, "does not fit [images] pattern", "value"))
        groups = found.groupdict() if found else {}
        told = [groups.get(name) or None for name in ("patient", "study", "view")]
        told[0] = kept(told[0]) if told[0] and kept else None
        rows.append(
            (
                *(number, record, groups.get("image") or image.path, film_key(image.path, "path"), *told, None, None),
                *(groups.get("split") or None, *[None] * 6),
            )
        )
    _refuse_none(rows, "no image files")
    folder = reading.inventory.roots[0]
    listed = account.file(folder, len(rows), counts_images=True)
    digest = hashlib.sha256("\n".join(row[3] for row in rows).encode()).hexdigest()
    intake.staged.files.append(replace(listed, recognised_as="image files", sha256=digest))
    _learn_texts(reading, rows)
    insert_rows(intake.con, "local_images", rows)
    insert_aside(intake.con, aside)


def _learn_texts(reading: Reading, rows: Sequence[tuple[Any, ...]]) -> None:
    for attribute, at in (("view", 6), ("sex", 7), ("age", 8), ("split", 9)):
        reading.learn(attribute, sorted({row[at] for row in rows if row[at]}))


def stage_dicom_images(reading: Reading) -> None:
    """Make a row of every DICOM film of the declared modalities, from its header alone."""
    mapping, intake = reading.mapping, reading.intake
    films = [image for image in reading.inventory.images if not image.path.lower().endswith(RASTERS)]
    account, number = FilmAccount(), len(intake.staged.files)
    rows: dict[int, tuple[Any, ...]] = {}
    moments: dict[str, list[tuple[str, int]]] = defaultdict(list)
    aside: list[tuple[Any, ...]] = []
    for record, film in enumerate(read_headers(reading.inventory.roots, films, patient_rule(mapping))):
        path = film.image.path
        reason = film.reason or _no_film(film, mapping.images.modalities)
        if film.header is None or reason:
            aside.append((number, record, "film", path, reason, "row"))
            continue
        facts = film_facts(film.header, studies=True)
        account.add(path, film.header, facts)
        aside += [(number, record, f"{name} of {path}", value, why, "value") for name, value, why in facts.odd]
        rows[record] = _film_row(number, record, film, facts)
        if facts.patient_id and film.header.moment.strip():
            moments[facts.patient_id].append((film.header.moment, record))
    intake.staged.files.append(account.file(reading.inventory.roots[0], len(films), counts_images=True))
    _refuse_none(films, "no DICOM files")
    places = _places(moments)
    made = [(*row[:10], places.get(record), *row[11:]) for record, row in rows.items()]
    _learn_texts(reading, made)
    known = [("place", place, None, float(place), None, False) for place in sorted(set(places.values()))]
    insert_rows(intake.con, "local_meanings", known)
    insert_rows(intake.con, "local_images", made)
    insert_aside(intake.con, aside)
    intake.staged.notes += account.notes()
    if rasters := len(reading.inventory.images) - len(films):
        intake.note(f"{rasters:,} PNG, JPEG or TIFF files were not read: the images come from DICOM headers.")


def _no_film(film: ReadFilm, modalities: Sequence[str]) -> str:
    if film.header is None:
        return "cannot be read"
    modality = film.header.facts.get("Modality", "")
    if modality not in modalities:
        return f"its modality is {shown(modality, 16) or 'not stated'}, not {' or '.join(modalities)}"
    if not film.header.has_pixels:
        return "holds no picture"
    return "" if "SOPInstanceUID" in film.header.facts else "has no SOPInstanceUID"


def _film_row(number: int, record: int, film: ReadFilm, facts: FilmFacts) -> tuple[Any, ...]:
    stated = film.header.facts if film.header else {}
    return (
        number,
        record,
        stated.get("SOPInstanceUID"),
        film_key(film.image.path, "path"),
        facts.patient_id,
        facts.study_id,
        facts.view_raw,
        stated.get("PatientSex"),
        stated.get("PatientAge"),
        None,
        None,
        facts.width,
        facts.height,
        facts.spacing_x_mm,
        facts.spacing_y_mm,
        None,
    )


def _places(moments: dict[str, list[tuple[str, int]]]) -> dict[int, str]:
    """Return the place of each film among its patient's, from 0; films of one moment share a place."""
    places: dict[int, str] = {}
    for films in moments.values():
        order = {moment: place for place, moment in enumerate(sorted({moment for moment, _ in films}))}
        places |= {record: str(order[moment]) for moment, record in films}
    return places


def _refuse_none(found: Sequence[object], what: str) -> None:
    if not found:
        raise CxrdashError(f"The folder holds {what}.", "Check [images] from in cxrdash.toml, or name --images DIR.")


def patient_rule(mapping: Mapping) -> Callable[[str], str] | None:
    """Return what becomes of a patient's id: itself, a pseudonym, or None where none is kept."""
    if mapping.privacy.patient_ids == "none":
        return None
    return partial(pseudonym, salt=mapping.privacy.salt) if mapping.hides_patients else as_stated


def pseudonym(text: str, *, salt: str) -> str:
    """Return 20 hexadecimal digits that stand for an id: a BLAKE2b hash keyed with the mapping's salt.

    The same in every build with that salt. Whoever has the salt can test guesses of an id, so it stays
    in cxrdash.toml beside the data and is never in the index.
    """
    key = bytes.fromhex(salt[: len(salt) // 2 * 2])
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=key, digest_size=10).hexdigest()
