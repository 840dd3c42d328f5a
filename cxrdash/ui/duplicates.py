"""Parts of the duplicates page: the pairs, two films beside each other with their difference, how sure it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from cxrdash.analysis.duplicates import SURE, compared
from cxrdash.charts.duplicates import likeness_histogram
from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort
from cxrdash.index.draw import Draw, DrawnImage, films
from cxrdash.index.duplicates import FEWEST
from cxrdash.ui import cache as cached
from cxrdash.ui import doors, gallery, scanning, show
from cxrdash.ui.controls import Frame
from cxrdash.ui.film_grid import GridFilm, film_grid
from cxrdash.ui.text import number, plural, safe

if TYPE_CHECKING:
    import pandas as pd

QUESTION = "Which films are in there twice?"
SCOPES = {"Different patients": "different", "Same patient": "same", "All": ""}
PAIRS_SHOWN = 6
MOST_LINKED = 50  # pairs whose films fit into a link
MEASURES = {
    "distance": "Bits of 256 in which two hashes differ",
    "detail": "Likeness in detail, one film laid on the other",
    "correlation": "Likeness of greys, films as they are",
}
KIND_WORDS = {
    "same file": "the same file",
    "same pixels": "the same pixels in another file",
    "verified": "one picture, changed",
    "candidate": "alike by its hash alone",
}


def uncompared(now: Frame) -> bool:
    """Say what to run where the films have not been compared; the page then shows nothing else."""
    if compared(now.index):
        return False
    show.headline(QUESTION, "The films have not been compared with each other yet")
    scanning.offer(now)
    st.caption(
        "A scan decodes every film once and compares all of them: copies in another window, size or compression, "
        "turned, mirrored, cropped, with greys exchanged or a part missing. The films themselves are only read."
    )
    return True


def sentence(summary: pd.DataFrame, films_compared: int) -> str:
    """Return the headline: pairs of different patients that are one picture, and how many lie in two parts."""
    other = _sure(summary, "different", "not known")
    pairs, across = int(other["pairs"].sum()), int(other["across_parts"].sum())
    if not pairs:
        same = int(_sure(summary, "same")["pairs"].sum())
        more = f"; {plural(same, 'pair')} within a patient" if same else ""
        return f"No film was found under two patients among {plural(films_compared, 'film')}{more}"
    verb = "is" if pairs == 1 else "are"
    told = f"{plural(pairs, 'pair')} of films of different patients {verb} the same picture"
    if across:
        return f"{told}; {number(across)} {'lies' if across == 1 else 'lie'} in two parts of the dataset"
    return f"{told}, none of them in two parts"


def _sure(summary: pd.DataFrame, *patients: str) -> pd.DataFrame:
    return summary[summary["kind"].isin(SURE) & summary["patients"].isin(patients)]


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
        ("Films compared", number(facts["compared"]) + (f" (+{number(left)} not yet)" if left else ""),
         "Of the whole dataset; equal ones count once, blank ones not."),
    ]  # fmt: skip


def controls(now: Frame) -> pd.DataFrame:
    """Draw the controls and return the pairs they choose."""
    scope, across = st.columns([4, 3], vertical_alignment="center")
    chosen = scope.segmented_control(
        "Pairs of", list(SCOPES), default="Different patients", required=True, key="d_scope", bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    crossing = across.toggle("Only pairs in two parts", key="d_across", bind="query-params")
    patients = SCOPES[chosen or "Different patients"]
    found = now.compute("duplicates", **({"patients": patients} if patients else {}))
    return found[found["across_parts"]].reset_index(drop=True) if crossing else found


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
    """The chosen pair: what it is, both films, the difference, both films' labels, the door."""
    parts = f"{row['part_a']} and {row['part_b']}" if row["across_parts"] else f"both in {row['part_a']}"
    words = [KIND_WORDS[row["kind"]], parts, f"hashes {row['distance']} bits apart",
             f"greys {row['correlation']:.3f}, detail {row['detail']:.3f}"]  # fmt: skip
    st.markdown(f"**{safe(KIND_WORDS[row['kind']][:1].upper() + KIND_WORDS[row['kind']][1:])}**"
                f"{safe(': ' + row['changed']) if row['changed'] else ''} · {safe(' · '.join(words[1:]))}")  # fmt: skip
    a, b = films(now.index, [int(row["image_a"]), int(row["image_b"])])
    try:
        pictures = cached.pair_pictures(now.index, a, b)
    except CxrdashError as fault:
        st.caption(f"The films cannot be laid on each other: {safe(fault.message)}")
    else:
        _pictures(now, a, b, pictures)
    _labels(now, a, b)
    doors.link(doors.door(Cohort(images=(a.image_id, b.image_id))), "Open both in the gallery")


def _pictures(now: Frame, a: DrawnImage, b: DrawnImage, pictures: tuple[bytes, bytes, bytes]) -> None:
    names = ("first film", "second film") if now.look.presentation else (a.image_id, b.image_id)
    captions = (names[0], names[1], "first less second, laid on it")
    for column, picture, caption in zip(st.columns(3), pictures, captions, strict=True):
        column.image(picture, caption=safe(caption), width="stretch", output_format="PNG")
    st.caption("Difference: mid-grey where both are alike, after the second was turned, shifted and its greys matched; "
               "black beyond its edge.")  # fmt: skip


def _labels(now: Frame, a: DrawnImage, b: DrawnImage) -> None:
    """Findings that are not blank for one of the films, those that differ first."""
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
