"""The report as one HTML file: no script, no request, every text escaped, made to be read and printed."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path

from cxrdash.report.blocks import Block, Chapter, Checks, Document, Figure, Points, Statement, Table, Tally

STYLE = Path(__file__).with_name("report.css")
# Nothing may be fetched, run or sent from a report: not even by a label that someone made up.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
SHORT = 24  # characters that a narrow column holds on one line
WHOLE = 18  # rows of a table that is not divided between two sheets
MARKS = {"fail": "✗", "caution": "!", "not checked": "?", "pass": "✓"}


def html(document: Document) -> str:
    """Return the document as HTML with its style inside."""
    contents = "".join(
        f'<li><a href="#c{at}">{_text(chapter.title)}</a></li>' for at, chapter in enumerate(document.chapters)
    )
    body = "".join(_chapter(chapter, at) for at, chapter in enumerate(document.chapters))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{_text(document.title)}</title>\n<style>{STYLE.read_text(encoding='utf-8')}</style></head>\n"
        f'<body><header><p class="kind">{_text(document.title)}</p><h1>{_text(document.headline)}</h1>'
        f'<p class="sub">{_text(document.sub)}</p>'
        f'<p class="lead">{_text(document.about)}</p></header>\n'
        f'<nav aria-label="Contents"><ol>{contents}</ol></nav>\n<main>{body}</main>\n'
        f"<footer>{_text(document.footer)}</footer></body></html>\n"
    )


def _chapter(chapter: Chapter, at: int) -> str:
    lead = f'<p class="lead">{_text(chapter.lead)}</p>' if chapter.lead else ""
    parts = "".join(_block(block) for block in chapter.blocks)
    return f'<section id="c{at}"><h2>{_text(chapter.title)}</h2>{lead}{parts}</section>\n'


def _block(block: Block) -> str:
    if isinstance(block, Statement):
        return _statement(block)
    if isinstance(block, Points):
        items = "".join(f"<li>{_text(item)}</li>" for item in block.items)
        return f'<p><b>{_text(block.title)}</b> <span class="origin">{_text(block.origin)}</span></p><ul>{items}</ul>'
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Figure):
        return _figure(block)
    if isinstance(block, Checks):
        return _checks(block)
    return _tally(block)


def _statement(block: Statement) -> str:
    title = f"<b>{_text(block.title)}:</b> " if block.title else ""
    origin = f' <span class="origin">{_text(block.origin)}</span>' if block.origin else ""
    kind = ' class="author"' if block.origin == "author must write" else ""
    return f"<p{kind}>{title}{_text(block.text)}{origin}</p>"


def _table(block: Table) -> str:
    head = "".join(f'<th class="{_kind(block, at)}" scope="col">{_text(name)}</th>'
                   for at, name in enumerate(block.header))  # fmt: skip
    rows = "".join(
        "<tr>" + "".join(f'<td class="{_kind(block, at)}">{_text(cell)}</td>' for at, cell in enumerate(row)) + "</tr>"
        for row in block.rows
    )
    empty = "" if block.rows else f'<tr><td colspan="{len(block.header)}">none</td></tr>'
    whole = " whole" if len(block.rows) <= WHOLE else ""
    return (
        f'<div class="table{whole}"><table><caption>{_text(block.title)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}{empty}</tbody></table>{_note(block)}</div>"
    )


def _note(block: Table) -> str:
    note = f"{_text(block.note)} " if block.note else ""
    command = f"<code>{_text(block.command)}</code> " if block.command else ""
    link = ""
    if block.csv:
        coded = base64.b64encode(block.csv.encode()).decode("ascii")
        name = "".join(c if c.isalnum() else "-" for c in block.title.lower())
        link = f'<a class="save" download="{name}.csv" href="data:text/csv;base64,{coded}">exact numbers (CSV)</a>'
    return f'<p class="note">{note}{command}{link}</p>' if note or command or link else ""


def _kind(block: Table, at: int) -> str:
    """Return the class of a column: numbers flush right, short words on one line, text, or what must be broken."""
    if at in block.numeric:
        return "n"
    if max((len(row[at]) for row in block.rows), default=0) <= SHORT:
        return "s"
    return "b" if any(len(word) > SHORT for row in block.rows for word in row[at].split()) else "t"


def _figure(block: Figure) -> str:
    # The drawing is our own markup, in which every text is escaped already.
    coded = base64.b64encode(block.svg.encode()).decode("ascii")
    link = f'<a class="save" download="figure.svg" href="data:image/svg+xml;base64,{coded}">SVG</a>'
    return f"<figure>{block.svg}<figcaption>{_text(block.caption)} {link}</figcaption></figure>"


def _checks(block: Checks) -> str:
    rows = "".join(
        f'<li class="{row.severity.replace(" ", "-")}"><span class="mark">{MARKS[row.severity]} '
        f"{_text(row.severity)}</span><span>{_text(row.sentence)}</span>"
        f'<span class="page">{_text(row.detail)}</span></li>'
        for row in block.rows
    )
    return f'<ul class="checks">{rows or "<li>none</li>"}</ul>'


def _tally(block: Tally) -> str:
    items = "".join(
        f'<div class="{_text(kind.replace(" ", "-"))}"><strong>{_text(value)}</strong><span>{_text(what)}</span></div>'
        for value, what, kind in block.items
    )
    return f'<div class="tally">{items}</div>'


def _text(said: object) -> str:
    """Return text from anywhere so that a browser shows its characters and nothing else."""
    return escape("".join(c if c.isprintable() else " " for c in str(said)), quote=True)
