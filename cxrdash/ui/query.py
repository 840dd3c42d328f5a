"""Parts of the query page: the statement, what there is to select from, the result and its way out."""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from cxrdash import charts
from cxrdash.charts.query import KINDS, axes_for, kind_for
from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort
from cxrdash.index.queries import described, image_ids
from cxrdash.index.queries import query as run
from cxrdash.ui import cache as cached
from cxrdash.ui import doors, show
from cxrdash.ui.controls import Frame, show_fault
from cxrdash.ui.text import number, plural, safe

if TYPE_CHECKING:
    import pandas as pd

SECONDS = 20.0
ROWS = (100, 1_000, 10_000, 100_000)
MOST_IMAGES = 100  # as many as the gallery shows, and as a link can carry

EXAMPLES = {
    "Images by view and sex": """SELECT view, sex, count(*) AS images, count(DISTINCT patient) AS patients
FROM selected
GROUP BY view, sex
ORDER BY images DESC""",
    "Patients with most images": """SELECT patient_id, count(*) AS images, min(age_years) AS youngest
FROM selected
GROUP BY patient_id
ORDER BY images DESC
LIMIT 20""",
    "Positive images per finding": """SELECT finding, count(*) AS images, count(DISTINCT patient) AS patients
FROM selected JOIN patterns USING (pattern)
WHERE state = 'positive'
GROUP BY finding
ORDER BY images DESC""",
    "Images with most findings": """SELECT image_id, count(*) AS positive_findings
FROM selected JOIN patterns USING (pattern) JOIN findings USING (finding)
WHERE state = 'positive' AND kind = 'finding'
GROUP BY image_id
ORDER BY positive_findings DESC, image_id
LIMIT 100""",
    "Images by age": """SELECT floor(age_years) AS age, count(*) AS images
FROM selected
WHERE age_years IS NOT NULL
GROUP BY age
ORDER BY age""",
    "Rows set aside, by reason": """SELECT file, what, reason, count(*) AS rows
FROM set_aside
GROUP BY file, what, reason
ORDER BY rows DESC""",
}
FIRST = next(iter(EXAMPLES))


@dataclass(frozen=True)
class Result:
    """What a statement gave, whether rows were cut off, and how long it took."""

    sql: str
    table: pd.DataFrame
    cut: bool
    seconds: float


def controls(now: Frame) -> tuple[str, int]:
    """Draw the statement, its limits and the schema beside it; return the statement and the row limit."""
    left, right = st.columns([5, 3], gap="large")
    with left:
        st.selectbox("Examples", EXAMPLES, index=0, key="_example", on_change=_take_example)
        if "q_sql" not in st.session_state and "q_sql" not in st.query_params:
            st.session_state["q_sql"] = EXAMPLES[FIRST]
        typed = st.text_area(
            "One SELECT statement", key="q_sql", bind="query-params", height=150,
            help="DuckDB's SQL. The index is opened read-only and can reach no file.",
        )  # fmt: skip
        go, limit = st.columns([2, 3], vertical_alignment="bottom")
        go.button("Run", type="primary", width="stretch", help="Ctrl+Enter in the statement runs it too.")
        rows = limit.segmented_control(
            "Rows at most", ROWS, default=1_000, required=True, key="q_rows", bind="query-params", format_func=number
        )
    with right:
        _schema(now)
    return typed, rows or 1_000


def _take_example() -> None:
    st.session_state["q_sql"] = EXAMPLES[st.session_state["_example"]]


def _schema(now: Frame) -> None:
    every = described(now.index)
    tables = every[every["column"] == ""].set_index("table")["meaning"].to_dict()
    named = ["selected", *tables]
    chosen = st.selectbox("Tables", named, index=0, key="q_table", bind="query-params") or "selected"
    meaning = (
        f"the images of the cohort above ({now.counts['images']:,}); columns as in images"
        if chosen == "selected"
        else tables[chosen]
    )
    st.caption(safe(meaning))
    columns = every[(every["table"] == ("images" if chosen == "selected" else chosen)) & (every["column"] != "")]
    show.table(
        columns, key="q_schema", columns={"column": "Column", "type": "Type", "meaning": "Meaning"}, height=222
    )  # fmt: skip


