"""The hierarchy of a dataset's findings as a list to walk."""

from __future__ import annotations

from collections.abc import Sequence

from cxrdash.labels.findings import Finding


def tree(findings: Sequence[Finding]) -> list[tuple[Finding, int]]:
    """Return the findings that have a parent with their level (1 below a root), each after its parent.

    Otherwise in the order given. A parent that is no finding here is a root; a circle of parents is left out.
    """
    names = {finding.name for finding in findings}
    children: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.parent:
            children.setdefault(finding.parent, []).append(finding)
    roots = dict.fromkeys(name for name in children if name not in names)
    roots |= dict.fromkeys(finding.name for finding in findings if not finding.parent)
    ordered: list[tuple[Finding, int]] = []
    waiting = [(child, 1) for root in reversed(roots) for child in reversed(children.get(root, []))]
    while waiting:
        finding, level = waiting.pop()
        ordered.append((finding, level))
        waiting += [(child, level + 1) for child in reversed(children.get(finding.name, []))]
    return ordered


def below(name: str, findings: Sequence[Finding]) -> list[str]:
    """Return the names of the children of a finding, their children and so on."""
    parents = {finding.name: finding.parent for finding, _ in tree(findings)}
    found: list[str] = []
    for child, parent in parents.items():  # parents come before their children
        if parent == name or parent in found:
            found.append(child)
    return found
