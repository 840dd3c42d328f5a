"""CheXpert v1.0, full and small, with CheXlocalize's test labels and the other labellers' files."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import duckdb

from cxrdash.errors import CxrdashError, shown
from cxrdash.sources.base import Claim, Headers, Staged
from cxrdash.sources.card import load_card
from cxrdash.sources.folder import shown_path
from cxrdash.sources.headers import Fields, column_positions, missing_fields, missing_sentence
from cxrdash.sources.staging import Intake
from cxrdash.sources.tablefile import peek_header

LABEL_FIELDS: Fields = {
    "no_finding": ("No Finding",),
    "enlarged_cardiomediastinum": ("Enlarged Cardiomediastinum",),
    "cardiomegaly": ("Cardiomegaly",),
    "lung_opacity": ("Lung Opacity", "Airspace Opacity"),
    "lung_lesion": ("Lung Lesion",),
    "edema": ("Edema",),
    "consolidation": ("Consolidation",),
    "pneumonia": ("Pneumonia",),
    "atelectasis": ("Atelectasis",),
    "pneumothorax": ("Pneumothorax",),
    "pleural_effusion": ("Pleural Effusion",),
    "pleural_other": ("Pleural Other",),
    "fracture": ("Fracture",),
    "support_devices": ("Support Devices",),
}
FACT_FIELDS: Fields = {
    "path": ("Path",),
    "sex": ("Sex",),
    "age": ("Age",),
    "position": ("Frontal/Lateral",),
    "projection": ("AP/PA",),
}
FIELDS: Fields = {**FACT_FIELDS, **LABEL_FIELDS}
FINDINGS = [names[0] for names in LABEL_FIELDS.values()]
ENOUGH_LABELS = 10
OTHER_LABELLER = re.compile(r"(visual)?chexbert", re.I)
FILM = re.compile(r"(?:^|/)(patient\d{5}/study\d+/view\d+_(?:frontal|lateral)\.jpg)$")

# val is CheXlocalize's spelling of valid; the same images must get the same ids.
PARSED = r"""
CREATE OR REPLACE TEMP TABLE chexpert_parsed AS
WITH split_paths AS (
    SELECT *, regexp_extract(path,
        '^((?:CheXpert(?:-v1\.0(?:-small)?)?/)?)(train|valid|val|test)/((patient\d{5})/study\d+)/(view\d+_(frontal|lateral)\.jpg)$',
        ['root', 'part', 'study', 'patient', 'film', 'position']) AS parts
    FROM chexpert_table)
SELECT record, path, parts.root AS root, parts.patient AS patient_id, parts.study AS study_id,
    CASE parts.part WHEN 'val' THEN 'valid' ELSE nullif(parts.part, '') END AS split,
    parts.study || '/' || parts.film AS file_key,
    parts.position AS path_position, lower(coalesce(position, parts.position)) AS position,
    position AS stated_position, projection, sex, age,
    try_cast(regexp_extract(age, '^([0-9]+)(\.0+)?$', 1) AS INTEGER) AS years,
    concat_ws('|', coalesce(no_finding, ''), coalesce(enlarged_cardiomediastinum, ''),
        coalesce(cardiomegaly, ''), coalesce(lung_opacity, ''), coalesce(lung_lesion, ''),
        coalesce(edema, ''), coalesce(consolidation, ''), coalesce(pneumonia, ''), coalesce(atelectasis, ''),
        coalesce(pneumothorax, ''), coalesce(pleural_effusion, ''), coalesce(pleural_other, ''),
        coalesce(fracture, ''), coalesce(support_devices, '')) AS labels
FROM split_paths
"""
# Only the distinct texts are taken apart: a few ten thousand instead of one per image.
CELLS = """
CREATE OR REPLACE TEMP TABLE chexpert_cells AS
SELECT *, CASE WHEN cell IN ('1.0', '1') THEN 'positive' WHEN cell IN ('0.0', '0') THEN 'negative'
               WHEN cell IN ('-1.0', '-1') THEN 'uncertain' END AS state
FROM (SELECT labels, unnest($findings::VARCHAR[]) AS finding, unnest(string_split(labels, '|')) AS cell
      FROM (SELECT DISTINCT labels FROM chexpert_parsed))
"""
# A cell that itself holds the separator makes more cells than findings.
BAD_CELLS = """
CREATE OR REPLACE TEMP TABLE chexpert_bad_cells AS
SELECT labels, first(finding) AS finding, first(cell) AS cell FROM chexpert_cells
WHERE finding IS NULL OR (state IS NULL AND cell <> '') GROUP BY labels
"""
ROW_FAULTS = """
CREATE OR REPLACE TEMP VIEW chexpert_row_faults AS
SELECT record, CASE
    WHEN path IS NULL
    THEN {'column_name': 'Path', 'value': NULL::VARCHAR, 'reason': 'the path is missing'}
    WHEN split IS NULL
    THEN {'column_name': 'Path', 'value': path,
          'reason': 'is not a path like train/patient00001/study1/view1_frontal.jpg'}
    WHEN bad.labels IS NOT NULL
    THEN {'column_name': coalesce(bad.finding, 'labels'), 'value': bad.cell,
          'reason': 'not one of 1.0, 0.0, -1.0 and blank'}
    END AS fault
