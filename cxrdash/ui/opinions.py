"""Parts of the second opinion page: the dataset's labels against a reader, and readers against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from cxrdash.analysis.counterparts import MATCHES
from cxrdash.analysis.second_opinion import CELLS, MADE_FROM_READERS, opinion_cohort
from cxrdash.charts import level_dots, opinion_bars
from cxrdash.index.cohort import Cohort
from cxrdash.index.readings import reading_text
from cxrdash.ui import doors, show
from cxrdash.ui.controls import Frame
from cxrdash.ui.text import interval, number, percent, plural, safe

if TYPE_CHECKING:
    import pandas as pd
    from streamlit.delta_generator import DeltaGenerator

QUESTION = "How often does another reader disagree?"
ENOUGH = 50  # positives, below which a share is not worth a headline
CELL_WORDS = {
    "both": "both call positive", "only_first": "only the dataset calls positive",
    "only_second": "only the reader calls positive", "neither": "neither calls positive",
}  # fmt: skip
RATES = {"PPV: the reader confirms the label": "ppv", "Sensitivity: the label finds the reader's": "sensitivity"}


AGAINST, READERS = "Labels against a reader", "Readers against each other"


def choose(now: Frame) -> str:
    """Return what to compare, by a control where there is a choice."""
    if len(now.index.readers) == 1:
        return AGAINST
    own = now.index.meta["source"] in MADE_FROM_READERS
    return st.segmented_control(
        "Compare", [READERS, AGAINST] if own else [AGAINST, READERS], default=READERS if own else AGAINST,
        required=True, key="o_view", bind="query-params", label_visibility="collapsed",
    )  # fmt: skip


def nobody(now: Frame) -> None:
    """Say what is missing and where second opinions come from."""
    show.headline(QUESTION, f"{now.index.title} is indexed with one set of labels only")
    known = "; ".join(f"{reader}: {limits}" for reader, limits in now.index.card.readers.items())
    st.info(
        "A second opinion is another set of labels of the same images: relabels, another labeller, several readers. "
        "Index again with its table: python -m cxrdash index FOLDER --second-opinion FILE --as NAME"
    )
    if known:
        st.caption(f"Known for this dataset: {safe(known)}")


def second_opinion(now: Frame, top: DeltaGenerator) -> None:
    """Show how the dataset's labels stand against one reader's; headline and figures go to ``top``."""
    reader, view = _controls(now)
    options = {"reader": reader} if len(now.index.readers) > 1 else {}
    result = now.compute("second_opinion", **options)
    compared = result[result["of"] > 0]
    with top:
        show.headline(QUESTION, sentence(now, result))
        if compared.empty:
            _unmatched(result)
            return
        show.key_figures(_figures(now, compared, reader))
    _limits(now, compared, reader)
    drawn = _with_doors(now, compared)
    if view == "Four cells":
        figure = opinion_bars(drawn, now.look, first=_first(now), second=reader)
    else:
        figure = level_dots(_rates(drawn), now.look, title="Share of positives")
    show.chart(figure, "opinions", alt=sentence(now, result))
    _unmatched(result)
    _link(now, compared, reader)
    _table(result)
    show.provenance(now, "second_opinion", result, **options)


def _controls(now: Frame) -> tuple[str, str]:
    left, right = st.columns([3, 3], vertical_alignment="bottom")
    readers = list(now.index.readers)
    with left:
        view = st.segmented_control(
            "Chart", ["Four cells", "PPV and sensitivity"], default="Four cells", required=True, key="o_chart",
            bind="query-params", label_visibility="collapsed",
        )  # fmt: skip
    if len(readers) == 1:
        return readers[0], view
    return right.selectbox("Reader", readers, key="o_reader", bind="query-params"), view


def _first(now: Frame) -> str:
    return now.index.title


def sentence(now: Frame, result: pd.DataFrame) -> str:
    """Return the headline: of the images the dataset calls positive, how many the reader confirms."""
    called = result["both"] + result["only_first"]
    equal = result[(result["match"] != "related") & (called > 0)]
    if equal.empty:
        return "No finding of this dataset has been judged by another reader in this cohort"
    often = equal[called[equal.index] >= ENOUGH]
    row = (often if len(often) else equal).sort_values("ppv", kind="stable").iloc[0]
    positive = number(row["both"] + row["only_first"])
    called_so = row["finding"] if row["match"] == "name" else row["first_finding"]
    return (
        f"Of {positive} images {_first(now)} calls {called_so}, {row['reader']} agrees on "
        f"{number(row['both'])}: {percent(row['ppv'])} (95% interval {interval(row['ppv_low'], row['ppv_high'])})"
    )


def _figures(now: Frame, compared: pd.DataFrame, reader: str) -> list[tuple[str, str, str]]:
    read = int(compared["of"].max())
    patients = int(compared["patients"].max())
    missed = int(compared[compared["match"] != "related"]["only_second"].sum())
    whose = number(patients) if patients else "unknown"
    return [
        ("Images compared", number(read), f"Read by {reader}, of {number(now.counts['images'])} in the cohort."),
        ("Patients", whose, "Intervals allow for several images of one patient where patients are known."),
        ("Findings compared", f"{len(compared)}", "Findings of the reader with a counterpart among the labels."),
        ("Positive for the reader only", number(missed), "Image by finding, where findings are equal."),
    ]  # fmt: skip


def _limits(now: Frame, compared: pd.DataFrame, reader: str) -> None:
    """What the comparison cannot say: whose readings these are, which films, and which findings only resemble."""
    said = [now.index.card.readers.get(reader, "What this reader knew of the labels, and how these films were chosen, "
            "is not stated: the shares describe these films only.")]  # fmt: skip
    if not compared["independent"].all():
        said.insert(0, "The labels are a vote of these very readers: agreement with them is no evidence.")
    said.append(_chosen(now, reader))
    for _, row in compared[compared["match"] == "related"].iterrows():
        said.append(
            f"{row['finding']} has no equal among the labels; it is set beside {row['first_finding']} "
            "as a related finding, not as the same one."
        )
    st.caption(" ".join(safe(text) for text in said if text))


def _chosen(now: Frame, reader: str) -> str:
    """Return how the films read differ from the cohort by view, where views are known."""

    def share_of_ap(cohort: Cohort) -> float:
        table = now.compute("overview", cohort=cohort)
        views = table[table["attribute"] == "view"]
        total = views["images"].sum()
        return float(views.loc[views["level"].isin(["AP", "AP_SUPINE"]), "images"].sum() / total) if total else 0.0

    whole = share_of_ap(now.cohort)
    read = share_of_ap(now.cohort.narrow(Cohort(readings=(reading_text(reader),))))
    return f"AP films: {percent(read)} of those read, {percent(whole)} of the cohort." if whole or read else ""


def _named(table: pd.DataFrame) -> list[str]:
    """Names of the rows: the finding, and what it is compared with where that is not the same word."""
    pairs = zip(table["finding"], table["first_finding"], table["match"], strict=True)
    return [
        finding if match == "name" else f"{finding}, {'beside' if match == 'related' else 'as'} {first}"
        for finding, first, match in pairs
    ]


def _with_doors(now: Frame, compared: pd.DataFrame) -> pd.DataFrame:
    table = compared.assign(name=compared["finding"])
    for cell in CELLS:
        pairs = zip(table["reader"], table["finding"], strict=True)
        table[f"door_{cell}"] = [
            doors.door(opinion_cohort(now.index, reader, finding, cell, now.policy)) for reader, finding in pairs
        ]
    table["finding"] = _named(compared)
    either = table["both"] + table["only_first"] + table["only_second"]
    order = (table["match"] == "related").astype(int) * 10**12 - either
    return table.loc[order.sort_values(kind="stable").index].reset_index(drop=True)


def _rates(drawn: pd.DataFrame) -> pd.DataFrame:
    """One row per finding and rate, with the door to the images the rate is missing."""
    import pandas as pd

    parts = []
    for title, name in RATES.items():
        missed = "only_first" if name == "ppv" else "only_second"
        parts.append(
            pd.DataFrame(
                {
                    "finding": drawn["finding"], "level": title, "rate": drawn[name],
                    "low": drawn[f"{name}_low"], "high": drawn[f"{name}_high"],
                    "positive": drawn["both"], "of": drawn["both"] + drawn[missed], "door": drawn[f"door_{missed}"],
                }
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def _unmatched(result: pd.DataFrame) -> None:
    """Name the reader's findings that no label corresponds to."""
    lonely = result[result["match"] == "none"]
    if len(lonely):
        said = ", ".join(f"{row['finding']} (positive in {number(row['positive'])})" for _, row in lonely.iterrows())
        st.caption(f"Without a counterpart among the labels, so not compared: {safe(said)}.")


