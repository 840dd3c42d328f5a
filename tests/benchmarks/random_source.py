"""A source for the worst case: a table whose labels are twenty random bits. Registered by the benchmark only."""

from __future__ import annotations

from pathlib import Path

import duckdb

from cxrdash.labels.findings import Finding
from cxrdash.sources.base import Claim, Headers, Staged
from cxrdash.sources.card import Card
from cxrdash.sources.headers import Fields
from cxrdash.sources.staging import Intake

FINDINGS = tuple(f"Random {at:02d}" for at in range(20))
FIELDS: Fields = {name: (name,) for name in ("image", "patient", "view", "age", "labels")}
IMAGES = """
INSERT INTO staged_images
SELECT image, patient, NULL, view, view, 'unknown', age::DOUBLE, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       labels, image, 0, record FROM random_table
"""
LABELS = """
INSERT INTO staged_labels
SELECT labels, unnest($findings::VARCHAR[]),
       unnest(list_transform(string_split(labels, ''),
                             lambda bit: CASE bit WHEN '1' THEN 'positive' ELSE 'negative' END))
FROM (SELECT DISTINCT labels FROM random_table)
"""


class RandomLabels:
    """Twenty independent labels: hundreds of thousands of patterns in a million images."""

    name = "random20"
    card = Card(
        name="random20", title="Random labels", citation="", licence="", terms="", label_provenance="drawn at random",
        label_unit="image", negative_means="", blank_means="", order_source="", known_problems=(),
        findings=tuple(Finding(name, name) for name in FINDINGS), published=(),
    )  # fmt: skip

    def claim(self, headers: Headers) -> Claim | None:
        return Claim(self.name, {"images": tuple(headers)})

    def nearest(self, headers: Headers) -> str:
        return ""

    def image_key(self, path: str) -> str:
        return path

    def stage(self, con: duckdb.DuckDBPyConnection, claim: Claim, workspace: Path, *, allow_bad_rows: bool) -> Staged:
        intake = Intake(con, workspace, allow_bad_rows=allow_bad_rows)
        intake.read(claim.roles["images"][0], name="random_table", fields=FIELDS, recognised_as="random labels")
        intake.staged.findings = list(self.card.findings)
        con.execute(IMAGES)
        con.execute(LABELS, {"findings": list(FINDINGS)})
        return intake.staged


SOURCE = RandomLabels()
