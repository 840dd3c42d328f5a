"""One to five stars of a label: the smallest of five scores, never averaged (METHODS 3.9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cxrdash.analysis.intervals import half_width, wilson
from cxrdash.analysis.settings import Settings

COMPONENTS = ("patients", "width", "uncertain", "errors", "structure")


@dataclass(frozen=True)
class Evidence:
    """What a label is rated by.

    ``patients`` are positive in the test part, ``effective_n`` their images with repeats discounted.
    ``uncertain`` is None where the dataset records no uncertain labels. ``reviewed`` images of the label
    were judged, ``wrong`` and ``doubtful`` of them so. ``flags`` name structure problems, ``critical``
    says that one of them decides the treatment.
    """

    patients: int
    effective_n: float
    positive: int
    uncertain: int | None
    reviewed: int = 0
    wrong: int = 0
    doubtful: int = 0
    flags: tuple[str, ...] = ()
    critical: bool = False


@dataclass(frozen=True)
class Stars:
    """The five scores (1 to 5 each) with the numbers behind them; ``stars`` is the smallest."""

    scores: tuple[int, int, int, int, int]
    half_width: float
    uncertain_share: float
    error_limit: float
    reviewed: bool

    @property
    def stars(self) -> int:
        return min(self.scores)

    @property
    def limited_by(self) -> tuple[str, ...]:
        """The components that limit the label; none at five stars."""
        if self.stars == 5:
            return ()
        return tuple(name for name, score in zip(COMPONENTS, self.scores, strict=True) if score == self.stars)


def rate(evidence: Evidence, chosen: Settings) -> Stars:
    """Return the stars of a label. An input that improves never lowers them."""
    rule = chosen.stars
    width = float(half_width(evidence.effective_n, rule["sensitivity"])) if evidence.effective_n > 0 else float("inf")
    share = _share(evidence)
    limit = _limit(evidence)
    reviewed = evidence.reviewed >= rule["least_reviewed"]
    scores = (
        _at_least(evidence.patients, rule["patients"]),
        _at_most(width, rule["half_width"]),
        int(rule["uncertain_not_recorded"]) if evidence.uncertain is None else _at_most(share, rule["uncertain"]),
        _at_most(limit, rule["label_errors"]) if reviewed else int(rule["unreviewed"]),
        _structure(len(evidence.flags), critical=evidence.critical),
    )
    return Stars(scores, width, share, limit, reviewed)


def _share(evidence: Evidence) -> float:
    if evidence.uncertain is None:
        return float("nan")
    said = evidence.positive + evidence.uncertain
    # Neither positive nor uncertain: nothing is known of the label, which is the worst.
    return evidence.uncertain / said if said else 1.0


def _limit(evidence: Evidence) -> float:
    if not evidence.reviewed:
        return float("nan")
    return float(wilson(evidence.wrong + evidence.doubtful, evidence.reviewed)[1])


def _at_least(value: float, bounds: Sequence[float]) -> int:
    return 1 + sum(value >= bound for bound in bounds)


def _at_most(value: float, bounds: Sequence[float]) -> int:
    return 1 + sum(value <= bound for bound in bounds)


def _structure(flags: int, *, critical: bool) -> int:
    score = max(5 - flags, 2)
    return min(score, 2) if critical else score
