"""Which films look wrong: every check with its threshold, its rate and its false alarms; the films by measure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cxrdash.analysis.intervals import ClusterSums, clustered, ratio
from cxrdash.analysis.quality import scanned
from cxrdash.analysis.registry import statistic
from cxrdash.errors import CxrdashError, shown
from cxrdash.index.cohort import Cohort
from cxrdash.index.film_checks import BY_NAME, CHECKS, REFERENCE, Check
from cxrdash.index.selection import Selection, select
from cxrdash.index.store import Index
from cxrdash.index.suspects import NUMBERS, number_sql, range_text, suspect_text

if TYPE_CHECKING:
    import pandas as pd

_METHOD = f"checks of METHODS 7.1, 7.3 and 7.4; false alarms counted on {REFERENCE}; intervals by patient (2.2)"
# Patients are the clusters; an image without one stands for itself.
_SUMS = """
WITH judged AS (
    SELECT coalesce(patient::BIGINT, -1 - image::BIGINT) AS person, ({needs}) IS TRUE AS known,
           (({needs}) AND ({where})) IS TRUE AS suspected
    FROM selected JOIN measures USING (image)),
people AS (
    SELECT count(*) FILTER (WHERE known)::DOUBLE AS units, count(*) FILTER (WHERE suspected)::DOUBLE AS found
    FROM judged GROUP BY person)
SELECT count(*) FILTER (WHERE units > 0)::DOUBLE, coalesce(sum(units), 0), coalesce(sum(found), 0),
       coalesce(sum(found * found), 0), coalesce(sum(found * units), 0), coalesce(sum(units * units), 0)
