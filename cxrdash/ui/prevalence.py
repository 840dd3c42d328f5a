"""Parts of the prevalence page: the headline, orders, doors, the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from cxrdash.analysis.pairs import positive_text
from cxrdash.index.attributes import attribute_title
from cxrdash.index.levels import AGE_BANDS, further_attributes
from cxrdash.labels.expression import Atom, Or, format_expression
from cxrdash.labels.policies import Policy
from cxrdash.labels.states import SPELLINGS, State
from cxrdash.ui import doors, show
from cxrdash.ui.controls import Frame
from cxrdash.ui.text import interval, number, percent, safe

if TYPE_CHECKING:
    import pandas as pd

STATES = ("positive", "uncertain", "negative", "blank", "not_assessed")
ATTRIBUTES = {
    "By part": "split",
    "By view": "view",
    "By sex": "sex",
    "By age": "age_band",
}
CLASS_COLUMNS = {
    "finding": "Finding", "class": "Class", "count": "Count", "of": "Of", "rate": "Share", "low": "95% from",
    "high": "to",
}  # fmt: skip
CLEAR = 0.05  # q below which a difference is named
DIFFERENCE_COLUMNS = {
    "finding": "Finding", "level": "Level", "rate": "Rate", "positive": "Positive", "of": "Of",
    "others_rate": "Rate of the others", "others_positive": "Positive of the others", "others_of": "Others",
    "difference": "Difference", "difference_low": "95% from", "difference_high": "to", "q": "q",
}  # fmt: skip
BOUND_COLUMNS = {
    "finding": "Finding", "lowest": "Lowest rate", "highest": "Highest rate", "positive": "Positive",
    "open": "Uncertain or blank", "negative": "Negative", "of": "Of",
}  # fmt: skip


def by_count(table: pd.DataFrame) -> pd.DataFrame:
    """Return the findings by count, the most frequent first."""
    return table.sort_values(["counted", "finding"], ascending=[False, True], ignore_index=True)


def ordered(table: pd.DataFrame, like: pd.DataFrame) -> pd.DataFrame:
    """Return a table with its findings in the order of another."""
    place = {finding: at for at, finding in enumerate(like["finding"])}
    return table.sort_values("finding", key=lambda names: names.map(place), kind="stable", ignore_index=True)


def sentence(now: Frame, rates: pd.DataFrame, policies: pd.DataFrame) -> str:
    """Return the headline: the widest disagreement between policies, or the commonest finding."""
    normal = {finding.name for finding in now.index.findings if finding.kind == "normal"}
    top = rates[~rates["finding"].isin(normal)].iloc[0]
    if policies_matter(policies):
        found = distinct(policies[policies["finding"].isin(_enough(rates))])
        rated = found.dropna(subset="rate").groupby("finding", sort=False)["rate"]
        finding = (rated.max() - rated.min()).idxmax()
        low, high = (found.loc[at] for at in (rated.idxmin()[finding], rated.idxmax()[finding]))
        return f"{finding}: {_under(low, now.units)} or {_under(high, now.units)}"
    rare = int((rates["rate"] < 0.02).sum())
    return (
        f"{top['finding']} is the commonest finding: {number(top['counted'])} of {number(top['of'])} {now.units}, "
        f"{percent(top['rate'])} (95% interval {interval(top['low'], top['high'])}); "
        f"{rare} of {len(rates)} labels are below 2%"
    )


def _enough(rates: pd.DataFrame) -> list[str]:
    """Findings positive often enough for a headline; all of them where none is."""
    often = rates[(rates["positive"] >= 100) & (rates["finding"] != "No Finding")]
    return list((often if len(often) else rates)["finding"])


def _under(row: pd.Series, units: str) -> str:
    return f"{percent(row['rate'])} ({number(row['counted'])} of {number(row['of'])} {units}, {row['policy']})"


def policies_matter(policies: pd.DataFrame) -> bool:
    """Whether any finding has another rate under another policy."""
    spread = distinct(policies).groupby("finding")["rate"].agg(["min", "max"])
    return bool((spread["max"] - spread["min"] > 1e-12).any())


def attributes(now: Frame) -> dict[str, str]:
    """Return the attributes with more than one level in this dataset, by what their view is called."""
    known = ATTRIBUTES | {f"By {attribute_title(name)}": name for name in further_attributes(now.index)}
    return {title: name for title, name in known.items() if name == "age_band" or len(now.index.levels(name)) > 1}


def alt(rates: pd.DataFrame) -> str:
    """Return the chart's takeaway: the commonest and the rarest label."""
    first, last = rates.iloc[0], rates.iloc[-1]
    return f"From {first['finding']} ({percent(first['rate'])}) to {last['finding']} ({percent(last['rate'])})"


def state_door(finding: str, state: str = "positive") -> str:
    """Return the door to images in which a finding has a state."""
    return doors.labelled(format_expression(Atom(finding, SPELLINGS[state])))


def with_doors(now: Frame, rates: pd.DataFrame) -> pd.DataFrame:
    return rates.assign(door=[doors.labelled(positive_text([name], now.policy)) for name in rates["finding"]])


def distinct(policies: pd.DataFrame) -> pd.DataFrame:
    """Return the policies that can differ: as recorded counts like U-Zeros, so it is not drawn twice.

    Where a dataset denies nothing and doubts nothing, leaving out blanks leaves the positives alone: every rate
    would be 100%, which says nothing.
    """
    told = policies[~policies["policy"].str.startswith("as_is")]
    if not policies[["negative", "uncertain"]].to_numpy().any():
        told = told[~told["policy"].str.contains("blank excluded")]
    return told


