"""What the pixel scan found, as a filter on images: ``inverted``, ``blurred: 0.3``, ``stored_mode = RGBA``.

A name is a check of ``index.film_checks``, with another threshold after a colon. A measure or fact of
the file with ``=`` asks for one value, or with two numbers and ``..`` for a range (upper end excluded).
"""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass
from typing import Any

from cxrdash.errors import CxrdashError, shown
from cxrdash.index.film_checks import BY_NAME, Check

# Facts by which images may be chosen, each with the SQL over `measures` (and `images` as i) that gives it.
FACTS = {
    "status": "coalesce(m.status, 'not scanned')",
    "reason": r"regexp_replace(m.reason, '\d[\d,]*', 'N', 'g')",  # numbers differ from film to film
    "format": "m.format",
    "stored_mode": "m.stored_mode",
    "photometric": "m.photometric",
    "size": "m.width || ' × ' || m.height",
    "shape": """CASE WHEN m.width = m.height THEN 'square' WHEN m.width > m.height THEN 'landscape'
        WHEN m.width < m.height THEN 'portrait' END""",
    "bits_stored": "m.bits_stored || ' bits'",
    "grey_levels_used": """CASE WHEN m.grey_levels < 64 THEN 'under 64' WHEN m.grey_levels < 128 THEN '64 to 127'
        WHEN m.grey_levels < 256 THEN '128 to 255' WHEN m.grey_levels = 256 THEN '256'
        WHEN m.grey_levels < 1024 THEN '257 to 1,023' WHEN m.grey_levels < 4096 THEN '1,024 to 4,095'
        WHEN m.grey_levels >= 4096 THEN '4,096 and more' END""",
    "windows_in_file": "m.windows::VARCHAR",
    "burned_in": "m.burned_in",
    "header_view": "m.header_view",
    "spacing_in_file": "CASE WHEN m.status = 'ok' THEN coalesce(m.spacing_kind, 'none') END",
    "size_against_table": """CASE WHEN m.width IS NULL OR i.width IS NULL OR i.height IS NULL THEN NULL
        WHEN m.width = i.width AND m.height = i.height THEN 'as the table says'
        WHEN m.width = i.height AND m.height = i.width THEN 'width and height exchanged'
        WHEN abs(ln((m.width / m.height) / (i.width / i.height))) < 0.01 THEN 'same shape, other size'
        ELSE 'other shape' END""",
    "view_against_table": """CASE WHEN m.header_view IS NULL OR i.view = 'UNKNOWN' THEN NULL
        WHEN (m.header_view IN ('PA', 'AP')) AND i.view LIKE m.header_view || '%' THEN 'as the table says'
        WHEN m.header_view IN ('PA', 'AP') AND i.view = 'FRONTAL_UNKNOWN' THEN 'as the table says'
        WHEN m.header_view IN ('LL', 'RL') AND i.view = 'LATERAL' THEN 'as the table says'
        ELSE 'header ' || m.header_view || ', table ' || i.view END""",
    "spacing_against_table": """CASE WHEN m.spacing_row_mm IS NULL OR i.spacing_y_mm IS NULL THEN NULL
        WHEN abs(m.spacing_row_mm / i.spacing_y_mm - 1) < 0.01 THEN 'as the table says' ELSE 'other spacing' END""",
    "photometric_against_picture": """CASE WHEN m.photometric IS NULL OR m.template IS NULL THEN NULL
        WHEN m.best_variant LIKE 'inverted%' AND m.best_r - m.orientation_r >= 0.2
        THEN m.photometric || ', shown with greys exchanged' ELSE m.photometric || ', shown as it should be' END""",
}
NUMBERS = {
    "orientation_r": "likeness to the median film",
    "lateral_gap": "likeness to the median lateral less frontal",
    "relative_sharpness": "sharpness as a share of the median",
    "sharpness": "sharpness",
    "grey_levels": "grey levels",
    "entropy_bits": "entropy in bits",
    "interior_contrast": "contrast inside the border",
    "interior_sd": "deviation inside the border",
    "interior_share_highest": "share of the interior at the highest value",
    "border_share": "share of the film that is border",
    "mean_shade": "mean stored value as a share of its bits",
}
_NUMBER_SQL = {"lateral_gap": "lateral_r - best_r", "mean_shade": "mean / (2 ** bits_stored - 1)"}
_CHECK = re.compile(r"\s*([a-z_]+)\s*(?::\s*([-+.\w]+))?\s*")
_FACT = re.compile(r"\s*([a-z_]+)\s*=\s*(.*\S)\s*", re.DOTALL)
_RANGE = re.compile(r"([-+.\w]+)\.\.([-+.\w]+)")
_FILMS = "SELECT m.image FROM measures AS m JOIN images AS i USING (image)"


