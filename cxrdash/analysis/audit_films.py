"""Checks of the load, the files, the pictures and what is drawn on them."""

from __future__ import annotations

from collections.abc import Iterator

from cxrdash.analysis.audit_rows import Asked, Row, Severity
from cxrdash.analysis.cardiothoracic import cardiothoracic_ratio
from cxrdash.analysis.duplicates import EQUAL, SURE, compared, duplicate_summary
from cxrdash.analysis.masks import mask_quality_bins
from cxrdash.analysis.quality import scanned, unreadable
from cxrdash.analysis.quality_suspects import quality_suspects
from cxrdash.index.selection import select

UNUSABLE = frozenset({"inverted", "upside_down", "sideways", "blank", "lateral_among_frontal", "missing_part"})


def load(asked: Asked) -> Iterator[Row]:
    """Was every row read, and does the count agree with what was published?"""
    rows = dict(asked.index.rows("SELECT what, count(*) FROM set_aside GROUP BY what"))
    records = asked.index.rows("SELECT sum(records) FROM sources WHERE counts_images")[0][0] or 0
    aside = int(rows.get("row", 0))
    words = f"{aside:,} of {records:,} rows were set aside; the load audit lists each with its reason."
    yield Row("load.rows", "caution" if aside else "pass", words if aside else f"All {records:,} rows are indexed.",
              "overview", aside, 0)  # fmt: skip
    if values := int(rows.get("value", 0)):
        yield Row("load.values", "caution", f"{values:,} values could not be used and count as unknown.", "overview",
                  values, 0)  # fmt: skip
    checks = asked.index.rows("SELECT what, split, published, found, agrees, source FROM checks ORDER BY ALL")
    wrong = [row for row in checks if not row[4]]
    for what, split, published, found, _, source in wrong:
        where = f" in the {split} part" if split else ""
        words = f"{found:,} {what}{where}, but {published:,} were published."
        yield Row("load.published", "caution", words, "overview", found, published, source=source)
    if checks and not wrong:
        yield Row("load.published", "pass", f"All {len(checks)} published counts agree.", "overview")


def present(asked: Asked) -> Iterator[Row]:
    """Are the films on disk?"""
    n = select(asked.index, asked.cohort).counts
    missing = n["images"] - n["on_disk"]
    share = missing / n["images"] if n["images"] else 0.0
    limit = asked.limit("missing_share")
    severity: Severity = "pass" if not missing else "caution" if share > limit else "pass"
    yield Row("films.present", severity, f"{missing:,} of {n['images']:,} images have no file on this disk.", "gallery",
              share, limit)  # fmt: skip


def pictures(asked: Asked) -> Iterator[Row]:
    """Can the films be read, and are they what they should be?"""
    if not scanned(asked.index):
        yield Row("films.scanned", "not checked", f"The films have not been looked at: python -m cxrdash scan "
                  f"{asked.index.dataset}", "image_quality")  # fmt: skip
        return
    broken = unreadable(asked.index, asked.cohort)
    broken = broken[broken["status"] == "unreadable"]
    images = int(broken["images"].sum())
    of = select(asked.index, asked.cohort).counts["on_disk"]
    limit = asked.limit("unreadable_share")
    severity: Severity = "pass" if not images else "fail" if images / max(of, 1) > limit else "caution"
    reasons = ", ".join(f"{row.reason} {row.images:,}" for row in broken.head(3).itertuples())
    yield Row("films.readable", severity, f"{images:,} of {of:,} films on disk cannot be read.", "image_quality",
              images / max(of, 1), limit, reasons)  # fmt: skip
    yield from _suspects(asked)


def _suspects(asked: Asked) -> Iterator[Row]:
    limit = asked.limit("suspect_share")
    for row in quality_suspects(asked.index, asked.cohort).itertuples():
        if not row.of:
            continue
        expected = float(row.alarm_rate) if row.alarm_rate == row.alarm_rate else 0.0
        more = row.low > max(expected, limit if row.check not in UNUSABLE else 0.0)
        severity: Severity = "caution" if row.images and more else "pass"
        yield Row(f"films.{row.check}", severity, f"{row.title}: {row.images:,} of {row.of:,} films suspected "
                  f"({row.rate:.1%}); of sound films {expected:.1%} would be.", "image_quality", float(row.rate),
                  max(expected, limit), f"{row.of:,} films", row.source)  # fmt: skip


