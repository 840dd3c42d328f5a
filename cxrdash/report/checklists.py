"""Items of reporting checklists: pre-filled where measured, listed where only the author can answer (METHODS 10.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cxrdash.charts.theme import number, percent
from cxrdash.report.blocks import UNDOCUMENTED, Chapter, Table
from cxrdash.report.documents import documentation
from cxrdash.report.flow import steps
from cxrdash.report.gather import Question
from cxrdash.report.small_cells import shareable_sentence

if TYPE_CHECKING:
    import pandas as pd

AUTHOR = "Author must write."


@dataclass(frozen=True)
class Item:
    """One item. ``answer`` fills it from what was measured or documented; None where only the author can."""

    framework: str
    item: str
    answer: Callable[[Question], str] | None = None


def _source(question: Question) -> str:
    known = documentation(str(question.index.meta["source"]))
    return known.collection or UNDOCUMENTED.capitalize() + "."


def _setting(question: Question) -> str:
    known = documentation(str(question.index.meta["source"]))
    dates = f" {' to '.join(known.timeframe)}." if known.timeframe else ""
    return (known.setting or UNDOCUMENTED.capitalize() + ".") + dates


def _flow(question: Question) -> str:
    said = f"Included: {question.selection.sentence()}."
    excluded = len(steps(question.table("cohort_audit"))) > 1
    return f"{said} Chapter 3 draws each exclusion." if excluded else f"{said} Nothing was excluded."


def _preprocessing(question: Question) -> str:
    known = documentation(str(question.index.meta["source"]))
    return known.preprocessing or UNDOCUMENTED.capitalize() + "."


def _consent(question: Question) -> str:
    known = documentation(str(question.index.meta["source"]))
    return known.consent or UNDOCUMENTED.capitalize() + "."


def _missing(question: Question) -> str:
    audit = question.table("audit")
    rows = audit[audit["code"].str.startswith("people.") | audit["code"].isin(["patients.known", "films.present"])]
    return " ".join(_said(question, rows["sentence"]))


def _reference(question: Question) -> str:
    return question.index.card.label_provenance or UNDOCUMENTED.capitalize() + "."


def _variability(question: Question) -> str:
    audit = question.table("audit")
    rows = audit[audit["code"].isin(["labels.second_opinion", "labels.reviewed"])]
    return " ".join(_said(question, rows["sentence"]))


def _partitions(question: Question) -> str:
    audit = question.table("audit")
    rows = audit[audit["code"].str.startswith("parts.")]
    return " ".join(_said(question, rows["sentence"]))


def _sample_size(question: Question) -> str:
    audit = question.table("audit")
    rows = audit[audit["code"].isin(["test.size", "patients.effective"])]
    said = question.selection.sentence()
    return f"{said[:1].upper()}{said[1:]}. " + " ".join(_said(question, rows["sentence"]))


def _demographics(question: Question) -> str:
    if question.shared:
        return "Chapter 3 has age and sex; counts of 1 to 10 are left out."
    table = question.table("overview")
    parts = [str(level) for level in table.loc[table["attribute"] == "part", "level"]]
    if len(parts) < 2:
        return f"{_sexes_and_ages(table)} There is one part."
    each = {part: question.table("overview", cohort=replace(question.cohort, splits=(part,))) for part in parts}
    return " ".join(f"{part}: {_sexes_and_ages(table)}" for part, table in each.items())


def _sexes_and_ages(table: pd.DataFrame) -> str:
    """Return shares of sexes and age bands of an overview, with what they are shares of."""
    total = table[table["attribute"] == "total"].iloc[0]
    said = []
    for attribute, words in (("sex", "Sex"), ("age", "age in years")):
        rows = table[table["attribute"] == attribute]
        said.append(f"{words} " + ", ".join(f"{row.level} {percent(row.share_of_images)}" for row in rows.itertuples()))
    return f"{'; '.join(said)} of {number(total['images'])} images."


def _indeterminate(question: Question) -> str:
    table = question.table("prevalence")
    uncertain = int(table["uncertain"].sum())
    if not uncertain:
        return "The dataset records no uncertain labels."
    return _said(question, [f"{number(uncertain)} uncertain labels over all findings; {question.policy.sentence}."])[0]


def _errors(question: Question) -> str:
    audit = question.table("audit")
    rows = audit[audit["code"].isin(["labels.contradictions", "labels.reviewed", "films.readable"])]
    return " ".join(_said(question, rows["sentence"]))


def _redundancy(question: Question) -> str:
    audit = question.table("audit")
    rows = audit[audit["code"].isin(["patients.repeats", "parts.leak_image"])]
    return " ".join(_said(question, rows["sentence"]))


def _biases(question: Question) -> str:
    audit = question.table("audit")
    rows = audit[audit["code"].str.startswith("strata.")]
    return " ".join(_said(question, rows["sentence"]))


def _credibility(question: Question) -> str:
    audit = question.table("audit")
    rows = audit[audit["code"].isin(["load.rows", "load.published"])]
    return " ".join(_said(question, rows["sentence"]))


def _uses(question: Question) -> str:
    return question.index.card.terms or UNDOCUMENTED.capitalize() + "."


def _licence(question: Question) -> str:
    return question.index.card.licence or UNDOCUMENTED.capitalize() + "."


def _said(question: Question, sentences: Iterable[object]) -> list[str]:
    texts = [str(one) for one in sentences]
    return [shareable_sentence(text) for text in texts] if question.shared else texts


CLAIM, METRIC, SHEET = "CLAIM 2024", "METRIC", "Datasheet"
ITEMS = (
    Item(CLAIM, "Sources of the data", _source),
    Item(CLAIM, "Inclusion and exclusion", _flow),
    Item(CLAIM, "Preprocessing of the data", _preprocessing),
    Item(CLAIM, "De-identification", _consent),
    Item(CLAIM, "Missing data", _missing),
    Item(CLAIM, "Reference standard", _reference),
    Item(CLAIM, "Why this reference standard was chosen"),
    Item(CLAIM, "Who annotated, and how much annotators differ", _variability),
    Item(CLAIM, "Partitions, and the level they are disjoint at", _partitions),
    Item(CLAIM, "Sample size and how it was arrived at", _sample_size),
    Item(CLAIM, "Demographics of each partition", _demographics),
    Item(CLAIM, "Study question and intended clinical role"),
    Item(CLAIM, "Ethics approval of this study"),
    Item(METRIC, "Measurement: human-induced error", _errors),
    Item(METRIC, "Measurement: completeness", _missing),
    Item(METRIC, "Measurement: source credibility", _credibility),
    Item(METRIC, "Timeliness", _setting),
    Item(METRIC, "Representativeness: variety and depth", _demographics),
    Item(METRIC, "Representativeness: target population of your study"),
    Item(METRIC, "Informativeness: redundancy", _redundancy),
    Item(METRIC, "Informativeness: uncertain and missing labels", _indeterminate),
    Item(METRIC, "Informativeness: importance of features for the task"),
    Item(METRIC, "Consistency: logic and distribution", _biases),
    Item(SHEET, "Motivation: why the dataset was made, by whom, who paid"),
    Item(SHEET, "Composition: instances and their relations", _flow),
    Item(SHEET, "Composition: errors, noise, redundancies", _errors),
    Item(SHEET, "Composition: subpopulations", _demographics),
    Item(SHEET, "Composition: confidentiality", _consent),
    Item(SHEET, "Collection", _source),
    Item(SHEET, "Labelling", _reference),
    Item(SHEET, "Uses that are ruled out", _uses),
    Item(SHEET, "Distribution: licence", _licence),
    Item(SHEET, "Uses of this cohort planned by the author"),
    Item(SHEET, "Maintenance: who keeps it, how faults are reported"),
)  # fmt: skip


def answers(question: Question) -> dict[str, str]:
    """Return the answer of every item that can be filled, by the item's name."""
    return {item.item: item.answer(question) for item in ITEMS if item.answer}


def checklists(question: Question) -> Chapter:
    """Return the items in two tables: pre-filled from data, and for the author."""
    filled = tuple((item.framework, item.item, item.answer(question) or UNDOCUMENTED) for item in ITEMS if item.answer)
    open_items = tuple((item.framework, item.item, AUTHOR) for item in ITEMS if not item.answer)
    note = (
        "Item names follow the checklists in our words and without their numbers; check them against the current one."
    )
    return Chapter(
        "Checklists",
        (
            Table("Pre-filled from the data and the source", ("Checklist", "Item", "Answer"), filled, note=note),
            Table("For the author", ("Checklist", "Item", "Answer"), open_items),
        ),
        "CLAIM (imaging AI studies), METRIC (data quality for medical AI) and Datasheets for Datasets.",
    )
