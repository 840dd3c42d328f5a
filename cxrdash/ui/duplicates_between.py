"""Films of this dataset that stand in another one too, for the duplicates page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from cxrdash.analysis.duplicates import SURE
from cxrdash.config import cache
from cxrdash.errors import CxrdashError
from cxrdash.index import generations
from cxrdash.index.draw import films
from cxrdash.index.store import Index
from cxrdash.ui import cache as cached
from cxrdash.ui import duplicate_pair, show
from cxrdash.ui.controls import Frame, show_fault
from cxrdash.ui.text import number, plural, safe

if TYPE_CHECKING:
    import pandas as pd

NAME = "duplicates_between"
LIMITS = (
    "Compared by file, by pixels, and by hash as they are, mirrored left to right and with greys exchanged; the "
    "closest 300 are laid on each other. Copies turned, cropped or partly black are found within a dataset only."
)


def view(now: Frame) -> None:
    """Choose another dataset; say which films it shares with this one, and show a pair."""
    others = [name for name in generations.datasets(cache()) if name != now.index.dataset]
    if not others:
        st.info("There is no other dataset to compare with. Index one: `python -m cxrdash index PATH`.")
        return
    chosen = st.selectbox("Compare with", others, key="d_other", bind="query-params")
    other = cached.open_dataset(chosen if chosen in others else others[0])
    if not other.meta.get("scan"):
        st.markdown(f"The films of {safe(other.dataset)} have not been looked at. Run:")
        st.code(f"python -m cxrdash scan {other.dataset}", language="bash")
        return
    try:
        with st.spinner("Comparing the films of both datasets"):
            table = cached.compared(NAME, (now.index, other), now.cohort)
    except CxrdashError as fault:
        show_fault(fault)
        return
    st.markdown(f"**{safe(sentence(now.index, other, table))}**")
    if len(table):
        _pairs(now, other, table)
    st.caption(LIMITS)
    show.provenance(now, NAME, table, others=other.dataset)


def sentence(index: Index, other: Index, table: pd.DataFrame) -> str:
    """Return what the two datasets share, and how many pairs cross from a test part into another part."""
    sure = table[table["kind"].isin(SURE)]
    compared = " and ".join(f"{number(one.meta['scan']['statuses'].get('ok', 0))} of {one.dataset}"
                            for one in (index, other))  # fmt: skip
    unsure = len(table) - len(sure)
    more = f"; {plural(unsure, 'candidate')} by hash alone" if unsure else ""
    if sure.empty:
        return f"No film of one was found in the other: {compared} compared{more}"
    shared = f"{plural(sure['image_a'].nunique(), 'film')} of {index.dataset} in {other.dataset} too"
    return f"{shared} ({compared} compared){more}; {_crossing(int(sure['crosses'].sum()))}"


def _crossing(pairs: int) -> str:
    if not pairs:
        return "none in the test part of one and in another part of the other"
    return f"{plural(pairs, 'pair')} in the test part of one and in another part of the other"


def _pairs(now: Frame, other: Index, table: pd.DataFrame) -> None:
    left, right = st.columns([5, 7], gap="medium")
    columns = {"image_id_a": now.index.dataset, "image_id_b": other.dataset, "kind": "Kind", "changed": "Changed",
               "split_a": "Part", "split_b": "Part there"}  # fmt: skip
    if now.look.presentation:
        columns = {name: title for name, title in columns.items() if not name.startswith("image_id")}
    with left:
        show.table(table, key="d_between", columns=columns, height=320)
        if not 1 <= int(st.session_state.get("d_shared", 1)) <= len(table):
            st.session_state["d_shared"] = 1
        place = int(st.number_input("Pair shown", 1, len(table), key="d_shared", bind="query-params")) - 1
    row = table.iloc[place]
    (a,), (b,) = films(now.index, [int(row["image_a"])]), films(other, [int(row["image_b"])])
    with right:
        duplicate_pair.told(row, f"part {row['split_a']} here, {row['split_b']} there")
        duplicate_pair.beside(now, (now.index, a), (other, b))
        duplicate_pair.enlarge(now, (a,))
