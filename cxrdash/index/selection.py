"""A cohort applied to an index: the relations that every statistic reads."""

from __future__ import annotations

import hashlib
import math
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrdash.errors import CxrdashError, shown
from cxrdash.index.annotations import Annotation, parse_annotation
from cxrdash.index.attributes import attribute_conditions
from cxrdash.index.cohort import Cohort
from cxrdash.index.levels import AGE_BANDS as AGE_BANDS
from cxrdash.index.levels import BY as BY
from cxrdash.index.levels import level_columns, numbered
from cxrdash.index.readings import Reading, Votes, parse_reading
from cxrdash.index.store import Index, Unit
from cxrdash.index.suspects import Suspect, parse_suspect
from cxrdash.index.units import unions
from cxrdash.labels.expression import And, Atom, Expression, Not, parse

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class LabelTable:
    """Distinct label states with how many units carry them.

    ``states`` is int8 of shape (rows, findings) with labels.State values, ``weights`` int64 of shape
    (rows,) counts units, ``levels`` maps each splitting attribute to an array of shape (rows,).
    """

    states: np.ndarray
    weights: np.ndarray
    levels: dict[str, np.ndarray]


@dataclass(frozen=True)
class Selection:
    """The images of a cohort in one generation of an index."""

    index: Index
    cohort: Cohort

    @cached_property
    def expression(self) -> Expression | None:
        """The cohort's label expression; raises CxrdashError where it cannot be read."""
        return parse(self.cohort.labels, self.index.finding_names)

    @cached_property
    def readings(self) -> tuple[Reading | Votes, ...]:
        """What the cohort asks of readers; raises CxrdashError where it cannot be read."""
        return tuple(parse_reading(text, self.index.readers) for text in self.cohort.readings)

    @cached_property
    def annotations(self) -> tuple[Annotation, ...]:
        """What the cohort asks to be drawn; raises CxrdashError where it cannot be read."""
        return tuple(parse_annotation(text, self.index.drawn) for text in self.cohort.annotations)

    @cached_property
    def suspects(self) -> tuple[Suspect, ...]:
        """What the cohort asks of the pixel scan; raises CxrdashError where it cannot be read or there was no scan."""
        return parse_suspects(self.index, self.cohort.suspects)

    @cached_property
    def patterns(self) -> np.ndarray | None:
        """Boolean of shape (patterns,): which patterns match the label expression; None where all do."""
        if self.expression is None:
            return None
        names = {name: at for at, name in enumerate(self.index.finding_names)}
        return _matching(self.expression, self.index.dictionary, names)

    @cached_property
    def _parts(self) -> tuple[str, dict[str, Any]]:
        """The cohort as common table expressions ending in `selected`, with named parameters."""
        where, parameters = _conditions(self)
        ctes = [f"filtered AS NOT MATERIALIZED (SELECT * FROM images{where})"]
        last = "filtered"
        if self.cohort.images_per_patient:
            ctes.append(_FREQUENT.format(last=last))
            parameters |= dict(zip(("fewest", "most"), self.cohort.images_per_patient, strict=True))
            last = "frequent"
        if self.cohort.studies_per_patient:
            ctes.append(_FREQUENT_STUDIES.format(last=last))
            parameters |= dict(zip(("fewest_studies", "most_studies"), self.cohort.studies_per_patient, strict=True))
            last = "frequent_studies"
        if self.cohort.one_per_patient:
            ctes.append(_ONE[self.cohort.one_per_patient].format(last=last))
            if self.cohort.one_per_patient == "random":
                parameters["pick"] = modulus(self.cohort.seed, PICK)
            last = "one_each"
        ctes.append(f"selected AS NOT MATERIALIZED (SELECT * FROM {last})")
        return ",\n".join(ctes), parameters

    def statement(self, sql: str) -> str:
        """Return ``sql`` with the relation `selected` in front; ``sql`` may itself begin with WITH."""
        ctes, _ = self._parts
        rest = sql.lstrip()
        return f"WITH {ctes},\n{rest[5:]}" if rest.startswith("WITH ") else f"WITH {ctes}\n{rest}"

    def parameters(self, extra: dict[str, Any]) -> dict[str, Any]:
        return {**self._parts[1], **extra}

    def written_out(self, sql: str) -> str:
        """Return a statement with the cohort's values in place of parameters, to paste into a query.

        For reading and pasting only: what cxrdash itself runs always binds its values.
        """
        ctes, parameters = self._parts
        # In one pass, so that a value which looks like a parameter stays the value it is.
        ctes = re.sub(r"\$([a-z][a-z0-9_]*)", lambda found: _literal(parameters[found[1]]), ctes)
        rest = textwrap.dedent(sql).strip()
        return f"WITH {ctes},\n{rest[5:]}" if rest.startswith("WITH ") else f"WITH {ctes}\n{rest}"

    def table(self, sql: str, **extra: Any) -> pd.DataFrame:
        """Run a statement over `selected` and return its rows as a DataFrame."""
        return self.index.table(self.statement(sql), self.parameters(extra))

    def arrays(self, sql: str, **extra: Any) -> dict[str, np.ndarray]:
        """Run a statement over `selected` and return its columns as arrays."""
        return self.index.arrays(self.statement(sql), self.parameters(extra))

    def numbers(self, sql: str, **extra: Any) -> dict[str, np.ndarray]:
        """Run a statement over `selected` that gives numbers without NULL, and return its columns as arrays."""
        return self.index.numbers(self.statement(sql), self.parameters(extra))

    def rows(self, sql: str, **extra: Any) -> list[tuple[Any, ...]]:
        """Run a statement over `selected` and return its rows."""
        return self.index.rows(self.statement(sql), self.parameters(extra))

    def image_ids(self) -> np.ndarray:
        """Return the identifiers of the cohort's images, in no particular order."""
        return self.arrays("SELECT image_id FROM images SEMI JOIN selected USING (image)")["image_id"]

    @cached_property
    def counts(self) -> dict[str, int]:
        """Images, studies and patients of the cohort, and images whose file is on disk."""
        if self.cohort.everything:
            return {name: self.index.counts[name] for name in ("images", "studies", "patients", "on_disk")}
        numbers = {f"{name}_numbers": self.index.counts[name] for name in ("studies", "patients")}
        found = self.rows(_COUNTS, **numbers)[0]
        return dict(zip(("images", "studies", "patients", "on_disk"), map(int, found), strict=True))

    def sentence(self) -> str:
        """Return the cohort in words with its counts, as it stands above every page."""
        n, whole = self.counts, self.index.counts
        images = f"{n['images']:,} of " if n["images"] != whole["images"] else ""
        images += counted(whole["images"], "image")
        patients = ", " + (counted(n["patients"], "patient") if whole["patients"] else "patients unknown")
        words = self.cohort.words() if not self.cohort.everything else "all images"
        return f"{words}, n = {images}{patients}"

    def patient_sizes(self, unit: Unit = "image") -> dict[str, np.ndarray]:
        """Return arrays size, patients: how many patients have how many images (or studies) in the cohort."""
        require_unit(self.index, unit)
        if self.cohort.everything:
            return self.index.patient_sizes["study" if unit == "study" else "image"]
        return self.arrays(_STUDY_SIZES if unit == "study" else _PATIENT_SIZES)

    def composition(self) -> tuple[pd.DataFrame, dict[str, int]]:
        """Return [attribute, level, images, patients] for part, view, sex and age, and ``counts``, in one pass."""
        if self.cohort.everything:
            return self.index.table("SELECT attribute, level, images, patients FROM level_sizes"), self.counts
        cells = numbered(self.index, _AXES_BY)
        numbers = {f"{name}_numbers": self.index.counts[name] for name in ("studies", "patients")}
        if cells.count * sum(numbers.values()) > MOST_BITS:
            return self.table(LEVELS), self.counts
        sizes = [len(group) for group in cells.groups]
        axes = {
            "axes": list(_AXES),
            "sizes": [1, *sizes],
            "below": [1, *(math.prod(sizes[at:]) for at in (1, 2, 3, 4))],
        }
        found = self.table(_BY_CELL.format(cell=cells.code), **numbers, **cells.parameters, **axes)
        whole = found[found["attribute"] == "total"][["images", "studies", "patients", "on_disk"]].sum()
        found = found[found["attribute"] != "total"]
        names = [
            cells.groups[_AXES.index(axis) - 1][at] for axis, at in zip(found["attribute"], found["place"], strict=True)
        ]
        levels = found.assign(level=np.array(names, dtype=str))[["attribute", "level", "images", "patients"]]
        return levels.reset_index(drop=True), {str(name): int(count) for name, count in whole.items()}

    def labels(self, unit: Unit = "image", by: tuple[str, ...] = ()) -> LabelTable:
        """Count units by label states, split by the attributes named in ``by`` (see ``ways_to_split``).

        For study and patient the states are the union over the unit's images in the cohort, by
        precedence (labels.State).
        """
        require_unit(self.index, unit)
        if unit == "image" or (unit == "study" and self.index.meta["study_labels_constant"]):
            return self._by_pattern(unit, by)
        return self._by_union(unit, by)

    def _by_pattern(self, unit: Unit, by: tuple[str, ...]) -> LabelTable:
        if self.cohort.everything and not by:
            found = self.index.arrays(_WHOLE_PATTERNS[unit])
        else:
            count = "count(*)" if unit == "image" else "count(DISTINCT study)"
            levels, bound = level_columns(by)
            sql = f"SELECT {levels}pattern, {count}::BIGINT AS units FROM selected GROUP BY ALL"
            found = self.arrays(sql, **bound)
        states = self.index.dictionary[found["pattern"]] if len(found["pattern"]) else self.index.dictionary[:0]
        return LabelTable(states, found["units"].astype(np.int64), {name: found[name].astype(str) for name in by})

    def _by_union(self, unit: Unit, by: tuple[str, ...]) -> LabelTable:
        levels = numbered(self.index, by)
        states, weights, level = unions(self, unit, levels)
        return LabelTable(states, weights, dict(zip(by, levels.names(level), strict=True)))


