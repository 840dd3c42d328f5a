"""How far several readers of the same images agree, and how often each of them reports what (METHODS 5.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cxrdash.analysis.agreement_measures import (
    BOTH,
    NEITHER,
    ONLY_FIRST,
    ONLY_SECOND,
    Agreement,
    by_cluster,
    kappa_interval,
    many_readers,
    two_readers,
)
from cxrdash.analysis.intervals import ClusterSums, clustered, ratio
from cxrdash.analysis.registry import as_policy, statistic
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import select
from cxrdash.index.store import Index
from cxrdash.labels.policies import Policy
from cxrdash.labels.states import State

if TYPE_CHECKING:
    import pandas as pd

SUPPORT = ("by_1", "by_2", "by_3", "by_more")
HIGH_AGREEMENT, LOW_KAPPA, FAR_APART = 0.85, 0.6, 0.2

# What every reader said of every finding that reader judges, on the images of the cohort that the reader
# read; no row means blank. A reader who contradicts himself counts by precedence, as a study does.
_SAID = """
read AS (SELECT DISTINCT image, reader FROM readings SEMI JOIN selected USING (image)),
judged AS (SELECT DISTINCT reader, finding FROM readings),
said AS (
    SELECT image, reader, finding,
           coalesce(max(list_position($words::VARCHAR[], state) - 1), $blank) AS state
    FROM read JOIN judged USING (reader) LEFT JOIN readings USING (image, reader, finding)
    GROUP BY image, reader, finding),
counted AS (
    SELECT image, reader, finding, (state IN (SELECT unnest($positive)))::INTEGER AS yes
    FROM said WHERE state IN (SELECT unnest($counted)))
"""
_TALLIES = f"""
WITH {_SAID},
tallies AS (
    SELECT image, finding, count(*) AS readers, sum(yes) AS yes, arg_min(yes, reader) AS first_yes,
           hash(min(reader), max(reader)) AS pair
    FROM counted GROUP BY image, finding HAVING count(*) > 1)
SELECT list_position($findings::VARCHAR[], finding) - 1 AS finding, readers::BIGINT AS readers, yes::BIGINT AS yes,
       first_yes::BIGINT AS first_yes, CASE WHEN readers = 2 THEN pair ELSE 0 END AS pair,
       coalesce(patient, -1 - image) AS cluster, count(*)::BIGINT AS images
FROM tallies JOIN selected USING (image) GROUP BY ALL ORDER BY ALL
"""
_READER_FINDINGS = f"""
WITH {_SAID},
beside AS (
    SELECT *, count(*) OVER others - 1 AS peers, sum(yes) OVER others - yes AS peers_yes FROM counted
    WINDOW others AS (PARTITION BY image, finding)),
per_patient AS (
    SELECT reader, finding, coalesce(patient, -1 - image) AS cluster, count(*) AS m, sum(yes) AS x,
           count(*) FILTER (WHERE peers > 0) AS shared, sum(yes) FILTER (WHERE peers > 0) AS shared_yes,
           sum(peers_yes / peers) FILTER (WHERE peers > 0) AS expected
    FROM beside JOIN selected USING (image) GROUP BY ALL)
SELECT reader, finding, count(*)::DOUBLE AS patients, sum(m)::DOUBLE AS units, sum(x)::DOUBLE AS positives,
       sum(x * x)::DOUBLE AS sum_x2, sum(x * m)::DOUBLE AS sum_xm, sum(m * m)::DOUBLE AS sum_m2,
       sum(shared)::DOUBLE AS shared, coalesce(sum(shared_yes), 0)::DOUBLE AS shared_yes,
       coalesce(sum(expected), 0)::DOUBLE AS expected
FROM per_patient GROUP BY ALL
"""
_SQL = """
SELECT finding, readers, yes, count(*) AS images FROM (
    SELECT image, finding, count(*) AS readers, count(*) FILTER (WHERE state = 'positive') AS yes
    FROM selected JOIN readings USING (image) GROUP BY image, finding)
WHERE readers > 1 GROUP BY ALL ORDER BY ALL
"""
_READER_SQL = """
SELECT reader, finding, count(*) AS images, count(*) FILTER (WHERE state = 'positive') AS positive
FROM selected JOIN readings USING (image) GROUP BY ALL ORDER BY ALL
"""


def judged_findings(index: Index) -> list[str]:
    """Return the findings that any reader judged: the dataset's own in card order, then the others by name."""
    judged = {finding for findings in index.readers.values() for finding in findings}
    known = [name for name in index.finding_names if name in judged]
    return known + sorted(judged - set(known))


def _settings(policy: Policy) -> dict[str, Any]:
    return {
        "words": [state.label for state in sorted(State)],
        "blank": int(State.BLANK),
        "positive": [int(state) for state in policy.positive_states],
        "counted": [int(state) for state in policy.denominator_states],
    }


@statistic(
    "Agreement of several readers", method="METHODS 5.7; kappa's interval linearised by patient, METHODS 1.5", sql=_SQL
)
def agreement(index: Index, cohort: Cohort | None = None, *, policy: Policy | str = "as_is") -> pd.DataFrame:
    """One row per finding and number of readers per image (at least 2); only readers of the same image compare.

    ``images`` had exactly ``readers`` readers whose statement counts under the policy; ``positive`` of them
    were called positive by at least one reader: ``by_1``, ``by_2``, ``by_3``, ``by_more`` by exactly so many
    (``share_by_1``... of ``positive``). ``agreement`` is the share of pairs of readings that agree;
    ``kappa`` is Cohen's where the same two people read all these images, else Fleiss' (``kappa_method``);
    ``ac1`` is Gwet's. ``positive_agreement``: where one reader said yes, how often another did.
    ``prevalence`` is the share of yes among all readings. ``note`` says what the numbers cannot:
    no variation, unanimous on every image, or high agreement with a low kappa. Empty with fewer than two
    readers; undefined is NaN.
    """
    import pandas as pd

    chosen, names = as_policy(policy), judged_findings(index)
    found = select(index, cohort).arrays(_TALLIES, findings=names, **_settings(chosen))
    rows = []
    groups = sorted(set(zip(found["finding"].tolist(), found["readers"].tolist(), strict=True)))
    for finding, readers in groups:
        kept = (found["finding"] == finding) & (found["readers"] == readers)
        group = {name: column[kept] for name, column in found.items()}
        rows.append({"finding": names[finding], "readers": readers, **_row(group, readers), "policy": str(chosen)})
    return pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_COLUMNS)