def policy_doors(table: pd.DataFrame) -> pd.DataFrame:
    texts = [
        positive_text([finding], Policy.parse(policy))
        for finding, policy in zip(table["finding"], table["policy"], strict=True)
    ]
    return table.assign(door=[doors.labelled(text) for text in texts])


def open_views(policies: pd.DataFrame) -> list[str]:
    """Return the views for labels that leave something open: doubted, or neither affirmed nor denied."""
    doubted, blank, denied = (bool(policies[state].any()) for state in ("uncertain", "blank", "negative"))
    return [*(["Three classes"] if doubted else []), *(["Worst case"] if doubted or (blank and denied) else [])]


def class_doors(now: Frame, table: pd.DataFrame) -> pd.DataFrame:
    """Return the three classes as levels, each with a door to its units."""
    blank = (State.BLANK,) if now.policy.blank == "negative" else ()
    states = {"positive": (State.POSITIVE,), "uncertain": (State.UNCERTAIN,), "negative": (State.NEGATIVE, *blank)}
    tokens = [_in_states(finding, states[name]) for finding, name in zip(table["finding"], table["class"], strict=True)]
    return table.assign(level=table["class"], positive=table["count"], door=tokens)


def open_doors(table: pd.DataFrame) -> pd.DataFrame:
    """Return the bounds with a door per finding to the units whose label is open."""
    return table.assign(door=[_in_states(name, (State.UNCERTAIN, State.BLANK)) for name in table["finding"]])


def _in_states(finding: str, states: tuple[State, ...]) -> str:
    atoms = tuple(Atom(finding, state) for state in states)
    return doors.labelled(format_expression(Or(atoms) if len(atoms) > 1 else atoms[0]))


def bounds_sentence(now: Frame, table: pd.DataFrame) -> str:
    """Return the widest bounds in words."""
    widest = table.loc[(table["highest"] - table["lowest"]).idxmax()]
    return (
        f"Lowest: nothing uncertain or blank is positive. Highest: all of it is. Widest: {widest['finding']}, "
        f"{percent(widest['lowest'])} to {percent(widest['highest'])}, with {number(widest['open'])} of "
        f"{number(widest['of'])} {now.units} left open. This is not sampling error: no larger dataset narrows it."
    )


def level_doors(now: Frame, table: pd.DataFrame, attribute: str) -> pd.DataFrame:
    """Return the table with its level in one column and a door per finding and level; tiny levels left out."""
    known = table[(table["of"] > 0) & (table[attribute] != "unknown")]
    if attribute == "age_band":
        rank = {band: at for at, band in enumerate(AGE_BANDS)}
        place = {finding: at for at, finding in enumerate(dict.fromkeys(known["finding"]))}
        known = known.sort_values(
            ["finding", attribute],
            key=lambda column: column.map(place if column.name == "finding" else rank),
            kind="stable",
        )
    tokens = [
        doors.level(attribute, level, labels=positive_text([finding], now.policy))
        for finding, level in zip(known["finding"], known[attribute], strict=True)
    ]
    return known.assign(level=known[attribute], door=tokens)


def differences(now: Frame, attribute: str) -> None:
    """The level that is most unlike the others, and every other difference."""
    table = now.compute("prevalence_differences", by=attribute)
    if table["difference_low"].isna().all():
        return
    st.markdown(difference_sentence(now, table))
    with st.expander("Every level against the others"):
        order = table["difference"].abs().sort_values(ascending=False, kind="stable").index
        show.table(table.loc[order], key="prevalence_differences", columns=DIFFERENCE_COLUMNS)
        st.caption(
            "In images, whatever the unit above; patients as clusters; images whose level is not known are left out. "
            "Levels may differ in much else: Hidden strata and Compare hold age, sex or view fixed."
        )


def difference_sentence(now: Frame, table: pd.DataFrame) -> str:
    """Return the largest difference that is not chance, in Markdown."""
    normal = {finding.name for finding in now.index.findings if finding.kind == "normal"}
    found = table[(table["q"] < CLEAR) & ~table["finding"].isin(normal)]
    if found.empty:
        return f"No finding differs between levels beyond chance (all q are {CLEAR} or more)."
    row = found.loc[found["difference"].abs().idxmax()]
    names = ("difference", "difference_low", "difference_high")
    points = [f"{100 * row[name]:+.1f}".replace("-", "−") for name in names]
    return (
        f"**Largest difference: {safe(row['finding'])}, {safe(row['level'])}** {percent(row['rate'])} of "
        f"{number(row['of'])} images, the others {percent(row['others_rate'])} of {number(row['others_of'])}: "
        f"{points[0]} points (95% interval {points[1]} to {points[2]})"
    )


def details(now: Frame, result: pd.DataFrame, by: list[str]) -> None:
    """The numbers behind the chart."""
    if "class" in result or "open" in result:
        show.table(result, key="prevalence_table", columns=CLASS_COLUMNS if "class" in result else BOUND_COLUMNS)
        return _meanings(now)
    levels = {name: title for title, name in attributes(now).items() if name in by}
    columns = {
        **levels,
        "finding": "Finding", **({"policy": "Policy"} if result["policy"].nunique() > 1 else {}),
        "counted": "Counted positive", "of": "Of", "rate": "Rate", "low": "95% from", "high": "to",
        "positive": "Positive", "uncertain": "Uncertain", "negative": "Negative", "blank": "Blank",
        "positive_patients": "Positive patients", "effective_n": "Effective n", "method": "Interval",
    }  # fmt: skip
    quiet = [name for name in ("uncertain", "blank") if not result[name].any()]
    show.table(result, key="prevalence_table", columns={k: v for k, v in columns.items() if k not in quiet})
    _meanings(now)


def _meanings(now: Frame) -> None:
    st.caption(f"Negative means: {now.index.card.negative_means} Blank means: {now.index.card.blank_means}")
