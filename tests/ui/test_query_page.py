"""The query page: the cohort at hand, faults as messages, results that lead to films and to the command line."""

from __future__ import annotations

import pytest

from cxrdash.config import Cache
from tests.ui.test_pages import app, headline, shown


def test_the_first_example_answers_at_once(small_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(small_cache, monkeypatch, "query", ds="small")
    assert headline(at).startswith("4 rows, 4 columns")
    assert at.dataframe[-1].value["images"].sum() == 240


def test_a_statement_in_the_link_sees_the_cohort(small_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    sql = "SELECT count(*) AS n FROM selected"
    at = app(small_cache, monkeypatch, "query", ds="small", q_sql=sql, sex="F")
    assert at.dataframe[-1].value["n"].tolist() == [120]
    assert any(sql in block.value and "--sex F" in block.value for block in at.code)


def test_a_statement_that_ignores_the_cohort_says_so(small_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(small_cache, monkeypatch, "query", ds="small", q_sql="SELECT count(*) AS n FROM images", sex="F")
    assert at.dataframe[-1].value["n"].tolist() == [240]
    assert "it sees the whole dataset" in shown(at)


@pytest.mark.parametrize(("sql", "said"), [
    ("SELECT 1; DROP TABLE images", "must be one SELECT"),
    ("SELECT nothing FROM images", "failed"),
    ("COPY images TO 'x.csv'", "must be one SELECT"),
    ("SELECT * FROM read_csv('/etc/passwd')", "failed"),
])  # fmt: skip
def test_what_cannot_run_is_a_message(small_cache: Cache, monkeypatch: pytest.MonkeyPatch, sql: str, said: str) -> None:
    at = app(small_cache, monkeypatch, "query", ds="small", q_sql=sql)
    assert not at.exception
    assert headline(at) == "The statement gave no answer"
    assert any(said in error.value.replace("\\", "") for error in at.error)


def test_images_of_a_result_are_a_gallery(small_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    sql = "SELECT image_id FROM images ORDER BY image LIMIT 3"
    at = app(small_cache, monkeypatch, "query", ds="films", q_sql=sql)
    assert any("See the 3 images of this result" in link.label for link in at.get("page_link"))
    ids = at.dataframe[-1].value["image_id"].tolist()
    at = app(small_cache, monkeypatch, "gallery", ds="films", g_image=ids)
    assert "3 random images of 3 patients" in headline(at)


def test_an_example_replaces_the_statement(small_cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    at = app(small_cache, monkeypatch, "query", ds="states")
    at.selectbox(key="_example").select("Positive images per finding").run()
    assert not at.exception
    assert "finding" in at.dataframe[-1].value
    assert at.text_area(key="q_sql").value.startswith("SELECT finding")
