"""How many films each patient contributes, and what that means for the size of the dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cxrdash.analysis import concentration
from cxrdash.analysis.registry import statistic
from cxrdash.index.cohort import UNBOUNDED, Cohort
from cxrdash.index.selection import select
from cxrdash.index.store import Index, Unit

if TYPE_CHECKING:
    import pandas as pd

THRESHOLDS = (1, 2, 3, 5, 10, 20, 50, 100)
SHARES = (0.5, 0.7, 0.8, 0.9)
BINS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 50, 100)  # upper ends; the last bin is open

_SIZES_SQL = """
SELECT images, count(*) AS patients FROM (
    SELECT patient, count(*) AS images FROM selected WHERE patient IS NOT NULL GROUP BY patient)
GROUP BY images ORDER BY images
"""


@statistic("Images per patient", method="counts, METHODS 1.1", sql=_SIZES_SQL)
def images_per_patient(index: Index, cohort: Cohort | None = None, *, unit: Unit = "image") -> pd.DataFrame:
    """How many patients have how many images: one row per number of images that occurs.

    With ``unit`` study the columns named after images count studies; the same sentence is not true of
    both (METHODS 1.2), so ``unit`` stands in a column.

    ``share_of_patients`` and ``share_of_images`` are of patients with exactly ``images`` images;
    ``share_of_patients_with_more`` and ``share_of_images_with_more`` of patients with more than that
    (the survival curve and what those patients hold).
    """
    import pandas as pd

    sizes = _sizes(index, cohort, unit)
    size, patients = sizes["size"].astype(np.int64), sizes["patients"].astype(np.int64)
    more = concentration.above(size, patients, size)
    held = size * patients
    return pd.DataFrame(
        {
            "images": size,
            "patients": patients,
            "share_of_patients": _share(patients, patients.sum()),
            "share_of_images": _share(held, held.sum()),
            "share_of_patients_with_more": more.share_of_patients,
            "share_of_images_with_more": more.share_of_images,
            "unit": counted_unit(unit),
        }
    )


@statistic("Patients with more than a number of images", method="threshold form, METHODS 1.2", sql=_SIZES_SQL)
def repeat_share(
    index: Index, cohort: Cohort | None = None, *, thresholds: tuple[int, ...] = THRESHOLDS, unit: Unit = "image"
) -> pd.DataFrame:
    """Patients with more than ``threshold`` images, and the images they hold: counts and shares (0 to 1)."""
    import pandas as pd

    sizes = _sizes(index, cohort, unit)
    found = concentration.above(sizes["size"], sizes["patients"], np.asarray(thresholds, dtype=np.int64))
    return pd.DataFrame(
        {
            "threshold": np.asarray(thresholds, dtype=np.int64),
            "patients": found.patients,
            "share_of_patients": found.share_of_patients,
            "images": found.images,
            "share_of_images": found.share_of_images,
            "unit": counted_unit(unit),
        }
    )


@statistic("Fewest patients who hold a share of the images", method="minimal-set form, METHODS 1.2", sql=_SIZES_SQL)
def held_by(
    index: Index, cohort: Cohort | None = None, *, shares: tuple[float, ...] = SHARES, unit: Unit = "image"
) -> pd.DataFrame:
    """The smallest number of patients whose images reach each share of all images."""
    import pandas as pd

    sizes = _sizes(index, cohort, unit)
    patients = concentration.held_by(sizes["size"], sizes["patients"], np.asarray(shares))
    return pd.DataFrame(
        {
            "share_of_images": np.asarray(shares, dtype=float),
            "patients": patients,
            "share_of_patients": _share(patients, sizes["patients"].sum()),
            "unit": counted_unit(unit),
        }
    )


@statistic("Lorenz curve of images over patients", method="METHODS 1.2", sql=_SIZES_SQL)
def lorenz(index: Index, cohort: Cohort | None = None, *, unit: Unit = "image") -> pd.DataFrame:
    """Share of images held by the share of patients with the fewest images; straight between the points."""
    import pandas as pd

    sizes = _sizes(index, cohort, unit)
    people, images = concentration.lorenz(sizes["size"], sizes["patients"])
    return pd.DataFrame({"share_of_patients": people, "share_of_images": images, "unit": counted_unit(unit)})


@statistic("Concentration of images on patients", method="METHODS 1.1, 1.2, 1.7", sql=_SIZES_SQL)
def concentration_summary(index: Index, cohort: Cohort | None = None, *, unit: Unit = "image") -> pd.DataFrame:
    """One row: patients, images, mean, quantiles, maximum, patients with one image, Gini, and N^2/sum(m^2).

    ``if_repeats_added_nothing`` is the number of independent images an image-weighted proportion would
    be worth if all films of a patient were copies; it is no size of the dataset (METHODS 1.7).
    """
    import pandas as pd

    sizes = _sizes(index, cohort, unit)
    size, patients = sizes["size"].astype(np.int64), sizes["patients"].astype(np.int64)
    quantiles = concentration.quantile(size, patients, [0.5, 0.75, 0.9, 0.95, 0.99])
    row: dict[str, Any] = {
        "patients": int(patients.sum()),
        "images": int(size @ patients),
        "mean": concentration.mean_size(size, patients),
        **dict(zip(("median", "p75", "p90", "p95", "p99"), quantiles, strict=True)),
        "most": float(size.max()) if len(size) else np.nan,
        "patients_with_one": int(patients[size == 1].sum()),
        "gini": concentration.gini(size, patients),
        "if_repeats_added_nothing": concentration.kish(size, patients),
        "unit": counted_unit(unit),
    }
    return pd.DataFrame([row])


def size_bins(table: pd.DataFrame) -> pd.DataFrame:
    """Group ``images_per_patient`` into bins for a bar chart: columns bin, low, high, patients, share_of_images."""
    import pandas as pd

    edges = [0, *BINS, np.inf]
    place = np.searchsorted(np.asarray(BINS), table["images"].to_numpy())
    rows = []
    for at in range(len(BINS) + 1):
        low, high = int(edges[at]) + 1, edges[at + 1]
        inside = table[place == at]
        name = f"{low}+" if np.isinf(high) else (str(low) if low == high else f"{low}–{int(high)}")
        rows.append(
            (
                name,
                low,
                UNBOUNDED if np.isinf(high) else int(high),
                inside["patients"].sum(),
                inside["share_of_images"].sum(),
            )
        )
    return pd.DataFrame(rows, columns=["bin", "low", "high", "patients", "share_of_images"])


_TIMELINE = """
SELECT image, image_id, order_in_patient, row_number() OVER (ORDER BY image)::BIGINT AS place, age_years, view, split,
       pattern
