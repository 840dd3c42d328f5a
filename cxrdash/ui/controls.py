"""The frame around every page: dataset, cohort, policy and unit, all of them in the link."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, get_args

import streamlit as st

from cxrdash.charts.theme import FIGURE_FORMS, Look
from cxrdash.config import cache
from cxrdash.errors import CxrdashError
from cxrdash.index import generations
from cxrdash.index.attributes import attribute_text, attribute_title
from cxrdash.index.cohort import OLDEST, Cohort, OnePerPatient
from cxrdash.index.readings import parse_reading, reading_text
from cxrdash.index.store import Index, Unit
from cxrdash.labels.expression import Atom, format_expression, parse
from cxrdash.labels.policies import Blank, Policy, Uncertain
from cxrdash.labels.states import State
from cxrdash.ui import cache as cached
from cxrdash.ui.text import listed, safe

if TYPE_CHECKING:
    import pandas as pd

OLDEST_SHOWN = 100  # the right end of the age slider stands for "or more"
UNITS = {"image": "Images", "study": "Studies", "patient": "Patients"}
POLICIES = {"as_is": "As recorded", "U-Ones": "U-Ones", "U-Zeros": "U-Zeros", "U-Ignore": "U-Ignore"}
BLANKS = {"negative": "Blank is negative", "excluded": "Blank left out"}
ONE = {"": "All images", "first": "The first image", "last": "The last image", "random": "A random image"}


@dataclass(frozen=True)
class Frame:
    """What every page is told: what to look at, how to count, and how it should look."""

    index: Index
    cohort: Cohort
    policy: Policy
    unit: Unit
    look: Look
    sentence: str
    counts: dict[str, int]

    def compute(self, name: str, **options: Any) -> pd.DataFrame:
        """Return the table of a statistic for this cohort, policy and unit."""
        cohort = options.pop("cohort", self.cohort)
        settings = {"policy": self.policy, "unit": self.unit, **options}
        return cached.compute(name, self.index, cohort, **settings)

    @property
    def units(self) -> str:
        """The unit's plural in lower case."""
        return UNITS[self.unit].lower()

    @property
    def empty(self) -> bool:
        return not self.counts["images"]

    @property
    def dark(self) -> bool:
        return self.look.dark


def frame() -> Frame:
    """Return the frame that the shell has set up for this run."""
    found: Frame = st.session_state["_frame"]
    return found


def set_up() -> Frame:
    """Draw the controls in the sidebar and return what they say."""
    with st.sidebar:
        index = _dataset()
        cohort = _cohort_controls(index)
        policy, unit = _counting_controls(index)
        presentation = st.toggle(
            "Presentation mode",
            key="present",
            bind="query-params",
            help="Large type, no patient identifiers.",
        )
        st.segmented_control(
            "Charts are saved as", FIGURE_FORMS, default=FIGURE_FORMS[0], required=True, key="figures",
            help="By the button at a chart's top right. PNG has 300 dots an inch. Colours print in the light theme.",
        )  # fmt: skip
    cohort = _readable(index, cohort)
    counts, sentence = cached.counted(index, cohort)
    look = Look(dark=st.context.theme.type == "dark", presentation=presentation)
    made = Frame(index, cohort, policy, unit, look, sentence, counts)
    st.session_state["_frame"] = made
    return made


def _dataset() -> Index:
    # The dataset is always in the link, which then means the same on another machine: it is written
    # there before the widget takes the parameter over.
    names = generations.datasets(cache())
    asked = st.query_params.get("ds")
    if st.session_state.get("ds", asked) not in names:
        if asked:
            st.warning(f"The link names dataset {safe(asked)}, which is not indexed here. Shown: {safe(names[0])}.")
        st.session_state["ds"] = st.query_params["ds"] = names[0]
    chosen = st.selectbox("Dataset", names, index=None, key="ds", bind="query-params")
    return cached.open_dataset(chosen or names[0])


def _cohort_controls(index: Index) -> Cohort:
    # Keys carry no dataset name, so that a link reads well; values unknown to a dataset are dropped.
    _forget_unknown(index)
    st.markdown("**Cohort**")
    labels = st.text_input(
        "Labels", key="labels", bind="query-params", placeholder=example(index),
        help="AND, OR, NOT, parentheses; quotes around names with spaces; `Edema:uncertain` for another state.",
    )  # fmt: skip
    several = [
        (name, label)
        for name, label in (("split", "Part"), ("view", "View"), ("sex", "Sex"))
        if len(index.levels(name)) > 1
    ]
    chosen = {}
    for column, (name, label) in zip(st.columns(max(len(several), 1), gap="xsmall"), several, strict=False):
        chosen[name] = tuple(
            column.multiselect(label, index.levels(name), key=name, bind="query-params", placeholder="all")
        )
    ages = st.slider("Age in years", 0, OLDEST_SHOWN, (0, OLDEST_SHOWN), key="age", bind="query-params")
    one: OnePerPatient = ""
    if index.counts["patients"]:
        one = st.selectbox(
            "Of each patient", get_args(OnePerPatient), format_func=ONE.__getitem__, key="one", bind="query-params"
        )
    attributes = _attributes(index)
    readings = _readings(index)
    on_disk = st.toggle("Only images on disk", key="on_disk", bind="query-params")
    return Cohort(
        splits=chosen.get("split", ()),
        views=chosen.get("view", ()),
        sexes=chosen.get("sex", ()),
        attributes=attributes,
        ages=_ages(sorted(ages)),
        labels=labels.strip(),
        readings=readings,
        on_disk=on_disk,
        one_per_patient=one,
    )


