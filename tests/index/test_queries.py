"""A user's SELECT sees the cohort as `selected`, is described, and its images can be named."""

from __future__ import annotations

import pandas as pd
import pytest

from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort
from cxrdash.index.queries import described, image_ids, query
from cxrdash.index.selection import select
from cxrdash.index.store import Index
from tests.index.test_store import index  # noqa: F401 - a fixture


def asked(index: Index, sql: str, cohort: Cohort | None = None) -> pd.DataFrame:  # noqa: F811
    return query(select(index, cohort or Cohort()), sql, seconds=10, rows=100)[0]


def test_selected_is_the_cohort_and_images_is_everything(index: Index) -> None:  # noqa: F811
    one = Cohort(images=(index.rows("SELECT image_id FROM images")[0][0],))
    found = asked(index, "SELECT (SELECT count(*) FROM selected) AS some, count(*) AS every FROM images", one)
    assert (found["some"].item(), found["every"].item()) == (1, index.counts["images"])


def test_a_statement_may_have_relations_and_comments_of_its_own(index: Index) -> None:  # noqa: F811
    found = asked(index, "WITH mine AS (SELECT image FROM selected) SELECT count(*) AS n FROM mine -- all of them")
    assert found["n"].item() == index.counts["images"]


def test_nothing_but_one_select_runs_beside_the_cohort(index: Index) -> None:  # noqa: F811
    with pytest.raises(CxrdashError, match=r"The query must be one SELECT statement\."):
        asked(index, "DELETE FROM images", Cohort(sexes=("F",)))


def test_every_table_and_column_has_a_place(index: Index) -> None:  # noqa: F811
    table = described(index)
    assert {"images", "patterns", "set_aside"} <= set(table["table"])
    assert "pattern" in set(table.loc[table["table"] == "images", "column"])


def test_images_are_found_by_identifier_or_by_number(index: Index) -> None:  # noqa: F811
    rows = asked(index, "SELECT image, image_id FROM images ORDER BY image LIMIT 3")
    ids = tuple(rows["image_id"])
    assert image_ids(index, rows, most=100) == ids
    assert image_ids(index, rows[["image"]], most=100) == ids
    assert image_ids(index, pd.concat([rows, rows]), most=2) == ids[:2]
    assert image_ids(index, rows.rename(columns={"image": "n", "image_id": "name"}), most=9) == ()
    assert image_ids(index, rows[["image"]].astype(str), most=9) == ()
