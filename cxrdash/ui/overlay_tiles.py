"""Films with their masks or boxes drawn on them, as tiles of a grid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from cxrdash.errors import CxrdashError
from cxrdash.images.overlay import Colour, Layer, box_mask, overlay_jpeg
from cxrdash.index.cohort import Cohort
from cxrdash.index.draw import DrawnImage, film_path, films
from cxrdash.index.film_facts import film_link
from cxrdash.index.overlays import Overlay, overlays_of
from cxrdash.index.store import Index
from cxrdash.ui import cache as cached
from cxrdash.ui import doors, viewer
from cxrdash.ui.controls import Frame
from cxrdash.ui.film_grid import GridFilm, film_grid
from cxrdash.ui.text import plural
from cxrdash.ui.viewer_facts import caption

COLOURS: dict[str, tuple[Colour, str]] = {
    "right_lung": ((91, 164, 207), "blue"),
    "left_lung": ((106, 203, 192), "green"),
    "heart": ((226, 155, 211), "pink"),
}
OTHER: tuple[Colour, str] = ((245, 214, 100), "yellow")
BOX: Colour = (255, 208, 0)
NO_FILM = "no film: masks alone"


def colour_words(structures: Sequence[str]) -> str:
    """Return which line is which: 'blue: right lung (on the left of the picture)'."""
    words = [
        f"{COLOURS.get(name, OTHER)[1]} {name.replace('_', ' ')}"
        for name in sorted(structures, key=lambda name: [*COLOURS, name].index(name))
    ]
    return ", ".join(words)


def picture_of(
    index: Index, image: int, picture: bytes | None, size: tuple[int, int], *, kind: str
) -> tuple[bytes | None, str]:
    """Return a thumbnail with the overlays of ``kind`` (mask or box) drawn on it, and what could not be drawn.

    ``size`` is (width, height) of the film, (0, 0) where it is not on disk: masks then stand alone on black.
    """
    alone = not all(size)
    if alone:
        size = _drawn_size(index, image) if kind == "mask" else (0, 0)
    if not all(size):
        return picture, "no film, and no size to draw at"
    found = [overlay for overlay in overlays_of(index, image, film_size=size) if overlay.kind == kind]
    layers = [layer for overlay in found if (layer := _layer(overlay, size)) is not None]
    problems = list(dict.fromkeys(overlay.problem for overlay in found if overlay.problem))
    if alone:
        problems.append(NO_FILM)
    if not layers and picture is None:
        return None, " ".join(problems)
    return overlay_jpeg(picture, layers, fill=0.3 if alone else 0.12 * (kind == "mask")), " ".join(problems)


def _drawn_size(index: Index, image: int) -> tuple[int, int]:
    sql = "SELECT width, height FROM mask_measures WHERE image = $image AND width IS NOT NULL LIMIT 1"
    return next(((int(width), int(height)) for width, height in index.rows(sql, {"image": image})), (0, 0))


def _layer(overlay: Overlay, size: tuple[int, int]) -> Layer | None:
    if overlay.mask is not None:
        return Layer(overlay.mask, COLOURS.get(overlay.name, OTHER)[0])
    return Layer(box_mask(overlay.box, size), BOX) if overlay.box is not None else None


def overlay_grid(
    now: Frame, images: Sequence[int], *, key: str, notes: Sequence[str], columns: int, kind: str = "mask"
) -> None:
    """Show films with what is drawn on them, each with its own note; a click opens the film in the gallery."""
    drawn = films(now.index, images)
    paths = [_path(now, film) for film in drawn]
    thumbnails = cached.thumbnails(now.index.dataset).get_many(paths)
    painted = cached.overlaid(
        now.index.dataset, now.index.generation, tuple(images), tuple(found.jpeg for found in thumbnails),
        tuple((found.width, found.height) for found in thumbnails), kind,
    )  # fmt: skip
    tiles = [
        _tile(film, picture, said, note) for film, (picture, said), note in zip(drawn, painted, notes, strict=True)
    ]
    absent = sum(not found.width for found in thumbnails)
    if absent and kind == "mask":
        st.caption(f"{plural(absent, 'film')} not on disk: the masks are drawn alone, on black.")
    opened = film_grid(tiles, key=key, columns=columns, show_captions=True, presentation=now.look.presentation)
    if opened:
        _open(now, next(film for film in drawn if film.image_id == opened), drawn)


def _path(now: Frame, film: DrawnImage) -> Path | None:
    try:
        return film_path(now.index, film)
    except CxrdashError:
        return None


def _tile(film: DrawnImage, picture: bytes | None, said: str, note: str) -> GridFilm:
    return GridFilm(
        token=film.image_id,
        jpeg=picture,
        problem=said or None,
        title=film.image_id,
        lines=tuple(line for line in (note, said or caption(film)) if line),
        alt=f"{note}; {caption(film)}" + (f"; {said}" if said else ""),
    )


def _open(now: Frame, film: DrawnImage, drawn: Sequence[DrawnImage]) -> None:
    from cxrdash.ui.shell import page

    query = doors.gallery_query(Cohort(images=tuple(one.image_id for one in drawn)))
    query |= {"g_one": ["false"], viewer.OPENED: [film_link(now.index, film, hidden=now.look.presentation)]}
    st.switch_page(page("gallery"), query_params=query)