def _attributes(index: Index) -> tuple[str, ...]:
    """Return what must hold of the images, where the dataset says more of them than others do."""
    offered = _attribute_texts(index)
    if not offered:
        return ()
    names = listed([attribute_title(name) for name in index.attributes])
    return tuple(
        st.multiselect(
            names[:1].upper() + names[1:], offered, key="attribute", bind="query-params", placeholder="all",
            help="Choices of one attribute are alternatives; those of several narrow together.",
        )
    )  # fmt: skip


def _attribute_texts(index: Index) -> list[str]:
    """Every level of every further attribute that has more than one."""
    return [
        attribute_text(name, level)
        for name in index.attributes
        if len(index.levels(name)) > 1
        for level in index.levels(name)
    ]


def _readings(index: Index) -> tuple[str, ...]:
    """Return what readers must have said, one removable chip each; a new one can be typed."""
    if not index.readers:
        return ()
    offered = [reading_text(reader) for reader in index.readers]
    asked = [text for text in st.session_state.get("reading", st.query_params.get_all("reading")) if text]
    return tuple(
        st.multiselect(
            "What readers said", list(dict.fromkeys([*offered, *asked])), key="reading", bind="query-params",
            accept_new_options=True, placeholder=f"{offered[0]} …",
            help="Images that a reader read, or where the reader said something: type "
            f"`{offered[0]} NOT {format_expression(Atom(next(iter(index.readers.values()))[0]))}`.",
        )
    )  # fmt: skip


def example(index: Index) -> str:
    """Return a label expression in this dataset's own words."""
    names = sorted((finding.name for finding in index.findings if finding.kind != "normal"), key=len)
    return " AND NOT ".join(format_expression(Atom(name)) for name in names[:2])


def _forget_unknown(index: Index) -> None:
    offered = {name: index.levels(name) for name in ("split", "view", "sex")}
    for name, known in (offered | {"attribute": tuple(_attribute_texts(index))}).items():
        kept = [value for value in st.session_state.get(name, []) if value in known]
        if name in st.session_state and kept != list(st.session_state[name]):
            st.session_state[name] = kept


def _ages(bounds: list[int]) -> tuple[int, int] | None:
    low, high = bounds
    if (low, high) == (0, OLDEST_SHOWN):
        return None
    return low, OLDEST if high == OLDEST_SHOWN else high


def _counting_controls(index: Index) -> tuple[Policy, Unit]:
    st.markdown("**Counting**")
    unit = st.segmented_control(
        "Unit", index.units, format_func=UNITS.__getitem__, default=index.units[0], required=True,
        key="unit", bind="query-params", help="What one count is. The first is what was labelled.",
    )  # fmt: skip
    states = set(index.dictionary.ravel().tolist()) if index.dictionary.size else set()
    uncertain: Uncertain = "as_is"
    blank: Blank = "negative"
    if State.UNCERTAIN in states:
        uncertain = st.selectbox(
            "Uncertain labels", get_args(Uncertain), format_func=POLICIES.__getitem__, key="policy",
            bind="query-params",
            help="As recorded: a state of its own. U-Ones: counted as positive. U-Zeros: negative. U-Ignore: left out.",
        )  # fmt: skip
    if State.BLANK in states:
        blank = st.selectbox(
            "Blank labels", get_args(Blank), format_func=BLANKS.__getitem__, key="blank", bind="query-params",
            help="A blank label was not mentioned. Leaving it out counts only units with a mention.",
        )  # fmt: skip
    return Policy(uncertain, blank), unit or index.units[0]


def _readable(index: Index, cohort: Cohort) -> Cohort:
    """Return the cohort without what cannot be read of its label expression and readings (and say so)."""
    try:
        parse(cohort.labels, index.finding_names)
    except CxrdashError as fault:
        show_fault(fault)
        st.caption("The page shows the cohort without the label expression.")
        cohort = replace(cohort, labels="")
    kept = []
    for reading in cohort.readings:
        try:
            parse_reading(reading, index.readers)
            kept.append(reading)
        except CxrdashError as fault:
            show_fault(fault)
            st.caption("The page shows the cohort without this reading.")
    return replace(cohort, readings=tuple(kept))


def show_fault(fault: CxrdashError) -> None:
    """Show what is wrong, where, and what to do: the one place where an error reaches the screen."""
    lines = [f"**{safe(fault.message)}**", *(safe(line) for line in fault.details[:5]), safe(fault.hint)]
    more = len(fault.details) - 5
    if more > 0:
        lines.insert(-1, f"and {more:,} more")
    if any(set(line) == {" ", "^"} or line.strip() == "^" for line in fault.details):
        st.error(lines[0])
        st.code("\n".join(fault.details), language=None)
        if fault.hint:
            st.caption(safe(fault.hint))
        return
    st.error("\n\n".join(line for line in lines if line))
