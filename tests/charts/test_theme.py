"""Text that Plotly cannot obey, numbers as words, and a download that stays on this machine."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrdash.charts.theme import (
    STATE_COLOURS,
    TIER_COLOURS,
    TIER_GLYPHS,
    Look,
    contrast,
    export_config,
    interval,
    number,
    percent,
    plain,
    wrapped,
)


@pytest.mark.parametrize(
    ("written", "drawn"),
    [
        ("Edema", "Edema"),
        ("<a href='x'>y</a>", "&lt;a href='x'&gt;y&lt;/a&gt;"),
        ("a &lt;b", "a &amp;lt;b"),
        ("two\nlines\x00", "two lines"),
        ("right\u202eleft", "right left"),
    ],
)
def test_plain_text_is_drawn_as_it_was_written(written: str, drawn: str) -> None:
    assert plain(written) == drawn


@given(st.text())
def test_no_text_keeps_a_tag(text: str) -> None:
    assert "<" not in plain(text) and ">" not in plain(text)


@given(st.text())
def test_wrapping_adds_line_breaks_and_no_other_tag(text: str) -> None:
    assert "<" not in wrapped(text).replace("<br>", "")


def test_a_dollar_sign_at_both_ends_starts_no_mathematics() -> None:
    assert not plain("$x$").endswith("$")


def test_a_long_name_goes_on_to_the_next_line_and_loses_no_word() -> None:
    name = "Central venous catheter via internal jugular vein"
    rows = wrapped(name, 20).split("<br>")
    assert len(rows) == 4 and " ".join(rows) == name


def test_an_underscore_is_a_place_to_break() -> None:
    assert wrapped("Pleural_Thickening", 12) == "Pleural_<br>Thickening"
    assert wrapped("Pleural_Thickening", 30) == "Pleural_Thickening"


def test_only_what_exceeds_all_lines_is_left_out() -> None:
    assert wrapped("one two three four five", 9, 2).endswith("…")


def test_numbers_read_as_a_person_writes_them() -> None:
    assert number(112120) == "112,120"
    assert percent(0.072229) == "7.2%"
    assert interval(0.062, 0.0834) == "6.2–8.3%"


def test_what_is_undefined_is_a_dash() -> None:
    nan = float("nan")
    assert (number(nan), percent(nan), percent(None), interval(nan, 0.1)) == ("–", "–", "–", "–")


def test_the_only_button_saves_an_svg_and_nothing_goes_to_a_cloud() -> None:
    config = export_config("Co-occurrence <NIH>")
    assert config["showSendToCloud"] is False and config["displaylogo"] is False
    assert config["modeBarButtons"] == [["toImage"]]
    assert config["toImageButtonOptions"] == {
        "format": "svg",
        "filename": "cxrdash-co-occurrence-nih",
        "scale": 1,
    }


def test_a_picture_has_dots_enough_to_print() -> None:
    options = export_config("prevalence", "PNG")["toImageButtonOptions"]
    assert options["format"] == "png" and 700 * options["scale"] / 300 > 7  # inches: a sheet's width


def test_states_have_the_agreed_colours() -> None:
    assert STATE_COLOURS["positive"] == "#D55E00"
    assert STATE_COLOURS["uncertain"] == "#E69F00"
    assert STATE_COLOURS["negative"] == "#0072B2"


def test_every_tier_has_a_sign_of_its_own() -> None:
    assert set(TIER_GLYPHS) == set(TIER_COLOURS)
    assert len(set(TIER_GLYPHS.values())) == len(TIER_GLYPHS)


def test_a_look_cannot_be_changed_and_is_larger_when_presented() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Look().dark = True  # type: ignore[misc]
    assert Look(presentation=True).size > Look().size


def test_things_compared_never_borrow_the_colour_of_a_state() -> None:
    for look in (Look(), Look(dark=True)):
        assert not {look.series(i) for i in range(6)} & set(STATE_COLOURS.values())


def test_ink_is_dark_on_light_cells_and_light_on_dark_ones() -> None:
    assert contrast("#F1F5F9", Look()) == "#111111"
    assert contrast("#0B3C6F", Look(dark=True)) == "#FFFFFF"
