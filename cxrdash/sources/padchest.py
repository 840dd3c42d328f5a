"""PadChest: one table of images whose labels are printed Python lists and whose blanks are the word nan."""

from __future__ import annotations

import ast
from pathlib import Path, PurePosixPath

import duckdb

from cxrdash.errors import CxrdashError
from cxrdash.sources.base import Claim, Headers, Staged
from cxrdash.sources.card import load_card
from cxrdash.sources.folder import shown_path
from cxrdash.sources.headers import Fields, column_positions, missing_fields, missing_sentence
from cxrdash.sources.staging import Intake
from cxrdash.sources.tablefile import peek_header
from cxrdash.sources.vocabulary import LONGEST_LABEL, Vocabulary, add_labels, folded, leave_unassessed

FIELDS: Fields = {
    "image_id": ("ImageID",),
    "study_date": ("StudyDate_DICOM", "StudyDate"),
    "study_id": ("StudyID",),
    "patient_id": ("PatientID",),
    "birth": ("PatientBirth",),
    "sex": ("PatientSex_DICOM", "PatientSex"),
    "position": ("ViewPosition_DICOM", "ViewPosition"),
    "projection": ("Projection",),
    "photometric": ("PhotometricInterpretation_DICOM", "PhotometricInterpretation"),
    "height": ("Rows_DICOM", "Rows"),
    "width": ("Columns_DICOM", "Columns"),
    "method": ("MethodLabel",),
    "labels": ("Labels",),
}
REQUIRED = ("image_id", "study_id", "patient_id", "projection", "labels")
LONGEST_TEXT = 10_000  # characters of a list of labels; the longest real ones have a few hundred

