"""A dataset of the user's own, read as its cxrdash.toml declares."""

from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb

from cxrdash.errors import CxrdashError, shown
from cxrdash.sources.base import Claim, Headers, Inventory, ReadFile, Staged
from cxrdash.sources.card import Card
from cxrdash.sources.film_headers import HeaderUse
from cxrdash.sources.folder import shown_path
from cxrdash.sources.local_images import (
    TABLE,
    patient_rule,
    pseudonym,
    stage_dicom_images,
    stage_file_images,
    stage_table_images,
)
from cxrdash.sources.local_joins import stage_joined
from cxrdash.sources.local_labels import Labels
from cxrdash.sources.local_tables import MACROS, MEANINGS, Reading, film_key
from cxrdash.sources.mapping import FILE_NAME, Mapping, read_mapping
from cxrdash.sources.sql import quote_identifier
from cxrdash.sources.staging import Intake

NAME = "local"
IMAGES = """
INSERT INTO staged_images
SELECT image_id, patient, study, coalesce(views.meaning, 'UNKNOWN'), view, coalesce(sexes.meaning, 'unknown'),
    ages.number, ages.flag, parts.meaning,
    CASE WHEN places.number IS NOT NULL AND NOT places.odd THEN
        dense_rank() OVER (PARTITION BY patient, places.number IS NULL OR places.odd ORDER BY places.number) - 1 END,
    width, height, spacing_x_mm, spacing_y_mm, labels, film, file, record
FROM local_images
LEFT JOIN local_meanings AS views ON views.attribute = 'view' AND views.raw = view
LEFT JOIN local_meanings AS sexes ON sexes.attribute = 'sex' AND sexes.raw = sex
LEFT JOIN local_meanings AS ages ON ages.attribute = 'age' AND ages.raw = age
LEFT JOIN local_meanings AS parts ON parts.attribute = 'split' AND parts.raw = split
LEFT JOIN local_meanings AS places ON places.attribute = 'place' AND places.raw = place
"""
ATTRIBUTE = """
INSERT INTO staged_attributes
SELECT image_id, $name, min({column}) FROM local_images WHERE {column} IS NOT NULL GROUP BY image_id
"""
MOST_LEVELS = 200
NO_PATIENTS = (
    "No patient ids are declared: every image counts as a patient of its own, intervals are too narrow where a patient "
    "has several images, and a split by patient cannot be made or checked."
)


def find_mapping(folder: Path, named: Path | None) -> Mapping | None:
    """Return the mapping the user named, else the cxrdash.toml of the folder, else None."""
    path = named or folder.expanduser() / FILE_NAME
    if not named and not path.is_file():
        return None
    if not path.is_file():
        raise CxrdashError(f"{shown_path(path)} does not exist.", "Draft one with: python -m cxrdash init FOLDER")
    return read_mapping(path)


