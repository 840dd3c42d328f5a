"""What is drawn on images, as a filter: ``mask quality below 0.7``, ``box of Mass in cell 3,4 of 12``.

A filter is one of three kinds of sentence:

- a quantity, a comparison (below, above, at least, at most) and a number. Quantities are ``mask quality`` (the
  lowest of an image's masks), ``cardiothoracic ratio`` (of any view and quality) and ``area of STRUCTURE`` (as a
  share of the film);
- ``mask of STRUCTURE``, ``any mask``, ``empty mask``, ``unreadable mask``, ``mask area far from the others``,
  ``mask of another size than the film`` (known after a scan) or ``lungs exchanged``;
- ``box of FINDING`` or ``any box``, alone or followed by ``in cell X,Y of N`` (the film is cut into N by N cells,
  numbered from 0 at the top left; the box reaches into this one), ``without label`` (the image is not labelled
  positive for it), ``beyond the film``, ``over nearly the whole film`` or ``by several readers``.

Names with other characters than letters, digits, spaces and ``_./-`` stand in quotes.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cxrdash.errors import CxrdashError, shown

PNG1024 = "png1024"  # in boxes.coordinate_space; other words mean the film itself
RELEASED_SIDE = 1024  # of the square pictures in which NIH, and RSNA and SIIM after it, gave their films away
LARGEST_SHARE = 0.9  # a box over more of the film than this points at nothing
COMPARISONS = {"below": "<", "above": ">", "at least": ">=", "at most": "<="}
LARGEST_GRID = 64
_BARE = re.compile(r"[\w./-]+(?: [\w./-]+)*")
_NAME = r"(?:\"(?P<quoted>(?:[^\"]|\"\")*)\"|(?P<bare>.+?))"
_QUANTITY = re.compile(
    rf"(?P<what>mask quality|cardiothoracic ratio|area of {_NAME}) (?P<how>{'|'.join(COMPARISONS)}) "
    r"(?P<number>[0-9]{1,6}(?:\.[0-9]{1,9})?)"
)
_MASK = re.compile(rf"mask of {_NAME}")
_BOX = re.compile(
    rf"(?:any box|box of {_NAME})(?: (?P<which>in cell (?P<x>[0-9]{{1,2}}),(?P<y>[0-9]{{1,2}}) of (?P<n>[0-9]{{1,2}})"
    "|without label|beyond the film|over nearly the whole film|by several readers))?"
)
_EXAMPLES = "For example 'mask quality below 0.7', 'box of Mass', 'cardiothoracic ratio above 0.55'."

# Boxes as shares of the film they were drawn on; those on a film of unknown size are left out.
PLACED_BOXES = f"""
    SELECT image, finding, reader, x / film_width AS x, y / film_height AS y, w / film_width AS w, h / film_height AS h
    FROM (SELECT boxes.*,
              CASE WHEN coordinate_space = '{PNG1024}' THEN {RELEASED_SIDE} ELSE coalesce(i.width, m.width) END
                  AS film_width,
              CASE WHEN coordinate_space = '{PNG1024}' THEN {RELEASED_SIDE} ELSE coalesce(i.height, m.height) END
                  AS film_height
          FROM boxes JOIN images AS i USING (image) LEFT JOIN measures AS m USING (image))
    WHERE film_width > 0 AND film_height > 0
"""
# Rounding of a coordinate that was divided may reach this far beyond the edge.
BEYOND = "(x < -1e-6 OR y < -1e-6 OR x + w > 1 + 1e-6 OR y + h > 1 + 1e-6)"
WHOLE = f"w * h > {LARGEST_SHARE}"
LABELLED = """EXISTS (FROM patterns AS p JOIN images AS i ON i.pattern = p.pattern
    WHERE i.image = boxes.image AND p.finding::VARCHAR = boxes.finding AND p.state = 'positive')"""
OTHER_SIZE = """
    SELECT k.image FROM mask_measures AS k JOIN measures AS m USING (image)
    WHERE m.status = 'ok' AND k.width IS NOT NULL AND (k.width <> m.width OR k.height <> m.height)