LEVELS = f"""
WITH marked AS (SELECT patient, split, view, sex, {BY["age_band"]} AS age_band FROM selected)
SELECT CASE grouping_id(split, view, sex, age_band)
           WHEN 7 THEN 'part' WHEN 11 THEN 'view' WHEN 13 THEN 'sex' ELSE 'age' END AS attribute,
       coalesce(split, view, sex, age_band) AS level,
       count(*)::BIGINT AS images, count(DISTINCT patient)::BIGINT AS patients
FROM marked GROUP BY GROUPING SETS ((split), (view), (sex), (age_band))
"""


# The same in one pass, and the whole as axis total: studies and patients of the few cells as one bit each.
_AXES = ("total", "part", "view", "sex", "age")
_AXES_BY = ("split", "view", "sex", "age_band")  # their keys of BY
_BY_CELL = """
WITH cells AS (
    SELECT {cell} AS cell, count(*) AS images, count(*) FILTER (WHERE on_disk) AS on_disk,
           bitstring_agg(study, 0, $studies_numbers) AS visits, bitstring_agg(patient, 0, $patients_numbers) AS people
    FROM selected GROUP BY cell),
axes AS (SELECT unnest($axes) AS attribute, unnest($sizes) AS size, unnest($below) AS below)
SELECT attribute, (cell // below % size)::INTEGER AS place, sum(images)::BIGINT AS images,
       coalesce(bit_count(bit_or(visits) FILTER (WHERE attribute = 'total')), 0)::BIGINT AS studies,
       coalesce(bit_count(bit_or(people)), 0)::BIGINT AS patients, sum(on_disk)::BIGINT AS on_disk
FROM cells CROSS JOIN axes GROUP BY ALL ORDER BY ALL
"""
MOST_BITS = 2**31  # 256 MB at most, once for each processor


