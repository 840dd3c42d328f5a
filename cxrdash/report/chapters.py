"""The five chapters of METHODS 10.1 with the verdict before and the record after them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cxrdash.analysis.part_sizes import test_part
from cxrdash.analysis.stars import summary
from cxrdash.charts.theme import number, percent
from cxrdash.config import PAGE_TITLES
from cxrdash.index.selection import counted
from cxrdash.report import figures, tables
from cxrdash.report.blocks import UNDOCUMENTED, Block, Chapter, Check, Checks, Origin, Points, Statement, Tally
from cxrdash.report.documents import documentation
from cxrdash.report.flow import flow, steps
from cxrdash.report.gather import Question
from cxrdash.report.small_cells import is_small, shareable_sentence

if TYPE_CHECKING:
    import pandas as pd

USES = {"train": "training a model", "test": "testing a model", "external": "validating a model made elsewhere"}
# How a check ended, as a count of checks.
ENDED = {"fail": "failed", "caution": "call for caution", "not checked": "not checked", "pass": "passed"}
STATED: Origin = "stated by the source"
COMPUTED: Origin = "computed here"
JUDGED: Origin = "judged by readers"
AUTHOR: Origin = "author must write"


def headline(question: Question) -> str:
    """Return the verdict in one sentence."""
    n = question.table("audit")["severity"].value_counts()
    fails, cautions = int(n.get("fail", 0)), int(n.get("caution", 0))
    use = USES[question.use]
    if fails:
        return f"Not ready for {use} as it is: {counted(fails, 'check')} failed, {number(cautions)} call for caution"
    if cautions:
        return f"Usable for {use} with care: no check failed, {number(cautions)} call for caution"
    return f"Nothing measured speaks against {use}"


def verdict(question: Question) -> Chapter:
    """Counts per severity, then every check that did not pass with its number."""
    audit = question.table("audit")
    n = audit["severity"].value_counts()
    tally = Tally(tuple((number(n.get(name, 0)), words, name) for name, words in ENDED.items()))
    rows = audit[audit["severity"].isin(["fail", "caution", "not checked"])]
    checks = Checks(tuple(_check(row, question.shared) for row in rows.itertuples(index=False)))
    purpose = question.purpose or "Which question the data are meant to answer, in whom, and what would be a failure."
    stated = Statement(purpose, "" if question.purpose else AUTHOR, "Purpose")
    findings = f" Findings that matter: {', '.join(question.findings)}." if question.findings else ""
    lead = (
        f"Use asked about: {USES[question.use]}.{findings} Each check compares a number with a threshold; the "
        "thresholds are printed at the end. A dataset has no single grade: read what failed and what calls for "
        "caution, and decide whether it matters for your question. On the right stands the page of cxrdash that shows "
        "the evidence; the checks that passed are listed near the end."
    )
    return Chapter("Verdict", (tally, checks, stated), lead)


def _check(row: Any, shared: bool) -> Check:
    severity, sentence = str(row.severity), str(row.sentence)
    said = shareable_sentence(sentence) if shared else sentence
    return Check(severity, said, f"{PAGE_TITLES[row.page]} page")


def passed(question: Question) -> Chapter:
    """The checks that passed: what was looked at without a finding."""
    audit = question.table("audit")
    rows = audit[audit["severity"] == "pass"]
    return Chapter(
        "Checks passed", (Checks(tuple(_check(row, question.shared) for row in rows.itertuples(index=False))),)
    )


def labels_made(question: Question) -> Chapter:
    """How the labels were made and where they fail."""
    card = question.index.card
    blocks: list[Block | None] = [
        stated(card.label_provenance, "Who made the labels"),
        Points("Known problems", card.known_problems or (UNDOCUMENTED,), STATED),
        *(Statement(text, STATED, _reader(name)) for name, text in card.readers.items()),
        _reviewed(question),
        tables.second_opinion(question),
        tables.stars(question),
    ]
    found = question.table("stars")
    lead = f"Stars: {summary(found)}. A label nobody looked at cannot have more than three." if len(found) else ""
    return Chapter("1. How the labels were made, and where they fail", _only(blocks), lead)


def _reader(name: str) -> str:
    return name[:1].upper() + name[1:] if name.casefold().startswith("reader") else f"Reader {name}"


def _reviewed(question: Question) -> Statement:
    rows = question.table("review_error")
    rows = rows[rows["judged"] > 0] if "judged" in rows else rows
    if not len(rows):
        return Statement("Nobody has judged films of this dataset here, so the share of wrong labels is not known.",
                         JUDGED, "Label errors")  # fmt: skip
    said = []
    for row in rows.itertuples(index=False):
        name = "a reader" if question.shared else str(row.reader)
        text = (
            f"{row.finding} ({row.state}): {row.wrong:,} of {row.judged:,} films judged wrong by {name}, "
            f"{percent(row.rate)} ({percent(row.low)}–{percent(row.high)})."
        )
        said.append(shareable_sentence(text) if question.shared else text)
    return Statement(" ".join(said), JUDGED, "Label errors")


def labels_mean(question: Question) -> Chapter:
    """What the labels mean, and how common each is in its states."""
    card = question.index.card
    table = question.table("prevalence")
    withheld = tables.withheld_findings(question)
    blocks: list[Block | None] = [
        Statement(f"The {card.label_unit} was labelled.", STATED, "What was labelled"),
        stated(card.negative_means, "Negative means"),
        stated(card.blank_means, "Blank means"),
        Statement(f"{question.policy.sentence.capitalize()}.", COMPUTED, "Policy of this report"),
        figures.prevalence(_findings(question, table), withheld=withheld),
        figures.states(table, withheld=withheld),
        tables.prevalence(question),
    ]
    return Chapter("2. What the labels mean", _only(blocks))


def people(question: Question) -> Chapter:
    """Who the patients are: how many, how often they return, age, sex, setting."""
    known = documentation(str(question.index.meta["source"]))
    flowed = _flow(question)
    blocks: list[Block | None] = [
        _sizes(question),
        stated(known.setting, "Setting"),
        stated(" to ".join(known.timeframe), "Time frame"),
        stated("", "Ethnicity"),
        Statement(_ages(question), COMPUTED, "Age"),
        flowed,
        figures.repeats(question.table("images_per_patient", unit="image"), shareable=question.shared),
        tables.people(question),
        tables.effective(question),
        tables.loaders(question),
    ]
    return Chapter("3. Who the patients are", _only(blocks))


def _findings(question: Question, table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of findings proper: 'No Finding' would dwarf them."""
    normal = [finding.name for finding in question.index.findings if finding.kind == "normal"]
    return table[~table["finding"].isin(normal)]


