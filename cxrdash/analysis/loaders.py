"""What popular loading recipes make of a dataset: images and patients lost, labels changed, rule by rule."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrdash.analysis.cohort_recipe import cohort_recipe
from cxrdash.analysis.loaded import Changes, Loaded, Outcome, load, net_changes
from cxrdash.analysis.loading import apply
from cxrdash.analysis.narrowings import changed_labels, changes_labels, narrowings
from cxrdash.analysis.recipes import Recipe, recipes_named
from cxrdash.analysis.registry import as_policy, statistic
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import select
from cxrdash.index.store import Index
from cxrdash.labels.policies import Policy
from cxrdash.labels.states import State

if TYPE_CHECKING:
    import pandas as pd

TOGETHER = "All rules together"
BECAME = {
    "changed_to_positive": State.POSITIVE,
    "changed_to_uncertain": State.UNCERTAIN,
    "changed_to_negative": State.NEGATIVE,
    "changed_to_missing": State.BLANK,
}
_METHOD = (
    "the recipe's rules in order (titles, sources and versions in the table); the first image of a patient is the "
    "first by study, order and image id, which in NIH ChestX-ray14 is the order of the file's rows; blank is missing"
)
_AUDIT = {
    "recipe": "str", "title": "str", "source": "str", "step": "int64", "rule": "str", "kind": "str",
    "images": "int64", "patients": "int64", "images_lost": "int64", "patients_lost": "int64",
    "labels_changed": "int64", "images_changed": "int64", "patients_shared": "int64", "applied": "bool",
    "note": "str", "cohort": "str",
}  # fmt: skip
_LABELS = {
    "recipe": "str", "step": "int64", "rule": "str", "finding": "str", "positive_before": "int64",
    "positive_after": "int64", **dict.fromkeys(BECAME, "int64"), "missing_after": "int64", "of": "int64",
    "labels": "str", "example_patient": "str",
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One rule applied: what was held before, what the rule did, and the cohorts of both where there are any."""

    number: int
    text: str
    kind: str
    before: Loaded
    outcome: Outcome
    narrowing: Cohort | None


@statistic("What loading recipes keep and change", method=_METHOD)
def loader_audit(index: Index, cohort: Cohort | None = None, *, recipe: str = "") -> pd.DataFrame:
    """One row per recipe and rule, in order; step 0 is the cohort before any rule.

    ``images`` and ``patients`` are what is left, ``images_lost`` and ``patients_lost`` what the rule took
    away; ``labels_changed`` counts labels of images kept that the rule changed and ``images_changed`` the
    images they stand on; ``patients_shared`` patients on both sides of a random split. ``applied`` is false
    where a rule cannot be reproduced (``note`` says why). ``cohort`` holds the options of ``cxrdash
    sample`` that choose exactly the images left, '' where no cohort can. ``recipe`` names one recipe or a
    TOML file of your own; without it all that apply to the dataset.
    """
    chosen = cohort or Cohort()
    rows = [row for one in recipes_named(recipe, _source(index)) for row in _audit_rows(one, index, chosen)]
    return _typed(rows, _AUDIT)


@statistic("Labels that loading recipes change", method=_METHOD)
def loader_labels(index: Index, cohort: Cohort | None = None, *, recipe: str = "") -> pd.DataFrame:
    """One row per recipe, rule and finding; the last step of a recipe is all its rules together.

    ``positive_before`` and ``positive_after`` count images held before and after the rule;
    ``changed_to_...`` count images that stay and whose label changes to that state (missing is a loader's
    missing value, which a blank is from the start); of all rules together they compare each image kept
    with its own label in the dataset. ``missing_after`` of ``of`` images have no target. ``labels`` is the
    expression that finds exactly the images changed, where there is one; ``example_patient`` has one.
    """
    chosen = cohort or Cohort()
    rows = [row for one in recipes_named(recipe, _source(index)) for row in _label_rows(one, index, chosen)]
    return _typed(rows, _LABELS)


@statistic("What a cohort and policy keep and change", method=_METHOD)
def cohort_audit(index: Index, cohort: Cohort | None = None, *, policy: Policy | str = "as_is") -> pd.DataFrame:
    """The table of ``loader_audit`` for the cohort and policy themselves as a recipe, from all images of the dataset.

    The images left after the last rule are the cohort's.
    """
    recipe = cohort_recipe(index, cohort or Cohort(), as_policy(policy))
    first, *others = _audit_rows(recipe, index, Cohort())
    return _typed([first | {"rule": "Every image of the dataset"}, *others], _AUDIT)


@statistic("Labels that a policy changes", method=_METHOD)
def cohort_labels(index: Index, cohort: Cohort | None = None, *, policy: Policy | str = "as_is") -> pd.DataFrame:
    """The table of ``loader_labels`` for the cohort and policy themselves as a recipe."""
    recipe = cohort_recipe(index, cohort or Cohort(), as_policy(policy))
    return _typed(list(_label_rows(recipe, index, Cohort())), _LABELS)


def _source(index: Index) -> str:
    return str(index.meta["source"])


