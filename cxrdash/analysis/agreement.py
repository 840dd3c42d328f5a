"""How far several readers of the same images agree, and how often each of them reports what (METHODS 5.7)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cxrdash.analysis.agreement_measures import (
    BOTH,
    NEITHER,
    ONLY_FIRST,
    ONLY_SECOND,
    Agreement,
    alpha_interval,
    by_cluster,
    kappa_interval,
    krippendorff,
    many_readers,
    two_readers,
)
from cxrdash.analysis.intervals import ClusterSums, clustered, ratio
from cxrdash.analysis.registry import as_policy, statistic
from cxrdash.analysis.said import Said, counted_and_yes, said
from cxrdash.analysis.second_opinion import said_positive
from cxrdash.index.cohort import Cohort
from cxrdash.index.readings import votes_text
from cxrdash.index.selection import select
from cxrdash.index.store import Index
from cxrdash.labels.policies import Policy
from cxrdash.labels.states import State

if TYPE_CHECKING:
    import pandas as pd

SUPPORT = ("by_1", "by_2", "by_3", "by_more")
HIGH_AGREEMENT, LOW_KAPPA, FAR_APART = 0.85, 0.6, 0.2

_STATEMENTS = """
WITH read AS (SELECT DISTINCT image, reader FROM selected JOIN readings USING (image)),
judged AS (SELECT DISTINCT reader, finding FROM readings),
statements AS (
    SELECT image, reader, finding, state IS NOT DISTINCT FROM 'positive' AS yes
    FROM read JOIN judged USING (reader) LEFT JOIN readings USING (image, reader, finding)
    WHERE state IS DISTINCT FROM 'not_assessed')"""
_SQL = f"""{_STATEMENTS}
SELECT finding, readers, yes, count(*) AS images FROM (
    SELECT image, finding, count(*) AS readers, count(*) FILTER (WHERE yes) AS yes FROM statements GROUP BY ALL)
