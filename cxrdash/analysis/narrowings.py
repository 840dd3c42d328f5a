"""The images a recipe keeps or relabels, said as a cohort: so that every count of the audit can be opened.

Not every rule can be said so. A cohort takes one image per patient after all its other conditions, so a
filter after that rule has no cohort, nor has one that reads labels which an earlier rule has changed.
"""

from __future__ import annotations

from cxrdash.analysis.finding_tree import below
from cxrdash.analysis.recipes import FRONTAL, Recipe, Rule
from cxrdash.index.cohort import OLDEST, Cohort
from cxrdash.index.store import Index
from cxrdash.labels.expression import MOST_CHARACTERS, And, Atom, Expression, Not, Or, exactly, format_expression
from cxrdash.labels.states import State

RELABELS = (
    "uncertain_to", "blank_to", "no_finding_zeroes", "normal_as_negative", "fill_parents", "substring_labels",
    "any_reader",
)  # fmt: skip
SPEAKS = (State.POSITIVE, State.UNCERTAIN, State.NEGATIVE)


def narrowings(recipe: Recipe, index: Index, cohort: Cohort) -> list[Cohort | None]:
    """Return what narrows ``cohort`` to the images left at the start and after each rule; None where no cohort can."""
    late = bool(cohort.one_per_patient or cohort.images_per_patient or cohort.studies_per_patient)
    found: list[Cohort | None] = [Cohort()]
    relabelled = False
    for rule in recipe.rules:
        so_far, step = found[-1], _narrowing(rule, index, relabelled=relabelled)
        found.append(_both(so_far, step, late=late))
        relabelled = relabelled or changes_labels(rule)
    return found


def _both(so_far: Cohort | None, step: Cohort | None, *, late: bool) -> Cohort | None:
    if so_far is None or step is None:
        return None
    filters = step != Cohort()
    return None if filters and (late or so_far.one_per_patient) else so_far.narrow(step)


def changes_labels(rule: Rule) -> bool:
    """Return whether the rule can change a label of an image that it keeps."""
    return rule.kind in RELABELS or (rule.kind == "one_per_patient" and rule["take"] != "first row")


def changed_labels(rule: Rule, index: Index, finding: str) -> dict[str, str]:
    """Return, per state that the rule gives, the expression for images whose label of a finding it changes."""
    if rule.kind == "fill_parents":
        return _filled(finding, index)
    normal = next((f.name for f in index.findings if f.kind == "normal"), "")
    if rule.kind in ("uncertain_to", "blank_to"):
        state = State.UNCERTAIN if rule.kind == "uncertain_to" else State.BLANK
        return {rule["state"]: format_expression(Atom(finding, state))}
    if not normal or rule.kind not in ("no_finding_zeroes", "normal_as_negative"):
        return {}
    denied = Not(Atom(finding, State.NEGATIVE))
    if rule.kind == "no_finding_zeroes":
        return {"negative": format_expression(And((Atom(normal), denied)))}
    silent: Expression = And((Atom(normal), Not(Atom(finding)), denied))
    hidden = Or((Atom(finding, State.UNCERTAIN), Atom(finding, State.NEGATIVE)))
    return {"negative": format_expression(silent), "missing": format_expression(And((Not(Atom(normal)), hidden)))}


def losses(recipe: Recipe, index: Index, cohort: Cohort) -> list[Cohort | None]:
    """Return what narrows ``cohort`` to the images that each rule takes away (none at the start); None as above."""
    kept = narrowings(recipe, index, cohort)
    found: list[Cohort | None] = [None]
    for rule, before, after in zip(recipe.rules, kept, kept[1:], strict=False):
        dropped = _complement(rule, index) if before and after and not before.one_per_patient else None
        found.append(before.narrow(dropped) if before and dropped else None)
    return found


def _complement(rule: Rule, index: Index) -> Cohort | None:
    """Return the images that a filter drops; None where a cohort cannot say it (unknown ages among them)."""
    step = _narrowing(rule, index, relabelled=False)
    if step is None or step.ages or step.one_per_patient:
        return None
    if step.labels:
        return Cohort(labels=f"NOT ({step.labels})")
    rest = {name: tuple(level for level in index.levels(name) if level not in kept) if kept else ()
            for name, kept in (("view", step.views), ("sex", step.sexes), ("split", step.splits))}  # fmt: skip
    return Cohort(views=rest["view"], sexes=rest["sex"], splits=rest["split"]) if any(rest.values()) else None


def _filled(finding: str, index: Index) -> dict[str, str]:
    children = [Atom(name) for name in below(finding, index.findings)]
    if not children:
        return {}
    any_child: Expression = children[0] if len(children) == 1 else Or(tuple(children))
    return {"positive": format_expression(And((Not(Atom(finding)), any_child)))}


def _narrowing(rule: Rule, index: Index, *, relabelled: bool) -> Cohort | None:
    levels = {name: index.levels(name) for name in ("view", "sex", "split")}
    if rule.kind in ("keep_views", "frontal_only"):
        wanted = FRONTAL if rule.kind == "frontal_only" else rule["views"]
        return Cohort(views=tuple(view for view in levels["view"] if view in wanted) or tuple(wanted))
    if rule.kind == "cohort":
        return Cohort.from_query(rule["own"] or rule["query"])
    if rule.kind == "keep_parts":
        return Cohort(splits=tuple(rule["parts"]))
    if rule.kind in ("adults_only", "age_below"):
        return Cohort(ages=(rule["age"], OLDEST) if rule.kind == "adults_only" else (0, rule["age"] - 1))
    if rule.kind == "known_sex":
        known = tuple(sex for sex in levels["sex"] if sex != "unknown")
        return Cohort(sexes=known) if known != levels["sex"] else Cohort()
    if rule.kind == "one_per_patient":
        return _first_of_each(rule, index)
    if rule.kind in ("drop_unlabelled", "single_label"):
        return None if relabelled else _labelled(rule, index)
    return Cohort()


def _first_of_each(rule: Rule, index: Index) -> Cohort | None:
    if rule["per"] not in index.units:
        return Cohort()
    plain = rule["per"] == "patient" and rule["order"] == "index"
    return Cohort(one_per_patient="first") if plain else None


def _labelled(rule: Rule, index: Index) -> Cohort | None:
    names = index.finding_names
    items: list[Expression]
    if rule.kind == "drop_unlabelled":
        items = [Atom(name, state) for name in names for state in SPEAKS]
    else:
        findings = [finding.name for finding in index.findings if finding.kind != "normal"]
        items = [item for name in findings if (item := exactly([name], findings)) is not None]
    text = format_expression(items[0] if len(items) == 1 else Or(tuple(items))) if items else ""
    # Half the limit leaves room for the cohort's own expression.
    return Cohort(labels=text) if text and len(text) < MOST_CHARACTERS // 2 else None
