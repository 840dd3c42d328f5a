"""What surrounds one film: the rest of its study, the patient's other films in order, and its metadata."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cxrdash.errors import CxrdashError, shown
from cxrdash.index.attributes import attribute_title
from cxrdash.index.draw import DrawnImage, details, films
from cxrdash.index.store import Index
from cxrdash.sources.mimic_reports import report_of

MOST_PRIORS = 60
HIDDEN = "~"  # begins a link that names a film by its key, so that no identifier stands in the address
_KEY = re.compile(HIDDEN + "[0-9a-f]{16}")

SECTIONS = ("indication", "comparison", "findings", "impression")

_REPORT = """
SELECT section, report FROM reports JOIN images USING (study) WHERE image = $image ORDER BY ALL
"""
_FURTHER = "SELECT attribute, level FROM attributes WHERE image = $image"
_STUDY = """
SELECT other.image FROM images AS this JOIN images AS other USING (study)
WHERE this.image = $image AND other.image <> $image
ORDER BY other.view = this.view, other.order_in_patient, other.image
"""
_PATIENT = """
SELECT other.image FROM images AS this JOIN images AS other USING (patient)
WHERE this.image = $image ORDER BY other.order_in_patient NULLS LAST, other.image
"""


@dataclass(frozen=True)
class Timeline:
    """A patient's films in order, ``place`` being where the film asked for stands among them.

    ``films`` are at most ``MOST_PRIORS`` around that film, ``first`` the number (from 0) of the first of
    them among the ``of`` the patient has. ``ordered`` is whether the dataset gives an order at all.
    """

    films: tuple[DrawnImage, ...]
    place: int
    first: int
    of: int
    ordered: bool


def study_mates(index: Index, image: int) -> tuple[DrawnImage, ...]:
    """Return the other films of the film's study, those of another view first; () where none is known."""
    return films(index, (int(mate) for (mate,) in index.rows(_STUDY, {"image": image})))


def timeline(index: Index, image: int) -> Timeline:
    """Return the patient's films in the dataset's own order, this one among them.

    A film of an unknown patient stands alone. Where the dataset gives no order, films are in the order of
    its index, which means nothing in time.
    """
    numbers = [int(other) for (other,) in index.rows(_PATIENT, {"image": image})] or [image]
    place = numbers.index(image)
    first = max(0, min(place - MOST_PRIORS // 2, len(numbers) - MOST_PRIORS))
    shown_here = numbers[first : first + MOST_PRIORS]
    ordered = details(index, image).get("order_in_patient") is not None
    return Timeline(films(index, shown_here), place - first, first, len(numbers), ordered)


def metadata(index: Index, film: DrawnImage) -> tuple[tuple[str, str], ...]:
    """Return pairs of a name and a text: the allow-list of what the dataset says of a film, no identifiers."""
    known = details(index, film.image)
    age = "unknown" if film.age_years is None or film.age_years != film.age_years else f"{film.age_years:.0f} years"
    flag = str(known.get("age_flag") or "").replace("_", " ")
    spelt = str(known.get("view_raw") or "")
    rows = [
        ("View", film.view + (f" (written {shown(spelt, 40)})" if spelt and spelt != film.view else "")),
        ("Sex", film.sex),
        ("Age", age + (f" ({flag})" if flag else "")),
        ("Part", film.split),
    ]
    if known.get("width") and known.get("height"):
        rows.append(("Original film", f"{known['width']:,.0f} × {known['height']:,.0f} pixels"))
    if known.get("spacing_x_mm") and known.get("spacing_y_mm"):
        across, down = known["spacing_x_mm"], known["spacing_y_mm"]
        both = f"{across:.3g}" if across == down else f"{across:.3g} × {down:.3g}"
        rows.append(("Spacing of the original", f"{both} mm per pixel"))
    if known.get("images_of_patient"):
        rows.append(("Images of the patient", f"{known['images_of_patient']:,.0f}"))
    return tuple(rows)


def further_facts(index: Index, film: DrawnImage) -> tuple[tuple[str, str], ...]:
    """Return what only this dataset says of its films (index.attributes), as pairs of a name and a text."""
    if not index.attributes:
        return ()
    found = dict(index.rows(_FURTHER, {"image": film.image}))
    titles = {name: attribute_title(name) for name in index.attributes}
    return tuple((title[:1].upper() + title[1:], found[name]) for name, title in titles.items() if name in found)


def report_text(index: Index, film: DrawnImage) -> tuple[tuple[str, str], ...]:
    """Return (section, text) of the report on the film's study, as radiologists order them; () where there is none.

    MIMIC-CXR's reports are read from their own files, which a user may have unpacked beside the images.
    """
    if index.meta["source"] == "mimic":
        return report_of(index.roots, film.patient_id or "", film.study_id or "")
    # An index of before this table was added has none.
    if not index.rows("SELECT 1 FROM duckdb_tables() WHERE table_name = 'reports'"):
        return ()
    rows = index.rows(_REPORT, {"image": film.image})
    return tuple(sorted(((str(name), str(text)) for name, text in rows), key=_place_of_section))


def _place_of_section(row: tuple[str, str]) -> tuple[int, str]:
    name = row[0]
    return (SECTIONS.index(name) if name in SECTIONS else len(SECTIONS), name)


def stated_spacing_mm(index: Index, image: int, *, width: int, height: int) -> tuple[float, float] | None:
    """Return (between rows, between columns) in mm for a copy of ``width`` by ``height`` pixels of the film.

    What the dataset states belongs to the original film, so a smaller copy has larger pixels, in each
    direction by its own ratio. None where the dataset does not state both the spacing and the size.
    """
    known = details(index, image)
    names = ("spacing_y_mm", "height", "spacing_x_mm", "width")
    down, rows, across, columns = (float(known.get(name) or 0) for name in names)
    if min(down, rows, across, columns, width, height) <= 0:
        return None
    return down * rows / height, across * columns / width


def film_link(index: Index, film: DrawnImage, *, hidden: bool) -> str:
    """Return the text that names a film in a link: its identifier, or its key where identifiers are hidden."""
    if not hidden:
        return film.image_id
    key = index.rows("SELECT sample_key FROM images WHERE image = $image", {"image": film.image})[0][0]
    return f"{HIDDEN}{int(key):016x}"


def linked_film(index: Index, link: str) -> DrawnImage:
    """Return the film that ``film_link`` named, by an identifier or by a key; raises CxrdashError for any other."""
    rows = index.rows("SELECT image FROM images WHERE image_id = $link ORDER BY image LIMIT 1", {"link": link})
    if not rows and _KEY.fullmatch(link):
        key = {"key": int(link.removeprefix(HIDDEN), 16)}
        rows = index.rows("SELECT image FROM images WHERE sample_key = $key::UBIGINT ORDER BY image LIMIT 1", key)
    if not rows:
        raise CxrdashError(f"{index.title} has no image '{shown(link)}'.", "Check the identifier or the link.")
    return films(index, [int(rows[0][0])])[0]
