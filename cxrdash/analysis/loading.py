"""Applying a recipe's rules to the images and labels of a cohort, one after another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from cxrdash.analysis.finding_tree import tree
from cxrdash.analysis.loaded import Changes, Loaded, Outcome, paired
from cxrdash.analysis.recipes import FIRST_ROW, FRONTAL, Rule
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import counted, modulus, select
from cxrdash.labels.findings import Finding
from cxrdash.labels.states import State

STATE_OF = {"positive": State.POSITIVE, "negative": State.NEGATIVE, "missing": State.BLANK}
SAID = (State.POSITIVE, State.UNCERTAIN, State.NEGATIVE)
_BY_IDS = "SELECT image, row_number() OVER (ORDER BY patient, study_id, image_id) AS place FROM selected ORDER BY image"
_SAID = """
SELECT DISTINCT image, finding FROM readings JOIN selected USING (image) WHERE state = 'positive' ORDER BY ALL
"""
_IMAGES = "SELECT image FROM selected ORDER BY image"
_MASKS = "SELECT image, count(*) AS masks FROM masks JOIN selected USING (image) GROUP BY image ORDER BY image"


def apply(rule: Rule, loaded: Loaded) -> Outcome:
    """Return what a rule makes of the images and labels."""
    if rule.kind in _FILTERS:
        return Outcome(loaded.keep(_FILTERS[rule.kind](rule, loaded)))
    if rule.kind in _REWRITES:
        return _rewritten(loaded, _REWRITES[rule.kind](rule, loaded))
    return _OTHERS[rule.kind](rule, loaded)


def missing_names(rule: Rule, loaded: Loaded) -> list[str]:
    """Return the names in a rule that are no findings here."""
    names = [*rule.settings.get("findings", ()), *rule.settings.get("drop", ())]
    return [name for name in names if not loaded.places([name]).any()]


def _rewritten(loaded: Loaded, states: np.ndarray) -> Outcome:
    return Outcome(replace(loaded, states=states), Changes(loaded.states, states, loaded["pattern"]))


def _labelled(rule: Rule, loaded: Loaded) -> np.ndarray:
    del rule
    said = np.isin(loaded.states[:, loaded.used], SAID)
    labelled: np.ndarray = np.any(said, axis=1)[loaded["pattern"]]
    return labelled


def _single(rule: Rule, loaded: Loaded) -> np.ndarray:
    del rule
    counts = (loaded.states[:, loaded.used & ~loaded.of_kind("normal")] == State.POSITIVE).sum(axis=1)
    single: np.ndarray = (counts == 1)[loaded["pattern"]]
    return single


_FILTERS: dict[str, Callable[[Rule, Loaded], np.ndarray]] = {
    "keep_views": lambda rule, loaded: loaded.coded("view", rule["views"]),
    "keep_parts": lambda rule, loaded: loaded.coded("part", rule["parts"]),
    "frontal_only": lambda _, loaded: loaded.coded("view", FRONTAL),
    "adults_only": lambda rule, loaded: loaded["age_years"] >= rule["age"],
    "age_below": lambda rule, loaded: loaded["age_years"] < rule["age"],
    "known_sex": lambda _, loaded: ~loaded.coded("sex", ("unknown",)),
    "drop_unlabelled": _labelled,
    "single_label": _single,
}


def _state_to(rule: Rule, loaded: Loaded, states: tuple[State, ...]) -> np.ndarray:
    chosen = loaded.places(rule["findings"]) if rule["findings"] else np.ones(len(loaded.findings), dtype=bool)
    changed: np.ndarray = np.where(np.isin(loaded.states, states) & chosen, STATE_OF[rule["state"]], loaded.states)
    return changed.astype(np.int8)


def _zeroed(rule: Rule, loaded: Loaded) -> np.ndarray:
    normal = loaded.of_kind("normal")
    others = ~normal if rule["devices"] else ~normal & ~loaded.of_kind("device")
    healthy = (loaded.states[:, normal] == State.POSITIVE).any(axis=1)
    return np.where(healthy[:, None] & others, State.NEGATIVE, loaded.states).astype(np.int8)


def _normal_as_negative(rule: Rule, loaded: Loaded) -> np.ndarray:
    del rule
    normal = loaded.of_kind("normal")
    healthy = (loaded.states[:, normal] == State.POSITIVE).any(axis=1)
    fallback = np.where(healthy, State.NEGATIVE, State.BLANK)[:, None]
    kept = (loaded.states == State.POSITIVE) | normal
    return np.where(kept, loaded.states, fallback).astype(np.int8)


def _parents_filled(rule: Rule, loaded: Loaded) -> np.ndarray:
    del rule
    place = {finding.name: at for at, finding in enumerate(loaded.findings)}
    states = loaded.states.copy()
    for finding, _ in reversed(tree(loaded.findings)):
        if finding.parent in place:
            positive = states[:, place[finding.name]] == State.POSITIVE
            states[positive, place[finding.parent]] = State.POSITIVE
    return states


_REWRITES: dict[str, Callable[[Rule, Loaded], np.ndarray]] = {
    "uncertain_to": lambda rule, loaded: _state_to(rule, loaded, (State.UNCERTAIN,)),
    "blank_to": lambda rule, loaded: _state_to(rule, loaded, (State.BLANK,)),
    "no_finding_zeroes": _zeroed,
    "normal_as_negative": _normal_as_negative,
    "fill_parents": _parents_filled,
}


def _one_per_patient(rule: Rule, loaded: Loaded) -> Outcome:
    owner = rule["per"]
    known = loaded.keep(loaded[owner] >= 0)
    if not known.images and loaded.images:
        return Outcome(loaded, note=f"The files do not identify a {owner}, so nothing was dropped.", applied=False)
    place = _by_ids(known) if rule["order"] == "ids" else np.arange(known.images)
    ordered = known.keep(np.lexsort((place, known[owner])))
    starts = np.flatnonzero(np.diff(ordered[owner], prepend=-1))
    lost = loaded.images - known.images
    note = f"{counted(lost, 'image')} of unknown {owner}s dropped." if lost else ""
    if rule["take"] == FIRST_ROW:
        return Outcome(ordered.keep(starts), note=note)
    merged = _first_values(ordered, starts)
    states, pattern = _distinct(merged)
    firsts = ordered.keep(starts)
    kept = replace(firsts, states=states, columns=firsts.columns | {"pattern": pattern})
    changes = paired(loaded.states, firsts["pattern"], states, pattern)
    return Outcome(kept, changes, note)


def _by_ids(loaded: Loaded) -> np.ndarray:
    found = loaded.selection.arrays(_BY_IDS)
    places: np.ndarray = np.asarray(found["place"])[np.searchsorted(found["image"], loaded["image"])]
    return places


def _first_values(loaded: Loaded, starts: np.ndarray) -> np.ndarray:
    """Return per group and finding the first state that is not missing: int8, groups by findings."""
    merged = np.full((len(starts), len(loaded.findings)), State.BLANK, dtype=np.int8)
    if not len(starts):
        return merged
    never = loaded.images
    rows = np.arange(never)
    for at in range(len(loaded.findings)):
        states = loaded.states[loaded["pattern"], at]
        first = np.minimum.reduceat(np.where(states > State.BLANK, rows, never), starts)
        said = first < never
        merged[said, at] = states[first[said]]
    return merged


def _distinct(states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct rows of an int8 matrix, and which of them each row is."""
    if not states.size:
        return states, np.zeros(len(states), dtype=np.int64)
    # One byte string per row sorts far faster than rows of numbers; + 1 because it may not hold zeros.
    keys = np.ascontiguousarray(states + 1).view(f"S{states.shape[1]}").ravel()
    _, first, place = np.unique(keys, return_index=True, return_inverse=True)
    return states[first], place


