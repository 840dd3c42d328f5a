"""Label expressions: what a text means, and what its writer is told when it means nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrdash.errors import CxrdashError
from cxrdash.labels.expression import (
    And,
    Atom,
    Expression,
    Not,
    Or,
    all_of,
    conjunction,
    exactly,
    finding_named,
    format_expression,
    matches,
    parse,
)
from cxrdash.labels.states import State

CHEXPERT = (
    "No Finding",
    "Pneumothorax",
    "Pneumonia",
    "Edema",
    "Fracture",
    "Pleural Effusion",
    "Support Devices",
)
A, B, C = (Atom(name) for name in ("Edema", "Fracture", "Pneumonia"))


def refusal(text: str, findings: tuple[str, ...] = CHEXPERT) -> CxrdashError:
    with pytest.raises(CxrdashError) as caught:
        parse(text, findings)
    return caught.value


@pytest.mark.parametrize("text", ["", " ", "\t\n "])
def test_blank_text_means_everything(text: str) -> None:
    assert parse(text, CHEXPERT) is None


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("Edema", A),
        ('Pneumothorax AND NOT "Support Devices"', And((Atom("Pneumothorax"), Not(Atom("Support Devices"))))),
        ("Edema:uncertain OR Edema:positive", Or((Atom("Edema", State.UNCERTAIN), A))),
        ('"Pleural Effusion":blank', Atom("Pleural Effusion", State.BLANK)),
        ("Pleural Effusion AND Edema", And((Atom("Pleural Effusion"), A))),
        ("pleural_effusion : NEGATIVE", Atom("Pleural Effusion", State.NEGATIVE)),
        ("Pleural Effusion:not_assessed", Atom("Pleural Effusion", State.NOT_ASSESSED)),
        ("no finding", Atom("No Finding")),
        ("not edema and fracture or pneumonia", Or((And((Not(A), B)), C))),
        ("Edema OR Fracture AND Pneumonia", Or((A, And((B, C))))),
        ("(Edema OR Fracture) AND Pneumonia", And((Or((A, B)), C))),
        ("NOT (Edema AND Fracture)", Not(And((A, B)))),
        ("NOT NOT Edema", Not(Not(A))),
        ("((Edema))", A),
        ("Edema AND Fracture AND Pneumonia", And((A, B, C))),
        ("Edema AND (Fracture AND Pneumonia)", And((A, And((B, C))))),
    ],
)
def test_text_becomes_this_tree(text: str, tree: Expression) -> None:
    assert parse(text, CHEXPERT) == tree


def test_names_with_signs_need_no_quotes_and_doubled_quotes_stand_for_one() -> None:
    findings = ("Nodule/Mass", "COVID-19", "ILD 2.0", 'so-called "haze"', "AND", "Größe")
    assert parse("nodule/mass and covid-19 and größe", findings) == all_of(["Nodule/Mass", "COVID-19", "Größe"])
    assert parse("ILD 2.0", findings) == Atom("ILD 2.0")
    assert parse('"so-called ""haze""" AND "and"', findings) == all_of(['so-called "haze"', "AND"])


def test_an_exact_spelling_wins_over_one_that_differs_by_an_underscore() -> None:
    findings = ("Lung Opacity", "Lung_Opacity")
    assert parse("Lung_Opacity", findings) == Atom("Lung_Opacity")
    assert parse('"Lung Opacity"', findings) == Atom("Lung Opacity")
    assert (
        '"lung opacity" fits several findings: "Lung Opacity", Lung_Opacity'
        in refusal("lung opacity", findings).message
    )


def test_nih_spelling_is_returned_whichever_way_it_is_written() -> None:
    assert finding_named("pleural thickening", ["Pleural_Thickening"]) == "Pleural_Thickening"