FROM chexpert_parsed LEFT JOIN chexpert_bad_cells AS bad USING (labels)
"""
NOT_AN_IMAGE = """
CREATE OR REPLACE TEMP VIEW chexpert_reading_faults AS
SELECT record, CASE WHEN split || '/' || file_key NOT IN (SELECT image_id FROM staged_images)
    THEN {'column_name': 'Path', 'value': path, 'reason': 'the image is not in the image tables'} END AS fault
FROM chexpert_parsed
"""
VALUE_FAULTS = """
INSERT INTO staged_set_aside
SELECT $file, record, fault.column_name, fault.value, fault.reason, 'value'
FROM (SELECT record, unnest([
    CASE WHEN age IS NOT NULL AND coalesce(years > 110, true)
         THEN {'column_name': 'Age', 'value': age, 'reason': 'not an age of 0 to 110 years'} END,
    CASE WHEN sex NOT IN ('Female', 'Male', 'Unknown')
         THEN {'column_name': 'Sex', 'value': sex, 'reason': 'none of Female, Male and Unknown'} END,
    CASE WHEN position <> path_position
         THEN {'column_name': 'Frontal/Lateral', 'value': stated_position,
               'reason': 'the path says ' || path_position} END,
    CASE WHEN position = 'frontal' AND projection NOT IN ('AP', 'PA')
         THEN {'column_name': 'AP/PA', 'value': projection, 'reason': 'does not go with Frontal'} END
    ]) AS fault
    FROM chexpert_parsed
    WHERE (age IS NOT NULL AND coalesce(years > 110, true)) OR sex NOT IN ('Female', 'Male', 'Unknown')
       OR position <> path_position OR (position = 'frontal' AND projection NOT IN ('AP', 'PA')))
WHERE fault IS NOT NULL
  AND record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""
IMAGES = """
INSERT INTO staged_images
SELECT split || '/' || file_key, patient_id, study_id,
    CASE position WHEN 'lateral' THEN 'LATERAL'
        WHEN 'frontal' THEN CASE WHEN projection IN ('AP', 'PA') THEN projection ELSE 'FRONTAL_UNKNOWN' END
        ELSE 'UNKNOWN' END,
    nullif(concat_ws(' ', stated_position, projection), ''),
    CASE sex WHEN 'Female' THEN 'F' WHEN 'Male' THEN 'M' ELSE 'unknown' END,
    CASE WHEN years BETWEEN 1 AND 110 THEN years END,
    CASE WHEN years = 90 THEN 'top_coded' WHEN years = 0 THEN 'placeholder'
         WHEN age IS NOT NULL AND coalesce(years > 110, true) THEN 'implausible' END,
    split, try_cast(substr(split_part(study_id, '/', 2), 6) AS INTEGER), NULL, NULL, NULL, NULL,
    labels, file_key, $file, record
FROM chexpert_parsed
WHERE record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""
# A key's text alone decides its states, so it means the same in whichever file it stands.
LABELS = """
INSERT INTO staged_labels
SELECT labels, finding, state FROM chexpert_cells
WHERE state IS NOT NULL AND labels NOT IN (SELECT labels FROM chexpert_bad_cells)
  AND labels NOT IN (SELECT labels FROM staged_labels)
"""
READINGS = """
INSERT INTO staged_readings
SELECT split || '/' || file_key, $reader, finding, state
FROM chexpert_parsed JOIN chexpert_cells USING (labels)
WHERE state IS NOT NULL
  AND record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""
KNOWN_ALREADY = """
SELECT count(*) FROM chexpert_parsed
WHERE split || '/' || file_key IN (SELECT image_id FROM staged_images)
"""
ROOTS = "SELECT DISTINCT root FROM chexpert_parsed WHERE split IS NOT NULL ORDER BY root"
VARIANTS = {"CheXpert-v1.0-small/": "v1.0-small", "CheXpert-v1.0/": "v1.0"}


