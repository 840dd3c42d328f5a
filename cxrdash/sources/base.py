"""What every dataset module gives the index: a claim on files, then canonical staging tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import duckdb

from cxrdash.labels.findings import Finding
from cxrdash.sources.card import Card

# Every source fills these tables of the build connection; the index turns them into the star schema.
# `record` counts data records of the file from 0 (the header is not one); the index turns it into the
# physical line before anyone sees it.
STAGING_TABLES = """
CREATE TABLE staged_images (
    image_id VARCHAR,          -- unique within the dataset; duplicates are judged by the index
    patient_id VARCHAR,        -- NULL where the dataset has none
    study_id VARCHAR,          -- unique within the dataset; NULL where the dataset has none
    view VARCHAR,              -- PA, AP, AP_SUPINE, FRONTAL_UNKNOWN, LATERAL, LATERAL_DECUBITUS, OBLIQUE,
                               -- OTHER, UNKNOWN
    view_raw VARCHAR,
    sex VARCHAR,               -- F, M, other, unknown
    age_years DOUBLE,          -- NULL where unknown
    age_flag VARCHAR,          -- NULL, top_coded, placeholder, implausible
    split VARCHAR,             -- train, valid, test, train_valid; NULL where not stated
    order_in_patient INTEGER,  -- time order within the patient, NULL where the dataset gives none
    width INTEGER, height INTEGER,            -- pixels, as the dataset states them for the original film
    spacing_x_mm DOUBLE, spacing_y_mm DOUBLE, -- millimetres per original pixel
    labels VARCHAR,            -- the key into staged_labels: the raw text of the label cells
    file_key VARCHAR,          -- matches Source.image_key of an image file
    file INTEGER,              -- position in Staged.files
    record BIGINT
);
CREATE TABLE staged_labels (labels VARCHAR, finding VARCHAR, state VARCHAR);   -- no row for blank
CREATE TABLE staged_boxes (image_id VARCHAR, finding VARCHAR, reader VARCHAR,
    x DOUBLE, y DOUBLE, w DOUBLE, h DOUBLE, coordinate_space VARCHAR);
CREATE TABLE staged_masks (image_id VARCHAR, structure VARCHAR, width INTEGER, height INTEGER, rle VARCHAR,
    convention VARCHAR, quality DOUBLE);
CREATE TABLE staged_readings (image_id VARCHAR, reader VARCHAR, finding VARCHAR, state VARCHAR);
CREATE TABLE staged_reports (study_id VARCHAR, section VARCHAR, report VARCHAR);
CREATE TABLE staged_attributes (image_id VARCHAR, attribute VARCHAR, level VARCHAR); -- such as who labelled it
CREATE TABLE staged_set_aside (
    file INTEGER, record BIGINT, column_name VARCHAR, value VARCHAR, reason VARCHAR,
    what VARCHAR               -- 'row': the row is not in the index; 'value': the row is, this value is not
);
"""


@dataclass(frozen=True)
class ImageFile:
    """One image file met on the walk: ``path`` is relative to ``roots[root]``, with forward slashes."""

    root: int
    path: str


@dataclass(frozen=True)
class Inventory:
    """What one walk over the dataset's folder (and further image folders) found.

    ``roots[0]`` is the dataset's folder. ``tables`` are files that could hold labels or lists
    (.csv, .tsv, .txt, plain, .gz or .zip); ``reports`` are .xml files and .tgz archives that may hold such;
    ``skipped_links`` are links leading elsewhere; ``notes`` say what was left out, one sentence each.
    """

    roots: tuple[Path, ...]
    tables: tuple[Path, ...]
    images: tuple[ImageFile, ...]
    skipped_links: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    reports: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Claim:
    """Files that a source recognises by their columns: ``roles`` maps a role to the files playing it."""

    source: str
    roles: dict[str, tuple[Path, ...]]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReadFile:
    """A table as read: where it came from, its digest, and how many data records it holds."""

    path: Path
    sha256: str
    bytes: int
    mtime_ns: int
    records: int
    recognised_as: str
    plain: Path  # the decompressed, UTF-8 copy that was read (may be the file itself)
    counts_images: bool = True  # False for boxes, lists and second opinions: their rows are no images
    has_lines: bool = True  # False where a record is a film or another thing without a line


@dataclass
class Staged:
    """What a source says beside its staging tables."""

    files: list[ReadFile] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # one sentence each, shown in the load audit
    image_column: str = "image id"  # the column that identifies an image, as the files call it
    variant: str = ""  # which release or layout was recognised, matches Card.published[].variant


class Source(Protocol):
    """One dataset module. Instances hold no state.

    A source whose films say more than its tables has ``header_use`` too (see ``film_headers.HeaderUse``).
    """

    name: str
    card: Card

    def claim(self, headers: dict[Path, tuple[str, ...]]) -> Claim | None:
        """Return the files this source reads, judged by their column names, or None.

        An XML file has one column name, its root element; an archive has none.
        """
        ...

    def nearest(self, headers: dict[Path, tuple[str, ...]]) -> str:
        """Return one sentence: which file came nearest and which columns it lacks ('' if none near)."""
        ...

    def image_key(self, path: str) -> str:
        """Return the key by which an image file (relative path) is looked up from a row."""
        ...

    def stage(self, con: duckdb.DuckDBPyConnection, claim: Claim, workspace: Path, *, allow_bad_rows: bool) -> Staged:
        """Fill the staging tables of ``con``; temporary files go to ``workspace``.

        Raises CxrdashError where a file cannot be read without guessing.
        """
        ...


Headers = dict[Path, tuple[str, ...]]
