"""Loading recipes: what popular loaders do to a dataset before training, as rows of data.

A recipe is a TOML file with a title, a source, the datasets it applies to and rules in the order in
which the loader applies them. Those that come with cxrdash lie in ``recipes/``; anybody can write one.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cxrdash.errors import CxrdashError, shown

FOLDER = Path(__file__).with_name("recipes")
LARGEST_FILE = 200_000  # bytes; a recipe is a page of text
VIEWS = (
    "PA", "AP", "AP_SUPINE", "FRONTAL_UNKNOWN", "LATERAL", "LATERAL_DECUBITUS", "OBLIQUE", "OTHER", "UNKNOWN",
)  # fmt: skip
FRONTAL = VIEWS[:4]
FIRST_ROW, FIRST_VALUES = "first row", "first value of each column"


@dataclass(frozen=True)
class Rule:
    """One step of a loader: its kind (a key of KINDS) and settings, complete with defaults."""

    kind: str
    settings: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.settings[name]

    @property
    def sentence(self) -> str:
        """The rule in words."""
        words = KINDS[self.kind].words
        return words if isinstance(words, str) else words(self)


@dataclass(frozen=True)
class Recipe:
    """A loader's rules in order; ``source`` is a citation with version, ``caution`` what cannot be reproduced."""

    name: str
    title: str
    source: str
    applies_to: tuple[str, ...]
    rules: tuple[Rule, ...]
    caution: str = ""

    def fits(self, source: str) -> bool:
        """Return whether the recipe is meant for datasets read by that source."""
        return "*" in self.applies_to or source in self.applies_to


@dataclass(frozen=True)
class Kind:
    """A kind of rule: its words or what makes them, and per setting the default and the values allowed.

    A tuple of texts lists what is allowed, the first being the default; a type means the setting must
    be given; any other value is the default and gives the type.
    """

    words: str | Callable[[Rule], str]
    settings: Mapping[str, Any]


def _listed(names: Any) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def _some(rule: Rule) -> str:
    return f" of {_listed(rule['findings'])}" if rule["findings"] else ""


def _one_per_patient(rule: Rule) -> str:
    merged = "" if rule["take"] == FIRST_ROW else ": of each column the first value that is not missing"
    return f"One row per {rule['per']}, the first{merged}"


def _only_findings(rule: Rule) -> str:
    kept = f"Keep the labels {_listed(rule['findings'])}" if rule["findings"] else ""
    dropped = f"{_listed(rule['drop'])} is no label" if rule["drop"] else ""
    return "; ".join(filter(None, [kept, dropped])) or "Keep all labels"


def _zeroes(rule: Rule) -> str:
    return f"No Finding makes every other label negative, devices {'too' if rule['devices'] else 'apart'}"


def _split(rule: Rule) -> str:
    return f"Put {rule['share']:.0%} of the images aside at random to test on (seed {rule['seed']})"


KINDS: dict[str, Kind] = {
    "keep_views": Kind(lambda r: f"Keep {_listed(r['views'])} views", {"views": list}),
    "keep_parts": Kind(lambda r: f"Keep the {_listed(r['parts'])} part", {"parts": list}),
    "frontal_only": Kind("Keep frontal views", {}),
    "one_per_patient": Kind(
        _one_per_patient,
        {"per": ("patient", "study"), "take": (FIRST_ROW, FIRST_VALUES), "order": ("index", "ids")},
    ),
    "adults_only": Kind(lambda r: f"Keep ages of {r['age']} years or more", {"age": 18}),
    "age_below": Kind(lambda r: f"Keep ages below {r['age']} years", {"age": int}),
    "known_sex": Kind("Drop unknown sex", {}),
    "drop_unlabelled": Kind("Drop images without any label", {}),
    "uncertain_to": Kind(
        lambda r: f"Uncertain{_some(r)} becomes {r['state']}",
        {"state": ("positive", "negative", "missing"), "findings": []},
    ),
    "blank_to": Kind(
        lambda r: f"Blank{_some(r)} {'stays' if r['state'] == 'missing' else 'becomes'} {r['state']}",
        {"state": ("negative", "missing"), "findings": []},
    ),
    "no_finding_zeroes": Kind(_zeroes, {"devices": False}),
    "fill_parents": Kind("A parent becomes positive where a child is", {}),
    "normal_as_negative": Kind("Only No Finding makes a label negative; what is neither becomes missing", {}),
    "substring_labels": Kind(
        "A label is positive where its name occurs in the text of labels, else negative",
        {"terms": {}, "ignore_case": False},
    ),
    "only_findings": Kind(_only_findings, {"findings": [], "drop": []}),
    "single_label": Kind("Keep images with exactly one positive finding", {}),
    "random_split_by_image": Kind(_split, {"share": 0.2, "seed": 1}),
    "any_reader": Kind("A label is positive where any reader says so", {}),
    "row_per_mask": Kind("One row per mask instead of per image", {}),
    "given_split": Kind(lambda r: f"Test on the {_listed(r['test'])} part and train on the others", {"test": ["test"]}),
    "cohort": Kind(lambda r: r["text"], {"text": str, "query": {}, "own": {}}),
    "stated": Kind(lambda r: r["text"], {"text": str, "reason": str}),
}