def _substrings(rule: Rule, loaded: Loaded) -> Outcome:
    """Read every label by substring. With terms the labels become those the rule names.

    A dataset's text of labels quotes each name, and a term may end in the quote.
    """
    terms = rule["terms"] or {finding.name: [finding.source_name] for finding in loaded.findings}
    fold: Callable[[str], str] = str.casefold if rule["ignore_case"] else str
    texts = [f"'{fold(finding.source_name)}'" for finding in loaded.findings]
    within = np.array([[any(fold(t) in text for t in some) for some in terms.values()] for text in texts])
    whole = np.array([[any(fold(t).strip("'") == text.strip("'") for t in some) for some in terms.values()]
                      for text in texts])  # fmt: skip
    before, baseline, after = (
        _read(loaded.states, whole), _read(loaded.baseline, whole), _read(loaded.states, within),
    )  # fmt: skip
    if not rule["terms"]:
        # The labels are the dataset's own, so what stood there is what changes.
        before, baseline = loaded.states, loaded.baseline
    findings = tuple(Finding(name, name) for name in terms) if rule["terms"] else loaded.findings
    used = np.ones(len(findings), dtype=bool) if rule["terms"] else loaded.used
    read = replace(loaded, states=after, baseline=baseline, findings=findings, used=used)
    return Outcome(read, Changes(before, after, loaded["pattern"]))


