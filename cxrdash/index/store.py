"""Reading an index: one locked-down connection per generation, one cursor per query."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import duckdb
import numpy as np

from cxrdash.config import Cache
from cxrdash.errors import CxrdashError
from cxrdash.index import generations, schema
from cxrdash.index.annotations import Drawn
from cxrdash.index.attributes import NOT_STATED
from cxrdash.index.state_bits import state_bits
from cxrdash.labels.findings import Finding
from cxrdash.labels.states import SPELLINGS, State
from cxrdash.sources.card import Card, card_of_facts, load_card

if TYPE_CHECKING:
    import pandas as pd

Unit = Literal["image", "study", "patient"]

# The read connection can touch no file, attach nothing and load nothing: dataset text may hold SQL.
LOCKED_DOWN: dict[str, Any] = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "python_enable_replacements": False,
    "lock_configuration": True,
}


class Index:
    """One generation of an indexed dataset, open for reading from any number of threads."""

    def __init__(self, generation: generations.Generation) -> None:
        self.dataset = generation.dataset
        self.generation = generation.generation
        self.path = generation.path
        try:
            self._con = duckdb.connect(str(generation.path), read_only=True, config=LOCKED_DOWN)
            found = self.meta["schema_version"]
        except (duckdb.Error, KeyError, ValueError) as damage:
            raise self._damaged(damage) from damage
        if found != schema.SCHEMA_VERSION:
            raise CxrdashError(
                f"The index of {self.dataset!r} was built by another version of cxrdash "
                f"(schema {found}, this version reads {schema.SCHEMA_VERSION}).",
                f"Rebuild it: python -m cxrdash index {self.roots[0]} --name {self.dataset}",
            )

    def _damaged(self, damage: Exception) -> CxrdashError:
        return CxrdashError(
            f"The index of {self.dataset!r} is damaged: {self.path} ({type(damage).__name__})",
            "Rebuild it with: python -m cxrdash index FOLDER --name " + self.dataset,
        )

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a cursor of its own for one query (a shared one would refuse or mix answers)."""
        return self._con.cursor()

    def table(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Run one statement and return its rows as a DataFrame."""
        return self._run(sql, parameters).fetchdf()

    def arrays(self, sql: str, parameters: Mapping[str, Any] | None = None) -> dict[str, np.ndarray]:
        """Run one statement and return its columns as arrays (no pandas needed)."""
        return self._run(sql, parameters).fetchnumpy()

    def numbers(self, sql: str, parameters: Mapping[str, Any] | None = None) -> dict[str, np.ndarray]:
        """Run one statement and return its columns, numbers without NULL: a quarter faster where rows are many."""
        try:
            found = self.cursor().sql(sql, params=dict(parameters or {})).to_arrow_table()
        except duckdb.Error as fault:
            if _is_damage(fault):
                raise self._damaged(fault) from fault
            raise
        return {name: found[name].to_numpy() for name in found.column_names}

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows as tuples."""
        return self._run(sql, parameters).fetchall()

    def _run(self, sql: str, parameters: Mapping[str, Any] | None) -> duckdb.DuckDBPyConnection:
        try:
            return self.cursor().execute(sql, dict(parameters or {}))
        except duckdb.Error as fault:
            if _is_damage(fault):
                raise self._damaged(fault) from fault
            raise

    def guarded_query(
        self, sql: str, *, seconds: float, rows: int, before: str = "", parameters: Mapping[str, Any] | None = None
    ) -> tuple[pd.DataFrame, bool]:
        """Run a user's own SELECT with a time and row limit.

        ``before`` is our own WITH clause whose relations the SELECT may name, with its ``parameters``.
        Returns the table and whether rows were cut off. Raises CxrdashError for anything but one
        SELECT, for SQL that fails, and when the time is up.
        """
        try:
            statements = duckdb.extract_statements(sql) if sql.strip() else []
        except (duckdb.Error, TypeError) as fault:  # TypeError: text that is not valid Unicode
            raise CxrdashError(f"The query cannot be read: {fault}", "Mend it and run it again.") from fault
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise CxrdashError(
                "The query must be one SELECT statement.",
                "The index is read-only; --schema lists its tables.",
            )
        cursor = self.cursor()
        timer = threading.Timer(seconds, cursor.interrupt)
        timer.start()
        try:
            limited = f"{before} SELECT * FROM ({sql.strip().rstrip(';')}\n) LIMIT {int(rows) + 1}"
            found = cursor.execute(limited, dict(parameters or {})).fetchdf()
        except duckdb.InterruptException:
            raise CxrdashError(
                f"The query was stopped after {seconds:g} seconds.",
                "Add a WHERE or LIMIT, or raise --seconds.",
            ) from None
        except duckdb.Error as fault:
            if _is_damage(fault):
                raise self._damaged(fault) from fault
            raise CxrdashError(f"The query failed: {fault}", "Check the names against the schema.") from fault
        finally:
            timer.cancel()
        return found.head(rows), len(found) > rows

    @cached_property
    def meta(self) -> dict[str, Any]:
        """Facts written at build time (see index.build)."""
        return {key: json.loads(value) for key, value in self._con.cursor().execute("SELECT * FROM meta").fetchall()}

    @cached_property
    def card(self) -> Card:
        """The card of the source this dataset was read by."""
        return card_of_facts(self.meta["card"]) if "card" in self.meta else load_card(self.meta["source"])

    @property
    def title(self) -> str:
        return str(self.meta["title"])

    @property
    def counts(self) -> dict[str, int]:
        """Images, studies, patients, on_disk and without_patient of the whole dataset."""
        return dict(self.meta["counts"])

    @cached_property
    def roots(self) -> tuple[Path, ...]:
        """The folders that image paths are relative to."""
        return tuple(Path(root) for root in self.meta["roots"])

    @property
    def units(self) -> tuple[Unit, ...]:
        """The units this dataset can be counted in, the one that was labelled first."""
        counted: dict[Unit, bool] = {
            "image": True,
            "study": self.counts["studies"] > 0,
            "patient": self.counts["patients"] > 0,
        }
        known = [unit for unit, present in counted.items() if present]
        return tuple(sorted(known, key=lambda unit: unit != self.meta["label_unit"]))

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """The dataset's findings in card order."""
        rows = self.rows("SELECT finding, source_name, kind, parent, harmonised FROM findings ORDER BY position")
        return tuple(Finding(*row) for row in rows)

    @cached_property
    def finding_names(self) -> tuple[str, ...]:
        return tuple(finding.name for finding in self.findings)

    @cached_property
    def readers(self) -> dict[str, tuple[str, ...]]:
        """The readers of `readings`, each with the findings judged, known findings first in card order."""
        place = {name: at for at, name in enumerate(self.finding_names)}
        found: dict[str, list[str]] = {}
        for reader, finding in self.reading_states:
            found.setdefault(reader, []).append(finding)
        # R2 before R10: digits are compared as numbers.
        readers = sorted(found, key=lambda name: [p.zfill(12) if p.isdigit() else p for p in re.split(r"(\d+)", name)])
        return {
            reader: tuple(sorted(found[reader], key=lambda name: (place.get(name, len(place)), name)))
            for reader in readers
        }

    @cached_property
    def reading_states(self) -> dict[tuple[str, str], frozenset[State]]:
        """The states in which each reader put each finding; a finding without a row is blank."""
        sql = "SELECT reader, finding, list(DISTINCT state) FROM readings GROUP BY reader, finding"
        found = self.rows(sql)
        return {(reader, finding): frozenset(SPELLINGS[state] for state in said) for reader, finding, said in found}

    @cached_property
    def drawn(self) -> Drawn:
        """The structures of the masks and the findings of the boxes, in findings order."""
        place = {name: at for at, name in enumerate(self.finding_names)}
        structures = self.rows("SELECT DISTINCT structure FROM mask_measures ORDER BY structure")
        findings = [finding for (finding,) in self.rows("SELECT DISTINCT finding FROM boxes ORDER BY finding")]
        return Drawn(
            tuple(structure for (structure,) in structures),
            tuple(sorted(findings, key=lambda name: place.get(name, len(place)))),
        )

    def levels(self, column: str) -> tuple[str, ...]:
        """Return the values of split, view, sex or a further attribute that occur, the most frequent first."""
        return self._levels[column]

    @cached_property
    def _levels(self) -> dict[str, tuple[str, ...]]:
        sql = """
            SELECT 'split' AS name, split AS level, count(*) AS n FROM images GROUP BY split UNION ALL
            SELECT 'view', view, count(*) FROM images GROUP BY view UNION ALL
            SELECT 'sex', sex, count(*) FROM images GROUP BY sex ORDER BY n DESC, level
        """
        found: dict[str, list[str]] = {"split": [], "view": [], "sex": []}
        for name, level, _ in self.rows(sql):
            found[name].append(level)
        return {name: tuple(levels) for name, levels in (found | self._further).items()}

    @property
    def attributes(self) -> tuple[str, ...]:
        """What this dataset says of its images beyond part, view, sex and age, by name."""
        return tuple(self._further)

    @cached_property
    def _further(self) -> dict[str, list[str]]:
        # An index of before this table was added simply has none.
        ((there,),) = self.rows("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'attributes'")
        sql = """
            SELECT attribute, level, count(DISTINCT image) FROM attributes
            GROUP BY attribute, level ORDER BY attribute, count(DISTINCT image) DESC, level
        """
        levels: dict[str, list[str]] = {}
        images: Counter[str] = Counter()
        for name, level, n in self.rows(sql) if there else ():
            levels.setdefault(name, []).append(level)
            images[name] += n
        for name, held in levels.items():
            if images[name] < self.counts["images"] and NOT_STATED not in held:
                held.append(NOT_STATED)
        return levels

    @cached_property
    def patient_sizes(self) -> dict[str, dict[str, np.ndarray]]:
        """For images and studies, arrays size and patients: how many patients of the dataset have how many."""
        sql = "SELECT size, patients FROM patient_sizes WHERE unit = $unit ORDER BY size"
        found = {unit: self.numbers(sql, {"unit": unit}) for unit in ("image", "study")}
        for column in (column for sizes in found.values() for column in sizes.values()):
            column.setflags(write=False)
        return found

    @cached_property
    def dictionary(self) -> np.ndarray:
        """States of every pattern: int8 of shape (patterns, findings) holding labels.State values."""
        patterns = self.rows("SELECT count(*) FROM pattern_sizes")[0][0]
        states = np.full((patterns, len(self.findings)), State.BLANK, dtype=np.int8)
        column = {name: at for at, name in enumerate(self.finding_names)}
        found = self.arrays("SELECT pattern, finding::VARCHAR AS finding, state::VARCHAR AS state FROM patterns")
        names, name_at = np.unique(found["finding"].astype(str), return_inverse=True)
        words, word_at = np.unique(found["state"].astype(str), return_inverse=True)
        columns = np.array([column[name] for name in names], dtype=np.int64)
        codes = np.array([SPELLINGS[word] for word in words], dtype=np.int8)
        if len(name_at):
            states[found["pattern"], columns[name_at]] = codes[word_at]
        states.setflags(write=False)
        return states

    @cached_property
    def state_bits(self) -> np.ndarray:
        """The rows of ``dictionary`` as bits, uint64 of shape (patterns, words): a union is their OR."""
        return state_bits(self.dictionary)

    def changed_sources(self) -> list[str]:
        """Return the label files that are gone or differ in size or time from when they were read."""
        changed = []
        for file, size, mtime_ns in self.rows("SELECT file, bytes, mtime_ns FROM sources"):
            try:
                now = Path(file).stat()
            except OSError:
                changed.append(f"{Path(file).name} (not found)")
                continue
            if (now.st_size, now.st_mtime_ns) != (size, mtime_ns):
                changed.append(Path(file).name)
        return changed


def _is_damage(fault: duckdb.Error) -> bool:
    # A checksum that does not hold is raised as the bare base class.
    kinds = (duckdb.IOException, duckdb.InternalException, duckdb.SerializationException, duckdb.FatalException)
    return type(fault) is duckdb.Error or isinstance(fault, kinds)


def open_index(dataset: str, cache: Cache) -> Index:
    """Open the current generation of a dataset."""
    return Index(generations.current(cache, dataset))
