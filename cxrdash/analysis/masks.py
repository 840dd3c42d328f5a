"""Masks: which images have them, how good their quality index says they are, and the worst first (METHODS 8.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cxrdash.analysis.counterparts import any_of
from cxrdash.analysis.intervals import ClusteredRates, ClusterSums, clustered, ratio
from cxrdash.analysis.registry import as_policy, statistic
from cxrdash.errors import CxrdashError, shown
from cxrdash.index.cohort import Cohort
from cxrdash.index.levels import level_columns, ways_to_split
from cxrdash.index.selection import Selection, select
from cxrdash.index.store import Index
from cxrdash.labels.expression import Atom, format_expression
from cxrdash.labels.policies import Policy
from cxrdash.labels.states import State

if TYPE_CHECKING:
    import pandas as pd

Bools = NDArray[np.bool_]

THRESHOLD = 0.7  # the authors' own, METHODS 8.1
QUALITY_STEP = 0.02
INTERVAL = "Wilson interval with the effective n of the patient clusters, METHODS 2.2"

_MASKS = """
SELECT structure, count(*) AS images, count(DISTINCT patient)::BIGINT AS patients,
       (SELECT count(*) FROM selected) AS "of", sum(parts)::BIGINT AS masks,
       count(*) FILTER (WHERE area = 0) AS empty, count(problem) AS unreadable,
       count(*) FILTER (WHERE far) AS far, count(*) FILTER (WHERE on_disk) AS on_disk, count(quality) AS with_quality,
       min(quality) AS lowest_quality, quantile_cont(quality, 0.05) AS quality_05,
       quantile_cont(quality, 0.25) AS quality_25, median(quality) AS quality_50,
       quantile_cont(quality, 0.75) AS quality_75,
       median(area / (m.width::BIGINT * m.height)) FILTER (WHERE area > 0) AS median_area
FROM selected JOIN mask_measures AS m USING (image) GROUP BY structure ORDER BY structure
"""
_QUALITIES = """
SELECT {by}pattern, coalesce(patient, -1 - image) AS cluster, patient IS NOT NULL AS known, quality
FROM selected JOIN mask_images USING (image) WHERE quality IS NOT NULL ORDER BY image
"""
_BY_STATE = """
SELECT finding, state, count(*) AS images, count(*) FILTER (WHERE quality >= 0.7) AS kept
FROM selected JOIN mask_images USING (image) JOIN patterns USING (pattern)
WHERE quality IS NOT NULL GROUP BY ALL ORDER BY ALL
"""
_BINS = """
SELECT floor(quality / $step + 1e-9)::INTEGER AS bin, count(*)::BIGINT AS images,
       count(DISTINCT coalesce(patient, -1 - image))::BIGINT AS patients
FROM selected JOIN mask_images USING (image) WHERE quality IS NOT NULL GROUP BY bin ORDER BY bin
"""
_WORST = """
SELECT image, image_id, quality, structures, cardiothoracic_ratio, lungs_exchanged, far, problems, on_disk
FROM selected JOIN mask_images USING (image) WHERE quality IS NOT NULL ORDER BY quality, image_id LIMIT $n
"""
_MEASURES = """
SELECT image_id, structure, view, quality, area / (m.width::BIGINT * m.height) AS share_of_film,
       x_centre, y_centre, (x_last - x_first + 1) / m.width AS share_of_width, far, lungs_exchanged,
       cardiothoracic_ratio, problem
