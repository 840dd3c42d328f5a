"""Two films beside each other: what differs once one is laid on the other, their labels, the viewer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from cxrdash.errors import CxrdashError
from cxrdash.index.draw import DrawnImage
from cxrdash.index.store import Index
from cxrdash.ui import cache as cached
from cxrdash.ui import show, viewer
from cxrdash.ui.controls import Frame
from cxrdash.ui.text import safe

if TYPE_CHECKING:
    import pandas as pd

KIND_WORDS = {
    "same file": "The same file",
    "same pixels": "The same pixels in another file",
    "verified": "One picture, changed",
    "candidate": "Alike by its hash alone",
}
Film = tuple[Index, DrawnImage]


def told(row: pd.Series[Any], where: str) -> None:
    """Say in a line what the pair is, in which parts it stands, and by how much it agrees."""
    words = [where, f"hashes {row['distance']} bits apart"]
    if row["detail"] == row["detail"]:
        words.append(f"greys {row['correlation']:.3f}, detail {row['detail']:.3f}")
    changed = f": {row['changed']}" if row["changed"] else ""
    st.markdown(f"**{KIND_WORDS[row['kind']]}**{safe(changed)} · {safe(' · '.join(words))}")


def beside(now: Frame, a: Film, b: Film) -> None:
    """Both films and the first less the second, or why they cannot be shown."""
    try:
        pictures = cached.pair_pictures(a, b)
    except CxrdashError as fault:
        st.caption(f"The films cannot be laid on each other: {safe(fault.message)}")
        return
    names = ("first film", "second film") if now.look.presentation else (a[1].image_id, b[1].image_id)
    captions = (names[0], names[1], "first less second, laid on it")
    for column, picture, caption in zip(st.columns(3), pictures, captions, strict=True):
        column.image(picture, caption=safe(caption), width="stretch", output_format="PNG")
    st.caption("Difference: mid-grey where both are alike, after the second was turned, shifted and its greys matched; "
               "black beyond its edge.")  # fmt: skip


def labels(now: Frame, a: DrawnImage, b: DrawnImage) -> None:
    """Findings that are not blank for one of two films of this dataset, those that differ first."""
    import pandas as pd

    first, second = dict(a.states), dict(b.states)
    rows = []
    for name in now.index.finding_names:
        if name in first or name in second:
            one, other = (states[name].label if name in states else "blank" for states in (first, second))
            rows.append({"finding": name, "first": one, "second": other, "agree": "" if one == other else "differs"})
    if not rows:
        st.caption("Neither film has a label.")
        return
    table = pd.DataFrame(rows).sort_values("agree", ascending=False, kind="stable")
    columns = {"finding": "Finding", "first": "First film", "second": "Second film", "agree": ""}
    show.table(table, key="d_labels", columns=columns, height=min(35 * (len(rows) + 1) + 3, 220))


def enlarge(now: Frame, films: Sequence[DrawnImage]) -> None:
    """Buttons that open films of this dataset in the viewer, at full size and depth."""
    words = ("First film in the viewer", "Second film in the viewer")
    for at, (column, film) in enumerate(zip(st.columns(2), films, strict=False)):
        if column.button(words[at], key=f"d_view_{at}", icon=":material/zoom_in:", width="stretch"):
            viewer.open_film(now, film.image_id, films)
    viewer.film_viewer(now, films, key="duplicate_viewer")
