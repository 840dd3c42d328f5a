"""Every bar, cell and point is a door: it opens the gallery on exactly the images it counts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import streamlit as st

from cxrdash.errors import CxrdashError
from cxrdash.index.attributes import attribute_text
from cxrdash.index.cohort import OLDEST, Cohort

PREFIX = "g_"  # link parameters of the gallery's own narrowing


def door(narrowing: Cohort) -> str:
    """Return the token a chart carries for these images."""
    return json.dumps(narrowing.to_query(), sort_keys=True)


def narrowing_of(token: str) -> Cohort:
    """Read a token back; raise CxrdashError for one that was not made here."""
    try:
        query = json.loads(token)
    except ValueError as broken:
        raise CxrdashError("This link to the gallery is damaged.", "Click the chart again.") from broken
    return Cohort.from_query(query)


def gallery_query(narrowing: Cohort) -> dict[str, list[str]]:
    """Return the link parameters with which the gallery opens on these images."""
    return {PREFIX + name: values for name, values in narrowing.to_query().items()}


def narrowing_from(query: Mapping[str, list[str]]) -> Cohort:
    """Read the gallery's narrowing from link parameters."""
    own = {name.removeprefix(PREFIX): values for name, values in query.items() if name.startswith(PREFIX)}
    return Cohort.from_query(own)


def through(narrowing: Cohort) -> None:
    """Go to the gallery. The cohort's own controls stay as they are."""
    from cxrdash.ui.shell import page

    st.switch_page(page("gallery"), query_params=gallery_query(narrowing))


def clicked(key: str) -> list[object] | None:
    """Return what the mark just clicked in the chart of that key carries (its ``customdata``)."""
    points = st.session_state.get(key, {}).get("selection", {}).get("points", [])
    for point in points:
        data = point.get("customdata")
        if data:
            return list(data) if isinstance(data, list | tuple) else [data]
    return None


def labelled(text: str) -> str:
    """Return the door to the images that a label expression matches."""
    return door(Cohort(labels=text))


def level(attribute: str, value: str, *, labels: str = "") -> str:
    """Return the door to one level of split, view, sex, age_band or a further attribute, optionally with labels."""
    return door(_of_level(attribute, value, labels))


def levels(values: Mapping[str, str], *, labels: str = "") -> str:
    """Return the door to images that are in all these levels (attribute to level)."""
    narrowing = Cohort(labels=labels)
    for attribute, value in values.items():
        narrowing = narrowing.narrow(_of_level(attribute, value))
    return door(narrowing)


def _of_level(attribute: str, value: str, labels: str = "") -> Cohort:
    if attribute == "age_band":
        return Cohort(ages=_band(value), labels=labels)
    field = {"split": "splits", "part": "splits", "view": "views", "sex": "sexes"}.get(attribute)
    if field is None:
        return Cohort(attributes=(attribute_text(attribute, value),), labels=labels)
    fields: dict[str, Any] = {field: (value,), "labels": labels}
    return Cohort(**fields)


def _band(value: str) -> tuple[int, int] | None:
    if value.endswith("+"):
        return int(value[:-1]), OLDEST
    low, dash, high = value.partition("-")
    return (int(low), int(high)) if dash else None


def patients_with(fewest: int, most: int, *, unit: str = "image") -> str:
    """Return the door to patients with that many images (or studies)."""
    bounds = (fewest, most)
    return door(Cohort(studies_per_patient=bounds) if unit == "study" else Cohort(images_per_patient=bounds))


def of_patient(patient_id: str) -> str:
    """Return the door to one patient's images."""
    return door(Cohort(patient=patient_id))


def link(token: str, label: str) -> None:
    """The same door as a link, for the keyboard."""
    from cxrdash.ui.shell import page

    st.page_link(page("gallery"), label=label, query_params=gallery_query(narrowing_of(token)))