# The table was turned into text before it was exported: what is missing became a word.
TYPED = r"""
CREATE OR REPLACE TEMP TABLE padchest_typed AS
WITH stated AS (
    SELECT record, CASE WHEN COLUMNS(* EXCLUDE (record)) IN ('nan', 'NaN', 'None', 'NULL') THEN NULL
                        ELSE COLUMNS(* EXCLUDE (record)) END
    FROM padchest_table),
typed AS (
    SELECT *, try_strptime(regexp_extract(study_date, '^([0-9]{8})(\.0)?$', 1), '%Y%m%d') AS day,
        try_cast(birth AS DOUBLE) AS born,
        try_cast(try_cast(width AS DOUBLE) AS INTEGER) AS columns_px,
        try_cast(try_cast(height AS DOUBLE) AS INTEGER) AS rows_px,
        CASE coalesce(projection, position)
            WHEN 'PA' THEN 'PA' WHEN 'AP' THEN 'AP' WHEN 'AP_horizontal' THEN 'AP_SUPINE' WHEN 'L' THEN 'LATERAL'
            ELSE CASE WHEN projection IS NOT NULL THEN 'OTHER'
                      WHEN position = 'POSTEROANTERIOR' THEN 'PA' WHEN position = 'ANTEROPOSTERIOR' THEN 'AP'
                      WHEN position IN ('LATERAL', 'LL', 'RL') THEN 'LATERAL' ELSE 'UNKNOWN' END END AS view
    FROM stated)
SELECT *, year(day) - born AS years FROM typed
"""
TEXTS = "SELECT labels, count(*) FROM padchest_typed WHERE labels IS NOT NULL GROUP BY labels ORDER BY labels"
BAD_TEXTS = "CREATE OR REPLACE TEMP TABLE padchest_bad AS SELECT unnest($texts::VARCHAR[]) AS labels"
ROW_FAULTS = r"""
CREATE OR REPLACE TEMP VIEW padchest_row_faults AS
SELECT record, CASE
    WHEN image_id IS NULL
    THEN {'column_name': 'ImageID', 'value': NULL::VARCHAR, 'reason': 'the image id is missing'}
    WHEN NOT regexp_full_match(image_id, '[^/\\]+\.png', 'i')
    THEN {'column_name': 'ImageID', 'value': image_id, 'reason': 'is not the name of a .png file'}
    WHEN labels IN (SELECT labels FROM padchest_bad)
    THEN {'column_name': 'Labels', 'value': labels, 'reason': 'is not a list of labels such as [''normal'']'}
    END AS fault
FROM padchest_typed
"""
VALUE_FAULTS = """
INSERT INTO staged_set_aside
SELECT $file, record, fault.column_name, fault.value, fault.reason, 'value'
FROM (SELECT record, unnest([
    CASE WHEN patient_id IS NULL
         THEN {'column_name': 'PatientID', 'value': NULL::VARCHAR, 'reason': 'the patient id is missing'} END,
    CASE WHEN study_id IS NULL
         THEN {'column_name': 'StudyID', 'value': NULL::VARCHAR, 'reason': 'the study id is missing'} END,
    CASE WHEN study_date IS NOT NULL AND day IS NULL
         THEN {'column_name': 'StudyDate_DICOM', 'value': study_date, 'reason': 'not a date like 20110630'} END,
    CASE WHEN birth IS NOT NULL AND NOT coalesce(isfinite(born) AND born = floor(born), false)
         THEN {'column_name': 'PatientBirth', 'value': birth, 'reason': 'not a year'}
         WHEN NOT years BETWEEN 0 AND 110
         THEN {'column_name': 'PatientBirth', 'value': birth,
               'reason': 'makes the patient less than 0 or more than 110 years old'} END,
    CASE WHEN sex NOT IN ('M', 'F', 'O')
         THEN {'column_name': 'PatientSex_DICOM', 'value': sex, 'reason': 'none of M, F and O'} END,
    CASE WHEN width IS NOT NULL AND NOT coalesce(columns_px > 0, false)
         THEN {'column_name': 'Columns_DICOM', 'value': width, 'reason': 'not a number of pixels'} END,
    CASE WHEN height IS NOT NULL AND NOT coalesce(rows_px > 0, false)
         THEN {'column_name': 'Rows_DICOM', 'value': height, 'reason': 'not a number of pixels'} END]) AS fault
    FROM padchest_typed)
WHERE fault IS NOT NULL
  AND record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""
IMAGES = """
INSERT INTO staged_images
SELECT image_id, patient_id, study_id, view, coalesce(projection, position),
    CASE WHEN sex IN ('M', 'F') THEN sex WHEN sex = 'O' THEN 'other' ELSE 'unknown' END,
    CASE WHEN years BETWEEN 0 AND 110 AND born = floor(born) THEN years END,
    CASE WHEN NOT years BETWEEN 0 AND 110 THEN 'implausible' END, NULL,
    CASE WHEN patient_id IS NOT NULL AND day IS NOT NULL
         THEN dense_rank() OVER (PARTITION BY patient_id ORDER BY day NULLS LAST)::INTEGER END,
    CASE WHEN columns_px > 0 THEN columns_px END, CASE WHEN rows_px > 0 THEN rows_px END, NULL, NULL,
    labels, image_id, $file, record
FROM padchest_typed
WHERE record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""
STAGE_ATTRIBUTES = """
INSERT INTO staged_attributes
SELECT image_id, attribute, level FROM (
    SELECT staged_images.image_id, unnest([
        {'attribute': 'label_method', 'level': coalesce(method, 'not stated')},
        {'attribute': 'study_year', 'level': coalesce(year(day)::VARCHAR, 'not stated')}], recursive := true)
    FROM padchest_typed JOIN staged_images USING (record))
"""
METHODS = """
SELECT coalesce(method, 'not stated'), count(*) FROM padchest_typed JOIN staged_images USING (record)
GROUP BY ALL ORDER BY count(*) DESC, coalesce(method, 'not stated')
"""
COUNTS = """
SELECT count(*) FILTER (WHERE coalesce(typed.labels NOT IN (SELECT labels FROM staged_labels), true)),
       count(*) FILTER (WHERE projection IS NULL), count(*) FILTER (WHERE photometric = 'MONOCHROME1')
FROM padchest_typed AS typed JOIN staged_images USING (record)
"""
COUNT_NOTES = (
    "{:,} images are unlabelled: no finding is assessed, which is not the same as normal.",
    "{:,} images have no Projection; their view is that of ViewPosition_DICOM.",
    "{:,} images are MONOCHROME1: stored uninverted, so dark and light are swapped.",
)


