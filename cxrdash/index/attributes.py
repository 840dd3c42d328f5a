"""What a dataset says of its images beyond part, view, sex and age: the year, the site, who labelled them.

A condition is written ``site: Leiden``. Conditions on one attribute are alternatives, those on several narrow together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from cxrdash.errors import CxrdashError, shown

NOT_STATED = "not stated"
TITLES = {"label_method": "labeller", "study_year": "year"}
_WORDS = {"label_method": "labels by {}", "study_year": "taken in {}"}
_NOTHING = "(none in common)"
_HELD = "image IN (SELECT image FROM attributes WHERE attribute = ${name} AND level IN ${name}_levels)"
_UNSTATED = "image NOT IN (SELECT image FROM attributes WHERE attribute = ${name})"


def attribute_title(name: str) -> str:
    """Return what an attribute is called on screen."""
    return TITLES.get(name, name.replace("_", " "))


def attribute_text(name: str, level: str) -> str:
    """Return the condition that an attribute has a level."""
    return f"{name}: {level}"


def by_name(texts: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the levels asked for by attribute. CxrdashError for a text that is no condition."""
    found: dict[str, tuple[str, ...]] = {}
    for text in texts:
        name, colon, level = text.partition(": ")
        if not colon or not name.strip() or not level.strip():
            raise CxrdashError(f"'{shown(text)}' is no condition on an attribute.", "Write it as 'site: Leiden'.")
        levels = found.get(name.strip(), ())
        found[name.strip()] = tuple(dict.fromkeys((*levels, level.strip())))
    return found


def attribute_words(texts: Sequence[str]) -> list[str]:
    """Return the conditions as phrases, one per attribute; what is none stays as it is."""
    try:
        asked = by_name(texts)
    except CxrdashError:
        return list(texts)
    return [
        _WORDS.get(name, f"{attribute_title(name)} {{}}").format(" or ".join(levels)) for name, levels in asked.items()
    ]


def both(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    """Return the conditions of two cohorts together: of an attribute that both name, the levels in common."""
    if not one or not other or one == other:
        return one or other
    first, second = by_name(one), by_name(other)
    made: list[str] = []
    for name in dict.fromkeys((*first, *second)):
        levels = first.get(name) or second[name]
        if name in first and name in second:
            levels = tuple(level for level in first[name] if level in second[name]) or (_NOTHING,)
        made += [attribute_text(name, level) for level in levels]
    return tuple(made)


def attribute_conditions(texts: Sequence[str], known: Sequence[str], title: str) -> tuple[list[str], dict[str, Any]]:
    """Return the SQL conditions over `images` and their parameters.

    CxrdashError where the dataset (``title``, with the attributes ``known``) has no such attribute.
    """
    clauses: list[str] = []
    parameters: dict[str, Any] = {}
    for place, (name, levels) in enumerate(by_name(texts).items()):
        if name not in known:
            listed = f"Known: {', '.join(known)}." if known else "It has no attributes beside part, view, sex and age."
            raise CxrdashError(f"{title} does not tell the {shown(attribute_title(name))} of its images.", listed)
        bound = f"attribute{place}"
        clause = _HELD.format(name=bound)
        clauses.append(f"({clause} OR {_UNSTATED.format(name=bound)})" if NOT_STATED in levels else clause)
        parameters |= {bound: name, f"{bound}_levels": list(levels)}
    return clauses, parameters
