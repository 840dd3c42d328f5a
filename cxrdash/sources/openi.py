"""OpenI, the Indiana University collection: its XML reports, the two Kaggle tables, or both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import duckdb

from cxrdash.errors import CxrdashError, shown
from cxrdash.sources.base import Claim, Headers, Staged
from cxrdash.sources.card import load_card
from cxrdash.sources.folder import shown_path
from cxrdash.sources.headers import Fields, missing_fields, missing_sentence
from cxrdash.sources.openi_reports import ROOT_ELEMENT, SECTIONS, film_id, headings_of, read_reports
from cxrdash.sources.staging import Intake
from cxrdash.sources.vocabulary import Vocabulary, add_labels, leave_unassessed

REPORT_FIELDS: Fields = {"uid": ("uid",), "mesh": ("MeSH",), "problems": ("Problems",)}
TEXT_FIELDS: Fields = {section: (section,) for section in SECTIONS}  # no copy need have them
FILM_FIELDS: Fields = {"uid": ("uid",), "filename": ("filename",), "projection": ("projection",)}
UNPACK = "{0} is packed and was not read. Unpack it where it lies (tar -xzf {0}): it becomes a folder ecgen-radiology."

FILMS = """
CREATE OR REPLACE TEMP TABLE openi_films (record BIGINT, study_id VARCHAR, labels VARCHAR, named VARCHAR, film VARCHAR,
    fault VARCHAR, projection VARCHAR)
"""
XML_FILMS = """
INSERT INTO openi_films
SELECT unnest(range($films)), unnest($studies::VARCHAR[]), unnest($labels::VARCHAR[]), unnest($named::VARCHAR[]),
    unnest($film_ids::VARCHAR[]), unnest($faults::VARCHAR[]), NULL
"""
XML_TEXTS = """
INSERT INTO staged_reports
SELECT unnest($studies::VARCHAR[]), unnest($sections::VARCHAR[]), unnest($texts::VARCHAR[])
"""
TABLE_TEXTS = f"""
INSERT INTO staged_reports
SELECT DISTINCT 'CXR' || uid, section, trim(regexp_replace(report, '\\s+', ' ', 'g')) FROM (
    UNPIVOT openi_reports ON {", ".join(SECTIONS)} INTO NAME section VALUE report)
WHERE trim(report) <> '' AND record NOT IN (SELECT record FROM staged_set_aside WHERE file = $reports AND what = 'row')
"""
FILM_IDS = """
CREATE OR REPLACE TEMP TABLE openi_film_ids AS
SELECT unnest($named::VARCHAR[]) AS filename, unnest($film_ids::VARCHAR[]) AS film
"""
# A film with two projections is given neither: nothing says which is right.
PROJECTIONS = """
CREATE OR REPLACE TEMP TABLE openi_projections AS
SELECT film, CASE WHEN count(DISTINCT projection) = 1 THEN min(projection) END AS projection
FROM openi_table JOIN openi_film_ids USING (filename) WHERE film IS NOT NULL GROUP BY film
"""
VIEWS = """
UPDATE openi_films SET projection = known.projection FROM openi_projections AS known WHERE openi_films.film = known.film
"""
PROJECTION_FAULTS = """
CREATE OR REPLACE TEMP VIEW openi_projection_faults AS
SELECT record, CASE WHEN film IS NULL OR film NOT IN (SELECT film FROM openi_films WHERE film IS NOT NULL)
    THEN {'column_name': 'filename', 'value': filename, 'reason': 'the film is in no report'} END AS fault
FROM openi_table LEFT JOIN openi_film_ids USING (filename)
"""
REPORT_FAULTS = """
CREATE OR REPLACE TEMP VIEW openi_report_faults AS
WITH doubtful AS (SELECT uid FROM openi_reports GROUP BY uid HAVING count(DISTINCT coalesce(mesh, '')) > 1)
SELECT record, CASE
    WHEN NOT coalesce(regexp_full_match(uid, '[0-9]+'), false)
    THEN {'column_name': 'uid', 'value': uid, 'reason': 'is not the number of a report'}
    WHEN uid IN (SELECT uid FROM doubtful)
    THEN {'column_name': 'uid', 'value': uid, 'reason': 'stands in rows that differ; none was chosen'}
    END AS fault
FROM openi_reports
"""
TABLE_FILMS = """
INSERT INTO openi_films
WITH headings AS (
    SELECT uid, min(mesh) AS labels FROM openi_reports
    WHERE record NOT IN (SELECT record FROM staged_set_aside WHERE file = $reports AND what = 'row') GROUP BY uid)
SELECT record, 'CXR' || uid, labels, filename, film, CASE WHEN film IS NULL
    THEN 'is not the name of a film like 1_IM-0001-4001.dcm.png' END, projection
