"""A dataset card after the headings of RSNA's ATLAS, for people who publish or reuse a dataset."""

from __future__ import annotations

from cxrdash.charts.theme import number
from cxrdash.report import tables
from cxrdash.report.blocks import UNDOCUMENTED, Block, Chapter, Document, Statement, Table
from cxrdash.report.checklists import answers
from cxrdash.report.documents import documentation
from cxrdash.report.gather import Question, require_shareable
from cxrdash.report.record import record

AUTHOR = "Author must write."
VIEWS = "Chest radiography; views: {}."


def dataset_card(question: Question, out: str = "dataset.card.md") -> Document:
    """Return the card: what was measured or documented is filled in, the rest is listed for the author.

    Raises CxrdashError as the report does.
    """
    require_shareable(question)
    index, said = question.index, answers(question)
    known = documentation(str(index.meta["source"]))
    n = question.selection.counts
    people = f", {number(n['patients'])} patients" if question.patients_known else ", patients unknown"
    views = ", ".join(index.levels("view"))
    rows: list[tuple[str, str]] = [
        ("Name", index.title),
        ("Indexing", "Chest; radiography; findings: " + ", ".join(index.finding_names[:60])),
        ("Imaging", VIEWS.format(views)),
        ("File format", _formats(question)),
        ("Resolution", _resolution(question)),
        ("Burned-in identifiers", "Not documented; a Review can mark films on which an identifier is visible."),
        ("Motivation", question.purpose or AUTHOR),
        ("Composition: number of instances", f"{number(n['images'])} images{people}"),
        ("Composition: confidentiality", known.consent or UNDOCUMENTED),
        ("Composition: representativeness", known.setting or UNDOCUMENTED),
        ("Composition: verification", said["Who annotated, and how much annotators differ"]),
        ("Missing information", said["Missing data"]),
        ("Relationships between instances", said["Informativeness: redundancy"]),
        ("Noise", said["Composition: errors, noise, redundancies"]),
        ("External data", "None beyond the files listed under Record."),
        ("Subpopulations", said["Demographics of each partition"]),
        ("Re-identification", index.card.terms or UNDOCUMENTED),
        ("Collection process", known.collection or UNDOCUMENTED),
        ("Labeling", index.card.label_provenance or UNDOCUMENTED),
        ("Partitioning scheme", said["Partitions, and the level they are disjoint at"] or UNDOCUMENTED),
        ("Availability", known.url or UNDOCUMENTED),
        ("License", index.card.licence or UNDOCUMENTED),
        ("Reference", index.card.citation or UNDOCUMENTED),
        ("Author", known.creator or AUTHOR),
    ]
    card = Chapter("Dataset", tuple(Statement(text, "", title) for title, text in rows))
    counts: list[Block] = [tables.people(question), tables.prevalence(question), tables.part_sizes(question)]
    return Document(
        title=f"{index.title}: dataset card",
        headline=f"{number(n['images'])} images{people}",
        sub=question.selection.sentence(),
        chapters=(card, Chapter("Partitions and labels", tuple(counts)), record(question, out)),
        footer=f"dataset {index.dataset} · generation {index.generation}",
    )


def _formats(question: Question) -> str:
    found = _levels(question, "format")
    return ", ".join(found) if found else "Not measured: the films were not scanned."


def _resolution(question: Question) -> str:
    found = _levels(question, "size")
    return "Most frequent sizes: " + ", ".join(found[:3]) if found else "Not measured: the films were not scanned."


def _levels(question: Question, attribute: str) -> list[str]:
    table: Table | None = tables.films(question)
    return [row[1] for row in table.rows if row[0] == attribute] if table else []
