"""Column names as people write them, and how a file's columns are found by name."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from cxrdash.errors import shown

# A field of a source and the spellings under which files hold it, the official one first.
Fields = Mapping[str, Sequence[str]]
OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


def collision_key(name: str) -> str:
    """Return the form in which two column names count as the same: NFC, without case or outer blanks."""
    return unicodedata.normalize("NFC", name).strip().casefold()


def matching_key(name: str) -> str:
    """Return only the letters and digits of a name: ``Follow-up #`` and ``FollowUp`` match."""
    return "".join(c for c in collision_key(name) if c.isalnum())


def column_positions(header: Sequence[str], fields: Fields) -> dict[str, int]:
    """Return where each field stands in the header; fields that are absent are left out."""
    at = {matching_key(name): position for position, name in reversed(list(enumerate(header)))}
    spellings = {field: [matching_key(name) for name in names] for field, names in fields.items()}
    return {
        field: next(at[key] for key in keys if key in at)
        for field, keys in spellings.items()
        if any(key in at for key in keys)
    }


def missing_fields(header: Sequence[str], fields: Fields, required: Sequence[str]) -> list[str]:
    """Return the official names of the required fields that the header lacks."""
    present = column_positions(header, fields)
    return [fields[field][0] for field in required if field not in present]


def missing_sentence(header: Sequence[str], missing: Sequence[str]) -> str:
    """Return which columns are missing, each with the nearest name that is there."""
    by_key = {matching_key(name): name for name in header}
    parts = []
    for name in missing:
        close = get_close_matches(matching_key(name), by_key, n=1, cutoff=0.75)
        parts.append(f"'{name}' (nearest: '{shown(by_key[close[0]])}')" if close else f"'{name}'")
    return f"lacks the column{'s' if len(parts) > 1 else ''} {', '.join(parts)}"


def separator_sentence(header: Sequence[str]) -> str:
    """Return which other separator a header seems to use, '' if none."""
    if len(header) <= 2:
        for separator, words in OTHER_SEPARATORS.items():
            if any(separator in cell for cell in header):
                return f"looks separated by {words} rather than commas"
    return ""
