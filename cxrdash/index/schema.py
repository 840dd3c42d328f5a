"""The tables of an index: a star around label patterns (few distinct combinations of label states)."""

from __future__ import annotations

SCHEMA_VERSION = 4

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
CREATE TABLE mask_measures (
    image INTEGER, structure VARCHAR, parts INTEGER, width INTEGER, height INTEGER, area BIGINT,
    x_first INTEGER, x_last INTEGER, y_first INTEGER, y_last INTEGER, x_centre DOUBLE, y_centre DOUBLE,
    far BOOLEAN, quality DOUBLE, problem VARCHAR);
CREATE TABLE mask_images (
    image INTEGER, structures INTEGER, quality DOUBLE, cardiothoracic_ratio DOUBLE, lungs_exchanged BOOLEAN,
    far INTEGER, problems INTEGER);
CREATE TABLE readings (image INTEGER, reader VARCHAR, finding VARCHAR, state VARCHAR);
CREATE TABLE reports (study INTEGER, section VARCHAR, report VARCHAR);
CREATE TABLE attributes (image INTEGER, attribute VARCHAR, level VARCHAR);
CREATE TABLE set_aside (file VARCHAR, line BIGINT, column_name VARCHAR, value VARCHAR, reason VARCHAR, what VARCHAR);
CREATE TABLE sources (file VARCHAR, sha256 VARCHAR, bytes BIGINT, mtime_ns BIGINT, records BIGINT, indexed BIGINT,
    set_aside BIGINT, recognised_as VARCHAR, counts_images BOOLEAN);
CREATE TABLE checks (what VARCHAR, split VARCHAR, published BIGINT, found BIGINT, agrees BOOLEAN, source VARCHAR);
CREATE TABLE meta (key VARCHAR, value VARCHAR);
"""

# Made apart, because a scan makes it anew in the copy of an index.
MEASURES = """
CREATE TABLE measures (
    image INTEGER, status VARCHAR, reason VARCHAR, file_bytes BIGINT, format VARCHAR, stored_mode VARCHAR,
    photometric VARCHAR, width INTEGER, height INTEGER, bits_allocated INTEGER, bits_stored INTEGER,
    spacing_row_mm DOUBLE, spacing_column_mm DOUBLE, spacing_kind VARCHAR, windows INTEGER, header_view VARCHAR,
    burned_in VARCHAR, grey_levels INTEGER, lowest DOUBLE, highest DOUBLE, mean DOUBLE, sd DOUBLE,
    p01 DOUBLE, p05 DOUBLE, p25 DOUBLE, p50 DOUBLE, p75 DOUBLE, p95 DOUBLE, p99 DOUBLE,
    share_lowest DOUBLE, share_highest DOUBLE, entropy_bits DOUBLE,
    border_left DOUBLE, border_top DOUBLE, border_right DOUBLE, border_bottom DOUBLE,
    uniform_rows DOUBLE, uniform_columns DOUBLE, border_share DOUBLE, interior_sd DOUBLE, interior_contrast DOUBLE,
    interior_share_lowest DOUBLE, interior_share_highest DOUBLE, sharpness DOUBLE, relative_sharpness DOUBLE,
    file_digest BLOB, pixel_digest BLOB, phash BLOB,
    template VARCHAR, orientation_r DOUBLE, best_variant VARCHAR, best_r DOUBLE, lateral_r DOUBLE);
"""

# Made anew by a scan, too. A pair is here once, the image with the smaller number first.
DUPLICATES = """
CREATE OR REPLACE TABLE duplicate_pairs (
    image_a INTEGER, image_b INTEGER, kind VARCHAR, distance INTEGER, correlation DOUBLE, detail DOUBLE,
    shared DOUBLE, degrees DOUBLE, size DOUBLE, mirrored BOOLEAN, inverted BOOLEAN);
CREATE OR REPLACE TABLE duplicate_sample (measure VARCHAR, low DOUBLE, high DOUBLE, pairs BIGINT);
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
    "mask_measures": "size and place of every mask: one row per image and structure, its rows united",
    "mask_images": "what follows from an image's masks: one row per image with masks",
    "readings": "labels from other readers, each with its provenance",
    "measures": "what the pixel scan found, one row per image; empty before a scan",
    "duplicate_pairs": "pairs of films that are, or may be, one picture; of blank films none; empty before a scan",
    "duplicate_sample": "how alike films of different patients are: histograms of seeded samples of pairs",
    "attributes": "what one dataset says of its images and others do not: labeller, year, site",
    "reports": "what radiologists wrote of a study, by section, as it stands in the dataset (OpenI)",
    "set_aside": "rows and values that are not in the index, each with its place and reason",
    "sources": "the files read: digest, records read, indexed and set aside",
    "checks": "published counts against the counts of this index",
    "meta": "facts of this index, as JSON values",
}

