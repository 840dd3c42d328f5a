"""The five states of a label, in the order in which one overrides another."""

from __future__ import annotations

from enum import IntEnum


class State(IntEnum):
    """What a dataset says of one finding on one unit.

    The numbers are an order of precedence: the state of a study or patient is the maximum over its
    images, so that one positive film makes a patient positive and a mention beats silence.
    """

    NOT_ASSESSED = 0
    BLANK = 1
    NEGATIVE = 2
    UNCERTAIN = 3
    POSITIVE = 4

    @property
    def label(self) -> str:
        """The spelling used in files, expressions, columns and links."""
        return self.name.lower()


SPELLINGS = {state.label: state for state in State}
