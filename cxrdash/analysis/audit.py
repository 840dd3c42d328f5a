"""The suitability audit: what speaks against a use of this dataset, each with its number and its page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrdash.analysis import audit_films, audit_labels, audit_people
from cxrdash.analysis.audit_rows import SEVERITIES, USES, Asked, Check, Row
from cxrdash.analysis.registry import as_policy, statistic
from cxrdash.analysis.settings import settings
from cxrdash.errors import CxrdashError, shown
from cxrdash.index.cohort import Cohort
from cxrdash.index.selection import select
from cxrdash.index.store import Index
from cxrdash.labels.policies import Policy

if TYPE_CHECKING:
    import pandas as pd

CHECKS: dict[str, Check] = {
    check.__name__: check for check in (*audit_people.CHECKS, *audit_labels.CHECKS, *audit_films.CHECKS)
}
_AUDIT = {
    "code": "str", "severity": "str", "sentence": "str", "finding": "str", "value": "float64", "threshold": "float64",
    "evidence": "str", "source": "str", "page": "str", "use": "str", "policy": "str",
}  # fmt: skip


@statistic("Suitability audit", method="each check names its threshold and source; thresholds of thresholds.toml")
def audit(  # noqa: PLR0913 - each choice stands on the page and the command line under its own name
    index: Index,
    cohort: Cohort | None = None,
    *,
    policy: Policy | str = "as_is",
    use: str = "train",
    findings: tuple[str, ...] = (),
    thresholds: str = "",
    without: tuple[str, ...] = (),
) -> pd.DataFrame:
    """One row per check, the most serious first: ``severity`` fail, caution, not checked or pass.

    ``use`` is train, test or external (validation of a model made elsewhere); ``findings`` are those that
    matter (default: all but No Finding). ``sentence`` says what was found, ``value`` is what was compared
    with ``threshold``, ``evidence`` what it was counted on, ``page`` where it is shown. ``thresholds`` is a
    settings file of one's own; the checks named in ``without`` are left out (``CHECKS``). CxrdashError for
    an unknown use or finding.
    """
    import pandas as pd

    if use not in USES:
        raise CxrdashError(f"'{shown(use)}' is not a use.", f"Known: {', '.join(USES)}.")
    asked = Asked(index, cohort or Cohort(), as_policy(policy), use, _findings(index, findings), settings(thresholds))
    rows = (
        [row for check in _chosen(without).values() for row in check(asked)]
        if select(index, cohort).counts["images"]
        else []
    )
    rows.sort(key=lambda row: SEVERITIES.index(row.severity))
    table = pd.DataFrame([vars(row) for row in rows], columns=[*Row.__dataclass_fields__])
    return table.assign(use=use, policy=str(asked.policy))[list(_AUDIT)].astype(_AUDIT)


def _chosen(without: tuple[str, ...]) -> dict[str, Check]:
    for name in without:
        if name not in CHECKS:
            raise CxrdashError(f"There is no check '{shown(name)}'.", f"Known: {', '.join(CHECKS)}.")
    return {name: check for name, check in CHECKS.items() if name not in without}


def _findings(index: Index, names: tuple[str, ...]) -> tuple[str, ...]:
    known = {name.casefold(): name for name in index.finding_names}
    for name in names:
        if name.casefold() not in known:
            import difflib

            near = difflib.get_close_matches(name[:80], index.finding_names, n=1)
            raise CxrdashError(
                f"'{shown(name)}' is not a finding of {index.title}.",
                f"Did you mean {near[0]}?" if near else f"Known: {', '.join(index.finding_names[:20])}.",
            )
    return tuple(known[name.casefold()] for name in names) or tuple(
        finding.name for finding in index.findings if finding.kind != "normal"
    )
