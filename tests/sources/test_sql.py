"""A quoted name is one identifier, whatever it holds."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrdash.errors import CxrdashError
from cxrdash.sources.sql import quote_identifier


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30))
def test_any_name_survives_as_a_column_name(name: str) -> None:
    result = duckdb.execute(f"SELECT 1 AS {quote_identifier(name)}")
    description, _ = result.description, result.fetchall()
    assert [column[0] for column in description or []] == [name]


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_names_that_sql_cannot_hold_are_refused(name: str) -> None:
    with pytest.raises(CxrdashError, match="cannot be used as a column name"):
        quote_identifier(name)
