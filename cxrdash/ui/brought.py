"""A table that somebody brings to a page: it stays while other pages are looked at, and leaves with the session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from cxrdash.ui.text import safe

KINDS = ["csv", "tsv", "parquet"]


@dataclass(frozen=True)
class Brought:
    """The file's name and content."""

    name: str
    content: bytes


def brought_table(label: str, *, key: str, help_text: str) -> Brought | None:
    """Draw the chooser and return the table that is in use; None where there is none yet."""
    kept = f"_brought_{key}"

    def keep() -> None:
        file: Any = st.session_state.get(key)
        st.session_state[kept] = Brought(file.name, file.getvalue()) if file else None

    file = st.file_uploader(
        label, type=KINDS, key=key, on_change=keep, help=f"{help_text} The file is read by this machine and not kept."
    )
    found: Brought | None = st.session_state.get(kept)
    if found and file is None:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"Still in use: {safe(found.name)}")
            st.button("Put it away", key=f"{key}_away", on_click=st.session_state.pop, args=(kept, None))
    return found
