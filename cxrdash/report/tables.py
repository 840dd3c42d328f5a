"""The report's tables as finished texts, small cells left out where the report may be shared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrdash.charts.theme import TIER_GLYPHS, interval, number, percent
from cxrdash.report.blocks import Table
from cxrdash.report.gather import Question
from cxrdash.report.small_cells import HIDDEN, WITHHELD, is_small, suppressed, tells_small

if TYPE_CHECKING:
    import pandas as pd

STATES = ("positive", "uncertain", "negative", "blank", "not_assessed")
LEVELS = {"part": "Part", "view": "View", "sex": "Sex", "age": "Age in years"}
# What a measure of the films is called by somebody who does not program.
FILMS = {"status": "file", "stored_mode": "stored as", "spacing_in_file": "pixel spacing in the file"}
GREYS = {
    "L": "L (8-bit grey)",
    "I;16": "I;16 (16-bit grey)",
    "RGBA": "RGBA (colour with transparency)",
    "RGB": "RGB (colour)",
}
LEFT_OUT = "Counts of 1 to 10, and what they could be reckoned from, are left out."


@dataclass(frozen=True)
class Draft:
    """A table's texts before it is known which columns are numbers."""

    header: list[str]
    rows: list[list[str]]
    title: str
    note: str = ""


def made(question: Question, name: str, table: pd.DataFrame, draft: Draft, **options: Any) -> Table:
    """Return a table with its command, and its exact numbers where they may be read."""
    columns = list(zip(*draft.rows, strict=True)) if draft.rows else [()] * len(draft.header)
    numeric = {at for at, column in enumerate(columns) if column and all(_numeric(cell) for cell in column)}
    return Table(
        draft.title,
        tuple(draft.header),
        tuple(map(tuple, draft.rows)),
        frozenset(numeric),
        note=f"{draft.note} {LEFT_OUT if question.shared else ''}".strip(),
        command=question.command(name, **options),
        csv="" if question.shared else table.to_csv(index=False, lineterminator="\n"),
    )


def _numeric(cell: str) -> bool:
    return cell in (HIDDEN, WITHHELD, "–") or cell.lstrip("±")[:1].isdigit()


def people(question: Question) -> Table:
    """Images and patients per part, view, sex and age band; each attribute's levels sum to the published total."""
    table = question.table("overview")
    shown = table[table["attribute"] != "total"]
    rows: list[list[str]] = []
    for attribute, levels in shown.groupby("attribute", sort=False):
        counts = np.array([levels["images"].to_numpy(float), levels["patients"].fillna(0).to_numpy(float)])
        gone = np.zeros(counts.shape, dtype=bool)
        if question.shared:
            # A level's images and patients tell of each other, so both go together.
            gone = np.broadcast_to(suppressed(counts, column_totals=False).any(axis=0), counts.shape)
        for at, row in enumerate(levels.itertuples(index=False)):
            said = [number(row.images), percent(row.share_of_images), _people(row.patients)]
            rows.append([LEVELS[str(attribute)], str(row.level), *([WITHHELD] * 3 if gone[0, at] else said)])
    header = ["Attribute", "Level", "Images", "Share of images", "Patients"]
    return made(question, "overview", table, Draft(header, rows, "Who is on the films",
                note="A patient may stand in several levels of part, view and age."))  # fmt: skip


def _people(count: Any) -> str:
    return "–" if count is None or count != count or str(count) == "<NA>" else number(int(count))


def withheld_findings(question: Question) -> frozenset[str]:
    """Return the findings of which nothing but the total may be told in what is shared.

    One of their states, or what is not positive, has 1 to 10 units, or every unit is positive although the
    cohort did not choose them so.
    """
    if not question.shared:
        return frozenset()
    table = question.table("prevalence")
    found = []
    for row in table.itertuples(index=False):
        cells = (*(getattr(row, state) for state in STATES), row.counted, row.of - row.counted, row.positive_patients)
        everybody = 0 < row.of == row.counted and str(row.finding) not in question.cohort.labels
        if everybody or any(map(is_small, cells)):
            found.append(str(row.finding))
    return frozenset(found)


def hidden_parts(question: Question) -> frozenset[tuple[str, str]]:
    """Return the cells (finding, part) of positive patients that may not be told, complementary ones included."""
    if not question.shared:
        return frozenset()
    table = question.table("test_sizes")
    wide = table.pivot_table(index="finding", columns="split", values="positive_patients", sort=False, observed=True)
    gone = (
        suppressed(wide.to_numpy(float), row_totals=wide.shape[1] > 1, column_totals=False)
        if len(wide)
        else np.zeros((0, 0), dtype=bool)
    )
    cells = {(str(name), str(part)) for name, row in zip(wide.index, gone, strict=True)
             for part, hidden in zip(wide.columns, row, strict=True) if hidden}  # fmt: skip
    return frozenset(cells)