def counted(count: int, one: str) -> str:
    """Return '1 patient' or '2,225 patients'."""
    return f"{count:,} {one}" if count == 1 else f"{count:,} {one}s"


def select(index: Index, cohort: Cohort | None = None) -> Selection:
    """Apply a cohort to an index; without one, take every image."""
    return Selection(index, cohort or Cohort())


def require_unit(index: Index, unit: str) -> None:
    """Refuse a unit that the dataset's files do not identify."""
    if unit not in ("image", "study", "patient"):
        raise CxrdashError(f"'{shown(unit)}' is not a unit.", "Use image, study or patient.")
    if unit not in index.units:
        raise CxrdashError(
            f"{index.title} does not identify a {unit}, so nothing can be counted by {unit}.",
            f"Use --unit {' or '.join(index.units)}.",
        )


def parse_suspects(index: Index, texts: Sequence[str]) -> tuple[Suspect, ...]:
    """Read conditions on what the pixel scan found; refuse them where the films have not been looked at."""
    found = tuple(parse_suspect(text) for text in texts)
    if found and not index.meta.get("scan"):
        raise CxrdashError(
            f"The films of {index.title} have not been scanned.", f"Run: python -m cxrdash scan {index.dataset}"
        )
    return found


PICK = b"pick"  # the order in which a cohort takes one image of each patient


def modulus(seed: int, purpose: bytes = b"") -> int:
    """Return the odd 33-bit modulus whose residues order a sample drawn with ``seed``.

    sample_key is a uniform 48-bit hash, so its residues are uniform and, for different odd moduli,
    unrelated (the keys go 2^15 times round); one remainder per image is cheaper than hashing again
    and the same on any machine. Two orders of the same seed need a ``purpose`` each: drawn by the order
    by which they were picked, images of patients with many images would come first.
    """
    digest = hashlib.blake2b(str(int(seed)).encode(), digest_size=8, person=purpose).digest()
    return int.from_bytes(digest, "big") % 2**32 + 2**32 | 1


