"""How a page says things: the question, the headline, key figures, a chart with doors, a table, provenance."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import streamlit as st

from cxrdash import analysis
from cxrdash.charts.theme import export_config
from cxrdash.ui import doors
from cxrdash.ui.controls import Frame
from cxrdash.ui.text import safe

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go


def headline(question: str, sentence: str) -> None:
    """The page's question (small) and its answer, computed from the data (large)."""
    st.caption(safe(question))
    st.markdown(f"## {safe(sentence)}")


def key_figures(figures: Sequence[tuple[str, str, str]]) -> None:
    """At most four figures: label, value, and what it means."""
    columns = st.columns(len(figures))
    for column, (label, value, meaning) in zip(columns, figures, strict=True):
        column.metric(safe(label), value, help=safe(meaning) or None, border=True)


def chart(
    figure: go.Figure, key: str, *, alt: str, has_doors: bool = True, refine: Callable[..., str] | None = None
) -> None:
    """A figure whose marks open the gallery on the images they count; ``alt`` is its takeaway in a sentence.

    A mark carries a door's token, or parts from which ``refine`` makes one.
    """

    def jump() -> None:
        carried = doors.clicked(key)
        if carried:
            token = refine(*carried) if refine else str(carried[0])
            if token:
                doors.through(doors.narrowing_of(token))

    form = str(st.session_state.get("figures") or "SVG")
    settings: dict[str, Any] = {"on_select": jump, "selection_mode": "points"} if has_doors else {}
    st.plotly_chart(
        figure,
        key=key,
        theme=None,
        config=export_config(key, form),
        alt=alt,
        width="stretch",
        height="content",
        **settings,
    )
    if has_doors:
        st.caption(f"Click a mark to see its images. The button at the chart's top right saves it as {form}.")


COUNT_LIKE = ("effective_n", "expected", "age_years")
SHARES = (
    "share_", "rate", "low", "high", "conditional", "ppv", "sensitivity", "agreement", "positive_agreement",
    "negative_agreement", "prevalence", "shared_rate", "peers_rate", "others_rate",
)  # fmt: skip


def region_chart(figure: go.Figure, key: str, *, alt: str) -> tuple[int, ...]:
    """A figure on which a region can be drawn; return the numbers its chosen marks carry (``customdata``)."""
    form = str(st.session_state.get("figures") or "SVG")
    chosen = st.plotly_chart(
        figure, key=key, theme=None, config=export_config(key, form), alt=alt, width="stretch", height="content",
        on_select="rerun", selection_mode=("points", "lasso"),
    )  # fmt: skip
    carried = (point.get("customdata") for point in chosen["selection"]["points"])
    return tuple(int(data[0]) for data in carried if data)


def table(frame: pd.DataFrame, *, key: str, columns: dict[str, str], height: int | Literal["auto"] = "auto") -> None:
    """A tidy table with its fixed column names explained; proportions as percentages, counts with separators."""
    shown = frame[list(columns)]
    st.dataframe(
        shown,
        key=key,
        hide_index=True,
        height=height,
        column_config={name: _column(shown[name], title) for name, title in columns.items()},
    )


def _column(values: pd.Series, title: str) -> Any:
    name = str(values.name)
    if name.startswith(SHARES) or name == "share":
        return st.column_config.NumberColumn(title, format="percent")
    if values.dtype.kind == "f" and name in COUNT_LIKE:
        return st.column_config.NumberColumn(title, format="%,.0f")
    if values.dtype.kind == "f":
        return st.column_config.NumberColumn(title, format="%.2f")
    if values.dtype.kind in "iu" or str(values.dtype) == "Int64":
        return st.column_config.NumberColumn(title, format="localized")
    return st.column_config.TextColumn(title)


def provenance(frame: Frame, name: str, result: pd.DataFrame, **options: Any) -> None:
    """What was counted and how, and the same number as SQL, command or Python; the table as a file."""
    statistic = analysis.named(name)
    parts = [frame.sentence]
    if "unit" in statistic.options:
        parts.append(f"unit: {frame.unit}")
    if "policy" in statistic.options:
        parts.append(frame.policy.sentence)
    parts += [
        f"method: {statistic.method}",
        f"dataset {frame.index.dataset}, generation {frame.index.generation}",
    ]
    text, copy, save = st.columns([8, 1, 1], vertical_alignment="center")
    text.caption(safe(" · ".join(parts)))
    with copy.popover("Copy", width="stretch"):
        _copies(frame, name, options)
    save.download_button(
        "CSV", _csv(result), file_name=f"{frame.index.dataset}-{name}.csv", mime="text/csv",
        on_click="ignore", key=f"csv-{name}-{len(options)}", width="stretch",
    )  # fmt: skip


def _csv(result: pd.DataFrame) -> Callable[[], bytes]:
    return lambda: result.to_csv(index=False).encode()


def _copies(frame: Frame, name: str, options: dict[str, Any]) -> None:
    statistic = analysis.named(name)
    st.caption("Command")
    st.code(command(frame, name, options), language="bash", wrap_lines=True)
    st.caption("Python")
    st.code(python(frame, name, options), language="python", wrap_lines=True)
    if statistic.sql:
        st.caption("SQL for `cxrdash query` (the counts behind the table, by image)")
        st.code(sql(frame, name), language="sql", wrap_lines=True)
    st.caption("Link")
    st.code(st.context.url or "", language=None, wrap_lines=True)


def command(frame: Frame, name: str, options: dict[str, Any]) -> str:
    """Return the command that prints the same table."""
    words = ["python", "-m", "cxrdash", "stat", name, frame.index.dataset, *frame.cohort.arguments()]
    taken = analysis.named(name).options
    if "policy" in taken and str(frame.policy) != "as_is":
        words += ["--policy", str(frame.policy)]
    if "unit" in taken:
        words += ["--unit", frame.unit]
    for option, value in options.items():
        words += ["--set", f"{option}={','.join(map(str, value)) if isinstance(value, tuple) else value}"]
    return shlex.join(words)


def python(frame: Frame, name: str, options: dict[str, Any]) -> str:
    """Return the lines of Python that give the same table."""
    taken = analysis.named(name).options
    given = {
        **({"policy": str(frame.policy)} if "policy" in taken else {}),
        **({"unit": frame.unit} if "unit" in taken else {}),
    }
    words = ", ".join(f"{key}={value!r}" for key, value in {**given, **options}.items())
    fields = {
        field: value for field, value in vars(frame.cohort).items() if value != getattr(type(frame.cohort)(), field)
    }
    cohort = "cxrdash.Cohort(" + ", ".join(f"{field}={value!r}" for field, value in fields.items()) + ")"
    call = f"cxrdash.{name}(dataset, {cohort}{', ' + words if words else ''})"
    return f"import cxrdash\n\ndataset = cxrdash.open({frame.index.dataset!r})\n{call}"


def sql(frame: Frame, name: str) -> str:
    """Return one SELECT over the canonical tables with the cohort's values written in."""
    from cxrdash.ui.cache import selection_of

    return selection_of(frame.index, frame.cohort).written_out(analysis.named(name).sql)


def nothing(frame: Frame) -> bool:
    """Say so where the cohort is empty; a page then shows nothing else."""
    if frame.empty:
        st.info(f"No image is in this cohort: {safe(frame.cohort.words())}. Widen it in the sidebar.")
    return frame.empty
