"""Charts of what data can show: effective sizes, odds ratios, power, interval widths and label errors."""

from __future__ import annotations

import pytest

from cxrdash.charts import (
    Look,
    drop_bars,
    effective_ranges,
    images_and_patients,
    images_per_patient_chart,
    measure_widths,
    noise_ranges,
    odds_forest,
)


def right_of(figure) -> list[str]:
    return list(figure.layout.yaxis2.ticktext)


def test_a_size_without_interval_is_a_hollow_dot(tables) -> None:
    look = Look()
    marker = effective_ranges(tables.worths(), look).data[-2].marker
    assert list(marker.color) == [look.ground, look.text]


def test_both_ends_of_the_range_are_named_once_where_all_findings_share_them(tables) -> None:
    said = [note.text for note in effective_ranges(tables.worths(), Look(), unit="studies").layout.annotations]
    assert said == ["<b>20</b> if repeats added nothing", "<b>100</b> if all studies were independent"]
    apart = tables.worths().assign(of=[100, 90])
    assert len(effective_ranges(apart, Look()).layout.annotations) == 1


def test_one_patient_is_not_written_as_several(tables) -> None:
    assert right_of(effective_ranges(tables.worths(), Look())) == ["10 positive, 1 patient", "10 positive, 4 patients"]


def test_a_finding_without_positives_has_no_dot_on_the_log_axis(tables) -> None:
    frame = tables.worths().assign(images=[0, 10], patients=[0, 4])
    figure = images_and_patients(frame, Look())
    assert right_of(figure)[0] == "none"
    assert [str(figure.data[at].x[0]) for at in (1, 2)] == ["nan", "nan"]


def test_a_pair_not_told_apart_is_hollow_and_grey(tables) -> None:
    look = Look()
    marker = odds_forest(tables.odds(), look).data[-2].marker
    assert list(marker.symbol) == ["circle", "circle-open"] and list(marker.color) == [look.accent, look.muted]
    assert right_of(odds_forest(tables.odds(), look)) == ["40, expected 12", "3, expected 3.4"]


def test_the_forest_shows_1_and_says_that_its_axis_is_logarithmic(tables) -> None:
    axis = odds_forest(tables.odds(), Look()).layout.xaxis
    assert axis.range[0] < 0 < axis.range[1] and "log scale" in axis.title.text
    assert "1/2" in axis.ticktext


def test_a_drop_that_would_be_missed_is_hollow_and_said_in_words(tables) -> None:
    look = Look()
    figure = drop_bars(tables.drops().assign(detectable_drop=[0.05, float("nan")]), look)
    assert list(figure.data[0].marker.color) == [look.accent, look.grid]
    assert right_of(figure) == ["50 and 1 patient: 5 points", "50 and 1 patient: any drop is missed"]


@pytest.mark.parametrize(
    ("measure", "text"), [("sensitivity", "80.0–95.0%, 60 patients"), ("AUC", "0.80–0.95, 60 patients")]
)
def test_an_auc_is_a_number_and_all_else_a_percentage(tables, measure: str, text: str) -> None:
    assert right_of(measure_widths(tables.widths(), Look(), measure=measure))[0] == text


def test_a_finding_that_cannot_be_tested_says_so(tables) -> None:
    nan = float("nan")
    assert right_of(measure_widths(tables.widths().assign(low=nan, high=nan), Look()))[0] == "cannot be tested"
    assert right_of(noise_ranges(tables.noisy().assign(low=nan, high=nan), Look()))[0] == "cannot be tested"


def test_where_the_error_rates_come_from_stands_beside_the_mark(tables) -> None:
    texts = noise_ranges(tables.noisy(), Look()).data[2].hovertext
    assert "(assumed)" in texts[0] and "80.0%" in texts[0]


@pytest.mark.parametrize("look", [Look(), Look(presentation=True)])
def test_a_threshold_near_the_right_end_leaves_room_for_its_sentence(tables, look: Look) -> None:
    figure = images_per_patient_chart(tables.spread(), look, threshold=10)
    start, end = figure.layout.xaxis.range
    assert (end - 1) / (end - start) >= (0.42 if look.presentation else 0.3) - 1e-9


def test_a_threshold_near_the_left_end_writes_below_the_curve(tables) -> None:
    figure = images_per_patient_chart(tables.spread(), Look(), threshold=1)
    (below,) = [note for note in figure.layout.annotations if "of patients have more than" in note.text]
    assert below.xanchor == "left" and below.y < 0.1
