"""The report as Markdown: the same statements and tables; figures are their sentence, since tables hold the numbers."""

from __future__ import annotations

import re

from cxrdash.report.blocks import Block, Chapter, Checks, Document, Figure, Points, Statement, Table

_MARKUP = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~$:&@])")


def markdown(document: Document) -> str:
    """Return the document as Markdown; text from the dataset is escaped character by character."""
    head = f"# {text(document.title)}\n\n**{text(document.headline)}**\n\n{text(document.sub)}\n"
    if document.about:
        head += f"\n{text(document.about)}\n"
    return "\n".join([head, *(_chapter(chapter) for chapter in document.chapters), f"---\n{text(document.footer)}\n"])


def _chapter(chapter: Chapter) -> str:
    lead = f"{text(chapter.lead)}\n\n" if chapter.lead else ""
    return f"## {text(chapter.title)}\n\n{lead}" + "\n".join(_block(block) for block in chapter.blocks)


def _block(block: Block) -> str:
    if isinstance(block, Statement):
        title = f"**{text(block.title)}:** " if block.title else ""
        return f"{title}{text(block.text)}{f' *({text(block.origin)})*' if block.origin else ''}\n"
    if isinstance(block, Points):
        items = "\n".join(f"- {text(item)}" for item in block.items)
        return f"**{text(block.title)}** *({text(block.origin)})*\n\n{items}\n"
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Figure):
        return f"*{text(block.caption)}*\n"
    if isinstance(block, Checks):
        rows = [f"- **{row.severity}** {text(row.sentence)} *({text(row.detail)})*" for row in block.rows]
        return "\n".join(rows or ["- none"]) + "\n"
    return "\n".join(f"- **{text(value)}** {text(what)}" for value, what, _ in block.items) + "\n"


def _table(block: Table) -> str:
    rule = "|".join("---:" if at in block.numeric else "---" for at in range(len(block.header)))
    lines = [f"**{text(block.title)}**", "", _row(block.header), f"|{rule}|", *(_row(row) for row in block.rows), ""]
    if block.note:
        lines += [text(block.note), ""]
    if block.command:
        lines += [_code(block.command), ""]
    return "\n".join(lines)


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(text(cell) for cell in cells) + " |"


def _code(command: str) -> str:
    """A command as a block of code, whatever run of backticks it may hold."""
    longest = max((len(run) for run in re.findall("`+", command)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{' '.join(command.split())}\n{fence}"


def text(said: object) -> str:
    """Return text from anywhere so that Markdown shows its characters: no link, no image, no HTML."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in str(said)).split())
    return _MARKUP.sub(r"\\\1", plain)