WHERE readers > 1 GROUP BY ALL ORDER BY ALL
"""
_READER_SQL = f"""{_STATEMENTS}
SELECT reader, finding, count(*) AS images, count(*) FILTER (WHERE yes) AS positive
FROM statements GROUP BY ALL ORDER BY ALL
"""
_METHOD = "METHODS 5.7; kappa's interval linearised by patient, METHODS 1.5"


@statistic("Agreement of several readers", method=_METHOD, sql=_SQL)
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

    chosen, readings = as_policy(policy), said(select(index, cohort))
    rows = [
        {"finding": finding, **row, "policy": str(chosen)}
        for at, finding in enumerate(readings.findings)
        for row in _rows(readings, at, chosen)
    ]
    return pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_COLUMNS)


@statistic(
    "Krippendorff's alpha of several readers", method="METHODS 5.7; interval by a jackknife over patients", sql=_SQL
)
def readers_alpha(index: Index, cohort: Cohort | None = None, *, policy: Policy | str = "as_is") -> pd.DataFrame:
    """One row per finding: Krippendorff's alpha over all images that at least two readers judged.

    Unlike kappa it takes images with different numbers of readers together: ``images`` of them with
    ``readings`` in all, ``fewest`` to ``most`` an image. ``alpha`` is 1 where all agree, 0 by chance, and
    NaN where all readings say the same; ``low`` and ``high`` allow for several images of one patient.
    ``pairs_agree`` is the share of pairs of readings that agree, for an alpha is never read alone.
    """
    import pandas as pd

    chosen, readings = as_policy(policy), said(select(index, cohort))
    rows = [
        {"finding": finding, **found, "policy": str(chosen)}
        for at, finding in enumerate(readings.findings)
        if (found := _alpha_row(readings, at, chosen))
    ]
    return pd.DataFrame(rows, columns=list(_ALPHA_COLUMNS)).astype(_ALPHA_COLUMNS)


def _alpha_row(readings: Said, finding: int, policy: Policy) -> dict[str, Any]:
    counted, yes = counted_and_yes(readings.states[:, finding], policy)
    images, first, place = np.unique(readings.image[counted], return_index=True, return_inverse=True)
    if not len(images):
        return {}
    votes = np.bincount(place, yes[counted])
    read = np.bincount(place).astype(float)
    paired = read > 1
    if not paired.any():
        return {}
    said_of = np.stack([votes, read - votes], axis=1)[paired]
    cluster, read, votes = readings.cluster[counted][first][paired], read[paired], votes[paired]
    low, high = alpha_interval(cluster, said_of)
    agreeing = votes * (votes - 1) + (read - votes) * (read - votes - 1)
    return {
        "images": len(read), "readings": int(read.sum()), "fewest": int(read.min()), "most": int(read.max()),
        "alpha": krippendorff(said_of), "low": low, "high": high,
        "pairs_agree": float(agreeing.sum() / (read * (read - 1)).sum()), "prevalence": float(votes.sum() / read.sum()),
    }  # fmt: skip


_ALPHA_COLUMNS = {
    "finding": "str", "images": "int64", "readings": "int64", "fewest": "int64", "most": "int64", "alpha": "float64",
    "low": "float64", "high": "float64", "pairs_agree": "float64", "prevalence": "float64", "policy": "str",
}  # fmt: skip


def _rows(readings: Said, finding: int, policy: Policy) -> Iterable[dict[str, Any]]:
    """One row per number of readers of an image; of two readers, the first is the first in the index's order."""
    counted, yes = counted_and_yes(readings.states[:, finding], policy)
    yes = yes[counted]
    image, reader, cluster = (part[counted] for part in (readings.image, readings.reader, readings.cluster))
    if not len(image):
        return
    starts = np.flatnonzero(np.append(True, image[1:] != image[:-1]))
    sizes = np.diff(np.append(starts, len(image)))
    votes = np.add.reduceat(yes.astype(np.int64), starts)
    for readers in np.unique(sizes[sizes > 1]).tolist():
        kept = sizes == readers
        first, last = starts[kept], starts[kept] + readers - 1
        pairs = len(np.unique(reader[first])) == len(np.unique(reader[last])) == 1
        yield _row(votes[kept], yes[first], cluster[first], (readers, readers == 2 and pairs))


def _row(
    votes: NDArray[np.int64], first: NDArray[np.bool_], cluster: NDArray[np.int64], kind: tuple[int, bool]
) -> dict[str, Any]:
    readers, same_two = kind
    support = np.bincount(votes, minlength=max(readers, 3) + 1)
    positive = int(support[1:].sum())
    counts = dict(zip(SUPPORT, (*support[1:4].tolist(), int(support[4:].sum())), strict=True))
    cell = np.select([votes == 2, (votes == 1) & first, votes == 1], [BOTH, ONLY_FIRST, ONLY_SECOND], NEITHER)
    by_patient = by_cluster(cluster, cell, 4) if same_two else by_cluster(cluster, votes, readers + 1)
    measured = (two_readers if same_two else many_readers)(by_patient.sum(axis=0))
    low, high = kappa_interval(by_patient, measured)
    return {
        "readers": readers,
        "images": len(votes),
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


def note(measured: Agreement) -> str:
    """Return what must be said beside these measures, '' for nothing."""
    if measured.kappa != measured.kappa:
        return "no variation: every reading says the same, kappa is undefined"
    if measured.observed >= 1:
        return "unanimous on every image: see how the file was made before calling this agreement"
    low = measured.kappa < LOW_KAPPA and measured.ac1 - measured.kappa > FAR_APART
    if measured.observed >= HIGH_AGREEMENT and low:
        rare = "rare" if measured.prevalence < 0.5 else "nearly universal"
        return f"{rare}, so readers agree on most images by that alone and kappa is low (prevalence paradox)"
    return ""


_COLUMNS = {
    "finding": "str", "readers": "int64", "images": "int64", "positive": "int64",
    **dict.fromkeys(SUPPORT, "int64"), **dict.fromkeys([f"share_{name}" for name in SUPPORT], "float64"),
    "agreement": "float64", "kappa": "float64", "kappa_low": "float64", "kappa_high": "float64", "kappa_method": "str",
    "ac1": "float64", "positive_agreement": "float64", "negative_agreement": "float64", "prevalence": "float64",
    "note": "str", "policy": "str",
}  # fmt: skip


def votes_cohort(index: Index, finding: str, votes: tuple[int, int], policy: Policy) -> Cohort | None:
    """Return the images that so many of so many readers (``votes``) call positive, as ``agreement`` counts them.

    None where the policy leaves out a state that a reader may be in: such readers do not count as readers
    of the image, which a filter cannot say.
    """
    states = {State.BLANK}
    for reader in index.readers:
        states |= index.reading_states.get((reader, finding), frozenset())
    if not states <= policy.denominator_states:
        return None
    return Cohort(readings=(votes_text(*votes, said_positive(finding, policy)),))


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

    chosen, readings = as_policy(policy), said(select(index, cohort))
    frames = [
        _reader_rows(readings, at, chosen).assign(finding=finding) for at, finding in enumerate(readings.findings)
    ]
    whole = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(_READER_COLUMNS))
    pairs = pd.DataFrame(
        [(reader, finding) for reader, findings in index.readers.items() for finding in findings],
        columns=["reader", "finding"],
    )
    ordered = pairs.merge(whole, on=["reader", "finding"], how="left") if len(pairs) else whole
    return ordered.assign(policy=str(chosen))[list(_READER_COLUMNS)].astype(_READER_COLUMNS)


