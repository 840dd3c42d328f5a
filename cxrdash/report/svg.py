"""A few marks as SVG markup: every text is escaped here, every colour is explicit, nothing is fetched."""

from __future__ import annotations

import textwrap

from cxrdash.charts.theme import FONT, plain

INK, MUTED, GRID, PAPER = "#1F2328", "#5B636C", "#DDE1E6", "#FFFFFF"
SIZE = 13
_BREAK = "\u200b"  # marks where a name may go on to the next line
CHARACTER = 0.54  # of the type size, on average; generous, so that nothing is cut


def text_width(text: str, size: float = SIZE) -> float:
    """Return about how wide a text is drawn, in pixels."""
    return CHARACTER * size * len(text)


class Drawing:
    """Marks on a sheet of ``width`` x ``height`` pixels; ``markup`` is the finished SVG."""

    def __init__(self, width: float, height: float, *, title: str) -> None:
        self.width, self.height, self.title = width, height, title
        self._marks: list[str] = []

    def rect(  # noqa: PLR0913 - coordinates and looks of one mark
        self,
        x: float,
        y: float,
        w: float,
        h: float,
        *,
        fill: str,
        stroke: str = "none",
        hatch: bool = False,
        radius: float = 0,
    ) -> None:
        box = f'x="{x:.1f}" y="{y:.1f}" width="{max(w, 0):.1f}" height="{h:.1f}" rx="{radius:g}"'
        self._marks.append(f'<rect {box} fill="{fill}" stroke="{stroke}"/>')
        if hatch:
            self._marks.append(f'<rect {box} fill="url(#hatch)"/>')

    def line(  # noqa: PLR0913 - coordinates and looks of one mark
        self, x1: float, y1: float, x2: float, y2: float, *, stroke: str = INK, width: float = 1, dashed: bool = False
    ) -> None:
        dash = ' stroke-dasharray="4 3"' if dashed else ""
        self._marks.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}" '
            f'stroke-width="{width:g}"{dash}/>'
        )

    def path(self, points: list[tuple[float, float]], *, stroke: str, width: float = 2) -> None:
        if points:
            steps = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            self._marks.append(f'<polyline points="{steps}" fill="none" stroke="{stroke}" stroke-width="{width:g}"/>')

    def dot(self, x: float, y: float, *, fill: str, radius: float = 4, stroke: str = "none") -> None:
        self._marks.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="{fill}" stroke="{stroke}"/>')

    def text(  # noqa: PLR0913 - coordinates and looks of one mark
        self,
        x: float,
        y: float,
        said: object,
        *,
        anchor: str = "start",
        size: float = SIZE,
        colour: str = INK,
        bold: bool = False,
    ) -> None:
        weight = ' font-weight="600"' if bold else ""
        self._marks.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size:g}" fill="{colour}"{weight}>'
            f"{plain(said)}</text>"
        )

    def lines(self, x: float, middle: float, said: str, width: int, *, anchor: str = "start") -> None:
        """Write a text on as many lines of ``width`` characters as it needs, centred on ``middle``."""
        rows = rows_of(said, width)
        top = middle - (len(rows) - 1) * SIZE * 0.6 + SIZE * 0.35
        for at, row in enumerate(rows):
            self.text(x, top + at * SIZE * 1.2, row, anchor=anchor)

    @property
    def markup(self) -> str:
        return (
            f'<svg viewBox="0 0 {self.width:.0f} {self.height:.0f}" width="{self.width:.0f}" '
            f'height="{self.height:.0f}" role="img" xmlns="http://www.w3.org/2000/svg" font-family="{FONT}">'
            f"<title>{plain(self.title)}</title>{_HATCH}{''.join(self._marks)}</svg>"
        )


def rows_of(said: str, width: int) -> list[str]:
    """Return a text on lines of ``width`` characters; a word longer than a line is broken."""
    rows = textwrap.wrap(said.replace("_", f"_{_BREAK} "), width, break_on_hyphens=False)
    return [row.replace(f"_{_BREAK} ", "_").replace(_BREAK, "") for row in rows] or [""]


# Uncertain is hatched everywhere, so that it is not told by colour alone.
_HATCH = (
    '<defs><pattern id="hatch" width="6" height="6" patternTransform="rotate(45)" patternUnits="userSpaceOnUse">'
    '<line x1="0" y1="0" x2="0" y2="6" stroke="#FFFFFF" stroke-width="2"/></pattern></defs>'
)