@cache
def shipped() -> Mapping[str, Recipe]:
    """Return the recipes that come with cxrdash, by name."""
    return {path.stem: read_recipe(path) for path in sorted(FOLDER.glob("*.toml"))}


def applicable(source: str) -> tuple[Recipe, ...]:
    """Return the recipes for datasets of a source, those of a particular loader first."""
    found = [recipe for recipe in shipped().values() if recipe.fits(source)]
    return tuple(sorted(found, key=lambda recipe: (not recipe.name.startswith("txrv"), recipe.name)))


def recipes_named(name: str, source: str) -> tuple[Recipe, ...]:
    """Return the recipe of that name or TOML file; for '' all that apply to a source.

    Raises CxrdashError for a name that is neither, naming the known ones.
    """
    if not name:
        return applicable(source)
    if name in shipped():
        return (shipped()[name],)
    if name.endswith(".toml"):
        return (read_recipe(Path(name)),)
    near = difflib.get_close_matches(name[:100], list(shipped()), n=1)
    raise CxrdashError(
        f"There is no recipe named '{shown(name)}'.",
        (f"Did you mean {near[0]}? " if near else "")
        + f"Known: {', '.join(shipped())}; or give the path of a TOML file of your own.",
    )


def read_recipe(path: Path) -> Recipe:
    """Read a recipe; raise CxrdashError naming the file, the rule by its number, and the setting."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise CxrdashError(f"{shown(path)} is no recipe: it has more than {LARGEST_FILE:,} bytes.")
        facts = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as fault:
        raise CxrdashError(f"The recipe {shown(path)} cannot be read: {fault.strerror}.", "Check its path.") from None
    except UnicodeDecodeError:
        raise CxrdashError(f"The recipe {shown(path)} is not UTF-8 text.", "Save it as UTF-8.") from None
    except tomllib.TOMLDecodeError as fault:
        raise CxrdashError(f"The recipe {shown(path)} is not TOML: {shown(fault)}.", "Mend that line.") from None
    return _recipe(path, facts)


def _recipe(path: Path, facts: dict[str, Any]) -> Recipe:
    rules = facts.pop("rule", None)
    if not isinstance(rules, list) or not rules or not all(isinstance(rule, dict) for rule in rules):
        raise CxrdashError(f"The recipe {shown(path)} has no rules.", "Each rule begins with a line [[rule]].")
    kind = Kind("", {"title": path.stem, "source": "", "applies_to": ["*"], "caution": ""})
    head = _settings(f"The recipe {shown(path)}", kind, facts)
    head["applies_to"] = tuple(head["applies_to"])
    return Recipe(path.stem, rules=tuple(_rule(path, at, rule) for at, rule in enumerate(rules, start=1)), **head)


def _rule(path: Path, number: int, facts: dict[str, Any]) -> Rule:
    where = f"{shown(path)}, rule {number}"
    kind = facts.pop("kind", "")
    if not isinstance(kind, str) or kind not in KINDS:
        near = difflib.get_close_matches(str(kind)[:100], list(KINDS), n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise CxrdashError(f"{where}: '{shown(kind)}' is no kind of rule.", f"{hint}Known: {', '.join(KINDS)}.")
    rule = Rule(kind, _settings(where, KINDS[kind], facts))
    strange = [view for view in rule.settings.get("views", ()) if view not in VIEWS]
    if strange:
        raise CxrdashError(f"{where}: '{shown(strange[0])}' is no view.", f"Known: {', '.join(VIEWS)}.")
    if not 0 < rule.settings.get("share", 0.5) < 1:
        raise CxrdashError(f"{where}: share must lie between 0 and 1, not at {rule['share']:g}.", "Write 0.2 for 20%.")
    return rule


def _settings(where: str, kind: Kind, facts: Mapping[str, Any]) -> dict[str, Any]:
    for name in facts:
        if name not in kind.settings:
            known = ", ".join(kind.settings) or "none"
            raise CxrdashError(f"{where}: there is no setting '{shown(name)}' here.", f"Known: {known}.")
    return {name: _setting(where, name, default, facts) for name, default in kind.settings.items()}


def _setting(where: str, name: str, default: Any, facts: Mapping[str, Any]) -> Any:
    if name not in facts:
        if isinstance(default, type):
            raise CxrdashError(f"{where}: the setting '{name}' is missing.", f'Add a line beginning "{name} = ".')
        return default[0] if isinstance(default, tuple) else default
    value = facts[name]
    if isinstance(default, tuple):
        if value not in default:
            allowed = ", ".join(f'"{text}"' for text in default)
            raise CxrdashError(f"{where}: {name} is '{shown(value)}'.", f"It must be one of {allowed}.")
        return value
    wanted = default if isinstance(default, type) else type(default)
    if not _is(value, wanted):
        raise CxrdashError(f"{where}: {name} is '{shown(value)}'.", f"It must be {_WORDS[wanted]}.")
    return value


def _is(value: Any, wanted: type) -> bool:
    if wanted is list:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if wanted is dict:
        return isinstance(value, dict) and all(_is(item, list) for item in value.values())
    if wanted is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is wanted


_WORDS: dict[type, str] = {
    list: 'a list of texts, such as ["PA", "AP"]',
    dict: 'a table of lists, such as "Mass" = ["mass"]',
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text in quotes",
}