"""

_PLAIN = {
    "any mask": "SELECT image FROM mask_images",
    "empty mask": "SELECT image FROM mask_measures WHERE area = 0",
    "unreadable mask": "SELECT image FROM mask_images WHERE problems > 0",
    "mask area far from the others": "SELECT image FROM mask_images WHERE far > 0",
    "mask of another size than the film": OTHER_SIZE,
    "lungs exchanged": "SELECT image FROM mask_images WHERE lungs_exchanged",
}
_WHICH_BOX = {
    None: "SELECT image FROM boxes WHERE {finding}",
    "without label": f"SELECT image FROM boxes WHERE {{finding}} AND NOT {LABELLED}",
    "beyond the film": f"SELECT image FROM ({PLACED_BOXES}) WHERE {{finding}} AND {BEYOND}",
    "over nearly the whole film": f"SELECT image FROM ({PLACED_BOXES}) WHERE {{finding}} AND {WHOLE}",
    "by several readers": """SELECT image FROM boxes WHERE {finding} GROUP BY image, finding
        HAVING count(DISTINCT reader) > 1""",
    "in cell": f"""SELECT image FROM ({PLACED_BOXES}) WHERE {{finding}}
        AND ${{name}}_x BETWEEN floor(x * ${{name}}_n) AND ceil((x + w) * ${{name}}_n) - 1
        AND ${{name}}_y BETWEEN floor(y * ${{name}}_n) AND ceil((y + h) * ${{name}}_n) - 1""",
}


@dataclass(frozen=True)
class Drawn:
    """What can be named of a dataset: the structures of its masks and the findings of its boxes."""

    structures: tuple[str, ...]
    findings: tuple[str, ...]


@dataclass(frozen=True)
class Annotation:
    """A statement that selects images, in which ``{name}`` stands for the start of its parameters' names."""

    statement: str
    values: tuple[tuple[str, Any], ...] = ()

    def condition(self, name: str) -> tuple[str, dict[str, Any]]:
        """Return a condition on the column ``image`` and its parameters, whose names begin with ``name``."""
        statement = self.statement.replace("{name}", name)
        return f"image IN ({statement})", {f"{name}_{key}": value for key, value in self.values}


def named(name: str) -> str:
    """Return a structure or finding as it stands in a filter, in quotes where it must."""
    return name if _BARE.fullmatch(name) and not _TAIL.search(name) else '"' + name.replace('"', '""') + '"'


_TAIL = re.compile(r" (?:in cell|without label|beyond the film|over nearly|by several|below|above|at least|at most)\b")


def compared(quantity: str, how: str, number: float) -> str:
    """Return the filter on a quantity: ``compared('mask quality', 'below', 0.7)``."""
    return f"{quantity} {how} {number:.9f}".rstrip("0").rstrip(".")


def box_of(finding: str, which: str = "") -> str:
    """Return the filter on boxes of a finding, of any where that is ''."""
    return f"{f'box of {named(finding)}' if finding else 'any box'} {which}".rstrip()


def in_cell(x: int, y: int, cells: int) -> str:
    return f"in cell {x},{y} of {cells}"


def parse_annotation(text: str, drawn: Drawn) -> Annotation:
    """Return what ``text`` filters by; CxrdashError says what cannot be read and which names there are."""
    said = " ".join(text.split())
    if said in _PLAIN:
        return Annotation(_PLAIN[said])
    if found := _QUANTITY.fullmatch(said):
        return _quantity(found, drawn)
    if found := _MASK.fullmatch(said):
        structure = _known(found, drawn.structures, "structure")
        return Annotation("SELECT image FROM mask_measures WHERE structure = ${name}_of", (("of", structure),))
    if found := _BOX.fullmatch(said):
        return _box(found, drawn)
    raise CxrdashError(f"'{shown(text)}' says nothing of masks or boxes that is understood.", _EXAMPLES)


def _quantity(found: re.Match[str], drawn: Drawn) -> Annotation:
    sign, number = COMPARISONS[found["how"]], float(found["number"])
    if not found["what"].startswith("area"):
        column = "quality" if found["what"] == "mask quality" else "cardiothoracic_ratio"
        return Annotation(f"SELECT image FROM mask_images WHERE {column} {sign} ${{name}}_at", (("at", number),))
    structure = _known(found, drawn.structures, "structure")
    return Annotation(
        "SELECT image FROM mask_measures WHERE structure = ${name}_of"
        f" AND area / (width::BIGINT * height) {sign} ${{name}}_at",
        (("of", structure), ("at", number)),
    )


def _box(found: re.Match[str], drawn: Drawn) -> Annotation:
    values: list[tuple[str, Any]] = []
    finding = "true"
    if found["bare"] or found["quoted"]:
        finding = "finding = ${name}_of"
        values.append(("of", _known(found, drawn.findings, "finding with boxes")))
    which = found["which"]
    if found["n"]:
        which, cells = "in cell", int(found["n"])
        if not 1 <= cells <= LARGEST_GRID:
            raise CxrdashError(f"The film cannot be cut into {cells} by {cells} cells.", f"Use 1 to {LARGEST_GRID}.")
        values += [("x", int(found["x"])), ("y", int(found["y"])), ("n", float(cells))]
    return Annotation(_WHICH_BOX[which].replace("{finding}", finding), tuple(values))


def _known(found: re.Match[str], names: Sequence[str], what: str) -> str:
    name = found["bare"] or (found["quoted"] or "").replace('""', '"')
    alike = [known for known in names if known.casefold() == name.casefold()]
    if name in names or len(alike) == 1:
        return name if name in names else alike[0]
    near = difflib.get_close_matches(name[:100], list(names), n=3)
    known = ", ".join(map(shown, names[:12])) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    hint = f"Did you mean {' or '.join(map(shown, near))}?" if near else f"There are: {known or 'none'}."
    raise CxrdashError(f"'{shown(name)}' is no {what} of this dataset.", hint)
