"""Uncertainty policies against the table and the worked example of METHODS 2.3."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cxrdash.errors import CxrdashError
from cxrdash.labels.policies import ALL_POLICIES, Policy
from cxrdash.labels.states import State

EXAMPLE = {
    State.POSITIVE: 120,
    State.UNCERTAIN: 80,
    State.NEGATIVE: 300,
    State.BLANK: 500,
    State.NOT_ASSESSED: 70,
}


def rate(policy: Policy, counts: dict[State, int]) -> float:
    of = sum(counts.get(state, 0) for state in policy.denominator_states)
    return sum(counts.get(state, 0) for state in policy.positive_states) / of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("U-Zeros", 0.12),
        ("U-Ignore", 0.130435),
        ("U-Ones", 0.20),
        ("as_is", 0.12),
        ("U-Zeros, blank excluded", 0.24),
        ("U-Ignore, blank excluded", 0.285714),
        ("U-Ones, blank excluded", 0.40),
        ("as_is, blank excluded", 0.24),
    ],
)
def test_oracles_t2_10_and_t2_11_by_policy(text: str, expected: float) -> None:
    assert rate(Policy.parse(text), EXAMPLE) == pytest.approx(expected, abs=5e-7)


def test_there_are_four_policies_for_each_meaning_of_blank() -> None:
    assert len(set(ALL_POLICIES)) == len(ALL_POLICIES) == 8
    assert ALL_POLICIES[0] == Policy()


@pytest.mark.parametrize("policy", ALL_POLICIES, ids=str)
def test_every_policy_is_read_back_from_its_text(policy: Policy) -> None:
    assert Policy.parse(str(policy)) == policy


@pytest.mark.parametrize("policy", ALL_POLICIES, ids=str)
def test_positives_count_and_what_was_not_assessed_never_does(policy: Policy) -> None:
    assert State.NOT_ASSESSED not in policy.denominator_states
    assert State.POSITIVE in policy.positive_states < policy.denominator_states


@pytest.mark.parametrize("text", ["u-ones", "U_ONES", " U Ones ", "uones, blank negative"])
def test_spelling_is_forgiven(text: str) -> None:
    assert Policy.parse(text) == Policy("U-Ones")


@pytest.mark.parametrize(
    "text", ["", "U-Twos", "U-Ones, blank", "U-Ones; drop", "U-Ones, blank excluded, blank excluded"]
)
def test_an_unknown_policy_is_refused_with_the_known_ones(text: str) -> None:
    with pytest.raises(CxrdashError) as caught:
        Policy.parse(text)
    assert caught.value.message == f'Unknown uncertainty policy "{text}".'
    assert "as_is, U-Ones, U-Zeros, U-Ignore" in caught.value.hint


def test_the_sentence_says_both_decisions() -> None:
    assert Policy("U-Ones").sentence == "uncertain counted as positive (U-Ones), blank counted as negative"
    assert Policy("U-Ignore", "excluded").sentence == "uncertain left out (U-Ignore), blank left out"
    assert len({policy.sentence for policy in ALL_POLICIES}) == 8


COUNTS = st.fixed_dictionaries({state: st.integers(0, 50) for state in State})


@given(COUNTS, st.sampled_from(["negative", "excluded"]))
def test_zeros_is_at_most_ignore_is_at_most_ones(counts: dict[State, int], blank: str) -> None:
    zeros, ignore, ones = (Policy(name, blank) for name in ("U-Zeros", "U-Ignore", "U-Ones"))  # type: ignore[arg-type]
    assume(sum(counts[state] for state in ignore.denominator_states) > 0)
    assert rate(zeros, counts) <= rate(ignore, counts) <= rate(ones, counts)


@given(COUNTS)
def test_without_uncertain_or_blank_labels_policies_agree(counts: dict[State, int]) -> None:
    certain = {**counts, State.UNCERTAIN: 0, State.BLANK: 0}
    assume(certain[State.POSITIVE] + certain[State.NEGATIVE] > 0)
    assert len({rate(policy, certain) for policy in ALL_POLICIES}) == 1