class Chexpert:
    """The source of CheXpert (Irvin 2019) in its full, small and rootless layouts."""

    name = "chexpert"
    card = load_card("chexpert")

    def claim(self, headers: Headers) -> Claim | None:
        """Return the tables with a Path and CheXpert's label columns.

        The columns of the other labellers' files are the same; only their names tell them apart, and
        they are second opinions only where an image table is there too.
        """
        tables = [path for path, header in headers.items() if _is_labels(header)]
        others = [path for path in tables if OTHER_LABELLER.search(path.name)]
        images = [path for path in tables if path not in others]
        if not tables:
            return None
        if not images:
            images, others = others, []
        complete = sorted(images, key=lambda path: (len(_absent(headers[path])), path))
        roles = {"images": tuple(complete), "readings": tuple(others)}
        return Claim(self.name, {role: paths for role, paths in roles.items() if paths})

    def nearest(self, headers: Headers) -> str:
        """Return which table looks most like a CheXpert label table and what it lacks."""
        path = max(headers, key=lambda path: len(column_positions(headers[path], FIELDS)), default=None)
        if path is None:
            return ""
        header = headers[path]
        if header and FILM.search(header[0]) and len(header) > ENOUGH_LABELS:
            return f"{path.name} has no column names: line 1 is already an image ('{shown(header[0])}')."
        missing = missing_fields(header, FIELDS, ("path", *LABEL_FIELDS))
        if not missing or len(missing) > len(LABEL_FIELDS) - 3:
            return ""
        return f"{path.name} {missing_sentence(header, missing)} of CheXpert."

    def image_key(self, path: str) -> str:
        """Return patient, study and film: the part's folder is spelled differently in some downloads."""
        film = FILM.search(path)
        return film[1] if film else PurePosixPath(path).name

    def stage(self, con: duckdb.DuckDBPyConnection, claim: Claim, workspace: Path, *, allow_bad_rows: bool) -> Staged:
        """Stage the image tables, then the other labellers' readings; see ``Source.stage``."""
        intake = Intake(con, workspace, allow_bad_rows=allow_bad_rows)
        intake.staged.image_column = "Path"
        intake.staged.findings = list(self.card.findings)
        for path in claim.roles["images"]:
            _stage_images(intake, path)
        for path in claim.roles.get("readings", ()):
            _stage_readings(intake, path)
        return intake.staged


def _absent(header: tuple[str, ...]) -> list[str]:
    return missing_fields(header, FIELDS, tuple(FIELDS))


def _is_labels(header: tuple[str, ...]) -> bool:
    present = column_positions(header, FIELDS)
    return "path" in present and len(present.keys() & LABEL_FIELDS.keys()) >= ENOUGH_LABELS


def _read(intake: Intake, path: Path, recognised_as: str, *, counts_images: bool) -> int:
    file = intake.read(
        path, name="chexpert_table", fields=FIELDS, recognised_as=recognised_as, counts_images=counts_images
    )
    intake.con.execute(PARSED)
    intake.con.execute(CELLS, {"findings": FINDINGS})
    intake.con.execute(BAD_CELLS)
    intake.con.execute(ROW_FAULTS)
    intake.set_aside_rows(file, "chexpert_row_faults")
    return file


def _stage_images(intake: Intake, path: Path) -> None:
    file = _read(intake, path, "CheXpert image table", counts_images=True)
    if _repeats_another(intake, path):
        return
    if absent := _absent(peek_header(path)):
        intake.note(f"{path.name} {missing_sentence((), absent)}; those values are unknown.")
    intake.con.execute(VALUE_FAULTS, {"file": file})
    intake.con.execute(IMAGES, {"file": file})
    intake.con.execute(LABELS)
    roots = [root for (root,) in intake.con.execute(ROOTS).fetchall()]
    # CheXlocalize's paths have no root; they say nothing about the release of the other tables.
    found = ({VARIANTS.get(root, "") for root in roots} | {intake.staged.variant}) - {""}
    intake.staged.variant = found.pop() if len(found) == 1 else ""


def _repeats_another(intake: Intake, path: Path) -> bool:
    """Say whether a table lists the images of one read before, and leave it out where it says less."""
    if 2 * intake.count(KNOWN_ALREADY) < intake.staged.files[-1].records:
        return False
    if not {"Sex", "Age"} <= set(_absent(peek_header(path))):
        earlier = ", ".join(shown_path(read.path) for read in intake.staged.files[:-1])
        raise CxrdashError(
            f"{shown_path(path)} lists the same images as a table read before it ({earlier}).",
            "Give the folder of one release (full or small), or move one of the tables elsewhere.",
        )
    intake.withdraw()
    intake.note(f"{path.name} was not read: its images are in a fuller table already.")
    return True


def _stage_readings(intake: Intake, path: Path) -> None:
    match = OTHER_LABELLER.search(path.name)
    reader = match[0].lower() if match else path.stem
    file = _read(intake, path, f"labels by {reader}", counts_images=False)
    intake.con.execute(NOT_AN_IMAGE)
    intake.set_aside_rows(file, "chexpert_reading_faults")
    added = intake.count(READINGS, file=file, reader=reader)
    intake.note(f"{path.name}: {added:,} labels by another labeller (reader {reader}), kept as second opinions.")


SOURCE = Chexpert()
