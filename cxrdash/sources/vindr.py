"""VinDr-CXR (PhysioNet) and VinBigData (Kaggle): every reader's statements, their majority, and the boxes."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb

from cxrdash.sources import vindr_boxes, vindr_labels
from cxrdash.sources.base import Claim, Headers, Staged
from cxrdash.sources.claims import answer_forms, film_stem, largest_first, nearest_table
from cxrdash.sources.film_headers import HeaderUse
from cxrdash.sources.staging import Intake

IMAGE_ID = re.compile(r"[0-9a-f]{32}")
NO_PATIENTS = (
    "This dataset has no patient ids: a split by patient cannot be made or checked, every image counts as a patient "
    "of its own, and intervals are too narrow where a patient has several images."
)


class Vindr:
    """The source of VinDr-CXR (Nguyen 2022) and of its training part as released for VinBigData."""

    name = "vindr"
    card = vindr_labels.CARD
    header_use = HeaderUse()  # no patients: PatientID is absent or random in these releases

    def claim(self, headers: Headers) -> Claim | None:
        """Return the tables of labels, boxes and sizes; PhysioNet's say more than Kaggle's of the same images."""
        labels = tuple(path for path, header in headers.items() if vindr_labels.is_labels(header))
        boxes = tuple(path for path, header in headers.items() if vindr_boxes.is_marks(header))
        kaggle = tuple(path for path, header in headers.items() if vindr_boxes.is_kaggle(header))
        sizes = tuple(path for path, header in headers.items() if vindr_boxes.is_sizes(header))
        if not labels and not boxes and not kaggle:
            return None
        tables = {"labels": labels, "boxes": boxes} if labels or boxes else {"kaggle": kaggle}
        roles = {role: paths for role, paths in {**tables, "sizes": sizes}.items() if paths}
        notes = answer_forms(headers)
        if "kaggle" not in roles:
            fuller = "was not read: the tables of PhysioNet, which are here, hold the same images."
            notes += tuple(f"{path.name} {fuller}" for path in kaggle)
        return Claim(self.name, roles, notes)

    def nearest(self, headers: Headers) -> str:
        """Return which table looks most like one of VinDr-CXR and what it lacks."""
        fields = vindr_boxes.FIELDS
        boxes = nearest_table(headers, fields, ("reader", *vindr_boxes.NEEDED), self.card.title, IMAGE_ID)
        fields = vindr_labels.FIELDS
        return boxes or nearest_table(headers, fields, tuple(fields), self.card.title, IMAGE_ID)

    def image_key(self, path: str) -> str:
        """Return the file's stem: one id names the DICOM and its resized copies."""
        return film_stem(path)

    def stage(self, con: duckdb.DuckDBPyConnection, claim: Claim, workspace: Path, *, allow_bad_rows: bool) -> Staged:
        """Stage what every reader said, the majority as labels, and the boxes; see ``Source.stage``."""
        intake = Intake(con, workspace, allow_bad_rows=allow_bad_rows)
        kaggle = claim.roles.get("kaggle", ())
        intake.staged.image_column = "image_id"
        intake.staged.variant = "VinBigData" if kaggle else "PhysioNet"
        intake.staged.findings = [
            finding for finding in self.card.findings if not kaggle or finding.name in vindr_boxes.KAGGLE_CLASSES
        ]
        con.execute(vindr_labels.TABLES)
        labelled = {vindr_labels.stage_labels(intake, path) for path in largest_first(claim.roles.get("labels", ()))}
        for path in largest_first(kaggle):
            vindr_boxes.stage_statements(intake, path, kaggle=True)
        beside = []
        for path in largest_first(claim.roles.get("boxes", ())):
            if vindr_labels.part_of(path, vindr_boxes.FIELDS) in labelled:
                beside.append(path)
            else:
                vindr_boxes.stage_statements(intake, path, kaggle=False)
        vindr_labels.stage_images(intake)
        for path in beside:
            vindr_boxes.stage_boxes(intake, path)
        vindr_boxes.stage_sizes(intake, claim.roles.get("sizes", ()))
        vindr_labels.note_readers(intake)
        intake.note(NO_PATIENTS)
        return intake.staged


SOURCE = Vindr()
