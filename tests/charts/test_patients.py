"""Curves of images over patients, and one patient's films."""

from __future__ import annotations

import pandas as pd
import pytest

from cxrdash.charts import (
    Look,
    ecdf_chart,
    images_per_patient_chart,
    lorenz_chart,
    patients_histogram,
    timeline_chart,
)


def texts_of(figure) -> list[str]:
    return [text for trace in figure.data for text in (trace.text or ())]


def test_the_threshold_is_marked_and_said_in_words(tables) -> None:
    said = " ".join(texts_of(images_per_patient_chart(tables.spread(), Look(), threshold=10)))
    assert "<b>10.0%</b> of patients have more than 10 images" in said
    assert "<b>50.0%</b> of the images are theirs" in said


def test_a_threshold_between_two_sizes_takes_the_step_below_it(tables) -> None:
    figure = images_per_patient_chart(tables.spread(), Look(), threshold=1)
    assert "<b>40.0%</b>" in " ".join(note.text for note in figure.layout.annotations)


def test_log_axes_say_so_and_leave_out_the_share_of_zero(tables) -> None:
    figure = images_per_patient_chart(tables.spread(), Look())
    assert "(log scale)" in figure.layout.xaxis.title.text and "(log scale)" in figure.layout.yaxis.title.text
    assert list(figure.data[0].y) == [0.75, 0.5]


def test_linear_axes_start_at_zero_and_say_nothing_of_logs(tables) -> None:
    figure = images_per_patient_chart(tables.spread(), Look(), log=False)
    assert figure.layout.xaxis.range[0] == 0 and figure.layout.yaxis.range[0] == 0
    assert "log" not in figure.layout.xaxis.title.text


def test_the_unit_stands_in_sentence_and_axis(tables) -> None:
    figure = images_per_patient_chart(tables.spread(), Look(), unit="studies")
    assert "10 studies" in " ".join(texts_of(figure)) and "studies" in figure.layout.xaxis.title.text


def test_the_rising_curve_is_one_minus_the_falling_one(tables) -> None:
    figure = ecdf_chart(tables.spread(), Look())
    assert list(figure.data[0].y) == [0.6, 0.9, 1.0]
    assert "<b>90.0%</b> of patients have at most 10 images" in " ".join(texts_of(figure))


def test_each_dataset_has_a_lorenz_curve_beside_the_line_of_equality() -> None:
    frame = pd.DataFrame(
        {"share_of_patients": [0, 1, 0, 1], "share_of_images": [0, 1, 0, 1], "dataset": ["a", "a", "b", "b"]}
    )
    figure = lorenz_chart(frame, Look())
    assert [trace.name for trace in figure.data] == [None, "a", "b"]
    assert list(figure.data[0].x) == list(figure.data[0].y) == [0, 1]


def test_one_dataset_needs_no_legend() -> None:
    frame = pd.DataFrame({"share_of_patients": [0, 1], "share_of_images": [0, 1]})
    assert lorenz_chart(frame, Look()).layout.showlegend is False


def test_histogram_bars_start_at_zero_carry_their_number_and_are_doors() -> None:
    figure = patients_histogram(pd.DataFrame({"bin": ["1", "11-20"], "patients": [17503, 1422]}), Look())
    assert figure.layout.yaxis.range[0] == 0
    assert list(figure.data[0].text) == ["17,503", "1,422"]
    assert [list(door) for door in figure.data[0].customdata] == [["1"], ["11-20"]]


def test_a_film_shows_its_state_by_colour_and_by_sign(tables) -> None:
    frame = tables.films().assign(state=["positive", "uncertain", "negative", "blank"])
    named = {trace.name: trace for trace in timeline_chart(frame, Look()).data}
    assert set(named) == {"positive +", "uncertain ?", "negative −", "blank ·"}
    assert named["positive +"].marker.color == "#D55E00" and named["positive +"].text == "+"


def test_films_stand_in_order_even_when_the_rows_do_not(tables) -> None:
    frame = tables.films("Edema").iloc[::-1]
    (trace,) = timeline_chart(frame, Look()).data
    assert sorted(zip(frame["order"], trace.x, strict=True)) == [(1, 0), (2, 1)]


@pytest.mark.parametrize(("presentation", "hidden"), [(True, True), (False, False)])
def test_image_names_are_hidden_when_presented(tables, drawn, presentation, hidden) -> None:
    figure = timeline_chart(tables.films(), Look(presentation=presentation))
    assert any("p1_film" in text for text in drawn(figure)) is not hidden


def test_the_points_of_a_curve_are_doors_that_cannot_be_seen(tables) -> None:
    curve = images_per_patient_chart(tables.spread().assign(door=["a", "b", "c"]), Look()).data[0]
    assert curve.mode == "lines+markers" and curve.marker.opacity == 0
    assert [list(door) for door in curve.customdata] == [["a"], ["b"]]
