"""The one place where a name becomes SQL text; values are always bound as parameters."""

from __future__ import annotations

from cxrdash.errors import CxrdashError, shown


def quote_identifier(name: str) -> str:
    """Return ``name`` as a quoted SQL identifier.

    Raises CxrdashError for an empty name or one with a NUL character, which SQL cannot hold.
    """
    if not name or "\0" in name:
        raise CxrdashError(f"'{shown(name)}' cannot be used as a column name.", "Rename that column.")
    return '"' + name.replace('"', '""') + '"'
