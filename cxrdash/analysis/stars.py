"""Stars of every label of a dataset, with the five scores and the numbers behind each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cxrdash.analysis.clusters import patient_sums
from cxrdash.analysis.logic import contradictions, redundancy
from cxrdash.analysis.part_sizes import TEST_PARTS
from cxrdash.analysis.prevalence import prevalence
from cxrdash.analysis.registry import as_policy, statistic
from cxrdash.analysis.review_error import review_error
from cxrdash.analysis.review_marks import PANEL
from cxrdash.analysis.settings import Settings, settings
from cxrdash.analysis.star_rule import COMPONENTS, Evidence, Stars, rate
from cxrdash.analysis.strata import strata
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import select
from cxrdash.index.store import Index
from cxrdash.labels.findings import Finding
from cxrdash.labels.policies import Policy

if TYPE_CHECKING:
    import pandas as pd

_STARS = {
    "finding": "str", "stars": "int64", "limited_by": "str", **{name: "int64" for name in COMPONENTS}, "part": "str",
    "positive_patients": "int64", "positive_images": "int64", "effective_n": "float64", "half_width": "float64",
    "positive": "int64", "uncertain_images": "Int64", "uncertain_share": "float64", "reviewed": "int64",
    "wrong": "int64", "doubtful": "int64", "error_limit": "float64", "flags": "str", "settings": "str",
    "policy": "str",
}  # fmt: skip


@statistic("Stars per label", method="smallest of five scores, METHODS 3.9; thresholds of thresholds.toml")
def stars(
    index: Index, cohort: Cohort | None = None, *, policy: Policy | str = "as_is", thresholds: str = ""
) -> pd.DataFrame:
    """One row per finding (not for No Finding): ``stars`` 1 to 5, the smallest of five scores, and what limits it.

    ``patients``: positive patients in ``part`` (the test part, else the valid part, else everything);
    ``width``: half-width of the interval at a sensitivity of 0.9 with ``effective_n`` (its positive images
    with repeats discounted as if they added nothing); ``uncertain``: uncertain of uncertain and positive;
    ``errors``: upper limit of wrong and doubtful among reviewed images, 3 while fewer than 30 are reviewed;
    ``structure``: number of ``flags``. ``thresholds`` is a settings file of one's own. Stars are never
    summed over labels.
    """
    import pandas as pd

    chosen, rules = as_policy(policy), settings(thresholds)
    evidence, part = _evidence(index, cohort, chosen, rules)
    rows = [_row(name, one, rate(one, rules), part, images) for name, (one, images) in evidence.items()]
    table = pd.DataFrame(rows, columns=[name for name in _STARS if name not in ("settings", "policy")])
    return table.assign(settings=rules.source, policy=str(chosen))[list(_STARS)].astype(_STARS)


def _row(finding: str, evidence: Evidence, found: Stars, part: str, images: int) -> dict[str, Any]:
    limits = [*found.limited_by, *(["unreviewed"] if "errors" in found.limited_by and not found.reviewed else [])]
    return {
        "finding": finding, "stars": found.stars, "limited_by": ", ".join(limits),
        **dict(zip(COMPONENTS, found.scores, strict=True)), "part": part, "positive_patients": evidence.patients,
        "positive_images": images, "effective_n": evidence.effective_n, "half_width": found.half_width,
        "positive": evidence.positive, "uncertain_images": evidence.uncertain,
        "uncertain_share": found.uncertain_share, "reviewed": evidence.reviewed, "wrong": evidence.wrong,
        "doubtful": evidence.doubtful, "error_limit": found.error_limit, "flags": "; ".join(evidence.flags),
    }  # fmt: skip


def _evidence(
    index: Index, cohort: Cohort | None, policy: Policy, rules: Settings
) -> tuple[dict[str, tuple[Evidence, int]], str]:
    sums = patient_sums(select(index, cohort), policy, "image", ("split",))
    parts = [level[0] for level in sums.levels]
    part = next((name for name in TEST_PARTS if name in parts), parts[0] if parts else "")
    counts = prevalence(index, cohort, policy="as_is", unit="image").set_index("finding")
    flagged = structure_flags(index, cohort, policy, rules)
    judged = _reviewed(index, cohort)
    records_uncertain = bool(counts["uncertain"].sum())
    found = {}
    for at, finding in enumerate(index.findings):
        if finding.kind == "normal":
            continue
        row = parts.index(part) if part in parts else -1
        images = int(sums.sums.positives[row, at]) if row >= 0 else 0
        squares = float(sums.sums.sum_x2[row, at]) if row >= 0 else 0.0
        flags, critical = flagged[finding.name]
        found[finding.name] = (
            Evidence(
                patients=int(sums.positive_patients[row, at]) if row >= 0 else 0,
                effective_n=images**2 / squares if squares else 0.0,
                positive=int(counts.loc[finding.name, "positive"]),
                uncertain=int(counts.loc[finding.name, "uncertain"]) if records_uncertain else None,
                **judged.get(finding.name, {}),
                flags=tuple(flags),
                critical=critical,
            ),
            images,
        )
    return found, part


def _reviewed(index: Index, cohort: Cohort | None) -> dict[str, dict[str, int]]:
    """Reviewed, wrong and doubtful positives of each finding; of several readers the panel, of reviews the largest."""
    table = review_error(index, cohort)
    table = table[(table["state"] == "positive") & (table["score"] >= 0)]
    found: dict[str, dict[str, int]] = {}
    for row in table.sort_values("judged").itertuples(index=False):
        panels = table[(table["session"] == row.session) & (table["reader"] == PANEL)]
        if len(panels) and row.reader != PANEL:
            continue
        found[row.finding] = {"reviewed": int(row.judged), "wrong": int(row.wrong), "doubtful": int(row.doubtful)}
    return found


def structure_flags(
    index: Index, cohort: Cohort | None, policy: Policy, rules: Settings
) -> dict[str, tuple[list[str], bool]]:
    """Return, per finding, what is wrong with its structure in words, and whether that decides the treatment."""
    apart = strata(index, cohort, policy=policy)
    alerts = apart[(apart["verdict"] == "alert") & (apart["kind"] != "reader")]
    alerts = alerts[alerts["smd"].abs() >= rules.stars["hidden_stratum"]]
    repeats = redundancy(index, cohort, policy=policy, unit="image")
    repeats = repeats[repeats["nmi"] >= rules.stars["redundant"]]
    broken = contradictions(index, cohort, unit="image")
    broken = broken[(broken["verdict"] == "contradiction") & (broken["share"] > rules.stars["contradictions"])]
    found = {}
    for finding in index.findings:
        curated = _non_terminal(finding, rules)
        flags = [f"holds {row['why']}" for row in curated]
        strongest = alerts[alerts["finding"] == finding.name]
        if len(strongest):
            row = strongest.loc[strongest["smd"].abs().idxmax()]
            flags.append(f"hidden stratum: {row['attribute']} {row['level']} (difference {row['smd']:.2f})")
        pairs = repeats[(repeats["finding_a"] == finding.name) | (repeats["finding_b"] == finding.name)]
        if len(pairs):
            row = pairs.loc[pairs["nmi"].idxmax()]
            other = row["finding_b"] if row["finding_a"] == finding.name else row["finding_a"]
            flags.append(f"repeats {other} (shared information {row['nmi']:.2f})")
        against = broken[broken["finding"] == finding.name]
        if len(against):
            row = against.loc[against["share"].idxmax()]
            flags.append(f"contradiction: {row['rule']} ({row['share']:.1%} of {row['of']:,})")
        found[finding.name] = (flags, any(bool(row["critical"]) for row in curated))
    return found


def _non_terminal(finding: Finding, rules: Settings) -> list[dict[str, Any]]:
    names = {finding.name, finding.source_name, finding.harmonised or ""}
    return [row for row in rules.stars["non_terminal"] if row["finding"] in names]


def summary(table: pd.DataFrame) -> str:
    """Return '2 labels with 3 stars, 12 with 1', the most stars first."""
    counts = table["stars"].value_counts().sort_index(ascending=False)
    words = [f"{n} with {star} {'star' if star == 1 else 'stars'}" for star, n in counts.items()]
    return ", ".join(words) if len(counts) else "no label to rate"
