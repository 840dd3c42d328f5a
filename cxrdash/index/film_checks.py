"""The checks of films: what each looks at, its threshold, and how often it was wrong on films known to be sound."""

from __future__ import annotations

from dataclasses import dataclass

COLOUR_MODES = ("RGB", "RGBA", "LA", "P", "PA", "CMYK", "YCbCr", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
REFERENCE = "208 frontal films of NIH ChestX-ray14"
_NOT_BLANK = "(interior_sd >= 2 AND entropy_bits >= 3)"
_FLAT = "greatest(uniform_rows, uniform_columns, interior_share_lowest, interior_share_highest)"
# A film with a third of it missing resembles anything; that is said by its own check.
_TURNED = f"best_r - orientation_r >= {{threshold}} AND {_FLAT} < 0.25 AND best_variant"


@dataclass(frozen=True)
class Check:
    """One check over the table `measures`.

    ``value`` is the number that is judged, as SQL, and ``where`` the condition under which a film is
    suspected, in which {threshold} stands for the parameter. ``at_least`` says on which side of the
    threshold suspects lie. ``alarms`` of ``alarms_of`` sound films were suspected; None where there
    were none to try it on. ``needs`` is SQL for films that can be judged at all.
    """

    name: str
    title: str
    words: str  # completes "images suspected to be ..."
    value: str
    where: str
    threshold: float
    unit: str
    source: str
    at_least: bool = True
    alarms: int | None = 0
    alarms_of: int = 208
    needs: str = "status = 'ok'"
    limits: str = ""
    range: tuple[float, float] = (0.0, 1.0)  # of thresholds that make sense


_TEMPLATE = "status = 'ok' AND template IS NOT NULL"
_LIKENESS = "likeness to the dataset's own median film gained by undoing it (-1 to 1)"

CHECKS = (
    Check(
        "inverted", "Greys exchanged", "stored with black and white exchanged",
        "best_r - orientation_r", f"{_TURNED} LIKE 'inverted%'", 0.2, _LIKENESS, "METHODS 7.3",
        alarms=2, needs=_TEMPLATE, range=(0.05, 1.0),
        limits="A wide white border outside the shutters looks like exchanged greys: so do both false alarms.",
    ),
    Check(
        "upside_down", "Upside down", "upside down",
        "best_r - orientation_r", f"{_TURNED} = 'upside down'", 0.2, _LIKENESS, "METHODS 7.3",
        needs=_TEMPLATE, range=(0.05, 1.0),
    ),
    Check(
        "sideways", "On its side", "turned by a quarter",
        "best_r - orientation_r", f"{_TURNED} IN ('turned left', 'turned right')", 0.2, _LIKENESS, "METHODS 7.3",
        needs=_TEMPLATE, range=(0.05, 1.0),
    ),
    Check(
        "lateral_among_frontal", "Lateral called frontal", "lateral films whose row says frontal",
        "lateral_r - best_r", "lateral_r - best_r >= {threshold}", 0.05,
        "likeness to the median lateral less that to the median frontal", "set on drawn films",
        alarms=None, alarms_of=0, needs="status = 'ok' AND lateral_r IS NOT NULL", range=(0.01, 0.5),
        limits="Needs 20 lateral films in the dataset; it was set on drawn films, not on real laterals.",
    ),
    Check(
        "unusual", "Like no other film", "unlike the other films of their kind of view",
        "orientation_r", f"orientation_r < {{threshold}} AND best_r - orientation_r < 0.2 AND {_NOT_BLANK}", 0.2,
        "likeness to the dataset's own median film (-1 to 1)", "METHODS 7.3",
        at_least=False, alarms=2, needs=_TEMPLATE, range=(0.0, 0.5),
        limits="Unusual is no fault: a large effusion, a rotated patient or a child look so too.",
    ),
    Check(
        "blank", "Blank", "blank",
        "interior_sd", "(interior_sd < {threshold} OR entropy_bits < 3)", 2.0,
        "standard deviation of the shades (0 to 255) inside the border", "METHODS 7.4",
        at_least=False, range=(0.5, 10.0),
    ),
    Check(
        "part_missing", "A part is missing", "without picture in a large part",
        _FLAT, f"{_FLAT} >= {{threshold}} AND {_NOT_BLANK}", 0.25,
        "share of the film in uniform rows or columns, or at one end of the greys inside the border",
        "largest of the reference: 0.09", range=(0.1, 0.6),
    ),
    Check(
        "blurred", "Blurred", "blurred",
        "relative_sharpness", f"relative_sharpness < {{threshold}} AND {_NOT_BLANK}", 0.2,
        "sharpness as a share of the median of the same kind of view", "METHODS 7.4; smallest of the reference: 0.22",
        at_least=False, range=(0.02, 0.6),
        limits="Sharpness also falls with low contrast and heavy noise reduction.",
    ),
    Check(
        "clipped", "Clipped highlights", "clipped at the bright end",
        "interior_share_highest", f"interior_share_highest > {{threshold}} AND {_NOT_BLANK}", 0.01,
        "share of the interior at the highest stored value", "METHODS 7.1", range=(0.001, 0.2),
    ),
    Check(
        "low_contrast", "Little contrast", "of little contrast",
        "interior_contrast", f"interior_contrast < {{threshold}} AND {_NOT_BLANK}", 70.0,
        "95th less 5th percentile of the shades (0 to 255) inside the border", "smallest of the reference: 97",
        at_least=False, range=(20.0, 150.0),
    ),
    Check(
        "few_greys", "Few grey levels", "stored with few grey levels",
        "grey_levels", f"grey_levels < {{threshold}} AND {_NOT_BLANK}", 64.0,
        "distinct stored values", "METHODS 7.1", at_least=False, range=(16.0, 256.0),
    ),
    Check(
        "colour_file", "Stored in colours", "stored in colours instead of grey",
        "NULL::DOUBLE", "stored_mode IN ('" + "', '".join(COLOUR_MODES) + "') AND {threshold} = 0", 0.0,
        "", "four of the reference are RGBA files, and truly so", range=(0.0, 0.0),
    ),
)  # fmt: skip
BY_NAME = {check.name: check for check in CHECKS}