COLUMN_COMMENTS = {
    "mask_measures": {
        "parts": "rows of masks that were united",
        "area": "pixels of the mask; 0 for an empty mask, NULL where it cannot be read",
        "x_first": "first column with a pixel, from 0 at the left; x_last, y_first and y_last likewise",
        "x_centre": "centre of mass as a share of the width, from the left edge; y_centre from the top",
        "far": "whether the area lies beyond three interquartile ranges of this structure (logarithms)",
        "quality": "quality index that came with the mask, the lowest of its rows; 0 to 1",
        "problem": "why the mask cannot be read; NULL where it can",
    },
    "mask_images": {
        "quality": "the lowest quality index of the image's masks",
        "cardiothoracic_ratio": "width of the heart over that of both lungs; NULL unless all three are there",
        "lungs_exchanged": "whether the patient's right lung lies further right in the picture than the left",
        "far": "masks of the image with an area far from the others of their structure",
        "problems": "masks of the image that cannot be read",
    },
    "images": {
        "image": "dense number of the image in this generation of the index",
        "image_id": "the dataset's own image identifier",
        "study_id": "the dataset's own study identifier; NULL where it has none",
        "patient_id": "the dataset's own patient identifier; NULL where it has none",
        "sample_key": "48 bits made of image_id alone: the same on every machine, orders random samples",
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
    "measures": {
        "status": "ok, missing (no file), unreadable (no picture in it) or not scanned",
        "reason": "why there is no picture, in a few words",
        "file_bytes": "size of the file",
        "format": "PNG, JPEG, TIFF or DICOM, by the first bytes of the file",
        "stored_mode": "the file's own word for its pixels: L, I;16, RGB, RGBA, MONOCHROME1, ...",
        "photometric": "DICOM PhotometricInterpretation; NULL in other formats",
        "width": "columns of the file's picture in pixels",
        "height": "rows of the file's picture in pixels",
        "bits_allocated": "bits per pixel as decoded",
        "bits_stored": "bits per channel that the file says it uses",
        "spacing_row_mm": "millimetres between rows, from the file",
        "spacing_column_mm": "millimetres between columns, from the file",
        "spacing_kind": "detector, patient or stated: what the file's spacing refers to",
        "windows": "windows and VOI tables in a DICOM file; NULL in other formats",
        "header_view": "DICOM ViewPosition where it is a word of the standard",
        "burned_in": "DICOM BurnedInAnnotation: YES or NO",
        "grey_levels": "distinct stored values",
        "lowest": "lowest stored value",
        "highest": "highest stored value",
        "mean": "mean of the stored values",
        "sd": "standard deviation of the stored values",
        **{f"p{n:02d}": f"stored value that {n}% of the pixels do not exceed" for n in (1, 5, 25, 50, 75, 95, 99)},
        "share_lowest": "share of pixels at the lowest stored value",
        "share_highest": "share of pixels at the highest stored value",
        "entropy_bits": "entropy of the histogram of stored values, in bits",
        "border_left": "uniform band at the left edge, as a share of the width",
        "border_top": "uniform band at the upper edge, as a share of the height",
        "border_right": "uniform band at the right edge, as a share of the width",
        "border_bottom": "uniform band at the lower edge, as a share of the height",
        "uniform_rows": "longest run of uniform rows, as a share of the height",
        "uniform_columns": "longest run of uniform columns, as a share of the width",
        "border_share": "share of the film that is uniform lines, or black and joined to the edge",
        "interior_sd": "standard deviation of the shades (0 to 255) inside the border",
        "interior_contrast": "95th less 5th percentile of the shades (0 to 255) inside the border",
        "interior_share_lowest": "share of the interior at the lowest stored value",
        "interior_share_highest": "share of the interior at the highest stored value",
        "sharpness": "variance of the 4-neighbour Laplacian of the shown film at longest side 512",
        "relative_sharpness": "sharpness divided by the median of the dataset's films of this kind of view",
        "file_digest": "SHA-256 of the file",
        "pixel_digest": "SHA-256 of the stored pixels with their shape and depth",
        "phash": "perceptual hash of 256 bits of the film as shown",
        "template": "films it is compared with: frontal, lateral or unknown; NULL where too few resemble it",
        "orientation_r": "likeness to their median as stored, -1 to 1",
        "best_variant": "which turning or exchange of greys makes it most alike",
        "best_r": "likeness of that variant",
        "lateral_r": "likeness of a film that is not called lateral to the median lateral",
    },
    "duplicate_pairs": {
        "kind": "same file, same pixels, verified (one picture, changed) or candidate (alike by its hash alone)",
        "distance": "bits of 256 in which the hashes differ, at best over turning, mirroring and exchanging greys",
        "correlation": "of the greys at 64 points per side, one film laid on the other; -1 to 1",
        "detail": "correlation of the fine structure at 128 points per side; -1 to 1",
        "shared": "share of the first film on which both show something",
        "degrees": "turn from the first to the second film, counter-clockwise",
        "size": "side of the first film on the second: below 1 it is a cut-out",
        "mirrored": "whether one shows left and right exchanged",
        "inverted": "whether one shows black and white exchanged",
    },
    "duplicate_sample": {
        "measure": "distance (bits), correlation (films as they are) or detail (the nearest, one laid on the other)",
        "low": "lower end of the bin, inclusive",
        "high": "upper end of the bin, exclusive but for the last",
        "pairs": "pairs of films of different patients",
    },
    "set_aside": {"what": "'row': the row is not indexed; 'value': the row is, this value is not"},
}


def comment_statements(*only: str) -> list[str]:
    """Return COMMENT statements for every described table and column, or for some tables (all text is ours)."""
    wanted = only or tuple(TABLE_COMMENTS)
    tables = [f"COMMENT ON TABLE {table} IS '{_escaped(TABLE_COMMENTS[table])}'" for table in wanted]
    columns = [
        f"COMMENT ON COLUMN {table}.{column} IS '{_escaped(text)}'"
        for table in wanted
        for column, text in COLUMN_COMMENTS.get(table, {}).items()
    ]
    return tables + columns


def _escaped(text: str) -> str:
    return text.replace("'", "''")