def _link(now: Frame, compared: pd.DataFrame, reader: str) -> None:
    """The same doors for the keyboard: choose a finding and a cell, follow the link."""
    one, two, link = st.columns([2, 2, 3], vertical_alignment="bottom")
    finding = one.selectbox("Finding", list(compared["finding"]), key="o_finding", bind="query-params")
    cell = two.selectbox(
        "Images", CELLS, index=1, format_func=CELL_WORDS.__getitem__, key="o_cell", bind="query-params"
    )
    count = int(compared.loc[compared["finding"] == finding, cell].iloc[0])
    with link:
        token = doors.door(opinion_cohort(now.index, reader, finding, cell, now.policy))
        doors.link(token, f"{plural(count, 'image')}: {safe(finding)}, {CELL_WORDS[cell]}")


def _table(result: pd.DataFrame) -> None:
    shown: dict[str, Any] = {
        "finding": "Finding", "first_finding": "Compared with", "how": "Match", "both": "Both",
        "only_first": "Only the dataset", "only_second": "Only the reader", "neither": "Neither", "of": "Of",
        "ppv": "PPV", "ppv_low": "95% from", "ppv_high": "to", "sensitivity": "Sensitivity",
        "sensitivity_low": "95% from ", "sensitivity_high": "to ", "kappa": "Kappa", "kappa_low": "95% from  ",
        "kappa_high": "to  ", "ac1": "AC1", "agreement": "Raw agreement", "positive_agreement": "Positive agreement",
        "prevalence_first": "Positive, dataset", "prevalence_second": "Positive, reader", "unmatched": "Not compared",
    }  # fmt: skip
    show.table(result.assign(how=result["match"].map(MATCHES)), key="opinion_table", columns=shown)
    st.caption(
        "PPV and sensitivity take the reader for right. Kappa sets agreement against chance and falls when a finding "
        "is rare or common; read it with positive agreement: where one says yes, how often the other does."
    )
