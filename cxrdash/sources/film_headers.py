"""Facts from the DICOM headers of a dataset's films: view, sex, age, size, and the patient where that is allowed."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from cxrdash.errors import shown
from cxrdash.images.film import UnreadableFilm
from cxrdash.images.header import Header, read_header
from cxrdash.sources.base import ImageFile, Inventory, ReadFile, Source, Staged

THREADS = 8  # reading waits for the disk or the network more than for the processor
RASTERS = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
OLDEST = 110
LONGEST_SIDE = 100_000  # pixels
COARSEST_MM = 10.0
RECOGNISED = "DICOM headers"
SHOWN_ELEMENTS = 8

# Defined terms of View Position (PS3.3 C.8.1.2.1 and C.8.11.5) and what films hold besides.
VIEWS = {
    **{"PA": "PA", "AP": "AP", "LL": "LATERAL", "RL": "LATERAL", "L": "LATERAL", "LAT": "LATERAL"},
    **{"LATERAL": "LATERAL", "LLD": "LATERAL_DECUBITUS", "RLD": "LATERAL_DECUBITUS"},
    **dict.fromkeys(("LLO", "RLO", "LAO", "RAO", "LPO", "RPO"), "OBLIQUE"),
}
SEXES = {"F": "F", "M": "M", "O": "other"}
AGE = re.compile(r"(\d{1,3})([YMWD]?)")
PER_YEAR = {"": 1, "Y": 1, "M": 12, "W": 365.25 / 7, "D": 365.25}

COLUMNS = (
    *("file_key VARCHAR", "patient_id VARCHAR", "study_id VARCHAR", "view VARCHAR", "view_raw VARCHAR"),
    *("sex VARCHAR", "age_years DOUBLE", "age_flag VARCHAR", "width INTEGER", "height INTEGER"),
    *("spacing_x_mm DOUBLE", "spacing_y_mm DOUBLE"),
)
# What the tables say stands; the header fills what they leave open.
JOIN = """
UPDATE staged_images SET
    patient_id = coalesce(staged_images.patient_id, told.patient_id),
    study_id = coalesce(staged_images.study_id, told.study_id),
    view_raw = CASE WHEN told.view IS NOT NULL AND staged_images.view IN ('UNKNOWN', 'FRONTAL_UNKNOWN')
        THEN told.view_raw ELSE staged_images.view_raw END,
    view = CASE WHEN staged_images.view IN ('UNKNOWN', 'FRONTAL_UNKNOWN')
        THEN coalesce(told.view, staged_images.view) ELSE staged_images.view END,
    sex = CASE WHEN staged_images.sex = 'unknown' THEN coalesce(told.sex, 'unknown') ELSE staged_images.sex END,
    age_flag = CASE WHEN staged_images.age_years IS NULL THEN coalesce(staged_images.age_flag, told.age_flag)
        ELSE staged_images.age_flag END,
    age_years = coalesce(staged_images.age_years, told.age_years),
    width = coalesce(staged_images.width, told.width), height = coalesce(staged_images.height, told.height),
    spacing_x_mm = coalesce(staged_images.spacing_x_mm, told.spacing_x_mm),
    spacing_y_mm = coalesce(staged_images.spacing_y_mm, told.spacing_y_mm)
FROM film_facts AS told WHERE staged_images.file_key = told.file_key
"""
DISAGREE = """
SELECT count(*) FILTER (WHERE images.view <> told.view AND images.view NOT IN ('UNKNOWN', 'FRONTAL_UNKNOWN')),
    count(*) FILTER (WHERE images.sex <> told.sex AND images.sex <> 'unknown'),
    count(*) FILTER (WHERE floor(images.age_years) <> floor(told.age_years)),
    count(*) FILTER (WHERE (images.width, images.height) <> (told.width, told.height))
FROM staged_images AS images JOIN film_facts AS told USING (file_key)
"""


@dataclass(frozen=True)
class HeaderUse:
    """What a source takes from the headers of its films where its tables are silent.

    ``patient`` turns PatientID into the patient's id; None where it names no patient. ``no_patients`` is
    the note of the source that no longer holds once headers have named them.
    """

    patient: Callable[[str], str] | None = None
    studies: bool = False
    no_patients: str = ""


@dataclass(frozen=True)
class FilmFacts:
    """One film's header in canonical terms; ``odd`` lists (element, value, reason) that were not usable."""

    patient_id: str | None
    study_id: str | None
    view: str | None
    view_raw: str | None
    sex: str | None
    age_years: float | None
    age_flag: str | None
    width: int | None
    height: int | None
    spacing_x_mm: float | None
    spacing_y_mm: float | None
    odd: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class ReadFilm:
    """A film whose header was read, or the reason why it was not."""

    image: ImageFile
    header: Header | None
    reason: str = ""


def as_stated(patient_id: str) -> str:
    """Return PatientID itself: for public datasets whose ids were made up when they were released."""
    return patient_id