def masks(asked: Asked) -> Iterator[Row]:
    """Can the masks be trusted?"""
    bins = mask_quality_bins(asked.index, asked.cohort)
    if bins.empty:
        return
    least, limit = asked.limit("mask_quality"), asked.limit("mask_share")
    images, poor = int(bins["images"].sum()), int(bins.loc[bins["high"] <= least + 1e-9, "images"].sum())
    share = poor / images if images else 0.0
    yield Row("masks.quality", "caution" if share > limit else "pass", f"{poor:,} of {images:,} images have a mask of "
              f"quality below {least:g}.", "masks", share, limit, f"{images:,} images", "METHODS 8.1")  # fmt: skip


def heart(asked: Asked) -> Iterator[Row]:
    """Does the size of the heart in the masks fit the Cardiomegaly label?"""
    table = cardiothoracic_ratio(asked.index, asked.cohort, policy=asked.policy)
    table = table[table["evidence"] & table["auc"].notna()]
    if table.empty:
        return
    row, limit = table.iloc[0], asked.limit("heart_auc")
    people = f"{row['auc_positive_patients']:,} and {row['auc_negative_patients']:,} patients"
    words = (
        f"The cardiothoracic ratio of the masks separates positive from negative Cardiomegaly labels with an area "
        f"under the curve of {row['auc']:.2f} ({people})."
    )
    severity: Severity = "caution" if row["auc"] < limit else "pass"
    yield Row("masks.heart", severity, words, "masks", float(row["auc"]), limit, people, "METHODS 8.4", "Cardiomegaly")


def identity(asked: Asked) -> Iterator[Row]:
    """May a film identify a person?"""
    for note in asked.index.meta["notes"]:
        if "may identify a person" in note:
            yield Row("films.identity", "fail", note.removeprefix("WARNING: "), "overview")


def copies(asked: Asked) -> Iterator[Row]:
    """Is a film of one patient also in the dataset as another patient's?"""
    if not compared(asked.index):
        yield _uncompared(asked)
        return
    table = duplicate_summary(asked.index, asked.cohort)
    other = table[(table["patients"] == "different") & table["kind"].isin(SURE)]
    pairs, across = int(other["pairs"].sum()), int(other["across_parts"].sum())
    crossing = int(other.loc[other["kind"].isin(EQUAL), "across_parts"].sum())
    facts = asked.index.meta["scan"]["duplicates"]
    found: Severity = "fail" if crossing else "caution" if pairs else "pass"
    severity: Severity = "not checked" if found == "pass" and facts["not_compared"] else found
    words = _found(pairs, across) if pairs else "No film of one patient was found among those of another"
    films = f"{facts['compared']:,} different films compared"
    if left := facts["not_compared"]:
        films += f", {left:,} not yet: python -m cxrdash scan {asked.index.dataset}"
    yield Row("films.duplicates", severity, f"{words}; {films}.", "duplicates", pairs, 0, films, "METHODS 7.5")


def _uncompared(asked: Asked) -> Row:
    command = f"python -m cxrdash scan {asked.index.dataset}"
    words = f"The films have not been compared with each other: {command}"
    if not asked.index.counts["on_disk"]:
        words = f"No film is on this disk to be compared with others; index again with --images FOLDER, then {command}"
    return Row("films.duplicates", "not checked", words, "duplicates")


def _found(pairs: int, across: int) -> str:
    if pairs == 1:
        where = "it stands" if across else "it does not stand"
        return f"1 pair of films of different patients is one picture; {where} in two parts"
    stand = f"{across:,} of them {'stands' if across == 1 else 'stand'} in two parts"
    return f"{pairs:,} pairs of films of different patients are one picture each; {stand}"


CHECKS = (load, present, pictures, copies, masks, heart, identity)
