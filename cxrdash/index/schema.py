"""The tables of an index: a star around label patterns (few distinct combinations of label states)."""

from __future__ import annotations

SCHEMA_VERSION = 2

TABLES = """
CREATE TABLE images (
    image INTEGER, image_id VARCHAR, study_id VARCHAR, patient_id VARCHAR, sample_key UBIGINT,
    view VARCHAR, view_raw VARCHAR, sex VARCHAR, age_years DOUBLE, age_flag VARCHAR, split VARCHAR,
    order_in_patient INTEGER, width INTEGER, height INTEGER, spacing_x_mm DOUBLE, spacing_y_mm DOUBLE,
    pattern INTEGER, study INTEGER, patient INTEGER, on_disk BOOLEAN);
CREATE TABLE paths (image INTEGER, root INTEGER, path VARCHAR);
CREATE TABLE findings (
    position INTEGER, finding VARCHAR, source_name VARCHAR, kind VARCHAR, parent VARCHAR, harmonised VARCHAR,
    negative_means VARCHAR, blank_means VARCHAR);
CREATE TABLE pattern_sizes (pattern INTEGER, images BIGINT, studies BIGINT, patients BIGINT);
CREATE TABLE studies (
    study INTEGER, study_id VARCHAR, patient INTEGER, images BIGINT, pattern INTEGER, patterns BIGINT);
CREATE TABLE patients (
    patient INTEGER, patient_id VARCHAR, sample_key UBIGINT, images BIGINT, studies BIGINT, splits VARCHAR[]);
CREATE TABLE patient_sizes (unit VARCHAR, size BIGINT, patients BIGINT);
CREATE TABLE level_sizes (attribute VARCHAR, level VARCHAR, images BIGINT, patients BIGINT);
CREATE TABLE boxes (image INTEGER, finding VARCHAR, reader VARCHAR, x DOUBLE, y DOUBLE, w DOUBLE, h DOUBLE,
    coordinate_space VARCHAR);
CREATE TABLE masks (
    image INTEGER, structure VARCHAR, width INTEGER, height INTEGER, rle VARCHAR, convention VARCHAR, quality DOUBLE);
CREATE TABLE readings (image INTEGER, reader VARCHAR, finding VARCHAR, state VARCHAR);
CREATE TABLE measures (image INTEGER, status VARCHAR, reason VARCHAR);
CREATE TABLE set_aside (file VARCHAR, line BIGINT, column_name VARCHAR, value VARCHAR, reason VARCHAR, what VARCHAR);
CREATE TABLE sources (file VARCHAR, sha256 VARCHAR, bytes BIGINT, mtime_ns BIGINT, records BIGINT, indexed BIGINT,
    set_aside BIGINT, recognised_as VARCHAR, counts_images BOOLEAN);
CREATE TABLE checks (what VARCHAR, split VARCHAR, published BIGINT, found BIGINT, agrees BOOLEAN, source VARCHAR);
CREATE TABLE meta (key VARCHAR, value VARCHAR);
"""

# `patterns` is made apart because its two enumerations are the dataset's own findings and the states.
PATTERNS = "CREATE TABLE patterns (pattern INTEGER, finding finding_name, state state_name)"

TABLE_COMMENTS = {
    "images": "one row per image, sorted by patient, study and order",
    "paths": "where an image's file was found, relative to one of the dataset's folders",
    "patterns": "the distinct combinations of label states; one row per finding that is not blank",
    "findings": "the labels of this dataset and what negative and blank mean for them",
    "pattern_sizes": "how many images, studies and patients carry each pattern",
    "studies": "one row per study",
    "patients": "one row per patient",
    "patient_sizes": "how many patients have how many images (unit image) or studies (unit study)",
    "level_sizes": "images and patients in each part, view, sex and age band",
    "boxes": "boxes drawn by readers",
    "masks": "masks attached to images",
    "readings": "labels from other readers, each with its provenance",
    "measures": "what the pixel scan found",
    "set_aside": "rows and values that are not in the index, each with its place and reason",
    "sources": "the files read: digest, records read, indexed and set aside",
    "checks": "published counts against the counts of this index",
    "meta": "facts of this index, as JSON values",
}

COLUMN_COMMENTS = {
    "images": {
        "image": "dense number of the image in this generation of the index",
        "image_id": "the dataset's own image identifier",
        "study_id": "the dataset's own study identifier; NULL where it has none",
        "patient_id": "the dataset's own patient identifier; NULL where it has none",
        "sample_key": "64 bits of the MD5 of image_id: the same on every machine, orders random samples",
        "view": "PA, AP, AP_SUPINE, FRONTAL_UNKNOWN, LATERAL, LATERAL_DECUBITUS, OBLIQUE, OTHER or UNKNOWN",
        "view_raw": "the view as the dataset spells it",
        "sex": "F, M, other or unknown",
        "age_years": "age in years at the time of the image; NULL where unknown or implausible",
        "age_flag": "top_coded, placeholder, implausible or NULL",
        "split": "train, train_valid, valid, test or 'not stated'",
        "order_in_patient": "time order within the patient; NULL where the dataset gives none",
        "width": "columns of the original film in pixels, as the dataset states them",
        "height": "rows of the original film in pixels, as the dataset states them",
        "spacing_x_mm": "millimetres per original pixel, horizontally",
        "spacing_y_mm": "millimetres per original pixel, vertically",
        "pattern": "key into patterns: the label states of this image",
        "study": "dense number of the study; NULL where unknown",
        "patient": "dense number of the patient; NULL where unknown",
        "on_disk": "whether a file for this image was found when the index was built",
    },
    "patterns": {
        "pattern": "key from images.pattern",
        "finding": "name of the finding",
        "state": "positive, uncertain, negative or not_assessed; a missing row means blank",
    },
    "studies": {
        "pattern": "labels of the study's first image",
        "patterns": "distinct label patterns in the study",
    },
    "set_aside": {"what": "'row': the row is not indexed; 'value': the row is, this value is not"},
}


def comment_statements() -> list[str]:
    """Return COMMENT statements for every described table and column (all text is ours)."""
    tables = [f"COMMENT ON TABLE {table} IS '{_escaped(text)}'" for table, text in TABLE_COMMENTS.items()]
    columns = [
        f"COMMENT ON COLUMN {table}.{column} IS '{_escaped(text)}'"
        for table, described in COLUMN_COMMENTS.items()
        for column, text in described.items()
    ]
    return tables + columns


def _escaped(text: str) -> str:
    return text.replace("'", "''")
