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


def branches(findings: Sequence[Finding]) -> dict[str, list[tuple[str, int]]]:
    """Return each root with its branch: the names in it and how deep each stands, the root itself first (0).

    Every finding is in one branch. A finding without parent, with one that is no finding here, or in a
    circle of parents is a root.
    """
    names = {finding.name for finding in findings}
    place: dict[str, tuple[str, int]] = {
        finding.name: (finding.name, 0) for finding in findings if finding.parent not in names
    }
    found: dict[str, list[tuple[str, int]]] = {name: [(name, 0)] for name in place}
    for finding, _ in tree(findings):  # parents come before their children
        if finding.parent in place and finding.name not in place:
            root, level = place[finding.parent]
            place[finding.name] = (root, level + 1)
            found[root].append((finding.name, level + 1))
    return found | {finding.name: [(finding.name, 0)] for finding in findings if finding.name not in place}