FROM selected ORDER BY image
"""


@statistic(
    "One patient's images in order",
    method="order as the dataset gives it",
    sql="SELECT * FROM selected ORDER BY image",
)
def timeline(index: Index, cohort: Cohort | None = None, *, patient: str = "") -> pd.DataFrame:
    """One row per image and finding of a patient, in the dataset's order, with the finding's state.

    Without ``patient`` the one with the most images in the cohort is taken.
    """
    import pandas as pd

    chosen = patient or most_imaged(index, cohort)
    # Without patients there is no one whose images could be put in order.
    narrowing = Cohort(patient=chosen) if chosen else Cohort(images_per_patient=(-1, -1))
    selection = select(index, (cohort or Cohort()).narrow(narrowing))
    films = selection.table(_TIMELINE)
    states = index.dictionary[films["pattern"].to_numpy()] if len(films) else index.dictionary[:0]
    parts = [
        films.assign(finding=name, state=[_STATE_NAMES[code] for code in states[:, at]])
        for at, name in enumerate(index.finding_names)
    ]
    table = pd.concat(parts, ignore_index=True) if parts else films
    table = table.astype({name: "str" for name in ("image_id", "view", "split", "finding", "state")})
    return table.assign(patient_id=chosen).drop(columns="pattern").sort_values(["place", "finding"], kind="stable")


_STATE_NAMES = ("not_assessed", "blank", "negative", "uncertain", "positive")
_MOST_IMAGED = """
SELECT any_value(patient_id) FROM selected WHERE patient IS NOT NULL
GROUP BY patient ORDER BY count(*) DESC, patient LIMIT 1
"""


def most_imaged(index: Index, cohort: Cohort | None = None) -> str:
    """Return the id of the patient with the most images in the cohort; '' where there is none."""
    rows = select(index, cohort).rows(_MOST_IMAGED)
    return str(rows[0][0]) if rows else ""


def counted_unit(unit: Unit) -> Unit:
    """Return what is counted per patient: studies if asked for, else images (also for unit patient)."""
    return "study" if unit == "study" else "image"


def _sizes(index: Index, cohort: Cohort | None, unit: Unit) -> dict[str, np.ndarray]:
    return select(index, cohort).patient_sizes(counted_unit(unit))


def _share(part: np.ndarray, whole: float) -> np.ndarray:
    return part / whole if whole else np.full(len(part), np.nan)
