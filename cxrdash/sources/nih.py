"""NIH ChestX-ray14: the entry table in all its releases, with boxes, official lists and Google relabels."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import duckdb

from cxrdash.errors import CxrdashError, shown
from cxrdash.sources import nih_extras
from cxrdash.sources.base import Claim, Headers, Staged
from cxrdash.sources.card import load_card
from cxrdash.sources.folder import shown_path
from cxrdash.sources.headers import Fields, column_positions, matching_key, missing_fields, missing_sentence
from cxrdash.sources.staging import Intake
from cxrdash.sources.tablefile import peek_header

FIELDS: Fields = {
    "image_id": ("Image Index",),
    "labels": ("Finding Labels",),
    "followup": ("Follow-up #",),
    "patient": ("Patient ID",),
    "age": ("Patient Age",),
    "sex": ("Patient Gender", "Patient Sex"),
    "view": ("View Position",),
    "width": ("OriginalImage[Width", "OriginalImageWidth"),
    "height": ("Height]", "OriginalImageHeight"),
    "spacing_x": ("OriginalImagePixelSpacing[x", "OriginalImagePixelSpacing_x"),
    "spacing_y": ("y]", "OriginalImagePixelSpacing_y"),
}
REQUIRED = ("image_id", "labels", "followup", "patient", "age", "sex", "view")
ALIASES = {"Infiltrate": "Infiltration"}  # the box file's spelling
IMAGE_NAME = re.compile(r"\d{8}_\d{3}\.png")
PREFERENCE = ("v2020", "2017", "sample")
# Rows needed before "every follow-up number is the image number" says that a file is the 2017 release.
ENOUGH_ROWS = 1000

# Ages come as 57, 057Y, 058M (months), 003W and 012D; values outside their range become NULL here.
TYPED = r"""
CREATE OR REPLACE TEMP VIEW nih_typed AS
WITH stated AS (
    SELECT *,
        CASE WHEN starts_with(patient, '0') AND regexp_full_match(patient, '[0-9]+')
             THEN coalesce(nullif(ltrim(patient, '0'), ''), '0') ELSE patient END AS patient_id,
        CASE WHEN try_cast(age AS UTINYINT)::VARCHAR = age THEN try_cast(age AS UTINYINT)
             ELSE try_cast(regexp_extract(age, '^ *(-?[0-9]+(\.[0-9]+)?) *[YMWDymwd]? *$', 1) AS DOUBLE)
                / CASE upper(right(trim(age), 1))
                  WHEN 'M' THEN 12 WHEN 'W' THEN 52.1775 WHEN 'D' THEN 365.25 ELSE 1 END END AS stated_years,
        try_cast(followup AS INTEGER) AS place,
        try_cast(try_cast(width AS DOUBLE) AS INTEGER) AS columns,
        try_cast(try_cast(height AS DOUBLE) AS INTEGER) AS rows,
        try_cast(spacing_x AS DOUBLE) AS mm_x,
        try_cast(spacing_y AS DOUBLE) AS mm_y
    FROM nih_entries)
SELECT * REPLACE (
        CASE WHEN columns > 0 THEN columns END AS columns, CASE WHEN rows > 0 THEN rows END AS rows,
        CASE WHEN mm_x > 0 AND isfinite(mm_x) THEN mm_x END AS mm_x,
        CASE WHEN mm_y > 0 AND isfinite(mm_y) THEN mm_y END AS mm_y),
    CASE WHEN stated_years BETWEEN 0 AND 110 THEN stated_years END AS years
FROM stated
"""
TOKENS = """
CREATE OR REPLACE TEMP TABLE nih_tokens AS
SELECT labels, trim(unnest(string_split(labels, '|'))) AS token
FROM (SELECT DISTINCT labels FROM nih_entries WHERE labels IS NOT NULL)
"""
SPELLINGS = """
CREATE OR REPLACE TEMP TABLE nih_spellings AS
SELECT unnest($spellings::VARCHAR[]) AS token, unnest($findings::VARCHAR[]) AS finding
"""
ROW_FAULTS = r"""
CREATE OR REPLACE TEMP VIEW nih_row_faults AS
WITH unknown AS (
    SELECT labels, min(token) AS token FROM nih_tokens ANTI JOIN nih_spellings USING (token) GROUP BY labels)
