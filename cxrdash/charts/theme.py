"""How charts look and how they write: colours that keep their meaning, `Look`, safe text, numbers as words.

Everything a dataset wrote passes through `plain` before it reaches a figure, because Plotly renders
links, line breaks and styles found inside any text it draws.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from html import escape
from typing import Any

STATE_COLOURS = {
    "positive": "#D55E00",
    "uncertain": "#E69F00",
    "negative": "#0072B2",
    "blank": "#9AA0A6",
    "not_assessed": "rgba(0,0,0,0)",
}
STATE_GLYPHS = {"positive": "+", "uncertain": "?", "negative": "−", "blank": "·", "not_assessed": ""}
VERDICT_COLOURS = {"correct": "#009E73", "doubtful": "#E69F00", "wrong": "#C62828", "unsure": "#9AA0A6"}
VERDICT_GLYPHS = {"correct": "✓", "doubtful": "?", "wrong": "✗", "unsure": "·"}
TIER_COLOURS = {
    "blocked": "rgba(0,0,0,0)",
    "anecdotal": "#A63A2B",
    "very low": "#DD7A45",
    "low": "#EBC05A",
    "limited": "#8CC5BC",
    "adequate": "#1F7F78",
}
TIER_GLYPHS = {"blocked": "✕", "anecdotal": "○", "very low": "◔", "low": "◑", "limited": "◕", "adequate": "●"}
# Things compared (policies, views, datasets) stay clear of the colours that mean a state.
SERIES_COLOURS = ("#3D4FA1", "#B0569E", "#3C8F86", "#857A22", "#5BA4CF", "#7A2E4D")
SERIES_COLOURS_DARK = ("#98A8F5", "#E29BD3", "#6ACBC0", "#D2C467", "#A9D8F5", "#E38FAF")
SERIES_SYMBOLS = ("circle", "diamond", "square", "triangle-up", "x", "star")

# A saved picture cannot take the page's own font along, so what stands in for it is one of nearly its width.
FONT = "'Source Sans 3', 'Source Sans Pro', 'Source Sans', Arial, 'Liberation Sans', system-ui, sans-serif"
CLEAR = "rgba(0,0,0,0)"
NO_IMAGES = "No images in this cohort"


@dataclass(frozen=True)
class Look:
    """Where a chart will be seen: on a dark or a light ground, at a desk or from across a room.

    Every colour is explicit and both grounds are transparent, so the same figure sits on the page,
    prints, and survives a download.
    """

    dark: bool = False
    presentation: bool = False

    @property
    def size(self) -> int:
        """Size of ordinary type, in pixels."""
        return 19 if self.presentation else 13

    @property
    def small(self) -> int:
        """Size of type for numbers inside a figure, in pixels."""
        return 16 if self.presentation else 12

    @property
    def text(self) -> str:
        return "#E8EAED" if self.dark else "#1F2328"

    @property
    def muted(self) -> str:
        """Colour of text that explains but is not the point."""
        return "#A3ABB5" if self.dark else "#5B636C"

    @property
    def grid(self) -> str:
        return "rgba(255,255,255,0.11)" if self.dark else "rgba(0,0,0,0.09)"

    @property
    def line(self) -> str:
        """Colour of axis and outline strokes."""
        return "rgba(255,255,255,0.38)" if self.dark else "rgba(0,0,0,0.35)"

    @property
    def ground(self) -> str:
        """The page behind the figure: for contrast only, never painted under a chart."""
        return "#0E1117" if self.dark else "#FFFFFF"

    @property
    def accent(self) -> str:
        """Colour of a mark that carries no state, tier or verdict."""
        return SERIES_COLOURS_DARK[0] if self.dark else SERIES_COLOURS[0]

    def series(self, position: int) -> str:
        """Colour of the n-th of several things compared (policies, levels, datasets)."""
        colours = SERIES_COLOURS_DARK if self.dark else SERIES_COLOURS
        return colours[position % len(colours)]


def plain(value: object) -> str:
    """Return dataset text so that Plotly draws its characters and nothing else.

    ``<``, ``>`` and ``&`` are escaped, so no tag, link or entity in a label is obeyed; control and
    direction characters become spaces. A dollar sign at either end is kept from starting mathematics.
    """
    text = "".join(c if c.isprintable() else " " for c in str(value))
    safe = escape(" ".join(text.split()), quote=False)
    return f"{safe}\u200a" if safe.startswith("$") and safe.endswith("$") else safe


def wrapped(value: object, width: int = 36, lines: int = 4) -> str:
    """Return dataset text on at most ``lines`` lines of ``width`` characters, safe to draw.

    Underscores are places to break, as in ``Pleural_Thickening``. Only what exceeds all lines is
    replaced by an ellipsis.
    """
    text = "".join(c if c.isprintable() else " " for c in str(value))
    breakable = re.sub(r"_(?=\S)", "_\u200b ", text)
    rows = textwrap.wrap(breakable, width, max_lines=lines, placeholder=" …")
    return "<br>".join(plain(row.replace("_\u200b ", "_").replace("\u200b", "")) for row in rows)


def number(value: float) -> str:
    """Return a count with thousands separators; an en dash where it is missing."""
    return "–" if _missing(value) else f"{value:,.0f}"


def people(value: float) -> str:
    """Return '1 patient' or '2,225 patients'."""
    return f"{number(value)} patient{'' if value == 1 else 's'}"


def percent(value: float | None) -> str:
    """Return a proportion from 0 to 1 as a percentage with one decimal; an en dash where undefined."""
    return "–" if value is None or _missing(value) else f"{100 * value:.1f}%"


def interval(low: float, high: float) -> str:
    """Return an interval of proportions as ``a–b%``; an en dash where undefined."""
    return "–" if _missing(low) or _missing(high) else f"{100 * low:.1f}–{100 * high:.1f}%"


def tier_word(tier: object) -> str:
    """Return a tier as it is written on screen: ``very_low`` and ``very low`` are one tier."""
    return str(tier).replace("_", " ").strip().lower()


FIGURE_FORMS = ("SVG", "PNG")
PNG_SCALE = 4  # a chart of 700 pixels is 9 inches wide at 300 dots an inch


def export_config(name: str, form: str = "SVG") -> dict[str, Any]:
    """Return what `st.plotly_chart` needs so that a chart offers one button, a file of ``form``, and no cloud."""
    stem = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower() or "figure"
    return {
        "displaylogo": False,
        "showSendToCloud": False,
        "displayModeBar": "hover",
        "modeBarButtons": [["toImage"]],
        "toImageButtonOptions": {
            "format": form.lower(),
            "filename": f"cxrdash-{stem}",
            "scale": PNG_SCALE if form == "PNG" else 1,
        },
        "scrollZoom": False,
        "doubleClick": False,
        "showTips": False,
        "showAxisDragHandles": False,
    }


def faded(colour: str, strength: float) -> str:
    """Return ``#RRGGBB`` as a colour that lets the page through, at ``strength`` from 0 to 1."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{strength:g})"


def contrast(colour: str, look: Look) -> str:
    """Return near-black or white, whichever reads better on ``colour`` (``#RRGGBB``)."""
    if not colour.startswith("#"):
        return look.text
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    # Relative luminance as in WCAG 2, with its power law for the sRGB curve simplified to 2.2.
    luminance = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
    return "#111111" if luminance > 0.19 else "#FFFFFF"


def _missing(value: float | None) -> bool:
    """Whether a cell is None, NaN or pandas' NA (which has no truth value when compared)."""
    try:
        return value is None or bool(value != value)
    except TypeError:
        return True