def _row(group: dict[str, np.ndarray], readers: int) -> dict[str, Any]:
    yes, images = group["yes"], group["images"]
    support = np.bincount(yes, images, minlength=max(readers, 3) + 1).astype(np.int64)
    positive = int(support[1:].sum())
    counts = dict(zip(SUPPORT, (*support[1:4].tolist(), int(support[4:].sum())), strict=True))
    same_two = readers == 2 and len(np.unique(group["pair"])) == 1
    measured, (low, high) = _measured(group, readers, same_two)
    return {
        "images": int(images.sum()),
        "positive": positive,
        **counts,
        **{f"share_{name}": n / positive if positive else float("nan") for name, n in counts.items()},
        "agreement": measured.observed,
        "kappa": measured.kappa,
        "kappa_low": low,
        "kappa_high": high,
        "kappa_method": "Cohen" if same_two else "Fleiss",
        "ac1": measured.ac1,
        "positive_agreement": measured.positive,
        "negative_agreement": measured.negative,
        "prevalence": measured.prevalence,
        "note": note(measured),
    }


def _measured(group: dict[str, np.ndarray], readers: int, same_two: bool) -> tuple[Agreement, tuple[float, float]]:
    yes, first = group["yes"], group["first_yes"] > 0
    cell = np.select([yes == 2, (yes == 1) & first, yes == 1], [BOTH, ONLY_FIRST, ONLY_SECOND], NEITHER)
    places, cells = (cell, 4) if same_two else (yes, readers + 1)
    by_patient = by_cluster(group["cluster"], places, cells, group["images"])
    measured = (two_readers if same_two else many_readers)(by_patient.sum(axis=0))
    return measured, kappa_interval(by_patient, measured)


def note(measured: Agreement) -> str:
    """Return what must be said beside these measures, '' for nothing."""
    if measured.kappa != measured.kappa:
        return "no variation: every reading says the same, kappa is undefined"
    if measured.observed >= 1:
        return "unanimous on every image: see how the file was made before calling this agreement"
    if (
        measured.observed >= HIGH_AGREEMENT
        and measured.kappa < LOW_KAPPA
        and measured.ac1 - measured.kappa > FAR_APART
    ):
        rare = "rare" if measured.prevalence < 0.5 else "nearly universal"
        return f"{rare}: readers agree on most images by its rarity alone, so kappa is low (prevalence paradox)"
    return ""


_COLUMNS = {
    "finding": "str", "readers": "int64", "images": "int64", "positive": "int64",
    **dict.fromkeys(SUPPORT, "int64"), **dict.fromkeys([f"share_{name}" for name in SUPPORT], "float64"),
    "agreement": "float64", "kappa": "float64", "kappa_low": "float64", "kappa_high": "float64", "kappa_method": "str",
    "ac1": "float64", "positive_agreement": "float64", "negative_agreement": "float64", "prevalence": "float64",
    "note": "str", "policy": "str",
}  # fmt: skip


@statistic(
    "What each reader reports", method="Wilson interval with the effective n of the patient clusters, METHODS 2.2",
    sql=_READER_SQL,
)  # fmt: skip
def reader_findings(index: Index, cohort: Cohort | None = None, *, policy: Policy | str = "as_is") -> pd.DataFrame:
    """One row per reader and finding that reader judges: how often the reader calls it positive.

    ``images`` are those read whose statement counts under the policy; ``rate`` is ``positive`` of them,
    NaN for none. Readers read different images, so rates differ for two reasons: ``shared`` images were
    read by others too, ``shared_rate`` is the reader's own rate on these and ``peers_rate`` the mean rate
    of the other readers on the same ones.
    """
    import pandas as pd

    chosen = as_policy(policy)
    found = select(index, cohort).table(_READER_FINDINGS, **_settings(chosen)).set_index(["reader", "finding"])
    pairs = [(reader, finding) for reader, findings in index.readers.items() for finding in findings]
    whole = pd.MultiIndex.from_tuples(pairs, names=["reader", "finding"]) if pairs else found.index[:0]
    sums = {name: column.to_numpy(dtype=float) for name, column in found.reindex(whole, fill_value=0.0).items()}
    rates = clustered(ClusterSums(*(sums[name] for name in ClusterSums.__dataclass_fields__)))
    columns = {
        "reader": [reader for reader, _ in pairs],
        "finding": [finding for _, finding in pairs],
        "images": sums["units"].astype(np.int64),
        "positive": sums["positives"].astype(np.int64),
        "rate": rates.rate,
        "low": rates.low,
        "high": rates.high,
        "method": rates.method,
        "shared": sums["shared"].astype(np.int64),
        "shared_rate": ratio(sums["shared_yes"], sums["shared"]),
        "peers_rate": ratio(sums["expected"], sums["shared"]),
        "policy": str(chosen),
    }
    texts = dict.fromkeys(("reader", "finding", "method", "policy"), "str")
    return pd.DataFrame(columns, index=range(len(pairs))).astype(texts)
