"""Uncertainty policies: which states count as positive, and which count at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from cxrdash.errors import CxrdashError, shown
from cxrdash.labels.states import State

Uncertain = Literal["as_is", "U-Ones", "U-Zeros", "U-Ignore"]
Blank = Literal["negative", "excluded"]

_UNCERTAIN_SENTENCES: dict[Uncertain, str] = {
    "as_is": "uncertain shown as its own state and not counted as positive (as_is)",
    "U-Ones": "uncertain counted as positive (U-Ones)",
    "U-Zeros": "uncertain counted as negative (U-Zeros)",
    "U-Ignore": "uncertain left out (U-Ignore)",
}
_BLANK_SENTENCES: dict[Blank, str] = {
    "negative": "blank counted as negative",
    "excluded": "blank left out",
}


@dataclass(frozen=True)
class Policy:
    """What an uncertain label means and what a blank means: two decisions, always shown together.

    ``str(policy)`` is the text of links and the command line (``U-Ones``, ``U-Zeros, blank excluded``).
    """

    uncertain: Uncertain = "as_is"
    blank: Blank = "negative"

    def __str__(self) -> str:
        return self.uncertain if self.blank == "negative" else f"{self.uncertain}, blank {self.blank}"

    @staticmethod
    def parse(text: str) -> Policy:
        """Return the policy that ``text`` names, ignoring case, spaces, ``-`` and ``_``.

        CxrdashError, naming the known ones, for any other text.
        """
        policy = _BY_TEXT.get(_folded(text))
        if policy is None:
            raise CxrdashError(
                f'Unknown uncertainty policy "{shown(text)}".',
                f"Known policies: {', '.join(get_args(Uncertain))}; "
                'each may be followed by ", blank excluded" to count mentions only.',
            )
        return policy

    @property
    def positive_states(self) -> frozenset[State]:
        """States counted as positive."""
        if self.uncertain == "U-Ones":
            return frozenset({State.POSITIVE, State.UNCERTAIN})
        return frozenset({State.POSITIVE})

    @property
    def denominator_states(self) -> frozenset[State]:
        """States a rate is a share of; never `State.NOT_ASSESSED`."""
        left_out = {State.NOT_ASSESSED}
        if self.uncertain == "U-Ignore":
            left_out.add(State.UNCERTAIN)
        if self.blank == "excluded":
            left_out.add(State.BLANK)
        return frozenset(State) - left_out

    @property
    def sentence(self) -> str:
        """The policy in words, for the line below every figure."""
        return f"{_UNCERTAIN_SENTENCES[self.uncertain]}, {_BLANK_SENTENCES[self.blank]}"


def _folded(text: str) -> str:
    return "".join(c for c in text.casefold() if not c.isspace() and c not in "-_")


ALL_POLICIES = tuple(Policy(uncertain, blank) for blank in get_args(Blank) for uncertain in get_args(Uncertain))
_BY_TEXT = {
    _folded(text): policy
    for policy in ALL_POLICIES
    for text in (str(policy), f"{policy.uncertain}, blank {policy.blank}")
}
