"""The whole report as one document, ready to be written in any form."""

from __future__ import annotations

from cxrdash import __version__
from cxrdash.report import chapters
from cxrdash.report.blocks import Document
from cxrdash.report.checklists import checklists
from cxrdash.report.gather import Question, require_shareable
from cxrdash.report.record import record

ABOUT = (
    "This report says whether a dataset of chest radiographs suits a use. Its numbers were counted by cxrdash, a "
    "program that runs on one's own machine, in the dataset's own files as they were on {}. Behind each "
    "statement stands where it comes from: computed here, stated by the source, judged by readers, or still to be "
    "written by the author. The line below a table is the command that prints its numbers again."
)


def document(question: Question, out: str = "report.html") -> Document:
    """Return the suitability report of a cohort.

    ``out`` is the file named in the command that makes it again. Raises CxrdashError for an empty cohort,
    and for one that cannot be shared (``require_shareable``).
    """
    require_shareable(question)
    index = question.index
    made = (
        chapters.verdict(question),
        chapters.labels_made(question),
        chapters.labels_mean(question),
        chapters.people(question),
        chapters.films(question),
        chapters.use(question),
        checklists(question),
        chapters.passed(question),
        record(question, out),
    )
    synthetic = "Synthetic data: drawn films, invented patients. " if index.card.synthetic else ""
    said = question.selection.sentence()
    return Document(
        title=f"{index.title}: suitability report",
        headline=chapters.headline(question),
        sub=f"{synthetic}{said[:1].upper()}{said[1:]}.",
        chapters=made,
        about=ABOUT.format(str(index.meta["built_at"])[:10]),
        footer=f"cxrdash {__version__} · dataset {index.dataset} · generation {index.generation}",
    )
