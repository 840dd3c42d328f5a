"""Dataset text on its way to the screen: one function escapes it, the others format numbers."""

from __future__ import annotations

import re

from cxrdash.errors import shown

_MARKUP = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~$:&@/])")


def safe(text: object, limit: int = 4_000) -> str:
    """Return text that Streamlit's Markdown shows character by character.

    Labels and ids come from files; unescaped, an image in Markdown would make the browser call out.
    """
    return _MARKUP.sub(r"\\\1", shown(text, limit)).replace("\n", " ")


def number(value: float) -> str:
    """Return a count with thousands separators."""
    return f"{value:,.0f}"


def percent(share: float) -> str:
    """Return a proportion as a percentage with one decimal; a dash where it is undefined."""
    return "–" if share != share else f"{100 * share:.1f}%"


def interval(low: float, high: float) -> str:
    """Return an interval of proportions in percent, joined by an en dash."""
    if low != low or high != high:
        return "undefined"
    return f"{100 * low:.{_decimals(low, high)}f}–{100 * high:.{_decimals(low, high)}f}%"


def _decimals(low: float, high: float) -> int:
    """One decimal, and more where the lower end of a rare finding would lose its digits."""
    return 1 if low >= 0.01 or high >= 0.1 else 2


def plural(count: float, one: str, many: str = "") -> str:
    """Return '1 patient', '2 patients', with separators."""
    return f"{number(count)} {one if count == 1 else (many or one + 's')}"


def listed(words: list[str], last: str = "and") -> str:
    """Return 'a, b and c'."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}" if words else ""