def _flow(question: Question) -> Block | None:
    audit = question.table("cohort_audit")
    if len(steps(audit)) < 2:
        return Statement("Every image of the dataset is in: nothing was excluded.", COMPUTED, "Participant flow")
    return flow(audit, patients_known=question.patients_known, shareable=question.shared)


def _sizes(question: Question) -> Tally:
    n = question.selection.counts
    items = [(number(n["images"]), "images", "")]
    if n["studies"]:
        items.append((number(n["studies"]), "studies", ""))
    items.append((number(n["patients"]) if question.patients_known else "unknown", "patients", ""))
    if question.patients_known:
        worth = float(question.table("concentration_summary", unit="image")["if_repeats_added_nothing"].iloc[0])
        items.append((number(worth), "images, if repeats of a patient added nothing", ""))
    return Tally(tuple(items))


def _ages(question: Question) -> str:
    row = question.table("ages").iloc[0]
    if row["median"] != row["median"]:
        return "The age is not known of any image."
    under = number(row["under_18"])
    if question.shared:  # the youngest and the oldest are single people
        under = "fewer than 11" if is_small(row["under_18"]) else under
        return f"Median {row['median']:.0f} years; {under} images under 18."
    return (
        f"{row['youngest']:.0f} to {row['oldest']:.0f} years, median {row['median']:.0f}; {under} images under 18, "
        f"{number(row['unknown'])} of unknown age."
    )


def films(question: Question) -> Chapter:
    """What the images look like."""
    known = documentation(str(question.index.meta["source"]))
    n = question.selection.counts
    there = f"{number(n['on_disk'])} of {number(n['images'])} images have a file on this disk."
    scanned = "" if question.index.meta.get("scan") else " The films have not been looked at (scan)."
    audit = question.table("audit")
    looked = audit[audit["page"].isin(["image_quality", "masks"])]
    rows = looked[looked["severity"] != "pass"]
    sound = f" {counted(len(looked) - len(rows), 'check')} of the pictures passed." if len(looked) > len(rows) else ""
    blocks: list[Block | None] = [
        stated(known.preprocessing, "Preparation"),
        Statement(_safe(there, question) + sound + scanned, COMPUTED, "Films"),
        Checks(tuple(_check(row, question.shared) for row in rows.itertuples(index=False))) if len(rows) else None,
        tables.films(question),
    ]
    return Chapter("4. What the images look like", _only(blocks))


def _safe(text: str, question: Question) -> str:
    return shareable_sentence(text) if question.shared else text


def use(question: Question) -> Chapter:
    """Intended use, and use that is not supported."""
    card = question.index.card
    sizes = question.table("test_sizes")
    part = test_part(sizes)
    blocks: list[Block | None] = [
        stated(card.citation, "Cite"),
        stated(card.licence, "Licence"),
        stated(card.terms, "Terms"),
        Statement("For whom and for what the results will hold, and who may be harmed if they do not.", AUTHOR,
                  "Intended use"),
        Statement(_unsupported(sizes, part), COMPUTED, "Too rare to report"),
        figures.tiers(_findings(question, sizes), part, hidden=tables.hidden_parts(question)),
        tables.part_sizes(question),
    ]  # fmt: skip
    return Chapter("5. Use that is supported, and use that is not", _only(blocks))


def _unsupported(sizes: pd.DataFrame, part: str) -> str:
    rows = sizes[sizes["split"] == part]
    none = list(rows.loc[rows["tier"].isin(["blocked", "anecdotal"]), "finding"])
    where = "the whole dataset" if part == "not stated" else f"the {part} part"
    if not none:
        return f"None: every label has ten or more positive patients in {where}."
    return f"No rate can be reported for {', '.join(map(str, none))}: fewer than ten positive patients in {where}."


def stated(text: str, title: str) -> Statement:
    """Return what the source says; where it says nothing, that nobody does."""
    return Statement(text, STATED, title) if text else Statement(f"{UNDOCUMENTED}.".capitalize(), "", title)


def _only(blocks: list[Block | None]) -> tuple[Block, ...]:
    return tuple(block for block in blocks if block is not None)
