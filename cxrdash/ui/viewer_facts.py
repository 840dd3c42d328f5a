"""What the viewer says beside a film: labels, metadata, report, its study, the patient's timeline, boxes and masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cxrdash.charts.theme import SERIES_COLOURS_DARK
from cxrdash.errors import CxrdashError
from cxrdash.index.draw import DrawnImage, film_path
from cxrdash.index.film_facts import film_link, further_facts, metadata, report_text, study_mates, timeline
from cxrdash.index.overlays import Overlay, overlays_of
from cxrdash.index.store import Index
from cxrdash.labels.states import State
from cxrdash.ui import cache as cached
from cxrdash.ui.film_grid import reference
from cxrdash.ui.routes import WHAT, film_url

FRONTAL = ("PA", "AP", "AP_SUPINE", "FRONTAL_UNKNOWN")


def entry(index: Index, film: DrawnImage, *, hidden: bool) -> dict[str, Any]:
    """Return what the browser needs to fetch a film and to name it; no identifier where they are hidden.

    ``link`` is what stands in the page's address for the film, ``ref`` what the gallery's tile is called.
    """
    return {
        "image": film.image,
        "ref": reference(film.image_id),
        "link": film_link(index, film, hidden=hidden),
        "title": "" if hidden else film.image_id,
        "caption": caption(film),
        "frontal": film.view in FRONTAL,
        "view": film.view,
        "on_disk": film.path is not None,
        "labels": [name for name, state in film.states if state.label == "positive"],
        **{what: film_url(index, film.image, what, hidden=hidden) for what in WHAT},
    }


def caption(film: DrawnImage) -> str:
    """Return 'F · 58 y · PA'."""
    known = film.age_years is not None and film.age_years == film.age_years
    return f"{film.sex} · {f'{film.age_years:.0f} y' if known else 'age unknown'} · {film.view}"


def facts(index: Index, film: DrawnImage, *, hidden: bool) -> dict[str, Any]:
    """Return everything the viewer says of a film beside its picture, as JSON."""
    around = timeline(index, film.image)
    names = () if hidden else (("Image", film.image_id), ("Study", film.study_id), ("Patient", film.patient_id))
    return {
        "metadata": [
            *((name, text) for name, text in names if text),
            *metadata(index, film),
            *(() if hidden else further_facts(index, film)),
        ],
        "labels": _labels(index, film),
        "report": [] if hidden else [(name.capitalize(), text) for name, text in report_text(index, film)],
        "mates": [entry(index, mate, hidden=hidden) for mate in study_mates(index, film.image)],
        "timeline": {
            "films": [entry(index, other, hidden=hidden) for other in around.films],
            "place": around.place,
            "first": around.first,
            "of": around.of,
            "order": index.card.order_source if around.ordered else "",
        },
        "overlays": _overlays(index, film),
    }


def _labels(index: Index, film: DrawnImage) -> dict[str, list[str]]:
    """Return the findings by the label of their state, each list in the dataset's order."""
    states = dict(film.states)
    found: dict[str, list[str]] = {state.label: [] for state in reversed(State)}
    for name in index.finding_names:
        found[states.get(name, State.BLANK).label].append(name)
    return found


def _overlays(index: Index, film: DrawnImage) -> list[dict[str, Any]]:
    """Return boxes and masks in the film's pixels; none where the film itself cannot be shown."""
    if film.path is None:
        return []
    try:
        # The size is known from the thumbnail, so that nothing is decoded for it.
        small = cached.thumbnails(index.dataset).get_many([film_path(index, film)])[0]
    except CxrdashError:
        return []  # the pixels' own answer says what is wrong with the file
    found = overlays_of(index, film.image, film_size=(small.width, small.height)) if small.width else []
    colours = _colours(found)
    return [_overlay(one, colours[one.name]) for one in found]


def _colours(found: Sequence[Overlay]) -> dict[str, str]:
    names = dict.fromkeys(one.name for one in found)
    return {name: SERIES_COLOURS_DARK[at % len(SERIES_COLOURS_DARK)] for at, name in enumerate(names)}


def _overlay(one: Overlay, colour: str) -> dict[str, Any]:
    told: dict[str, Any] = {"kind": one.kind, "name": one.name.replace("_", " "), "colour": colour}
    quality = one.quality if one.quality == one.quality else None  # JSON has no NaN
    told |= {"reader": one.reader, "quality": quality, "problem": one.problem}
    if one.box is not None:
        told["box"] = list(one.box)
    if one.mask is not None:
        told["runs"] = runs(one.mask)
    return told


def runs(mask: np.ndarray) -> list[int]:
    """Return [start, length, ...] of the mask's pixels counted row by row from 0."""
    flat = np.concatenate([[0], mask.ravel().astype(np.int8), [0]])
    changes = np.flatnonzero(np.diff(flat))
    return np.stack([changes[::2], changes[1::2] - changes[::2]], axis=1).ravel().tolist()