_READER_COLUMNS = {
    "reader": "str", "finding": "str", "images": "int64", "positive": "int64", "rate": "float64", "low": "float64",
    "high": "float64", "method": "str", "shared": "int64", "shared_rate": "float64", "peers_rate": "float64",
    "policy": "str",
}  # fmt: skip


def _reader_rows(readings: Said, finding: int, policy: Policy) -> pd.DataFrame:
    """The rows of one finding, for every reader (also those who never judge it)."""
    import pandas as pd

    counted, yes = counted_and_yes(readings.states[:, finding], policy)
    _, place = np.unique(readings.image, return_inverse=True)
    others = np.bincount(place, counted)[place] - counted if len(place) else np.zeros(0)
    others_yes = np.bincount(place, yes)[place] - yes if len(place) else np.zeros(0)
    shared = counted & (others > 0)

    def total(values: NDArray[Any]) -> NDArray[np.float64]:
        return np.bincount(readings.reader, values, minlength=len(readings.readers)).astype(np.float64)

    found = clustered(_sums(readings, counted, yes))
    return pd.DataFrame(
        {
            "reader": list(readings.readers),
            "images": total(counted).astype(np.int64),
            "positive": total(yes).astype(np.int64),
            "rate": found.rate,
            "low": found.low,
            "high": found.high,
            "method": found.method,
            "shared": total(shared).astype(np.int64),
            "shared_rate": ratio(total(shared & yes), total(shared)),
            "peers_rate": ratio(total(np.where(shared, ratio(others_yes, others), 0)), total(shared)),
        }
    )


def _sums(readings: Said, counted: NDArray[np.bool_], yes: NDArray[np.bool_]) -> ClusterSums:
    """Sums over patients for each reader, of shape (readers,)."""
    clusters = max(len(readings.known), 1)
    key, place = np.unique(readings.reader * clusters + readings.cluster, return_inverse=True)
    m, x = (np.bincount(place, values, minlength=len(key)).astype(float) for values in (counted, yes))
    reader = key // clusters

    def total(values: NDArray[Any]) -> NDArray[np.float64]:
        return np.bincount(reader, values, minlength=len(readings.readers)).astype(np.float64)

    return ClusterSums(total(m > 0), total(m), total(x), total(x * x), total(x * m), total(m * m))
