"""One control for datasets with very many labels: find, group by the tree, the most frequent and the rest in words.

Every page that draws one mark per label uses it in the same way; with few labels it is not there at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import streamlit as st

from cxrdash.analysis.finding_tree import branches
from cxrdash.labels.findings import Finding
from cxrdash.ui.controls import Frame
from cxrdash.ui.text import number, plural, safe

if TYPE_CHECKING:
    import pandas as pd
    from streamlit.delta_generator import DeltaGenerator

MANY = 30
"""Up to so many labels are drawn as they are."""
STEPS = {"20": 20, "50": 50, "All": 0}
BY_COUNT, CLOSED, OPEN = "By count", "Branches", "Tree"
FIND, BY, TOP, BRANCH = "f_find", "f_by", "f_top", "f_open"
DEFAULTS: dict[str, object] = {FIND: "", BY: BY_COUNT, TOP: "20", BRANCH: []}


@dataclass(frozen=True)
class Choice:
    """What the reader asks for: a text to find, an order, how many (0 for all), and which branches are open."""

    find: str = ""
    by: str = BY_COUNT
    top: int = 20
    opened: Sequence[str] = ()


@dataclass(frozen=True)
class Shown:
    """The labels to draw, in order; None for all of them in the page's own order. ``told`` says what is left out."""

    names: tuple[str, ...] | None = None
    words: Mapping[str, str] = field(default_factory=dict)  # how a name is written where it stands in the tree
    told: str = ""

    def of(self, table: pd.DataFrame, column: str = "finding") -> pd.DataFrame:
        """Return the rows of these labels, in their order."""
        if self.names is None:
            return table
        place = {name: at for at, name in enumerate(self.names)}
        known = table[table[column].isin(place)]
        return known.sort_values(column, key=lambda names: names.map(place), kind="stable", ignore_index=True)

    def among(self, most: int) -> Shown:
        """Return the first of these labels, where a chart can draw only so many."""
        if self.names is None or len(self.names) <= most:
            return self
        return Shown(self.names[:most], self.words, f"{self.told} Drawn: the first {most}.")

    def drawn(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of these labels with the names as a chart writes them; doors are made before."""
        rows = self.of(table)
        return rows if self.names is None else rows.assign(finding=[self.words.get(n, n) for n in rows["finding"]])


def control(now: Frame, counts: Mapping[str, float], *, most: int = 0) -> Shown:
    """Draw the control where there are many labels, say what it leaves out, and return what to draw.

    ``counts`` are the positives of every label of the page; ``most`` is how many a chart can draw (0: any number).
    """
    if len(counts) <= MANY:
        return Shown()
    findings = [_known(now, name) for name in counts]
    _carry(now)
    grouped = any(finding.parent in counts for finding in findings)
    find, by, top, opened, save = st.columns([6, 6, 4, 6, 4], vertical_alignment="bottom")
    choice = Choice(
        find=_find(find),
        by=_by(by) if grouped else BY_COUNT,
        top=STEPS[_top(top)],
        opened=_opened(opened, findings) if grouped and st.session_state.get(BY) == CLOSED else (),
    )
    _remember(now)
    shown = pick(findings, counts, choice)
    shown = shown.among(most) if most else shown
    st.caption(safe(f"{shown.told} Counted: {now.units}."))
    save.download_button(
        f"All {len(counts)} labels", lambda: _csv(findings, counts), file_name=f"{now.index.dataset}-labels.csv",
        mime="text/csv", on_click="ignore", key="f_all", width="stretch",
    )  # fmt: skip
    return shown


def search(now: Frame, names: Sequence[str]) -> set[str] | None:
    """Draw the search field alone where there are many labels; None where all are meant, else the labels that match."""
    if len(names) <= MANY:
        return None
    _carry(now)
    left, right = st.columns([3, 9], vertical_alignment="bottom")
    find = _find(left)
    _remember(now)
    if not find.strip():
        return None
    found = set(matching(names, find))
    right.caption(safe(f"{len(found)} of {len(names)} labels match “{find}”."))
    return found


def matching(names: Sequence[str], find: str) -> list[str]:
    """Return the names that hold one of the texts between commas, whatever its case; all where none is given."""
    texts = [text.strip().casefold() for text in find.split(",") if text.strip()]
    return [name for name in names if not texts or any(text in name.casefold() for text in texts)]


def pick(findings: Sequence[Finding], counts: Mapping[str, float], choice: Choice) -> Shown:
    """Return the labels that a choice shows, and in words what it leaves out."""
    found = matching([finding.name for finding in findings], choice.find)
    if not found:
        said = f"No label matches “{choice.find}”; shown as without it."
        rest = pick(findings, counts, Choice("", choice.by, choice.top, choice.opened))
        return Shown(rest.names, rest.words, f"{said} {rest.told}")
    if choice.by == BY_COUNT:
        ordered = sorted(found, key=lambda name: (-counts[name], name))
        names = ordered[: choice.top] if choice.top else ordered
        return Shown(tuple(names), {}, _told(names, found, counts, choice))
    return _in_branches(findings, counts, choice, set(found))


def _in_branches(
    findings: Sequence[Finding], counts: Mapping[str, float], choice: Choice, found: set[str]
) -> Shown:  # fmt: skip
    whole = branches(findings)
    holding = {root: branch for root, branch in whole.items() if any(name in found for name, _ in branch)}
    weight = {root: sum(counts[name] for name, _ in branch) for root, branch in holding.items()}
    ordered = sorted(holding, key=lambda root: (-weight[root], root))
    kept = ordered[: choice.top] if choice.top else ordered
    words: dict[str, str] = {}
    for root in kept:
        opened = choice.by == OPEN or root in choice.opened or bool(choice.find.strip())
        for name, level in holding[root] if opened else holding[root][:1]:
            words[name] = f"{'↳' * level} {name}".strip()
        if not opened and len(holding[root]) > 1:
            words[root] = f"{root} (+{len(holding[root]) - 1})"
    within = [name for root in ordered for name, _ in holding[root]]
    told = _told(list(words), within, counts, choice, f"{len(kept)} of {plural(len(ordered), 'branch', 'branches')}")
    return Shown(tuple(words), words, f"{told} A parent counts its own label only; (+3): three labels below it.")


def _told(shown: Sequence[str], found: Sequence[str], counts: Mapping[str, float], choice: Choice, of: str = "") -> str:
    """Say how many labels are shown and what the rest holds."""
    matched = f" that match “{choice.find}”" if choice.find.strip() else ""
    head = f"{number(len(shown))} of {number(len(found))} labels{matched} shown"
    head += f" ({of})" if of else ", the most frequent" if len(shown) < len(found) else ""
    rest = [name for name in found if name not in set(shown)]
    if not rest:
        return f"{head}."
    first = max(rest, key=lambda name: counts[name])
    never = sum(counts[name] == 0 for name in rest)
    tail = f"the other {plural(len(rest), 'label')}: {number(sum(counts[n] for n in rest))} positive labels"
    tail += f", most frequent {first} ({number(counts[first])})" if counts[first] else ""
    return f"{head}; {tail}{f'; {number(never)} never positive' if never else ''}. The table below lists all."


def _csv(findings: Sequence[Finding], counts: Mapping[str, float]) -> bytes:
    import pandas as pd

    rows = [(finding.name, finding.parent or "", int(counts[finding.name])) for finding in findings]
    table = pd.DataFrame(rows, columns=["finding", "parent", "positive"])
    text: str = table.sort_values("positive", ascending=False, kind="stable").to_csv(index=False)
    return text.encode()


def _known(now: Frame, name: str) -> Finding:
    return {finding.name: finding for finding in now.index.findings}.get(name) or Finding(name, name)


def _find(place: DeltaGenerator) -> str:
    text: str = place.text_input(
        "Find a label", key=FIND, bind="query-params", placeholder="Find labels: effusion, tube",
        label_visibility="collapsed",
    )  # fmt: skip
    return text


def _by(place: DeltaGenerator) -> str:
    with place:
        return st.segmented_control(
            "Labels", [BY_COUNT, CLOSED, OPEN], default=BY_COUNT, required=True, key=BY, bind="query-params",
            label_visibility="collapsed",
        )  # fmt: skip


def _top(place: DeltaGenerator) -> str:
    with place:
        return st.segmented_control(
            "How many", list(STEPS), default="20", required=True, key=TOP, bind="query-params",
            label_visibility="collapsed",
        )  # fmt: skip


def _opened(place: DeltaGenerator, findings: Sequence[Finding]) -> list[str]:
    roots = [root for root, branch in branches(findings).items() if len(branch) > 1]
    with place:
        return st.multiselect(
            "Open branches", roots, key=BRANCH, bind="query-params", placeholder="open these branches",
            label_visibility="collapsed",
        )  # fmt: skip


# A page's widgets are forgotten when it is left; the labels looked at are meant to come along to the next page.


def _carry(now: Frame) -> None:
    kept = st.session_state.get("_labels_shown", {})
    if kept.get("dataset") != now.index.dataset or any(key in st.query_params for key in DEFAULTS):
        return
    for key, value in kept["values"].items():
        if key not in st.session_state:
            st.session_state[key] = value


def _remember(now: Frame) -> None:
    values = {key: st.session_state[key] for key in DEFAULTS if key in st.session_state}
    before = st.session_state.get("_labels_shown", {})
    known = before.get("values", {}) if before.get("dataset") == now.index.dataset else {}
    st.session_state["_labels_shown"] = {"dataset": now.index.dataset, "values": known | values}
