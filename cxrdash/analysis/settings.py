"""Thresholds of audit and stars: ours, with a user's own file over them."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from cxrdash.errors import CxrdashError, shown

OURS = Path(__file__).with_name("thresholds.toml")


@dataclass(frozen=True)
class Settings:
    """Thresholds by table and name; ``source`` is the user's file, or '' where none replaces ours."""

    stars: Mapping[str, Any]
    audit: Mapping[str, float]
    source: str = ""


def settings(path: str = "") -> Settings:
    """Return our thresholds, each replaced by that of the file at ``path`` where it names it.

    Raises CxrdashError for a file that cannot be read, a key that is none of ours (naming the nearest) and
    a value of another kind.
    """
    ours = _ours()
    if not path:
        return Settings(ours["stars"], ours["audit"])
    theirs = _read(Path(path))
    merged = {name: dict(table) for name, table in ours.items()}
    for table, values in theirs.items():
        _known(table, ours, path, "table")
        if not isinstance(values, dict):
            raise CxrdashError(f"{path}: '{shown(table)}' is not a table.", f"Write [{table}] above its keys.")
        for key, value in values.items():
            _known(key, ours[table], path, "key")
            merged[table][key] = _of_kind(ours[table][key], value, f"{path}: {table}.{key}")
    return Settings(merged["stars"], merged["audit"], str(path))


@lru_cache(maxsize=1)
def _ours() -> dict[str, dict[str, Any]]:
    with OURS.open("rb") as file:
        return tomllib.load(file)


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as fault:
        raise CxrdashError(
            f"The settings cannot be read: {path} ({fault.strerror or fault}).", "Check the path."
        ) from fault
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise CxrdashError(f"{path} is not TOML: {fault}", "Mend the line it names.") from fault


def _known(name: str, known: Mapping[str, Any], path: str, what: str) -> None:
    if name not in known:
        near = difflib.get_close_matches(name[:60], list(known), n=1)
        hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(known)}."
        raise CxrdashError(f"{path}: there is no {what} '{shown(name)}'.", hint)


def _of_kind(ours: Any, theirs: Any, place: str) -> Any:
    if isinstance(ours, list) and ours and isinstance(ours[0], dict):
        if not isinstance(theirs, list) or not all(
            isinstance(row, dict) and set(row) == set(ours[0]) for row in theirs
        ):
            raise CxrdashError(f"{place} must be tables with {', '.join(ours[0])}.", "See thresholds.toml.")
        return theirs
    if isinstance(ours, list):
        good = isinstance(theirs, list) and len(theirs) == len(ours) and all(map(_is_number, theirs))
        good = good and theirs == sorted(theirs, reverse=ours[0] > ours[-1])
        if not good:
            order = "falling" if ours[0] > ours[-1] else "rising"
            raise CxrdashError(f"{place} must be {len(ours)} {order} numbers, not {shown(theirs)}.", f"Ours: {ours}.")
        return theirs
    if not _is_number(theirs):
        raise CxrdashError(f"{place} must be a number, not '{shown(theirs)}'.", f"Ours: {ours}.")
    return theirs


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
