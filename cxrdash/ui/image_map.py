"""A map of the images that somebody else made: films drawn by hand on it, and what sets them apart."""

from __future__ import annotations

import streamlit as st

from cxrdash import charts
from cxrdash.analysis.image_map import (
    NEIGHBOURS,
    ImageMap,
    Neighbourhood,
    image_map,
    neighbourhood,
    pocket,
    usual_axes,
)
from cxrdash.analysis.image_numbers import ImageNumbers, match_words
from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort
from cxrdash.ui import cache as cached
from cxrdash.ui import doors, show
from cxrdash.ui.brought import brought_table
from cxrdash.ui.controls import Frame, show_fault
from cxrdash.ui.text import interval, number, percent, plural, safe

IN_GALLERY = 100  # as many as it shows, and as a link can carry
NO_FILE = "A map of the images shows pockets that no attribute names"
COLUMNS = {
    "what": "Finding or attribute", "share_inside": "Share inside", "low": "from", "high": "to",
    "inside_n": "Images inside", "share_rest": "Share of the others", "rest_n": "Other images",
}  # fmt: skip


def draw(now: Frame, finding: str) -> str:
    """Draw the file chooser, the map and what is chosen on it; return the headline."""
    file = brought_table(
        "Places of the images: one row per image, two columns of numbers (CSV or Parquet)", key="h_map",
        help_text="For example UMAP or t-SNE of a model's features.",
    )  # fmt: skip
    if file is None:
        st.caption(
            "Reduce the features of any model to two dimensions and bring them here. Draw round a pocket of films to "
            "see what sets it apart, and the films themselves. No other page needs this."
        )
        return NO_FILE
    try:
        numbers = cached.image_numbers(now.index, file.name, file.content)
        x, y = _axes(numbers)
        found = image_map(now.index, now.cohort, numbers.table[[x, y]], finding, now.policy)
    except CxrdashError as fault:
        show_fault(fault)
        return NO_FILE
    around = neighbourhood(found)
    said = sentence(found, around)
    st.caption(safe(f"{match_words(numbers)}. {_counted(now, found, around)}"))
    figure = charts.map_points(found.points, now.look, finding=finding)
    _chosen(now, found, show.region_chart(figure, "h_map_chart", alt=said))
    return said


def _axes(numbers: ImageNumbers) -> tuple[str, str]:
    columns = list(numbers.table.columns)
    first, second = usual_axes(columns)
    if len(columns) == len({first, second}):
        return first, second
    one, two = st.columns(2)
    x = one.selectbox("Across", columns, index=columns.index(first), key="h_map_x")
    others = [name for name in columns if name != x]
    y = two.selectbox("Up", others, index=others.index(second) if second in others else 0, key="h_map_y")
    return str(x), str(y)


def sentence(found: ImageMap, around: Neighbourhood) -> str:
    """Return the headline: how alike the labels of neighbours are."""
    if not around.positive:
        return f"No image positive for {found.finding} has a place on the map"
    if not around.is_known:
        return f"All films on the map that are near one with {found.finding} are of the same patient"
    return (
        f"Beside a film with {found.finding}, {percent(around.rate)} of the {NEIGHBOURS} nearest films of other "
        f"patients have it too; of all films {percent(around.overall)}"
    )


def _counted(now: Frame, found: ImageMap, around: Neighbourhood) -> str:
    drawn = len(found.points)
    shown = f"{number(drawn)} of them drawn at random" if drawn < found.of else "all of them drawn"
    said = f"{plural(found.of, 'image')} of the cohort have a place, {shown}; {now.policy.sentence}."
    if not around.is_known:
        return said
    return (
        f"{said} {plural(around.positive, 'film')} of {number(around.films)} are positive; the share beside them has "
        f"the 95% interval {interval(around.low, around.high)}, patients as clusters."
    )


def _chosen(now: Frame, found: ImageMap, rows: tuple[int, ...]) -> None:
    """What was drawn round: counts, what sets it apart, its films."""
    inside = found.points.loc[found.points.index.intersection(list(rows))]
    if inside.empty:
        st.caption("Draw round a group of points, or click one, to see what sets these films apart and to open them.")
        return
    images = tuple(inside["image_id"])
    rest = tuple(found.points["image_id"].drop(inside.index))
    st.markdown(
        f"**{plural(len(inside), 'image')} of {plural(inside['person'].nunique(), 'patient')} chosen**, "
        f"{number(inside['positive'].sum())} with {safe(found.finding)}"
    )
    with st.container(horizontal=True):
        first = images[:IN_GALLERY]
        label = f"Look at {'the first ' if len(first) < len(images) else ''}{plural(len(first), 'film')}"
        st.button(label, type="primary", on_click=doors.through, args=(Cohort(images=first),))
        if not now.look.presentation:
            st.download_button(
                "Their identifiers", "\n".join(("image_id", *images)) + "\n", file_name="chosen_images.csv",
                mime="text/csv", on_click="ignore",
            )  # fmt: skip
    table = pocket(now.index, images, rest, now.policy)
    show.table(table, key="h_map_pocket", columns=COLUMNS)
    st.caption(
        f"Against the other {plural(len(rest), 'film')} on the map, the largest "
        "difference first. A pocket was chosen by eye: an interval says how exact its share is, not that it is no "
        "chance."
    )