@dataclass(frozen=True)
class Suspect:
    """A condition on `measures`: a check with its threshold, a fact with its value, or a number in a range."""

    check: Check | None = None
    threshold: float = 0.0
    fact: str = ""
    value: str = ""
    bounds: tuple[float, float] | None = None

    def condition(self, name: str) -> tuple[str, dict[str, Any]]:
        """Return a condition on the column ``image`` and its parameters, whose names begin with ``name``."""
        if self.check is not None:
            where = f"({self.check.needs}) AND {self.check.where.format(threshold=f'${name}')}"
            return f"image IN (SELECT image FROM measures WHERE {where})", {name: self.threshold}
        if self.bounds is not None:
            low, high = self.bounds
            number = number_sql(self.fact)
            where = f"{number} >= ${name}_low AND {number} < ${name}_high"
            return f"image IN (SELECT image FROM measures WHERE {where})", {f"{name}_low": low, f"{name}_high": high}
        return f"image IN ({_FILMS} WHERE {FACTS[self.fact]} = ${name})", {name: self.value}


def number_sql(name: str) -> str:
    """Return the SQL over `measures` of one of ``NUMBERS``."""
    return _NUMBER_SQL.get(name, name)


def suspect_text(name: str, threshold: float | None = None) -> str:
    """Return the text of a check that ``parse_suspect`` reads back; its usual threshold is not written."""
    usual = threshold is None or threshold == BY_NAME[name].threshold
    return name if usual else f"{name}: {threshold:g}"


def fact_text(fact: str, value: str) -> str:
    """Return the text for films of which a fact has that value."""
    return f"{fact} = {value}"


def range_text(number: str, low: float, high: float) -> str:
    """Return the text for films whose measure is at least ``low`` and below ``high``."""
    return f"{number} = {low!r}..{high!r}"


def parse_suspect(text: str) -> Suspect:
    """Return the condition of ``text``; CxrdashError names the nearest check or fact where there is none so called."""
    check = _CHECK.fullmatch(text)
    if check and check[1] in BY_NAME:
        chosen = BY_NAME[check[1]]
        return Suspect(check=chosen, threshold=_number(check[2], text) if check[2] else chosen.threshold)
    found = _FACT.fullmatch(text)
    if found and found[1] in FACTS:
        return Suspect(fact=found[1], value=found[2])
    bounds = _RANGE.fullmatch(found[2]) if found else None
    if found and bounds and found[1] in NUMBERS:
        return Suspect(fact=found[1], bounds=(_number(bounds[1], text), _number(bounds[2], text)))
    raise _unknown(text)


def _number(text: str, whole: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise CxrdashError(f"'{shown(text)}' in '{shown(whole)}' is no number.", "For example 'blurred: 0.3'.")
    return number


def _unknown(text: str) -> CxrdashError:
    name = re.split(r"[:=]", text, maxsplit=1)[0].strip()
    near = difflib.get_close_matches(name[:60], [*BY_NAME, *FACTS, *NUMBERS], n=3)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Checks: {', '.join(BY_NAME)}."
    return CxrdashError(f"'{shown(text)}' is no finding of the pixel scan.", hint)


def suspect_words(text: str) -> str:
    """Return a condition as a phrase: 'suspected to be upside down'. A text that is none stays as it is."""
    try:
        found = parse_suspect(text)
    except CxrdashError:
        return text
    if found.check is not None:
        usual = found.threshold == found.check.threshold
        return f"suspected to be {found.check.words}" + ("" if usual else f" (threshold {found.threshold:g})")
    if found.bounds is not None:
        low, high = found.bounds
        return f"{NUMBERS[found.fact]} {_between(low, high)}"
    return f"{found.fact.replace('_', ' ')}: {found.value}"


def _between(low: float, high: float) -> str:
    if math.isinf(low) or math.isinf(high):
        return f"of {low:.3g} or more" if math.isinf(high) else f"below {high:.3g}"
    return f"from {low:.3g} to {high:.3g}"
