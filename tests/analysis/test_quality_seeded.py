"""How many films with a defect made on purpose are found, beside how many sound ones are accused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFilter

from cxrdash.images import orientation
from cxrdash.images.film import Film
from cxrdash.images.measures import border_facts, grey_facts, sharpness
from cxrdash.images.orientation import VARIANTS, small_film, standardised
from cxrdash.index.film_checks import BY_NAME, CHECKS

Change = Callable[[np.ndarray], np.ndarray]


def blackened(part: str) -> Change:
    def change(film: np.ndarray) -> np.ndarray:
        third = len(film) // 3
        changed = film.copy()
        changed[{"lower": np.s_[-third:], "left": np.s_[:, :third], "middle": np.s_[third : 2 * third]}[part]] = 0
        return changed

    return change


def blurred(pixels: float) -> Change:
    return lambda film: np.asarray(Image.fromarray(film).filter(ImageFilter.GaussianBlur(pixels)))


# The defect, how it is made, the check that must find it, and the least share of films it must find.
DEFECTS: dict[str, tuple[Change, str, float]] = {
    "inverted": (lambda film: 255 - film, "inverted", 0.95),
    "turned left": (lambda film: np.rot90(film).copy(), "sideways", 0.90),
    "turned right": (lambda film: np.rot90(film, 3).copy(), "sideways", 0.90),
    "upside down": (lambda film: film[::-1, ::-1].copy(), "upside_down", 0.93),
    "black": (np.zeros_like, "blank", 1.0),
    "noise on grey": (lambda film: (film % 3 + 120).astype(np.uint8), "blank", 0.95),
    "lower third black": (blackened("lower"), "part_missing", 0.99),
    "left third black": (blackened("left"), "part_missing", 0.99),
    "middle third black": (blackened("middle"), "part_missing", 0.99),
    "blurred by 2 of 1,024 pixels": (blurred(2), "blurred", 0.85),
    "blurred by 3 of 1,024 pixels": (blurred(3), "blurred", 0.99),
    "a quarter of its contrast": (lambda film: (film // 4 + 90).astype(np.uint8), "low_contrast", 0.99),
    "32 grey levels": (lambda film: film // 8 * 8, "few_greys", 0.99),
}


@pytest.fixture(scope="module")
def sound(real_data: Path) -> list[np.ndarray]:
    films = sorted((real_data / "nih" / "images").glob("*.png"))
    assert len(films) == 208
    return [np.asarray(Image.open(path).convert("L")) for path in films]


def measured(films: list[np.ndarray]) -> pd.DataFrame:
    rows = []
    for film in films:
        picture = Image.fromarray(film)
        facts = {**grey_facts(film), **border_facts(Film(film, "L", 8, film.shape[1], film.shape[0]), film)}
        rows.append(facts | {"sharpness": sharpness(picture), "small": small_film(picture)})
    return pd.DataFrame(rows).assign(status="ok", template="frontal", stored_mode="L", lateral_r=np.nan)


def judged(films: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """The films with their likeness to a median of others: even films against odd ones and the reverse."""
    found = films.assign(relative_sharpness=films["sharpness"] / reference["sharpness"].median())
    for half in (0, 1):
        pattern = orientation.template(_small(reference[reference.index % 2 != half]))
        assert pattern is not None
        of = found.index % 2 == half
        scores = orientation.scores(_small(found[of]), pattern)
        found.loc[of, "orientation_r"] = scores.r.astype(float)
        found.loc[of, "best_r"] = scores.best_r.astype(float)
        found.loc[of, "best_variant"] = [VARIANTS[best] for best in scores.best]
    return found


def _small(films: pd.DataFrame) -> orientation.Films:
    return standardised(np.frombuffer(b"".join(films["small"]), np.uint8))


def suspected(measures: pd.DataFrame, name: str) -> int:
    """How many films a check suspects, by the very SQL of the check."""
    check = BY_NAME[name]
    where = check.where.format(threshold=check.threshold)
    ((count,),) = duckdb.sql(f"SELECT count(*) FROM measures WHERE ({check.needs}) AND {where}").fetchall()
    return int(count)


@pytest.fixture(scope="module")
def clean(sound: list[np.ndarray]) -> pd.DataFrame:
    return measured(sound)


@pytest.mark.real_data
def test_sound_films_are_accused_as_rarely_as_the_checks_say(clean: pd.DataFrame) -> None:
    measures = judged(clean, clean)
    for check in CHECKS:
        if check.alarms is None or check.name == "colour_file":
            continue
        alarms = suspected(measures, check.name)
        print(f"{check.title:24} false alarms {alarms} of {len(measures)} ({alarms / len(measures):.1%})")
        assert alarms == check.alarms and check.alarms_of == len(measures)
        assert alarms / len(measures) <= 0.05


@pytest.mark.real_data
@pytest.mark.parametrize("defect", DEFECTS)
def test_seeded_defects_are_found(sound: list[np.ndarray], clean: pd.DataFrame, defect: str) -> None:
    change, name, least = DEFECTS[defect]
    films = [change(film) for film in sound[::2]]
    measures = judged(measured(films).set_axis(clean.index[::2]), clean)
    recall = suspected(measures, name) / len(films)
    alarms = BY_NAME[name]
    print(f"{defect:32} recall {recall:.1%} of {len(films)}, false alarms {alarms.alarms} of {alarms.alarms_of}")
    assert recall >= least


@pytest.mark.real_data
def test_a_mirrored_film_is_not_claimed_to_be_found(sound: list[np.ndarray], clean: pd.DataFrame) -> None:
    measures = judged(measured([film[:, ::-1].copy() for film in sound[::2]]).set_axis(clean.index[::2]), clean)
    assert suspected(measures, "inverted") + suspected(measures, "sideways") <= 0.05 * len(measures)
