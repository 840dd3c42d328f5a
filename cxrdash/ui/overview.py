"""Parts of the overview: worries, composition, load audit, card."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from cxrdash.ui import doors
from cxrdash.ui.controls import Frame
from cxrdash.ui.text import listed, number, safe

if TYPE_CHECKING:
    import pandas as pd

TITLES = {"part": "Part", "view": "View position", "sex": "Sex", "age": "Age in years"}


def sentence(now: Frame) -> str:
    """Return the headline: the size of the cohort and the first worry."""
    n = now.counts
    people = f" of {number(n['patients'])} patients" if n["patients"] else " of an unknown number of patients"
    return f"{now.index.title}: {number(n['images'])} images{people}"


SLOW = ("shortcut",)  # left to the pages that show it
STRIP = 7
MARKS = {"fail": ":material/block:", "caution": ":material/warning:"}


def verdicts(now: Frame) -> None:
    """The audit's failing checks, ranked, each a link to its page."""
    from cxrdash.ui.shell import page

    table = now.compute("audit", without=SLOW)
    counts = table["severity"].value_counts()
    st.markdown(f"**What should worry you** for training: {safe(_tally(counts.to_dict()))}")
    worst = table[table["severity"].isin(MARKS)]
    if worst.empty:
        st.caption("No check speaks against this cohort.")
    with st.container(gap="xxsmall", key="concerns"):
        for row in _spread(worst).itertuples():
            words = safe(row.sentence)
            if row.page == "overview":
                st.markdown(f"{MARKS[row.severity]} {words}")
            else:
                st.page_link(page(row.page), label=words, icon=MARKS[row.severity], query_params={})
    label = f"All {len(table)} results, the slower check of shortcuts, and other uses"
    st.page_link(page("report"), label=label, icon=":material/checklist:")


def _tally(counts: dict[str, int]) -> str:
    words = [f"{counts[name]} {name}" for name in ("fail", "caution", "not checked", "pass") if counts.get(name)]
    return listed(words)


def _spread(rows: pd.DataFrame) -> pd.DataFrame:
    """The first rows, of each check its worst before the second of any."""
    turn = rows.groupby(["severity", "code"], sort=False).cumcount()
    order = rows.assign(turn=turn, rank=(rows["severity"] != "fail").astype(int))
    return order.sort_values(["rank", "turn"], kind="stable").head(STRIP)


def composition(now: Frame) -> None:
    """Images per part, view, sex and age band; a click on a row opens the gallery on it."""
    table = now.compute("overview")
    columns = st.columns(len(TITLES), gap="small")
    for column, (name, title) in zip(columns, TITLES.items(), strict=True):
        with column:
            _levels(table[table["attribute"] == name].reset_index(drop=True), name, title)
    ages = now.compute("ages").iloc[0]
    if ages["youngest"] == ages["youngest"]:
        st.caption(
            f"Age {ages['youngest']:.0f} to {ages['oldest']:.0f}, median {ages['median']:.0f} years; "
            f"{number(ages['under_18'])} images under 18, {number(ages['unknown'])} of unknown age. "
            "Click a row to see its images."
        )


def _levels(rows: pd.DataFrame, attribute: str, title: str) -> None:
    key, most = f"overview_{attribute}", max(int(rows["images"].sum()), 1)

    def jump() -> None:
        chosen = st.session_state[key]["selection"]["cells"]
        value = rows["level"].iloc[chosen[0][0]] if chosen else "unknown"
        if chosen and not (attribute == "age" and value == "unknown"):
            doors.through(doors.narrowing_of(doors.level("age_band" if attribute == "age" else attribute, value)))

    st.dataframe(
        rows[["level", "images"]],
        key=key, hide_index=True, on_select=jump, selection_mode="single-cell",
        column_config={
            "level": st.column_config.TextColumn(title, width="small"),
            "images": st.column_config.ProgressColumn("Images", format="localized", min_value=0, max_value=most),
        },
    )  # fmt: skip


def labels_line(now: Frame) -> None:
    """Where the labels come from and under which licence, in sight without opening anything."""
    card = now.index.card
    st.markdown(f"**Labels** {safe(card.label_provenance)} **Licence** {safe(card.licence)}")


def load_audit(now: Frame) -> None:
    """Rows read = indexed + set aside, for each file; published counts; what was set aside and why."""
    index = now.index
    files = index.table("SELECT file, recognised_as, records, indexed, set_aside, bytes, sha256 FROM sources")
    files["file"] = [name.rsplit("/", 1)[-1].rsplit("\\", 1)[-1] for name in files["file"]]
    read, kept, aside = (int(files[name].sum()) for name in ("records", "indexed", "set_aside"))
    changed = index.changed_sources()
    with st.expander(
        f"Load audit: {number(read)} rows read = {number(kept)} indexed + {number(aside)} set aside",
        expanded=bool(aside),
    ):
        if changed:
            st.warning(f"Changed since the index was built: {safe(listed(changed))}. Run index again.")
        st.dataframe(files, hide_index=True, key="audit_files")
        _checks(now)
        _set_aside(now)
        for note in index.meta["notes"]:
            st.caption(safe(note))


def _checks(now: Frame) -> None:
    checks = now.index.table("SELECT what, split, published, found, agrees, source FROM checks ORDER BY split, what")
    if len(checks):
        agree = int(checks["agrees"].sum())
        st.markdown(f"**Published counts:** {agree} of {len(checks)} agree")
        st.dataframe(checks, hide_index=True, key="audit_checks")


def _set_aside(now: Frame) -> None:
    aside = now.index.table(
        "SELECT file, line, column_name, value, reason, what FROM set_aside ORDER BY what, file, line"
    )
    if len(aside):
        st.markdown("**Set aside** (row: the row is not indexed; value: only this value is not used)")
        st.dataframe(aside.head(1000), hide_index=True, key="audit_set_aside")
        st.download_button(
            "All of them as CSV",
            lambda: aside.to_csv(index=False).encode(),
            file_name="set-aside.csv",
            on_click="ignore",
        )


def card(now: Frame) -> None:
    """Label provenance, licence and citation: facts that are not in the files."""
    facts = now.index.card
    with st.expander("Card: where the labels come from, licence, citation, known problems", expanded=False):
        for title, text in (
            ("Labels", facts.label_provenance),
            ("Negative means", facts.negative_means),
            ("Blank means", facts.blank_means),
            ("Order of a patient's images", facts.order_source),
            ("Licence", facts.licence),
            ("Terms", facts.terms),
            ("Cite", facts.citation),
        ):
            st.markdown(f"**{title}:** {safe(text)}")
        for problem in facts.known_problems:
            st.markdown(f"- {safe(problem)}")
