"""Parts of the gallery: the expression, the seeded draw, tiles, the viewer."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import streamlit as st

from cxrdash.errors import CxrdashError
from cxrdash.images.thumbnails import Thumbnail
from cxrdash.index.annotations import parse_annotation
from cxrdash.index.attributes import attribute_conditions, attribute_words
from cxrdash.index.cohort import Cohort
from cxrdash.index.draw import Draw, DrawnImage, film_path, searched
from cxrdash.index.readings import parse_reading, reading_words
from cxrdash.index.selection import parse_suspects
from cxrdash.index.suspects import suspect_words
from cxrdash.labels.expression import all_of, format_expression, in_brief, parse
from cxrdash.ui import cache as cached
from cxrdash.ui import doors, viewer
from cxrdash.ui.controls import Frame, example, show_fault
from cxrdash.ui.film_grid import GridFilm
from cxrdash.ui.text import number, plural, safe
from cxrdash.ui.viewer_facts import caption
from cxrdash.ui.viewer_prefetch import thumbnails_ahead

SIZES = (18, 32, 100)
DEFAULT_SIZE = 32
CHIP_VALUES = 4  # a chip that names more is no chip
ACROSS = {18: 6, 32: 8, 100: 12}
MINE = ("g_labels", "g_n", "g_seed", "g_one", "g_captions", viewer.OPENED)  # parameters that are not narrowing chips


@dataclass(frozen=True)
class Asked:
    """What the gallery's controls ask for; ``cohort`` is narrowed by them and by the link."""

    cohort: Cohort
    n: int
    seed: int
    one_per_patient: bool
    captions: bool


def controls(now: Frame) -> Asked:
    """Draw the gallery's own controls and return what they ask for."""
    names = list(now.index.finding_names)
    normal = next((finding.name for finding in now.index.findings if finding.kind == "normal"), None)
    text, pick, size, seed, more, check = st.columns([4, 2.6, 2.2, 1.6, 1.7, 1.7], vertical_alignment="bottom")
    typed = text.text_input(
        "Labels to show", key="g_labels", bind="query-params", placeholder=example(now.index),
        help="AND, OR, NOT, parentheses; quotes around names with spaces; `Edema:uncertain` for another state.",
    )  # fmt: skip
    pick.multiselect("or pick findings", names, key="_picked", on_change=_use_picked, placeholder="all of these")
    n = size.segmented_control("Images", SIZES, default=DEFAULT_SIZE, required=True, key="g_n", bind="query-params")
    drawn_with = seed.number_input("Seed", 1, 10**9, key="g_seed", bind="query-params")
    more.button("Redraw", on_click=_next_seed, width="stretch", help="The next seed: another random draw.")
    if normal:
        check.button(
            "Spot check", on_click=_spot_check, args=(normal,), width="stretch",
            help=f"32 random images labelled {normal}: does anything look abnormal?",
        )  # fmt: skip
    with st.container(horizontal=True):
        one = st.toggle("One image per patient", value=True, key="g_one", bind="query-params")
        captions = st.toggle("Captions", value=True, key="g_captions", bind="query-params")
    return Asked(_narrowed(now, typed), n or DEFAULT_SIZE, int(drawn_with), one, captions)


def _use_picked() -> None:
    chosen = all_of(st.session_state["_picked"])
    st.session_state["g_labels"] = format_expression(chosen) if chosen else ""


def _next_seed() -> None:
    st.session_state["g_seed"] = int(st.session_state.get("g_seed", 1)) + 1


def _spot_check(normal: str) -> None:
    chosen = all_of([normal])
    st.session_state["g_labels"] = format_expression(chosen) if chosen else ""
    st.session_state["g_n"] = DEFAULT_SIZE


def _narrowed(now: Frame, typed: str) -> Cohort:
    query = {name: st.query_params.get_all(name) for name in st.query_params if name not in MINE}
    cohort = now.cohort
    try:
        linked = doors.narrowing_from(query)
        for reading in linked.readings:
            parse_reading(reading, now.index.readers)
        for annotation in linked.annotations:
            parse_annotation(annotation, now.index.drawn)
        parse_suspects(now.index, linked.suspects)
        attribute_conditions(linked.attributes, now.index.attributes, now.index.title)
        cohort = cohort.narrow(linked)
        narrowed = cohort.narrow(Cohort(labels=typed.strip()))
        for labels in (typed, narrowed.labels):  # the text alone first: brackets around it could mend it
            parse(labels, now.index.finding_names)
    except CxrdashError as fault:
        show_fault(fault)
        return cohort
    return narrowed


def draw(now: Frame, asked: Asked) -> Draw:
    """Return the seeded draw that the controls and the link describe."""
    return cached.drawn(now.index, asked.cohort, asked.n, seed=asked.seed, one_per_patient=asked.one_per_patient)


def sentence(cohort: Cohort, drawn: Draw) -> str:
    """Return the headline: how many of how many, of what."""
    asked = ([in_brief(cohort.labels)] if cohort.labels else []) + [
        reading_words(reading) for reading in cohort.readings
    ]
    asked += [suspect_words(suspect) for suspect in cohort.suspects]
    asked += cohort.annotations
    asked += attribute_words(cohort.attributes)
    if cohort.images:
        asked.append("Images named one by one")
    what = ", ".join(asked) or "All images"
    frame = plural(drawn.of, drawn.frame[:-1])
    more = f" ({plural(drawn.images, 'image')})" if drawn.frame == "patients" else ""
    return f"{what}: {len(drawn.films)} random images of {frame}{more}"


