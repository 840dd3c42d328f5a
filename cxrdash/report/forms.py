"""The forms a report is written in, by the end of the file's name."""

from __future__ import annotations

from typing import Literal

from cxrdash.errors import CxrdashError, shown
from cxrdash.report.gather import Question

Form = Literal["html", "markdown", "card", "croissant"]
ENDINGS: dict[str, Form] = {
    ".card.md": "card",
    ".croissant.json": "croissant",
    ".html": "html",
    ".htm": "html",
    ".md": "markdown",
}


def form_of(name: str) -> Form:
    """Return the form that a file name asks for; CxrdashError naming the endings for any other name."""
    for ending, form in ENDINGS.items():
        if name.lower().endswith(ending):
            return form
    raise CxrdashError(f"'{shown(name)}' does not say which form to write.", f"End it in {', '.join(ENDINGS)}.")


def written(question: Question, form: Form, out: str) -> str:
    """Return a report as text. Raises CxrdashError for a cohort that cannot be reported on."""
    if form == "croissant":
        from cxrdash.report.croissant import croissant_text

        return croissant_text(question)
    from cxrdash.report.markdown import markdown

    if form == "card":
        from cxrdash.report.dataset_card import dataset_card

        return markdown(dataset_card(question, out))
    from cxrdash.report.document import document

    if form == "markdown":
        return markdown(document(question, out))
    from cxrdash.report.html import html

    return html(document(question, out))