FROM openi_table LEFT JOIN openi_film_ids USING (filename) LEFT JOIN headings USING (uid)
"""
FILM_FAULTS = """
CREATE OR REPLACE TEMP VIEW openi_film_faults AS
SELECT record, CASE
    WHEN fault IS NOT NULL THEN {'column_name': 'image id', 'value': named, 'reason': fault}
    WHEN NOT coalesce(regexp_full_match(study_id, 'CXR[0-9]+'), false)
    THEN {'column_name': 'uid', 'value': substr(study_id, 4), 'reason': 'is not the number of a report'}
    END AS fault
FROM openi_films
"""
VALUE_FAULTS = """
INSERT INTO staged_set_aside
SELECT $file, record, 'projection', projection, 'neither Frontal nor Lateral', 'value' FROM openi_films
WHERE projection NOT IN ('Frontal', 'Lateral')
  AND record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""
IMAGES = """
INSERT INTO staged_images
SELECT film, study_id, study_id,
    CASE projection WHEN 'Frontal' THEN 'FRONTAL_UNKNOWN' WHEN 'Lateral' THEN 'LATERAL' ELSE 'UNKNOWN' END, projection,
    'unknown', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, labels, film, $file, record
FROM openi_films
WHERE record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""
TEXTS = "SELECT labels, count(*) FROM staged_images WHERE labels IS NOT NULL GROUP BY labels ORDER BY labels"
COUNTS = """
SELECT count(*) FILTER (WHERE coalesce(labels NOT IN (SELECT labels FROM staged_labels), true)),
       count(*) FILTER (WHERE view = 'UNKNOWN')
FROM staged_images
"""
NO_FILM = (
    "SELECT count(DISTINCT uid) FROM openi_reports WHERE uid NOT IN (SELECT uid FROM openi_table WHERE uid IS NOT NULL)"
)


class OpenI:
    """The source of the Indiana University collection (Demner-Fushman 2016)."""

    name = "openi"
    card = load_card("openi")

    def claim(self, headers: Headers) -> Claim | None:
        """Return the XML reports and the Kaggle tables; with both, the XML gives headings and films."""
        xml = tuple(sorted(path for path, header in headers.items() if header == (ROOT_ELEMENT,)))
        films = tuple(path for path, header in headers.items() if _is_films(header))
        tables = tuple(path for path, header in headers.items() if _is_reports(header))
        if xml:
            unread = tuple(f"{path.name} was not read: the XML reports hold the same headings." for path in tables)
            return Claim(self.name, {"xml": xml, **({"films": films} if films else {})}, unread)
        return Claim(self.name, {"films": films, "reports": tables}) if films and tables else None

    def nearest(self, headers: Headers) -> str:
        """Return what keeps a folder from being OpenI's: packed reports, or one Kaggle table without the other."""
        for path, header in headers.items():
            if path.suffix == ".tgz" and path.name.lower().startswith("nlmcxr_reports"):
                return UNPACK.format(shown(path.name))
            if _is_reports(header):
                return (
                    f"{path.name} holds OpenI's reports, but the table of films is not here.{_nearest_films(headers)}"
                )
            if _is_films(header):
                return f"{path.name} holds OpenI's films, but the reports (uid, MeSH, Problems) are not here."
        return ""

    def image_key(self, path: str) -> str:
        """Return the id of the film, which every download spells in another way."""
        name = PurePosixPath(path).name
        return film_id(name) or name

    def stage(self, con: duckdb.DuckDBPyConnection, claim: Claim, workspace: Path, *, allow_bad_rows: bool) -> Staged:
        """Stage the films with their reports' headings; see ``Source.stage``."""
        intake = Intake(con, workspace, allow_bad_rows=allow_bad_rows)
        con.execute(FILMS)
        if "xml" in claim.roles:
            intake.staged.image_column, intake.staged.variant = "parentImage", "XML reports"
            file = _read_xml(intake, claim)
        else:
            intake.staged.image_column, intake.staged.variant = "filename", "Kaggle"
            file = _read_tables(intake, claim)
        con.execute(FILM_FAULTS)
        intake.set_aside_rows(file, "openi_film_faults")
        con.execute(VALUE_FAULTS, {"file": file})
        con.execute(IMAGES, {"file": file})
        vocabulary = Vocabulary(self.card.findings)
        _stage_labels(con, vocabulary)
        intake.staged.findings = vocabulary.findings
        _note(intake, vocabulary)
        leave_unassessed(con, [finding.name for finding in vocabulary.findings])
        return intake.staged


def _is_reports(header: tuple[str, ...]) -> bool:
    return not missing_fields(header, REPORT_FIELDS, tuple(REPORT_FIELDS))


def _is_films(header: tuple[str, ...]) -> bool:
    return not missing_fields(header, FILM_FIELDS, tuple(FILM_FIELDS))


