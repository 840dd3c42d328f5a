"""A finding of the scan as a filter keeps exactly the films it names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort
from cxrdash.index.film_checks import CHECKS
from cxrdash.index.scan import scan
from cxrdash.index.selection import select
from cxrdash.index.store import Index, open_index
from cxrdash.index.suspects import FACTS, NUMBERS, number_sql, parse_suspect, range_text, suspect_text, suspect_words
from tests.datasets import build, cache_of, indexed, nih_row, write_nih


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """Thirty films that resemble each other, of which some are spoilt, one is no picture and one is missing."""
    folder = write_nih(tmp_path_factory.mktemp("suspects") / "nih", [nih_row(n, width="2048") for n in range(32)])
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:200, :200] / 199
    pattern = 150 * np.exp(-((x - 0.3) ** 2 + (y - 0.2) ** 2) / 0.05) + 60 * x * y
    for n in range(30):
        film = np.clip(pattern + rng.normal(30, 6, pattern.shape), 0, 250).astype(np.uint8)
        Image.fromarray(SPOIL.get(n, lambda pixels: pixels)(film)).save(folder / f"{n:08d}_000.png")
    (folder / "00000030_000.png").write_bytes(b"lost")
    build(folder, "nih")
    scan("nih", cache_of(folder), workers=2)
    return open_index("nih", cache_of(folder))


def blackened(pixels: np.ndarray) -> np.ndarray:
    changed = pixels.copy()
    changed[70:140] = 0
    return changed


SPOIL = {
    0: lambda film: 255 - film,
    1: lambda film: np.rot90(film).copy(),
    2: lambda film: film[::-1, ::-1].copy(),
    3: lambda film: np.zeros_like(film),
    4: blackened,
    5: lambda film: np.asarray(Image.fromarray(film).resize((20, 20)).resize((200, 200), Image.Resampling.BICUBIC)),
    6: lambda film: (film // 4 + 90).astype(np.uint8),
    7: lambda film: np.stack([film, film, film], axis=2),
}
EXPECTED = {
    "inverted": [0], "sideways": [1], "upside_down": [2], "blank": [3], "part_missing": [4], "low_contrast": [6],
    "colour_file": [7], "lateral_among_frontal": [],
}  # fmt: skip


def patients(index: Index, *suspects: str) -> list[int]:
    rows = select(index, Cohort(suspects=suspects)).rows("SELECT patient_id FROM selected")
    return sorted(int(patient) for (patient,) in rows)


@pytest.mark.parametrize("check", EXPECTED)
def test_every_check_finds_what_it_is_meant_for_and_nothing_else(index: Index, check: str) -> None:
    assert patients(index, check) == EXPECTED[check]


def test_a_blurred_film_is_suspected_and_a_stricter_threshold_lets_it_go(index: Index) -> None:
    assert 5 in patients(index, "blurred")
    ((ratio,),) = index.rows("SELECT relative_sharpness FROM measures JOIN images USING (image) WHERE patient_id = '5'")
    assert 5 not in patients(index, f"blurred: {ratio / 2}")


@pytest.mark.parametrize("fact", FACTS)
def test_every_level_of_a_fact_is_chosen_by_its_text(index: Index, fact: str) -> None:
    sql = f"SELECT {FACTS[fact]} AS level, i.patient_id FROM measures AS m JOIN images AS i USING (image)"
    levels: dict[str, list[int]] = {}
    for level, patient in index.rows(sql):
        levels.setdefault(level, []).append(int(patient))
    for level, expected in levels.items():
        if level:
            assert patients(index, f"{fact} = {level}") == sorted(expected)


def test_sizes_are_compared_with_the_table(index: Index) -> None:
    assert len(patients(index, "size_against_table = same shape, other size")) == 30
    assert patients(index, "status = unreadable", "reason = not a PNG file in spite of its name") == [30]
    assert patients(index, "status = missing") == [31]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_range_includes_its_lower_end_only(index: Index, number: str) -> None:
    sql = f"SELECT {number_sql(number)} AS value FROM measures WHERE value IS NOT NULL ORDER BY value"
    values = [value for (value,) in index.rows(sql)]
    if not values:
        assert number == "lateral_gap"
        return
    low, high = values[3], values[-3]
    expected = sum(low <= value < high for value in values)
    assert len(patients(index, range_text(number, low, high))) == expected


def test_conditions_narrow_together_and_survive_the_link(index: Index) -> None:
    cohort = Cohort(suspects=("inverted: 0.1",)).narrow(Cohort(suspects=("stored_mode = L",)))
    again = Cohort.from_query(cohort.to_query())
    assert again == cohort
    assert select(index, again).counts["images"] == 1
    assert cohort.arguments() == ["--suspect", "inverted: 0.1", "--suspect", "stored_mode = L"]


def test_the_pasted_statement_counts_the_same(index: Index) -> None:
    for suspect in ("inverted", "size = 200 × 200", "entropy_bits = 0.0..6.5"):
        selection = select(index, Cohort(suspects=(suspect,)))
        pasted = selection.written_out("SELECT count(*) AS n FROM selected")
        found, _ = index.guarded_query(pasted, seconds=5, rows=1)
        assert found["n"].iloc[0] == selection.counts["images"]


def test_the_words_say_what_is_kept() -> None:
    assert Cohort(suspects=("upside_down",)).words() == "images, suspected to be upside down"
    assert suspect_words("blurred: 0.3") == "suspected to be blurred (threshold 0.3)"
    assert suspect_words("stored_mode = RGBA") == "stored mode: RGBA"
    assert suspect_words("grey_levels = 64.0..256.0") == "grey levels from 64 to 256"
    assert suspect_words("<b>odd</b>") == "<b>odd</b>"
    for check in CHECKS:
        assert parse_suspect(suspect_text(check.name)).check == check
        assert parse_suspect(suspect_text(check.name, 0.123)).threshold == 0.123


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("invertd", "Did you mean inverted"),
        ("blurred: much", "'much' in 'blurred: much' is no number"),
        ("sharpness = often", "is no finding of the pixel scan"),
        ("'; DROP TABLE images; --", "is no finding of the pixel scan"),
        ("", "is no finding of the pixel scan"),
        ("sharpness = nan..2", "'nan' in 'sharpness = nan..2' is no number"),
    ],
)
def test_what_is_no_finding_is_refused_with_the_nearest(text: str, message: str) -> None:
    with pytest.raises(CxrdashError) as refused:
        parse_suspect(text)
    assert message in str(refused.value)


def test_hostile_values_are_only_values(index: Index) -> None:
    assert patients(index, "stored_mode = L' OR '1' = '1") == []


def test_without_a_scan_the_question_is_refused_with_the_command(tmp_path: Path) -> None:
    unscanned = indexed(write_nih(tmp_path / "nih", [nih_row(1)]), "nih")
    with pytest.raises(CxrdashError, match="have not been scanned") as refused:
        select(unscanned, Cohort(suspects=("inverted",))).counts  # noqa: B018
    assert refused.value.hint == "Run: python -m cxrdash scan nih"
