"""Films that are one picture: within a patient, between patients, across parts; how sure that is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrdash.analysis.registry import statistic
from cxrdash.errors import CxrdashError, shown
from cxrdash.images.likeness import SAME_CORRELATION
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import select
from cxrdash.index.store import Index
from cxrdash.labels.states import State

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("same file", "same pixels", "verified", "candidate")
SURE = KINDS[:3]
EQUAL = KINDS[:2]
CHANGED = KINDS[2]
PATIENTS = ("different", "same", "not known")
BINS = {"distance": 4.0, "correlation": 0.02, "detail": 0.02}  # width of a bar
_METHOD = (
    "SHA-256 of files and of decoded pixels; neighbours by a 256-bit hash and by greys on circles, laid on each "
    "other and compared in greys and in detail, METHODS 7.5"
)
_PAIRS = """
SELECT p.*, a.image_id AS image_id_a, b.image_id AS image_id_b,
       CASE WHEN a.patient IS NULL OR b.patient IS NULL THEN 'not known'
            WHEN a.patient = b.patient THEN 'same' ELSE 'different' END AS patients,
       a.split AS part_a, b.split AS part_b, a.split <> b.split AS across_parts,
       a.pattern AS pattern_a, b.pattern AS pattern_b
FROM duplicate_pairs AS p JOIN selected AS a ON p.image_a = a.image JOIN selected AS b ON p.image_b = b.image
"""
_ORDER = "list_position(['same file', 'same pixels', 'verified', 'candidate'], kind), detail DESC, image_a, image_b"
_DUPLICATES = {
    "image_a": "int64", "image_b": "int64", "image_id_a": "str", "image_id_b": "str", "kind": "str",
    "patients": "str", "distance": "int64", "correlation": "float64", "detail": "float64", "changed": "str",
    "part_a": "str", "part_b": "str", "across_parts": "bool", "labels_differ": "bool", "differing": "str",
}  # fmt: skip
_SUMMARY = {
    "kind": "str", "patients": "str", "pairs": "int64", "images": "int64", "across_parts": "int64",
    "labels_differ": "int64",
}  # fmt: skip
_CALIBRATION = {
    "measure": "str", "low": "float64", "high": "float64", "pairs": "int64", "of": "int64", "threshold": "float64",
    "beyond": "int64", "expected": "float64",
}  # fmt: skip


def compared(index: Index) -> bool:
    """Whether the films of this generation have been compared with each other."""
    facts = (index.meta.get("scan") or {}).get("duplicates") or {}
    return facts.get("least_detail") is not None


@statistic("Films that are one picture, pair by pair", method=_METHOD)
def duplicates(index: Index, cohort: Cohort | None = None, *, patients: str = "", kind: str = "") -> pd.DataFrame:
    """One row per pair of films of the cohort, surest first; blank films are left out.

    ``kind``: 'same file' (byte for byte), 'same pixels', 'verified' (one picture, changed: ``changed`` says
    how the second differs), 'candidate' (close hashes only: look at it). ``patients``: 'different', 'same'
    (films of a patient resemble each other, so only identical pixels make those duplicates) or 'not known'.
    ``distance`` in bits of 256, ``correlation`` of greys and ``detail`` from -1 to 1. ``differing`` names
    findings that are positive for one and not for the other. Both options choose rows. Empty before a scan.
    """
    import pandas as pd

    for value, known in ((patients, PATIENTS), (kind, KINDS)):
        if value and value not in known:
            raise CxrdashError(f"'{shown(value)}' is none of: {', '.join(known)}.", "Choose one of them.")
    if not compared(index):
        return pd.DataFrame(columns=list(_DUPLICATES)).astype(_DUPLICATES)
    found = select(index, cohort).table(f"WITH pairs AS ({_PAIRS}) SELECT * FROM pairs ORDER BY {_ORDER}")
    found = found[(found["patients"] == (patients or found["patients"])) & (found["kind"] == (kind or found["kind"]))]
    found["changed"] = [changes(row) for row in found.itertuples()]
    found["differing"] = [_differing(index, a, b) for a, b in zip(found["pattern_a"], found["pattern_b"], strict=True)]
    found["labels_differ"] = found["differing"] != ""
    return found[list(_DUPLICATES)].astype(_DUPLICATES).reset_index(drop=True)


def changes(row: Any) -> str:
    """How the second film differs from the first, in words."""
    if row.kind in EQUAL:
        return ""
    told = ["greys exchanged"] if row.inverted else []
    told += ["mirrored"] if row.mirrored else []
    turned = round(row.degrees)
    told += [f"turned by {abs(turned)}°"] if abs(turned) >= 2 else []
    if abs(row.size - 1) >= 0.03:
        told.append("cropped" if row.size > 1 else "shows more")
    told += ["partly empty"] if row.shared < 0.75 else []
    return ", ".join(told) or "same position"


def _differing(index: Index, pattern_a: int, pattern_b: int) -> str:
    """The findings positive for one film and not for the other: 'Edema (positive, blank); Mass (blank, positive)'."""
    if pattern_a == pattern_b:
        return ""
    a, b = index.dictionary[pattern_a], index.dictionary[pattern_b]
    return "; ".join(
        f"{index.finding_names[at]} ({State(int(a[at])).label}, {State(int(b[at])).label})"
        for at in np.flatnonzero((a == State.POSITIVE) != (b == State.POSITIVE))
    )


@statistic("How many films are one picture", method=_METHOD)
def duplicate_summary(index: Index, cohort: Cohort | None = None) -> pd.DataFrame:
    """One row per kind and whether the patients are different, the same or not known; all twelve are there.

    ``pairs``, the ``images`` in them, pairs ``across_parts`` and pairs whose labels differ. Empty before a scan.
    """
    import pandas as pd

    if not compared(index):
        return pd.DataFrame(columns=list(_SUMMARY)).astype(_SUMMARY)
    found = duplicates(index, cohort)
    rows = []
    for kind in KINDS:
        for patients in PATIENTS:
            of = found[(found["kind"] == kind) & (found["patients"] == patients)]
            rows.append(
                {
                    "kind": kind, "patients": patients, "pairs": len(of),
                    "images": len(set(of["image_a"]) | set(of["image_b"])),
                    "across_parts": int(of["across_parts"].sum()), "labels_differ": int(of["labels_differ"].sum()),
                }
            )  # fmt: skip
    return pd.DataFrame(rows, columns=list(_SUMMARY)).astype(_SUMMARY)


@statistic("How alike films of different patients are", method="seeded samples of pairs at the scan, METHODS 7.5")
def duplicate_calibration(index: Index, cohort: Cohort | None = None) -> pd.DataFrame:
    """One row per measure and bin of a histogram over pairs of different patients of the whole dataset.

    ``distance``: bits in which the hashes differ. ``correlation``: of the films as they are. ``detail``: of
    those pairs whose greys are as alike as one picture's once laid on each other; the threshold that tells
    pictures apart is taken from it. ``beyond`` of the ``of`` sampled pairs lie beyond the ``threshold``
    (true duplicates among them), ``expected`` is how many of all pairs would by chance; NaN where no such
    estimate is made. The cohort does not matter unless it is empty.
    """
    import pandas as pd

    empty = pd.DataFrame(columns=list(_CALIBRATION)).astype(_CALIBRATION)
    if not compared(index) or not select(index, cohort).counts["images"]:
        return empty
    facts = index.meta["scan"]["duplicates"]
    pairs = index.table("SELECT * FROM duplicate_sample ORDER BY measure, low")
    lines = {"distance": facts["most_bits"], "correlation": SAME_CORRELATION, "detail": facts["least_detail"]}
    rows = [row for measure, line in lines.items() for row in _bars(pairs, measure, float(line), facts["compared"])]
    return pd.DataFrame(rows, columns=list(_CALIBRATION)).astype(_CALIBRATION) if rows else empty


def _bars(sample: pd.DataFrame, measure: str, line: float, films: int) -> Iterator[dict[str, Any]]:
    found = sample[sample["measure"] == measure]
    if found.empty:
        return
    counts, low = found["pairs"].to_numpy(), found["low"].to_numpy()
    middle = (found["low"].to_numpy() + found["high"].to_numpy()) / 2 if measure != "distance" else low
    beyond = int(counts[(low <= line) if measure == "distance" else (low >= line - 1e-9)].sum())
    expected = _expected(middle, counts, line, films) if measure == "distance" else float("nan")
    width = BINS[measure]
    bars = np.floor(low / width + 1e-6)
    for bar in np.unique(bars):
        yield {
            "measure": measure, "low": bar * width, "high": (bar + 1) * width, "pairs": counts[bars == bar].sum(),
            "of": counts.sum(), "threshold": line, "beyond": beyond, "expected": expected,
        }  # fmt: skip


def _expected(values: np.ndarray, counts: np.ndarray, line: float, films: int) -> float:
    """Pairs of the whole dataset expected within the line, the lower half of the sample taken as normal."""
    reached = np.cumsum(counts) / counts.sum()
    middle, low = (float(values[np.searchsorted(reached, share)]) for share in (0.5, 0.05))
    spread = max((middle - low) / 1.645, 1.0)
    return films * (films - 1) / 2 * NormalDist().cdf((line + 0.5 - middle) / spread)


def linked(index: Index, kinds: Sequence[str] = SURE) -> np.ndarray:
    """Return the pairs of images (dense numbers) of these kinds, int64 (pairs, 2); none before a scan."""
    if not compared(index):
        return np.zeros((0, 2), np.int64)
    sql = "SELECT image_a, image_b FROM duplicate_pairs WHERE kind IN (SELECT unnest($kinds::VARCHAR[])) ORDER BY ALL"
    rows = index.rows(sql, {"kinds": list(kinds)})
    return np.array(rows, np.int64).reshape(-1, 2)
