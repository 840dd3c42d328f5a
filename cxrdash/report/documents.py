"""What a source's own documentation says of a dataset and its files do not."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

OURS = Path(__file__).with_name("documents.toml")


@dataclass(frozen=True)
class Documentation:
    """Facts stated by the source, '' (or no years) where it documents none."""

    url: str = ""
    creator: str = ""
    published: str = ""
    collection: str = ""
    timeframe: tuple[str, ...] = ()
    setting: str = ""
    consent: str = ""
    preprocessing: str = ""


def documentation(source: str) -> Documentation:
    """Return what is known of a source; nothing is known of a dataset of one's own."""
    facts = _ours().get(source, {})
    return Documentation(**{**facts, "timeframe": tuple(facts.get("timeframe", ()))})


@lru_cache(maxsize=1)
def _ours() -> dict[str, dict[str, Any]]:
    with OURS.open("rb") as file:
        return tomllib.load(file)
