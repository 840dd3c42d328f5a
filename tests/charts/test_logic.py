"""The tree of findings, rules, the waterfall of a recipe and the labels it changes."""

from __future__ import annotations

import pytest

from cxrdash.charts import Look, hierarchy_tree, label_changes, recipe_waterfall, redundancy_bars, rule_bars
from cxrdash.charts.theme import STATE_COLOURS


def test_the_tree_has_a_row_for_each_root_and_child_in_order(tables) -> None:
    figure = hierarchy_tree(tables.children(), Look())
    names = [note.text for note in figure.layout.annotations]
    assert names == ["<b>Lung Opacity</b>", "Edema", "Consolidation", "Pneumonia"]
    indents = [note.x for note in figure.layout.annotations]
    assert indents[0] < indents[1] == indents[2] < indents[3]
    assert [note.y for note in figure.layout.annotations] == [0, 1, 2, 3]


def test_a_segment_s_door_is_child_parent_and_the_parent_s_state(tables) -> None:
    bars = {trace.name: trace for trace in hierarchy_tree(tables.children(), Look()).data if trace.name}
    assert list(bars) == ["positive", "uncertain", "negative", "blank"]
    assert list(bars["negative"].customdata[2]) == ["Pneumonia", "Consolidation", "negative"]
    assert list(bars["negative"].y) == [1, 2, 3] and list(bars["negative"].x) == [0.2, 0.2, 0.2]
    assert bars["positive"].marker.color == STATE_COLOURS["positive"]


def test_each_child_is_joined_to_its_parent_by_an_elbow(tables) -> None:
    shapes = hierarchy_tree(tables.children(), Look()).layout.shapes
    down = [(shape.y0, shape.y1) for shape in shapes if shape.x0 == shape.x1]
    assert down == [(0.36, 1), (1, 2), (2.36, 3)]


def test_the_tree_says_how_many_deny_the_parent(tables) -> None:
    assert list(hierarchy_tree(tables.children(), Look()).layout.yaxis2.ticktext)[:2] == ["", "10, 2 denied (20.0%)"]


def test_a_child_without_a_positive_has_no_share(tables) -> None:
    frame = tables.children().assign(positive=[0, 10, 10], parent_negative=[0, 2, 2])
    assert list(hierarchy_tree(frame, Look()).layout.yaxis2.ticktext)[1] == "0, 0 denied (–)"


def test_rules_are_told_apart_by_word_and_hatching_and_end_at_their_share(tables) -> None:
    worst, silent = rule_bars(tables.rules(), Look()).data[:2]
    assert (worst.name, silent.name) == ("✕ contradiction", "… incomplete")
    assert (worst.marker.pattern.shape, silent.marker.pattern.shape) == ("", "/")
    assert (list(worst.y), list(silent.y), list(silent.x)) == ([0], [1], [0.75])


def test_a_waterfall_stacks_what_a_rule_lost_on_what_it_left(tables) -> None:
    left, lost = recipe_waterfall(tables.recipe_steps(), Look()).data[:2]
    assert (list(left.x), list(lost.x)) == ([100, 60], [0, 40])
    assert [door for (door,) in left.customdata] == ["all", "PA"]
    assert [door for (door,) in lost.customdata] == ["", "AP"]


def test_a_waterfall_says_images_patients_and_labels(tables) -> None:
    frame = tables.recipe_steps()
    texts = list(recipe_waterfall(frame, Look()).layout.yaxis2.ticktext)
    assert texts == ["100 images, 30 patients", "60 images, 20 patients; 7 labels changed"]
    unapplied = recipe_waterfall(frame.assign(applied=[True, False], patients=0), Look())
    assert list(unapplied.layout.yaxis2.ticktext) == ["100 images", "not reproduced"]


@pytest.mark.parametrize("dark", [True, False])
def test_labels_changed_keep_the_colours_of_their_states(tables, dark: bool) -> None:
    bars = {trace.name: trace for trace in label_changes(tables.became(), Look(dark=dark)).data if trace.name}
    assert list(bars) == ["positive", "negative", "missing"]
    assert bars["negative"].marker.color == STATE_COLOURS["negative"]
    assert list(bars["missing"].x) == [5, 5]


def test_redundancy_starts_at_zero_and_writes_its_measures(tables) -> None:
    figure = redundancy_bars(tables.repeats().assign(ami=[-0.01]), Look())
    assert list(figure.data[0].x) == [0.0]
    assert list(figure.layout.yaxis2.ticktext) == ["-0.010; phi 0.60; Jaccard 0.67"]
