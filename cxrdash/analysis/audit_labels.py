"""Checks of what the labels say, and how far they can be believed."""

from __future__ import annotations

from collections.abc import Iterator

from cxrdash.analysis.audit_rows import Asked, Row, Severity
from cxrdash.analysis.logic import contradictions
from cxrdash.analysis.prevalence import prevalence
from cxrdash.analysis.review_error import review_error
from cxrdash.analysis.second_opinion import second_opinion
from cxrdash.analysis.shortcut import feature_words, shortcut_probe
from cxrdash.analysis.simpson import simpson
from cxrdash.analysis.strata import strata, stratum_words
from cxrdash.index.selection import counted

MINED = ("mined", "extracted", "nlp", "labeler", "labeller", "automat", "report")


def provenance(asked: Asked) -> Iterator[Row]:
    """Who made the labels?"""
    said = asked.index.card.label_provenance
    mined = any(word in said.lower() for word in MINED) and not asked.index.card.synthetic
    first = said.split(";")[0].rstrip(".")
    yield Row("labels.provenance", "caution" if mined else "pass", f"Labels: {first}.", "overview",
              source="the dataset's card")  # fmt: skip


def uncertain(asked: Asked) -> Iterator[Row]:
    """Does the policy for uncertain labels decide the prevalence?"""
    table = prevalence(asked.index, asked.cohort, unit="image")
    table = table[table["finding"].isin(asked.findings)]
    said = table["positive"] + table["uncertain"]
    share = (table["uncertain"] / said.where(said > 0)).fillna(0.0)
    if not len(share):
        return
    limit = asked.limit("uncertain_share")
    over = table[share > limit]
    row = table.loc[share.idxmax()]
    words = (
        f"{len(over)} of {len(table)} findings have more than {limit:.0%} uncertain among uncertain and positive: "
        f"{row['finding']} {row['uncertain']:,} against {row['positive']:,}."
        if len(over)
        else f"At most {share.max():.1%} of what is said of a finding is uncertain."
    )
    yield Row("labels.uncertain", "caution" if len(over) else "pass", words, "prevalence", float(share.max()), limit,
              source="METHODS 2.3", finding=str(row["finding"]) if len(over) else "")  # fmt: skip


def contradicting(asked: Asked) -> Iterator[Row]:
    """Do labels contradict each other?"""
    table = contradictions(asked.index, asked.cohort, unit="image")
    rules = table[(table["verdict"] == "contradiction") & (table["kind"] != "normal_with_one") & (table["of"] > 0)]
    limit = asked.limit("contradiction_share")
    broken = rules[rules["count"] > 0].sort_values("share", ascending=False)
    if rules.empty:
        yield Row("labels.contradictions", "not checked", "The dataset has neither a hierarchy nor a No Finding label "
                  "to hold the others against.", "label_logic")  # fmt: skip
        return
    for row in broken.itertuples():
        severity: Severity = "fail" if row.share > limit else "caution"
        yield Row("labels.contradictions", severity, f"{row.rule}: {row.count:,} of {row.of:,} images "
                  f"({row.share:.1%}).", "label_logic", float(row.share), limit, source="METHODS 4.4",
                  finding=row.finding)  # fmt: skip
    if broken.empty:
        yield Row("labels.contradictions", "pass", "No rule of hierarchy and No Finding is broken; "
                  f"{counted(len(rules), 'rule')} checked.", "label_logic", 0, limit, source="METHODS 4.4")  # fmt: skip


def second_readers(asked: Asked) -> Iterator[Row]:
    """Do other readers agree with the labels?"""
    if not asked.index.readers:
        yield Row("labels.second_opinion", "not checked", "No second set of labels is attached to this dataset.",
                  "second_opinion")  # fmt: skip
        return
    table = second_opinion(asked.index, asked.cohort, policy=asked.policy)
    table = table[(table["of"] > 0) & table["independent"] & table["kappa"].notna()]
    caution, fail = asked.limit("kappa_caution"), asked.limit("kappa_fail")
    poor = table[table["kappa"] < caution].sort_values("kappa")
    if table.empty:
        yield Row("labels.second_opinion", "not checked", "The second set of labels shares no finding with this "
                  "dataset, or is what its labels were made of.", "second_opinion")  # fmt: skip
    elif poor.empty:
        least = float(table["kappa"].min())
        yield Row("labels.second_opinion", "pass", f"Second readers agree in all {len(table)} findings (kappa "
                  f"{least:.2f} or more).", "second_opinion", least, caution)  # fmt: skip
    for row in poor.itertuples():
        severity: Severity = "fail" if row.kappa < fail else "caution"
        kappa = round(row.kappa, 2) + 0.0  # no "-0.00"
        yield Row("labels.second_opinion", severity, f"{row.finding}: {row.reader} confirms {row.both:,} of "
                  f"{row.both + row.only_first:,} positive images (kappa {kappa:.2f}, n = {row.of:,}).",
                  "second_opinion", float(row.kappa), caution, f"{row.of:,} images", "METHODS 5.7",
                  row.first_finding)  # fmt: skip