FROM selected JOIN (SELECT * EXCLUDE (far, quality) FROM mask_images) USING (image)
JOIN mask_measures AS m USING (image)
ORDER BY image, structure
"""


@statistic("Masks", method="counts", sql=_MASKS)
def masks(index: Index, cohort: Cohort | None = None) -> pd.DataFrame:
    """One row per structure: of how many images there is a mask, and what is odd about them.

    ``images`` of ``of`` images of the cohort have a mask of the structure, made of ``masks`` rows (several
    rows of one image are united); ``on_disk`` of them have their film. ``empty`` masks hold no pixel,
    ``unreadable`` ones have a code that is no mask, ``far`` ones an area beyond three interquartile ranges
    of the structure in the whole dataset. An image without a row is not a bad mask: it has none. The
    quantiles of the quality index are NaN where none came with the masks; ``median_area`` is a share of the film.
    """
    found = select(index, cohort).table(_MASKS).astype({"structure": "str"})
    found.insert(5, "share_with_mask", ratio(found["images"], found["of"]))
    floats = [name for name in found.columns if name.startswith(("quality", "lowest", "median", "share"))]
    return found.astype(dict.fromkeys(floats, "float64") | dict.fromkeys(("of", "masks"), "int64"))


@statistic("Masks kept by the quality index", method=INTERVAL, sql=_BY_STATE)
def mask_quality(
    index: Index, cohort: Cohort | None = None, *, threshold: float = THRESHOLD, policy: Policy | str = "as_is"
) -> pd.DataFrame:
    """One row per finding: of the images positive for it, the share whose masks reach the threshold.

    ``images`` are positive under the policy and have a quality index (that of their worst mask); ``kept``
    of them have ``threshold`` or more. ``others`` are the images negative for it under the policy, of whom
    ``others_share_kept`` stay. A filter that keeps fewer of the sick than of the others is a bias.
    CxrdashError for a threshold outside 0 to 1.
    """
    import pandas as pd

    _check(threshold)
    chosen, selection = as_policy(policy), select(index, cohort)
    found = selection.arrays(_QUALITIES.format(by=""))
    kept = np.asarray(found["quality"] >= threshold)
    states = index.dictionary[found["pattern"]] if len(kept) else index.dictionary[:0]
    positive = np.isin(states, [int(state) for state in chosen.positive_states])
    negative = np.isin(states, [int(state) for state in negative_states(chosen)])
    rows = []
    for at, finding in enumerate(index.finding_names):
        mine, theirs = (_kept(found, kept, group[:, at]) for group in (positive, negative))
        rows.append(
            {"finding": finding, "threshold": threshold, **mine, "others": theirs["images"],
             "others_kept": theirs["kept"], "others_share_kept": theirs["share_kept"],
             "others_low": theirs["low"], "others_high": theirs["high"], "policy": str(chosen)}
        )  # fmt: skip
    kinds = dict.fromkeys(("finding", "policy", "method"), "str") | dict.fromkeys(_COUNTED, "int64")
    columns = ["finding", "threshold", *_KEPT, *_OTHERS, "policy"]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns, "float64") | kinds)


@statistic("Masks kept, by view, sex, age and part", method=INTERVAL, sql=_BY_STATE)
def mask_quality_by(
    index: Index, cohort: Cohort | None = None, *, by: str = "view", threshold: float = THRESHOLD
) -> pd.DataFrame:
    """One row per level of ``by`` (split, view, sex, age_band or a further attribute), as ``mask_quality``."""
    import pandas as pd

    _check(threshold)
    if by not in ways_to_split(index):
        raise CxrdashError(f"Masks cannot be split by '{shown(by)}'.", f"Use {', '.join(ways_to_split(index))}.")
    column, bound = level_columns((by,))
    found = select(index, cohort).arrays(_QUALITIES.format(by=column), **bound)
    kept, levels = np.asarray(found["quality"] >= threshold), found[by].astype(str)
    rows = [
        {"attribute": by, "level": level, "threshold": threshold, **_kept(found, kept, levels == level)}
        for level in np.unique(levels)
    ]
    columns = ["attribute", "level", "threshold", *_KEPT]
    kinds = dict.fromkeys(("attribute", "level", "method"), "str")
    kinds |= dict.fromkeys(("images", "patients", "kept"), "int64")
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns, "float64") | kinds)


@statistic(
    "Quality index of masks",
    method="counts of images by the quality of their worst mask",
    sql=_BINS.replace("$step", str(QUALITY_STEP)),
)
def mask_quality_bins(index: Index, cohort: Cohort | None = None) -> pd.DataFrame:
    """One row per step of 0.02 of the quality index: ``low`` <= quality < ``high``, steps without images included."""
    import pandas as pd

    found = select(index, cohort).arrays(_BINS, step=QUALITY_STEP)
    bins = found["bin"].astype(np.int64)
    steps = np.arange(bins.min(), bins.max() + 1) if len(bins) else bins
    counts = {name: np.zeros(len(steps), dtype=np.int64) for name in ("images", "patients")}
    for name, column in counts.items():
        column[bins - (steps[0] if len(steps) else 0)] = found[name]
    return pd.DataFrame(
        {"low": np.round(steps * QUALITY_STEP, 6), "high": np.round((steps + 1) * QUALITY_STEP, 6), **counts}
    )


@statistic("The worst masks", method="images in the order of the quality of their worst mask", sql=_MEASURES)
def worst_masks(index: Index, cohort: Cohort | None = None, *, n: int = 24) -> pd.DataFrame:
    """The ``n`` images with the lowest quality index, the worst first, with what else is known of their masks.

    ``image`` is the index's own number, ``quality`` that of the worst mask, ``structures`` how many masks
    the image has, ``far`` and ``problems`` how many have an area far from the others or cannot be read.
    """
    found = select(index, cohort).table(_WORST, n=max(int(n), 0))
    return found.astype({"image_id": "str", "cardiothoracic_ratio": "float64", "lungs_exchanged": "boolean"})


@statistic("Size and place of every mask", method="pixels of the run-length codes, METHODS 8.1 and 8.4", sql=_MEASURES)
def mask_measures(index: Index, cohort: Cohort | None = None) -> pd.DataFrame:
    """One row per image and structure: area and width as shares of the film, centre, and what is odd.

    ``x_centre`` and ``y_centre`` run from the left and the top edge, 0 to 1; ``lungs_exchanged`` says that
    the patient's right lung lies further right in the picture than the left; ``cardiothoracic_ratio`` is
    that of the image, of any view and quality. NaN where a mask is empty or cannot be read (``problem``).
    """
    found = select(index, cohort).table(_MEASURES)
    texts = dict.fromkeys(("image_id", "structure", "view", "problem"), "str")
    floats = ("quality", "share_of_film", "x_centre", "y_centre", "share_of_width", "cardiothoracic_ratio")
    return found.astype(texts | dict.fromkeys(floats, "float64") | dict.fromkeys(("far", "lungs_exchanged"), "boolean"))


_KEPT = ("images", "patients", "kept", "share_kept", "low", "high", "method")
_OTHERS = ("others", "others_kept", "others_share_kept", "others_low", "others_high")
_COUNTED = ("images", "patients", "kept", "others", "others_kept")


def _check(threshold: float) -> None:
    if not 0 <= threshold <= 1:
        raise CxrdashError(f"threshold must lie between 0 and 1, not at {threshold:g}.", "The authors advise 0.7.")


def _kept(found: dict[str, Any], kept: Bools, chosen: Bools) -> dict[str, Any]:
    """Count the chosen images, their patients and those kept, with the share's interval."""
    rates = rate_of(found["cluster"][chosen], kept[chosen])
    return {
        "images": int(chosen.sum()),
        "patients": len(np.unique(found["cluster"][chosen & found["known"].astype(bool)])),
        "kept": int(kept[chosen].sum()),
        "share_kept": float(rates.rate),
        "low": float(rates.low),
        "high": float(rates.high),
        "method": str(rates.method),
    }


def negative_states(policy: Policy) -> frozenset[State]:
    """Return the states that mean "not there" under the policy; uncertain is neither where it stands as recorded."""
    states = {State.NEGATIVE}
    if policy.blank == "negative":
        states.add(State.BLANK)
    if policy.uncertain == "U-Zeros":
        states.add(State.UNCERTAIN)
    return frozenset(states)


def in_states(finding: str, states: frozenset[State]) -> str:
    """Return the label expression "this finding is in one of these states"."""
    return format_expression(any_of([Atom(finding, state) for state in sorted(states, reverse=True)]))


def rate_of(cluster: NDArray[Any], yes: Bools) -> ClusteredRates:
    """Return the share of images that are ``yes``, with the interval that allows for several of one cluster."""
    _, at = np.unique(cluster, return_inverse=True)
    units = np.bincount(at).astype(float) if len(at) else np.zeros(1)
    positives = np.bincount(at, weights=yes.astype(float)) if len(at) else np.zeros(1)
    return clustered(ClusterSums.of_patients(units, positives))


def masked(selection: Selection) -> int:
    """Return how many images of the selection have a mask."""
    return int(selection.rows("SELECT count(*) FROM selected JOIN mask_images USING (image)")[0][0])
