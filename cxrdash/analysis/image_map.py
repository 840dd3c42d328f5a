"""A ready map of the images in two dimensions (UMAP, t-SNE and the like): who lies beside whom, what a pocket holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxrdash.analysis.intervals import ClusterSums, clustered, ratio
from cxrdash.analysis.pairs import positive_text
from cxrdash.analysis.prevalence import prevalence
from cxrdash.errors import CxrdashError
from cxrdash.index.attributes import attribute_title
from cxrdash.index.cohort import Cohort
from cxrdash.index.levels import BY, further_attributes, level_columns
from cxrdash.index.selection import select
from cxrdash.index.store import Index
from cxrdash.labels.expression import Atom, Not, Or, finding_named, format_expression
from cxrdash.labels.policies import Policy
from cxrdash.labels.states import State

if TYPE_CHECKING:
    import pandas as pd

MOST_POINTS = 20_000
NEIGHBOURS = 10
SEARCHED = 60  # nearest films looked through for ten of other patients
USUAL_AXES = ("x", "y"), ("umap1", "umap2"), ("umap_1", "umap_2"), ("tsne1", "tsne2"), ("tsne_1", "tsne_2")
# An image without a patient is a person of its own.
_PLACED = """
SELECT image_id, coalesce(patient::BIGINT, -1 - image::BIGINT) AS person, sample_key
FROM images SEMI JOIN selected USING (image)
"""
_TITLES = {"split": "part", "age_band": "age"}
_LEVELS = "SELECT {levels}coalesce(patient::BIGINT, -1 - image::BIGINT) AS person FROM selected"
_SHARES = ("what", "rate", "low", "high", "of")


@dataclass(frozen=True)
class ImageMap:
    """``points``: image_id, x, y, person and positive of images of the cohort with a place that the policy counts.

    There are at most MOST_POINTS, chosen at random and the same each time, of ``of``.
    """

    finding: str
    points: pd.DataFrame
    of: int


@dataclass(frozen=True)
class Neighbourhood:
    """How often films beside a positive film are positive too: ``rate`` among their nearest films of other patients.

    ``positive`` films were asked; ``low`` to ``high`` is the 95% interval with patients as clusters; ``overall``
    is the share of positives among all ``films``, which a map that knows nothing of the finding would give.
    """

    positive: int
    films: int
    rate: float
    low: float
    high: float
    overall: float

    @property
    def is_known(self) -> bool:
        """Is there a positive film with a film of another patient near it?"""
        return not np.isnan(self.rate)


def usual_axes(columns: Iterable[str]) -> tuple[str, str]:
    """Return the columns that are a map's axes by name, else the first two. CxrdashError for fewer than two."""
    names = list(columns)
    by_key = {name.strip().lower(): name for name in names}
    for first, second in USUAL_AXES:
        if first in by_key and second in by_key:
            return by_key[first], by_key[second]
    if len(names) < 2:
        raise CxrdashError("The table has one column of numbers only.", "A map needs two, one for each axis.")
    return names[0], names[1]


def image_map(index: Index, cohort: Cohort, places: pd.DataFrame, finding: str, policy: Policy) -> ImageMap:
    """Return the map's points. ``places`` has the image_id as index and two columns, x and y first and second."""
    import pandas as pd

    finding = finding_named(finding, index.finding_names)
    cohort = cohort.narrow(Cohort(labels=_counted(finding, policy)))
    found = pd.DataFrame(select(index, cohort).arrays(_PLACED)).set_index("image_id")
    known = places.dropna().set_axis(["x", "y"], axis=1)
    placed = found.join(known, how="inner")
    points = placed.sort_values("sample_key").head(MOST_POINTS)
    narrowed = cohort.narrow(Cohort(labels=positive_text([finding], policy)))
    positive = select(index, narrowed).image_ids()
    points = points.assign(positive=points.index.isin(positive)).drop(columns="sample_key").reset_index()
    return ImageMap(finding, points, len(placed))


def _counted(finding: str, policy: Policy) -> str:
    """The expression for images that a rate of this finding is a share of."""
    out = [Atom(finding, state) for state in sorted(set(State) - policy.denominator_states)]
    return format_expression(Not(Or(tuple(out)) if len(out) > 1 else out[0]))