def _read(states: np.ndarray, hits: np.ndarray) -> np.ndarray:
    positive = (states == State.POSITIVE).astype(np.int64) @ hits.astype(np.int64) > 0
    return np.where(positive, State.POSITIVE, State.NEGATIVE).astype(np.int8)


def _only_findings(rule: Rule, loaded: Loaded) -> Outcome:
    used = loaded.used & ~loaded.places(rule["drop"])
    if rule["findings"]:
        used &= loaded.places(rule["findings"])
    strange = missing_names(rule, loaded)
    note = f"Not among the labels here: {', '.join(strange)}." if strange else ""
    return Outcome(replace(loaded, used=used), note=note)


def _random_split(rule: Rule, loaded: Loaded) -> Outcome:
    # By a hash of the image id, so that the same seed gives the same split on any machine.
    order = np.argsort(loaded["sample_key"].astype(np.uint64) % np.uint64(modulus(rule["seed"])), kind="stable")
    test = np.zeros(loaded.images, dtype=bool)
    test[order[: round(rule["share"] * loaded.images)]] = True
    patient = loaded["patient"]
    shared = len(np.intersect1d(patient[test & (patient >= 0)], patient[~test]))
    note = f"{counted(shared, 'patient')} stand on both sides." if loaded.patients else "Patients are not identified."
    return Outcome(loaded, note=note, applied=bool(loaded.patients), patients_shared=shared)


def _given_split(rule: Rule, loaded: Loaded) -> Outcome:
    """Count the patients on both sides of the dataset's own split."""
    test = loaded.coded("part", rule["test"])
    if not test.any():
        return Outcome(loaded, note="No image here is in that part: its lists were not loaded.", applied=False)
    patient = loaded["patient"]
    shared = len(np.intersect1d(patient[test & (patient >= 0)], patient[~test]))
    note = f"{counted(int(test.sum()), 'image')} to test on; {counted(shared, 'patient')} on both sides."
    return Outcome(loaded, note=note, applied=bool(loaded.patients), patients_shared=shared)


def _in_cohort(rule: Rule, loaded: Loaded) -> Outcome:
    """Keep what is in a cohort; ``query`` holds the rules before this one too, for one image of a patient is last."""
    images = select(loaded.selection.index, Cohort.from_query(rule["query"])).arrays(_IMAGES)["image"]
    return Outcome(loaded.keep(np.isin(loaded["image"], images)))


def _any_reader(rule: Rule, loaded: Loaded) -> Outcome:
    del rule
    found = loaded.selection.arrays(_SAID)
    if not len(found["image"]):
        return Outcome(loaded, note="The files do not say what each reader saw.", applied=False)
    states = loaded.states[loaded["pattern"]]
    place = {finding.name: at for at, finding in enumerate(loaded.findings)}
    known = np.isin(found["image"], loaded["image"]) & np.isin(found["finding"].astype(str), list(place))
    rows = np.searchsorted(loaded["image"], found["image"][known])
    states[rows, [place[str(name)] for name in found["finding"][known]]] = State.POSITIVE
    distinct, pattern = _distinct(states)
    changes = paired(loaded.states, loaded["pattern"], distinct, pattern)
    return Outcome(replace(loaded, states=distinct, columns=loaded.columns | {"pattern": pattern}), changes)


def _row_per_mask(rule: Rule, loaded: Loaded) -> Outcome:
    del rule
    found = loaded.selection.arrays(_MASKS)
    masks = np.asarray(found["masks"])[np.isin(found["image"], loaded["image"])]
    rows = loaded.images + int((masks - 1).sum())
    return Outcome(loaded, note=f"{rows:,} rows for {counted(loaded.images, 'image')}.")


def _stated(rule: Rule, loaded: Loaded) -> Outcome:
    return Outcome(loaded, note=f"Not reproduced: {rule['reason']}.", applied=False)


_OTHERS: dict[str, Callable[[Rule, Loaded], Outcome]] = {
    "one_per_patient": _one_per_patient,
    "substring_labels": _substrings,
    "only_findings": _only_findings,
    "random_split_by_image": _random_split,
    "any_reader": _any_reader,
    "row_per_mask": _row_per_mask,
    "given_split": _given_split,
    "cohort": _in_cohort,
    "stated": _stated,
}