def read_headers(
    roots: Sequence[Path], images: Sequence[ImageFile], patient: Callable[[str], str] | None
) -> Iterator[ReadFilm]:
    """Yield every film's header in order; unreadable ones come with their reason."""

    def read(image: ImageFile) -> ReadFilm:
        try:
            return ReadFilm(image, read_header(roots[image.root] / image.path, patient=patient))
        except UnreadableFilm as fault:
            return ReadFilm(image, None, fault.reason)

    with ThreadPoolExecutor(THREADS) as pool:
        yield from pool.map(read, images)


def film_facts(header: Header, *, studies: bool) -> FilmFacts:
    """Return a header in canonical terms: age in years, size in pixels, spacing in mm (columns, then rows).

    An age of 0 years is a placeholder (an infant's is given in months, weeks or days).
    """
    facts, odd = header.facts, []
    view_raw = facts.get("ViewPosition", "")
    view = VIEWS.get(view_raw.upper())
    sex_raw = facts.get("PatientSex", "")
    sex = SEXES.get(sex_raw.upper())
    age, flag = age_of(facts.get("PatientAge", ""))
    if view_raw and not view:
        odd.append(("ViewPosition", view_raw, "not a view position that is known"))
    if sex_raw and not sex:
        odd.append(("PatientSex", sex_raw, "none of F, M and O"))
    if flag == "implausible":
        odd.append(("PatientAge", facts["PatientAge"], f"not an age of 0 to {OLDEST} years"))
    height, width = (_pixels(facts.get(name, "")) for name in ("Rows", "Columns"))
    row_mm, column_mm = _spacing(facts.get("PixelSpacing") or facts.get("ImagerPixelSpacing") or "")
    return FilmFacts(
        patient_id=header.patient or None,
        study_id=(facts.get("StudyInstanceUID") or None) if studies else None,
        view=view,
        view_raw=view_raw or None,
        sex=sex,
        age_years=age,
        age_flag=flag,
        width=width,
        height=height,
        spacing_x_mm=column_mm,
        spacing_y_mm=row_mm,
        odd=tuple(odd),
    )


def age_of(text: str) -> tuple[float | None, str | None]:
    """Return years and flag of an age such as 058Y, 018M, 003W, 012D or, as some write it, 58."""
    if not text:
        return None, None
    found = AGE.fullmatch(text.strip().upper())
    if not found:
        return None, "implausible"
    years = int(found[1]) / PER_YEAR[found[2]]
    if years == 0 and found[2] in ("", "Y"):
        return None, "placeholder"
    return (years, None) if years <= OLDEST else (None, "implausible")


def _pixels(text: str) -> int | None:
    return int(text) if text.isdecimal() and 0 < int(text) <= LONGEST_SIDE else None


def _spacing(text: str) -> tuple[float | None, float | None]:
    """Return row and column spacing in mm (PS3.3 10.7.1.3), None unless both are plausible."""
    try:
        row, column = (float(part) for part in text.split("\\"))
    except ValueError:
        return None, None
    plausible = all(0 < value <= COARSEST_MM for value in (row, column))
    return (row, column) if plausible else (None, None)


class FilmAccount:
    """What the headers of a folder's films hold beyond facts about single films: told as notes."""

    def __init__(self) -> None:
        self.films = 0
        self.filled: Counter[str] = Counter()
        self.with_filled = 0
        self.burned_in = self.unstated = self.inverted = 0
        self._digest = hashlib.sha256()

    def add(self, path: str, header: Header, facts: FilmFacts) -> None:
        self.films += 1
        self.filled.update(header.filled)
        self.with_filled += bool(header.filled)
        burned = header.facts.get("BurnedInAnnotation", "").upper()
        self.burned_in += burned == "YES"
        self.unstated += not burned
        self.inverted += header.facts.get("PhotometricInterpretation", "") == "MONOCHROME1"
        self._digest.update(repr((path, facts)).encode("utf-8", "surrogateescape"))

    def file(self, folder: Path, records: int, *, counts_images: bool) -> ReadFile:
        """Return the folder as a file of the load audit: one record per film."""
        status = folder.stat()
        return ReadFile(
            path=folder,
            sha256=self._digest.hexdigest(),
            bytes=status.st_size,
            mtime_ns=status.st_mtime_ns,
            records=records,
            recognised_as=RECOGNISED,
            plain=folder,
            counts_images=counts_images,
            has_lines=False,
        )

    def notes(self) -> Iterator[str]:
        if not self.films:
            return
        if self.filled:
            common = self.filled.most_common(SHOWN_ELEMENTS)
            listed = ", ".join(f"{name} ({times:,})" for name, times in common)
            more = f" and {len(self.filled) - len(common)} more" if len(self.filled) > len(common) else ""
            yield (
                f"WARNING: {self.with_filled:,} of {self.films:,} films may identify a person: these elements of "
                f"their headers are filled: {listed}{more}. None of them was stored; the files still hold them."
            )
        if self.burned_in or self.unstated:
            yield (
                f"BurnedInAnnotation is YES in {self.burned_in:,} films and not stated in {self.unstated:,} of "
                f"{self.films:,}: a name may stand in the picture itself."
            )
        if self.inverted:
            yield f"{self.inverted:,} of {self.films:,} films are stored inverted (MONOCHROME1)."


