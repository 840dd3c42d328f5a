"""RSNA Pneumonia Detection Challenge: a row is a box or a negative, and `patientId` names an image."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb

from cxrdash.sources import rsna_extras
from cxrdash.sources.base import Claim, Headers, Staged
from cxrdash.sources.card import load_card
from cxrdash.sources.claims import answer_forms, film_stem, is_repeat, largest_first, nearest_table
from cxrdash.sources.film_headers import HeaderUse
from cxrdash.sources.headers import Fields, missing_fields
from cxrdash.sources.staging import Intake

FIELDS: Fields = {
    "image_id": ("patientId",),
    "x": ("x",),
    "y": ("y",),
    "w": ("width",),
    "h": ("height",),
    "target": ("Target",),
}
SIDE = 1024
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
OPACITY, NOT_NORMAL, NORMAL = "Lung Opacity", "No Lung Opacity / Not Normal", "Normal"

PARSED = """
CREATE OR REPLACE TEMP TABLE rsna_parsed AS
WITH numbers AS (
    SELECT *, CASE WHEN target IN ('0', '0.0') THEN 'negative' WHEN target IN ('1', '1.0') THEN 'positive' END AS state,
        try_cast(x AS DOUBLE) AS left_x, try_cast(y AS DOUBLE) AS top_y,
        try_cast(w AS DOUBLE) AS width, try_cast(h AS DOUBLE) AS height
    FROM rsna_rows)
SELECT *, nullif(concat_ws(',', x, y, w, h), '') AS corners,
    coalesce(isfinite(left_x) AND isfinite(top_y) AND isfinite(width) AND isfinite(height)
             AND width > 0 AND height > 0, false) AS is_box
FROM numbers
"""
# An image that is said to be positive and negative is not judged: all its rows are set aside.
ROW_FAULTS = """
CREATE OR REPLACE TEMP VIEW rsna_faults AS
WITH judged AS (
    SELECT *, bool_or(is_negative) OVER images AND bool_or(NOT is_negative) OVER images AS contradicts,
        row_number() OVER (PARTITION BY image_id, state, corners ORDER BY record) > 1 AS again
    FROM (SELECT *, state IS NOT DISTINCT FROM 'negative' AND corners IS NULL AS is_negative FROM rsna_parsed)
    WINDOW images AS (PARTITION BY image_id))
SELECT record, CASE
    WHEN image_id IS NULL
    THEN {'column_name': 'patientId', 'value': NULL::VARCHAR, 'reason': 'the image id is missing'}
    WHEN state IS NULL
    THEN {'column_name': 'Target', 'value': target, 'reason': 'neither 0 nor 1'}
    WHEN contradicts
    THEN {'column_name': 'Target', 'value': target,
          'reason': 'the image has rows with Target 0 and others that say otherwise; none was chosen'}
    WHEN state = 'negative' AND corners IS NOT NULL
    THEN {'column_name': 'x,y,width,height', 'value': corners, 'reason': 'Target is 0, yet there is a box'}
    WHEN again
    THEN {'column_name': 'patientId', 'value': image_id,
          'reason': 'repeats an earlier row exactly; the first was kept'}
    END AS fault
FROM judged
"""
BAD_BOXES = """
INSERT INTO staged_set_aside
SELECT $file, record, 'x,y,width,height', corners, CASE WHEN corners IS NULL THEN 'Target is 1, yet no box is given'
    ELSE 'not a position and a positive size' END, 'value'
FROM rsna_parsed WHERE state = 'positive' AND NOT is_box
  AND record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""
KEPT = """
INSERT INTO rsna_kept
SELECT $file, record, image_id, state, CASE WHEN is_box THEN [left_x, top_y, width, height] END
FROM rsna_parsed
WHERE record NOT IN (SELECT record FROM staged_set_aside WHERE file = $file AND what = 'row')
"""
IMAGES = """
INSERT INTO staged_images
WITH targets AS (
    SELECT image_id, file, min(record) AS record, min(state) AS state FROM rsna_kept GROUP BY image_id, file)
SELECT image_id, patient_id, NULL, coalesce(view, 'UNKNOWN'), view_raw, coalesce(sex, 'unknown'),
    age_years, age_flag, 'train', NULL, $side, $side, NULL, NULL,
    state || '|' || CASE WHEN $classes THEN coalesce(detailed, '') ELSE 'not assessed' END,
    image_id, file, record
FROM targets LEFT JOIN rsna_classes USING (image_id) LEFT JOIN rsna_facts USING (image_id)
LEFT JOIN rsna_patients USING (image_id)
"""
BOXES = """
INSERT INTO staged_boxes
SELECT image_id, $finding, 'radiologists', box[1], box[2], box[3], box[4], 'png1024' FROM rsna_kept
WHERE box IS NOT NULL ORDER BY file, record
"""
# The two detailed findings are known only together: a film is one of the three.
LABELS = """
INSERT INTO staged_labels
WITH texts AS (
    SELECT labels, split_part(labels, '|', 1) AS target, split_part(labels, '|', 2) AS detailed
    FROM (SELECT DISTINCT labels FROM staged_images))
SELECT labels, $opacity, target FROM texts
UNION ALL
SELECT labels, finding, CASE WHEN detailed = 'not assessed' THEN 'not_assessed'
    WHEN detailed = finding THEN 'positive' ELSE 'negative' END
FROM texts, (SELECT unnest([$not_normal, $normal]) AS finding) WHERE detailed <> ''
"""
NO_PATIENTS = (
    "patientId names an image, not a person, and no table of the matching NIH images is here: leakage of patients "
    "between parts cannot be excluded, and every image counts as a patient of its own, so intervals are too narrow."
)


