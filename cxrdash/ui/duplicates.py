"""Parts of the duplicates page: the pairs, two films beside each other with their difference, how sure it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from cxrdash.analysis.duplicates import SURE, compared
from cxrdash.charts.duplicates import likeness_histogram
from cxrdash.index.cohort import Cohort
from cxrdash.index.draw import Draw, films
from cxrdash.index.duplicates import FEWEST
from cxrdash.ui import doors, duplicate_pair, gallery, scanning, show
from cxrdash.ui.controls import Frame
from cxrdash.ui.film_grid import GridFilm, film_grid
from cxrdash.ui.text import number, plural, safe

if TYPE_CHECKING:
    import pandas as pd

QUESTION = "Which films are in there twice?"
OTHERS = "Other datasets"
SCOPES = {"Different patients": "different", "Same patient": "same", "All": "", OTHERS: ""}
NO_PART = "not stated"
PAIRS_SHOWN = 6
MOST_LINKED = 50  # pairs whose films fit into a link
MEASURES = {
    "distance": "Bits of 256 in which two hashes differ",
    "detail": "Likeness in detail, one film laid on the other",
    "correlation": "Likeness of greys, films as they are",
}


def uncompared(now: Frame) -> bool:
    """Say what to run where the films have not been compared; the page then shows nothing else."""
    if compared(now.index):
        return False
    show.headline(QUESTION, "The films have not been compared with each other yet")
    # Films measured by an earlier version are known, but nobody has compared them.
    scanning.offer(now, left=now.index.counts["on_disk"] if now.index.meta.get("scan") else None)
    st.caption(
        "A scan decodes every film once and compares all of them: copies in another window, size or compression, "
        "turned, mirrored, cropped, with greys exchanged or a part missing. The films themselves are only read."
    )
    return True


def sentence(now: Frame, summary: pd.DataFrame) -> str:
    """Return the headline: pairs of different patients that are one picture, and how many lie in two parts."""
    other = _sure(summary, "different", "not known")
    pairs, across = int(other["pairs"].sum()), int(other["across_parts"].sum())
    if not pairs:
        same = int(_sure(summary, "same")["pairs"].sum())
        more = f"; {plural(same, 'pair')} within a patient" if same else ""
        return f"No film was found under two patients: {_of_all(now)} images compared{more}"
    verb = "is" if pairs == 1 else "are"
    told = f"{plural(pairs, 'pair')} of films of different patients {verb} the same picture"
    if across:
        return f"{told}; {number(across)} {'lies' if across == 1 else 'lie'} in two parts of the dataset"
    return f"{told}, none of them in two parts"


def _sure(summary: pd.DataFrame, *patients: str) -> pd.DataFrame:
    return summary[summary["kind"].isin(SURE) & summary["patients"].isin(patients)]


def _of_all(now: Frame) -> str:
    """How many different films were compared, of how many images: '208 of 112,120'."""
    return f"{number(now.index.meta['scan']['duplicates']['compared'])} of {number(now.index.counts['images'])}"


def figures(now: Frame, summary: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Return the four key figures."""
    other, same = _sure(summary, "different", "not known"), _sure(summary, "same")
    pairs = int(other["pairs"].sum())
    exact = int(other.loc[other["kind"] != "verified", "pairs"].sum())
    equal = int(same.loc[same["kind"] != "verified", "pairs"].sum())
    facts = now.index.meta["scan"]["duplicates"]
    left = facts["not_compared"]
    return [
        ("Identical, different patients", number(exact), f"Equal files or pixels, of {number(pairs)} pairs in all."),
        ("Labels disagree", f"{number(other['labels_differ'].sum())} of {number(pairs)}",
         "Pairs of different patients with a finding that is positive for one film only: the same picture, so one "
         "of the labels is wrong or was not made from it."),
        ("Within a patient", plural(int(same["pairs"].sum()), "pair"),
         f"{number(equal)} identical. Others are serial films that resemble each other; no duplicates by themselves."),
        ("Films compared", _of_all(now),
         "Of the images of the whole dataset; equal films count once, blank and missing ones not."
         + (f" {plural(left, 'film')} came later: scan again." if left else "")),
    ]  # fmt: skip


