"""The cohort as one table: byte-exact CSV, a CSV safe to open in a spreadsheet, and Parquet."""

from __future__ import annotations

import csv
import hashlib
import hmac
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrdash.index.levels import level_columns
from cxrdash.labels.states import State
from cxrdash.report.export import Export
from cxrdash.report.small_cells import SMALLEST

if TYPE_CHECKING:
    import pandas as pd

_ROWS = """
SELECT image_id, study_id, patient_id, view, view_raw, sex, age_years, split, {further}order_in_patient, width, height,
       spacing_x_mm, spacing_y_mm, pattern, root, path
FROM selected LEFT JOIN paths USING (image) ORDER BY image
"""
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_BOTH = "cohort.csv holds every text exactly; cohort-spreadsheet.csv has ' before texts that a spreadsheet would run."
OLDEST_SHARED = 89  # years; above this an age identifies


def cohort_table(asked: Export, *, words: bool = True) -> pd.DataFrame:
    """Return one row per image of the cohort in the index's order: facts (further attributes among them), file,
    one column per finding.

    Labels are the state's word (``words``), else the number training code is given (float, NaN where left
    out). ``path`` is the film's file, None where it is not on disk. A finding named as another column has
    ' (finding)' behind its name. In a shareable export ids are replaced, paths and further attributes (sites,
    years) left out, and ages above 89 and of children in whole years.
    """
    further, bound = level_columns(asked.index.attributes)
    table = asked.selection.table(_ROWS.format(further=further), **bound)
    states = asked.index.dictionary[table["pattern"].to_numpy()] if len(table) else asked.index.dictionary[:0]
    roots = [str(root) for root in asked.index.roots]
    table["path"] = [
        None if path is None or path != path else f"{roots[int(root)]}/{path}"
        for root, path in zip(table["root"], table["path"], strict=True)
    ]
    table = table.drop(columns=["pattern", "root"])
    base = {name.casefold() for name in table.columns}
    values = _values(asked, words=words)
    for at, name in enumerate(asked.index.finding_names):
        column = f"{name} (finding)" if name.casefold() in base else name
        table[column] = values[states[:, at].astype(int)]
    return _without_identifiers(table.drop(columns=list(asked.index.attributes))) if asked.shareable else table


def _values(asked: Export, *, words: bool) -> np.ndarray:
    """Return what each State is written as, by its number."""
    if words:
        return np.array([state.label for state in sorted(State)], dtype=object)
    targets = [asked.targets[state] for state in sorted(State)]
    return np.array([np.nan if target is None else float(target) for target in targets])


def _without_identifiers(table: pd.DataFrame) -> pd.DataFrame:
    """Replace ids by pseudonyms made with a key that is thrown away, and drop what leads back to a person."""
    key = secrets.token_bytes(32)
    replaced = table.drop(columns=["path", "order_in_patient", "view_raw"])
    for column, letter in (("image_id", "I"), ("study_id", "S"), ("patient_id", "P")):
        replaced[column] = [
            None if _missing(value) else letter + _pseudonym(key, str(value)) for value in table[column]
        ]
    replaced["age_years"] = table["age_years"].clip(upper=OLDEST_SHARED).round()
    # The order of rows is the dataset's own, so the pseudonyms give another.
    return replaced.sort_values("image_id", ignore_index=True)


def _pseudonym(key: bytes, value: str) -> str:
    return hmac.new(key, value.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:16]


def _missing(value: Any) -> bool:
    return value is None or value != value


def write_csv(asked: Export, folder: Path) -> list[str]:
    """Write cohort.csv byte for byte, and cohort-spreadsheet.csv in which no text can become a formula."""
    table = cohort_table(asked)
    _to_csv(table, folder / "cohort.csv", encoding="utf-8")
    _to_csv(spreadsheet_safe(table), folder / "cohort-spreadsheet.csv", encoding="utf-8-sig")
    return [*_notes(asked), _BOTH]


def _to_csv(table: pd.DataFrame, path: Path, *, encoding: str) -> None:
    # CR and LF both belong to the line end, so that a cell with either is quoted.
    with path.open("w", encoding=encoding, errors="surrogateescape", newline="") as file:
        table.to_csv(file, index=False, lineterminator="\r\n", quoting=csv.QUOTE_MINIMAL)


def write_parquet(asked: Export, folder: Path) -> list[str]:
    """Write cohort.parquet: the same table, types kept."""
    cohort_table(asked).to_parquet(folder / "cohort.parquet", index=False, engine="pyarrow")
    return _notes(asked)


def _notes(asked: Export) -> list[str]:
    words = "Labels are the dataset's own states; the policy is not applied."
    if not asked.shareable:
        return [words]
    replaced = f"Ids are replaced, paths and further attributes left out, ages rounded and cut at {OLDEST_SHARED}"
    return [words, f"{replaced}; rows of single images cannot hide groups of fewer than {SMALLEST}."]


def spreadsheet_safe(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with ' before every text, header included, that a spreadsheet would take for a formula.

    Numbers stay numbers, also those written as text ('-5').
    """
    safe = table.copy()
    for name in table.columns:
        if table[name].dtype.kind not in "iufb" and str(table[name].dtype) not in ("Int64", "Int32"):
            safe[name] = [guarded(value) if isinstance(value, str) else value for value in table[name]]
    return safe.rename(columns={name: guarded(str(name)) for name in table.columns})


def guarded(text: str) -> str:
    """Return a text that no spreadsheet runs: with ' before it where it begins like a formula."""
    return f"'{text}" if text.startswith(FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    body = text[1:] if text[:1] in ("-", "+") else text
    return body.replace(".", "", 1).isascii() and body.replace(".", "", 1).isdigit()