def join_headers(con: duckdb.DuckDBPyConnection, source: Source, staged: Staged, inventory: Inventory) -> None:
    """Fill view, sex, age, size and, where ``source.header_use`` allows it, patients from the films' headers.

    Only the films of staged images are opened, each once. What the tables say is kept. The films are one
    more file of the account; those that cannot be read are set aside there, and odd values with them.
    """
    use: HeaderUse | None = getattr(source, "header_use", None)
    wanted = _wanted(con, source, inventory) if use else {}
    if not use or not wanted:
        return
    account, number, rows = FilmAccount(), len(staged.files), []
    aside: list[tuple[Any, ...]] = []
    by_image = {image: key for key, image in wanted.items()}
    for record, film in enumerate(read_headers(inventory.roots, list(by_image), use.patient)):
        if film.header is None:
            aside.append((number, record, "film", film.image.path, film.reason, "row"))
            continue
        facts = film_facts(film.header, studies=use.studies)
        account.add(film.image.path, film.header, facts)
        aside += [
            (number, record, f"{name} of {film.image.path}", value, why, "value") for name, value, why in facts.odd
        ]
        rows.append((by_image[film.image], *tuple(facts.__dict__.values())[:-1]))
    staged.files.append(account.file(inventory.roots[0], len(wanted), counts_images=False))
    insert_aside(con, aside)
    _update(con, rows, staged)
    staged.notes += account.notes()
    _note_patients(con, staged, use)


def _wanted(con: duckdb.DuckDBPyConnection, source: Source, inventory: Inventory) -> dict[str, ImageFile]:
    """Return the first film by path of every staged image, where that may be a DICOM file."""
    staged = {key for (key,) in con.execute("SELECT file_key FROM staged_images").fetchall()}
    found: dict[str, ImageFile] = {}
    for image in inventory.images:
        found.setdefault(source.image_key(image.path), image)
    return {key: image for key, image in found.items() if key in staged and not image.path.lower().endswith(RASTERS)}


def _update(con: duckdb.DuckDBPyConnection, rows: list[tuple[Any, ...]], staged: Staged) -> None:
    con.execute(f"CREATE OR REPLACE TEMP TABLE film_facts ({', '.join(COLUMNS)})")
    insert_rows(con, "film_facts", rows)
    ((views, sexes, ages, sizes),) = con.execute(DISAGREE).fetchall()
    con.execute(JOIN)
    staged.notes.append(f"The headers of {len(rows):,} films were read for view, sex, age and size.")
    told = {"view": views, "sex": sexes, "age": ages, "size": sizes}
    if differ := ", ".join(f"{name} ({count:,})" for name, count in told.items() if count):
        staged.notes.append(f"Films whose header differs from the table, which was kept: {differ}.")


def _note_patients(con: duckdb.DuckDBPyConnection, staged: Staged, use: HeaderUse) -> None:
    ((images, patients, without),) = con.execute(
        "SELECT count(patient_id), count(DISTINCT patient_id), count(*) - count(patient_id) FROM staged_images"
    ).fetchall()
    if not use.patient or not images:
        return
    if use.no_patients in staged.notes:
        staged.notes.remove(use.no_patients)
    staged.notes.append(f"Patients come from the headers of the films: {patients:,} patients of {images:,} images.")
    if patients == images and images > 1:
        staged.notes.append(
            "Every film names a patient of its own: either nobody was imaged twice, or the ids were made up film by "
            "film, and a split by patient proves nothing."
        )
    if without:
        staged.notes.append(f"{without:,} images have no patient: their film is missing or names none.")


def insert_aside(con: duckdb.DuckDBPyConnection, aside: Sequence[tuple[Any, ...]]) -> None:
    """Set rows or values aside: (file, record, column, value, reason, what)."""
    printable = [(*row[:2], shown(row[2], 200), shown(row[3]), *row[4:]) for row in aside]
    insert_rows(con, "staged_set_aside", printable)


def insert_rows(con: duckdb.DuckDBPyConnection, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert tuples into a table of ours, column by column (thirty times faster than row by row)."""
    import pyarrow as pa

    if rows:
        columns = {f"c{at}": list(column) for at, column in enumerate(zip(*rows, strict=True))}
        con.register("incoming_rows", pa.table(columns))
        con.execute(f"INSERT INTO {table} SELECT * FROM incoming_rows")
        con.unregister("incoming_rows")