@pytest.mark.parametrize(
    ("text", "character", "fault"),
    [
        ("Edema AND Pneumotorax", 11, '"Pneumotorax" is not a finding of this dataset'),
        ("Edema AND", 10, "the expression ends where a finding's name is expected"),
        ("AND Edema", 1, '"AND" stands where a finding\'s name is expected'),
        ("Edema OR OR Fracture", 10, '"OR" stands where a finding\'s name is expected'),
        ("Edema AND ()", 12, '")" stands where a finding\'s name is expected'),
        ("NOT", 4, "the expression ends where"),
        (":positive", 1, '":" stands where a finding\'s name is expected'),
        ("(Edema OR Fracture", 1, "this parenthesis is not closed"),
        ("Edema) OR Fracture", 6, "this parenthesis closes nothing"),
        ("Edema Fracture", 7, "AND or OR is missing before this"),
        ("Pleural Effusion Edema", 18, "AND or OR is missing before this"),
        ("Edema Xyz", 7, "AND or OR is missing before this"),
        ("Pneumonia Edema Fracture", 11, "AND or OR is missing before this"),
        ("No Findings", 1, '"No Findings" is not a finding of this dataset'),
        ("Edema:positive Fracture", 16, "AND or OR is missing before this"),
        ('"Edema" "Fracture"', 9, "AND or OR is missing before this"),
        ("(Edema) (Fracture)", 9, "AND or OR is missing before this"),
        ("(Edema NOT Fracture)", 8, "AND or OR is missing before this"),
        ("Edema:postive", 7, '"postive" is not a state'),
        ("Edema:", 7, "a state is missing after the colon"),
        ('Edema:"positive"', 7, '"positive" is not a state'),
        ("Edema:blank:blank", 12, "a state follows a finding's name"),
        ("(Edema):blank", 8, "a state follows a finding's name"),
        ('Edema AND "Fracture', 11, "this quoted name is not closed"),
        ("Edema & Fracture", 7, '"&" has no meaning here'),
        ("“Edema”", 1, '"“" has no meaning here'),
        ("Edema\x00", 6, '"\\x00" has no meaning here'),
        ('""', 1, '"" is not a finding of this dataset'),
    ],
)
def test_a_faulty_text_is_refused_where_the_fault_is(text: str, character: int, fault: str) -> None:
    error = refusal(text)
    assert error.message.startswith(f"Label expression, character {character}: {fault}")
    assert error.details[1] == " " * (character - 1) + "^"


def test_an_unknown_name_brings_up_its_nearest_findings() -> None:
    assert refusal("Pneumotorax").hint == "Did you mean Pneumothorax or Pneumonia?"
    assert refusal("effusion").hint == 'Did you mean "Pleural Effusion"?'
    assert refusal("Pleural Efusion AND Edema").hint == 'Did you mean "Pleural Effusion"?'
    assert refusal("xyz", ("Edema", "Hernia")).hint == "Its findings: Edema, Hernia."
    assert refusal("xyz", tuple(f"Finding{i}" for i in range(20))).hint.endswith("Finding7 and 12 more.")
    assert refusal("xyz", ()).hint == "Its findings: none."


def test_an_unknown_state_brings_up_all_states() -> None:
    assert refusal("Edema:yes").hint == "States: positive, uncertain, negative, blank, not_assessed."


def test_a_long_text_is_shown_around_the_fault_with_the_caret_under_it() -> None:
    text = " OR ".join(["Edema"] * 100) + " OR Xyz" + " OR Edema" * 100
    line, caret = refusal(text).details
    assert line[caret.index("^") :].startswith("Xyz OR")
    assert line[0] == line[-1] == "…" and len(line) == 72


def test_a_line_break_in_the_text_does_not_move_the_caret() -> None:
    line, caret = refusal("Edema\nAND\tXyz").details
    assert (line, caret) == ("Edema AND Xyz", " " * 10 + "^")


def test_an_over_long_text_is_refused() -> None:
    assert parse("Edema" + " " * 11_995, CHEXPERT) == A
    assert refusal("Edema" + " " * 11_996).message == (
        "The label expression has 12,001 characters; at most 12,000 are read."
    )