def result(now: Frame, sql: str, rows: int) -> Result | None:
    """Run the statement; a fault is shown where the result would be."""
    started = time.perf_counter()
    try:
        table, cut = run(cached.selection_of(now.index, now.cohort), sql, seconds=SECONDS, rows=rows)
    except CxrdashError as fault:
        show_fault(fault)
        return None
    return Result(sql, table, cut, time.perf_counter() - started)


def sentence(found: Result | None) -> str:
    """Return the headline: the size of the answer and the time it took."""
    if found is None:
        return "The statement gave no answer"
    rows, columns = found.table.shape
    more = " (there are more)" if found.cut else ""
    return f"{plural(rows, 'row')}{more}, {plural(columns, 'column')}, {found.seconds:.2f} seconds"


def views(now: Frame, found: Result) -> None:
    """The table, its chart, the images it names, and the same statement elsewhere."""
    if "selected" not in found.sql.lower() and not now.cohort.everything:
        st.caption("This statement does not name `selected`: it sees the whole dataset, not the cohort above.")
    _images(now, found.table)
    pair = axes_for(found.table)
    table, chart = st.columns([1, 1], gap="large") if pair else (st.container(), None)
    with table:
        height = min(460, 38 + 35 * max(len(found.table), 1))
        numbers = {
            name: st.column_config.NumberColumn(str(name), format="localized")
            for name in found.table.columns
            if found.table[name].dtype.kind in "iu"
        }
        st.dataframe(found.table, key="q_result", hide_index=True, height=height, column_config=numbers)
    if chart is not None and pair is not None:
        with chart:
            _chart(now, found.table, pair)
    _footer(now, found)


def _chart(now: Frame, table: pd.DataFrame, pair: tuple[str, str]) -> None:
    names = [str(name) for name in table.columns]
    across, up, how = st.columns(3)
    x = across.selectbox("Across", names, index=names.index(pair[0]))
    y = up.selectbox("Number", names, index=names.index(pair[1]))
    best = kind_for(table, x, y)
    if best is None:
        st.caption("That column holds no numbers to draw.")
        return
    kind = how.selectbox("Chart", KINDS, index=KINDS.index(best), format_func=str.capitalize)
    figure = charts.result_chart(table, x, y, kind=kind, look=now.look)
    show.chart(figure, "q_chart", alt=f"{y} by {x}, {plural(len(table), 'row')}", has_doors=False)


def _images(now: Frame, table: pd.DataFrame) -> None:
    named = image_ids(now.index, table, most=MOST_IMAGES)
    if named:
        first = "first " if len(table) > len(named) else ""
        doors.link(doors.door(Cohort(images=named)), f"See the {first}{plural(len(named), 'image')} of this result")


def _footer(now: Frame, found: Result) -> None:
    text, copy, save = st.columns([8, 1, 1], vertical_alignment="center")
    text.caption(
        safe(
            f"selected: {now.sentence} · stopped after {SECONDS:g} seconds · "
            f"dataset {now.index.dataset}, generation {now.index.generation}"
        )
    )
    with copy.popover("Copy", width="stretch"):
        words = ["python", "-m", "cxrdash", "query", now.index.dataset, *now.cohort.arguments(), found.sql]
        st.caption("Command")
        st.code(shlex.join(words), language="bash", wrap_lines=True)
        st.caption("Link")
        st.code(st.context.url or "", language=None, wrap_lines=True)
    save.download_button(
        "CSV", lambda: found.table.to_csv(index=False).encode(), file_name=f"{now.index.dataset}-query.csv",
        mime="text/csv", on_click="ignore", width="stretch",
    )  # fmt: skip
