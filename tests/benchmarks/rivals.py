"""How else the same numbers are computed: pandas, a notebook's double loop, one column per finding in DuckDB."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations_with_replacement
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from cxrdash.index.selection import select
from cxrdash.index.store import Index
from cxrdash.labels.states import State

LOOP_PAIRS = 15
VIEW, AGES = "PA", (40, 80)
WHERE = f"view = '{VIEW}' AND age_years >= {AGES[0]} AND age_years < {AGES[1] + 1}"
BANDS = (-1, 18, 40, 60, 75, 200)
_IMAGES = "SELECT patient, split, view, sex, age_years, pattern FROM images ORDER BY image"


class Rivals:
    """The images of an index as a notebook holds them: one row per image, one 0/1 column per finding."""

    def __init__(self, index: Index) -> None:
        rows = index.table(_IMAGES)
        positive = (index.dictionary == State.POSITIVE).astype(np.int64)[rows.pop("pattern").to_numpy()]
        self.findings = list(index.finding_names)
        self.frame = pd.concat([rows, pd.DataFrame(positive, columns=self.findings)], axis=1)
        self.frame["age_band"] = pd.cut(self.frame["age_years"], BANDS, right=False).astype(str)
        self.wide = duckdb.connect()
        self.wide.register("incoming", self.frame.drop(columns="age_band"))
        self.wide.execute("CREATE TABLE wide AS SELECT * FROM incoming")

    def _cohort(self) -> pd.DataFrame:
        frame = self.frame
        return frame[(frame["view"] == VIEW) & frame["age_years"].between(*AGES)]

    def gram(self) -> np.ndarray:
        """Co-occurrence of all pairs as a product of a DataFrame with itself."""
        labels = self._cohort()[self.findings]
        return np.asarray(labels.T.dot(labels))

    def loop(self, pairs: int = LOOP_PAIRS) -> list[int]:
        """Co-occurrence of the first pairs only, counted one by one."""
        cohort = self._cohort()
        both = list(combinations_with_replacement(self.findings, 2))[:pairs]
        return [len(cohort[(cohort[a] == 1) & (cohort[b] == 1)]) for a, b in both]

    def loop_scale(self) -> float:
        """All ordered pairs, which the double loop visits, over the pairs that were measured."""
        return len(self.findings) ** 2 / LOOP_PAIRS

    def wide_pairs(self) -> list[int]:
        """Co-occurrence as one filtered aggregate per pair."""
        counts = ", ".join(
            f'count(*) FILTER ("{a}" = 1 AND "{b}" = 1)' for a, b in combinations_with_replacement(self.findings, 2)
        )
        return list(self.wide.execute(f"SELECT {counts} FROM wide WHERE {WHERE}").fetchall()[0])

    def overview(self) -> list[pd.DataFrame]:
        """Images and patients per level of four attributes."""
        levels = ("split", "view", "sex", "age_band")
        return [self.frame.groupby(name)["patient"].agg(["size", "nunique"]) for name in levels]

    def images_per_patient(self) -> pd.Series:
        """How many patients have how many images."""
        return self.frame.groupby("patient").size().value_counts().sort_index()

    def lorenz(self) -> np.ndarray:
        """Cumulated share of images over patients."""
        sizes = np.sort(self.frame.groupby("patient").size().to_numpy())
        return np.asarray(np.cumsum(sizes) / sizes.sum())

    def shared_patients(self) -> int:
        """Patients whose images stand in more than one part."""
        return int((self.frame.groupby("patient")["split"].nunique() > 1).sum())


def bare_csv_count(path: Path) -> Callable[[], object]:
    """Return the cheapest honest count of a table's rows: columns declared as text, nothing sniffed."""
    header = path.open(encoding="utf-8").readline().rstrip("\n").split(",")
    columns = {name: "VARCHAR" for name in header}
    sql = "SELECT count(*) FROM read_csv($path, columns = $columns, header = true, auto_detect = false)"
    return lambda: duckdb.connect().execute(sql, {"path": str(path), "columns": columns}).fetchall()


def agrees(rivals: Rivals, index: Index, both: np.ndarray) -> bool:
    """Whether all ways to count pairs give the same numbers (a fast wrong answer is worth nothing)."""
    upper = both[np.triu_indices(len(rivals.findings))]
    same = np.array_equal(rivals.gram(), both) and upper.tolist() == rivals.wide_pairs()
    return same and rivals.loop() == upper[:LOOP_PAIRS].tolist() and len(select(index).labels().weights) > 0