def reviewed(asked: Asked) -> Iterator[Row]:
    """Has anyone looked at the films?"""
    table = review_error(asked.index, asked.cohort)
    table = table[(table["score"] >= 0) & (table["judged"] >= 30)]
    if table.empty:
        yield Row("labels.reviewed", "not checked", "Nobody has judged 30 or more films of a label here: label errors "
                  "are unknown.", "review", source="METHODS 5")  # fmt: skip
        return
    caution, fail = asked.limit("label_error_caution"), asked.limit("label_error_fail")
    for row in table.itertuples():
        rate = float(row.rate)
        severity: Severity = "fail" if rate > fail else "caution" if rate > caution else "pass"
        yield Row("labels.reviewed", severity, f"{row.finding} ({row.state}): {row.wrong:,} of {row.judged:,} films "
                  f"judged wrong by {row.reader}, {rate:.1%} ({row.low:.1%}–{row.high:.1%}).", "review", rate, caution,
                  f"{row.judged:,} films", "METHODS 5", row.finding)  # fmt: skip


def hidden(asked: Asked) -> Iterator[Row]:
    """Do positives come from another kind of patient or film?"""
    table = strata(asked.index, asked.cohort, policy=asked.policy)
    limit = asked.limit("smd")
    table = table[table["finding"].isin(asked.findings) & (table["kind"] != "reader")]
    alerts = table[(table["verdict"] == "alert") & (table["smd"].abs() >= limit)]
    alerts = alerts.reindex(alerts["smd"].abs().sort_values(ascending=False).index).drop_duplicates("finding")
    for row in alerts.itertuples():
        what = stratum_words(row.attribute, row.level)
        words = (
            f"{row.finding}: {row.share_in_positive:.1%} {what} among {row.positive:,} positive images, "
            f"{row.share_in_other:.1%} among the others."
        )
        yield Row("strata.hidden", "caution", words, "strata",
                  float(abs(row.smd)), limit, f"{row.images:,} images", "METHODS 4.7", row.finding)  # fmt: skip
    if alerts.empty:
        yield Row("strata.hidden", "pass", "No view, sex, age, part or device sets the positives of a finding far "
                  "apart.", "strata", float(table["smd"].abs().max()) if len(table) else 0.0, limit)  # fmt: skip


def turned(asked: Asked) -> Iterator[Row]:
    """Does an association turn round within strata?"""
    table = simpson(asked.index, asked.cohort, policy=asked.policy)
    found = table[table["alert"] & table["finding"].isin(asked.findings)]
    for row in found.itertuples():
        yield Row("strata.turned", "caution", f"{row.finding} and {row.exposure} {row.level}: the difference of "
                  f"{row.difference:+.1%} turns round within every {row.third}.", "strata", float(row.difference), 0,
                  source="METHODS 4.8", finding=row.finding)  # fmt: skip
    if found.empty and len(table):
        yield Row("strata.turned", "pass", "No association turns round within strata; "
                  f"{counted(len(table), 'association')} checked.", "strata")  # fmt: skip


def shortcut(asked: Asked) -> Iterator[Row]:
    """Can labels be guessed without the film?"""
    table = shortcut_probe(asked.index, asked.cohort, policy=asked.policy)
    table = table[table["finding"].isin(asked.findings) & table["auc"].notna()].sort_values("auc", ascending=False)
    limit, told = asked.limit("shortcut_auc"), feature_words(asked.index)
    over = table[table["low"] > limit]
    for row in over.itertuples():
        yield Row("strata.shortcut", "caution", f"{row.finding} is guessed from {told} alone "
                  f"(area under the curve {row.auc:.2f}, {row.low:.2f}–{row.high:.2f}).", "strata", float(row.auc),
                  limit, f"{row.positive_patients:,} positive patients", "METHODS 4.7", row.finding)  # fmt: skip
    if over.empty and len(table):
        best = table.iloc[0]
        yield Row("strata.shortcut", "pass", f"{told[:1].upper()}{told[1:]} alone guess no finding well: "
                  f"{best['finding']} best, {best['auc']:.2f}.", "strata", float(best["auc"]), limit)  # fmt: skip


CHECKS = (provenance, uncertain, contradicting, second_readers, reviewed, hidden, turned, shortcut)