def _nearest_films(headers: Headers) -> str:
    for path, header in headers.items():
        missing = missing_fields(header, FILM_FIELDS, tuple(FILM_FIELDS))
        if len(missing) == 1:
            return f" {path.name} {missing_sentence(header, missing)} of it."
    return ""


def _one(paths: Sequence[Path], what: str) -> Path:
    if len(paths) > 1:
        raise CxrdashError(
            f"{len(paths)} tables hold OpenI's {what}: {', '.join(shown_path(path) for path in paths)}.",
            "Keep the one to read and move the others elsewhere.",
        )
    return paths[0]


def _read_xml(intake: Intake, claim: Claim) -> int:
    reports = read_reports(claim.roles["xml"], intake.workspace, allow_bad_rows=intake.allow_bad_rows)
    if not reports.films:
        raise CxrdashError(
            f"None of the {len(claim.roles['xml']):,} reports names a film.", "Unpack NLMCXR_reports.tgz again."
        )
    file = len(intake.staged.files)
    intake.staged.files.append(reports.file)
    values = {
        "films": len(reports.films),
        "studies": [film.study_id for film in reports.films],
        "labels": [film.headings or None for film in reports.films],
        "named": [film.named for film in reports.films],
        "film_ids": [film.film or None for film in reports.films],
        "faults": [film.fault or None for film in reports.films],
    }
    intake.con.execute(XML_FILMS, values)
    studies, sections, texts = ([text[at] for text in reports.texts] for at in range(3))
    intake.con.execute(XML_TEXTS, {"studies": studies, "sections": sections, "texts": texts})
    if reports.without_film:
        intake.note(f"{reports.without_film:,} reports name no film and are not counted.")
    if "films" in claim.roles:
        path = _one(claim.roles["films"], "films")
        number = intake.read(
            path, name="openi_table", fields=FILM_FIELDS, recognised_as="OpenI projections", counts_images=False
        )
        _identify_films(intake)
        intake.con.execute(PROJECTIONS)
        intake.con.execute(VIEWS)
        intake.con.execute(PROJECTION_FAULTS)
        intake.set_aside_rows(number, "openi_projection_faults")
    return file


def _read_tables(intake: Intake, claim: Claim) -> int:
    path, labels = _one(claim.roles["films"], "films"), _one(claim.roles["reports"], "reports")
    file = intake.read(path, name="openi_table", fields=FILM_FIELDS, recognised_as="OpenI films")
    reports = intake.read(
        labels, name="openi_reports", fields={**REPORT_FIELDS, **TEXT_FIELDS}, recognised_as="OpenI reports",
        counts_images=False,
    )  # fmt: skip
    _identify_films(intake)
    intake.con.execute(REPORT_FAULTS)
    intake.set_aside_rows(reports, "openi_report_faults")
    intake.con.execute(TABLE_FILMS, {"reports": reports})
    intake.con.execute(TABLE_TEXTS, {"reports": reports})
    if without := intake.count(NO_FILM):
        intake.note(f"{without:,} reports name no film and are not counted.")
    return file


def _identify_films(intake: Intake) -> None:
    """Make the table of file names and the films they are."""
    names = "SELECT DISTINCT filename FROM openi_table WHERE filename IS NOT NULL"
    named = [name for (name,) in intake.con.execute(names).fetchall()]
    intake.con.execute(FILM_IDS, {"named": named, "film_ids": [film_id(name) for name in named]})


def _stage_labels(con: duckdb.DuckDBPyConnection, vocabulary: Vocabulary) -> None:
    # A finding such as Opacity/lung is the heading Opacity where one of its qualifiers is lung.
    qualified = {name.casefold() for finding in vocabulary.findings if "/" in (name := finding.source_name)}

    def findings(text: str, images: int) -> Iterable[str]:
        for heading, qualifiers in headings_of(text):
            yield vocabulary.name(heading, images)
            parts = [f"{heading}/{qualifier}" for qualifier in qualifiers]
            yield from (vocabulary.name(part) for part in parts if part.casefold() in qualified)

    add_labels(con, [(text, findings(text, images)) for text, images in con.execute(TEXTS).fetchall()])


def _note(intake: Intake, vocabulary: Vocabulary) -> None:
    ((unlabelled, unknown),) = intake.con.execute(COUNTS).fetchall()
    if unlabelled:
        intake.note(
            f"{unlabelled:,} images belong to reports without headings (not indexed): no finding is assessed, "
            "which is not the same as normal."
        )
    if unknown and intake.staged.variant == "XML reports" and len(intake.staged.files) == 1:
        intake.note("The reports do not tell frontal from lateral films; Kaggle's indiana_projections.csv does.")
    if sentence := vocabulary.sentence():
        intake.note(sentence)


SOURCE = OpenI()