def narrowing_chips() -> None:
    """What the link narrows beside the labels, each removable."""
    others = [name for name in st.query_params if name.startswith(doors.PREFIX) and name not in MINE]
    if not others:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("Only")
        for name in others:
            several = st.query_params.get_all(name)
            values = ", ".join(several) if len(several) <= CHIP_VALUES else f"{len(several)} of them"
            label = name.removeprefix(doors.PREFIX).replace("_", " ")
            said = values if label == "attribute" else f"{label}: {values}"  # an attribute is named in its values
            st.button(f"{safe(said)} ✕", key=f"chip_{name}", on_click=_remove, args=(name,))


def _remove(name: str) -> None:
    st.query_params.pop(name, None)


def tiles(now: Frame, drawn: Draw) -> list[GridFilm]:
    """Return the tiles of a draw; thumbnails come from the store or are made now."""
    paths = [_path(now, film) for film in drawn.films]
    present = [path for path in paths if isinstance(path, Path)]
    found = dict(zip(present, cached.thumbnails(now.index.dataset).get_many(present), strict=True))
    return [_tile(now, film, path, found) for film, path in zip(drawn.films, paths, strict=True)]


def _path(now: Frame, film: DrawnImage) -> Path | str:
    try:
        return film_path(now.index, film)
    except CxrdashError as fault:
        return fault.message


def _tile(now: Frame, film: DrawnImage, path: Path | str, found: dict[Path, Thumbnail]) -> GridFilm:
    thumbnail = found[path] if isinstance(path, Path) else None
    hidden = now.look.presentation
    states = tuple((name, state.label) for name, state in film.states if state.label in ("positive", "uncertain"))
    described = (
        ", ".join(name if state == "positive" else f"{name} {state}" for name, state in states) or "no positive label"
    )
    return GridFilm(
        token=film.image_id,
        jpeg=thumbnail.jpeg if thumbnail else None,
        problem=thumbnail.problem if thumbnail else str(path),
        title="" if hidden else film.image_id.rsplit("/", 4)[-1] if film.image_id.count("/") < 3 else film.image_id,
        lines=(caption(film),),
        states=states,
        alt=f"Chest film, {caption(film)}: {described}",
    )


def missing(now: Frame, drawn: Draw, shown: Sequence[GridFilm]) -> None:
    """Say how many films could not be shown, where they were looked for, and offer those that can."""
    absent = sum(film.path is None for film in drawn.films)
    broken = sum(tile.jpeg is None for tile in shown) - absent
    if broken:
        st.caption(f"{plural(broken, 'file')} could not be read; the tile says why.")
    if not absent:
        return
    text, button = st.columns([6, 2], vertical_alignment="center")
    where = "" if now.look.presentation else f" Looked in: {safe(searched(now.index))}."
    none = " No image of this dataset is on this disk." if not now.index.counts["on_disk"] else ""
    text.caption(f"{number(absent)} of these {number(len(drawn.films))} films are not on disk.{none}{where} "
                 "If they are elsewhere, index again with --images FOLDER.")  # fmt: skip
    if now.index.counts["on_disk"] and not now.cohort.on_disk:
        button.button(
            f"Only the {number(now.index.counts['on_disk'])} on disk",
            on_click=_only_on_disk,
            width="stretch",
            type="primary",
        )


def _only_on_disk() -> None:
    st.session_state["on_disk"] = True


def columns(drawn: Draw) -> int:
    return next(ACROSS[size] for size in SIZES if len(drawn.films) <= size)


def enlarge(now: Frame, asked: Asked, drawn: Draw, opened: str | None) -> None:
    """Put the viewer on the page, open on the film of a tile just clicked or of the link."""
    if opened:
        viewer.open_film(now, opened, drawn.films)
    viewer.film_viewer(now, drawn.films, key="gallery_viewer")
    thumbnails_ahead(now.index, asked.cohort, asked.n, seed=asked.seed + 1, one_per_patient=asked.one_per_patient)


def footer(now: Frame, cohort: Cohort, drawn: Draw) -> None:
    """What makes the draw repeatable."""
    _, words = cached.counted(now.index, cohort)
    st.caption(
        safe(
            f"{words} · {len(drawn.films)} of {number(drawn.of)} {drawn.frame} drawn without replacement, "
            f"seed {drawn.seed} · "
            f"dataset {now.index.dataset}, generation {now.index.generation}"
        )
    )
    with st.popover("Copy"):
        whole = replace(cohort, seed=now.cohort.seed)
        words_of = ["python -m cxrdash sample", now.index.dataset, *map(shlex.quote, whole.arguments())]
        words_of += [
            f"-n {len(drawn.films)}",
            f"--seed {drawn.seed}",
            f"--per-patient {int(drawn.frame == 'patients')}",
        ]
        st.caption("Command")
        st.code(" ".join(words_of), language="bash", wrap_lines=True)
        st.caption("Link")
        st.code(st.context.url or "", language=None, wrap_lines=True)
        st.caption("Image identifiers")
        st.code("\n".join(film.image_id for film in drawn.films), language=None)
