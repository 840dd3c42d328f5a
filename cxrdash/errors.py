"""The one error a user is meant to see, and how hostile values are quoted inside it."""

from __future__ import annotations

from collections.abc import Sequence

SHOWN_CHARACTERS = 80


class CxrdashError(Exception):
    """A fault the user can mend: what is wrong, where, and what to do next.

    ``details`` are further lines of the same kind (the next bad rows, the columns that were found);
    the screen shows the first few and says how many more there are.
    """

    def __init__(self, message: str, hint: str = "", *, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = tuple(details)

    def __str__(self) -> str:
        return "\n".join(line for line in (self.message, *self.details, self.hint) if line)


def shown(value: object, limit: int = SHOWN_CHARACTERS) -> str:
    """Return a value from a file as one printable line: control characters escaped, cut to ``limit``."""
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(value))
    return text if len(text) <= limit else text[: limit - 1] + "…"