def _matching(expression: Expression, states: np.ndarray, column: dict[str, int]) -> np.ndarray:
    if isinstance(expression, Atom):
        found: np.ndarray = states[:, column[expression.finding]] == expression.state
        return found
    if isinstance(expression, Not):
        return ~_matching(expression.item, states, column)
    combine = np.logical_and if isinstance(expression, And) else np.logical_or
    matched: np.ndarray = combine.reduce([_matching(item, states, column) for item in expression.items])
    return matched


def _conditions(selection: Selection) -> tuple[str, dict[str, Any]]:
    """Return the WHERE clause and its parameters; only filters in force take part."""
    cohort = selection.cohort
    parameters: dict[str, Any] = {}
    clauses: list[str] = []
    for name, values in (("split", cohort.splits), ("view", cohort.views), ("sex", cohort.sexes)):
        if values:
            clauses.append(f"{name} IN $cohort_{name}")
            parameters[f"cohort_{name}"] = list(values)
    further, bound = attribute_conditions(cohort.attributes, selection.index.attributes, selection.index.title)
    clauses += further
    parameters |= bound
    if cohort.ages:
        clauses.append("age_years >= $age_low AND age_years < $age_high")
        parameters |= {"age_low": cohort.ages[0], "age_high": cohort.ages[1] + 1}
    if selection.patterns is not None:
        clauses.append("pattern IN (SELECT unnest($patterns))")
        parameters["patterns"] = np.flatnonzero(selection.patterns).tolist()
    asked: dict[str, Sequence[Reading | Votes | Annotation | Suspect]]
    asked = {"reading": selection.readings, "drawn": selection.annotations, "suspect": selection.suspects}
    for name, conditions in asked.items():
        for place, condition in enumerate(conditions):
            clause, said = condition.condition(f"{name}{place}")
            clauses.append(clause)
            parameters |= said
    if cohort.images:
        clauses.append("image_id IN (SELECT unnest($image_ids))")
        parameters["image_ids"] = list(cohort.images)
    if cohort.patient:
        clauses.append("patient_id = $patient_id")
        parameters["patient_id"] = cohort.patient
    if cohort.on_disk:
        clauses.append("on_disk")
    return (" WHERE " + " AND ".join(clauses) if clauses else ""), parameters


def _literal(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_literal(item) for item in value) + "]"
    return str(value) if isinstance(value, int | float) else "'" + str(value).replace("'", "''") + "'"


_FREQUENT = """frequent AS NOT MATERIALIZED (SELECT * FROM {last} WHERE patient IN (
    SELECT patient FROM {last} GROUP BY patient HAVING count(*) BETWEEN $fewest AND $most))"""
_FREQUENT_STUDIES = """frequent_studies AS NOT MATERIALIZED (SELECT * FROM {last} WHERE patient IN (
    SELECT patient FROM {last} GROUP BY patient
    HAVING count(DISTINCT study) BETWEEN $fewest_studies AND $most_studies))"""
_ONE = {
    rule: f"""one_each AS NOT MATERIALIZED (SELECT * FROM {{last}} WHERE image IN (
    SELECT {pick} FROM {{last}} WHERE patient IS NOT NULL GROUP BY patient))"""
    for rule, pick in {
        "first": "min(image)",
        "last": "max(image)",
        "random": "arg_min(image, sample_key % $pick::UBIGINT)",
    }.items()
}
# Studies and patients are numbered without gaps, so a bit for each counts them faster than DISTINCT.
_COUNTS = """
SELECT count(*), coalesce(bit_count(bitstring_agg(study, 0, $studies_numbers)), 0),
       coalesce(bit_count(bitstring_agg(patient, 0, $patients_numbers)), 0), count(*) FILTER (WHERE on_disk)
FROM selected
"""
_PATIENT_SIZES = """
SELECT size, count(*)::BIGINT AS patients FROM (
    SELECT patient, count(*)::BIGINT AS size FROM selected WHERE patient IS NOT NULL GROUP BY patient)
GROUP BY size ORDER BY size
"""
_STUDY_SIZES = """
SELECT size, count(*)::BIGINT AS patients FROM (
    SELECT patient, count(DISTINCT study)::BIGINT AS size FROM selected WHERE patient IS NOT NULL GROUP BY patient)
WHERE size > 0 GROUP BY size ORDER BY size
"""
_WHOLE_PATTERNS = {
    "image": "SELECT pattern, images AS units FROM pattern_sizes ORDER BY pattern",
    "study": "SELECT pattern, studies AS units FROM pattern_sizes WHERE studies > 0 ORDER BY pattern",
}