def prevalence(question: Question) -> Table:
    """Each finding in its states with rate, interval and n."""
    table = question.table("prevalence")
    present = [name for name in STATES if name in ("positive", "negative") or table[name].sum()]
    withheld = withheld_findings(question)
    rows = []
    for row in table.itertuples(index=False):
        hidden = row.finding in withheld
        cells = [WITHHELD if hidden else number(getattr(row, name)) for name in present]
        rate = [WITHHELD, WITHHELD] if hidden else [percent(row.rate), interval(row.low, row.high)]
        patients = WITHHELD if hidden else number(row.positive_patients)
        rows.append([str(row.finding), *cells, number(row.of), *rate, patients])
    header = ["Finding", *(name.replace("_", " ").capitalize() for name in present), "Of", "Rate", "95% interval",
              "Positive patients"]  # fmt: skip
    unit = str(table["unit"].iloc[0]) if len(table) else question.index.units[0]
    method = str(table["method"].iloc[0]) if len(table) else ""
    note = f"Unit: {unit}. {question.policy.sentence.capitalize()}. Interval: {method}."
    return made(question, "prevalence", table, Draft(header, rows, "How common is each finding", note),
                unit=unit)  # fmt: skip


def effective(question: Question) -> Table | None:
    """What the images are worth where a few patients hold many of them."""
    if not question.patients_known:
        return None
    table, withheld = question.table("effective_size"), withheld_findings(question)
    rows = [
        [str(row.finding), *_hidden_if(row.finding in withheld, [
            number(row.images), number(row.patients), _factor(row.design_effect), number(row.effective_n)])]
        for row in table.itertuples(index=False)
    ]  # fmt: skip
    unit = str(table["unit"].iloc[0]) if len(table) else question.index.units[0]
    plural = {"image": "images", "study": "studies", "patient": "patients"}[unit]
    header = ["Finding", f"Positive {plural}", "Positive patients", "Design effect", f"Worth so many {plural}"]
    note = (
        f"For estimating how common a finding is, all {plural} carry as much information as so many of different "
        "patients. It is not the size of the dataset, and not a training-set size. Design effect: how many times wider "
        "the variance is than if no patient came twice."
    )
    return made(
        question, "effective_size", table, Draft(header, rows, "Effective size, label by label", note), unit=unit
    )


def _factor(value: float) -> str:
    return "–" if value != value else f"{value:.1f}"


def _hidden_if(hidden: bool, cells: list[str]) -> list[str]:
    return [WITHHELD] * len(cells) if hidden else cells


def part_sizes(question: Question) -> Table:
    """Positive patients of each finding in each part with the tier of what may be said."""
    table = question.table("test_sizes")
    parts = list(dict.fromkeys(table["split"]))
    names = list(dict.fromkeys(table["finding"]))
    cells = {(row.finding, row.split): row for row in table.itertuples(index=False)}
    gone = hidden_parts(question)
    rows = []
    for name in names:
        row = [str(name)]
        for part in parts:
            found = cells[name, part]
            tier = f"{TIER_GLYPHS[found.tier]} {found.tier}"
            hidden = HIDDEN if is_small(found.positive_patients) else WITHHELD
            row += [hidden, WITHHELD] if (name, part) in gone else [number(found.positive_patients), tier]
        rows.append(row)
    header = ["Finding", "Positive patients", "Tier"]
    if parts != ["not stated"]:
        header[1:] = [word for part in parts for word in (f"{part}: positive patients", f"{part}: tier")]
    return made(question, "test_sizes", table, Draft(header, rows, "Enough positive patients to test on",
                note="Below 50 positive patients a result is anecdotal or its interval very wide (tiers: ✕ blocked, "
                     "○ anecdotal 1–9, ◔ very low 10–29, ◑ low 30–49, ◕ limited 50–99, ● adequate)."))  # fmt: skip


def stars(question: Question) -> Table:
    """Stars of each label, the component that limits it, and the inputs of all five."""
    table = question.table("stars")
    withheld, parts = withheld_findings(question), hidden_parts(question)
    rows = []
    for row in table.sort_values("stars", ascending=False, kind="stable").itertuples(index=False):
        hidden = (row.finding, row.part) in parts or (question.shared and is_small(row.positive_images))
        evidence = (
            [WITHHELD, WITHHELD]
            if hidden
            else [number(row.positive_patients), f"±{100 * row.half_width:.1f}" if row.half_width < 1 else "–"]
        )
        uncertain = "not recorded" if row.uncertain_share != row.uncertain_share else percent(row.uncertain_share)
        if row.finding in withheld and uncertain != "not recorded":
            uncertain = WITHHELD
        rows.append([star_text(row.stars), str(row.finding), _limits(str(row.limited_by)), *evidence, uncertain,
                     _reviewed(row, question.shared), _flags(row.flags, question.shared)])  # fmt: skip
    header = ["Stars", "Label", "Limited by", "Positive patients", "± points", "Uncertain", "Wrong or doubtful",
              "Structure"]  # fmt: skip
    part = str(table["part"].iloc[0]) if len(table) else ""
    where = "the whole dataset" if part in ("", "not stated") else f"the {part} part"
    return made(question, "stars", table, Draft(header, rows, "Stars of each label",
                note=f"Stars are the smallest of five scores, never an average: positive patients in {where}, "
                     "half-width of the interval at a sensitivity of 90%, uncertain labels, label errors found by "
                     "looking (an unreviewed label never exceeds three), structure."))  # fmt: skip


