"""States, rates, policies and levels."""

from __future__ import annotations

import pandas as pd

from cxrdash.charts import Look, level_dots, policy_dots, rate_intervals, state_bars


def named(figure) -> dict:
    return {trace.name: trace for trace in figure.data if trace.name}


def test_each_state_is_a_bar_of_its_share_in_its_colour(tables) -> None:
    bars = named(state_bars(tables.states(), Look()))
    assert {name: trace.x[0] for name, trace in bars.items()} == {
        "positive": 0.3,
        "uncertain": 0.1,
        "negative": 0.2,
        "blank": 0.4,
    }
    assert bars["positive"].marker.color == "#D55E00" and bars["negative"].marker.color == "#0072B2"


def test_only_uncertain_is_hatched(tables) -> None:
    bars = named(state_bars(tables.states(), Look()))
    assert {name for name, trace in bars.items() if trace.marker.pattern.shape} == {"uncertain"}


def test_a_segment_is_a_door_to_its_finding_and_state(tables) -> None:
    bars = named(state_bars(tables.states(), Look()))
    assert list(bars["uncertain"].customdata[1]) == ["door 1", "uncertain"]


def test_without_a_door_the_finding_itself_is_the_token(tables) -> None:
    bars = named(state_bars(tables.states().drop(columns="door"), Look()))
    assert list(bars["positive"].customdata[0]) == ["Edema", "positive"]


def test_n_stands_beside_every_finding(tables) -> None:
    frame = tables.states("No Finding").assign(positive=60361, of=112120)
    assert list(state_bars(frame, Look()).layout.yaxis2.ticktext) == ["60,361 of 112,120 (53.8%)"]


def test_counts_start_at_zero_and_a_state_that_never_occurs_is_left_out(tables) -> None:
    figure = state_bars(tables.states().assign(uncertain=0), Look(), share=False)
    assert figure.layout.xaxis.range[0] == 0
    assert list(named(figure)["positive"].x) == [30, 30]
    assert "uncertain" not in named(figure)


def test_findings_keep_the_order_given_from_the_top(tables) -> None:
    axis = state_bars(tables.states("Mass", "Edema"), Look()).layout.yaxis
    assert list(axis.ticktext) == ["Mass", "Edema"] and axis.range[0] > axis.range[1]


def test_an_empty_denominator_draws_no_bar_and_divides_nothing(tables) -> None:
    figure = state_bars(tables.states("Edema").assign(positive=0, of=0), Look())
    assert list(figure.layout.yaxis2.ticktext) == ["0 of 0 (–)"]


def test_a_rate_shows_dot_interval_and_n(tables) -> None:
    figure = rate_intervals(tables.rates("Edema"), Look())
    line, dot = figure.data[0], figure.data[1]
    assert list(line.x) == [0.2, 0.4, None] and list(dot.x) == [0.3]
    assert list(figure.layout.yaxis2.ticktext) == ["30.0% (20.0–40.0%), 30 of 100"]


def test_an_undefined_rate_has_no_dot_and_a_dash(tables) -> None:
    nan = float("nan")
    frame = tables.rates("Edema", "Mass", rate=[nan, 0.3], low=[nan, 0.2], high=[nan, 0.4])
    figure = rate_intervals(frame, Look())
    assert pd.isna(figure.data[1].x[0]) and figure.data[1].x[1] == 0.3
    assert figure.layout.yaxis2.ticktext[0] == "– (–), 30 of 100"


def test_the_naive_interval_is_drawn_and_named_where_it_is_given(tables) -> None:
    frame = tables.rates("Edema", naive_low=[0.28], naive_high=[0.32])
    (naive,) = (t for t in rate_intervals(frame, Look()).data if t.name == "if every image were independent")
    assert list(naive.x) == [0.28, 0.32, None]
    assert not [t for t in rate_intervals(tables.rates(), Look()).data if t.name == naive.name]


def test_policies_differ_in_shape_and_colour_on_one_row(tables) -> None:
    frame = pd.concat([tables.rates("Edema").assign(policy=p, rate=r) for p, r in (("U-Ones", 0.4), ("U-Zeros", 0.3))])
    dots = named(policy_dots(frame, Look()))
    one, zero = dots["U-Ones"], dots["U-Zeros"]
    assert one.marker.symbol != zero.marker.symbol and one.marker.color != zero.marker.color
    assert list(one.y) == list(zero.y) == [0]
    assert [list(door) for door in one.customdata] == [["Edema", "U-Ones"]]


def test_the_spread_between_policies_is_written_at_the_right(tables) -> None:
    frame = pd.concat([tables.rates("Edema").assign(policy=p, rate=r) for p, r in (("U-Ones", 0.4), ("U-Zeros", 0.3))])
    assert list(policy_dots(frame, Look()).layout.yaxis2.ticktext) == ["30.0% to 40.0%"]


def test_levels_stand_one_below_the_other_inside_their_row(tables) -> None:
    frame = pd.concat([tables.rates().assign(level=level) for level in ("PA", "AP", "lateral")])
    dots = named(level_dots(frame, Look()))
    heights = [dots[level].y[0] for level in ("PA", "AP", "lateral")]
    assert heights == sorted(heights) and len(set(heights)) == 3
    assert max(abs(height) for height in heights) < 0.5
