"""What a check says: one row with its sentence, threshold and evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from cxrdash.analysis.settings import Settings
from cxrdash.index.cohort import Cohort
from cxrdash.index.store import Index
from cxrdash.labels.policies import Policy

Severity = Literal["fail", "caution", "pass", "not checked"]
SEVERITIES: tuple[Severity, ...] = ("fail", "caution", "not checked", "pass")
USES = ("train", "test", "external")
"""What the dataset is wanted for: to train a model, to test one, to validate one made elsewhere."""


@dataclass(frozen=True)
class Row:
    """One check: ``code`` names it, ``sentence`` says what was found with its n, ``source`` why the threshold.

    ``finding`` is the label it is about, '' for the dataset. ``value`` is the number compared with
    ``threshold`` (NaN where nothing is compared); ``page`` shows the evidence.
    """

    code: str
    severity: Severity
    sentence: str
    page: str
    value: float = float("nan")
    threshold: float = float("nan")
    evidence: str = ""
    source: str = ""
    finding: str = ""


@dataclass(frozen=True)
class Asked:
    """What is audited: a cohort of a dataset, for a use and some findings."""

    index: Index
    cohort: Cohort
    policy: Policy
    use: str
    findings: tuple[str, ...]
    settings: Settings

    def limit(self, name: str) -> float:
        """Return a threshold by name."""
        return float(self.settings.audit[name])

    @property
    def tests(self) -> bool:
        """Whether performance is to be measured on the dataset."""
        return self.use in ("test", "external")


Check = Callable[[Asked], Iterator[Row]]