FROM people
"""
_OUTLIERS = """
SELECT image, image_id, patient_id, view, ({value})::DOUBLE AS value
FROM selected JOIN measures USING (image) WHERE ({needs}) AND {where}
ORDER BY value {order} NULLS LAST, image LIMIT $most
"""
_VALUES = """
SELECT coalesce(template, 'other') AS films, ({number})::DOUBLE AS value
FROM selected JOIN measures USING (image) WHERE status = 'ok' AND ({number}) IS NOT NULL
"""
_LOGARITHMIC = frozenset({"sharpness", "relative_sharpness"})
_RANGES = {"orientation_r": (-1.0, 1.0), "lateral_gap": (-1.0, 1.0), "relative_sharpness": (0.01, 10.0)}


@statistic("Films that look wrong, check by check", method=_METHOD)
def quality_suspects(
    index: Index, cohort: Cohort | None = None, *, check: str = "", threshold: float = 0.0
) -> pd.DataFrame:
    """One row per check: ``images`` suspected of the ``of`` that could be judged, ``rate`` with its interval.

    ``alarms`` of ``alarms_of`` sound films were suspected at the usual threshold (missing where there were
    none to try); ``alarm_rate`` is their ratio. A suspect is a film to look at, not a finding: the rate
    includes false alarms. ``check`` and ``threshold`` move the threshold of one check (0: the usual one).
    ``suspect`` is the condition that chooses these images (--suspect).
    """
    import pandas as pd

    checks = [_moved(one, check, threshold) for one in CHECKS]
    if check:
        check_named(check)
    selection = select(index, cohort)
    sums = np.array([_sums(selection, one) if scanned(index) else (0.0,) * 6 for one in checks])
    rates = clustered(ClusterSums(*sums.T))
    alarms = np.array([np.nan if one.alarms is None else one.alarms for one in checks], float)
    trials = np.array([one.alarms_of for one in checks], float)
    return pd.DataFrame(
        {
            "check": [one.name for one in checks],
            "title": [one.title for one in checks],
            "images": sums[:, 2].astype(np.int64),
            "of": sums[:, 1].astype(np.int64),
            "rate": ratio(sums[:, 2], sums[:, 1]),
            "low": rates.low,
            "high": rates.high,
            "method": rates.method,
            "threshold": [one.threshold for one in checks],
            "usual_threshold": [BY_NAME[one.name].threshold for one in checks],
            "unit": [one.unit for one in checks],
            "alarms": pd.array(alarms, dtype="Int64"),
            "alarms_of": trials.astype(np.int64),
            "alarm_rate": ratio(alarms, trials),
            "source": [one.source for one in checks],
            "limits": [one.limits for one in checks],
            "suspect": [suspect_text(one.name, one.threshold) for one in checks],
        }
    ).astype({name: "str" for name in ("check", "title", "method", "unit", "source", "limits", "suspect")})


def check_named(name: str) -> Check:
    """Return the check of that name; the error lists the known ones."""
    if name not in BY_NAME:
        raise CxrdashError(f"There is no check named '{shown(name)}'.", f"Known: {', '.join(BY_NAME)}.")
    return BY_NAME[name]


def _moved(check: Check, name: str, threshold: float) -> Check:
    return replace(check, threshold=threshold) if check.name == name and threshold else check


def _sums(selection: Selection, check: Check) -> tuple[float, ...]:
    sql = _SUMS.format(needs=check.needs, where=check.where.format(threshold="$threshold"))
    return tuple(float(value) for value in selection.rows(sql, threshold=float(check.threshold))[0])


@statistic("The films a check suspects, the clearest first", method=_METHOD)
def quality_outliers(
    index: Index,
    cohort: Cohort | None = None,
    *,
    check: str = "inverted",
    threshold: float = 0.0,
    most: int = 24,
) -> pd.DataFrame:
    """One row per suspected film, farthest beyond the threshold first, at most ``most``.

    ``image`` is its number in this generation, ``value`` what was judged, ``threshold`` where suspicion begins.
    """
    import pandas as pd

    chosen = _moved(check_named(check), check, threshold)
    columns = ["image", "image_id", "patient_id", "view", "value"]
    rows = []
    if scanned(index):
        sql = _OUTLIERS.format(
            value=chosen.value,
            needs=chosen.needs,
            where=chosen.where.format(threshold="$threshold"),
            order="DESC" if chosen.at_least else "ASC",
        )
        rows = select(index, cohort).rows(sql, threshold=float(chosen.threshold), most=int(most))
    table = pd.DataFrame(rows, columns=columns)
    table["threshold"] = chosen.threshold
    texts = {name: "str" for name in ("image_id", "patient_id", "view")}
    return table.astype({"image": "int64", **texts, "value": "float64", "threshold": "float64"})


@statistic("Histogram of a measure of the films", method="equal bins between fixed ends, equal ratios for sharpness")
def quality_histogram(
    index: Index, cohort: Cohort | None = None, *, measure: str = "orientation_r", bins: int = 40
) -> pd.DataFrame:
    """One row per kind of film (frontal, lateral, unknown, other) and bin of a measure: images from, below.

    ``from_value`` is included in a bin, ``below_value`` is not; the last bin reaches just beyond the largest
    value. Only films that were read and have the measure count. ``suspect`` chooses the images of a bin.
    """
    import pandas as pd

    if measure not in NUMBERS:
        raise CxrdashError(f"'{shown(measure)}' is no measure.", f"Known: {', '.join(NUMBERS)}.")
    found = {"films": np.array([], dtype=object), "value": np.array([], float)}
    if scanned(index):
        found = select(index, cohort).arrays(_VALUES.format(number=number_sql(measure)))
    values = np.asarray(found["value"], float)
    edges = _edges(measure, values, bins) if len(values) else np.array([])
    parts = []
    for kind in sorted(set(found["films"].tolist())):
        counts, _ = np.histogram(values[found["films"] == kind], edges)
        parts += [
            (measure, kind, low, high, int(n), len(values), range_text(measure, low, high))
            for low, high, n in zip(edges[:-1].tolist(), edges[1:].tolist(), counts, strict=True)
        ]
    columns = ["measure", "films", "from_value", "below_value", "images", "of", "suspect"]
    kinds = {"measure": "str", "films": "str", "from_value": "float64", "below_value": "float64", "images": "int64"}
    return pd.DataFrame(parts, columns=columns).astype({**kinds, "of": "int64", "suspect": "str"})


def _edges(measure: str, values: np.ndarray, bins: int) -> np.ndarray:
    """Rounded, so that the text of a bin chooses exactly its films."""
    low, high = _RANGES.get(measure, (float(values.min()), float(values.max())))
    low, high = min(low, float(values.min())), max(high, float(values.max()))
    if measure in _LOGARITHMIC:
        least = values[values > 0].min(initial=np.inf)
        low = max(low, float(least)) if least < np.inf else 0.01
        edges = np.geomspace(low, max(high, low * 1.01), bins + 1)
        edges = np.concatenate([[0.0], edges]) if (values < low).any() else edges
    else:
        edges = np.linspace(low, high if high > low else low + 1, bins + 1)
    edges = np.array([float(f"{edge:.6g}") for edge in edges])
    edges[0] = min(edges[0], float(values.min()))
    edges[-1] = np.nextafter(max(edges[-1], float(values.max())), np.inf)
    return np.unique(edges)
