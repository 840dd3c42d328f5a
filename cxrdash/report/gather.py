"""Every table of a report, computed by the same functions as the pages and the command line."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cxrdash import analysis
from cxrdash.errors import CxrdashError
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import Selection, select
from cxrdash.index.store import Index
from cxrdash.labels.policies import Policy
from cxrdash.report.small_cells import SMALLEST, is_small

if TYPE_CHECKING:
    import pandas as pd

Compute = Callable[..., "pd.DataFrame"]


def _computed(name: str, index: Index, cohort: Cohort, **options: Any) -> pd.DataFrame:
    return analysis.compute(name, index, cohort, **options)


@dataclass(frozen=True)
class Question:
    """What a report is about: a cohort of a dataset, a use, the findings that matter, and who may read it.

    ``without`` names checks left out. ``shareable`` leaves out small counts and every identifier; None does
    so where the licence forbids sharing. ``purpose`` is the author's own sentence. ``compute`` is
    ``analysis.compute`` or a cache of it.
    """

    index: Index
    cohort: Cohort = field(default_factory=Cohort)
    policy: Policy = field(default_factory=Policy)
    use: str = "train"
    findings: tuple[str, ...] = ()
    thresholds: str = ""
    without: tuple[str, ...] = ()
    shareable: bool | None = None
    purpose: str = ""
    compute: Compute = _computed
    # A report asks for the audit a dozen times; it is computed once.
    _tables: dict[tuple[object, ...], pd.DataFrame] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def shared(self) -> bool:
        """Whether small counts and identifiers are left out."""
        return not self.index.card.share_freely if self.shareable is None else self.shareable

    @cached_property
    def selection(self) -> Selection:
        return select(self.index, self.cohort)

    @property
    def patients_known(self) -> bool:
        return bool(self.index.counts["patients"])

    def table(self, name: str, *, cohort: Cohort | None = None, **options: Any) -> pd.DataFrame:
        """Return the table of a statistic for this cohort (or another) and policy."""
        given = {"policy": str(self.policy), **self.options_of(name), **options}
        taken = analysis.named(name).options
        kept = {key: value for key, value in given.items() if key in taken}
        chosen = cohort or self.cohort
        asked = (name, chosen, *sorted(kept.items()))
        if asked not in self._tables:
            self._tables[asked] = self.compute(name, self.index, chosen, **kept)
        return self._tables[asked]

    def options_of(self, name: str) -> dict[str, Any]:
        """Return the options that this question gives a statistic, beside policy and unit."""
        asked: dict[str, Any] = {"thresholds": self.thresholds} if self.thresholds else {}
        if name == "audit":
            asked |= {"use": self.use, **({"findings": self.findings} if self.findings else {})}
            asked |= {"without": self.without} if self.without else {}
        taken = analysis.named(name).options
        return {key: value for key, value in asked.items() if key in taken}

    def command(self, name: str, **options: Any) -> str:
        """Return the command that prints the same table."""
        words = ["python", "-m", "cxrdash", "stat", name, self.index.dataset, *self.cohort_arguments()]
        if "policy" in analysis.named(name).options and str(self.policy) != "as_is":
            words += ["--policy", str(self.policy)]
        for option, value in {**self.options_of(name), **options}.items():
            if option == "unit":
                words += ["--unit", str(value)]
                continue
            words += ["--set", f"{option}={','.join(value) if isinstance(value, tuple) else value}"]
        return shlex.join(words)

    def cohort_arguments(self) -> list[str]:
        """Return the cohort as options, identifiers left out where the report may be shared."""
        if not self.shared:
            return self.cohort.arguments()
        words = replace(self.cohort, images=(), patient="").arguments()
        return [
            *words,
            *(["--image", "ID"] if self.cohort.images else []),
            *(["--patient", "ID"] if self.cohort.patient else []),
        ]

    def verb(self, out: str) -> str:
        """Return the command that writes this report again."""
        words = ["python", "-m", "cxrdash", "report", self.index.dataset, "-o", out, "--use", self.use]
        words += [word for finding in self.findings for word in ("--finding", finding)]
        if str(self.policy) != "as_is":
            words += ["--policy", str(self.policy)]
        words += ["--settings", self.thresholds] if self.thresholds else []
        words += [word for check in self.without for word in ("--without", check)]
        words += ["--shareable"] if self.shareable else ["--full"] if self.shareable is False else []
        words += ["--purpose", self.purpose] if self.purpose else []
        return shlex.join([*words, *self.cohort_arguments()])


def require_shareable(question: Question) -> None:
    """Refuse a report for sharing whose very totals would tell of a few people.

    Raises CxrdashError for an empty cohort (there is nothing to report), and in what is shared for a cohort
    of 1 to 10 patients or images, or one that leaves out so few that their difference to the whole tells.
    """
    n, whole = question.selection.counts, question.index.counts
    if not n["images"]:
        raise CxrdashError("No image is in this cohort, so there is nothing to report.", "Widen the cohort.")
    if not question.shared:
        return
    for unit in ("images", "patients"):
        left_out = whole[unit] - n[unit]
        if is_small(n[unit]) or is_small(left_out):
            said = f"holds {n[unit]:,}" if is_small(n[unit]) else f"leaves out {left_out:,}"
            raise CxrdashError(
                f"This cohort {said} {unit} of the dataset: fewer than {SMALLEST}, which a shared report may not tell.",
                "Choose a wider or narrower cohort, or write the report for yourself (--full).",
            )