@pytest.mark.parametrize(("opening", "closing"), [("(", ")"), ("NOT ", ""), ("NOT (", ")")])
def test_deep_nesting_is_an_error_and_never_a_recursion_error(opening: str, closing: str) -> None:
    levels = 50 // (2 if opening == "NOT (" else 1)
    assert parse(opening * levels + "Edema" + closing * levels, CHEXPERT) is not None
    assert "more than 50 deep" in refusal(opening * (levels + 1) + "Edema" + closing * (levels + 1)).message
    assert "more than 50 deep" in refusal(opening * 790).message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Edema", True),
        ("Edema:uncertain", False),
        ("Fracture:uncertain", True),
        ("NOT Fracture", True),
        ("NOT Fracture:uncertain", False),
        ("Pneumonia:blank", True),
        ("NOT Pneumonia", True),
        ("Edema AND Fracture", False),
        ("Edema OR Fracture", True),
        ("Pneumothorax:not_assessed AND Edema", True),
    ],
)
def test_a_unit_matches_by_its_states_and_silence_is_blank(text: str, expected: bool) -> None:
    states = {"Edema": State.POSITIVE, "Fracture": State.UNCERTAIN, "Pneumothorax": State.NOT_ASSESSED}
    expression = parse(text, CHEXPERT)
    assert expression is not None
    assert matches(expression, states) is expected


def test_exactly_means_these_and_no_other() -> None:
    expression = exactly(["Edema"], ["Edema", "Fracture", "Pneumonia"])
    assert expression is not None
    assert format_expression(expression) == "Edema AND NOT (Fracture OR Pneumonia)"
    assert matches(expression, {"Edema": State.POSITIVE, "Fracture": State.UNCERTAIN})
    assert not matches(expression, {"Edema": State.POSITIVE, "Fracture": State.POSITIVE})


def test_builders_of_few_names_have_no_empty_joints() -> None:
    assert all_of([]) is None
    assert all_of(["Edema"]) == A
    assert exactly([], []) is None
    assert exactly([], ["Edema"]) == Not(A)
    assert exactly(["Edema"], ["Edema"]) == A
    with pytest.raises(ValueError, match="at least two items, not 1"):
        And((A,))


def test_conjunction_stays_flat_and_none_is_everything() -> None:
    assert conjunction(None, None) is None
    assert conjunction(None, A) == conjunction(A, None) == A
    assert conjunction(And((A, B)), C) == And((A, B, C))
    assert conjunction(Or((A, B)), Not(C)) == And((Or((A, B)), Not(C)))


NAMES = (
    "Edema",
    "Pleural Effusion",
    "and",
    "Not",
    'a "b" c',
    "Nodule/Mass",
    "COVID-19",
    ":(",
    " ",
    "x\ny",
    "é",
)
ATOMS = st.builds(Atom, st.sampled_from(NAMES), st.sampled_from(State))
TREES: st.SearchStrategy[Expression] = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(And, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=12,
)


@given(TREES)
def test_every_tree_survives_being_written_and_read(tree: Expression) -> None:
    assert parse(format_expression(tree), NAMES) == tree


@given(st.text(min_size=1, max_size=30))
def test_any_name_at_all_survives_being_written_and_read(name: str) -> None:
    assert parse(format_expression(Atom(name, State.BLANK)), [name]) == Atom(name, State.BLANK)


@given(st.text(alphabet='EdemaFractu :()"ANDORT\n_é&', max_size=60))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    try:
        parse(text, CHEXPERT)
    except CxrdashError as error:
        assert error.message.startswith("Label expression, character ")


@given(TREES, st.dictionaries(st.sampled_from(NAMES), st.sampled_from(State)))
def test_not_matches_exactly_what_the_item_does_not(tree: Expression, states: dict[str, State]) -> None:
    assert matches(Not(tree), states) is not matches(tree, states)