def _typed(rows: Sequence[dict[str, Any]], columns: dict[str, str]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(list(rows), columns=list(columns)).astype(columns)


def _steps(recipe: Recipe, index: Index, cohort: Cohort) -> Iterator[Step]:
    held = load(select(index, cohort))
    cohorts = narrowings(recipe, index, cohort)
    yield Step(0, "Every image of the cohort", "start", held, Outcome(held, note=recipe.caution), cohorts[0])
    for number, rule in enumerate(recipe.rules, start=1):
        outcome = apply(rule, held)
        yield Step(number, rule.sentence, rule.kind, held, outcome, cohorts[number])
        held = outcome.loaded


def _audit_rows(recipe: Recipe, index: Index, cohort: Cohort) -> Iterator[dict[str, Any]]:
    for step in _steps(recipe, index, cohort):
        before, after, changes = step.before, step.outcome.loaded, step.outcome.changes
        left = None if step.narrowing is None else cohort.narrow(step.narrowing)
        yield {
            "recipe": recipe.name, "title": recipe.title, "source": recipe.source,
            "step": step.number, "rule": step.text, "kind": step.kind,
            "images": after.images, "patients": after.patients,
            "images_lost": before.images - after.images, "patients_lost": before.patients - after.patients,
            "labels_changed": _labels_changed(changes, after),
            "images_changed": changes.images(after.used) if changes else 0,
            "patients_shared": step.outcome.patients_shared, "applied": step.outcome.applied,
            "note": step.outcome.note, "cohort": "" if left is None else shlex.join(left.arguments()),
        }  # fmt: skip


def _labels_changed(changes: Changes | None, after: Loaded) -> int:
    return sum(int(changes.counts(state)[after.used].sum()) for state in BECAME.values()) if changes else 0


def _label_rows(recipe: Recipe, index: Index, cohort: Cohort) -> Iterator[dict[str, Any]]:
    steps = list(_steps(recipe, index, cohort))
    expressions = _expressions(recipe, index, steps)
    for step in steps[1:]:
        head = {"recipe": recipe.name, "step": step.number, "rule": step.text}
        after, changes = step.outcome.loaded, step.outcome.changes
        yield from _finding_rows(head, step.before, after, changes, expressions[step.number])
    head = {"recipe": recipe.name, "step": len(steps), "rule": TOGETHER}
    last = steps[-1].outcome.loaded
    relabelling = [at for at, rule in enumerate(recipe.rules, start=1) if changes_labels(rule)]
    once = expressions[relabelling[0]] if len(relabelling) == 1 and steps[-1].narrowing is not None else {}
    yield from _finding_rows(head, steps[0].before, last, net_changes(last), once)


Expressions = dict[str, dict[str, str]]  # of a finding, by the state it is given


def _expressions(recipe: Recipe, index: Index, steps: Sequence[Step]) -> list[Expressions]:
    """Return per step which expressions find the labels it changes; none once a cohort no longer can."""
    found: list[Expressions] = [{}]
    relabelled = False
    for step, rule in zip(steps[1:], recipe.rules, strict=True):
        exact = not relabelled and step.narrowing is not None and not step.narrowing.one_per_patient
        findings = [finding.name for finding in step.before.findings] if exact else []
        found.append({name: changed_labels(rule, index, name) for name in findings})
        relabelled = relabelled or changes_labels(rule)
    return found


def _finding_rows(
    head: dict[str, Any], before: Loaded, after: Loaded, changes: Changes | None, expressions: Expressions
) -> Iterator[dict[str, Any]]:
    counts = {name: _changed_to(changes, state, after) for name, state in BECAME.items()}
    examples = _patients(after, changes)
    missing = after.in_state(State.BLANK) + after.in_state(State.NOT_ASSESSED)
    held = _positives(before, after, changes)
    for at in np.flatnonzero(after.used).tolist():
        name = after.findings[at].name
        given = [state.removeprefix("changed_to_") for state in BECAME if counts[state][at]]
        yield {
            **head, "finding": name, "positive_before": held[at], "positive_after": after.positives[at],
            **{state: counts[state][at] for state in BECAME}, "missing_after": missing[at], "of": after.images,
            "labels": expressions.get(name, {}).get(given[0], "") if len(given) == 1 else "",
            "example_patient": examples[at],
        }  # fmt: skip


def _changed_to(changes: Changes | None, state: State, after: Loaded) -> np.ndarray:
    return changes.counts(state) if changes else np.zeros(len(after.findings), dtype=np.int64)


def _positives(before: Loaded, after: Loaded, changes: Changes | None) -> np.ndarray:
    """Return the positives before, of the findings after; where a rule names its own, those it would find whole."""
    if before.findings == after.findings or changes is None:
        return before.positives
    counts: np.ndarray = np.bincount(changes.pair_of, minlength=len(changes.before)) @ (
        changes.before == State.POSITIVE
    )
    return counts


def _patients(after: Loaded, changes: Changes | None) -> list[str]:
    """Return for each finding the id of a patient whose label changed, '' where none did or none is known."""
    places = changes.first_images() if changes else [-1] * len(after.findings)
    wanted = sorted({int(after["image"][place]) for place in places if place >= 0})
    sql = "SELECT image, patient_id FROM images WHERE list_contains($images, image) AND patient_id IS NOT NULL"
    named = dict(after.selection.index.rows(sql, {"images": wanted})) if wanted else {}
    return [str(named.get(int(after["image"][place]), "")) if place >= 0 else "" for place in places]
