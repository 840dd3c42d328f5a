"""A cohort and an uncertainty policy written as a loading recipe: every rule loses images or changes labels."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from cxrdash.analysis.recipes import Recipe, Rule
from cxrdash.index.cohort import PARAMETERS, Cohort
from cxrdash.index.store import Index
from cxrdash.labels.policies import Policy
from cxrdash.labels.states import State

NAME, TITLE = "my-cohort", "My cohort and policy"
SETTINGS_OF_ANOTHER = ("seed",)  # say how another field works, and are no rule of their own
LAST = ("images_per_patient", "studies_per_patient", "one_per_patient")  # a cohort applies these after all others
BECOMES = {"U-Ones": "positive", "U-Zeros": "negative", "U-Ignore": "missing"}


def cohort_recipe(index: Index, cohort: Cohort, policy: Policy) -> Recipe:
    """Return the recipe that keeps exactly the cohort's images of a whole dataset and reads labels by the policy.

    One rule for each filter in the order in which a cohort applies them, then one for blank and one for
    uncertain labels, where the dataset has such labels and the policy changes them.
    """
    fields = [name for name in PARAMETERS if name not in (*LAST, *SETTINGS_OF_ANOTHER)]
    narrowing = [name for name in (*fields, *LAST) if getattr(cohort, name) != getattr(Cohort(), name)]
    rules = []
    for at in range(len(narrowing)):
        own = _only(cohort, narrowing[at : at + 1])
        words = own.words().removeprefix("images").lstrip(", ").removeprefix("of ")
        text = f"Keep: {words}"
        query = _only(cohort, narrowing[: at + 1]).to_query()
        rules.append(Rule("cohort", {"text": text, "query": query, "own": own.to_query()}))
    states = set(index.dictionary.ravel().tolist())
    if State.BLANK in states:  # before uncertain labels, which may go missing as blanks are
        state = "negative" if policy.blank == "negative" else "missing"
        rules.append(Rule("blank_to", {"state": state, "findings": []}))
    if State.UNCERTAIN in states and policy.uncertain in BECOMES:
        rules.append(Rule("uncertain_to", {"state": BECOMES[policy.uncertain], "findings": []}))
    words = f"{cohort.words() if not cohort.everything else 'all images'}; {policy.sentence}"
    return Recipe(NAME, TITLE, f"This page: {words}", (str(index.meta["source"]),), tuple(rules))


def _only(cohort: Cohort, names: list[str]) -> Cohort:
    kept = {name: getattr(cohort, name) for name in names}
    return replace(Cohort(seed=cohort.seed if "one_per_patient" in kept else 1), **kept)


def recipe_text(recipe: Recipe) -> str:
    """Return a recipe as TOML, which ``recipes.read_recipe`` reads back."""
    head = {"title": recipe.title, "source": recipe.source, "applies_to": list(recipe.applies_to)}
    lines = [f"{name} = {_toml(value)}" for name, value in head.items()]
    for rule in recipe.rules:
        lines += ["", "[[rule]]", f"kind = {_toml(rule.kind)}"]
        lines += [f"{name} = {_toml(value)}" for name, value in rule.settings.items()]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    # A JSON text is a TOML basic string, but for the delete character, which TOML wants escaped.
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
