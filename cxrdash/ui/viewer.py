"""The film viewer: films at native size and depth in a room of their own, worked without the server."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from cxrdash.errors import CxrdashError
from cxrdash.index.draw import DrawnImage
from cxrdash.index.film_facts import film_link, linked_film
from cxrdash.ui.controls import Frame
from cxrdash.ui.text import safe
from cxrdash.ui.viewer_facts import entry

OPENED = "g_film"  # link parameter: the film that is open
WINDOW = ("v_c", "v_w")  # link parameters: centre and width of its window, in rescaled values
HERE = Path(__file__).parent


def film_viewer(now: Frame, films: Sequence[DrawnImage], *, key: str) -> None:
    """Put the viewer on the page: it opens on the film that the link names, and from the grid of ``films``.

    What is open stands in the link (``OPENED`` and ``WINDOW``), which the browser keeps up to date. A film
    that is not among ``films``, such as another of the same patient, opens all the same.
    """
    hidden = now.look.presentation
    told = {
        "films": [entry(now.index, film, hidden=hidden) for film in films],
        "opened": _opened(now, hidden=hidden),
        "window": _window(),
        "presentation": hidden,
    }
    _viewer(key=key, data={"text": json.dumps(told)})


def open_film(now: Frame, image_id: str, films: Sequence[DrawnImage]) -> None:
    """Write a film just opened into the link, as it is first shown."""
    film = next(film for film in films if film.image_id == image_id)
    for name in WINDOW:
        st.query_params.pop(name, None)
    st.query_params[OPENED] = film_link(now.index, film, hidden=now.look.presentation)


def _opened(now: Frame, *, hidden: bool) -> dict[str, Any] | None:
    link = st.query_params.get(OPENED)
    if not link:
        return None
    try:
        film = linked_film(now.index, link)
    except CxrdashError as fault:
        st.query_params.pop(OPENED, None)
        st.warning(safe(fault.message))
        return None
    return {**entry(now.index, film, hidden=hidden), "link": link}


def _window() -> tuple[float, float] | None:
    """The centre and width that the link asks for; what is no window is no request."""
    try:
        center, width = (float(st.query_params.get(name, "nan")) for name in WINDOW)
    except ValueError:
        return None
    return (center, width) if math.isfinite(center) and math.isfinite(width) and width > 0 else None


def _text(*names: str) -> str:
    return "\n".join((HERE / name).read_text(encoding="utf-8") for name in names)


_viewer = st.components.v2.component(
    "cxrdash_film_viewer",
    html=_text("viewer.html"),
    css=_text("viewer.css"),
    js=_text("film_canvas.js", "film_ruler.js", "viewer_pane.js", "viewer.js"),
)