class PadChest:
    """The source of PadChest (Bustos 2020)."""

    name = "padchest"
    card = load_card("padchest")

    def claim(self, headers: Headers) -> Claim | None:
        """Return the tables with PadChest's columns."""
        tables = tuple(path for path, header in headers.items() if not missing_fields(header, FIELDS, REQUIRED))
        return Claim(self.name, {"images": tables}) if tables else None

    def nearest(self, headers: Headers) -> str:
        """Return which table looks most like PadChest's and what it lacks."""
        path = max(headers, key=lambda path: len(column_positions(headers[path], FIELDS)), default=None)
        if path is None:
            return ""
        missing = missing_fields(headers[path], FIELDS, REQUIRED)
        if not missing or len(missing) > len(REQUIRED) - 3:
            return ""
        return f"{path.name} {missing_sentence(headers[path], missing)} of PadChest."

    def image_key(self, path: str) -> str:
        """Return the file name: folders are the archives' numbers, or one for all films."""
        return PurePosixPath(path).name

    def stage(self, con: duckdb.DuckDBPyConnection, claim: Claim, workspace: Path, *, allow_bad_rows: bool) -> Staged:
        """Stage the image table; see ``Source.stage``. Report texts stay where they are."""
        intake = Intake(con, workspace, allow_bad_rows=allow_bad_rows)
        intake.staged.image_column = "ImageID"
        path = _only_table(claim.roles["images"])
        file = intake.read(path, name="padchest_table", fields=FIELDS, recognised_as="PadChest image table")
        con.execute(TYPED)
        vocabulary = Vocabulary(self.card.findings)
        _stage_labels(intake, vocabulary)
        con.execute(ROW_FAULTS)
        intake.set_aside_rows(file, "padchest_row_faults")
        con.execute(VALUE_FAULTS, {"file": file})
        con.execute(IMAGES, {"file": file})
        con.execute(STAGE_ATTRIBUTES)
        intake.staged.findings = vocabulary.findings
        _note(intake, path, vocabulary)
        leave_unassessed(con, [finding.name for finding in vocabulary.findings])
        return intake.staged


def _only_table(paths: tuple[Path, ...]) -> Path:
    if len(paths) > 1:
        raise CxrdashError(
            f"{len(paths)} tables hold the PadChest image list: {', '.join(shown_path(path) for path in paths)}.",
            "Keep the one to read and move the others elsewhere.",
        )
    return paths[0]


def read_labels(text: str) -> tuple[str, ...] | None:
    """Return the labels of a printed Python list, blanks folded and empty ones left out.

    None where the text is no list of texts, is overlong, or holds an overlong label.
    """
    if len(text) > LONGEST_TEXT:
        return None
    try:
        items = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        return None
    labels = tuple(label for item in items if (label := folded(item)))
    fits = all(len(label) <= LONGEST_LABEL and label.isprintable() for label in labels)
    return labels if fits else None


def _stage_labels(intake: Intake, vocabulary: Vocabulary) -> None:
    """Read each distinct text once; texts that are no list are kept for the rows' faults."""
    found, bad = [], []
    for text, images in intake.con.execute(TEXTS).fetchall():
        labels = read_labels(text)
        if labels is None:
            bad.append(text)
        else:
            found.append((text, [vocabulary.name(label, images) for label in dict.fromkeys(labels)]))
    add_labels(intake.con, found)
    intake.con.execute(BAD_TEXTS, {"texts": bad})


def _note(intake: Intake, path: Path, vocabulary: Vocabulary) -> None:
    if absent := missing_fields(peek_header(path), FIELDS, tuple(FIELDS)):
        intake.note(f"{path.name} {missing_sentence((), absent)}; those values are unknown.")
    methods = intake.con.execute(METHODS).fetchall()
    if methods:
        intake.note(f"Images by MethodLabel: {', '.join(f'{method} {images:,}' for method, images in methods)}.")
    (counts,) = intake.con.execute(COUNTS).fetchall()
    for count, sentence in zip(counts, COUNT_NOTES, strict=True):
        if count:
            intake.note(sentence.format(count))
    if sentence := vocabulary.sentence():
        intake.note(sentence)


SOURCE = PadChest()