def star_text(stars: int) -> str:
    """Return '★★★☆☆ 3'."""
    return f"{'★' * stars}{'☆' * (5 - stars)} {stars}"


def _reviewed(row: Any, shared: bool) -> str:
    if not row.reviewed:
        return "nobody looked"
    wrong = row.wrong + row.doubtful
    if shared and (is_small(wrong) or is_small(row.reviewed)):
        return WITHHELD
    return f"{number(wrong)} of {number(row.reviewed)}, at most {percent(row.error_limit)}"


def _limits(limited_by: str) -> str:
    names = [name for name in limited_by.split(", ") if name]
    looked = "label errors unknown" if "unreviewed" in names else "label errors"
    words = {"errors": looked, "width": "interval", "patients": "few patients"}
    return ", ".join(words.get(name, name) for name in names if name != "unreviewed") or "nothing"


def _flags(flags: str, shared: bool) -> str:
    kept = [flag for flag in flags.split("; ") if flag and not (shared and tells_small(flag))]
    return "; ".join(kept) or ("–" if not flags else WITHHELD)


def second_opinion(question: Question) -> Table | None:
    """How often another reader agrees."""
    if not question.index.readers:
        return None
    table = question.table("second_opinion")
    found = table[table["of"] > 0]
    rows = []
    for row in found.itertuples(index=False):
        small = question.shared and any(map(is_small, (row.both, row.only_first, row.only_second, row.neither)))
        said = [number(row.both), number(row.only_first), number(row.only_second), number(row.of), f"{row.kappa:.2f}"]
        rows.append([str(row.finding), str(row.reader), *([WITHHELD] * 5 if small else said)])
    if not rows:
        return None
    header = ["Finding", "Reader", "Both positive", "Only the dataset", "Only the reader", "Read", "Kappa"]
    note = (
        "Read: images that both the dataset and the reader tell of. Kappa: agreement beyond chance, 1 where they "
        "always agree and 0 where they agree no more than by chance."
    )
    return made(question, "second_opinion", table, Draft(header, rows, "Other readers", note))


def films(question: Question) -> Table | None:
    """What the pixel scan measured; None where the films were not scanned."""
    if not question.index.meta.get("scan"):
        return None
    table = question.table("quality")
    rows = []
    for attribute, levels in table.groupby("attribute", sort=False):
        top = levels.nlargest(6, "images", keep="first")
        gone = np.zeros(len(top), dtype=bool)
        if question.shared:
            counts = np.array([levels["images"].to_numpy(float)])
            gone = suppressed(counts, column_totals=False)[0][levels.index.get_indexer(top.index)]
        for hidden, row in zip(gone, top.itertuples(index=False), strict=True):
            said = [WITHHELD, WITHHELD] if hidden else [number(row.images), number(row.of)]
            rows.append(
                [
                    FILMS.get(str(attribute), str(attribute).replace("_", " ")),
                    GREYS.get(str(row.level), str(row.level)),
                    *said,
                ]
            )
    header = ["Attribute", "Level", "Images", "Of"]
    return made(question, "quality", table, Draft(header, rows, "What the films are made of",
                note="At most the six most frequent levels of each attribute.")) if rows else None  # fmt: skip


def loaders(question: Question) -> Table | None:
    """What popular loaders leave of the dataset; nothing where none is known for it."""
    if question.shared:  # differences between loaders tell of single patients
        return None
    table = question.table("loader_audit")
    if table.empty:
        return None
    last = table.groupby("recipe", sort=False).tail(1)
    changed = table.groupby("recipe", sort=False)["labels_changed"].sum()
    rows = [[str(row.title), number(row.images), number(row.patients), number(changed[row.recipe])]
            for row in last.itertuples(index=False)]  # fmt: skip
    header = ["Loader", "Images kept", "Patients kept", "Labels changed"]
    note = (
        "A loader is code that reads the dataset for training. Labels changed: labels of images it keeps that it "
        "writes otherwise than the dataset does."
    )
    return made(question, "loader_audit", table, Draft(header, rows, "What popular loaders make of this cohort", note))