class Local:
    """The source that a mapping makes: one per build."""

    name = NAME

    def __init__(self, mapping: Mapping, inventory: Inventory) -> None:
        self.mapping = mapping
        self.inventory = inventory
        self.card = card_of(mapping, inventory)
        self.header_use = _header_use(mapping)

    def claim(self, headers: Headers) -> Claim:
        """Return the tables that the mapping names and that are there."""
        root = self.inventory.roots[0]
        named = {*self.mapping.images.tables, *(one.table for one in self.mapping.joined), self.mapping.labels.table}
        paths = {root / name.replace("\\", "/") for name in named if name}
        return Claim(self.name, {"tables": tuple(sorted(path for path in headers if path in paths))})

    def nearest(self, headers: Headers) -> str:  # noqa: ARG002 - a mapping always fits
        """Return nothing: a declared dataset is never searched for."""
        return ""

    def image_key(self, path: str) -> str:
        """Return the part of a path by which rows name their film."""
        by_table = self.mapping.images.source == "tables"
        return film_key(path, self.mapping.images.match if by_table else "path")

    def stage(self, con: duckdb.DuckDBPyConnection, claim: Claim, workspace: Path, *, allow_bad_rows: bool) -> Staged:  # noqa: ARG002
        """Stage images, what joined tables add, and labels; see ``Source.stage``."""
        intake = Intake(con, workspace, allow_bad_rows=allow_bad_rows)
        reading = Reading(intake, self.mapping, self.inventory)
        for statement in (MACROS, MEANINGS, TABLE):
            con.execute(statement)
        if salt := self.mapping.privacy.salt:
            con.create_function("local_pseudonym", lambda text: pseudonym(text, salt=salt), ["VARCHAR"], "VARCHAR")
        labels = Labels(reading)
        self._stage_images(reading, labels)
        stage_joined(reading)
        if self.mapping.labels.table:
            labels.from_table_apart()
        intake.staged.findings = labels.findings()
        labels.stage(intake.staged.findings)
        self._hide_ids(con)
        con.execute(IMAGES)
        self._stage_attributes(con)
        intake.staged.files.append(_account(self.mapping.path))
        intake.staged.image_column = self.mapping.images.image or "image id"
        self._note(intake)
        return intake.staged

    def _stage_images(self, reading: Reading, labels: Labels) -> None:
        if self.mapping.images.source == "tables":
            stage_table_images(reading, labels.onto_images)
        elif self.mapping.images.source == "files":
            stage_file_images(reading)
        else:
            stage_dicom_images(reading)

    def _stage_attributes(self, con: duckdb.DuckDBPyConnection) -> None:
        """Stage what the mapping names beyond view, sex, age and part."""
        named = [self.mapping.images.attributes, *(joined.attributes for joined in self.mapping.joined)]
        for name in dict.fromkeys(name for attributes in named for name in attributes):
            column = quote_identifier(f"attribute {name}")
            ((levels,),) = con.execute(f"SELECT count(DISTINCT {column}) FROM local_images").fetchall()
            if levels > MOST_LEVELS:
                what = f"the column of '{name}' holds {levels:,} different values"
                self.mapping.refuse("attributes", what, f"Images can be split by at most {MOST_LEVELS} levels.")
            con.execute(ATTRIBUTE.format(column=column), {"name": name})

    def _hide_ids(self, con: duckdb.DuckDBPyConnection) -> None:
        """Leave patients out, or hash image and study ids, where the mapping asks for it."""
        if self.mapping.privacy.patient_ids == "none":
            con.execute("UPDATE local_images SET patient = NULL")
        if self.mapping.privacy.image_ids == "hash":
            con.execute("UPDATE local_images SET image_id = local_pseudonym(image_id), study = local_pseudonym(study)")

    def _note(self, intake: Intake) -> None:
        intake.note(f"Read as {self.mapping.path.name} declares.")
        found = {self.image_key(image.path) for image in self.inventory.images}
        films = intake.con.execute("SELECT DISTINCT file_key FROM staged_images ORDER BY ALL").fetchall()
        missing = [film for (film,) in films if film not in found]
        if missing and found:
            intake.note(
                f"{len(missing):,} of {len(films):,} films were not found by [images] match = "
                f"\"{self.mapping.images.match}\", such as '{shown(missing[0])}'; "
                f"a film that is there: '{shown(min(found))}'."
            )
        unnamed = len(found) - (len(films) - len(missing))
        if unnamed and self.mapping.images.source == "tables":
            intake.note(f"{unnamed:,} image files are named by no row.")
        if not intake.count("SELECT count(patient_id) FROM staged_images"):
            intake.note(NO_PATIENTS)


def _header_use(mapping: Mapping) -> HeaderUse | None:
    if mapping.images.source != "tables" or not mapping.images.headers:
        return None
    patient = patient_rule(mapping) if mapping.takes_patients else None
    return HeaderUse(patient=patient, studies=not mapping.images.study, no_patients=NO_PATIENTS)


def _account(path: Path) -> ReadFile:
    """The mapping itself is a file of the dataset, so that the app says when it has changed."""
    status = path.stat()
    return ReadFile(
        path=path.absolute(),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        bytes=status.st_size,
        mtime_ns=status.st_mtime_ns,
        records=0,
        recognised_as="mapping",
        plain=path,
        counts_images=False,
        has_lines=False,
    )


def card_of(mapping: Mapping, inventory: Inventory) -> Card:
    """Return the card that the mapping's [dataset] makes."""
    stated = mapping.dataset
    return Card(
        name=NAME,
        title=stated.title or stated.name or inventory.roots[0].name,
        citation=stated.citation,
        licence=stated.licence,
        terms=stated.terms,
        label_provenance=stated.label_provenance,
        label_unit=stated.label_unit,
        negative_means=stated.negative_means,
        blank_means=stated.blank_means,
        order_source=stated.order_source,
        known_problems=(),
        findings=(),
        published=(),
    )