class Rsna:
    """The source of the RSNA Pneumonia Detection Challenge (Shih 2019)."""

    name = "rsna"
    card = load_card("rsna")
    header_use = HeaderUse()  # no patients: PatientID repeats patientId, which names the image

    def claim(self, headers: Headers) -> Claim | None:
        """Return the label tables, with the detailed classes, header values and NIH mappings beside them."""
        labels = tuple(path for path, header in headers.items() if not missing_fields(header, FIELDS, tuple(FIELDS)))
        if not labels:
            return None
        roles = {"labels": labels, **rsna_extras.roles(headers, labels)}
        return Claim(self.name, roles, answer_forms(headers))

    def nearest(self, headers: Headers) -> str:
        """Return which table looks most like an RSNA label table and what it lacks."""
        near = nearest_table(headers, FIELDS, tuple(FIELDS), self.card.title, UUID)
        lone = next((path.name for path, header in headers.items() if rsna_extras.is_classes(header)), "")
        return near or (f"{lone} holds the detailed classes of RSNA, but the label table is not here." if lone else "")

    def image_key(self, path: str) -> str:
        """Return the file's stem, which is the `patientId`."""
        return film_stem(path)

    def stage(self, con: duckdb.DuckDBPyConnection, claim: Claim, workspace: Path, *, allow_bad_rows: bool) -> Staged:
        """Stage one image per `patientId`, its boxes, and what lies beside; see ``Source.stage``."""
        intake = Intake(con, workspace, allow_bad_rows=allow_bad_rows)
        intake.staged.image_column = "patientId"
        intake.staged.findings = list(self.card.findings)
        con.execute("CREATE OR REPLACE TEMP TABLE rsna_seen (image_id VARCHAR)")
        con.execute(
            "CREATE OR REPLACE TEMP TABLE rsna_kept "
            "(file INTEGER, record BIGINT, image_id VARCHAR, state VARCHAR, box DOUBLE[])"
        )
        for path in largest_first(claim.roles["labels"]):
            _stage_labels(intake, path)
        rsna_extras.stage_classes(intake, claim.roles.get("classes", ()))
        rsna_extras.stage_facts(intake, claim.roles.get("facts", ()))
        rsna_extras.stage_patients(intake, claim.roles.get("patients", ()))
        con.execute(IMAGES, {"side": SIDE, "classes": "classes" in claim.roles})
        con.execute(BOXES, {"finding": OPACITY})
        con.execute(LABELS, {"opacity": OPACITY, "not_normal": NOT_NORMAL, "normal": NORMAL})
        if without := intake.count("SELECT count(*) FROM staged_images WHERE patient_id IS NULL"):
            partly = f"{without:,} images have no matching NIH image; their patients are unknown."
            intake.note(partly if "patients" in claim.roles else NO_PATIENTS)
        return intake.staged


def _stage_labels(intake: Intake, path: Path) -> None:
    file = intake.read(path, name="rsna_rows", fields=FIELDS, recognised_as="RSNA labels", counts_images=False)
    intake.con.execute(PARSED)
    if is_repeat(intake, path, rows="rsna_parsed", seen="rsna_seen"):
        return
    intake.con.execute("INSERT INTO rsna_seen SELECT DISTINCT image_id FROM rsna_parsed WHERE image_id IS NOT NULL")
    intake.con.execute(ROW_FAULTS)
    intake.set_aside_rows(file, "rsna_faults")
    intake.con.execute(BAD_BOXES, {"file": file})
    intake.con.execute(KEPT, {"file": file})
    images = intake.count("SELECT count(DISTINCT image_id) FROM rsna_kept WHERE file = $file", file=file)
    records = intake.staged.files[file].records
    intake.note(f"{path.name}: {records:,} rows are {images:,} images; an image has a row per box.")


SOURCE = Rsna()