def controls(now: Frame) -> pd.DataFrame | None:
    """Draw the controls and return the pairs they choose; None where those with other datasets are asked for."""
    scope, across, differing = st.columns([6, 3, 3], vertical_alignment="center")
    chosen = scope.segmented_control(
        "Pairs of", list(SCOPES), default="Different patients", required=True, key="d_scope", bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    if chosen == OTHERS:
        return None
    crossing = across.toggle("Only pairs in two parts", key="d_across", bind="query-params")
    unequal = differing.toggle("Only unequal labels", key="d_labels", bind="query-params")
    patients = SCOPES[chosen or "Different patients"]
    found = now.compute("duplicates", **({"patients": patients} if patients else {}))
    kept = (found["across_parts"] | (not crossing)) & (found["labels_differ"] | (not unequal))
    return found[kept].reset_index(drop=True)


def pairs_view(now: Frame, found: pd.DataFrame) -> None:
    """The pairs as films on the left, the chosen pair with its difference on the right."""
    if found.empty:
        st.info("No such pair among the films of this cohort.", icon=":material/check:")
        return
    left, right = st.columns([5, 7], gap="medium")
    with left:
        place = _grid(now, found)
    with right:
        _pair(now, found.iloc[place])


def _grid(now: Frame, found: pd.DataFrame) -> int:
    """Show some pairs, two tiles each; return the place of the chosen pair."""
    grid = st.container()
    pages = -(-len(found) // PAIRS_SHOWN)
    turn, pick = st.columns(2)
    page = 1
    if pages > 1:
        page = int(turn.number_input(f"Page of {pages}", 1, pages, key="d_page", bind="query-params"))
    first = (min(page, pages) - 1) * PAIRS_SHOWN
    tiles = _tiles(now, found.iloc[first : first + PAIRS_SHOWN])
    with grid:
        opened = film_grid(
            tiles, key="duplicate_grid", columns=8, show_captions=True, presentation=now.look.presentation
        )
    if opened:
        st.session_state["d_pair"] = int(opened.split(":")[0]) + 1
    if not 1 <= int(st.session_state.get("d_pair", 1)) <= len(found):
        st.session_state["d_pair"] = 1
    place = pick.number_input("Pair shown", 1, len(found), key="d_pair", bind="query-params")
    if len(found) <= MOST_LINKED:
        both = sorted({*found["image_id_a"], *found["image_id_b"]})
        doors.link(doors.door(Cohort(images=tuple(both))), f"All {plural(len(both), 'film')} in the gallery")
    return int(place) - 1


def _tiles(now: Frame, rows: pd.DataFrame) -> list[GridFilm]:
    images = [int(image) for pair in zip(rows["image_a"], rows["image_b"], strict=True) for image in pair]
    chosen = films(now.index, images)
    made = gallery.tiles(now, Draw(chosen, of=len(chosen), frame="images", images=len(chosen), seed=1))
    tiles = []
    for at, (film, tile) in enumerate(zip(chosen, made, strict=True)):
        row = rows.iloc[at // 2]
        line = f"Pair {int(row.name) + 1}: " + (row["kind"] if at % 2 == 0 else row["changed"] or "no change")
        tiles.append(
            GridFilm(
                token=f"{int(row.name)}:{at}", jpeg=tile.jpeg, problem=tile.problem, title=tile.title,
                lines=(line, film.split), alt=f"{line}. {tile.alt}",
            )
        )  # fmt: skip
    return tiles


def _pair(now: Frame, row: pd.Series[Any]) -> None:
    """The chosen pair: what it is, both films, the difference, both films' labels, the doors."""
    one, other = row["part_a"], row["part_b"]
    parts = f"{one} and {other}" if row["across_parts"] else "part not stated" if one == NO_PART else f"both in {one}"
    duplicate_pair.told(row, parts)
    a, b = films(now.index, [int(row["image_a"]), int(row["image_b"])])
    duplicate_pair.beside(now, (now.index, a), (now.index, b))
    duplicate_pair.labels(now, a, b)
    duplicate_pair.enlarge(now, (a, b))
    doors.link(doors.door(Cohort(images=(a.image_id, b.image_id))), "Open both in the gallery")


def calibration_view(now: Frame, found: pd.DataFrame) -> None:
    """How alike films of different patients are in this dataset, and where the thresholds stand."""
    table = now.compute("duplicate_calibration")
    if table.empty:
        return
    st.markdown("**How sure is that?** How alike films of different patients are in this dataset")
    near = found[found["kind"] == "verified"]
    known = [measure for measure in MEASURES if (table["measure"] == measure).any()][:2]
    for column, measure in zip(st.columns(2), known, strict=False):
        bars = table[table["measure"] == measure]
        figure = likeness_histogram(
            bars, now.look, title=MEASURES[measure], threshold=float(bars["threshold"].iloc[0]),
            found=tuple(near[measure]),
        )  # fmt: skip
        said = _calibrated(bars.iloc[0])
        with column:
            show.chart(figure, f"d_{measure}", alt=said, has_doors=False)
            st.caption(safe(said))
    show.provenance(now, "duplicate_calibration", table)


def _calibrated(row: pd.Series[Any]) -> str:
    """What the threshold means in numbers."""
    beyond, of = number(row["beyond"]), number(row["of"])
    if row["measure"] == "distance":
        told = f"{row['expected']:.1f}" if row["expected"] >= 0.1 else "less than 0.1"
        return (f"Two hashes up to {row['threshold']:g} bits apart make a candidate: {told} pairs of the whole dataset "
                f"are expected there by chance. Of {of} pairs in the sample there are {beyond}.")  # fmt: skip
    if row["measure"] == "correlation":
        return f"A changed copy needs {row['threshold']:.2f} in greys. Of {of} pairs in the sample {beyond} have it."
    chance = "less than 0.05 are expected there by chance" if row["of"] >= FEWEST else "too few to move the usual line"
    return (f"A changed copy needs {row['threshold']:.2f} in detail: of the {of} pairs of different patients that are "
            f"most alike {beyond} have it; {chance}.")  # fmt: skip


def pair_table(now: Frame, found: pd.DataFrame) -> None:
    """All pairs in columns."""
    columns = {
        "image_id_a": "First film", "image_id_b": "Second film", "kind": "Kind", "patients": "Patients",
        "changed": "Second differs by", "part_a": "Part", "part_b": "Part of the second", "differing":
        "Positive for one only (first, second)", "distance": "Bits apart", "correlation": "Greys", "detail": "Detail",
    }  # fmt: skip
    if now.look.presentation:
        columns = {name: title for name, title in columns.items() if not name.startswith("image_id")}
    if len(found):
        show.table(found, key="duplicate_table", columns=columns)
    show.provenance(now, "duplicates", found)