def neighbourhood(found: ImageMap) -> Neighbourhood:
    """Return how alike the labels of nearest films are: NEIGHBOURS of other patients beside each positive film."""
    from sklearn.neighbors import NearestNeighbors

    points = found.points
    positive, person = points["positive"].to_numpy(), points["person"].to_numpy()
    overall = float(ratio(positive.sum(), len(points)))
    asked = np.flatnonzero(positive)
    if not len(asked):
        return Neighbourhood(0, len(points), np.nan, np.nan, np.nan, overall)
    places = points[["x", "y"]].to_numpy()
    nearest = NearestNeighbors(n_neighbors=min(SEARCHED, len(points))).fit(places)
    beside = nearest.kneighbors(places[asked], return_distance=False)
    others = person[beside] != person[asked][:, None]
    counted = others & (others.cumsum(axis=1) <= NEIGHBOURS)
    _, people = np.unique(person[asked], return_inverse=True)
    units, hits = (np.bincount(people, weights=rows.sum(axis=1)) for rows in (counted, counted & positive[beside]))
    rates = clustered(ClusterSums.of_patients(units, hits))
    return Neighbourhood(len(asked), len(points), float(rates.rate), float(rates.low), float(rates.high), overall)


def pocket(index: Index, inside: tuple[str, ...], rest: tuple[str, ...], policy: Policy) -> pd.DataFrame:
    """Return what sets some images apart from others: one row per finding and per level of an attribute.

    Columns: ``what``, ``share_inside`` and ``share_rest`` (of the images), ``inside_n`` and ``rest_n`` (images
    counted), and the 95% interval inside, ``low`` to ``high``, patients as clusters. NaN where a policy counts
    no image. The largest difference stands first.
    """
    import pandas as pd

    parts = [_shares(index, Cohort(images=images), policy) for images in (inside, rest)]
    first, second = (part.set_index("what") for part in parts)
    table = pd.DataFrame({
        "share_inside": first["rate"], "low": first["low"], "high": first["high"], "inside_n": first["of"],
        "share_rest": second["rate"], "rest_n": second["of"],
    })  # fmt: skip
    # A level that one side does not have is one of which it has none; a share of no images stays undefined.
    for side, images in (("inside", inside), ("rest", rest)):
        absent = table[f"{side}_n"].isna()
        table.loc[absent, f"share_{side}"] = 0.0 if images else np.nan
        table[f"{side}_n"] = table[f"{side}_n"].fillna(len(images)).astype(int)
    apart = (table["share_inside"] - table["share_rest"]).abs()
    return table.loc[apart.sort_values(ascending=False, kind="stable").index].rename_axis("what").reset_index()


def _shares(index: Index, cohort: Cohort, policy: Policy) -> pd.DataFrame:
    import pandas as pd

    if not cohort.images:
        return pd.DataFrame({name: [] for name in _SHARES})
    rates = prevalence(index, cohort, policy=policy).rename(columns={"finding": "what"})
    return pd.concat([rates[list(_SHARES)], _level_shares(index, cohort)])


def _level_shares(index: Index, cohort: Cohort) -> pd.DataFrame:
    """The share of each level of each attribute among the images, patients as clusters."""
    import pandas as pd

    attributes = (*BY, *further_attributes(index))
    levels, bound = level_columns(attributes)
    images = pd.DataFrame(select(index, cohort).arrays(_LEVELS.format(levels=levels), **bound))
    _, person = np.unique(images["person"], return_inverse=True)
    rows = []
    for attribute in attributes:
        names, places = np.unique(images[attribute].astype(str), return_inverse=True)
        held = np.zeros((len(names), person.max() + 1))
        np.add.at(held, (places, person), 1)
        rates = clustered(ClusterSums.of_patients(held.sum(axis=0), held))
        known = zip(names, rates.rate, rates.low, rates.high, strict=True)
        title = _TITLES.get(attribute, attribute_title(attribute))
        rows += [(f"{title}: {name}", *values, len(images)) for name, *values in known]
    return pd.DataFrame(rows, columns=list(_SHARES))
