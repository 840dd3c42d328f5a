"""What a reader needs to trace a report: versions, files, thresholds, licence, and the command."""

from __future__ import annotations

from pathlib import PurePath

from cxrdash import __version__
from cxrdash.analysis.settings import settings
from cxrdash.report.blocks import UNDOCUMENTED, Chapter, Statement, Table
from cxrdash.report.gather import Question


def record(question: Question, out: str) -> Chapter:
    """Return the change log of METHODS 10.1: dataset version, file hashes, index date, version, settings."""
    index = question.index
    card = index.card
    facts = [
        ("Dataset", index.title + (f", {index.meta['variant']}" if index.meta["variant"] else "")),
        ("Cite", card.citation or UNDOCUMENTED),
        ("Licence", card.licence or UNDOCUMENTED),
        ("Cohort", question.selection.sentence()),
        ("Seed", _seed(question)),
        ("Policy", question.policy.sentence),
        ("Index", f"generation {index.generation}, built {index.meta['built_at']}"),
        ("Software", f"cxrdash {__version__}, DuckDB {index.meta['duckdb_version']}"),
        ("Sharing", _sharing(question)),
        ("Made again by", question.verb(out)),
    ]
    said = tuple(Statement(text, "", title) for title, text in facts)
    return Chapter("Record", (*said, _files(question), _thresholds(question)))


def _seed(question: Question) -> str:
    cohort = question.cohort
    if cohort.one_per_patient == "random":
        return f"{cohort.seed} (one image of each patient was drawn)"
    return "none: the cohort holds every image that its rules let in, nothing was drawn"


def _sharing(question: Question) -> str:
    if question.shared:
        why = "the licence" if not question.index.card.share_freely else "the author"
        return f"Counts of 1 to 10 and identifiers are left out, as {why} asks. Read the licence before passing it on."
    return "Every number is shown. Read the licence before passing it on."


def _files(question: Question) -> Table:
    sql = "SELECT file, records, indexed, set_aside, sha256 FROM sources ORDER BY file"
    rows = [
        (_name(file), f"{records:,}", f"{indexed:,}", f"{aside:,}", sha256)
        for file, records, indexed, aside, sha256 in question.index.rows(sql)
    ]
    header = ("File", "Rows read", "Indexed", "Set aside", "SHA-256")
    return Table("Files that were read", header, tuple(rows), frozenset({1, 2, 3}))


def _name(path: str) -> str:
    return PurePath(path.replace("\\", "/")).name


def _thresholds(question: Question) -> Table:
    chosen = settings(question.thresholds)
    rows = [("stars", name, _listed(value)) for name, value in chosen.stars.items() if name != "non_terminal"]
    rows += [("audit", name, f"{value:g}") for name, value in chosen.audit.items()]
    source = (
        f"From {_name(chosen.source)}, over those of cxrdash." if chosen.source else "Those that cxrdash comes with."
    )
    note = (
        f"{source} Shares are 0 to 1. The values of stars are those for 5, 4, 3 and 2 stars; thresholds.toml explains "
        "each name."
    )
    return Table("Thresholds in force", ("For", "Name", "Value"), tuple(rows), note=note)


def _listed(value: object) -> str:
    return ", ".join(f"{one:g}" for one in value) if isinstance(value, list) else f"{value:g}"
