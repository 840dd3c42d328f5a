"""The small charts of the overview."""

from __future__ import annotations

import pandas as pd

from cxrdash.charts import Look, age_histogram, share_bars


def test_a_level_shows_share_and_number_and_is_a_door() -> None:
    frame = pd.DataFrame({"level": ["PA", "AP"], "images": [67310, 44810], "share": [0.6, 0.4], "door": ["p", "a"]})
    figure = share_bars(frame, Look())
    assert list(figure.data[0].x) == [0.6, 0.4] and figure.layout.xaxis.range[0] == 0
    assert [list(door) for door in figure.data[0].customdata] == [["p"], ["a"]]
    assert list(figure.layout.yaxis2.ticktext) == ["67,310  (60.0%)", "44,810  (40.0%)"]


def test_ages_start_at_zero_and_keep_their_order() -> None:
    figure = age_histogram(pd.DataFrame({"age_band": ["0-9", "10-19"], "images": [5, 7]}), Look())
    assert list(figure.data[0].y) == [5, 7] and figure.layout.yaxis.range[0] == 0
    assert list(figure.layout.xaxis.ticktext) == ["0-9", "10-19"]


def test_many_bands_write_every_second_name() -> None:
    frame = pd.DataFrame({"age_band": [f"{i}-{i + 9}" for i in range(0, 100, 10)], "images": 5})
    assert list(age_histogram(frame, Look()).layout.xaxis.ticktext)[:3] == ["0-9", "", "20-29"]
