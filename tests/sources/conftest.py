"""A folder of tables is recognised and staged, as a build would, into a connection to look at."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cxrdash.sources.base import STAGING_TABLES, Claim, Source, Staged
from cxrdash.sources.folder import take_inventory
from cxrdash.sources.registry import recognise

INVENTED = Path(__file__).resolve().parents[1] / "data"


@dataclass
class Staging:
    """A folder after staging."""

    con: duckdb.DuckDBPyConnection
    source: Source
    claim: Claim
    staged: Staged

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.con.execute(query).fetchall()

    def one(self, query: str) -> Any:
        ((value,),) = self.rows(query)
        return value

    def column(self, query: str) -> list[Any]:
        return [value for (value,) in self.rows(query)]

    @property
    def notes(self) -> str:
        return "\n".join([*self.claim.notes, *self.staged.notes])

    def aside(self) -> list[tuple[Any, ...]]:
        return self.rows("SELECT record, column_name, value, what FROM staged_set_aside ORDER BY ALL")


@pytest.fixture
def stage(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Staging]:
    def run(folder: Path, source: str | None = None, *, allow_bad_rows: bool = False) -> Staging:
        con = duckdb.connect()
        con.execute(STAGING_TABLES)
        found, claim = recognise(take_inventory(folder), source)
        workspace = tmp_path_factory.mktemp("workspace")
        return Staging(con, found, claim, found.stage(con, claim, workspace, allow_bad_rows=allow_bad_rows))

    return run


@pytest.fixture
def nih_folder(tmp_path: Path) -> Path:
    """A copy of the invented NIH files, to change."""
    return Path(shutil.copytree(INVENTED / "nih", tmp_path / "nih"))


@pytest.fixture
def chexpert_folder(tmp_path: Path) -> Path:
    """A copy of the invented CheXpert files, to change."""
    return Path(shutil.copytree(INVENTED / "chexpert", tmp_path / "chexpert"))