SELECT record, CASE
    WHEN image_id IS NULL
    THEN {'column_name': 'Image Index', 'value': NULL::VARCHAR, 'reason': 'the image id is missing'}
    WHEN NOT regexp_full_match(image_id, '[0-9]{8}_[0-9]{3}\.png')
    THEN {'column_name': 'Image Index', 'value': image_id, 'reason': 'is not a name like 00000001_000.png'}
    WHEN patient IS NULL
    THEN {'column_name': 'Patient ID', 'value': NULL::VARCHAR, 'reason': 'the patient id is missing'}
    WHEN entries.labels IS NULL
    THEN {'column_name': 'Finding Labels', 'value': NULL::VARCHAR,
          'reason': 'no label is given, not even No Finding'}
    WHEN unknown.token IS NOT NULL
    THEN {'column_name': 'Finding Labels', 'value': entries.labels,
          'reason': 'unknown label ''' || unknown.token || ''''}
    END AS fault
FROM nih_entries AS entries LEFT JOIN unknown ON unknown.labels = entries.labels
"""
VALUE_FAULTS = """
INSERT INTO staged_set_aside
SELECT $file, record, fault.column_name, fault.value, fault.reason, 'value'
FROM (SELECT record, unnest([
    CASE WHEN age IS NOT NULL AND years IS NULL
         THEN {'column_name': 'Patient Age', 'value': age, 'reason': 'not an age of 0 to 110 years'} END,
    CASE WHEN followup IS NOT NULL AND place IS NULL
         THEN {'column_name': 'Follow-up #', 'value': followup, 'reason': 'not a whole number'} END,
    CASE WHEN sex NOT IN ('M', 'F')
         THEN {'column_name': 'Patient Gender', 'value': sex, 'reason': 'neither M nor F'} END,
    CASE WHEN view NOT IN ('PA', 'AP')
         THEN {'column_name': 'View Position', 'value': view, 'reason': 'neither PA nor AP'} END,
    CASE WHEN width IS NOT NULL AND columns IS NULL
         THEN {'column_name': 'OriginalImage[Width', 'value': width, 'reason': 'not a positive number'} END,
    CASE WHEN height IS NOT NULL AND rows IS NULL
         THEN {'column_name': 'Height]', 'value': height, 'reason': 'not a positive number'} END,
    CASE WHEN spacing_x IS NOT NULL AND mm_x IS NULL
         THEN {'column_name': 'PixelSpacing[x', 'value': spacing_x, 'reason': 'not a positive number'} END,
    CASE WHEN spacing_y IS NOT NULL AND mm_y IS NULL
         THEN {'column_name': 'y]', 'value': spacing_y, 'reason': 'not a positive number'} END]) AS fault
    FROM nih_typed)
WHERE fault IS NOT NULL
  AND record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""
IMAGES = """
INSERT INTO staged_images
SELECT image_id, patient_id, NULL, CASE WHEN view IN ('PA', 'AP') THEN view ELSE 'UNKNOWN' END, view,
    CASE WHEN sex IN ('M', 'F') THEN sex ELSE 'unknown' END,
    years, CASE WHEN age IS NOT NULL AND years IS NULL THEN 'implausible' END,
    split, place, columns, rows, mm_x, mm_y, labels, image_id, $file, record
FROM nih_typed LEFT JOIN nih_split USING (image_id)
WHERE record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""
LABELS = """
INSERT INTO staged_labels
WITH positive AS (
    SELECT labels, list(finding) AS findings FROM nih_tokens JOIN nih_spellings USING (token) GROUP BY labels)
SELECT labels, finding, CASE WHEN list_contains(findings, finding) THEN 'positive' ELSE 'negative' END
FROM positive, (SELECT DISTINCT finding FROM nih_spellings)
WHERE labels IN (SELECT labels FROM staged_images)
"""
OTHER_PATIENT = """
SELECT count(*) FROM staged_images WHERE lpad(patient_id, 8, '0') <> left(image_id, 8) OR length(patient_id) > 8
"""
NO_FINDING_AND_MORE = (
    "SELECT count(*) FROM staged_images WHERE contains(labels, 'No Finding') AND contains(labels, '|')"
)
RELEASE_SIGNS = """
SELECT count(*), count(*) FILTER (WHERE stated_years > 100),
       count(*) FILTER (WHERE place IS DISTINCT FROM try_cast(substr(image_id, 10, 3) AS INTEGER))
FROM nih_typed
"""


class Nih:
    """The source of NIH ChestX-ray14 (Wang 2017) and of tables that keep its columns."""

    name = "nih"
    card = load_card("nih")

    def claim(self, headers: Headers) -> Claim | None:
        """Return the tables with NIH columns; of several releases the newest, with a note."""
        releases: dict[str, list[Path]] = {}
        for path, header in headers.items():
            if _is_entries(header):
                releases.setdefault(_release(header), []).append(path)
        if not releases:
            return None
        release = next(name for name in PREFERENCE if name in releases)
        left_out = [path.name for name, paths in releases.items() if name != release for path in paths]
        notes = [f"{name} was not read: a newer release of the same table is here." for name in left_out]
        return Claim(self.name, {"entries": tuple(releases[release]), **nih_extras.roles(headers)}, tuple(notes))

    def nearest(self, headers: Headers) -> str:
        """Return which table looks most like an NIH entry table and what it lacks."""
        path = max(headers, key=lambda path: len(column_positions(headers[path], FIELDS)), default=None)
        if path is None:
            return ""
        if nih_extras.is_relabels(headers[path]):
            return f"{path.name} holds Google's relabels, but the NIH image table is not here."
        if any(headers[path]) and IMAGE_NAME.fullmatch(headers[path][0]) and len(headers[path]) > 1:
            return f"{path.name} has no column names: line 1 is already an image ('{shown(headers[path][0])}')."
        missing = missing_fields(headers[path], FIELDS, REQUIRED)
        if len(missing) > len(REQUIRED) - 2 or not missing:
            return ""
        return f"{path.name} {missing_sentence(headers[path], missing)} of NIH ChestX-ray14."

    def image_key(self, path: str) -> str:
        """Return the file name: NIH names are unique and archives unpack into many layouts."""
        return PurePosixPath(path).name

    def stage(self, con: duckdb.DuckDBPyConnection, claim: Claim, workspace: Path, *, allow_bad_rows: bool) -> Staged:
        """Stage the entry table, then boxes, lists and relabels; see ``Source.stage``."""
        intake = Intake(con, workspace, allow_bad_rows=allow_bad_rows)
        intake.staged.image_column = "Image Index"
        path = _one_table(intake, claim.roles["entries"])
        file = intake.read(path, name="nih_entries", fields=FIELDS, recognised_as="NIH image table")
        intake.staged.findings = list(self.card.findings)
        intake.staged.variant = _read_entries(intake, path)
        self._stage_entries(intake, file, claim)
        nih_extras.stage_boxes(intake, claim.roles.get("boxes", ()))
        nih_extras.stage_relabels(intake, claim.roles.get("relabels", ()))
        return intake.staged

    def _stage_entries(self, intake: Intake, file: int, claim: Claim) -> None:
        spellings = {finding.source_name: finding.name for finding in self.card.findings} | ALIASES
        intake.con.execute(TOKENS)
        intake.con.execute(SPELLINGS, {"spellings": list(spellings), "findings": list(spellings.values())})
        intake.con.execute(ROW_FAULTS)
        intake.set_aside_rows(file, "nih_row_faults")
        intake.con.execute(VALUE_FAULTS, {"file": file})
        nih_extras.stage_lists(intake, claim.roles)
        intake.con.execute(IMAGES, {"file": file})
        intake.con.execute(LABELS)
        nih_extras.note_lists(intake)
        if others := intake.count(OTHER_PATIENT):
            intake.note(f"{others:,} images carry another patient id than their file name begins with.")
        if both := intake.count(NO_FINDING_AND_MORE):
            intake.note(f"{both:,} images are labelled No Finding together with a finding.")


def _is_entries(header: tuple[str, ...]) -> bool:
    return not missing_fields(header, FIELDS, REQUIRED) and not nih_extras.is_relabels(header)


def _release(header: tuple[str, ...]) -> str:
    """Return the release that a header alone tells; v2020 unless it says otherwise."""
    if "originalimageheight" in {matching_key(cell) for cell in header}:
        return "sample"
    return "v2020" if header[-1].strip() else "2017"


def _read_entries(intake: Intake, path: Path) -> str:
    """Type the cells of the table just read; return the release judged by header, then contents."""
    intake.con.execute(TYPED)
    header = peek_header(path)
    if absent := missing_fields(header, FIELDS, tuple(FIELDS)):
        intake.note(f"{path.name} {missing_sentence(header, absent)}; those values are unknown.")
    release = _release(header)
    return _release_by_contents(intake) if release == "v2020" else release


def _release_by_contents(intake: Intake) -> str:
    ((rows, aged, reordered),) = intake.con.execute(RELEASE_SIGNS).fetchall()
    return "2017" if aged or (rows >= ENOUGH_ROWS and not reordered) else "v2020"


def _one_table(intake: Intake, paths: tuple[Path, ...]) -> Path:
    """Return the table to read: the only one, or the only one that is not the 2017 release."""
    if len(paths) == 1:
        return paths[0]
    newest = []
    for path in paths:
        probe = Intake(intake.con, intake.workspace, allow_bad_rows=True)
        probe.read(path, name="nih_entries", fields=FIELDS, recognised_as="")
        probe.con.execute(TYPED)
        if _release_by_contents(probe) == "v2020":
            newest.append(path)
    intake.con.execute("DELETE FROM staged_set_aside")
    if len(newest) != 1:
        raise CxrdashError(
            f"{len(paths)} tables hold the NIH image list: {', '.join(shown_path(path) for path in paths)}.",
            "Keep the one to read (Data_Entry_2017_v2020.csv is the newest) and move the others elsewhere.",
        )
    for path in paths:
        if path != newest[0]:
            intake.note(f"{path.name} was not read: {newest[0].name} is a newer release of the same table.")
    return newest[0]


SOURCE = Nih()
